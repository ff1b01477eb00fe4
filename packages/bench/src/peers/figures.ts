/** The figures of runs beside other libraries: what one measured, and several runs put together. */
import * as Schema from "effect/Schema"
import * as Effort from "../harness/effort.ts"
import * as Machine from "../harness/machine.ts"
import * as Turns from "../harness/turns.ts"
import * as Many from "../many/figures.ts"
import { subjects } from "./subjects.ts"

/** Calls of one subject at one concurrency. */
export const Calls = Schema.Struct({ subject: Schema.Literals(subjects), ...Turns.fields })

/** Calls of one subject at one concurrency. */
export type Calls = typeof Calls.Type

/** Bulk of one subject. */
export const Bulk = Schema.Struct({
  subject: Schema.Literals(subjects),
  /** Millions of bytes a second, of the fastest round and of all. */
  megabytes: Schema.Number,
  spread: Effort.Spread,
  /** What a MiB took of the processor, in microseconds of the side that sends and of the one that receives. */
  sendingMicros: Schema.Number,
  receivingMicros: Schema.Number
})

/** Bulk of one subject. */
export type Bulk = typeof Bulk.Type

/** What is not in the figures, and why. */
export const LeftOut = Schema.Struct({ subject: Schema.Literals(subjects), reason: Schema.String })

/** The figures. */
export const Figures = Schema.Struct({
  machine: Machine.Machine,
  messageBytes: Schema.Number,
  seconds: Schema.Number,
  mebibytes: Schema.Number,
  rounds: Schema.Number,
  calls: Schema.Array(Calls),
  bulk: Schema.Array(Bulk),
  leftOut: Schema.Array(LeftOut),
  /** Messages from one to many. */
  many: Many.Many
})

/** The figures. */
export type Figures = typeof Figures.Type

const order = (subject: typeof subjects[number]): number => subjects.indexOf(subject)

/** Figures with those of a later run in the place of earlier ones of the same; all else is said of the later one, unless it measured nothing. */
export const merge = (earlier: Figures, later: Figures): Figures => ({
  ...later.calls.length + later.bulk.length === 0 ? earlier : later,
  machine: later.calls.length + later.bulk.length + later.many.cells.length === 0 ? earlier.machine : later.machine,
  many: Many.merge(earlier.many, later.many),
  seconds: (later.calls.length === 0 ? earlier : later).seconds,
  mebibytes: (later.bulk.length === 0 ? earlier : later).mebibytes,
  calls: [
    ...earlier.calls.filter(({ atOnce, subject }) =>
      !later.calls.some((cell) => cell.subject === subject && cell.atOnce === atOnce)
    ),
    ...later.calls
  ].sort((a, b) => a.atOnce - b.atOnce || order(a.subject) - order(b.subject)),
  bulk: [
    ...earlier.bulk.filter(({ subject }) => !later.bulk.some((cell) => cell.subject === subject)),
    ...later.bulk
  ].sort((a, b) => order(a.subject) - order(b.subject)),
  leftOut: [
    ...earlier.leftOut.filter(({ subject }) =>
      ![...later.calls, ...later.bulk, ...later.leftOut].some((cell) => cell.subject === subject)
    ),
    ...later.leftOut
  ].sort((a, b) => order(a.subject) - order(b.subject))
})
