/**
 * What a BasicNode does, as one suite over any network: simulated under TestClock, or real sockets on loopback.
 *
 * A `NodeWorld` says how a node is started on a host of its own and how time passes; the tests know nothing else. Import this
 * module by its own path: it needs `@effect/vitest`.
 *
 * @since 0.1.0
 */
import { assert, describe, it } from "@effect/vitest"
import * as Advert from "@pnet/core/Advert"
import * as AllowListTrust from "@pnet/core/AllowListTrust"
import type * as BasicNode from "@pnet/core/BasicNode"
import { Crypto } from "@pnet/core/Crypto"
import * as Framer from "@pnet/core/Framer"
import * as Identity from "@pnet/core/Identity"
import * as NetworkKey from "@pnet/core/NetworkKey"
import * as Packet from "@pnet/core/Packet"
import type * as Peers from "@pnet/core/Peers"
import type * as ProtocolError from "@pnet/core/ProtocolError"
import * as Raw from "@pnet/core/Raw"
import type { Connection, DialError } from "@pnet/core/Transport"
import * as Trust from "@pnet/core/Trust"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { decodeText, encodeText } from "./internal/platform.ts"

type Node = BasicNode.BasicNode["Service"]

/**
 * Where the nodes of one test live.
 *
 * @category models
 * @since 0.1.0
 */
export interface NodeWorld {
  /** Starts a node on a host of its own, until the scope closes. `trust` is on first use unless given. */
  readonly start: (
    options: BasicNode.Options,
    trust?: Layer.Layer<Trust.Trust>
  ) => Effect.Effect<Node, BasicNode.StartError, Scope.Scope>
  /** Connects to a node from a host that has none. */
  readonly dial: (node: Node) => Effect.Effect<Connection, DialError, Scope.Scope>
  /** A node's address as another host has to write it. */
  readonly addressOf: (node: Node) => string
  /** Whether nodes hear of each other by another way than the LAN, too. Default `false`. */
  readonly otherWays?: boolean | undefined
  /** Whether two nodes cannot have one port, as those of one machine. Default `true`. */
  readonly sharedPorts?: boolean | undefined
  /** Cryptography for making packets by hand. */
  readonly crypto: Crypto["Service"]
  /** The nodes' wall clock, in milliseconds since the epoch, as finely as they read it. */
  readonly now: Effect.Effect<number>
}

/**
 * How the suite runs a test.
 *
 * @category models
 * @since 0.1.0
 */
export interface Setup {
  readonly world: Effect.Effect<NodeWorld, never, Scope.Scope>
  /** Runs a test's effect while time passes. */
  readonly run: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** Whether the tests run on the machine's own clock. */
  readonly live: boolean
}

/**
 * The failure of an effect that must fail with a typed error; anything else is a defect.
 *
 * @category assertions
 * @since 0.1.0
 */
export const failureOf = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.flatMap(Effect.exit(effect), (exit) => {
    if (Exit.isSuccess(exit)) return Effect.die(new Error("expected a failure"))
    const error = Cause.findError(exit.cause)
    return Result.isSuccess(error)
      ? Effect.succeed(error.success)
      : Effect.die(new Error(`expected a typed failure, got ${Cause.pretty(exit.cause)}`))
  })

const failureIn = <A, E>(exit: Exit.Exit<A, E> | undefined): E => {
  if (exit === undefined || Exit.isSuccess(exit)) throw new Error("expected a failure")
  const error = Cause.findError(exit.cause)
  if (Result.isFailure(error)) throw new Error(`expected a typed failure, got ${Cause.pretty(exit.cause)}`)
  return error.success
}

/** The next packet on a connection that a test made by hand; its end gives `undefined`. */
const packets = (connection: Connection) => {
  const framer = Framer.make(Packet.maxStreamLength)
  const chunks: Array<Uint8Array> = []
  const next: Effect.Effect<Packet.Packet | undefined> = Effect.suspend(() => {
    while (true) {
      const bytes = framer.next()
      if (bytes !== undefined) {
        return Effect.succeed(Result.getOrThrow(Packet.decode(bytes, {
          types: Packet.PacketType.literals,
          maxLength: Packet.maxStreamLength
        })))
      }
      const chunk = chunks.shift()
      if (chunk === undefined) break
      framer.push(chunk)
    }
    return Effect.matchEffect(connection.pull, {
      onFailure: () => Effect.undefined,
      onSuccess: (more) => {
        chunks.push(...more)
        return next
      }
    })
  })
  return next
}

const text = decodeText
const bytes = encodeText
const codeOf = (packet: Packet.Packet | undefined) =>
  packet === undefined ? "closed" : packet.type === "err" ? text(packet.content) : packet.type

const networkId = "suite" as Packet.NetworkId

type Test = (title: string, body: (world: NodeWorld) => Effect.Effect<void, unknown, Scope.Scope>) => void

/** A node that repeats what it is told, and one that knows it. */
const pair = (
  world: NodeWorld,
  options?: Partial<BasicNode.Options>,
  onMessage: BasicNode.MessageHandler = ({ data }) => Effect.succeed(data)
) =>
  Effect.gen(function*() {
    const bob = yield* world.start({ networkId, ...options, name: "bob", onMessage })
    const alice = yield* world.start({ networkId, ...options, name: "alice" })
    yield* Effect.all([alice.peers.awaitPeer("bob"), bob.peers.awaitPeer("alice")], { concurrency: 2 })
    return { alice, bob }
  })

/** A stranger with a key of its own, who makes packets by hand. */
const stranger = (world: NodeWorld, node: Node) =>
  Effect.gen(function*() {
    const identity = yield* Identity.generate.pipe(Effect.provideService(Crypto, world.crypto))
    const key = world.crypto.sharedKey(node.publicKey, identity.secretKey)
    const command = (payload: string, stamp: number, overrides?: Partial<Raw.Message>) =>
      Raw.seal(world.crypto, key, {
        kind: "request",
        to: node.publicKey,
        networkId,
        name: "stranger" as Packet.NodeName,
        stamp,
        payload: bytes(payload),
        ...overrides
      })
    const packet = (content: Uint8Array, overrides?: Partial<Packet.Packet>) =>
      Packet.encode({ networkId, type: "msg", content, publicKey: identity.publicKey, ...overrides })
    return {
      identity,
      command,
      packet,
      message: (payload: string, stamp: number) => packet(Raw.toText(command(payload, stamp))),
      open: (answer: Packet.Packet) =>
        Raw.open(world.crypto, key, Raw.fromText(answer.content)!, {
          kind: "answer",
          to: identity.publicKey,
          networkId
        })
    }
  })

/** The code that a connection is refused with, having sent these bytes. */
const refusalOf = (world: NodeWorld, node: Node, ...parts: ReadonlyArray<Uint8Array | string>) =>
  Effect.gen(function*() {
    const connection = yield* world.dial(node)
    const next = packets(connection)
    for (const part of parts) {
      yield* Effect.ignore(connection.write(typeof part === "string" ? bytes(part) : part))
    }
    const answer = yield* next
    if (answer?.type === "err") assert.isUndefined(yield* next, "an err is the last packet")
    return { code: codeOf(answer), keyed: answer !== undefined && answer.publicKey !== null }
  }).pipe(Effect.scoped)

const micros = (world: NodeWorld) => Effect.map(world.now, (millis) => Math.floor(millis * 1_000))

/** Messages and their answers. */
const messages = (test: Test): void => {
  test("nodes find each other and exchange messages", (world) =>
    Effect.gen(function*() {
      const { alice, bob } = yield* pair(world, {}, ({ from, text }) => Effect.succeed(`${from.name} said ${text}`))
      assert.strictEqual(yield* alice.sendText("bob", "good morning"), "alice said good morning")
      const peer = yield* alice.peers.resolveOne("bob")
      assert.strictEqual(peer.publicKey, bob.publicKey)
      assert.isTrue(peer.proved)
      assert.deepStrictEqual((yield* bob.peers.all).map(({ name }) => name as string), ["alice"])
    }))

  test("with a network key too", (world) =>
    Effect.gen(function*() {
      const networkKey = yield* NetworkKey.generate.pipe(Effect.provideService(Crypto, world.crypto))
      const { alice, bob } = yield* pair(world, { networkKey })
      assert.strictEqual(yield* alice.sendText("bob", "sealed twice"), "sealed twice")
      yield* bob.onMessage(() => Effect.succeed("changed"))
      assert.strictEqual(yield* alice.sendText("bob", "x"), "changed")
    }))

  test("answers are bytes, text or nothing, and messages any bytes", (world) =>
    Effect.gen(function*() {
      const { alice } = yield* pair(world, {}, ({ data, text }) =>
        text === "bytes"
          ? Effect.succeed(Uint8Array.of(0, 255, 10, 124))
          : text === "text"
          ? Effect.succeed("ünïcode")
          : text === "nothing"
          ? Effect.void
          : Effect.succeed(data))
      assert.deepStrictEqual(yield* alice.send("bob", "bytes"), Uint8Array.of(0, 255, 10, 124))
      assert.strictEqual(yield* alice.sendText("bob", "text"), "ünïcode")
      assert.strictEqual((yield* alice.send("bob", "nothing")).length, 0)
      const large = world.crypto.randomBytes(98_000)
      assert.deepStrictEqual(yield* alice.send("bob", large), large)
      assert.strictEqual((yield* alice.send("bob", new Uint8Array(0))).length, 0)
    }))

  test("the sender is who the message proves it to be", (world) =>
    Effect.gen(function*() {
      const seen = yield* Queue.unbounded<BasicNode.Sender>()
      const { alice } = yield* pair(world, {}, ({ from }) => Effect.asVoid(Queue.offer(seen, from)))
      yield* alice.send("bob", "x")
      const from = yield* Queue.take(seen)
      assert.strictEqual(from.name as string, "alice")
      assert.strictEqual(from.publicKey, alice.publicKey)
      assert.isDefined(from.endpoint)
    }))

  test("many at once are handled in order, over one connection, each with its own answer", (world) =>
    Effect.gen(function*() {
      const order: Array<string> = []
      const { alice } = yield* pair(world, {}, ({ text }) =>
        Effect.sync(() => {
          order.push(text)
          return `answer ${text}`
        }))
      const expected = Array.from({ length: 200 }, (_, i) => String(i))
      const answers = yield* Effect.forEach(expected, (i) => alice.sendText("bob", i), { concurrency: "unbounded" })
      assert.deepStrictEqual(order, expected)
      assert.deepStrictEqual(answers, expected.map((i) => `answer ${i}`))
    }))
}

/** What a sender gets where there is no answer. */
const failures = (test: Test): void => {
  test("a failing handler answers ERR_INTERNAL, and nobody else suffers", (world) =>
    Effect.gen(function*() {
      const runs: Array<string> = []
      const { alice } = yield* pair(world, {}, ({ text }) => {
        runs.push(text)
        return text === "7"
          ? Effect.fail("seven")
          : text === "9"
          ? Effect.die(new Error("nine"))
          : Effect.succeed(text)
      })
      const all = Array.from({ length: 20 }, (_, i) => String(i))
      const exits = yield* Effect.forEach(all, (i) => Effect.exit(alice.sendText("bob", i)), {
        concurrency: "unbounded"
      })
      for (const [i, exit] of exits.entries()) {
        if (i === 7 || i === 9) {
          const error = failureIn(exit)
          assert.strictEqual(error._tag, "ProtocolError")
          assert.strictEqual((error as ProtocolError.ProtocolError).code, "ERR_INTERNAL")
          assert.strictEqual((error as ProtocolError.ProtocolError).origin, "remote")
        } else assert.deepStrictEqual(exit, Exit.succeed(String(i)))
      }
      assert.deepStrictEqual(runs, all, "each ran once, in order")
    }))

  test("a node without a handler says so in a code", (world) =>
    Effect.gen(function*() {
      const { alice, bob } = yield* pair(world)
      const error = yield* failureOf(bob.send("alice", "x"))
      assert.strictEqual(error._tag === "ProtocolError" && error.code, "ERR_INTERNAL")
      yield* alice.onMessage(() => Effect.succeed("now there is"))
      assert.strictEqual(yield* bob.sendText("alice", "x"), "now there is")
    }))

  test("an unknown peer is a typed error that says who is known", (world) =>
    Effect.gen(function*() {
      const { alice } = yield* pair(world)
      const error = yield* failureOf(alice.send("carol", "x"))
      assert.strictEqual(error._tag, "PeerUnknownError")
      assert.deepStrictEqual((error as Peers.PeerUnknownError).known, ["bob"])
      const waited = yield* failureOf(alice.peers.awaitPeer("carol", "200 millis"))
      assert.strictEqual(waited._tag, "PeerUnknownError")
      assert.isDefined((waited as Peers.PeerUnknownError).waited)
    }))

  test("sending to several gives each one's own outcome", (world) =>
    Effect.gen(function*() {
      const { alice, bob } = yield* pair(world)
      const carol = yield* world.start({ networkId, name: "carol", onMessage: () => Effect.fail("no") })
      yield* alice.peers.awaitPeer("carol")
      const toAll = alice.sendAll("*", "hello")
      const all = yield* toAll
      assert.deepStrictEqual(Object.keys(all), ["bob", "carol"])
      assert.deepStrictEqual(all["bob"], Exit.succeed(bytes("hello")))
      assert.strictEqual(failureIn(all["carol"])._tag, "ProtocolError")
      const streamed = yield* Stream.runCollect(toAll.stream)
      assert.deepStrictEqual(streamed.map(({ exit, peer }) => [peer, exit._tag]).sort(), [
        ["bob", "Success"],
        ["carol", "Failure"]
      ])
      const some = yield* alice.sendAll(["dave", "bob", "dave"], "hello", { concurrency: 1 })
      assert.deepStrictEqual(Object.keys(some), ["dave", "bob"])
      assert.strictEqual(failureIn(some["dave"])._tag, "PeerUnknownError")
      assert.strictEqual(bob.name as string, "bob")
      assert.strictEqual(carol.name as string, "carol")
    }))

  test("too large a message is refused before anything is sent, too large an answer where it is made", (world) =>
    Effect.gen(function*() {
      const { alice } = yield* pair(
        world,
        {},
        ({ text }) => Effect.succeed(new Uint8Array(text === "large" ? 98_001 : 0))
      )
      const error = yield* failureOf(alice.send("bob", new Uint8Array(98_001)))
      assert.strictEqual(error._tag, "MessageTooLargeError")
      assert.deepStrictEqual([(error as Raw.MessageTooLargeError).size, (error as Raw.MessageTooLargeError).limit], [
        98_001,
        98_000
      ])
      const answer = yield* failureOf(alice.send("bob", "large"))
      assert.strictEqual(answer._tag === "ProtocolError" && answer.code, "ERR_INTERNAL")
    }))

  test("an answer that does not come in time is a typed error", (world) =>
    Effect.gen(function*() {
      const { alice } = yield* pair(world, {}, ({ text }) => text === "hang" ? Effect.never : Effect.succeed("quick"))
      const error = yield* failureOf(alice.send("bob", "hang", { timeout: "150 millis" }))
      assert.deepInclude(error, { _tag: "DeadlineError", mayHaveRun: true })
    }))
}

/** Which nodes see, and which trust, each other. */
const whoIsWho = (test: Test): void => {
  test("nodes with different network keys, or one without, do not see each other", (world) =>
    Effect.gen(function*() {
      const generate = NetworkKey.generate.pipe(Effect.provideService(Crypto, world.crypto))
      const [first, second] = [yield* generate, yield* generate]
      const a = yield* world.start({ networkId, name: "a", networkKey: first })
      const b = yield* world.start({ networkId, name: "b", networkKey: second })
      const c = yield* world.start({ networkId, name: "c" })
      const d = yield* world.start({ networkId, name: "d", networkKey: [second, first] })
      // Adverts of its second key are read; its own are sealed with its first.
      yield* d.peers.awaitPeer("a")
      yield* b.peers.awaitPeer("d")
      assert.deepStrictEqual((yield* a.peers.all).length, 0)
      assert.deepStrictEqual((yield* c.peers.all).length, 0)
      assert.deepStrictEqual((yield* b.peers.all).map(({ name }) => name as string), ["d"])
    }))

  test("nor do nodes of different networks", (world) =>
    Effect.gen(function*() {
      const a = yield* world.start({ networkId, name: "a" })
      const b = yield* world.start({ networkId: "other", name: "b" })
      const c = yield* world.start({ networkId, name: "c" })
      yield* a.peers.awaitPeer("c")
      yield* c.peers.awaitPeer("a")
      assert.strictEqual((yield* b.peers.all).length, 0)
      assert.deepStrictEqual((yield* c.peers.all).map(({ name }) => name as string), ["a"])
    }))

  test("two nodes of one name are a conflict, not a choice", (world) =>
    Effect.gen(function*() {
      const alice = yield* world.start({ networkId, name: "alice" })
      yield* world.start({ networkId, name: "bob", onMessage: () => Effect.succeed("first") })
      yield* alice.peers.awaitPeer("bob")
      const conflicted = yield* alice.peers.changes.pipe(
        Stream.filter((event) => event._tag === "Joined"),
        Stream.take(2),
        Stream.runDrain,
        Effect.forkChild({ startImmediately: true })
      )
      yield* world.start({ networkId, name: "bob", onMessage: () => Effect.succeed("second") })
      yield* Fiber.join(conflicted)
      const error = yield* failureOf(alice.send("bob", "which?"))
      assert.strictEqual(error._tag, "NameConflictError")
      assert.strictEqual((error as Peers.NameConflictError).publicKeys.length, 2)
    }))

  test("a name that is pinned stays with its key", (world) =>
    Effect.gen(function*() {
      const { alice, bob } = yield* pair(world)
      yield* alice.send("bob", "this pins it")
      const events = yield* alice.peers.changes.pipe(
        Stream.filter((event) => event._tag === "KeyConflict"),
        Stream.runHead,
        Effect.forkChild({ startImmediately: true })
      )
      const imposter = yield* world.start({ networkId, name: "bob", onMessage: () => Effect.succeed("imposter") })
      const event = yield* Fiber.join(events)
      assert.isTrue(
        event._tag === "Some" && event.value._tag === "KeyConflict" &&
          event.value.expected === bob.publicKey && event.value.publicKey === imposter.publicKey
      )
      assert.strictEqual(yield* alice.sendText("bob", "still you?"), "still you?")
    }))

  test("an allow list admits only what it lists, on both sides", (world) =>
    Effect.gen(function*() {
      const bob = yield* world.start(
        { networkId, name: "bob", onMessage: () => Effect.succeed("hi") },
        AllowListTrust.layer([])
      )
      const alice = yield* world.start({ networkId, name: "alice" })
      yield* alice.peers.awaitPeer("bob")
      yield* bob.peers.awaitPeer("alice")
      const refused = yield* failureOf(alice.send("bob", "x"))
      assert.strictEqual(refused._tag === "ProtocolError" && refused.code, "ERR_UNTRUSTED")
      const own = yield* failureOf(bob.send("alice", "x"))
      assert.strictEqual(own._tag, "UntrustedPeerError")
    }))
}

/** Nodes that cannot start, and such that are gone. */
const leaving = (test: Test, setup: Setup): void => {
  test("a port in use is a typed error that names it", (world) =>
    Effect.gen(function*() {
      if (world.sharedPorts === false) return
      const bob = yield* world.start({ networkId, name: "bob" })
      const { port } = bob.endpoint
      const error = yield* failureOf(
        world.start({ networkId, name: "carol", serverPort: port, bindIp: "127.0.0.1" }).pipe(
          Effect.andThen(world.start({ networkId, name: "dave", serverPort: port, bindIp: "127.0.0.1" }))
        )
      )
      // Hosts of their own do not compete for ports; then there is nothing to see.
      assert.strictEqual(error._tag, "ListenError")
      if (error._tag === "ListenError") {
        assert.strictEqual(error.kind, "PortInUse")
        assert.strictEqual(error.port, port)
        assert.include(error.message, String(port))
      }
    }).pipe(Effect.when(Effect.succeed(setup.live)), Effect.asVoid))

  test("a peer that is gone by the time of sending is a typed error, at once", (world) =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const bob = yield* Scope.provide(world.start({ networkId, name: "bob", onMessage: () => Effect.void }), scope)
      const alice = yield* world.start({ networkId, name: "alice" })
      const peer = yield* alice.peers.awaitPeer("bob")
      yield* Scope.close(scope, Exit.void)
      const error = yield* failureOf(alice.send("bob", "x"))
      assert.include(["PeerUnknownError", "DialError", "PeerLostError"], error._tag)
      assert.strictEqual(peer.publicKey, bob.publicKey)
    }))

  test("a node that leaves is taken off at once, and its callers get a typed error", (world) =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const alice = yield* Scope.provide(world.start({ networkId, name: "alice" }), scope)
      const bob = yield* world.start({ networkId, name: "bob", onMessage: () => Effect.never })
      yield* alice.peers.awaitPeer("bob")
      yield* bob.peers.awaitPeer("alice")
      const left = yield* bob.peers.changes.pipe(
        Stream.filter((event) => event._tag === "Left"),
        Stream.runHead,
        Effect.forkChild({ startImmediately: true })
      )
      const waiting = yield* Effect.forkChild(Effect.exit(alice.send("bob", "x")), { startImmediately: true })
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(failureIn(yield* Fiber.join(waiting))._tag, "NodeClosedError")
      assert.strictEqual((yield* failureOf(alice.send("bob", "x")))._tag, "NodeClosedError")
      yield* Fiber.join(left)
      assert.isUndefined(yield* bob.peers.get("alice"))
    }))
}

/** What goes on with the presence of a peer. */
const presence = (test: Test): void => {
  test("what is bound to a peer ends when it leaves, and begins anew when it is back", (world) =>
    Effect.gen(function*() {
      const alice = yield* world.start({ networkId, name: "alice" })
      const turns = yield* Queue.unbounded<string>()
      yield* Effect.forkScoped(
        alice.peers.wheneverOnline("bob", () =>
          Effect.andThen(Queue.offer(turns, "there"), Effect.never).pipe(
            Effect.onInterrupt(() => Queue.offer(turns, "gone"))
          ))
      )
      const start = world.start({ networkId, name: "bob", onMessage: () => Effect.succeed("hello") })
      const scope = yield* Scope.make()
      yield* Scope.provide(start, scope)
      assert.strictEqual(yield* Queue.take(turns), "there")
      // A connection that lives keeps a peer, so it has to end too.
      yield* alice.send("bob", "x")
      const bound = yield* Effect.forkChild(Effect.flip(alice.peers.whileOnline("bob", () => Effect.never)), {
        startImmediately: true
      })
      const scoped = yield* Effect.forkChild(
        Effect.scoped(Effect.flatMap(alice.peers.scoped("bob"), ({ lost }) => Effect.flip(lost))),
        { startImmediately: true }
      )
      yield* Effect.yieldNow
      yield* Scope.close(scope, Exit.void)
      for (const fiber of [bound, scoped]) {
        const error = yield* Fiber.join(fiber)
        assert.strictEqual(error._tag === "PeerLostError" && error.reason, "Left")
      }
      assert.strictEqual(yield* Queue.take(turns), "gone")
      assert.deepStrictEqual(
        (yield* SubscriptionRef.get(alice.peers.presence)).map((peer) => peer.name as string),
        []
      )

      // As somebody else, who has to be given the name.
      const anew = yield* start
      const claim = Effect.map(alice.peers.conflicts, ([conflict]) => conflict?.claims[0]?.publicKey)
      yield* Effect.repeat(Effect.delay(claim, "20 millis"), { until: (key) => key === anew.publicKey })
      assert.strictEqual((yield* failureOf(alice.send("bob", "x")))._tag, "PeerUnknownError")
      yield* alice.peers.resolveConflict(anew.name, anew.publicKey)
      assert.strictEqual(yield* Queue.take(turns), "there")
      assert.strictEqual(yield* alice.sendText("bob", "x"), "hello")
    }))

  test("a peer that closes while it handles a message is lost, and says so", (world) =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const begun = yield* Queue.unbounded<void>()
      yield* Scope.provide(
        world.start({
          networkId,
          name: "bob",
          onMessage: () => Effect.andThen(Queue.offer(begun, undefined), Effect.never)
        }),
        scope
      )
      const alice = yield* world.start({ networkId, name: "alice" })
      yield* alice.peers.awaitPeer("bob")
      const waiting = yield* Effect.forkChild(Effect.exit(alice.send("bob", "x")))
      yield* Queue.take(begun)
      yield* Scope.close(scope, Exit.void)
      const error = failureIn(yield* Fiber.join(waiting))
      assert.strictEqual(error._tag, "PeerLostError")
      assert.isTrue((error as Peers.PeerLostError).mayHaveRun)
    }))

  test("nodes at known addresses find each other without broadcasts", (world) =>
    Effect.gen(function*() {
      // Another advertise port, so that there is no broadcast to be heard.
      const bob = yield* world.start({
        networkId,
        name: "bob",
        advertisePort: 1 + 2 * 4_000,
        onMessage: () => Effect.succeed("found")
      })
      const alice = yield* world.start({ networkId, name: "alice", peers: [world.addressOf(bob)] })
      yield* alice.peers.awaitPeer("bob")
      assert.strictEqual(yield* alice.sendText("bob", "x"), "found")
      if (world.otherWays === true) return
      assert.strictEqual((yield* bob.peers.all).length, 0, "an advert by TCP enters no table")
    }))
}

/** Packets made by hand. */
const byHand = (test: Test, setup: Setup): void => {
  test("a short client by hand: advert, message, answer", (world) =>
    Effect.gen(function*() {
      const bob = yield* world.start({ networkId, name: "bob", onMessage: ({ from }) => Effect.succeed(from.name) })
      const client = yield* stranger(world, bob)
      const connection = yield* world.dial(bob)
      const next = packets(connection)
      const advert = Advert.encode({ name: "stranger" as Packet.NodeName, host: "127.0.0.1", port: 0 })
      yield* connection.write(client.packet(advert, { type: "adv" }))
      const greeting = yield* next
      assert.strictEqual(greeting?.type, "adv")
      assert.strictEqual(greeting?.publicKey, bob.publicKey)
      assert.strictEqual(Result.getOrThrow(Advert.decode(greeting!.content)).name as string, "bob")
      const stamp = (yield* micros(world)) + 5
      yield* connection.write(client.message("x", stamp))
      const answer = Result.getOrThrow(client.open((yield* next)!))
      assert.deepStrictEqual([text(answer.payload), answer.stamp, answer.name as string], ["stranger", stamp, "bob"])
      assert.strictEqual((yield* bob.peers.all).length, 0)
    }))

  test("what is wrong with a packet is answered with its code", (world) =>
    Effect.gen(function*() {
      const bob = yield* world.start({ networkId, name: "bob", onMessage: () => Effect.void })
      const client = yield* stranger(world, bob)
      const message = client.message("x", (yield* micros(world)) + 5)
      const whole = text(message)
      const refused = (code: string, keyed: boolean, ...parts: ReadonlyArray<Uint8Array | string>) =>
        Effect.map(
          refusalOf(world, bob, ...parts),
          (answer) => assert.deepStrictEqual(answer, { code, keyed }, `for ${code}`)
        )
      yield* refused("ERR_SECTION_COUNT", false, "hello world\n")
      yield* refused("ERR_SECTION_COUNT", false, "GET / HTTP/1.1\r\n")
      yield* refused("ERR_PACKET_INCOMPLETE", false, whole.replace("|END", "|EN"))
      yield* refused("ERR_NETWORK_INCORRECT", false, whole.replace("suite|", "sweet|"))
      yield* refused("ERR_PACKET_TYPE", false, whole.replace("|msg|", "|get|"))
      yield* refused("ERR_PACKET_TYPE", false, whole.replace("|msg|", "|rsp|"))
      yield* refused("ERR_PUBLIC_KEY", false, whole.replace(client.identity.publicKey, `${"A".repeat(43)}=`))
      yield* refused("ERR_PUBLIC_KEY", false, whole.replace(client.identity.publicKey, bob.publicKey))
      yield* refused("ERR_HANDSHAKE", true, client.packet(bytes("!!!!")))
      yield* refused("ERR_HANDSHAKE", true, client.packet(Raw.toText(bytes("\u0005HELLO"))))
      yield* refused("ERR_ADV_FORMAT", true, client.packet(bytes("nobody"), { type: "adv" }))
      yield* refused("ERR_NET_DECRYPTION_FAILED", true, client.packet(bytes(`gAAAA${"A".repeat(95)}`)))
      yield* refused("ERR_PACKET_TOO_LARGE", false, new Uint8Array(140_000).fill(0x61))
      // An err is never answered.
      yield* refused("closed", false, client.packet(bytes("ERR_BUSY"), { type: "err" }))
      // Nor does any of it keep the node from its work.
      const { code } = yield* refusalOf(world, bob, message)
      assert.strictEqual(code, "rsp")
    }))

  test("a packet that stalls, and a connection that says nothing, are given up after five seconds", (world) =>
    Effect.gen(function*() {
      const limits = { firstPacketTimeout: setup.live ? "300 millis" as const : "5 seconds" as const }
      const bob = yield* world.start({ networkId, name: "bob", limits })
      const [silent, stalled] = yield* Effect.all([refusalOf(world, bob), refusalOf(world, bob, "suite|msg|abc")], {
        concurrency: 2
      })
      assert.deepStrictEqual(silent, { code: "ERR_PACKET_INCOMPLETE", keyed: false })
      assert.deepStrictEqual(stalled, { code: "ERR_PACKET_INCOMPLETE", keyed: false })
    }))
}

/** What strangers do. */
const attacks = (test: Test, setup: Setup): void => {
  test("forged, altered, redirected, replayed and stale messages are refused, each with its code", (world) =>
    Effect.gen(function*() {
      let handled = 0
      const bob = yield* world.start({
        networkId,
        name: "bob",
        onMessage: () =>
          Effect.sync(() => {
            handled++
          })
      })
      const client = yield* stranger(world, bob)
      const stamp = (yield* micros(world)) + 5
      const refused = (code: string, packet: Uint8Array) =>
        Effect.map(refusalOf(world, bob, packet), (answer) => assert.strictEqual(answer.code, code))

      const command = client.command("x", stamp)
      const altered = command.slice()
      altered[altered.length - 1]! ^= 1
      yield* refused("ERR_NODE_DECRYPTION_FAILED", client.packet(Raw.toText(altered)))
      const other = yield* stranger(world, bob)
      // Under somebody else's key: who seals cannot be somebody else.
      yield* refused(
        "ERR_NODE_DECRYPTION_FAILED",
        client.packet(Raw.toText(command), { publicKey: other.identity.publicKey })
      )
      const redirected = { to: other.identity.publicKey }
      yield* refused("ERR_NODE_DECRYPTION_FAILED", client.packet(Raw.toText(client.command("x", stamp, redirected))))
      yield* refused(
        "ERR_NODE_DECRYPTION_FAILED",
        client.packet(Raw.toText(client.command("x", stamp, { kind: "answer" })))
      )
      yield* refused(
        "ERR_NODE_DECRYPTION_FAILED",
        client.packet(Raw.toText(client.command("x", stamp, { networkId: "elsewhere" as Packet.NetworkId })))
      )
      yield* refused("ERR_REPLAY", client.message("x", stamp - 61_000_000))
      yield* refused("ERR_REPLAY", client.message("x", stamp + 65_000_000))
      assert.strictEqual(handled, 0)

      const message = client.message("x", stamp + 10)
      yield* refused("rsp", message)
      yield* refused("ERR_REPLAY", message)
      yield* refused("ERR_REPLAY", client.message("earlier", stamp + 9))
      yield* refused("rsp", client.message("later", stamp + 11))
      assert.strictEqual(handled, 2)
      // On one connection as well.
      const connection = yield* world.dial(bob)
      const next = packets(connection)
      yield* connection.write(client.message("y", stamp + 12))
      yield* connection.write(client.message("y", stamp + 12))
      assert.deepStrictEqual([codeOf(yield* next), codeOf(yield* next)], ["rsp", "ERR_REPLAY"])
      assert.strictEqual(handled, 3)
    }))

  test("a message to a node that started later is refused", (world) =>
    Effect.gen(function*() {
      const identity = yield* Identity.generate.pipe(Effect.provideService(Crypto, world.crypto))
      const before = (yield* micros(world)) - 1_000_000
      const bob = yield* world.start({ networkId, name: "bob", identity, onMessage: () => Effect.void })
      const client = yield* stranger(world, bob)
      assert.strictEqual((yield* refusalOf(world, bob, client.message("old", before))).code, "ERR_REPLAY")
    }))

  test("connections that prove nothing are bounded, one address takes its share only, and the node goes on", (world) =>
    Effect.gen(function*() {
      const limits = { pendingPerAddress: 4, firstPacketTimeout: "30 seconds" as const }
      const { alice, bob } = yield* pair(world, { limits })
      const open = yield* Effect.forEach(Array.from({ length: 4 }), () => world.dial(bob))
      assert.strictEqual(open.length, 4)
      // A refusal can only come once the four are known to be there.
      const client = yield* stranger(world, bob)
      for (const connection of open) {
        yield* connection.write(
          client.packet(Advert.encode({ name: "s" as Packet.NodeName, host: "127.0.0.1", port: 0 }), { type: "adv" })
        )
        assert.strictEqual(codeOf(yield* packets(connection)), "adv")
      }
      assert.deepStrictEqual(yield* refusalOf(world, bob), { code: "ERR_BUSY", keyed: false })
      if (!setup.live) {
        assert.strictEqual(yield* alice.sendText("bob", "from another address"), "from another address")
      }
    }))
}

/**
 * Runs the suite.
 *
 * @category suites
 * @since 0.1.0
 */
export const nodeSuite = (name: string, setup: Setup): void => {
  const test: Test = (title, body) => {
    const effect = () => setup.run(Effect.scoped(Effect.flatMap(setup.world, body)))
    if (setup.live) it.live(title, effect)
    else it.effect(title, effect)
  }

  describe(`BasicNode: ${name}`, () => {
    messages(test)
    failures(test)
    whoIsWho(test)
    leaving(test, setup)
    presence(test)
    byHand(test, setup)
    attacks(test, setup)
  })
}
