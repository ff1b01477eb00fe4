/** What goes over, as bytes: in any pieces, and with any bytes in it. */
import { assert, describe, it } from "@effect/vitest"
import * as Wire from "../src/internal/wire.ts"
import { random } from "./random.ts"

const id = new Uint8Array(16).fill(7)
const digest = new Uint8Array(32).fill(9)

const entries: ReadonlyArray<Wire.Entry> = [
  { _tag: "Folder", name: "日本", mode: 0o755, mtime: 1_700_000_000_123 },
  { _tag: "File", name: "a.txt", size: 0, mode: 0o644, mtime: -5 },
  { _tag: "File", name: "huge", size: 100 * 2 ** 30 + 1, mode: 0o600, mtime: 0.5 },
  { _tag: "Link", name: "l", target: "../a.txt" },
  { _tag: "Leave" },
  { _tag: "File", name: "largest", size: Number.MAX_SAFE_INTEGER, mode: 0, mtime: 0 },
  { _tag: "End" }
]

/** Pushes the bytes in pieces, and gives all that is made of them. */
const read = <A>(
  machine: { push(bytes: Uint8Array): void; next(): A | undefined },
  bytes: Uint8Array,
  piece: () => number
) => {
  const values: Array<A> = []
  for (let at = 0; at < bytes.length;) {
    const end = Math.min(bytes.length, at + piece())
    machine.push(bytes.slice(at, end))
    at = end
    for (let value = machine.next(); value !== undefined; value = machine.next()) values.push(value)
  }
  return values
}

const joined = (answers: ReadonlyArray<Wire.Answer>) => {
  const out: Array<unknown> = []
  let data: Array<number> | undefined
  for (const answer of answers) {
    if (answer._tag === "Data") (data ??= []).push(...answer.bytes)
    else {
      if (data !== undefined) out.push(data)
      data = undefined
      out.push(answer._tag === "End" ? [...answer.digest] : answer)
    }
  }
  return out
}

const answerBytes = () => {
  const out = new Wire.Writer()
  Wire.writeBegin(out)
  Wire.writeChunkHead(out, 3).raw(new Uint8Array([1, 2, 3]))
  Wire.writeChunkHead(out, 2).raw(new Uint8Array([4, 5]))
  Wire.writeEnd(out, digest)
  Wire.writeBroken(out, "Same", false)
  Wire.writeBegin(out)
  Wire.writeEnd(out, digest)
  Wire.writeBroken(out, { failed: "no" }, false)
  Wire.writeBegin(out)
  Wire.writeChunkHead(out, 1).raw(new Uint8Array([6]))
  Wire.writeBroken(out, "Changed", true)
  return out.take()
}

describe("wire", () => {
  it("gives back what was written, in whatever pieces it comes", () => {
    const next = random(1)
    const out = new Wire.Writer()
    for (const entry of entries) Wire.writeEntry(out, entry)
    const list = out.take()
    const wants: ReadonlyArray<Wire.Want> = [
      { file: 0, offset: 0 },
      { file: 99_999, offset: 2 ** 40 },
      { file: 3, offset: 0, unless: digest }
    ]
    for (const want of wants) Wire.writeWant(out, want)
    const asked = out.take()
    const said: ReadonlyArray<Exclude<Wire.Said, { readonly _tag: "Other" }>> = [
      { _tag: "Waiting" },
      { _tag: "Accepted" },
      { _tag: "Declined", reason: "no room" },
      { _tag: "Progress", counts: { files: 1, bytes: 2, hadFiles: 3, hadBytes: 4, failed: 5, changed: 6 } },
      { _tag: "Problem", path: "a/b", kind: "DiskFull", detail: "ENOSPC" },
      { _tag: "Done", counts: { files: 1, bytes: 2 ** 45, hadFiles: 0, hadBytes: 0, failed: 0, changed: 0 } }
    ]
    for (const one of said) out.raw(Wire.writeSaid(one))
    const spoken = out.take()
    for (const piece of [() => 1, () => 1 + next(7), () => 100_000]) {
      assert.deepStrictEqual(read(Wire.entries(), list, piece), [...entries])
      assert.deepStrictEqual<unknown>(read(Wire.wants(), asked, piece), [...wants])
      assert.deepStrictEqual<unknown>(read(Wire.saids(), spoken, piece), [...said])
      const answers = new Wire.Answers()
      assert.deepStrictEqual(joined(read(answers, answerBytes(), piece)), [
        { _tag: "Begin" },
        [1, 2, 3, 4, 5],
        [...digest],
        { _tag: "Same" },
        { _tag: "Begin" },
        [...digest],
        { _tag: "Failed", detail: "no" },
        { _tag: "Begin" },
        [6],
        { _tag: "Changed" }
      ])
      assert.isTrue(answers.isBetween)
    }
  })

  it("has an offer in one piece, with the first names, and takes what a later version adds", () => {
    const names = Array.from({ length: 100 }, (_, i) => `name ${i}`)
    const offer = { id, digest, files: 5, folders: 1, links: 0, bytes: 2 ** 41, names, note: "for you" }
    const bytes = Wire.writeOffer(offer)
    assert.deepStrictEqual(Wire.readOffer(bytes), { ...offer, names: names.slice(0, 64) })
    assert.isDefined(Wire.readOffer(new Uint8Array([...bytes, 1, 2, 3])))
    assert.isUndefined(Wire.readOffer(bytes.subarray(0, -1)))
    assert.isUndefined(Wire.readOffer(new Uint8Array([9, ...bytes.subarray(1)])))
    assert.isUndefined(Wire.readOffer(new Uint8Array(70_000).fill(1)))
    const padded = (length: number) => new Uint8Array([...bytes, ...new Uint8Array(length - bytes.length)])
    assert.isDefined(Wire.readOffer(padded(Wire.longestOffer)))
    assert.isUndefined(Wire.readOffer(padded(Wire.longestOffer + 1)))
    const kept = Wire.writeKept({ offer, brought: { bytes: 2 ** 41, entries: 7 } })
    assert.deepStrictEqual(Wire.readKept(kept)?.brought, { bytes: 2 ** 41, entries: 7 })
    // What is no more than an offer was not kept by this.
    for (let length = 0; length < kept.length; length++) assert.isUndefined(Wire.readKept(kept.subarray(0, length)))
  })

  it("passes over what a later version says, and cuts what is too long to say", () => {
    const later = new Wire.Writer().u8(99).varint(3).raw(new Uint8Array(3)).raw(Wire.writeSaid({ _tag: "Accepted" }))
    assert.deepStrictEqual(read(Wire.saids(), later.take(), () => 5).map(({ _tag }) => _tag), ["Other", "Accepted"])
    const long = Wire.writeSaid({ _tag: "Declined", reason: "\ud800" + "ü".repeat(9_000) })
    const [said] = read(Wire.saids(), long, () => 5_000)
    assert.isTrue(said?._tag === "Declined" && said.reason.length > 2_000 && said.reason.endsWith("…"))
  })

  it("refuses what is not well-formed, and holds no more than a record of what is not whole", () => {
    const broken: ReadonlyArray<readonly [string, Uint8Array]> = [
      ["an unknown type", new Uint8Array([9])],
      ["a number in another form", new Uint8Array([3, 1, 97, 0x80, 0])],
      ["a number beyond 2^53", new Uint8Array([3, 1, 97, 255, 255, 255, 255, 255, 255, 255, 127])],
      ["a name too long", new Wire.Writer().u8(3).varint(5_000).take()],
      ["a name that is no UTF-8", new Uint8Array([3, 2, 0xc3, 0x28, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])],
      ["a time that is none", new Uint8Array([3, 1, 97, 0, 0, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0])]
    ]
    for (const [what, bytes] of broken) {
      const machine = Wire.entries()
      machine.push(bytes)
      assert.isUndefined(machine.next(), what)
      assert.isTrue(machine.malformed, what)
    }
    const answers = new Wire.Answers()
    answers.push(new Uint8Array([1, 0x7f, 0xff, 0xff, 0xff]))
    assert.deepStrictEqual(answers.next(), { _tag: "Begin" })
    assert.isUndefined(answers.next())
    assert.isTrue(answers.malformed)
  })

  it("takes no more names of an offer than are said, however many it claims, and no record beyond its bound", () => {
    const offerOf = (claimed: number, names: number) => {
      const out = new Wire.Writer().u8(Wire.version).raw(new Uint8Array(Wire.idLength + Wire.digestLength))
      out.varint(1).varint(0).varint(0).varint(1).varint(claimed)
      for (let i = 0; i < names; i++) out.text(`n${i}`)
      return Wire.readOffer(out.text("").take())
    }
    assert.strictEqual(offerOf(64, 64)?.names.length, 64)
    assert.isUndefined(offerOf(65, 65))
    const records = new Wire.Records((cursor) => cursor.raw(1_000).length, 100)
    records.push(new Uint8Array(100))
    assert.isUndefined(records.next())
    assert.isFalse(records.malformed)
    records.push(new Uint8Array(1))
    assert.isUndefined(records.next())
    assert.isTrue(records.malformed)
  })

  it("takes any bytes without a throw", () => {
    const next = random(2)
    const good = answerBytes()
    for (let run = 0; run < 2_000; run++) {
      const bytes = run % 2 === 0 ? good.slice() : Uint8Array.from({ length: next(60) }, () => next(256))
      for (let i = 0; i <= next(4) && bytes.length > 0; i++) bytes[next(bytes.length)] = next(256)
      for (const machine of [Wire.entries(), Wire.wants(), Wire.saids(), new Wire.Answers()]) {
        read<unknown>(machine, bytes, () => 1 + next(9))
      }
      Wire.readOffer(bytes)
      Wire.readOf(bytes)
    }
  })
})
