/** Starts the subjects, as many of them as can be had here, and measures them in turns. */
import * as Effect from "effect/Effect"
import type { Peer, Subject } from "../harness/calls.ts"
import * as Effort from "../harness/effort.ts"
import type * as Machine from "../harness/machine.ts"
import * as Pairs from "../harness/pairs.ts"
import * as Turns from "../harness/turns.ts"
import type * as Workers from "../harness/workers.ts"
import * as Certificate from "./certificate.ts"
import type { Bulk } from "./figures.ts"
import * as Obtaining from "./obtaining.ts"
import { about, type Made, start, type SubjectName } from "./subjects.ts"

/** A subject with its processes. */
export interface Started {
  readonly name: SubjectName
  readonly calls: Pairs.Pair<SubjectName>
  /** The pair for bulk, which may be the same. */
  readonly bulk: Pairs.Pair<SubjectName> | undefined
}

/** A subject that cannot be had here. */
export interface LeftOut {
  readonly subject: SubjectName
  readonly reason: string
}

/** Makes what the subjects need and starts all that can be had. */
export const startAll = (names: ReadonlyArray<SubjectName>, machine: Machine.Machine, into: string) =>
  Effect.gen(function*() {
    const obtained = yield* Obtaining.obtain(names.map((name) => about[name]), into)
    const made: Made = {
      certificate: Certificate.make(),
      broker: obtained.broker,
      ports: Effect.all([Obtaining.freePort, Obtaining.freePort])
    }
    const started: Array<Started> = []
    const leftOut: Array<LeftOut> = []
    for (const name of names) {
      const { noBulk } = about[name]
      const found = obtained.of(about[name])
      if ("reason" in found) {
        leftOut.push({ subject: name, reason: found.reason })
        continue
      }
      const subject = yield* start(name, made)
      const pair = (subject: Subject | Peer) => Pairs.start(name, subject, machine, found.file)
      const result = yield* Effect.result(Effect.gen(function*() {
        const calls = yield* pair(subject.calls)
        const bulk = noBulk !== undefined
          ? undefined
          : subject.bulk === undefined
          ? calls
          : yield* pair(subject.bulk)
        // What does not work here is found out before anything is measured.
        yield* Pairs.warm(calls, { atOnce: 1, seconds: 0.05, bytes: Turns.messageBytes })
        if (bulk !== undefined) yield* transfer(bulk, 1)
        return { name, calls, bulk }
      }))
      if (result._tag === "Success") started.push(result.success)
      else leftOut.push({ subject: name, reason: Obtaining.oneLine(result.failure.detail) })
    }
    return { started, leftOut }
  })

const transfer = (pair: Pairs.Pair<SubjectName>, mib: number) =>
  pair.client.call("Transfer", { bytes: mib * 1_048_576, streams: 1 }, "2 minutes")

// Typed streams come from the side that answers; all else is sent by the side that asks.
const receives = (name: SubjectName): boolean => name === "pnet-typed" || name === "effect"

/** Many bytes one way through each, in turns, while all others stand still. */
export const measureBulk = (
  started: ReadonlyArray<Started>,
  { mib, rounds }: { readonly mib: number; readonly rounds: number }
): Effect.Effect<ReadonlyArray<Bulk>, Workers.WorkerError> =>
  Effect.gen(function*() {
    const tasks = started.flatMap(({ bulk, name }) =>
      bulk === undefined ? [] : [{ name, pair: bulk, measured: [] as Array<Omit<Bulk, "spread" | "subject">> }]
    )
    const pairs = [...new Set(started.flatMap(({ bulk, calls }) => bulk === undefined ? [calls] : [calls, bulk]))]
    for (let round = 0; round < rounds; round++) {
      for (const { measured, name, pair } of tasks) {
        // Whoever stood still tidies up first, and at first has nothing compiled.
        const warmed = Effect.andThen(
          transfer(pair, Math.min(round === 0 ? 64 : 16, mib)),
          Pairs.observe(pair, transfer(pair, mib))
        )
        const { clientMillis, result, serverMillis } = yield* Pairs.withOthersStill(pair, pairs, warmed)
        const [sending, receiving] = receives(name) ? [serverMillis, clientMillis] : [clientMillis, serverMillis]
        measured.push({
          megabytes: mib * 1_048_576 / 1e3 / result.millis,
          sendingMicros: sending * 1_000 / mib,
          receivingMicros: receiving * 1_000 / mib
        })
      }
    }
    return tasks.map(({ measured, name }) => ({
      ...measured.reduce((best, one) => one.megabytes > best.megabytes ? one : best),
      subject: name,
      spread: Effort.spreadOf(measured.map(({ megabytes }) => megabytes))
    }))
  })
