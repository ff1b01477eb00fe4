/** What nodes are, over WebSockets. */
import { AdvancedNode, BasicNode, Crypto, TofuTrust } from "@pnet/core"
import * as Hub from "@pnet/lab/worlds/hub"
import { NodeCrypto } from "@pnet/node"
import { advancedSuite, type AdvancedWorld } from "@pnet/testing/AdvancedSuite"
import { nodeSuite, type NodeWorld } from "@pnet/testing/NodeSuite"
import { Clock, Context, Effect, identity, Layer, Logger, type Scope } from "effect"
import * as World from "./world.ts"

const basic: Effect.Effect<NodeWorld, never, Scope.Scope> = Effect.gen(function*() {
  const hub = new Hub.Hub()
  return {
    crypto: Context.get(yield* Layer.build(NodeCrypto.layer), Crypto.Crypto),
    // To the microsecond: a stamp of the millisecond that a node started in may be from before it started.
    now: Effect.map(Clock.currentTimeNanos, (nanos) => Number(nanos / 1_000n) / 1_000),
    otherWays: true,
    start: (options, trust = TofuTrust.layer()) =>
      Effect.map(
        Layer.build(Layer.fresh(
          BasicNode.layer(options).pipe(
            Layer.provide([World.reach(hub), NodeCrypto.layer, trust, Logger.layer([])])
          )
        )),
        (built) => Context.get(built, BasicNode.BasicNode)
      ),
    dial: (node) => World.dialDerived.dial(node.endpoint),
    addressOf: () => "127.0.0.1:1"
  }
})

nodeSuite("WebSockets", { world: basic, run: identity, live: true })

const advanced: Effect.Effect<AdvancedWorld, never, Scope.Scope> = Effect.sync(() => {
  const hub = new Hub.Hub()
  return {
    start: (options, trust = TofuTrust.layer()) =>
      Effect.map(
        Layer.build(Layer.fresh(
          AdvancedNode.layer(options).pipe(
            Layer.provide([World.reach(hub), NodeCrypto.layer, trust, Logger.layer([])])
          )
        )),
        (built) => Context.get(built, AdvancedNode.AdvancedNode)
      )
  }
})

advancedSuite("WebSockets", { world: advanced, run: identity, live: true, framing: "binary" })
