/** Section 5: frames and streams. */
import { Effect } from "effect"
import { type Check, checksOf } from "../check.ts"
import type { Kit } from "../kit.ts"
import type { Session } from "../session.ts"
import { type Bytes, concat, equal, number, shown, textOf, utf8 } from "../speech/bytes.ts"
import { credit, describe, err, frame, json, Kind, msg, openFrame, rsp } from "../speech/frames.ts"
import { NotThere } from "../subject.ts"

const check = checksOf("sessions")

/** That a message of frames ends the session with GOAWAY `protocol`. */
export const violations = (
  rule: string,
  title: string,
  cases: Readonly<Record<string, readonly [type: number, frames: Bytes, before?: Bytes]>>
): Check =>
  check(
    rule,
    title,
    (kit) =>
      Effect.forEach(Object.entries(cases), ([what, [type, frames, before]]) =>
        Effect.scoped(Effect.gen(function*() {
          const session = yield* kit.session()
          if (before !== undefined) yield* session.send(msg, before)
          yield* session.send(type, frames)
          kit.note(what)
          yield* session.goaway("protocol")
        })), { discard: true })
  )

/** A session with a peer that reads headers. */
const withHeaders = (kit: Kit) =>
  Effect.filterOrFail(
    kit.session(),
    ({ agreed }) => agreed.properties.get("features")?.split(",").includes("headers") === true,
    () => new NotThere({ why: "the peer reads no headers" })
  )

/** That a session works. */
export const works = (session: Session, stream: number) =>
  Effect.andThen(session.call(stream, "echo", `stream ${stream}`), session.answered(stream, `stream ${stream}`))

const { credit: creditKind, data, end, goaway, open, ping, pong, reset } = Kind
const opened = openFrame(1, "echo")

/** What one DATA has at the most as text: a packet has 131,072 bytes, a command 33 around its frames, a frame 9. */
const mostAsText = ({ subject }: Kit) =>
  Math.floor((131_072 - utf8(`${subject.networkId}|msg||${subject.key}|END\n`).length) / 4) * 3 - 33 - 9

const frames = [
  violations("frame-whole", "a message is whole frames, one at least", {
    "no frame": [msg, new Uint8Array(0)],
    "trailing bytes": [msg, concat(opened, new Uint8Array(8))],
    "a frame that is longer than what is left": [msg, frame(data, 1, "abc", 4), opened]
  }),

  check("frame-whole", "several frames of several streams travel in one message", (kit) =>
    Effect.gen(function*() {
      const session = yield* kit.session()
      yield* session.send(
        msg,
        openFrame(1, "echo"),
        openFrame(2, "echo"),
        frame(data, 2, "two"),
        frame(data, 1, "one"),
        frame(end, 1),
        frame(end, 2)
      )
      const all: Record<number, string> = { 1: "", 2: "" }
      let ends = 0
      while (ends < 2) {
        const one = yield* session.until("the answers", ({ type }) => type !== msg)
        if (one.kind === data) all[one.stream] += textOf(one.payload)
        if (one.kind === end) ends++
      }
      yield* kit.holds(all[1] === "one" && all[2] === "two", "both echoes", JSON.stringify(all))
    })),

  violations("frame-wrong", "an unknown kind", { "kind 8": [msg, frame(8, 1)], "kind 255": [msg, frame(255, 0)] }),

  violations("stream-types", "a frame in a message of another type", {
    "OPEN in rsp": [rsp, opened],
    "OPEN in err": [err, opened],
    "DATA in err": [err, frame(data, 1, "x"), opened],
    "END in err": [err, frame(end, 1), opened],
    "RESET in rsp": [rsp, frame(reset, 1, json({ code: "cancelled", message: "" })), opened],
    "CREDIT in err": [err, credit(1, 1), opened],
    "PING in rsp": [rsp, frame(ping, 0, new Uint8Array(8))],
    "PONG in msg": [msg, frame(pong, 0, new Uint8Array(8))],
    "GOAWAY in rsp": [rsp, frame(goaway, 0, json({ code: "shutdown", message: "" }))]
  }),

  violations("frame-open", "an OPEN that is not as it has to be", {
    "stream 0": [msg, openFrame(0, "echo")],
    "no JSON": [msg, frame(open, 1, "{\"protocol\":")],
    "no object": [msg, frame(open, 1, "[1]")],
    "no protocol": [msg, frame(open, 1, json({ name: "echo" }))],
    "no name": [msg, frame(open, 1, json({ protocol: "command" }))],
    "a name that is no text": [msg, frame(open, 1, json({ protocol: "command", name: 1 }))],
    "a traceparent that is no text": [msg, openFrame(1, "echo", { traceparent: 1 })],
    "no UTF-8": [
      msg,
      frame(open, 1, concat(utf8("{\"protocol\":\"command\",\"name\":\""), Uint8Array.of(0xc0, 0xaf), utf8("\"}")))
    ]
  }),

  violations("frame-end", "an END with a payload", { "a payload": [msg, frame(end, 1, "x"), opened] }),

  violations("frame-credit", "a CREDIT that is not 4 bytes", {
    "3 bytes": [msg, frame(creditKind, 1, new Uint8Array(3).fill(1)), opened],
    "5 bytes": [msg, frame(creditKind, 1, new Uint8Array(5).fill(1)), opened]
  }),

  violations("frame-reset", "a RESET that is no such object", {
    "no JSON": [msg, frame(reset, 1, "cancelled"), opened],
    "no code": [msg, frame(reset, 1, json({ message: "x" })), opened],
    "a message that is no text": [msg, frame(reset, 1, json({ code: "cancelled", message: 1 })), opened]
  }),

  violations("frame-ping", "a PING of another stream or size", {
    "stream 1": [msg, frame(ping, 1, new Uint8Array(8)), opened],
    "7 bytes": [msg, frame(ping, 0, new Uint8Array(7))],
    "none": [msg, frame(ping, 0)]
  }),

  violations("frame-pong", "a PONG of another stream or size", {
    "stream 1": [rsp, frame(pong, 1, new Uint8Array(8)), opened],
    "9 bytes": [rsp, frame(pong, 0, new Uint8Array(9))]
  }),

  violations("frame-goaway", "a GOAWAY that is no such object, or of a stream", {
    "no JSON": [msg, frame(goaway, 0, "shutdown")],
    "no code": [msg, frame(goaway, 0, json({ message: "x" }))],
    "stream 1": [msg, frame(goaway, 1, json({ code: "shutdown", message: "" })), opened]
  }),

  check(
    "open-headers",
    "headers are an object, and do not change what the function is sent",
    (kit) =>
      Effect.gen(function*() {
        const session = yield* withHeaders(kit)
        yield* session.call(1, "echo", "told", { headers: { path: "a", n: [1, null], "": {} } })
        yield* session.answered(1, "told")
        for (const [what, headers] of [["null", null], ["a list", [1]], ["a text", "x"]] as const) {
          yield* Effect.scoped(Effect.gen(function*() {
            const session = yield* kit.session()
            kit.note(what)
            yield* session.send(msg, openFrame(1, "echo", { headers }))
            yield* session.goaway("protocol")
          }))
        }
      })
  ),

  check(
    "open-headers-bound",
    "headers of 4,096 bytes are taken, and longer ones are RESET too_large, which ends no more than that",
    (kit) =>
      Effect.gen(function*() {
        const session = yield* withHeaders(kit)
        // The name, the quotes, the colon and the braces are 8.
        yield* session.call(1, "echo", "most", { headers: { a: "x".repeat(4_088) } })
        yield* session.answered(1, "most")
        yield* session.send(msg, openFrame(2, "echo", { headers: { a: "x".repeat(4_089) } }))
        yield* session.reset(2, "too_large")
        yield* session.send(msg, openFrame(3, "echo", { headers: { a: "é".repeat(2_045) } }))
        yield* session.reset(3, "too_large")
        yield* works(session, 4)
      })
  ),

  check(
    "frame-fields",
    "fields that are not known are ignored, in OPEN, RESET and GOAWAY",
    (kit) =>
      Effect.gen(function*() {
        const session = yield* kit.session()
        yield* session.call(1, "echo", "more", { colour: "red", deadlines: [1], nested: { a: 1 } })
        yield* session.answered(1, "more")
        yield* session.send(msg, openFrame(2, "hold"))
        yield* session.send(msg, frame(reset, 2, json({ code: "cancelled", message: "", colour: "red" })))
        yield* works(session, 3)
        yield* session.send(msg, frame(goaway, 0, json({ code: "shutdown", message: "", colour: "red" })))
        yield* session.send(msg, frame(ping, 0, utf8("8 bytes!")))
        yield* session.until("PONG", ({ kind }) => kind === pong)
      })
  ),

  check("frame-pong", "a PING is answered with its 8 bytes", (kit) =>
    Effect.gen(function*() {
      const session = yield* kit.session()
      yield* session.send(msg, frame(ping, 0, utf8("12345678")))
      const one = yield* session.until("PONG", ({ kind }) => kind === pong)
      yield* kit.holds(
        one.type === rsp && one.stream === 0 && textOf(one.payload) === "12345678",
        "rsp PONG 0 with the same 8 bytes",
        `${describe(one)} ${shown(one.payload)}`
      )
    })),

  check("frame-pong-first", "of several PINGs the last is answered", (kit) =>
    Effect.gen(function*() {
      const session = yield* kit.session()
      yield* session.send(msg, ...[..."abcdefgh"].map((letter) => frame(ping, 0, utf8(letter.repeat(8)))))
      yield* session.until(
        "the PONG of the last",
        ({ kind, payload }) => kind === pong && textOf(payload) === "hhhhhhhh"
      )
      yield* works(session, 1)
    })),

  check("frame-pong-first", "a PONG comes while DATA has no credit", (kit) =>
    Effect.gen(function*() {
      const session = yield* kit.session()
      yield* session.send(msg, openFrame(1, "echo"))
      for (let i = 0; i < 5; i++) yield* session.send(msg, frame(data, 1, new Uint8Array(52_000)))
      yield* session.send(msg, frame(ping, 0, utf8("12345678")))
      yield* session.until("PONG", ({ kind }) => kind === pong)
    })),

  check("frame-data-size", "DATA is cut at 98,000 bytes at the most", (kit) =>
    Effect.gen(function*() {
      const session = yield* kit.session()
      yield* session.send(msg, openFrame(1, "echo"))
      for (let i = 0; i < 2; i++) yield* session.send(msg, frame(data, 1, new Uint8Array(98_000)))
      yield* session.send(msg, frame(end, 1))
      let sum = 0
      while (sum < 196_000) {
        const one = yield* session.until("DATA", ({ kind }) => kind === data)
        sum += one.payload.length
        yield* kit.holds(one.payload.length <= 98_000, "98,000 bytes at the most", String(one.payload.length))
      }
    })),

  check(
    "frame-data-taken",
    "DATA of more than 98,000 bytes is taken where its message fits",
    (kit) =>
      Effect.gen(function*() {
        const session = yield* kit.session()
        const size = session.agreed.binary ? 120_000 : mostAsText(kit)
        yield* session.send(msg, openFrame(1, "echo"))
        yield* session.send(msg, frame(data, 1, new Uint8Array(size)))
        yield* session.send(msg, frame(end, 1))
        const answer = yield* session.answer(1)
        yield* kit.holds(answer.bytes.length === size, `the echo of ${size} bytes`, String(answer.bytes.length))
      })
  ),

  check("frame-data", "an empty DATA is ignored, and none is sent", (kit) =>
    Effect.gen(function*() {
      const session = yield* kit.session()
      yield* session.send(msg, openFrame(1, "echo"), frame(data, 1), frame(data, 1, "x"), frame(data, 1))
      yield* session.send(msg, frame(end, 1))
      let text = ""
      while (true) {
        const one = yield* session.until("the echo", ({ kind }) => kind === data || kind === end)
        if (one.kind === end) break
        yield* kit.holds(one.payload.length > 0, "no empty DATA", describe(one))
        text += textOf(one.payload)
      }
      yield* kit.holds(text === "x", "the echo of \"x\"", text)
    }))
]

const streams = [
  violations("stream-number-used", "an OPEN with a number that is not above all before", {
    "the same again": [msg, opened, opened],
    "a lower one": [msg, openFrame(4, "echo"), openFrame(9, "echo")]
  }),

  violations("stream-number-ahead", "another frame with a number that was not opened", {
    DATA: [msg, frame(data, 7, "x")],
    END: [msg, frame(end, 2), opened],
    CREDIT: [msg, credit(2, 5), opened],
    RESET: [msg, frame(reset, 2, json({ code: "cancelled", message: "" })), opened],
    "DATA for a stream that the peer never opened": [rsp, frame(data, 1, "x"), opened]
  }),

  check("stream-numbers", "numbers may have gaps", (kit) =>
    Effect.gen(function*() {
      const session = yield* kit.session()
      for (const stream of [5, 6, 1_000, 4_294_967_295]) yield* works(session, stream)
    })),

  check("stream-closed-dropped", "a frame of a stream that is closed is dropped", (kit) =>
    Effect.gen(function*() {
      const session = yield* kit.session()
      yield* works(session, 3)
      yield* session.send(msg, frame(data, 3, "late"), frame(end, 3), credit(3, 10))
      yield* session.send(msg, frame(reset, 3, json({ code: "cancelled", message: "" })))
      yield* session.send(msg, openFrame(4, "nothing of that name"))
      yield* session.reset(4, "not_found")
      yield* session.send(msg, frame(data, 4, "late"), frame(end, 4))
      yield* works(session, 5)
    })),

  check(
    "stream-closed-dropped",
    "a frame of a number that was left out is dropped, as of one that is closed",
    (kit) =>
      Effect.gen(function*() {
        const session = yield* kit.session()
        yield* works(session, 5)
        yield* session.send(msg, frame(data, 2, "never opened"))
        yield* works(session, 6)
      })
  ),

  violations("stream-after-end", "DATA or END after END", {
    DATA: [msg, frame(data, 1, "x"), concat(openFrame(1, "hold"), frame(end, 1))],
    "an empty DATA": [msg, frame(data, 1), concat(openFrame(1, "hold"), frame(end, 1))],
    END: [msg, frame(end, 1), concat(openFrame(1, "hold"), frame(end, 1))]
  }),

  check("stream-closed", "RESET is legal behind one's own END", (kit) =>
    Effect.gen(function*() {
      const session = yield* kit.session()
      yield* session.send(msg, openFrame(1, "hold"), frame(end, 1))
      yield* session.send(msg, frame(reset, 1, json({ code: "cancelled", message: "" })))
      yield* works(session, 2)
    })),

  check(
    "stream-closed",
    "a stream is closed when both have sent END: its number's frames are dropped",
    (kit) =>
      Effect.gen(function*() {
        const session = yield* kit.session()
        yield* works(session, 1)
        const { frames } = yield* session.gather(500)
        yield* kit.holds(
          frames.every(({ stream }) => stream !== 1),
          "nothing more of stream 1",
          frames.map(describe).join()
        )
      })
  ),

  check("command-directions", "an answer may begin before the question has ended", (kit) =>
    Effect.gen(function*() {
      const session = yield* kit.session()
      yield* session.send(msg, openFrame(1, "echo"), frame(data, 1, "first"))
      const one = yield* session.until("DATA", ({ kind, stream }) => kind === data && stream === 1)
      yield* kit.holds(one.type === rsp && textOf(one.payload) === "first", "rsp DATA first", describe(one))
      yield* session.send(msg, frame(end, 1))
      yield* session.until("END", ({ kind }) => kind === end)
    })),

  check("command-stream", "a question comes back as it was, however it was cut", (kit) =>
    Effect.gen(function*() {
      const session = yield* kit.session()
      const sent = Uint8Array.from({ length: 5_000 }, (_, i) => i * 7)
      yield* session.send(msg, openFrame(1, "echo"))
      for (let at = 0; at < sent.length; at += 777) {
        yield* session.send(msg, frame(data, 1, sent.subarray(at, at + 777)))
      }
      yield* session.send(msg, frame(end, 1))
      const answer = yield* session.answer(1)
      yield* kit.holds(equal(answer.bytes, sent), "the same 5,000 bytes", shown(answer.bytes))
    })),

  check("stream-reset-interrupts", "a stream that was reset says nothing more", (kit) =>
    Effect.gen(function*() {
      const session = yield* kit.session()
      yield* session.send(msg, openFrame(1, "echo"), frame(data, 1, "x"))
      yield* session.until("DATA", ({ kind }) => kind === data)
      yield* session.send(msg, frame(reset, 1, json({ code: "cancelled", message: "" })))
      const { frames } = yield* session.gather(500)
      yield* kit.holds(frames.every(({ stream }) => stream !== 1), "nothing", frames.map(describe).join())
    })),

  check("stream-bound", "of 1,025 streams the last is RESET refused", (kit) =>
    Effect.gen(function*() {
      const session = yield* kit.session()
      // So that the bound of credit is not met before: each has a quarter of a megabyte.
      for (let from = 1; from <= 1_025; from += 205) {
        yield* session.send(msg, ...Array.from({ length: 205 }, (_, i) => openFrame(from + i, "hold")))
      }
      const refused = yield* session.until("RESET refused", ({ kind }) => kind === reset, 5_000)
      yield* kit.holds(textOf(refused.payload).includes("\"refused\""), "the code refused", describe(refused))
    })),

  check("frame-credit", "CREDIT takes a number of 4 bytes", (kit) =>
    Effect.gen(function*() {
      const session = yield* kit.session()
      yield* session.send(msg, openFrame(1, "echo"), frame(creditKind, 1, number(1, 4)))
      yield* session.send(msg, frame(end, 1))
      yield* session.answered(1, "")
    }))
]

export const framesAndStreams: ReadonlyArray<Check> = [...frames, ...streams]
