/**
 * What sessions hold that nobody uses, and what streams leave behind.
 *
 * One process has an AdvancedNode, the hub. Another has a crowd of nodes, as small as they can be made (no listener, no
 * discovery), each of which calls the hub once and then keeps quiet. Memory is read after a garbage collection in each process,
 * before the first session and after the last, so that a difference is what the sessions hold: of the hub for an accepted
 * one, of the crowd's process for a dialled one. Resident memory has what the system was asked for and has not got back too, but not V8's
 * space for what lives shortly, which is the process's and of one size in the end; and what lives is put together before, so that
 * pages which are half free are not counted (right after sessions were made they are some 20 KiB for each that was dialled).
 *
 * Then a pair of AdvancedNodes opens and closes streams, and what is left of them on each side is read in the same way.
 */
import { count, kibibytes, percent, table } from "@pnet/lab/harness/table"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { Memory as Held } from "./harness/calls.ts"
import { type Goal, goal, GoalSchema } from "./harness/goal.ts"
import * as Machine from "./harness/machine.ts"
import * as Pairs from "./harness/pairs.ts"
import * as Reports from "./harness/report.ts"
import * as Workers from "./harness/workers.ts"

/** What one side holds; bytes. */
export const Side = Schema.Struct({
  rssBefore: Schema.Number,
  rssAfter: Schema.Number,
  heapBefore: Schema.Number,
  heapAfter: Schema.Number
})

/** What one side holds; bytes. */
export type Side = typeof Side.Type

/** What a run writes with `--json`. */
export const Report = Schema.Struct({
  benchmark: Schema.Literal("idle"),
  machine: Machine.Machine,
  sessions: Schema.Struct({
    size: Schema.Number,
    accepted: Side,
    dialled: Side,
    /** Share of a core that the idle sessions took of each process, over so many seconds. */
    seconds: Schema.Number,
    acceptedLoad: Schema.Number,
    dialledLoad: Schema.Number
  }),
  streams: Schema.Struct({ size: Schema.Number, answering: Side, asking: Side }),
  goals: Schema.Array(GoalSchema)
})

/** What a run writes with `--json`. */
export type Report = typeof Report.Type

/** How to run. */
export interface Options {
  readonly sessions: number
  readonly streams: number
  /** How long the idle sessions are watched. */
  readonly seconds: number
  readonly pin: boolean
}

const cryptography = "native"

const sideOf = (before: Held, after: Held): Side => ({
  rssBefore: before.rssBytes,
  rssAfter: after.rssBytes,
  heapBefore: before.heapBytes,
  heapAfter: after.heapBytes
})

const each = (side: Side, size: number) => ({
  rss: (side.rssAfter - side.rssBefore) / size,
  heap: (side.heapAfter - side.heapBefore) / size
})

const memoryOf = (worker: Workers.Worker) => worker.call("Memory", null)

const measureSessions = (machine: Machine.Machine, { seconds, sessions }: Omit<Options, "streams">) =>
  Effect.gen(function*() {
    const network = yield* Machine.network(false)
    const hub = yield* Workers.start("hub", machine.pinned?.[0])
    const crowd = yield* Workers.start("crowd", machine.pinned?.[1])
    const found = yield* hub.call("Hub", { cryptography, network })
    const join = (size: number) =>
      Effect.andThen(
        crowd.call("Crowd", { cryptography, network, hub: found, size }, "1 minute"),
        crowd.call("Gather", null, "1 minute")
      )
    // The first sessions of a process compile what all of them need. They stay.
    const warmUps = Math.max(16, Math.ceil(sessions / 4))
    yield* join(warmUps)
    yield* crowd.call("Crowd", { cryptography, network, hub: found, size: sessions }, "1 minute")
    const hubBefore = yield* memoryOf(hub)
    const crowdBefore = yield* memoryOf(crowd)
    yield* crowd.call("Gather", null, "1 minute")
    const { clientMillis, serverMillis } = yield* Pairs.observe(
      { name: "idle", crypto: "", server: hub, client: crowd },
      Effect.sleep(seconds * 1_000)
    )
    // Idle, they are: what making them has left is given back by then.
    const hubAfter = yield* memoryOf(hub)
    const crowdAfter = yield* memoryOf(crowd)
    const there = yield* hub.call("HubSessions", null)
    if (there !== sessions + warmUps) {
      return yield* Effect.die(`the hub has ${there} sessions instead of ${sessions + warmUps}`)
    }
    return {
      size: sessions,
      accepted: sideOf(hubBefore, hubAfter),
      dialled: sideOf(crowdBefore, crowdAfter),
      seconds,
      acceptedLoad: serverMillis / 1_000 / seconds,
      dialledLoad: clientMillis / 1_000 / seconds
    }
  }).pipe(Effect.scoped)

const measureStreams = (machine: Machine.Machine, { streams }: Options) =>
  Effect.gen(function*() {
    const { client, server } = yield* Pairs.start(
      "streams",
      { _tag: "Advanced", cryptography, framing: "binary", command: "echo", network: yield* Machine.network(false) },
      machine
    )
    const open = (count: number) => client.call("Calls", { count, atOnce: 64, bytes: 128 }, "1 minute")
    // Twice as many as count: compiled code is on the heap too.
    yield* open(streams * 2)
    const askingBefore = yield* memoryOf(client)
    const answeringBefore = yield* memoryOf(server)
    yield* open(streams)
    const askingAfter = yield* memoryOf(client)
    const answeringAfter = yield* memoryOf(server)
    return {
      size: streams,
      asking: sideOf(askingBefore, askingAfter),
      answering: sideOf(answeringBefore, answeringAfter)
    }
  }).pipe(Effect.scoped)

// Where memory was resident before that nobody used, less of it is new than is held.
const residentOf = (side: Side, size: number): number => {
  const { heap, rss } = each(side, size)
  return Math.max(heap, rss) / 1_024
}

const goalsOf = ({ accepted, dialled, size }: Report["sessions"]): ReadonlyArray<Goal> => [
  goal("resident KiB of an accepted idle session", residentOf(accepted, size), "at most", 60),
  goal("resident KiB of a dialled idle session", residentOf(dialled, size), "at most", 60)
]

/** Measures what has goals alone, which streams have not. */
export const runGoals = (
  options: Omit<Options, "streams">
): Effect.Effect<ReadonlyArray<Goal>, Workers.WorkerError> =>
  Effect.gen(function*() {
    const machine = yield* Machine.machine(options)
    return goalsOf(yield* measureSessions(machine, options))
  })

/** Measures. */
export const run = (options: Options): Effect.Effect<Report, Workers.WorkerError> =>
  Effect.gen(function*() {
    const machine = yield* Machine.machine(options)
    const sessions = yield* measureSessions(machine, options)
    const streams = yield* measureStreams(machine, options)
    return { benchmark: "idle" as const, machine, sessions, streams, goals: goalsOf(sessions) }
  })

const row = (title: string, side: Side, size: number) => [
  title,
  kibibytes(side.rssBefore),
  kibibytes(side.rssAfter),
  kibibytes(each(side, size).rss, 2),
  kibibytes(side.heapBefore),
  kibibytes(side.heapAfter),
  kibibytes(each(side, size).heap, 2)
]

/** A report for people. */
export const format = ({ goals, machine, sessions, streams }: Report): string =>
  [
    `${count(sessions.size)} idle sessions, and ${
      count(streams.size)
    } streams that were opened and closed, 64 at once; after a garbage collection that puts together what lives; without V8's space for the young`,
    Machine.describe(machine),
    "",
    table(["KiB", "RSS before", "after", "each", "heap before", "after", "each"], [
      row("sessions, accepting side", sessions.accepted, sessions.size),
      row("sessions, dialling side", sessions.dialled, sessions.size),
      undefined,
      row("streams, answering side", streams.answering, streams.size),
      row("streams, asking side", streams.asking, streams.size)
    ]),
    "",
    `A core's share that all the idle sessions took in ${sessions.seconds} s: accepting side ${
      percent(sessions.acceptedLoad)
    }, dialling side ${percent(sessions.dialledLoad)} (which has a node for each)`,
    "",
    ...goals.map(({ text }) => text)
  ].join("\n")

/** Measures, prints, and writes JSON to a file if one is named. */
export const main = Reports.main(run, format)
