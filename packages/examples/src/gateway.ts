/**
 * A gateway: `node packages/examples/src/gateway.ts` serves HTTP on a free port of this machine, asks it for flights, and ends. All
 * airlines are asked, since each has prices of its own; rates of exchange come from any one of the banks. Who is late is named.
 */
import { NodeHttpServer, NodeRuntime } from "@effect/platform-node"
import { Balance, CommandNode, Outcomes, TofuTrust, Trust } from "@pnet/core"
import { NodePnet } from "@pnet/node"
import { Console, Effect, Layer, References, Schema } from "effect"
import { FetchHttpClient, HttpClient, HttpRouter, HttpServer, HttpServerResponse } from "effect/http"
import { Rpc, RpcGroup } from "effect/rpc"
import { createServer } from "node:http"

const networkId = process.env.PNET_NETWORK_ID ?? `gateway-${process.pid}`

export class Airline extends RpcGroup.make(
  Rpc.make("quote", { payload: { to: Schema.String }, success: Schema.Finite })
) {}

export class Rates extends RpcGroup.make(
  Rpc.make("crowns", { payload: { euros: Schema.Finite }, success: Schema.Finite }).annotate(Balance.Idempotent, true)
) {}

export const Routes = HttpRouter.use((router) =>
  Effect.gen(function*() {
    const node = yield* CommandNode.CommandNode
    const airlines = yield* node.client(Airline, "*", { timeout: "1 second" })
    const rates = yield* node.client(Rates, { timeout: "2 seconds" })

    const flights = Effect.fn(function*(to: string) {
      const quotes = yield* airlines.quote({ to })
      const priced = Object.entries(Outcomes.succeeded(quotes)).map(([airline, euros]) =>
        Effect.map(rates.crowns({ euros }), (crowns) => ({ airline, crowns }))
      )
      const offers = yield* Effect.all(priced, { concurrency: "unbounded" })
      offers.sort((a, b) => a.crowns - b.crowns)
      return { offers, silent: Object.keys(Outcomes.failed(quotes)) }
    })

    const route = Effect.gen(function*() {
      const { to } = yield* HttpRouter.schemaPathParams(Schema.Struct({ to: Schema.String }))
      return yield* Effect.matchEffect(flights(to), {
        onFailure: ({ message }) => HttpServerResponse.json({ message }, { status: 503 }),
        onSuccess: (found) => HttpServerResponse.json(found)
      })
    })
    yield* router.add("GET", "/flights/:to", route)
  })
)

const Http = HttpRouter.serve(Routes, { disableLogger: true, disableListenLog: true }).pipe(
  Layer.provideMerge(NodeHttpServer.layer(createServer, { host: "127.0.0.1", port: 0 })),
  Layer.provideMerge(CommandNode.layer({ name: "gateway", networkId }))
)

const program = Effect.gen(function*() {
  const prices = { north: 90, south: 70 }
  for (const [name, price] of Object.entries(prices)) {
    const Quotes = Airline.toLayer({ quote: () => Effect.succeed(price) })
    yield* Layer.build(Layer.provide(CommandNode.serve(Airline), [Quotes, CommandNode.layer({ name, networkId })]))
  }
  const Crowns = Rates.toLayer({ crowns: ({ euros }) => Effect.succeed(euros * 11) })
  yield* Layer.build(Layer.provide(CommandNode.serve(Rates), [Crowns, CommandNode.layer({ name: "bank", networkId })]))

  const node = yield* CommandNode.CommandNode
  yield* node.awaitPeers({ serves: Airline }, { atLeast: 2 })
  const response = yield* HttpServer.addressFormattedWith((url) => HttpClient.get(`${url}/flights/oslo`))
  yield* Console.log(yield* response.text)
})

if (import.meta.main) {
  program.pipe(
    Effect.scoped,
    Effect.provide([Http, FetchHttpClient.layer]),
    // Everybody on this network is ours, so what they offer counts.
    Effect.provide(NodePnet.layerWithTrust(Trust.open(TofuTrust.layer()))),
    Effect.provideService(References.MinimumLogLevel, "Error"),
    NodeRuntime.runMain
  )
}
