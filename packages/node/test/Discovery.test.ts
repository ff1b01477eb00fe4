import { NodeDatagramSocket } from "@effect/platform-node"
import {
  Crypto,
  Discovery,
  Network,
  NodeOptions,
  StaticDiscovery,
  TcpTransport,
  Transport,
  UdpDiscovery
} from "@pnet/core"
import { NodeCrypto, NodeNetwork } from "@pnet/node"
import { answerAdverts, type DiscoverySetup, discoverySuite, type DiscoveryWorld } from "@pnet/testing/DiscoverySuite"
import { Context, Effect, identity, Layer, type Scope } from "effect"

type Layers = (endpoints: ReadonlyArray<Network.Endpoint>) => Layer.Layer<
  Discovery.Discovery,
  Discovery.DiscoveryError,
  Network.Network | Transport.Transport | Crypto.Crypto | NodeOptions.NodeConfig
>

/** A UDP port that nobody on this machine uses now. */
const freePort = Effect.gen(function*() {
  const socket = yield* NodeDatagramSocket.make({ bind: { address: "127.0.0.1", port: 0 } })
  return (yield* socket.reader).address.port
}).pipe(Effect.scoped, Effect.orDie)

const world = (layers: Layers): Effect.Effect<DiscoveryWorld, never, Scope.Scope> =>
  Effect.gen(function*() {
    const platform = Layer.mergeAll(NodeNetwork.layer, NodeCrypto.layer)
    const context = yield* Layer.build(platform)
    const crypto = Context.get(context, Crypto.Crypto)
    const advertisePort = yield* freePort
    const transport = TcpTransport.make(Context.get(context, Network.Network), {
      bindIp: "127.0.0.1",
      serverPort: 0,
      dialTimeout: "5 seconds"
    })
    const listeners = yield* Effect.orDie(Effect.all([transport.listen, transport.listen, transport.listen]))
    const discovery = layers(listeners.map(({ endpoint }) => endpoint))
    let used = 0
    return {
      crypto,
      openSockets: Effect.sync(() =>
        process.getActiveResourcesInfo().filter((name) => name.startsWith("TCP") || name.startsWith("UDP")).length
      ),
      start: (input) =>
        Effect.gen(function*() {
          const listener = listeners[used++]!
          const built = yield* Layer.build(Layer.fresh(
            discovery.pipe(
              Layer.provide(TcpTransport.layer),
              Layer.provideMerge(NodeOptions.layer({ advertisePort, ...input })),
              Layer.provide(platform)
            )
          )).pipe(Effect.catchTag("OptionsError", Effect.die))
          const config = Context.get(built, NodeOptions.NodeConfig)
          const service = Context.get(built, Discovery.Discovery)
          return {
            name: config.name,
            publicKey: config.identity.publicKey,
            endpoint: listener.endpoint,
            discovery: service,
            advertise: Effect.andThen(
              Effect.forkScoped(listener.run(answerAdverts(crypto, config, listener.endpoint))),
              service.advertise(listener.endpoint)
            )
          }
        })
    }
  })

const real = (name: string, layers: Layers, via: DiscoverySetup["via"]) =>
  discoverySuite(name, { world: world(layers), run: identity, live: true, via })

real("UDP on loopback", () => UdpDiscovery.layer, ["broadcast"])
real("known addresses on loopback", StaticDiscovery.layer, ["static"])
real(
  "UDP and known addresses on loopback",
  (endpoints) => Discovery.layerMerged(UdpDiscovery.layer, StaticDiscovery.layer(endpoints)),
  ["broadcast", "static"]
)
