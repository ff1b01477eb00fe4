/**
 * Calls of everyone, 50 nodes, while some of them crash, are killed, leave, join or stall, all from one seed: shared by a test (a
 * few seeds) and the script that runs as many as it is told.
 */
import { type Command, CommandNode, TofuTrust } from "@pnet/core"
import * as NodeCrypto from "@pnet/node/NodeCrypto"
import { SimNetwork } from "@pnet/testing"
import { Cause, Clock, Context, Effect, Exit, Fiber, Layer, Logger, Metric, Schema } from "effect"

export interface Scenario {
  readonly seed: number
  /** Nodes at the beginning, the caller included. Default 50. */
  readonly nodes?: number
}

export interface Result {
  /** Exits by what they were: `success`, or the tag of the error. */
  readonly exits: Readonly<Record<string, number>>
  /** What happened to nodes while calls were under way, by kind. */
  readonly faults: Readonly<Record<string, number>>
  /** The longest that a call of everyone took beyond its timeout, in virtual milliseconds; negative where none came near. */
  readonly over: number
  /** Whatever must not happen, in words. */
  readonly problems: ReadonlyArray<string>
}

class Refused extends Schema.TaggedError<Refused>()("Refused", { by: Schema.String }) {}

/** What one peer's answer to one call has to be. */
const Answer = Schema.Struct({ peer: Schema.String, call: Schema.Finite, secret: Schema.Finite })
const decodeAnswer = Schema.decodeUnknownOption(Answer)

/** Errors of a call that may be met here, and whether what each says admits that it was run. */
const mayHaveRun: Record<
  string,
  ((error: { readonly mayHaveRun?: boolean; readonly code?: string }) => boolean) | undefined
> = {
  RemoteError: () => true,
  RemoteDefectError: () => true,
  DeadlineError: () => true,
  PeerLostError: (error) => error.mayHaveRun === true,
  PeerUnknownError: () => false,
  NameConflictError: () => false,
  DialError: () => false,
  ProtocolError: () => false,
  StreamResetError: (error) => error.code !== "refused"
}

const generator = (seed: number) => {
  let state = Math.imul(seed, 0x9e3779b1) >>> 0
  const next = () => {
    state = state + 0x6d2b79f5 >>> 0
    let t = Math.imul(state ^ state >>> 15, 1 | state)
    t = t + Math.imul(t ^ t >>> 7, 61 | t) ^ t
    return ((t ^ t >>> 14) >>> 0) / 4_294_967_296
  }
  const below = (n: number) => Math.floor(next() * n)
  return { next, below, pick: <A>(items: ReadonlyArray<A>): A => items[below(items.length)]! }
}

const networkId = "everyone"
const layerFor = (name: string, functions: Record<string, Command.Handler>) =>
  CommandNode.layer({ name, networkId, bindIp: "0.0.0.0", functions }).pipe(
    Layer.provide([NodeCrypto.layer, TofuTrust.layer()])
  )

const scenario = ({ nodes = 50, seed }: Scenario) =>
  Effect.gen(function*() {
    const random = generator(seed)
    const problems: Array<string> = []
    const exits: Record<string, number> = {}
    const faults: Record<string, number> = {}
    let over = -Infinity
    const count = (record: Record<string, number>, key: string) => {
      record[key] = (record[key] ?? 0) + 1
    }
    const network = yield* SimNetwork.make({
      seed,
      traceCapacity: 0,
      link: {
        latency: { min: "1 millis", max: `${random.pick([2, 20, 80])} millis` },
        loss: random.pick([0, 0.01, 0.05])
      }
    })

    /** The runs of handlers: what each answered, by call and name; and how many of them run now. */
    const runs = new Map<string, number>()
    let running = 0
    const work = (name: string): Command.Handler => (_call, id: number) =>
      Effect.suspend(() => {
        const key = `${id} ${name}`
        const secret = random.next()
        if (runs.has(key)) problems.push(`${name} ran call ${id} twice`)
        runs.set(key, secret)
        running++
        const answer = { peer: name, call: id, secret }
        const pause = Effect.sleep(`${random.below(3_000)} millis`)
        const how = random.below(20)
        return (how < 10
          ? Effect.succeed(answer)
          : how < 16
          ? Effect.as(pause, answer)
          : how < 17
          ? Effect.andThen(pause, new Refused({ by: name }))
          : how < 18
          ? Effect.andThen(pause, Effect.die("a defect"))
          : Effect.never).pipe(Effect.ensuring(Effect.sync(() => running--)))
      })

    interface Member {
      readonly name: string
      readonly host: SimNetwork.Host
      process: SimNetwork.Process<CommandNode.CommandNode>
    }
    const start = (name: string, host: SimNetwork.Host) =>
      Effect.orDie(host.launch(layerFor(name, { work: work(name) })))
    const join = (name: string) =>
      Effect.gen(function*() {
        const host = yield* network.host(name)
        const member: Member = { name, host, process: yield* start(name, host) }
        return member
      })
    const caller = yield* join("caller")
    // One after another: a test clock waits a second of real time for what is due at one instant, and no longer.
    const members = yield* Effect.forEach(
      Array.from({ length: nodes - 1 }, (_, i) => `peer${i + 1}`),
      (name) => Effect.andThen(Effect.sleep("5 millis"), join(name))
    )
    const node = Context.get(caller.process.context, CommandNode.CommandNode)
    yield* Effect.forEach(members, ({ name }) => Effect.orDie(node.peers.awaitPeer(name)), { concurrency: "unbounded" })

    /** One thing happens to somebody. */
    const fault = Effect.suspend((): Effect.Effect<unknown> => {
      const kind = random.pick(["crash", "crash", "kill", "leave", "join", "stall", "freeze", "partition"] as const)
      const victim = random.pick(members)
      if (kind === "join") {
        count(faults, kind)
        return Effect.map(join(`late${members.length}`), (member) => members.push(member))
      }
      if (!victim.process.isAlive()) {
        // With a new key, as a machine that was set up anew: those who pinned the old one refuse it.
        count(faults, "restart")
        return Effect.gen(function*() {
          if (!victim.host.isUp()) yield* victim.host.restart
          victim.process = yield* start(victim.name, victim.host)
        })
      }
      count(faults, kind)
      switch (kind) {
        case "crash":
          return victim.host.crash
        case "kill":
          return victim.process.kill
        case "leave":
          return victim.process.stop
        case "stall":
          return Effect.andThen(
            victim.process.pause,
            Effect.andThen(Effect.sleep(`${random.below(6_000)} millis`), victim.process.resume)
          )
        case "freeze":
          return victim.process.pause
        case "partition":
          return Effect.andThen(
            network.partition(caller.host, victim.host),
            Effect.andThen(
              Effect.sleep(`${random.below(8_000)} millis`),
              network.heal(caller.host, victim.host)
            )
          )
      }
    })

    let calls = 0
    const callAll = Effect.gen(function*() {
      const id = ++calls
      const timeout = random.pick([500, 2_000, 5_000])
      const begun = yield* Clock.currentTimeMillis
      // Who started again with another key is there twice for a while, under one name.
      const known = [...new Set((yield* node.peers.all).map(({ name }): string => name))].sort()
      const all: Readonly<Record<string, Exit.Exit<unknown, CommandNode.CommandError>>> = yield* node
        .target("*", { timeout })("work", id)
      const took = (yield* Clock.currentTimeMillis) - begun
      over = Math.max(over, took - timeout)
      if (took > timeout + 100) problems.push(`call ${id} took ${took} ms of ${timeout}`)
      if (Object.keys(all).sort().join() !== known.join()) {
        problems.push(`call ${id} of ${known.join()} gave exits for ${Object.keys(all).sort().join()}`)
      }
      for (const [name, exit] of Object.entries(all)) {
        const secret = runs.get(`${id} ${name}`)
        if (Exit.isSuccess(exit)) {
          count(exits, "success")
          const answer = decodeAnswer(exit.value)
          if (
            answer._tag === "None" || answer.value.peer !== name || answer.value.call !== id
            || answer.value.secret !== secret
          ) {
            problems.push(`call ${id} of ${name}: ${JSON.stringify(exit.value)} is not its answer`)
          }
          continue
        }
        const error = exit.cause.reasons.length === 1 && exit.cause.reasons[0]!._tag === "Fail"
          ? exit.cause.reasons[0]!.error
          : undefined
        const ran = error === undefined ? undefined : mayHaveRun[error._tag]
        if (error === undefined || ran === undefined) {
          problems.push(`call ${id} of ${name}: ${Cause.pretty(exit.cause)}`)
          continue
        }
        count(exits, error._tag)
        if (secret !== undefined && !ran(error as never)) {
          problems.push(`call ${id} of ${name} ran, and its ${error._tag} says that it did not`)
        }
      }
    })

    // Calls overlap, and faults come at any moment of them.
    const begin = <A>(times: number, within: number, what: Effect.Effect<A>) =>
      Effect.forEach(
        Array.from({ length: times }),
        () => Effect.andThen(Effect.sleep(`${random.below(within)} millis`), Effect.forkScoped(what))
      )
    const [calling, failing] = yield* Effect.all([begin(12, 1_000, callAll), begin(40, 300, fault)], { concurrency: 2 })
    yield* Effect.forEach(calling, Fiber.join)

    // What a call left behind would show now: the frozen go on, and what was interrupted has had time to end.
    yield* Effect.forEach(members, ({ host, process }) => Effect.andThen(process.resume, host.resume))
    yield* Effect.forEach(failing, Fiber.join)
    yield* Effect.sleep("12 seconds")
    if (running !== 0) problems.push(`${running} handlers still run`)
    for (const session of yield* node.sessions.all) {
      if (session.streams > 0) problems.push(`${session.streams} streams are open with ${session.peer.name}`)
    }
    return { exits, faults, problems, network, over: () => over }
  })

/** Runs one seed. The clock is the caller's, who lets time pass. */
export const everyone = (options: Scenario): Effect.Effect<Result> =>
  Effect.gen(function*() {
    let fibers = 0
    const counting: Metric.FiberRuntimeMetricsService = {
      recordFiberStart: () => void fibers++,
      recordFiberEnd: () => void fibers--
    }
    const { exits, faults, network, over, problems } = yield* scenario(options).pipe(
      Effect.scoped,
      Effect.provideService(Metric.FiberRuntimeMetrics, counting)
    )
    yield* Effect.sleep("1 second")
    if (fibers !== 0) problems.push(`${fibers} fibers are left`)
    if (network.openSockets().length > 0) problems.push(`${network.openSockets().length} sockets are left open`)
    return { exits, faults, problems, over: over() }
  }).pipe(Effect.provide(Logger.layer([])))
