/**
 * What a node pays for a LAN of many: processor time an advert that says nothing new, in clear and with a network key, beside a raw
 * socket that counts datagrams; its share of a core when the LAN is quiet; and what a known peer holds.
 *
 * One process listens. Another speaks for all the others, each of which has an address of loopback and a socket of its own, broadcasts to 127.255.255.255,
 * answers who asks for its advert, and asks in its turn. Each subject has two new processes each time.
 *
 * What bites: memory is what the heap has more of after the last four fifths have been heard than after the first, each time after a garbage collection, since
 * a node's first peers compile what all of them need.
 */
import { count, percent, table } from "@pnet/lab/harness/table"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { goal, GoalSchema } from "./harness/goal.ts"
import * as Machine from "./harness/machine.ts"
import * as Pairs from "./harness/pairs.ts"
import * as Reports from "./harness/report.ts"
import * as Workers from "./harness/workers.ts"

const subjects = ["raw", "clear", "key", "beside-clear", "beside-key"] as const

type SubjectName = (typeof subjects)[number]

/** What one subject came to. */
export const Cell = Schema.Struct({
  subject: Schema.Literals(subjects),
  /** Adverts that were heard while it was busy. */
  adverts: Schema.Number,
  /** Processor time of each of them, in microseconds. */
  micros: Schema.Number,
  /** A core's share while the LAN was quiet. */
  load: Schema.Number,
  /** Adverts that were broadcast in a second of it. */
  quietPerSecond: Schema.Number,
  /** Bytes of heap a known peer. */
  peerBytes: Schema.Number,
  /** Peers that were known at the end. */
  peers: Schema.Number
})

/** What one subject came to. */
export type Cell = typeof Cell.Type

/** What a run writes with `--json`. */
export const Report = Schema.Struct({
  benchmark: Schema.Literal("crowd"),
  machine: Machine.Machine,
  senders: Schema.Number,
  perSecond: Schema.Number,
  seconds: Schema.Number,
  rounds: Schema.Number,
  /** The round in which an advert cost least, of each subject. */
  cells: Schema.Array(Cell),
  /** Processor time to open an advert's token, in microseconds: what a network key has to cost. */
  openingMicros: Schema.Number,
  goals: Schema.Array(GoalSchema)
})

/** What a run writes with `--json`. */
export type Report = typeof Report.Type

/** How to run. */
export interface Options {
  readonly senders: number
  /** Adverts a second while it is busy. */
  readonly perSecond: number
  /** How long it is busy, and how long quiet. */
  readonly seconds: number
  readonly rounds: number
  /** A worker of other code, which is measured too. */
  readonly beside?: string | undefined
  readonly pin: boolean
}

// By default a node advertises itself so often, in seconds, and all of a LAN so often in a second.
const interval = 2.5
const budget = 40
// In a crowd each node asks so many others in an interval, so that each is asked as often.
const asked = 3

const titles: Record<SubjectName, string> = {
  raw: "raw socket that counts",
  clear: "pnet",
  key: "pnet, network key",
  "beside-clear": "beside",
  "beside-key": "beside, network key"
}

/** Lets the first so many be heard, each as often as it takes until all are known; at most ten times. */
const introduce = (listener: Workers.Worker, speakers: Workers.Worker, size: number) =>
  Effect.gen(function*() {
    for (let tries = 0; tries < 10; tries++) {
      if ((yield* listener.call("Heard", null)).peers >= size) return
      yield* speakers.call("Speak", { size, perSecond: 1_000, asksPerSecond: 0, seconds: size / 1_000 }, "10 seconds")
      yield* Effect.sleep(50)
    }
  })

const measure = (machine: Machine.Machine, subject: SubjectName, options: Options) =>
  Effect.gen(function*() {
    const { beside, perSecond, seconds, senders } = options
    const isBeside = subject.startsWith("beside")
    const network = yield* Machine.network(subject.endsWith("key"))
    const listener = yield* Workers.start(subject, machine.pinned?.[0], isBeside ? beside : undefined)
    const speakers = yield* Workers.start("speakers", machine.pinned?.[1])
    yield* listener.call("Listen", { subject: subject === "raw" ? "raw" : "node", network, peers: senders })
    yield* speakers.call("Speakers", { network, size: senders })

    const first = Math.ceil(senders / 5)
    yield* introduce(listener, speakers, first)
    const before = yield* listener.call("Memory", null)
    yield* introduce(listener, speakers, senders)
    const after = yield* listener.call("Memory", null)

    const pair = { name: subject, crypto: "", server: listener, client: speakers }
    const speak = (rate: number, asksPerSecond: number, seconds: number) =>
      speakers.call("Speak", { size: senders, perSecond: rate, asksPerSecond, seconds }, `${seconds} seconds`)
    // Compiled and warm before anything counts.
    yield* speak(perSecond, 0, Math.min(4, seconds))
    const heardBefore = (yield* listener.call("Heard", null)).adverts
    const busy = yield* Pairs.observe(pair, speak(perSecond, 0, seconds))
    const adverts = (yield* listener.call("Heard", null)).adverts - heardBefore

    // Other code may know of no budget: each of its nodes is heard in each interval.
    const quietPerSecond = isBeside ? senders / interval : Math.min(budget, senders / interval)
    const asks = quietPerSecond < senders / interval ? asked / interval : 0
    // V8 collects what it can within some 15 s after a process was busy: that is not what a quiet LAN costs. Short runs do not wait for it.
    yield* speak(quietPerSecond, asks, seconds < 5 ? seconds : 20)
    const quiet = yield* Pairs.observe(pair, speak(quietPerSecond, asks, seconds))
    return {
      subject,
      adverts,
      micros: busy.serverMillis * 1_000 / Math.max(1, adverts),
      load: quiet.serverMillis / 1_000 / seconds,
      quietPerSecond,
      peerBytes: (after.heapBytes - before.heapBytes) / Math.max(1, senders - first),
      peers: (yield* listener.call("Heard", null)).peers
    }
  }).pipe(Effect.scoped)

const cheapest = (cells: ReadonlyArray<Cell>): Cell =>
  cells.reduce((best, one) => one.micros < best.micros ? one : best)

/** Measures. */
export const run = (options: Options): Effect.Effect<Report, Workers.WorkerError> =>
  Effect.gen(function*() {
    const machine = yield* Machine.machine(options)
    const measured = new Map<SubjectName, Array<Cell>>()
    for (let round = 0; round < options.rounds; round++) {
      for (const subject of options.beside === undefined ? subjects.slice(0, 3) : subjects) {
        const cells = measured.get(subject) ?? []
        measured.set(subject, cells)
        cells.push(yield* measure(machine, subject, options))
      }
    }
    const opener = yield* Workers.start("opening", machine.pinned?.[0])
    const times = Math.min(20_000, Math.ceil(options.seconds * 20_000))
    yield* opener.call("Opening", { times: Math.ceil(times / 4) })
    const { micros: openingMicros } = yield* opener.call("Opening", { times })
    const cells = [...measured.values()].map(cheapest)
    const of = (name: SubjectName) => cells.find(({ subject }) => subject === name)!
    return {
      benchmark: "crowd" as const,
      machine,
      senders: options.senders,
      perSecond: options.perSecond,
      seconds: options.seconds,
      rounds: options.rounds,
      cells,
      openingMicros,
      goals: [
        goal(
          "us of CPU an advert that says nothing new, beyond a raw socket's",
          of("clear").micros - of("raw").micros,
          "at most",
          12
        ),
        goal(
          "us of CPU one with a network key, beyond a raw socket's and to open its token",
          of("key").micros - of("raw").micros - openingMicros,
          "at most",
          12
        ),
        goal("% of a core when the LAN is quiet", of("clear").load * 100, "at most", 1),
        goal("KiB of heap a known peer", of("clear").peerBytes / 1_024, "at most", 2)
      ]
    }
  }).pipe(Effect.scoped)

/** A report for people. */
export const format = (report: Report): string => {
  const raw = report.cells.find(({ subject }) => subject === "raw")!
  return [
    `A node that hears ${count(report.senders)} others, on 127.255.255.255; ${
      count(report.perSecond)
    } adverts a second for ${report.seconds} s when it is busy${Reports.ofRounds(report.rounds)}`,
    Machine.describe(report.machine),
    "",
    table(
      ["", "peers", "adverts", "CPU/advert", "of raw", "heap/peer", "when quiet", "of a core"],
      report.cells.map((cell) => [
        titles[cell.subject],
        count(cell.peers),
        count(cell.adverts),
        `${cell.micros.toFixed(1)} us`,
        (cell.micros / raw.micros).toFixed(2),
        `${count(cell.peerBytes)} B`,
        `${cell.quietPerSecond.toFixed(0)}/s`,
        percent(cell.load)
      ])
    ),
    "",
    `To open an advert's token takes ${report.openingMicros.toFixed(1)} us`,
    "",
    ...report.goals.map(({ text }) => text)
  ].join("\n")
}

/** Measures, prints, and writes JSON to a file if one is named. */
export const main = Reports.main(run, format)
