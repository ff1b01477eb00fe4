import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import type * as Internal from "../../src/internal/base/base64url.ts"

// The package exports no internals, and tsc does not let a static import cross into another project's sources.
const Base64Url: typeof Internal = await import(new URL("../../src/internal/base/base64url.ts", import.meta.url).href)

const utf8 = (text: string): Uint8Array => new Uint8Array(new TextEncoder().encode(text))
const asciiOf = (bytes: Uint8Array): string => new TextDecoder("latin1").decode(bytes)

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

describe("base64url", () => {
  it("has the texts of RFC 4648 section 10", () => {
    const vectors = {
      "": "",
      f: "Zg==",
      fo: "Zm8=",
      foo: "Zm9v",
      foob: "Zm9vYg==",
      fooba: "Zm9vYmE=",
      foobar: "Zm9vYmFy"
    }
    for (const [plain, text] of Object.entries(vectors)) {
      assert.strictEqual(Base64Url.encodeString(utf8(plain)), text)
      assert.deepStrictEqual(Base64Url.decodeString(text), utf8(plain))
      assert.strictEqual(Base64Url.encodedLength(plain.length), text.length)
    }
  })

  it("uses - and _", () => {
    assert.strictEqual(Base64Url.encodeString(Uint8Array.of(0xfb, 0xef, 0xff)), "--__")
    assert.deepStrictEqual(Base64Url.decodeString("--__"), Uint8Array.of(0xfb, 0xef, 0xff))
  })

  it("refuses what is not canonical", () => {
    for (
      const text of [
        "Zg",
        "Zg=",
        "Zg===",
        "Zg==Zg==",
        "Z===",
        "====",
        "=",
        "Zm8",
        "Zm8==",
        "Zm9v=",
        "++//",
        "+A==",
        "Zg==\n",
        " Zg==",
        "Zm 9v",
        "Zh==",
        "Zm9=",
        "Z=g=",
        "Zg=A",
        "é===",
        "Zm9v\0\0\0\0"
      ]
    ) assert.isUndefined(Base64Url.decodeString(text), JSON.stringify(text))
  })

  it("admits one text for one or two last bytes, out of all", () => {
    let one = 0
    let two = 0
    for (const a of alphabet) {
      for (const b of alphabet) {
        if (Base64Url.decodeString(`${a}${b}==`) !== undefined) one++
      }
      if (Base64Url.decodeString(`AA${a}=`) !== undefined) two++
    }
    assert.strictEqual(one, 256)
    assert.strictEqual(two, 16)
  })

  it("refuses every byte that is not of the alphabet, at every place", () => {
    for (let byte = 0; byte < 256; byte++) {
      for (let place = 0; place < 8; place++) {
        const text = utf8("AAAAAAAA")
        text[place] = byte
        const padding = byte === 0x3d && place === 7
        const expected = padding || alphabet.includes(String.fromCharCode(byte))
        assert.strictEqual(Base64Url.decode(text) !== undefined, expected, `byte ${byte} at ${place}`)
      }
    }
  })

  it("refuses them where a text is long, too, which the platform reads that takes them", () => {
    for (const tail of ["", "Zg==", "Zm8="]) {
      for (let byte = 0; byte < 256; byte++) {
        for (const place of [0, 3, 257, 1_022, 1_023]) {
          const text = utf8("A".repeat(1_024) + tail)
          text[place] = byte
          const bytes = Base64Url.decode(text)
          const last = byte === 0x3d && place === 1_023 && tail === ""
          const expected = last || alphabet.includes(String.fromCharCode(byte))
          assert.strictEqual(bytes !== undefined, expected, `byte ${byte} at ${place}`)
          if (bytes !== undefined) assert.deepStrictEqual(Base64Url.encode(bytes), text)
        }
      }
    }
    for (const text of ["A", "AA", "AAA", "A===", "Zh==", "Zm9=", "==", "\n\n\n\n"]) {
      assert.isUndefined(Base64Url.decodeString("A".repeat(1_024) + text), text)
    }
  })

  it("decodes in place", () => {
    for (const length of [0, 1, 2, 3, 4, 5, 255, 256, 257, 300, 65_537]) {
      const bytes = Uint8Array.from({ length }, (_, i) => i * 37)
      const within = utf8(`..${Base64Url.encodeString(bytes)}..`)
      const text = within.subarray(2, within.length - 2)
      const decoded = Base64Url.decodeInPlace(text)
      assert.deepStrictEqual(decoded, bytes)
      assert.strictEqual(decoded?.buffer, within.buffer)
    }
    for (const text of ["Zg", "Zg=A", "====", "Zm9="]) assert.isUndefined(Base64Url.decodeInPlace(utf8(text)))
  })

  it("encodes into a buffer at an offset", () => {
    const out = utf8("..........")
    assert.strictEqual(Base64Url.encodeInto(utf8("foob"), out, 1), 9)
    assert.strictEqual(asciiOf(out), ".Zm9vYg==.")
    const bytes = Uint8Array.from({ length: 1_001 }, (_, i) => i * 37)
    const long = utf8(".".repeat(1_340))
    assert.strictEqual(Base64Url.encodeInto(bytes.subarray(1), long, 1), 1_337)
    assert.strictEqual(asciiOf(long), `.${Buffer.from(bytes.subarray(1)).toString("base64url")}==...`)
  })

  it.prop("decodes what it encodes, and encodes what it decodes", { bytes: Schema.Uint8Array }, ({ bytes }) => {
    const text = Base64Url.encode(bytes)
    assert.strictEqual(text.length, Base64Url.encodedLength(bytes.length))
    assert.deepStrictEqual(Base64Url.decode(text), bytes.slice())
    const decoded = Base64Url.decode(bytes)
    if (decoded !== undefined) assert.deepStrictEqual(Base64Url.encode(decoded), bytes.slice())
  })
})
