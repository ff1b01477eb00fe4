// A LAN of many as processes on three hosts, which are network namespaces on a bridge: with a budget of broadcasts that is theirs by
// far, and with one that makes few nodes a crowd. `pnpm lab crowd hosts` does it with sixty. Skipped where the machine permits no
// namespaces.
import { assert, describe, it } from "@effect/vitest"
import { measure } from "@pnet/lab/crowd/hosts"
import { forbidden } from "@pnet/lab/processes/namespaces"
import { Effect } from "effect"

const title = forbidden === undefined
  ? "nine processes on three hosts"
  : `nine processes on three hosts (skipped: ${forbidden})`

const last = (times: ReadonlyArray<number>) => times.at(-1) ?? Infinity

describe(title, () => {
  it.live(
    "know each other and a newcomer, and miss who leaves, who is killed, and who crashes with its host, as few and as a crowd",
    () =>
      Effect.gen(function*() {
        const found = yield* measure({ processes: 9, budgets: [40, 2], interval: 1, settle: 2, quiet: 2 })
        assert.deepStrictEqual(found.map(({ budget }) => budget), [40, 2])
        for (const one of found) {
          assert.isBelow(one.together, Infinity, "they know each other")
          assert.strictEqual(one.known.length, 9)
          assert.strictEqual(one.knows.length, 9)
          assert.strictEqual(one.left.length, 8)
          assert.isBelow(last(one.left), 5_000)
          // What the simulation says at 2.5 seconds, which is more than twice what it says at one. Silence alone would take the crowd eighteen.
          assert.strictEqual(one.killed.length, 7)
          assert.isBelow(last(one.killed), 15_000)
          assert.strictEqual(one.crashed.length, 7)
          assert.isBelow(last(one.crashed), 15_000)
          assert.deepStrictEqual(one.falseLosses, [])
        }
        // Nine a second, and two.
        const [few, crowd] = found.map(({ broadcasts }) => broadcasts)
        assert.isAbove(few!, 0)
        assert.isBelow(crowd!, 0.6 * few!)
      }),
    { timeout: 90_000, skip: forbidden !== undefined }
  )
})
