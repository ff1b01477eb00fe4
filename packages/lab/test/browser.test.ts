/** The browser that tests have, and what is made for it. */
import { assert, describe, it } from "@effect/vitest"
import { withBrowser } from "@pnet/lab/browser/browser"
import { bundle } from "@pnet/lab/browser/bundle"
import { find } from "@pnet/lab/browser/find"
import * as Pages from "@pnet/lab/browser/pages"
import { Effect } from "effect"
import { fileURLToPath } from "node:url"

const greeting = bundle(fileURLToPath(new URL("./browser/greeting.ts", import.meta.url)))

withBrowser("a page", (open) => {
  it.live("runs what was bundled for it, of which it loads a part later", () =>
    Effect.gen(function*() {
      const chunks = yield* greeting
      assert.strictEqual(chunks.length, 2)
      assert.isFalse(chunks.some(({ code }) => code.includes("never")))
      const page = yield* open(`${yield* Pages.serve(Pages.layer(chunks))}/`)
      yield* Effect.promise(() => page.waitForFunction("document.title === 'hello!'"))
      assert.deepStrictEqual(page.errors, [])
    }).pipe(Effect.scoped))
})

describe("where there is no browser", () => {
  it.live("one line says how to have one", () =>
    Effect.acquireUseRelease(
      Effect.sync(() => {
        const before = process.env["CHROME_PATH"]
        process.env["CHROME_PATH"] = "/nowhere/chromium"
        return before
      }),
      () =>
        Effect.map(Effect.flip(find), (why) => {
          assert.strictEqual(why, "there is no program at CHROME_PATH, /nowhere/chromium")
        }),
      (before) =>
        Effect.sync(() => {
          if (before === undefined) delete process.env["CHROME_PATH"]
          else process.env["CHROME_PATH"] = before
        })
    ))
})
