import { assert, it } from "@effect/vitest"
import { AdvancedNode, BasicNode, PortableCrypto, TofuTrust } from "@pnet/core"
import { SimNetwork, SimWorld } from "@pnet/testing"
import { Context, Effect, Layer, Logger } from "effect"

class A extends Context.Service<A, BasicNode.BasicNode["Service"]>()("test/A") {}
class B extends Context.Service<B, BasicNode.BasicNode["Service"]>()("test/B") {}
class C extends Context.Service<C, AdvancedNode.AdvancedNode["Service"]>()("test/C") {}
class D extends Context.Service<D, AdvancedNode.AdvancedNode["Service"]>()("test/D") {}

it.effect("nodes that are built together share nothing, and each is built once", () =>
  SimWorld.passing()(
    Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const host = yield* network.host("one")
      const bindIp = "0.0.0.0"
      const echo = { echo: ({ whole }: AdvancedNode.Call) => whole }
      const alice = BasicNode.layer({ name: "a", bindIp, onMessage: () => Effect.succeed("from a") })
      const carol = AdvancedNode.layer({ name: "c", bindIp, functions: echo })
      const layers = Layer.mergeAll(
        Layer.effect(A, BasicNode.BasicNode).pipe(Layer.provide(alice)),
        // The same layer again is the same node.
        Layer.effectDiscard(Effect.asVoid(BasicNode.BasicNode)).pipe(Layer.provide(alice)),
        Layer.effect(B, BasicNode.BasicNode).pipe(Layer.provide(BasicNode.layer({ name: "b", bindIp }))),
        Layer.effect(C, AdvancedNode.AdvancedNode).pipe(Layer.provide(carol)),
        Layer.effect(D, AdvancedNode.AdvancedNode).pipe(Layer.provide(AdvancedNode.layer({ name: "d", bindIp })))
      ).pipe(Layer.provide([PortableCrypto.layer, TofuTrust.layer(), Logger.layer([])]))
      const { context } = yield* host.launch(layers)
      const [a, b, c, d] = [
        Context.get(context, A),
        Context.get(context, B),
        Context.get(context, C),
        Context.get(context, D)
      ]
      assert.strictEqual(new Set([a, b, c, d].map(({ publicKey }) => publicKey)).size, 4)
      yield* Effect.all([b.peers.awaitPeer("a"), d.peers.awaitPeer("c"), a.peers.awaitPeer("d")])
      assert.strictEqual(yield* b.sendText("a", "x"), "from a")
      assert.strictEqual((yield* d.request("c", "echo", "xyz")).length, 3)
      assert.deepStrictEqual((yield* a.peers.all).map(({ name }) => name as string), ["b", "c", "d"])
    }).pipe(Effect.scoped)
  ))
