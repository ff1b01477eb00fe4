/** What nodes promise, between nodes that have nothing but a NATS server in common. */
import { Crypto, DerivedHost } from "@pnet/core"
import * as Server from "@pnet/lab/nats/server"
import * as Subjects from "@pnet/nats/Subjects"
import * as NodeCrypto from "@pnet/node/NodeCrypto"
import { advancedSuite, type AdvancedWorld } from "@pnet/testing/AdvancedSuite"
import { nodeSuite, type NodeWorld } from "@pnet/testing/NodeSuite"
import { Clock, Context, Effect, identity, Layer, Scope } from "effect"
import { afterAll, beforeAll, describe } from "vitest"
import * as NatsTransport from "../src/internal/transport.ts"
import * as Nodes from "./nodes.ts"
import * as Shared from "./shared.ts"
import { busOf } from "./world.ts"

describe.skipIf(Server.skipped)("over NATS", () => {
  const shared = Shared.server()
  beforeAll(shared.begin)
  afterAll(shared.end)
  let tests = 0
  const ownNetwork = <O extends { readonly networkId?: string | undefined }>(options: O, test: number) => ({
    ...options,
    // Each test is alone on the server.
    networkId: `${options.networkId ?? "net"}${test}`
  })

  const basic: Effect.Effect<NodeWorld, never, Scope.Scope> = Effect.gen(function*() {
    const crypto = Context.get(yield* Layer.build(NodeCrypto.layer), Crypto.Crypto)
    const outside = DerivedHost.ofUrl("nats", "outside")
    // Only where it is used: another node may ask anybody who is there, and it has no answer.
    const transport = yield* Effect.cached(
      Effect.gen(function*() {
        const bus = yield* Effect.orDie(busOf(shared.url(), Subjects.ofHost(outside), {}, "suite"))
        const doors = yield* NatsTransport.doors(bus)
        return NatsTransport.make(doors, { host: outside, port: 0, dialTimeout: "5 seconds", trustSenders: true })
      }).pipe(Scope.provide(yield* Effect.scope))
    )
    const dial: NodeWorld["dial"] = ({ endpoint }) => Effect.flatMap(transport, ({ dial }) => dial(endpoint))
    return {
      crypto,
      otherWays: true,
      // Each has an address of its own.
      sharedPorts: false,
      // To the microsecond: a stamp of the millisecond that a node started in may be from before it started.
      now: Effect.map(Clock.currentTimeNanos, (nanos) => Number(nanos / 1_000n) / 1_000),
      start: (options, trust) => Nodes.basic(shared.url(), options, trust),
      dial,
      addressOf: (node) => `[${node.endpoint.host}]:${node.endpoint.port}`
    }
  })

  nodeSuite("NATS", { world: basic, run: identity, live: true })

  const advanced: Effect.Effect<AdvancedWorld> = Effect.sync(() => {
    const test = ++tests
    return { start: (options, trust) => Nodes.advanced(shared.url(), ownNetwork(options, test), trust) }
  })
  advancedSuite("NATS", { world: advanced, run: identity, live: true, framing: "binary" })
})
