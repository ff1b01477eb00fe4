/**
 * Calls of an AdvancedNode's function that answers with what it was sent, one stream each, against a raw `node:net` echo of the same size and
 * concurrency, without cryptography and with a secretbox a message or a write.
 *
 * As in `raw`, each subject has two processes on loopback, and all are measured in turns.
 *
 * What bites: a call is three frames one way (OPEN, DATA, END) and two the other, and a fiber on each side, where the raw
 * echo is a length and a callback. Both batch: whatever a turn has to say is one write, and in pnet one box.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { randomBytes } from "node:crypto"
import type { Subject } from "./harness/calls.ts"
import { type Goal, goal, GoalSchema } from "./harness/goal.ts"
import * as Machine from "./harness/machine.ts"
import * as Reports from "./harness/report.ts"
import * as Turns from "./harness/turns.ts"
import type * as Workers from "./harness/workers.ts"

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

/** One subject at one concurrency. */
export const Cell = Schema.Struct({
  subject: Schema.Literals(subjects),
  ...Turns.fields,
  /** `perSecond` as a share of each comparison's of the same concurrency. */
  of: Schema.Record(Schema.Literals(comparisons), Schema.Number)
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
  memory: Reports.Memory(subjects)
})

/** What a run writes with `--json`. */
export type Report = typeof Report.Type

/** How to run. */
export interface Options extends Turns.Options {
  /** What to measure besides the raw echoes; nothing: all. */
  readonly only: ReadonlyArray<SubjectName>
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
          network: yield* Machine.network(false)
        }
    }
  })

/** What pnet is meant to reach, and whether it did. */
const goalsOf = (cells: ReadonlyArray<Cell>): ReadonlyArray<Goal> =>
  cells.flatMap((cell) => {
    const what = `${titles[cell.subject]}, ${cell.atOnce} at once`
    const ofBox = (share: number) =>
      goal(`${what}: calls/s of the raw echo's with a box a message`, cell.of["echo-box"], "at least", share)
    const raw = cells.find(({ atOnce, subject }) => atOnce === cell.atOnce && subject === "echo")
    switch (`${cell.subject} ${cell.atOnce}`) {
      case "binary 128":
        return [ofBox(1.3), goal(`${what}: p99 of its p50`, cell.p99 / cell.p50, "at most", 3)]
      case "binary 16":
        return [ofBox(1.1)]
      case "binary 1":
        return raw === undefined ? [] : [
          goal(`${what}: p50 of the raw echo's`, cell.p50 / raw.p50, "at most", 1.4),
          goal(`${what}: processor time of the raw echo's`, microsOf(cell) / microsOf(raw), "at most", 1.6)
        ]
      case "binary-stream 128":
        return [ofBox(0.8)]
      default:
        return []
    }
  })

const microsOf = ({ clientMicros, serverMicros }: Cell): number => clientMicros + serverMicros

/** Measures. */
export const run = (options: Options): Effect.Effect<Report, Workers.WorkerError> =>
  Effect.gen(function*() {
    const machine = yield* Machine.machine(options)
    const names = Turns.chosen(subjects, comparisons, options.only)
    const pairs = yield* Turns.start(machine, names, subjectOf, options.profile)
    const cells = yield* Turns.measure(pairs, options, (_, of) => ({
      of: {
        "echo": of("echo"),
        "echo-batched": of("echo-batched"),
        "echo-box": of("echo-box"),
        "echo-box-batch": of("echo-box-batch")
      }
    }))
    return {
      benchmark: "rpc" as const,
      machine,
      messageBytes: Turns.messageBytes,
      seconds: options.seconds,
      rounds: options.rounds,
      cells,
      goals: goalsOf(cells),
      memory: yield* Reports.memoryOf(pairs)
    }
  }).pipe(Effect.scoped)

/** A report for people. */
export const format = (report: Report): string =>
  [
    `Calls with ${report.messageBytes} bytes, each answered with them; two processes on 127.0.0.1; ${report.seconds} s a cell${
      Reports.ofRounds(report.rounds)
    }`,
    Machine.describe(report.machine),
    "",
    Turns.format(report.cells, titles, "call", [
      ["of raw", ({ of }) => of["echo"]],
      ["of batched", ({ of }) => of["echo-batched"]],
      ["of box/message", ({ of }) => of["echo-box"]],
      ["of box/write", ({ of }) => of["echo-box-batch"]]
    ]),
    "",
    Reports.memoryTable(report.memory, titles),
    "",
    ...report.goals.map(({ text }) => text)
  ].join("\n")

/** Measures, prints, and writes JSON to a file if one is named. */
export const main = Reports.main(run, format)
