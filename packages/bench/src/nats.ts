/**
 * pnet over a NATS server, encrypted, against NATS's own client over the same server, in clear: calls of 128 bytes against its request and reply,
 * and a stream of bytes against publishing at the chunk that suits it best.
 *
 * Each subject has two processes on loopback, and all of them one server, which is measured in turns with them.
 *
 * What bites: the server has a core to share with the processes, and where it is the bound, both are as fast.
 */
import { percent, table } from "@pnet/lab/harness/table"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { join } from "node:path"
import type { Peer, Subject } from "./harness/calls.ts"
import * as Effort from "./harness/effort.ts"
import { type Goal, goal, GoalSchema } from "./harness/goal.ts"
import * as Machine from "./harness/machine.ts"
import * as Pairs from "./harness/pairs.ts"
import * as Reports from "./harness/report.ts"
import * as Turns from "./harness/turns.ts"
import * as Workers from "./harness/workers.ts"
import * as Installing from "./peers/installing.ts"
import * as Obtaining from "./peers/obtaining.ts"

/** What is measured; NATS itself first. */
export const subjects = ["nats", "pnet", "pnet-command", "pnet-typed"] as const

type SubjectName = typeof subjects[number]

const titles: Record<SubjectName, string> = {
  "nats": "NATS, in clear",
  "pnet": "pnet, stream function",
  "pnet-command": "pnet, by name",
  "pnet-typed": "pnet, typed"
}

/** Chunks of NATS's own, in KiB, of which the best counts. */
const chunks = [16, 64, 128, 256] as const

/** Calls of one subject. */
export const Cell = Schema.Struct({
  subject: Schema.Literals(subjects),
  ...Turns.fields,
  /** The rate as a share of NATS's own. */
  ofNats: Schema.Number
})

/** Many bytes one way. */
export const BulkCell = Schema.Struct({
  title: Schema.String,
  /** Millions of bytes a second. */
  megabytes: Schema.Number,
  ofNats: Schema.Number,
  /** Processor time a MiB, in microseconds. */
  sendingMicros: Schema.Number,
  receivingMicros: Schema.Number,
  spread: Effort.Spread
})

/** What a run writes with `--json`. */
export const Report = Schema.Struct({
  benchmark: Schema.Literal("nats"),
  machine: Machine.Machine,
  messageBytes: Schema.Number,
  seconds: Schema.Number,
  mebibytes: Schema.Number,
  rounds: Schema.Number,
  cells: Schema.Array(Cell),
  bulk: Schema.Array(BulkCell),
  goals: Schema.Array(GoalSchema)
})

/** What a run writes with `--json`. */
export type Report = typeof Report.Type

/** How to run. */
export interface Options extends Turns.Options {
  /** What to measure beside NATS itself; nothing: all. */
  readonly only: ReadonlyArray<SubjectName>
  /** What each transfer carries; 0: none. */
  readonly mib: number
  /** Where to install NATS's client. */
  readonly into?: string | undefined
}

// The load at which NATS itself is at its best.
const busy = 128

const goalsOf = (
  cells: ReadonlyArray<typeof Cell.Type>,
  bulk: ReadonlyArray<typeof BulkCell.Type>
): ReadonlyArray<Goal> => [
  ...cells.filter(({ atOnce, subject }) => atOnce === busy && subject !== "nats").map(({ ofNats, subject }) =>
    goal(`${titles[subject]}, ${busy} at once: calls/s of NATS's own`, ofNats, "at least", 1)
  ),
  ...bulk.filter(({ title }) => title === titles.pnet).map(({ ofNats }) =>
    goal("pnet, one stream: MB/s of NATS's own at its best chunk", ofNats, "at least", 0.6)
  )
]

/** The server, and the program of its client. */
const obtain = (into: string) =>
  Effect.gen(function*() {
    const needs = { program: "nats.js", broker: true }
    const { broker, of } = yield* Obtaining.obtain([needs], into)
    const found = of(needs)
    if ("reason" in found || broker === undefined) {
      const detail = "reason" in found ? found.reason : "there is no server"
      return yield* new Workers.WorkerError({ worker: "nats", call: "Serve", detail })
    }
    return { broker, file: found.file }
  })

type Obtained = Effect.Success<ReturnType<typeof obtain>>

const subjectOf = (name: SubjectName, { broker }: Obtained): Effect.Effect<Subject | Peer> =>
  Effect.map(Machine.network(false), (own) => {
    const network = { ...own, nats: `127.0.0.1:${broker.port}` }
    const cryptography = "native"
    switch (name) {
      case "nats":
        return { _tag: "Peer", port: broker.port }
      case "pnet":
        return { _tag: "Advanced", cryptography, framing: "binary", command: "echo", network }
      case "pnet-command":
        return { _tag: "Command", cryptography, tracing: true, network }
      case "pnet-typed":
        return { _tag: "Typed", cryptography, tracing: true, network }
    }
  })

const transfer = (pair: Pairs.Pair, mib: number) =>
  pair.client.call("Transfer", { bytes: mib * 1_048_576, streams: 1 }, "2 minutes")

/** Many bytes one way, in turns; NATS's own with each of its chunks. */
const measureBulk = (
  pairs: ReadonlyArray<{ readonly title: string; readonly pair: Pairs.Pair }>,
  { mib, profile, rounds }: Options
) =>
  Effect.gen(function*() {
    for (const { pair } of pairs) yield* transfer(pair, Math.min(16, mib))
    const measured = new Map(
      pairs.map(({ title }) => [title, [] as Array<Omit<typeof BulkCell.Type, "ofNats" | "spread">>])
    )
    for (let round = 0; round < rounds; round++) {
      for (const { pair, title } of pairs) {
        const file = profile === undefined ? undefined : join(profile, `${pair.name}-bulk`)
        const { clientMillis, result, serverMillis } = yield* Pairs.observe(pair, transfer(pair, mib), file)
        // Typed streams come from the side that answers.
        const [sending, receiving] = pair.name === "pnet-typed"
          ? [serverMillis, clientMillis]
          : [clientMillis, serverMillis]
        measured.get(title)!.push({
          title,
          megabytes: mib * 1_048_576 / 1e3 / result.millis,
          sendingMicros: sending * 1e3 / mib,
          receivingMicros: receiving * 1e3 / mib
        })
      }
    }
    const best = (title: string) =>
      measured.get(title)!.reduce((best, one) => one.megabytes > best.megabytes ? one : best)
    const own = pairs.filter(({ pair }) => pair.name.startsWith("nats")).map(({ title }) => best(title).megabytes)
    return pairs.map(({ title }) => ({
      ...best(title),
      ofNats: best(title).megabytes / Math.max(...own),
      spread: Effort.spreadOf(measured.get(title)!.map(({ megabytes }) => megabytes))
    }))
  })

/** Measures. */
export const run = (options: Options): Effect.Effect<Report, Workers.WorkerError> =>
  Effect.gen(function*() {
    const machine = yield* Machine.machine(options)
    const { mib, only, rounds, seconds } = options
    const obtained = yield* obtain(options.into ?? Installing.cache)
    const names = Turns.chosen(subjects, ["nats"], only)
    const programOf = (name: SubjectName) => name === "nats" ? obtained.file : undefined
    const pairs = yield* Effect.forEach(names, (name) =>
      Effect.flatMap(subjectOf(name, obtained), (subject) =>
        Pairs.start(name, subject, machine, programOf(name))))
    const cells = yield* Turns.measure(pairs, options, (_name, of) => ({ ofNats: of("nats") }))
    const own = yield* Effect.forEach(mib === 0 ? [] : chunks, (chunk) =>
      Effect.map(
        Pairs.start(
          `nats-${chunk}`,
          { _tag: "Peer", port: obtained.broker.port, chunk: chunk * 1_024 },
          machine,
          obtained.file
        ),
        (pair) => ({ title: `${titles.nats}, chunks of ${chunk} KiB`, pair: pair as Pairs.Pair })
      ))
    const bulk = mib === 0 ? [] : yield* measureBulk(
      [
        ...own,
        ...pairs.filter(({ name }) =>
          name === "pnet" || name === "pnet-typed"
        ).map((pair) => ({
          title: titles[pair.name],
          pair
        }))
      ],
      options
    )
    return {
      benchmark: "nats" as const,
      machine,
      messageBytes: Turns.messageBytes,
      seconds,
      mebibytes: mib,
      rounds,
      cells,
      bulk,
      goals: goalsOf(cells, bulk)
    }
  }).pipe(Effect.scoped)

const bulkTable = ({ bulk }: Report): string =>
  table(
    ["one way", "MB/s", "min / median / max", "of NATS's best", "CPU/MiB sending", "receiving"],
    bulk.map(({ megabytes, ofNats, receivingMicros, sendingMicros, spread, title }) => [
      title,
      megabytes.toFixed(0),
      Effort.formatSpread(spread),
      percent(ofNats),
      `${sendingMicros.toFixed(0)} us`,
      `${receivingMicros.toFixed(0)} us`
    ])
  )

/** A report for people. */
export const format = (report: Report): string =>
  [
    `Over one NATS server: calls with ${report.messageBytes} bytes, each answered with them, and ${report.mebibytes} MiB one way; ${report.seconds} s a cell${
      Reports.ofRounds(report.rounds)
    }`,
    Machine.describe(report.machine),
    "",
    Turns.format(report.cells, titles, "call", [["of NATS", ({ ofNats }) => ofNats]]),
    ...report.bulk.length === 0 ? [] : ["", bulkTable(report)],
    ...report.goals.length === 0 ? [] : ["", ...report.goals.map(({ text }) => text)]
  ].join("\n")

/** Measures, prints, and writes JSON to a file if one is named. */
export const main = Reports.main(run, format)
