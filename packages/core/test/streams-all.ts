/**
 * Runs the random work of `streams.ts` over many seeds: `pnpm streams`, or with a number of seeds `pnpm streams 1000`, or from
 * a seed on `pnpm streams 10 500`. A failing seed is printed, and fails again.
 */
import { SimWorld } from "@pnet/testing"
import { Console, Effect, Logger } from "effect"
import { TestClock } from "effect/testing"
import { workload } from "./streams.ts"

const seeds = Number(process.argv[2] ?? 100)
const first = Number(process.argv[3] ?? 1)

const program = Effect.gen(function*() {
  const totals: Record<string, number> = {}
  let failures = 0
  for (let seed = first; seed < first + seeds; seed++) {
    const { faults, outcomes, problems } = yield* workload({ seed }).pipe(
      SimWorld.passing({ step: "20 millis" }),
      Effect.provide([TestClock.layer(), Logger.layer([])])
    )
    for (const [key, count] of [...Object.entries(outcomes), ...Object.entries(faults)]) {
      totals[key] = (totals[key] ?? 0) + count
    }
    if (problems.length > 0) {
      failures++
      yield* Console.log(`seed ${seed} failed:`)
      for (const problem of problems) yield* Console.log(`  ${problem}`)
    }
  }
  yield* Console.log(`${seeds} seeds: ${failures} failed`)
  for (const key of Object.keys(totals).sort()) yield* Console.log(`${String(totals[key]).padStart(8)} ${key}`)
  if (failures > 0) process.exitCode = 1
})

await Effect.runPromise(program)
