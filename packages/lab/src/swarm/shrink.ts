/**
 * Finds a short list of steps with which a seed still fails, by running it again without some of them (delta debugging): halves
 * first, then smaller and smaller parts.
 *
 * What bites: each step keeps its numbers, but what the network loses and delays is drawn as it goes, so a failure that needs luck
 * may not come back, and its trace stays longer than it would have to be.
 */
import { Clock, Effect } from "effect"
import type { Invariant } from "./journal.ts"
import { makePlan } from "./plan.ts"
import { type Outcome, run } from "./swarm.ts"
import type { Options } from "./world.ts"

export interface Shrunk {
  /** The steps that are left, by their numbers. */
  readonly kept: ReadonlyArray<number>
  /** What came of them. */
  readonly outcome: Outcome
  readonly runs: number
  /** Whether no step can be left out of them; otherwise the time was up. */
  readonly complete: boolean
}

/** Steps with which one of the invariants is broken, looked for until the time in milliseconds is up. */
export const shrink = (options: Options, invariants: ReadonlySet<Invariant>, time: number): Effect.Effect<Shrunk> =>
  Effect.gen(function*() {
    const all = makePlan(options).steps.map(({ id }) => id)
    const begun = yield* Clock.currentTimeMillis
    let runs = 0
    const attempt = (kept: ReadonlyArray<number>) => {
      runs++
      return run({ ...options, log: undefined, without: new Set(all.filter((id) => !kept.includes(id))) })
    }
    const fails = (outcome: Outcome) => outcome.problems.some(({ invariant }) => invariants.has(invariant))

    let kept: ReadonlyArray<number> = all
    let outcome = yield* attempt(kept)
    let parts = 2
    let complete = false
    while (!complete) {
      const size = Math.ceil(kept.length / parts)
      let shorter = false
      for (let at = 0; at < kept.length; at += size) {
        if ((yield* Clock.currentTimeMillis) - begun > time) return { kept, outcome, runs, complete }
        const without = [...kept.slice(0, at), ...kept.slice(at + size)]
        const found = yield* attempt(without)
        if (fails(found)) {
          kept = without
          outcome = found
          shorter = true
          break
        }
      }
      if (shorter) parts = Math.max(2, parts - 1)
      else if (size <= 1) complete = true
      else parts = Math.min(kept.length, parts * 2)
      if (kept.length === 0) complete = true
    }
    return { kept, outcome, runs, complete }
  })
