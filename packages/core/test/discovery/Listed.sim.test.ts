/** How often nodes are asked at the addresses that are listed: less where they are heard anyhow. */
import { assert, describe, it } from "@effect/vitest"
import {
  type AdvancedNode,
  Deadline,
  Discovery,
  NodeOptions,
  PortableCrypto,
  StaticDiscovery,
  TcpTransport
} from "@pnet/core"
import { networkId, quietly, start } from "@pnet/lab/worlds/sessionWorld"
import { SimNetwork } from "@pnet/testing"
import { Clock, Context, Effect, Layer, type Scope, Stream } from "effect"

/** Connections of alice to the listed address in so many seconds. */
const askedOf = (network: SimNetwork.SimNetwork["Service"], host: SimNetwork.Host) => (seconds: number) =>
  Effect.gen(function*() {
    const since = network.trace().length
    yield* Effect.sleep(`${seconds} seconds`)
    return network.trace().slice(since).filter(({ from, kind, to }) =>
      kind === "tcp.connect" && from.startsWith("alice ") && to.includes(`${host.address}:4000`)
    ).length
  })

const test = (title: string, body: Effect.Effect<void, unknown, Scope.Scope>) =>
  it.effect(title, () => quietly(Effect.orDie(body)))

/** A LAN with bob, and alice, who lists bob's address, and may be on another LAN. */
const listing = (apart = false) =>
  Effect.gen(function*() {
    const network = yield* SimNetwork.make()
    if (apart) yield* network.intercept(({ protocol }) => protocol === "udp" ? "drop" : "pass")
    const host = yield* network.host("bob")
    const bob = yield* start(network, { name: "bob", serverPort: 4000 }, { host })
    const alice = yield* start(network, { name: "alice", peers: [`${host.address}:4000`] })
    yield* alice.node.peers.awaitPeer("bob", "1 second")
    const asked = askedOf(network, host)
    return { network, host, bob, alice, asked }
  })

const told = (node: AdvancedNode.AdvancedNode["Service"], name: string) =>
  Effect.gen(function*() {
    const began = yield* Clock.currentTimeMillis
    yield* Effect.repeat(Effect.sleep("100 millis"), {
      until: () => Effect.map(node.peers.all, (all) => all.every((peer) => peer.name !== name))
    })
    return (yield* Clock.currentTimeMillis) - began
  })

describe("a node at a listed address", () => {
  test(
    "that is heard by broadcast is asked seldom, and every interval when it is not heard any more",
    Effect.gen(function*() {
      const { alice, asked, host } = yield* listing()
      // 30 intervals, of which at most three in a row are passed over; fewer where no broadcast fell into one.
      const heard = yield* asked(75)
      assert.isAtLeast(heard, 6)
      assert.isAtMost(heard, 14)
      yield* host.setBroadcastAllowed(false)
      yield* Effect.sleep("8 seconds")
      assert.isAtLeast(yield* asked(60), 21)
      const [bob] = yield* alice.node.peers.all
      assert.strictEqual(bob?.status, "Online")
    })
  )

  test(
    "that answers and is not heard otherwise is asked every interval: its answer is no other sign of life",
    Effect.gen(function*() {
      const { asked } = yield* listing(true)
      assert.isAtLeast(yield* asked(60), 21)
    })
  )

  test(
    "that crashes is lost as soon as one that is asked each time",
    Effect.gen(function*() {
      const { alice, host } = yield* listing()
      yield* Effect.sleep("1 minute")
      yield* host.crash
      assert.isAtMost(yield* told(alice.node, "bob"), 12_100)
    })
  )

  test(
    "that took the place of another one is found within four intervals, though it is not heard",
    Effect.gen(function*() {
      const { alice, bob, host, network } = yield* listing()
      yield* Effect.sleep("1 minute")
      // Neither says anything: alice takes the first one to be there.
      yield* host.setBroadcastAllowed(false)
      yield* bob.process.kill
      yield* start(network, { name: "carol", serverPort: 4000, peers: ["10.0.0.99:4000"] }, { host })
      yield* alice.node.peers.awaitPeer("carol", "11 seconds")
    })
  )
})

/** Asking alone, at bob's address by its name, of a node that is told when bob was heard, of when it answered last and now. */
const asking = Effect.gen(function*() {
  const network = yield* SimNetwork.make()
  const [host, elsewhere] = [yield* network.host("bob"), yield* network.host("elsewhere")]
  const bob = yield* start(network, { name: "bob", serverPort: 4000 }, { host })
  yield* network.setName("bob.test", [host.address])
  const alice = yield* network.host("alice")
  const { context, run } = yield* Effect.orDie(alice.launch(
    StaticDiscovery.layer([{ host: "bob.test", port: 4000 }]).pipe(
      Layer.provide(TcpTransport.layer),
      Layer.provideMerge(NodeOptions.layer({ name: "alice", networkId })),
      Layer.provide(PortableCrypto.layer)
    )
  ))
  const discovery = Context.get(context, Discovery.Discovery)
  const state = { answered: -Infinity, heard: (_answered: number, _now: number): number | undefined => undefined }
  const clock = yield* Clock.Clock
  discovery.attend!(() => state.heard(state.answered, Deadline.nowUnsafe(clock)))
  yield* discovery.sightings.pipe(
    Stream.runForEach(() =>
      Effect.sync(() => {
        state.answered = Deadline.nowUnsafe(clock)
      })
    ),
    run,
    Effect.forkScoped
  )
  yield* Effect.forkScoped(run(discovery.advertise({ host: alice.address, port: 4000 })))
  yield* Effect.sleep("1 second")
  assert.isAbove(state.answered, -Infinity)
  const asked = askedOf(network, host)
  return { network, bob, host, elsewhere, state, asked }
})

describe("a question at a listed address", () => {
  test(
    "is saved by a sign of life that is none of its own answer, and once alone by one",
    Effect.gen(function*() {
      const { asked, state } = yield* asking
      // 24 intervals each. An answer is entered a little later.
      state.heard = (answered) => answered + 200
      assert.isAtLeast(yield* asked(60), 21)
      state.heard = (answered) => answered + 1_000
      const once = yield* asked(60)
      assert.isAtLeast(once, 10)
      assert.isAtMost(once, 14)
    })
  )

  test(
    "is put each time to who did not answer the last one, though it is heard",
    Effect.gen(function*() {
      const { asked, bob, state } = yield* asking
      yield* bob.process.kill
      assert.isAtLeast(yield* asked(6), 2)
      state.heard = (_, now) => now
      assert.isAtLeast(yield* asked(8), 2)
    })
  )

  test(
    "is put at once where an address is one of a name's again",
    Effect.gen(function*() {
      const { asked, elsewhere, host, network, state } = yield* asking
      yield* network.setName("bob.test", [elsewhere.address])
      // As often as it is resolved.
      yield* Effect.sleep("12 seconds")
      assert.strictEqual(yield* asked(12), 0)
      state.heard = (_, now) => now
      yield* network.setName("bob.test", [host.address])
      const since = state.answered
      yield* asked(11.1)
      assert.isAbove(state.answered, since)
    })
  )
})
