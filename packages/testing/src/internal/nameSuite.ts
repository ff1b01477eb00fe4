/** The names of the network suite. */
import { assert, describe } from "@effect/vitest"
import { Network } from "@pnet/core/Network"
import * as Effect from "effect/Effect"
import type { Test } from "./datagramSuite.ts"
import type { Harness } from "./suiteHarness.ts"

const resolve = ({ setup }: Harness, name: string) =>
  Effect.provideContext(Network.use((network) => network.resolve(name)), setup.client.context)

export const nameTests = (test: Test): void => {
  describe("a host name", () => {
    test("resolves to every address it has, each once", (h) =>
      Effect.gen(function*() {
        const { addresses, known } = h.setup.names
        const found = yield* h.settle("a lookup", resolve(h, known))
        assert.deepStrictEqual([...found].sort(), [...addresses].sort())
        assert.strictEqual(new Set(found).size, found.length)
      }))

    test("is compared without regard to case", (h) =>
      Effect.gen(function*() {
        const { addresses, known } = h.setup.names
        const found = yield* h.settle("a lookup", resolve(h, known.toUpperCase()))
        assert.deepStrictEqual([...found].sort(), [...addresses].sort())
      }))

    test("that is an address has itself", (h) =>
      Effect.gen(function*() {
        for (const address of ["127.0.0.1", "10.1.2.3", "fd00::7"]) {
          assert.deepStrictEqual(yield* h.settle("a lookup", resolve(h, address)), [address])
        }
      }))

    test("that nobody has fails with NotFound, and says which", (h) =>
      Effect.gen(function*() {
        const { unknown } = h.setup.names
        const error = yield* h.settle("a lookup", Effect.flip(resolve(h, unknown)))
        assert.deepInclude(error, { _tag: "ResolveError", kind: "NotFound", name: unknown })
        assert.include(error.message, unknown)
      }))
  })
}
