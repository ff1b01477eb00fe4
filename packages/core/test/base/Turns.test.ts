/** What is done in turn: never too much at once, all of it in the end, and no turn is lost by whoever is interrupted. */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, References } from "effect"
import { Turns } from "../../src/internal/base/turns.ts"

const fork = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.forkChild(effect, { startImmediately: true })

describe("turns", () => {
  it.effect("let so much of a kind be done at once, and the rest in order; kinds wait for no other", () =>
    Effect.gen(function*() {
      const turns = new Turns(() => 2)
      const gates = Array.from({ length: 5 }, () => Deferred.makeUnsafe<void>())
      const begun: Array<string> = []
      const run = (key: string, i: number) =>
        fork(turns.run(key, Effect.suspend(() => (begun.push(`${key}${i}`), Deferred.await(gates[i]!)))))
      const fibers = []
      for (const i of gates.keys()) fibers.push(yield* run("a", i))
      fibers.push(yield* run("b", 0))
      assert.deepStrictEqual(begun, ["a0", "a1", "b0"])
      // One that does not wait any more is left out.
      yield* Fiber.interrupt(fibers[2]!)
      yield* Fiber.interrupt(fibers[1]!)
      yield* Effect.yieldNow
      assert.deepStrictEqual(begun, ["a0", "a1", "b0", "a3"])
      for (const gate of gates) Deferred.doneUnsafe(gate, Effect.void)
      yield* Fiber.awaitAll(fibers)
      assert.deepStrictEqual(begun, ["a0", "a1", "b0", "a3", "a4"])
      assert.strictEqual(turns.size, 0)
    }))

  it.effect("are given back by whoever is interrupted between any two steps, having taken one at once or waited", () =>
    Effect.gen(function*() {
      for (const waits of [false, true]) {
        for (let steps = 2, hasEnded = false; !hasEnded; steps++) {
          const turns = new Turns(() => 1)
          const gate = Deferred.makeUnsafe<void>()
          const first = waits ? yield* fork(turns.run("a", Deferred.await(gate))) : undefined
          const fiber = yield* fork(
            Effect.provideService(turns.run("a", Effect.void), References.MaxOpsBeforeYield, steps)
          )
          Deferred.doneUnsafe(gate, Effect.void)
          // The first ends in this turn, and the second one goes on for so many steps.
          if (first !== undefined) yield* Fiber.await(first)
          hasEnded = fiber.pollUnsafe() !== undefined
          yield* Fiber.interrupt(fiber)
          assert.strictEqual(turns.size, 0, `after ${steps} steps`)
          assert.isBelow(steps, 1_000)
        }
      }
    }))
})
