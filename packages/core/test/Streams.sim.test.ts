import { assert, describe, it } from "@effect/vitest"
import { workload } from "@pnet/lab/streams/streams"
import { SimWorld } from "@pnet/testing"
import { Effect, Logger } from "effect"

describe("random work while everything fails", () => {
  // More seeds are `pnpm lab streams`'s.
  for (const seed of [1]) {
    it.effect(`every byte is right, every call ends, nothing is left (seed ${seed})`, () =>
      Effect.gen(function*() {
        const { faults, outcomes, problems } = yield* workload({ seed, seconds: 20 })
        assert.deepStrictEqual(problems, [])
        assert.isAbove(outcomes["success"] ?? 0, 10)
        assert.isAbove(Object.keys(faults).length, 0)
      }).pipe(SimWorld.passing({ step: "20 millis" }), Effect.provide(Logger.layer([]))), 60_000)
  }
})
