import { assert, describe, it } from "@effect/vitest"
import { AdvancedNode, Advert, Packet, PortableCrypto, TofuTrust } from "@pnet/core"
import { SimNetwork, SimWorld } from "@pnet/testing"
import { advancedSuite, type AdvancedWorld } from "@pnet/testing/AdvancedSuite"
import { Context, Effect, Fiber, Layer, Logger, Schema, type Scope, Stream } from "effect"

const world = (options?: SimNetwork.Options): Effect.Effect<AdvancedWorld, never, Scope.Scope> =>
  Effect.gen(function*() {
    const network = yield* SimNetwork.make(options)
    let started = 0
    return {
      start: (options, trust = TofuTrust.layer()) =>
        Effect.gen(function*() {
          const host = yield* network.host(`host${++started}`)
          const layer = AdvancedNode.layer({ bindIp: "0.0.0.0", ...options }).pipe(
            Layer.provide([PortableCrypto.layer, trust, Logger.layer([])])
          )
          const process = yield* Effect.acquireRelease(host.launch(layer), (process) => process.stop)
          return Context.get(process.context, AdvancedNode.AdvancedNode)
        })
    }
  })

for (const framing of ["binary", "text"] as const) {
  advancedSuite("a quiet simulated network", { world: world(), run: SimWorld.passing(), live: false, framing })
  advancedSuite("a simulated network with delays, loss and bytes cut anywhere", {
    world: world({ seed: 11, link: { latency: { min: "1 millis", max: "10 millis" }, loss: 0.02 } }),
    run: SimWorld.passing({ step: "20 millis" }),
    live: false,
    framing
  })
}

class Large extends Schema.TaggedError<Large>()("Large", { text: Schema.String }) {}

describe("AdvancedNode, what the suite does not see", () => {
  const trio = Effect.gen(function*() {
    const network = yield* SimNetwork.make()
    const start = (options: AdvancedNode.Options) =>
      Effect.gen(function*() {
        const host = yield* network.host(options.name)
        const process = yield* host.launch(
          AdvancedNode.layer({ bindIp: "0.0.0.0", ...options }).pipe(
            Layer.provide([PortableCrypto.layer, TofuTrust.layer(), Logger.layer([])])
          )
        )
        return { host, process, node: Context.get(process.context, AdvancedNode.AdvancedNode) }
      })
    return { network, start }
  })

  it.effect("a relay passes on why it failed, and a typed error that is too large keeps its tag", () =>
    SimWorld.passing()(
      Effect.gen(function*() {
        const { start } = yield* trio
        const bob = yield* start({
          name: "bob",
          functions: {
            relay: ({ node }) => node.request("carol", "missing", ""),
            large: () => Effect.fail(new Large({ text: "x".repeat(200_000) }))
          }
        })
        const alice = yield* start({ name: "alice" })
        yield* start({ name: "carol" })
        yield* Effect.all([alice.node.peers.awaitPeer("bob"), bob.node.peers.awaitPeer("carol")])
        const relayed = yield* Effect.flip(alice.node.request("bob", "relay", ""))
        assert.strictEqual(relayed._tag === "RemoteError" && relayed.tag, "StreamResetError")
        const large = yield* Effect.flip(alice.node.request("bob", "large", ""))
        assert.strictEqual(large._tag === "RemoteError" && large.tag, "Large")
      }).pipe(Effect.scoped)
    ))

  it.effect("somebody else's word that a peer leaves ends nothing while its session lives; its own does", () =>
    SimWorld.passing()(
      Effect.gen(function*() {
        const { network, start } = yield* trio
        const bob = yield* start({ name: "bob", functions: { echo: ({ whole }) => whole } })
        const alice = yield* start({ name: "alice" })
        yield* alice.node.peers.awaitPeer("bob")
        yield* alice.node.request("bob", "echo", "x")
        const forged = Packet.encode({
          networkId: bob.node.networkId,
          type: "adv",
          content: Advert.encode({ name: bob.node.name, host: bob.host.address, port: 0 }),
          publicKey: bob.node.publicKey
        })
        const left = yield* alice.node.peers.changes.pipe(
          Stream.filter((event) => event._tag === "Left"),
          Stream.runHead,
          Effect.forkChild({ startImmediately: true })
        )
        yield* network.inject(bob.host, { from: `${bob.host.address}:9999`, to: "10.0.0.255:3334", payload: forged })
        yield* Effect.sleep("2 seconds")
        assert.isDefined(yield* alice.node.peers.get("bob"))
        assert.isUndefined(left.pollUnsafe())
        yield* bob.process.stop
        yield* Effect.sleep("500 millis")
        assert.isUndefined(yield* alice.node.peers.get("bob"))
        yield* Fiber.join(left)
      }).pipe(Effect.scoped)
    ))
})
