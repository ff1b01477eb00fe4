/** What is said while seeds are run: how far it is, by time, and where it is interrupted what was done until then. */
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Seeds from "../harness/seeds.ts"
import type { makeSums } from "./sums.ts"

// Whoever has just begun wants to know whether it works, and later only that it still does.
const soon = 10_000
const late = 60_000

/** Does something again and again: after ten seconds, then after twice as long each time, up to a minute. */
const nowAndThen = (what: Effect.Effect<void>, wait = soon): Effect.Effect<never> =>
  Effect.flatMap(
    Effect.andThen(Effect.sleep(wait), what),
    () => nowAndThen(what, Math.min(2 * wait, late))
  )

/**
 * Begins to count the time of so many processes. `during` is work whose sums are told of; `total` says what all came to, and gives the bytes that a seed leaves,
 * where that is known.
 */
export const begin = (sums: ReturnType<typeof makeSums>, processes: number) =>
  Effect.map(Clock.currentTimeMillis, (begun) => {
    const passed = Effect.map(Clock.currentTimeMillis, (now) => now - begun)
    const total = Effect.gen(function*() {
      yield* Console.log("")
      yield* Seeds.printTotals(sums.totals)
      const growth = sums.growth()
      yield* Console.log(
        sums.end(processes, yield* passed)
          + (growth === undefined ? "" : `; a seed leaves ${growth.toFixed(0)} bytes`)
      )
      return growth
    })
    const after = Effect.flatMap(passed, (clock) => Console.log(sums.after(clock)))
    return {
      total,
      during: (work: Effect.Effect<void>): Effect.Effect<void> =>
        Effect.onInterrupt(
          Effect.raceFirst(work, nowAndThen(after)),
          () => Effect.andThen(Console.log("\ninterrupted; what was done until then:"), total)
        )
    }
  })
