// Nodes in a process of their own, for start.ts: orders come as lines of JSON on its input, what came of them goes out the same way. The
// first line says that it is ready. It leaves when its input ends.
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import { createInterface } from "node:readline"
import * as Nodes from "./nodes.ts"
import type { Orders } from "./orders.ts"

const tell = (line: object) => process.stdout.write(`${JSON.stringify(line)}\n`)

/** The lines of the input, until it ends. */
const lines = Stream.callback<string>((queue) =>
  Effect.sync(() => {
    createInterface({ input: process.stdin })
      .on("line", (line) => Queue.offerUnsafe(queue, line))
      .on("close", () => Queue.endUnsafe(queue))
  })
)

const program = Effect.gen(function*() {
  const orders = yield* Nodes.make
  const obey = (line: string) => {
    const { do: name, id, ...order } = JSON.parse(line) as { readonly id: number; readonly do: keyof Orders }
    return Effect.map(
      Effect.exit((orders[name] as (order: any) => Effect.Effect<object, unknown>)(order)),
      (exit) => void tell(Exit.isSuccess(exit) ? { ...exit.value, id } : { failed: Cause.pretty(exit.cause), id })
    )
  }
  tell({ id: 0 })
  yield* Stream.runDrain(Stream.mapEffect(lines, obey, { concurrency: "unbounded" }))
})

NodeRuntime.runMain(Effect.scoped(program))
