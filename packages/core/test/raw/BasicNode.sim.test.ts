import { assert, describe, it } from "@effect/vitest"
import { type BasicNode, Crypto, Packet, PortableCrypto } from "@pnet/core"
import { SimNetwork, SimWorld } from "@pnet/testing"
import { nodeSuite, type NodeWorld } from "@pnet/testing/NodeSuite"
import { Cause, Clock, Context, Effect, Exit, Layer, type Scope } from "effect"

type Node = BasicNode.BasicNode["Service"]

const world = (options?: SimNetwork.Options): Effect.Effect<NodeWorld, never, Scope.Scope> =>
  Effect.gen(function*() {
    const network = yield* SimNetwork.make(options)
    const outside = yield* network.host("outside")
    const crypto = Context.get(yield* Layer.build(PortableCrypto.layer), Crypto.Crypto)
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

describe("BasicNode against somebody who writes into its connections", () => {
  it.effect("a forged err makes no message run twice", () =>
    SimWorld.passing()(
      Effect.gen(function*() {
        const network = yield* SimNetwork.make({ streams: { chunking: "joined" } })
        const runs: Array<string> = []
        const bob = yield* SimWorld.startNode(network, {
          name: "bob",
          onMessage: ({ text }) => Effect.sync(() => void runs.push(text))
        })
        const alice = yield* SimWorld.startNode(network, { name: "alice" })
        yield* alice.node.peers.awaitPeer("bob")
        const forged = Packet.encode(Packet.err(bob.node.networkId, "ERR_INTERNAL", bob.node.publicKey))
        let forgeries = 0
        // In place of bob's first answers, which tell that all was handled.
        yield* network.intercept(({ from, payload }) =>
          from.startsWith(`${bob.host.address}:${bob.node.endpoint.port}`) && payload.length > 0 && forgeries++ === 0
            ? { replace: forged }
            : "pass"
        )
        const texts = ["0", "1", "2", "3", "4"]
        const exits = yield* Effect.forEach(texts, (text) => Effect.exit(alice.node.send("bob", text)), {
          concurrency: "unbounded"
        })
        assert.isAbove(forgeries, 0)
        assert.deepStrictEqual(runs, texts, "each once, in order")
        const tags = exits.map((exit) => {
          const error = Exit.isFailure(exit)
            ? Cause.squash(exit.cause) as { _tag: string; mayHaveRun?: boolean }
            : undefined
          return `${error?._tag} ${error?.mayHaveRun}`
        })
        assert.deepStrictEqual(tags, [
          "ProtocolError undefined",
          ...texts.slice(1).map(() => "PeerLostError true")
        ])
      }).pipe(Effect.scoped)
    ))
})
