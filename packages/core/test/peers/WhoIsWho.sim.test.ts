/** Who is called under a name: only who proved it, whatever adverts say of it, and wherever they say that it is. */
import { assert, describe, it } from "@effect/vitest"
import {
  type AdvancedNode,
  Advert,
  AllowListTrust,
  AnyTrust,
  Frame,
  Identity,
  NodeOptions,
  Packet,
  Peers,
  PeerTable,
  PortableCrypto,
  PublicKey,
  Raw,
  Reach,
  SessionPool,
  Sessions,
  TofuTrust,
  Trust
} from "@pnet/core"
import {
  bytes,
  echo,
  failureOf,
  frame,
  type Net,
  networkId,
  quietly,
  seeded,
  start,
  type Started,
  text
} from "@pnet/lab/worlds/sessionWorld"
import { stranger } from "@pnet/lab/worlds/stranger"
import { SimNetwork } from "@pnet/testing"
import { Clock, Context, Effect, Exit, Fiber, Latch, Layer, Result, type Scope } from "effect"

const test = (title: string, body: Effect.Effect<void, unknown, Scope.Scope>) =>
  it.effect(title, () => quietly(body, { step: "50 millis" }))

/** A datagram that says where a key is and what it is called. Whoever sends it has no key at all. */
const lie = (network: Net, host: SimNetwork.Host, publicKey: PublicKey.PublicKey, name: string, port = 6_666) =>
  network.inject(host, {
    from: `${host.address}:4001`,
    to: "10.0.0.255:3334",
    payload: Packet.encode({
      networkId,
      type: "adv",
      content: Advert.encode({ name: name as Packet.NodeName, host: host.address, port }),
      publicKey
    })
  })

const tells: AdvancedNode.Handler = ({ node }) => Effect.succeed(`this is ${node.name}`)

const ask = (alice: Started, name: string) => Effect.map(alice.node.request(name, "who", "a secret"), text)

/** Ports at which somebody only accepts connections. */
const traps = (network: Net, host: SimNetwork.Host, count: number) =>
  Effect.gen(function*() {
    const mallory = yield* stranger(network, yield* seeded(), { host })
    let taken = 0
    for (let i = 0; i < count; i++) {
      const listening = yield* mallory.listen
      yield* listening.run(() => {
        taken++
        return Effect.never
      })
    }
    return { ports: Array.from({ length: count }, (_, i) => 49_152 + i), taken: () => taken }
  })

describe("a name that an advert gives to another's key", () => {
  for (const policy of ["trust on first use", "an allow list"]) {
    test(
      `is not answered by who has the key, over no session (${policy})`,
      Effect.gen(function*() {
        const network = yield* SimNetwork.make({ seed: 1, traceCapacity: 0 })
        const bob = yield* start(network, { name: "bob", functions: { who: tells } })
        const trust = policy === "an allow list"
          ? Layer.orDie(AllowListTrust.layer([["bob", bob.node.publicKey]]))
          : undefined
        const alice = yield* start(network, { name: "alice" }, trust === undefined ? {} : { trust })
        const host = yield* network.host("mallory")
        yield* alice.node.peers.awaitPeer("bob")
        assert.strictEqual(yield* ask(alice, "bob"), "this is bob")
        yield* lie(network, host, bob.node.publicKey, "carol")
        yield* Effect.sleep("50 millis")
        assert.strictEqual((yield* failureOf(ask(alice, "carol")))._tag, "PeerUnknownError")
        // Nor where a program has the two together from elsewhere: each way to a session looks at the name that was proved.
        const { sessions } = alice.node
        const peer = { ...(yield* alice.node.peers.resolveOne("bob")), name: "carol" as Packet.NodeName }
        const options = { protocol: "command", name: "who" } as const
        assert.isUndefined(sessions.exchangeUnsafe(peer, options, [bytes("a secret")], () => {}))
        for (
          const call of [
            sessions.exchange(peer, options, bytes("a secret")),
            Effect.scoped(sessions.open(peer, options))
          ]
        ) {
          const error = yield* failureOf<unknown, { readonly _tag: string; readonly kind?: string }, never>(call)
          assert.strictEqual(error._tag, "UntrustedPeerError")
          assert.strictEqual(error.kind, trust === undefined ? "NameMismatch" : "NotListed")
        }
        assert.strictEqual(yield* ask(alice, "bob"), "this is bob")
      })
    )
  }

  test(
    "before the key has proved any: the call fails, and from then on the key has the name that it proved",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 2, traceCapacity: 0 })
      const bob = yield* start(network, { name: "bob", functions: { who: tells } })
      const alice = yield* start(network, { name: "alice" })
      const host = yield* network.host("mallory")
      yield* alice.node.peers.awaitPeer("bob")
      yield* lie(network, host, bob.node.publicKey, "carol")
      yield* Effect.sleep("50 millis")
      const error = yield* failureOf(ask(alice, "carol"))
      assert.strictEqual(error._tag === "UntrustedPeerError" && error.kind, "NameMismatch")
      assert.strictEqual(yield* ask(alice, "bob"), "this is bob")
      yield* lie(network, host, bob.node.publicKey, "carol")
      yield* Effect.sleep("50 millis")
      assert.deepStrictEqual((yield* alice.node.peers.all).map(({ name }) => name as string), ["bob"])
    })
  )

  test(
    "ten times a second takes no call from a peer that has proved its own",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 3, traceCapacity: 0 })
      const bob = yield* start(network, {
        name: "bob",
        functions: { who: tells },
        onMessage: ({ data }) => Effect.succeed(data)
      })
      const alice = yield* start(network, { name: "alice" })
      const host = yield* network.host("mallory")
      yield* alice.node.peers.awaitPeer("bob")
      yield* ask(alice, "bob")
      const lies = Effect.andThen(lie(network, host, bob.node.publicKey, "nobody"), Effect.sleep("100 millis"))
      yield* Effect.forkScoped(Effect.forever(lies))
      for (let i = 0; i < 50; i++) {
        yield* Effect.sleep("130 millis")
        assert.strictEqual(yield* ask(alice, "bob"), "this is bob")
        assert.strictEqual(yield* alice.node.raw.sendText("bob", "x"), "x")
      }
    })
  )
})

describe("a key that proves another name than it was dialled for", () => {
  test(
    "does not get it where it belongs to another",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 15, traceCapacity: 0 })
      const host = yield* network.host("mallory")
      const mallory = yield* stranger(network, yield* seeded(), { host, name: "carol" })
      const listening = yield* mallory.listen
      yield* listening.run((connection) =>
        Effect.andThen(listening.accept(connection, { name: "bob" as Packet.NodeName }), Effect.never)
      )
      const bob = yield* Effect.provide(Identity.generate, PortableCrypto.layer)
      const trust = Layer.orDie(AllowListTrust.layer([["carol", mallory.identity.publicKey], ["bob", bob.publicKey]]))
      const alice = yield* start(network, { name: "alice" }, { trust })
      yield* listening.advertise
      yield* alice.node.peers.awaitPeer("carol")
      const error = yield* failureOf(ask(alice, "carol"))
      assert.deepInclude(error as object, { kind: "NameMismatch", actualName: "bob" })
      assert.notInclude((yield* alice.node.peers.all).map(({ name }) => name as string), "bob")
    })
  )
})

describe("several sessions with one key", () => {
  test(
    "serve the name that was proved on them, each",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 11, traceCapacity: 0 })
      const alice = yield* start(network, { name: "alice" })
      const mallory = yield* stranger(network, yield* seeded(), { host: yield* network.host("mallory") })
      yield* (yield* mallory.listen).advertise
      for (let i = 0; i < 2; i++) yield* mallory.connect(alice)
      yield* Effect.sleep("1 second")
      const { peers, sessions } = alice.node
      assert.lengthOf(yield* sessions.all, 2)
      const peer = yield* peers.resolveOne("mallory")
      const over = (name: string) =>
        sessions.exchangeUnsafe(
          { ...peer, name: name as Packet.NodeName },
          { protocol: "command", name: "who" },
          [bytes("a secret")],
          () => {}
        )
      assert.isUndefined(over("carol"))
      assert.isDefined(over("mallory"))
    })
  )

  test(
    "are closed for one another only where the same name was proved on both",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 14, traceCapacity: 0 })
      const host = yield* network.host("mallory")
      const mallory = yield* stranger(network, yield* seeded(), { host })
      const generate = Effect.provide(Identity.generate, PortableCrypto.layer)
      // Of two sessions the one that the smaller key opened stays.
      let identity = yield* generate
      while (PublicKey.Order(mallory.identity.publicKey, identity.publicKey) > 0) identity = yield* generate
      for (const [name, closed] of [["dave", false], ["mallory", true]] as const) {
        const alice = yield* start(network, { name: `alice-${name}`, identity })
        const listening = yield* mallory.listen
        const kinds: Array<number> = []
        yield* listening.run((connection) =>
          Effect.gen(function*() {
            const session = yield* listening.accept(connection)
            while (true) {
              const frame = yield* session.next
              if (frame === undefined) return
              kinds.push(frame.kind)
            }
          })
        )
        yield* listening.advertise
        yield* alice.node.peers.awaitPeer("mallory")
        yield* Effect.forkScoped(Effect.exit(ask(alice, "mallory")))
        yield* Effect.sleep("1 second")
        const other = yield* mallory.connect(alice, { name: name as Packet.NodeName })
        yield* other.send(0, frame(Frame.Kind.ping, 0, new Uint8Array(8)))
        yield* Effect.sleep("1 second")
        assert.lengthOf(yield* alice.node.sessions.all, 2)
        assert.strictEqual(kinds.includes(Frame.Kind.goaway), closed, name)
        yield* alice.process.kill
      }
    })
  )

  test(
    "are not made where a key is at two addresses: from WELCOME on one address goes on at a time",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 12, traceCapacity: 0 })
      const host = yield* network.host("mallory")
      const mallory = yield* stranger(network, yield* seeded(), { host })
      const both = Latch.makeUnsafe(false)
      let arrived = 0
      let accepted = 0
      for (let i = 0; i < 2; i++) {
        const listening = yield* mallory.listen
        yield* listening.run((connection) =>
          Effect.gen(function*() {
            if (++arrived === 2) yield* both.open
            yield* both.await
            yield* listening.accept(connection)
            accepted++
            return yield* Effect.never
          })
        )
      }
      const alice = yield* start(network, { name: "alice" })
      for (const port of [49_152, 49_153]) yield* lie(network, host, mallory.identity.publicKey, "mallory", port)
      yield* alice.node.peers.awaitPeer("mallory")
      yield* Effect.sleep("50 millis")
      yield* Effect.forkScoped(Effect.exit(ask(alice, "mallory")))
      yield* Effect.sleep("3 seconds")
      assert.deepStrictEqual([arrived, accepted, (yield* alice.node.sessions.all).length], [2, 1, 1])
    })
  )
})

describe("somebody else's word that a peer leaves", () => {
  test(
    "ten times a second takes no call from it, neither its first nor those without a session",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 9, traceCapacity: 0 })
      const bob = yield* start(network, {
        name: "bob",
        functions: { who: tells },
        onMessage: ({ data }) => Effect.succeed(data)
      })
      const host = yield* network.host("mallory")
      const lies = Effect.gen(function*() {
        yield* lie(network, host, bob.node.publicKey, "bob")
        yield* lie(network, host, bob.node.publicKey, "bob", 0)
        yield* Effect.sleep("100 millis")
      })
      for (const way of ["call", "message"] as const) {
        const alice = yield* start(network, { name: `alice-${way}`, limits: { dialledIdleTimeout: "1 second" } })
        yield* alice.node.peers.awaitPeer("bob")
        const lying = yield* Effect.forkChild(Effect.forever(lies))
        for (let i = 0; i < 20; i++) {
          yield* Effect.sleep("1300 millis")
          const go = way === "call" ? ask(alice, "bob") : alice.node.raw.sendText("bob", "this is bob")
          assert.strictEqual(yield* go, "this is bob")
        }
        yield* Fiber.interrupt(lying)
      }
    })
  )
})

describe("addresses where somebody only accepts connections", () => {
  test(
    "do not keep a peer from being reached, by calls and by messages, and are tried last the next time",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 4, traceCapacity: 0 })
      const bob = yield* start(network, {
        name: "bob",
        functions: { who: tells },
        onMessage: ({ data }) => Effect.succeed(data)
      })
      const host = yield* network.host("mallory")
      const { ports, taken } = yield* traps(network, host, 6)
      let n = 0
      const lies = Effect.suspend(() => lie(network, host, bob.node.publicKey, "bob", ports[n++ % ports.length]))
      yield* Effect.forkScoped(Effect.forever(Effect.andThen(lies, Effect.sleep("100 millis"))))
      for (const way of ["call", "message"] as const) {
        const alice = yield* start(network, { name: `alice-${way}` })
        yield* alice.node.peers.awaitPeer("bob")
        yield* Effect.sleep("3 seconds")
        const { endpoints } = yield* alice.node.peers.resolveOne("bob")
        assert.deepInclude(endpoints, { host: bob.host.address, port: bob.node.endpoint.port })
        const go = way === "call" ? ask(alice, "bob") : alice.node.raw.sendText("bob", "this is bob")
        const began = yield* Clock.currentTimeMillis
        assert.strictEqual(yield* go, "this is bob")
        assert.isBelow((yield* Clock.currentTimeMillis) - began, 2_000)
        assert.isAbove(taken(), 0)
        const [first] = (yield* alice.node.peers.resolveOne("bob")).endpoints
        assert.strictEqual(first!.host, bob.host.address)
        yield* alice.process.kill
      }
    })
  )

  test(
    "delay no failure that a peer says, and a message whose time is up leaves its way to the next",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 5, traceCapacity: 0 })
      const host = yield* network.host("mallory")
      const { ports } = yield* traps(network, host, 2)
      const identity = yield* Effect.provide(Identity.generate, PortableCrypto.layer)
      const alice = yield* start(network, { name: "alice" })
      for (const port of ports) yield* lie(network, host, identity.publicKey, "bob", port)
      yield* alice.node.peers.awaitPeer("bob")
      const late = yield* failureOf(alice.node.raw.sendText("bob", "x", { timeout: "2 seconds" }))
      assert.strictEqual(late._tag, "DeadlineError")
      // Now the peer comes. It refuses every message, in clear.
      yield* start(network, { name: "bob", identity })
      yield* Effect.sleep("1 second")
      const began = yield* Clock.currentTimeMillis
      const error = yield* failureOf(alice.node.raw.sendText("bob", "x"))
      assert.strictEqual(error._tag === "ProtocolError" ? error.code : error.message, "ERR_INTERNAL")
      assert.isBelow((yield* Clock.currentTimeMillis) - began, 3_000)
    })
  )

  test(
    "hold messages that overlap no longer than the time of one, once the peer says where it is",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 8, traceCapacity: 0 })
      const host = yield* network.host("mallory")
      const { ports } = yield* traps(network, host, 1)
      const identity = yield* Effect.provide(Identity.generate, PortableCrypto.layer)
      const alice = yield* start(network, { name: "alice" })
      yield* lie(network, host, identity.publicKey, "bob", ports[0])
      yield* alice.node.peers.awaitPeer("bob")
      // At each time some of them still wait. Those from before bob started are refused for their stamps.
      const send = alice.node.raw.sendText("bob", "x", { timeout: "5 seconds" })
      const sending: Array<Fiber.Fiber<Exit.Exit<string, unknown>>> = []
      for (let i = 0; i < 30; i++) {
        if (i === 4) yield* start(network, { name: "bob", identity, onMessage: ({ data }) => Effect.succeed(data) })
        sending.push(yield* Effect.forkScoped(Effect.exit(send)))
        yield* Effect.sleep("500 millis")
      }
      const exits = yield* Effect.forEach(sending, Fiber.join)
      assert.deepStrictEqual(exits.slice(4).filter(Exit.isFailure), [])
    })
  )
})

describe("an address at which nobody proves anything", () => {
  test(
    "is tried last the next time, and one that says an err, which may be anybody's, is where it was",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 10, traceCapacity: 0 })
      const host = yield* network.host("mallory")
      const mallory = yield* stranger(network, yield* seeded(), { host })
      const { publicKey } = yield* Effect.provide(Identity.generate, PortableCrypto.layer)
      const says = yield* mallory.listen
      yield* says.run((connection) =>
        Effect.ignore(connection.write(Packet.encode(Packet.err(networkId, "ERR_INTERNAL", null))))
      )
      const closes = yield* mallory.listen
      yield* closes.run(() => Effect.void)
      const alice = yield* start(network, { name: "alice" })
      for (const port of [49_152, 49_153]) yield* lie(network, host, publicKey, "bob", port)
      yield* alice.node.peers.awaitPeer("bob")
      yield* Effect.sleep("50 millis")
      const ports = Effect.map(alice.node.peers.resolveOne("bob"), ({ endpoints }) => endpoints.map(({ port }) => port))
      assert.deepStrictEqual(yield* ports, [49_153, 49_152])
      yield* failureOf(ask(alice, "bob"))
      assert.deepStrictEqual(yield* ports, [49_152, 49_153])
    })
  )
})

describe("a message that is sent to two addresses of its peer", () => {
  test(
    "is handled once, however long that takes",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 6, traceCapacity: 0 })
      let handled = 0
      const onMessage = () =>
        Effect.andThen(Effect.sync(() => void handled++), Effect.as(Effect.sleep("2 seconds"), "done"))
      const host = yield* network.host("bob", { interfaces: [{ lan: "lan" }, { lan: "lan" }] })
      yield* start(network, { name: "bob", onMessage }, { host })
      const alice = yield* start(network, { name: "alice" })
      yield* alice.node.peers.awaitPeer("bob")
      yield* Effect.sleep("3 seconds")
      assert.lengthOf((yield* alice.node.peers.resolveOne("bob")).endpoints, 2)
      assert.strictEqual(yield* alice.node.raw.sendText("bob", "x"), "done")
      assert.strictEqual(handled, 1)
    })
  )
})

describe("a message's answer", () => {
  for (const policy of ["tofu", "any"] as const) {
    test(
      `is refused under another name than the one that was asked for (${policy}), and the table learns the name`,
      Effect.gen(function*() {
        const network = yield* SimNetwork.make({ seed: 7, traceCapacity: 0 })
        const crypto = yield* seeded()
        const other = yield* stranger(network, crypto, { host: yield* network.host("other"), name: "carol" })
        const tofu = TofuTrust.make()
        const alice = yield* start(network, { name: "alice" }, {
          trust: policy === "any" ? AnyTrust.layer : Layer.succeed(Trust.Trust, tofu)
        })
        const listening = yield* other.listen
        const key = crypto.sharedKey(alice.node.publicKey, other.identity.secretKey)
        yield* listening.run((connection) =>
          Effect.gen(function*() {
            const { next } = other.reader(connection)
            while (true) {
              const packet = yield* next
              if (packet === undefined) return
              const to = { kind: "request", to: other.identity.publicKey, networkId } as const
              const { payload, stamp } = Result.getOrThrow(Raw.open(crypto, key, Raw.fromText(packet.content)!, to))
              const name = "dave" as Packet.NodeName
              const answer = { kind: "answer", to: alice.node.publicKey, networkId, name, stamp, payload } as const
              yield* connection.write(other.command("rsp", Raw.seal(crypto, key, answer)))
            }
          })
        )
        yield* listening.advertise
        yield* alice.node.peers.awaitPeer("carol")
        const error = yield* failureOf(alice.node.raw.sendText("carol", "x"))
        assert.strictEqual(error._tag, "UntrustedPeerError")
        if (error._tag !== "UntrustedPeerError") return
        assert.deepInclude(error as object, { kind: "NameMismatch", peer: "carol", actualName: "dave" })
        assert.deepStrictEqual((yield* tofu.known).pins, [], "nobody asked for that name")
        assert.strictEqual((yield* failureOf(alice.node.raw.sendText("carol", "x")))._tag, "PeerUnknownError")
        assert.strictEqual(yield* alice.node.raw.sendText("dave", "x"), "x")
        // A program that has the two together from elsewhere is told before anything is sent.
        const { sessions } = alice.node
        assert.lengthOf(yield* sessions.all, 0)
      })
    )
  }
})

describe("the answers of one connection", () => {
  test(
    "are not handed on where the policy refuses who proved itself",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 13, traceCapacity: 0 })
      const bob = yield* start(network, { name: "bob", onMessage: ({ data }) => Effect.succeed(data) })
      const tofu = TofuTrust.make()
      // It changes while the message is on its way.
      const trust = Layer.succeed(Trust.Trust, {
        ...tofu,
        proved: (peer, publicKey) => Effect.fail(new Trust.UntrustedPeerError({ kind: "KeyChanged", peer, publicKey }))
      })
      const alice = yield* start(network, { name: "alice" }, { trust })
      yield* alice.node.peers.awaitPeer("bob")
      const error = yield* failureOf(alice.node.raw.sendText("bob", "x"))
      assert.deepInclude(error as object, {
        _tag: "UntrustedPeerError",
        kind: "KeyChanged",
        publicKey: bob.node.publicKey
      })
    })
  )

  test(
    "have one name: another ends it, and the table keeps the one that was proved",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 9, traceCapacity: 0 })
      const crypto = yield* seeded()
      const other = yield* stranger(network, crypto, { host: yield* network.host("other"), name: "carol" })
      const alice = yield* start(network, { name: "alice" })
      const listening = yield* other.listen
      const key = crypto.sharedKey(alice.node.publicKey, other.identity.secretKey)
      const names = ["carol", "carol", "dave"]
      let connections = 0
      yield* listening.run((connection) =>
        Effect.gen(function*() {
          connections++
          const { next } = other.reader(connection)
          while (true) {
            const packet = yield* next
            if (packet === undefined) return
            const to = { kind: "request", to: other.identity.publicKey, networkId } as const
            const { payload, stamp } = Result.getOrThrow(Raw.open(crypto, key, Raw.fromText(packet.content)!, to))
            const name = (names.shift() ?? "carol") as Packet.NodeName
            const answer = { kind: "answer", to: alice.node.publicKey, networkId, name, stamp, payload } as const
            yield* connection.write(other.command("rsp", Raw.seal(crypto, key, answer)))
          }
        })
      )
      yield* listening.advertise
      yield* alice.node.peers.awaitPeer("carol")
      for (const text of ["one", "two"]) assert.strictEqual(yield* alice.node.raw.sendText("carol", text), text)
      const before = connections
      const error = yield* failureOf(alice.node.raw.sendText("carol", "three"))
      assert.deepInclude(error as object, { kind: "NameMismatch", peer: "carol", actualName: "dave" })
      assert.deepStrictEqual((yield* alice.node.peers.all).map(({ name }) => name as string), ["carol"])
      assert.strictEqual(yield* alice.node.raw.sendText("carol", "four"), "four")
      assert.strictEqual(connections, before + 1)
    })
  )
})

describe("a peer that starts again with a new key", () => {
  test(
    "is named with both keys by the error of whoever asks for it, and how to mend that",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 8, traceCapacity: 0 })
      const old = yield* start(network, { name: "bob", functions: { who: tells } })
      const alice = yield* start(network, { name: "alice" })
      yield* alice.node.peers.awaitPeer("bob")
      yield* ask(alice, "bob")
      yield* old.process.stop
      const bob = yield* start(network, { name: "bob", functions: { who: tells } }, { host: old.host })
      yield* Effect.sleep("1 second")
      for (const asked of [alice.node.peers.awaitPeer("bob", "2 seconds"), ask(alice, "bob")]) {
        const error = yield* failureOf<unknown, { readonly _tag: string; readonly message: string }, never>(asked)
        assert.instanceOf(error, Peers.PeerUnknownError)
        if (!(error instanceof Peers.PeerUnknownError)) return
        assert.strictEqual(error.conflict?.expected, old.node.publicKey)
        assert.strictEqual(error.conflict?.publicKey, bob.node.publicKey)
        for (const part of ["resolveConflict", "identity file", "poses"]) assert.include(error.message, part)
      }
      yield* alice.node.peers.resolveConflict("bob" as Packet.NodeName, bob.node.publicKey)
      assert.strictEqual(yield* ask(alice, "bob"), "this is bob")
    })
  )

  test(
    "and a node that asks for itself is told so at once",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 9, traceCapacity: 0 })
      const alice = yield* start(network, { name: "alice", functions: { echo } })
      const began = yield* Clock.currentTimeMillis
      for (
        const asked of [alice.node.peers.awaitPeer("alice"), ask(alice, "alice"), alice.node.raw.sendText("alice", "x")]
      ) {
        const error = yield* failureOf<unknown, { readonly _tag: string; readonly message: string }, never>(asked)
        assert.isTrue(error instanceof Peers.PeerUnknownError && error.self)
        assert.include(error.message, "this node itself")
      }
      assert.strictEqual(yield* Clock.currentTimeMillis, began)
    })
  )
})

describe("a session that stands in the turn in which its peer is lost", () => {
  test(
    "is not kept, nor what it holds",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 10, traceCapacity: 0 })
      const bob = yield* start(network, { name: "bob", functions: { echo } })
      const crypto = yield* seeded()
      let held = 0
      let lost = 0
      // Loses the peer as soon as something is held with it, which is when the session is entered.
      const layerPeers = Layer.effect(
        Peers.Peers,
        Effect.map(Effect.all([Peers.Peers, Effect.context<never>()]), ([peers, context]): Peers.Peers["Service"] => ({
          ...peers,
          holdUnsafe: (publicKey, onDoubt) => {
            const release = peers.holdUnsafe(publicKey, onDoubt)
            held++
            lost++
            const other = crypto.generateKeyPair().publicKey
            Effect.runSyncWith(context)(peers.resolveConflict(bob.node.name, other))
            return () => {
              held--
              release()
            }
          }
        }))
      ).pipe(Layer.provide(PeerTable.layer))
      const layer = SessionPool.layer.pipe(
        Layer.provideMerge(layerPeers),
        Layer.provide(Reach.layerOpen),
        Layer.provide(NodeOptions.layer({ name: "alice", networkId, bindIp: "0.0.0.0" })),
        Layer.provide([PortableCrypto.layer, TofuTrust.layer()])
      )
      const host = yield* network.host("alice")
      const { context } = yield* Effect.orDie(host.launch(layer))
      const [peers, sessions] = [Context.get(context, Peers.Peers), Context.get(context, Sessions.Sessions)]
      const peer = yield* peers.awaitPeer("bob")
      const error = yield* failureOf(sessions.exchange(peer, { protocol: "command", name: "echo" }, bytes("x")))
      assert.strictEqual(error._tag, "PeerLostError")
      yield* Effect.sleep("1 second")
      assert.deepStrictEqual([yield* sessions.all, lost, held], [[], 1, 0])
    })
  )
})
