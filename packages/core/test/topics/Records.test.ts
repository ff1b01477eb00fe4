/** Names of topics and the records that carry publications: what was made is read as it was, however it was cut, and nothing throws. */
import { assert, describe, it } from "@effect/vitest"
import * as Records from "../../src/internal/topics/records.ts"
import { hasWildcard, isGroup, isKey, isPattern, isTopicName, matches } from "../../src/internal/values/topicNames.ts"
import { randomOf } from "../balance/model.ts"

const bytes = (...values: ReadonlyArray<number>) => Uint8Array.from(values)

/** What a pattern means, word for word. */
const naive = (pattern: ReadonlyArray<string>, name: ReadonlyArray<string>): boolean => {
  if (pattern.length === 0) return name.length === 0
  if (name.length === 0) return false
  const [first, ...rest] = pattern
  if (first === ">") return rest.length === 0
  return (first === "*" || first === name[0]) && naive(rest, name.slice(1))
}

describe("names of topics", () => {
  it("have segments of any characters but spaces, controls and what stands for several", () => {
    for (const name of ["a", "readings", "build.42.failed", "ä.ö", "a".repeat(255), Array(16).fill("a").join(".")]) {
      assert.strictEqual(isTopicName(name), true, name)
      assert.strictEqual(isPattern(name), true, name)
      assert.isFalse(hasWildcard(name))
    }
    for (
      const name of ["", ".", "a.", ".a", "a..b", "a b", "a\u00a0b", "a\n", "\ud800", "a".repeat(256), "ä".repeat(128)]
        .concat(Array(17).fill("a").join("."))
    ) {
      assert.isString(isTopicName(name), name)
      assert.isString(isPattern(name), name)
    }
  })

  it("are stood for by patterns of whole segments", () => {
    for (const pattern of ["*", ">", "build.*.failed", "build.>", "*.*.>"]) {
      assert.strictEqual(isPattern(pattern), true, pattern)
      assert.isString(isTopicName(pattern), pattern)
      assert.isTrue(hasWildcard(pattern))
    }
    for (const pattern of ["a*", "*a.b", ">.a", "a.>.b", "a>", ">>", "**", "a.*b"]) assert.isString(isPattern(pattern))
  })

  it("match as a naive reading of the pattern does", () => {
    const { next } = randomOf(1)
    const some = (of: ReadonlyArray<string>) =>
      Array.from({ length: 1 + Math.floor(next() * 4) }, () => of[Math.floor(next() * of.length)]!)
    let matched = 0
    for (let n = 0; n < 20_000; n++) {
      const name = some(["a", "b", "aa", "ab"])
      const pattern = some(["a", "b", "aa", "*", "*"])
      if (next() < 0.2) pattern.push(">")
      const expected = naive(pattern, name)
      if (expected) matched++
      assert.strictEqual(matches(pattern.join("."), name.join(".")), expected, `${pattern} ${name}`)
    }
    assert.isAbove(matched, 1_000)
  })

  it("have keys of up to 255 bytes, and groups named as roles are", () => {
    for (const key of ["", "a", "\n*", "ä".repeat(127)]) assert.strictEqual(isKey(key), true)
    for (const key of ["a".repeat(256), "ä".repeat(128), "\ud800"]) assert.isString(isKey(key))
    assert.strictEqual(isGroup("mailers"), true)
    for (const group of ["", "a*", "a\n", "a".repeat(65)]) assert.isString(isGroup(group))
  })
})

const topic: Records.TopicRecord = {
  index: 7,
  topic: "build.42.failed",
  contract: "0123456789abcdef",
  epoch: "fedcba9876543210",
  seq: 2 ** 53 - 1,
  for: [1, 2 ** 31 - 1],
  retained: true
}
const published = { index: 2 ** 32 - 1, seq: 2 ** 53 - 1, at: 1_795_000_000_123, key: "kä", body: bytes(1, 2, 3) }
const delivery = { ...published, delivery: 2 ** 32 - 1, group: "mailers", again: true }

const toSubscriber: ReadonlyArray<readonly [Uint8Array, unknown]> = [
  [Records.topic(topic), { kind: "topic", ...topic }],
  [Records.topic({ ...topic, contract: undefined, seq: 0, for: [], retained: false }), {
    kind: "topic",
    ...topic,
    contract: undefined,
    seq: 0,
    for: [],
    retained: false
  }],
  [Records.topic({ ...topic, contract: "bytes" }), { kind: "topic", ...topic, contract: "bytes" }],
  [Records.value(published), { kind: "value", retained: false, ...published }],
  [Records.value({ ...published, key: undefined, body: bytes() }), {
    kind: "value",
    retained: false,
    ...published,
    key: undefined,
    body: bytes()
  }],
  [Records.value({ ...published, key: "" }), { kind: "value", retained: false, ...published, key: "" }],
  [Records.removed({ index: 1, seq: 4_294_967_296, at: 0, key: "a".repeat(255) }), {
    kind: "removed",
    index: 1,
    seq: 4_294_967_296,
    at: 0,
    key: "a".repeat(255)
  }],
  [Records.current(3), { kind: "current", index: 3 }],
  [Records.deliver(delivery), { kind: "deliver", ...delivery }],
  [Records.deliver({ ...delivery, key: undefined, again: false }), {
    kind: "deliver",
    ...delivery,
    key: undefined,
    again: false
  }],
  [Records.forget(4_000_000_000), { kind: "forget", index: 4_000_000_000 }],
  [Records.missed(5, 17), { kind: "missed", index: 5, count: 17 }],
  [Records.skipped({ index: 5, delivery: 4_000_000_000, count: 3 }), {
    kind: "skipped",
    index: 5,
    delivery: 4_000_000_000,
    count: 3
  }],
  [Records.denied({ id: 9, topic: "a.b", reason: "contract" }), {
    kind: "denied",
    id: 9,
    topic: "a.b",
    reason: "contract"
  }]
]
const toPublisher: ReadonlyArray<readonly [Uint8Array, unknown]> = [
  [Records.taken(1, 2 ** 53 - 1), { kind: "taken", index: 1, seq: 2 ** 53 - 1 }],
  [Records.done(2 ** 31), { kind: "done", delivery: 2 ** 31 }],
  [Records.back(0), { kind: "back", delivery: 0 }],
  [Records.refused(3, "not allowed"), { kind: "refused", index: 3, reason: "not allowed" }]
]

const read = (reader: Records.RecordReader): Array<Uint8Array> => {
  const out: Array<Uint8Array> = []
  for (let record = reader.next(); record !== undefined; record = reader.next()) out.push(record)
  return out
}

describe("records of topics", () => {
  it("are read as they were made", () => {
    for (const [record, expected] of toSubscriber) {
      assert.deepStrictEqual<unknown>(Records.toSubscriber(record.subarray(4)), expected)
      assert.isUndefined(Records.toPublisher(record.subarray(4)))
    }
    for (const [record, expected] of toPublisher) {
      assert.deepStrictEqual<unknown>(Records.toPublisher(record.subarray(4)), expected)
      assert.isUndefined(Records.toSubscriber(record.subarray(4)))
    }
  })

  it("of a retained value are those of the value with a head of its own, and share the body", () => {
    for (const key of [undefined, "", "kä"]) {
      const record = Records.value({ ...published, key })
      const [head, body] = Records.retainedParts(record)
      assert.strictEqual(body.buffer, record.buffer)
      assert.notStrictEqual(head.buffer, record.buffer)
      const reader = new Records.RecordReader()
      reader.add([head, body])
      assert.deepStrictEqual<unknown>(read(reader).map(Records.toSubscriber), [
        { kind: "value", retained: true, ...published, key }
      ])
    }
  })

  it("come out of a stream as they went in, however it was cut, and a whole one in a part is a view of it", () => {
    const { next } = randomOf(2)
    const long = Records.value({ ...published, body: new Uint8Array(200_000).fill(7) })
    const all = [...toSubscriber, ...toPublisher].map(([record]) => record)
    const records = [...all, long, ...all, Records.value({ ...published, body: new Uint8Array(Records.maxPayload) })]
    const stream = new Uint8Array(records.reduce((sum, { length }) => sum + length, 0))
    records.reduce((at, record) => (stream.set(record, at), at + record.length), 0)
    for (const largest of [1, 3, 40, 5_000, 300_000, 2_000_000]) {
      const reader = new Records.RecordReader()
      const out: Array<Uint8Array> = []
      for (let at = 0; at < stream.length;) {
        const parts: Array<Uint8Array> = []
        for (let n = Math.floor(next() * 4); n >= 0; n--) {
          const part = stream.subarray(at, at + (largest === 1 ? 1 : Math.floor(next() * (largest + 1))))
          parts.push(part)
          at += part.length
        }
        reader.add(parts)
        if (next() < 0.7) out.push(...read(reader))
      }
      out.push(...read(reader))
      assert.strictEqual(out.length, records.length)
      for (let i = 0; i < out.length; i++) assert.isTrue(equal(out[i]!, records[i]!.subarray(4)), `${largest} ${i}`)
      assert.isFalse(reader.isWrong)
      assert.strictEqual(reader.held, 0)
    }
    const reader = new Records.RecordReader()
    reader.add([stream])
    assert.isTrue(read(reader).every(({ buffer }) => buffer === stream.buffer))
  })

  it("end the stream where they have no kind or are too long, and a length alone takes no memory", () => {
    for (const head of [bytes(0, 0, 0, 0), bytes(0xff, 0xff, 0xff, 0xff), bytes(0, 0x10, 4, 1)]) {
      for (const cut of [[head, bytes(1)], [...head].map((byte) => bytes(byte)), [Uint8Array.from([...head, 1])]]) {
        const reader = new Records.RecordReader()
        reader.add(cut)
        assert.isUndefined(reader.next())
        assert.isTrue(reader.isWrong)
        reader.add([Records.current(1)])
        assert.isUndefined(reader.next())
      }
    }
    const reader = new Records.RecordReader()
    reader.add([bytes(0, 0x10, 4, 0, 2, 0)])
    assert.isUndefined(reader.next())
    assert.isFalse(reader.isWrong)
    assert.isAtMost(reader.held, 65_536)
  })

  it("that are cut off or have a byte changed never throw, and are read as what their kind has or as wrong", () => {
    for (const [record] of [...toSubscriber, ...toPublisher]) {
      const body = record.subarray(4)
      for (let end = 0; end < body.length; end++) {
        for (const read of [Records.toSubscriber, Records.toPublisher]) read(body.slice(0, end))
      }
      for (let at = 0; at < body.length; at++) {
        for (const byte of [0, 1, 0x22, 0x5c, 0x7f, 0x80, 0xff]) {
          const changed = body.slice()
          changed[at] = byte
          for (const read of [Records.toSubscriber, Records.toPublisher]) {
            const said = read(changed)
            if (typeof said === "object" && "seq" in said) assert.isTrue(Number.isSafeInteger(said.seq))
          }
        }
      }
    }
  })

  it("with what a peer may not say are wrong", () => {
    const json = (value: unknown) => {
      const text = new TextEncoder().encode(JSON.stringify(value))
      return Uint8Array.from([1, 0, 0, 0, 1, ...text])
    }
    const { index: _, ...good } = topic
    assert.isObject(Records.toSubscriber(json(good)))
    for (
      const wrong of [
        { topic: "a.*" },
        { contract: "0123" },
        { epoch: "x" },
        { seq: -1 },
        { seq: 2 ** 53 },
        { for: [0] },
        { for: [2 ** 31] },
        { for: Array(257).fill(1) },
        { for: "1" },
        { more: "x".repeat(Records.maxJson) }
      ]
    ) assert.isString(Records.toSubscriber(json({ ...good, ...wrong })), JSON.stringify(wrong))
    for (const wrong of [{ seq: 0 }, { key: "k".repeat(256) }, { body: new Uint8Array(Records.maxPayload + 1) }]) {
      assert.isString(Records.toSubscriber(Records.value({ ...published, ...wrong }).subarray(4)))
    }
    assert.isString(Records.toSubscriber(Records.deliver({ ...delivery, group: "a*" }).subarray(4)))
    for (const more of [0, 1]) {
      const long = Records.deliver({ ...delivery, body: new Uint8Array(Records.maxPayload + more) }).subarray(4)
      assert.strictEqual(typeof Records.toSubscriber(long), more === 0 ? "object" : "string")
      // The last time that a number holds exactly.
      const late = Records.value({ ...published, at: Number.MAX_SAFE_INTEGER + more }).subarray(4)
      assert.strictEqual(typeof Records.toSubscriber(late), more === 0 ? "object" : "string")
    }
  })

  it("have a reason of at most 255 bytes, cut between two characters", () => {
    const said = Records.toPublisher(Records.refused(1, `a${"ä".repeat(200)}`).subarray(4))
    assert.deepStrictEqual<unknown>(said, { kind: "refused", index: 1, reason: `a${"ä".repeat(127)}` })
  })
})

const equal = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && a.every((byte, i) => byte === b[i])
