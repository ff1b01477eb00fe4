import { NodeDatagramSocket } from "@effect/platform-node"
import { BasicNode, Crypto, Network, TcpTransport, TofuTrust } from "@pnet/core"
import { NodePnet } from "@pnet/node"
import { nodeSuite, type NodeWorld } from "@pnet/testing/NodeSuite"
import { Clock, Context, Effect, identity, Layer, Logger, type Scope } from "effect"

/** A UDP port that nobody on this machine uses now. */
const freePort = Effect.gen(function*() {
  const socket = yield* NodeDatagramSocket.make({ bind: { address: "127.0.0.1", port: 0 } })
  return (yield* socket.reader).address.port
}).pipe(Effect.scoped, Effect.orDie)

const world: Effect.Effect<NodeWorld, never, Scope.Scope> = Effect.gen(function*() {
  const context = yield* Layer.build(Layer.fresh(NodePnet.layer))
  const advertisePort = yield* freePort
  const transport = TcpTransport.make(Context.get(context, Network.Network), {
    bindIp: "127.0.0.1",
    serverPort: 0,
    dialTimeout: "5 seconds"
  })
  return {
    crypto: Context.get(context, Crypto.Crypto),
    // To the microsecond: a stamp of the millisecond that a node started in may be from before it started.
    now: Effect.map(Clock.currentTimeNanos, (nanos) => Number(nanos / 1_000n) / 1_000),
    start: (options, trust = TofuTrust.layer()) =>
      Effect.map(
        Layer.build(Layer.fresh(
          BasicNode.layer({ advertisePort, ...options }).pipe(
            Layer.provide([NodePnet.layerWithTrust(trust), Logger.layer([])])
          )
        )),
        (built) => Context.get(built, BasicNode.BasicNode)
      ),
    dial: (node) => transport.dial(node.endpoint),
    addressOf: (node) => `127.0.0.1:${node.endpoint.port}`
  }
})

nodeSuite("real sockets on loopback", { world, run: identity, live: true })
