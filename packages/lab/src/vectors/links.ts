/**
 * The section "links" of `docs/vectors.json`: messages of a link, and how they are read. Built from the text of protocol section 18, and
 * shares no code with the library.
 */
import { type Bytes, concat, hexOf, u32, utf8 } from "./bytes.ts"
import type { Rule } from "./rules.ts"

export interface Received {
  readonly name: string
  readonly description: string
  readonly rule: Rule
  readonly messages: ReadonlyArray<Bytes>
  /** What is read. */
  readonly bytes: Bytes
  /** How reading goes on after that. */
  readonly reading: "open" | "ended" | "broken"
  /** Whether the link is over, in both directions. */
  readonly over: boolean
}

export interface Sent {
  readonly name: string
  readonly description: string
  readonly rule: Rule
  readonly does: ReadonlyArray<{ readonly write: string } | "end" | "close">
  readonly messages: ReadonlyArray<Bytes>
}

export interface Section {
  readonly description: ReadonlyArray<string>
  readonly fields: Readonly<Record<string, string>>
  readonly received: ReadonlyArray<Received>
  readonly sent: ReadonlyArray<Sent>
}

const window = 65_536
const [data, end, ping, pong, close, reset] = [0, 1, 2, 3, 4, 5]

const frame = (kind: number, number: number, payload: Uint8Array | string = "", limit = window): Bytes => ({
  hex: hexOf(
    concat(Uint8Array.of(kind), u32(number), u32(limit), typeof payload === "string" ? utf8(payload) : payload)
  )
})

type Outcome = readonly [text: string, reading: Received["reading"], over: boolean]

const open = (text = ""): Outcome => [text, "open", false]
const ended = (text = ""): Outcome => [text, "ended", false]
const wrong = (text = ""): Outcome => [text, "broken", true]

const received = (
  name: string,
  rule: Rule,
  description: string,
  messages: ReadonlyArray<Bytes>,
  [text, reading, over]: Outcome
): Received => ({ name: `link-${name}`, description, rule, messages, bytes: { text }, reading, over })

const ofBytes: ReadonlyArray<Received> = [
  received(
    "hello",
    "link-frame",
    "bytes, twice",
    [frame(data, 0, "hello, "), frame(data, 1, "world")],
    open("hello, world")
  ),
  received("short", "link-frame", "a message without a limit", [{ hex: "0000000000" }], wrong()),
  received("empty", "link-frame", "a message without anything", [{ hex: "" }], wrong()),
  received("lost", ["link-number", "link-wrong"], "number 2 after number 0", [
    frame(data, 0, "a"),
    frame(data, 2, "c")
  ], wrong("a")),
  received("repeated", "link-number", "number 0 twice", [frame(data, 0, "a"), frame(data, 0, "a")], wrong("a")),
  received("first-lost", "link-number", "a beginning with number 1", [frame(ping, 1)], wrong()),
  received("limit-more", "link-limit", "a limit that grows", [
    frame(data, 0, "a", 131_072),
    frame(data, 1, "b", 131_072)
  ], open("ab")),
  received("limit-less", ["link-limit", "link-initial"], "less than may be sent without any", [
    frame(data, 0, "a", window - 1)
  ], wrong()),
  received("limit-large", "link-limit", "more than 2^30 bytes", [frame(data, 0, "a", 2 ** 30 + 1)], wrong()),
  received(
    "whole",
    "link-window",
    "all that may be sent",
    [frame(data, 0, "a".repeat(window))],
    open("a".repeat(window))
  ),
  received(
    "overrun",
    ["link-window", "link-wrong"],
    "a byte more",
    [frame(data, 0, "a".repeat(window + 1))],
    wrong()
  )
]

const ofEnds: ReadonlyArray<Received> = [
  received(
    "end",
    "link-end",
    "an end, and a limit after it",
    [frame(data, 0, "a"), frame(end, 1), frame(data, 2)],
    ended("a")
  ),
  received("end-data", "link-end", "a byte after the end", [frame(end, 0), frame(data, 1, "a")], ["", "ended", true]),
  received("end-twice", "link-end", "two ends", [frame(end, 0), frame(end, 1)], ["", "ended", true]),
  received("close", "link-close", "closed, and a byte after that", [
    frame(data, 0, "a"),
    frame(close, 1, "bye"),
    frame(data, 2, "b")
  ], ["a", "ended", true]),
  received("reset", "link-close", "broken off", [frame(data, 0, "a"), frame(reset, 1, "no")], wrong("a")),
  received("reset-after-end", "link-close", "broken off after an end", [frame(end, 0), frame(reset, 1)], [
    "",
    "ended",
    true
  ]),
  received(
    "reason-bytes",
    "link-reason",
    "a reason that is no UTF-8",
    [frame(reset, 0, Uint8Array.of(0xff, 0xc0))],
    wrong()
  ),
  received("reason-long", "link-reason", "a reason of 1,000 bytes", [frame(close, 0, "r".repeat(1_000))], [
    "",
    "ended",
    true
  ]),
  received("ping", "link-ping", "a question and an answer, with what they do not have", [
    frame(ping, 0, "x"),
    frame(pong, 1, "x"),
    frame(data, 2, "a")
  ], open("a")),
  received("unknown-6", "link-unknown", "kind 6", [frame(6, 0)], wrong()),
  received("unknown-127", "link-unknown", "kind 127", [frame(127, 0)], wrong()),
  received("unknown-128", "link-unknown", "kinds 128 and 255", [
    frame(128, 0, "x"),
    frame(255, 1),
    frame(data, 2, "a")
  ], open("a")),
  received("unknown-lost", ["link-unknown", "link-number"], "kind 128 out of its turn", [frame(128, 1)], wrong())
]

export const generate = (): Section => ({
  description: [
    "What one end of a message link reads of the messages that come to it, in order, at the beginning of the link; and what one sends that has heard nothing. Its window has 65,536 bytes, "
    + "and it takes what came after the last message alone."
  ],
  fields: {
    messages: "each with one frame",
    bytes: "what is read, of all messages together",
    reading: "what comes after that: nothing yet, an end in order, or one that is not",
    over: "whether nothing is sent or read any more; where it is wrong what came, a RESET was sent",
    does: "what is done at that end, one thing after another"
  },
  received: [...ofBytes, ...ofEnds],
  sent: [
    {
      name: "link-sent",
      description: "bytes, twice, and an end",
      rule: ["link-frame", "link-number"],
      does: [{ write: "hello, " }, { write: "world" }, "end"],
      messages: [frame(data, 0, "hello, "), frame(data, 1, "world"), frame(end, 2)]
    },
    {
      name: "link-sent-close",
      description: "bytes, and a close without a reason",
      rule: ["link-frame", "link-close"],
      does: [{ write: "hello" }, "close"],
      messages: [frame(data, 0, "hello"), frame(close, 1)]
    }
  ]
})
