import { assert, describe, it } from "@effect/vitest"
import * as Framer from "@pnet/core/Framer"
import * as Packet from "@pnet/core/Packet"
import * as Arbitrary from "effect/Arbitrary"
import * as Schema from "effect/Schema"

const utf8 = (text: string): Uint8Array => new Uint8Array(new TextEncoder().encode(text))

const concat = (parts: ReadonlyArray<Uint8Array>): Uint8Array => {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let offset = 0
  for (const part of parts) {
    out.set(part, offset)
    offset += part.length
  }
  return out
}

/** Packets that can be had now, copied. */
const drain = (framer: Framer.Framer): ReadonlyArray<Uint8Array> => {
  const packets: Array<Uint8Array> = []
  while (true) {
    const packet = framer.next()
    if (packet === undefined) return packets
    packets.push(packet.slice())
  }
}

/** Bytes that the framer keeps alive, whatever it calls them. */
const held = (framer: Framer.Framer): number =>
  Object.values(framer).reduce(
    (sum: number, field: unknown) => field instanceof Uint8Array ? sum + field.buffer.byteLength : sum,
    0
  )

const line = (length: number, fill = 0x61): Uint8Array => {
  const out = new Uint8Array(length).fill(fill)
  out[length - 1] = 0x0a
  return out
}

describe("Framer", () => {
  it("cuts at line feeds, which stay on", () => {
    const framer = Framer.make(100)
    framer.push(utf8("one\ntwo\n\nthr"))
    assert.deepStrictEqual(drain(framer), [utf8("one\n"), utf8("two\n"), utf8("\n")])
    assert.strictEqual(framer.pending, 3)
    framer.push(utf8(""))
    assert.isUndefined(framer.next())
    framer.push(utf8("ee"))
    assert.isUndefined(framer.next())
    assert.strictEqual(framer.pending, 5)
    framer.push(utf8("\nfour"))
    assert.deepStrictEqual(drain(framer), [utf8("three\n")])
    assert.strictEqual(framer.pending, 4)
    assert.isFalse(framer.tooLarge)
  })

  it("goes on from any byte", () => {
    const packets = [utf8("one\n"), utf8("\n"), line(32), utf8("end\n")]
    const stream = concat(packets)
    for (let a = 0; a <= stream.length; a++) {
      for (let b = a; b <= stream.length; b++) {
        const framer = Framer.make(32)
        const out: Array<Uint8Array> = []
        for (const chunk of [stream.slice(0, a), stream.slice(a, b), stream.slice(b)]) {
          framer.push(chunk)
          out.push(...drain(framer))
        }
        assert.deepStrictEqual(out, packets, `${a} ${b}`)
        assert.strictEqual(framer.pending, 0)
      }
    }
  })

  const lengths = Arbitrary.array(Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 50 }))), {
    maxLength: 20
  })
  it.prop("gives the same however the stream is cut", { lengths, cuts: lengths }, ({ cuts, lengths }) => {
    const packets = lengths.map((length, i) => line(length, 0x61 + i))
    const stream = concat(packets)
    const framer = Framer.make(50)
    const out: Array<Uint8Array> = []
    let offset = 0
    for (let i = 0; offset < stream.length; i++) {
      const size = cuts.length === 0 ? stream.length : cuts[i % cuts.length]!
      framer.push(stream.slice(offset, offset + size))
      out.push(...drain(framer))
      offset += size
      assert.isAtMost(framer.pending, 49)
      assert.isAtMost(held(framer), 50)
    }
    assert.deepStrictEqual(out, packets)
    assert.isFalse(framer.tooLarge)
  })

  it.prop("never throws, and loses no byte", { chunks: Schema.Array(Schema.Uint8Array) }, ({ chunks }) => {
    const framer = Framer.make(1_000_000)
    const out: Array<Uint8Array> = []
    for (const chunk of chunks) {
      framer.push(chunk)
      out.push(...drain(framer))
    }
    for (const packet of out) assert.strictEqual(packet.indexOf(0x0a), packet.length - 1)
    const rest = framer.rest()
    assert.isFalse(rest.includes(0x0a))
    assert.deepStrictEqual(concat([...out, rest]), concat(chunks))
  })

  it("admits a packet of exactly the limit, in one piece or byte by byte", () => {
    for (const limit of [1, 2, 100, Packet.maxStreamLength]) {
      const whole = Framer.make(limit)
      whole.push(concat([line(limit), line(limit)]))
      assert.deepStrictEqual(drain(whole).map(({ length }) => length), [limit, limit])
      assert.isFalse(whole.tooLarge)

      const bitwise = Framer.make(limit)
      const packet = line(limit)
      for (let i = 0; i < limit - 1; i++) {
        bitwise.push(packet.slice(i, i + 1))
        if (bitwise.next() !== undefined) assert.fail(`a packet after ${i} bytes`)
      }
      bitwise.push(packet.slice(limit - 1))
      assert.deepStrictEqual(bitwise.next(), packet)
    }
  })

  it("gives up at the first byte too many, and holds nothing then", () => {
    for (
      const pieces of [
        [line(101)],
        [line(100).fill(0x61)],
        [line(50).fill(0x61), line(51)],
        [line(50).fill(0x61), line(50).fill(0x61)],
        [line(99).fill(0x61), utf8("a"), utf8("\n")],
        [line(10_000)]
      ]
    ) {
      const framer = Framer.make(100)
      for (const piece of pieces) {
        framer.push(piece)
        assert.isUndefined(framer.next())
      }
      assert.isTrue(framer.tooLarge)
      assert.strictEqual(framer.pending, 0)
      assert.strictEqual(held(framer), 0)
    }
  })

  it("gives the packets before one that is too large", () => {
    const framer = Framer.make(10)
    framer.push(concat([utf8("one\n"), line(11), utf8("two\n")]))
    assert.deepStrictEqual(drain(framer), [utf8("one\n")])
    assert.isTrue(framer.tooLarge)
  })

  it("stays too large, and drops what still comes", () => {
    const framer = Framer.make(10)
    framer.push(line(11))
    assert.isUndefined(framer.next())
    for (let i = 0; i < 3; i++) {
      framer.push(utf8("one\ntwo"))
      assert.strictEqual(framer.pending, 0)
      assert.strictEqual(held(framer), 0)
      assert.isUndefined(framer.next())
      assert.isTrue(framer.tooLarge)
    }
    assert.strictEqual(framer.rest().length, 0)
  })

  it("holds no chunk that it has given away", () => {
    const framer = Framer.make(100)
    framer.push(utf8("one\ntwo\n"))
    drain(framer)
    assert.strictEqual(held(framer), 0)
  })

  it("copies what waits, so that a chunk may be used again", () => {
    const framer = Framer.make(100)
    const chunk = utf8("one\nabc")
    framer.push(chunk)
    assert.strictEqual(drain(framer).length, 1)
    chunk.fill(0x7a)
    framer.push(utf8("\n"))
    assert.deepStrictEqual(framer.next(), utf8("abc\n"))
  })

  it("gives a packet that was in pieces memory of its own", () => {
    const framer = Framer.make(100)
    framer.push(utf8("abc"))
    framer.next()
    framer.push(utf8("d\nef"))
    const first = framer.next()!
    framer.next()
    framer.push(utf8("\n"))
    assert.deepStrictEqual(framer.next(), utf8("ef\n"))
    assert.deepStrictEqual(first.slice(), utf8("abcd\n"))
  })

  it("refuses a chunk while packets wait, which would be lost", () => {
    const framer = Framer.make(100)
    framer.push(utf8("one\n"))
    assert.throws(() => framer.push(utf8("two\n")), /take every packet/)
    assert.deepStrictEqual(framer.next(), utf8("one\n"))
  })

  it("hands over the rest", () => {
    const framer = Framer.make(100)
    framer.push(utf8("ab"))
    framer.next()
    framer.push(utf8("c\nde\nfg"))
    assert.deepStrictEqual(framer.next(), utf8("abc\n"))
    assert.deepStrictEqual(framer.rest(), utf8("de\nfg"))
    assert.strictEqual(framer.pending, 0)
    assert.strictEqual(framer.rest().length, 0)
    framer.push(utf8("hi\n"))
    assert.deepStrictEqual(framer.next(), utf8("hi\n"))
  })
})
