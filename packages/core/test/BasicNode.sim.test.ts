import { type BasicNode, Crypto } from "@pnet/core"
import { SimNetwork, SimWorld } from "@pnet/testing"
import { nodeSuite, type NodeWorld } from "@pnet/testing/NodeSuite"
import { Clock, Context, Effect, Layer, type Scope } from "effect"

type Node = BasicNode.BasicNode["Service"]

const world = (options?: SimNetwork.Options): Effect.Effect<NodeWorld, never, Scope.Scope> =>
  Effect.gen(function*() {
    const network = yield* SimNetwork.make(options)
    const outside = yield* network.host("outside")
    const crypto = Context.get(yield* Layer.build(Crypto.layerPortable), Crypto.Crypto)
    const hosts = new Map<Node, SimNetwork.Host>()
    const hostOf = (node: Node) => hosts.get(node)!.address
    let started = 0
    return {
      crypto,
      now: Clock.currentTimeMillis,
      start: (options, trust) =>
        Effect.gen(function*() {
          const host = yield* network.host(`host${++started}`)
          const { node } = yield* Effect.acquireRelease(
            SimWorld.startNode(network, options, { host, trust }),
            ({ process }) => process.stop
          )
          hosts.set(node, host)
          return node
        }),
      dial: (node) => SimWorld.dial(outside, { host: hostOf(node), port: node.endpoint.port }),
      addressOf: (node) => `${hostOf(node)}:${node.endpoint.port}`
    }
  })

nodeSuite("a quiet simulated network", { world: world(), run: SimWorld.passing(), live: false })
nodeSuite("a simulated network with delays, loss and bytes that arrive one by one", {
  world: world({
    seed: 7,
    link: { latency: { min: "1 millis", max: "20 millis" }, loss: 0.02, duplicate: 0.02, reorder: 0.05 },
    streams: { chunking: "bytes" }
  }),
  run: SimWorld.passing({ step: "20 millis" }),
  live: false
})
