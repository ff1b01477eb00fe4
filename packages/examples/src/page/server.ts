/**
 * A LAN that a browser sees: two nodes that have something to call, and one that pages connect to, which tells them who is there and calls for them.
 *
 * All of them run in one process here, on loopback; each could as well be on a machine of its own, with `bindIp: "0.0.0.0"`. What a page may have of the LAN
 * is what the server's node gives it, and no more.
 */
import { NodeHttpServer, NodeRuntime } from "@effect/platform-node"
import { CommandNode } from "@pnet/core"
import { NodePnet } from "@pnet/node"
import { WebPnet, WebSocketListener } from "@pnet/web"
import { Console, DateTime, Effect, Layer, Schema, Stream } from "effect"
import { HttpRouter, HttpServer, HttpServerResponse } from "effect/http"
import { createServer } from "node:http"
import { fileURLToPath } from "node:url"
import { rolldown } from "rolldown"
import { Lan } from "./lan.ts"

const networkId = process.env.PNET_NETWORK_ID ?? "page"

// --- the LAN -----------------------------------------------------------------

const Kitchen = CommandNode.layer({
  name: "kitchen",
  networkId,
  functions: { add: (_call, a: number, b: number) => a + b, time: () => Effect.map(DateTime.now, DateTime.formatIso) }
})

const Garage = CommandNode.layer({
  name: "garage",
  networkId,
  functions: { open: ({ from }) => `opened for ${from.name}` }
})

// --- what pages are given of it ------------------------------------------------

const Json = Schema.fromJsonString(Schema.Array(Schema.Json))

const Handlers = Lan.toLayer(Effect.gen(function*() {
  const node = yield* CommandNode.CommandNode
  const functionsOf = (name: string) =>
    Effect.orElseSucceed(
      Effect.map(node.target(name)("get_funcs"), (names) => names as ReadonlyArray<string>),
      (): ReadonlyArray<string> => []
    )
  return Lan.of({
    nodes: () =>
      Stream.concat(Stream.make(undefined), node.peers.changes).pipe(
        Stream.mapEffect(() => node.peers.all),
        Stream.mapEffect((peers) =>
          Effect.forEach(peers.filter(({ endpoints }) => endpoints.length > 0), ({ name }) =>
            Effect.map(functionsOf(name), (functions) => ({
              name,
              functions: functions.filter((each) =>
                each !== "get_funcs" && each !== "describe"
              )
            })))
        )
      ),
    call: ({ args, name, node: peer }) =>
      Schema.decodeUnknownEffect(Json)(args).pipe(
        Effect.flatMap((values) => node.target(peer)(name, ...values)),
        Effect.map((answer) => JSON.stringify(answer) ?? "nothing"),
        Effect.mapError((error) => error.message)
      )
  })
}))

const Server = CommandNode.serve(Lan).pipe(
  Layer.provide(Handlers),
  Layer.provide(CommandNode.layer({ name: "server", networkId })),
  Layer.provide(WebPnet.layerServer({ path: "/pnet" }))
)

// --- the page ------------------------------------------------------------------

const html =
  `<!doctype html><html data-network="${networkId}"><meta charset="utf-8"><title>pnet</title><body></body><script type="module" src="/page.js"></script>`

/** The program of the page, as a bundler makes it: in a project of yours that happens when it is built. */
const Page = Layer.unwrap(Effect.gen(function*() {
  const built = yield* Effect.promise(() =>
    rolldown({ input: fileURLToPath(new URL("./page.ts", import.meta.url)), platform: "browser" })
  )
  const { output } = yield* Effect.promise(() => built.generate({ format: "esm", minify: true }))
  return Layer.mergeAll(
    HttpRouter.add("GET", "/", HttpServerResponse.text(html, { contentType: "text/html" })),
    ...output.flatMap((chunk) =>
      chunk.type !== "chunk" ? [] : [HttpRouter.add(
        "GET",
        `/${chunk.fileName}`,
        Effect.succeed(HttpServerResponse.text(chunk.code, { contentType: "text/javascript" }))
      )]
    )
  )
}))

const port = Number(process.env.PORT ?? "8080")

const where = Layer.effectDiscard(
  Effect.flatMap(
    HttpServer.HttpServer,
    ({ address }) => Console.log(`open http://127.0.0.1:${address._tag === "UnixPathAddress" ? 0 : address.port}/`)
  )
)

const Live = HttpRouter.serve(Layer.mergeAll(Page, Server), { disableLogger: true, disableListenLog: true }).pipe(
  (served) => Layer.provide(where, served) as typeof served,
  Layer.provideMerge(NodeHttpServer.layer(createServer, {
    host: "127.0.0.1",
    port,
    websocket: WebSocketListener.serverOptions
  })),
  Layer.merge(Layer.mergeAll(Kitchen, Garage)),
  Layer.provide(NodePnet.layer)
)

Layer.launch(Live).pipe(
  Effect.catchTag("ServeError", ({ cause }) =>
    Effect.andThen(
      Console.error(`nothing listens on port ${port} of 127.0.0.1: ${String(cause)}; PORT=0 takes any that is free`),
      Effect.sync(() => {
        process.exitCode = 1
      })
    )),
  NodeRuntime.runMain
)
