/** What a page loads. */
import { assert, it } from "@effect/vitest"
import { bundle } from "@pnet/lab/browser/bundle"
import { Effect } from "effect"
import { fileURLToPath } from "node:url"

it.live(
  "a page's node is one file without anything of Node or of servers, and WebAssembly is another that comes later",
  () =>
    Effect.gen(function*() {
      const chunks = yield* bundle(fileURLToPath(new URL("./pages/least.ts", import.meta.url)))
      const [entry, ...later] = chunks
      const names = chunks.map(({ name }) => name)
      assert.deepStrictEqual(chunks.flatMap(({ imports }) => imports).filter((name) => !names.includes(name)), [])
      const modules = [...entry!.modules.keys()]
      for (
        const name of ["HttpServerRequest", "HttpRouter", "WebSocketListener.ts", "/libsodium/", "@stablelib", "aes"]
      ) {
        assert.deepStrictEqual(modules.filter((module) => module.includes(name)), [])
      }
      // What it may grow to before somebody looks at why.
      assert.isBelow(entry!.gzip, 255_000)
      const wasm = later.filter(({ modules }) => [...modules.keys()].some((module) => module.includes("/libsodium/")))
      assert.strictEqual(wasm.length, 1)
      assert.isBelow(later.filter((chunk) => !wasm.includes(chunk)).reduce((sum, { gzip }) => sum + gzip, 0), 20_000)
    }),
  60_000
)
