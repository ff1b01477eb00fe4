/** Section 3: RAW, as the side that asks. */
import { Effect } from "effect"
import { checksOf } from "../check.ts"
import type { Kit, RequestOptions } from "../kit.ts"
import { concat, equal, flipped, shown, textOf, utf8 } from "../speech/bytes.ts"
import * as Curve from "../speech/curve.ts"

const check = checksOf("raw")

const bytesTo = (size: number) => Uint8Array.from({ length: size }, (_, i) => i * 31)

/** That a request which breaks one thing is refused with a code. */
const broken = (kit: Kit, code: string, cases: Readonly<Record<string, RequestOptions>>) =>
  Effect.forEach(Object.entries(cases), ([what, options]) => kit.refused(code, kit.request("x", options), what), {
    discard: true
  })

export const raw = [
  check("raw-body", "an answer has the body of its request turned round", (kit) =>
    Effect.gen(function*() {
      const wire = yield* kit.dial
      const { command, stamp } = yield* kit.raw("hello")
      yield* wire.write(yield* kit.command("msg", command))
      const answer = yield* kit.answer(yield* wire.packet())
      yield* kit.holds(answer.version === 1, "version 1", String(answer.version))
      yield* kit.holds(answer.kind === 1, "the kind of an answer", String(answer.kind))
      yield* kit.holds(equal(answer.to, kit.identity.public), "the asker's key in `to`", shown(answer.to))
      yield* kit.holds(answer.networkId === kit.subject.networkId, kit.subject.networkId, answer.networkId)
      yield* kit.holds(answer.stamp === stamp, `the stamp ${stamp}`, String(answer.stamp))
      yield* kit.holds(/^[^|@\p{Cc}]+$/u.test(answer.name) && answer.name !== "*", "a node's name", answer.name)
      yield* kit.holds(textOf(answer.payload) === "hello", "the echo of \"hello\"", shown(answer.payload))
    })),

  check("raw-nonce", "the random part of a nonce is fresh for every message", (kit) =>
    Effect.gen(function*() {
      const wire = yield* kit.dial
      const one = yield* kit.exchange(wire, "one")
      const two = yield* kit.exchange(wire, "one")
      yield* kit.holds(!equal(one.nonce, two.nonce), "another nonce", shown(two.nonce))
      yield* kit.holds(!equal(one.nonce.subarray(8), new Uint8Array(16)), "a random nonce", shown(one.nonce))
    })),

  check("raw-size", "a payload may be empty", (kit) =>
    Effect.gen(function*() {
      const { payload } = yield* kit.exchange(yield* kit.dial, "")
      yield* kit.holds(payload.length === 0, "an empty payload", shown(payload))
    })),

  check("raw-size", "a payload may have 98,000 bytes, with a network key 73,000", (kit) =>
    Effect.gen(function*() {
      const sent = bytesTo(kit.subject.networkKeys.length > 0 ? 73_000 : 98_000)
      const { payload } = yield* kit.exchange(yield* kit.dial, sent)
      yield* kit.holds(equal(payload, sent), `the echo of ${sent.length} bytes`, shown(payload))
    })),

  check("raw-answer-size", "an answer over the limit is ERR_INTERNAL, and its request was taken", (kit) =>
    kit.refused(
      "ERR_INTERNAL",
      kit.request(bytesTo(kit.subject.networkKeys.length > 0 ? 73_100 : 98_100))
    )),

  check("raw-answers-in-order", "answers come in the order of the requests", (kit) =>
    Effect.gen(function*() {
      const wire = yield* kit.dial
      const requests = yield* Effect.forEach([..."abcdefgh"], (text) => kit.request(text))
      yield* wire.write(concat(...requests), "eight requests at once")
      for (const text of "abcdefgh") {
        const { payload } = yield* kit.answer(yield* wire.packet())
        yield* kit.holds(textOf(payload) === text, `the echo of ${text}`, shown(payload))
      }
    })),

  check(
    "raw-err-oldest",
    "an err is for the oldest open request, and those before it were answered",
    (kit) =>
      Effect.gen(function*() {
        const wire = yield* kit.dial
        const [one, two, three] = [
          yield* kit.request("one"),
          yield* kit.request("two", { version: 9 }),
          yield* kit.request("three")
        ]
        yield* wire.write(concat(one, two, three), "three requests, of which the second is wrong")
        yield* kit.answer(yield* wire.packet())
        yield* kit.err(wire, "ERR_NODE_DECRYPTION_FAILED")
        const last = yield* wire.packet()
        yield* kit.holds(last._tag === "Ended", "the end of the connection", last)
        // Nobody looked at the third: its stamp is free.
        yield* (yield* kit.dial).write(three)
      })
  ),

  check(
    "raw-opens",
    "a body that is not what it has to be is refused",
    (kit) =>
      broken(kit, "ERR_NODE_DECRYPTION_FAILED", {
        "another version": { version: 2 },
        "an answer's kind": { kind: 1 },
        "an unknown kind": { kind: 2 },
        "another network id": { boxedNetworkId: "elsewhere!" }
      })
  ),

  check(
    "raw-opens",
    "a body for another receiver is refused",
    (kit) => broken(kit, "ERR_NODE_DECRYPTION_FAILED", { "to itself": { to: kit.identity.public } })
  ),

  check("raw-opens", "sizes in a body that do not fit are refused", (kit) =>
    broken(kit, "ERR_NODE_DECRYPTION_FAILED", {
      "a network id that is longer than it says": { networkSize: kit.subject.networkId.length - 1 },
      "a name that is longer than the body": { nameSize: 255 },
      "a body that ends inside its stamp": { nameSize: kit.name.length + 4 }
    })),

  check("label-name", "a name that is none is refused", (kit) =>
    broken(kit, "ERR_NODE_DECRYPTION_FAILED", {
      "an empty name": { name: "" },
      "the name *": { name: "*" },
      "an @": { name: "a@b" },
      "a bar": { name: "a|b" },
      "a control character": { name: "a\u0085b" },
      "65 bytes": { name: "n".repeat(65) },
      "no UTF-8": { name: Uint8Array.of(0xc0, 0xaf) }
    })),

  check("raw-opens", "a box that does not open is refused", (kit) =>
    Effect.gen(function*() {
      const stranger = kit.another()
      yield* broken(kit, "ERR_NODE_DECRYPTION_FAILED", {
        "a tag that was changed": { damageCommand: (command) => flipped(command, 28) },
        "a text that was changed": { damageCommand: (command) => flipped(command, -1) },
        "a nonce that was changed": { damageCommand: (command) => flipped(command, 20) },
        "another prefix of the nonce": { nonceBegins: utf8("PnetROW-") },
        "no box": { damageCommand: (command) => command.subarray(0, 28) },
        "no nonce": { damageCommand: (command) => command.subarray(0, 4) },
        "a box of another key": { shared: stranger.shared },
        "a box between short-term keys": {
          shared: Curve.between(kit.crypto, stranger.identity.public, kit.identity.secret)!
        }
      })
    })),

  check("raw-stamp-near", "a stamp is at most 60 s from the clock, on either side", (kit) =>
    broken(kit, "ERR_REPLAY", {
      "62 s old": { stampAhead: -62_000_000n },
      "62 s ahead": { stampAhead: 62_000_000n }
    })),

  check("raw-stamp-near", "a stamp 58 s ahead is taken", (kit) =>
    Effect.gen(function*() {
      yield* kit.exchange(yield* kit.dial, "ahead", { stampAhead: 58_000_000n })
    })),

  check(
    "raw-stamp-range",
    "a stamp of 2^53 or more is refused",
    (kit) => broken(kit, "ERR_REPLAY", { "2^53": { stamp: 1n << 53n }, "2^64-1": { stamp: (1n << 64n) - 1n } })
  ),

  check("raw-stamp-last", "a stamp that came already is refused, and an earlier one", (kit) =>
    Effect.gen(function*() {
      const wire = yield* kit.dial
      const stamp = yield* kit.stamp
      const request = yield* kit.request("once", { stamp })
      yield* wire.write(request, "a request")
      yield* kit.answer(yield* wire.packet())
      yield* kit.refused("ERR_REPLAY", Effect.succeed(request), "the same again")
      yield* kit.refused("ERR_REPLAY", kit.request("earlier", { stamp: stamp - 1n }), "an earlier one")
    })),

  check("raw-stamp-last", "stamps are counted for each key by itself", (kit) =>
    Effect.gen(function*() {
      yield* kit.exchange(yield* kit.dial, "one", { stampAhead: 5_000_000n })
      const other = kit.another()
      yield* other.exchange(yield* other.dial, "another")
    })),

  check(
    "raw-stamp-start",
    "a stamp from before the receiver started is refused",
    (kit) => broken(kit, "ERR_REPLAY", { "59 s old": { stampAhead: -59_000_000n } }),
    { needs: ["a fresh start"] }
  ),

  check("order-stamp", "the box is looked at before the stamp", (kit) =>
    broken(kit, "ERR_NODE_DECRYPTION_FAILED", {
      "an old request of another version": { version: 3, stampAhead: -3_600_000_000n }
    })),

  check("raw-connection", "a HELLO on a connection of RAW is refused", (kit) =>
    Effect.gen(function*() {
      const wire = yield* kit.dial
      yield* kit.exchange(wire, "first")
      const short = Curve.pairOf(kit.crypto.generateKeyPair())
      yield* wire.write(yield* kit.command("msg", Curve.hello(kit.crypto, short, kit.server)), "HELLO")
      yield* kit.err(wire, "ERR_HANDSHAKE")
    })),

  check("raw-idle", "an idle connection is closed after 60 s, without an err", (kit) =>
    Effect.gen(function*() {
      const wire = yield* kit.dial
      yield* kit.exchange(wire, "first")
      const early = yield* wire.quiet(50_000)
      yield* kit.holds(early._tag === "Silence", "nothing for 50 s", early)
      const last = yield* wire.packet(15_000)
      yield* kit.holds(last._tag === "Ended", "the end, without a word", last)
    }), { seconds: 66 })
]
