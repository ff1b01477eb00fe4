/** A trust policy that changes while nodes run, and strangers who would use up the pins. */
import { assert, describe, it } from "@effect/vitest"
import {
  type AdvancedNode,
  AllowListTrust,
  BasicNode,
  Crypto,
  Handshake,
  type Packet,
  Raw,
  TofuTrust,
  Trust
} from "@pnet/core"
import { echo, failureOf, quietly, seeded, start, text } from "@pnet/lab/worlds/sessionWorld"
import { stranger } from "@pnet/lab/worlds/stranger"
import { SimNetwork, SimWorld } from "@pnet/testing"
import { Clock, Deferred, Effect, Fiber, Layer, Result } from "effect"

const nameOf = (name: string) => name as Packet.NodeName
const coarse = { step: "10 millis" } as const

/** A function that never answers, and whether it is running. */
const stuck = Effect.map(Deferred.make<void>(), (begun) => {
  let interrupted = 0
  return {
    begun: Deferred.await(begun),
    interrupted: () => interrupted,
    handler: (() =>
      Effect.andThen(Deferred.succeed(begun, undefined), Effect.never).pipe(
        Effect.onInterrupt(() => Effect.sync(() => interrupted++))
      )) as AdvancedNode.Handler
  }
})

describe("a policy that changes", () => {
  it.effect("ends the sessions of a peer that is taken off the allow list, whoever opened them, and lets it back in", () =>
    quietly(
      Effect.gen(function*() {
        for (const opener of ["alice", "bob"] as const) {
          const network = yield* SimNetwork.make({ seed: 21, link: { latency: "1 millis" } })
          const list = yield* Effect.orDie(AllowListTrust.make([]))
          const served = yield* stuck
          const functions = { echo, stuck: served.handler }
          const alice = yield* start(network, { name: "alice", functions }, { trust: Layer.succeed(Trust.Trust, list) })
          const bob = yield* start(network, { name: "bob", functions })
          const carol = yield* start(network, { name: "carol", functions })
          yield* Effect.orDie(list.set([["bob", bob.node.publicKey], ["carol", carol.node.publicKey]]))
          const [from, to] = opener === "alice" ? [alice, bob] : [bob, alice]
          for (const peer of ["bob", "carol"]) yield* alice.node.peers.awaitPeer(peer)
          for (const { node } of [bob, carol]) yield* node.peers.awaitPeer("alice")
          const call = yield* Effect.forkChild(Effect.exit(from.node.request(to.node.name, "stuck", "x")), {
            startImmediately: true
          })
          yield* alice.node.request("carol", "echo", "x")
          yield* served.begun

          const at = yield* Clock.currentTimeMillis
          yield* list.remove("bob")
          const error = yield* failureOf(Effect.flatten(Fiber.join(call)))
          assert.isAtMost((yield* Clock.currentTimeMillis) - at, 50)
          assert(error._tag === "PeerLostError", error.message)
          assert.strictEqual(error.reason, opener === "alice" ? "Untrusted" : "UntrustedByPeer")
          assert.include(error.message, "trust policy")
          yield* Effect.sleep("20 millis")
          assert.strictEqual(served.interrupted(), 1)
          assert.deepStrictEqual((yield* alice.node.sessions.all).map(({ peer }) => peer.name), ["carol"])
          assert.deepStrictEqual(yield* bob.node.sessions.all, [])

          assert.strictEqual((yield* failureOf(alice.node.request("bob", "echo", "x")))._tag, "UntrustedPeerError")
          const refused = yield* failureOf(bob.node.request("alice", "echo", "x"))
          assert(refused._tag === "ProtocolError" && refused.code === "ERR_UNTRUSTED", refused.message)
          yield* Effect.orDie(list.add("bob", bob.node.publicKey))
          assert.strictEqual(text(yield* bob.node.request("alice", "echo", "back")), "back")
        }
      }),
      coarse
    ))

  it.effect("a revoked key is refused under any name, a pin that changes ends the old key's sessions, and no others end", () =>
    quietly(
      Effect.gen(function*() {
        const network = yield* SimNetwork.make({ seed: 22, link: { latency: "1 millis" } })
        const tofu = TofuTrust.make()
        const functions = { echo }
        const alice = yield* start(network, { name: "alice", functions }, { trust: Layer.succeed(Trust.Trust, tofu) })
        const others = yield* Effect.forEach(["bob", "carol", "dave"], (name) => start(network, { name, functions }))
        for (const { node } of others) {
          yield* node.peers.awaitPeer("alice")
          yield* alice.node.peers.awaitPeer(node.name)
          yield* node.request("alice", "echo", "x")
        }
        const [bob, carol] = others
        yield* tofu.revoke(bob!.node.publicKey)
        yield* Effect.sleep("50 millis")
        assert.deepStrictEqual((yield* alice.node.sessions.all).map(({ peer }) => peer.name).sort(), ["carol", "dave"])
        assert.strictEqual(yield* tofu.expected(nameOf("bob")), bob!.node.publicKey)
        const revoked = yield* failureOf(tofu.check(nameOf("zoe"), bob!.node.publicKey))
        assert.strictEqual(revoked.kind, "Revoked")
        const refused = yield* failureOf(bob!.node.request("alice", "echo", "x"))
        assert.strictEqual(refused._tag === "ProtocolError" && refused.code, "ERR_UNTRUSTED")

        const crypto = yield* seeded()
        yield* tofu.pin(carol!.node.name, crypto.generateKeyPair().publicKey)
        yield* Effect.sleep("50 millis")
        assert.deepStrictEqual((yield* alice.node.sessions.all).map(({ peer }) => peer.name), ["dave"])
      }),
      coarse
    ))

  it.effect("a peer that is refused while its handshake goes on gets no session", () =>
    quietly(
      Effect.gen(function*() {
        for (let wait = 0; wait <= 700; wait += 50) {
          const network = yield* SimNetwork.make({ seed: 23, link: { latency: "100 millis" } })
          const list = yield* Effect.orDie(AllowListTrust.make([]))
          // A policy that has to ask somebody, and whose answer may be old when it comes.
          const slow = {
            ...list,
            proved: (...args: Parameters<typeof list.proved>) =>
              Effect.tap(list.proved(...args), Effect.sleep("60 millis"))
          }
          const alice = yield* start(network, { name: "alice", functions: { echo } }, {
            trust: Layer.succeed(Trust.Trust, slow)
          })
          const bob = yield* start(network, { name: "bob", functions: { echo } })
          yield* Effect.orDie(list.add("bob", bob.node.publicKey))
          yield* bob.node.peers.awaitPeer("alice")
          const call = yield* Effect.forkChild(Effect.exit(bob.node.request("alice", "echo", "x")), {
            startImmediately: true
          })
          yield* Effect.sleep(wait)
          yield* list.remove("bob")
          yield* Effect.sleep("2 seconds")
          assert.deepStrictEqual(yield* alice.node.sessions.all, [], `taken off after ${wait} ms`)
          yield* Fiber.interrupt(call)
          yield* alice.process.stop
          yield* bob.process.stop
        }
      }),
      { step: "25 millis" }
    ))

  it.effect("RAW messages are judged one by one, in both directions, on connections that are open", () =>
    quietly(
      Effect.gen(function*() {
        const network = yield* SimNetwork.make({ seed: 24, link: { latency: "1 millis" } })
        const list = yield* Effect.orDie(AllowListTrust.make([]))
        const onMessage: BasicNode.MessageHandler = ({ text }) => Effect.succeed(text)
        const alice = yield* Effect.orDie(
          SimWorld.startNode(network, { name: "alice", onMessage }, { trust: Layer.succeed(Trust.Trust, list) })
        )
        const bob = yield* Effect.orDie(SimWorld.startNode(network, { name: "bob", onMessage }))
        yield* Effect.orDie(list.set([["bob", bob.node.publicKey]]))
        yield* alice.node.peers.awaitPeer("bob")
        yield* bob.node.peers.awaitPeer("alice")
        assert.strictEqual(yield* alice.node.sendText("bob", "x"), "x")
        assert.strictEqual(yield* bob.node.sendText("alice", "x"), "x")
        const connections = network.stats().connections
        yield* list.remove("bob")
        assert.strictEqual((yield* failureOf(alice.node.send("bob", "x")))._tag, "UntrustedPeerError")
        const error = yield* failureOf(bob.node.send("alice", "x"))
        assert.strictEqual(error._tag === "ProtocolError" && error.code, "ERR_UNTRUSTED")
        assert.strictEqual(network.stats().connections, connections, "both went over connections that were open")
      }),
      coarse
    ))
})

describe("pins of those who connect", () => {
  it.effect("one stranger with made-up names gets its share and no more, and the rest is left for others", () =>
    quietly(
      Effect.gen(function*() {
        const network = yield* SimNetwork.make({ seed: 25, link: { latency: "1 millis" } })
        const tofu = TofuTrust.make({ capacity: 16, perAddress: 5 })
        const crypto = yield* seeded()
        const alice = yield* start(network, { name: "alice", functions: { echo } }, {
          trust: Layer.succeed(Trust.Trust, tofu),
          crypto: Layer.succeed(Crypto.Crypto, crypto)
        })
        /** Connects with a fresh key under a name, and says whether it was let in. */
        const tries = (host: SimNetwork.Host, name: string) =>
          Effect.gen(function*() {
            const one = yield* stranger(network, crypto, { host, name })
            const connection = yield* one.dial(alice)
            const client = Handshake.client(one.handshakeOptions, alice.node.publicKey)
            const packets = one.reader(connection)
            yield* connection.write(one.command("msg", client.hello()))
            const welcome = yield* packets.next
            yield* connection.write(
              one.command("msg", Result.getOrThrow(client.welcome(Raw.fromText(welcome!.content)!)))
            )
            const answer = yield* packets.next
            return answer?.type === "rsp" ? "in" : text(answer!.content)
          }).pipe(Effect.scoped)

        const first = yield* network.host("mallory")
        for (let i = 0; i < 5; i++) assert.strictEqual(yield* tries(first, `made-up-${i}`), "in")
        for (let i = 5; i < 8; i++) assert.strictEqual(yield* tries(first, `made-up-${i}`), "ERR_UNTRUSTED")
        // From another address it gets to half of all pins, and not further.
        const second = yield* network.host("mallory's other")
        for (let i = 0; i < 3; i++) assert.strictEqual(yield* tries(second, `another-${i}`), "in")
        for (let i = 3; i < 5; i++) assert.strictEqual(yield* tries(second, `another-${i}`), "ERR_UNTRUSTED")
        assert.strictEqual((yield* tofu.known).pins.length, 8)
        const full = yield* failureOf(tofu.proved(nameOf("x"), crypto.generateKeyPair().publicKey, first.address))
        assert.deepInclude(full, { kind: "Full", from: first.address })
        // Nothing was taken away from anybody to make room.
        assert.isDefined(yield* tofu.expected(nameOf("made-up-0")))

        // Whom this node calls is pinned all the same, and then may connect as well.
        const bob = yield* start(network, { name: "bob", functions: { echo } })
        yield* alice.node.peers.awaitPeer("bob")
        yield* bob.node.peers.awaitPeer("alice")
        const refused = yield* failureOf(bob.node.request("alice", "echo", "x"))
        assert.strictEqual(refused._tag === "ProtocolError" && refused.code, "ERR_UNTRUSTED")
        assert.strictEqual(text(yield* alice.node.request("bob", "echo", "x")), "x")
        assert.strictEqual(yield* tofu.expected(nameOf("bob")), bob.node.publicKey)
        assert.strictEqual(text(yield* bob.node.request("alice", "echo", "x")), "x")
      }),
      coarse
    ))
})
