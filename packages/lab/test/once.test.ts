/** What several processes want is made by one of them. */
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { spawn, spawnSync } from "node:child_process"
import { existsSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { once } from "../src/harness/once.ts"

const alone = fileURLToPath(new URL("../src/harness/alone.ts", import.meta.url))

const nothing = () => undefined

/** A lock in a folder that is made with it. */
const lock = Effect.map(
  Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "pnet-once-"))),
    (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
  ),
  (folder) => join(folder, "in", "lock")
)

it.effect("is taken where it is there, and made where it is not, by who has the lock meanwhile", () =>
  Effect.gen(function*() {
    const path = yield* lock
    assert.strictEqual(once(path, () => 1, () => assert.fail("made")), 1)
    assert.strictEqual(once(path, nothing, () => existsSync(path)), true)
    assert.isFalse(existsSync(path))
    assert.throws(() => once(path, nothing, () => assert.fail("it broke")), "it broke")
    assert.isFalse(existsSync(path))
    // Another may have made it before the lock was there.
    let looked = 0
    assert.strictEqual(once(path, () => looked++ === 0 ? undefined : 2, () => assert.fail("made")), 2)
    assert.isFalse(existsSync(path))
  }).pipe(Effect.scoped))

it.effect("is waited for while another makes it, and for no one who is gone or takes for ever", () =>
  Effect.gen(function*() {
    const path = yield* lock
    once(path, nothing, () => true)
    // Of a process that lives.
    writeFileSync(path, String(process.pid))
    let looked = 0
    assert.strictEqual(once(path, () => looked++ < 3 ? undefined : 3, () => assert.fail("made")), 3)
    assert.isTrue(existsSync(path))
    utimesSync(path, 1, 1)
    assert.strictEqual(once(path, nothing, () => 4), 4)
    const gone = spawnSync(process.execPath, ["--version"]).pid
    writeFileSync(path, String(gone))
    assert.strictEqual(once(path, nothing, () => 5), 5)
    assert.isFalse(existsSync(path))
  }).pipe(Effect.scoped))

it.live("is a command, of which one runs at a time, and whose exit code is what it was", () =>
  Effect.gen(function*() {
    const path = yield* lock
    const told = `${path}.txt`
    once(path, nothing, () => true)
    const run = (name: string, code: number) =>
      Effect.callback<number | null>((resume) => {
        // It begins, and ends when another would have begun meanwhile.
        const program = `
          const tell = (word) => require("node:fs").appendFileSync(process.argv[1], word)
          tell("(")
          setTimeout(() => { tell(")"); process.exitCode = ${code} }, 1_000)
        `
        spawn(process.execPath, [alone, name, process.execPath, "--eval", program, told], { stdio: "inherit" })
          .on("exit", (code) => resume(Effect.succeed(code)))
      })
    const name = `alone-${process.pid}`
    assert.deepStrictEqual(yield* Effect.all([run(name, 0), run(name, 3)], { concurrency: 2 }), [0, 3])
    assert.strictEqual(readFileSync(told, "utf8"), "()()")
  }).pipe(Effect.scoped))

it.live("ends with whoever started it, and has its command end with all that that started", () =>
  Effect.gen(function*() {
    const path = yield* lock
    once(path, nothing, () => true)
    // As the compiler is started: a script waits for a program, whose output ends when nobody has it any more.
    const program = `process.on("SIGTERM", () => {}); process.stdout.write("runs "); setInterval(() => {}, 1_000)`
    const script = `require("node:child_process").spawnSync(process.execPath, ["--eval", ${
      JSON.stringify(program)
    }], { stdio: "inherit" })`
    const command = (name: string) => [alone, `${name}-${process.pid}`, process.execPath, "--eval", script]
    const ended = (args: ReadonlyArray<string>, signal: NodeJS.Signals) =>
      Effect.callback<string>((resume) => {
        const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] })
        let said = ""
        child.stdout.on("data", (part: Buffer) => {
          said += part.toString()
          child.kill(signal)
        })
        child.once("close", () => resume(Effect.succeed(said)))
      })
    assert.strictEqual(yield* ended(command("told"), "SIGTERM"), "runs ")
    // Who starts it is killed, and tells it nothing.
    const starter = `require("node:child_process").spawn(process.execPath, ${
      JSON.stringify(command("left"))
    }, { stdio: "inherit" })`
    assert.strictEqual(yield* ended(["--eval", starter], "SIGKILL"), "runs ")
  }).pipe(Effect.scoped))
