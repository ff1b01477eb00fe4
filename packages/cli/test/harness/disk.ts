/**
 * `pnet` run in this process over the files of a folder of its own, for what has to do with files and needs no node.
 */
import * as NodeServices from "@effect/platform-node/NodeServices"
import { TerminalCapabilities } from "effect/cli/TerminalCapabilities"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Sink from "effect/Sink"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import { Machine } from "../../src/machine.ts"
import { NodeParts } from "../../src/node/NodeParts.ts"
import { program } from "../../src/program.ts"
import type { Ran } from "./desk.ts"

const noNode = Effect.die(new Error("no node is started"))

const noParts = Layer.succeed(NodeParts, {
  machine: Layer.effectContext(noNode),
  hold: () => noNode,
  networkKeys: () => noNode,
  trust: () => Layer.effectContext(noNode),
  files: Layer.empty
})

/** A user with a home folder, which goes with the scope. */
export const disk = Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem
  const home = yield* fs.makeTempDirectoryScoped({ prefix: "pnet-cli-" })
  const run = (words: ReadonlyArray<string>, stdin?: string): Effect.Effect<Ran> =>
    Effect.suspend(() => {
      const written = { stdout: "", stderr: "" }
      const sink = (to: "stdout" | "stderr") => () =>
        Sink.forEach((chunk: string | Uint8Array) =>
          Effect.sync(() => {
            written[to] += typeof chunk === "string" ? chunk : new TextDecoder().decode(chunk)
          })
        )
      const layer = Layer.mergeAll(
        noParts,
        Layer.succeed(Machine, {
          env: {},
          hostname: "desk",
          user: undefined,
          home,
          pid: process.pid,
          windows: process.platform === "win32",
          zone: () => DateTime.zoneMakeOffset(0)
        }),
        Layer.succeed(TerminalCapabilities, { canColor: false, canAnimate: false, canPrompt: false })
      ).pipe(
        Layer.provideMerge(Stdio.layerTest({
          stdout: sink("stdout"),
          stderr: sink("stderr"),
          stdin: stdin === undefined ? Stream.empty : Stream.succeed(new TextEncoder().encode(stdin)),
          stdinIsTerminal: Effect.succeed(stdin === undefined)
        })),
        Layer.provideMerge(NodeServices.layer)
      )
      return Effect.map(
        Effect.provide(program(words), layer, { local: true }),
        (code) => ({ code, ...written })
      )
    }) as Effect.Effect<Ran>
  return {
    home,
    run: (...words: ReadonlyArray<string>) => run(words),
    piped: (stdin: string, ...words: ReadonlyArray<string>) => run(words, stdin)
  }
})
