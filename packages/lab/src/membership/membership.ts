/** Scenarios of many nodes on one simulated LAN, shared by the tests (a few seeds) and the script that runs all of them. */
import { SimNetwork, SimWorld } from "@pnet/testing"
import { Clock, Duration, Effect, Logger, Stream } from "effect"
import * as VirtualTime from "../worlds/virtualTime.ts"

interface Scenario {
  readonly seed: number
  readonly nodes: number
  readonly loss: number
  /** Events of the network to keep. Default none. */
  readonly traceCapacity?: number
}

const names = (count: number) => Array.from({ length: count }, (_, i) => `node${i}`)

const start = (scenario: Scenario) =>
  Effect.gen(function*() {
    // From when on the network's trace counts.
    const began = yield* Clock.currentTimeMillis
    const network = yield* SimNetwork.make({
      seed: scenario.seed,
      link: { latency: { min: "1 millis", max: "5 millis" }, loss: scenario.loss },
      traceCapacity: scenario.traceCapacity ?? 0
    })
    const nodes = yield* Effect.forEach(names(scenario.nodes), (name) => SimWorld.startNode(network, { name }), {
      concurrency: "unbounded"
    })
    return { network, nodes, began }
  })

const quiet = Effect.provide(Logger.layer([]))

const knownTo = (node: SimWorld.SimNode) => Effect.map(node.node.peers.all, (all) => all.length)

/** All start at once; two virtual seconds later all must know each other. Then one leaves. */
export const convergence = (scenario: Scenario) =>
  Effect.gen(function*() {
    const { network, nodes } = yield* start(scenario)
    yield* Effect.sleep("2 seconds")
    const counts = yield* Effect.forEach(nodes, knownTo)
    const missing = counts.reduce((sum, count) => sum + scenario.nodes - 1 - count, 0)

    const [leaver, ...others] = nodes
    yield* leaver!.process.stop
    yield* Effect.sleep("1 second")
    const present = yield* Effect.forEach(others, (one) => one.node.peers.get(leaver!.node.name))
    yield* Effect.forEach(others, ({ process }) => process.stop)
    return {
      missingAfterTwoSeconds: missing,
      presentAfterLeaving: present.filter((peer) => peer !== undefined).length,
      socketsAfterClosing: network.openSockets().length
    }
  }).pipe(Effect.scoped, quiet, VirtualTime.within)

/** Numbers in [0, 1) from a seed. */
const random = (seed: number) => {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Freezes a node for so long, again and again: 60 times an hour on average, at any moment. */
export const freezing = ({ process }: SimWorld.SimNode, seed: number, duration: Duration.Input, count: () => void) => {
  const next = random(seed)
  return Effect.forever(Effect.gen(function*() {
    yield* Effect.sleep(Duration.seconds(18 + next() * 80))
    yield* process.pause
    count()
    // Nor left frozen at the end, when it has to close.
    yield* Effect.ensuring(Effect.sleep(duration), process.resume)
  }))
}

/**
 * One loses power; when does each of the others notice, from the crash and from the last advert that it was given? With `talking`
 * each has had an answer from it in the moment before.
 */
export const crashes = (scenario: Scenario & { readonly talking?: boolean; readonly pauses?: Duration.Input }) =>
  Effect.gen(function*() {
    const { began, network, nodes } = yield* start({ ...scenario, traceCapacity: 200_000 })
    const [victim, ...others] = nodes
    yield* Effect.sleep("5 seconds")
    if (scenario.pauses !== undefined) {
      for (const [i, one] of others.entries()) {
        yield* Effect.forkScoped(freezing(one, scenario.seed * 1_000 + i, scenario.pauses, () => {}))
      }
    }

    const lost: Array<{ readonly by: string; readonly at: number }> = []
    for (const one of others) {
      yield* one.node.peers.changes.pipe(
        Stream.runForEach((event) =>
          Effect.gen(function*() {
            if (event._tag === "Lost" && event.peer.name === victim!.node.name) {
              lost.push({ by: one.node.name, at: yield* Clock.currentTimeMillis })
            }
          })
        ),
        Effect.forkScoped({ startImmediately: true })
      )
    }
    yield* Effect.sleep("3700 millis")
    if (scenario.talking === true) {
      yield* victim!.node.onMessage(() => Effect.void)
      // The second answer comes over a connection that is there, so within moments; unless what carries it is lost.
      for (const wait of ["5 seconds", "500 millis"] as const) {
        for (const one of others) {
          yield* Effect.forkScoped(Effect.ignore(one.node.send(victim!.node.name, "hello")), { startImmediately: true })
        }
        yield* Effect.sleep(wait)
      }
    }
    const crashedAt = yield* Clock.currentTimeMillis
    yield* victim!.host.crash
    yield* Effect.sleep("20 seconds")

    const lastAdvert = new Map<string, number>()
    for (const event of network.trace()) {
      if (event.kind === "udp.deliver" && event.from.startsWith(`${victim!.host.name} `)) {
        lastAdvert.set(event.to.split(" ")[0]!, event.at)
      }
    }
    return lost.map(({ at, by }) => ({ by, afterCrash: at - crashedAt, silence: at - began - lastAdvert.get(by)! }))
  }).pipe(Effect.scoped, quiet, VirtualTime.within)

/** Nobody fails; who is called lost all the same? With `pauses` each node is frozen for so long about once a minute. */
export const falseAlarms = (
  scenario: Scenario & {
    readonly minutes: number
    readonly pauses?: Duration.Input
    readonly onMinute?: (minute: number, found: { readonly suspicions: number; readonly lost: number }) => void
  }
) =>
  Effect.gen(function*() {
    const { nodes } = yield* start(scenario)
    yield* Effect.sleep("10 seconds")
    const lost: Array<string> = []
    let suspicions = 0
    let answered = 0
    let paused = 0
    for (const [i, one] of nodes.entries()) {
      yield* one.node.peers.changes.pipe(
        Stream.runForEach((event) =>
          Effect.sync(() => {
            if (event._tag === "Suspected") suspicions++
            if (event._tag === "Probed" && event.reason === "Answered") answered++
            if (event._tag === "Lost") lost.push(`${one.node.name} lost ${event.peer.name}: ${event.reason}`)
          })
        ),
        Effect.forkScoped({ startImmediately: true })
      )
      if (scenario.pauses !== undefined) {
        yield* Effect.forkScoped(freezing(one, scenario.seed * 1_000 + i, scenario.pauses, () => paused++))
      }
    }
    for (let minute = 1; minute <= scenario.minutes; minute++) {
      yield* Effect.sleep("1 minute")
      scenario.onMinute?.(minute, { suspicions, lost: lost.length })
    }
    const known = yield* Effect.forEach(nodes, knownTo)
    return { lost, suspicions, answered, paused, unknown: known.filter((count) => count !== nodes.length - 1).length }
  }).pipe(Effect.scoped, quiet, VirtualTime.within)
