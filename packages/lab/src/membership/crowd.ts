/** One LAN of many nodes: what is broadcast on it, and how soon its nodes know, miss and lose each other. */
import { Crypto } from "@pnet/core/Crypto"
import type { NetworkKey } from "@pnet/core/NetworkKey"
import type * as NodeOptions from "@pnet/core/NodeOptions"
import type * as Peers from "@pnet/core/Peers"
import { SimNetwork, SimWorld } from "@pnet/testing"
import { Clock, Effect, Fiber, Layer, Logger, type Scope, Stream } from "effect"
import { chance } from "../harness/chance.ts"
import { makeCrypto } from "../swarm/cryptography.ts"
import * as VirtualTime from "../worlds/virtualTime.ts"
import { LightPeers, type Sent } from "./lightPeers.ts"

/** What is measured of one LAN. Times are milliseconds; one for each node, of those that noticed. */
export interface Measured {
  readonly nodes: number
  /** Of all pairs: who did not know the other so long after all had started at once. */
  readonly unknownAfterStart: number
  /** Adverts and other packets that were broadcast on the whole LAN in a second, when all was quiet. */
  readonly broadcasts: number
  /** The same of what was sent to one node. */
  readonly unicasts: number
  /** Of a core, in thousandths, what a node took meanwhile: all that was run, its share of the simulation included. */
  readonly cpu: number
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
  /** So many more that are light: they say and answer what nodes do, and are not looked at themselves. Default none. */
  readonly light?: number
  /** Of all broadcasts so many are dropped by the switch, each for all. Default 0. */
  readonly dropped?: number
  /** The first half cannot reach the others, nor they it, from before they start. */
  readonly halves?: boolean
  /** Adverts a second, by options of the nodes. */
  readonly broadcastBudget?: number
  readonly networkKey?: NetworkKey
  /** Virtual seconds in which all start, one after another. Default 0: all at once. */
  readonly startWithin?: number
  /** Seconds that pass before it is measured: as many as nodes wait between adverts, or more. Default 23. */
  readonly settle?: number
  /** Seconds for which it is left alone and measured. Default 10. */
  readonly quiet?: number
  /** CPU that was used so far, in milliseconds. Default none. */
  readonly cpu?: () => number
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
    const sent: Sent = { ...nothingSent }
    const { next } = chance(seed, "switch")
    const { dropped = 0 } = scenario
    yield* network.intercept(({ payload, protocol, to }) => {
      if (protocol === "udp") {
        if (to.endsWith(".255:3334")) sent.broadcasts++
        else sent.unicasts++
        if (isAsk(payload)) sent.asks++
        if (dropped > 0 && to.endsWith(".255:3334") && next() < dropped) return "drop"
      } else if (isAdvert(payload)) sent.connections++
      return "pass"
    })
    const options = {
      ...(scenario.broadcastBudget === undefined ? {} : { broadcastBudget: scenario.broadcastBudget }),
      ...(scenario.networkKey === undefined ? {} : { networkKey: scenario.networkKey })
    }
    // Made before: virtual time does not wait for what is loaded.
    const crypto = yield* makeCrypto(seed)
    const start = (name: string, more: Partial<NodeOptions.Input> = {}, host?: SimNetwork.Host) =>
      Effect.orDie(
        SimWorld.startNode(network, { name, ...options, ...more }, { crypto: Layer.succeed(Crypto, crypto), host })
      )
    const { light: lightCount = 0, broadcastBudget = 40, loss } = scenario
    const light = lightCount === 0 ? undefined : yield* LightPeers.make({
      seed,
      count: lightCount,
      loss,
      dropped,
      broadcastBudget,
      network,
      crypto,
      sent
    })
    const hosts = yield* Effect.forEach(
      Array.from({ length: count }, (_, i) => `node${i}`),
      (name) => network.host(name)
    )
    if (scenario.halves === true) yield* network.partition(hosts.slice(0, count >> 1), hosts.slice(count >> 1))
    const nodes = yield* Effect.forEach(
      hosts,
      (host, i) => Effect.andThen(Effect.sleep(startWithin * 1_000 * i / count), start(host.name, {}, host)),
      { concurrency: "unbounded" }
    )
    let connectsBefore = 0
    const clear = () => {
      Object.assign(sent, nothingSent)
      connectsBefore = network.stats().connects
    }
    /** Connection requests of whole nodes since it was last cleared, also those that nobody answers, which send nothing else. */
    const connects = () => network.stats().connects - connectsBefore
    return { network, crypto, nodes, light, start, sent, clear, connects }
  })

const nothingSent: Sent = { broadcasts: 0, unicasts: 0, asks: 0, connections: 0 }

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

/** What is looked at while a LAN is measured. */
interface Run {
  readonly scenario: Scenario
  readonly opened: Effect.Success<ReturnType<typeof open>>
  /** How many nodes there are, light ones among them. */
  readonly all: number
  readonly log: (line: string) => void
  /** When those went that are gone, by their names. */
  readonly gone: Map<string, number>
  readonly lost: Array<number>
  readonly falseLosses: Array<string>
  suspicions: number
}

const watchedBy = (run: Run, nodes: ReadonlyArray<SimWorld.SimNode>) =>
  watch(nodes, (by, event, at) => {
    if (event._tag === "Suspected") run.suspicions++
    if (event._tag !== "Lost") return
    const since = run.gone.get(event.peer.name)
    if (since === undefined) run.falseLosses.push(`${by.node.name} lost ${event.peer.name}: ${event.reason}`)
    else run.lost.push(at - since)
  })

const isKnown = (name: string) => (one: SimWorld.SimNode) =>
  Effect.map(one.node.peers.get(name), (peer) => peer !== undefined)

/** All start; how many pairs do not know each other three seconds after the last. */
const started = ({ all, log, opened: { nodes, sent } }: Run) =>
  Effect.gen(function*() {
    yield* Effect.sleep("3 seconds")
    let unknown = 0
    for (const one of nodes) unknown += all - 1 - (yield* knownTo(one))
    log(
      `${nodes.length} nodes started: ${sent.broadcasts} broadcasts, ${sent.unicasts} unicasts, ${unknown} of ${
        nodes.length * (all - 1)
      } not known after 3 s`
    )
    return unknown
  })

/** They are left alone. */
const leftAlone = (run: Run) =>
  Effect.gen(function*() {
    const { log, opened: { clear, nodes, sent }, scenario: { cpu = () => 0, quiet = 10, settle = 23 } } = run
    yield* Effect.sleep((settle - 3) * 1_000)
    clear()
    const before = cpu()
    yield* Effect.sleep(quiet * 1_000)
    const cpuOfNode = (cpu() - before) / quiet / nodes.length
    const [broadcasts, unicasts] = [sent.broadcasts / quiet, sent.unicasts / quiet]
    log(
      `quiet: ${broadcasts} broadcasts, ${unicasts} unicasts a second, ${sent.asks} asks, ${run.suspicions} suspicions, ${run.falseLosses.length} false losses, ${
        cpuOfNode.toFixed(2)
      } ms of CPU a node and second`
    )
    return { broadcasts, unicasts, asks: sent.asks, cpu: cpuOfNode }
  })

/** One more starts. */
const newcomer = (run: Run) =>
  Effect.gen(function*() {
    const { all, log, opened: { clear, light, nodes, sent, start } } = run
    clear()
    const one = yield* start("newcomer")
    yield* watchedBy(run, [one])
    const knowing = yield* Effect.forkScoped(
      Effect.gen(function*() {
        const times: Array<number> = []
        for (let passed = 0; passed < 4_000 && times.length < all; passed += 25) {
          const known = yield* knownTo(one)
          while (times.length < known) times.push(passed)
          yield* Effect.sleep(25)
        }
        return times
      }),
      { startImmediately: true }
    )
    const known = yield* whenEach(nodes, isKnown("newcomer"), 4_000)
    const knows = yield* Fiber.join(knowing)
    log(
      `newcomer: known by ${known.length} after ${known.at(-1)} ms, knows ${knows.length} after ${
        knows.at(-1)
      } ms; ${sent.broadcasts} broadcasts, ${sent.unicasts} unicasts${
        light === undefined ? "" : `; ${light.know(one.node.publicKey)} light ones have heard it`
      }`
    )
    return { known, knows }
  })

/** The first one leaves. */
const leaver = ({ gone, log, opened: { nodes: [one, ...others] } }: Run) =>
  Effect.gen(function*() {
    const { name } = one!.node
    gone.set(name, 0)
    yield* Effect.forkScoped(one!.process.stop, { startImmediately: true })
    const left = yield* whenEach(others, (other) => Effect.map(isKnown(name)(other), (is) => !is), 3_000)
    log(`leaver: gone at ${left.length} of ${others.length} after ${left.at(-1)} ms`)
    return left
  })

/** The second one loses power. */
const crash = (run: Run) =>
  Effect.gen(function*() {
    const { falseLosses, gone, log, lost, opened: { clear, light, nodes: [, victim, ...others], sent } } = run
    clear()
    let knew = 0
    for (const one of others) knew += Number(yield* isKnown(victim!.node.name)(one))
    gone.set(victim!.node.name, yield* Clock.currentTimeMillis)
    lost.length = 0
    yield* victim!.host.crash
    light?.crashed(victim!.node.publicKey)
    yield* Effect.sleep("30 seconds")
    log(
      `crash: lost at ${lost.length} of ${knew + 1} after ${lost[lost.length >> 1]} ms, at worst ${
        lost.at(-1)
      }; ${sent.asks} asks, ${
        sent.broadcasts / 30
      } broadcasts a second, ${run.suspicions} suspicions, ${falseLosses.length} false losses`
    )
  })

/** Everything that is measured of a LAN, one after another. */
export const measuring = (scenario: Scenario): Effect.Effect<Measured, never, Scope.Scope> =>
  Effect.gen(function*() {
    const { log = () => {}, nodes } = scenario
    const opened = yield* open(scenario)
    const all = nodes + (opened.light?.size ?? 0)
    const run: Run = { scenario, opened, all, log, gone: new Map(), lost: [], falseLosses: [], suspicions: 0 }
    const unknownAfterStart = yield* started(run)
    yield* watchedBy(run, opened.nodes)
    const quiet = yield* leftAlone(run)
    const { known, knows } = yield* newcomer(run)
    yield* Effect.sleep("5 seconds")
    const left = yield* leaver(run)
    yield* Effect.sleep("5 seconds")
    yield* crash(run)
    const { falseLosses, lost, suspicions } = run
    return { nodes: all, unknownAfterStart, ...quiet, known, knows, left, lost, falseLosses, suspicions }
  })

/** The same in virtual time. */
export const measure = (scenario: Scenario): Effect.Effect<Measured> => alone(measuring(scenario))
