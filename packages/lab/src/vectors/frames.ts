/**
 * The section "frames" of `docs/vectors.json`: what comes in a session's messages, and what it comes to. Built by hand from the text of protocol
 * section 5, and shares no code with the library.
 */
import { concat, hexOf, ofHex, u32, utf8 } from "./bytes.ts"
import type { Rule } from "./rules.ts"

/** What follows MESSAGE's nonce, opened. */
export interface Message {
  readonly flags: 0 | 1 | 2
  readonly hex: string
  /** Bytes of 0 behind it. */
  readonly zeros?: number
}

/** A frame that has to be sent; of a RESET its code alone is told. */
export interface Answer {
  readonly flags: 0 | 1 | 2
  readonly kind: number
  readonly stream: number
  readonly hex?: string
  readonly code?: string
}

export interface Vector {
  readonly name: string
  readonly description: string
  readonly rule: Rule
  readonly messages: ReadonlyArray<Message>
  readonly result: "accepted" | "violation"
  readonly opened?: ReadonlyArray<number>
  readonly answers?: ReadonlyArray<Answer>
  readonly own?: string
}

export interface Section {
  readonly description: ReadonlyArray<string>
  readonly fields: Readonly<Record<string, string>>
  readonly vectors: ReadonlyArray<Vector>
}

const flagsOf = { msg: 0, rsp: 1, err: 2 } as const
type Type = keyof typeof flagsOf
type Said = readonly [type: Type, ...frames: ReadonlyArray<Uint8Array>]

const kinds = { open: 0, data: 1, end: 2, reset: 3, credit: 4, ping: 5, pong: 6, goaway: 7 }

const frame = (kind: number, stream: number, payload: Uint8Array | string = ""): Uint8Array => {
  const bytes = typeof payload === "string" ? utf8(payload) : payload
  return concat(Uint8Array.of(kind), u32(stream), u32(bytes.length), bytes)
}

const open = (stream: number, fields: object | string = {}) =>
  frame(
    kinds.open,
    stream,
    typeof fields === "string" ? fields : JSON.stringify({ protocol: "command", name: "x", ...fields })
  )
const data = (stream: number, payload: Uint8Array | string = "x") => frame(kinds.data, stream, payload)
const end = (stream: number) => frame(kinds.end, stream)
const reset = (stream: number, payload: object | string = { code: "cancelled", message: "" }) =>
  frame(kinds.reset, stream, typeof payload === "string" ? payload : JSON.stringify(payload))
const credit = (stream: number, payload: number | string) =>
  frame(kinds.credit, stream, typeof payload === "number" ? u32(payload) : payload)
const eight = ofHex("0102030405060708")
const goaway = (fields: object, stream = 0) =>
  frame(kinds.goaway, stream, JSON.stringify({ code: "renew", message: "", ...fields }))

const messageOf = ([type, ...frames]: Said): Message => {
  const bytes = concat(...frames)
  let length = bytes.length
  while (length > 0 && bytes[length - 1] === 0) length--
  // Few zeros are written as they are.
  return bytes.length - length < 64
    ? { flags: flagsOf[type], hex: hexOf(bytes) }
    : { flags: flagsOf[type], hex: hexOf(bytes.subarray(0, length)), zeros: bytes.length - length }
}

const violation = (name: string, rule: Rule, description: string, ...messages: ReadonlyArray<Said>): Vector => ({
  name,
  description,
  rule,
  messages: messages.map(messageOf),
  result: "violation"
})

const accepted = (
  name: string,
  rule: Rule,
  description: string,
  messages: ReadonlyArray<Said>,
  what: Pick<Vector, "opened" | "answers" | "own"> = {}
): Vector => ({ name, description, rule, messages: messages.map(messageOf), result: "accepted", ...what })

const many = (bytes: number, times: number): ReadonlyArray<Said> =>
  Array.from({ length: times }, () => ["msg", data(1, new Uint8Array(bytes))] as const)

/** Whole frames. */
const wholes: ReadonlyArray<Vector> = [
  violation("frame-none", "frame-whole", "a message without a frame", ["msg"]),
  violation("frame-trailing", "frame-whole", "a byte behind the last frame", ["msg", open(2), Uint8Array.of(1)]),
  violation("frame-header-cut", "frame-whole", "eight bytes, which are no header", ["msg", new Uint8Array(8)]),
  violation("frame-longer", "frame-whole", "a frame that is longer than what is left", [
    "msg",
    data(1, "abc").subarray(0, 11)
  ]),
  violation("frame-longer-4-gib", "frame-whole", "a length of 2^32-1", [
    "msg",
    concat(Uint8Array.of(kinds.data), u32(1), u32(2 ** 32 - 1), new Uint8Array(16))
  ]),
  violation("frame-kind-8", "frame-wrong", "a kind that is not known", ["msg", frame(8, 1)]),
  violation("frame-kind-255", "frame-wrong", "another one, for the session", ["rsp", frame(255, 0)])
]

/** OPEN, and the numbers of streams. */
const opens: ReadonlyArray<Vector> = [
  accepted("open-gap", ["stream-numbers", "frame-open"], "numbers may be left out", [["msg", open(9)]], {
    opened: [9]
  }),
  accepted("open-largest", "stream-numbers", "the largest number", [["msg", open(2 ** 32 - 1)]], {
    opened: [2 ** 32 - 1]
  }),
  accepted("open-unknown-fields", "frame-fields", "fields that are not known", [[
    "msg",
    open(2, { later: { deep: [1] } })
  ]], {
    opened: [2]
  }),
  accepted("open-headers", "open-headers", "headers, of any values and empty", [[
    "msg",
    open(2, { headers: { path: "a/b", n: [1, null] } }),
    open(3, { headers: {} })
  ]], {
    opened: [2, 3]
  }),
  accepted(
    "open-headers-bound",
    "open-headers-bound",
    "headers of 4,096 bytes, and of one more: that one is reset unrun, and the session goes on",
    [["msg", open(2, { headers: { a: "x".repeat(4_088) } }), open(3, { headers: { a: "x".repeat(4_089) } })]],
    { opened: [2], answers: [{ flags: 2, kind: kinds.reset, stream: 3, code: "too_large" }] }
  ),
  ...([["null", null], ["list", []], ["text", "a"]] as const).map(([name, headers]) =>
    violation(`open-headers-${name}`, ["frame-wrong", "open-headers"], `headers that are no object: ${name}`, [
      "msg",
      open(2, { headers })
    ])
  ),
  violation("open-again", "stream-number-used", "a number that was used", ["msg", open(1)]),
  violation("open-lower", "stream-number-used", "a number below another of the same side", ["msg", open(7), open(6)]),
  violation("open-0", "frame-open", "stream 0, which is the session", ["msg", open(0)]),
  violation("open-in-rsp", "frame-open", "OPEN in rsp", ["rsp", open(2)]),
  violation("open-in-err", "frame-open", "OPEN in err", ["err", open(2)]),
  ...([
    ["empty", "nothing", ""],
    ["cut", "JSON that is cut off", "{\"protocol\":"],
    ["null", "null", "null"],
    ["array", "an array", "[]"],
    ["text", "a text", "\"x\""],
    ["no-name", "no name", "{\"protocol\":\"command\"}"],
    ["no-protocol", "no protocol", "{\"name\":\"x\"}"]
  ] as const).map(([name, what, json]) =>
    violation(`open-${name}`, "frame-wrong", `${what} in the place of the object`, ["msg", open(2, json)])
  ),
  violation("open-name-number", "frame-wrong", "a name that is no text", ["msg", open(2, { name: 1 })]),
  violation("open-protocol-null", "frame-wrong", "a protocol that is null", ["msg", open(2, { protocol: null })]),
  violation("open-traceparent-number", "frame-wrong", "a traceparent that is no text", [
    "msg",
    open(2, { traceparent: 1 })
  ]),
  violation("open-bad-utf8", "frame-wrong", "a name that is not UTF-8", [
    "msg",
    frame(kinds.open, 2, concat(utf8("{\"protocol\":\"command\",\"name\":\""), Uint8Array.of(0xff), utf8("\"}")))
  ])
]

const withDeadline = (deadline: string) => `{"protocol":"command","name":"x","deadline":${deadline}}`

/** Deadlines. */
const deadlines: ReadonlyArray<Vector> = [
  accepted(
    "deadline-forms",
    "deadline-form",
    "1000 in three forms, one that numbers round, and one beyond all timers",
    [[
      "msg",
      ...["1000", "1000.0", "1e3", "9007199254740993", "1e300"].map((form, i) => open(2 + i, withDeadline(form)))
    ]],
    { opened: [2, 3, 4, 5, 6] }
  ),
  accepted(
    "deadline-over",
    "deadline-passed",
    "no time, and less: both are reset unrun, and the session goes on",
    [["msg", open(2, { deadline: 0 }), open(3, { deadline: -7 })]],
    {
      opened: [],
      answers: [2, 3].map((stream) => ({ flags: 2, kind: kinds.reset, stream, code: "deadline" }))
    }
  ),
  ...([
    ["fraction", "1.5"],
    ["text", "\"1000\""],
    ["null", "null"],
    ["infinite", "1e400"]
  ] as const).map(([name, json]) =>
    violation(`deadline-${name}`, "deadline-form", `a deadline of ${json}`, ["msg", open(2, withDeadline(json))])
  )
]

/** What belongs to no stream, or to one that is over; END and RESET. */
const streams: ReadonlyArray<Vector> = [
  ...([
    ["data", "msg", data(2)],
    ["answer", "rsp", data(2)],
    ["end", "msg", end(2)],
    ["credit", "rsp", credit(2, 1)],
    ["reset", "msg", reset(2)],
    ["reset-of-acceptor", "err", reset(2)]
  ] as const).map(([name, type, bytes]) =>
    violation(`never-opened-${name}`, "stream-number-ahead", "for a stream that was never opened", [type, bytes])
  ),
  accepted("gap-data", "stream-closed-dropped", "for a number in a gap, which counts as closed", [
    ["msg", open(9), data(5)]
  ], { opened: [9] }),
  accepted("closed-data", "stream-closed-dropped", "behind a RESET of the same side", [["msg", reset(1)], [
    "msg",
    data(1),
    end(1),
    credit(1, 1)
  ]]),
  violation("closed-credit-0", "stream-form-first", "a CREDIT of 0 for a stream that is closed", ["msg", reset(1)], [
    "msg",
    credit(1, 0)
  ]),
  violation("closed-end-payload", "stream-form-first", "an END that is not empty, for one that is closed", [
    "msg",
    reset(1)
  ], ["msg", frame(kinds.end, 1, "x")]),
  ...([
    ["data", "msg", data(0)],
    ["end", "rsp", end(0)],
    ["credit", "msg", credit(0, 1)],
    ["reset", "err", reset(0)]
  ] as const).map(([name, type, bytes]) => violation(`session-${name}`, "frame-wrong", "for stream 0", [type, bytes])),
  violation("data-in-err", "frame-data", "DATA in err", ["err", data(1)]),
  violation("end-in-err", "frame-end", "END in err", ["err", end(1)]),
  violation("credit-in-err", "frame-credit", "CREDIT in err", ["err", credit(1, 1)]),
  violation("reset-in-rsp", "frame-reset", "RESET in rsp", ["rsp", reset(1)]),
  accepted("data-empty", "frame-data", "an empty DATA", [["msg", data(1, "")]]),
  accepted("end-empty", "frame-end", "END of a question", [["msg", end(1)]]),
  accepted(
    "end-answered",
    ["stream-answered", "frame-end"],
    "an answer and its END: what is left of the question is not wanted, and its END is sent",
    [["rsp", data(1), end(1)]],
    { answers: [{ flags: 0, kind: kinds.end, stream: 1, hex: "" }] }
  ),
  violation("end-payload", "frame-end", "an END that is not empty", ["msg", frame(kinds.end, 1, "x")]),
  violation("end-data", "stream-after-end", "DATA after END", ["msg", end(1), data(1)]),
  violation("end-data-empty", "stream-after-end", "an empty DATA after END", ["msg", end(1), data(1, "")]),
  violation("end-end", "stream-after-end", "END after END", ["msg", end(1), end(1)]),
  accepted("end-reset", "stream-closed", "RESET behind one's own END", [["msg", end(1), reset(1)]]),
  accepted(
    "reset-unknown",
    "reset-internal",
    "a code that is not known is internal to whoever opened the stream",
    [["err", reset(1, { code: "from_the_future", message: "" })]],
    { own: "internal" }
  ),
  accepted(
    "reset-failed",
    ["reset-failed", "frame-fields"],
    "a typed error, and fields that are not known",
    [["err", reset(1, { code: "failed", message: "", error: { _tag: "Missing" }, later: 1 })]],
    { own: "failed" }
  ),
  violation("reset-empty", "frame-reset", "a RESET of nothing", ["msg", reset(1, "")]),
  violation("reset-no-message", "frame-reset", "a RESET without a message", ["msg", reset(1, { code: "failed" })]),
  violation("reset-code-number", "frame-reset", "a code that is no text", ["err", reset(1, { code: 1, message: "" })])
]

/** DATA within its credit, and CREDIT. */
const credits: ReadonlyArray<Vector> = [
  accepted("data-all-credit", "credit-initial", "262,144 bytes of DATA, which is all there may be", many(65_536, 4)),
  violation("data-beyond-credit", "credit-exceeded", "one byte more", ...many(65_536, 4), ["msg", data(1)]),
  accepted("data-120000", "frame-data-taken", "more in one frame than is sent", many(120_000, 1)),
  accepted("credit-most", "credit-range", "CREDIT up to 2^32-1 outstanding", [[
    "msg",
    credit(1, 2 ** 32 - 1 - 262_144)
  ]]),
  violation("credit-0", "credit-range", "CREDIT of 0", ["msg", credit(1, 0)]),
  violation("credit-beyond", "credit-range", "CREDIT that makes 2^32 outstanding, in two parts", [
    "rsp",
    credit(1, 0xfff00000),
    credit(1, 2 ** 32 - 262_144 - 0xfff00000)
  ]),
  violation("credit-3-bytes", "frame-credit", "CREDIT of three bytes", ["msg", credit(1, "abc")]),
  violation("credit-5-bytes", "frame-credit", "CREDIT of five bytes", ["msg", credit(1, "abcde")])
]

/** PING, PONG and GOAWAY. */
const sessions: ReadonlyArray<Vector> = [
  accepted("ping", ["frame-ping", "frame-pong"], "PING is answered with its bytes", [[
    "msg",
    frame(kinds.ping, 0, eight)
  ]], {
    answers: [{ flags: 1, kind: kinds.pong, stream: 0, hex: hexOf(eight) }]
  }),
  violation("ping-in-rsp", "frame-ping", "PING in rsp", ["rsp", frame(kinds.ping, 0, eight)]),
  violation("ping-of-a-stream", "frame-ping", "PING for a stream", ["msg", frame(kinds.ping, 1, eight)]),
  violation("ping-7-bytes", "frame-ping", "PING of seven bytes", ["msg", frame(kinds.ping, 0, eight.subarray(1))]),
  violation("ping-9-bytes", "frame-ping", "PING of nine bytes", ["msg", frame(kinds.ping, 0, new Uint8Array(9))]),
  violation("pong-in-msg", "frame-pong", "PONG in msg", ["msg", frame(kinds.pong, 0, eight)]),
  violation("pong-of-a-stream", "frame-pong", "PONG for a stream", ["rsp", frame(kinds.pong, 1, eight)]),
  violation("pong-empty", "frame-pong", "PONG of nothing", ["rsp", frame(kinds.pong, 0)]),
  accepted("goaway-unknown-fields", "frame-fields", "GOAWAY with a field that is not known", [[
    "msg",
    goaway({ later: 1 })
  ]]),
  accepted(
    "goaway-last",
    "goaway-last",
    "the receiver's own stream did not come before its sender's last word, and was not run",
    [["msg", goaway({ code: "shutdown", last: 0 })]],
    { own: "refused" }
  ),
  accepted("goaway-last-1", "goaway-last", "it came", [["msg", goaway({ code: "shutdown", last: 1 })]]),
  violation("goaway-in-rsp", "frame-goaway", "GOAWAY in rsp", ["rsp", goaway({})]),
  violation("goaway-of-a-stream", "frame-goaway", "GOAWAY for a stream", ["msg", goaway({}, 1)]),
  violation("goaway-no-code", "frame-goaway", "GOAWAY without a code", ["msg", frame(kinds.goaway, 0, "{}")])
]

export const generate = (): Section => ({
  description: [
    "What comes in the messages of a session, and what it comes to, protocol section 5.",
    "The receiver has a session in which its peer has opened stream 1 and it has opened stream 1 itself, both of the protocol command with the "
    + "name x, and nothing else was sent. Whatever is at its streams reads nothing and answers nothing."
  ],
  fields: {
    messages:
      "what comes, one after another: flags is MESSAGE's, 0 msg, 1 rsp, 2 err; hex is the payload behind it, and zeros so many "
      + "bytes of 0 that follow",
    result:
      "violation: the session ends with GOAWAY protocol; the messages before the last are right. accepted: it goes on",
    opened: "the streams of the peer that are opened by it; where it is left out, none",
    answers:
      "the frames that are sent at once, with the flags of their message: hex is the payload, of RESET its code is told alone; where "
      + "it is left out, none",
    own: "the code that the receiver's own stream 1 ends with; where it is left out, it goes on, or has ended in order"
  },
  vectors: [...wholes, ...opens, ...deadlines, ...streams, ...credits, ...sessions]
})
