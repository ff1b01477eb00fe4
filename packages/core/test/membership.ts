/** Scenarios of many nodes on one simulated LAN, shared by the tests (a few seeds) and the script that runs all of them. */
import type { Peers } from "@pnet/core"
import { SimNetwork, SimWorld } from "@pnet/testing"
import { Clock, Effect, Logger, Stream } from "effect"
import { TestClock } from "effect/testing"

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
    const network = yield* SimNetwork.make({
      seed: scenario.seed,
      link: { latency: { min: "1 millis", max: "5 millis" }, loss: scenario.loss },
      traceCapacity: scenario.traceCapacity ?? 0
    })
    const nodes = yield* Effect.forEach(names(scenario.nodes), (name) => SimWorld.startNode(network, { name }), {
      concurrency: "unbounded"
    })
    return { network, nodes }
  })

const quiet = Effect.provide(Logger.layer([]))

const knownTo = (node: SimWorld.SimNode) => Effect.map(node.node.peers.all, (all) => all.length)

/** All start at once; two virtual seconds later all must know each other. Then one leaves. */
export const convergence = (scenario: Scenario) =>
  Effect.gen(function*() {
    const { network, nodes } = yield* start(scenario)
    yield* TestClock.adjust("2 seconds")
    const counts = yield* Effect.forEach(nodes, knownTo)
    const missing = counts.reduce((sum, count) => sum + scenario.nodes - 1 - count, 0)

    const [leaver, ...others] = nodes
    yield* leaver!.process.stop
    yield* TestClock.adjust("1 second")
    const present = yield* Effect.forEach(others, (one) => one.node.peers.get(leaver!.node.name))
    yield* Effect.forEach(others, ({ process }) => process.stop)
    return {
      missingAfterTwoSeconds: missing,
      presentAfterLeaving: present.filter((peer) => peer !== undefined).length,
      socketsAfterClosing: network.openSockets().length
    }
  }).pipe(Effect.scoped, quiet)

/** One loses power; when does each of the others notice, from the crash and from the last advert that it was given? */
export const crashes = (scenario: Scenario) =>
  Effect.gen(function*() {
    const { network, nodes } = yield* start({ ...scenario, traceCapacity: 200_000 })
    const [victim, ...others] = nodes
    yield* TestClock.adjust("5 seconds")

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
    yield* TestClock.adjust("3700 millis")
    const crashedAt = yield* Clock.currentTimeMillis
    yield* victim!.host.crash
    yield* TestClock.adjust("20 seconds")

    const lastAdvert = new Map<string, number>()
    for (const event of network.trace()) {
      if (event.kind === "udp.deliver" && event.from.startsWith(`${victim!.host.name} `)) {
        lastAdvert.set(event.to.split(" ")[0]!, event.at)
      }
    }
    return lost.map(({ at, by }) => ({ by, afterCrash: at - crashedAt, silence: at - lastAdvert.get(by)! }))
  }).pipe(Effect.scoped, quiet)

/** Nobody fails; who is called lost all the same? */
export const falseAlarms = (scenario: Scenario & { readonly minutes: number }) =>
  Effect.gen(function*() {
    const { nodes } = yield* start(scenario)
    yield* TestClock.adjust("10 seconds")
    const lost: Array<string> = []
    let suspicions = 0
    const note = (by: string) => (event: Peers.PeerEvent) =>
      Effect.sync(() => {
        if (event._tag === "Suspected") suspicions++
        if (event._tag === "Lost") lost.push(`${by} lost ${event.peer.name}: ${event.reason}`)
      })
    for (const one of nodes) {
      yield* Effect.forkScoped(Stream.runForEach(one.node.peers.changes, note(one.node.name)), {
        startImmediately: true
      })
    }
    yield* TestClock.adjust(`${scenario.minutes} minutes`)
    return { lost, suspicions }
  }).pipe(Effect.scoped, quiet)
