/**
 * The limits that no other test fills: each is filled by hostile or heavy use, does what `docs/limits.md` says of it, and leaves
 * the neighbours alone. That document names the test of every limit.
 */
import { assert, describe, it } from "@effect/vitest"
import {
  Advert,
  type BasicNode,
  Crypto,
  Frame,
  Handshake,
  Identity,
  NetworkKey,
  Packet,
  Raw,
  TofuTrust,
  type Transport,
  Trust
} from "@pnet/core"
import { startAll } from "@pnet/lab/worlds/commandWorld"
import {
  bytes,
  echo,
  failureOf,
  frame,
  type Net,
  networkId,
  openFrame,
  quietly,
  seeded,
  start,
  type Started,
  text,
  two
} from "@pnet/lab/worlds/sessionWorld"
import { stranger } from "@pnet/lab/worlds/stranger"
import { SimNetwork, SimWorld } from "@pnet/testing"
import { Clock, Deferred, Effect, Fiber, Layer, type Redacted, Result } from "effect"
import * as Framer from "../../src/Framer.ts"

const test = (
  title: string,
  body: Parameters<typeof quietly>[0],
  options: Parameters<typeof quietly>[1] = { step: "20 millis" }
) => it.effect(title, () => quietly(body, options))

const { Kind } = Frame

const keyPair = (crypto: Crypto.Crypto["Service"]) =>
  Identity.generate.pipe(Effect.provideService(Crypto.Crypto, crypto))

/** What a connection hears first: `closed`, the code of an `err`, or the type of another packet. */
const heard = (connection: Transport.Connection): Effect.Effect<string> => {
  const framer = Framer.make(Packet.maxStreamLength)
  const next: Effect.Effect<string> = Effect.matchEffect(connection.pull, {
    onFailure: () => Effect.succeed("closed"),
    onSuccess: (chunks) => {
      for (const chunk of chunks) {
        framer.push(chunk)
        const packet = framer.next()
        if (packet === undefined) continue
        const { content, type } = Result.getOrThrow(
          Packet.decode(packet, { types: Packet.PacketType.literals, maxLength: Packet.maxStreamLength })
        )
        return Effect.succeed(type === "err" ? text(content) : type)
      }
      return next
    }
  })
  return next
}

/** A node in a process that serves RAW messages, and one that sends them. */
const basic = (
  network: Net,
  limits: { readonly alice?: object; readonly bob?: object },
  onMessage?: BasicNode.Options["onMessage"]
) =>
  Effect.gen(function*() {
    const [alice, bob, carol] = yield* Effect.forEach(["alice", "bob", "carol"] as const, (name) =>
      SimWorld.startNode<never>(network, {
        name,
        networkId,
        limits: name === "alice" ? limits.alice ?? {} : name === "bob" ? limits.bob ?? {} : {},
        onMessage: name === "bob" && onMessage !== undefined ? onMessage : ({ data }) =>
          Effect.succeed(data)
      }))
    for (const name of ["bob", "carol"]) {
      yield* alice!.node.peers.awaitPeer(name)
    }
    for (const name of ["alice", "carol"]) {
      yield* bob!.node.peers.awaitPeer(name)
    }
    return { alice: alice!, bob: bob!, carol: carol! }
  }).pipe(Effect.orDie)

describe("messages", () => {
  test(
    "replayEntries: strangers share half of the table, one more is answered ERR_BUSY, and who is known is served",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 1 })
      const crypto = yield* seeded()
      const { alice, bob } = yield* basic(network, { bob: { replayEntries: 4 } })
      // Bob has reached alice, so that her name is hers.
      yield* bob.node.send("alice", "hello")
      const host = yield* network.host("strangers")
      const ask = (name: string) =>
        Effect.gen(function*() {
          const identity = yield* keyPair(crypto)
          const connection = yield* SimWorld.dial(host, { host: bob.host.address, port: bob.node.endpoint.port })
          const command = Raw.seal(crypto, crypto.sharedKey(bob.node.publicKey, identity.secretKey), {
            kind: "request",
            to: bob.node.publicKey,
            networkId,
            name: name as Packet.NodeName,
            stamp: (yield* Clock.currentTimeMillis) * 1_000,
            payload: bytes("x")
          })
          yield* connection.write(
            Packet.encode({ networkId, type: "msg", content: Raw.toText(command), publicKey: identity.publicKey })
          )
          return yield* heard(connection)
        })
      yield* Effect.sleep("1 second")
      assert.strictEqual(yield* ask("one"), "rsp")
      assert.strictEqual(yield* ask("two"), "rsp")
      for (const name of ["three", "four", "five"]) assert.strictEqual(yield* ask(name), "ERR_BUSY")
      assert.strictEqual(yield* alice.node.sendText("bob", "still there?"), "still there?")
      // A minute later their stamps are worth nothing, and there is room.
      yield* Effect.sleep("62 seconds")
      assert.strictEqual(yield* ask("six"), "rsp")
    })
  )

  test(
    "sendTimeout: who gets no answer is told so then, and messages to others do not wait",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 2 })
      const { alice } = yield* basic(network, { alice: { sendTimeout: "2 seconds" } }, () => Effect.never)
      const began = yield* Clock.currentTimeMillis
      const stuck = yield* Effect.forkScoped(failureOf(alice.node.send("bob", "x")))
      assert.strictEqual(yield* alice.node.sendText("carol", "you?"), "you?")
      assert.isBelow((yield* Clock.currentTimeMillis) - began, 500)
      const error = yield* Fiber.join(stuck)
      assert.strictEqual(error._tag, "DeadlineError")
      assert.closeTo((yield* Clock.currentTimeMillis) - began, 2_000, 100)
    })
  )

  test(
    "sharedKeys: a key that was dropped is computed again, and nobody notices",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 3 })
      const crypto = yield* seeded()
      let products = 0
      const counting = Layer.succeed(Crypto.Crypto, {
        ...crypto,
        sharedKey: (publicKey, secretKey) => {
          products++
          return crypto.sharedKey(publicKey, secretKey)
        }
      })
      // With room for both each is computed once; with room for one, each time.
      for (const [sharedKeys, expected] of [[2, 2], [1, 6]] as const) {
        const name = `bob-${sharedKeys}`
        yield* SimWorld.startNode(
          network,
          { name, networkId, limits: { sharedKeys }, onMessage: ({ data }) => Effect.succeed(data) },
          { crypto: counting }
        )
        const senders = yield* Effect.forEach(
          ["alice", "carol"],
          (sender) => SimWorld.startNode(network, { name: `${sender}-${sharedKeys}`, networkId })
        )
        for (const { node } of senders) yield* node.peers.awaitPeer(name)
        products = 0
        for (let i = 0; i < 3; i++) {
          for (const { node } of senders) assert.strictEqual(yield* node.sendText(name, `${i}`), `${i}`)
        }
        assert.strictEqual(products, expected)
      }
    })
  )

  test(
    "rawIdleTimeout: a stranger's idle connection is closed then, and gives its place to another",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 4 })
      const crypto = yield* seeded()
      const { alice, bob } = yield* basic(network, { bob: { rawIdleTimeout: "3 seconds", rawConnections: 1 } })
      const host = yield* network.host("stranger")
      const identity = yield* keyPair(crypto)
      const connection = yield* SimWorld.dial(host, { host: bob.host.address, port: bob.node.endpoint.port })
      yield* Effect.sleep("1 second")
      const command = Raw.seal(crypto, crypto.sharedKey(bob.node.publicKey, identity.secretKey), {
        kind: "request",
        to: bob.node.publicKey,
        networkId,
        name: "stranger" as Packet.NodeName,
        stamp: (yield* Clock.currentTimeMillis) * 1_000,
        payload: bytes("x")
      })
      yield* connection.write(
        Packet.encode({ networkId, type: "msg", content: Raw.toText(command), publicKey: identity.publicKey })
      )
      assert.strictEqual(yield* heard(connection), "rsp")
      const began = yield* Clock.currentTimeMillis
      // Alice is told that bob is busy, and tries again until he is not.
      assert.strictEqual(yield* alice.node.sendText("bob", "now?"), "now?")
      const waited = (yield* Clock.currentTimeMillis) - began
      assert.isAbove(waited, 2_500)
      assert.isBelow(waited, 4_000)
    })
  )
})

describe("adverts", () => {
  const advert = (
    crypto: Crypto.Crypto["Service"],
    name: string,
    host: string,
    port = 4_000,
    key?: { readonly identity: Identity.Identity["Service"]; readonly networkKey: Redacted.Redacted<Uint8Array> }
  ) =>
    Effect.gen(function*() {
      const { publicKey } = key?.identity ?? (yield* keyPair(crypto))
      const said = Advert.encode({ name: name as Packet.NodeName, host, port })
      const content = key === undefined ? said : crypto.fernetEncrypt(
        key.networkKey,
        new Uint8Array([...bytes(`${networkId}|adv|${publicKey}|`), ...said]),
        yield* Clock.currentTimeMillis
      )
      return Packet.encode({ networkId, type: "adv", content, publicKey })
    })

  const say = (network: Net, host: SimNetwork.Host, payload: Uint8Array) =>
    network.inject(host, { from: `${host.address}:4001`, to: "10.0.0.255:3334", payload })

  const strangersOf = (node: Started) =>
    Effect.map(node.node.peers.all, (all) => all.filter(({ name }) => name.startsWith("nobody")).length)

  test(
    "datagrams: of those that nobody had time to read the further ones are dropped, and calls go on",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 5 })
      const crypto = yield* seeded()
      const { alice, bob } = yield* two(network, {}, { limits: { datagrams: 8 } })
      assert.strictEqual(text(yield* alice.node.request("bob", "echo", "before")), "before")
      const host = yield* network.host("flood")
      // He has no time, and 100 come.
      yield* bob.process.pause
      for (let i = 0; i < 100; i++) yield* say(network, host, yield* advert(crypto, `nobody-${i}`, host.address))
      yield* Effect.sleep("100 millis")
      const call = yield* Effect.forkScoped(alice.node.request("bob", "echo", "meanwhile"))
      yield* Effect.sleep("1 second")
      yield* bob.process.resume
      assert.strictEqual(text(yield* Fiber.join(call)), "meanwhile")
      yield* Effect.sleep("100 millis")
      // And sixteen, behind which others have their turn.
      assert.isAtMost(yield* strangersOf(bob), 8 + 16)
      assert.isAbove(yield* strangersOf(alice), 50)
      assert.strictEqual((yield* bob.node.peers.get("alice"))?.status, "Online")
    })
  )

  test(
    "sightings: of adverts that were read at once and not yet entered the oldest are dropped, and who is known stays",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 6 })
      const crypto = yield* seeded()
      // A policy that takes its time, as one does that asks somebody else.
      const decided = yield* Deferred.make<void>()
      const tofu = TofuTrust.make()
      const trust = Layer.succeed(Trust.Trust, {
        ...tofu,
        expected: (name: Packet.NodeName) =>
          name === "nobody-0" ? Effect.andThen(Deferred.await(decided), tofu.expected(name)) : tofu.expected(name)
      })
      const bob = yield* start(network, { name: "bob", functions: { echo }, limits: { sightings: 3 } }, { trust })
      const alice = yield* start(network, { name: "alice", functions: { echo } })
      yield* Effect.all([alice.node.peers.awaitPeer("bob"), bob.node.peers.awaitPeer("alice")], { concurrency: 2 })
      const host = yield* network.host("flood")
      for (let i = 0; i < 40; i++) yield* say(network, host, yield* advert(crypto, `nobody-${i}`, host.address))
      yield* Effect.sleep("100 millis")
      assert.deepStrictEqual((yield* bob.node.peers.all).map(({ name }): string => name), ["alice"])
      yield* Deferred.succeed(decided, undefined)
      yield* Effect.sleep("100 millis")
      const entered = (yield* bob.node.peers.all).map(({ name }): string => name).filter((name) =>
        name.startsWith("nobody")
      )
      // One that was being decided on, and at most three behind it.
      assert.isAtMost(entered.length, 1 + 3)
      assert.includeMembers(entered, ["nobody-0", "nobody-39"])
      assert.strictEqual(text(yield* alice.node.request("bob", "echo", "after")), "after")
      assert.strictEqual(text(yield* bob.node.request("alice", "echo", "after")), "after")
    })
  )

  for (const [advertStamps, there] of [[2, false], [64, true]] as const) {
    test(
      `advertStamps: with ${advertStamps} of them a recorded "leaving" ${
        there ? "says nothing" : "of a key that was dropped is heard, and takes nobody off who has proved itself"
      }`,
      Effect.gen(function*() {
        const network = yield* SimNetwork.make({ seed: 7 })
        const crypto = yield* seeded()
        const networkKey = yield* NetworkKey.generate.pipe(Effect.provideService(Crypto.Crypto, crypto))
        const { alice, bob } = yield* two(network, { networkKey }, { networkKey, limits: { advertStamps } })
        const host = yield* network.host("recorded")
        const said = (name: string, identity: Identity.Identity["Service"], port: number) =>
          advert(crypto, name, host.address, port, { identity, networkKey: NetworkKey.toBytes(networkKey) })
        assert.strictEqual(text(yield* alice.node.request("bob", "echo", "before")), "before")
        const nobody = yield* keyPair(crypto)
        const leaving = yield* said("nobody", nobody, 0)
        yield* Effect.sleep("3 seconds")
        yield* say(network, host, yield* said("nobody", nobody, 4_000))
        yield* Effect.sleep("100 millis")
        assert.isDefined(yield* bob.node.peers.get("nobody"))
        for (let i = 0; i < 4; i++) {
          yield* say(network, host, yield* said(`nobody-${i}`, yield* keyPair(crypto), 4_000))
          yield* Effect.sleep("50 millis")
        }
        yield* say(network, host, leaving)
        yield* Effect.sleep("100 millis")
        assert.strictEqual((yield* bob.node.peers.get("nobody")) !== undefined, there)
        assert.strictEqual(text(yield* alice.node.request("bob", "echo", "after")), "after")
        assert.strictEqual(text(yield* bob.node.request("alice", "echo", "after")), "after")
      })
    )
  }
})

describe("sessions", () => {
  test(
    "handshakes: so many are begun in a second, one more is answered ERR_BUSY before any product, and sessions go on",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 8 })
      const crypto = yield* seeded()
      let products = 0
      const counting = Layer.succeed(Crypto.Crypto, {
        ...crypto,
        sharedKey: (publicKey, secretKey) => {
          products++
          return crypto.sharedKey(publicKey, secretKey)
        }
      })
      const bob = yield* start(network, { name: "bob", limits: { handshakes: 3 }, functions: { echo } }, {
        crypto: counting
      })
      const alice = yield* start(network, { name: "alice" })
      yield* alice.node.peers.awaitPeer("bob").pipe(Effect.orDie)
      assert.strictEqual(text(yield* alice.node.request("bob", "echo", "before")), "before")
      yield* Effect.sleep("2 seconds")
      const host = yield* network.host("mallory")
      const mallory = yield* stranger(network, yield* seeded(), { host })
      const outcomes: Array<string> = []
      let after = 0
      for (let i = 0; i < 8; i++) {
        const connection = yield* mallory.dial(bob)
        yield* connection.write(
          mallory.command("msg", Handshake.client(mallory.handshakeOptions, bob.node.publicKey).hello())
        )
        outcomes.push(yield* heard(connection))
        if (i === 2) after = products
        assert.strictEqual(text(yield* alice.node.request("bob", "echo", "meanwhile")), "meanwhile")
      }
      assert.deepStrictEqual(outcomes, ["rsp", "rsp", "rsp", ...Array.from({ length: 5 }, () => "ERR_BUSY")])
      assert.strictEqual(products, after)
      // Who is refused tries again, and is in after a second.
      const carol = yield* start(network, { name: "carol" })
      yield* carol.node.peers.awaitPeer("bob").pipe(Effect.orDie)
      assert.strictEqual(text(yield* carol.node.request("bob", "echo", "me")), "me")
    }),
    { step: "5 millis" }
  )

  test(
    "handshakesPerAddress: one address begins so many in a second, one more is answered ERR_BUSY before any product, and others go on",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 11 })
      const crypto = yield* seeded()
      let products = 0
      const counting = Layer.succeed(Crypto.Crypto, {
        ...crypto,
        sharedKey: (publicKey, secretKey) => {
          products++
          return crypto.sharedKey(publicKey, secretKey)
        }
      })
      const bob = yield* start(network, { name: "bob", limits: { handshakesPerAddress: 3 }, functions: { echo } }, {
        crypto: counting
      })
      const alice = yield* start(network, { name: "alice" })
      yield* alice.node.peers.awaitPeer("bob").pipe(Effect.orDie)
      yield* Effect.sleep("2 seconds")
      const host = yield* network.host("mallory")
      const mallory = yield* stranger(network, yield* seeded(), { host })
      const outcomes: Array<string> = []
      let after = 0
      for (let i = 0; i < 8; i++) {
        const connection = yield* mallory.dial(bob)
        yield* connection.write(
          mallory.command("msg", Handshake.client(mallory.handshakeOptions, bob.node.publicKey).hello())
        )
        outcomes.push(yield* heard(connection))
        if (i === 2) after = products
      }
      assert.deepStrictEqual(outcomes, ["rsp", "rsp", "rsp", ...Array.from({ length: 5 }, () => "ERR_BUSY")])
      assert.strictEqual(products, after)
      const at = yield* Clock.currentTimeMillis
      assert.strictEqual(text(yield* alice.node.request("bob", "echo", "me")), "me")
      assert.isBelow((yield* Clock.currentTimeMillis) - at, 150)
    }),
    { step: "5 millis" }
  )

  test(
    "a recorded HELLO is answered ERR_HANDSHAKE on a network with a key, before any product, and takes nobody's handshake",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 12, streams: { chunking: "joined" } })
      const crypto = yield* seeded()
      const networkKey = yield* NetworkKey.generate.pipe(Effect.provideService(Crypto.Crypto, crypto))
      let products = 0
      const counting = Layer.succeed(Crypto.Crypto, {
        ...crypto,
        sharedKey: (publicKey, secretKey) => {
          products++
          return crypto.sharedKey(publicKey, secretKey)
        }
      })
      const limits = { handshakes: 4, handshakesPerAddress: 4 }
      let hello: Uint8Array | undefined
      yield* network.intercept(({ payload, protocol }) => {
        if (protocol === "tcp" && hello === undefined && text(payload).includes("|msg|")) hello = payload.slice()
        return "pass"
      })
      const bob = yield* start(network, { name: "bob", functions: { echo }, networkKey, limits }, { crypto: counting })
      const alice = yield* start(network, { name: "alice", networkKey })
      yield* alice.node.peers.awaitPeer("bob").pipe(Effect.orDie)
      yield* alice.node.request("bob", "echo", "x")
      const mallory = yield* stranger(network, crypto, { host: alice.host })
      const before = products
      for (let i = 0; i < 40; i++) {
        const said = yield* Effect.scoped(Effect.gen(function*() {
          const connection = yield* mallory.dial(bob)
          yield* connection.write(hello!)
          return yield* heard(connection)
        }))
        assert.strictEqual(said, "ERR_HANDSHAKE")
        if (i % 2 === 0) yield* Effect.sleep("1 second")
      }
      assert.strictEqual(products, before)
      const carol = yield* start(network, { name: "carol", networkKey })
      yield* carol.node.peers.awaitPeer("bob").pipe(Effect.orDie)
      assert.strictEqual(text(yield* carol.node.request("bob", "echo", "me")), "me")
    }),
    { step: "5 millis" }
  )

  test(
    "shutdownDrain: a session that ends for good resets what has not finished by then, and the next call makes another",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 9 })
      const bob = yield* start(network, {
        name: "bob",
        limits: { sessionIdle: "1 second", shutdownDrain: "3 seconds" },
        functions: { hang: () => Effect.never }
      })
      yield* start(network, { name: "alice", functions: { echo } })
      const host = yield* network.host("mallory")
      const mallory = yield* stranger(network, yield* seeded(), { host })
      const listening = yield* mallory.listen
      const ended = yield* Deferred.make<readonly [code: string, after: number]>()
      yield* listening.run((connection) =>
        Effect.gen(function*() {
          const peer = yield* listening.accept(connection)
          yield* peer.expect(Kind.open)
          yield* peer.send(1, frame(Kind.end, 1))
          yield* peer.expect(Kind.goaway)
          const at = yield* Clock.currentTimeMillis
          // An OPEN that crossed the GOAWAY is served, for as long as that may take.
          yield* peer.send(0, openFrame(1, "hang"))
          const ping = yield* Effect.forkChild(peer.expect(Kind.ping))
          yield* peer.send(1, frame(Kind.pong, 0, (yield* Fiber.join(ping)).payload))
          const reset = yield* peer.expect(Kind.reset)
          yield* Deferred.succeed(
            ended,
            [JSON.parse(text(reset.payload)).code, (yield* Clock.currentTimeMillis) - at] as const
          )
        })
      )
      yield* listening.advertise
      yield* bob.node.peers.awaitPeer("mallory").pipe(Effect.orDie)
      yield* bob.node.peers.awaitPeer("alice").pipe(Effect.orDie)
      yield* Effect.forkScoped(Effect.exit(bob.node.request("mallory", "x", "")))
      const [code, after] = yield* Deferred.await(ended)
      assert.strictEqual(code, "going_away")
      assert.closeTo(after, 3_000, 700)
      assert.strictEqual(text(yield* bob.node.request("alice", "echo", "and you?")), "and you?")
    })
  )
})

describe("calls", () => {
  it.effect("callMemory: large calls of one peer have a quarter of it, one more is refused, and others are served", () =>
    quietly(Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 10 })
      const { alice, bob, carol } = yield* startAll(
        network,
        ["alice", "bob", "carol"],
        (name) => name === "bob" ? { limits: { callMemory: 1_048_576 } } : {}
      )
      const gate = yield* Deferred.make<void>()
      let running = 0
      yield* bob.node.register("keep", (_call, value: string) =>
        Effect.suspend(() => {
          running++
          return Effect.as(Deferred.await(gate), value.length)
        }))
      yield* bob.node.register("size", (_call, value: string) => Effect.succeed(value.length))
      const large = "x".repeat(200_000)
      const kept = yield* Effect.forkChild(alice.node.target("bob")("keep", large))
      yield* Effect.sleep("200 millis")
      assert.strictEqual(running, 1)
      // 262,144 bytes are what a peer may have; small calls are not counted.
      const refused = yield* failureOf(alice.node.target("bob", { timeout: "2 seconds" })("size", large))
      assert.include(["StreamResetError", "DeadlineError"], refused._tag)
      if (refused._tag === "StreamResetError") assert.strictEqual(refused.code, "refused")
      assert.strictEqual(yield* alice.node.target("bob")("size", "small"), 5)
      assert.strictEqual(yield* carol.node.target("bob")("size", large), large.length)
      yield* Deferred.succeed(gate, void 0)
      assert.strictEqual(yield* Fiber.join(kept), large.length)
      assert.strictEqual(yield* alice.node.target("bob")("size", large), large.length)
    })))
})
