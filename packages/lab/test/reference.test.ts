/** The API references say what the docstrings say, and every public export has one. */
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { fileURLToPath } from "node:url"
import * as Packages from "../src/reference/packages.ts"
import * as Reference from "../src/reference/reference.ts"

const root = fileURLToPath(new URL("../../../", import.meta.url))

describe("reference", () => {
  it.effect("every public export has a docstring, and API.md of each package is up to date", () =>
    Effect.gen(function*() {
      const packages = yield* Packages.all(root)
      assert.deepStrictEqual(packages.map(({ name }) => name), [
        "@pnet/console",
        "@pnet/core",
        "@pnet/files",
        "@pnet/nats",
        "@pnet/node",
        "@pnet/testing",
        "@pnet/web"
      ])
      for (const { markdown, name, undocumented, written } of packages) {
        assert.deepStrictEqual(undocumented, [], `exports of ${name} without a docstring`)
        assert.isTrue(markdown === written, `API.md of ${name} is not up to date: run pnpm lab reference`)
      }
    }).pipe(Effect.provide(NodeServices.layer)))

  it("shows each kind of export by its signature, without bodies, and finds what has no docstring", () => {
    const { markdown, undocumented } = Reference.make("@x/y", [{
      module: "Thing",
      text: `/**
 * Things. They are things.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"

/**
 * A thing.
 *
 * @category models
 * @since 0.1.0
 */
export interface Thing {
  /** How large. */
  readonly size: number
}

/**
 * Makes one.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <A>(size: number, of: A): Effect.Effect<Thing> => Effect.succeed({ size })

/**
 * No thing.
 *
 * @category errors
 * @since 0.1.0
 */
export class NoThing extends Error {
  readonly #secret = 1
  /** Why. */
  get why(): string {
    return String(this.#secret)
  }
}

export const bare = 5
const hidden = 6
`
    }])
    assert.deepStrictEqual(undocumented, ["Thing.bare"])
    assert.include(markdown, "- [Thing](#thing): Things.\n")
    assert.include(
      markdown,
      "### Thing.make\n\n*constructors*\n\nMakes one.\n\n```ts\nconst make: <A>(size: number, of: A) => Effect.Effect<Thing>\n```"
    )
    assert.include(markdown, "class NoThing extends Error {\n  get why(): string\n}")
    assert.include(markdown, "  /** How large. */\n  readonly size: number")
    assert.isBelow(markdown.indexOf("### Thing.Thing"), markdown.indexOf("### Thing.make"))
    assert.notInclude(markdown, "secret")
    assert.notInclude(markdown, "hidden")
  })
})
