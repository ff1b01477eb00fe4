/**
 * `pnpm lab mutants`: makes the mutations of the lists beside this file, one at a time, runs the tests of each, and prints those that
 * no test notices.
 *
 * It fails where one survives that does not say why, where one cannot be made any more, and where one that is said to change
 * nothing is noticed all the same.
 */
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { availableParallelism } from "node:os"
import * as Flags from "../harness/flags.ts"
import * as Seeds from "../harness/seeds.ts"
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
import type { Mutation } from "./mutation.ts"

/** A whole name is of that one alone. */
const isMeant = (all: ReadonlyArray<Mutation>, id: string, text: string) =>
  all.some((other) => other.id === text) ? id === text : id.includes(text)
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

const flags = {
  only: Flag.String("only").pipe(
    Flag.atLeast(0),
    Flag.withDescription("Only mutations with this in their name; may be repeated")
  ),
  list: Flag.Boolean("list").pipe(
    Flag.withDefault(false),
    Flag.withDescription("Prints what there are: what each breaks, where, and which tests stand by")
  ),
  jobs: Flags.count("jobs", availableParallelism(), "So many at a time, one for each core"),
  minutes: Flags.positive("minutes", 5, "Tests that have not ended after so long count as failed"),
  unchecked: Flag.Boolean("unchecked").pipe(
    Flag.withDefault(false),
    Flag.withDescription("Does not run the tests on the sources as they are first")
  )
}

const run = ({ jobs, list, minutes, only, unchecked }: Command.Command.Config.Infer<typeof flags>) =>
  Effect.gen(function*() {
    // The lists look which tests there are, which nobody else who loads this has a use for.
    const { all } = yield* Effect.promise(() => import("./list.ts"))
    const chosen = all.filter(({ id }) => only.length === 0 || only.some((text) => isMeant(all, id, text)))
    if (chosen.length === 0) {
      yield* Console.log(`none of ${all.length} mutations has ${only.join(" or ")} in its name`)
      return false
    }
    if (list) {
      for (const mutation of chosen) yield* Console.log(show(mutation))
      yield* Console.log(`${chosen.length} mutations`)
      return true
    }
    const idle: Array<Runner> = []
    for (let i = 0; i < jobs; i++) idle.push(yield* makeRunner)
    const withRunner = <A>(use: (runner: Runner) => Effect.Effect<A>) =>
      Effect.acquireUseRelease(Effect.sync(() => idle.pop()!), use, (runner) => Effect.sync(() => idle.push(runner)))
    const took = recall()
    if (!unchecked) {
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

/** Tests of the tests. */
export const mutants = Command.make(
  "mutants",
  flags,
  (values) => Effect.flatMap(run(values), (well) => Seeds.foundIf(!well))
).pipe(
  Command.withDescription("Changes of the sources, one at a time, each of which a test has to notice"),
  Command.withExamples([{ command: "pnpm lab mutants --only trust", description: "Those with this in their name" }])
)
