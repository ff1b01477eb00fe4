/**
 * Byte connections between nodes by WebSocket (protocol section 20): this is the side that dials, which browsers, Deno, Bun and Node
 * can do; `WebSocketListener` is the other one. `WebReach` makes a way of them that nodes take, and this is for those who build another.
 *
 * What bites: TLS, where there is some, is that of whoever ends it, and proves nothing to pnet: peers prove themselves in the connection, as on a LAN.
 *
 * @since 0.2.0
 */
import * as DerivedHost from "@pnet/core/DerivedHost"
import * as MessageLink from "@pnet/core/MessageLink"
import type { Endpoint } from "@pnet/core/Network"
import { type Connection, DialError, type Transport } from "@pnet/core/Transport"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Socket from "effect/socket/Socket"
import * as Channel from "./internal/channel.ts"
import { type BrowserSocket, globals } from "./internal/platform.ts"

/**
 * The kind of the addresses that are derived from URLs.
 *
 * @category constants
 * @since 0.2.0
 */
export const kind = "ws"

/**
 * The endpoint that stands for a URL, as `URL.href` writes it, without its fragment: a derived address, and the port of the URL.
 *
 * @category constructors
 * @since 0.2.0
 */
export const endpointOf = (
  url: { readonly href: string; readonly port: string; readonly protocol: string }
): Endpoint => ({
  host: DerivedHost.ofUrl(kind, url.href),
  port: url.port === "" ? url.protocol === "wss:" ? 443 : 80 : Number(url.port)
})

/**
 * How WebSockets are dialled.
 *
 * @category models
 * @since 0.2.0
 */
export interface Options {
  /** The URL that an endpoint stands for, `ws:` or `wss:`; `undefined` where it is none of this transport's. */
  readonly urlOf: (endpoint: Endpoint) => string | undefined
  readonly dialTimeout: Duration.Input
  /** Makes a WebSocket. */
  readonly webSocket: Socket.WebSocketConstructor["Service"]
  /** Bytes that the other end may send before they are taken. Default 524,288. */
  readonly window?: number | undefined
}

/** An open WebSocket, closed with the scope. What went wrong with one that did not open no platform says. */
const open = (
  endpoint: Endpoint,
  url: string,
  { dialTimeout, webSocket }: Options
): Effect.Effect<BrowserSocket, DialError, Scope.Scope> => {
  const failed = (kind: DialError["kind"], cause?: unknown) =>
    new DialError({ kind, host: endpoint.host, port: endpoint.port, ...(cause === undefined ? {} : { cause }) })
  return Effect.gen(function*() {
    const socket = yield* Effect.acquireRelease(
      Effect.try({
        try: (): BrowserSocket => {
          const socket: BrowserSocket = webSocket(url)
          socket.binaryType = "arraybuffer"
          // After an end by this side some say that, too, and nobody listens any more.
          socket.addEventListener("error", () => {})
          return socket
        },
        // Such as ws: on a page that came by https:, which the browser forbids.
        catch: (cause) => failed("Unknown", cause)
      }),
      (socket) => Effect.sync(() => socket.close(1000))
    )
    const opened = Effect.callback<void, DialError>((resume) => {
      socket.addEventListener("open", () => resume(Effect.void), { once: true })
      socket.addEventListener(
        "close",
        () => resume(Effect.fail(failed(globals.navigator?.onLine === false ? "Unreachable" : "Refused"))),
        { once: true }
      )
    })
    yield* Effect.timeoutOrElse(opened, {
      duration: dialTimeout,
      orElse: () => Effect.fail(failed("Timeout"))
    })
    return socket
  })
}

/**
 * A transport that dials WebSockets and does not listen.
 *
 * @category constructors
 * @since 0.2.0
 */
export const make = (options: Options): Transport["Service"] => ({
  listen: undefined,
  dials: (endpoint) => options.urlOf(endpoint) !== undefined,
  dial: Effect.fnUntraced(function*(endpoint): Effect.fn.Return<Connection, DialError, Scope.Scope> {
    const url = options.urlOf(endpoint)
    if (url === undefined) {
      return yield* new DialError({ kind: "Unreachable", host: endpoint.host, port: endpoint.port })
    }
    const channel = yield* Channel.ofWebSocket(yield* open(endpoint, url, options))
    return yield* MessageLink.make(channel, { remote: endpoint, window: options.window })
  })
})
