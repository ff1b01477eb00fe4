/**
 * pnet beside what would be used instead: the same calls of 128 bytes and the same bulk through js-libp2p, zeromq with and without CURVE, NATS, gRPC with
 * TLS, cote, moleculer, Effect's own RPC over TCP, raw TLS and a raw socket, in one run and in turns; and messages from one to many through those that have
 * something for it.
 *
 * Each is a program of its own in `peers/programs`, as its own users would write it, and is installed on demand outside the workspace. What cannot be had is
 * named with the reason and left out. Each has two processes on loopback, and NATS its server besides.
 *
 * What bites: most of them encrypt nothing, and the table says which. cote and moleculer send JSON, so their message is a text of that length.
 */
import { table } from "@pnet/lab/harness/table"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { existsSync, readFileSync } from "node:fs"
import * as Effort from "./harness/effort.ts"
import { type Goal, goal, GoalSchema } from "./harness/goal.ts"
import * as Machine from "./harness/machine.ts"
import * as Reports from "./harness/report.ts"
import * as Turns from "./harness/turns.ts"
import type * as Workers from "./harness/workers.ts"
import { format as formatMany } from "./many/format.ts"
import * as Many from "./many/measuring.ts"
import * as ManySubjects from "./many/subjects.ts"
import { type Calls, Figures, merge } from "./peers/figures.ts"
import * as Installing from "./peers/installing.ts"
import * as Measuring from "./peers/measuring.ts"
import * as Page from "./peers/page.ts"
import { about, type SubjectName, subjects as ofCalls, titles } from "./peers/subjects.ts"

/** What can be measured: with calls and bulk, or from one to many. */
export const subjects = [...new Set([...ofCalls, ...ManySubjects.subjects])] as const

/** What a run writes with `--json`. */
export const Report = Schema.Struct({
  benchmark: Schema.Literal("peers"),
  ...Figures.fields,
  goals: Schema.Array(GoalSchema)
})

/** What a run writes with `--json`. */
export type Report = typeof Report.Type

/** How to run. */
export interface Options extends Turns.Options, Many.Options {
  /** What to measure; nothing: all. */
  readonly only: ReadonlyArray<typeof subjects[number]>
  /** Whether calls are measured. */
  readonly calls: boolean
  /** What is carried one way; 0: nothing. */
  readonly mib: number
  /** Whether what goes from one to many is measured. */
  readonly many: boolean
  /** Where to install what is not here. */
  readonly into?: string | undefined
  /** Whether the page and its picture are made anew, of these figures and of earlier ones that they do not replace. */
  readonly write: boolean
}

// The everyday load.
const usual = 16

const goalsOf = (calls: ReadonlyArray<Calls>): ReadonlyArray<Goal> => {
  const of = (name: SubjectName) => calls.find(({ atOnce, subject }) => atOnce === usual && subject === name)?.perSecond
  const other = of("moleculer")
  if (other === undefined) return []
  return (["pnet-command", "pnet-typed"] as const).flatMap((name) => {
    const own = of(name)
    return own === undefined
      ? []
      : [goal(`${titles[name]}, ${usual} at once: calls/s of moleculer's`, own / other, "at least", 1)]
  })
}

/** What goes between two. Its processes end before anything else is measured. */
const measureTwo = (options: Options, machine: Machine.Machine, into: string) =>
  Effect.gen(function*() {
    const { mib, only, rounds } = options
    const names = options.calls || mib > 0 ? Turns.chosen(ofCalls, [], only) : []
    const { leftOut, started } = yield* Measuring.startAll(names, machine, into)
    const calls = !options.calls
      ? []
      : yield* Turns.measure(started.map(({ calls }) => calls), options, () => ({}))
    const bulk = mib === 0 ? [] : yield* Measuring.measureBulk(started, { mib, rounds })
    return { calls, bulk, leftOut }
  }).pipe(Effect.scoped)

/** Measures. */
export const run = (options: Options): Effect.Effect<Report, Workers.WorkerError> =>
  Effect.gen(function*() {
    const machine = yield* Machine.machine(options)
    const { mib, only, rounds, seconds } = options
    const into = options.into ?? Installing.cache
    const { bulk, calls, leftOut } = yield* measureTwo(options, machine, into)
    const manyNames = options.many ? Turns.chosen(ManySubjects.subjects, [], only) : []
    const many = yield* Many.measure(manyNames, machine, into, options)
    const figures: Figures = {
      machine,
      messageBytes: Turns.messageBytes,
      seconds,
      mebibytes: mib,
      rounds,
      calls,
      bulk,
      leftOut,
      many
    }
    if (options.write) Page.write(withEarlier(figures))
    return { benchmark: "peers" as const, ...figures, goals: goalsOf(calls) }
  }).pipe(Effect.scoped)

const withEarlier = (figures: Figures): Figures => {
  if (!existsSync(Page.files.figures)) return figures
  const earlier = Schema.decodeUnknownSync(Schema.fromJsonString(Figures))(readFileSync(Page.files.figures, "utf8"))
  return merge(earlier, figures)
}

const bulkTable = (report: Report): string =>
  table(
    ["one stream of 64 KiB chunks", "MB/s", "min / median / max", "CPU/MiB sending", "receiving", "encrypted"],
    report.bulk.map(({ megabytes, receivingMicros, sendingMicros, spread, subject }) => [
      titles[subject],
      megabytes.toFixed(0),
      Effort.formatSpread(spread),
      `${sendingMicros.toFixed(0)} us`,
      `${receivingMicros.toFixed(0)} us`,
      about[subject].encrypted ?? "no"
    ])
  )

/** A report for people. */
export const format = (report: Report): string =>
  [
    `Calls with ${report.messageBytes} bytes, each answered with them, and ${report.mebibytes} MiB one way; ${report.seconds} s a cell${
      Reports.ofRounds(report.rounds)
    }`,
    Machine.describe(report.machine),
    ...report.leftOut.map(({ reason, subject }) => `Left out: ${titles[subject]}: ${reason}`),
    ...report.calls.length === 0 ? [] : ["", Turns.format(report.calls, titles, "call", [])],
    ...report.bulk.length === 0 ? [] : ["", bulkTable(report)],
    ...report.many.cells.length + report.many.leftOut.length === 0 ? [] : ["", formatMany(report.many)],
    ...report.goals.length === 0 ? [] : ["", ...report.goals.map(({ text }) => text)]
  ].join("\n")

/** Measures, prints, and writes JSON to a file if one is named. */
export const main = Reports.main(run, format)
