/**
 * Makes the mutations of the lists beside this file, one at a time, runs the tests of each, and prints those that no test notices:
 *
 *     pnpm mutants                    all of them
 *     pnpm mutants --only trust       those with this in their name; may be given more than once
 *     pnpm mutants --list             what there are, without running them
 *     pnpm mutants --jobs 1           so many at a time; as many as there are cores otherwise
 *     pnpm mutants --minutes 5        the time after which tests that do not end count as failed
 *     pnpm mutants --unchecked        does not run the tests on the sources as they are first
 *
 * Ends with 1 where one survives that does not say why, where one cannot be made any more, and where one that is said to change
 * nothing is noticed all the same.
 */
import { Cause, Clock, Console, Effect } from "effect"
import { availableParallelism } from "node:os"
import { parseArgs } from "node:util"
import {
  attempt,
  isFine,
  makeRunner,
  Noticed,
  type Outcome,
  recall,
  remember,
  type Runner,
  untouched
} from "./engine.ts"
import { all } from "./list.ts"
import type { Mutation } from "./mutation.ts"

const help = `Usage: pnpm mutants [options]

  --only TEXT    only mutations with this in their name; may be given more than once
  --list         prints what there are, and runs none
  --jobs N       so many at a time (default: one for each core)
  --minutes N    tests that have not ended after so long count as failed (default: 5)
  --unchecked    does not run the tests on the sources as they are first
  --help         prints this`

const { values } = parseArgs({
  // pnpm hands on a `--` of its own.
  args: process.argv.slice(2).filter((arg) => arg !== "--"),
  options: {
    only: { type: "string", multiple: true, default: [] },
    list: { type: "boolean", default: false },
    jobs: { type: "string", default: String(availableParallelism()) },
    minutes: { type: "string", default: "5" },
    unchecked: { type: "boolean", default: false },
    help: { type: "boolean", default: false }
  }
})

/** A whole name is of that one alone. */
const isMeant = (id: string, text: string) => all.some((other) => other.id === text) ? id === text : id.includes(text)
const chosen = all.filter(({ id }) => values.only.length === 0 || values.only.some((text) => isMeant(id, text)))
const jobs = Math.max(1, Number(values.jobs) || 1)
const minutes = Number(values.minutes) || 5

const say = (outcome: Outcome): string => {
  switch (outcome._tag) {
    case "Killed":
      return `killed     by "${outcome.by}"`
    case "Survived":
      return "SURVIVED"
    case "Explained":
      return "explained"
    case "Invalid":
      return `INVALID    ${outcome.why}`
  }
}

const show = ({ breaks, equivalent, file, id, tests }: Mutation) =>
  [
    `${id}: ${breaks}`,
    `  in ${file}`,
    `  tests ${tests.join(", ")}`,
    ...equivalent === undefined ? [] : [`  ${equivalent}`]
  ]
    .join("\n")

const main = Effect.gen(function*() {
  if (values.help) {
    yield* Console.log(help)
    return true
  }
  if (chosen.length === 0) {
    yield* Console.log(`none of ${all.length} mutations has ${values.only.join(" or ")} in its name`)
    return false
  }
  if (values.list) {
    for (const mutation of chosen) yield* Console.log(show(mutation))
    yield* Console.log(`${chosen.length} mutations`)
    return true
  }
  const idle: Array<Runner> = []
  for (let i = 0; i < jobs; i++) idle.push(yield* makeRunner)
  const withRunner = <A>(use: (runner: Runner) => Effect.Effect<A>) =>
    Effect.acquireUseRelease(Effect.sync(() => idle.pop()!), use, (runner) => Effect.sync(() => idle.push(runner)))
  const took = recall()
  if (!values.unchecked) {
    const tests = [...new Set(chosen.flatMap(({ tests }) => tests))]
    yield* Console.log(`${chosen.length} mutations; first ${tests.length} test files on the sources as they are`)
    const failed = yield* Effect.forEach(
      tests,
      (test) =>
        withRunner((runner) =>
          Effect.map(untouched(runner, test, { minutes: minutes * 4 }), (ran) => {
            took.set(test, ran)
            return ran.failed
          })
        ),
      { concurrency: jobs }
    )
    remember(took)
    if (failed.some((one) => one !== undefined)) {
      yield* Console.log(`these have to pass before mutations say anything:\n${failed.filter(Boolean).join("\n")}`)
      return false
    }
  }
  const noticed = new Noticed()
  const outcomes = yield* Effect.forEach(chosen, (mutation) =>
    withRunner((runner) =>
      Effect.gen(function*() {
        const began = yield* Clock.currentTimeMillis
        const outcome = yield* attempt(runner, mutation, { minutes, noticed, took })
        const seconds = (((yield* Clock.currentTimeMillis) - began) / 1_000).toFixed(1).padStart(6)
        yield* Console.log(`${seconds} s  ${mutation.id.padEnd(34)} ${say(outcome)}`)
        // Now, and not at the end: a run of all takes long, and may be stopped.
        noticed.save(all)
        return { mutation, outcome }
      })
    ), { concurrency: jobs })
  const count = (tag: Outcome["_tag"]) => outcomes.filter(({ outcome }) => outcome._tag === tag).length
  const bad = outcomes.filter(({ outcome }) => !isFine(outcome))
  for (const { mutation, outcome } of bad) yield* Console.log(`\n${say(outcome)}\n${show(mutation)}`)
  yield* Console.log(
    `\n${chosen.length} mutations: ${count("Killed")} killed, ${count("Explained")} explained, ` +
      `${count("Survived")} survived, ${count("Invalid")} invalid`
  )
  return bad.length === 0
}).pipe(Effect.scoped)

const fiber = Effect.runFork(main)
// What runs is stopped, too.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => fiber.interruptUnsafe())
fiber.addObserver((exit) => {
  process.exitCode = exit._tag === "Success" && exit.value ? 0 : 1
  if (exit._tag === "Failure" && !Cause.hasInterruptsOnly(exit.cause)) console.error(Cause.pretty(exit.cause))
})
