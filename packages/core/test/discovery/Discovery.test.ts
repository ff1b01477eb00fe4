import {
  Crypto,
  Discovery,
  Network,
  NodeOptions,
  PortableCrypto,
  StaticDiscovery,
  TcpTransport,
  Transport,
  UdpDiscovery
} from "@pnet/core"
import { SimNetwork, SimWorld } from "@pnet/testing"
import { answerAdverts, type DiscoverySetup, discoverySuite, type DiscoveryWorld } from "@pnet/testing/DiscoverySuite"
import { Context, Effect, Layer, type Scope } from "effect"

type Layers = (endpoints: ReadonlyArray<Network.Endpoint>) => Layer.Layer<
  Discovery.Discovery,
  Discovery.DiscoveryError,
  Network.Network | Transport.Transport | Crypto.Crypto | NodeOptions.NodeConfig
>

/** Three hosts, which each other's discovery may be told of before anything runs there. */
const world = (layers: Layers, options: SimNetwork.Options): Effect.Effect<DiscoveryWorld, never, Scope.Scope> =>
  Effect.gen(function*() {
    const network = yield* SimNetwork.make(options)
    const crypto = Context.get(yield* Layer.build(PortableCrypto.layer), Crypto.Crypto)
    const slots = yield* Effect.forEach(["one", "two", "three"], (name) =>
      Effect.gen(function*() {
        const host = yield* network.host(name)
        const process = yield* host.process
        const transport = TcpTransport.make(Context.get(process.context, Network.Network), {
          bindIp: "0.0.0.0",
          serverPort: 7_000,
          dialTimeout: "5 seconds"
        })
        const listener = yield* Effect.orDie(transport.listen)
        return { host, listener, endpoint: { host: host.address, port: 7_000 } }
      }))
    const discovery = layers(slots.map(({ endpoint }) => endpoint))
    let used = 0
    return {
      crypto,
      openSockets: Effect.sync(() => network.openSockets().length),
      start: (input) =>
        Effect.gen(function*() {
          const { endpoint, host, listener } = slots[used++]!
          const layer = discovery.pipe(
            Layer.provide(TcpTransport.layer),
            Layer.provideMerge(NodeOptions.layer({ bindIp: "0.0.0.0", ...input })),
            Layer.provide(PortableCrypto.layer)
          )
          const process = yield* Effect.acquireRelease(
            Effect.catchTag(host.launch(layer), "OptionsError", Effect.die),
            ({ stop }) => stop
          )
          const config = Context.get(process.context, NodeOptions.NodeConfig)
          const service = Context.get(process.context, Discovery.Discovery)
          return {
            name: config.name,
            publicKey: config.identity.publicKey,
            endpoint,
            discovery: service,
            advertise: Effect.andThen(
              Effect.forkScoped(process.run(listener.run(answerAdverts(crypto, config, endpoint)))),
              process.run(service.advertise(endpoint))
            )
          }
        })
    }
  })

const byUdp: Layers = () => UdpDiscovery.layer
const byAddress: Layers = StaticDiscovery.layer
const byBoth: Layers = (endpoints) => Discovery.layerMerged(UdpDiscovery.layer, StaticDiscovery.layer(endpoints))

const simulated = (
  name: string,
  layers: Layers,
  via: DiscoverySetup["via"],
  options: SimNetwork.Options
) => discoverySuite(name, { world: world(layers, options), run: SimWorld.passing(), live: false, via })

simulated("UDP on a simulated network", byUdp, ["broadcast"], { seed: 1 })
simulated("UDP on a simulated network that delays, doubles and reorders", byUdp, ["broadcast"], {
  seed: 2,
  link: { latency: { min: "1 millis", max: "15 millis" }, duplicate: 0.2, reorder: 0.2 }
})
simulated("known addresses on a simulated network", byAddress, ["static"], { seed: 3 })
simulated("known addresses on a simulated network where bytes arrive one by one", byAddress, ["static"], {
  seed: 4,
  streams: { chunking: "bytes" }
})
simulated("UDP and known addresses on a simulated network", byBoth, ["broadcast", "static"], { seed: 5 })
