/**
 * A live pipe: standard input goes through the function `upper` of a node in another process, and comes out on standard output.
 *
 *     echo hello | node packages/examples/src/pipe.ts
 *
 * It starts that process itself, and ends when the input ends. What is typed comes back line by line, and what is piped is never
 * held whole: where the output is not read, nothing more of the input is.
 */
import { NodeRuntime, NodeServices } from "@effect/platform-node"
import { AdvancedNode } from "@pnet/core"
import { NodePnet } from "@pnet/node"
import { Console, Effect, Layer, Logger, References, Stdio, Stream } from "effect"
import { ChildProcess, ChildProcessSpawner } from "effect/process"
import { fileURLToPath } from "node:url"

// Two pipes on one machine are two networks.
const networkId = process.env.PNET_NETWORK_ID ?? `pipe-${process.pid}`

/** The other process. It leaves when its input ends, which is when the one that started it is gone, however that came. */
const remote = Effect.gen(function*() {
  yield* AdvancedNode.make({
    name: "remote",
    networkId,
    functions: {
      // Letters may be cut between two pieces, so it is text first.
      upper: ({ bytes }) => bytes.pipe(Stream.decodeText(), Stream.map((text) => text.toUpperCase()))
    }
  })
  yield* Stream.runDrain((yield* Stdio.Stdio).stdin)
})

const pipe = Effect.gen(function*() {
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  yield* spawner.spawn(
    ChildProcess.make(process.execPath, [fileURLToPath(import.meta.url), "remote"], {
      env: { PNET_NETWORK_ID: networkId },
      extendEnv: true,
      stdin: "pipe",
      stdout: "ignore",
      stderr: "inherit"
    })
  )
  const node = yield* AdvancedNode.make({ name: "pipe", networkId })
  yield* node.peers.awaitPeer("remote")

  const { stdin, stdout } = yield* Stdio.Stdio
  if (process.stdin.isTTY) yield* Console.error("type a line, and it comes back in capitals; Ctrl-D ends it")
  let isEmpty = true
  const input = Stream.tap(stdin, () =>
    Effect.sync(() => {
      isEmpty = false
    }))
  yield* Stream.run(node.send("remote", "upper", input), stdout())
  if (isEmpty) {
    yield* Console.error(
      "nothing came on standard input; try: echo hello | npx -y pnpm@12 exec node packages/examples/src/pipe.ts"
    )
  }
})

Effect.flatMap(Stdio.Stdio, (stdio) => Effect.flatMap(stdio.args, ([role]) => role === "remote" ? remote : pipe)).pipe(
  Effect.scoped,
  Effect.provide(Layer.mergeAll(
    NodePnet.layer,
    NodeServices.layer,
    // Standard output is the pipe's alone.
    Logger.layer([Logger.withConsoleError(Logger.formatLogFmt)]),
    Layer.succeed(References.MinimumLogLevel, "Error")
  )),
  NodeRuntime.runMain
)
