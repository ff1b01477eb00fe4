/** Section 3: RAW, as the side that is asked; and what of section 1 an answer can break. */
import { Clock, Effect } from "effect"
import { checksOf } from "../check.ts"
import * as Door from "../door.ts"
import type { Kit, PacketOptions } from "../kit.ts"
import { type Bytes, equal, flipped, shown, textOf, utf8 } from "../speech/bytes.ts"
import type * as Raw from "../speech/raw.ts"
import type { Called } from "../subject.ts"

const check = checksOf("raw", "orders", "a LAN")

/** How a call failed, or what it was answered. */
const told = (called: Called): string =>
  called._tag === "Answered" ? `the answer ${shown(called.bytes)}` : `${called.error} ${called.code ?? ""}`.trim()

/** That a call failed; and with this code, where the peer says one. */
const failed = (kit: Kit, calling: Door.Calling, code?: string) =>
  Effect.flatMap(calling.called, (called) =>
    kit.holds(
      called._tag === "Failed" && (code === undefined || called.code === undefined || called.code === code),
      code === undefined ? "a call that fails" : `a call that fails with ${code}`,
      told(called)
    ))

/** That an answer is no answer for the peer: its call fails, and it closes without an err. */
const wrong = (
  kit: Kit,
  code: string | undefined,
  answers: Readonly<Record<string, (door: Door.Door, request: Raw.Opened) => Effect.Effect<Bytes>>>
) =>
  Effect.forEach(Object.entries(answers), ([what, answer], i) =>
    Effect.scoped(Effect.gen(function*() {
      const own = kit.another(`${kit.name}-${i}`)
      const door = yield* Door.open(own)
      const calling = yield* door.order({ how: "message", payload: "question" })
      const { came, wire } = yield* door.next()
      const request = yield* door.request(came)
      yield* wire.write(yield* answer(door, request), what)
      own.note(what)
      const last = yield* wire.packet()
      yield* own.holds(last._tag === "Ended", "the end, without an err", last)
      yield* failed(own, calling, code)
    })), { discard: true })

/** That an `err` in the place of an answer fails the call with a code. */
const refusing = (kit: Kit, err: Effect.Effect<Bytes>, code: string) =>
  // One port is one door's at a time.
  Effect.scoped(Effect.gen(function*() {
    const door = yield* Door.open(kit)
    const calling = yield* door.order({ how: "message", payload: "question" })
    const { wire } = yield* door.next()
    yield* wire.write(yield* err)
    yield* wire.end
    yield* failed(kit, calling, code)
  }))

const opened = "ERR_NODE_DECRYPTION_FAILED"
const fine = utf8("an answer")

export const asked = [
  check(
    "raw-command",
    "a request is sealed to its receiver, with all that a body has",
    (kit) =>
      Effect.gen(function*() {
        const door = yield* Door.open(kit)
        const calling = yield* door.order({ how: "message", payload: "question" })
        const { came, wire } = yield* door.next()
        const request = yield* door.request(came)
        yield* kit.holds(request.version === 1 && request.kind === 0, "version 1, kind 0", JSON.stringify(request.kind))
        yield* kit.holds(equal(request.to, kit.identity.public), "the receiver's key in `to`", shown(request.to))
        yield* kit.holds(request.networkId === kit.subject.networkId, kit.subject.networkId, request.networkId)
        yield* kit.holds(textOf(request.payload) === "question", "the payload \"question\"", shown(request.payload))
        const now = BigInt(yield* Clock.currentTimeMillis) * 1_000n
        const off = request.stamp - now
        yield* kit.holds(off < 60_000_000n && off > -60_000_000n, `a stamp near ${now}`, String(request.stamp))
        yield* wire.write(yield* door.answer(request, fine), "an answer")
        const called = yield* calling.called
        yield* kit.holds(called._tag === "Answered" && equal(called.bytes, fine), "the answer, given on", told(called))
      })
  ),

  check(
    "raw-stamp-later",
    "each request has a later stamp, and they share a connection",
    (kit) =>
      Effect.gen(function*() {
        const door = yield* Door.open(kit)
        const one = yield* door.order({ how: "message", payload: "one" })
        const { came, wire } = yield* door.next()
        const first = yield* door.request(came)
        yield* wire.write(yield* door.answer(first, fine), "an answer")
        yield* one.called
        const two = yield* door.order({ how: "message", payload: "two" })
        const second = yield* door.request(yield* wire.packet())
        yield* kit.holds(second.stamp > first.stamp, `a stamp later than ${first.stamp}`, String(second.stamp))
        yield* kit.holds(!equal(second.nonce, first.nonce), "another nonce", shown(second.nonce))
        yield* wire.write(yield* door.answer(second, fine), "an answer")
        const called = yield* two.called
        yield* kit.holds(called._tag === "Answered", "an answer", told(called))
      })
  ),

  check(
    "raw-one-connection",
    "several requests wait on one connection, and are answered in their order",
    (kit) =>
      Effect.gen(function*() {
        const door = yield* Door.open(kit)
        const calls = yield* Effect.forEach(["a", "b", "c"], (payload) => door.order({ how: "message", payload }))
        const { came, wire } = yield* door.next()
        const requests = [yield* door.request(came)]
        // The second may wait for the first, so each is answered as it comes.
        yield* wire.write(yield* door.answer(requests[0]!, requests[0]!.payload), "an answer")
        for (let i = 1; i < 3; i++) {
          const request = yield* door.request(yield* wire.packet())
          yield* wire.write(yield* door.answer(request, request.payload), "an answer")
        }
        for (const [i, payload] of ["a", "b", "c"].entries()) {
          const called = yield* calls[i]!.called
          yield* kit.holds(
            called._tag === "Answered" && textOf(called.bytes) === payload,
            `the answer ${payload}`,
            told(called)
          )
        }
        yield* kit.holds(!(yield* door.dialled(200)), "one connection", "another")
      })
  ),

  check("raw-answer-stamp", "an answer with another stamp ends the connection", (kit) =>
    wrong(kit, "ERR_REPLAY", {
      "another stamp": (door, request) => door.answer(request, fine, { stamp: request.stamp + 1n }),
      "the stamp 0": (door, request) => door.answer(request, fine, { stamp: 0n })
    })),

  check(
    "raw-answer-checks",
    "an answer that does not open, or is made for others, is none",
    (kit) =>
      wrong(kit, opened, {
        "the kind of a request": (door, request) => door.answer(request, fine, { kind: 0 }),
        "to another": (door, request) => door.answer(request, fine, { to: kit.another().identity.public }),
        "another network": (door, request) => door.answer(request, fine, { networkId: "elsewhere!" }),
        "another version": (door, request) => door.answer(request, fine, { version: 2 }),
        "a tag that was changed": (door, request) =>
          door.answer(request, fine, { damage: (command) => flipped(command, 28) }),
        "a text that was changed": (door, request) =>
          door.answer(request, fine, { damage: (command) => flipped(command, -1) }),
        "another command": (door, request) => door.answer(request, fine, { damage: () => utf8("\u0003RAVand more") })
      })
  ),

  check(
    "raw-answer-name",
    "an answer of another name is refused, and nothing is said to it",
    (kit) =>
      Effect.gen(function*() {
        const door = yield* Door.open(kit)
        const calling = yield* door.order({ how: "message", payload: "question" })
        const { came, wire } = yield* door.next()
        yield* wire.write(
          yield* door.answer(yield* door.request(came), fine, { name: "somebody-else" }),
          "an answer of another name"
        )
        yield* failed(kit, calling)
        const last = yield* wire.packet(300)
        yield* kit.holds(last._tag === "Ended" || last._tag === "Silence", "no err", last)
      })
  ),

  check("order-key-asked", "an answer of another key is none", (kit) =>
    wrong(kit, "ERR_PUBLIC_KEY", {
      "another key": (door, request) =>
        door.answer(request, fine, { packet: { key: kit.another().key } satisfies PacketOptions }),
      "the asker's own": (door, request) => door.answer(request, fine, { packet: { key: kit.subject.key } })
    })),

  check("order-answer", "an answer whose content is no command is none", (kit) =>
    wrong(kit, opened, {
      "no base64url": (door, request) => door.answer(request, fine, { packet: { damage: () => utf8("~") } })
    }), { needs: ["no network key"] }),

  check(
    "order-reader-silent",
    "who reads an answer of another network or type sends nothing",
    (kit) =>
      Effect.gen(function*() {
        yield* wrong(kit.another(`${kit.name}n`), "ERR_NETWORK_INCORRECT", {
          "another network": (door, request) => door.answer(request, fine, { packet: { networkId: "elsewhere!" } })
        })
        yield* wrong(kit.another(`${kit.name}t`), "ERR_PACKET_TYPE", {
          "a request in the place of an answer": () => kit.request("x")
        })
      })
  ),

  check(
    "token-required",
    "an answer in clear is none on a network with a key",
    (kit) =>
      wrong(kit, "ERR_NET_DECRYPTION_FAILED", {
        "in clear": (door, request) => door.answer(request, fine, { packet: { clear: true } })
      }),
    { needs: ["a network key"] }
  ),

  check(
    "err-proves-nothing",
    "an err in the place of an answer fails that call alone",
    (kit) =>
      Effect.gen(function*() {
        yield* refusing(kit, kit.packet("err", "ERR_UNTRUSTED"), "ERR_UNTRUSTED")
        const other = kit.another(`${kit.name}-next`)
        const door = yield* Door.open(other)
        const calling = yield* door.order({ how: "message", payload: "again" })
        const { came, wire } = yield* door.next()
        yield* wire.write(yield* door.answer(yield* door.request(came), fine), "an answer")
        const called = yield* calling.called
        yield* kit.holds(called._tag === "Answered", "an answer", told(called))
      })
  ),

  check(
    "err-unknown",
    "a code that is not known is read as ERR_INTERNAL",
    (kit) => refusing(kit, kit.packet("err", "ERR_OF_ANOTHER_DAY"), "ERR_INTERNAL")
  ),

  check(
    "raw-resend",
    "after ERR_BUSY the request comes again, with the stamp that it had",
    (kit) =>
      Effect.gen(function*() {
        const door = yield* Door.open(kit)
        const calling = yield* door.order({ how: "message", payload: "patient" })
        const { came, wire } = yield* door.next()
        const first = yield* door.request(came)
        yield* wire.write(yield* kit.packet("err", "ERR_BUSY"))
        yield* wire.end
        const again = yield* door.next()
        const second = yield* door.request(again.came)
        yield* kit.holds(second.stamp === first.stamp, `the stamp ${first.stamp}`, String(second.stamp))
        yield* again.wire.write(yield* door.answer(second, fine), "an answer")
        const called = yield* calling.called
        yield* kit.holds(called._tag === "Answered", "an answer", told(called))
      })
  ),

  check("raw-size", "a payload over the limit is never sent", (kit) =>
    Effect.gen(function*() {
      const door = yield* Door.open(kit)
      const calling = yield* door.order({ how: "message", payload: "x".repeat(98_001) })
      yield* failed(kit, calling)
      yield* kit.holds(!(yield* door.dialled(200)), "no connection", "one")
      const next = yield* door.order({ how: "message", payload: "short" })
      const { came, wire } = yield* door.next()
      yield* wire.write(yield* door.answer(yield* door.request(came), fine), "an answer")
      const called = yield* next.called
      yield* kit.holds(called._tag === "Answered", "an answer to what is short", told(called))
    }))
]

export { failed, told }
