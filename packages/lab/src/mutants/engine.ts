/** Makes mutations, each in a run of the tests beside it, and says what became of them. */
import { Clock, Effect, Option, type Scope } from "effect"
import { type ChildProcess, fork } from "node:child_process"
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { type Mutation, objection, read, root } from "./mutation.ts"

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

/** What `warm.ts` is asked. */
export interface Question {
  readonly test: string
  readonly mutation?: Mutation | undefined
  /** The names of those tests of the file to run; all where there are none. */
  readonly only?: ReadonlyArray<string> | undefined
  /** Whether to stop at the first that fails. */
  readonly bail: boolean
  /** The file that is written when the mutation has been made. */
  readonly seen: string
}

/** What it answers. */
export interface Answer {
  readonly passed: number
  /** The first test that failed. */
  readonly failed: string | undefined
  /** Of those that passed, how many milliseconds each took. */
  readonly times: ReadonlyArray<readonly [name: string, millis: number]>
  /** What failed outside of a test. */
  readonly error: string | undefined
}

interface Run extends Answer {
  /** Whether it took too long, and was stopped. */
  readonly late: boolean
  /** Whether the mutated file was loaded. */
  readonly seen: boolean
}

/** A process that runs test files, one at a time. */
export interface Runner {
  readonly run: (question: Omit<Question, "seen">, minutes: number) => Effect.Effect<Run>
}

// What the tests that this runs in may have set for themselves.
const environment = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !/^(VITEST|NODE_ENV|NODE_OPTIONS|FORCE_COLOR|PNET_|TEST$)/.test(name))
)

const warm = fileURLToPath(new URL("warm.ts", import.meta.url))

// A group of its own, with the programs that its tests start.
const stop = (child: ChildProcess | undefined) => {
  try {
    if (child?.pid !== undefined) process.kill(-child.pid, "SIGKILL")
  } catch {
    // It has ended.
  }
}

export const makeRunner: Effect.Effect<Runner, never, Scope.Scope> = Effect.gen(function*() {
  const folder = yield* Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "pnet-mutants-"))),
    (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
  )
  const seen = join(folder, "seen")
  let child: ChildProcess | undefined
  let output = ""
  const start = () => {
    const started = fork(warm, [], {
      cwd: root,
      detached: true,
      execArgv: [],
      stdio: ["ignore", "pipe", "pipe", "ipc"],
      env: { ...environment, NODE_ENV: "test", NO_COLOR: "1" }
    })
    for (const from of [started.stdout, started.stderr]) {
      from?.on("data", (text) => {
        output = (output + String(text)).slice(-20_000)
      })
    }
    return started
  }
  yield* Effect.addFinalizer(() => Effect.sync(() => stop(child)))
  const ask = (question: Question) =>
    Effect.callback<Answer>((resume) => {
      const one = child ??= start()
      output = ""
      const end = (told: Answer) => {
        one.off("message", end).off("exit", onExit)
        resume(Effect.succeed(told))
      }
      const onExit = () => {
        stop(one)
        child = undefined
        end({ passed: 0, failed: undefined, times: [], error: `it ended: ${output.trim()}` })
      }
      one.on("message", end).on("exit", onExit)
      one.send(question)
      // What hangs is of no use any more.
      return Effect.sync(() => {
        one.off("message", end).off("exit", onExit)
        stop(one)
        child = undefined
      })
    })
  return {
    run: (question, minutes) =>
      Effect.map(
        Effect.timeoutOption(ask({ ...question, seen }), `${minutes} minutes`),
        (told): Run => ({
          ...Option.getOrElse(told, () => ({ passed: 0, failed: undefined, times: [], error: undefined })),
          late: Option.isNone(told),
          seen: existsSync(seen)
        })
      )
  }
})

/** What a run of a test file with a mutation comes to. */
const outcomeOf = ({ error, failed, late, passed }: Run, minutes: number): Outcome =>
  failed !== undefined
    ? { _tag: "Killed", by: failed }
    : late
    ? { _tag: "Killed", by: `the tests had not ended after ${minutes} minutes` }
    : passed === 0
    ? { _tag: "Invalid", why: `its tests do not even begin: ${(error ?? "there are none").slice(-2_000)}` }
    : error === undefined
    ? { _tag: "Survived" }
    : { _tag: "Killed", by: "an error outside of a test" }

/**
 * Which test noticed each mutation in an earlier run, as `noticed.json` says. It is asked first, since what takes time is the tests
 * before it; where it notices nothing any more, all the tests are run.
 */
export class Noticed {
  readonly #file = fileURLToPath(new URL("noticed.json", import.meta.url))
  readonly #known: Map<string, readonly [test: string, name: string]>

  constructor() {
    this.#known = new Map(Object.entries(JSON.parse(readFileSync(this.#file, "utf8"))))
  }

  of({ id, tests }: Mutation) {
    const known = this.#known.get(id)
    return known !== undefined && tests.includes(known[0]) ? known : undefined
  }

  add({ id }: Mutation, test: string, name: string): void {
    this.#known.set(id, [test, name])
  }

  /** Keeps what there is of these mutations. */
  save(all: ReadonlyArray<Mutation>): void {
    const kept = all.map(({ id }) => id).sort().flatMap((id) => {
      const known = this.#known.get(id)
      return known === undefined
        ? []
        : [`  ${JSON.stringify(id)}: [\n    ${known.map((text) => JSON.stringify(text)).join(",\n    ")}\n  ]`]
    })
    writeFileSync(this.#file, `{\n${kept.join(",\n")}\n}\n`)
  }
}

/** What a test file took, and each of its tests. */
export interface Took {
  readonly minutes: number
  readonly times: Answer["times"]
}

const timesFile = `${root}node_modules/.cache/mutants.json`

/** What test files took when they were last run on the sources as they are. */
export const recall = (): Map<string, Took> =>
  new Map(existsSync(timesFile) ? Object.entries(JSON.parse(readFileSync(timesFile, "utf8"))) : [])

export const remember = (took: ReadonlyMap<string, Took>): void => {
  mkdirSync(`${root}node_modules/.cache`, { recursive: true })
  writeFileSync(timesFile, JSON.stringify(Object.fromEntries(took)))
}

/** The tests that take two seconds altogether, where there are others: most mutations are noticed by one of them. */
const quickest = (times: Answer["times"]): ReadonlyArray<string> | undefined => {
  const names: Array<string> = []
  let sum = 0
  for (const [name, millis] of [...times].sort(([, a], [, b]) => a - b)) {
    if ((sum += millis) > 2_000) return names
    names.push(name)
  }
  return undefined
}

/** Makes one mutation and runs its tests, until one fails. */
export const attempt = (
  runner: Runner,
  mutation: Mutation,
  options: {
    readonly minutes: number
    readonly noticed?: Noticed
    /** What the test files took on the sources as they are. */
    readonly took?: ReadonlyMap<string, Took>
  }
): Effect.Effect<Outcome> =>
  Effect.gen(function*() {
    const why = objection(mutation, read(mutation.file))
    if (why !== undefined) return { _tag: "Invalid", why }
    // What loops takes all of it.
    const minutesFor = (test: string) =>
      Math.min(options.minutes, 1 + 5 * (options.took?.get(test)?.minutes ?? Infinity))
    const known = options.noticed?.of(mutation)
    if (known !== undefined && mutation.equivalent === undefined) {
      const { failed } = yield* runner.run(
        { test: known[0], mutation, only: [known[1]], bail: true },
        minutesFor(known[0])
      )
      if (failed !== undefined) return { _tag: "Killed", by: failed }
    }
    let seen = false
    let outcome: Outcome = { _tag: "Survived" }
    // One file after another: the first is nearly always enough, and others may take minutes.
    for (const test of mutation.tests) {
      const minutes = minutesFor(test)
      const quick = quickest(options.took?.get(test)?.times ?? [])
      let ran = yield* runner.run({ test, mutation, bail: true, only: quick }, minutes)
      if (quick !== undefined && ran.failed === undefined) {
        ran = yield* runner.run({ test, mutation, bail: true }, minutes)
      }
      seen ||= ran.seen
      outcome = outcomeOf(ran, minutes)
      if (ran.failed !== undefined) options.noticed?.add(mutation, test, ran.failed)
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

/** Runs a test file on the sources as they are: what fails, or how many minutes it took. */
export const untouched = (
  runner: Runner,
  test: string,
  options: { readonly minutes: number }
): Effect.Effect<Took & { readonly failed: string | undefined }> =>
  Effect.gen(function*() {
    const began = yield* Clock.currentTimeMillis
    const { error, failed, late, passed, times } = yield* runner.run({ test, bail: false }, options.minutes)
    return {
      failed: late
        ? `${test} had not ended after ${options.minutes} minutes`
        : failed !== undefined
        ? `${test}: ${failed}`
        : error !== undefined || passed === 0
        ? `${test}: ${error ?? "no test in it"}`
        : undefined,
      times,
      minutes: ((yield* Clock.currentTimeMillis) - began) / 60_000
    }
  })
