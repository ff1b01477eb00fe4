// A node in a process of its own, for sessions.processes.test.ts, with its options in the environment (PNET_NAME and so on). It
// leaves when it is told to by SIGTERM, and when its standard input ends, as it does when the process that started it is gone.
import { NodeRuntime } from "@effect/platform-node"
import { AdvancedNode, NodeOptions } from "@pnet/core"
import { NodePnet } from "@pnet/node"
import { Effect, Layer, Logger, References, Schedule, Stream } from "effect"

/** The nth chunk: a kibibyte of n, as 32 bit numbers. */
const numbered = (n: number) => {
  const chunk = Buffer.alloc(1_024)
  for (let at = 0; at < chunk.length; at += 4) chunk.writeUInt32LE(n, at)
  return chunk
}

const chunks = Stream.map(Stream.iterate(0, (n) => n + 1), numbered)

const Node = Layer.unwrap(Effect.map(NodeOptions.config, (options) =>
  AdvancedNode.layer({
    ...options,
    functions: {
      /** Numbered chunks without an end, a few hundred a second. */
      slow: () => chunks.pipe(Stream.rechunk(1), Stream.schedule(Schedule.spaced("3 millis"))),
      /** The same, as fast as they are read. */
      fast: () => chunks,
      echo: ({ bytes }) => bytes
    }
  })))

const inputEnds = Effect.callback<void>((resume) => {
  process.stdin.once("close", () => resume(Effect.void)).resume()
})

Effect.scoped(Effect.andThen(Layer.build(Node), inputEnds)).pipe(
  Effect.provide([
    NodePnet.layer,
    // Standard output says nothing; what goes wrong is on standard error.
    Logger.layer([Logger.withConsoleError(Logger.formatLogFmt)]),
    Layer.succeed(References.MinimumLogLevel, "Error")
  ]),
  NodeRuntime.runMain
)
