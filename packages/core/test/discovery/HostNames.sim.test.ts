/** Nodes that are listed by host names, and what is said of listed nodes that are not found. */
import { assert, describe, it } from "@effect/vitest"
import {
  type AdvancedNode,
  Discovery,
  LanReach,
  Network,
  NetworkKey,
  NodeOptions,
  type Peers,
  PortableCrypto,
  StaticDiscovery,
  TcpTransport
} from "@pnet/core"
import { failureOf, type Net, quietly, start } from "@pnet/lab/worlds/sessionWorld"
import { SimNetwork } from "@pnet/testing"
import { Clock, Context, Deferred, Effect, Layer, Logger, Result, type Scope } from "effect"

const test = (title: string, body: Effect.Effect<void, unknown, Scope.Scope>) =>
  it.effect(title, () => quietly(Effect.orDie(body)))

const keyOf = (byte: number) => Result.getOrThrow(NetworkKey.parse(`${Buffer.alloc(32, byte).toString("base64url")}=`))

/** A network that carries no broadcasts, as clouds are. */
const cloud = Effect.gen(function*() {
  const network = yield* SimNetwork.make()
  yield* network.intercept(({ protocol }) => protocol === "udp" ? "drop" : "pass")
  return network
})

/** A node, and what it logs. */
const startListed = (network: Net, options: AdvancedNode.Options) =>
  Effect.gen(function*() {
    const host = yield* network.host(options.name)
    const said: Array<string> = []
    const logger = Logger.layer([Logger.make(({ logLevel, message }) => {
      const line = String(message)
      if (!/listens on|throwaway/.test(line) && /Info|Warn|Error/.test(logLevel)) {
        said.push(`${logLevel} ${line}`)
      }
    })])
    const started = yield* start(network, { serverPort: 4000, ...options }, { host, logger })
    return { ...started, said }
  })

const names = ({ node }: { readonly node: AdvancedNode.AdvancedNode["Service"] }) =>
  Effect.map(node.peers.all, (all) => all.map(({ name }) => name as string))

describe("a host name in peers", () => {
  test(
    "stands for every address it has: nodes behind one name find each other, and none finds itself",
    Effect.gen(function*() {
      const network = yield* cloud
      const nodes = yield* Effect.forEach(
        ["a", "b", "c"],
        (name) => startListed(network, { name, peers: ["tasks.web:4000"] })
      )
      yield* network.setName("tasks.web", nodes.map(({ host }) => host.address))
      yield* Effect.sleep("6 seconds")
      assert.deepStrictEqual(yield* Effect.forEach(nodes, names), [["b", "c"], ["a", "c"], ["a", "b"]])
    })
  )

  test(
    "is resolved again: who is new behind it is found, and who is gone is asked no more",
    Effect.gen(function*() {
      const network = yield* cloud
      const bob = yield* startListed(network, { name: "bob" })
      yield* network.setName("web", [bob.host.address])
      const alice = yield* startListed(network, { name: "alice", peers: ["web:4000"] })
      yield* alice.node.peers.awaitPeer("bob", "1 second")
      yield* bob.process.stop
      const carol = yield* startListed(network, { name: "carol" })
      yield* network.setName("web", [carol.host.address])
      const began = yield* Clock.currentTimeMillis
      yield* alice.node.peers.awaitPeer("carol", "30 seconds")
      assert.isAtMost((yield* Clock.currentTimeMillis) - began, 11_000)
      const since = network.trace().length
      yield* Effect.sleep("20 seconds")
      const dials = network.trace().slice(since).filter(({ from, kind }) =>
        kind === "tcp.connect" && from.startsWith("alice ")
      )
      assert.isAbove(dials.length, 5)
      assert.deepStrictEqual(dials.filter(({ to }) => to.includes(`${bob.host.address}:`)), [])
    })
  )

  test(
    "that does not resolve is no error at the start: it is said once, with the remedy, and found when it does",
    Effect.gen(function*() {
      const network = yield* cloud
      const bob = yield* startListed(network, { name: "bob" })
      const alice = yield* startListed(network, { name: "alice", peers: ["bob.local:4000"] })
      const error = yield* failureOf(alice.node.peers.awaitPeer("bob", "3 minutes"))
      assert.include(error.message, "The host name bob.local has no address, which peers lists")
      assert.include(error.message, "correct the name in peers")
      assert.lengthOf(alice.said, 1)
      assert.include(alice.said[0], "Warn the host name bob.local has no address")
      yield* network.setName("bob.local", [bob.host.address])
      // An interval, and a tenth.
      yield* alice.node.peers.awaitPeer("bob", "3 seconds")
      assert.deepStrictEqual(yield* alice.node.peers.obstacles, [])
    })
  )

  test(
    "that resolves no longer leaves the addresses that it had",
    Effect.gen(function*() {
      const network = yield* cloud
      const bob = yield* startListed(network, { name: "bob" })
      yield* network.setName("web", [bob.host.address])
      const alice = yield* startListed(network, { name: "alice", peers: ["WEB.:4000"] })
      yield* alice.node.peers.awaitPeer("bob", "1 second")
      yield* network.setNamesAvailable(false)
      yield* Effect.sleep("1 minute")
      assert.deepStrictEqual(yield* names(alice), ["bob"])
      assert.lengthOf(alice.said, 1)
      assert.include(alice.said[0], "could not be resolved: no name server answered")
      assert.include(alice.said[0], "the addresses that it had are asked on")
      yield* network.setNamesAvailable(true)
      yield* network.setName("web", undefined)
      yield* Effect.sleep("1 minute")
      assert.deepStrictEqual(yield* names(alice), ["bob"])
    })
  )

  test(
    "that a name server takes its time for is said to be resolved still, and found when it answers",
    Effect.gen(function*() {
      const network = yield* cloud
      const bob = yield* startListed(network, { name: "bob" })
      const answer = yield* Deferred.make<ReadonlyArray<string>>()
      const slow = Layer.effect(
        Network.Network,
        Network.Network.use((network) => Effect.succeed({ ...network, resolve: () => Deferred.await(answer) }))
      )
      const host = yield* network.host("alice")
      const { node } = yield* start(network, { name: "alice", peers: ["bob.local:4000"] }, {
        host: { ...host, launch: (layer) => host.launch(Layer.provide(layer, Layer.provide(LanReach.layer, slow))) }
      })
      const early = yield* failureOf(node.peers.awaitPeer("bob", "1 second"))
      assert.isUndefined((early as Peers.PeerUnknownError).obstacles)
      const error = yield* failureOf(node.peers.awaitPeer("bob"))
      assert.include(error.message, "The host name bob.local, which peers lists, is still being resolved")
      yield* Deferred.succeed(answer, [bob.host.address])
      yield* node.peers.awaitPeer("bob", "1 second")
      assert.deepStrictEqual(yield* node.peers.obstacles, [])
    })
  )

  test(
    "addressesPerName: of a name with more addresses the first are asked, which the log says",
    Effect.gen(function*() {
      const network = yield* cloud
      const nodes = yield* Effect.forEach(["a", "b", "c"], (name) => startListed(network, { name }))
      yield* network.setName("web", nodes.map(({ host }) => host.address).reverse())
      const alice = yield* startListed(network, { name: "alice", peers: ["web:4000"], limits: { addressesPerName: 2 } })
      yield* Effect.sleep("30 seconds")
      assert.deepStrictEqual(yield* names(alice), ["a", "b"])
      assert.lengthOf(alice.said, 1)
      assert.include(alice.said[0], "web:4000, which peers lists, has 3 addresses, and the first 2 are asked")
    })
  )

  test(
    "of which no address answers is said once, and one that answers is enough",
    Effect.gen(function*() {
      const network = yield* cloud
      const bob = yield* startListed(network, { name: "bob" })
      yield* network.setName("web", [bob.host.address, "10.0.0.77", "fd00::7"])
      yield* network.setName("gone", ["10.0.0.77", "fd00::7"])
      const alice = yield* startListed(network, { name: "alice", peers: ["web:4000", "gone:4000"] })
      yield* Effect.sleep("1 minute")
      assert.lengthOf(alice.said, 1)
      assert.include(alice.said[0], "Info no node answers at gone:4000, which peers lists")
    })
  )

  test(
    "that was asked in vain once is in the way no more when it answers",
    Effect.gen(function*() {
      const network = yield* cloud
      const host = yield* network.host("bob")
      yield* network.setName("web", [host.address])
      const alice = yield* startListed(network, { name: "alice", peers: ["web:4000"] })
      yield* Effect.sleep("1 second")
      assert.deepStrictEqual((yield* alice.node.peers.obstacles).map(({ kind, where }) => [kind, where]), [
        ["NoAnswer", "web:4000"]
      ])
      yield* start(network, { name: "bob", serverPort: 4000 }, { host })
      yield* alice.node.peers.awaitPeer("bob")
      assert.deepStrictEqual(yield* alice.node.peers.obstacles, [])
      assert.deepStrictEqual(alice.said, [])
    })
  )

  it("is written as names are, with a port", () => {
    const isListed = (peer: string) => {
      const decoded = Effect.runSyncExit(NodeOptions.make({ name: "a", peers: [peer] }))
      return decoded._tag === "Success"
    }
    for (
      const good of [
        "bob.local:4000",
        "tasks.web:1",
        "localhost:65535",
        "web.default.svc.cluster.local.:4000",
        "a_b-c:1"
      ]
    ) assert.isTrue(isListed(good), good)
    for (
      const bad of [
        "bob.local",
        "bob.local:0",
        "bob.local:65536",
        "bob.local:http",
        ":4000",
        ".:4000",
        "a..b:4000",
        "-a:4000",
        "a-:4000",
        "1.2.3:4000",
        "256.1.1.1:4000",
        "0x7f000001:4000",
        "a b:4000",
        "bob@x:4000",
        "fd00::7:4000",
        "[bob.local]:4000",
        `${"a".repeat(64)}:4000`,
        `${"a.".repeat(127)}a:4000`,
        "b\u00fccher.de:4000",
        "http://bob:4000"
      ]
    ) assert.isFalse(isListed(bad), bad)
  })
})

describe("a node that lists none, and is bound where nothing is broadcast", () => {
  test(
    "says so as long as it lasts",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const host = yield* network.host("alice")
      const { context } = yield* host.launch(
        StaticDiscovery.layer([]).pipe(
          Layer.provide(TcpTransport.layer),
          Layer.provideMerge(NodeOptions.layer({ name: "alice", bindIp: "::1" })),
          Layer.provide(PortableCrypto.layer)
        )
      )
      const { obstacles } = Context.get(context, NodeOptions.NodeConfig)
      yield* Context.get(context, Discovery.Discovery).advertise({ host: "::1", port: 4000 })
      const clock = yield* Clock.Clock
      for (let i = 0; i < 3; i++) {
        const now = Number(clock.monotonicTimeNanosUnsafe() / 1_000_000n)
        assert.deepStrictEqual(obstacles.now(now).map(({ kind }) => kind), ["NothingListed"])
        yield* Effect.sleep("2 minutes")
      }
    })
  )
})

describe("a listed node", () => {
  test(
    "that answers that it cannot read this one is named in the log, on both sides, and in the error of who waits",
    Effect.gen(function*() {
      const network = yield* cloud
      const bob = yield* startListed(network, { name: "bob", networkKey: keyOf(1) })
      const peers = [`${bob.host.address}:4000`]
      const others = yield* Effect.forEach(
        [
          { name: "alice", networkKey: keyOf(2) },
          { name: "carol" },
          { name: "dave", networkKey: keyOf(1), networkId: "elsewhere" }
        ] satisfies Array<AdvancedNode.Options>,
        (options) => startListed(network, { ...options, peers })
      )
      yield* Effect.sleep("2 minutes")
      const reasons = ["cannot read each other", "cannot read each other", "belongs to another network"]
      for (const [i, { node, said }] of others.entries()) {
        assert.lengthOf(said, 1)
        assert.include(said[0], `Warn the node at ${peers[0]}, which peers lists`)
        assert.include(said[0], reasons[i]!)
        const error = yield* failureOf(node.peers.awaitPeer("bob", "1 second"))
        assert.include(error.message, reasons[i]!)
      }
      const [alice, carol, dave] = others.map(({ host }) => host.address)
      assert.deepStrictEqual(bob.said.map((line) => line.split(";")[0]).sort(), [
        `Warn a node at ${dave} belongs to network "elsewhere", and this one to "sessions"`,
        `Warn a node of network "sessions" at ${alice} uses another network key`,
        `Warn a node of network "sessions" at ${carol} uses no network key, and one is given here`
      ])
    })
  )

  test(
    "whose clock is off by minutes is told of the clocks",
    Effect.gen(function*() {
      const network = yield* cloud
      const bob = yield* startListed(network, { name: "bob", networkKey: keyOf(1) })
      yield* bob.host.setSkew("10 minutes")
      const alice = yield* startListed(network, {
        name: "alice",
        networkKey: keyOf(1),
        peers: [`${bob.host.address}:4000`]
      })
      yield* Effect.sleep("2 minutes")
      assert.lengthOf(alice.said, 1)
      assert.include(alice.said[0], "the clocks differ by over a minute")
      assert.lengthOf(bob.said, 1)
      assert.match(
        bob.said[0]!,
        /^Warn the clock of "alice" at [0-9.]+ is (599|600|601) seconds behind this machine's/
      )
    })
  )

  test(
    "that is not there is said at Info, once, with what to do, and again when it was there meanwhile",
    Effect.gen(function*() {
      const network = yield* cloud
      const host = yield* network.host("bob")
      const alice = yield* startListed(network, { name: "alice", peers: [`${host.address}:4000`] })
      // It may be that it only starts later.
      yield* Effect.sleep("2 seconds")
      assert.deepStrictEqual(alice.said, [])
      // Who does not wait for longer is told of it all the same.
      const soon = yield* failureOf(alice.node.peers.resolveOne("bob"))
      assert.include(soon.message, `${host.address}:4000, which peers lists`)
      yield* Effect.sleep("1 minute")
      assert.lengthOf(alice.said, 1)
      // In a sentence that is read at a glance: where, that nobody is there, and what to do.
      assert.strictEqual(
        alice.said[0],
        `Info no node listens at ${host.address}:4000, which peers lists; start the node there, with that serverPort, or ` +
          "correct the address in peers; see @pnet/core/docs/why-cant-i.md#cannot-connect"
      )
      const error = yield* failureOf(alice.node.peers.resolveOne("bob"))
      assert.include(error.message, `${host.address}:4000`)
      assert.lengthOf(yield* alice.node.peers.obstacles, 1)
      const bob = yield* start(network, { name: "bob", serverPort: 4000 }, { host })
      yield* alice.node.peers.awaitPeer("bob")
      assert.deepStrictEqual(yield* alice.node.peers.obstacles, [])
      yield* bob.process.stop
      yield* Effect.sleep("1 minute")
      assert.lengthOf(alice.said, 2)
    })
  )
})
