/** The nodes that a peer with a key attacks: what they serve, and how one is started. */
import { CommandNode, TofuTrust } from "@pnet/core"
import * as NodeCrypto from "@pnet/node/NodeCrypto"
import type { SimNetwork } from "@pnet/testing"
import { Context, Effect, Layer, type Scope, Stream } from "effect"
import { RpcGroup } from "effect/rpc"
import { networkId } from "../worlds/sessionWorld.ts"
import { calls } from "./targets/rpc.ts"

class Calls extends RpcGroup.make(calls.plain, calls.rich, calls.tree, calls.bytes) {}

const handlers = Calls.toLayer({
  plain: ({ name }) => Effect.succeed(`hello ${name}`),
  rich: ({ list }) => Effect.succeed(list.map((value, i) => ({ key: String(i), value }))),
  tree: (tree) => Effect.succeed(tree),
  bytes: (bytes) => Stream.make(bytes, bytes)
})

export interface Victim {
  readonly node: CommandNode.CommandNode["Service"]
  readonly host: SimNetwork.Host
  readonly process: SimNetwork.Process<CommandNode.CommandNode>
}

/** Starts a node that serves functions and typed calls. */
export const start = (
  network: SimNetwork.SimNetwork["Service"],
  name: string,
  logger: Layer.Layer<never>
): Effect.Effect<Victim> =>
  Effect.gen(function*() {
    const host = yield* network.host(name)
    const layer = CommandNode.serve(Calls).pipe(
      Layer.provide(handlers),
      Layer.provideMerge(CommandNode.layer({
        name,
        networkId,
        bindIp: "0.0.0.0",
        limits: { callSize: 400_000, sessionSilence: "2 seconds" },
        functions: {
          echo: (_call, ...args) => Effect.succeed(args.length === 1 ? args[0] : args),
          slow: () => Effect.as(Effect.sleep("3 seconds"), "at last"),
          fails: () => Effect.fail({ _tag: "Refused", why: "as ever" })
        },
        streams: { upper: ({ bytes }) => Stream.map(bytes, (part) => part.slice()) }
      })),
      Layer.provide([NodeCrypto.layer, TofuTrust.layer(), logger])
    ) as Layer.Layer<CommandNode.CommandNode>
    const process = yield* Effect.orDie(host.launch(layer))
    return { node: Context.get(process.context, CommandNode.CommandNode), host, process }
  })

/** A call of each kind that a node can make of another. */
export const callsTo = (
  { node }: Victim,
  peer: string
): Effect.Effect<ReadonlyArray<Effect.Effect<unknown, unknown>>, never, Scope.Scope> =>
  Effect.map(node.client(Calls, peer), (client) => [
    node.target(peer)("anything", 1),
    client.plain({ name: "x", age: 1 }),
    client.tree({ name: "x", children: [] }),
    Stream.runDrain(client.bytes(new Uint8Array(10))),
    node.request(peer, "upper", "bytes")
  ])
