/** One LAN of many nodes: what is broadcast on it, and how soon its nodes know, miss and lose each other. */
import { Crypto } from "@pnet/core/Crypto"
import type { NetworkKey } from "@pnet/core/NetworkKey"
import type * as NodeOptions from "@pnet/core/NodeOptions"
import type * as Peers from "@pnet/core/Peers"
import { SimNetwork, SimWorld } from "@pnet/testing"
import { Clock, Effect, Fiber, Layer, Logger, type Scope, Stream } from "effect"
import { makeCrypto } from "../swarm/cryptography.ts"
import * as VirtualTime from "../worlds/virtualTime.ts"

/** What is measured of one LAN. Times are milliseconds; one for each node, of those that noticed. */
export interface Measured {
  readonly nodes: number
  /** Of all pairs: who did not know the other so long after all had started at once. */
  readonly unknownAfterStart: number
  /** Adverts and other packets that were broadcast on the whole LAN in a second, when all was quiet. */
  readonly broadcasts: number
  /** The same of what was sent to one node. */
  readonly unicasts: number
  /** After its start: when each node knew the newcomer, and when it knew how many. */
  readonly known: ReadonlyArray<number>
  readonly knows: ReadonlyArray<number>
  /** After its leaving: when each did not know the leaver any more. */
  readonly left: ReadonlyArray<number>
  /** After the crash: when each had lost it. */
  readonly lost: ReadonlyArray<number>
  /** Who called whom lost that was there. */
  readonly falseLosses: ReadonlyArray<string>
  readonly suspicions: number
  readonly asks: number
}

export interface Scenario {
  readonly seed: number
  readonly nodes: number
  readonly loss: number
  /** Adverts a second, by options of the nodes. */
  readonly broadcastBudget?: number
  readonly networkKey?: NetworkKey
  /** Virtual seconds in which all start, one after another. Default 0: all at once. */
  readonly startWithin?: number
  /** Seconds for which it is left alone and measured. Default 10. */
  readonly quiet?: number
  readonly log?: (line: string) => void
}

/** Nodes on one LAN, and what is sent on it, counted. */
export const open = (scenario: Scenario) =>
  Effect.gen(function*() {
    const { nodes: count, seed, startWithin = 0 } = scenario
    const network = yield* SimNetwork.make({
      seed,
      lans: { lan: { subnet: "10.0.0.0/16" } },
      link: { latency: { min: "1 millis", max: "5 millis" }, loss: scenario.loss },
      traceCapacity: 0
    })
    const sent = { broadcasts: 0, unicasts: 0, asks: 0, connections: 0 }
    yield* network.intercept(({ payload, protocol, to }) => {
      if (protocol === "udp") {
        if (to.endsWith(".255:3334")) sent.broadcasts++
        else sent.unicasts++
        if (isAsk(payload)) sent.asks++
      } else if (isAdvert(payload)) sent.connections++
      return "pass"
    })
    const options = {
      ...(scenario.broadcastBudget === undefined ? {} : { broadcastBudget: scenario.broadcastBudget }),
      ...(scenario.networkKey === undefined ? {} : { networkKey: scenario.networkKey })
    }
    // Made before: virtual time does not wait for what is loaded.
    const crypto = yield* makeCrypto(seed)
    const start = (name: string, more: Partial<NodeOptions.Input> = {}) =>
      Effect.orDie(
        SimWorld.startNode(network, { name, ...options, ...more }, { crypto: Layer.succeed(Crypto, crypto) })
      )
    const nodes = yield* Effect.forEach(
      Array.from({ length: count }, (_, i) => `node${i}`),
      (name, i) => Effect.andThen(Effect.sleep(startWithin * 1_000 * i / count), start(name)),
      { concurrency: "unbounded" }
    )
    return { network, crypto, nodes, start, sent, clear: () => void Object.assign(sent, nothingSent) }
  })

const nothingSent = { broadcasts: 0, unicasts: 0, asks: 0, connections: 0 }

const isOf = (type: string) => {
  const bytes = new TextEncoder().encode(`pnet|${type}|`)
  return (payload: Uint8Array) => bytes.every((byte, i) => payload[i] === byte)
}
const isAsk = isOf("ask")
const isAdvert = isOf("adv")

/** How many peers a node knows. */
export const knownTo = (one: SimWorld.SimNode): Effect.Effect<number> =>
  Effect.map(one.node.peers.all, (all) => all.length)

/** Runs in virtual time, and says nothing. */
export const alone = <A, E>(effect: Effect.Effect<A, E, Scope.Scope>): Effect.Effect<A, E> =>
  effect.pipe(Effect.scoped, Effect.provide(Logger.layer([])), VirtualTime.within)

/** What each node of some says of its peers from now on. */
export const watch = (
  nodes: ReadonlyArray<SimWorld.SimNode>,
  on: (by: SimWorld.SimNode, event: Peers.PeerEvent, at: number) => void
) =>
  Effect.forEach(nodes, (one) =>
    one.node.peers.changes.pipe(
      Stream.runForEach((event) => Effect.map(Clock.currentTimeMillis, (at) => on(one, event, at))),
      Effect.forkScoped({ startImmediately: true })
    ), { discard: true })

/** Polls until a number of nodes say so, or the time is up; when each did. */
const whenEach = (
  nodes: ReadonlyArray<SimWorld.SimNode>,
  says: (node: SimWorld.SimNode) => Effect.Effect<boolean>,
  limit: number
) =>
  Effect.gen(function*() {
    const times: Array<number> = []
    let waiting = nodes
    const start = yield* Clock.currentTimeMillis
    for (let passed = 0; waiting.length > 0 && passed < limit; passed = (yield* Clock.currentTimeMillis) - start) {
      const still: Array<SimWorld.SimNode> = []
      for (const node of waiting) {
        if (yield* says(node)) times.push(passed)
        else still.push(node)
      }
      waiting = still
      yield* Effect.sleep(25)
    }
    return times
  })

export const measure = (scenario: Scenario): Effect.Effect<Measured> =>
  alone(Effect.gen(function*() {
    const { log = () => {}, nodes: count, quiet = 10 } = scenario
    const { clear, nodes, sent, start } = yield* open(scenario)
    yield* Effect.sleep("3 seconds")
    let unknownAfterStart = 0
    for (const one of nodes) unknownAfterStart += count - 1 - (yield* knownTo(one))
    log(
      `${count} nodes started: ${sent.broadcasts} broadcasts, ${sent.unicasts} unicasts, ${unknownAfterStart} of ${
        count * (count - 1)
      } not known after 3 s`
    )

    const gone = new Map<string, number>()
    const lost: Array<number> = []
    const falseLosses: Array<string> = []
    let suspicions = 0
    const watched = (some: ReadonlyArray<SimWorld.SimNode>) =>
      watch(some, (by, event, at) => {
        if (event._tag === "Suspected") suspicions++
        if (event._tag !== "Lost") return
        const since = gone.get(event.peer.name)
        if (since === undefined) falseLosses.push(`${by.node.name} lost ${event.peer.name}: ${event.reason}`)
        else lost.push(at - since)
      })
    yield* watched(nodes)
    yield* Effect.sleep("20 seconds")
    clear()
    yield* Effect.sleep(quiet * 1_000)
    const still = { ...sent }
    log(
      `quiet: ${sent.broadcasts / quiet} broadcasts, ${
        sent.unicasts / quiet
      } unicasts a second, ${sent.asks} asks, ${suspicions} suspicions, ${falseLosses.length} false losses`
    )

    clear()
    const newcomer = yield* start("newcomer")
    yield* watched([newcomer])
    const knowing = yield* Effect.forkScoped(
      Effect.gen(function*() {
        const times: Array<number> = []
        for (let passed = 0; passed < 4_000 && times.length < count; passed += 25) {
          const all = yield* knownTo(newcomer)
          while (times.length < all) times.push(passed)
          yield* Effect.sleep(25)
        }
        return times
      }),
      { startImmediately: true }
    )
    const isKnown = (name: string) => (one: SimWorld.SimNode) =>
      Effect.map(one.node.peers.get(name), (peer) => peer !== undefined)
    const known = yield* whenEach(nodes, isKnown("newcomer"), 4_000)
    const knows = yield* Fiber.join(knowing)
    log(
      `newcomer: known by ${known.length} after ${known.at(-1)} ms, knows ${knows.length} after ${
        knows.at(-1)
      } ms; ${sent.broadcasts} broadcasts, ${sent.unicasts} unicasts`
    )

    yield* Effect.sleep("5 seconds")
    const [leaver, victim, ...others] = nodes
    gone.set(leaver!.node.name, 0)
    yield* Effect.forkScoped(leaver!.process.stop, { startImmediately: true })
    const left = yield* whenEach(
      [victim!, ...others],
      (one) => Effect.map(isKnown(leaver!.node.name)(one), (is) => !is),
      3_000
    )
    log(`leaver: gone at ${left.length} of ${others.length + 1} after ${left.at(-1)} ms`)

    yield* Effect.sleep("5 seconds")
    clear()
    gone.set(victim!.node.name, yield* Clock.currentTimeMillis)
    lost.length = 0
    yield* victim!.host.crash
    yield* Effect.sleep("30 seconds")
    log(
      `crash: lost at ${lost.length} of ${others.length + 1} after ${lost[lost.length >> 1]} ms, at worst ${
        lost.at(-1)
      }; ${sent.asks} asks, ${
        sent.broadcasts / 30
      } broadcasts a second, ${suspicions} suspicions, ${falseLosses.length} false losses`
    )
    return {
      nodes: count,
      unknownAfterStart,
      broadcasts: still.broadcasts / quiet,
      unicasts: still.unicasts / quiet,
      known,
      knows,
      left,
      lost,
      falseLosses,
      suspicions,
      asks: still.asks
    }
  }))
