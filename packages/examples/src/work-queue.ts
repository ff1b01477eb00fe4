/**
 * A work queue: `node packages/examples/src/work-queue.ts` renders four films at three workers, processes of their own, and kills one.
 * Its film goes on at another, behind the last frame that came: `render` may run twice, and `resume` says how it goes on.
 */
import { NodeRuntime, NodeServices } from "@effect/platform-node"
import { Balance, CommandNode, Peers, TofuTrust, Trust } from "@pnet/core"
import { NodePnet } from "@pnet/node"
import { Console, Effect, Layer, References, Schema, Stdio, Stream } from "effect"
import { ChildProcess, ChildProcessSpawner } from "effect/process"
import { Rpc, RpcGroup } from "effect/rpc"

const [, self = "", workerName] = process.argv
const networkId = process.env.PNET_NETWORK_ID ?? `work-queue-${process.pid}`

export class Studio extends RpcGroup.make(
  Rpc.make("render", {
    payload: { film: Schema.String, from: Schema.Int, to: Schema.Int },
    success: Schema.Struct({ frame: Schema.Int, by: Schema.String }),
    stream: true
  }).annotate(Balance.Idempotent, true)
) {}

const StudioLive = Studio.toLayer(Effect.map(CommandNode.CommandNode, ({ name }) => ({
  render: ({ from, to }) =>
    Stream.mapEffect(Stream.range(from, to), (frame) => Effect.as(Effect.sleep("50 millis"), { frame, by: name }))
})))

/** One film at a time: more are refused as not run, and go elsewhere or wait. */
export const StudioWorks = Layer.provide(
  CommandNode.serve(Studio, { concurrency: { running: 1, waiting: 0 } }),
  StudioLive
)

/** Renders films, each at a worker that has room, for which it waits an hour. What comes of them is one stream. */
export const renderAll = (films: ReadonlyArray<string>) =>
  Stream.unwrap(Effect.gen(function*() {
    const node = yield* CommandNode.CommandNode
    const workers = yield* node.client(Studio, Peers.any({ role: "worker" }), {
      settings: { whenFull: "1 hour" },
      resume: { render: (payload, { last }) => ({ ...payload, from: last.frame + 1 }) }
    })
    const render = (film: string) => Stream.map(workers.render({ film, from: 1, to: 20 }), (at) => ({ film, ...at }))
    return Stream.flatMap(Stream.fromIterable(films), render, { concurrency: "unbounded" })
  }))

const coordinator = Effect.gen(function*() {
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  const options = { env: { PNET_NETWORK_ID: networkId }, extendEnv: true }
  const start = (name: string) => spawner.spawn(ChildProcess.make(process.execPath, [self, name], options))
  const workers = yield* Effect.all({ w1: start("w1"), w2: start("w2"), w3: start("w3") })
  const node = yield* CommandNode.CommandNode
  yield* node.awaitPeers({ role: "worker" }, { atLeast: 3 })
  const progress = renderAll(["alien", "brazil", "casablanca", "dune"])
  yield* Stream.runForEach(progress, ({ by, film, frame }) =>
    Effect.gen(function*() {
      if (frame % 5 === 0) yield* Console.log(`${film}: ${frame} of 20, by ${by}`)
      if (film === "alien" && frame === 10) yield* workers[by as "w1"].kill({ killSignal: "SIGKILL" })
    }))
})

const worker = Effect.gen(function*() {
  yield* Layer.build(StudioWorks)
  // Its input ends when the coordinator is gone, however that came.
  yield* Stream.runDrain((yield* Stdio.Stdio).stdin)
})

if (import.meta.main) {
  const options = workerName === undefined ? { name: "coordinator" } : { name: workerName, roles: ["worker"] }
  Effect.gen(function*() {
    yield* workerName === undefined ? coordinator : worker
  }).pipe(
    Effect.scoped,
    Effect.provide([CommandNode.layer({ ...options, networkId }), NodeServices.layer]),
    // Everybody on this network is ours, so what they offer counts.
    Effect.provide(NodePnet.layerWithTrust(Trust.open(TofuTrust.layer()))),
    Effect.provideService(References.MinimumLogLevel, "Error"),
    NodeRuntime.runMain
  )
}
