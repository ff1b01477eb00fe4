/** Calls of pnet beside Effect's own RPC over plain TCP, each with tracing and without: what `typed` and `commands` share. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { randomBytes } from "node:crypto"
import { mkdir } from "node:fs/promises"
import { messageBytes } from "../rpc.ts"
import type { Subject } from "./calls.ts"
import * as Machine from "./machine.ts"
import type { NodeNetworkOptions } from "./nodes.ts"
import * as Pairs from "./pairs.ts"
import { count, goal, millis, percent, table } from "./table.ts"

/** What is measured. */
export const subjects = ["effect", "pnet", "effect-untraced", "pnet-untraced"] as const

/** The name of something that is measured. */
export type SubjectName = typeof subjects[number]

/** What a subject is compared with: Effect's, with tracing or without like itself. */
export const comparisonOf = (name: SubjectName): SubjectName =>
  name.endsWith("-untraced") ? "effect-untraced" : "effect"

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

/** How to run. */
export interface Options {
  /** Of each measurement of calls. */
  readonly seconds: number
  /** Calls on their way at once. */
  readonly atOnce: ReadonlyArray<number>
  /** How often to measure everything; of several the fastest is reported, since what else runs can only slow. */
  readonly rounds: number
  readonly pin: boolean
  /** A folder for a CPU profile of each process in each measurement. Profiling costs some speed. */
  readonly profile?: string | undefined
}

/** A subject by its name: Effect's own, or what `pnet` makes of a network of its own. */
export const subjectOf = (
  name: SubjectName,
  pnet: (network: NodeNetworkOptions, tracing: boolean) => Subject
): Effect.Effect<Subject> =>
  Effect.gen(function*() {
    const tracing = !name.endsWith("-untraced")
    if (name.startsWith("effect")) return { _tag: "Typed" as const, cryptography: "native", tracing, network: null }
    return pnet({
      networkId: `bench-${randomBytes(6).toString("hex")}`,
      networkKey: null,
      advertisePort: yield* Machine.freeAdvertisePort
    }, tracing)
  })

type Measurement = Effect.Success<ReturnType<typeof Pairs.measure<SubjectName>>>

/** Starts the pairs of processes of subjects, and measures their calls. */
export const measure = (
  machine: Machine.Machine,
  names: ReadonlyArray<SubjectName>,
  pnet: (network: NodeNetworkOptions, tracing: boolean) => Subject,
  { atOnce, profile, rounds, seconds }: Options
) =>
  Effect.gen(function*() {
    if (profile !== undefined) yield* Effect.promise(() => mkdir(profile, { recursive: true }))
    const pairs = yield* Effect.forEach(
      names,
      (name) => Effect.flatMap(subjectOf(name, pnet), (subject) => Pairs.start(name, subject, machine)),
      { concurrency: "unbounded" }
    )
    // Compiled and warm before anything counts.
    for (const pair of pairs) {
      yield* Pairs.warm(pair, {
        atOnce: Math.max(...atOnce),
        seconds: Math.min(1.5, seconds),
        bytes: messageBytes
      })
    }
    const cells: Array<Cell> = []
    for (const count of atOnce) {
      const measured = new Map(names.map((name) => [name, [] as Array<Measurement>]))
      for (let round = 0; round < rounds; round++) {
        for (const pair of pairs) {
          measured.get(pair.name)!.push(
            yield* Pairs.measure(pair, { atOnce: count, seconds, profile, bytes: messageBytes })
          )
        }
      }
      const best = (name: SubjectName) => Pairs.fastest(measured.get(name)!)
      for (const name of names) {
        cells.push({ ...best(name), ofEffect: best(name).perSecond / best(comparisonOf(name)).perSecond })
      }
    }
    return { pairs, cells }
  })

/** What the calls of pnet are meant to reach at 128 at once, as a share of Effect's. */
export const goalsOf = (cells: ReadonlyArray<Cell>, titles: Readonly<Record<SubjectName, string>>, share: number) =>
  cells.filter(({ atOnce, subject }) => atOnce === 128 && subject.startsWith("pnet")).map((cell) =>
    goal(`${titles[cell.subject]}, 128 at once: calls/s of Effect's over TCP`, cell.ofEffect, "at least", share)
  )

/** The cells, for people. */
export const format = (cells: ReadonlyArray<Cell>, titles: Readonly<Record<SubjectName, string>>): string => {
  const rows: Array<ReadonlyArray<string> | undefined> = []
  for (const [i, cell] of cells.entries()) {
    if (i > 0 && cells[i - 1]!.atOnce !== cell.atOnce) rows.push(undefined)
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
  return table(["", "at once", "calls/s", "p50", "p99", "of Effect's", "CPU/call asking", "answering"], rows)
}
