/**
 * Calls of an RPC group through pnet, encrypted, against Effect's own RPC over plain TCP with its binary serialization: calls of
 * 128 bytes that are answered with them, and a stream of bytes in chunks of 64 KiB.
 *
 * As in `rpc`, each subject has two processes on loopback, and all are measured in turns. With tracing each call has a span on
 * both sides, which nobody collects.
 */
import { percent, table } from "@pnet/lab/harness/table"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { join } from "node:path"
import * as BesideEffect from "./harness/besideEffect.ts"
import { comparisonOf, type SubjectName, subjects } from "./harness/besideEffect.ts"
import * as Effort from "./harness/effort.ts"
import { type Goal, goal, GoalSchema } from "./harness/goal.ts"
import * as Machine from "./harness/machine.ts"
import * as Pairs from "./harness/pairs.ts"
import * as Reports from "./harness/report.ts"
import * as Turns from "./harness/turns.ts"
import type * as Workers from "./harness/workers.ts"

export { subjects }

const titles: Record<SubjectName, string> = {
  "effect": "Effect over TCP",
  "pnet": "pnet",
  "effect-untraced": "Effect over TCP, tracing off",
  "pnet-untraced": "pnet, tracing off"
}

/** One stream of bytes. */
export const StreamCell = Schema.Struct({
  subject: Schema.Literals(subjects),
  /** Millions of bytes a second. */
  megabytes: Schema.Number,
  /** As a share of Effect's: the fastest rounds of both, and the round in which it was least. */
  ofEffect: Schema.Number,
  ofEffectAtLeast: Schema.Number,
  spread: Effort.Spread,
  /** What its slowest round spent on a MiB, asking and answering: where the rounds are far apart, this says why. */
  slowest: Schema.Struct({ client: Effort.Effort, server: Effort.Effort })
})

/** What a run writes with `--json`. */
export const Report = Schema.Struct({
  benchmark: Schema.Literal("typed"),
  machine: Machine.Machine,
  messageBytes: Schema.Number,
  seconds: Schema.Number,
  mebibytes: Schema.Number,
  rounds: Schema.Number,
  cells: Schema.Array(BesideEffect.Cell),
  streams: Schema.Array(StreamCell),
  goals: Schema.Array(GoalSchema),
  memory: Reports.Memory(subjects)
})

/** What a run writes with `--json`. */
export type Report = typeof Report.Type

/** How to run. */
export interface Options extends Turns.Options {
  /** What each stream carries. */
  readonly mib: number
  /** What to measure, with what it is compared to; nothing: all. */
  readonly only: ReadonlyArray<SubjectName>
}

/** What pnet is meant to reach, and whether it did. */
const goalsOf = (
  cells: ReadonlyArray<BesideEffect.Cell>,
  streams: ReadonlyArray<typeof StreamCell.Type>
): ReadonlyArray<Goal> => [
  ...BesideEffect.goalsOf(cells, titles),
  ...streams.filter(({ subject }) => subject.startsWith("pnet")).map((cell) =>
    goal(
      `${titles[cell.subject]}, a stream of bytes: MB/s of Effect's over TCP in the worst round`,
      cell.ofEffectAtLeast,
      "at least",
      4
    )
  )
]

const transfer = (pair: Pairs.Pair<SubjectName>, mib: number) =>
  pair.client.call("Transfer", { bytes: mib * 1_048_576, streams: 1 }, "2 minutes")

/** One round of a stream: how fast it was, and what a MiB took on both sides. */
export interface StreamRound {
  readonly megabytes: number
  readonly client: Effort.Effort
  readonly server: Effort.Effort
}

/** The slowest of some rounds. */
export const slowestOf = (rounds: ReadonlyArray<StreamRound>): StreamRound =>
  rounds.reduce((slowest, one) => one.megabytes < slowest.megabytes ? one : slowest)

const measureStreams = (pairs: ReadonlyArray<Pairs.Pair<SubjectName>>, { mib, profile, rounds }: Options) =>
  Effect.gen(function*() {
    // As much as a heap takes to grow to what it needs, and most is compiled by: with less the first round is half as fast.
    for (const pair of pairs) yield* transfer(pair, Math.min(64, mib))
    const measured = new Map(pairs.map(({ name }) => [name, [] as Array<StreamRound>]))
    for (let round = 0; round < rounds; round++) {
      for (const pair of pairs) {
        const observed = Pairs.observe(
          pair,
          transfer(pair, mib),
          profile === undefined ? undefined : join(profile, `${pair.name}-stream`)
        )
        // Whoever stood still tidies up first.
        const warmed = Effect.andThen(transfer(pair, Math.min(16, mib)), observed)
        const { client, result, server } = yield* Pairs.withOthersStill(pair, pairs, warmed)
        measured.get(pair.name)!.push({
          megabytes: mib * 1_048_576 / 1e3 / result.millis,
          client: Effort.between(...client, mib),
          server: Effort.between(...server, mib)
        })
      }
    }
    const speeds = (name: SubjectName) => measured.get(name)!.map(({ megabytes }) => megabytes)
    return pairs.map(({ name }) => {
      const own = speeds(name)
      const others = speeds(comparisonOf(name))
      const { client, server } = slowestOf(measured.get(name)!)
      return {
        subject: name,
        megabytes: Math.max(...own),
        ofEffect: Math.max(...own) / Math.max(...others),
        ofEffectAtLeast: Math.min(...own.map((megabytes, round) => megabytes / others[round]!)),
        spread: Effort.spreadOf(own),
        slowest: { client, server }
      }
    })
  })

/** Measures. */
export const run = (options: Options): Effect.Effect<Report, Workers.WorkerError> =>
  Effect.gen(function*() {
    const machine = yield* Machine.machine(options)
    const { mib, rounds, seconds } = options
    const names = subjects.filter((name) =>
      options.only.length === 0 || options.only.includes(name) ||
      options.only.some((other) => comparisonOf(other) === name)
    )
    const { cells, pairs } = yield* BesideEffect.measure(
      machine,
      names,
      (network, tracing) => ({ _tag: "Typed", cryptography: "native", tracing, network }),
      options
    )

    const streams = yield* measureStreams(pairs, options)

    return {
      benchmark: "typed" as const,
      machine,
      messageBytes: Turns.messageBytes,
      seconds,
      mebibytes: mib,
      rounds,
      cells,
      streams,
      goals: goalsOf(cells, streams),
      memory: yield* Reports.memoryOf(pairs)
    }
  }).pipe(Effect.scoped)

/** A report for people. */
export const format = (report: Report): string =>
  [
    `Typed calls with ${report.messageBytes} bytes, each answered with them; two processes on 127.0.0.1; ${report.seconds} s a cell${
      Reports.ofRounds(report.rounds)
    }`,
    Machine.describe(report.machine),
    "",
    BesideEffect.format(report.cells, titles),
    "",
    table(
      [
        `a stream of ${report.mebibytes} MiB in chunks of 64 KiB`,
        "MB/s",
        "of Effect's",
        "in the worst round",
        "min / median / max"
      ],
      report.streams.map(({ megabytes, ofEffect, ofEffectAtLeast, spread, subject }) => [
        titles[subject],
        megabytes.toFixed(0),
        percent(ofEffect),
        percent(ofEffectAtLeast),
        Effort.formatSpread(spread)
      ])
    ),
    "",
    "The slowest round of each stream:",
    Effort.format(
      report.streams.map(({ slowest, spread, subject }) => ({
        ...slowest,
        title: titles[subject],
        atOnce: "1",
        spread
      })),
      "MiB",
      "MB/s"
    ),
    "",
    Reports.memoryTable(report.memory, titles),
    "",
    ...report.goals.map(({ text }) => text)
  ].join("\n")

/** Measures, prints, and writes JSON to a file if one is named. */
export const main = Reports.main(run, format)
