/** The cryptography of pages: here, and in a real browser. */
import { assert, it } from "@effect/vitest"
import { PortableCrypto } from "@pnet/core"
import { withBrowser } from "@pnet/lab/browser/browser"
import { bundle } from "@pnet/lab/browser/bundle"
import * as Pages from "@pnet/lab/browser/pages"
import type { Outcome } from "@pnet/lab/browser/suite"
import { cryptoCrossSuite, cryptoSuite } from "@pnet/testing/CryptoSuite"
import { WasmCrypto } from "@pnet/web"
import { Effect } from "effect"
import { fileURLToPath } from "node:url"

cryptoSuite("WebAssembly", WasmCrypto.layerLoaded)
cryptoCrossSuite("portable and WebAssembly", PortableCrypto.layer, WasmCrypto.layerLoaded)

withBrowser("cryptography in a browser", (open) => {
  it.live("passes the suite of the seam, in JavaScript and in WebAssembly", () =>
    Effect.gen(function*() {
      const chunks = yield* bundle(fileURLToPath(new URL("./pages/crypto.ts", import.meta.url)))
      const page = yield* open(`${yield* Pages.serve(Pages.layer(chunks))}/`)
      yield* Effect.promise(() => page.waitForFunction("globalThis.suite !== undefined"))
      const { failed, passed } = yield* Effect.promise<Outcome>(() => page.evaluate("suite()"))
      assert.deepStrictEqual([...page.errors, ...failed], [])
      assert.isAbove(passed.length, 60)
    }).pipe(Effect.scoped), 60_000)
})
