/**
 * The section "topics" of `docs/vectors.json`: records of the stream of topics, and how they are read. Built from the text of protocol
 * section 16, and shares no code with the library.
 */
import type { Rule } from "./rules.ts"

export interface Entry {
  readonly name: string
  readonly description: string
  readonly rule: Rule
  /** Whose record it is. */
  readonly by: "publisher" | "subscriber"
  /** In hex, its length included: texts that are repeated so many times and joined. */
  readonly record: ReadonlyArray<{ readonly hex: string; readonly times: number }>
  /** What it says; `null`: nothing, it is skipped. Missing where the stream ends by it. */
  readonly says?: Readonly<Record<string, unknown>> | null
}

export interface Section {
  readonly description: ReadonlyArray<string>
  readonly fields: Readonly<Record<string, string>>
  readonly records: ReadonlyArray<Entry>
}

type Part = { readonly hex: string; readonly times: number }

const hexOf = (value: number | bigint, bytes: number) => value.toString(16).padStart(2 * bytes, "0")
const u8 = (value: number) => hexOf(value, 1)
const u16 = (value: number) => hexOf(value, 2)
const u32 = (value: number) => hexOf(value, 4)
const u64 = (value: number | bigint) => hexOf(value, 8)
const text = (of: string) => Array.from(new TextEncoder().encode(of), u8).join("")
const json = (of: unknown) => text(JSON.stringify(of))
const key = (of: string) => u16(text(of).length / 2) + text(of)

/** A record of a kind and a body in hex, behind which may stand as many bytes as it says of one value. */
const record = (kind: number, body: string, more?: Part): ReadonlyArray<Part> => {
  const length = 1 + body.length / 2 + (more === undefined ? 0 : more.times * more.hex.length / 2)
  return [{ hex: u32(length) + u8(kind) + body, times: 1 }, ...more === undefined ? [] : [more]]
}

const says = (
  by: Entry["by"],
  name: string,
  rule: Rule,
  description: string,
  bytes: ReadonlyArray<Part>,
  said: Entry["says"]
): Entry => ({ name: `topic-${name}`, description, rule, by, record: bytes, says: said! })

const wrong = (by: Entry["by"], name: string, description: string, bytes: ReadonlyArray<Part>): Entry => ({
  name: `topic-record-${name}`,
  description,
  rule: "topic-wrong",
  by,
  record: bytes
})

const epoch = "0123456789abcdef"
const at = 1_700_000_000_000
const told = { topic: "news", epoch, seq: 3, for: [1] }
const bad = (name: string, description: string, more: Readonly<Record<string, unknown>>) =>
  wrong("publisher", name, description, record(1, u32(7) + json({ ...told, ...more })))
const largest = 9_007_199_254_740_991n

const records: ReadonlyArray<Entry> = [
  says("publisher", "told", "topic-first", "a topic of JSON, for one entry", record(1, u32(7) + json(told)), {
    kind: "topic",
    index: 7,
    ...told,
    retained: false
  }),
  says(
    "publisher",
    "told-all",
    "topic-first",
    "a topic with a contract, what is retained, and a field that is not known",
    record(1, u32(0xffff_ffff) + json({ ...told, contract: epoch, for: [1, 2_147_483_647], retained: true, x: 1 })),
    { kind: "topic", index: 0xffff_ffff, ...told, contract: epoch, for: [1, 2_147_483_647], retained: true }
  ),
  says("publisher", "value", "topic-kinds", "a value", record(2, u32(7) + u64(4) + u64(at) + u8(0) + text("{}")), {
    kind: "value",
    index: 7,
    seq: 4,
    at,
    retained: false,
    body: text("{}")
  }),
  says(
    "publisher",
    "value-key",
    "topic-kinds",
    "a retained value with a key, and flags that are ignored",
    record(2, u32(7) + u64(largest) + u64(at) + u8(0xfb) + key("é") + text("1")),
    { kind: "value", index: 7, seq: Number(largest), at, retained: true, key: "é", body: text("1") }
  ),
  says(
    "publisher",
    "value-key-255",
    "topic-kinds",
    "a key of 255 bytes, and a value without bytes",
    record(2, u32(7) + u64(4) + u64(at) + u8(2) + key("k".repeat(255))),
    { kind: "value", index: 7, seq: 4, at, retained: false, key: "k".repeat(255), body: "" }
  ),
  says(
    "publisher",
    "removed",
    "topic-kinds",
    "what is no longer retained",
    record(3, u32(7) + u64(5) + u64(at) + key("k")),
    { kind: "removed", index: 7, seq: 5, at, key: "k" }
  ),
  says("publisher", "current", "topic-kinds", "all that is retained was said", record(4, u32(7)), {
    kind: "current",
    index: 7
  }),
  says(
    "publisher",
    "deliver",
    "topic-kinds",
    "a delivery that somebody had before",
    record(5, u32(7) + u64(6) + u64(at) + u8(6) + u32(9) + u8(7) + text("mailers") + key("k") + text("1")),
    { kind: "deliver", index: 7, seq: 6, at, again: true, delivery: 9, group: "mailers", key: "k", body: text("1") }
  ),
  says("publisher", "forget", "topic-kinds", "the end of a topic", record(6, u32(7)), { kind: "forget", index: 7 }),
  says(
    "publisher",
    "denied",
    "topic-kinds",
    "an entry that gets nothing",
    record(7, json({ id: 1, topic: "news", reason: "not_allowed" })),
    { kind: "denied", id: 1, topic: "news", reason: "not_allowed" }
  ),
  says("publisher", "missed", "topic-kinds", "what was dropped", record(8, u32(7) + u32(2)), {
    kind: "missed",
    index: 7,
    count: 2
  }),
  says(
    "publisher",
    "skipped",
    ["topic-kinds", "topic-skipped"],
    "what a group gave up",
    record(9, u32(7) + u32(9) + u32(3)),
    {
      kind: "skipped",
      index: 7,
      delivery: 9,
      count: 3
    }
  ),
  says("publisher", "kind-99", "topic-kinds", "a kind that is not known", record(99, "0102"), null),
  says("publisher", "kind-of-subscribers", "topic-kinds", "a kind of the other side", record(18, u32(9)), null),
  says("subscriber", "taken", "topic-kinds", "what was taken", record(17, u32(7) + u64(4)), {
    kind: "taken",
    index: 7,
    seq: 4
  }),
  says("subscriber", "done", "topic-kinds", "a delivery that is done with", record(18, u32(9)), {
    kind: "done",
    delivery: 9
  }),
  says("subscriber", "back", "topic-kinds", "a delivery for another", record(19, u32(9)), {
    kind: "back",
    delivery: 9
  }),
  says("subscriber", "refused", "topic-kinds", "a topic that is not taken", record(20, u32(7) + text("no")), {
    kind: "refused",
    index: 7,
    reason: "no"
  }),
  says("subscriber", "kind-0", "topic-kinds", "a kind that is not known", record(0, ""), null),
  says("subscriber", "kind-of-publishers", "topic-kinds", "a kind of the other side", record(4, u32(7)), null),
  wrong("publisher", "empty", "a record without a kind", [{ hex: u32(0), times: 1 }]),
  says(
    "publisher",
    "longest",
    ["topic-kinds", "topic-wrong"],
    "the longest record there may be, of a kind that is not known",
    record(99, "", { hex: "00", times: 1_049_599 }),
    null
  ),
  wrong("publisher", "long", "a record that is longer", record(99, "", { hex: "00", times: 1_049_600 })),
  wrong(
    "publisher",
    "value-long",
    "a value of 1,048,577 bytes",
    record(2, u32(7) + u64(4) + u64(at) + u8(0), { hex: "00", times: 1_048_577 })
  ),
  wrong("publisher", "value-short", "a value without flags", record(2, u32(7) + u64(4) + u64(at))),
  wrong("publisher", "value-seq-0", "a publication numbered 0", record(2, u32(7) + u64(0) + u64(at) + u8(0))),
  wrong(
    "publisher",
    "value-key-256",
    "a key of 256 bytes",
    record(2, u32(7) + u64(4) + u64(at) + u8(2) + key("k".repeat(256)))
  ),
  wrong(
    "publisher",
    "value-key-cut",
    "a key that ends behind the record",
    record(2, u32(7) + u64(4) + u64(at) + u8(2) + u16(2) + "61")
  ),
  wrong(
    "publisher",
    "value-key-utf8",
    "a key that is no UTF-8",
    record(2, u32(7) + u64(4) + u64(at) + u8(2) + u16(1) + "ff")
  ),
  wrong(
    "publisher",
    "removed-more",
    "something behind the key",
    record(3, u32(7) + u64(5) + u64(at) + key("k") + "00")
  ),
  wrong("publisher", "current-short", "a number of three bytes", record(4, "000007")),
  wrong("publisher", "forget-more", "something behind the number", record(6, u32(7) + "00")),
  wrong("publisher", "missed-short", "no count", record(8, u32(7))),
  wrong(
    "publisher",
    "deliver-group-empty",
    "a group without a character",
    record(5, u32(7) + u64(6) + u64(at) + u8(0) + u32(9) + u8(0) + text("1"))
  ),
  wrong(
    "publisher",
    "deliver-group-cut",
    "a group that ends behind the record",
    record(5, u32(7) + u64(6) + u64(at) + u8(0) + u32(9) + u8(3) + text("ab"))
  ),
  wrong("publisher", "told-not-json", "no JSON", record(1, u32(7) + text("{"))),
  wrong("publisher", "told-list", "JSON that is no object", record(1, u32(7) + text("[]"))),
  bad("told-pattern", "a pattern, which is no topic", { topic: "a.*" }),
  bad("told-epoch", "an epoch in capitals", { epoch: epoch.toUpperCase() }),
  bad("told-contract", "a contract of 15 digits", { contract: epoch.slice(1) }),
  bad("told-seq", "a number below 0", { seq: -1 }),
  bad("told-for", "an entry of 0", { for: [0] }),
  bad("told-for-none", "no entries said", { for: undefined }),
  wrong("publisher", "denied-id", "denied without an id", record(7, json({ topic: "news", reason: "contract" }))),
  wrong("subscriber", "taken-short", "a number of seven bytes", record(17, u32(7) + u64(4).slice(2))),
  wrong("subscriber", "done-more", "something behind the number", record(18, u32(9) + "00")),
  wrong("subscriber", "refused-256", "a reason of 256 bytes", record(20, u32(7) + text("n".repeat(256)))),
  wrong("subscriber", "refused-utf8", "a reason that is no UTF-8", record(20, u32(7) + "ff"))
]

export const generate = (): Section => ({
  description: [
    "Records of a stream of the protocol topic, and what they say. One without anything that it says ends the stream with RESET cancelled; "
    + "one that says null is skipped."
  ],
  fields: {
    by: "who writes it: each side reads the kinds of the other",
    record: "the whole record, its length included: hex that is repeated so many times, and joined",
    says:
      "what it says: body is hex, flags are named as the text has them (again: handed to somebody before), and key, contract and the like "
      + "are missing where they are not said"
  },
  records
})
