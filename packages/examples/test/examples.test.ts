import { NodeServices } from "@effect/platform-node"
import { assert, it } from "@effect/vitest"
import * as Programs from "@pnet/lab/processes/programs"
import { Effect, Stream } from "effect"
import { ChildProcess, ChildProcessSpawner } from "effect/process"
import { existsSync, symlinkSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

const sourceOf = (name: string) => fileURLToPath(new URL(`../src/${name}.ts`, import.meta.url))

const fileIn = (name: string) => Programs.file(new URL(`../src/${name}.ts`, import.meta.url))

/** The file to run for an example: of one its source, as a user would, and of the others one file each, which starts sooner. */
const fileOf = (name: string) => {
  if (name === "hello") return sourceOf(name)
  const file = fileIn(name)
  if (name === "demo") {
    // What it starts itself is found beside it, by the name of the source.
    const beside = join(dirname(file), "demo-node.ts")
    if (!existsSync(beside)) symlinkSync(fileIn("demo-node"), beside)
  }
  return file
}

/** Runs an example in a process of its own. */
const run = (
  name: string,
  options: {
    readonly stdin?: Stream.Stream<Uint8Array>
    readonly args?: Array<string>
    readonly env?: Record<string, string>
  } = {}
) =>
  Effect.gen(function*() {
    const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
    const handle = yield* spawner.spawn(
      ChildProcess.make(process.execPath, [
        fileOf(name),
        ...options.args ?? []
      ], {
        env: { PNET_NETWORK_ID: `test-${name}-${process.pid}`, ...options.env },
        extendEnv: true,
        ...(options.stdin === undefined ? {} : { stdin: options.stdin })
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
  }))

it.live("demo", () =>
  Effect.gen(function*() {
    const { code, output } = yield* run("demo")
    assert.include(output, "all steps went as they should")
    assert.strictEqual(code as number, 0, output)
  }))

it.live("copy", () =>
  Effect.gen(function*() {
    const { code, output } = yield* run("copy")
    assert.include(output, "bob: the same")
    assert.include(output, "carol: the same")
    assert.include(output, "copied 8.0 MiB to 2 peers")
    // Not on a terminal: no bar.
    assert.notInclude(output, "\r")
    assert.strictEqual(code as number, 0, output)
  }))

it.live("copy, of a file of one's own", () =>
  Effect.gen(function*() {
    const { code, output } = yield* run("copy", { args: [fileURLToPath(import.meta.url)] })
    assert.include(output, "to 2 peers")
    assert.strictEqual(code as number, 0, output)
  }))

it.live("diagnose", () =>
  Effect.gen(function*() {
    const env = { PNET_BROADCAST_INTERVAL: "500 millis" }
    const { code, output } = yield* run("diagnose", { env })
    assert.include(output, "a broadcast from 127.0.0.1 to 127.255.255.255 came back to this machine")
    assert.include(output, "nothing is wrong")
    assert.strictEqual(code as number, 0, output)
    // An address that is for documentation, and nobody's.
    const wrong = yield* run("diagnose", { args: ["203.0.113.7"], env })
    assert.include(wrong.output, "no network interface that is up has the address 203.0.113.7")
    assert.strictEqual(wrong.code as number, 1, wrong.output)
  }))

it.live("work-queue", () =>
  Effect.gen(function*() {
    const { code, output } = yield* run("work-queue")
    for (const film of ["alien", "brazil", "casablanca", "dune"]) assert.include(output, `${film}: 20 of 20`)
    // The worker of this one was killed behind its tenth frame.
    const by = [...output.matchAll(/alien: \d+ of 20, by (w\d)/g)].map(([, name]) => name)
    assert.lengthOf(by, 4, output)
    assert.deepStrictEqual([by[0], by[2]], [by[1], by[3]])
    assert.notStrictEqual(by[1], by[2])
    assert.strictEqual(code as number, 0, output)
  }))

it.live("sensors", () =>
  Effect.gen(function*() {
    const { code, output } = yield* run("sensors")
    assert.include(output, "attic/air 29, cellar/air 14, kitchen/air 23\n")
    assert.match(output, /\nattic\/air 29, kitchen\/air 23\n$/)
    assert.strictEqual(code as number, 0, output)
  }))

it.live("gateway", () =>
  Effect.gen(function*() {
    const { code, output } = yield* run("gateway")
    const offers = [{ airline: "south", crowns: 770 }, { airline: "north", crowns: 990 }]
    assert.strictEqual(output, `${JSON.stringify({ offers, silent: [] })}\n`)
    assert.strictEqual(code as number, 0, output)
  }))

it.live("pipe", () =>
  Effect.gen(function*() {
    const lines = Array.from({ length: 20_000 }, (_, i) => `line ${i}, straße\n`).join("")
    const { code, output } = yield* run("pipe", { stdin: Stream.make(new TextEncoder().encode(lines)) })
    assert.isTrue(output === lines.toUpperCase(), output.slice(0, 500))
    assert.strictEqual(code as number, 0, output)
  }))
