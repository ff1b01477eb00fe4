/**
 * A node whose peer has a key, and says whatever comes to its mind: broken handshakes, broken frames in a session that stands, calls
 * that are none, answers that are none. Shared by a test (a few seeds) and the command that goes on for as long as it is told.
 */
import { SimNetwork } from "@pnet/testing"
import { Cause, Effect, Exit, Logger, Random } from "effect"
import { TestClock } from "effect/testing"
import { seeded, type Started } from "../worlds/sessionWorld.ts"
import { stranger } from "../worlds/stranger.ts"
import { type Attacker, called, greeting, listen, session } from "./attacks.ts"
import * as Mutate from "./mutate.ts"
import { Speech } from "./speech.ts"
import { start, type Victim } from "./victims.ts"

export interface Result {
  readonly cases: number
  /** What must not happen, in words. */
  readonly problems: ReadonlyArray<string>
  /** Calls that went to whom attacked, by what came of them. */
  readonly outcomes: Readonly<Record<string, number>>
}

interface World extends Attacker {
  readonly network: SimNetwork.SimNetwork["Service"]
  /** Calls the node that is attacked all the while. */
  readonly alice: Victim
  readonly problems: Array<string>
  readonly outcomes: Record<string, number>
}

const makeWorld = (seed: number) =>
  Effect.gen(function*() {
    const random = Mutate.chance(`sessions ${seed}`)
    const speech = new Speech(random)
    const problems: Array<string> = []
    const watch = Logger.layer([Logger.make<unknown, void>(({ cause, message }) => {
      if (Cause.hasDies(cause) || String(message).includes("Unhandled")) {
        problems.push(`logged: ${String(message)} ${Cause.pretty(cause)}`)
      }
    })])
    const network = yield* SimNetwork.make({ seed, traceCapacity: 0 })
    const bob = yield* start(network, "bob", watch)
    const alice = yield* start(network, "alice", watch)
    const host = yield* network.host("mallory")
    const binary = seed % 2 === 1
    const mallory = yield* stranger(network, yield* seeded(seed), { host, binary })
    // Both have a node underneath with the same fields.
    const target = { node: bob.node, host: bob.host } as never as Started
    const world: World = { network, random, speech, mallory, bob, alice, target, binary, problems, outcomes: {} }
    return world
  })

/** Runs while virtual time passes, at most a minute of it. */
const passing = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.forkChild(effect, { startImmediately: true })
    for (let i = 0; i < 600 && fiber.pollUnsafe() === undefined; i++) yield* TestClock.adjust("100 millis")
    return fiber.pollUnsafe()
  })

/** The neighbour is answered as ever. */
const honest = ({ alice, problems }: World, text: string) =>
  Effect.map(passing(alice.node.target("bob")("echo", text)), (exit) => {
    if (exit !== undefined && Exit.isSuccess(exit) && exit.value === text) return
    const got = exit === undefined ? "nothing" : Exit.isFailure(exit) ? Cause.pretty(exit.cause) : exit.value
    problems.push(`${text}: the neighbour got ${got}`)
  })

/** Attacks so many times. Each attack ends, and ends as it may. */
const attackAll = (world: World, cases: number) =>
  Effect.gen(function*() {
    const { outcomes, problems, random } = world
    const advertise = yield* listen(world)
    const calling = Effect.map(called(world, advertise), ({ outcome, problem }) => {
      outcomes[outcome] = (outcomes[outcome] ?? 0) + 1
      if (problem !== undefined) problems.push(problem)
    })
    const saying = session(world)
    const attacks = [greeting(world), saying, saying, saying, calling]
    for (let i = 0; i < cases; i++) {
      const done = yield* passing(Effect.ignore(Effect.scoped(random.pick(attacks))))
      if (done === undefined) problems.push(`attack ${i} hangs`)
      else if (Exit.isFailure(done) && !Cause.hasInterruptsOnly(done.cause)) {
        const text = Cause.pretty(done.cause)
        // Refused, as it may be: what it says next is in another connection.
        if (!text.includes("refused: ") && !text.includes("ended before")) problems.push(`attack ${i}: ${text}`)
      }
      if (i % 10 === 9) yield* honest(world, `after ${i + 1}`)
    }
  })

/** Nothing is left of the attacks, nor of the nodes when they have stopped. */
const checkLeft = ({ alice, bob, mallory, network, problems }: World) =>
  Effect.gen(function*() {
    const sessions = yield* bob.node.sessions.all
    const left = sessions.filter(({ peer }) => peer.publicKey === mallory.identity.publicKey)
    const streams = sessions.reduce((sum, { streams }) => sum + streams, 0)
    if (left.some(({ dialled }) => !dialled)) problems.push(`${left.length} sessions are left`)
    if (streams > 0) problems.push(`${streams} streams are left`)
    if (({} as any).polluted !== undefined) problems.push("the prototype of all objects was changed")
    yield* Effect.all([bob.process.stop, alice.process.stop])
    const sockets = network.openSockets().filter(({ host }) => host === "bob" || host === "alice").length
    if (sockets > 0) problems.push(`${sockets} sockets are left`)
  })

/** Attacks one node `cases` times; another calls it all the while. */
export const fuzzSessions = (
  { cases, seed }: { readonly seed: number; readonly cases: number }
): Effect.Effect<Result> =>
  Effect.gen(function*() {
    const world = yield* makeWorld(seed)
    yield* passing(world.alice.node.peers.awaitPeer("bob"))
    yield* honest(world, "before")
    yield* attackAll(world, cases)
    yield* TestClock.adjust("90 seconds")
    yield* honest(world, "at the end")
    yield* checkLeft(world)
    return { cases, problems: world.problems, outcomes: world.outcomes }
  }).pipe(
    Effect.scoped,
    Effect.orDie,
    Effect.provide(Logger.layer([])),
    Random.withSeed(seed)
  )
