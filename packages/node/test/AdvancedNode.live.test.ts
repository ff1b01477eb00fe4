import { NodeDatagramSocket } from "@effect/platform-node"
import { AdvancedNode, TofuTrust } from "@pnet/core"
import { NodePnet } from "@pnet/node"
import { advancedSuite, type AdvancedWorld } from "@pnet/testing/AdvancedSuite"
import { Context, Effect, identity, Layer, Logger, type Scope } from "effect"

/** A UDP port that nobody on this machine uses now. */
const freePort = Effect.gen(function*() {
  const socket = yield* NodeDatagramSocket.make({ bind: { address: "127.0.0.1", port: 0 } })
  return (yield* socket.reader).address.port
}).pipe(Effect.scoped, Effect.orDie)

const world: Effect.Effect<AdvancedWorld, never, Scope.Scope> = Effect.gen(function*() {
  const advertisePort = yield* freePort
  return {
    start: (options, trust = TofuTrust.layer()) =>
      Effect.map(
        Layer.build(Layer.fresh(
          AdvancedNode.layer({ advertisePort, ...options }).pipe(
            Layer.provide([NodePnet.layerWithTrust(trust), Logger.layer([])])
          )
        )),
        (built) => Context.get(built, AdvancedNode.AdvancedNode)
      )
  }
})

for (const framing of ["binary", "text"] as const) {
  advancedSuite("real sockets on loopback", { world, run: identity, live: true, framing })
}
