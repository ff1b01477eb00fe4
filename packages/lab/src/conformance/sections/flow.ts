/** Section 5: credit, deadlines, RESET, GOAWAY and the protocols of streams. */
import { Effect } from "effect"
import { checksOf } from "../check.ts"
import { parseJson } from "../session.ts"
import { concat, textOf, utf8 } from "../speech/bytes.ts"
import { credit, describe, err, frame, json, Kind, msg, openFrame } from "../speech/frames.ts"
import { violations, works } from "./frames.ts"

const check = checksOf("sessions")
const { credit: creditKind, data, end, goaway, open, ping, pong, reset } = Kind

const initial = 262_144
const kilobytes = (n: number) => new Uint8Array(n * 1_024)

const flow = [
  check(
    "credit-initial",
    "262,144 bytes of an answer come without CREDIT, and no more",
    (kit) =>
      Effect.gen(function*() {
        const session = yield* kit.session()
        yield* session.send(msg, openFrame(1, "echo"))
        for (let i = 0; i < 5; i++) yield* session.send(msg, frame(data, 1, kilobytes(50)))
        const before = yield* session.data(1, 5 * 50 * 1_024)
        yield* session.send(msg, frame(data, 1, kilobytes(50)))
        const rest = yield* session.data(1, initial - before.length)
        const all = before.length + rest.length
        yield* kit.holds(all === initial, `${initial} bytes in all`, String(all))
        yield* session.send(msg, credit(1, 1_000))
        const more = yield* session.data(1, 1_000)
        yield* kit.holds(more.length === 1_000, "1,000 more for a CREDIT of 1,000", String(more.length))
      }),
    { seconds: 2 }
  ),

  check(
    "credit-granted",
    "more is granted as the consumer takes it, and not for the receipt",
    (kit) =>
      Effect.gen(function*() {
        const session = yield* kit.session()
        yield* session.send(msg, openFrame(1, "hold"))
        for (let i = 0; i < 5; i++) yield* session.send(msg, frame(data, 1, kilobytes(50)))
        const { frames } = yield* session.gather(800)
        yield* kit.holds(frames.length === 0, "no CREDIT for what nobody took", frames.map(describe).join())
      })
  ),

  check(
    "credit-granted",
    "an echo of 1 MiB goes through, by the credit of both sides",
    (kit) =>
      Effect.gen(function*() {
        const session = yield* kit.session()
        yield* session.send(msg, openFrame(1, "echo"))
        let [left, may, got] = [1_048_576, initial, 0]
        let over = false
        while (!over) {
          while (left > 0 && may >= 32_768) {
            yield* session.send(msg, frame(data, 1, new Uint8Array(32_768)))
            left -= 32_768
            may -= 32_768
            if (left === 0) yield* session.send(msg, frame(end, 1))
          }
          const one = yield* session.until("DATA, CREDIT or END", ({ stream }) => stream === 1)
          if (one.kind === creditKind) may += new DataView(one.payload.buffer, one.payload.byteOffset).getUint32(0)
          if (one.kind === end) over = true
          if (one.kind === data) {
            got += one.payload.length
            yield* session.send(msg, credit(1, one.payload.length))
          }
        }
        yield* kit.holds(got === 1_048_576, "1,048,576 bytes", String(got))
      })
  ),

  check("credit-exceeded", "DATA beyond the credit ends the session", (kit) =>
    Effect.gen(function*() {
      const session = yield* kit.session()
      yield* session.send(msg, openFrame(1, "hold"))
      for (let i = 0; i < 4; i++) yield* session.send(msg, frame(data, 1, kilobytes(64)))
      const { last } = yield* session.gather(300)
      yield* kit.holds(last._tag === "Silence", "a session that stays, after 262,144 bytes", last)
      yield* session.send(msg, frame(data, 1, "x"))
      yield* session.goaway("protocol")
    })),

  violations("credit-range", "a CREDIT of 0, or one that makes more than 2^32-1 outstanding", {
    "0": [msg, credit(1, 0), openFrame(1, "echo")],
    "2^32-1 on top of 262,144": [msg, credit(1, 0xffffffff), openFrame(1, "echo")],
    "two that are too much together": [
      msg,
      concat(credit(1, 0x80000000), credit(1, 0x80000000)),
      openFrame(1, "echo")
    ]
  }),

  check("credit-range", "a CREDIT that makes 2^32-1 outstanding is taken", (kit) =>
    Effect.gen(function*() {
      const session = yield* kit.session()
      yield* session.send(msg, openFrame(1, "echo"), credit(1, 0xffffffff - initial))
      yield* works(session, 2)
    })),

  check("credit-apart", "where one stream has no credit the others go on", (kit) =>
    Effect.gen(function*() {
      const session = yield* kit.session()
      yield* session.send(msg, openFrame(1, "echo"))
      for (let i = 0; i < 5; i++) yield* session.send(msg, frame(data, 1, kilobytes(50)))
      yield* session.until("CREDIT", ({ kind }) => kind === creditKind)
      yield* session.send(msg, frame(data, 1, kilobytes(50)))
      yield* works(session, 2)
    })),

  check("credit-bound-peer", "a stream beyond the credit of one key is RESET refused", (kit) =>
    Effect.gen(function*() {
      const session = yield* kit.session()
      for (let i = 0; i < 300; i += 50) {
        yield* session.send(msg, ...Array.from({ length: 50 }, (_, j) => openFrame(i + j + 1, "hold")))
      }
      const refused = yield* session.until("RESET refused", ({ kind }) => kind === reset, 5_000)
      yield* kit.holds(refused.stream === 257, "the 257th: 256 have 64 MiB", describe(refused))
    }))
]

/** OPENs with a deadline, as it stands in the JSON. */
const openWithin = (stream: number, deadline: string, name = "hold") =>
  frame(open, stream, `{"protocol":"command","name":"${name}","deadline":${deadline}}`)

const deadlines = [
  check("deadline-passed", "a deadline of 0 or less is RESET deadline", (kit) =>
    Effect.gen(function*() {
      const session = yield* kit.session()
      for (const [i, deadline] of ["0", "-1", "-1e9", "-0"].entries()) {
        yield* session.send(msg, openWithin(i + 1, deadline, "echo"))
        yield* session.reset(i + 1, "deadline")
      }
    })),

  check(
    "deadline-counts",
    "a deadline counts from the OPEN, and interrupts what runs",
    (kit) =>
      Effect.gen(function*() {
        const session = yield* kit.session()
        yield* session.send(msg, openWithin(1, "500"))
        const early = yield* session.next(300)
        yield* kit.holds(
          "_tag" in early && early._tag === "Silence",
          "nothing for 0.3 s",
          "_tag" in early ? early : describe(early)
        )
        yield* session.reset(1, "deadline", 2_000)
        // However long the question takes to come.
        yield* session.send(msg, openWithin(2, "300", "echo"), frame(data, 2, "and no END"))
        yield* session.reset(2, "deadline", 2_000)
      })
  ),

  check("deadline-form", "an integer in any form that JSON has for it is a deadline", (kit) =>
    Effect.gen(function*() {
      const session = yield* kit.session()
      for (const [i, deadline] of ["30000", "30000.0", "3e4", "2147483648", "9007199254740993", "1e20"].entries()) {
        yield* session.send(msg, openWithin(i + 1, deadline, "echo"), frame(data, i + 1, deadline), frame(end, i + 1))
        yield* session.answered(i + 1, deadline)
      }
    })),

  violations("frame-wrong", "a deadline that is no integer", {
    "1.5": [msg, openWithin(1, "1.5")],
    "a text": [msg, openWithin(1, "\"1000\"")],
    "1e400": [msg, openWithin(1, "1e400")],
    "a list": [msg, openWithin(1, "[1000]")]
  })
]

const resets = [
  check("reset-not-found", "a function that is not there is RESET not_found", (kit) =>
    Effect.gen(function*() {
      const session = yield* kit.session()
      for (const [i, name] of ["nothing of that name", "", "toString", "__proto__"].entries()) {
        yield* session.send(msg, openFrame(i + 1, name))
        yield* session.reset(i + 1, "not_found")
      }
    })),

  check("reset-unsupported", "a protocol that is not known is RESET unsupported", (kit) =>
    Effect.gen(function*() {
      const session = yield* kit.session()
      for (const [i, protocol] of ["telepathy", "", "constructor"].entries()) {
        yield* session.send(msg, frame(open, i + 1, json({ protocol, name: "echo" })))
        yield* session.reset(i + 1, "unsupported")
      }
      yield* works(session, 9)
    })),

  check(
    "command-failed",
    "a function that fails with a typed error is RESET failed, with the error as JSON",
    (kit) =>
      Effect.gen(function*() {
        const session = yield* kit.session()
        yield* session.call(1, "fail", "")
        const ended = yield* session.reset(1, "failed")
        const tag = ended._tag === "Reset" ? ended.json.error?._tag : undefined
        yield* kit.holds(typeof tag === "string", "an error with its tag in _tag", JSON.stringify(ended))
      })
  ),

  check(
    "command-internal",
    "a function that breaks is RESET internal, with nothing about why",
    (kit) =>
      Effect.gen(function*() {
        const session = yield* kit.session()
        yield* session.call(1, "break", "")
        const ended = yield* session.reset(1, "internal")
        const told = JSON.stringify(ended)
        yield* kit.holds(!/secret|stack|at .*\(/.test(told), "nothing about why", told)
      })
  ),

  check("reset-internal", "a RESET of a code that is not known is taken", (kit) =>
    Effect.gen(function*() {
      const session = yield* kit.session()
      yield* session.send(msg, openFrame(1, "hold"))
      yield* session.send(msg, frame(reset, 1, json({ code: "bored", message: "\u001b[31mred" })))
      yield* works(session, 2)
    })),

  check("reset-cancelled", "a RESET of the opener's is not answered", (kit) =>
    Effect.gen(function*() {
      const session = yield* kit.session()
      yield* session.send(msg, openFrame(1, "hold"))
      yield* session.send(msg, frame(reset, 1, json({ code: "cancelled", message: "" })))
      const { frames } = yield* session.gather(500)
      yield* kit.holds(frames.length === 0, "nothing", frames.map(describe).join())
    }))
]

const lastWord = (code: string, last?: number) =>
  frame(goaway, 0, json({ code, message: "", ...(last === undefined ? {} : { last }) }))

const goaways = [
  check(
    "goaway-drain",
    "a session that drains lets open streams finish, and answers PING",
    (kit) =>
      Effect.gen(function*() {
        for (const code of ["shutdown", "renew", "duplicate"]) {
          const session = yield* kit.session()
          yield* session.send(msg, openFrame(1, "echo"), frame(data, 1, "before"))
          yield* session.until("DATA", ({ kind }) => kind === data)
          yield* session.send(msg, lastWord(code), frame(ping, 0, utf8("12345678")))
          yield* session.until("PONG", ({ kind }) => kind === pong)
          yield* session.send(msg, frame(data, 1, " after"), frame(end, 1))
          yield* session.answered(1, " after")
        }
      })
  ),

  check("goaway-final", "any other GOAWAY is the last frame: the peer closes", (kit) =>
    Effect.gen(function*() {
      for (const code of ["protocol", "untrusted", "of another day"]) {
        const session = yield* kit.session()
        yield* session.send(msg, openFrame(1, "hold"))
        yield* session.send(msg, lastWord(code, 0))
        const { frames, last } = yield* session.gather(4_000)
        yield* kit.holds(last._tag === "Ended", "the end of the session", last)
        yield* kit.holds(
          frames.every(({ kind, type }) => kind === reset && type === err || kind === goaway),
          "no answer",
          frames.map(describe).join()
        )
      }
    })),

  check("goaway-last", "a GOAWAY that is the last frame says which streams came", (kit) =>
    Effect.gen(function*() {
      const session = yield* kit.session()
      yield* session.send(msg, openFrame(7, "hold"))
      yield* session.send(msg, frame(9, 0))
      const { last } = yield* session.goaway("protocol")
      yield* kit.holds(last === 7, "last 7", `last ${String(last)}`)
    })),

  check(
    "goaway-half-close",
    "after its last word the peer reads on, so that it is not lost",
    (kit) =>
      Effect.gen(function*() {
        const session = yield* kit.session()
        yield* session.send(msg, frame(9, 0))
        for (let i = 0; i < 8; i++) yield* session.wire.write(kilobytes(64), "512 KiB more")
        yield* session.goaway("protocol")
      })
  ),

  check(
    "goaway-drain-time",
    "a session that drains for shutdown ends after 30 s, with RESET going_away",
    (kit) =>
      Effect.gen(function*() {
        const session = yield* kit.session()
        yield* session.send(msg, openFrame(1, "hold"))
        yield* session.send(msg, lastWord("shutdown"), frame(ping, 0, utf8("12345678")))
        yield* session.until("PONG", ({ kind }) => kind === pong)
        // The sender resets what is left; who hears the GOAWAY ends by itself a minute later.
        const { frames, last } = yield* session.gather(100_000)
        yield* kit.holds(last._tag === "Ended", "the end within 90 s", last)
        const one = frames.find(({ kind }) => kind === reset)
        const code = one === undefined ? "going_away" : parseJson(one.payload)?.code
        yield* kit.holds(code === "going_away", "RESET going_away", frames.map(describe).join())
      }),
    { seconds: 100 }
  ),

  check(
    "goaway-drain",
    "after the GOAWAY of the other side the acceptor goes on with what was open",
    (kit) =>
      Effect.gen(function*() {
        const session = yield* kit.session()
        yield* session.send(msg, openFrame(1, "echo"))
        yield* session.send(msg, lastWord("shutdown"))
        yield* session.send(msg, frame(data, 1, "late"), frame(end, 1))
        const ended = yield* session.answer(1)
        yield* kit.holds(textOf(ended.bytes) === "late", "the echo", textOf(ended.bytes))
      })
  )
]

export const flows = [...flow, ...deadlines, ...resets, ...goaways]
