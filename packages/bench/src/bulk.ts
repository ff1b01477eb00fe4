/**
 * Many bytes one way: to an AdvancedNode's function `sink`, which counts them, in one stream and in eight at once, against a raw
 * `node:net` connection without cryptography and with a secretbox for each 64 KiB.
 *
 * The sender gives the same chunk of 64 KiB again and again, so that what is measured is moving bytes and not making them. A
 * round measures each subject once, in turns; the fastest and the median of the rounds are reported.
 *
 * Memory is the growth of a process: the most that was resident in one more transfer, looked at every 10 ms, less what was
 * before, after a garbage collection. Looking takes time, so that transfer's speed does not count. Node's own buffers are in
 * it, for the raw connection as well; V8's space for what lives shortly, which is the process's and of one size in the end, is not.
 */
import { mebibytes, percent, table } from "@pnet/lab/harness/table"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { randomBytes } from "node:crypto"
import { join } from "node:path"
import type { Subject } from "./harness/calls.ts"
import * as Effort from "./harness/effort.ts"
import { type Goal, goal, GoalSchema } from "./harness/goal.ts"
import * as Machine from "./harness/machine.ts"
import * as Pairs from "./harness/pairs.ts"
import * as Reports from "./harness/report.ts"
import * as Samples from "./harness/samples.ts"
import * as Turns from "./harness/turns.ts"
import type * as Workers from "./harness/workers.ts"

/** What can be measured: a raw connection, one with a secretbox a chunk, and AdvancedNode with either framing. */
export const subjects = ["raw", "raw-box", "binary", "text"] as const

/** The name of something that can be measured. */
export type SubjectName = typeof subjects[number]

const titles: Record<SubjectName, string> = {
  "raw": "raw",
  "raw-box": "raw, a box a chunk",
  "binary": "pnet, binary framing",
  "text": "pnet, text framing"
}

const Memory = Schema.Struct({
  beforeBytes: Schema.Number,
  maxBytes: Schema.Number,
  /** Once it was over, after a garbage collection. */
  afterBytes: Schema.Number
})

/** One subject with so many streams. */
export const Cell = Schema.Struct({
  subject: Schema.Literals(subjects),
  streams: Schema.Number,
  /** Millions of bytes a second, of the fastest round and of the median one. */
  fastest: Schema.Number,
  median: Schema.Number,
  spread: Effort.Spread,
  /** The fastest as a share of the fastest raw one, and of that with a box a chunk. */
  ofRaw: Schema.Number,
  ofBox: Schema.Number,
  /** Processor seconds of the fastest round. */
  senderCpu: Schema.Number,
  receiverCpu: Schema.Number,
  /** What both spent on a MiB in the fastest round. */
  client: Effort.Effort,
  server: Effort.Effort,
  sender: Memory,
  receiver: Memory
})

/** One subject with so many streams. */
export type Cell = typeof Cell.Type

/** What a run writes with `--json`. */
export const Report = Schema.Struct({
  benchmark: Schema.Literal("bulk"),
  machine: Machine.Machine,
  mebibytes: Schema.Number,
  rounds: Schema.Number,
  cells: Schema.Array(Cell),
  goals: Schema.Array(GoalSchema)
})

/** What a run writes with `--json`. */
export type Report = typeof Report.Type

/** How to run. */
export interface Options {
  /** How much each measurement transfers. */
  readonly mib: number
  /** How many streams at once share it. */
  readonly streams: ReadonlyArray<number>
  /** What to measure besides the two raw ones; nothing: all. */
  readonly only: ReadonlyArray<SubjectName>
  readonly rounds: number
  readonly pin: boolean
  /** A folder for a CPU profile of each process in each measurement. Profiling costs some speed. */
  readonly profile?: string | undefined
}

const subjectOf = (name: SubjectName): Effect.Effect<Subject> =>
  Effect.gen(function*() {
    if (name === "raw" || name === "raw-box") {
      return { _tag: "Bulk", secret: name === "raw" ? null : randomBytes(32).toString("hex") }
    }
    return {
      _tag: "Advanced",
      cryptography: "native",
      framing: name,
      command: "echo",
      network: yield* Machine.network(false)
    }
  })

const transfer = (pair: Pairs.Pair<SubjectName>, mib: number, streams: number) =>
  pair.client.call("Transfer", { bytes: mib * 1_048_576, streams }, "2 minutes")

const measure = (pair: Pairs.Pair<SubjectName>, streams: number, { mib, profile }: Options) =>
  Effect.map(
    Pairs.observe(
      pair,
      transfer(pair, mib, streams),
      profile === undefined ? undefined : join(profile, `${pair.name}-${streams}`)
    ),
    ({ client, clientMillis, result, server, serverMillis }) => ({
      perSecond: mib * 1_048_576 / 1e3 / result.millis,
      senderCpu: clientMillis / 1_000,
      receiverCpu: serverMillis / 1_000,
      client: Effort.between(...client, mib),
      server: Effort.between(...server, mib)
    })
  )

type Measurement = Effect.Success<ReturnType<typeof measure>>

const watch = ({ client, server, ...pair }: Pairs.Pair<SubjectName>, streams: number, { mib }: Options) =>
  Effect.gen(function*() {
    const senderBefore = yield* client.call("WatchStart", null)
    const receiverBefore = yield* server.call("WatchStart", null)
    yield* transfer({ client, server, ...pair }, mib, streams)
    const sender = yield* client.call("WatchStop", null)
    const receiver = yield* server.call("WatchStop", null)
    return {
      sender: { beforeBytes: senderBefore.rssBytes, maxBytes: sender.maxBytes, afterBytes: sender.rssBytes },
      receiver: { beforeBytes: receiverBefore.rssBytes, maxBytes: receiver.maxBytes, afterBytes: receiver.rssBytes }
    }
  })

const growth = ({ beforeBytes, maxBytes }: typeof Memory.Type) => maxBytes - beforeBytes

const goalsOf = (cells: ReadonlyArray<Cell>): ReadonlyArray<Goal> =>
  cells.filter(({ subject }) => subject === "binary" || subject === "text").flatMap((cell) => {
    const what = `${titles[cell.subject]}, ${cell.streams === 1 ? "1 stream" : `${cell.streams} streams`}`
    return [
      goal(
        `${what}: of the raw connection's speed with a box a chunk`,
        cell.ofBox,
        "at least",
        cell.subject === "text" ? 0.45 : cell.streams === 1 ? 0.9 : 0.95
      ),
      goal(
        `${what}: MiB that a process grows by`,
        Math.max(growth(cell.sender), growth(cell.receiver)) / 1_048_576,
        "at most",
        64
      )
    ]
  })

/** Measures. */
export const run = (options: Options): Effect.Effect<Report, Workers.WorkerError> =>
  Effect.gen(function*() {
    const machine = yield* Machine.machine(options)
    const { mib, profile, rounds, streams } = options
    const names = Turns.chosen(subjects, ["raw", "raw-box"], options.only)
    const pairs = yield* Turns.start(machine, names, subjectOf, profile)
    // Compiled and warm before anything counts, memory least of all.
    for (const pair of pairs) yield* transfer(pair, Math.min(64, mib), Math.max(...streams))

    // A raw connection has no streams: it is measured once a round.
    const tasks = pairs.flatMap((pair) =>
      (pair.name === "raw" || pair.name === "raw-box" ? [1] : streams).map((streams) => ({
        pair,
        streams,
        measured: [] as Array<Measurement>
      }))
    )
    for (let round = 0; round < rounds; round++) {
      for (const { measured, pair, streams } of tasks) measured.push(yield* measure(pair, streams, options))
    }
    const fastestOf = (name: SubjectName) =>
      Pairs.fastest(tasks.find(({ pair }) => pair.name === name)!.measured).perSecond
    const cells: Array<Cell> = []
    for (const { measured, pair, streams } of tasks) {
      const best = Pairs.fastest(measured)
      const memory = yield* watch(pair, streams, options)
      cells.push({
        subject: pair.name,
        streams,
        fastest: best.perSecond,
        median: Samples.from(measured.map(({ perSecond }) => perSecond)).percentile(0.5),
        spread: Effort.spreadOf(measured.map(({ perSecond }) => perSecond)),
        client: best.client,
        server: best.server,
        ofRaw: best.perSecond / fastestOf("raw"),
        ofBox: best.perSecond / fastestOf("raw-box"),
        senderCpu: best.senderCpu,
        receiverCpu: best.receiverCpu,
        ...memory
      })
    }
    return { benchmark: "bulk" as const, machine, mebibytes: mib, rounds, cells, goals: goalsOf(cells) }
  }).pipe(Effect.scoped)

const memory = (measured: typeof Memory.Type) =>
  [measured.beforeBytes, measured.maxBytes, measured.afterBytes].map((bytes) => mebibytes(bytes).replace(" MiB", ""))
    .join(" / ")

/** A report for people. */
export const format = (report: Report): string =>
  [
    `${report.mebibytes} MiB one way, in chunks of 64 KiB; two processes on 127.0.0.1; ${report.rounds} rounds`,
    Machine.describe(report.machine),
    "",
    table(
      [
        "",
        "streams",
        "MB/s",
        "median",
        "of raw",
        "of box/chunk",
        "CPU sending",
        "receiving",
        "MiB sending (before / max / after)",
        "receiving"
      ],
      report.cells.map((cell) => [
        titles[cell.subject],
        cell.subject === "raw" || cell.subject === "raw-box" ? "" : `${cell.streams}`,
        cell.fastest.toFixed(0),
        cell.median.toFixed(0),
        percent(cell.ofRaw),
        percent(cell.ofBox),
        `${cell.senderCpu.toFixed(2)} s`,
        `${cell.receiverCpu.toFixed(2)} s`,
        memory(cell.sender),
        memory(cell.receiver)
      ])
    ),
    "",
    Effort.format(
      report.cells.map((cell): Effort.Row => ({ ...cell, title: titles[cell.subject], atOnce: `${cell.streams}` })),
      "MiB",
      "MB/s"
    ),
    "",
    ...report.goals.map(({ text }) => text)
  ].join("\n")

/** Measures, prints, and writes JSON to a file if one is named. */
export const main = Reports.main(run, format)
