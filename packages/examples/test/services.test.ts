/** The examples of services, on a simulated network: workers that are killed, airlines that do not answer, banks that are gone. */
import { assert, it } from "@effect/vitest"
import { CommandNode, TofuTrust, Trust } from "@pnet/core"
import { TestNetwork } from "@pnet/testing"
import { Duration, Effect, Layer, Logger, Stream } from "effect"
import { HttpRouter, HttpServerRequest } from "effect/http"
import * as Gateway from "../src/gateway.ts"
import * as WorkQueue from "../src/work-queue.ts"

const trust = Trust.open(TofuTrust.layer()).pipe(Layer.provide(Logger.layer([])))

const worker = TestNetwork.node({
  roles: ["worker"],
  beside: WorkQueue.StudioWorks
})

class Studio extends TestNetwork.Service<Studio>()("test/Studio", {
  seed: 1,
  trust,
  nodes: { coordinator: TestNetwork.node(), w1: worker, w2: worker, w3: worker }
}) {}

it.effect("work queue: films spread over the workers, and one whose worker is killed goes on at another without a frame twice", () =>
  Effect.gen(function*() {
    const { nodes } = yield* Studio
    const { coordinator } = nodes
    yield* coordinator.node.awaitPeers({ role: "worker" }, { atLeast: 3 })
    const films = ["alien", "brazil", "casablanca", "dune"]
    const by = new Map(films.map((film) => [film, [] as Array<string>]))
    const rendering = coordinator.run(
      Stream.runForEach(WorkQueue.renderAll(films), (progress) =>
        Effect.gen(function*() {
          const frames = by.get(progress.film)!
          assert.strictEqual(progress.frame, frames.push(progress.by))
          if (progress.film === "alien" && progress.frame === 10) yield* nodes[progress.by as "w1"].kill
        }))
    )
    const [time] = yield* Effect.timed(rendering)
    for (const frames of by.values()) assert.lengthOf(frames, 20)
    const [first, second] = new Set(by.get("alien"))
    assert.isDefined(second)
    assert.strictEqual(by.get("alien")!.lastIndexOf(first!), 9)
    assert.isBelow(Duration.toSeconds(time), 5)
  }).pipe(Effect.provide(Studio.layer)))

const airline = (price: number) =>
  TestNetwork.node({
    beside: CommandNode.serve(Gateway.Airline).pipe(
      Layer.provide(Gateway.Airline.toLayer({ quote: () => Effect.succeed(price) }))
    )
  })

const bank = TestNetwork.node({
  beside: CommandNode.serve(Gateway.Rates).pipe(
    Layer.provide(Gateway.Rates.toLayer({ crowns: ({ euros }) => Effect.succeed(euros * 11) }))
  )
})

class Town extends TestNetwork.Service<Town>()("test/Town", {
  seed: 1,
  trust,
  nodes: { gateway: TestNetwork.node(), north: airline(90), south: airline(70), first: bank, second: bank }
}) {}

it.effect("gateway: answers of all are merged, who is late is named, and without a bank there is a 503", () =>
  Effect.gen(function*() {
    const { nodes } = yield* Town
    const { gateway } = nodes
    yield* gateway.node.awaitPeers({ serves: Gateway.Airline }, { atLeast: 2 })
    yield* gateway.run(Effect.gen(function*() {
      const handle = yield* HttpRouter.toHttpEffect(Gateway.Routes)
      const get = Effect.suspend(() =>
        Effect.provideService(
          handle,
          HttpServerRequest.HttpServerRequest,
          HttpServerRequest.fromWeb(new Request("http://gateway/flights/oslo"))
        )
      ).pipe(Effect.map(({ body, status }) => {
        assert(body._tag === "Uint8Array")
        return { status, body: JSON.parse(new TextDecoder().decode(body.body)) }
      }))
      const [south, north] = [{ airline: "south", crowns: 770 }, { airline: "north", crowns: 990 }]
      assert.deepStrictEqual(yield* get, { status: 200, body: { offers: [south, north], silent: [] } })

      yield* nodes.first.kill
      yield* nodes.north.pause
      const [time, late] = yield* Effect.timed(get)
      assert.deepStrictEqual(late, { status: 200, body: { offers: [south], silent: ["north"] } })
      assert.isBelow(Duration.toMillis(time), 1_200)

      yield* nodes.second.stop
      const nobody = yield* get
      assert.strictEqual(nobody.status, 503)
      assert.match(nobody.body.message, /no peer serves "crowns"/)
    }))
  }).pipe(Effect.scoped, Effect.provide(Town.layer)))
