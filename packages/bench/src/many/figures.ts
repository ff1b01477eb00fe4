/** The figures of messages from one to many: what one run measured, and several runs put together. */
import * as Schema from "effect/Schema"
import * as Effort from "../harness/effort.ts"
import { subjects } from "./subjects.ts"

/** Messages at a fixed rate. Times are milliseconds, from one publisher to any of the subscribers. */
export const Paced = Schema.Struct({
  /** How many were published in a second: fewer than asked for where it could do no more. */
  perSecond: Schema.Number,
  p50: Schema.Number,
  p99: Schema.Number
})

/** What one that is frozen is to the others. */
export const Frozen = Schema.Struct({
  /** What the others got while it was frozen, as a share of what they got before, of as many as go. */
  ofRate: Schema.Number,
  /** The latencies of the others while it was frozen, and as a share of those before. */
  p50: Schema.Number,
  p99: Schema.Number,
  ofP50: Schema.Number,
  ofP99: Schema.Number,
  /** Milliseconds after which it had messages again once it was thawed; `null`: not within ten seconds. */
  back: Schema.NullOr(Schema.Number)
})

/** One subject with so many subscribers. */
export const Cell = Schema.Struct({
  subject: Schema.Literals(subjects),
  subscribers: Schema.Number,
  /** Messages that came to all subscribers together in a second, in the fastest round, and in all. */
  perSecond: Schema.Number,
  spread: Effort.Spread,
  /** Processor time of a message that came, in microseconds, of the publisher and of all subscribers. */
  publisherMicros: Schema.Number,
  subscriberMicros: Schema.Number,
  /** Messages that did not come, of all rounds. */
  lost: Schema.Number,
  /** The median of the rounds, as all that follows. */
  paced: Paced,
  /** `null` where there was none besides. */
  frozen: Schema.NullOr(Frozen)
})

/** One subject with so many subscribers. */
export type Cell = typeof Cell.Type

/** The figures. */
export const Many = Schema.Struct({
  seconds: Schema.Number,
  rounds: Schema.Number,
  /** The fixed rate. */
  pace: Schema.Number,
  /** Processes that subscribers have, at most. */
  processes: Schema.Number,
  cells: Schema.Array(Cell),
  leftOut: Schema.Array(Schema.Struct({ subject: Schema.Literals(subjects), reason: Schema.String }))
})

/** The figures. */
export type Many = typeof Many.Type

const order = (subject: typeof subjects[number]): number => subjects.indexOf(subject)

/** Figures with those of a later run in the place of earlier ones of the same. */
export const merge = (earlier: Many, later: Many): Many => ({
  ...later.cells.length === 0 ? earlier : later,
  cells: [
    ...earlier.cells.filter(({ subject, subscribers }) =>
      !later.cells.some((cell) => cell.subject === subject && cell.subscribers === subscribers)
    ),
    ...later.cells
  ].sort((a, b) => a.subscribers - b.subscribers || order(a.subject) - order(b.subject)),
  leftOut: [
    ...earlier.leftOut.filter(({ subject }) =>
      ![...later.cells, ...later.leftOut].some((cell) => cell.subject === subject)
    ),
    ...later.leftOut
  ].sort((a, b) => order(a.subject) - order(b.subject))
})
