/**
 * What calls allocate: bytes of the heap a call, of the asking and of the answering process, by V8's sampling heap profiler, for each way to call
 * and so many at once. What was collected meanwhile counts; buffers outside the heap do not.
 *
 * Unlike times, the numbers hardly depend on the machine or on what else it does. They do depend on what has been compiled and how, and so on how much
 * a process has done before: each pair of processes makes as many calls before it counts as it makes then.
 */
import { count, table } from "@pnet/lab/harness/table"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { Subject } from "./harness/calls.ts"
import * as Machine from "./harness/machine.ts"
import * as Pairs from "./harness/pairs.ts"
import * as Reports from "./harness/report.ts"
import * as Turns from "./harness/turns.ts"
import type * as Workers from "./harness/workers.ts"

/**
 * What can be measured.
 *
 * - `raw`: a message of BasicNode
 * - `call`, `stream`: a call of AdvancedNode's function that takes its bytes at once, and of one that answers with the stream of them
 * - `command`: a call by name of CommandNode
 * - `typed`: a call of an RPC group
 * - `effect`: the same over Effect's own protocol on plain TCP
 *
 * The last three have a span on both sides, which nobody collects, and none where the name ends with `-untraced`.
 */
export const subjects = [
  "raw",
  "call",
  "stream",
  "command",
  "typed",
  "effect",
  "command-untraced",
  "typed-untraced",
  "effect-untraced"
] as const

/** The name of something that can be measured. */
export type SubjectName = typeof subjects[number]

const titles: Record<SubjectName, string> = {
  "raw": "RAW message",
  "call": "stream function",
  "stream": "stream function, Stream handler",
  "command": "command by name",
  "typed": "typed unary",
  "effect": "Effect over TCP",
  "command-untraced": "command by name, tracing off",
  "typed-untraced": "typed unary, tracing off",
  "effect-untraced": "Effect over TCP, tracing off"
}

const Side = Schema.Struct({
  /** Bytes a call. */
  bytes: Schema.Number,
  top: Schema.Array(Schema.Struct({ name: Schema.String, bytes: Schema.Number }))
})

/** One subject at one concurrency. */
export const Cell = Schema.Struct({
  subject: Schema.Literals(subjects),
  atOnce: Schema.Number,
  asking: Side,
  answering: Side
})

/** One subject at one concurrency. */
export type Cell = typeof Cell.Type

/** What a run writes with `--json`. */
export const Report = Schema.Struct({
  benchmark: Schema.Literal("allocations"),
  machine: Machine.Machine,
  messageBytes: Schema.Number,
  calls: Schema.Number,
  cells: Schema.Array(Cell)
})

/** What a run writes with `--json`. */
export type Report = typeof Report.Type

/** How to run. */
export interface Options {
  /** Calls that count in each measurement. */
  readonly calls: number
  readonly atOnce: ReadonlyArray<number>
  /** What to measure; nothing: all. */
  readonly only: ReadonlyArray<SubjectName>
  /** How many of the functions that allocate the most are named. */
  readonly top: number
  readonly pin: boolean
}

const cryptography = "native"

const subjectOf = (name: SubjectName): Effect.Effect<Subject> =>
  Effect.gen(function*() {
    const network = yield* Machine.network(false)
    const tracing = !name.endsWith("-untraced")
    switch (name) {
      case "raw":
        return { _tag: "Node", cryptography, network }
      case "call":
      case "stream":
        return {
          _tag: "Advanced",
          cryptography,
          network,
          framing: "binary",
          command: name === "call" ? "echo" : "echo-stream"
        }
      case "command":
      case "command-untraced":
        return { _tag: "Command", cryptography, network, tracing }
      case "typed":
      case "typed-untraced":
        return { _tag: "Typed", cryptography, network, tracing }
      default:
        return { _tag: "Typed", cryptography, network: null, tracing }
    }
  })

const measure = (pair: Pairs.Pair<SubjectName>, atOnce: number, { calls, top }: Options) =>
  Effect.gen(function*() {
    const { client, server } = pair
    const each = Math.ceil(calls / atOnce)
    const ask = client.call("Calls", { count: each * atOnce, atOnce, bytes: Turns.messageBytes }, "5 minutes")
    yield* ask
    yield* client.call("AllocationsStart", null)
    yield* server.call("AllocationsStart", null)
    yield* ask
    const sides = {
      asking: yield* client.call("AllocationsStop", { top }),
      answering: yield* server.call("AllocationsStop", { top })
    }
    const eachOf = ({ bytes, top }: typeof Side.Type) => ({
      bytes: bytes / (each * atOnce),
      top: top.map(({ bytes, name }) => ({ name, bytes: bytes / (each * atOnce) }))
    })
    return { subject: pair.name, atOnce, asking: eachOf(sides.asking), answering: eachOf(sides.answering) }
  })

/** Measures. */
export const run = (options: Options): Effect.Effect<Report, Workers.WorkerError> =>
  Effect.gen(function*() {
    const machine = yield* Machine.machine(options)
    const names = Turns.chosen(subjects, [], options.only)
    const cells: Array<Cell> = []
    for (const name of names) {
      // One pair at a time: nothing is compared by time.
      const measured = Effect.gen(function*() {
        const pair = yield* Pairs.start(name, yield* subjectOf(name), machine)
        return yield* Effect.forEach(options.atOnce, (atOnce) => measure(pair, atOnce, options))
      })
      cells.push(...yield* Effect.scoped(measured))
    }
    return { benchmark: "allocations" as const, machine, messageBytes: Turns.messageBytes, calls: options.calls, cells }
  })

const topOf = (cell: Cell, side: "asking" | "answering"): ReadonlyArray<string> =>
  cell[side].top.length === 0 ? [] : [
    "",
    `${titles[cell.subject]}, ${cell.atOnce} at once, ${side} side:`,
    ...cell[side].top.map(({ bytes, name }) => `${count(bytes).padStart(8)}  ${name}`)
  ]

/** A report for people. */
export const format = (report: Report): string =>
  [
    `Bytes of the heap that a call of ${report.messageBytes} bytes allocates, estimated from ${
      count(report.calls)
    } calls by the sampling heap profiler`,
    Machine.describe(report.machine),
    "",
    table(
      ["", "at once", "asking", "answering", "together"],
      report.cells.map(({ answering, asking, atOnce, subject }) => [
        titles[subject],
        `${atOnce}`,
        count(asking.bytes),
        count(answering.bytes),
        count(asking.bytes + answering.bytes)
      ])
    ),
    ...report.cells.flatMap((cell) => [...topOf(cell, "asking"), ...topOf(cell, "answering")])
  ].join("\n")

/** Measures, prints, and writes JSON to a file if one is named. */
export const main = Reports.main(run, format)
