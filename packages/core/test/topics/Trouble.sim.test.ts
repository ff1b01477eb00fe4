/**
 * Topics in trouble, by seeds, over real nodes: subscribers come, go, are slow, freeze and crash, and some are cut off from others. A model says what must
 * have come of it, in every mode. `pnpm lab topics` does the same with 50 nodes and 200 topics.
 */
import { assert, describe, it } from "@effect/vitest"
import { trouble } from "@pnet/lab/topics/trouble"
import * as VirtualTime from "@pnet/lab/worlds/virtualTime"
import { Effect } from "effect"

const world = { nodes: 6, topics: 15, seconds: 12 }

describe("topics of six nodes", () => {
  for (const seed of [1]) {
    it.effect(`keep in trouble what each mode promises: seed ${seed}`, () =>
      Effect.gen(function*() {
        const { counts, problems } = yield* VirtualTime.within(trouble({ seed, ...world }))
        assert.deepStrictEqual(problems, [])
        for (const what of ["missed", "heard: retained", "waited for somebody", "for a group", "rows looked at"]) {
          assert.isAbove(counts[what] ?? 0, 0, what)
        }
        assert.isAbove(counts["subscriptions accounted for"] ?? 0, 50)
      }), 60_000)
  }

  it.effect("are in tables within a second, where nothing happens to anybody", () =>
    Effect.gen(function*() {
      const { counts, problems } = yield* VirtualTime.within(trouble({ seed: 2, ...world, seconds: 5, faults: false }))
      assert.deepStrictEqual(problems, [])
      assert.isAbove(counts["rows looked at"] ?? 0, 50)
    }), 60_000)

  it.effect("do the same each time that a seed is run", () =>
    Effect.gen(function*() {
      const run = VirtualTime.within(trouble({ seed: 3, ...world, seconds: 2 }))
      assert.deepStrictEqual(yield* run, yield* run)
    }), 60_000)
})
