/**
 * The section "offers" of `docs/vectors.json`: lines in which a node says what it offers, and how they are read. Built from the text of protocol
 * section 14, and shares no code with the library.
 */
import type { Bytes } from "./bytes.ts"
import type { Rule } from "./rules.ts"

/** What a line says, each part filled in. */
export interface Said {
  readonly roles: ReadonlyArray<string>
  readonly meta: Readonly<Record<string, string | number | boolean>>
  readonly functions: Readonly<Record<string, string>>
  readonly draining: boolean
  readonly capacity?: number
  /** Missing where there are none. */
  readonly topics?: ReadonlyArray<Subscription>
}

/** A subscription, what is left out filled in but for the last two. */
export interface Subscription {
  readonly id: number
  readonly topic: string
  readonly mode: "buffer" | "latest" | "lossless"
  readonly size: number
  readonly drop: "oldest" | "newest"
  readonly retained: boolean
  readonly contract?: string
  readonly group?: string
}

export interface Line {
  readonly name: string
  readonly description: string
  readonly rule: Rule
  readonly line: Bytes
  /** Missing where the line says nothing at all. */
  readonly offer?: Said
}

export interface Section {
  readonly description: ReadonlyArray<string>
  readonly fields: Readonly<Record<string, string>>
  readonly lines: ReadonlyArray<Line>
}

const nothing: Said = { roles: [], meta: {}, functions: {}, draining: false }

const bytesOf = (line: Bytes | string): Bytes => typeof line === "string" ? { text: line } : line

const says = (
  name: string,
  rule: Rule,
  description: string,
  line: Bytes | string,
  said: Partial<Said> = {}
): Line => ({ name: `offer-${name}`, description, rule, line: bytesOf(line), offer: { ...nothing, ...said } })

const wrong = (name: string, rule: Rule, description: string, line: Bytes | string): Line => ({
  name: `offer-${name}`,
  description,
  rule,
  line: bytesOf(line)
})

/** A line of so many bytes, most of them of a field that nobody knows. */
const longLine = (length: number): Bytes => ({
  parts: [{ text: "{\"x\":\"", times: 1 }, { text: "a", times: length - 8 }, { text: "\"}", times: 1 }]
})

const roles = (...list: ReadonlyArray<string>) => JSON.stringify({ roles: list })
const many = (count: number) => Array.from({ length: count }, (_, i) => `role ${i}`)
const functions = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`f${i}`, ""]))
const hash = "0123456789abcdef"

const topics = (...list: ReadonlyArray<unknown>) => JSON.stringify({ topics: list })
const subscription = (more: Partial<Subscription> = {}): Subscription => ({
  id: 1,
  topic: "a",
  mode: "buffer",
  size: 256,
  drop: "oldest",
  retained: true,
  ...more
})
const numbered = (count: number) => Array.from({ length: count }, (_, i) => ({ id: i + 1, topic: "a" }))

/** A subscription whose one field is wrong. */
const noTopic = (name: string, description: string, more: Readonly<Record<string, unknown>>): Line =>
  wrong(
    `topic-${name}`,
    "topic" in more ? ["topic-name", "offer-topic"] : "offer-topic",
    description,
    topics({ id: 1, topic: "a", ...more })
  )

const ofTopics: ReadonlyArray<Line> = [
  says(
    "topics",
    ["offer-topics", "offer-topic"],
    "subscriptions in all their forms",
    topics(
      { id: 1, topic: "readings", contract: hash, mode: "latest", size: 8, retained: false },
      { id: 2_147_483_647, topic: "build.>", drop: "newest" },
      { id: 3, topic: "build.*.failed", mode: "lossless" },
      { id: 4, topic: "frames", contract: "bytes" },
      { id: 5, topic: "mails", group: "mailers" }
    ),
    {
      topics: [
        subscription({ topic: "readings", contract: hash, mode: "latest", size: 8, retained: false }),
        subscription({ id: 2_147_483_647, topic: "build.>", drop: "newest" }),
        subscription({ id: 3, topic: "build.*.failed", mode: "lossless", size: 64 }),
        subscription({ id: 4, topic: "frames", contract: "bytes" }),
        subscription({ id: 5, topic: "mails", group: "mailers", size: 16 })
      ]
    }
  ),
  says(
    "topic-said",
    "offer-topic",
    "what could be left out, and a field that is not known, which is ignored",
    topics({ id: 1, topic: "a", mode: "buffer", size: 256, drop: "oldest", retained: true, x: null }),
    { topics: [subscription()] }
  ),
  wrong("topics-257", "offer-topics", "257 subscriptions", topics(...numbered(257))),
  wrong("topics-object", "offer-topics", "topics that are no array", "{\"topics\":{}}"),
  wrong("topic-text", "offer-topic", "a subscription that is no object", topics("a")),
  wrong("topics-id-twice", "offer-topics", "an id twice", topics({ id: 1, topic: "a" }, { id: 1, topic: "b" })),
  says("topics-twice", "offer-topics", "a topic twice", topics({ id: 1, topic: "a" }, { id: 2, topic: "a" }), {
    topics: [subscription(), subscription({ id: 2 })]
  }),
  says("topic-255", "topic-name", "a topic of 255 bytes", topics({ id: 1, topic: `${"é".repeat(127)}a` }), {
    topics: [subscription({ topic: `${"é".repeat(127)}a` })]
  }),
  says("topic-16", "topic-name", "a topic of 16 segments", topics({ id: 1, topic: "a.".repeat(15) + ">" }), {
    topics: [subscription({ topic: "a.".repeat(15) + ">" })]
  }),
  noTopic("id-none", "no id", { id: undefined }),
  noTopic("id-0", "an id of 0", { id: 0 }),
  noTopic("id-large", "an id of 2^31", { id: 2_147_483_648 }),
  noTopic("id-half", "an id and a half", { id: 1.5 }),
  noTopic("none", "no topic", { topic: undefined }),
  noTopic("empty", "an empty topic", { topic: "" }),
  noTopic("256", "a topic of 256 bytes", { topic: "é".repeat(128) }),
  noTopic("17", "a topic of 17 segments", { topic: "a.".repeat(16) + "a" }),
  noTopic("empty-segment", "an empty segment", { topic: "a..b" }),
  noTopic("blank", "a blank", { topic: "a b" }),
  noTopic("control", "a control character", { topic: "a\u0007" }),
  noTopic("star-in-segment", "a star in a segment", { topic: "a.b*" }),
  noTopic("more-first", "> that is not the last segment", { topic: ">.a" }),
  noTopic("contract-pattern", "a contract, and a pattern", { topic: "a.*", contract: hash }),
  noTopic("contract-upper-case", "a contract in capitals", { contract: hash.toUpperCase() }),
  noTopic("contract-empty", "an empty contract", { contract: "" }),
  noTopic("mode", "a mode that is not known", { mode: "exactly-once" }),
  says("topic-size-65536", "offer-topic", "65,536 that wait", topics({ id: 1, topic: "a", size: 65_536 }), {
    topics: [subscription({ size: 65_536 })]
  }),
  noTopic("size-0", "nothing that waits", { size: 0 }),
  noTopic("size-65537", "65,537 that wait", { size: 65_537 }),
  noTopic("drop", "neither the oldest nor the newest", { drop: "all" }),
  noTopic("retained-text", "retained that is neither true nor false", { retained: "no" }),
  noTopic("group-65", "a group of 65 bytes", { group: "g".repeat(65) }),
  noTopic("group-star", "a group with a star", { group: "*" }),
  noTopic("group-null", "a group that is null", { group: null })
]

const lines: ReadonlyArray<Line> = [
  says("nothing", "offer-stream", "a node that offers nothing", "{}"),
  says(
    "all",
    ["offer-roles", "offer-meta", "offer-functions", "offer-draining", "offer-capacity"],
    "everything that can be said",
    `{"roles":["worker","gpu"],"meta":{"zone":"a","cores":8,"spot":true},"functions":{"add":"","resize":"${hash}"},"draining":true,"capacity":16}`,
    {
      roles: ["worker", "gpu"],
      meta: { zone: "a", cores: 8, spot: true },
      functions: { add: "", resize: hash },
      draining: true,
      capacity: 16
    }
  ),
  says(
    "unknown-field",
    "offer-fields",
    "a field that is not known is ignored",
    "{\"load\":0.5,\"roles\":[\"worker\"]}",
    {
      roles: ["worker"]
    }
  ),
  says("role-twice", "offer-roles", "a role that is there twice is one", roles("a", "b", "a"), { roles: ["a", "b"] }),
  says("role-64", "offer-roles", "a role of 64 bytes", roles("é".repeat(32)), { roles: ["é".repeat(32)] }),
  wrong("role-65", ["offer-roles", "offer-wrong"], "a role of 65 bytes", roles(`${"é".repeat(32)}a`)),
  wrong("role-empty", "offer-roles", "a role without a character", roles("")),
  wrong("role-star", "offer-roles", "a role with a star", roles("work*")),
  wrong("role-control", "offer-roles", "a role with a control character", roles("a\u0007")),
  wrong("role-number", "offer-roles", "a role that is no text", "{\"roles\":[1]}"),
  wrong("roles-text", "offer-roles", "roles that are no array", "{\"roles\":\"worker\"}"),
  says("roles-16", "offer-roles", "16 roles", roles(...many(16)), { roles: many(16) }),
  wrong("roles-17", "offer-roles", "17 roles", roles(...many(17))),
  says(
    "meta-512",
    "offer-meta",
    "512 bytes of meta, however it is written",
    `{"meta": {"a" : "${"b".repeat(504)}"}}`,
    { meta: { a: "b".repeat(504) } }
  ),
  wrong("meta-513", "offer-meta", "513 bytes of meta", `{"meta":{"a":"${"b".repeat(505)}"}}`),
  wrong("meta-list", "offer-meta", "a list in meta", "{\"meta\":{\"a\":[]}}"),
  wrong("meta-null", "offer-meta", "null in meta", "{\"meta\":{\"a\":null}}"),
  wrong("meta-infinite", "offer-meta", "a number in meta that is not finite", "{\"meta\":{\"a\":1e400}}"),
  wrong("functions-list", "offer-functions", "functions that are an array", "{\"functions\":[\"add\"]}"),
  wrong("function-empty", "offer-functions", "a function without a name", "{\"functions\":{\"\":\"\"}}"),
  says(
    "function-255",
    "offer-functions",
    "a name of 255 bytes",
    JSON.stringify({ functions: { ["f".repeat(255)]: "" } }),
    {
      functions: { ["f".repeat(255)]: "" }
    }
  ),
  wrong(
    "function-256",
    "offer-functions",
    "a name of 256 bytes",
    JSON.stringify({ functions: { ["f".repeat(256)]: "" } })
  ),
  wrong(
    "contract-upper-case",
    "offer-functions",
    "a hash in capitals",
    JSON.stringify({ functions: { f: hash.toUpperCase() } })
  ),
  wrong(
    "contract-short",
    "offer-functions",
    "a hash of 15 digits",
    JSON.stringify({ functions: { f: hash.slice(1) } })
  ),
  wrong("contract-null", "offer-functions", "a contract that is null", "{\"functions\":{\"f\":null}}"),
  wrong("functions-1025", "offer-functions", "1,025 functions", JSON.stringify({ functions: functions(1_025) })),
  wrong("draining-text", "offer-draining", "draining that is neither true nor false", "{\"draining\":\"yes\"}"),
  wrong("capacity-0", "offer-capacity", "no calls at once", "{\"capacity\":0}"),
  wrong("capacity-1.5", "offer-capacity", "a call and a half", "{\"capacity\":1.5}"),
  says("capacity-1.0", "offer-capacity", "one, written as 1.0", "{\"capacity\":1.0}", { capacity: 1 }),
  wrong("capacity-1000001", "offer-capacity", "more calls than a million", "{\"capacity\":1000001}"),
  ...ofTopics,
  says("65535", "offer-length", "a line of 65,535 bytes", longLine(65_535)),
  wrong("65536", ["offer-length", "offer-wrong"], "a line of 65,536 bytes", longLine(65_536)),
  wrong("list", "offer-wrong", "an array", "[]"),
  wrong("null", "offer-wrong", "null", "null"),
  wrong("empty", "offer-wrong", "a line without anything", ""),
  wrong("not-json", "offer-wrong", "no JSON", "{roles:[]}"),
  wrong("bad-utf8", "offer-wrong", "bytes that are no UTF-8", { hex: "7b22726f6c6573223a5b22ff225d7d" })
]

export const generate = (): Section => ({
  description: [
    "Lines that a stream of the protocol offer brings, without their line feed, and what they say. Who reads one without an offer gives the stream up, and "
    + "knows of nothing that its peer offers."
  ],
  fields: {
    line: "as text, or as hex where the bytes are no UTF-8, or as texts that are repeated so many times and joined",
    offer:
      "what it says, with what is left out filled in; capacity, topics, and the contract and the group of one are missing where they are not said"
  },
  lines
})
