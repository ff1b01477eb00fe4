/** Nodes that find each other over a real server. */
import * as Crypto from "@pnet/core/Crypto"
import * as DerivedHost from "@pnet/core/DerivedHost"
import { Discovery } from "@pnet/core/Discovery"
import * as NodeOptions from "@pnet/core/NodeOptions"
import * as Server from "@pnet/lab/nats/server"
import * as NodeCrypto from "@pnet/node/NodeCrypto"
import { discoverySuite, type DiscoveryWorld } from "@pnet/testing/DiscoverySuite"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { afterAll, beforeAll, describe } from "vitest"
import { Nats } from "../src/internal/bus.ts"
import * as NatsDiscovery from "../src/internal/discovery.ts"
import * as Subjects from "../src/Subjects.ts"
import * as Shared from "./shared.ts"
import { busOf } from "./world.ts"

describe.skipIf(Server.skipped)("over NATS", () => {
  {
    const directory = "auto"
    const shared = Shared.server({ jetstream: directory === "auto" })
    beforeAll(shared.begin)
    afterAll(shared.end)
    let open = 0
    let tests = 0

    const world: Effect.Effect<DiscoveryWorld, never, Scope.Scope> = Effect.gen(function*() {
      const crypto = Context.get(yield* Layer.build(NodeCrypto.layer), Crypto.Crypto)
      const test = ++tests
      return {
        crypto,
        openSockets: Effect.sync(() => open),
        start: (options) =>
          Effect.gen(function*() {
            // Each test is alone on the server.
            const config = Context.get(
              yield* Layer.build(
                Layer.fresh(NodeOptions.layer({ ...options, networkId: `${options.networkId}${test}` }))
              ),
              NodeOptions.NodeConfig
            )
            const { identity: { publicKey }, name, networkId } = config
            yield* Effect.acquireRelease(Effect.sync(() => open++), () => Effect.sync(() => open--))
            const bus = yield* Effect.orDie(busOf(shared.url(), Subjects.ofKey(publicKey), {}, networkId))
            const discovery = Context.get(
              yield* Layer.build(Layer.fresh(NatsDiscovery.layer({ directory }))).pipe(
                Effect.provideService(Nats, bus),
                Effect.provideService(NodeOptions.NodeConfig, config)
              ),
              Discovery
            )
            const endpoint = { host: DerivedHost.ofKey("nats", publicKey), port: 4_000 + open }
            return { name, publicKey, endpoint, discovery, advertise: discovery.advertise(endpoint) }
          }).pipe(Effect.provideService(Crypto.Crypto, crypto), Effect.orDie)
      }
    })
    discoverySuite(`a NATS server with JetStream`, { world, run: identity, live: true, via: ["nats"] })
  }
})
