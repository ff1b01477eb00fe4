/** The HTTP server of the console: on this machine alone, and whatever it serves is behind its door. */
import { NodeHttpServer } from "@effect/platform-node"
import { Entropy } from "@pnet/core/Crypto"
import { ListenError } from "@pnet/core/Network"
import * as ByteSize from "effect/ByteSize"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Base64Url from "effect/encoding/Base64Url"
import * as HttpIncomingMessage from "effect/http/HttpIncomingMessage"
import * as HttpRouter from "effect/http/HttpRouter"
import type * as HttpServerError from "effect/http/HttpServerError"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as HttpStaticServer from "effect/http/HttpStaticServer"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { createServer } from "node:http"
import * as Door from "./door.ts"
import { type DoorPage, entrance, notice } from "./doorPages.ts"

/** The one address that it listens at. */
export const host = "127.0.0.1"

/** Where the page speaks with its node. */
export const rpcPath = "/rpc"

// A browser has a few for each page; those of others are not even looked at then.
const mostConnections = 64
/** WebSockets at once: one for each page that is open. */
export const mostPages = 16
/** Bytes of a message of the page, and of the body of a request. */
export const mostBytes = 1_048_576

/** How long a connection may take, in milliseconds. */
export interface Times {
  /** Until the headers of a request are whole. */
  readonly headers: number
  /** Until all of it is. */
  readonly request: number
  /** While nothing is taken of an answer. Node's server has none for that. */
  readonly unread: number
  /** How often it is looked whether a request is late. Node looks twice a minute, and has no more time than that then. */
  readonly looks: number
}

export const times: Times = { headers: 10_000, request: 60_000, unread: 60_000, looks: 5_000 }

/** Of a page's connection. What comes in more pieces than a browser makes of it takes hundreds of bytes for each. */
const websocket = { maxPayload: mostBytes, maxFragments: 256, maxBufferedChunks: 4_096, closeTimeout: 1_000 }

const text = (status: number, said: string) =>
  HttpServerResponse.text(`${said}\n`, { status, headers: { ...Door.headers, "cache-control": "no-store" } })

/** A page of the door, whose policy is its own. */
const page = ({ html, policy }: DoorPage, status: number, headers: Readonly<Record<string, string>> = {}) =>
  HttpServerResponse.text(html, {
    status,
    contentType: "text/html; charset=utf-8",
    headers: { ...Door.headers, "content-security-policy": policy, "cache-control": "no-store", ...headers }
  })

/** What happened, and what to do: a page for somebody who looks at it, and otherwise text. */
const told = (request: HttpServerRequest.HttpServerRequest, status: number, what: string, remedy: string) =>
  request.headers["accept"]?.includes("text/html") === true
    ? page(notice(what, remedy), status)
    : text(status, `${what}. ${remedy.replaceAll("`", "")}`)

const isPage = ({ method, url }: HttpServerRequest.HttpServerRequest): boolean =>
  (method === "GET" || method === "HEAD") && (url === "/" || url === "/index.html")

const nothing = Effect.map(HttpServerRequest.HttpServerRequest, (request) =>
  isPage(request)
    // In what is published it is.
    ? told(
      request,
      404,
      "The page of the console is not built",
      "Run: `npx -y pnpm@12 exec node packages/console/buildPage.ts`"
    )
    : told(request, 404, "There is nothing here", "The console is at its address without a path."))

// No file has one. To look for it would fail in another way than that it is not there.
const longName = /[^/]{256}/

type App = Effect.Effect<
  HttpServerResponse.HttpServerResponse,
  HttpServerError.HttpServerError,
  HttpServerRequest.HttpServerRequest | Scope.Scope
>

/** What is served, to those who are let in. */
const guarded = (door: Door.Door, app: App) => {
  let pages = 0
  const counted = Effect.acquireUseRelease(
    Effect.sync(() => ++pages <= mostPages),
    (isRoom): App =>
      isRoom
        ? app
        : Effect.succeed(
          text(503, `The console has ${mostPages} pages open, which is as many as there may be. Close one.`)
        ),
    () => Effect.sync(() => pages--)
  )
  const answer = Effect.gen(function*() {
    const request = yield* HttpServerRequest.HttpServerRequest
    const verdict = door.judge(request, yield* Clock.currentTimeMillis)
    switch (verdict._tag) {
      case "Refuse":
        yield* Effect.logDebug(`the console refused a request: ${verdict.why}`)
        // Whoever is not let in has this answer, and no connection: by asking on, and reading nothing, he would keep it.
        return HttpServerResponse.setHeader(told(request, 403, verdict.why, verdict.remedy), "connection", "close")
      case "Enter":
        return page(entrance, 200, { "set-cookie": verdict.cookie })
      case "Pass": {
        const path = request.url.split("?", 1)[0]!
        // What says its length is not read. What says none is read no further than that, by who reads it.
        if (Number(request.headers["content-length"]) > mostBytes) {
          return told(request, 413, "The body of the request is too large", `At most ${mostBytes} bytes are read.`)
        }
        if (longName.test(path)) return yield* nothing
        // By what it asks for: the router takes more paths than one for the page's.
        const response = yield* request.headers["upgrade"] === undefined ? app : counted
        // The router answers what it has no route for, and no file, with a status and nothing to read.
        if (response.status === 404 && response.body._tag === "Empty") return yield* nothing
        return HttpServerResponse.setHeaders(response, Door.headers)
      }
    }
  })
  return answer.pipe(
    Effect.catchTag("HttpServerError", (error) => error.reason._tag === "RouteNotFound" ? nothing : Effect.fail(error)),
    Effect.provideService(HttpIncomingMessage.MaxBodySize, ByteSize.bytes(mostBytes))
  )
}

const listenError = (port: number) => (error: { readonly cause: unknown }) => {
  const code = (error.cause as { readonly code?: unknown } | undefined)?.code
  return new ListenError({
    kind: code === "EADDRINUSE" ? "PortInUse" : code === "EACCES" ? "PermissionDenied" : "Unknown",
    host,
    port,
    cause: error.cause
  })
}

const randomText = Effect.map(Entropy, (fill) => () => {
  const bytes = new Uint8Array(32)
  fill(bytes)
  return Base64Url.encode(bytes)
})

/** Serves the files of a folder, and routes beside them, at a port of 127.0.0.1, until the scope closes. */
export const serve = Effect.fnUntraced(function*<E, R>(options: {
  /** 0: any free one. */
  readonly port: number
  /** Where the page is. */
  readonly folder: string
  /** What proves cookies; by default they are good until it ends. */
  readonly secret: Uint8Array | undefined
  readonly routes: Layer.Layer<never, E, R>
  readonly times?: Times | undefined
}) {
  const { headers, looks, request, unread } = options.times ?? times
  // It has a scope of its own, which closes after what is served. The first WebSocket adds to that what waits until all are closed, and ended first in a scope that both have: they
  // are closed with what serves them, so that a console did not end while a page was open.
  const around = yield* Effect.flatMap(Effect.scope, Scope.fork)
  const server = yield* NodeHttpServer.make(
    () => {
      const made = createServer({
        maxHeaderSize: 16_384,
        headersTimeout: headers,
        requestTimeout: request,
        connectionsCheckingInterval: looks,
        // A second `Host` would be as good as none otherwise.
        joinDuplicateHeaders: true
      })
      made.maxConnections = mostConnections
      made.timeout = unread
      // Where nothing waits to be taken the answer itself is slow, which it may be: a call of an assistant's takes as long as it takes.
      made.on("request", (_, response) =>
        response.on("timeout", (socket) => {
          if (socket.writableLength > 0) socket.destroy()
        }))
      // No time of the server is for one that asked for a WebSocket: what was answered and ended is open for as long as the other end likes.
      made.on("upgrade", (_, socket) => socket.once("finish", () => socket.destroy()))
      return made
    },
    { host, port: options.port, gracefulShutdownTimeout: 0, websocket }
  ).pipe(Scope.provide(around), Effect.mapError(listenError(options.port)))
  const port = server.address._tag === "InetAddressV4" ? server.address.port : options.port
  const random = yield* randomText
  const door = new Door.Door(options.secret ?? new TextEncoder().encode(random()), port, random)
  const files = HttpStaticServer.layer({ root: options.folder, cacheControl: "no-cache" })
  const app = yield* HttpRouter.toHttpEffect(
    Layer.mergeAll(files, options.routes as Layer.Layer<never, E, never>).pipe(
      Layer.provide(NodeHttpServer.layerHttpServices)
    )
  )
  yield* server.serve(guarded(door, app as App))
  return { door, port }
})
