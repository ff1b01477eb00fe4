import { assert, describe, it } from "@effect/vitest"
import { everyone } from "@pnet/lab/everyone/everyone"
import { SimWorld } from "@pnet/testing"
import { Effect } from "effect"

describe("calls of everyone, 25 nodes", () => {
  // More seeds, and 50 nodes, are `pnpm lab everyone`'s.
  for (const seed of [1]) {
    it.effect(
      `one Exit each, in time, while nodes crash, leave, join and stall (seed ${seed})`,
      () =>
        Effect.gen(function*() {
          const { exits, faults, problems } = yield* everyone({ seed, nodes: 25 })
          assert.deepStrictEqual(problems, [])
          assert.isAbove(exits["success"] ?? 0, 100)
          assert.isAbove(Object.keys(exits).length, 3)
          assert.isAbove(Object.keys(faults).length, 5)
        }).pipe(SimWorld.passing({ step: "20 millis" })),
      60_000
    )
  }
})
