/** How time passes where an effect runs under `passing`. */
import { assert, describe, it } from "@effect/vitest"
import { SimWorld } from "@pnet/testing"
import { Clock, type Duration, Effect } from "effect"
import type { TestClock } from "effect/testing"

describe("passing", () => {
  it.effect("takes together what nobody wakes in, and ends with the step in which the effect is done", () =>
    Effect.gen(function*() {
      const clock = (yield* Clock.Clock) as TestClock.TestClock
      let times = 0
      const counted = {
        ...clock,
        adjust: (duration: Duration.Input) =>
          Effect.suspend(() => {
            times++
            return clock.adjust(duration)
          })
      }
      const woken: Array<number> = []
      yield* Effect.gen(function*() {
        // Whoever is interrupted is nobody that time waits for.
        yield* Effect.timeoutOption(Effect.sleep("5 minutes"), "20 millis")
        for (const wait of [3, 60_000, 7, 300_001]) {
          yield* Effect.sleep(wait)
          woken.push(yield* Clock.currentTimeMillis)
        }
      }).pipe(SimWorld.passing({ step: "5 millis" }), Effect.provideService(Clock.Clock, counted))
      assert.deepStrictEqual(woken, [23, 60_023, 60_030, 360_031])
      assert.strictEqual(yield* Clock.currentTimeMillis, 360_035)
      // Each of 5 ms, they were 72,007.
      assert.isBelow(times, 200)
    }))
})
