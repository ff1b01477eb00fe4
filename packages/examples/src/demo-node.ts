/**
 * One node of the demo, as a process of its own. Its options come from the environment (`PNET_NAME` and so on); what it is told to
 * do comes in on standard input, a line each (`bob good morning`), and what happens goes out on standard output as lines of JSON.
 * It leaves when its input ends.
 */
import { NodeRuntime, NodeServices } from "@effect/platform-node"
import { BasicNode, NodeOptions } from "@pnet/core"
import { NodePnet } from "@pnet/node"
import { Cause, Console, Effect, Exit, Layer, Logger, References, Stdio, Stream } from "effect"

const tell = (event: Record<string, unknown>) => Console.log(JSON.stringify(event))

const Node = Layer.unwrap(Effect.map(NodeOptions.config, (options) =>
  BasicNode.layer({
    ...options,
    onMessage: ({ from, text, node }) =>
      Effect.as(tell({ event: "message", from: from.name, text }), `${node.name} heard "${text}"`)
  })))

const program = Effect.gen(function*() {
  const node = yield* BasicNode.BasicNode
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
    Stream.runForEach((line) =>
      Effect.gen(function*() {
        const [target = "", ...words] = line.split(" ")
        const outcomes = yield* node.sendAll(target, words.join(" "))
        for (const [peer, outcome] of outcomes) {
          yield* tell(
            Exit.isSuccess(outcome)
              ? { event: "answer", peer, text: new TextDecoder().decode(outcome.value) }
              : { event: "failure", peer, error: Cause.prettyErrors(outcome.cause)[0]?.message }
          )
        }
      })
    )
  )
})

program.pipe(
  Effect.scoped,
  Effect.provide(
    Node.pipe(
      Layer.provide(NodePnet.layer),
      Layer.provideMerge(NodeServices.layer),
      // What it says belongs to the demo; of its log only what is wrong, on standard error.
      Layer.provideMerge(Logger.layer([Logger.withConsoleError(Logger.formatLogFmt)])),
      Layer.provideMerge(Layer.succeed(References.MinimumLogLevel, "Error"))
    )
  ),
  NodeRuntime.runMain
)
