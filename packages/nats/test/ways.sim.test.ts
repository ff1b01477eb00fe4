/** Nodes with the LAN and NATS at once, and with NATS alone, in virtual time: what their peers are told when ways come and go. */
import { assert, describe, it } from "@effect/vitest"
import { CommandNode, DerivedHost, LanReach, type Network, NodeOptions, Reach } from "@pnet/core"
import { TestNetwork } from "@pnet/testing"
import { Effect, Layer, Schema, Stream } from "effect"
import { Rpc, RpcGroup } from "effect/rpc"
import { Nats, type NatsBus } from "../src/internal/bus.ts"
import * as NatsDiscovery from "../src/internal/discovery.ts"
import * as NatsTransport from "../src/internal/transport.ts"
import * as Subjects from "../src/Subjects.ts"
import { Hub } from "./hub.ts"

/** The way over a hub, as the package makes it over a server. What each node has of it is in `buses`, by its name. */
const way = (hub: Hub, buses: Map<string, NatsBus>): Layer.Layer<Reach.Reach> => {
  const nats = Layer.effect(
    Nats,
    Effect.gen(function*() {
      const { identity, name } = yield* NodeOptions.NodeConfig
      const token = Subjects.ofKey(identity.publicKey)
      const bus = hub.connect(token)
      buses.set(name, bus)
      yield* Effect.addFinalizer(() => Effect.sync(() => hub.gone(token)))
      return bus
    })
  )
  return Reach.layer("nats", {
    transport: Layer.provide(NatsTransport.layer({ trustSenders: true }), nats),
    discovery: Layer.provide(NatsDiscovery.layer({ directory: "ask" }), nats)
  })
}

class Greeter extends RpcGroup.make(
  Rpc.make("greet", { payload: { name: Schema.String }, success: Schema.String })
) {}

const greeter = (name: string) =>
  CommandNode.serve(Greeter).pipe(
    Layer.provide(Greeter.toLayer({ greet: (to) => Effect.succeed(`${name} greets ${to.name}`) }))
  )

const nodes = (ways: (nats: Layer.Layer<Reach.Reach>) => Layer.Layer<Reach.Reach, never, Network.Network>) =>
  Effect.gen(function*() {
    const hub = new Hub()
    const buses = new Map<string, NatsBus>()
    const network = yield* TestNetwork.make({
      seed: 5,
      reach: ways(way(hub, buses)),
      nodes: {
        alice: TestNetwork.node({ beside: greeter("alice") }),
        bob: TestNetwork.node({ beside: greeter("bob") })
      }
    })
    const { alice } = network.nodes
    yield* alice.node.peers.awaitPeer("bob")
    // Until both ways have been heard.
    yield* Effect.sleep("10 seconds")
    const events: Array<string> = []
    yield* alice.node.peers.changes.pipe(
      Stream.runForEach((event) =>
        Effect.sync(() => {
          const what = `${event._tag}${"reason" in event ? ` ${event.reason}` : ""}`
          if (what !== "Joined Known") events.push(what)
        })
      ),
      Effect.forkScoped({ startImmediately: true })
    )
    const atBob = yield* alice.node.client(Greeter, "bob")
    return {
      ...network,
      hub,
      buses,
      events,
      greet: atBob.greet({ name: "alice" }),
      /** By which ways bob is there, as its addresses say. */
      ways: Effect.map(
        alice.node.peers.resolveOne("bob"),
        ({ endpoints }) => endpoints.map(({ host }) => DerivedHost.is(host) ? "nats" : "lan")
      ),
      /** By which way the sessions with it go. */
      links: Effect.sync(() => hub.delivered.get("link") ?? 0)
    }
  })

const both = nodes((nats) => Reach.merge(LanReach.layer, nats))
const alone = nodes((nats) => nats)

describe("NATS beside the LAN, in virtual time", () => {
  it.effect("the LAN is used while it is there, NATS when it is not, and the LAN again, each with one retry", () =>
    Effect.gen(function*() {
      const { events, greet, heal, links, nodes: { alice }, partition, ways } = yield* both
      assert.deepStrictEqual(yield* ways, ["lan", "nats"])
      assert.strictEqual(yield* greet, "bob greets alice")
      assert.strictEqual(yield* links, 0)
      // The laptop is taken away: what was under way fails, the next call is answered.
      yield* partition("alice", "bob")
      const first = yield* Effect.exit(greet)
      assert.strictEqual(first._tag, "Failure")
      assert.strictEqual(yield* greet, "bob greets alice")
      const over = yield* links
      assert.isAbove(over, 0)
      yield* Effect.sleep("2 minutes")
      assert.strictEqual(yield* greet, "bob greets alice")
      // And back: a session stays where it was made, and the next one goes over the LAN.
      yield* heal()
      yield* alice.node.sessions.closeAll
      yield* Effect.sleep("1 second")
      assert.strictEqual(yield* greet, "bob greets alice")
      const closing = yield* links
      yield* Effect.sleep("10 seconds")
      assert.strictEqual(yield* greet, "bob greets alice")
      assert.strictEqual(yield* links, closing)
      assert.deepStrictEqual(events.filter((event) => event.startsWith("Lost") || event.startsWith("Left")), [])
    }).pipe(Effect.scoped))

  it.effect("where the broker is gone the LAN goes on, and the other way round, with nobody lost", () =>
    Effect.gen(function*() {
      const { buses, events, greet, heal, hub, partition } = yield* both
      const all = [...buses.values()]
      for (const bus of all) hub.cut(bus)
      yield* Effect.sleep("1 minute")
      assert.strictEqual(yield* greet, "bob greets alice")
      for (const bus of all) hub.mend(bus)
      yield* Effect.sleep("10 seconds")
      yield* partition("alice", "bob")
      yield* Effect.sleep("1 minute")
      assert.strictEqual(yield* greet, "bob greets alice")
      yield* heal()
      assert.deepStrictEqual(events.filter((event) => event.startsWith("Lost") || event.startsWith("Left")), [])
    }).pipe(Effect.scoped))
})

describe("NATS alone, in virtual time", () => {
  it.effect("one that crashes is suspected and lost, with a session at once and else in seconds", () =>
    Effect.gen(function*() {
      const { buses, events, greet, hub, nodes: { bob } } = yield* alone
      assert.strictEqual(yield* greet, "bob greets alice")
      events.length = 0
      hub.gone(buses.get("bob")!.own)
      yield* bob.crash
      const error = yield* Effect.flip(greet)
      assert.include(["PeerLostError", "DialError", "StreamError"], error._tag)
      yield* Effect.sleep("20 seconds")
      assert.strictEqual(events.at(-1), "Lost Refused")
    }).pipe(Effect.scoped))

  it.effect("one that nobody has a session with is lost as on the LAN, and found when it is back", () =>
    Effect.gen(function*() {
      const { buses, events, hub, nodes: { alice, bob } } = yield* alone
      hub.gone(buses.get("bob")!.own)
      yield* bob.crash
      yield* Effect.sleep("20 seconds")
      assert.deepStrictEqual(events.filter((event) => !event.startsWith("Probed")), ["Suspected", "Lost Refused"])
      yield* bob.restart
      yield* alice.node.peers.awaitPeer("bob")
      assert.strictEqual(events.at(-1), "Joined Returned")
      yield* bob.stop
      yield* Effect.sleep("1 second")
      assert.strictEqual(events.at(-1), "Left SaidSo")
    }).pipe(Effect.scoped))

  it.effect("a server that is gone for a moment loses nobody, and for long loses all until it is back", () =>
    Effect.gen(function*() {
      const { buses, events, greet, hub } = yield* alone
      const all = [...buses.values()]
      assert.strictEqual(yield* greet, "bob greets alice")
      for (const bus of all) hub.cut(bus)
      yield* Effect.sleep("2 seconds")
      for (const bus of all) hub.mend(bus)
      yield* Effect.sleep("5 seconds")
      assert.strictEqual(yield* greet, "bob greets alice")
      assert.notInclude(events.join(), "Lost")
      for (const bus of all) hub.cut(bus)
      yield* Effect.sleep("1 minute")
      assert.include(events.join(), "Lost")
      for (const bus of all) hub.mend(bus)
      yield* Effect.sleep("5 seconds")
      assert.strictEqual(yield* greet, "bob greets alice")
    }).pipe(Effect.scoped))
})
