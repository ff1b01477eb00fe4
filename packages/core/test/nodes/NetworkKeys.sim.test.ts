/** A network whose key is replaced while it works, and what becomes of a node that has only the old one. */
import { assert, describe, it } from "@effect/vitest"
import { type AdvancedNode, Advert, type Crypto, Handshake, NetworkKey, Raw } from "@pnet/core"
import {
  echo,
  failureOf,
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
import { Clock, Deferred, Effect, Fiber, Random, Result } from "effect"
import * as NetworkCipher from "../../src/internal/wire/networkCipher.ts"

const k1 = Result.getOrThrow(NetworkKey.parse(Buffer.alloc(32, 1).toString("base64url") + "="))
const k2 = Result.getOrThrow(NetworkKey.parse(Buffer.alloc(32, 2).toString("base64url") + "="))

const names = ["alice", "bob", "carol", "dave", "erin", "frank"]

const startAll = (network: Net, functions: AdvancedNode.Options["functions"] = { echo }, interval = "2.5 seconds") =>
  Effect.gen(function*() {
    const nodes = yield* Effect.forEach(names, (name) =>
      start(network, {
        name,
        networkKey: k1,
        broadcastInterval: interval as "1 second",
        ...(functions === undefined ? {} : { functions }),
        onMessage: ({ text }) => Effect.succeed(text)
      }))
    for (const { node } of nodes) {
      for (const name of names) if (name !== node.name) yield* node.peers.awaitPeer(name)
    }
    return nodes
  })

const pairs = (nodes: ReadonlyArray<Started>) =>
  nodes.flatMap((from) => nodes.flatMap((to) => from === to ? [] : [[from, to] as const]))

/** Every node in turn, in an order of chance, with time in between. */
const inAnyOrder = <E>(nodes: ReadonlyArray<Started>, f: (node: Started) => Effect.Effect<void, E>) =>
  Effect.gen(function*() {
    for (const node of yield* Random.shuffle(nodes)) {
      yield* f(node)
      yield* Effect.flatMap(Random.next, (random) => Effect.sleep(random * 150))
    }
  })

const coarse = { step: "10 millis" } as const
/** An interval, and the time that a dial may take. */
const renewalOf = (interval: number) => interval + 5_000 + 5_000

/** A call that lasts until it is let go. */
const holding = Effect.gen(function*() {
  const go = yield* Deferred.make<void>()
  let running = 0
  let interrupted = 0
  return {
    go: Deferred.succeed(go, undefined),
    running: () => running,
    interrupted: () => interrupted,
    handler: (({ whole }) =>
      Effect.flatMap(whole, (whole) => {
        running++
        return Effect.as(Deferred.await(go), whole)
      }).pipe(Effect.onInterrupt(() => Effect.sync(() => interrupted++)))) as AdvancedNode.Handler
  }
})

describe("replacing the network key", () => {
  for (const seed of [1]) {
    it.effect(`fails no call, whatever the order of the nodes (seed ${seed})`, () =>
      quietly(
        Effect.gen(function*() {
          const network = yield* SimNetwork.make({ seed, link: { latency: "1 millis" } })
          const held = yield* holding
          const nodes = yield* startAll(network, { echo, held: held.handler })
          // One call of each node lasts from before to after.
          const long = yield* Effect.forEach(nodes, ({ node }, at) =>
            Effect.forkChild(node.request(names[(at + 1) % names.length]!, "held", node.name), {
              startImmediately: true
            }))
          const failures: Array<string> = []
          let calls = 0
          let messages = 0
          let stop = false
          const failed = (from: Started, to: Started) => (error: { readonly message: string }) =>
            Effect.sync(() =>
              void failures.push(`${from.node.name} to ${to.node.name}: ${error.message}`)
            )
          const traffic = yield* Effect.forEach(pairs(nodes), ([from, to]) =>
            Effect.forkChild(Effect.gen(function*() {
              while (!stop) {
                yield* from.node.request(to.node.name, "echo", "x").pipe(
                  Effect.tap((answer) => Effect.sync(() => (assert.strictEqual(text(answer), "x"), calls++))),
                  Effect.catch(failed(from, to))
                )
                yield* Effect.flatMap(Random.next, (random) => Effect.sleep(60 + random * 120))
                yield* from.node.raw.sendText(to.node.name, "y").pipe(
                  Effect.tap((answer) => Effect.sync(() => (assert.strictEqual(answer, "y"), messages++))),
                  Effect.catch(failed(from, to))
                )
                yield* Effect.flatMap(Random.next, (random) => Effect.sleep(60 + random * 120))
              }
            })))
          yield* Effect.sleep("500 millis")
          const sessionsBefore = network.stats().connections
          yield* inAnyOrder(nodes, ({ node }) => node.networkKeys.add(k2))
          yield* inAnyOrder(nodes, ({ node }) => node.networkKeys.promote(k2))
          assert.strictEqual(network.stats().connections, sessionsBefore, "nothing is dialled before a key goes")
          yield* inAnyOrder(nodes, ({ node }) => node.networkKeys.remove(k1))
          yield* Effect.sleep("1 second")
          stop = true
          for (const fiber of traffic) yield* Fiber.join(fiber)
          assert.deepStrictEqual(failures, [])
          assert.isAbove(calls, 200)
          assert.isAbove(messages, 200)
          // Well past the moment at which a peer that had not shown the new key would be out.
          yield* Effect.sleep(renewalOf(2_500) + 2_000)
          assert.strictEqual(held.running(), names.length)
          assert.strictEqual(held.interrupted(), 0)
          yield* held.go
          assert.deepStrictEqual((yield* Effect.forEach(long, Fiber.join)).map(text), names)
          // All is under the new key by now: somebody who has no other is one of them at once.
          yield* Effect.sleep("2 seconds")
          for (const { node } of nodes) {
            assert.isTrue((yield* node.sessions.all).every(({ draining }) => !draining), node.name)
          }
          yield* start(network, { name: "grace", networkKeys: [k2], functions: { echo } })
          for (const { node } of nodes) {
            yield* node.peers.awaitPeer("grace")
            assert.strictEqual(text(yield* node.request("grace", "echo", "z")), "z")
          }
        }).pipe(Random.withSeed(`rotation ${seed}`)),
        coarse
      ), 60_000)
  }
})

/** Takes nodes from the old key to the new one, each step at all of them at once. */
const everyone = (nodes: ReadonlyArray<Started>) =>
  Effect.gen(function*() {
    yield* Effect.forEach(nodes, ({ node }) => node.networkKeys.add(k2))
    yield* Effect.forEach(nodes, ({ node }) => node.networkKeys.promote(k2))
    yield* Effect.forEach(nodes, ({ node }) => node.networkKeys.remove(k1))
    return yield* Clock.currentTimeMillis
  })

describe("a call that is all there is between two nodes", () => {
  for (
    const [title, peers, removers] of [
      ["goes on when both remove the old key at once", "heard", ["alice", "bob"]],
      ["goes on when the one that was called removes it first", "heard", ["alice"]],
      ["goes on when the caller removes it first", "heard", ["bob"]],
      ["goes on where only the caller can reach the other", "listed", ["alice", "bob"]],
      ["goes on where only the caller can reach the other, which removes it first", "listed", ["alice"]]
    ] as const
  ) {
    it.effect(title, () =>
      quietly(
        Effect.gen(function*() {
          const network = yield* SimNetwork.make({ seed: 14, link: { latency: "1 millis" } })
          const held = yield* holding
          const alice = yield* start(network, { name: "alice", networkKey: k1, functions: { held: held.handler } })
          const bob = yield* start(network, {
            name: "bob",
            networkKey: k1,
            ...(peers === "heard"
              ? {}
              : { advertisePort: 4_444, peers: [`${alice.host.address}:${alice.node.endpoint.port}`] })
          })
          yield* bob.node.peers.awaitPeer("alice")
          if (peers === "heard") yield* alice.node.peers.awaitPeer("bob")
          else assert.deepStrictEqual(yield* alice.node.peers.all, [])
          const call = yield* Effect.forkChild(bob.node.request("alice", "held", "x"), { startImmediately: true })
          yield* Effect.sleep("1 second")
          const nodes = [alice, bob]
          for (const { node } of nodes) yield* node.networkKeys.add(k2)
          for (const { node } of nodes) yield* node.networkKeys.promote(k2)
          for (const { node } of nodes) {
            if ((removers as ReadonlyArray<string>).includes(node.name)) yield* node.networkKeys.remove(k1)
          }
          yield* Effect.sleep(renewalOf(2_500) + 2_000)
          for (const { node } of nodes) yield* node.networkKeys.set([k2])
          yield* Effect.sleep(renewalOf(2_500) + 2_000)
          assert.strictEqual(held.interrupted(), 0)
          yield* held.go
          assert.strictEqual(text(yield* Fiber.join(call)), "x")
          yield* Effect.sleep("1 second")
          for (const { node } of nodes) {
            const sessions = yield* node.sessions.all
            assert.deepStrictEqual(sessions.map(({ draining }) => draining), [false], node.name)
          }
        }),
        { step: "20 millis" }
      ))
  }
})

describe("a node that is left behind with the old key", () => {
  // With the shorter one it is its silence that ends its sessions first, with the longer one that it shows no other key.
  for (const interval of [2_500, 20_000]) {
    it.effect(
      `is out within an interval of ${interval} ms and the time of a dial, its sessions ended on both sides`,
      () =>
        quietly(
          Effect.gen(function*() {
            const network = yield* SimNetwork.make({ seed: 11, link: { latency: "1 millis" } })
            const held = yield* holding
            const nodes = yield* startAll(network, { echo, held: held.handler }, `${interval} millis`)
            const behind = nodes[5]!
            const others = nodes.slice(0, 5)
            // It holds a call at one, another holds a call at it, and with a third it has an idle session.
            const outbound = yield* Effect.forkChild(Effect.exit(behind.node.request("alice", "held", "x")), {
              startImmediately: true
            })
            const inbound = yield* Effect.forkChild(Effect.exit(nodes[1]!.node.request("frank", "held", "x")), {
              startImmediately: true
            })
            yield* behind.node.request("carol", "echo", "x")
            yield* Effect.sleep("1 second")
            assert.strictEqual(held.running(), 2)
            assert.strictEqual((yield* behind.node.sessions.all).length, 3)
            const at = yield* everyone(others)

            for (const call of [outbound, inbound]) {
              const error = yield* failureOf(Effect.flatten(Fiber.join(call)))
              assert.include(["StreamResetError", "PeerLostError"], error._tag)
              if (interval > 2_500 && call === inbound) assert.include(error.message, "network key")
            }
            assert.isAtMost((yield* Clock.currentTimeMillis) - at, renewalOf(interval) + 500)
            yield* Effect.sleep("1 second")
            assert.strictEqual(held.interrupted(), 2)
            for (const { node } of others) {
              assert.isFalse((yield* node.sessions.all).some(({ peer }) => peer.name === "frank"), node.name)
            }
            assert.deepStrictEqual(yield* behind.node.sessions.all, [])
            // Nor is there a way back.
            for (const { node } of others) {
              const error = yield* failureOf(node.request("frank", "echo", "x"))
              assert.include(["ProtocolError", "PeerUnknownError"], error._tag, error.message)
            }
            const refused = yield* failureOf(behind.node.request("carol", "echo", "x"))
            assert.include(["ProtocolError", "PeerUnknownError"], refused._tag, refused.message)

            const left = at + 6 * interval + 1_000 - (yield* Clock.currentTimeMillis)
            if (left > 0) yield* Effect.sleep(left)
            for (const { node } of others) {
              assert.deepStrictEqual(
                (yield* node.peers.all).map(({ name }) => name),
                names.filter((name) => name !== node.name && name !== "frank")
              )
            }
            // What it heard in its sessions counts there, until they ended.
            yield* Effect.sleep(renewalOf(interval))
            assert.deepStrictEqual(yield* behind.node.peers.all, [])
            // The others never noticed.
            for (const [from, to] of pairs(others)) {
              assert.strictEqual(text(yield* from.node.request(to.node.name, "echo", "x")), "x")
            }
          }),
          { step: "50 millis" }
        )
    )
  }

  it.effect("cannot hold a session by opening one stream after another", () =>
    quietly(
      Effect.gen(function*() {
        const network = yield* SimNetwork.make({ seed: 12, link: { latency: "1 millis" } })
        const [alice, mallory] = [
          yield* start(network, { name: "alice", networkKey: k1, functions: { echo } }),
          yield* start(network, { name: "mallory", networkKey: k1, functions: { echo } })
        ]
        yield* mallory.node.peers.awaitPeer("alice")
        yield* mallory.node.request("alice", "echo", "x")
        const at = yield* everyone([alice])
        let last = at
        for (let i = 0; i < 400; i++) {
          if ((yield* Effect.exit(mallory.node.request("alice", "echo", "x")))._tag === "Success") {
            last = yield* Clock.currentTimeMillis
          }
          yield* Effect.sleep("50 millis")
        }
        assert.isAtMost(last - at, 500)
        assert.deepStrictEqual(yield* alice.node.sessions.all, [])
      }),
      coarse
    ))

  it.effect("gets no session whose handshake was on its way when the key went", () =>
    quietly(
      Effect.gen(function*() {
        const network = yield* SimNetwork.make({ seed: 13, link: { latency: "100 millis" } })
        const [alice, bob] = [
          yield* start(network, { name: "alice", networkKey: k1, functions: { echo } }),
          yield* start(network, { name: "bob", networkKey: k1, functions: { echo } })
        ]
        yield* alice.node.peers.awaitPeer("bob")
        yield* bob.node.peers.awaitPeer("alice")
        // SYN, SYN-ACK, HELLO, WELCOME, INITIATE, READY: at each moment of it.
        for (const wait of [50, 250, 350, 450, 550, 650]) {
          yield* alice.node.networkKeys.set([k1])
          const call = yield* Effect.forkChild(Effect.exit(bob.node.request("alice", "echo", "x")), {
            startImmediately: true
          })
          yield* Effect.sleep(wait)
          yield* everyone([alice])
          yield* Effect.exit(Effect.timeout(Fiber.join(call), "5 seconds"))
          yield* Fiber.interrupt(call)
          yield* Effect.sleep("2 seconds")
          assert.isTrue(
            (yield* alice.node.sessions.all).every(({ draining }) => draining),
            `removed ${wait} ms after the call`
          )
          yield* Effect.sleep("13 seconds")
          assert.deepStrictEqual(yield* alice.node.sessions.all, [], `${wait} ms`)
          yield* alice.node.networkKeys.set([k1])
          yield* alice.node.peers.awaitPeer("bob")
          yield* bob.node.peers.awaitPeer("alice")
          yield* Effect.sleep("10 seconds")
        }
      }),
      coarse
    ))
})

describe("a handshake whose packets came in under several keys", () => {
  /** A peer by hand, whose HELLO and INITIATE are each under a key of their own. */
  const shaking = (
    bob: Started,
    mallory: Effect.Success<ReturnType<typeof stranger>>,
    crypto: Crypto.Crypto["Service"]
  ) =>
    Effect.gen(function*() {
      const clock = yield* Clock.Clock
      const under = (key: NetworkKey.NetworkKey) =>
        NetworkCipher.make({ crypto, clock, networkId, keys: [NetworkKey.toBytes(key)] })
      const reading = NetworkCipher.make({ crypto, clock, networkId, keys: [k1, k2].map(NetworkKey.toBytes) })
      const connection = yield* mallory.dial(bob)
      const packets = mallory.reader(connection)
      const client = Handshake.client(mallory.handshakeOptions, bob.node.publicKey)
      const say = (key: NetworkKey.NetworkKey, command: Uint8Array) =>
        connection.write(
          mallory.packet("msg", under(key).seal("msg", mallory.identity.publicKey, Raw.toText(command)))
        )
      const read = Effect.map(packets.next, (packet) => Raw.fromText(Result.getOrThrow(reading.open(packet!)).text)!)
      return {
        hello: (key: NetworkKey.NetworkKey) => say(key, client.hello()),
        initiate: (key: NetworkKey.NetworkKey) =>
          Effect.flatMap(read, (welcome) => say(key, Result.getOrThrow(client.welcome(welcome)))),
        ready: read
      }
    })

  const world = (seed: number) =>
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed, traceCapacity: 0, streams: { chunking: "joined" } })
      const crypto = yield* seeded()
      const bob = yield* start(network, { name: "bob", networkKeys: [k2, k1], functions: { echo } })
      const host = yield* network.host("mallory")
      const mallory = () => stranger(network, crypto, { host, name: "mallory" })
      const draining = Effect.map(bob.node.sessions.all, (all) => all.map(({ draining }) => draining))
      return { bob, crypto, draining, host, mallory, network }
    })

  for (const [welcome, ready] of [[k1, k2], [k2, k1]] as const) {
    it.effect(`is over when the key of its ${welcome === k1 ? "WELCOME" : "READY"} alone is removed`, () =>
      quietly(
        Effect.gen(function*() {
          const { bob, crypto, draining, host, mallory, network } = yield* world(59)
          const clock = yield* Clock.Clock
          const cipher = (...keys: ReadonlyArray<NetworkKey.NetworkKey>) =>
            NetworkCipher.make({ crypto, clock, networkId, keys: keys.map(NetworkKey.toBytes) })
          const peer = yield* mallory()
          const { publicKey } = peer.identity
          const listening = yield* peer.listen
          yield* listening.run((connection) =>
            Effect.gen(function*() {
              const server = Handshake.server(peer.handshakeOptions)
              const { next } = peer.reader(connection)
              const read = Effect.map(next, (packet) => ({
                key: packet!.publicKey!,
                command: Raw.fromText(Result.getOrThrow(cipher(k1, k2).open(packet!)).text)!
              }))
              const say = (key: NetworkKey.NetworkKey, command: Uint8Array) =>
                connection.write(peer.packet("rsp", cipher(key).seal("rsp", publicKey, Raw.toText(command))))
              yield* say(welcome, Result.getOrThrow(server.hello((yield* read).command)))
              const second = yield* read
              Result.getOrThrow(server.initiate(second.command, second.key))
              yield* say(ready, server.ready().command)
              return yield* Effect.never
            })
          )
          const advert = Advert.encode({ name: peer.name, host: host.address, port: 49_152 })
          yield* network.inject(host, {
            from: `${host.address}:4001`,
            to: "10.0.0.255:3334",
            payload: peer.packet("adv", cipher(k2).seal("adv", publicKey, advert))
          })
          yield* bob.node.peers.awaitPeer("mallory")
          yield* Effect.forkScoped(Effect.exit(bob.node.request("mallory", "echo", "x")))
          yield* Effect.sleep("1 second")
          assert.deepStrictEqual(yield* draining, [false])
          yield* bob.node.networkKeys.remove(k1)
          yield* Effect.sleep("1 second")
          assert.deepStrictEqual(yield* draining, [true])
        }),
        coarse
      ))
  }

  for (const [hello, initiate] of [[k1, k2], [k2, k1]] as const) {
    it.effect(`is over when the key of its ${hello === k1 ? "HELLO" : "INITIATE"} alone is removed`, () =>
      quietly(
        Effect.gen(function*() {
          const { bob, crypto, draining, mallory } = yield* world(60)
          const peer = yield* shaking(bob, yield* mallory(), crypto)
          yield* peer.hello(hello)
          yield* peer.initiate(initiate)
          yield* peer.ready
          yield* Effect.sleep("1 second")
          assert.deepStrictEqual(yield* draining, [false])
          yield* bob.node.networkKeys.remove(k1)
          yield* Effect.sleep("1 second")
          assert.deepStrictEqual(yield* draining, [true])
        }),
        coarse
      ))
  }

  it.effect("makes a session that drains from its first moment, where one was removed meanwhile", () =>
    quietly(
      Effect.gen(function*() {
        // At several moments, since what looks after sessions twice a second would see it, too.
        for (let seed = 61; seed < 64; seed++) {
          const { bob, crypto, draining, mallory } = yield* world(seed)
          const peer = yield* shaking(bob, yield* mallory(), crypto)
          yield* Effect.sleep((seed - 61) * 170)
          yield* peer.hello(k1)
          yield* Effect.sleep("20 millis")
          yield* bob.node.networkKeys.remove(k1)
          yield* peer.initiate(k2)
          yield* peer.ready
          assert.deepStrictEqual(yield* draining, [true])
        }
      }),
      { step: "1 millis" }
    ))
})
