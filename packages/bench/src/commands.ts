/**
 * Calls of a CommandNode's function through the proxy, encrypted, as JSON, against Effect's own RPC over plain TCP with its binary
 * serialization: 128 characters that are answered with them.
 *
 * As in `typed`, each subject has two processes on loopback, and all are measured in turns. With tracing each call has a span on
 * both sides, which nobody collects.
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { randomBytes } from "node:crypto"
import { mkdir, writeFile } from "node:fs/promises"
import type { Subject } from "./harness/calls.ts"
import * as Machine from "./harness/machine.ts"
import * as Pairs from "./harness/pairs.ts"
import { count, type Goal, goal, GoalSchema, millis, percent, table } from "./harness/table.ts"
import type * as Workers from "./harness/workers.ts"
import { messageBytes } from "./rpc.ts"

/** What is measured. */
export const subjects = ["effect", "pnet", "effect-untraced", "pnet-untraced"] as const

/** The name of something that is measured. */
export type SubjectName = typeof subjects[number]

const titles: Record<SubjectName, string> = {
  "effect": "Effect over TCP",
  "pnet": "pnet, by name",
  "effect-untraced": "Effect over TCP, tracing off",
  "pnet-untraced": "pnet, by name, tracing off"
}

const comparisonOf = (name: SubjectName): SubjectName => name.endsWith("-untraced") ? "effect-untraced" : "effect"

/** One subject at one concurrency. Times are milliseconds. */
export const Cell = Schema.Struct({
  subject: Schema.Literals(subjects),
  atOnce: Schema.Number,
  messages: Schema.Number,
  perSecond: Schema.Number,
  p50: Schema.Number,
  p99: Schema.Number,
  /** `perSecond` as a share of that of Effect over TCP with or without tracing, like this one. */
  ofEffect: Schema.Number,
  /** Processor time a call, in microseconds, of the asking and of the answering process. */
  clientMicros: Schema.Number,
  serverMicros: Schema.Number
})

/** One subject at one concurrency. */
export type Cell = typeof Cell.Type

/** What a run writes with `--json`. */
export const Report = Schema.Struct({
  benchmark: Schema.Literal("commands"),
  machine: Machine.Machine,
  messageBytes: Schema.Number,
  seconds: Schema.Number,
  rounds: Schema.Number,
  cells: Schema.Array(Cell),
  goals: Schema.Array(GoalSchema)
})

/** What a run writes with `--json`. */
export type Report = typeof Report.Type

/** How to run. */
export interface Options {
  /** Of each measurement. */
  readonly seconds: number
  /** Calls on their way at once. */
  readonly atOnce: ReadonlyArray<number>
  /** How often to measure everything; of several the fastest is reported, since what else runs can only slow. */
  readonly rounds: number
  readonly pin: boolean
  /** A folder for a CPU profile of each process in each measurement. Profiling costs some speed. */
  readonly profile?: string | undefined
}

const subjectOf = (name: SubjectName): Effect.Effect<Subject> =>
  Effect.gen(function*() {
    const common = { cryptography: "native", tracing: !name.endsWith("-untraced") } as const
    if (name.startsWith("effect")) return { _tag: "Typed" as const, ...common, network: null }
    return {
      _tag: "Command" as const,
      ...common,
      network: {
        networkId: `bench-${randomBytes(6).toString("hex")}`,
        networkKey: null,
        advertisePort: yield* Machine.freeAdvertisePort
      }
    }
  })

type Measurement = Effect.Success<ReturnType<typeof Pairs.measure<SubjectName>>>

/** What pnet is meant to reach, and whether it did. */
const goalsOf = (cells: ReadonlyArray<Cell>): ReadonlyArray<Goal> =>
  cells.filter(({ atOnce, subject }) => atOnce === 128 && subject.startsWith("pnet")).map((cell) =>
    goal(`${titles[cell.subject]}, 128 at once: calls/s of Effect's over TCP`, cell.ofEffect, "at least", 0.8)
  )

/** Measures. */
export const run = (options: Options): Effect.Effect<Report, Workers.WorkerError> =>
  Effect.gen(function*() {
    const machine = Machine.machine(options)
    const { profile, rounds, seconds } = options
    if (profile !== undefined) yield* Effect.promise(() => mkdir(profile, { recursive: true }))
    const pairs = yield* Effect.forEach(
      subjects,
      (name) => Effect.flatMap(subjectOf(name), (subject) => Pairs.start(name, subject, machine)),
      { concurrency: "unbounded" }
    )
    // Compiled and warm before anything counts.
    for (const pair of pairs) {
      const atOnce = Math.max(...options.atOnce)
      yield* Pairs.warm(pair, { atOnce, seconds: Math.min(1.5, seconds), bytes: messageBytes })
    }
    const cells: Array<Cell> = []
    for (const atOnce of options.atOnce) {
      const measured = new Map(subjects.map((name) => [name, [] as Array<Measurement>]))
      for (let round = 0; round < rounds; round++) {
        for (const pair of pairs) {
          measured.get(pair.name)!.push(yield* Pairs.measure(pair, { atOnce, seconds, profile, bytes: messageBytes }))
        }
      }
      const best = (name: SubjectName) => Pairs.fastest(measured.get(name)!)
      for (const name of subjects) {
        cells.push({ ...best(name), ofEffect: best(name).perSecond / best(comparisonOf(name)).perSecond })
      }
    }
    return { benchmark: "commands" as const, machine, messageBytes, seconds, rounds, cells, goals: goalsOf(cells) }
  }).pipe(Effect.scoped)

/** A report for people. */
export const format = (report: Report): string => {
  const rows: Array<ReadonlyArray<string> | undefined> = []
  for (const [i, cell] of report.cells.entries()) {
    if (i > 0 && report.cells[i - 1]!.atOnce !== cell.atOnce) rows.push(undefined)
    rows.push([
      titles[cell.subject],
      `${cell.atOnce}`,
      count(cell.perSecond),
      millis(cell.p50),
      millis(cell.p99),
      percent(cell.ofEffect),
      `${cell.clientMicros.toFixed(1)} us`,
      `${cell.serverMicros.toFixed(1)} us`
    ])
  }
  const times = report.rounds === 1 ? "" : `, the fastest of ${report.rounds} rounds`
  return [
    `Calls by name with ${report.messageBytes} characters, each answered with them; two processes on 127.0.0.1; ${report.seconds} s a cell${times}`,
    Machine.describe(report.machine),
    "",
    table(["", "at once", "calls/s", "p50", "p99", "of Effect's", "CPU/call asking", "answering"], rows),
    "",
    ...report.goals.map(({ text }) => text)
  ].join("\n")
}

/** Measures, prints, and writes JSON to a file if one is named. */
export const main = (options: Options & { readonly json?: string | undefined }) =>
  Effect.gen(function*() {
    const report = yield* run(options)
    yield* Console.log(format(report))
    const { json } = options
    if (json !== undefined) yield* Effect.promise(() => writeFile(json, `${JSON.stringify(report, null, 2)}\n`))
  })
