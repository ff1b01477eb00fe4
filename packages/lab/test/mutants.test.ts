import { afterAll, assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Scope } from "effect"
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { attempt, makeRunner } from "../src/mutants/engine.ts"
import { all } from "../src/mutants/list.ts"
import { type Mutation, objection, read, root, variable } from "../src/mutants/mutation.ts"

const planted: Mutation = {
  id: "planted",
  file: "packages/core/src/internal/base/base64url.ts",
  find: "if (length % 4 !== 0) return undefined",
  replace: "if (length % 4 === 1) return undefined",
  breaks: "texts without padding are taken",
  tests: ["packages/core/test/base/base64url.test.ts"]
}
// No test of this text looks at what is said in it.
const harmless = { ...planted, find: "/** `encode` as a string. */", replace: "/** `encode`. */" }

const node = (args: ReadonlyArray<string>, env: Record<string, string>) =>
  Effect.callback<string>((resume) => {
    execFile(
      process.execPath,
      args,
      { cwd: `${root}packages/core`, env: { ...process.env, ...env } },
      (error, stdout, stderr) => resume(Effect.succeed(error === null ? stdout.trim() : `${error.message}\n${stderr}`))
    )
  })

describe("the mutations", () => {
  it("can all be made, and have names of their own", () => {
    const sources = new Map<string, string>()
    const sourceOf = (file: string) => {
      const source = sources.get(file) ?? read(file)
      sources.set(file, source)
      return source
    }
    const problems = all.flatMap((mutation) => {
      const why = objection(mutation, sourceOf(mutation.file))
      return why === undefined ? [] : [`${mutation.id}: ${why}`]
    })
    assert.deepStrictEqual(problems, [], "a source has changed: see what became of what the mutation breaks")
    assert.strictEqual(new Set(all.map(({ id }) => id)).size, all.length)
    assert.isAtLeast(all.length, 60)
  })

  it("name tests that there are, and say what they break", () => {
    for (const { breaks, equivalent, id, tests } of all) {
      assert.isAbove(tests.length, 0, id)
      for (const test of tests) assert.include(read(test), "@effect/vitest", id)
      assert.match(breaks, /\S \S/, id)
      if (equivalent !== undefined) assert.match(equivalent, /\S \S+ \S/, id)
    }
  })
})

describe("the engine", () => {
  // One process for all of them, as `pnpm lab mutants` has.
  const scope = Scope.makeUnsafe()
  const runner = Effect.runSync(Scope.provide(makeRunner, scope))
  afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))
  const outcome = (mutation: Mutation) => attempt(runner, mutation, { minutes: 2 })

  it.live("sees the test that fails", () =>
    Effect.map(outcome(planted), (result) => {
      assert.isTrue(result._tag === "Killed" && result.by.length > 0, JSON.stringify(result))
    }), 120_000)

  it.live("sees that no test fails, and whether that was to be expected", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* outcome(harmless), { _tag: "Survived" })
      assert.deepStrictEqual(yield* outcome({ ...harmless, equivalent: "a comment" }), { _tag: "Explained" })
    }), 120_000)

  it.live(
    "does not take for killed what breaks a file, nor for survived what no test loads",
    () =>
      Effect.gen(function*() {
        const broken = yield* outcome({ ...planted, replace: "if (" })
        assert.isTrue(broken._tag === "Invalid" && broken.why.includes("do not even begin"), JSON.stringify(broken))
        const unread = yield* outcome({ ...planted, tests: ["packages/core/test/base/IntMap.test.ts"] })
        assert.isTrue(unread._tag === "Invalid" && unread.why.includes("nothing that"), JSON.stringify(unread))
      }),
    120_000
  )

  it.live("refuses what cannot be made any more", () =>
    Effect.gen(function*() {
      for (const find of ["no such text", "return undefined"]) {
        const result = yield* outcome({ ...planted, find })
        assert.isTrue(result._tag === "Invalid" && result.why.includes("its text stands"), JSON.stringify(result))
      }
    }))

  it.live("reaches the programs that tests start", () =>
    Effect.gen(function*() {
      const hook = fileURLToPath(new URL("../src/mutants/hook.ts", import.meta.url))
      const source =
        "import('./src/internal/base/base64url.ts').then((m) => console.log(String(m.decodeString('QUI'))))"
      const run = (env: Record<string, string>) => node(["--import", hook, "-e", source], env)
      assert.strictEqual(yield* run({}), "undefined")
      assert.match(yield* run({ [variable]: JSON.stringify(planted) }), /^[\d,]+$/)
    }), 60_000)
})
