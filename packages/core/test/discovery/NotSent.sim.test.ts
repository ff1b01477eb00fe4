/** What is said to who waits for a peer where nothing can be sent from this machine. */
import { assert, describe, it } from "@effect/vitest"
import { SimNetwork, SimWorld } from "@pnet/testing"
import { Effect, Layer } from "effect"
import * as BasicNode from "../../src/BasicNode.ts"
import * as PortableCrypto from "../../src/PortableCrypto.ts"
import * as TofuTrust from "../../src/TofuTrust.ts"

const policies = Layer.merge(PortableCrypto.layer, TofuTrust.layer())

/** The peers of alice, a node on a LAN, in a program of hers. */
const alice = (
  program: (peers: BasicNode.BasicNode["Service"]["peers"], host: SimNetwork.Host) => Effect.Effect<void, unknown>
) =>
  Effect.gen(function*() {
    const network = yield* SimNetwork.make()
    const host = yield* network.host("alice")
    const process = yield* host.launch(policies)
    const node = BasicNode.make({ name: "alice", networkId: "home", bindIp: "0.0.0.0" })
    const running = Effect.flatMap(node, ({ peers }) => program(peers, host))
    yield* process.run(running.pipe(Effect.scoped, Effect.provide(process.context)))
  }).pipe(Effect.scoped, SimWorld.passing())

describe("a node whose adverts cannot be sent", () => {
  it.effect("says to who waits for a peer that loopback is not up, and nothing of its options", () =>
    Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const bare = yield* network.host("bare", { interfaces: [] })
      yield* bare.setLinkUp("lo", false)
      const process = yield* bare.launch(policies)
      const error = yield* process.run(
        Effect.gen(function*() {
          const node = yield* BasicNode.make({ name: "alice", networkId: "home" })
          return yield* Effect.flip(node.peers.awaitPeer("bob", "5 seconds"))
        }).pipe(Effect.scoped, Effect.provide(process.context))
      )
      assert.include(
        error.message,
        "Nothing can be sent from 127.0.0.1, as loopback is not up: bring it up (on Linux: ip link set lo up)"
      )
      assert.notInclude(error.message, "networkId")
    }).pipe(Effect.scoped, SimWorld.passing()))

  it.effect("says that the system forbids broadcasts, as long as it does", () =>
    alice((peers, host) =>
      Effect.gen(function*() {
        yield* host.setBroadcastAllowed(false)
        const error = yield* Effect.flip(peers.awaitPeer("bob", "5 seconds"))
        assert.include(
          error.message,
          "Adverts cannot be sent from 10.0.0.1, as the system forbids broadcasts: list the other nodes' addresses in peers"
        )
        assert.deepStrictEqual((yield* peers.obstacles).map(({ kind, where }) => ({ kind, where })), [
          { kind: "NotSent", where: "10.0.0.1" }
        ])
        yield* host.setBroadcastAllowed(true)
        yield* Effect.sleep("5 seconds")
        assert.deepStrictEqual(yield* peers.obstacles, [])
      })
    ))

  it.effect("says nothing more of an address that it has no longer", () =>
    alice((peers, host) =>
      Effect.gen(function*() {
        yield* host.setBroadcastAllowed(false)
        yield* Effect.sleep("5 seconds")
        const wheres = Effect.map(peers.obstacles, (obstacles) => obstacles.map(({ where }) => where))
        assert.deepStrictEqual(yield* wheres, ["10.0.0.1"])
        yield* host.changeAddress("eth0", "10.0.0.77")
        yield* Effect.sleep("15 seconds")
        assert.deepStrictEqual(yield* wheres, ["10.0.0.77"])
      })
    ))
})
