/** Section 4, "A session's life", and 4.1: what ends a session, and what keeps it. */
import { Effect } from "effect"
import { type Check, checksOf } from "../check.ts"
import type { Kit } from "../kit.ts"
import type { Session } from "../session.ts"
import { base64, concat, flipped, number, textOf, utf8 } from "../speech/bytes.ts"
import * as Curve from "../speech/curve.ts"
import { credit, describe, frame, Kind, msg, openFrame, rsp } from "../speech/frames.ts"
import { packet } from "../speech/packets.ts"

const check = checksOf("sessions")

/** That what is written to a session ends it with GOAWAY `protocol`. */
const violation = (
  kit: Kit,
  cases: Readonly<Record<string, (session: Session) => Uint8Array>>,
  binary = true
) =>
  Effect.forEach(Object.entries(cases), ([what, bytes]) =>
    Effect.scoped(Effect.gen(function*() {
      const session = yield* binary ? kit.records : kit.session({ binary })
      yield* session.wire.write(bytes(session), what)
      const { message } = yield* session.goaway("protocol")
      yield* kit.holds(message.length > 0, "a message that says why", JSON.stringify(message))
    })), { discard: true })

const sealed = (session: Session, type: number = msg, payload = openFrame(1, "echo")) => session.seal(type, payload)

/** The same in both forms of a session. */
const inBoth = (rule: string, title: string, cases: Readonly<Record<string, (session: Session) => Uint8Array>>) =>
  [true, false].map((binary): Check =>
    check(rule, `${title}, ${binary ? "in binary" : "as text"}`, (kit) => violation(kit, cases, binary))
  )

const messages = [
  ...inBoth("session-nonce", "a nonce is exactly one more than the last", {
    "a nonce left out": (session) => session.carry(msg, session.seal(msg, openFrame(1, "echo"), 1)),
    "a nonce twice": (session) => {
      const one = session.carry(msg, sealed(session))
      return concat(one, one)
    },
    "a nonce of before": (session) => session.carry(msg, session.seal(msg, openFrame(1, "echo"), -1))
  }),

  ...inBoth("session-message", "a MESSAGE that does not open, or is none, ends the session", {
    "a tag that was changed": (session) => session.carry(msg, flipped(sealed(session), 16)),
    "a text that was changed": (session) => session.carry(msg, flipped(sealed(session), -1)),
    "a MESSAGE without a box": (session) => session.carry(msg, sealed(session).subarray(0, 16)),
    READY: (session) => session.carry(msg, concat(Curve.names.ready, number(3, 8), new Uint8Array(40)))
  }),

  ...inBoth("session-flags", "flags above 2 end the session", {
    "flags 3": (session) => session.carry(msg, sealed(session, 3)),
    "flags 255": (session) => session.carry(msg, sealed(session, 255))
  }),

  check("session-nonce", "a MESSAGE of the peer's, sent back, ends the session", (kit) =>
    Effect.gen(function*() {
      const session = yield* kit.session()
      yield* session.call(1, "echo", "mirror")
      const command = yield* session.command
      yield* session.wire.write(session.carry(rsp, command), "its own MESSAGE")
      const ended = yield* session.wire.ended()
      yield* kit.holds(ended._tag === "Ended", "the end of the session", ended)
    })),

  check("session-flags", "flags other than the packet's type end the session", (kit) =>
    violation(kit, {
      "a MESSAGE of flags 0 in a rsp": (session) => session.carry(rsp, sealed(session, msg)),
      "a MESSAGE of flags 1 in a msg": (session) => session.carry(msg, sealed(session, rsp))
    }, false)),

  check(
    "session-text",
    "a session is text unless both offered binary records, and works",
    (kit) =>
      Effect.gen(function*() {
        const session = yield* kit.session({ binary: false })
        yield* session.call(1, "echo", "as text")
        yield* session.answered(1, "as text")
      })
  ),

  check("session-text", "a packet of another network or key ends the session", (kit) =>
    violation(kit, {
      "another network": (session) => packet("elsewhere!", "msg", base64(sealed(session)), kit.key),
      "another key": (session) => packet(kit.subject.networkId, "msg", base64(sealed(session)), kit.another().key)
    }, false)),

  check("session-violation", "what is no packet ends a session of text", (kit) =>
    violation(kit, {
      "no base64url": () => packet(kit.subject.networkId, "msg", "~~~~", kit.key),
      "four sections": () => utf8(`${kit.subject.networkId}|msg|x|END\n`),
      "an advert": () => packet(kit.subject.networkId, "adv", kit.advert(4000), kit.key),
      "no LF in 131,072 bytes": () => new Uint8Array(131_073).fill(0x78)
    }, false)),

  check("session-violation", "an err in clear ends a session, whatever it says", (kit) =>
    Effect.gen(function*() {
      const session = yield* kit.session({ binary: false })
      yield* session.wire.write(packet(kit.subject.networkId, "err", "ERR_INTERNAL", kit.key))
      yield* session.wire.write(session.carry(msg, sealed(session)), "OPEN behind it")
      const { frames, last } = yield* session.gather(4_000)
      yield* kit.holds(
        frames.every(({ kind }) => kind === Kind.goaway) && last._tag === "Ended",
        "GOAWAY, and the end",
        last
      )
    })),

  check("record-length", "a record of the length 0, or above 131,072, ends the session", (kit) =>
    violation(kit, {
      "length 0": () => new Uint8Array(4),
      "length 131,073": () => concat(number(131_073, 4), new Uint8Array(10)),
      "length 2^32-1": () => number(0xffffffff, 4)
    })),

  check("record-length", "a connection that ends inside a record ends the session", (kit) =>
    Effect.gen(function*() {
      const session = yield* kit.records
      yield* session.wire.write(session.carry(msg, sealed(session)).subarray(0, 30), "a part of a record")
      yield* session.wire.end
      const { frames, last } = yield* session.gather(4_000)
      yield* kit.holds(
        last._tag === "Ended" && frames.every(({ kind }) => kind === Kind.goaway),
        "the end, and nothing answered",
        frames.map(describe).join()
      )
    })),

  check(
    "record-framing",
    "a record may be cut anywhere, and several come in one piece",
    (kit) =>
      Effect.gen(function*() {
        const session = yield* kit.records
        const one = session.carry(msg, session.seal(msg, openFrame(1, "echo")))
        const two = session.carry(msg, session.seal(msg, concat(frame(Kind.data, 1, "cut"), frame(Kind.end, 1))))
        const all = concat(one, two)
        for (const [from, to] of [[0, 2], [2, 5], [5, one.length + 3], [one.length + 3, undefined]]) {
          yield* session.wire.write(all.subarray(from, to))
          yield* Effect.sleep("20 millis")
        }
        yield* session.answered(1, "cut")
      })
  ),

  check("record-length", "a record of 131,072 bytes is taken", (kit) =>
    Effect.gen(function*() {
      const session = yield* kit.records
      // The command around a payload has 33 bytes.
      const rest = 131_072 - 33 - 9 - 9 - openFrame(1, "echo").length
      yield* session.send(
        msg,
        openFrame(1, "echo"),
        frame(Kind.data, 1, new Uint8Array(rest).fill(7)),
        frame(Kind.end, 1)
      )
      const ended = yield* session.answer(1)
      yield* kit.holds(ended._tag === "End" && ended.bytes.length === rest, `${rest} bytes`, `${ended.bytes.length}`)
    }))
]

const life = [
  check(
    "session-silence",
    "after 5 s of silence PING comes, and without a MESSAGE the session is dead after 5 s more",
    (kit) =>
      Effect.gen(function*() {
        const session = yield* kit.session()
        session.ponging = false
        const came = yield* session.until("PING", ({ kind, type }) => kind === Kind.ping && type === msg, 8_000)
        yield* kit.holds(came.payload.length === 8 && came.stream === 0, "8 bytes, for stream 0", describe(came))
        const { last } = yield* session.gather(8_000)
        yield* kit.holds(last._tag === "Ended", "the end of the session", last)
      }),
    { seconds: 14 }
  ),

  check("session-silence", "a PONG is a sign of life", (kit) =>
    Effect.gen(function*() {
      const session = yield* kit.session()
      const came = yield* session.next(14_000)
      yield* kit.holds(
        "_tag" in came && came._tag === "Silence",
        "a session that stays",
        "_tag" in came ? came : describe(came)
      )
      yield* session.call(1, "echo", "still here")
      yield* session.answered(1, "still here")
    }), { seconds: 15 }),

  check(
    "session-per-key",
    "with the ninth session of a key one that is idle ends with GOAWAY shutdown",
    (kit) =>
      Effect.gen(function*() {
        const sessions: Array<Session> = []
        for (let i = 0; i < 9; i++) {
          const session = yield* kit.session()
          yield* session.call(1, "echo", "mine")
          yield* session.answered(1, "mine")
          sessions.push(session)
          yield* Effect.sleep("30 millis")
        }
        const ended: Array<string> = []
        for (const session of sessions) {
          const { frames } = yield* session.gather(200)
          const goaway = frames.find(({ kind }) => kind === Kind.goaway)
          if (goaway !== undefined) ended.push(textOf(goaway.payload))
        }
        yield* kit.holds(
          ended.length >= 1 && ended.every((text) => text.includes("\"shutdown\"")),
          "GOAWAY shutdown on one of them",
          ended.join() || "none"
        )
      }),
    { seconds: 3 }
  ),

  check(
    "session-renewal-acceptor",
    "the acceptor of a session sends GOAWAY renew after 1 h",
    (kit) =>
      Effect.gen(function*() {
        const session = yield* kit.session()
        const came = yield* session.next(3_590_000)
        yield* kit.holds(
          "_tag" in came && came._tag === "Silence",
          "nothing for 3,590 s",
          "_tag" in came ? came : describe(came)
        )
        const goaway = yield* session.until("GOAWAY renew", ({ kind }) => kind === Kind.goaway, 15_000)
        yield* kit.holds(textOf(goaway.payload).includes("\"renew\""), "the code renew", describe(goaway))
      }),
    { seconds: 3_610 }
  ),

  check(
    "session-lost",
    "a connection that ends without END gives a stream no end in order",
    (kit) =>
      Effect.gen(function*() {
        const session = yield* kit.session()
        yield* session.send(msg, openFrame(1, "echo"), frame(Kind.data, 1, "half"))
        yield* session.until("the echo", ({ kind }) => kind === Kind.data)
        yield* session.wire.end
        const { frames } = yield* session.gather(3_000)
        yield* kit.holds(frames.every(({ kind }) => kind !== Kind.end), "no END", frames.map(describe).join())
      })
  ),

  check("session-message", "a session of the same key goes on beside another", (kit) =>
    Effect.gen(function*() {
      const one = yield* kit.session()
      const two = yield* kit.session()
      yield* two.call(1, "echo", "two")
      yield* two.answered(1, "two")
      yield* one.call(1, "echo", "one")
      yield* one.answered(1, "one")
      yield* one.send(msg, credit(1, 5))
    }))
]

export const sessions = [...messages, ...life]
