import { assert, describe, it } from "@effect/vitest"
import * as PublicKey from "@pnet/core/PublicKey"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"

const hex = (text: string): Uint8Array => Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16))

const text = "3p7bfXt9wbTTW2HC7OQ1Nz-DQ8hbeGdNrfx-FG-IK08="
const bytes = hex("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f")

const key = (bytes: Uint8Array): PublicKey.PublicKey => {
  const made = PublicKey.fromBytes(bytes)
  assert.isDefined(made)
  return made
}

const withByte = (index: number, value: number): Uint8Array => {
  const out = new Uint8Array(32).fill(7)
  out[index] = value
  return out
}

describe("PublicKey", () => {
  it("is canonical base64url text of 32 bytes", () => {
    assert.strictEqual(PublicKey.fromBytes(bytes), text)
    assert.strictEqual(PublicKey.fromText(text), text)
    assert.strictEqual(PublicKey.fromText(Uint8Array.from(text, (c) => c.charCodeAt(0))), text)
    assert.deepStrictEqual(PublicKey.toBytes(key(bytes)), bytes)
  })

  it("is the key that its text says, whatever was read before", () => {
    // Their texts begin with the same letters.
    for (const last of [1, 2, 1, 1, 2]) {
      const made = key(withByte(20, last))
      assert.strictEqual(PublicKey.fromText(Uint8Array.from(made, (c) => c.charCodeAt(0))), made)
    }
  })

  it("is refused in any other form", () => {
    for (
      const other of [
        "",
        text.slice(0, -1),
        ` ${text}`,
        `${text}\n`,
        text.replaceAll("-", "+"),
        text.replace("08=", "09="),
        `${text.slice(0, -1)}A`,
        `AAAA${text}`
      ]
    ) assert.isUndefined(PublicKey.fromText(other), JSON.stringify(other))
    for (const length of [0, 31, 33]) assert.isUndefined(PublicKey.fromBytes(new Uint8Array(length).fill(7)))
  })

  it("is none of the points of low order", () => {
    for (
      const point of [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"
      ]
    ) {
      const low = hex(point)
      assert.isFalse(PublicKey.isValidBytes(low))
      // Every neighbour is a key.
      const next = low.slice()
      next[1]! ^= 1
      if (!point.startsWith("ec")) assert.isTrue(PublicKey.isValidBytes(next))
    }
  })

  it("is below 2^255-19", () => {
    for (let low = 0; low < 256; low++) {
      const almost = new Uint8Array(32).fill(255)
      almost[0] = low
      almost[31] = 127
      // 2^255-20 (0xec) has low order, and 2^255-19 (0xed) is the prime.
      assert.strictEqual(PublicKey.isValidBytes(almost), low < 0xec, `${low}`)
      almost[31] = 255
      assert.isFalse(PublicKey.isValidBytes(almost))
    }
    assert.isFalse(PublicKey.isValidBytes(withByte(31, 0x80)))
    assert.isTrue(PublicKey.isValidBytes(withByte(31, 0x7f)))
    assert.isTrue(PublicKey.isValidBytes(hex(`09${"00".repeat(31)}`)))
  })

  it("sorts as bytes, and not as text", () => {
    // "-" is before "A" in ASCII, and the 62nd digit in base64url.
    const small = key(withByte(0, 0))
    const large = key(withByte(0, 0xf8))
    assert.isTrue(large < small)
    assert.strictEqual(PublicKey.Order(small, large), -1)
    assert.strictEqual(PublicKey.Order(large, small), 1)
    assert.strictEqual(PublicKey.Order(small, small), 0)
    // The first byte decides, although keys are little-endian integers.
    assert.strictEqual(PublicKey.Order(key(withByte(0, 6)), key(withByte(31, 6))), -1)
  })

  it("has a fingerprint for people", () => {
    assert.strictEqual(PublicKey.fingerprint(key(bytes)), "vtfd-pzbv-fq0v-9mtv")
    assert.match(PublicKey.fingerprint(key(withByte(0, 0))), /^[0-9a-hjkmnp-tv-z]{4}(-[0-9a-hjkmnp-tv-z]{4}){3}$/)
    assert.notStrictEqual(PublicKey.fingerprint(key(withByte(9, 0))), PublicKey.fingerprint(key(withByte(9, 1))))
  })

  it.effect("has a schema", () =>
    Effect.gen(function*() {
      const decode = Schema.decodeUnknownEffect(PublicKey.PublicKey)
      assert.strictEqual(yield* decode(text), key(bytes))
      assert.strictEqual(yield* Schema.encodeEffect(PublicKey.PublicKey)(key(bytes)), text)
      for (const other of ["", "A".repeat(43) + "=", text.slice(1), 7, null]) {
        assert.isTrue(Exit.isFailure(yield* Effect.exit(decode(other))), JSON.stringify(other))
      }
    }))

  it.prop("comes back from its bytes and from its text", { input: Schema.Uint8Array }, ({ input }) => {
    const padded = Uint8Array.from({ length: 32 }, (_, i) => i === 31 ? (input[i] ?? 1) & 0x7f : input[i] ?? i + 2)
    const made = PublicKey.fromBytes(padded)
    if (made === undefined) return
    assert.deepStrictEqual(PublicKey.toBytes(made), padded)
    assert.strictEqual(PublicKey.fromText(made), made)
  })
})
