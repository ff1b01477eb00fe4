/**
 * Calls of a CommandNode's function through the proxy, encrypted, as JSON, against Effect's own RPC over plain TCP with its binary
 * serialization: 128 characters that are answered with them.
 *
 * As in `typed`, each subject has two processes on loopback, and all are measured in turns. With tracing each call has a span on
 * both sides, which nobody collects.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as BesideEffect from "./harness/besideEffect.ts"
import { GoalSchema } from "./harness/goal.ts"
import * as Machine from "./harness/machine.ts"
import * as Reports from "./harness/report.ts"
import * as Turns from "./harness/turns.ts"
import type * as Workers from "./harness/workers.ts"

const titles: Record<BesideEffect.SubjectName, string> = {
  "effect": "Effect over TCP",
  "pnet": "pnet, by name",
  "effect-untraced": "Effect over TCP, tracing off",
  "pnet-untraced": "pnet, by name, tracing off"
}

/** What a run writes with `--json`. */
export const Report = Schema.Struct({
  benchmark: Schema.Literal("commands"),
  machine: Machine.Machine,
  messageBytes: Schema.Number,
  seconds: Schema.Number,
  rounds: Schema.Number,
  cells: Schema.Array(BesideEffect.Cell),
  goals: Schema.Array(GoalSchema)
})

/** What a run writes with `--json`. */
export type Report = typeof Report.Type

/** Measures. */
export const run = (options: Turns.Options): Effect.Effect<Report, Workers.WorkerError> =>
  Effect.gen(function*() {
    const machine = yield* Machine.machine(options)
    const { cells } = yield* BesideEffect.measure(
      machine,
      BesideEffect.subjects,
      (network, tracing) => ({ _tag: "Command", cryptography: "native", tracing, network }),
      options
    )
    return {
      benchmark: "commands" as const,
      machine,
      messageBytes: Turns.messageBytes,
      seconds: options.seconds,
      rounds: options.rounds,
      cells,
      goals: BesideEffect.goalsOf(cells, titles)
    }
  }).pipe(Effect.scoped)

/** A report for people. */
export const format = (report: Report): string =>
  [
    `Calls by name with ${report.messageBytes} characters, each answered with them; two processes on 127.0.0.1; ${report.seconds} s a cell${
      Reports.ofRounds(report.rounds)
    }`,
    Machine.describe(report.machine),
    "",
    BesideEffect.format(report.cells, titles),
    "",
    ...report.goals.map(({ text }) => text)
  ].join("\n")

/** Measures, prints, and writes JSON to a file if one is named. */
export const main = Reports.main(run, format)
