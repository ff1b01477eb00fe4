import { AdvancedNode, Crypto, Trust } from "@pnet/core"
import { SimNetwork, SimWorld } from "@pnet/testing"
import { advancedSuite, type AdvancedWorld } from "@pnet/testing/AdvancedSuite"
import { Context, Effect, Layer, Logger, type Scope } from "effect"

const world = (options?: SimNetwork.Options): Effect.Effect<AdvancedWorld, never, Scope.Scope> =>
  Effect.gen(function*() {
    const network = yield* SimNetwork.make(options)
    let started = 0
    return {
      start: (options, trust = Trust.layerTofu()) =>
        Effect.gen(function*() {
          const host = yield* network.host(`host${++started}`)
          const layer = AdvancedNode.layer({ bindIp: "0.0.0.0", ...options }).pipe(
            Layer.provide([Crypto.layerPortable, trust, Logger.layer([])])
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
