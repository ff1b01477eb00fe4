/**
 * Calls of an RPC group through pnet, encrypted, against Effect's own RPC over plain TCP with its binary serialization: calls of
 * 128 bytes that are answered with them, and a stream of bytes in chunks of 64 KiB.
 *
 * As in `rpc`, each subject has two processes on loopback, and all are measured in turns. With tracing each call has a span on
 * both sides, which nobody collects.
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { randomBytes } from "node:crypto"
import { mkdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import type { Subject } from "./harness/calls.ts"
import * as Machine from "./harness/machine.ts"
import * as Pairs from "./harness/pairs.ts"
import { count, type Goal, goal, GoalSchema, mebibytes, millis, percent, table } from "./harness/table.ts"
import type * as Workers from "./harness/workers.ts"
import { messageBytes } from "./rpc.ts"

/** What is measured. */
export const subjects = ["effect", "pnet", "effect-untraced", "pnet-untraced"] as const

/** The name of something that is measured. */
export type SubjectName = typeof subjects[number]

const titles: Record<SubjectName, string> = {
  "effect": "Effect over TCP",
  "pnet": "pnet",
  "effect-untraced": "Effect over TCP, tracing off",
  "pnet-untraced": "pnet, tracing off"
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

/** One stream of bytes. */
export const StreamCell = Schema.Struct({
  subject: Schema.Literals(subjects),
  /** Millions of bytes a second. */
  megabytes: Schema.Number,
  ofEffect: Schema.Number
})

/** What a run writes with `--json`. */
export const Report = Schema.Struct({
  benchmark: Schema.Literal("typed"),
  machine: Machine.Machine,
  messageBytes: Schema.Number,
  seconds: Schema.Number,
  mebibytes: Schema.Number,
  rounds: Schema.Number,
  cells: Schema.Array(Cell),
  streams: Schema.Array(StreamCell),
  goals: Schema.Array(GoalSchema),
  memory: Schema.Array(Schema.Struct({
    subject: Schema.Literals(subjects),
    clientBytes: Schema.Number,
    serverBytes: Schema.Number
  }))
})

/** What a run writes with `--json`. */
export type Report = typeof Report.Type

/** How to run. */
export interface Options {
  /** Of each measurement of calls. */
  readonly seconds: number
  /** Calls on their way at once. */
  readonly atOnce: ReadonlyArray<number>
  /** What to measure, with what it is compared to; nothing: all. */
  readonly only: ReadonlyArray<SubjectName>
  /** What each stream carries. */
  readonly mib: number
  /** How often to measure everything; of several the fastest is reported, since what else runs can only slow. */
  readonly rounds: number
  readonly pin: boolean
  /** A folder for a CPU profile of each process in each measurement. Profiling costs some speed. */
  readonly profile?: string | undefined
}

const subjectOf = (name: SubjectName): Effect.Effect<Subject> =>
  Effect.gen(function*() {
    return {
      _tag: "Typed" as const,
      cryptography: "native" as const,
      tracing: !name.endsWith("-untraced"),
      network: name.startsWith("effect") ? null : {
        networkId: `bench-${randomBytes(6).toString("hex")}`,
        networkKey: null,
        advertisePort: yield* Machine.freeAdvertisePort
      }
    }
  })

type Measurement = Effect.Success<ReturnType<typeof Pairs.measure<SubjectName>>>

/** What pnet is meant to reach, and whether it did. */
const goalsOf = (
  cells: ReadonlyArray<Cell>,
  streams: ReadonlyArray<typeof StreamCell.Type>
): ReadonlyArray<Goal> => [
  ...cells.filter(({ atOnce, subject }) => atOnce === 128 && subject.startsWith("pnet")).map((cell) =>
    goal(`${titles[cell.subject]}, 128 at once: calls/s of Effect's over TCP`, cell.ofEffect, "at least", 1)
  ),
  ...streams.filter(({ subject }) => subject.startsWith("pnet")).map((cell) =>
    goal(`${titles[cell.subject]}, a stream of bytes: MB/s of Effect's over TCP`, cell.ofEffect, "at least", 2)
  )
]

/** Measures. */
export const run = (options: Options): Effect.Effect<Report, Workers.WorkerError> =>
  Effect.gen(function*() {
    const machine = Machine.machine(options)
    const { mib, profile, rounds, seconds } = options
    if (profile !== undefined) yield* Effect.promise(() => mkdir(profile, { recursive: true }))
    const names = subjects.filter((name) =>
      options.only.length === 0 || options.only.includes(name) ||
      options.only.some((other) => comparisonOf(other) === name)
    )
    const pairs = yield* Effect.forEach(
      names,
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
      const measured = new Map(names.map((name) => [name, [] as Array<Measurement>]))
      for (let round = 0; round < rounds; round++) {
        for (const pair of pairs) {
          measured.get(pair.name)!.push(yield* Pairs.measure(pair, { atOnce, seconds, profile, bytes: messageBytes }))
        }
      }
      const best = (name: SubjectName) => Pairs.fastest(measured.get(name)!)
      for (const name of names) {
        cells.push({ ...best(name), ofEffect: best(name).perSecond / best(comparisonOf(name)).perSecond })
      }
    }

    const transfer = (pair: Pairs.Pair<SubjectName>, mib: number) =>
      pair.client.call("Transfer", { bytes: mib * 1_048_576, streams: 1 }, "2 minutes")
    for (const pair of pairs) yield* transfer(pair, Math.min(16, mib))
    const fastest = new Map<SubjectName, number>()
    for (let round = 0; round < rounds; round++) {
      for (const pair of pairs) {
        const { result } = yield* Pairs.observe(
          pair,
          transfer(pair, mib),
          profile === undefined ? undefined : join(profile, `${pair.name}-stream`)
        )
        const megabytes = mib * 1_048_576 / 1e3 / result.millis
        fastest.set(pair.name, Math.max(fastest.get(pair.name) ?? 0, megabytes))
      }
    }
    const streams = names.map((subject) => ({
      subject,
      megabytes: fastest.get(subject)!,
      ofEffect: fastest.get(subject)! / fastest.get(comparisonOf(subject))!
    }))

    const memory = yield* Effect.forEach(pairs, ({ client, name, server }) =>
      Effect.gen(function*() {
        return {
          subject: name,
          clientBytes: (yield* client.call("Usage", null)).rssBytes,
          serverBytes: (yield* server.call("Usage", null)).rssBytes
        }
      }))
    return {
      benchmark: "typed" as const,
      machine,
      messageBytes,
      seconds,
      mebibytes: mib,
      rounds,
      cells,
      streams,
      goals: goalsOf(cells, streams),
      memory
    }
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
    `Typed calls with ${report.messageBytes} bytes, each answered with them; two processes on 127.0.0.1; ${report.seconds} s a cell${times}`,
    Machine.describe(report.machine),
    "",
    table(["", "at once", "calls/s", "p50", "p99", "of Effect's", "CPU/call asking", "answering"], rows),
    "",
    table(
      [`a stream of ${report.mebibytes} MiB in chunks of 64 KiB`, "MB/s", "of Effect's"],
      report.streams.map(({ megabytes, ofEffect, subject }) => [
        titles[subject],
        megabytes.toFixed(0),
        percent(ofEffect)
      ])
    ),
    "",
    table(
      ["resident memory at the end", "asking", "answering"],
      report.memory.map(({ clientBytes, serverBytes, subject }) => [
        titles[subject],
        mebibytes(clientBytes),
        mebibytes(serverBytes)
      ])
    ),
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
