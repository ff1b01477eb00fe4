/**
 * Ways to reach peers by WebSocket (protocol section 20): `layer` dials nodes at URLs, from a browser or anywhere else, and `layerServer` listens at a
 * path of a server of Effect's HTTP as well.
 *
 * A node whose only way is `layer` is found by nobody, so it keeps a session with each node at a URL that is listed, and is a peer there by that: it is
 * called, streamed to and told as others are. Nodes in browsers do not reach each other.
 *
 * ```ts
 * const Page = WebReach.layer({ peers: ["wss://example.org/pnet"] })
 * const Server = Reach.merge(LanReach.layer, WebReach.layerServer({ path: "/pnet" }))
 * ```
 *
 * @since 0.2.0
 */
import * as DerivedHost from "@pnet/core/DerivedHost"
import { Discovery } from "@pnet/core/Discovery"
import type { Endpoint } from "@pnet/core/Network"
import { NodeConfig, OptionsError } from "@pnet/core/NodeOptions"
import * as Reach from "@pnet/core/Reach"
import { type Connection, type DialError, Transport } from "@pnet/core/Transport"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Socket from "effect/socket/Socket"
import { type ListedUrl, parse } from "./internal/listedUrls.ts"
import { parseUrl } from "./internal/platform.ts"
import { releasedWhenEnded } from "./internal/serverConnection.ts"
import * as UrlDiscovery from "./internal/urlDiscovery.ts"
import * as WebSocketListener from "./WebSocketListener.ts"
import * as WebSocketTransport from "./WebSocketTransport.ts"

/**
 * Whom to dial.
 *
 * @category models
 * @since 0.2.0
 */
export interface Options {
  /**
   * The URLs of nodes, such as `wss://example.org/pnet`. With the key of the node behind it, as `wss://example.org/pnet#hSDw…`, a node there that has
   * another key is no peer, which the log says. `ws:` is for this machine and for LANs: a page that came by `https:` may not use it.
   */
  readonly peers?: ReadonlyArray<string> | undefined
  /** Bytes that the other end of a connection may send before they are taken. Default 524,288. */
  readonly window?: number | undefined
}

/**
 * Whom to dial, and where to listen.
 *
 * @category models
 * @since 0.2.0
 */
export interface ServerOptions extends Options, WebSocketListener.Options {
  /** The path at which it listens. Default `/pnet`. */
  readonly path?: `/${string}` | undefined
  /** The URL at which this node is listed by others, where there is one: they dial it, too, when it connects to them. */
  readonly url?: string | undefined
}

const wrong = (issue: string) => new OptionsError({ issue, of: "options of a way by WebSocket" })

const parsed = (peers: ReadonlyArray<string>): Effect.Effect<ReadonlyArray<ListedUrl>, OptionsError> =>
  Effect.forEach(peers, (text, index) => {
    const listed = parse(text)
    return typeof listed === "string"
      ? Effect.fail(wrong(`peers[${index}]: expected a URL such as wss://example.org/pnet, and ${listed}`))
      : Effect.succeed(listed)
  })

/** An origin that no browser says in that way would keep all its pages out. */
const saidByNone = (origins: WebSocketListener.Options["origins"]): string | undefined =>
  typeof origins !== "object" ? undefined : origins.find((origin) => {
    const url = parseUrl(origin)
    // That of pages that came from no site, such as files.
    return origin !== "null" && (url === undefined || `${url.protocol}//${url.host}` !== origin)
  })

/** How many connections there are to each endpoint. */
const counting = (transport: Transport["Service"]) => {
  const open = new Map<string, number>()
  const key = ({ host, port }: Endpoint) => `${host} ${port}`
  const count = (endpoint: Endpoint, by: 1 | -1) => {
    const now = (open.get(key(endpoint)) ?? 0) + by
    if (now === 0) open.delete(key(endpoint))
    else open.set(key(endpoint), now)
  }
  return {
    isConnected: (endpoint: Endpoint) => open.has(key(endpoint)),
    transport: {
      ...transport,
      dial: (endpoint: Endpoint): Effect.Effect<Connection, DialError, Scope.Scope> =>
        Effect.tap(transport.dial(endpoint), () =>
          Effect.acquireRelease(
            Effect.sync(() => count(endpoint, 1)),
            () => Effect.sync(() => count(endpoint, -1))
          ))
    }
  }
}

/** The services of the way of one node. */
const partsOf = (
  listed: ReadonlyArray<ListedUrl>,
  options: Options,
  webSocket: Socket.WebSocketConstructor["Service"],
  listen?: (endpoint: NodeConfig["Service"]) => Transport["Service"]["listen"]
) =>
  Effect.map(NodeConfig, (config) => {
    const urls = new Map(listed.map(({ endpoint, url }) => [`${endpoint.host} ${endpoint.port}`, url]))
    const dialling = WebSocketTransport.make({
      urlOf: ({ host, port }) => urls.get(`${host} ${port}`),
      dialTimeout: config.limits.dialTimeout,
      webSocket,
      window: options.window
    })
    const { isConnected, transport } = counting(dialling)
    return { isConnected, dialling, transport: { ...transport, listen: listen?.(config) } }
  })

/** What is asked for the adverts of others is not what keeps it from being asked. */
const make = (
  listed: ReadonlyArray<ListedUrl>,
  options: Options,
  listen?: (config: NodeConfig["Service"]) => Transport["Service"]["listen"]
): Layer.Layer<Reach.Reach, never, Socket.WebSocketConstructor> =>
  Layer.effect(
    Reach.Reach,
    Effect.map(Socket.WebSocketConstructor, (webSocket) => {
      const both = Layer.effectContext(Effect.gen(function*() {
        const { dialling, isConnected, transport } = yield* partsOf(listed, options, webSocket, listen)
        const discovery = yield* UrlDiscovery.make(listed, dialling, isConnected)
        return Context.make(Transport, transport).pipe(Context.add(Discovery, discovery))
      }))
      return Reach.make(WebSocketTransport.kind, { transport: both, discovery: both }, Context.empty())
    })
  )

/**
 * Dials the nodes at the URLs of `peers`, by the `WebSocket` that browsers, Deno, Bun and Node have.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer = (options: Options): Layer.Layer<Reach.Reach, OptionsError> =>
  Layer.unwrap(Effect.map(parsed(options.peers ?? []), (listed) => make(listed, options))).pipe(
    Layer.provide(Socket.layerWebSocketConstructorGlobal)
  )

/**
 * Listens at a path of the `HttpRouter`, beside its other routes, and dials the nodes at the URLs of `peers`. One node at a time listens there.
 *
 * @category layers
 * @since 0.2.0
 */
export const layerServer = (options?: ServerOptions): Layer.Layer<Reach.Reach, OptionsError, HttpRouter.HttpRouter> =>
  Layer.unwrap(Effect.gen(function*() {
    const listed = yield* parsed(options?.peers ?? [])
    const own = options?.url === undefined ? undefined : parse(options.url)
    if (typeof own === "string") return yield* wrong(`url: expected a URL such as wss://example.org/pnet, and ${own}`)
    const origin = saidByNone(options?.origins)
    if (origin !== undefined) {
      return yield* wrong(
        `origins: expected origins as browsers say them, such as https://example.org, and got ${origin}`
      )
    }
    const { handle, listen } = yield* Effect.mapError(
      Effect.try(() => WebSocketListener.make(options)),
      () => wrong("trustedProxies: expected addresses and networks, such as 10.0.0.1 and 10.0.0.0/8")
    )
    const endpointOf = ({ identity }: NodeConfig["Service"]): Endpoint =>
      own?.endpoint ?? { host: DerivedHost.ofKey(WebSocketTransport.kind, identity.publicKey), port: 1 }
    return Layer.mergeAll(
      HttpRouter.add("GET", options?.path ?? "/pnet", handle),
      // Also for what its other routes answer, and where there is none.
      HttpRouter.middleware((answer) => Effect.andThen(Effect.map(HttpServerRequest, releasedWhenEnded), answer), {
        global: true
      }),
      make(listed, options ?? {}, (config) => listen(endpointOf(config)))
    )
  })).pipe(Layer.provide(Socket.layerWebSocketConstructorGlobal))
