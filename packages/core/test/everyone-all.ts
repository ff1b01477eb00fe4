/**
 * Calls everyone under many seeds, 50 nodes each: `pnpm everyone`, or with a number of seeds `pnpm everyone 1000`, or from a seed
 * on `pnpm everyone 10 500`. A failing seed is printed, and fails again.
 */
import { SimWorld } from "@pnet/testing"
import { Console, Effect } from "effect"
import { TestClock } from "effect/testing"
import { everyone } from "./everyone.ts"

const seeds = Number(process.argv[2] ?? 100)
const first = Number(process.argv[3] ?? 1)

const program = Effect.gen(function*() {
  const totals: Record<string, number> = {}
  let failures = 0
  let longest = -Infinity
  for (let seed = first; seed < first + seeds; seed++) {
    const { exits, faults, over, problems } = yield* everyone({ seed }).pipe(
      SimWorld.passing({ step: "20 millis" }),
      Effect.provide(TestClock.layer())
    )
    longest = Math.max(longest, over)
    for (const [key, count] of [...Object.entries(exits), ...Object.entries(faults)]) {
      totals[key] = (totals[key] ?? 0) + count
    }
    if (problems.length > 0) {
      failures++
      yield* Console.log(`seed ${seed} failed:`)
      for (const problem of problems) yield* Console.log(`  ${problem}`)
    }
  }
  yield* Console.log(
    `${seeds} seeds: ${failures} failed; no call took more than its timeout and ${Math.ceil(longest)} ms`
  )
  for (const key of Object.keys(totals).sort()) yield* Console.log(`${String(totals[key]).padStart(8)} ${key}`)
  if (failures > 0) process.exitCode = 1
})

await Effect.runPromise(program)
