/** A page with a program, as routes of a server of Effect's HTTP: beside whatever else the server has. */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { Context, Effect, Layer } from "effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServer from "effect/http/HttpServer"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import { createServer } from "node:http"
import { type Chunk, loadedWith } from "./bundle.ts"

/** It says what the entry needs before that is read, as what builds pages for people does. */
const html = (chunks: ReadonlyArray<Chunk>) => {
  const [entry, ...needed] = loadedWith(chunks, chunks[0]!)
  const links = needed.map(({ name }) => `<link rel="modulepreload" href="/${name}">`).join("")
  return `<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,">${links}<title></title><body></body><script type="module" src="/${
    entry!.name
  }"></script>`
}

/** The page at a path, which loads the entry of a bundle. */
export const layer = (
  chunks: ReadonlyArray<Chunk>,
  path: `/${string}` = "/"
): Layer.Layer<never, never, HttpRouter.HttpRouter> =>
  Layer.mergeAll(
    HttpRouter.add("GET", path, HttpServerResponse.text(html(chunks), { contentType: "text/html" })),
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
