/**
 * The page over a network that is not there: `node packages/console/test/harness/fakeServer.ts [PEERS] [CHANGES A SECOND] [FOLDER] [PORT]`. For those who work on the page;
 * tests serve it in their own process.
 */
import { NodeHttpServer, NodeRuntime } from "@effect/platform-node"
import { Console, Context, Effect, Layer } from "effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServer from "effect/http/HttpServer"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as HttpStaticServer from "effect/http/HttpStaticServer"
import { RpcSerialization, RpcServer } from "effect/rpc"
import { createServer } from "node:http"
import { fileURLToPath } from "node:url"
import { ConsoleApi } from "../../src/ConsoleApi.ts"
import * as Fake from "./fake.ts"

const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

/** Serves the page, and a network that is not there, on a port of 127.0.0.1, until the scope closes: where it is. */
export const serve = (options: Fake.Options & { readonly folder: string; readonly port?: number }) =>
  Effect.gen(function*() {
    const rpc = RpcServer.layer(ConsoleApi).pipe(
      Layer.provide(Fake.layer(options)),
      Layer.provide(RpcServer.layerProtocolWebsocket({ path: "/rpc" })),
      Layer.provide(RpcSerialization.layerJson)
    )
    const strict = HttpRouter.middleware(
      (app) => Effect.map(app, HttpServerResponse.setHeader("content-security-policy", policy)),
      { global: true }
    )
    const server = HttpRouter.serve(
      Layer.mergeAll(rpc, HttpStaticServer.layer({ root: options.folder }), strict),
      { disableLogger: true, disableListenLog: true }
    ).pipe(
      Layer.provideMerge(
        NodeHttpServer.layer(createServer, { host: "127.0.0.1", port: options.port ?? 0, gracefulShutdownTimeout: 0 })
      )
    )
    const { address } = Context.get(yield* Layer.build(server), HttpServer.HttpServer)
    return `http://127.0.0.1:${address._tag === "UnixPathAddress" ? 0 : address.port}/`
  })

if (import.meta.main) {
  const [
    ,
    ,
    peers = "24",
    changes = "2",
    folder = fileURLToPath(new URL("../../dist/page/", import.meta.url)),
    port = "0"
  ] = process.argv
  serve({
    peers: Number(peers),
    changes: Number(changes),
    folder,
    port: Number(port),
    act: true,
    conflicts: true,
    groups: Number(peers) > 100 ? 4 : 1
  }).pipe(
    Effect.tap((url) => Console.log(url)),
    Effect.andThen(Effect.never),
    Effect.scoped,
    NodeRuntime.runMain
  )
}
