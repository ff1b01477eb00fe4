/** The same RPC group over pnet and over Effect's own protocol on plain TCP, and the measurements of both. */
import * as NodeSocket from "@effect/platform-node/NodeSocket"
import * as NodeSocketServer from "@effect/platform-node/NodeSocketServer"
import * as AdvancedNode from "@pnet/core/AdvancedNode"
import * as PeerRpc from "@pnet/core/PeerRpc"
import * as RpcRegistry from "@pnet/core/RpcRegistry"
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Pull from "effect/Pull"
import * as Rpc from "effect/rpc/Rpc"
import * as RpcClient from "effect/rpc/RpcClient"
import * as RpcGroup from "effect/rpc/RpcGroup"
import * as RpcSerialization from "effect/rpc/RpcSerialization"
import * as RpcServer from "effect/rpc/RpcServer"
import * as Schema from "effect/Schema"
import * as SocketServer from "effect/socket/SocketServer"
import * as Stream from "effect/Stream"
import { chunkBytes } from "./bulk.ts"
import * as Nodes from "./nodes.ts"

/** What is called: a function that answers with what it is given, and one that gives a stream of bytes. */
export class Group extends RpcGroup.make(
  Rpc.make("echo", { payload: { data: Schema.Uint8Array }, success: Schema.Uint8Array }),
  Rpc.make("bytes", { payload: { chunks: Schema.Int, size: Schema.Int }, success: Schema.Uint8Array, stream: true })
) {}

const handlers = Group.toLayer({
  echo: ({ data }) => Effect.succeed(data),
  bytes: ({ chunks, size }) => {
    let left = chunks
    const parts: NonEmptyReadonlyArray<Uint8Array> = [new Uint8Array(size).fill(7)]
    const pull: Pull.Pull<NonEmptyReadonlyArray<Uint8Array>> = Effect.suspend(() =>
      left-- > 0 ? Effect.succeed(parts) : Cause.done()
    )
    return Stream.fromPull(Effect.succeed(pull))
  }
})

/** A client of either, whatever its calls fail with. */
export type Client = RpcClient.RpcClient<RpcGroup.Rpcs<typeof Group>, unknown>

/** Effect's own server, on a free port of loopback. */
export const serveTcp = Effect.gen(function*() {
  const context = yield* Layer.build(
    RpcServer.layer(Group).pipe(
      Layer.provide(handlers),
      Layer.provide(RpcServer.layerProtocolSocketServer),
      Layer.provide(RpcSerialization.layerSchemaBinary()),
      Layer.provideMerge(NodeSocketServer.layer({ host: "127.0.0.1", port: 0 }))
    )
  )
  const { address } = Context.get(context, SocketServer.SocketServer)
  return "port" in address ? address.port : 0
})

/** Effect's own client. */
export const connectTcp = (port: number) =>
  Effect.gen(function*() {
    const context = yield* Layer.build(
      // Who is stopped while others are measured has heard nothing when it goes on, and would give its connection up.
      RpcClient.layerProtocolSocket({ pingInterval: "1 hour" }).pipe(
        Layer.provide(NodeSocket.layerNet({ host: "127.0.0.1", port })),
        Layer.provide(RpcSerialization.layerSchemaBinary())
      )
    )
    return (yield* Effect.provideContext(RpcClient.make(Group), context)) as Client
  })

const node = (name: string, network: Nodes.NodeNetworkOptions) =>
  AdvancedNode.layer({ ...Nodes.options(name, network), framing: "binary" })

/** A node that serves the group. */
export const servePeer = (name: string, network: Nodes.NodeNetworkOptions) =>
  Layer.build(
    Layer.effectDiscard(PeerRpc.serve(Group)).pipe(
      Layer.provide(handlers),
      Layer.provide(RpcRegistry.layer),
      Layer.provide(node(name, network))
    )
  )

/** A node that calls it. */
export const connectPeer = (name: string, network: Nodes.NodeNetworkOptions, to: string) =>
  Effect.gen(function*() {
    const context = yield* Layer.build(node(name, network))
    yield* Context.get(context, AdvancedNode.AdvancedNode).peers.awaitPeer(to)
    return (yield* Effect.provideContext(PeerRpc.client(Group, to), context)) as Client
  })

/** One call of `echo`. */
export const ask = (client: Client) => (message: Uint8Array) => client.echo({ data: message })

/** Receives so many bytes, in so many streams at once. */
export const receive = (
  client: Client,
  { bytes, streams }: { readonly bytes: number; readonly streams: number }
): Effect.Effect<void, unknown> => {
  const chunks = Math.ceil(bytes / streams / chunkBytes)
  const one = Effect.suspend(() => {
    let count = 0
    return Effect.flatMap(
      Stream.runForEachArray(client.bytes({ chunks, size: chunkBytes }), (parts) =>
        Effect.sync(() => {
          for (const part of parts) count += part.length
        })),
      () => count === chunks * chunkBytes ? Effect.void : Effect.die(`${count} bytes came of ${chunks * chunkBytes}`)
    )
  })
  return Effect.forEach(Array.from({ length: streams }), () => one, { concurrency: "unbounded", discard: true })
}
