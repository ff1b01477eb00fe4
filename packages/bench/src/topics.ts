/**
 * What it costs to say something to many: messages of 128 bytes from one publisher to subscribers in other processes, through pnet and through what would be
 * used instead.
 *
 * Each subject is measured with processes of its own in each round: the publisher has one, the first subscriber another, and the others share some more,
 * where each has a node or a connection of its own. First as fast as it goes, with a window of messages on their way; then so many a second; then both with
 * the process of the first subscriber stopped.
 *
 * What bites: with many subscribers, those of a process share a core, and so do the processes where there are few. A latency has the publisher's clock and
 * the subscriber's, which are one on a machine.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { type Goal, goal, GoalSchema } from "./harness/goal.ts"
import * as Machine from "./harness/machine.ts"
import * as Reports from "./harness/report.ts"
import * as Turns from "./harness/turns.ts"
import { Many } from "./many/figures.ts"
import { format as formatMany } from "./many/format.ts"
import * as Measuring from "./many/measuring.ts"
import { type SubjectName, subjects } from "./many/subjects.ts"
import * as Installing from "./peers/installing.ts"

export { subjects }

/** What a run writes with `--json`. */
export const Report = Schema.Struct({
  benchmark: Schema.Literal("topics"),
  machine: Machine.Machine,
  messageBytes: Schema.Number,
  ...Many.fields,
  goals: Schema.Array(GoalSchema)
})

/** What a run writes with `--json`. */
export type Report = typeof Report.Type

/** How to run. */
export interface Options extends Measuring.Options {
  /** What to measure; nothing: all. */
  readonly only: ReadonlyArray<SubjectName>
  /** Where to install what is not here. */
  readonly into?: string | undefined
  readonly pin: boolean
}

const goalsOf = ({ cells }: Many): ReadonlyArray<Goal> =>
  cells.filter(({ subject }) => subject === "pnet-topic").flatMap(({ frozen, perSecond, subscribers }) => {
    const all = cells.find((cell) => cell.subject === "pnet-all" && cell.subscribers === subscribers)
    const to = `a typed topic, to ${subscribers}`
    return [
      ...all === undefined ? [] : [goal(`${to}: messages/s of calls of all`, perSecond / all.perSecond, "at least", 3)],
      ...frozen === null ? [] : [
        goal(`${to}, one of them frozen: messages/s of the others`, frozen.ofRate, "at least", 0.9),
        goal(`${to}, one of them frozen: p50 of the others`, frozen.ofP50, "at most", 1.1),
        goal(`${to}, one of them frozen: p99 of the others`, frozen.ofP99, "at most", 1.1)
      ]
    ]
  })

/** Measures. */
export const run = (options: Options): Effect.Effect<Report> =>
  Effect.gen(function*() {
    const machine = yield* Machine.machine(options)
    const names = Turns.chosen(subjects, [], options.only)
    const many = yield* Measuring.measure(names, machine, options.into ?? Installing.cache, options)
    return {
      benchmark: "topics" as const,
      machine,
      messageBytes: Turns.messageBytes,
      ...many,
      goals: goalsOf(many)
    }
  }).pipe(Effect.scoped)

/** A report for people. */
export const format = (report: Report): string =>
  [
    `Messages of ${report.messageBytes} bytes from one publisher to subscribers in at most ${report.processes} other processes; ${report.seconds} s a cell${
      Reports.ofRounds(report.rounds)
    }, latencies the median`,
    Machine.describe(report.machine, ["the publisher", "its subscribers"]),
    "",
    formatMany(report),
    ...report.goals.length === 0 ? [] : ["", ...report.goals.map(({ text }) => text)]
  ].join("\n")

/** Measures, prints, and writes JSON to a file if one is named. */
export const main = Reports.main(run, format)
