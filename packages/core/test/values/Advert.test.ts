import { assert, describe, it } from "@effect/vitest"
import * as Advert from "@pnet/core/Advert"
import * as Packet from "@pnet/core/Packet"
import * as Arbitrary from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

const utf8 = (text: string): Uint8Array => new Uint8Array(new TextEncoder().encode(text))

const read = (text: string): Advert.Advert => Result.getOrThrowWith(Advert.decode(utf8(text)), (error) => error)

const refused = (content: Uint8Array | string) => {
  const bytes = typeof content === "string" ? utf8(content) : content
  const error = Result.getOrThrow(Result.flip(Advert.decode(bytes)))
  assert.strictEqual(error.code, "ERR_ADV_FORMAT", String(content))
  assert.strictEqual(error.origin, "local")
}

describe("Advert", () => {
  it("has the name that it says, whatever was read before", () => {
    // Two texts of one hash.
    for (const name of ["Aa", "BB", "Aa", "Aa", "BB"]) {
      assert.strictEqual(read(`${name}@10.0.0.1:4000`).name as string, name)
    }
  })

  it("is name@host:port", () => {
    assert.deepStrictEqual(read("alpha@10.0.0.1:4000"), {
      name: Packet.NodeName.make("alpha"),
      host: "10.0.0.1",
      port: 4000
    })
    assert.deepStrictEqual(read("é ~:[]@[fe80::1]:1"), {
      name: Packet.NodeName.make("é ~:[]"),
      host: "fe80::1",
      port: 1
    })
    for (
      const text of [
        "",
        "@",
        "alpha",
        "alpha@",
        "alpha@10.0.0.1",
        "alpha@10.0.0.1:",
        "alpha@:4000",
        "@10.0.0.1:4000",
        "10.0.0.1:4000",
        "alpha@@10.0.0.1:4000",
        "al@pha@10.0.0.1:4000",
        "alpha@10.0.0.1:4000@",
        "alpha@10.0.0.1:4000:4000",
        " alpha@ 10.0.0.1:4000",
        "alpha@10.0.0.1 :4000",
        "alpha@10.0.0.1:4000\n",
        "alpha@host.example:4000",
        "alpha@localhost:4000"
      ]
    ) refused(text)
  })

  it("names a node by the rules of names", () => {
    assert.strictEqual(read(`${"n".repeat(64)}@10.0.0.1:4000`).name.length, 64)
    for (const name of ["*", "n".repeat(65), "a|b", "a\u0000b", "a\u0085b", "\n"]) refused(`${name}@10.0.0.1:4000`)
  })

  it("is UTF-8", () => {
    refused(Uint8Array.of(0xff, ...utf8("alpha@10.0.0.1:4000")))
    refused(Uint8Array.of(...utf8("alpha@10.0.0.1:4000"), 0xc3))
    assert.strictEqual(read("\ufeffalpha@10.0.0.1:4000").name, "\ufeffalpha")
  })

  it("has a port of 0 to 65535 without leading zeros", () => {
    for (const port of [0, 1, 9, 10, 4000, 65_535]) assert.strictEqual(read(`a@10.0.0.1:${port}`).port, port)
    for (
      const port of ["65536", "99999", "100000", "00", "01", "04000", "+1", "-1", "1.0", "1e3", "0x1", " 1", "1 ", "١"]
    ) {
      refused(`a@10.0.0.1:${port}`)
    }
  })

  it("has an IPv4 host in four decimals without leading zeros", () => {
    for (const host of ["0.0.0.0", "9.10.99.100", "199.200.249.250", "255.255.255.255"]) {
      assert.strictEqual(read(`a@${host}:1`).host, host)
    }
    for (
      const host of [
        "1.2.3",
        "1.2.3.4.5",
        "1.2.3.",
        ".2.3.4",
        "1..3.4",
        "01.2.3.4",
        "1.2.3.04",
        "1.2.3.00",
        "1.2.3.256",
        "1.2.3.300",
        "1.2.3.1000",
        "1.2.3.-4",
        "1.2.3.+4",
        "1.2.3.0x4",
        "1.2.3. 4",
        "1",
        "16909060",
        "1.2.772",
        "[1.2.3.4]",
        "1.2.3.4\n"
      ]
    ) refused(`a@${host}:1`)
  })

  it("has an IPv6 host in brackets, in any form, read as its one form", () => {
    const forms = {
      "::": "::",
      "::1": "::1",
      "0:0:0:0:0:0:0:1": "::1",
      "0000:0000:0000:0000:0000:0000:0000:0001": "::1",
      "FE80::ABCD": "fe80::abcd",
      "2001:db8::1:0:0:1": "2001:db8::1:0:0:1",
      "2001:db8:0:0:1::1": "2001:db8::1:0:0:1",
      "2001:0db8:0:1:1:1:1:1": "2001:db8:0:1:1:1:1:1",
      "1:2:3:4:5:6:7::": "1:2:3:4:5:6:7:0",
      "::ffff:1.2.3.4": "::ffff:1.2.3.4",
      "::ffff:102:304": "::ffff:1.2.3.4",
      "::1.2.3.4": "::102:304",
      "64:ff9b::192.0.2.33": "64:ff9b::c000:221"
    }
    for (const [form, host] of Object.entries(forms)) assert.strictEqual(read(`a@[${form}]:1`).host, host, form)
    for (
      const host of [
        "::1",
        "fe80::1",
        "[]",
        "[",
        "]",
        "[:]",
        "[:::]",
        "[1::2::3]",
        "[1:2:3:4:5:6:7]",
        "[1:2:3:4:5:6:7:8:9]",
        "[1:2:3:4:5:6:7::8]",
        "[:1:2:3:4:5:6:7]",
        "[1:2:3:4:5:6:7:]",
        "[00001::]",
        "[g::]",
        "[-1::]",
        "[ ::1]",
        "[::1 ]",
        "[fe80::1%eth0]",
        "[fe80::1%1]",
        "[fe80::1%251]",
        "[::ffff:1.2.3]",
        "[::ffff:01.2.3.4]",
        "[::ffff:1.2.3.256]",
        "[1.2.3.4::]",
        "[::1.2.3.4:5]",
        "[[::1]]",
        "[::1",
        "::1]",
        "[::1]]",
        "[::1]x"
      ]
    ) refused(`a@${host}:1`)
  })

  it("is written in its one form", () => {
    const name = Packet.NodeName.make("alpha")
    assert.deepStrictEqual(Advert.encode({ name, host: "10.0.0.1", port: 0 }), utf8("alpha@10.0.0.1:0"))
    assert.deepStrictEqual(Advert.encode({ name, host: "fe80::1", port: 7 }), utf8("alpha@[fe80::1]:7"))
    // The longest there can be still leaves its packet room in a datagram, in clear.
    const longest = Advert.encode({ name: Packet.NodeName.make("n".repeat(64)), host: "1:2:3:4:5:6:7:8", port: 65_535 })
    assert.isBelow(longest.length, 200)
  })

  it.prop("never throws", { content: Schema.Uint8Array }, ({ content }) => {
    const decoded = Advert.decode(content)
    if (Result.isFailure(decoded)) assert.strictEqual(decoded.failure.code, "ERR_ADV_FORMAT")
  })

  const pieces = Schema.Array(
    Schema.Literals([
      "a",
      "@",
      ":",
      "[",
      "]",
      "::",
      ".",
      "1",
      "0",
      "255",
      "ffff",
      "%",
      "|",
      "\n",
      "é",
      "10.0.0.1",
      "4000"
    ])
  )
  it.prop("reads nothing that it would not read again", { pieces }, ({ pieces }) => {
    const decoded = Advert.decode(utf8(pieces.join("")))
    if (Result.isFailure(decoded)) return
    const advert = decoded.success
    assert.isTrue(Schema.is(Advert.Advert)(advert))
    assert.deepStrictEqual(Result.getOrThrow(Advert.decode(Advert.encode(advert))), advert)
  }, { arbitrary: { runs: 1_000 } })

  const word = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 65_535 }))
  const words = Arbitrary.array(Arbitrary.schema(word), { minLength: 8, maxLength: 8 })
  it.prop("comes back from its text", { words, port: word, v6: Schema.Boolean }, ({ port, v6, words }) => {
    const host = v6
      ? Advert.canonicalHost(words.map((word) => word.toString(16)).join(":"))
      : words.slice(0, 4).map((word) => word & 255).join(".")
    assert.isDefined(host)
    const advert = { name: Packet.NodeName.make("alpha"), host: host!, port }
    assert.deepStrictEqual(Result.getOrThrow(Advert.decode(Advert.encode(advert))), advert)
  })
})

describe("canonicalHost and parseEndpoint", () => {
  it("takes no brackets, and gives its own form back", () => {
    assert.strictEqual(Advert.canonicalHost("FE80::1"), "fe80::1")
    for (const host of ["[::1]", "fe80::1%eth0", "01.2.3.4", "", "a"]) assert.isUndefined(Advert.canonicalHost(host))
    const isHost = Schema.is(Advert.Host)
    assert.isTrue(isHost("fe80::1"))
    assert.isFalse(isHost("FE80::1"))
    assert.isFalse(isHost("::ffff:102:304"))
    assert.isTrue(isHost("::ffff:1.2.3.4"))
  })

  it("reads what formatEndpoint writes", () => {
    for (const endpoint of [{ host: "10.0.0.1", port: 1 }, { host: "::1", port: 65_535 }, { host: "::", port: 0 }]) {
      assert.deepStrictEqual(Advert.parseEndpoint(Advert.formatEndpoint(endpoint)), endpoint)
    }
    for (const text of ["", ":", "10.0.0.1", "10.0.0.1:", ":1", "::1:1", "[::1]", "a@10.0.0.1:1"]) {
      assert.isUndefined(Advert.parseEndpoint(text), text)
    }
  })
})

describe("AdvertFromText", () => {
  it.effect("is decode and encode", () =>
    Effect.gen(function*() {
      const decode = Schema.decodeUnknownEffect(Advert.AdvertFromText)
      const advert = yield* decode("alpha@[FE80::1]:4000")
      assert.strictEqual(advert.host, "fe80::1")
      assert.strictEqual(yield* Schema.encodeEffect(Advert.AdvertFromText)(advert), "alpha@[fe80::1]:4000")
      assert.include((yield* Effect.flip(decode("alpha"))).message, "ERR_ADV_FORMAT")
    }))
})
