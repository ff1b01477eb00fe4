/** Nodes that publish and subscribe on a simulated network, for the tests of topics. */
import { CommandNode, type Crypto, TofuTrust, Topic, Trust } from "@pnet/core"
import type { Net } from "@pnet/lab/worlds/sessionWorld"
import * as NodeCrypto from "@pnet/node/NodeCrypto"
import { SimNetwork } from "@pnet/testing"
import { Context, Effect, Layer, Logger, Metric, Schema, type Scope, Stream } from "effect"

export interface Started {
  readonly node: CommandNode.CommandNode["Service"]
  readonly host: SimNetwork.Host
  readonly process: SimNetwork.Process<CommandNode.CommandNode>
}

/** Whatever a peer offers counts. */
export const open = Trust.open(TofuTrust.layer()).pipe(Layer.provide(Logger.layer([])))

export const Reading = Schema.Struct({ sensor: Schema.String, value: Schema.Finite })
export const Readings = Topic.make("readings", { payload: Reading, key: ({ sensor }) => sensor, retain: true })

/** Starts a node on a host of its own. */
export const start = (
  network: Net,
  name: string,
  options: Partial<CommandNode.Options> = {},
  overrides: {
    readonly host?: SimNetwork.Host
    readonly crypto?: Layer.Layer<Crypto.Crypto>
    readonly trust?: Layer.Layer<Trust.Trust>
    readonly logger?: Layer.Layer<never>
  } = {}
): Effect.Effect<Started> =>
  Effect.gen(function*() {
    const host = overrides.host ?? (yield* network.host(name))
    const layer = CommandNode.layer({ networkId: "topics", bindIp: "0.0.0.0", ...options, name }).pipe(
      Layer.provide([
        overrides.crypto ?? NodeCrypto.layer,
        overrides.trust ?? open,
        overrides.logger ?? Logger.layer([])
      ])
    )
    const process = yield* Effect.orDie(host.launch(layer))
    return { node: Context.get(process.context, CommandNode.CommandNode), host, process }
  }) as Effect.Effect<Started>

/** The number before that of the next subscription of a node: they begin anywhere. */
export const lastId = ({ node }: Started): Effect.Effect<number> =>
  Effect.scoped(Effect.gen(function*() {
    yield* collect(node.subscribe("nothing"))
    return (yield* node.offer.current).topics.at(-1)!.id
  }))

/** Two nodes, the first of which knows the other. */
export const two = (options: Partial<CommandNode.Options> = {}) =>
  Effect.gen(function*() {
    const network = yield* SimNetwork.make()
    const alice = yield* start(network, "alice", options)
    const bob = yield* start(network, "bob", options)
    yield* alice.node.awaitPeers(["bob"])
    return { network, alice, bob }
  })

/** What a stream gives, as it comes. */
export const collect = <A, E>(stream: Stream.Stream<A, E>): Effect.Effect<Array<A>, never, Scope.Scope> =>
  Effect.gen(function*() {
    const all: Array<A> = []
    yield* Effect.forkScoped(Stream.runForEach(stream, (value) => Effect.sync(() => all.push(value))), {
      startImmediately: true
    })
    return all
  })

/** What was counted of what subscriptions did not get, so far. */
export const losses = (reason: string): Effect.Effect<number> =>
  Effect.map(Metric.snapshot, (all) => {
    const found = all.find(({ attributes, id }) => id === "pnet_topic_losses" && attributes?.["reason"] === reason)
    return found?.type === "Counter" ? Number(found.state.count) : 0
  })
