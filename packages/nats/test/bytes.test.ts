/** What letters and items are taken apart with, where what they say of themselves is not there. */
import { assert, describe, it } from "@effect/vitest"
import { concat, label, Reader, u64 } from "../src/internal/bytes.ts"

describe("bytes that are taken apart", () => {
  it("are short where less is there than they say, whatever is taken", () => {
    const isShort = (bytes: Uint8Array, take: (reader: Reader) => unknown) => {
      const reader = new Reader(bytes)
      take(reader)
      return reader.isShort
    }
    const text = label("a name")
    for (let length = 0; length <= text.length; length++) {
      assert.strictEqual(isShort(text.subarray(0, length), (reader) => reader.label()), length < text.length)
    }
    for (let length = 0; length <= 8; length++) {
      assert.strictEqual(isShort(u64(7).subarray(0, length), (reader) => reader.u64()), length < 8)
      assert.strictEqual(isShort(new Uint8Array(length), (reader) => reader.take(8)), length < 8)
    }
    // No text, and what is behind its end.
    assert.isTrue(isShort(Uint8Array.of(1, 0xff), (reader) => reader.label()))
    const reader = new Reader(concat(text, Uint8Array.of(1, 2)))
    assert.strictEqual(reader.label(), "a name")
    assert.deepStrictEqual([...reader.rest()], [1, 2])
    assert.isFalse(reader.isShort)
  })
})
