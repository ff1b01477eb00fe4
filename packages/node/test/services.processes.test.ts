// A service of processes of the operating system under load: rolling restarts lose no call, and a kill only what may have run.
import { assert, describe, it } from "@effect/vitest"
import { rolling } from "@pnet/lab/services/rolling"
import { Effect } from "effect"

describe("a service of processes", () => {
  it.live(
    "loses no call when each is restarted by draining, and by a kill only those that may have run",
    () =>
      Effect.scoped(Effect.gen(function*() {
        const { killed, restarted } = yield* rolling({ servers: 3, rate: 100, millis: 20 })
        assert.deepStrictEqual(restarted.failures, [])
        assert.strictEqual(Object.keys(restarted.by).length, 3)
        for (const failure of killed.failures) {
          assert.deepStrictEqual([failure.kind, failure.tag, failure.mayHaveRun], ["work", "PeerLostError", true])
        }
        assert.isAbove(killed.calls, 50)
      })),
    60_000
  )
})
