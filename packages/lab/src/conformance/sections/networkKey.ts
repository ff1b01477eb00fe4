/** Section 2: the network's key. */
import { Effect } from "effect"
import { checksOf } from "../check.ts"
import type { Kit, PacketOptions } from "../kit.ts"
import { base64, flipped, textOf, unbase64, utf8 } from "../speech/bytes.ts"

const keyed = checksOf("raw", "a network key")
const clear = checksOf("raw", "no network key")
const failure = "ERR_NET_DECRYPTION_FAILED"

/** That a request whose token is wrong is refused, and why is not told. */
const broken = (kit: Kit, cases: Readonly<Record<string, PacketOptions>>) =>
  Effect.forEach(Object.entries(cases), ([what, options]) => kit.refused(failure, kit.request("x", options), what), {
    discard: true
  })

const other = utf8("0123456789abcdef0123456789abcdef")

export const networkKey = [
  keyed(
    "token-where",
    "an answer is inside a token of the network's first key, with its own envelope",
    (kit) =>
      Effect.gen(function*() {
        const wire = yield* kit.dial
        const { payload } = yield* kit.exchange(wire, "sealed")
        yield* kit.holds(textOf(payload) === "sealed", "the echo of \"sealed\"", textOf(payload))
      })
  ),

  keyed("token-where", "an advert by TCP is inside a token, both ways", (kit) =>
    Effect.gen(function*() {
      const wire = yield* kit.dial
      yield* wire.write(yield* kit.packet("adv", kit.advert(4000)))
      yield* kit.content(yield* wire.packet(), "adv")
      yield* kit.refused(failure, kit.packet("adv", kit.advert(4000), { clear: true }), "an advert in clear")
    })),

  keyed("token-where", "an err stays as it is", (kit) =>
    Effect.gen(function*() {
      const { content } = yield* kit.refused("ERR_HANDSHAKE", kit.packet("msg", "~"))
      yield* kit.holds(textOf(content) === "ERR_HANDSHAKE", "a code in clear", textOf(content))
    })),

  keyed("token-required", "a message in clear is refused", (kit) => broken(kit, { "in clear": { clear: true } })),

  keyed(
    "token-hmac",
    "a token of another key is refused",
    (kit) => broken(kit, { "another key": { networkKey: other } })
  ),

  keyed("token-hmac", "a token of which a byte was changed is refused, wherever it is", (kit) =>
    broken(
      kit,
      Object.fromEntries([0, 4, 12, 30, -1].map((at) => [`byte ${at}`, {
        damage: (content) => utf8(base64(flipped(unbase64(textOf(content))!, at)))
      } as PacketOptions]))
    )),

  keyed("token-layout", "a token that is not in the one form of base64url is refused", (kit) =>
    broken(kit, {
      unpadded: { damage: (content) => utf8(textOf(content).replace(/=*$/, "") + " ") },
      "with the letters of base64": { damage: (content) => utf8(textOf(content).replace(/[-_A]/, "+")) },
      "cut short": { damage: (content) => content.subarray(0, 96) }
    })),

  keyed(
    "token-time",
    "a token is at most 60 s from the clock, on either side",
    (kit) => broken(kit, { "62 s old": { ahead: -62_000 }, "62 s ahead": { ahead: 62_000 } })
  ),

  keyed("token-time", "a token of 58 s ago, or ahead, is taken", (kit) =>
    Effect.gen(function*() {
      yield* kit.exchange(yield* kit.dial, "old", { ahead: -58_000 })
      yield* kit.exchange(yield* kit.dial, "new", { ahead: 58_000 })
    })),

  keyed("token-envelope", "a token of another envelope is refused", (kit) =>
    Effect.gen(function*() {
      const { networkId } = kit.subject
      const another = kit.another()
      yield* broken(kit, {
        "another key": { envelope: `${networkId}|msg|${another.key}|` },
        "another type": { envelope: `${networkId}|rsp|${kit.key}|` },
        "another network": { envelope: `${networkId}2|msg|${kit.key}|` },
        "no envelope": { envelope: "" }
      })
    })),

  keyed(
    "token-failure",
    "every failure is refused in the same words, with the sender's key",
    (kit) =>
      Effect.gen(function*() {
        for (const options of [{ clear: true }, { networkKey: other }, { ahead: -90_000 }, { envelope: "" }]) {
          const { content, key } = yield* kit.refused(failure, kit.request("x", options))
          yield* kit.holds(
            key === kit.subject.key && textOf(content) === failure,
            "the bare code",
            `${textOf(content)}|${key}`
          )
        }
      })
  ),

  keyed("token-several", "the second of several keys opens", (kit) =>
    Effect.gen(function*() {
      const second = kit.subject.networkKeys[1]
      if (second !== undefined) yield* kit.exchange(yield* kit.dial, "second", { networkKey: second })
    })),

  clear(
    "token-no-key",
    "what looks like a token is refused as one",
    (kit) => kit.refused(failure, kit.packet("msg", `gAAAA${"A".repeat(95)}`), "100 characters that begin as a token")
  ),

  clear(
    "token-no-key",
    "what is a little shorter is not",
    (kit) =>
      kit.refused("ERR_HANDSHAKE", kit.packet("msg", `gAAAA${"A".repeat(91)}`), "96 characters that begin as a token")
  ),

  clear(
    "token-no-key",
    "what has another letter is not",
    (kit) =>
      kit.refused("ERR_HANDSHAKE", kit.packet("msg", `gAAAA${"A".repeat(95)}~`), "a letter that base64url has not")
  )
]
