import { assert, describe, it } from "@effect/vitest"
import * as Packet from "@pnet/core/Packet"
import type * as ProtocolError from "@pnet/core/ProtocolError"
import * as PublicKey from "@pnet/core/PublicKey"
import * as Arbitrary from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

const utf8 = (text: string): Uint8Array => new Uint8Array(new TextEncoder().encode(text))

const join = (...parts: ReadonlyArray<Uint8Array | string>): Uint8Array => {
  const bytes = parts.map((part) => typeof part === "string" ? utf8(part) : part)
  const out = new Uint8Array(bytes.reduce((sum, part) => sum + part.length, 0))
  let offset = 0
  for (const part of bytes) {
    out.set(part, offset)
    offset += part.length
  }
  return out
}

const networkId = Packet.NetworkId.make("lab")
const keyText = "3p7bfXt9wbTTW2HC7OQ1Nz-DQ8hbeGdNrfx-FG-IK08="
const publicKey = PublicKey.fromText(keyText)!

const everything: Packet.Expected = {
  networkId,
  types: Packet.PacketType.literals,
  maxLength: Packet.maxStreamLength
}
const datagram: Packet.Expected = { networkId, types: ["adv"], maxLength: Packet.maxDatagramLength }

const succeeds = (bytes: Uint8Array, expected = everything): Packet.Packet =>
  Result.getOrThrowWith(Packet.decode(bytes, expected), (error) => error)

const codeOf = (bytes: Uint8Array, expected = everything): ProtocolError.Code | undefined => {
  const decoded = Packet.decode(bytes, expected)
  if (Result.isSuccess(decoded)) return undefined
  assert.strictEqual(decoded.failure.origin, "local")
  return decoded.failure.code
}

/** A packet of sections that may be anything. */
const sections = (fields: {
  readonly network?: Uint8Array | string
  readonly type?: Uint8Array | string
  readonly content?: Uint8Array | string
  readonly key?: Uint8Array | string
  readonly end?: Uint8Array | string
  readonly feed?: string
}): Uint8Array =>
  join(
    fields.network ?? "lab",
    "|",
    fields.type ?? "adv",
    "|",
    fields.content ?? "alpha@10.0.0.1:4000",
    "|",
    fields.key ?? keyText,
    "|",
    fields.end ?? "END",
    fields.feed ?? "\n"
  )

const badUtf8: ReadonlyArray<Uint8Array> = [
  Uint8Array.of(0xff),
  Uint8Array.of(0xc3),
  Uint8Array.of(0xc0, 0xaf),
  Uint8Array.of(0xed, 0xa0, 0x80),
  Uint8Array.of(0xf4, 0x90, 0x80, 0x80)
]

// U+0000-001F and U+007F-009F: what Unicode calls Cc.
const controls = Array.from({ length: 0x20 }, (_, i) => i)
  .concat(Array.from({ length: 0x21 }, (_, i) => 0x7f + i))
  .map((code) => String.fromCharCode(code))

describe("labels", () => {
  const isNetworkId = Schema.is(Packet.NetworkId)
  const isNodeName = Schema.is(Packet.NodeName)

  it("are 1 to 64 bytes, not characters", () => {
    for (const is of [isNetworkId, isNodeName]) {
      assert.isFalse(is(""))
      assert.isTrue(is("a"))
      assert.isTrue(is("a".repeat(64)))
      assert.isFalse(is("a".repeat(65)))
      assert.isTrue(is("é".repeat(32)))
      assert.isFalse(is(`${"é".repeat(32)}a`))
      assert.isTrue(is("😀".repeat(16)))
      assert.isFalse(is(`${"😀".repeat(16)}a`))
    }
  })

  it("have no control characters and no surrogates that stand alone", () => {
    assert.strictEqual(controls.length, 65)
    for (const is of [isNetworkId, isNodeName]) {
      for (const control of controls) assert.isFalse(is(`a${control}b`), JSON.stringify(control))
      for (const lone of ["\ud800", "\udc00", "a\udfff", "\udc00\ud800"]) assert.isFalse(is(lone))
      // Neighbours of the controls, and characters of other categories, however odd.
      for (const fine of [" ", "~", "\u00a0", "\u00ad", "\u200b", "\u2028", "\ufeff", "\u202e", "\ufffd"]) {
        assert.isTrue(is(fine), JSON.stringify(fine))
      }
    }
  })

  it("have no |, and names no @ and are not *", () => {
    for (const is of [isNetworkId, isNodeName]) for (const text of ["|", "a|b"]) assert.isFalse(is(text))
    for (const text of ["@", "a@b", "*"]) {
      assert.isTrue(isNetworkId(text))
      assert.isFalse(isNodeName(text))
    }
    assert.isTrue(isNodeName("**"))
    assert.isTrue(isNodeName("a*"))
  })

  it("compare as bytes, without normalisation and without regard to looks", () => {
    const composed = Packet.NetworkId.make("caf\u00e9")
    const bytes = sections({ network: "cafe\u0301" })
    assert.strictEqual(codeOf(bytes, { ...everything, networkId: composed }), "ERR_NETWORK_INCORRECT")
    assert.isUndefined(codeOf(bytes, { ...everything, networkId: Packet.NetworkId.make("cafe\u0301") }))
    assert.strictEqual(codeOf(sections({ network: "LAB" })), "ERR_NETWORK_INCORRECT")
    // A byte order mark is a character like any other.
    assert.strictEqual(codeOf(sections({ network: "\ufefflab" })), "ERR_NETWORK_INCORRECT")
  })
})

describe("encode", () => {
  it("gives the bytes of the packet", () => {
    assert.deepStrictEqual(
      Packet.encode({ networkId, type: "adv", content: utf8("alpha@10.0.0.1:4000"), publicKey }),
      utf8(`lab|adv|alpha@10.0.0.1:4000|${keyText}|END\n`)
    )
  })

  it("leaves the key empty in an err that has none", () => {
    assert.deepStrictEqual(Packet.encode(Packet.err(networkId, "ERR_BUSY", null)), utf8("lab|err|ERR_BUSY||END\n"))
    assert.deepStrictEqual(
      Packet.encode(Packet.err(networkId, "ERR_REPLAY", publicKey)),
      utf8(`lab|err|ERR_REPLAY|${keyText}|END\n`)
    )
  })
})

describe("decode", () => {
  it("gives the sections", () => {
    for (const type of Packet.PacketType.literals) {
      assert.deepStrictEqual(
        { ...succeeds(sections({ type })), content: utf8("alpha@10.0.0.1:4000") },
        { networkId, type, content: utf8("alpha@10.0.0.1:4000"), publicKey }
      )
    }
    const { content } = succeeds(sections({ content: Uint8Array.of(1, 0xff, 0) }))
    assert.deepStrictEqual(content.slice(), Uint8Array.of(1, 0xff, 0))
    assert.strictEqual(succeeds(sections({ content: "" })).content.length, 0)
  })

  it("gives the first rule's code, whatever else is broken", () => {
    type Fields = Parameters<typeof sections>[0]
    // In the protocol's order. Each breaks one rule, in a field of its own where it can.
    const broken: ReadonlyArray<readonly [ProtocolError.Code, (fields: Fields) => Fields]> = [
      ["ERR_PACKET_TOO_LARGE", (f) => ({ ...f, content: `${f.content ?? ""}${"x".repeat(1_400)}` })],
      ["ERR_PACKET_INCOMPLETE", (f) => ({ ...f, feed: "" })],
      ["ERR_SECTION_COUNT", (f) => ({ ...f, content: `a|b${f.content ?? ""}` })],
      ["ERR_PACKET_INCOMPLETE", (f) => ({ ...f, end: "EMD" })],
      ["ERR_NETWORK_INCORRECT", (f) => ({ ...f, network: "other" })],
      ["ERR_PACKET_TYPE", (f) => ({ ...f, type: "msg" })],
      ["ERR_PUBLIC_KEY", (f) => ({ ...f, key: "AAAA" })]
    ]
    for (let mask = 1; mask < 1 << broken.length; mask++) {
      let fields: Fields = {}
      let first: ProtocolError.Code | undefined
      for (const [i, [code, spoil]] of broken.entries()) {
        if ((mask & 1 << i) === 0) continue
        first ??= code
        fields = spoil(fields)
      }
      assert.strictEqual(codeOf(sections(fields), datagram), first, mask.toString(2))
    }
    assert.isUndefined(codeOf(sections({}), datagram))
  })

  it("holds to the limits exactly", () => {
    for (const limit of [1_400, 131_072]) {
      const expected = { ...everything, maxLength: limit }
      const room = limit - sections({ content: "" }).length
      assert.strictEqual(sections({ content: "x".repeat(room) }).length, limit)
      assert.isUndefined(codeOf(sections({ content: "x".repeat(room) }), expected))
      assert.strictEqual(codeOf(sections({ content: "x".repeat(room + 1) }), expected), "ERR_PACKET_TOO_LARGE")
    }
    assert.strictEqual(Packet.maxDatagramLength, 1_400)
    assert.strictEqual(Packet.maxStreamLength, 131_072)
  })

  it("wants a line feed as the last byte", () => {
    const bytes = sections({})
    for (let length = 0; length < bytes.length; length++) {
      assert.strictEqual(codeOf(bytes.subarray(0, length)), "ERR_PACKET_INCOMPLETE", `${length}`)
    }
    assert.strictEqual(codeOf(sections({ feed: "\r" })), "ERR_PACKET_INCOMPLETE")
    assert.strictEqual(codeOf(sections({ feed: "\r\n" })), "ERR_PACKET_INCOMPLETE")
    assert.strictEqual(codeOf(sections({ feed: "\n\n" })), "ERR_PACKET_INCOMPLETE")
    assert.strictEqual(codeOf(sections({ feed: "\n " })), "ERR_PACKET_INCOMPLETE")
    assert.strictEqual(codeOf(utf8("\n")), "ERR_SECTION_COUNT")
  })

  it("wants five sections", () => {
    for (let count = 1; count <= 8; count++) {
      const bytes = utf8(`${Array.from({ length: count }, () => "END").join("|")}\n`)
      assert.strictEqual(codeOf(bytes), count === 5 ? "ERR_NETWORK_INCORRECT" : "ERR_SECTION_COUNT", `${count}`)
    }
    // Two packets in one datagram.
    assert.strictEqual(codeOf(join(sections({}), sections({})), datagram), "ERR_SECTION_COUNT")
  })

  it("wants END, and nothing but it", () => {
    for (const end of ["", "EN", "ENDE", "end", " END", "END ", "END\r", "\0END", "ËND"]) {
      assert.strictEqual(codeOf(sections({ end })), "ERR_PACKET_INCOMPLETE", JSON.stringify(end))
    }
  })

  it("knows four types, and admits those that are expected", () => {
    for (const type of ["", "ad", "advx", "ADV", "adv ", " adv", "foo", "\u0000dv"]) {
      assert.strictEqual(codeOf(sections({ type })), "ERR_PACKET_TYPE", JSON.stringify(type))
    }
    for (const type of Packet.PacketType.literals) {
      for (const expected of Packet.PacketType.literals) {
        assert.strictEqual(
          codeOf(sections({ type }), { ...everything, types: [expected] }),
          type === expected ? undefined : "ERR_PACKET_TYPE"
        )
      }
    }
  })

  it("fails bad UTF-8 in the section it is in", () => {
    for (const bad of badUtf8) {
      assert.strictEqual(codeOf(sections({ network: bad })), "ERR_NETWORK_INCORRECT")
      assert.strictEqual(
        codeOf(sections({ network: bad }), { ...everything, networkId: undefined }),
        "ERR_NETWORK_INCORRECT"
      )
      assert.strictEqual(codeOf(sections({ type: bad })), "ERR_PACKET_TYPE")
      assert.strictEqual(codeOf(sections({ key: bad })), "ERR_PUBLIC_KEY")
      assert.strictEqual(codeOf(sections({ end: bad })), "ERR_PACKET_INCOMPLETE")
      // The content is for its reader.
      assert.isUndefined(codeOf(sections({ content: bad })))
    }
    // U+FFFD is what a lenient decoder makes of bad bytes, and is not equal to them.
    const replaced = Packet.NetworkId.make("\ufffd")
    assert.isUndefined(codeOf(sections({ network: "\ufffd" }), { ...everything, networkId: replaced }))
    assert.strictEqual(
      codeOf(sections({ network: Uint8Array.of(0xff) }), { ...everything, networkId: replaced }),
      "ERR_NETWORK_INCORRECT"
    )
  })

  it("admits any network id that is one, where none is expected", () => {
    const any = { ...everything, networkId: undefined }
    assert.strictEqual(succeeds(sections({ network: "other" }), any).networkId, "other")
    assert.isUndefined(codeOf(sections({ network: "n".repeat(64) }), any))
    for (const network of ["", "n".repeat(65), ...controls.map((control) => `n${control}`)]) {
      assert.strictEqual(codeOf(sections({ network }), any), "ERR_NETWORK_INCORRECT", JSON.stringify(network))
    }
  })

  it("wants a canonical key that is below the prime and not of low order", () => {
    const ofBytes = (hex: string) =>
      Buffer.from(hex, "hex").toString("base64").replaceAll("+", "-").replaceAll("/", "_")
    for (
      const key of [
        "",
        keyText.slice(0, -1),
        `${keyText}=`,
        ` ${keyText}`,
        `${keyText} `,
        keyText.replaceAll("-", "+"),
        keyText.replace("08=", "09="),
        keyText.replace("=", "A"),
        "AAAA",
        `AAAA${keyText}`,
        ofBytes("00".repeat(32)),
        ofBytes(`01${"00".repeat(31)}`),
        ofBytes(`ec${"ff".repeat(30)}7f`),
        ofBytes("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
        ofBytes("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
        ofBytes(`ed${"ff".repeat(30)}7f`),
        ofBytes(`09${"00".repeat(30)}80`),
        ofBytes("ff".repeat(32))
      ]
    ) assert.strictEqual(codeOf(sections({ key })), "ERR_PUBLIC_KEY", key)
    assert.isUndefined(codeOf(sections({ key: ofBytes(`09${"00".repeat(31)}`) })))
    assert.isUndefined(codeOf(sections({ key: ofBytes(`eb${"ff".repeat(30)}7f`) })))
  })

  it("takes any key, whichever is likely", () => {
    const other = PublicKey.fromText("hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo=")!
    for (const key of [publicKey, other]) {
      const bytes = Packet.encode({ networkId, type: "msg", content: utf8("x"), publicKey: key })
      for (const likelyKey of [publicKey, other]) {
        assert.strictEqual(succeeds(bytes, { ...everything, likelyKey }).publicKey, key)
      }
    }
    // Near the likely one, and no key: longer, shorter, and not canonical.
    for (const key of [keyText + "=", keyText.slice(0, -1), keyText.slice(0, -2) + "9=", ""]) {
      assert.strictEqual(codeOf(sections({ key }), { ...everything, likelyKey: publicKey }), "ERR_PUBLIC_KEY")
    }
    const bare = Packet.encode(Packet.err(networkId, "ERR_BUSY", null))
    assert.isNull(succeeds(bare, { ...everything, likelyKey: publicKey }).publicKey)
  })

  it("admits an empty key in an err and nowhere else", () => {
    assert.isNull(succeeds(sections({ type: "err", content: "ERR_BUSY", key: "" })).publicKey)
    for (const type of ["adv", "msg", "rsp"]) {
      assert.strictEqual(codeOf(sections({ type, key: "" })), "ERR_PUBLIC_KEY")
    }
    assert.strictEqual(codeOf(sections({ type: "err", content: "ERR_BUSY", key: "AAAA" })), "ERR_PUBLIC_KEY")
  })

  it.prop("never throws, and accepts only what it would have encoded", { bytes: Schema.Uint8Array }, ({ bytes }) => {
    for (const networkId of [everything.networkId, undefined]) {
      const decoded = Packet.decode(bytes, { ...everything, networkId })
      if (Result.isSuccess(decoded)) assert.deepStrictEqual(Packet.encode(decoded.success), bytes.slice())
    }
  })

  const byte = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 255 }))
  const edits = Schema.Array(
    Schema.Struct({ at: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 100 })), byte })
  )
  it.prop("says the same of a damaged packet as of its re-encoding", { edits }, ({ edits }) => {
    const bytes = sections({})
    for (const edit of edits) bytes[edit.at % bytes.length] = edit.byte
    const decoded = Packet.decode(bytes, { ...everything, networkId: undefined })
    if (Result.isSuccess(decoded)) assert.deepStrictEqual(Packet.encode(decoded.success), bytes)
  }, { arbitrary: { runs: 500 } })

  const labels = Arbitrary.map(Arbitrary.schema(Schema.String), (text) => {
    // Cut to what a label may be.
    let label = ""
    for (const character of text.replace(/[|\p{Cc}\p{Surrogate}]/gu, "")) {
      if (utf8(label + character).length <= 64) label += character
    }
    return Packet.NetworkId.make(label === "" ? "x" : label)
  })
  const contents = Arbitrary.map(
    Arbitrary.schema(Schema.Uint8Array),
    (bytes) => Uint8Array.from(bytes, (byte) => byte === 0x7c || byte === 0x0a ? 0x41 : byte)
  )
  it.prop(
    "comes back from its bytes",
    { networkId: labels, type: Packet.PacketType, content: contents },
    ({ content, networkId, type }) => {
      const packet = { networkId, type, content, publicKey }
      const bytes = Packet.encode(packet)
      for (const expected of [networkId, undefined]) {
        const decoded = succeeds(bytes, { ...everything, networkId: expected })
        assert.deepStrictEqual({ ...decoded, content: decoded.content.slice() }, packet)
      }
    }
  )
})

describe("err packets", () => {
  it("are read as the error they report", () => {
    const read = (content: Uint8Array | string) => Packet.errorOf(succeeds(sections({ type: "err", content, key: "" })))
    assert.strictEqual(read("ERR_REPLAY").code, "ERR_REPLAY")
    assert.strictEqual(read("ERR_REPLAY").origin, "remote")
    for (const unknown of ["", "ERR_NEW", "err_replay", "ERR_REPLAY ", "toString", "__proto__", Uint8Array.of(0xff)]) {
      assert.strictEqual(read(unknown).code, "ERR_INTERNAL", String(unknown))
    }
  })
})

describe("PacketFromBytes", () => {
  it.effect("is decode and encode with the limit of a stream, any network and every type", () =>
    Effect.gen(function*() {
      const decode = Schema.decodeUnknownEffect(Packet.PacketFromBytes)
      const bytes = sections({ network: "other", type: "rsp" })
      const packet = yield* decode(bytes)
      assert.strictEqual(packet.networkId, "other")
      assert.deepStrictEqual(yield* Schema.encodeEffect(Packet.PacketFromBytes)(packet), bytes)
      const error = yield* Effect.flip(decode(sections({ key: "" })))
      assert.include(error.message, "ERR_PUBLIC_KEY")
      const large = yield* Effect.flip(decode(sections({ content: "x".repeat(131_072) })))
      assert.include(large.message, "ERR_PACKET_TOO_LARGE")
    }))
})
