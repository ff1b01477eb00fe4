/** CommandNodes on a simulated network, for the tests of calls. */
import { CommandNode, TofuTrust } from "@pnet/core"
import * as NodeCrypto from "@pnet/node/NodeCrypto"
import { SimNetwork } from "@pnet/testing"
import { Clock, Context, Effect, Layer, Logger } from "effect"
import type { Net } from "./sessionWorld.ts"

export type Node = CommandNode.CommandNode["Service"]

export interface Started {
  readonly node: Node
  readonly host: SimNetwork.Host
  readonly process: SimNetwork.Process<CommandNode.CommandNode>
}

/** Starts a CommandNode on a host of its own. */
export const startCommand = (
  network: Net,
  options: CommandNode.Options<any, never, any, never>,
  overrides?: {
    readonly logger?: Layer.Layer<never>
    readonly host?: SimNetwork.Host
    readonly clock?: Clock.Clock
  }
): Effect.Effect<Started> =>
  Effect.gen(function*() {
    const host = overrides?.host ?? (yield* network.host(options.name))
    const layer = CommandNode.layer({ networkId: "commands", bindIp: "0.0.0.0", ...options }).pipe(
      Layer.provide([NodeCrypto.layer, TofuTrust.layer(), overrides?.logger ?? Logger.layer([])])
    ) as Layer.Layer<CommandNode.CommandNode, never, any>
    const timed = overrides?.clock === undefined
      ? layer
      : Layer.provide(layer, Layer.succeed(Clock.Clock, overrides.clock))
    const process = yield* Effect.orDie(host.launch(timed as never)) as Effect.Effect<
      SimNetwork.Process<CommandNode.CommandNode>
    >
    return { node: Context.get(process.context, CommandNode.CommandNode), host, process }
  })

/** Several nodes that all know each other. */
export const startAll = <const Names extends ReadonlyArray<string>>(
  network: Net,
  names: Names,
  options: (name: Names[number]) => Partial<CommandNode.Options<any, never, any, never>> = () => ({})
): Effect.Effect<{ readonly [Name in Names[number]]: Started }> =>
  Effect.gen(function*() {
    const started = yield* Effect.forEach(names, (name) => startCommand(network, { ...options(name), name }), {
      concurrency: "unbounded"
    })
    yield* Effect.orDie(Effect.forEach(started, ({ node }) =>
      Effect.forEach(names, (name) =>
        name === node.name ? Effect.void : node.peers.awaitPeer(name)), {
      concurrency: "unbounded"
    }))
    return Object.fromEntries(names.map((name, i) => [name, started[i]!])) as never
  })
