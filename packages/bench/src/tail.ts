/**
 * Why the slowest of many calls at once are slow: of one call in a hundred, how long the two processes stood still while it was on its way, for the
 * collection of garbage and for a core that something else had. Whoever stands still holds up all that are on their way.
 *
 * As in `rpc`, each subject has two processes on loopback, and all are measured in turns. The watching takes some processor time itself, of all alike.
 */
import { millis, table } from "@pnet/lab/harness/table"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { randomBytes } from "node:crypto"
import type { Stalls, Subject } from "./harness/calls.ts"
import * as Machine from "./harness/machine.ts"
import * as Pairs from "./harness/pairs.ts"
import * as Reports from "./harness/report.ts"
import { stoodStill } from "./harness/tailing.ts"
import * as Turns from "./harness/turns.ts"
import type * as Workers from "./harness/workers.ts"

/**
 * What can be measured.
 *
 * - `echo`, `echo-batched`, `echo-box`: a raw echo with a write a message, with one a turn, and with that and a box a message
 * - `call`: a call of AdvancedNode's function that takes its bytes at once
 * - `command`, `typed`: a call by name of CommandNode, and of an RPC group, with tracing off
 */
export const subjects = ["echo", "echo-batched", "echo-box", "call", "command", "typed"] as const

/** The name of something that can be measured. */
export type SubjectName = typeof subjects[number]

const titles: Record<SubjectName, string> = {
  "echo": "raw echo",
  "echo-batched": "raw echo, batched",
  "echo-box": "raw echo, batched, a box a message",
  "call": "stream function",
  "command": "command by name",
  "typed": "typed unary"
}

/** Of so many calls one is looked at, the slowest. */
const oneIn = 100

const Side = Schema.Struct({
  /** Of a slow call's time, on average: in which this process collected garbage, and waited for a core. */
  garbage: Schema.Number,
  waiting: Schema.Number,
  /** Collections of garbage in a second, and how long each took. */
  collections: Schema.Number,
  each: Schema.Number
})

/** One subject at one concurrency in one round. Times are milliseconds. */
export const Cell = Schema.Struct({
  subject: Schema.Literals(subjects),
  atOnce: Schema.Number,
  round: Schema.Number,
  messages: Schema.Number,
  p50: Schema.Number,
  p99: Schema.Number,
  /** The slowest: how many there are, and how long they took on average. */
  slowest: Schema.Number,
  took: Schema.Number,
  asking: Side,
  answering: Side,
  /** What is left of that time where the two did not stand still at once: what any call takes, and what is not known. */
  rest: Schema.Number
})

/** One subject at one concurrency in one round. */
export type Cell = typeof Cell.Type

/** What a run writes with `--json`. */
export const Report = Schema.Struct({
  benchmark: Schema.Literal("tail"),
  machine: Machine.Machine,
  messageBytes: Schema.Number,
  seconds: Schema.Number,
  cells: Schema.Array(Cell)
})

/** What a run writes with `--json`. */
export type Report = typeof Report.Type

/** How to run. */
export interface Options {
  readonly seconds: number
  readonly atOnce: ReadonlyArray<number>
  /** What to measure; nothing: all. */
  readonly only: ReadonlyArray<SubjectName>
  readonly rounds: number
  readonly pin: boolean
}

const cryptography = "native"

const subjectOf = (name: SubjectName): Effect.Effect<Subject> =>
  Effect.gen(function*() {
    const secret = randomBytes(32).toString("hex")
    const network = yield* Machine.network(false)
    switch (name) {
      case "echo":
      case "echo-batched":
        return { _tag: "Echo", batched: name === "echo-batched", sealing: null }
      case "echo-box":
        return { _tag: "Echo", batched: true, sealing: { kind: "message", secret } }
      case "call":
        return { _tag: "Advanced", cryptography, network, framing: "binary", command: "echo" }
      case "command":
        return { _tag: "Command", cryptography, network, tracing: false }
      case "typed":
        return { _tag: "Typed", cryptography, network, tracing: false }
    }
  })

const mean = (values: ReadonlyArray<number>): number =>
  values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length

const sideOf = (
  stills: ReadonlyArray<ReturnType<typeof stoodStill>>,
  stalls: Stalls,
  seconds: number
): typeof Side.Type => ({
  garbage: mean(stills.map(({ garbage }) => garbage)),
  waiting: mean(stills.map(({ waiting }) => waiting)),
  collections: stalls.pauses.length / seconds,
  each: mean(stalls.pauses.map(([from, to]) => to - from))
})

const measure = (pair: Pairs.Pair<SubjectName>, atOnce: number, round: number, seconds: number) =>
  Effect.gen(function*() {
    const { client, server } = pair
    const options = { atOnce, bytes: Turns.messageBytes, seconds }
    yield* Pairs.warm(pair, { ...options, seconds: Math.min(0.25, seconds) })
    yield* server.call("TailStart", null)
    yield* client.call("TailStart", null)
    const { messages, p50, p99 } = yield* Pairs.warm(pair, options)
    const { calls, ...clients } = yield* client.call("TailStop", { oneIn })
    const servers = yield* server.call("TailStop", { oneIn })
    const stills = calls.map((call) => ({ asking: stoodStill(call, clients), answering: stoodStill(call, servers) }))
    const rests = stills.map(({ answering, asking }, i) =>
      calls[i]![1] - calls[i]![0] - asking.garbage - asking.waiting - answering.garbage - answering.waiting
    )
    return {
      subject: pair.name,
      atOnce,
      round,
      messages,
      p50,
      p99,
      slowest: calls.length,
      took: mean(calls.map(([from, to]) => to - from)),
      asking: sideOf(stills.map(({ asking }) => asking), clients, seconds),
      answering: sideOf(stills.map(({ answering }) => answering), servers, seconds),
      rest: mean(rests.map((rest) => Math.max(0, rest)))
    }
  })

/** Measures. */
export const run = (options: Options): Effect.Effect<Report, Workers.WorkerError> =>
  Effect.gen(function*() {
    const { atOnce, rounds, seconds } = options
    const machine = yield* Machine.machine(options)
    const pairs = yield* Turns.start(machine, Turns.chosen(subjects, [], options.only), subjectOf, undefined)
    const cells: Array<Cell> = []
    for (const count of atOnce) {
      yield* Turns.warmAll(pairs, count, Math.min(1.5, seconds * rounds))
      for (let round = 0; round < rounds; round++) {
        for (const pair of pairs) {
          cells.push(yield* Pairs.withOthersStill(pair, pairs, measure(pair, count, round, seconds)))
        }
      }
    }
    return { benchmark: "tail" as const, machine, messageBytes: Turns.messageBytes, seconds, cells }
  }).pipe(Effect.scoped)

const short = (ms: number): string => ms.toFixed(2)

const both = (cell: Cell, of: (side: typeof Side.Type) => string) => `${of(cell.asking)} / ${of(cell.answering)}`

/** A report for people. */
export const format = (report: Report): string =>
  [
    `The slowest of ${oneIn} calls with ${report.messageBytes} bytes, and what the two processes stood still for while they were on their way; ${report.seconds} s a row`,
    Machine.describe(report.machine),
    "",
    table(
      [
        "",
        "at once",
        "p50",
        "p99",
        "of p50",
        "the slowest took, ms",
        "garbage, asking / answering",
        "waiting for a core",
        "the rest",
        "collections/s",
        "each, ms"
      ],
      report.cells.map((cell) => [
        titles[cell.subject],
        `${cell.atOnce}`,
        millis(cell.p50),
        millis(cell.p99),
        (cell.p99 / cell.p50).toFixed(1),
        short(cell.took),
        both(cell, ({ garbage }) => short(garbage)),
        both(cell, ({ waiting }) => short(waiting)),
        short(cell.rest),
        both(cell, ({ collections }) => collections.toFixed(0)),
        both(cell, ({ each }) => short(each))
      ])
    )
  ].join("\n")

/** Measures, prints, and writes JSON to a file if one is named. */
export const main = Reports.main(run, format)
