/**
 * Throughput and latency of BasicNode's RAW exchange, against a raw `node:net` echo of the same size and concurrency.
 *
 * Each subject has two processes of its own on loopback, one that asks and one that answers, and all are measured in turns
 * (`harness/turns.ts`). Processor time a message is reported besides, which hardly depends on what else the machine does.
 *
 * What bites: both processes work at once, so a message costs the sum of both processor times, and the rate is bounded by the
 * larger. There are two raw echoes, a plain and a batched one (see `harness/echo.ts`); pnet batches, so with many messages at
 * once only the second is a measure of what is possible.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { randomBytes } from "node:crypto"
import type { Subject } from "./harness/calls.ts"
import * as Machine from "./harness/machine.ts"
import * as Reports from "./harness/report.ts"
import * as Turns from "./harness/turns.ts"
import type * as Workers from "./harness/workers.ts"

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

/** One subject at one concurrency. */
export const Cell = Schema.Struct({
  subject: Schema.Literals(subjects),
  ...Turns.fields,
  /** `perSecond` as a share of the raw echo's of the same concurrency. */
  ofEcho: Schema.Number,
  /** And of the batched one's. */
  ofBatched: Schema.Number
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
  memory: Reports.Memory(subjects)
})

/** What a run writes with `--json`. */
export type Report = typeof Report.Type

/** How to run. */
export interface Options extends Turns.Options {
  /** What to measure besides the two raw echoes; nothing: all. */
  readonly only: ReadonlyArray<SubjectName>
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
      network: yield* Machine.network(name.endsWith("-key"))
    }
  })

/** Measures. */
export const run = (options: Options): Effect.Effect<Report, Workers.WorkerError> =>
  Effect.gen(function*() {
    const machine = yield* Machine.machine(options)
    const names = Turns.chosen(subjects, comparisons, options.only)
    const pairs = yield* Turns.start(machine, names, subjectOf, options.profile)
    const cells = yield* Turns.measure(
      pairs,
      options,
      (_, of) => ({ ofEcho: of("echo"), ofBatched: of("echo-batched") })
    )
    return {
      benchmark: "raw" as const,
      machine,
      messageBytes: Turns.messageBytes,
      seconds: options.seconds,
      rounds: options.rounds,
      cells,
      memory: yield* Reports.memoryOf(pairs)
    }
  }).pipe(Effect.scoped)

/** A report for people. */
export const format = (report: Report): string =>
  [
    `${report.messageBytes}-byte messages, each answered with itself; two processes on 127.0.0.1; ${report.seconds} s a cell${
      Reports.ofRounds(report.rounds)
    }`,
    Machine.describe(report.machine),
    "",
    Turns.format(report.cells, titles, "message", [
      ["of raw echo", ({ ofEcho }) => ofEcho],
      ["of batched", ({ ofBatched }) => ofBatched]
    ]),
    "",
    Reports.memoryTable(report.memory, titles)
  ].join("\n")

/** Measures, prints, and writes JSON to a file if one is named. */
export const main = Reports.main(run, format)
