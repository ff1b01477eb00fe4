/** A node in a process of its own, for what the page shows: functions that answer, stream, fail, and wait. It says its key, and leaves when its input ends. */
import { NodeRuntime } from "@effect/platform-node"
import { Command, CommandNode, NodeOptions } from "@pnet/core"
import { NodePnet } from "@pnet/node"
import { Deferred, Effect, Layer, Logger, Schema, Stream } from "effect"
import { Rpc, RpcGroup } from "effect/rpc"

class Shop extends RpcGroup.make(
  Rpc.make("ticks", { payload: { to: Schema.Int }, success: Schema.Int, stream: true }),
  Rpc.make("order", {
    payload: {
      article: Schema.Literals(["milk", "bread"]),
      amount: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 9 }))
    },
    success: Schema.Struct({ total: Schema.Finite }),
    error: Schema.TaggedStruct("SoldOut", { article: Schema.String })
  })
) {}

const ShopLive = Shop.toLayer({
  ticks: ({ to }) => Stream.concat(Stream.range(1, to), to > 100 ? Stream.never : Stream.empty),
  order: ({ amount, article }) =>
    article === "bread" ? Effect.fail({ _tag: "SoldOut", article } as const) : Effect.succeed({ total: amount * 2 })
})

const Add = Command.make("add", {
  // A megabyte, of which nobody wants to see more than the beginning.
  description: `Adds <b>two</b> numbers\u001b[2J\u202e${"x".repeat(1_000_000)}`,
  args: [Schema.Finite.annotate({ title: "a" }), Schema.Finite.annotate({ title: "b" })],
  success: Schema.Finite
})

const Node = Layer.unwrap(Effect.map(NodeOptions.config, (options) =>
  CommandNode.serve(Shop).pipe(
    Layer.provide(ShopLive),
    Layer.provideMerge(
      CommandNode.layer({ ...options, commands: [Command.implement(Add, (_call, a, b) => Effect.succeed(a + b))] })
    )
  )))

const ended = Effect.gen(function*() {
  // What its owner reads out to whoever asks whose the name is.
  process.stdout.write(`${(yield* CommandNode.CommandNode).publicKey}\n`)
  const end = yield* Deferred.make<void>()
  process.stdin.resume().once("end", () => Deferred.doneUnsafe(end, Effect.void))
  yield* Deferred.await(end)
})

ended.pipe(Effect.provide(Node.pipe(Layer.provide([NodePnet.layer, Logger.layer([])]))), NodeRuntime.runMain)
