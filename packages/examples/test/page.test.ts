/** The page that shows a LAN, in a real browser. */
import { assert, it } from "@effect/vitest"
import { withBrowser } from "@pnet/lab/browser/browser"
import { Effect } from "effect"
import { spawn } from "node:child_process"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"

/** Where the example says that its page is. */
const server = Effect.map(
  Effect.acquireRelease(
    Effect.callback<readonly [string, ReturnType<typeof spawn>]>((resume) => {
      const process_ = spawn(process.execPath, [fileURLToPath(new URL("../src/page/server.ts", import.meta.url))], {
        env: { ...process.env, PORT: "0", PNET_NETWORK_ID: `page-${process.pid}` },
        stdio: ["ignore", "pipe", "inherit"]
      })
      createInterface({ input: process_.stdout }).on("line", (line) => {
        const [, url] = /^open (.*)$/.exec(line) ?? []
        if (url !== undefined) resume(Effect.succeed([url, process_] as const))
      })
    }),
    ([, process_]) =>
      Effect.callback<void>((resume) => {
        process_.once("exit", () => resume(Effect.void))
        process_.kill()
      })
  ),
  ([url]) => url
)

withBrowser("the page of a LAN", (open) => {
  it.live("shows its nodes, and calls them", () =>
    Effect.gen(function*() {
      const page = yield* open(yield* server)
      page.on("dialog", (dialog) => void dialog.accept("[20, 22]"))
      yield* Effect.promise(() => page.click("text=add", { timeout: 60_000 }))
      yield* Effect.promise(() =>
        page.waitForFunction("document.querySelector('output')?.textContent === 'kitchen.add: 42'")
      )
      const text = yield* Effect.promise(() => page.innerText("body"))
      assert.include(text, "What page sees of the LAN")
      assert.include(text, "garage")
      assert.deepStrictEqual(page.errors, [])
    }).pipe(Effect.scoped), 120_000)
})
