/**
 * Runs test files for the process that started it, one after another, each with a mutation of its own or none. What starting vitest
 * and compiling the sources takes is paid once: of a mutation only the file that it changes is compiled anew. Each test file runs in
 * a process of its own all the same.
 */
import { rmSync } from "node:fs"
import { createVitest, type TestCase } from "vitest/node"
import type { Answer, Question } from "./engine.ts"
import { root, seenVariable, variable } from "./mutation.ts"

const vitest = await createVitest("test", {
  config: "packages/core/test/mutants/config.ts",
  watch: false,
  maxWorkers: 1,
  reporters: [{}]
})

/** As `-t` takes it. */
const titleOf = (test: TestCase): string => {
  const titles = [test.name]
  for (let at = test.parent; at.type === "suite"; at = at.parent) titles.unshift(at.name)
  return titles.join(" ")
}

const answer = async ({ bail, mutation, only, seen, test }: Question): Promise<Answer> => {
  // The processes of the tests take them from this one.
  if (mutation === undefined) delete process.env[variable]
  else process.env[variable] = JSON.stringify(mutation)
  process.env[seenVariable] = seen
  rmSync(seen, { force: true })
  if (only === undefined) vitest.resetGlobalTestNamePattern()
  else vitest.setGlobalTestNamePattern(new RegExp(`^${only.replace(/[^\w\s]/g, "\\$&")}$`))
  vitest.config.bail = bail ? 1 : 0
  const changed = mutation === undefined ? undefined : root + mutation.file
  if (changed !== undefined) vitest.invalidateFile(changed)
  try {
    const specifications = await vitest.globTestSpecifications([test])
    const { testModules, unhandledErrors } = await vitest.runTestSpecifications(specifications)
    const modules = testModules.filter(({ moduleId }) => moduleId === root + test)
    const tests = modules.flatMap((module) => [...module.children.allTests()])
    const errors = [...modules.flatMap((module) => module.errors()), ...unhandledErrors]
    const broken = tests.find((one) => one.result().state === "failed")
    return {
      passed: tests.filter((one) => one.result().state === "passed").length,
      failed: broken === undefined ? undefined : titleOf(broken),
      error: errors.length === 0
        ? undefined
        : errors.map((error) => (error as Error).stack ?? (error as Error).message).join("\n")
    }
  } finally {
    if (changed !== undefined) vitest.invalidateFile(changed)
  }
}

process.on("message", (question: Question) => {
  answer(question).then(
    (told) => process.send!(told),
    (error: unknown) => process.send!({ passed: 0, failed: undefined, error: String(error) } satisfies Answer)
  )
})
process.on("disconnect", () => process.exit())
