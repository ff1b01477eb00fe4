/** Starts a publisher and its subscribers, and measures what goes from the one to the others. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { mkdir } from "node:fs/promises"
import { join } from "node:path"
import * as Spreading from "../../peers/programs/spreading.js"
import type { ToMany } from "../harness/calls.ts"
import * as Effort from "../harness/effort.ts"
import type * as Machine from "../harness/machine.ts"
import { messageBytes } from "../harness/turns.ts"
import * as Workers from "../harness/workers.ts"
import * as Obtaining from "../peers/obtaining.ts"
import type { Cell, Many } from "./figures.ts"
import { about, start, type SubjectName } from "./subjects.ts"

/** How to measure. */
export interface Options {
  /** Numbers of subscribers. */
  readonly subscribers: ReadonlyArray<number>
  /** Of each measurement. */
  readonly seconds: number
  readonly rounds: number
  /** Messages a second where latency is measured. */
  readonly pace: number
  /** Processes that subscribers have, at most. */
  readonly processes: number
  /** A folder for a CPU profile of pnet's publisher and of its last process of subscribers, as fast as they go. Profiling costs some speed. */
  readonly profile?: string | undefined
}

/** A publisher and its subscribers, of which the first has a process of its own where there are several. */
interface Crowd {
  readonly name: SubjectName
  readonly publisher: Workers.Worker
  readonly subscribers: ReadonlyArray<{ readonly worker: Workers.Worker; readonly count: number }>
}

/** How many subscribers each process has: one in the first, and the others spread over the rest. */
export const spreadOver = (subscribers: number, processes: number): ReadonlyArray<number> => {
  const others = Math.min(processes - 1, subscribers - 1)
  if (others <= 0) return [subscribers]
  const each = (subscribers - 1) / others
  return [1, ...Array.from({ length: others }, (_, i) => Math.floor((i + 1) * each) - Math.floor(i * each))]
}

const startCrowd = (
  name: SubjectName,
  subject: ToMany,
  file: string | undefined,
  machine: Machine.Machine,
  subscribers: number,
  processes: number
): Effect.Effect<Crowd, Workers.WorkerError, Scope.Scope> =>
  Effect.gen(function*() {
    const counts = spreadOver(subscribers, processes)
    const publisher = yield* Workers.start(`${name} publisher`, machine.pinned?.[0], file)
    const { hello, port, window } = yield* publisher.call("Publisher", {
      subject,
      bytes: messageBytes,
      subscribers,
      processes: counts.length
    })
    const all = yield* Effect.forEach(counts, (count, process) =>
      Effect.gen(function*() {
        const worker = yield* Workers.start(`${name} subscribers`, machine.pinned?.[1], file)
        const first = counts.slice(0, process).reduce((sum, count) => sum + count, 0)
        yield* worker.call("Subscribers", { subject, process, first, count, port, window, hello }, "30 seconds")
        return { worker, count }
      }), { concurrency: "unbounded" })
    const crowd = { name, publisher, subscribers: all }
    const [, reached] = yield* probe(crowd, [...counts.keys()], 30)
    return reached ? crowd : yield* Effect.fail(
      new Workers.WorkerError({
        worker: publisher.name,
        call: "Publish",
        detail: "nothing came to all subscribers within 30 seconds"
      })
    )
  })

/** Publishes one by one until all of some processes had one; after how many milliseconds, and whether they had. */
const probe = ({ publisher }: Crowd, among: ReadonlyArray<number>, seconds: number) =>
  Effect.map(
    publisher.call("Publish", { among, seconds, perSecond: 20, probing: true }, `${seconds} seconds`),
    ({ count, millis }) => [millis, count > 0] as const
  )

/** What came to some processes since they were asked for the last time; messages that overtook each other may take some time more. */
const receive = (workers: ReadonlyArray<Workers.Worker>, expected: number) =>
  Effect.gen(function*() {
    const latencies: Array<Spreading.Latencies[number]> = []
    let received = 0
    for (let tries = 0; tries < 10; tries++) {
      if (tries > 0) yield* Effect.sleep(50)
      for (const worker of workers) {
        const some = yield* worker.call("Received", null)
        received += some.received
        latencies.push(...some.latencies)
      }
      if (received >= expected) break
    }
    return { received, latencies }
  })

/** Publishes for so long, and says what came to some processes meanwhile. */
const publish = (crowd: Crowd, among: ReadonlyArray<number>, seconds: number, perSecond: number | null) =>
  Effect.gen(function*() {
    const some = among.map((i) => crowd.subscribers[i]!)
    const result = yield* crowd.publisher.call("Publish", { among, seconds, perSecond }, `${seconds + 10} seconds`)
    const expected = result.published * some.reduce((sum, { count }) => sum + count, 0)
    const { latencies, received } = yield* receive(some.map(({ worker }) => worker), expected)
    return {
      /** How many were published in a second that all had. */
      perSecond: result.count * 1_000 / Math.max(1, result.millis),
      received,
      lost: Math.max(0, expected - received),
      p50: Spreading.percentile(latencies, 0.5),
      p99: Spreading.percentile(latencies, 0.99)
    }
  })

/** A share; none of nothing. */
const of = (part: number, whole: number): number => whole > 0 ? part / whole : 0

const cpuMillis = (workers: ReadonlyArray<Workers.Worker>) =>
  Effect.map(
    Effect.forEach(workers, (worker) => worker.call("Usage", null)),
    (all) => all.reduce((sum, { cpuMillis }) => sum + cpuMillis, 0)
  )

/** Profiles, where a folder is named and the workers are pnet's, what the publisher and the last of the others do meanwhile. */
const profiled = <A, E>(crowd: Crowd, folder: string | undefined, effect: Effect.Effect<A, E>) =>
  Effect.gen(function*() {
    if (folder === undefined || about[crowd.name].program !== undefined) return yield* effect
    const count = crowd.subscribers.reduce((sum, { count }) => sum + count, 0)
    const workers = [["publisher", crowd.publisher], ["subscribers", crowd.subscribers.at(-1)!.worker]] as const
    yield* Effect.promise(() => mkdir(folder, { recursive: true }))
    for (const [, worker] of workers) yield* worker.call("ProfileStart", null)
    const result = yield* effect
    for (const [side, worker] of workers) {
      yield* worker.call("ProfileStop", { file: join(folder, `${crowd.name}-${count}-${side}.cpuprofile`) })
    }
    return result
  })

/** Messages as fast as they go, and what they cost. */
const measureFast = (crowd: Crowd, all: ReadonlyArray<number>, { profile, seconds }: Options) =>
  Effect.gen(function*() {
    const workers = crowd.subscribers.map(({ worker }) => worker)
    const publisherBefore = yield* cpuMillis([crowd.publisher])
    const before = yield* cpuMillis(workers)
    const fast = yield* profiled(crowd, profile, publish(crowd, all, seconds, null))
    const subscriberMillis = (yield* cpuMillis(workers)) - before
    const publisherMillis = (yield* cpuMillis([crowd.publisher])) - publisherBefore
    const each = (millis: number) => millis * 1_000 / Math.max(1, fast.received)
    return { ...fast, publisherMicros: each(publisherMillis), subscriberMicros: each(subscriberMillis) }
  })

type Published = Effect.Success<ReturnType<typeof publish>>

/** The same to the others while the first is frozen, and how long it takes to be back. */
const measureFrozen = (crowd: Crowd, all: ReadonlyArray<number>, fast: Published, paced: Published, options: Options) =>
  Effect.gen(function*() {
    const others = all.slice(1)
    const { pace, seconds } = options
    const [slower, without] = yield* Effect.scoped(Effect.gen(function*() {
      yield* crowd.subscribers[0]!.worker.freeze
      return [yield* publish(crowd, others, seconds, pace), yield* publish(crowd, others, seconds, null)] as const
    }))
    const [millis, isBack] = yield* probe(crowd, [0], 10)
    return {
      ofRate: of(without.perSecond, fast.perSecond),
      p50: slower.p50,
      p99: slower.p99,
      ofP50: of(slower.p50, paced.p50),
      ofP99: of(slower.p99, paced.p99),
      back: isBack ? millis : null
    }
  })

/** One round of one subject, in processes of its own. */
const measureRound = (crowd: Crowd, options: Options) =>
  Effect.gen(function*() {
    const all = [...crowd.subscribers.keys()]
    // Compiled and warm before anything counts.
    yield* publish(crowd, all, Math.min(1, options.seconds), null)
    const fast = yield* measureFast(crowd, all, options)
    const paced = yield* publish(crowd, all, options.seconds, options.pace)
    const frozen = all.length === 1 ? null : yield* measureFrozen(crowd, all, fast, paced, options)
    return { fast, paced, frozen }
  })

type Round = Effect.Success<ReturnType<typeof measureRound>>

const median = <A>(all: ReadonlyArray<A>, of: (one: A) => number): number => Effort.spreadOf(all.map(of)).median

const cellOf = (subject: SubjectName, subscribers: number, rounds: ReadonlyArray<Round>): Cell => {
  const best = rounds.reduce((best, one) => one.fast.perSecond > best.fast.perSecond ? one : best).fast
  const frozen = rounds.flatMap(({ frozen }) => frozen === null ? [] : [frozen])
  const backs = frozen.flatMap(({ back }) => back === null ? [] : [back])
  return {
    subject,
    subscribers,
    perSecond: best.perSecond * subscribers,
    spread: Effort.spreadOf(rounds.map(({ fast }) => fast.perSecond * subscribers)),
    publisherMicros: best.publisherMicros,
    subscriberMicros: best.subscriberMicros,
    lost: rounds.reduce((sum, { fast }) => sum + fast.lost, 0),
    paced: {
      perSecond: median(rounds, ({ paced }) => paced.perSecond),
      p50: median(rounds, ({ paced }) => paced.p50),
      p99: median(rounds, ({ paced }) => paced.p99)
    },
    frozen: frozen.length === 0 ? null : {
      ofRate: median(frozen, ({ ofRate }) => ofRate),
      p50: median(frozen, ({ p50 }) => p50),
      p99: median(frozen, ({ p99 }) => p99),
      ofP50: median(frozen, ({ ofP50 }) => ofP50),
      ofP99: median(frozen, ({ ofP99 }) => ofP99),
      back: backs.length < frozen.length ? null : median(backs, (back) => back)
    }
  }
}

/** Measures the subjects in turns, each with processes of its own in each round, and says of what cannot be had why. */
export const measure = (
  names: ReadonlyArray<SubjectName>,
  machine: Machine.Machine,
  into: string,
  options: Options
): Effect.Effect<Many, never, Scope.Scope> =>
  Effect.gen(function*() {
    const obtained = yield* Obtaining.obtain(names.map((name) => about[name]), into)
    const leftOut = new Map<SubjectName, string>()
    const cells: Array<Cell> = []
    for (const subscribers of options.subscribers) {
      const measured = new Map(names.map((name) => [name, [] as Array<Round>]))
      for (let round = 0; round < options.rounds; round++) {
        for (const name of names) {
          if (leftOut.has(name)) continue
          const found = obtained.of(about[name])
          if ("reason" in found) {
            leftOut.set(name, found.reason)
            continue
          }
          const ports = Effect.all(Array.from({ length: subscribers + 1 }, () => Obtaining.freePort))
          const subject = yield* start(name, { broker: obtained.broker, ports })
          const result = yield* Effect.flatMap(
            startCrowd(name, subject, found.file, machine, subscribers, options.processes),
            (crowd) => measureRound(crowd, options)
          ).pipe(Effect.scoped, Effect.result)
          if (result._tag === "Success") measured.get(name)!.push(result.success)
          else leftOut.set(name, `with ${subscribers}: ${Obtaining.oneLine(result.failure.detail)}`)
        }
      }
      for (const [name, rounds] of measured) if (rounds.length > 0) cells.push(cellOf(name, subscribers, rounds))
    }
    const { pace, processes, rounds, seconds } = options
    return {
      seconds,
      rounds,
      pace,
      processes,
      cells,
      leftOut: [...leftOut].map(([subject, reason]) => ({ subject, reason }))
    }
  })
