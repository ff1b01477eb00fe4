/**
 * Throughput and latency of BasicNode's RAW exchange, against a raw `node:net` echo of the same size and concurrency.
 *
 * Each subject has two processes of its own on loopback, one that asks and one that answers. All pairs are started first and
 * measured in turns, concurrency by concurrency, so that what else the machine does falls on a subject and on what it is
 * compared with alike. Processor time a message is reported besides, which hardly depends on that.
 *
 * What bites: both processes work at once, so a message costs the sum of both processor times, and the rate is bounded by the
 * larger. There are two raw echoes, a plain and a batched one (see `harness/echo.ts`); pnet batches, so with many messages at
 * once only the second is a measure of what is possible.
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { randomBytes } from "node:crypto"
import { mkdir, writeFile } from "node:fs/promises"
import type { Subject } from "./harness/calls.ts"
import * as Machine from "./harness/machine.ts"
import * as Pairs from "./harness/pairs.ts"
import { count, mebibytes, millis, percent, table } from "./harness/table.ts"
import type * as Workers from "./harness/workers.ts"

/** Bytes of a message and of its answer. */
export const messageBytes = 128

/**
 * What can be measured, the comparisons first.
 *
 * - `echo`: the raw echo, a write a message
 * - `echo-batched`: the raw echo, a write a turn
 * - `echo-sodium`: that with a libsodium secretbox each way
 * - `native`, `native-key`: BasicNode with `NodeCrypto.layer`, without and with a network key
 * - `portable`, `portable-key`: BasicNode with `PortableCrypto.layer`, without and with a network key
 */
export const subjects = [
  "echo",
  "echo-batched",
  "echo-sodium",
  "native",
  "native-key",
  "portable",
  "portable-key"
] as const

/** The name of something that can be measured. */
export type SubjectName = typeof subjects[number]

// Always measured, since the others are reported as shares of them.
const comparisons: ReadonlyArray<SubjectName> = ["echo", "echo-batched"]

const titles: Record<SubjectName, string> = {
  "echo": "raw echo",
  "echo-batched": "raw echo, batched",
  "echo-sodium": "raw echo, batched, secretbox",
  "native": "pnet, native",
  "native-key": "pnet, native, network key",
  "portable": "pnet, portable",
  "portable-key": "pnet, portable, network key"
}

/** One subject at one concurrency. Times are milliseconds. */
export const Cell = Schema.Struct({
  subject: Schema.Literals(subjects),
  atOnce: Schema.Number,
  messages: Schema.Number,
  perSecond: Schema.Number,
  p50: Schema.Number,
  p99: Schema.Number,
  /** `perSecond` as a share of the raw echo's of the same concurrency. */
  ofEcho: Schema.Number,
  /** And of the batched one's. */
  ofBatched: Schema.Number,
  /** Processor time a message, in microseconds, of the asking and of the answering process. */
  clientMicros: Schema.Number,
  serverMicros: Schema.Number
})

/** One subject at one concurrency. */
export type Cell = typeof Cell.Type

/** What a run writes with `--json`. */
export const Report = Schema.Struct({
  benchmark: Schema.Literal("raw"),
  machine: Machine.Machine,
  messageBytes: Schema.Number,
  seconds: Schema.Number,
  rounds: Schema.Number,
  cells: Schema.Array(Cell),
  /** Resident memory at the end: all that the process has loaded, Effect and Node's own TypeScript loader included. */
  memory: Schema.Array(Schema.Struct({
    subject: Schema.Literals(subjects),
    crypto: Schema.String,
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
  /** Messages on their way at once. */
  readonly atOnce: ReadonlyArray<number>
  /** What to measure besides the two raw echoes; nothing: all. */
  readonly only: ReadonlyArray<SubjectName>
  /** How often to measure everything; of several the fastest is reported, since what else runs can only slow. */
  readonly rounds: number
  readonly pin: boolean
  /** A folder for a CPU profile of each process in each measurement. Profiling costs some speed. */
  readonly profile?: string | undefined
}

const subjectOf = (name: SubjectName): Effect.Effect<Subject> =>
  Effect.gen(function*() {
    if (name === "echo" || name === "echo-batched") return { _tag: "Echo", batched: name !== "echo", sealing: null }
    if (name === "echo-sodium") {
      return { _tag: "Echo", batched: true, sealing: { kind: "fresh", secret: randomBytes(32).toString("hex") } }
    }
    return {
      _tag: "Node",
      cryptography: name === "native" || name === "native-key" ? "native" : "portable",
      network: {
        networkId: `bench-${randomBytes(6).toString("hex")}`,
        networkKey: name.endsWith("-key") ? `${randomBytes(32).toString("base64url")}=` : null,
        advertisePort: yield* Machine.freeAdvertisePort
      }
    }
  })

type Measurement = Effect.Success<ReturnType<typeof Pairs.measure<SubjectName>>>

/** Measures. */
export const run = (options: Options): Effect.Effect<Report, Workers.WorkerError> =>
  Effect.gen(function*() {
    const machine = Machine.machine(options)
    const names = subjects.filter((name) =>
      comparisons.includes(name) || options.only.length === 0 || options.only.includes(name)
    )
    const { profile } = options
    if (profile !== undefined) yield* Effect.promise(() => mkdir(profile, { recursive: true }))

    const pairs = yield* Effect.forEach(
      names,
      (name) => Effect.flatMap(subjectOf(name), (subject) => Pairs.start(name, subject, machine)),
      { concurrency: "unbounded" }
    )
    // Compiled and warm before anything counts.
    for (const pair of pairs) {
      const seconds = Math.min(1, options.seconds)
      yield* Pairs.warm(pair, { atOnce: Math.max(...options.atOnce), seconds, bytes: messageBytes })
    }

    const cells: Array<Cell> = []
    for (const atOnce of options.atOnce) {
      const measured = new Map(names.map((name) => [name, [] as Array<Measurement>]))
      const { seconds } = options
      for (let round = 0; round < options.rounds; round++) {
        for (const pair of pairs) {
          measured.get(pair.name)!.push(yield* Pairs.measure(pair, { atOnce, seconds, profile, bytes: messageBytes }))
        }
      }
      const echo = Pairs.fastest(measured.get("echo")!)
      const batched = Pairs.fastest(measured.get("echo-batched")!)
      for (const name of names) {
        const cell = Pairs.fastest(measured.get(name)!)
        cells.push({
          ...cell,
          ofEcho: cell.perSecond / echo.perSecond,
          ofBatched: cell.perSecond / batched.perSecond
        })
      }
    }

    const memory = yield* Effect.forEach(pairs, ({ client, crypto, name, server }) =>
      Effect.gen(function*() {
        return {
          subject: name,
          crypto,
          clientBytes: (yield* client.call("Usage", null)).rssBytes,
          serverBytes: (yield* server.call("Usage", null)).rssBytes
        }
      }))
    return {
      benchmark: "raw" as const,
      machine,
      messageBytes,
      seconds: options.seconds,
      rounds: options.rounds,
      cells,
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
      percent(cell.ofEcho),
      percent(cell.ofBatched),
      `${cell.clientMicros.toFixed(1)} us`,
      `${cell.serverMicros.toFixed(1)} us`
    ])
  }
  const times = report.rounds === 1 ? "" : `, the fastest of ${report.rounds} rounds`
  return [
    `${report.messageBytes}-byte messages, each answered with itself; two processes on 127.0.0.1; ${report.seconds} s a cell${times}`,
    Machine.describe(report.machine),
    "",
    table([
      "",
      "at once",
      "messages/s",
      "p50",
      "p99",
      "of raw echo",
      "of batched",
      "CPU/msg asking",
      "CPU/msg answering"
    ], rows),
    "",
    table(
      ["resident memory at the end", "asking", "answering", "crypto"],
      report.memory.map(({ clientBytes, crypto, serverBytes, subject }) => [
        titles[subject],
        mebibytes(clientBytes),
        mebibytes(serverBytes),
        crypto
      ])
    )
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
