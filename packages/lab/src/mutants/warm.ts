/**
 * Runs test files for the process that started it, one after another, each with a mutation of its own or none. What starting vitest
 * and compiling the sources takes is paid once: of a mutation only the file that it changes is compiled anew. Each test file runs in
 * a process of its own all the same.
 */
import { Cause, Effect } from "effect"
import { rmSync } from "node:fs"
import { createVitest } from "vitest/node"
import type { Answer, Question } from "./engine.ts"
import { type Mutation, root, seenVariable, variable } from "./mutation.ts"

const vitest = await createVitest("test", {
  config: "packages/lab/src/mutants/config.ts",
  watch: false,
  maxWorkers: 1,
  reporters: [{}]
})

const prepare = ({ bail, mutation, seen }: Question) => {
  // The processes of the tests take them from this one.
  if (mutation === undefined) delete process.env[variable]
  else process.env[variable] = JSON.stringify(mutation)
  process.env[seenVariable] = seen
  rmSync(seen, { force: true })
  vitest.config.bail = bail ? 1 : 0
}

const forget = (mutation: Mutation | undefined) => {
  if (mutation !== undefined) vitest.invalidateFile(root + mutation.file)
}

const answer = (question: Question): Effect.Effect<Answer> =>
  Effect.gen(function*() {
    prepare(question)
    forget(question.mutation)
    const found = yield* Effect.promise(() => vitest.globTestSpecifications([question.test]))
    const { only } = question
    const { testModules, unhandledErrors } = yield* Effect.promise(() =>
      vitest.runTestSpecifications(
        only === undefined
          ? found
          : found.map(({ moduleId, project }) => project.createSpecification(moduleId, { testNames: [...only] }))
      )
    )
    const modules = testModules.filter(({ moduleId }) => moduleId === root + question.test)
    const tests = modules.flatMap((module) => [...module.children.allTests()])
    const errors = [...modules.flatMap((module) => module.errors()), ...unhandledErrors] as ReadonlyArray<Error>
    const broken = tests.find((one) => one.result().state === "failed")
    return {
      passed: tests.filter((one) => one.result().state === "passed").length,
      failed: broken?.fullName,
      times: tests
        .filter((one) => one.result().state === "passed")
        .map((one) => [one.fullName, one.diagnostic()?.duration ?? 0] as const),
      error: errors.length === 0 ? undefined : errors.map((error) => error.stack ?? error.message).join("\n")
    }
  }).pipe(
    Effect.catchCause((cause) =>
      Effect.succeed({ passed: 0, failed: undefined, times: [], error: Cause.pretty(cause) })
    ),
    Effect.ensuring(Effect.sync(() => forget(question.mutation)))
  )

process.on("message", (question: Question) => {
  Effect.runFork(Effect.map(answer(question), (told) => process.send!(told)))
})
process.on("disconnect", () => process.exit())
