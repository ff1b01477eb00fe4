/**
 * Subjects measured in turns: all pairs of processes are started first, then each is measured once a round, concurrency by
 * concurrency, so that what else the machine does falls on a subject and on what it is compared with alike.
 */
import { count, millis, percent, table } from "@pnet/lab/harness/table"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { mkdir } from "node:fs/promises"
import type { Subject } from "./calls.ts"
import * as Effort from "./effort.ts"
import type * as Machine from "./machine.ts"
import * as Pairs from "./pairs.ts"
import type * as Workers from "./workers.ts"

/** Bytes of a message and of its answer, or of a call and of its result. */
export const messageBytes = 128

/** How messages are measured. */
export interface Options {
  /** Of each measurement. */
  readonly seconds: number
  /** Messages, or calls, on their way at once. */
  readonly atOnce: ReadonlyArray<number>
  /** How often to measure everything; of several the fastest is reported, since what else runs can only slow. */
  readonly rounds: number
  readonly pin: boolean
  /** A folder for a CPU profile of each process in each measurement. Profiling costs some speed. */
  readonly profile?: string | undefined
}

/** Of what can be measured, what is always measured, and what was asked for; all, where nothing was. */
export const chosen = <Name extends string>(
  subjects: ReadonlyArray<Name>,
  always: ReadonlyArray<Name>,
  only: ReadonlyArray<string>
): ReadonlyArray<Name> => subjects.filter((name) => always.includes(name) || only.length === 0 || only.includes(name))

/** What one measurement has to say besides its subject. Times are milliseconds. */
export const fields = {
  atOnce: Schema.Number,
  messages: Schema.Number,
  perSecond: Schema.Number,
  p50: Schema.Number,
  p99: Schema.Number,
  /** Processor time a message, in microseconds, of the asking and of the answering process. */
  clientMicros: Schema.Number,
  serverMicros: Schema.Number,
  client: Effort.Effort,
  server: Effort.Effort,
  /** `perSecond` of all rounds. */
  spread: Effort.Spread
}

/** One subject at one concurrency: the fastest round, and how far all of them are apart. */
export interface Cell<Name extends string = string> extends Pairs.Measurement<Name> {
  readonly spread: Effort.Spread
}

/** Starts the pairs of subjects, all at once, and makes the folder for profiles. */
export const start = <Name extends string>(
  machine: Machine.Machine,
  names: ReadonlyArray<Name>,
  subjectOf: (name: Name) => Effect.Effect<Subject>,
  profile: string | undefined
): Effect.Effect<Array<Pairs.Pair<Name>>, Workers.WorkerError, Scope.Scope> =>
  Effect.gen(function*() {
    if (profile !== undefined) yield* Effect.promise(() => mkdir(profile, { recursive: true }))
    return yield* Effect.forEach(
      names,
      (name) => Effect.flatMap(subjectOf(name), (subject) => Pairs.start(name, subject, machine)),
      { concurrency: "unbounded" }
    )
  })

/** What was compiled for many at once is in part thrown away for few, and compiled anew, for some ten thousand calls. */
export const warmAll = (pairs: ReadonlyArray<Pairs.Pair>, atOnce: number, seconds: number) =>
  Effect.forEach(
    pairs,
    (pair) => Pairs.withOthersStill(pair, pairs, Pairs.warm(pair, { atOnce, seconds, bytes: messageBytes })),
    { discard: true }
  )

/** Measures the messages of pairs. `shares` gives what a cell says in comparison: `of` is the subject's rate as a share of another's. */
export const measure = <Name extends string, Shares>(
  pairs: ReadonlyArray<Pairs.Pair<Name>>,
  { atOnce, profile, rounds, seconds }: Options,
  shares: (name: Name, of: (other: Name) => number) => Shares
) =>
  Effect.gen(function*() {
    // Compiled and warm before anything counts: first where most is done in a second.
    yield* warmAll(pairs, Math.max(...atOnce), Math.min(1.5, seconds * rounds))
    const cells: Array<Cell<Name> & Shares> = []
    for (const count of atOnce) {
      yield* warmAll(pairs, count, Math.min(1, seconds * rounds))
      const measured = new Map(pairs.map(({ name }) => [name, [] as Array<Pairs.Measurement<Name>>]))
      for (let round = 0; round < rounds; round++) {
        for (const pair of pairs) {
          measured.get(pair.name)!.push(
            yield* Pairs.withOthersStill(
              pair,
              pairs,
              Pairs.measure(pair, { atOnce: count, seconds, profile, bytes: messageBytes })
            )
          )
        }
      }
      const best = (name: Name) => Pairs.fastest(measured.get(name)!)
      for (const { name } of pairs) {
        const cell = best(name)
        const spread = Effort.spreadOf(measured.get(name)!.map(({ perSecond }) => perSecond))
        cells.push({ ...cell, spread, ...shares(name, (other) => cell.perSecond / best(other).perSecond) })
      }
    }
    return cells
  })

// A rule between one concurrency and the next.
const ruled = <Cell extends Pairs.Measurement, Row>(cells: ReadonlyArray<Cell>, row: (cell: Cell) => Row) =>
  cells.flatMap((cell, i): ReadonlyArray<Row | undefined> =>
    i > 0 && cells[i - 1]!.atOnce !== cell.atOnce ? [undefined, row(cell)] : [row(cell)]
  )

/** Cells for people: what was measured, and what was spent on it. */
export const format = <Name extends string, Each extends Cell<Name>>(
  cells: ReadonlyArray<Each>,
  titles: Readonly<Record<Name, string>>,
  what: "message" | "call",
  shares: ReadonlyArray<readonly [title: string, share: (cell: Each) => number]>
): string => {
  const rows = ruled(cells, (cell) => [
    titles[cell.subject],
    `${cell.atOnce}`,
    count(cell.perSecond),
    millis(cell.p50),
    millis(cell.p99),
    ...shares.map(([, share]) => percent(share(cell))),
    `${cell.clientMicros.toFixed(1)} us`,
    `${cell.serverMicros.toFixed(1)} us`
  ])
  const efforts = ruled(
    cells,
    (cell): Effort.Row => ({ ...cell, title: titles[cell.subject], atOnce: `${cell.atOnce}` })
  )
  const head = ["", "at once", `${what}s/s`, "p50", "p99"]
  return [
    table([...head, ...shares.map(([title]) => title), `CPU/${what} asking`, "answering"], rows),
    "",
    Effort.format(efforts, `${what}s`, `${what}s/s`)
  ].join("\n")
}
