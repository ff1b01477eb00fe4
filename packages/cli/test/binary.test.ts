/** The real command, in pipes and in a terminal. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { afterAll } from "vitest"
import { version } from "../src/version.ts"
import { home, terminals } from "./harness/binary.ts"
import { values } from "./harness/desk.ts"

const place = home(40_851)
afterAll(() => place.close())

describe("the command in processes", () => {
  it.live("serves a command of the shell, is called, and says that it leaves on Ctrl-C", () =>
    Effect.gen(function*() {
      const up = place.start(
        ["up", "--name", "bob", "--fn", "add(a, b)=echo $(($1 + $2))", "--open"],
        terminals ? { columns: 60 } : {}
      )
      yield* Effect.promise(() => up.says("bob is up"))
      const called = yield* Effect.promise(() => place.run(["call", "bob", "add", "1", "2"]))
      assert.deepEqual(called, { code: 0, stdout: "3\n", stderr: "" })
      yield* Effect.promise(() => up.says("called add: ok"))
      if (terminals) up.type("\u0003")
      else up.child.kill("SIGINT")
      const { code, stdout } = yield* Effect.promise(() => up.ended)
      assert.strictEqual(code, 130)
      assert.match(stdout, /bob leaves/)
    }))

  it.live("refuses to serve everybody unless it is told so", () =>
    Effect.gen(function*() {
      const { code, stderr, stdout } = yield* Effect.promise(() => place.run(["up", "--fn", "ls=ls", "--json"]))
      assert.strictEqual(code, 2)
      assert.strictEqual(stdout, "")
      assert.match(values(stderr)[0]?.["hint"], /--open/)
    }))

  it.live("says its version without loading the rest", () =>
    Effect.gen(function*() {
      assert.deepEqual(yield* Effect.promise(() => place.run(["--version"])), {
        code: 0,
        stdout: `pnet ${version}\n`,
        stderr: ""
      })
    }))
})
