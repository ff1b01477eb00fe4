/** Keys in words. */
import { assert, describe, it } from "@effect/vitest"
import { KeyWords } from "@pnet/console"
import { PublicKey } from "@pnet/core"

/** Keys of which all ten bytes are one. */
const words = Array.from({ length: 256 }, (_, byte) => {
  const bytes = new Uint8Array(32).fill(byte, 0, 10)
  bytes[20] = 7
  return KeyWords.of(PublicKey.fromBytes(bytes)!)
})

describe("a key in words", () => {
  it("has ten words, one for each byte that its fingerprint shows", () => {
    for (const of of words) assert.deepStrictEqual(of, Array.from({ length: 10 }, () => of[0]!))
    assert.strictEqual(new Set(words.map(([word]) => word)).size, 256)
  })

  it("is made of words that are not taken for one another", () => {
    const all = words.map(([word]) => word!)
    assert.strictEqual(new Set(all.map((word) => word.slice(0, 3))).size, 256)
  })
})
