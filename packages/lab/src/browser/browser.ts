/**
 * A real browser for the tests of a file: one is started before the first of them, and ended after the last. Where there is none the tests
 * are skipped, and one line says why and how to have one; with `CI=true` that is a failure.
 *
 * ```ts
 * withBrowser("a page", (open) => {
 *   it.live("says hello", () => Effect.scoped(Effect.gen(function*() {
 *     const page = yield* open("http://127.0.0.1:8080/")
 *   })))
 * })
 * ```
 */
import { Effect, Result, type Scope } from "effect"
import { type Browser, chromium, type Page } from "playwright-core"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { type Chromium, find } from "./find.ts"

export type { Browser, Page } from "playwright-core"

// A machine of two cores may be busy with other tests.
const patience = 60_000

const start = ({ environment, path }: Chromium): Promise<Browser> =>
  chromium.launch({
    executablePath: path,
    env: { ...process.env, ...environment },
    timeout: patience,
    // Containers have little shared memory.
    args: ["--disable-dev-shm-usage"]
  })

/** The browser that there is, for what is no test: closed with the scope. Fails with the line that says why there is none. */
export const launch: Effect.Effect<Browser, string, Scope.Scope> = Effect.flatMap(
  find,
  (found) =>
    Effect.acquireRelease(Effect.promise(() => start(found)), (browser) => Effect.promise(() => browser.close()))
)

/** A page in a context of its own, with storage of its own: closed with the scope. What it fails with, unseen, is kept in `errors`. */
export interface Open {
  (url: string): Effect.Effect<Page & { readonly errors: ReadonlyArray<string> }, never, Scope.Scope>
  readonly browser: () => Browser
}

/** A page in a browser. */
export const openIn = (browser: Browser, url: string): ReturnType<Open> =>
  Effect.gen(function*() {
    const context = yield* Effect.acquireRelease(
      Effect.promise(() => browser.newContext()),
      (context) => Effect.promise(() => context.close())
    )
    const page = yield* Effect.promise(() => context.newPage())
    const errors: Array<string> = []
    page.on("pageerror", (error) => errors.push(error.stack || `${error.name}: ${error.message}`))
    yield* Effect.promise(() => page.goto(url, { timeout: patience }))
    return Object.assign(page, { errors })
  })

const found = await Effect.runPromise(Effect.result(find))

/** Registers tests that have a browser. */
export const withBrowser = (name: string, tests: (open: Open) => void): void => {
  if (Result.isFailure(found)) {
    const isFailure = process.env["CI"] === "true"
    if (!isFailure) process.stderr.write(`${name}: skipped. ${found.failure}\n`)
    describe(name, () => void it.skipIf(!isFailure)("has a browser", () => assert.fail(found.failure)))
    return
  }
  let browser: Browser | undefined
  describe(name, () => {
    beforeAll(() => start(found.success).then((started) => void (browser = started)), patience)
    afterAll(() => browser?.close())
    tests(Object.assign((url: string) => openIn(browser!, url), { browser: () => browser! }))
  })
}
