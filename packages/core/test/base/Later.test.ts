/** A part of a program that is loaded when it is first used. */
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { later } from "../../src/internal/base/later.ts"

/** Loads by these outcomes, one after another, and counts how often it was asked to. */
const loading = (...outcomes: ReadonlyArray<"fails" | "comes">) => {
  let asked = 0
  const part = later("a test", () =>
    outcomes[Math.min(asked++, outcomes.length - 1)] === "comes"
      ? Promise.resolve("the part")
      : Promise.reject(new Error("404")))
  return { part, asked: () => asked }
}

describe("a part that is loaded later", () => {
  it.effect("is loaded once, and there at once from then on", () =>
    Effect.gen(function*() {
      const { asked, part } = loading("comes")
      assert.strictEqual(asked(), 0)
      assert.strictEqual(yield* part, "the part")
      assert.deepStrictEqual(Effect.runSyncExit(part), Exit.succeed("the part"))
      assert.strictEqual(asked(), 1)
    }))

  /** What it comes to, however long it waits in between. */
  const settled = <A>(part: Effect.Effect<A>) =>
    Effect.gen(function*() {
      const fiber = yield* Effect.forkChild(Effect.exit(part), { startImmediately: true })
      while (fiber.pollUnsafe() === undefined) yield* TestClock.adjust("250 millis")
      return yield* Fiber.join(fiber)
    })

  it.effect("is asked for again where it does not come", () =>
    Effect.gen(function*() {
      const { asked, part } = loading("fails", "fails", "comes")
      assert.deepStrictEqual(yield* settled(part), Exit.succeed("the part"))
      assert.strictEqual(asked(), 3)
    }))

  it.effect("is a defect that says what to do where it never comes, and is asked for anew by who uses it next", () =>
    Effect.gen(function*() {
      const { asked, part } = loading("fails", "fails", "fails", "fails", "fails", "comes")
      const exit = yield* settled(part)
      assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
      assert.include(
        String(Exit.isFailure(exit) && Cause.squash(exit.cause)),
        "the part of pnet that is for a test could not be loaded; load the page anew"
      )
      assert.strictEqual(asked(), 5)
      assert.strictEqual(yield* part, "the part")
    }))
})
