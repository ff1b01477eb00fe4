/** What becomes of the connections between nodes: kept, shared, bounded, closed, lost and made again. */
import { assert, describe, it } from "@effect/vitest"
import {
  Advert,
  type BasicNode,
  Crypto,
  Identity,
  Packet,
  type Peers,
  PortableCrypto,
  Raw,
  type Transport
} from "@pnet/core"
import { SimNetwork, SimWorld } from "@pnet/testing"
import { failureOf } from "@pnet/testing/NodeSuite"
import { Clock, Deferred, Effect, Fiber, Logger, Metric, type Scope } from "effect"

const test = (
  title: string,
  body: Effect.Effect<void, unknown, Scope.Scope>,
  options?: Parameters<typeof SimWorld.passing>[0]
) =>
  it.effect(title, () =>
    body.pipe(
      Effect.scoped,
      SimWorld.passing(options),
      Effect.provideService(Metric.MetricRegistry, new Map()),
      Effect.provide(Logger.layer([]))
    ))

const slowly = { step: "20 millis" } as const

/** The streams that a host holds, by the other end's host. */
const streams = (network: SimNetwork.SimNetwork["Service"], host: string) =>
  network.openSockets().filter((socket) => socket.kind === "stream" && socket.host === host)

type Options = Partial<BasicNode.Options>

/** Nodes that know each other; `echo` is how they answer unless they say otherwise. */
const nodes = <const Names extends ReadonlyArray<string>>(
  network: SimNetwork.SimNetwork["Service"],
  options: { readonly [N in Names[number]]: Options }
) =>
  Effect.gen(function*() {
    const started = yield* Effect.forEach(Object.entries<Options>(options), ([name, each]) =>
      SimWorld.startNode(network, {
        name,
        onMessage: ({ data }) =>
          Effect.succeed(data),
        ...each
      }))
    for (const { node } of started) {
      for (const other of started) {
        if (other.node !== node) {
          yield* node.peers.awaitPeer(other.node.name)
        }
      }
    }
    return Object.fromEntries(started.map((each) => [each.node.name, each])) as unknown as {
      readonly [N in Names[number]]: SimWorld.SimNode
    }
  })

const two = (network: SimNetwork.SimNetwork["Service"], alice: Options = {}, bob: Options = {}) =>
  nodes<["alice", "bob"]>(network, { alice, bob })

/** A handler that notes what comes and holds it until it is let go. */
const holding = () => {
  const handled: Array<string> = []
  let go = Deferred.makeUnsafe<void>()
  return {
    handled,
    release: Effect.suspend(() => {
      const before = go
      go = Deferred.makeUnsafe()
      return Deferred.succeed(before, undefined)
    }),
    handler: (({ data, text }) => {
      handled.push(text)
      return Effect.as(Deferred.await(go), data)
    }) as BasicNode.MessageHandler
  }
}

const timed = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const start = yield* Clock.currentTimeMillis
    const value = yield* effect
    return [(yield* Clock.currentTimeMillis) - start, value] as const
  })

const lostWith = (error: { readonly _tag: string } | undefined, expected: Partial<Peers.PeerLostError>) => {
  assert.strictEqual(error?._tag, "PeerLostError")
  assert.deepInclude(error as object, expected)
}

const accepted = (outcome: string): Effect.Effect<number> =>
  Effect.map(Metric.snapshot, (all) =>
    all.reduce(
      (sum, metric) =>
        metric.type === "Counter" && metric.id === "pnet_connections_accepted" &&
          metric.attributes?.["outcome"] === outcome
          ? sum + Number(metric.state.count)
          : sum,
      0
    ))

describe("RAW connections", () => {
  test(
    "are shared by all messages to a peer, one after another and at once, and are one for each direction",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 1 })
      const { alice, bob } = yield* two(network)
      for (let i = 0; i < 20; i++) yield* alice.node.send("bob", `${i}`)
      yield* Effect.forEach(Array.from({ length: 200 }, (_, i) => String(i)), (text) => alice.node.send("bob", text), {
        concurrency: "unbounded"
      })
      assert.strictEqual(network.stats().connections, 1)
      yield* bob.node.send("alice", "x")
      yield* alice.node.send("bob", "x")
      assert.strictEqual(network.stats().connections, 2)
      assert.strictEqual(streams(network, "alice").length, 2)
    })
  )

  test(
    "are closed by whoever dialled after 45 s without use, and made again",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 2 })
      const { alice } = yield* two(network)
      const open = () => [streams(network, "alice").length, streams(network, "bob").length]
      yield* alice.node.send("bob", "x")
      // Used now and then, it stays.
      for (let i = 0; i < 4; i++) {
        yield* Effect.sleep("40 seconds")
        yield* alice.node.send("bob", "x")
      }
      assert.strictEqual(network.stats().connections, 1)
      yield* Effect.sleep("44 seconds")
      assert.deepStrictEqual(open(), [1, 1])
      yield* Effect.sleep("2 seconds")
      assert.deepStrictEqual(open(), [0, 0])
      assert.strictEqual(network.stats().resets, 0)
      yield* alice.node.send("bob", "x")
      assert.strictEqual(network.stats().connections, 2)
      assert.deepStrictEqual(open(), [1, 1])
    }),
    slowly
  )

  test(
    "are closed by whoever accepted after 60 s without use, and messages do not notice",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 3 })
      const { alice } = yield* two(network, { limits: { dialledIdleTimeout: "1 hour" } })
      yield* alice.node.send("bob", "x")
      yield* Effect.sleep("59 seconds")
      assert.strictEqual(streams(network, "bob").length, 1)
      yield* Effect.sleep("2 seconds")
      assert.strictEqual(streams(network, "bob").length, 0)
      assert.strictEqual(streams(network, "alice").length, 0)
      yield* alice.node.send("bob", "x")
      assert.strictEqual(network.stats().connections, 2)
    }),
    slowly
  )

  test(
    "are not idle while somebody waits for an answer",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 4 })
      const { alice } = yield* two(network, {}, {
        onMessage: ({ data }) => Effect.as(Effect.sleep("3 minutes"), data)
      })
      const [took] = yield* timed(alice.node.send("bob", "slow", { timeout: "10 minutes" }))
      assert.closeTo(took, 180_000, 100)
      assert.strictEqual(network.stats().connections, 1)
    }),
    slowly
  )

  test(
    "leave nothing open when the nodes close",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 5 })
      const { alice, bob } = yield* two(network)
      yield* alice.node.send("bob", "x")
      yield* bob.node.send("alice", "x")
      yield* alice.process.stop
      yield* Effect.sleep("100 millis")
      assert.deepStrictEqual(streams(network, "bob"), [])
      yield* bob.process.stop
      assert.deepStrictEqual(network.openSockets(), [])
    })
  )
})

describe("limits of the asking side", () => {
  test(
    "dialledConnections: the longest idle one is closed for a new one",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 6 })
      const { alice } = yield* nodes<["alice", "b", "c", "d"]>(network, {
        alice: { limits: { dialledConnections: 2 } },
        b: {},
        c: {},
        d: {}
      })
      const send = (to: string) => Effect.andThen(alice.node.send(to, "x"), Effect.sleep("100 millis"))
      yield* send("b")
      yield* send("c")
      yield* send("b")
      yield* send("d")
      yield* Effect.sleep("1 second")
      assert.deepStrictEqual(["b", "c", "d"].map((host) => streams(network, host).length), [1, 0, 1])
      assert.strictEqual(streams(network, "alice").length, 2)
      assert.strictEqual(network.stats().connections, 3)
      yield* send("b")
      assert.strictEqual(network.stats().connections, 3)
    })
  )

  test(
    "dialledConnections: where all are in use, a message to another peer waits for one to become free",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 7 })
      const held = holding()
      const { alice } = yield* nodes<["alice", "b", "c", "d", "e"]>(network, {
        alice: { limits: { dialledConnections: 2 } },
        b: { onMessage: held.handler },
        c: { onMessage: held.handler },
        d: {},
        e: {}
      })
      const busy = yield* Effect.forEach(["b", "c"], (to) => Effect.forkChild(alice.node.send(to, to)))
      yield* Effect.sleep("1 second")
      assert.deepStrictEqual(held.handled.toSorted(), ["b", "c"])
      const waiting = yield* Effect.forEach(["d", "e"], (to) => Effect.forkChild(alice.node.sendText(to, to)))
      yield* Effect.sleep("5 seconds")
      for (const fiber of waiting) assert.isUndefined(fiber.pollUnsafe())
      assert.strictEqual(streams(network, "alice").length, 2)
      yield* held.release
      for (const fiber of busy) yield* Fiber.join(fiber)
      // They may have to wait for a place that nobody uses, but not for longer.
      const [took, answers] = yield* timed(Effect.forEach(waiting, Fiber.join))
      assert.deepStrictEqual(answers, ["d", "e"])
      assert.isBelow(took, 1_000)
      assert.isAtMost(streams(network, "alice").length, 2)
    }),
    slowly
  )

  test(
    "dialledConnections: those who wait are told when the node closes",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 8 })
      const held = holding()
      const { alice } = yield* nodes<["alice", "b", "c"]>(network, {
        alice: { limits: { dialledConnections: 1 } },
        b: { onMessage: held.handler },
        c: {}
      })
      const sending = yield* Effect.forEach(["b", "c"], (to) => Effect.forkChild(failureOf(alice.node.send(to, to))))
      yield* Effect.sleep("1 second")
      const [took] = yield* timed(alice.process.stop)
      for (const fiber of sending) assert.strictEqual((yield* Fiber.join(fiber))._tag, "NodeClosedError")
      assert.isBelow(took, 1_000)
    })
  )

  test(
    "pendingSends: further messages to that peer wait, and all are handled in order",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 9 })
      const held = holding()
      let packets = 0
      const { alice, bob } = yield* two(network, { limits: { pendingSends: 3 } }, { onMessage: held.handler })
      yield* network.intercept(({ payload, protocol, to }) => {
        if (protocol === "tcp" && to === `${bob.host.address}:${bob.node.endpoint.port}`) {
          for (const byte of payload) if (byte === 10) packets++
        }
        return "pass"
      })
      const texts = Array.from({ length: 10 }, (_, i) => String(i))
      const sending = yield* Effect.forEach(texts, (text) => Effect.forkChild(alice.node.sendText("bob", text)))
      yield* Effect.sleep("2 seconds")
      assert.strictEqual(packets, 3)
      assert.deepStrictEqual(held.handled, ["0"])
      for (let i = 1; i <= 10; i++) {
        yield* held.release
        yield* Effect.sleep("500 millis")
        assert.isAtMost(packets, 3 + i)
      }
      assert.deepStrictEqual(yield* Effect.forEach(sending, Fiber.join), texts)
      assert.deepStrictEqual(held.handled, texts)
      assert.strictEqual(network.stats().connections, 1)
    }),
    slowly
  )

  test(
    "pendingSends: who gives up makes room only for whom the peer has answered",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 10 })
      const held = holding()
      const { alice } = yield* two(network, { limits: { pendingSends: 2 } }, { onMessage: held.handler })
      const first = yield* failureOf(alice.node.send("bob", "given up", { timeout: "1 second" }))
      assert.strictEqual(first._tag, "DeadlineError")
      const rest = yield* Effect.forEach(["b", "c"], (text) => Effect.forkChild(alice.node.sendText("bob", text)))
      yield* Effect.sleep("1 second")
      assert.deepStrictEqual(held.handled, ["given up"])
      for (let i = 0; i < 3; i++) yield* Effect.andThen(held.release, Effect.sleep("500 millis"))
      assert.deepStrictEqual(yield* Effect.forEach(rest, Fiber.join), ["b", "c"])
      assert.deepStrictEqual(held.handled, ["given up", "b", "c"])
    }),
    slowly
  )

  test(
    "writeTimeout: a peer that takes no bytes loses its connection, and who waited is told",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 11 })
      // So rarely heard that membership does not come first.
      const rarely = { broadcastInterval: "10 minutes" as const }
      const { alice, bob } = yield* two(network, { ...rarely, limits: { writeTimeout: "7 seconds" } }, rarely)
      yield* alice.node.send("bob", "x")
      yield* bob.process.pause
      const large = new Uint8Array(98_000)
      const sending = yield* Effect.forEach(
        Array.from({ length: 6 }),
        () => Effect.forkChild(timed(failureOf(alice.node.send("bob", large))))
      )
      const [took, error] = yield* Fiber.join(sending[0]!)
      lostWith(error, { reason: "Disconnected", mayHaveRun: true })
      assert.isTrue(took >= 7_000 && took <= 7_200, `after ${took}`)
      yield* bob.process.resume
      // The others were behind it on the same connection, or are sent again on another.
      yield* Effect.forEach(sending, Fiber.await)
      assert.strictEqual((yield* alice.node.send("bob", "y")).length, 1)
    }),
    slowly
  )
})

describe("limits of the answering side", () => {
  test(
    "rawConnections: one more is answered ERR_BUSY, which the asker tries again until there is room",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 12 })
      const handled: Array<string> = []
      const { bob, carol } = yield* nodes<["alice", "bob", "carol"]>(network, {
        alice: {
          limits: { rawConnections: 1 },
          onMessage: ({ data, text }) => {
            handled.push(text)
            return Effect.succeed(data)
          }
        },
        bob: { limits: { dialledIdleTimeout: "8 seconds" } },
        carol: {}
      })
      yield* bob.node.send("alice", "from bob")
      const [took, answer] = yield* timed(carol.node.sendText("alice", "from carol"))
      assert.strictEqual(answer, "from carol")
      assert.isTrue(took >= 7_900 && took < 10_500, `after ${took}`)
      assert.deepStrictEqual(handled, ["from bob", "from carol"])
      // Every 100 to 300 ms.
      assert.isAtLeast(yield* accepted("ERR_BUSY"), 25)
      assert.isAtMost(yield* accepted("ERR_BUSY"), 80)
    }),
    slowly
  )

  test(
    "rawConnections: who waits no longer than it said is told in time",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 13 })
      const { bob, carol } = yield* nodes<["alice", "bob", "carol"]>(network, {
        alice: { limits: { rawConnections: 1 } },
        bob: {},
        carol: {}
      })
      yield* bob.node.send("alice", "from bob")
      const [took, error] = yield* timed(failureOf(carol.node.send("alice", "x", { timeout: "3 seconds" })))
      assert.strictEqual(error._tag, "DeadlineError")
      assert.closeTo(took, 3_000, 50)
      yield* Effect.sleep("3 seconds")
      assert.strictEqual(streams(network, "carol").length, 0, "nobody waits, so nothing is tried")
    }),
    slowly
  )

  /** What a connection hears until it ends; `undefined` while it has not. */
  const listenTo = (connection: Transport.Connection) =>
    Effect.gen(function*() {
      let heard = ""
      return yield* Effect.forever(Effect.map(connection.pull, (chunks) => {
        for (const chunk of chunks) heard += new TextDecoder().decode(chunk)
      })).pipe(Effect.catch(() => Effect.sync(() => heard)))
    })

  /** What a node answers to packets, one after another on one connection; each is the next of what it is given. */
  const said = (
    outside: SimNetwork.Host,
    { host, node }: SimWorld.SimNode,
    packets: ReadonlyArray<Uint8Array>
  ) =>
    Effect.gen(function*() {
      const connection = yield* SimWorld.dial(outside, { host: host.address, port: node.endpoint.port })
      for (const packet of packets) {
        yield* connection.write(packet)
        yield* Effect.sleep("100 millis")
      }
      return (yield* listenTo(connection)).split("\n").slice(0, -1).map((line) => line.split("|").slice(1, 3))
    })

  test(
    "an advert asks once on a connection, and an err that opens one ends it without a word",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 16 })
      const outside = yield* network.host("outside")
      const bob = yield* SimWorld.startNode(network, { name: "bob" })
      const { networkId } = bob.node
      const crypto = yield* Effect.provide(Crypto.Crypto, PortableCrypto.layer)
      const { publicKey } = crypto.generateKeyPair()
      const advert = Packet.encode({
        networkId,
        type: "adv",
        publicKey,
        content: Advert.encode({ name: Packet.NodeName.make("eve"), host: "10.0.0.9", port: 4_000 })
      })
      const answers = yield* said(outside, bob, [advert, advert])
      assert.deepStrictEqual(answers.map(([type]) => type), ["adv", "err"])
      assert.strictEqual(answers[1]?.[1], "ERR_PACKET_TYPE")
      const others = Packet.NetworkId.make("another")
      for (
        const err of [
          Packet.encode(Packet.err(networkId, "ERR_BUSY", publicKey)),
          Packet.encode(Packet.err(others, "ERR_BUSY", publicKey)),
          new TextEncoder().encode(`${networkId}|err|ERR_BUSY|not a key|END\n`),
          new TextEncoder().encode(`${networkId}|err|ERR_BUSY|END\n`)
        ]
      ) {
        assert.deepStrictEqual(yield* said(outside, bob, [err]), [])
        // Nor behind an advert.
        assert.deepStrictEqual((yield* said(outside, bob, [advert, err])).map(([type]) => type), ["adv"])
      }
      const answered = yield* said(outside, bob, [new TextEncoder().encode(`${others}|msg|err|not a key|END\n`)])
      assert.deepStrictEqual(answered, [["err", "ERR_NETWORK_INCORRECT"]])
    })
  )

  test(
    "a RAW connection speaks for the key of its first message and no other",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 17 })
      const outside = yield* network.host("outside")
      const handled: Array<string> = []
      const bob = yield* SimWorld.startNode(network, {
        name: "bob",
        onMessage: ({ text }) => Effect.sync(() => void handled.push(text))
      })
      const { networkId, publicKey: to } = bob.node
      const crypto = yield* Effect.provide(Crypto.Crypto, PortableCrypto.layer)
      const messageOf = (name: string) =>
        Effect.map(Clock.currentTimeMillis, (now) => {
          const { publicKey, secretKey } = crypto.generateKeyPair()
          const command = Raw.seal(crypto, crypto.sharedKey(to, secretKey), {
            kind: "request",
            to,
            networkId,
            name: Packet.NodeName.make(name),
            stamp: now * 1_000 + 1_000,
            payload: new TextEncoder().encode(name)
          })
          return Packet.encode({ networkId, type: "msg", publicKey, content: Raw.toText(command) })
        })
      yield* Effect.sleep("1 second")
      const answers = yield* said(outside, bob, [yield* messageOf("eve"), yield* messageOf("mallory")])
      assert.deepStrictEqual(answers.map(([type]) => type), ["rsp", "err"])
      assert.strictEqual(answers[1]?.[1], "ERR_PUBLIC_KEY")
      // An err behind it is answered by none, be it another network's.
      const err = Packet.encode(Packet.err(Packet.NetworkId.make("another"), "ERR_BUSY", null))
      const [only, ...more] = yield* said(outside, bob, [yield* messageOf("eve"), err])
      assert.deepStrictEqual([only?.[0], more], ["rsp", []])
      assert.deepStrictEqual(handled, ["eve", "eve"])
    })
  )

  test(
    "refusals: so many are told ERR_BUSY at once, and those beyond are closed without a word",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 14 })
      const { node, host } = yield* SimWorld.startNode(network, {
        name: "bob",
        limits: { pendingConnections: 2, pendingPerAddress: 100, refusals: 3, firstPacketTimeout: "30 seconds" }
      })
      const outside = yield* network.host("outside")
      const dial = SimWorld.dial(outside, { host: host.address, port: node.endpoint.port })
      yield* dial
      yield* dial
      yield* Effect.sleep("100 millis")
      const listening = yield* Effect.forEach(
        Array.from({ length: 6 }),
        () => Effect.forkChild(Effect.flatMap(dial, listenTo))
      )
      const heard = yield* Effect.forEach(listening, Fiber.join)
      const told = new TextDecoder().decode(Packet.encode(Packet.err(node.networkId, "ERR_BUSY", null)))
      assert.deepStrictEqual(heard.toSorted(), ["", "", "", told, told, told])
      assert.strictEqual(yield* accepted("ERR_BUSY"), 3)
      assert.strictEqual(yield* accepted("dropped"), 3)
      // A second later there is room for refusals again.
      yield* Effect.sleep("1100 millis")
      assert.strictEqual(yield* Effect.flatMap(dial, listenTo), told)
    })
  )

  test(
    "pendingConnections: those that said nothing make room after their time",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 15 })
      const { alice, bob } = yield* two(network, {}, { limits: { pendingConnections: 2, pendingPerAddress: 2 } })
      const outside = yield* network.host("outside")
      const dial = SimWorld.dial(outside, { host: bob.host.address, port: bob.node.endpoint.port })
      yield* dial
      yield* dial
      yield* Effect.sleep("100 millis")
      const [took, answer] = yield* timed(alice.node.sendText("bob", "x"))
      assert.strictEqual(answer, "x")
      assert.isTrue(took >= 4_500 && took <= 7_500, `after ${took}`)
    }),
    slowly
  )

  // With few, all are handled and the node waits for more; with many, it waits for room for their answers.
  for (const count of [3, 50]) {
    test(
      `writeTimeout: an asker that takes none of ${count} answers loses its connection, and its place`,
      Effect.gen(function*() {
        const network = yield* SimNetwork.make({ seed: 16 })
        const rarely = { broadcastInterval: "10 minutes" as const }
        const large = new Uint8Array(98_000)
        let handled = 0
        const { alice, bob, carol } = yield* nodes<["alice", "bob", "carol"]>(network, {
          alice: rarely,
          bob: {
            ...rarely,
            limits: { rawConnections: 1 },
            onMessage: () =>
              Effect.suspend(() => {
                handled++
                return Effect.as(Effect.sleep("20 millis"), large)
              })
          },
          carol: rarely
        })
        // Small to ask for, large to answer.
        yield* Effect.forkChild(alice.process.run(
          Effect.forEach(Array.from({ length: count }), () => Effect.exit(alice.node.send("bob", "x")), {
            concurrency: "unbounded"
          })
        ))
        yield* Effect.sleep("10 millis")
        yield* Effect.acquireRelease(alice.process.pause, () => alice.process.resume)
        yield* Effect.sleep("9 seconds")
        assert.strictEqual(streams(network, "bob").length, 1)
        assert.isAtMost(handled, 10, "answers that wait to be written are few")
        yield* Effect.sleep("4 seconds")
        assert.strictEqual(streams(network, "bob").length, 0)
        const [took, answer] = yield* timed(carol.node.send("bob", "x"))
        assert.strictEqual(answer.length, large.length)
        assert.isBelow(took, 1_000)
        assert.isTrue(bob.process.isAlive())
      }),
      slowly
    )
  }
})

describe("peers that go", () => {
  for (const busy of [true, false]) {
    test(
      `a process that is killed ${
        busy ? "while it handles a message" : "with unread messages"
      } is PeerLostError at once`,
      Effect.gen(function*() {
        const network = yield* SimNetwork.make({ seed: 17 })
        const held = holding()
        const { alice, bob } = yield* two(network, {}, { onMessage: held.handler })
        if (!busy) yield* bob.process.pause
        const sending = yield* Effect.forEach(
          ["a", "b"],
          (text) => Effect.forkChild(timed(failureOf(alice.node.send("bob", text))))
        )
        yield* Effect.sleep("1 second")
        yield* bob.process.kill
        for (const fiber of sending) {
          const [took, error] = yield* Fiber.join(fiber)
          lostWith(error, { reason: "Disconnected", mayHaveRun: true, publicKey: bob.node.publicKey })
          assert.isBelow(took, 1_100)
        }
        // And from now on it is refused, until membership knows.
        const [took, error] = yield* timed(failureOf(alice.node.send("bob", "x")))
        assert.strictEqual(error._tag, "DialError")
        assert.isBelow(took, 100)
      })
    )
  }

  test(
    "a host that loses power is PeerLostError when membership says so, within twelve seconds",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 18 })
      const held = holding()
      const { alice, bob } = yield* two(network, {}, { onMessage: held.handler })
      const sending = yield* Effect.forkChild(failureOf(alice.node.send("bob", "x")))
      yield* Effect.sleep("5 seconds")
      yield* bob.host.crash
      const [took, error] = yield* timed(Fiber.join(sending))
      lostWith(error, { reason: "NoAnswer", mayHaveRun: true })
      assert.isTrue(took > 7_000 && took <= 12_000, `after ${took}`)
      assert.strictEqual((yield* failureOf(alice.node.send("bob", "x")))._tag, "PeerUnknownError")
      yield* Effect.sleep("100 millis")
      assert.strictEqual(streams(network, "alice").length, 0)
    }),
    slowly
  )

  test(
    "a partition that is short delays a message and no more; a long one loses the peer, and when it heals all is well",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 19 })
      const { alice, bob } = yield* two(network)
      yield* alice.node.send("bob", "x")
      yield* network.partition("alice", "bob")
      const delayed = yield* Effect.forkChild(timed(alice.node.sendText("bob", "delayed")))
      yield* Effect.sleep("2 seconds")
      yield* network.heal()
      const [wait, text] = yield* Fiber.join(delayed)
      assert.strictEqual(text, "delayed")
      assert.isTrue(wait >= 2_000 && wait < 5_000, `after ${wait}`)

      yield* network.partition("alice", "bob")
      const [took, error] = yield* timed(failureOf(alice.node.send("bob", "lost")))
      lostWith(error, { reason: "NoAnswer", mayHaveRun: true })
      assert.isAtMost(took, 12_000)
      yield* Effect.sleep("5 seconds")
      assert.isUndefined(yield* bob.node.peers.get("alice"))
      yield* network.heal()
      const [back] = yield* timed(alice.node.peers.awaitPeer("bob"))
      assert.isAtMost(back, 2_800)
      yield* bob.node.peers.awaitPeer("alice")
      assert.strictEqual(yield* alice.node.sendText("bob", "again"), "again")
      assert.strictEqual(yield* bob.node.sendText("alice", "and back"), "and back")
    }),
    slowly
  )

  test(
    "a peer that restarts on another port with its key is reached there at once, without having said that it left",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 20 })
      const identity = yield* Effect.provide(Identity.generate, PortableCrypto.layer)
      const { alice, bob } = yield* two(network, {}, { identity })
      assert.strictEqual(yield* alice.node.sendText("bob", "before"), "before")
      yield* bob.process.kill
      const again = yield* SimWorld.startNode(network, {
        name: "bob",
        identity,
        onMessage: ({ text }) => Effect.succeed(`restarted: ${text}`)
      }, { host: bob.host })
      assert.notStrictEqual(again.node.endpoint.port, bob.node.endpoint.port)
      yield* Effect.sleep("50 millis")
      const [took, answer] = yield* timed(alice.node.sendText("bob", "x"))
      assert.strictEqual(answer, "restarted: x")
      assert.isBelow(took, 300)
      // What answered is asked first from now on.
      assert.strictEqual((yield* alice.node.peers.resolveOne("bob")).endpoints[0]!.port, again.node.endpoint.port)
    })
  )
})

describe("peers with several addresses", () => {
  /** Two hosts on two LANs, which know each other on both. */
  const twice = (options?: SimNetwork.Options) =>
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ lans: { a: {}, b: {} }, ...options })
      const interfaces = [{ lan: "a" }, { lan: "b" }]
      const start = (name: string) =>
        Effect.flatMap(network.host(name, { interfaces }), (host) =>
          SimWorld.startNode(network, { name, onMessage: ({ data }) => Effect.succeed(data) }, { host }))
      const [alice, bob] = [yield* start("alice"), yield* start("bob")]
      yield* alice.node.peers.awaitPeer("bob")
      yield* Effect.sleep("1 second")
      const { endpoints } = yield* alice.node.peers.resolveOne("bob")
      assert.deepStrictEqual(
        endpoints.map(({ host }) =>
          host
        ).toSorted(),
        ["10.0.0.2", "10.0.1.2"]
      )
      return { network, alice, bob, endpoints }
    })

  for (const dead of [0, 1]) {
    test(
      `the one that lives is reached quickly, where ${dead === 0 ? "the first" : "another"} is dead`,
      Effect.gen(function*() {
        const { alice, bob, endpoints, network } = yield* twice({ seed: 21 })
        yield* bob.host.setLinkUp(endpoints[dead]!.host === "10.0.0.2" ? "eth0" : "eth1", false)
        const [took, answer] = yield* timed(alice.node.sendText("bob", "x"))
        assert.strictEqual(answer, "x")
        assert.isTrue(dead === 0 ? took >= 250 && took < 350 : took < 50, `after ${took}`)
        // The attempt that lost is not kept.
        assert.strictEqual(streams(network, "alice").length, 1)
        assert.strictEqual((yield* alice.node.peers.resolveOne("bob")).endpoints[0]!.host, endpoints[1 - dead]!.host)
      })
    )
  }

  test(
    "where all live, the first is taken and the others are left alone",
    Effect.gen(function*() {
      const { alice, endpoints, network } = yield* twice({ seed: 22 })
      yield* alice.node.send("bob", "x")
      assert.strictEqual(network.stats().connections, 1)
      yield* Effect.sleep("1 second")
      assert.strictEqual(network.stats().connections, 1)
      assert.strictEqual(streams(network, "alice")[0]!.remote!.split(":")[0], endpoints[0]!.host)
    })
  )

  test(
    "where the first refuses, the next is asked at once",
    Effect.gen(function*() {
      const { alice, bob, network } = yield* twice({ seed: 23 })
      // The same host, restarted on another port, has two addresses where nobody listens any more.
      yield* alice.node.send("bob", "x")
      const identity = yield* Effect.provide(Identity.generate, PortableCrypto.layer)
      yield* bob.process.stop
      const carol = yield* SimWorld.startNode(network, { name: "carol", identity, onMessage: () => Effect.void }, {
        host: bob.host
      })
      yield* alice.node.peers.awaitPeer("carol")
      yield* alice.node.send("carol", "x")
      yield* carol.process.kill
      yield* SimWorld.startNode(network, { name: "carol", identity, onMessage: () => Effect.void }, { host: bob.host })
      yield* Effect.sleep("500 millis")
      assert.isAbove((yield* alice.node.peers.resolveOne("carol")).endpoints.length, 2)
      const [took] = yield* timed(alice.node.send("carol", "x"))
      assert.isBelow(took, 50)
    })
  )

  test(
    "where none answers, that is a DialError of the likeliest, after the time for each",
    Effect.gen(function*() {
      const { alice, bob, endpoints, network } = yield* twice({ seed: 24 })
      yield* bob.host.setLinkUp("eth0", false)
      yield* bob.host.setLinkUp("eth1", false)
      const [took, error] = yield* timed(failureOf(alice.node.send("bob", "x")))
      assert.strictEqual(error._tag, "DialError")
      assert.deepInclude(error as object, { kind: "Timeout", host: endpoints[0]!.host, peer: "bob" })
      assert.include(error.message, `cannot connect to "bob" at ${endpoints[0]!.host}:`)
      assert.include(error.message, "trying again is safe")
      assert.isTrue(took >= 5_249 && took < 5_500, `after ${took}`)
      assert.deepStrictEqual(streams(network, "alice"), [])
    }),
    slowly
  )
})
