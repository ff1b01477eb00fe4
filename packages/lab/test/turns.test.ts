/** Programs that take turns in one process: each ends as it would in one of its own. */
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Turns from "../src/processes/turns.ts"

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "pnet-turns-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
)

it.live("each ends by itself, with what it printed and its code, whatever the one before it did", () =>
  Effect.gen(function*() {
    const cwd = yield* folder
    const programs = [
      `console.log("one", process.argv[2], process.env.TURN)`,
      `setTimeout(() => console.error("two, later"), 20); console.log("two"); process.exitCode = 5`,
      `console.log("three"); await Promise.resolve(); throw new Error("of three")`,
      `console.log(String(globalThis.left)); globalThis.left = 4; process.exit(7)`,
      `console.log("five"); await new Promise(() => {})`,
      `console.log("six"); setInterval(() => {}, 1000)`,
      `console.log("seven"); process.kill(process.pid, "SIGKILL")`,
      `console.log("eight")`,
      `import "./none!.mjs"`
    ].map((text, i) => {
      const file = join(cwd, `${i}.mjs`)
      writeFileSync(file, text)
      return i === 0 ? { file, args: ["argument"], env: { TURN: "first" } } : { file }
    })
    const turns = Turns.make(programs, { cwd, env: process.env, seconds: 3 })
    yield* turns.run
    const [first, second, third, ...rest] = yield* Effect.all(turns.ended)
    assert.deepStrictEqual(first, { output: "one argument first\n", code: 0 })
    assert.deepStrictEqual(second, { output: "two\ntwo, later\n", code: 5 })
    assert.strictEqual(third!.code, 1)
    assert.match(third!.output, /^three\nError: of three\n/)
    const [killed, eighth, none] = rest.splice(-3)
    assert.strictEqual(none!.code, 1)
    assert.match(none!.output, /Cannot find module/)
    assert.deepStrictEqual(rest, [
      { output: "undefined\n", code: 7 },
      { output: "five\n", code: 13 },
      { output: "six\nit did not end within 3 seconds", code: -1 }
    ])
    assert.strictEqual(killed!.code, -1)
    assert.match(killed!.output, /^seven\nit was killed$/)
    assert.deepStrictEqual(eighth, { output: "eight\n", code: 0 })
  }).pipe(Effect.scoped))

it.live("are in one process, also where some wait for nothing", () =>
  Effect.gen(function*() {
    const cwd = yield* folder
    const programs = [
      `console.log(process.pid)`,
      `console.log(process.pid)`,
      `await Promise.resolve(); console.log(process.pid)`,
      `setTimeout(() => console.log(process.pid), 1)`,
      `console.log(process.pid)`
    ].map((text, i) => {
      const file = join(cwd, `${i}.mjs`)
      writeFileSync(file, text)
      return { file }
    })
    const turns = Turns.make(programs, { cwd, env: process.env, seconds: 20 })
    yield* turns.run
    const ended = yield* Effect.all(turns.ended)
    assert.deepStrictEqual(ended, programs.map(() => ended[0]))
    assert.match(ended[0]!.output, /^\d+\n$/)
  }).pipe(Effect.scoped))
