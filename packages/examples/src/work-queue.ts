/**
 * A work queue: `node packages/examples/src/work-queue.ts` renders three films at workers in processes of their own, and kills one.
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

export const StudioLive = Studio.toLayer(Effect.map(CommandNode.CommandNode, ({ name }) => ({
  render: ({ from, to }) =>
    Stream.range(from, to).pipe(
      Stream.rechunk(1),
      Stream.mapEffect((frame) => Effect.as(Effect.sleep("50 millis"), { frame, by: name }))
    )
})))

/** Renders films, all at once: they spread over the workers that there are, and what comes of them is one stream. */
export const renderAll = (films: ReadonlyArray<string>) =>
  Stream.unwrap(Effect.gen(function*() {
    const node = yield* CommandNode.CommandNode
    const workers = yield* node.client(Studio, Peers.any({ role: "worker" }), {
      resume: { render: (payload, { last }) => ({ ...payload, from: last.frame + 1 }) }
    })
    return Stream.fromIterable(films).pipe(Stream.flatMap(
      (film) => Stream.map(workers.render({ film, from: 1, to: 20 }), (progress) => ({ film, ...progress })),
      { concurrency: "unbounded" }
    ))
  }))

const coordinator = Effect.gen(function*() {
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  const options = { env: { PNET_NETWORK_ID: networkId }, extendEnv: true }
  const start = (name: string) => spawner.spawn(ChildProcess.make(process.execPath, [self, name], options))
  const workers = yield* Effect.all({ w1: start("w1"), w2: start("w2"), w3: start("w3") })
  const node = yield* CommandNode.CommandNode
  yield* node.awaitPeers({ role: "worker" }, { atLeast: 3 })
  yield* Stream.runForEach(
    renderAll(["alien", "brazil", "casablanca"]),
    ({ by, film, frame }) =>
      Effect.gen(function*() {
        if (frame % 5 === 0) yield* Console.log(`${film}: ${frame} of 20, by ${by}`)
        if (film === "alien" && frame === 10) yield* workers[by as "w1"].kill({ killSignal: "SIGKILL" })
      })
  )
})

const worker = Effect.gen(function*() {
  yield* Layer.build(Layer.provide(CommandNode.serve(Studio), StudioLive))
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
