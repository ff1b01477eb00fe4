/**
 * One node of the demo, as a process of its own. Its options come from the environment (`PNET_NAME` and so on); what it is told to
 * do comes in on standard input, a line each (`message bob good morning`), and what happens goes out on standard output as lines
 * of JSON. It leaves when its input ends.
 */
import { NodeRuntime, NodeServices } from "@effect/platform-node"
import { Command, CommandNode, type FunctionError, NodeOptions } from "@pnet/core"
import { NodePnet } from "@pnet/node"
import { Cause, Console, Effect, Exit, FileSystem, Layer, Logger, References, Schema, Stdio, Stream } from "effect"
import { Rpc, RpcGroup } from "effect/rpc"
import { createHash } from "node:crypto"

/** What the typed calls of the demo take and give, and how they fail. */
class Words extends RpcGroup.make(
  Rpc.make("count", {
    payload: { text: Schema.String },
    success: Schema.Struct({ words: Schema.Int, longest: Schema.String }),
    error: Schema.TaggedStruct("NoWords", {})
  })
) {}

const WordsLive = Words.toLayer({
  count: ({ text }) => {
    const words = text.split(" ").filter((word) => word !== "")
    const [longest] = words.toSorted((a, b) => b.length - a.length)
    return longest === undefined
      ? Effect.fail({ _tag: "NoWords" } as const)
      : Effect.succeed({ words: words.length, longest })
  }
})

const Add = Command.make("add", {
  args: [Schema.Finite, Schema.Finite],
  success: Schema.Finite,
  description: "The sum of two numbers"
})

const tell = (event: Record<string, unknown>) => Console.log(JSON.stringify(event))

const Node = Layer.unwrap(Effect.map(NodeOptions.config, (options) =>
  CommandNode.layer({
    ...options,
    onMessage: ({ from, text, node }) =>
      Effect.as(tell({ event: "message", from: from.name, text }), `${node.name} heard "${text}"`),
    commands: [Command.implement(Add, (_call, a, b) => Effect.succeed(a + b))],
    functions: {
      // Says that it has begun, and takes its time.
      ponder: ({ from, node }) =>
        tell({ event: "begun", peer: from.name }).pipe(
          Effect.andThen(Effect.sleep("1 second")),
          Effect.as(`${node.name} has thought about it`)
        )
    },
    streams: {
      // The digest of whatever is sent, which is never held whole.
      sha256: ({ bytes }) =>
        Effect.map(Stream.runFold(bytes, () => createHash("sha256"), (hash, part) => hash.update(part)), (hash) =>
          hash.digest("hex"))
    }
  })))

const failure = (exit: Exit.Failure<unknown, { readonly _tag: string }>) => Cause.prettyErrors(exit.cause)[0]?.message

const outcome = (exit: Exit.Exit<unknown, { readonly _tag: string }>) =>
  Exit.isSuccess(exit)
    ? { value: exit.value }
    : {
      error: failure(exit),
      tag: exit.cause.reasons.map((reason) => reason._tag === "Fail" ? reason.error._tag : "").join()
    }

/** What it can be told to do. */
const orders: Record<
  string,
  (
    target: string,
    words: string
  ) => Effect.Effect<void, FunctionError.NodeClosedError, CommandNode.CommandNode | FileSystem.FileSystem>
> = {
  message: (target, words) =>
    Effect.gen(function*() {
      const node = yield* CommandNode.CommandNode
      const outcomes = yield* node.raw.sendAll(target, words)
      for (const [peer, exit] of Object.entries(outcomes)) {
        yield* tell(
          Exit.isSuccess(exit)
            ? { event: "answer", peer, text: new TextDecoder().decode(exit.value) }
            : { event: "failure", peer, error: failure(exit) }
        )
      }
    }),

  count: (target, words) =>
    Effect.gen(function*() {
      const node = yield* CommandNode.CommandNode
      const client = yield* node.client(Words, target)
      const exit = yield* Effect.exit(client.count({ text: words }))
      yield* tell({ event: "counted", peer: target, ...outcome(exit) })
    }).pipe(Effect.scoped),

  describe: (target) =>
    Effect.gen(function*() {
      const node = yield* CommandNode.CommandNode
      const exit = yield* Effect.exit(node.target(target)("describe"))
      yield* tell({ event: "described", peer: target, ...outcome(exit) })
    }),

  ponder: (target) =>
    Effect.gen(function*() {
      const node = yield* CommandNode.CommandNode
      const exits = yield* node.target(target as "*", { timeout: "10 seconds" })("ponder")
      yield* tell({
        event: "pondered",
        exits: Object.fromEntries(Object.entries(exits).map(([peer, exit]) => [peer, outcome(exit)]))
      })
    }),

  // The first 8 MiB of the program that runs this one.
  file: (target) =>
    Effect.gen(function*() {
      const node = yield* CommandNode.CommandNode
      const fs = yield* FileSystem.FileSystem
      const here = createHash("sha256")
      let bytes = 0
      const file = fs.stream(process.execPath, { bytesToRead: 8_388_608, chunkSize: 65_536 }).pipe(
        Stream.tap((part) =>
          Effect.sync(() => {
            bytes += part.length
            here.update(part)
          })
        )
      )
      const exit = yield* Effect.exit(node.request(target, "sha256", file))
      const there = Exit.isSuccess(exit) ? new TextDecoder().decode(exit.value) : failure(exit)
      yield* tell({ event: "sent", peer: target, bytes, same: there === here.digest("hex"), there })
    })
}

const program = Effect.gen(function*() {
  const node = yield* CommandNode.CommandNode
  yield* tell({ event: "listening", port: node.endpoint.port })

  yield* node.peers.changes.pipe(
    Stream.runForEach((event) =>
      tell(
        event._tag === "KeyConflict"
          ? { event: event._tag, peer: event.name }
          : { event: event._tag, peer: event.peer.name, ...("reason" in event ? { reason: event.reason } : {}) }
      )
    ),
    Effect.forkScoped
  )

  const stdio = yield* Stdio.Stdio
  yield* stdio.stdin.pipe(
    Stream.decodeText(),
    Stream.splitLines,
    Stream.runForEach((line) => {
      const [order = "", target = "", ...words] = line.split(" ")
      return Object.hasOwn(orders, order)
        ? orders[order]!(target, words.join(" "))
        : tell({ event: "not understood", line })
    })
  )
})

program.pipe(
  Effect.scoped,
  Effect.provide(
    CommandNode.serve(Words).pipe(
      Layer.provide(WordsLive),
      Layer.provideMerge(Node),
      Layer.provide(NodePnet.layerConfig),
      Layer.provideMerge(NodeServices.layer),
      // What it says belongs to the demo; of its log only what is wrong, on standard error.
      Layer.provideMerge(Logger.layer([Logger.withConsoleError(Logger.formatLogFmt)])),
      Layer.provideMerge(Layer.succeed(References.MinimumLogLevel, "Warn"))
    )
  ),
  NodeRuntime.runMain
)
