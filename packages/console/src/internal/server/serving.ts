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
import type * as Scope from "effect/Scope"
import { createServer } from "node:http"
import * as Door from "./door.ts"

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

const text = (status: number, said: string) =>
  HttpServerResponse.text(`${said}\n`, { status, headers: { "cache-control": "no-store" } })

const isPage = (url: string): boolean => url === "/" || url === "/index.html"
// In what is published it is.
const notBuilt = "The page of the console is not built. Run: node packages/console/buildPage.ts"

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
        return text(403, verdict.why)
      case "Enter":
        return HttpServerResponse.text(Door.entrance, {
          contentType: "text/html; charset=utf-8",
          headers: { "set-cookie": verdict.cookie, "cache-control": "no-store" }
        })
      case "Pass":
        return yield* request.url.split("?", 1)[0] === rpcPath ? counted : app
    }
  })
  return Effect.map(
    Effect.catchTag(answer, "HttpServerError", (error) =>
      error.reason._tag === "RouteNotFound"
        ? Effect.succeed(text(404, isPage(error.request.url) ? notBuilt : "There is nothing here."))
        : Effect.fail(error)),
    HttpServerResponse.setHeaders(Door.headers)
  ).pipe(Effect.provideService(HttpIncomingMessage.MaxBodySize, ByteSize.bytes(mostBytes)))
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
}) {
  const server = yield* NodeHttpServer.make(
    () => {
      const made = createServer({ maxHeaderSize: 16_384, headersTimeout: 10_000, requestTimeout: 60_000 })
      made.maxConnections = mostConnections
      return made
    },
    { host, port: options.port, gracefulShutdownTimeout: 0, websocket: { maxPayload: mostBytes } }
  ).pipe(Effect.mapError(listenError(options.port)))
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
