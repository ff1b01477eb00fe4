import { assert, describe, it } from "@effect/vitest"
import { IntMap } from "../../src/internal/base/intMap.ts"

describe("IntMap", () => {
  it("does what a Map does, through growing, shrinking and collisions", () => {
    for (const stride of [1, 2, 16, 1_024, 2 ** 31]) {
      const map = new IntMap<number>()
      const model = new Map<number, number>()
      let seed = 7 + stride
      const random = (below: number) => {
        seed = Math.imul(seed, 1_103_515_245) + 12_345 & 0x7fff_ffff
        return (seed >>> 8) % below
      }
      for (let i = 0; i < 6_000; i++) {
        // First they gather, then they go.
        const key = (1 + random(300)) * stride % 0xffff_ffff || 1
        if (random(10) < (i % 2_000 < 1_000 ? 7 : 2)) {
          map.set(key, i)
          model.set(key, i)
        } else {
          assert.strictEqual(map.delete(key), model.delete(key))
        }
        const asked = (1 + random(300)) * stride % 0xffff_ffff || 1
        assert.strictEqual(map.get(asked), model.get(asked))
        assert.strictEqual(map.size, model.size)
      }
      const sorted = (values: Iterable<number>) => [...values].sort((a, b) => a - b)
      assert.deepStrictEqual(sorted(map.values()), sorted(model.values()))
      map.clear()
      assert.deepStrictEqual([map.size, map.values(), map.get(stride)], [0, [], undefined])
    }
  })
})
