/** Nodes with no more to them than sessions need, so that many fit into one process: nothing listens, and nothing is heard. */
import type { Crypto } from "@pnet/core/Crypto"
import * as Discovery from "@pnet/core/Discovery"
import type { Network } from "@pnet/core/Network"
import * as NodeOptions from "@pnet/core/NodeOptions"
import { NodeName } from "@pnet/core/Packet"
import * as Peers from "@pnet/core/Peers"
import * as PeerTable from "@pnet/core/PeerTable"
import { PublicKey } from "@pnet/core/PublicKey"
import * as SessionPool from "@pnet/core/SessionPool"
import * as Sessions from "@pnet/core/Sessions"
import * as TcpTransport from "@pnet/core/TcpTransport"
import type { Trust } from "@pnet/core/Trust"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"

/**
 * Makes such a node, on 127.0.0.1, which has been told of one peer, and gives what calls that peer's function `echo` once. The first
 * call makes the session.
 */
export const member = (
  options: NodeOptions.Input,
  hub: { readonly name: string; readonly publicKey: string; readonly port: number }
): Effect.Effect<
  Effect.Effect<void, unknown>,
  unknown,
  Network | Crypto | Trust | Scope.Scope
> =>
  Effect.gen(function*() {
    const sightings = yield* Queue.unbounded<Discovery.Sighting>()
    const endpoint = { host: "127.0.0.1", port: hub.port }
    yield* Queue.offer(sightings, {
      name: yield* Schema.decodeUnknownEffect(NodeName)(hub.name),
      publicKey: yield* Schema.decodeUnknownEffect(PublicKey)(hub.publicKey),
      endpoint,
      source: endpoint,
      via: "static",
      answer: Effect.void
    })
    const layer = SessionPool.layer.pipe(
      Layer.provideMerge(PeerTable.layer),
      Layer.provide(
        Layer.succeed(Discovery.Discovery, {
          advertise: () => Effect.void,
          sightings: Stream.fromQueue(sightings)
        })
      ),
      Layer.provide(TcpTransport.layer),
      // Sightings do not come again, so nobody may be missed for want of one.
      Layer.provide(NodeOptions.layer({ ...options, broadcastInterval: "1 hour" }))
    )
    const context = yield* Layer.build(Layer.fresh(layer))
    const peers = Context.get(context, Peers.Peers)
    const sessions = Context.get(context, Sessions.Sessions)
    return Effect.gen(function*() {
      const peer = yield* peers.awaitPeer(hub.name)
      const stream = yield* sessions.open(peer, { protocol: "command", name: "echo" })
      yield* stream.write(Uint8Array.of(1))
      yield* stream.end
      yield* stream.pull
      // To its end, so that it is closed on both sides.
      yield* Effect.ignore(stream.pull)
    }).pipe(Effect.scoped)
  })
