/** What calls of peers take, as it is counted. */
import { assert, describe, it } from "@effect/vitest"
import type { PublicKey } from "@pnet/core"
import type { Budget } from "../../src/internal/session/budget.ts"
import { makeCallMemory } from "../../src/internal/streams/callMemory.ts"

const mebibyte = 1_048_576

describe("the memory of calls", () => {
  it("is counted for a peer, of which a quarter is its share, and for all together", () => {
    const memory = makeCallMemory(4 * mebibyte)
    const calls = [..."abcd"].map((peer) => memory(peer as PublicKey.PublicKey))
    for (const call of calls) assert.isTrue(call.room(mebibyte))
    assert.isFalse(memory("a" as PublicKey.PublicKey).room(mebibyte / 2), "of one who has its share")
    assert.isFalse(memory("e" as PublicKey.PublicKey).room(mebibyte / 2), "where nothing is left")
    calls[0]!.free()
    assert.isTrue(memory("e" as PublicKey.PublicKey).room(mebibyte / 2))
  })

  it("forgets a peer whose calls are over, or had no room", () => {
    const budgets = new Map<PublicKey.PublicKey, Budget>()
    const memory = makeCallMemory(4 * mebibyte, budgets)
    for (const peer of ["a", "b"] as ReadonlyArray<string>) {
      const [one, other] = [memory(peer as PublicKey.PublicKey), memory(peer as PublicKey.PublicKey)]
      assert.isTrue(one.room(mebibyte / 2) && other.room(mebibyte / 2))
      one.free()
      assert.strictEqual(budgets.size, 1)
      other.free()
      assert.strictEqual(budgets.size, 0)
    }
    assert.isFalse(memory("c" as PublicKey.PublicKey).room(2 * mebibyte))
    assert.strictEqual(budgets.size, 0)
  })
})
