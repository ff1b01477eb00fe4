/**
 * Calls of an AdvancedNode's function that answers with what it was sent, one stream each, against a raw `node:net` echo of the same size and
 * concurrency, without cryptography and with a secretbox a message or a write.
 *
 * As in `raw`, each subject has two processes on loopback, and all are measured in turns.
 *
 * What bites: a call is three frames one way (OPEN, DATA, END) and two the other, and a fiber on each side, where the raw
 * echo is a length and a callback. Both batch: whatever a turn has to say is one write, and in pnet one box.
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { randomBytes } from "node:crypto"
import { mkdir, writeFile } from "node:fs/promises"
import type { Subject } from "./harness/calls.ts"
import * as Machine from "./harness/machine.ts"
import * as Pairs from "./harness/pairs.ts"
import { count, type Goal, goal, GoalSchema, mebibytes, millis, percent, table } from "./harness/table.ts"
import type * as Workers from "./harness/workers.ts"

/** Bytes of a request and of its answer. */
export const messageBytes = 128

/**
 * What can be measured, the comparisons first.
 *
 * - `echo`: the raw echo, a write a message
 * - `echo-batched`: the raw echo, a write a turn
 * - `echo-box`: that with a secretbox for each message
 * - `echo-box-batch`: that with a secretbox for each write
 * - `binary`, `text`: AdvancedNode with `NodeCrypto.layer` and that framing, and a function that takes its bytes at once
 * - `binary-stream`: the same with a function that answers with the stream of its bytes
 */
export const subjects = [
  "echo",
  "echo-batched",
  "echo-box",
  "echo-box-batch",
  "binary",
  "text",
  "binary-stream"
] as const

/** The name of something that can be measured. */
export type SubjectName = typeof subjects[number]

/** What the others are reported as shares of; always measured. */
export const comparisons = ["echo", "echo-batched", "echo-box", "echo-box-batch"] as const

const titles: Record<SubjectName, string> = {
  "echo": "raw echo",
  "echo-batched": "raw echo, batched",
  "echo-box": "raw echo, batched, a box a message",
  "echo-box-batch": "raw echo, batched, a box a write",
  "binary": "pnet, binary framing",
  "text": "pnet, text framing",
  "binary-stream": "pnet, binary framing, Stream handler"
}

/** One subject at one concurrency. Times are milliseconds. */
export const Cell = Schema.Struct({
  subject: Schema.Literals(subjects),
  atOnce: Schema.Number,
  messages: Schema.Number,
  perSecond: Schema.Number,
  p50: Schema.Number,
  p99: Schema.Number,
  /** `perSecond` as a share of each comparison's of the same concurrency. */
  of: Schema.Record(Schema.Literals(comparisons), Schema.Number),
  /** Processor time a call, in microseconds, of the asking and of the answering process. */
  clientMicros: Schema.Number,
  serverMicros: Schema.Number
})

/** One subject at one concurrency. */
export type Cell = typeof Cell.Type

/** What a run writes with `--json`. */
export const Report = Schema.Struct({
  benchmark: Schema.Literal("rpc"),
  machine: Machine.Machine,
  messageBytes: Schema.Number,
  seconds: Schema.Number,
  rounds: Schema.Number,
  cells: Schema.Array(Cell),
  goals: Schema.Array(GoalSchema),
  /** Resident memory at the end: all that the process has loaded, Effect and Node's own TypeScript loader included. */
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
  /** Of each measurement. */
  readonly seconds: number
  /** Calls on their way at once. */
  readonly atOnce: ReadonlyArray<number>
  /** What to measure besides the raw echoes; nothing: all. */
  readonly only: ReadonlyArray<SubjectName>
  /** How often to measure everything; of several the fastest is reported, since what else runs can only slow. */
  readonly rounds: number
  readonly pin: boolean
  /** A folder for a CPU profile of each process in each measurement. Profiling costs some speed. */
  readonly profile?: string | undefined
}

const subjectOf = (name: SubjectName): Effect.Effect<Subject> =>
  Effect.gen(function*() {
    const secret = randomBytes(32).toString("hex")
    switch (name) {
      case "echo":
      case "echo-batched":
        return { _tag: "Echo", batched: name === "echo-batched", sealing: null }
      case "echo-box":
        return { _tag: "Echo", batched: true, sealing: { kind: "message", secret } }
      case "echo-box-batch":
        return { _tag: "Echo", batched: true, sealing: { kind: "batch", secret } }
      default:
        return {
          _tag: "Advanced",
          cryptography: "native",
          framing: name === "text" ? "text" : "binary",
          command: name === "binary-stream" ? "echo-stream" : "echo",
          network: {
            networkId: `bench-${randomBytes(6).toString("hex")}`,
            networkKey: null,
            advertisePort: yield* Machine.freeAdvertisePort
          }
        }
    }
  })

type Measurement = Effect.Success<ReturnType<typeof Pairs.measure<SubjectName>>>

/** What pnet is meant to reach, and whether it did. */
const goalsOf = (cells: ReadonlyArray<Cell>): ReadonlyArray<Goal> =>
  cells.flatMap((cell) => {
    const echo = cells.find(({ atOnce, subject }) => atOnce === cell.atOnce && subject === "echo")
    if (comparisons.some((comparison) => comparison === cell.subject) || echo === undefined) return []
    const what = `${titles[cell.subject]}, ${cell.atOnce} at once`
    if (cell.atOnce === 1) {
      return [goal(`${what}: p50 of the raw echo's`, cell.p50 / echo.p50, "at most", 1.6)]
    }
    return cell.atOnce === 128
      ? [goal(`${what}: calls/s of the raw echo's with a box a message`, cell.of["echo-box"], "at least", 0.65)]
      : []
  })

/** Measures. */
export const run = (options: Options): Effect.Effect<Report, Workers.WorkerError> =>
  Effect.gen(function*() {
    const machine = Machine.machine(options)
    const { profile, seconds } = options
    const names = subjects.filter((name) =>
      comparisons.some((comparison) => comparison === name) || options.only.length === 0 || options.only.includes(name)
    )
    if (profile !== undefined) yield* Effect.promise(() => mkdir(profile, { recursive: true }))

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
      for (let round = 0; round < options.rounds; round++) {
        for (const pair of pairs) {
          measured.get(pair.name)!.push(yield* Pairs.measure(pair, { atOnce, seconds, profile, bytes: messageBytes }))
        }
      }
      const best = (name: SubjectName) => Pairs.fastest(measured.get(name)!)
      for (const name of names) {
        const cell = best(name)
        const share = (comparison: SubjectName) => cell.perSecond / best(comparison).perSecond
        cells.push({
          ...cell,
          of: {
            "echo": share("echo"),
            "echo-batched": share("echo-batched"),
            "echo-box": share("echo-box"),
            "echo-box-batch": share("echo-box-batch")
          }
        })
      }
    }

    const memory = yield* Effect.forEach(pairs, ({ client, name, server }) =>
      Effect.gen(function*() {
        return {
          subject: name,
          clientBytes: (yield* client.call("Usage", null)).rssBytes,
          serverBytes: (yield* server.call("Usage", null)).rssBytes
        }
      }))
    return {
      benchmark: "rpc" as const,
      machine,
      messageBytes,
      seconds,
      rounds: options.rounds,
      cells,
      goals: goalsOf(cells),
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
      ...comparisons.map((comparison) => percent(cell.of[comparison])),
      `${cell.clientMicros.toFixed(1)} us`,
      `${cell.serverMicros.toFixed(1)} us`
    ])
  }
  const times = report.rounds === 1 ? "" : `, the fastest of ${report.rounds} rounds`
  return [
    `Calls with ${report.messageBytes} bytes, each answered with them; two processes on 127.0.0.1; ${report.seconds} s a cell${times}`,
    Machine.describe(report.machine),
    "",
    table([
      "",
      "at once",
      "calls/s",
      "p50",
      "p99",
      "of raw",
      "of batched",
      "of box/message",
      "of box/write",
      "CPU/call asking",
      "answering"
    ], rows),
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
