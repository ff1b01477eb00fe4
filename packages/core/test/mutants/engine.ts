/** Makes mutations, each in a run of vitest of its own, and says what became of them. */
import { Effect, Option } from "effect"
import { spawn } from "node:child_process"
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type Mutation, objection, read, root, seenVariable, variable } from "./mutation.ts"

export type Outcome =
  /** A test failed, as it should. */
  | { readonly _tag: "Killed"; readonly by: string }
  /** All tests passed. */
  | { readonly _tag: "Survived" }
  /** All tests passed, and the mutation says why they cannot do otherwise. */
  | { readonly _tag: "Explained" }
  /** It says nothing about the tests: it cannot be made, nothing loads its file, it breaks the file, or its explanation is wrong. */
  | { readonly _tag: "Invalid"; readonly why: string }

/** Whether an outcome is one that a run may end with. */
export const isFine = ({ _tag }: Outcome): boolean => _tag === "Killed" || _tag === "Explained"

// What the tests that this runs in may have set for themselves.
const environment = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !/^(VITEST|NODE_ENV|NODE_OPTIONS|FORCE_COLOR|PNET_|TEST$)/.test(name))
)

interface Run {
  /** `undefined`: it took too long, and was stopped. */
  readonly code: number | null | undefined
  readonly passed: number
  readonly failed: ReadonlyArray<string>
  /** Whether the mutated file was loaded. */
  readonly seen: boolean
  readonly output: string
}

const vitest = join(root, "node_modules/vitest/vitest.mjs")
const config = "packages/core/test/mutants/config.ts"

// A group of its own, with the programs that its tests start.
const stop = (pid: number | undefined) => {
  try {
    if (pid !== undefined) process.kill(-pid, "SIGKILL")
  } catch {
    // It has ended.
  }
}

const textOf = (file: string): string | undefined => existsSync(file) ? readFileSync(file, "utf8") : undefined

/** What vitest writes of a run. */
interface Report {
  readonly testResults: ReadonlyArray<{
    readonly assertionResults: ReadonlyArray<{ readonly status: string; readonly fullName: string }>
  }>
}

const run = (tests: ReadonlyArray<string>, options: {
  readonly mutation?: Mutation
  readonly minutes: number
  readonly bail: boolean
  readonly workers: number
}): Effect.Effect<Run> =>
  Effect.gen(function*() {
    const folder = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "pnet-mutants-"))),
      (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
    )
    const report = join(folder, "report.json")
    const seen = join(folder, "seen")
    let output = ""
    const ended = Effect.callback<number | null>((resume) => {
      const child = spawn(process.execPath, [
        vitest,
        "run",
        `--config=${config}`,
        "--reporter=json",
        `--outputFile=${report}`,
        `--maxWorkers=${options.workers}`,
        ...options.bail ? ["--bail", "1"] : [],
        ...tests
      ], {
        cwd: root,
        detached: true,
        stdio: ["ignore", "pipe", "pipe"],
        env: {
          ...environment,
          NO_COLOR: "1",
          ...options.mutation === undefined
            ? {}
            : { [variable]: JSON.stringify(options.mutation), [seenVariable]: seen }
        }
      })
      for (const from of [child.stdout, child.stderr]) {
        from.on("data", (text) => {
          output = (output + String(text)).slice(-20_000)
        })
      }
      const done = (exit: Effect.Effect<number | null>) => {
        stop(child.pid)
        resume(exit)
      }
      child.on("error", (error) => done(Effect.die(error)))
      child.on("exit", (code) => done(Effect.succeed(code)))
      return Effect.sync(() => stop(child.pid))
    })
    const code = yield* Effect.timeoutOption(ended, `${options.minutes} minutes`)
    const text = textOf(report)
    const { testResults }: Report = text === undefined ? { testResults: [] } : JSON.parse(text)
    const all = testResults.flatMap(({ assertionResults }) => assertionResults)
    return {
      code: Option.getOrUndefined(code),
      passed: all.filter(({ status }) => status === "passed").length,
      failed: all.filter(({ status }) => status === "failed").map(({ fullName }) => fullName),
      seen: existsSync(seen),
      output
    }
  }).pipe(Effect.scoped)

/** What a run of a test file with a mutation comes to. */
const outcomeOf = ({ code, failed, output, passed }: Run, minutes: number): Outcome =>
  failed.length > 0
    ? { _tag: "Killed", by: failed[0]! }
    : code === undefined
    ? { _tag: "Killed", by: `the tests had not ended after ${minutes} minutes` }
    : code === 0 && passed > 0
    ? { _tag: "Survived" }
    : passed > 0
    ? { _tag: "Killed", by: "an error outside of a test" }
    : { _tag: "Invalid", why: `its tests do not even begin: ${output.trim().slice(-2_000)}` }

/** Makes one mutation and runs its tests, until one fails. */
export const attempt = (mutation: Mutation, options: { readonly minutes: number }): Effect.Effect<Outcome> =>
  Effect.gen(function*() {
    const why = objection(mutation, read(mutation.file))
    if (why !== undefined) return { _tag: "Invalid", why }
    let seen = false
    let outcome: Outcome = { _tag: "Survived" }
    // One file after another: the first is nearly always enough, and others may take minutes.
    for (const test of mutation.tests) {
      const ran = yield* run([test], { mutation, minutes: options.minutes, bail: true, workers: 1 })
      seen ||= ran.seen
      outcome = outcomeOf(ran, options.minutes)
      if (outcome._tag !== "Survived") break
    }
    if (!seen) return { _tag: "Invalid", why: "nothing that its tests load is changed by it" }
    if (mutation.equivalent === undefined) return outcome
    return outcome._tag === "Survived"
      ? { _tag: "Explained" }
      : outcome._tag === "Killed"
      ? { _tag: "Invalid", why: `it is said to change nothing, and is killed by "${outcome.by}"` }
      : outcome
  })

/** Runs tests on the sources as they are; what fails, or `undefined`. */
export const untouched = (
  tests: ReadonlyArray<string>,
  options: { readonly minutes: number; readonly workers: number }
): Effect.Effect<string | undefined> =>
  Effect.map(
    run(tests, { ...options, bail: false }),
    ({ code, failed, output }) =>
      code === 0 ? undefined : code === undefined || failed.length === 0 ? output.trim() : failed.join("\n")
  )
