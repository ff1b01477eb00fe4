/**
 * What calls and streams are meant to cost, and whether they do: the goals of `rpc`, `typed`, `commands`, `bulk` and `idle` in one list.
 *
 * The goals are for a quiet machine. Each is a ratio to something measured in the same run, in turns, or an amount of memory.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Bulk from "./bulk.ts"
import * as Commands from "./commands.ts"
import { type Goal, GoalSchema } from "./harness/goal.ts"
import * as Machine from "./harness/machine.ts"
import * as Reports from "./harness/report.ts"
import type * as Workers from "./harness/workers.ts"
import * as Idle from "./idle.ts"
import * as Rpc from "./rpc.ts"
import * as Typed from "./typed.ts"

/** The benchmarks that have goals. */
export const parts = ["rpc", "typed", "commands", "bulk", "idle"] as const

/** The name of a benchmark that has goals. */
export type Part = typeof parts[number]

/** What a run writes with `--json`. */
export const Report = Schema.Struct({
  benchmark: Schema.Literal("goals"),
  machine: Machine.Machine,
  seconds: Schema.Number,
  rounds: Schema.Number,
  parts: Schema.Array(Schema.Struct({ part: Schema.Literals(parts), goals: Schema.Array(GoalSchema) }))
})

/** What a run writes with `--json`. */
export type Report = typeof Report.Type

/** How to run. */
export interface Options {
  /** Which of them; nothing: all. */
  readonly only: ReadonlyArray<Part>
  /** Of each measurement of calls. */
  readonly seconds: number
  readonly rounds: number
  /** What each transfer carries. */
  readonly mib: number
  /** Idle sessions. */
  readonly sessions: number
  readonly pin: boolean
}

const atOnce = [1, 16, 128]

const goalsOf = (
  part: Part,
  { mib, pin, rounds, seconds, sessions }: Options
): Effect.Effect<ReadonlyArray<Goal>, Workers.WorkerError> => {
  const calls = { seconds, rounds, pin, atOnce }
  switch (part) {
    case "rpc":
      return Effect.map(Rpc.run({ ...calls, only: ["binary", "binary-stream"] }), ({ goals }) => goals)
    case "typed":
      return Effect.map(Typed.run({ ...calls, only: [], mib }), ({ goals }) => goals)
    case "commands":
      return Effect.map(Commands.run(calls), ({ goals }) => goals)
    case "bulk":
      return Effect.map(Bulk.run({ mib, rounds, pin, only: [], streams: [1, 8] }), ({ goals }) => goals)
    case "idle":
      // In less than a second nothing of what making them took is given back.
      return Idle.runGoals({ sessions, pin, seconds: Math.max(1, seconds) })
  }
}

/** Measures. */
export const run = (options: Options): Effect.Effect<Report, Workers.WorkerError> =>
  Effect.gen(function*() {
    const machine = yield* Machine.machine(options)
    const chosen = parts.filter((part) => options.only.length === 0 || options.only.includes(part))
    return {
      benchmark: "goals" as const,
      machine,
      seconds: options.seconds,
      rounds: options.rounds,
      parts: yield* Effect.forEach(chosen, (part) => Effect.map(goalsOf(part, options), (goals) => ({ part, goals })))
    }
  })

/** A report for people. */
export const format = (report: Report): string => {
  const all = report.parts.flatMap(({ goals }) => goals)
  return [
    `What is meant to be reached on a quiet machine; ${report.seconds} s a cell${Reports.ofRounds(report.rounds)}`,
    Machine.describe(report.machine),
    ...report.parts.flatMap(({ goals, part }) => ["", `${part}:`, ...goals.map(({ text }) => text)]),
    "",
    `${all.filter(({ met }) => met).length} of ${all.length} are met`
  ].join("\n")
}

/** Measures, prints, and writes JSON to a file if one is named. */
export const main = Reports.main(run, format)
