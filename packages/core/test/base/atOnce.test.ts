import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit } from "effect"
import * as AtOnce from "../../src/internal/base/atOnce.ts"

describe("effects that are read at once", () => {
  it.effect("look when they are run or read, and not before", () =>
    Effect.gen(function*() {
      let there = 1
      const looks = AtOnce.sync(() => there)
      there = 2
      assert.strictEqual(yield* looks, 2)
      assert.strictEqual(AtOnce.valueOf(looks), 2)
      there = 3
      assert.strictEqual(yield* Effect.map(looks, (n) => n + 1), 4)
      assert.strictEqual(AtOnce.valueOf(looks), 3)
    }))

  it("are those that have a value, and no other that could have one", () => {
    assert.strictEqual(AtOnce.valueOf(Effect.succeed("x")), "x")
    assert.isUndefined(AtOnce.valueOf(Effect.undefined))
    for (
      const other of [
        Effect.sync(() => 1),
        Effect.map(AtOnce.sync(() => 1), (n) => n),
        Effect.never,
        Effect.die("x"),
        Exit.die("x")
      ]
    ) assert.strictEqual<unknown>(AtOnce.valueOf(other), AtOnce.unknown)
  })
})
