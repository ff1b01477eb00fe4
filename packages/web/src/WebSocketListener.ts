/**
 * Connections of nodes by WebSocket (protocol section 20) at a path of a server of Effect's HTTP, beside whatever other routes it has.
 *
 * TLS is that of whoever ends it: the server, or a proxy in front of it. Whose page may connect is looked at (`origins`), and who has connected is said
 * as the server says it, so that the limits by address hold; a proxy's word for that is taken only where `trustedProxies` has the proxy.
 *
 * What bites:
 *
 * - A server keeps what it takes of one message until it is whole, as much as its own options allow. Node's takes 100 MiB: give
 *   `NodeHttpServer.layer` the option `websocket: WebSocketListener.serverOptions`.
 * - Only browsers say where a page came from. Whoever is no browser connects in spite of `origins`.
 *
 * @since 0.2.0
 */
import * as MessageLink from "@pnet/core/MessageLink"
import { type Endpoint, ListenError } from "@pnet/core/Network"
import type { Connection, Listener } from "@pnet/core/Transport"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FiberSet from "effect/FiberSet"
import * as HttpMiddleware from "effect/http/HttpMiddleware"
import { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as IpNetwork from "effect/net/IpNetwork"
import * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as Channel from "./internal/channel.ts"
import { parseUrl } from "./internal/platform.ts"
import { connectionOf, releasedWhenEnded } from "./internal/serverConnection.ts"

/**
 * Options for the WebSockets of `NodeHttpServer`: the longest message that it takes, in how many pieces one may come, and how long whoever was told
 * that a connection has ended may take to say so, too, in milliseconds. Nothing is compressed, since nothing that is encrypted can be.
 *
 * @category constants
 * @since 0.2.0
 */
export const serverOptions: {
  readonly maxPayload: number
  readonly maxFragments: number
  readonly maxBufferedChunks: number
  readonly closeTimeout: number
  readonly perMessageDeflate: false
} = {
  maxPayload: Channel.maxMessage,
  // A node sends each message as one piece. Whatever is in between may cut it, but not into bytes, each of which takes hundreds to be kept.
  maxFragments: 256,
  maxBufferedChunks: 4_096,
  closeTimeout: 1_000,
  perMessageDeflate: false
}

/**
 * Who may connect.
 *
 * @category models
 * @since 0.2.0
 */
export interface Options {
  /**
   * Pages that may connect, by the origin that their browser says, such as `https://example.org`. `same` (default): those that came from this
   * server's own host. `all`: every page on any site that somebody visits.
   */
  readonly origins?: "same" | "all" | ReadonlyArray<string> | undefined
  /** Proxies, as networks (`10.0.0.0/8`) or addresses, whose `X-Forwarded-For` is believed. Default: none. */
  readonly trustedProxies?: ReadonlyArray<string> | undefined
  /** Bytes that the other end may send before they are taken. Default 524,288. */
  readonly window?: number | undefined
}

/**
 * A place for one node to listen at, and the handler of HTTP that brings connections to it.
 *
 * @category models
 * @since 0.2.0
 */
export interface WebSocketListener {
  /** Listens as the endpoint until the scope closes. Fails with `PortInUse` where another node does. */
  readonly listen: (endpoint: Endpoint) => Effect.Effect<Listener, ListenError, Scope.Scope>
  /** Answers a request: takes its WebSocket while somebody listens, and says by the status why it does not. */
  readonly handle: Effect.Effect<HttpServerResponse.HttpServerResponse, never, HttpServerRequest>
}

type Accept = (connection: Effect.Effect<Connection, never, Scope.Scope>) => Effect.Effect<void>

const refuse = (status: number, text: string) => HttpServerResponse.text(`${text}\n`, { status })

/** Of an address: itself alone. */
const networkOf = (text: string): IpNetwork.IpNetwork =>
  text.includes("/")
    ? IpNetwork.fromInputUnsafe(text)
    : Result.getOrThrow(Result.flatMap(
      NetAddress.ipFromString(text),
      (address) => IpNetwork.make(address, NetAddress.isIpv4Address(address) ? 32 : 128)
    ))

/** Whether the page that asks may. Whoever is no page does not say where it came from. */
const isAllowed = ({ headers }: HttpServerRequest, origins: NonNullable<Options["origins"]>): boolean => {
  const { host, origin } = headers
  if (origin === undefined || origins === "all") return true
  if (origins !== "same") return origins.includes(origin)
  const page = parseUrl(origin)
  return page !== undefined && host !== undefined && page.host === parseUrl(`${page.protocol}//${host}`)?.host
}

/** The bytes that a server holds of what was written to it. */
const heldBy = (request: HttpServerRequest): () => number => {
  const connection = connectionOf(request)
  return () => {
    const held = connection?.writableLength
    return typeof held === "number" ? held : 0
  }
}

/** Whom the server says it is, in the one form of its address. */
const remoteOf = (request: HttpServerRequest): Endpoint | undefined => {
  const address = Option.getOrUndefined(request.remoteAddress)
  const parsed = address === undefined ? undefined : NetAddress.ipFromString(address)
  if (parsed === undefined || Result.isFailure(parsed)) return undefined
  // Behind a proxy the port is the proxy's.
  const port = connectionOf(request)?.remotePort
  return {
    host: NetAddress.formatIp(NetAddress.toCanonical(parsed.success)),
    port: typeof port === "number" ? port : 0
  }
}

/**
 * A place to listen at. Throws where a trusted proxy is neither an address nor a network.
 *
 * @category constructors
 * @since 0.2.0
 */
export const make = (options?: Options): WebSocketListener => {
  const origins = options?.origins ?? "same"
  const trustedProxies = (options?.trustedProxies ?? []).map(networkOf)
  let accept: Accept | undefined
  let isListening = false

  const taken = Effect.gen(function*() {
    const request = yield* HttpServerRequest
    releasedWhenEnded(request)
    if (request.headers["upgrade"]?.toLowerCase() !== "websocket") {
      return refuse(426, "a node listens here, by WebSocket")
    }
    if (!isAllowed(request, origins)) return refuse(403, "pages of this origin may not connect to the node here")
    if (accept === undefined) return refuse(503, "no node listens here now")
    const socket = yield* request.upgrade
    const remote = remoteOf(request)
    const held = heldBy(request)
    yield* accept(
      Effect.gen(function*() {
        const channel = yield* Channel.ofSocket(socket, held)
        return yield* MessageLink.make(channel, { remote, window: options?.window })
      }).pipe(
        // It was gone before it could be read: nobody is there to be told.
        Effect.catch(() => Effect.interrupt)
      )
    )
    return HttpServerResponse.empty()
  }).pipe(
    // Whoever asked was gone, or asked for something that is no WebSocket.
    Effect.catchTag("HttpServerError", () => Effect.succeed(refuse(400, "no WebSocket could be opened")))
  )

  const listener = (endpoint: Endpoint): Listener => ({
    endpoint,
    run: (handler) =>
      Effect.gen(function*() {
        const fibers = yield* FiberSet.make<void>()
        const run = yield* FiberSet.runtime(fibers)<any>()
        accept = (connection) =>
          Effect.suspend(() => {
            const fiber = run(Effect.scoped(Effect.flatMap(connection, handler)))
            // Whoever asked may be gone: the connection is told, and ends by itself.
            return Effect.asVoid(Fiber.await(fiber))
          })
        yield* Effect.addFinalizer(() => Effect.sync(() => void (accept = undefined)))
        return yield* Effect.never
      }).pipe(Effect.scoped) as Effect.Effect<never, never, never>
  })

  return {
    listen: (endpoint) =>
      Effect.acquireRelease(
        Effect.suspend(() => {
          if (isListening) return Effect.fail(new ListenError({ kind: "PortInUse", ...endpoint }))
          isListening = true
          return Effect.succeed(listener(endpoint))
        }),
        () => Effect.sync(() => void (isListening = false))
      ),
    handle: trustedProxies.length === 0 ? taken : HttpMiddleware.xForwardedHeaders({ trustedProxies })(taken)
  }
}
