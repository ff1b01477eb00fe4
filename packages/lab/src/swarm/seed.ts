/**
 * What is told of one seed, by whichever process ran it: what was counted, what must not happen and did, what it took, and now and then what the process holds.
 *
 * What bites: what a run leaves in memory is its process's, so who holds how much is of no use without which of them it is.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { busy } from "../harness/busy.ts"
import { heap } from "../harness/memory.ts"
import { invariants } from "./journal.ts"
import { run } from "./swarm.ts"

/** Which seed, and what is not drawn from it. */
export const Which = Schema.Struct({
  seed: Schema.Int,
  /** Drawn from the seed where it is not given. */
  nodes: Schema.optional(Schema.Int),
  /** Virtual seconds of work and faults. Default 180. */
  seconds: Schema.optional(Schema.Finite)
})
export type Which = typeof Which.Type

/** What came of it. */
export const Told = Schema.Struct({
  nodes: Schema.Int,
  steps: Schema.Int,
  /** Virtual milliseconds. */
  passed: Schema.Finite,
  /** Milliseconds of a core. */
  took: Schema.Finite,
  /** Calls by kind and by what came of them, and faults by kind. */
  counts: Schema.Record(Schema.String, Schema.Finite),
  problems: Schema.Array(
    Schema.Struct({ invariant: Schema.Literals(invariants), at: Schema.Finite, text: Schema.String })
  ),
  /** A hash of all that happened, the same for the same plan. */
  digest: Schema.String,
  /** Its process ended, so that nothing else is known. */
  ended: Schema.optional(Schema.Boolean),
  /** What its process holds, in bytes, after so many of its seeds. */
  held: Schema.optional(Schema.Struct({ process: Schema.Int, seeds: Schema.Int, bytes: Schema.Finite }))
})
export type Told = typeof Told.Type

/** Runs a seed, and tells of it. */
export type Run = (which: Which, log?: (line: string) => void) => Effect.Effect<Told>

/** In this process, which looks at what it holds after each so many of its seeds. */
export const makeRun = (each: number): Run => {
  let seeds = 0
  return (which, log) =>
    Effect.suspend(() => {
      const before = busy()
      return Effect.map(run({ ...which, log }), ({ counts, digest, passed, plan, problems }): Told => {
        const took = busy() - before
        seeds++
        return {
          nodes: plan.nodes.length,
          steps: plan.steps.length,
          passed,
          took,
          counts,
          problems,
          digest,
          held: seeds % each === 0 ? { process: process.pid, seeds, bytes: heap() } : undefined
        }
      })
    })
}
