/**
 * The help of every command, and the manual that is made from them. Both are files, written anew by
 * `vitest run --config vitest.workspace.ts packages/cli/test/manual.test.ts -u`.
 */
import { assert, describe, it } from "@effect/vitest"
import { displayWidth } from "effect/cli/CliOutput"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Path from "effect/Path"
import * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import * as Stdio from "effect/Stdio"
import * as Terminal from "effect/Terminal"
import { expect } from "vitest"
import { helpText } from "../src/help.ts"
import { Machine } from "../src/machine.ts"
import { commandPaths, helpOf, manual } from "../src/manual.ts"
import { NodeParts } from "../src/node/NodeParts.ts"
import { coloured, uncoloured } from "../src/output/style.ts"
import { specs } from "../src/tree.ts"

const noNode = Effect.die(new Error("no node is started"))
const nothing = Layer.mergeAll(
  FileSystem.layerNoop({}),
  Path.layer,
  Stdio.layerTest({}),
  Layer.succeed(
    Terminal.Terminal,
    Terminal.make({
      columns: Effect.succeed(80),
      rows: Effect.succeed(24),
      size: Effect.die("unused"),
      readInput: Effect.die("unused"),
      readLine: Effect.die("unused"),
      display: () => Effect.void
    })
  ),
  Layer.succeed(Machine, {
    env: {},
    hostname: "desk",
    user: "ann",
    home: "/home/user",
    pid: 1,
    windows: false,
    zone: () => DateTime.zoneMakeOffset(0)
  }),
  Layer.succeed(NodeParts, {
    machine: Layer.effectContext(noNode),
    hold: () => noNode,
    networkKeys: () => noNode,
    trust: () => Layer.effectContext(noNode),
    files: Layer.empty
  }),
  Layer.succeed(
    ChildProcessSpawner.ChildProcessSpawner,
    ChildProcessSpawner.make(() => Effect.die("nothing is started"))
  )
)

describe("the help", () => {
  it.effect("of every command is as it was looked at", () =>
    Effect.gen(function*() {
      const texts = yield* Effect.forEach(commandPaths, (path) =>
        Effect.map(helpOf(path), (doc) =>
          `$ pnet ${[...path, "--help"].join(" ")}\n${helpText(doc, uncoloured, 80)}\n`))
      yield* Effect.promise(() =>
        expect(texts.join("\n")).toMatchFileSnapshot("help.txt")
      )
    }).pipe(Effect.provide(nothing)))

  it.effect("fits a terminal of 60 columns, but for what is to be typed", () =>
    Effect.gen(function*() {
      for (const path of commandPaths) {
        const text = helpText(yield* helpOf(path), coloured, 60)
        const long = text.split("\n").filter((line) => displayWidth(line) > 60 && !/pnet |--|<[a-z|]+>/.test(line))
        assert.deepStrictEqual(long, [], path.join(" "))
      }
    }).pipe(Effect.provide(nothing)))

  it("has a summary, a description and examples of every command, which name it", () => {
    for (const { description, examples, name, prints, summary } of specs) {
      assert.isAtMost(summary.length, 60, name)
      assert.isAbove(description.length, summary.length, name)
      assert.isAbove(examples.length, 0, name)
      for (const { command, description } of examples) {
        assert.match(command, new RegExp(`pnet (.* )?${name}\\b`), name)
        assert.isAbove(description?.length ?? 0, 0, command)
      }
      assert.isArray(prints)
    }
  })
})

describe("the manual", () => {
  it.effect("is what the command says of itself", () =>
    Effect.gen(function*() {
      const text = yield* manual
      yield* Effect.promise(() => expect(text).toMatchFileSnapshot("../../../docs/cli.md"))
    }).pipe(Effect.provide(nothing)))
})
