/** WebSockets between nodes of one process, each with a server of its own as `NodeHttpServer` has it. */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { DerivedHost, TofuTrust, Trust as TrustPolicy } from "@pnet/core"
import type { Crypto } from "@pnet/core/Crypto"
import { type Endpoint, ListenError } from "@pnet/core/Network"
import { NodeConfig } from "@pnet/core/NodeOptions"
import type { Peers } from "@pnet/core/Peers"
import * as Reach from "@pnet/core/Reach"
import { type Listening, Transport } from "@pnet/core/Transport"
import type { Trust } from "@pnet/core/Trust"
import * as Hub from "@pnet/lab/worlds/hub"
import { NodeCrypto } from "@pnet/node"
import { WebReach, WebSocketListener, WebSocketTransport } from "@pnet/web"
import { Context, Deferred, type Duration, Effect, Layer, Logger, type Scope } from "effect"
import { HttpRouter, HttpServer } from "effect/http"
import * as Socket from "effect/socket/Socket"
import { createServer } from "node:http"

export const webSocket: Socket.WebSocketConstructor["Service"] = Context.get(
  Effect.runSync(Effect.scoped(Layer.build(Socket.layerWebSocketConstructorGlobal))),
  Socket.WebSocketConstructor
)

/** A server with routes on a port of 127.0.0.1, 0 is any free one, until the scope closes: the port that it has. */
export const serve = (
  routes: Layer.Layer<never, never, HttpRouter.HttpRouter>,
  port: number
): Effect.Effect<number, ListenError, Scope.Scope> =>
  Effect.gen(function*() {
    const server = HttpRouter.serve(routes, { disableLogger: true, disableListenLog: true }).pipe(
      Layer.provideMerge(NodeHttpServer.layer(createServer, {
        host: "127.0.0.1",
        port,
        websocket: WebSocketListener.serverOptions,
        // Where a connection is left, the test that finds it fails, and does not wait for that connection at its end.
        gracefulShutdownTimeout: 0
      }))
    )
    const built = yield* Layer.build(Layer.fresh(server)).pipe(
      Effect.mapError((cause) => new ListenError({ kind: "PortInUse", host: "127.0.0.1", port, cause }))
    )
    const { address } = Context.get(built, HttpServer.HttpServer)
    return address._tag === "UnixPathAddress" ? 0 : address.port
  })

/** Listens at a path of a server of its own, as a host. */
export const listen = (host: string, port: number): NonNullable<Listening["listen"]> =>
  Effect.gen(function*() {
    const { handle, listen } = WebSocketListener.make()
    return yield* listen({ host, port: yield* serve(HttpRouter.add("GET", "/node", handle), port) })
  })

/** Dials what is at the ports of 127.0.0.1. */
export const dialling = (dialTimeout: Duration.Input, dials: (endpoint: Endpoint) => boolean) =>
  WebSocketTransport.make({
    urlOf: (endpoint) => dials(endpoint) ? `ws://127.0.0.1:${endpoint.port}/node` : undefined,
    dialTimeout,
    webSocket
  })

export const dialDerived = dialling("5 seconds", ({ host }) => DerivedHost.is(host))

/** A way by WebSocket, whose nodes hear of each other by a hub. */
export const reach = (hub: Hub.Hub): Layer.Layer<Reach.Reach> =>
  Reach.layer("ws", {
    transport: Layer.effect(
      Transport,
      Effect.map(NodeConfig, ({ identity, serverPort }) => ({
        ...dialDerived,
        listen: listen(DerivedHost.ofKey("ws", identity.publicKey), serverPort)
      }))
    ),
    discovery: Hub.layerDiscovery(hub)
  })

/** A way, with what nodes need besides. */
type Needs = Reach.Reach | Crypto | Trust

/**
 * A node at a path of a server, and one that dials it there and listens nowhere, as those of pages do, once they know each other. What is in front of the
 * server is at another port.
 */
export const pair = <N extends { readonly peers: Peers["Service"] }, E>(
  node: (name: "page" | "server") => Effect.Effect<N, E, Needs | Scope.Scope>,
  front: (port: number) => Effect.Effect<number, never, Scope.Scope> = Effect.succeed
): Effect.Effect<{ readonly page: N; readonly server: N }, E | ListenError, Scope.Scope> =>
  Effect.gen(function*() {
    const quiet = Layer.merge(NodeCrypto.layer, TrustPolicy.open(TofuTrust.layer())).pipe(
      Layer.provideMerge(Logger.layer([]))
    )
    const listening = yield* Deferred.make<N>()
    const served = Layer.effectDiscard(Effect.flatMap(node("server"), (made) => Deferred.succeed(listening, made)))
    const port = yield* serve(
      served.pipe(Layer.provide([WebReach.layerServer({ path: "/pnet" }), quiet]), Layer.orDie),
      0
    )
    const reach = WebReach.layer({ peers: [`ws://127.0.0.1:${yield* front(port)}/pnet`] })
    const context = yield* Layer.build(Layer.mergeAll(Layer.orDie(reach), quiet))
    const page = yield* Effect.provide(node("page"), context)
    const server = yield* Deferred.await(listening)
    yield* Effect.orDie(Effect.all([page.peers.awaitPeer("server"), server.peers.awaitPeer("page")]))
    return { page, server }
  })
