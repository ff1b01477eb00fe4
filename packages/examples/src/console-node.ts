/**
 * One node of the network that `console.ts` shows, as a process of its own: which of them, and where, says its environment (`PNET_NAME` and so on). One of them comes and goes.
 * It leaves when its input ends.
 */
import { NodeRuntime, NodeServices } from "@effect/platform-node"
import { ConsoleSpans } from "@pnet/console"
import { NodeOptions, TofuTrust, Trust } from "@pnet/core"
import { NodePnet } from "@pnet/node"
import { Effect, Layer, Stdio, Stream } from "effect"
import { type Member, member } from "./greenhouse.ts"

const program = Effect.gen(function*() {
  const { name, ...options } = yield* NodeOptions.config
  const { stdin } = yield* Stdio.Stdio
  const node = Layer.launch(Layer.fresh(member(name as Member, options)))
  const life = name === "wanderer"
    ? Effect.forever(Effect.andThen(Effect.timeoutOption(node, "40 seconds"), Effect.sleep("15 seconds")))
    : node
  yield* Effect.raceFirst(life, Effect.ignore(Stream.runDrain(stdin)))
})

program.pipe(
  Effect.provide(
    Layer.mergeAll(ConsoleSpans.layer, NodeServices.layer, NodePnet.layerWithTrust(Trust.open(TofuTrust.layer())))
  ),
  NodeRuntime.runMain
)
