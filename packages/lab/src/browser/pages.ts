/** A page with a program, as routes of a server of Effect's HTTP: beside whatever else the server has. */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { Context, Effect, Layer } from "effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServer from "effect/http/HttpServer"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import { createServer } from "node:http"
import type { Chunk } from "./bundle.ts"

const html = (entry: string) =>
  `<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><title></title><body></body><script type="module" src="/${entry}"></script>`

/** The page at a path, which loads the entry of a bundle. */
export const layer = (
  chunks: ReadonlyArray<Chunk>,
  path: `/${string}` = "/"
): Layer.Layer<never, never, HttpRouter.HttpRouter> =>
  Layer.mergeAll(
    HttpRouter.add("GET", path, HttpServerResponse.text(html(chunks[0]!.name), { contentType: "text/html" })),
    ...chunks.map(({ code, name }) =>
      HttpRouter.add(
        "GET",
        `/${name}`,
        Effect.succeed(HttpServerResponse.text(code, { contentType: "text/javascript" }))
      )
    )
  )

/** A server of routes on a free port of 127.0.0.1, until the scope closes: where it is, without a slash at the end. */
export const serve = <E, R>(routes: Layer.Layer<never, E, R | HttpRouter.HttpRouter>) =>
  Effect.gen(function*() {
    const server = HttpRouter.serve(routes, { disableLogger: true, disableListenLog: true }).pipe(
      Layer.provideMerge(NodeHttpServer.layer(createServer, { host: "127.0.0.1", port: 0 }))
    )
    const { address } = Context.get(yield* Layer.build(server), HttpServer.HttpServer)
    return `http://127.0.0.1:${address._tag === "UnixPathAddress" ? 0 : address.port}`
  })
