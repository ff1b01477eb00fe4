import { assert, layer } from "@effect/vitest"
import * as Advert from "@pnet/core/Advert"
import * as Crypto from "@pnet/core/Crypto"
import * as Packet from "@pnet/core/Packet"
import * as PortableCrypto from "@pnet/core/PortableCrypto"
import type * as ProtocolError from "@pnet/core/ProtocolError"
import * as PublicKey from "@pnet/core/PublicKey"
import * as Raw from "@pnet/core/Raw"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import type * as InternalAcceptor from "../../src/internal/connect/acceptor.ts"
import type * as InternalExchange from "../../src/internal/wire/advertExchange.ts"
import type * as InternalCipher from "../../src/internal/wire/networkCipher.ts"

// The package exports no internals, and tsc does not let a static import cross into another project's sources.
const internal = (name: string) => import(new URL(`../../src/internal/${name}.ts`, import.meta.url).href)
const NetworkCipher: typeof InternalCipher = await internal("wire/networkCipher")
const AdvertExchange: typeof InternalExchange = await internal("wire/advertExchange")
const Acceptor: typeof InternalAcceptor = await internal("connect/acceptor")

const utf8 = (text: string): Uint8Array => new Uint8Array(new TextEncoder().encode(text))
const textOf = (bytes: Uint8Array): string => new TextDecoder("utf-8", { fatal: true }).decode(bytes)

const networkId = Packet.NetworkId.make("lab")
const keyOf = (fill: number) => PublicKey.fromBytes(new Uint8Array(32).fill(fill))!
const publicKey = keyOf(2)
const key1 = Redacted.make(new Uint8Array(32).fill(1))
const key2 = Redacted.make(new Uint8Array(32).fill(2))
const key3 = Redacted.make(new Uint8Array(32).fill(3))

// A second that has begun a while ago.
const now = 1_700_000_000_900
const text = utf8("alpha@10.0.0.1:4000")

const setUp = Effect.gen(function*() {
  const crypto = yield* Crypto.Crypto
  const clock = yield* Clock.Clock
  yield* TestClock.setTime(now)
  const make = (keys: ReadonlyArray<Redacted.Redacted<Uint8Array>>, id = networkId) =>
    NetworkCipher.make({ crypto, clock, networkId: id, keys })
  const packet = (content: Uint8Array, fields: Partial<Packet.Packet> = {}): Packet.Packet => ({
    networkId,
    type: "adv",
    publicKey,
    content,
    ...fields
  })
  return { crypto, clock, make, packet, cipher: make([key1]) }
})

const refused = <A>(result: Result.Result<A, ProtocolError.ProtocolError>, detail?: string) => {
  const error = Result.getOrThrow(Result.flip(result))
  assert.strictEqual(error.code, "ERR_NET_DECRYPTION_FAILED")
  if (detail !== undefined) assert.include(error.reason.detail, detail)
}

layer(PortableCrypto.layer)("networkCipher", (it) => {
  it.effect("seals the envelope with the text, and opens to the text and the time", () =>
    Effect.gen(function*() {
      const { cipher, crypto, packet } = yield* setUp
      assert.isTrue(cipher.encrypted)
      const content = cipher.seal("adv", publicKey, text)
      assert.match(textOf(content), /^gAAAA[A-Za-z0-9_-]+=*$/)
      const { plaintext } = Result.getOrThrow(crypto.fernetDecrypt([key1], content, now, 60))
      assert.strictEqual(textOf(plaintext), `lab|adv|${publicKey}|alpha@10.0.0.1:4000`)
      const opened = Result.getOrThrow(cipher.open(packet(content)))
      assert.deepStrictEqual(opened.text.slice(), text)
      assert.strictEqual(opened.timestamp, 1_700_000_000)
    }))

  it.effect("opens while the age is at most 60 s in whole seconds, on either side", () =>
    Effect.gen(function*() {
      const { cipher, packet } = yield* setUp
      const sealed = packet(cipher.seal("adv", publicKey, text))
      for (const at of [1_700_000_060_999, 1_699_999_940_000, now]) {
        yield* TestClock.setTime(at)
        assert.isTrue(Result.isSuccess(cipher.open(sealed)), `${at}`)
      }
      yield* TestClock.setTime(1_700_000_061_000)
      refused(cipher.open(sealed), "61 s old")
      yield* TestClock.setTime(1_699_999_939_999)
      refused(cipher.open(sealed), "61 s ahead")
    }))

  it.effect("encrypts with the first key and opens with all", () =>
    Effect.gen(function*() {
      const { make, packet } = yield* setUp
      const under = (...keys: Parameters<typeof make>[0]) => packet(make(keys).seal("adv", publicKey, text))
      const opens = (keys: Parameters<typeof make>[0], sealed: Packet.Packet) =>
        Result.isSuccess(make(keys).open(sealed))
      assert.isTrue(opens([key1], under(key1, key2)))
      assert.isFalse(opens([key2], under(key1, key2)))
      assert.isTrue(opens([key1, key2, key3], under(key3)))
      assert.isTrue(opens([key1, key2, key3], under(key2)))
      refused(make([key1, key2]).open(under(key3)), "compare the network keys")
      // A rotation, node by node: the new key is added last, moved first, and the old one removed.
      const stages = [[key1], [key1, key2], [key2, key1], [key2]]
      for (let stage = 0; stage < 3; stage++) {
        const [before, after] = [stages[stage]!, stages[stage + 1]!]
        assert.isTrue(opens(after, under(...before)), `${stage}`)
        assert.isTrue(opens(before, under(...after)), `${stage}`)
      }
    }))

  it.effect("opens no token that was moved to another type, key or network", () =>
    Effect.gen(function*() {
      const { cipher, make, packet } = yield* setUp
      const content = cipher.seal("adv", publicKey, text)
      for (const type of ["msg", "rsp", "err"] as const) {
        refused(cipher.open(packet(content, { type })), "made for another packet")
      }
      refused(cipher.open(packet(content, { publicKey: keyOf(3) })), "made for another packet")
      refused(cipher.open(packet(content, { publicKey: null })), "made for another packet")
      const other = Packet.NetworkId.make("lab2")
      refused(make([key1], other).open(packet(content, { networkId: other })), "made for another packet")
    }))

  it.effect("opens a token of any age for comparing clocks, and none that was moved", () =>
    Effect.gen(function*() {
      const { cipher, crypto, packet } = yield* setUp
      const content = cipher.seal("adv", publicKey, text)
      const open = (fields: Partial<Packet.Packet>, keys = [key2, key1]) =>
        NetworkCipher.openAtAnyAge(crypto, keys, packet(content, fields), now + 86_400_000)
      const opened = open({})
      assert.isTrue(typeof opened === "object" && opened.timestamp === Math.floor(now / 1_000))
      assert.isUndefined(open({}, [key2]))
      for (
        const moved of [{ type: "msg" }, { publicKey: keyOf(3) }, { networkId: Packet.NetworkId.make("LAB") }] as const
      ) assert.strictEqual(open(moved), "moved")
    }))

  it.effect("opens nothing whose plaintext is shorter than its envelope", () =>
    Effect.gen(function*() {
      const { cipher, crypto, packet } = yield* setUp
      const head = `lab|adv|${publicKey}|`
      const open = (plaintext: string) => cipher.open(packet(crypto.fernetEncrypt(key1, utf8(plaintext), now)))
      for (let length = 0; length < head.length; length++) refused(open(head.slice(0, length)), "another packet")
      assert.strictEqual(Result.getOrThrow(open(head)).text.length, 0)
      assert.strictEqual(textOf(Result.getOrThrow(open(`${head}a|b`)).text), "a|b")
      refused(open(`${head.slice(0, -1)}x`), "another packet")
      refused(open(`LAB${head.slice(3)}`), "another packet")
    }))

  it.effect("notices every bit that is flipped, and every character that is missing or too much", () =>
    Effect.gen(function*() {
      const { cipher, packet } = yield* setUp
      const content = cipher.seal("adv", publicKey, text)
      for (let i = 0; i < content.length; i++) {
        for (let bit = 0; bit < 8; bit++) {
          const flipped = content.slice()
          flipped[i]! ^= 1 << bit
          refused(cipher.open(packet(flipped)))
        }
      }
      for (const length of [0, 1, 4, 96, 100, content.length - 4, content.length - 1]) {
        refused(cipher.open(packet(content.slice(0, length))))
      }
      for (const more of ["=", "A", "AAAA", "\n", " "]) {
        refused(cipher.open(packet(Uint8Array.of(...content, ...utf8(more)))))
      }
      // Without its padding, and in the other alphabet.
      refused(cipher.open(packet(utf8(textOf(content).replace(/=+$/, "")))))
    }))

  it.effect("opens nothing in clear on a network with a key", () =>
    Effect.gen(function*() {
      const { cipher, packet } = yield* setUp
      for (const clear of [text, utf8(""), utf8("A1JBVw=="), utf8(`lab|adv|${publicKey}|alpha@10.0.0.1:4000`)]) {
        refused(cipher.open(packet(clear)))
      }
    }))

  it.effect.prop(
    "never throws, whatever the bytes",
    { content: Schema.Uint8Array },
    ({ content }) =>
      Effect.gen(function*() {
        const { cipher, crypto, make, packet } = yield* setUp
        refused(cipher.open(packet(content)))
        assert.deepStrictEqual(Result.getOrThrow(make([]).open(packet(content))).text, content)
        // What somebody who has the key may put in.
        refused(cipher.open(packet(crypto.fernetEncrypt(key1, content, now))))
      }),
    { arbitrary: { runs: 50 } }
  )

  it.effect("passes the text on where there is no key", () =>
    Effect.gen(function*() {
      const { make, packet } = yield* setUp
      const clear = make([])
      assert.isFalse(clear.encrypted)
      assert.strictEqual(clear.seal("adv", publicKey, text), text)
      assert.deepStrictEqual(Result.getOrThrow(clear.open(packet(text))), {
        text,
        timestamp: undefined,
        key: undefined
      })
    }))

  it.effect("tells a token from a text where there is no key", () =>
    Effect.gen(function*() {
      const { cipher, crypto, make, packet } = yield* setUp
      const open = (content: Uint8Array | string) =>
        make([]).open(packet(typeof content === "string" ? utf8(content) : content))
      const passes = (content: string) => assert.isTrue(Result.isSuccess(open(content)), content)
      refused(open(cipher.seal("adv", publicKey, text)), "uses a network key")
      // The shortest token there is.
      const shortest = crypto.fernetEncrypt(key1, new Uint8Array(0), now)
      assert.strictEqual(shortest.length, 100)
      refused(open(shortest), "uses a network key")

      refused(open(`gAAAA${"x".repeat(95)}`))
      passes(`gAAAA${"x".repeat(94)}`)
      for (const begin of ["gAAAB", "GAAAA", "gAAA_", "AgAAAA"]) passes(begin + "x".repeat(100))
      for (const other of ["@", ".", "+", "/", " ", "é"]) passes(`gAAAA${"x".repeat(50)}${other}${"x".repeat(50)}`)
      passes(`gAAAA${"x".repeat(59)}@10.0.0.1:4000`)
      // A RAW command begins otherwise whatever is in it.
      assert.isTrue(Result.isSuccess(open(Raw.toText(utf8(`\u0003RAW${"x".repeat(100)}`)))))
    }))
})

layer(PortableCrypto.layer)("the order of checks, beyond the envelope", (it) => {
  const setUpNode = Effect.gen(function*() {
    const { crypto, make, packet } = yield* setUp
    const identity = crypto.keyPair(Redacted.make(new Uint8Array(32).fill(7)))
    const node = (keys: Parameters<typeof make>[0]): InternalExchange.Self => ({
      networkId,
      name: Packet.NodeName.make("beta"),
      identity,
      cipher: make(keys)
    })
    return { crypto, identity, make, node, packet }
  })
  const codeOf = <A>(result: Result.Result<A, ProtocolError.ProtocolError>) =>
    Result.isFailure(result) ? result.failure.code : undefined

  it.effect("an advert: the network-level encryption, then the format", () =>
    Effect.gen(function*() {
      const { make, node, packet } = yield* setUpNode
      const sealed = (text: string, keys = [key1]) => packet(make(keys).seal("adv", publicKey, utf8(text)))
      const bad = "alpha"
      assert.strictEqual(codeOf(AdvertExchange.read(node([key1]), sealed(bad, [key2]))), "ERR_NET_DECRYPTION_FAILED")
      assert.strictEqual(codeOf(AdvertExchange.read(node([key1]), packet(utf8(bad)))), "ERR_NET_DECRYPTION_FAILED")
      assert.strictEqual(codeOf(AdvertExchange.read(node([key1]), sealed(bad))), "ERR_ADV_FORMAT")
      assert.strictEqual(codeOf(AdvertExchange.read(node([]), packet(utf8(bad)))), "ERR_ADV_FORMAT")
      assert.strictEqual(codeOf(AdvertExchange.read(node([]), sealed(textOf(text)))), "ERR_NET_DECRYPTION_FAILED")
      // Only an err comes without a key.
      assert.strictEqual(codeOf(AdvertExchange.read(node([]), packet(text, { publicKey: null }))), "ERR_PUBLIC_KEY")
      const heard = Result.getOrThrow(AdvertExchange.read(node([key1]), sealed(textOf(text))))
      assert.deepStrictEqual(heard, {
        advert: Result.getOrThrow(Advert.decode(text)),
        publicKey,
        timestamp: 1_700_000_000
      })
    }))

  it.effect("an advert of one's own comes back from its packet", () =>
    Effect.gen(function*() {
      const { identity, node } = yield* setUpNode
      for (const keys of [[], [key1]]) {
        const self = node(keys)
        const bytes = AdvertExchange.packet(self, { host: "10.0.0.1", port: 4000 })
        assert.isAtMost(bytes.length, Packet.maxDatagramLength)
        const decoded = Result.getOrThrow(
          Packet.decode(bytes, { networkId, types: ["adv"], maxLength: Packet.maxDatagramLength })
        )
        const heard = Result.getOrThrow(AdvertExchange.read(self, decoded))
        assert.deepStrictEqual(heard.advert, { name: self.name, host: "10.0.0.1", port: 4000 })
        assert.strictEqual(heard.publicKey, identity.publicKey)
      }
    }))

  it.effect("the largest advert fits a datagram", () =>
    Effect.gen(function*() {
      const { make, node } = yield* setUpNode
      const id = Packet.NetworkId.make("i".repeat(64))
      const self = {
        ...node([]),
        networkId: id,
        name: Packet.NodeName.make("n".repeat(64)),
        cipher: make([key1], id)
      }
      const bytes = AdvertExchange.packet(self, { host: "1111:2222:3333:4444:5555:6666:7777:8888", port: 65_535 })
      assert.isAtMost(bytes.length, Packet.maxDatagramLength)
    }))

  it.effect("a msg: the receiver's own key, the network-level encryption, then the command", () =>
    Effect.gen(function*() {
      const { identity, make, node, packet } = yield* setUpNode
      const own = identity.publicKey
      const sealed = (key: PublicKey.PublicKey, text: string, keys = [key1]) =>
        packet(make(keys).seal("msg", key, utf8(text)), { type: "msg", publicKey: key })
      const read = (packet: Packet.Packet, keys = [key1]) => Acceptor.commandOf(node(keys), packet)
      assert.strictEqual(codeOf(read(sealed(own, "A1JBVx==", [key2]))), "ERR_PUBLIC_KEY")
      assert.strictEqual(codeOf(read(sealed(own, "A1JBVw=="))), "ERR_PUBLIC_KEY")
      assert.strictEqual(codeOf(read(sealed(publicKey, "A1JBVx==", [key2]))), "ERR_NET_DECRYPTION_FAILED")
      assert.strictEqual(codeOf(read(sealed(publicKey, "A1JBVx=="))), "ERR_HANDSHAKE")
      assert.strictEqual(codeOf(read(packet(Uint8Array.of(0xff), { type: "msg" }), [])), "ERR_HANDSHAKE")
      assert.deepStrictEqual(Result.getOrThrow(read(sealed(publicKey, "A1JBVw=="))), {
        networkKey: key1,
        publicKey,
        bytes: utf8("\u0003RAW")
      })
    }))
})
