/**
 * What stands for vitest in a page, so that a suite of `@pnet/testing` runs there as it is: `bundle` takes it where a program imports `vitest`. Tests are
 * collected when they are registered, and run one after another by `globalThis.suite()`, which says what failed.
 */
// @ts-expect-error: it comes without types
import { assert } from "chai"

export { assert }
export const expect = { extend: () => {}, addEqualityTesters: () => {} }

interface Test {
  readonly title: string
  readonly body: (context: object) => unknown
}

interface Hooks {
  readonly before: Array<() => unknown>
  readonly after: Array<() => unknown>
  readonly tests: Array<Test | Hooks>
}

const root: Hooks = { before: [], after: [], tests: [] }
let current = root

const isBody = (parameter: unknown): parameter is Test["body"] => typeof parameter === "function"

export const describe = (_title: string, ...parameters: ReadonlyArray<unknown>): void => {
  const outer = current
  current = { before: [], after: [], tests: [] }
  outer.tests.push(current)
  parameters.find(isBody)?.({})
  current = outer
}

export const it = Object.assign((title: string, ...parameters: ReadonlyArray<unknown>) => {
  current.tests.push({ title, body: parameters.find(isBody)! })
}, {
  skip: () => {},
  skipIf: () => it,
  runIf: () => it,
  only: () => {},
  each: () => it,
  for: () => it,
  fails: () => {}
})

export const test = it
export const beforeAll = (hook: () => unknown) => void current.before.push(hook)
export const afterAll = (hook: () => unknown) => void current.after.push(hook)
export const beforeEach = () => {}
export const afterEach = () => {}
export const TestRunner = { getCurrentSuite: () => ({ tasks: [] }) }

/** What a suite came to. */
export interface Outcome {
  readonly passed: ReadonlyArray<string>
  /** The title of each test that failed, and why. */
  readonly failed: ReadonlyArray<string>
}

const run = (hooks: Hooks, passed: Array<string>, failed: Array<string>): Promise<void> =>
  [
    ...hooks.before,
    ...hooks.tests.map((test) => () =>
      "tests" in test ?
        run(test, passed, failed) :
        Promise.resolve().then(() => test.body({ signal: new AbortController().signal, onTestFinished: () => {} }))
          .then(
            () => void passed.push(test.title),
            (error) => void failed.push(`${test.title}: ${String(error?.stack ?? error)}`)
          )
    ),
    ...hooks.after
  ].reduce((before: Promise<unknown>, next) => before.then(() => next()), Promise.resolve()).then(() => {})

Object.assign(globalThis, {
  suite: (): Promise<Outcome> => {
    const outcome = { passed: [], failed: [] }
    return run(root, outcome.passed, outcome.failed).then(() => outcome)
  }
})
