import { NodeServices } from "@effect/platform-node"
import { assert, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { ChildProcess, ChildProcessSpawner } from "effect/process"
import { fileURLToPath } from "node:url"

/** Runs an example as a user would, in a process of its own. */
const run = (name: string) =>
  Effect.gen(function*() {
    const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
    const handle = yield* spawner.spawn(
      ChildProcess.make(process.execPath, [fileURLToPath(new URL(`../src/${name}.ts`, import.meta.url))], {
        env: { PNET_NETWORK_ID: `test-${process.pid}` },
        extendEnv: true
      })
    )
    const output = yield* handle.all.pipe(Stream.decodeText(), Stream.mkString)
    return { output, code: yield* handle.exitCode }
  }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))

it.live("hello", () =>
  Effect.gen(function*() {
    const { code, output } = yield* run("hello")
    assert.include(output, "hello bob, you said: good morning")
    assert.strictEqual(code as number, 0, output)
  }), 30_000)

it.live("demo", () =>
  Effect.gen(function*() {
    const { code, output } = yield* run("demo")
    assert.include(output, "all steps went as they should")
    assert.strictEqual(code as number, 0, output)
  }), 30_000)
