/**
 * What becomes of nodes with sessions on networks as they are: several interfaces, links that fail and return, addresses that
 * change, machines that sleep, clocks that jump, names that two have, and systems that forbid broadcasts.
 */
import { assert, describe, it } from "@effect/vitest"
import {
  AdvancedNode,
  Crypto,
  LanReach,
  Network,
  NetworkKey,
  type Obstacle,
  PortableCrypto,
  TofuTrust
} from "@pnet/core"
import {
  echo,
  failureOf,
  networkId,
  type Node,
  quietly,
  start,
  type Started,
  text,
  two
} from "@pnet/lab/worlds/sessionWorld"
import { SimNetwork } from "@pnet/testing"
import { advertPacket } from "@pnet/testing/DiscoverySuite"
import {
  Clock,
  Context,
  Duration,
  Effect,
  Exit,
  Fiber,
  Layer,
  Logger,
  Metric,
  Result,
  type Scope,
  Stream
} from "effect"
import { TestClock } from "effect/testing"

const test = (title: string, body: Effect.Effect<void, unknown, Scope.Scope>) =>
  it.effect(title, () => quietly(Effect.orDie(body)).pipe(Effect.provideService(Metric.MetricRegistry, new Map())))

const call = (node: Node, peer = "bob", words = "are you there?") => Effect.map(node.request(peer, "echo", words), text)

/** How long it takes, from now on, until calls succeed; each is given a second. */
const untilCalls = (node: Node, peer = "bob") =>
  Effect.gen(function*() {
    const began = yield* Clock.currentTimeMillis
    while (true) {
      const exit = yield* Effect.exit(Effect.timeout(call(node, peer), "1 second"))
      const took = (yield* Clock.currentTimeMillis) - began
      if (Exit.isSuccess(exit)) return took
      assert.isBelow(took, 120_000, "calls go on")
      yield* Effect.sleep("100 millis")
    }
  })

const status = ({ node }: Started, peer: string) => Effect.map(node.peers.get(peer), (found) => found?.status)

const keyOf = (byte: number) => Result.getOrThrow(NetworkKey.parse(`${Buffer.alloc(32, byte).toString("base64url")}=`))

const logTo = (said: Array<string>) =>
  Logger.layer([Logger.make(({ message }) => {
    said.push(String(message))
  })])

const onBoth = (network: SimNetwork.SimNetwork["Service"], name: string) =>
  network.host(name, { interfaces: [{ lan: "a" }, { lan: "b" }] })

const lans = { lans: { a: {}, b: {} } }

/** The lines that a node logs, with their levels, but for what it says when it starts. */
const linesTo = (said: Array<string>) =>
  Logger.layer([Logger.make(({ logLevel, message }) => {
    const line = String(message)
    if (!/listens on|throwaway/.test(line)) said.push(`${logLevel} ${line}`)
  })])

describe("nodes that do not understand each other", () => {
  const cases: ReadonlyArray<{
    readonly title: string
    readonly alice: Partial<AdvancedNode.Options>
    readonly bob: Partial<AdvancedNode.Options>
    readonly skew?: Duration.Input
    readonly kind: Obstacle.Obstacle["kind"]
    readonly said: readonly [alice: string, bob: string]
    readonly remedy: string
  }> = [
    {
      title: "other network keys",
      alice: { networkKey: keyOf(1) },
      bob: { networkKey: keyOf(2) },
      kind: "NetworkKey",
      said: ["at 10.0.0.2 uses another network key", "at 10.0.0.1 uses another network key"],
      remedy: "the same networkKey"
    },
    {
      title: "a network key on one side alone",
      alice: {},
      bob: { networkKey: keyOf(2) },
      kind: "NetworkKey",
      said: [
        "at 10.0.0.2 uses a network key, and none is given here",
        "at 10.0.0.1 uses no network key, and one is given here"
      ],
      remedy: "the same networkKey"
    },
    {
      title: "other networks",
      alice: { networkId: "one" },
      bob: { networkId: "two" },
      kind: "NetworkId",
      said: [
        `a node at 10.0.0.2 belongs to network "two", and this one to "one"`,
        `a node at 10.0.0.1 belongs to network "one", and this one to "two"`
      ],
      remedy: "the same networkId"
    },
    {
      title: "clocks five minutes apart",
      alice: { networkKey: keyOf(1) },
      bob: { networkKey: keyOf(1) },
      skew: "5 minutes",
      kind: "Clock",
      said: [
        `the clock of "bob" at 10.0.0.2 is 300 seconds ahead of this machine's`,
        `the clock of "alice" at 10.0.0.1 is 300 seconds behind this machine's`
      ],
      remedy: "by NTP"
    }
  ]
  for (const { alice, bob, kind, remedy, said, skew, title } of cases) {
    test(
      `${title}: the log of each says so once, with the remedy, and the error of who waits too`,
      Effect.gen(function*() {
        const network = yield* SimNetwork.make()
        const [here, there]: [Array<string>, Array<string>] = [[], []]
        const a = yield* start(network, { ...alice, name: "alice" }, { logger: linesTo(here) })
        const host = yield* network.host("bob", { clockSkew: skew ?? 0 })
        const b = yield* start(network, { ...bob, name: "bob" }, { host, logger: linesTo(there) })
        const error = yield* failureOf(a.node.peers.awaitPeer("bob", "8 seconds"))
        assert.strictEqual(error._tag, "PeerUnknownError")
        const what = (line: string | undefined) =>
          (line ?? "").replace(/(\d+) seconds (ahead|behind)/, "300 seconds $2")
        const [obstacle, ...more] = "obstacles" in error ? error.obstacles ?? [] : []
        assert.deepStrictEqual(more, [])
        assert.deepInclude(obstacle, { kind, where: host.address })
        assert.include(error.message.toLowerCase(), obstacle!.what.toLowerCase())
        assert.include(error.message, remedy)
        assert.deepStrictEqual(yield* b.node.peers.obstacles.pipe(Effect.map((all) => all.map(({ kind }) => kind))), [
          kind
        ])
        yield* Effect.sleep("3 minutes")
        for (const [i, lines] of [here, there].entries()) {
          assert.lengthOf(lines, 1, lines.join("\n"))
          assert.include(what(lines[0]), said[i]!)
          assert.include(lines[0], remedy)
          // Networks share a port, as they may.
          assert.strictEqual(lines[0]!.split(" ")[0], kind === "NetworkId" ? "Info" : "Warn")
        }
      })
    )
  }

  test(
    "any number of strangers of other keys make few lines, and take little room",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const said: Array<string> = []
      const alice = yield* start(network, { name: "alice", networkKey: keyOf(1) }, { logger: linesTo(said) })
      const mallory = yield* network.host("mallory")
      const crypto = Context.get(yield* Layer.build(PortableCrypto.layer), Crypto.Crypto)
      const { publicKey } = crypto.generateKeyPair()
      for (let i = 0; i < 240; i++) {
        const host = `10.0.0.${i + 3}`
        const payload = advertPacket(crypto, { networkId, name: "x", host, port: 1, publicKey, networkKey: keyOf(2) })
        yield* network.inject(mallory, { from: `${host}:4001`, to: "10.0.0.255:3334", payload })
        yield* Effect.sleep("50 millis")
      }
      assert.lengthOf(said, 10)
      assert.lengthOf(yield* alice.node.peers.obstacles, 64)
    })
  )

  test(
    "an advert whose address was translated on the way is named, once",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const said: Array<string> = []
      const alice = yield* start(network, { name: "alice" }, { logger: linesTo(said) })
      const mallory = yield* network.host("bridge")
      const crypto = Context.get(yield* Layer.build(PortableCrypto.layer), Crypto.Crypto)
      const { publicKey } = crypto.generateKeyPair()
      const payload = advertPacket(crypto, { networkId, name: "bob", host: "172.17.0.2", port: 1, publicKey })
      for (let i = 0; i < 5; i++) {
        yield* network.inject(mallory, { from: `${mallory.address}:4001`, to: "10.0.0.255:3334", payload })
        yield* Effect.sleep("3 seconds")
      }
      assert.lengthOf(said, 1)
      assert.include(said[0], `"bob" advertises 172.17.0.2, and its adverts come from ${mallory.address}`)
      const error = yield* failureOf(alice.node.peers.resolveOne("bob"))
      assert.include(error.message, "translated on the way")
    })
  )
})

describe("several interfaces", () => {
  test(
    "a peer on two networks has an address on each, and calls go on over the other when the one in use fails",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make(lans)
      const bob = yield* start(network, { name: "bob", functions: { echo } }, { host: yield* onBoth(network, "bob") })
      const alice = yield* start(network, { name: "alice" }, { host: yield* onBoth(network, "alice") })
      yield* alice.node.peers.awaitPeer("bob")
      yield* Effect.sleep("3 seconds")
      const peer = yield* alice.node.peers.get("bob")
      assert.deepStrictEqual(peer?.endpoints.map(({ host }) => host).sort(), ["10.0.0.1", "10.0.1.1"])
      yield* call(alice.node)
      const used = (yield* alice.node.peers.get("bob"))!.endpoints[0]!.host
      yield* bob.host.setLinkUp(used === "10.0.0.1" ? "eth0" : "eth1", false)
      // The session is asked after five seconds of silence, and has five to answer.
      assert.isAtMost(yield* untilCalls(alice.node), 12_000)
      assert.strictEqual(yield* status(alice, "bob"), "Online")
      const now = (yield* alice.node.peers.get("bob"))!.endpoints[0]!.host
      assert.notStrictEqual(now, used)
    })
  )

  test(
    "two on one network, as cable and Wi-Fi of one machine, are two addresses, and either may go",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make(lans)
      const host = yield* network.host("bob", { interfaces: [{ lan: "a" }, { lan: "a" }] })
      const bob = yield* start(network, { name: "bob", functions: { echo } }, { host })
      const alice = yield* start(network, { name: "alice", functions: { echo } })
      const addresses = Effect.map(alice.node.peers.resolveOne("bob"), ({ endpoints }) => endpoints.map((e) => e.host))
      yield* alice.node.peers.awaitPeer("bob")
      yield* Effect.sleep("3 seconds")
      assert.deepStrictEqual((yield* addresses).slice().sort(), ["10.0.0.1", "10.0.0.2"])
      assert.lengthOf(yield* bob.node.peers.all, 1)
      yield* call(alice.node)
      const [used] = yield* addresses
      yield* host.removeInterface(used === "10.0.0.1" ? "eth0" : "eth1")
      assert.isAtMost(yield* untilCalls(alice.node), 12_000)
      assert.isAtMost(yield* untilCalls(bob.node, "alice"), 1_000)
    })
  )

  test(
    "that cannot be read are waited for, which is said once",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const said: Array<string> = []
      let broken = true
      const over = Layer.effect(
        Network.Network,
        Effect.map(Network.Network, (network) => ({
          ...network,
          interfaces: Effect.suspend(() =>
            broken ? Effect.fail(new Network.InterfacesError({ cause: new Error("no netlink") })) : network.interfaces
          )
        }))
      )
      const bob = yield* start(network, { name: "bob", functions: { echo } })
      const host = yield* network.host("alice")
      yield* host.launch(
        AdvancedNode.layer({ networkId, bindIp: "0.0.0.0", name: "alice" }).pipe(
          Layer.provide([PortableCrypto.layer, TofuTrust.layer(), Layer.provide(LanReach.layer, over), logTo(said)])
        )
      )
      yield* TestClock.adjust("1 minute")
      assert.lengthOf(said.filter((line) => line.includes("no netlink")), 1)
      assert.isUndefined(yield* status(bob, "alice"))
      broken = false
      yield* bob.node.peers.awaitPeer("alice", "3 seconds")
    })
  )

  test(
    "a host between two networks is found from both, each at the address it has there",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make(lans)
      yield* start(network, { name: "middle", functions: { echo } }, { host: yield* onBoth(network, "middle") })
      for (const lan of ["a", "b"]) {
        const host = yield* network.host(lan, { interfaces: [{ lan }] })
        const node = yield* start(network, { name: `on-${lan}` }, { host })
        const middle = yield* node.node.peers.awaitPeer("middle")
        assert.deepStrictEqual(middle.endpoints.map(({ host }) => host), [lan === "a" ? "10.0.0.1" : "10.0.1.1"])
        assert.strictEqual(yield* call(node.node, "middle"), "are you there?")
        assert.isUndefined(yield* node.node.peers.get(lan === "a" ? "on-b" : "on-a"))
      }
    })
  )

  test(
    "an interface that comes while the node runs makes it found there, and one that goes is let go",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make(lans)
      const host = yield* network.host("bob", { interfaces: [] })
      const bob = yield* start(network, { name: "bob", functions: { echo } }, { host })
      const alice = yield* start(network, { name: "alice" }, { host: yield* onBoth(network, "alice") })
      assert.strictEqual((yield* failureOf(alice.node.peers.awaitPeer("bob", "20 seconds")))._tag, "PeerUnknownError")
      yield* host.addInterface({ lan: "a", name: "usb0" })
      yield* alice.node.peers.awaitPeer("bob", "3 seconds")
      yield* call(alice.node)
      yield* host.addInterface({ lan: "b", name: "usb1" })
      yield* Effect.sleep("3 seconds")
      yield* host.removeInterface("usb0")
      assert.isAtMost(yield* untilCalls(alice.node), 12_000)
      yield* host.removeInterface("usb1")
      yield* TestClock.adjust("15 seconds")
      assert.isUndefined(yield* status(alice, "bob"))
      assert.isUndefined(yield* status(bob, "alice"))
    })
  )
})

describe("an address that changes", () => {
  test(
    "is where the peer is called within seconds, under the same key",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 3 })
      const { alice, bob } = yield* two(network)
      const before = yield* alice.node.peers.resolveOne("bob")
      yield* call(alice.node)
      yield* bob.host.changeAddress("eth0", "10.0.0.99")
      // An interval until its advert, and five seconds in which the session could have answered.
      assert.isAtMost(yield* untilCalls(alice.node), 9_000)
      const after = yield* alice.node.peers.resolveOne("bob")
      assert.strictEqual(after.publicKey, before.publicKey)
      assert.strictEqual(after.endpoints[0]!.host, "10.0.0.99")
      // And in the other direction.
      assert.isAtMost(yield* untilCalls(bob.node, "alice"), 1_000)
    })
  )

  test(
    "of the caller does not keep it from calling",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 4 })
      const { alice } = yield* two(network)
      yield* call(alice.node)
      yield* alice.host.changeAddress("eth0", "10.0.0.77")
      assert.isAtMost(yield* untilCalls(alice.node), 12_000)
    })
  )

  test(
    "from one network to another, as of a machine that is carried, is followed",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make(lans)
      const bob = yield* start(network, { name: "bob", functions: { echo } }, { host: yield* onBoth(network, "bob") })
      const host = yield* network.host("alice", { interfaces: [{ lan: "a" }] })
      const alice = yield* start(network, { name: "alice", functions: { echo } }, { host })
      yield* alice.node.peers.awaitPeer("bob")
      yield* call(alice.node)
      yield* host.removeInterface("eth0")
      yield* TestClock.adjust("1 minute")
      yield* host.addInterface({ lan: "b" })
      assert.isAtMost(yield* untilCalls(alice.node), 12_000)
      assert.isAtMost(yield* untilCalls(bob.node, "alice"), 12_000)
      // By her session she is known without an address; by her next advert with it.
      const found = yield* bob.node.peers.presenceOf("alice").pipe(
        Stream.filter((peer) => peer !== undefined && peer.endpoints.length > 0),
        Stream.runHead,
        Effect.flatMap(Effect.fromOption)
      )
      assert.strictEqual(found!.endpoints[0]!.host, host.address)
    })
  )
})

describe("a link that fails", () => {
  test(
    "for a moment loses no call",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const { alice, bob } = yield* two(network)
      yield* call(alice.node)
      yield* bob.host.setLinkUp("eth0", false)
      const pending = yield* Effect.forkScoped(call(alice.node, "bob", "through"), { startImmediately: true })
      yield* Effect.sleep("3 seconds")
      yield* bob.host.setLinkUp("eth0", true)
      assert.deepStrictEqual(yield* Fiber.await(pending), Exit.succeed("through"))
      assert.lengthOf(yield* alice.node.sessions.all, 1)
    })
  )

  test(
    "for a minute fails what waits, with an error that says so, and is forgotten when it is back",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const { alice, bob } = yield* two(network)
      yield* call(alice.node)
      yield* bob.host.setLinkUp("eth0", false)
      const error = yield* failureOf(call(alice.node))
      assert.strictEqual(error._tag, "PeerLostError")
      yield* TestClock.adjust("1 minute")
      assert.isUndefined(yield* status(alice, "bob"))
      assert.strictEqual((yield* failureOf(call(alice.node)))._tag, "PeerUnknownError")
      yield* bob.host.setLinkUp("eth0", true)
      yield* alice.node.peers.awaitPeer("bob", "3 seconds")
      assert.isAtMost(yield* untilCalls(alice.node), 1_000)
      assert.isAtMost(yield* untilCalls(bob.node, "alice"), 4_000)
    })
  )
})

describe("a machine that sleeps", () => {
  // Its processes stop, its link is down, and its wall clock goes on.
  const sleep = (host: SimNetwork.Host, duration: Duration.Input) =>
    Effect.gen(function*() {
      yield* host.setLinkUp("eth0", false)
      yield* host.pause
      yield* TestClock.adjust(duration)
      yield* host.resume
      yield* host.setLinkUp("eth0", true)
    })

  test(
    "for half an hour is found again within two intervals of its waking, and calls and is called",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ traceCapacity: 0 })
      const networkKey = yield* NetworkKey.generate.pipe(Effect.provide(PortableCrypto.layer))
      const { alice, bob } = yield* two(network, { networkKey }, { networkKey })
      yield* call(alice.node)
      yield* call(bob.node, "alice")
      yield* sleep(bob.host, "30 minutes")
      assert.isUndefined(yield* status(alice, "bob"))
      yield* alice.node.peers.awaitPeer("bob", "5 seconds")
      assert.isAtMost(yield* untilCalls(alice.node), 1_000)
      assert.isAtMost(yield* untilCalls(bob.node, "alice"), 12_000)
    })
  )

  test(
    "and wakes elsewhere is found there",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make(lans)
      const bob = yield* start(network, { name: "bob", functions: { echo } }, { host: yield* onBoth(network, "bob") })
      const host = yield* network.host("alice", { interfaces: [{ lan: "a" }] })
      const alice = yield* start(network, { name: "alice", functions: { echo } }, { host })
      yield* alice.node.peers.awaitPeer("bob")
      yield* call(alice.node)
      yield* host.pause
      yield* host.removeInterface("eth0")
      yield* TestClock.adjust("30 minutes")
      yield* host.addInterface({ lan: "b", name: "eth0" })
      yield* host.resume
      yield* bob.node.peers.awaitPeer("alice", "5 seconds")
      assert.isAtMost(yield* untilCalls(alice.node), 12_000)
      assert.isAtMost(yield* untilCalls(bob.node, "alice"), 12_000)
    })
  )

  test(
    "for less than a session may be silent loses nothing",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const { alice, bob } = yield* two(network)
      yield* call(alice.node)
      const [before] = yield* alice.node.sessions.all
      const pending = yield* Effect.forkScoped(
        Effect.andThen(Effect.sleep("100 millis"), call(alice.node, "bob", "awake?")),
        { startImmediately: true }
      )
      yield* sleep(bob.host, "4 seconds")
      assert.deepStrictEqual(yield* Fiber.await(pending), Exit.succeed("awake?"))
      assert.deepStrictEqual((yield* alice.node.sessions.all)[0]?.peer, before?.peer)
    })
  )
})

describe("a clock that jumps", () => {
  for (const jump of ["1 hour", "-1 hour"] as const) {
    test(
      `by ${jump} leaves sessions and membership alone`,
      Effect.gen(function*() {
        const network = yield* SimNetwork.make({ seed: jump })
        yield* TestClock.setTime(7_200_000)
        const { alice, bob } = yield* two(network)
        yield* call(alice.node)
        yield* bob.host.setSkew(jump)
        yield* call(alice.node)
        yield* call(bob.node, "alice")
        yield* TestClock.adjust("1 minute")
        yield* call(alice.node)
        assert.strictEqual(yield* status(alice, "bob"), "Online")
        assert.strictEqual(yield* status(bob, "alice"), "Online")
        assert.lengthOf(yield* alice.node.sessions.all, 1)
      })
    )

    test(
      `by ${jump} and back does not keep anybody from sending messages, on a network with a key`,
      Effect.gen(function*() {
        const network = yield* SimNetwork.make({ seed: jump })
        const networkKey = yield* NetworkKey.generate.pipe(Effect.provide(PortableCrypto.layer))
        yield* TestClock.setTime(7_200_000)
        const options = { networkKey, onMessage: () => Effect.succeed("here") }
        const { alice, bob } = yield* two(network, options, options)
        const send = (node: Node, peer: string) => node.raw.sendText(peer, "there?")
        assert.strictEqual(yield* send(bob.node, "alice"), "here")
        yield* bob.host.setSkew(jump)
        const error = yield* failureOf(send(bob.node, "alice"))
        assert.include(["ProtocolError", "DialError"], error._tag)
        yield* Effect.exit(send(alice.node, "bob"))
        yield* bob.host.setSkew(0)
        assert.strictEqual(yield* send(bob.node, "alice"), "here")
        assert.strictEqual(yield* send(alice.node, "bob"), "here")
      })
    )
  }

  test(
    "back by an hour, under two nodes of one host, lets one that starts again be found at once",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const crypto = Context.get(yield* Layer.build(PortableCrypto.layer), Crypto.Crypto)
      const networkKey = yield* NetworkKey.generate.pipe(Effect.provideService(Crypto.Crypto, crypto))
      const identity = crypto.generateKeyPair()
      yield* TestClock.setTime(7_200_000)
      const host = yield* network.host("host", { clockSkew: "1 hour" })
      const alice = yield* start(network, { name: "alice", networkKey }, { host })
      const bob = yield* start(network, { name: "bob", networkKey, identity, functions: { echo } }, { host })
      yield* alice.node.peers.awaitPeer("bob")
      yield* TestClock.adjust("1 minute")
      yield* host.setSkew(0)
      yield* bob.process.kill
      yield* TestClock.adjust("1 minute")
      assert.isUndefined(yield* status(alice, "bob"))
      yield* start(network, { name: "bob", networkKey, identity, functions: { echo } }, { host })
      yield* alice.node.peers.awaitPeer("bob", "3 seconds")
      yield* call(alice.node)
    })
  )

  for (const keyed of [false, true]) {
    test(
      `is before 1970 on all machines, and nodes ${keyed ? "with a network key " : ""}find each other, call and send`,
      Effect.gen(function*() {
        const network = yield* SimNetwork.make()
        const options = { onMessage: () => Effect.succeed("here"), ...keyed ? { networkKey: keyOf(1) } : {} }
        const started = yield* Effect.forEach(["alice", "bob"], (name) =>
          Effect.gen(function*() {
            const host = yield* network.host(name, { clockSkew: "-100 days" })
            return yield* start(network, { name, functions: { echo }, ...options }, { host })
          }))
        const [alice, bob] = [started[0]!, started[1]!]
        yield* alice.node.peers.awaitPeer("bob")
        yield* bob.node.peers.awaitPeer("alice")
        assert.strictEqual(yield* call(alice.node), "are you there?")
        for (let i = 0; i < 3; i++) assert.strictEqual(yield* alice.node.raw.sendText("bob", "there?"), "here")
        // And when the time is set right on both.
        for (const { host } of started) yield* host.setSkew("20000 days")
        yield* TestClock.adjust("1 minute")
        assert.strictEqual(yield* call(bob.node, "alice"), "are you there?")
        assert.strictEqual(yield* alice.node.raw.sendText("bob", "there?"), "here")
        assert.strictEqual(yield* status(alice, "bob"), "Online")
      })
    )
  }

  test(
    "back to the right time, after the node began with one ahead, lets it take messages",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      yield* TestClock.setTime(7_200_000)
      const onMessage = () => Effect.succeed("here")
      const host = yield* network.host("bob", { clockSkew: "1 hour" })
      yield* start(network, { name: "bob", onMessage }, { host })
      const alice = yield* start(network, { name: "alice", onMessage })
      yield* alice.node.peers.awaitPeer("bob")
      assert.strictEqual((yield* failureOf(alice.node.raw.sendText("bob", "there?")))._tag, "ProtocolError")
      yield* TestClock.adjust("1 minute")
      yield* host.setSkew(0)
      assert.strictEqual(yield* alice.node.raw.sendText("bob", "there?"), "here")
      assert.strictEqual(yield* alice.node.raw.sendText("bob", "there?"), "here")
    })
  )
})

describe("one host", () => {
  test(
    "carries two nodes that share the advertise port, find each other, and are both found from elsewhere",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const host = yield* network.host("host")
      const one = yield* start(network, { name: "one", functions: { echo } }, { host })
      const another = yield* start(network, { name: "another", functions: { echo } }, { host })
      const far = yield* start(network, { name: "far", functions: { echo } })
      for (const node of [one, another, far]) {
        for (const name of ["one", "another", "far"]) {
          if (node.node.name === name) continue
          yield* node.node.peers.awaitPeer(name, "1 second")
          assert.strictEqual(yield* call(node.node, name), "are you there?")
        }
        assert.lengthOf(yield* node.node.peers.all, 2)
      }
      // One ends, the other stays.
      yield* one.process.stop
      yield* TestClock.adjust("1 minute")
      assert.isUndefined(yield* status(far, "one"))
      assert.strictEqual(yield* status(far, "another"), "Online")
      assert.strictEqual(yield* call(far.node, "another"), "are you there?")
    })
  )
})

describe("a name that two nodes have", () => {
  test(
    "is a conflict for the third, who sends to neither, until one of them leaves",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const first = yield* start(network, { name: "bob", functions: { echo } }, { host: yield* network.host("h1") })
      yield* start(network, { name: "bob", functions: { echo } }, { host: yield* network.host("h2") })
      const alice = yield* start(network, { name: "alice" })
      yield* Effect.sleep("3 seconds")
      const error = yield* failureOf(call(alice.node))
      assert.strictEqual(error._tag, "NameConflictError")
      if (error._tag === "NameConflictError") assert.lengthOf(error.publicKeys, 2)
      // Neither of them enters the other.
      assert.deepStrictEqual((yield* first.node.peers.all).map(({ name }) => name as string), ["alice"])
      yield* first.process.stop
      yield* Effect.sleep("1 second")
      assert.strictEqual(yield* call(alice.node), "are you there?")
    })
  )
})

describe("broadcasts that the system forbids", () => {
  const layer = (options: AdvancedNode.Options, logger: Layer.Layer<never> = Logger.layer([])) =>
    AdvancedNode.layer({ networkId, bindIp: "0.0.0.0", ...options }).pipe(
      Layer.provide([PortableCrypto.layer, TofuTrust.layer(), logger])
    )

  test(
    "keep a node from starting, with an error that says what to do",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const host = yield* network.host("alice")
      yield* host.setBroadcastAllowed(false)
      const error = yield* failureOf(host.launch(layer({ name: "alice" })))
      assert.strictEqual(error._tag, "DiscoveryError")
      assert.strictEqual((error as { kind?: string }).kind, "BroadcastImpossible")
      assert.include(error.message, "list the other nodes' addresses in peers")
      assert.deepStrictEqual(network.openSockets(), [])
    })
  )

  test(
    "do not where peers are listed, which is what the error advises; and that is logged once",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const bob = yield* start(network, { name: "bob", functions: { echo } })
      const host = yield* network.host("alice")
      yield* host.setBroadcastAllowed(false)
      const said: Array<string> = []
      const alice = yield* start(
        network,
        { name: "alice", peers: [`${bob.host.address}:${bob.node.endpoint.port}`] },
        { host, logger: logTo(said) }
      )
      yield* alice.node.peers.awaitPeer("bob", "5 seconds")
      assert.strictEqual(yield* call(alice.node), "are you there?")
      yield* TestClock.adjust("1 minute")
      assert.lengthOf(said.filter((line) => line.includes("forbids broadcasts")), 1)
      // And again when it was allowed in between.
      yield* host.setBroadcastAllowed(true)
      yield* TestClock.adjust("10 seconds")
      yield* host.setBroadcastAllowed(false)
      yield* TestClock.adjust("1 minute")
      assert.lengthOf(said.filter((line) => line.includes("forbids broadcasts")), 2)
    })
  )

  test(
    "that were allowed when the node began are said once, and the node runs on",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const said: Array<string> = []
      const bob = yield* start(network, { name: "bob", functions: { echo } })
      const alice = yield* start(network, { name: "alice" }, { logger: logTo(said) })
      yield* alice.node.peers.awaitPeer("bob")
      yield* alice.host.setBroadcastAllowed(false)
      yield* TestClock.adjust("5 minutes")
      assert.lengthOf(said.filter((line) => line.includes("forbids broadcasts")), 1)
      // It is heard by its answers to probes.
      assert.strictEqual(yield* status(bob, "alice"), "Online")
      assert.strictEqual(yield* call(alice.node), "are you there?")
    })
  )

  test(
    "are no reason not to start where the interfaces cannot be read, at one address: the log says why",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const cause = new Error("A system error occurred: uv_interface_addresses returned 13 (permission denied)")
      const sandbox = Layer.effect(
        Network.Network,
        Effect.map(Network.Network, (network) => ({
          ...network,
          interfaces: Effect.fail(new Network.InterfacesError({ cause }))
        }))
      )
      const said: Array<string> = []
      const bob = yield* start(network, { name: "bob", functions: { echo } })
      const host = yield* network.host("alice")
      const alice = yield* host.launch(
        layer(
          { name: "alice", bindIp: host.address, peers: [`${bob.host.address}:${bob.node.endpoint.port}`] },
          linesTo(said)
        ).pipe(Layer.provide(Layer.provide(LanReach.layer, sandbox)))
      )
      const node = Context.get(alice.context, AdvancedNode.AdvancedNode)
      yield* node.peers.awaitPeer("bob")
      assert.strictEqual(yield* call(node), "are you there?")
      assert.strictEqual(said.filter((line) => line.includes("uv_interface_addresses returned 13")).length, 1)
    })
  )

  test(
    "are nothing to send on an interface without a broadcast address, such as a tunnel's, where a node starts all the same and says so",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const tunnel = Layer.effect(
        Network.Network,
        Effect.map(Network.Network, (network) => ({
          ...network,
          interfaces: Effect.map(
            network.interfaces,
            (all) => all.map((one) => one.loopback ? one : { ...one, prefixLength: 32, broadcast: one.address })
          )
        }))
      )
      const bob = yield* start(network, { name: "bob", functions: { echo } })
      const host = yield* network.host("alice")
      const said: Array<string> = []
      const bound = (options: Partial<AdvancedNode.Options>) =>
        Effect.map(
          host.launch(
            layer({ name: "alice", bindIp: host.address, functions: { echo }, ...options }, linesTo(said)).pipe(
              Layer.provide(Layer.provide(LanReach.layer, tunnel))
            )
          ),
          (process) => ({ process, node: Context.get(process.context, AdvancedNode.AdvancedNode) })
        )
      // It is found by those that list it.
      const alone = yield* bound({})
      assert.strictEqual(said.length, 1, said.join("\n"))
      assert.include(said[0]!, `Warn ${host.address} is on a network of one or two addresses (/32)`)
      assert.include(said[0]!, "list addresses in peers")
      const carol = yield* start(network, { name: "carol", peers: [`${host.address}:${alone.node.endpoint.port}`] })
      yield* carol.node.peers.awaitPeer("alice")
      assert.strictEqual(yield* call(carol.node, "alice"), "are you there?")
      yield* alone.process.kill
      // And finds what it lists.
      const listed = yield* bound({ peers: [`${bob.host.address}:${bob.node.endpoint.port}`] })
      yield* listed.node.peers.awaitPeer("bob")
      assert.strictEqual(yield* call(listed.node), "are you there?")
      assert.lengthOf(said, 2)
      const trace = network.formatTrace(({ from, kind }) => kind === "udp.send" && from.startsWith("alice "))
      assert.strictEqual(trace, "")
    })
  )
})
