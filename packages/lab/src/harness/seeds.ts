/**
 * One scenario under many seeds: the flags that say which, the loop, and how a run that found something ends. A failing seed is
 * printed, and fails again.
 */
import * as Flag from "effect/cli/Flag"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Runtime from "effect/Runtime"
import { count, optional } from "./flags.ts"

/** What a command found has been printed: it ends with exit code 1, and nothing more is said. */
export class Found extends Error {
  override readonly name = "Found"
  override readonly [Runtime.errorReported] = false
}

/** Fails where something was found. */
export const foundIf = (found: boolean): Effect.Effect<void, Found> =>
  found ? Effect.fail(new Found("something was found")) : Effect.void

/** Which seeds. */
export interface Seeds {
  readonly seeds: number
  readonly from: number
  readonly seed: number | undefined
}

/** The flags for it. */
export const flags = (seeds: number) => ({
  seeds: count("seeds", seeds, "How many seeds"),
  from: count("from", 1, "The first of them"),
  seed: optional(Flag.Int("seed"), "This one alone")
})

/** The first and the last. */
export const range = ({ from, seed, seeds }: Seeds): { readonly first: number; readonly last: number } =>
  seed === undefined ? { first: from, last: from + seeds - 1 } : { first: seed, last: seed }

/** Adds what was counted to what was counted before. */
export const add = (totals: Record<string, number>, counts: Readonly<Record<string, number>>): void => {
  for (const [key, count] of Object.entries(counts)) totals[key] = (totals[key] ?? 0) + count
}

/** Prints what was counted, a line each. */
export const printTotals = (totals: Readonly<Record<string, number>>): Effect.Effect<void> =>
  Effect.forEach(
    Object.keys(totals).sort(),
    (key) => Console.log(`${String(totals[key]).padStart(8)} ${key}`),
    { discard: true }
  )

/** What came of one seed: what was counted, and whatever must not happen, in words. */
export interface Outcome {
  readonly counts: Readonly<Record<string, number>>
  readonly problems: ReadonlyArray<string>
}

/** Runs a scenario under each seed, prints those that fail, the sums, and what `summary` adds to the line above them. */
export const run = <E, R>(
  which: Seeds,
  scenario: (seed: number) => Effect.Effect<Outcome, E, R>,
  summary: () => string = () => ""
): Effect.Effect<void, E | Found, R> =>
  Effect.gen(function*() {
    const { first, last } = range(which)
    const totals: Record<string, number> = {}
    let failures = 0
    for (let seed = first; seed <= last; seed++) {
      const { counts, problems } = yield* scenario(seed)
      add(totals, counts)
      if (problems.length === 0) continue
      failures++
      yield* Console.log(`seed ${seed} failed:`)
      for (const problem of problems) yield* Console.log(`  ${problem}`)
    }
    yield* Console.log(`${last - first + 1} seeds: ${failures} failed${summary()}`)
    yield* printTotals(totals)
    yield* foundIf(failures > 0)
  })
