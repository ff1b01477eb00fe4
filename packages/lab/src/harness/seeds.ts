/**
 * One scenario under many seeds: the flags that say which, the loop, and how a run that found something ends. A failing seed is
 * printed, and fails again.
 */
import * as CliError from "effect/cli/CliError"
import * as Flag from "effect/cli/Flag"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Runtime from "effect/Runtime"
import { type Given, given, optional } from "./flags.ts"

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
  readonly seeds: Given
  readonly from: Given
  readonly seed: number | undefined
}

/** The flags for it. */
export const flags = (seeds: number) => ({
  seeds: given("seeds", seeds, "How many seeds"),
  from: given("from", 1, "The first of them"),
  seed: optional(Flag.Int("seed"), "This one alone")
})

/** The first and the last. One alone and how many are two wishes, of which none is left out unsaid. */
export const range = (
  { from, seed, seeds }: Seeds
): Effect.Effect<{ readonly first: number; readonly last: number }, CliError.UserError> => {
  if (seed === undefined) return Effect.succeed({ first: from.value, last: from.value + seeds.value - 1 })
  const beside = [...(seeds.isGiven ? ["--seeds"] : []), ...(from.isGiven ? ["--from"] : [])].join(" and ")
  return beside === "" ? Effect.succeed({ first: seed, last: seed }) : Effect.fail(
    new CliError.UserError({
      cause: new Error(
        `--seed is one seed alone, and ${beside} says which of many: leave one of them out; --from ${seed} --seeds 10 are ten from ${seed} on`
      )
    })
  )
}

/** `1 seed`, `2 seeds`. */
export const counted = (seeds: number): string => `${seeds} seed${seeds === 1 ? "" : "s"}`

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
): Effect.Effect<void, E | Found | CliError.UserError, R> =>
  Effect.gen(function*() {
    const { first, last } = yield* range(which)
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
    yield* Console.log(`${counted(last - first + 1)}: ${failures} failed${summary()}`)
    yield* printTotals(totals)
    yield* foundIf(failures > 0)
  })
