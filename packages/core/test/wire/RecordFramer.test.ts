import { assert, describe, it } from "@effect/vitest"
import * as Packet from "@pnet/core/Packet"
import * as Arbitrary from "effect/Arbitrary"
import * as Schema from "effect/Schema"
import { RecordFramer } from "../../src/internal/wire/recordFramer.ts"

const record = (length: number, fill = length & 255): Uint8Array => {
  const out = new Uint8Array(4 + length).fill(fill)
  new DataView(out.buffer).setUint32(0, length)
  return out
}

const header = (length: number): Uint8Array => record(0, 0).map((_, i) => length >>> (24 - 8 * i) & 255)

const concat = (parts: ReadonlyArray<Uint8Array>): Uint8Array => {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let offset = 0
  for (const part of parts) {
    out.set(part, offset)
    offset += part.length
  }
  return out
}

const drain = (framer: RecordFramer): ReadonlyArray<Uint8Array> => {
  const records: Array<Uint8Array> = []
  while (true) {
    const next = framer.next()
    if (next === undefined) return records
    records.push(next.slice())
    // They are the caller's to overwrite, and so is where they lay.
    next.fill(0xee)
    const { homes } = framer
    if (homes !== undefined) {
      assert.strictEqual(homes.reduce((sum, home) => sum + home.length, 0), next.length)
      for (const home of homes) {
        assert.isTrue(home.buffer !== next.buffer)
        home.fill(0xdd)
      }
    }
    framer.release()
    assert.isUndefined(framer.homes)
  }
}

const feed = (chunks: Iterable<Uint8Array>) => {
  const framer = new RecordFramer()
  const records: Array<Uint8Array> = []
  for (const chunk of chunks) {
    framer.push(chunk.slice())
    records.push(...drain(framer))
  }
  return { framer, records }
}

const between = (maximum: number) => Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum })))

const expected = (lengths: ReadonlyArray<number>) => lengths.map((length) => record(length).slice(4))

describe("RecordFramer", () => {
  it("cuts records, however many a chunk has", () => {
    const lengths = [1, 5, 70_000, 2, Packet.maxStreamLength, 33]
    const { framer, records } = feed([concat(lengths.map((length) => record(length)))])
    assert.deepStrictEqual(records, expected(lengths))
    assert.strictEqual(framer.pending, 0)
    assert.isFalse(framer.malformed)
  })

  it("gives plain bytes of what another kind has, as views of Buffers cost several times as much", () => {
    const framer = new RecordFramer()
    const chunk = Buffer.from([0, 0, 0, 2, 7, 8])
    framer.push(chunk)
    const next = framer.next()!
    assert.strictEqual(next.constructor, Uint8Array)
    assert.deepStrictEqual([...next], [7, 8])
    assert.strictEqual(next.buffer, chunk.buffer)
  })

  it("goes on from any byte", () => {
    const lengths = [3, 1, 9]
    const bytes = concat(lengths.map((length) => record(length)))
    for (let a = 0; a <= bytes.length; a++) {
      for (let b = a; b <= bytes.length; b++) {
        const { records } = feed([bytes.subarray(0, a), bytes.subarray(a, b), bytes.subarray(b)])
        assert.deepStrictEqual(records, expected(lengths), `${a}, ${b}`)
      }
    }
    assert.deepStrictEqual(feed(Array.from(bytes, (byte) => Uint8Array.of(byte))).records, expected(lengths))
  })

  it.prop(
    "any records in any chunks",
    [
      Arbitrary.array(between(3_000), { maxLength: 12 }),
      Arbitrary.array(between(5_000), { minLength: 1, maxLength: 40 })
    ],
    ([lengths, cuts]) => {
      const bytes = concat(lengths.map((length) => record(length)))
      const chunks: Array<Uint8Array> = []
      let at = 0
      for (let i = 0; at < bytes.length; i++) {
        const size = cuts[i % cuts.length]!
        chunks.push(bytes.subarray(at, at + size))
        at += size
      }
      const { framer, records } = feed(chunks)
      assert.deepStrictEqual(records, expected(lengths))
      assert.strictEqual(framer.pending, 0)
    },
    { arbitrary: { runs: 200, seed: 1 } }
  )

  it("a length of 0 and one over the limit are malformed, whole or in pieces, and nothing comes after", () => {
    for (const bad of [0, Packet.maxStreamLength + 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff]) {
      const bytes = concat([record(2), header(bad), record(3), record(3)])
      for (const size of [1, 3, 7, bytes.length]) {
        const chunks = Array.from(
          { length: Math.ceil(bytes.length / size) },
          (_, i) => bytes.subarray(i * size, (i + 1) * size)
        )
        const { framer, records } = feed(chunks)
        assert.deepStrictEqual(records, expected([2]), `${bad} by ${size}`)
        assert.isTrue(framer.malformed)
        framer.push(record(1))
        assert.isUndefined(framer.next())
      }
    }
  })

  it.prop(
    "long records in any chunks",
    [
      Arbitrary.array(between(100_000), { minLength: 1, maxLength: 8 }),
      Arbitrary.array(between(70_000), { minLength: 1, maxLength: 20 })
    ],
    ([lengths, cuts]) => {
      const bytes = concat(lengths.map((length) => record(length)))
      const chunks: Array<Uint8Array> = []
      let at = 0
      for (let i = 0; at < bytes.length; i++) {
        const size = cuts[i % cuts.length]! + (i > 30 ? 10_000 : 0)
        chunks.push(bytes.subarray(at, at + size))
        at += size
      }
      const { framer, records } = feed(chunks)
      assert.isTrue(records.length === lengths.length && concat(records).length === bytes.length - 4 * lengths.length)
      records.forEach((got, i) => assert.isTrue(got.every((byte) => byte === (lengths[i]! & 255)), `record ${i}`))
      assert.strictEqual(framer.pending, 0)
    },
    { arbitrary: { runs: 100, seed: 2 } }
  )

  it("a long record in two pieces is lent, with the pieces as its homes; one in many is a copy", () => {
    const framer = new RecordFramer()
    const whole = record(60_000)
    const [one, two] = [whole.slice(0, 20_000), whole.slice(20_000)]
    framer.push(one)
    assert.isUndefined(framer.next())
    framer.push(two)
    assert.strictEqual(framer.next()?.length, 60_000)
    assert.deepStrictEqual(framer.homes?.map(({ buffer, length }) => [buffer === one.buffer, length]), [
      [true, 19_996],
      [false, 40_004]
    ])
    framer.release()
    for (let at = 0; at < whole.length; at += 1_000) {
      framer.push(whole.slice(at, at + 1_000))
      if (at + 1_000 < whole.length) assert.isUndefined(framer.next())
    }
    assert.deepStrictEqual(framer.next(), whole.slice(4))
    assert.isUndefined(framer.homes)
  })

  it("records that are lent at the same time are not in one another's way", () => {
    const framers = [1, 2, 3].map((fill) => {
      const framer = new RecordFramer()
      const whole = record(50_000, fill)
      framer.push(whole.subarray(0, 25_000))
      assert.isUndefined(framer.next())
      framer.push(whole.subarray(25_000))
      return { fill, framer }
    })
    const lent = framers.map(({ fill, framer }) => ({ fill, record: framer.next()! }))
    for (const { fill, record } of lent) assert.isTrue(record.every((byte) => byte === fill))
    for (const { framer } of framers) framer.release()
  })

  it("keeps a few times its length for the record it is in the middle of, also in parts of large chunks", () => {
    const framer = new RecordFramer()
    const whole = record(100_000)
    for (let at = 0; at < 99_000; at += 33_000) {
      // As if the rest were something else's.
      const chunk = new Uint8Array(1 << 20)
      chunk.set(whole.subarray(at, at + 33_000))
      framer.push(chunk.subarray(0, 33_000))
      assert.isUndefined(framer.next())
    }
    // Given as a copy: nothing of the large chunks is its home.
    framer.push(whole.subarray(99_000))
    assert.deepStrictEqual(framer.next(), whole.subarray(4))
    assert.isUndefined(framer.homes)
  })

  it("holds the record it is in the middle of, and no more", () => {
    const framer = new RecordFramer()
    const whole = record(1_000)
    framer.push(whole.subarray(0, 2))
    assert.isUndefined(framer.next())
    assert.strictEqual(framer.pending, 2)
    framer.push(whole.subarray(2, 500))
    assert.isUndefined(framer.next())
    assert.strictEqual(framer.pending, 500)
    framer.push(whole.subarray(500))
    assert.deepStrictEqual(framer.next(), whole.subarray(4))
    assert.isUndefined(framer.next())
    assert.strictEqual(framer.pending, 0)
  })
})
