/** Nodes that find each other over a real server. */
import { assert, it } from "@effect/vitest"
import { jetstream } from "@nats-io/jetstream"
import { Kvm } from "@nats-io/kv"
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
import type { Bus } from "../src/internal/bus.ts"
import { Nats } from "../src/internal/bus.ts"
import { Directory } from "../src/internal/directory.ts"
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
    it.live("the directory of a network has the nodes that entered it and have not left, and nothing else", () =>
      Effect.gen(function*() {
        const busFor = (name: string) => busOf(shared.url(), name.padEnd(16, "-"), {}, "directory")
        const of = (bus: Bus, most = 100) => new Directory(bus, most)
        const [alice, bob] = [yield* busFor("alice"), yield* busFor("bob")]
        const [hers, his] = [of(alice), of(bob)]
        yield* hers.enter
        yield* his.enter
        assert.deepStrictEqual([...yield* hers.tokens].toSorted(), [alice.own, bob.own])
        assert.lengthOf(yield* of(alice, 1).tokens, 1)
        yield* his.leave
        assert.deepStrictEqual(yield* hers.tokens, [alice.own])
        // Whoever may write there may write anything.
        const kvm = new Kvm(jetstream(alice.jetStream()!))
        const bucket = yield* Effect.promise(() => kvm.open(Subjects.bucket(alice.network)))
        yield* Effect.promise(() => bucket.put("no.node", "x"))
        assert.deepStrictEqual(yield* of(alice).tokens, [alice.own])
      }).pipe(Effect.scoped))

    discoverySuite(`a NATS server with JetStream`, { world, run: identity, live: true, via: ["nats"] })
  }
})
