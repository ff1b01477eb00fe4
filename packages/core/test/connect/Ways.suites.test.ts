/** The compliance suites of the seams over a way that has nothing to do with IP, and over two ways at once. */
import {
  AdvancedNode,
  type BasicNode,
  Crypto,
  DerivedHost,
  Discovery,
  LanReach,
  Network,
  NodeOptions,
  PortableCrypto,
  Reach,
  TcpTransport,
  TofuTrust,
  Transport,
  UdpDiscovery
} from "@pnet/core"
import * as Hub from "@pnet/lab/worlds/hub"
import { SimNetwork, SimWorld } from "@pnet/testing"
import { advancedSuite, type AdvancedWorld } from "@pnet/testing/AdvancedSuite"
import { discoverySuite, type DiscoveryWorld } from "@pnet/testing/DiscoverySuite"
import { nodeSuite, type NodeWorld } from "@pnet/testing/NodeSuite"
import { transportSuite, type TransportWorld } from "@pnet/testing/TransportSuite"
import { Clock, Context, Duration, Effect, Layer, Logger, type Scope } from "effect"

const run = SimWorld.passing()
const setup = { run, live: false } as const

const addressOf = (name: string) => DerivedHost.ofUrl("hub", name)

// --- Transport --------------------------------------------------------------------------------------------------------

const hubTransport = Effect.sync((): TransportWorld => {
  const hub = new Hub.Hub()
  return {
    server: (port) => Hub.transport(hub, { host: addressOf("server"), port }),
    client: Hub.transport(hub, { host: addressOf("client"), port: 0 }),
    address: addressOf("server"),
    clientAddress: addressOf("client"),
    breaking: Hub.breaking(hub, { host: addressOf("broken"), port: 0 }),
    openSockets: Effect.sync(() => hub.open)
  }
})

transportSuite("a hub", { ...setup, world: hubTransport, held: 2 * Hub.held })

const dialTimeout = Duration.seconds(5)

/** A client that reaches others by the LAN and a hub, and a server that is at one of them. */
const twoWays = (by: "lan" | "hub"): Effect.Effect<TransportWorld, never, Scope.Scope> =>
  Effect.gen(function*() {
    const hub = new Hub.Hub()
    const network = yield* SimNetwork.make({ seed: 1 })
    const [server, client] = [yield* network.host("server"), yield* network.host("client")]
    const onServer = Context.get((yield* server.process).context, Network.Network)
    const dialling = yield* client.launch(
      Reach.layerOpen.pipe(
        Layer.provide(Reach.merge(LanReach.layer, Hub.reach(hub))),
        Layer.provideMerge(NodeOptions.layer({ name: "client", bindIp: "0.0.0.0" })),
        Layer.provide([PortableCrypto.layer, Logger.layer([])])
      )
    ).pipe(Effect.orDie)
    const transport = Context.get(dialling.context, Transport.Transport)
    const { identity } = Context.get(dialling.context, NodeOptions.NodeConfig)
    const sockets = Effect.sync(() => network.openSockets().length + hub.open)
    return by === "hub"
      ? {
        server: (port) => Hub.transport(hub, { host: addressOf("server"), port }),
        client: transport,
        address: addressOf("server"),
        clientAddress: DerivedHost.ofKey("hub", identity.publicKey),
        breaking: Hub.breaking(hub, { host: addressOf("broken"), port: 0 }),
        openSockets: sockets,
        // What neither way dials there is none of, so there is nothing that must not be.
        dialsAll: true
      }
      : {
        server: (serverPort) => TcpTransport.make(onServer, { bindIp: "0.0.0.0", serverPort, dialTimeout }),
        client: transport,
        address: server.address,
        clientAddress: client.address,
        breaking: Hub.breaking(hub, { host: addressOf("broken"), port: 0 }),
        openSockets: sockets,
        dialsAll: true
      }
  })

transportSuite("TCP, with a hub beside it", { ...setup, world: twoWays("lan"), held: 1_048_576 })
transportSuite("a hub, with TCP beside it", { ...setup, world: twoWays("hub"), held: 2 * Hub.held })

// --- Discovery --------------------------------------------------------------------------------------------------------

const discovery = (withUdp: boolean): Effect.Effect<DiscoveryWorld, never, Scope.Scope> =>
  Effect.gen(function*() {
    const hub = new Hub.Hub()
    const network = yield* SimNetwork.make({ seed: 2 })
    const crypto = Context.get(yield* Layer.build(PortableCrypto.layer), Crypto.Crypto)
    let started = 0
    return {
      crypto,
      openSockets: Effect.sync(() => network.openSockets().length + hub.open),
      start: (input) =>
        Effect.gen(function*() {
          const host = yield* network.host(`host${++started}`)
          const layer = (withUdp
            ? Discovery.layerMerged(UdpDiscovery.layer, Hub.layerDiscovery(hub))
            : Hub.layerDiscovery(hub)).pipe(
              Layer.provideMerge(NodeOptions.layer({ bindIp: "0.0.0.0", ...input })),
              Layer.provide(PortableCrypto.layer)
            )
          const process = yield* Effect.acquireRelease(
            Effect.catchTag(host.launch(layer), "OptionsError", Effect.die),
            ({ stop }) => stop
          )
          const { identity, name } = Context.get(process.context, NodeOptions.NodeConfig)
          const { publicKey } = identity
          const service = Context.get(process.context, Discovery.Discovery)
          const endpoint = withUdp
            ? { host: host.address, port: 7_000 }
            : { host: DerivedHost.ofKey("hub", publicKey), port: 1 }
          return { name, publicKey, endpoint, discovery: service, advertise: process.run(service.advertise(endpoint)) }
        })
    }
  })

discoverySuite("a hub", { ...setup, world: discovery(false), via: ["hub"] })
discoverySuite("UDP, with a hub beside it", { ...setup, world: discovery(true), via: ["broadcast", "hub"] })

// --- nodes ------------------------------------------------------------------------------------------------------------

type Node = BasicNode.BasicNode["Service"]

const basic: Effect.Effect<NodeWorld, never, Scope.Scope> = Effect.gen(function*() {
  const hub = new Hub.Hub()
  const network = yield* SimNetwork.make({ seed: 3 })
  const outside = yield* network.host("outside")
  const crypto = Context.get(yield* Layer.build(PortableCrypto.layer), Crypto.Crypto)
  const hosts = new Map<Node, SimNetwork.Host>()
  let started = 0
  const both = Reach.merge(LanReach.layer, Hub.reach(hub))
  return {
    crypto,
    otherWays: true,
    now: Clock.currentTimeMillis,
    start: (options, trust) =>
      Effect.gen(function*() {
        const host = yield* network.host(`host${++started}`)
        const { node } = yield* Effect.acquireRelease(
          SimWorld.startNode(network, options, {
            host: { ...host, launch: (layer) => host.launch(Layer.provide(layer, both)) },
            trust
          }),
          ({ process }) => process.stop
        )
        hosts.set(node, host)
        return node
      }),
    dial: (node) => SimWorld.dial(outside, { host: hosts.get(node)!.address, port: node.endpoint.port }),
    addressOf: (node) => `${hosts.get(node)!.address}:${node.endpoint.port}`
  }
})

nodeSuite("the LAN and a hub at once", { ...setup, world: basic })

const advanced = (
  reach: (hub: Hub.Hub) => Layer.Layer<Reach.Reach, never, Network.Network>
): Effect.Effect<AdvancedWorld, never, Scope.Scope> =>
  Effect.gen(function*() {
    const hub = new Hub.Hub()
    const network = yield* SimNetwork.make({ seed: 4 })
    let started = 0
    return {
      start: (options, trust = TofuTrust.layer()) =>
        Effect.gen(function*() {
          const host = yield* network.host(`host${++started}`)
          const layer = AdvancedNode.layer({ bindIp: "0.0.0.0", ...options }).pipe(
            Layer.provide(reach(hub)),
            Layer.provide([PortableCrypto.layer, trust, Logger.layer([])])
          )
          const process = yield* Effect.acquireRelease(host.launch(layer), (process) => process.stop)
          return Context.get(process.context, AdvancedNode.AdvancedNode)
        })
    }
  })

advancedSuite("a hub", { ...setup, world: advanced(Hub.reach), framing: "binary" })
advancedSuite("the LAN and a hub at once", {
  ...setup,
  world: advanced((hub) => Reach.merge(LanReach.layer, Hub.reach(hub))),
  framing: "binary"
})
