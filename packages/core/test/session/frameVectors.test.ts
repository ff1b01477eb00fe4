/** The section "frames" of `docs/vectors.json`, read by a side of a session as it describes. */
import { assert, describe, it } from "@effect/vitest"
import * as Frame from "@pnet/core/Frame"
import { concat, hexOf, ofHex } from "@pnet/lab/vectors/bytes"
import * as Document from "@pnet/lab/vectors/document"
import { Budget } from "../../src/internal/session/budget.ts"
import { Mux } from "../../src/internal/session/mux.ts"
import type { MuxStream } from "../../src/internal/session/muxStream.ts"

const { vectors } = Document.load().frames
const { Kind } = Frame

const framesOf = (flags: number, bytes: Uint8Array) => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const frames: Array<{ flags: number; kind: number; stream: number; hex?: string; code?: string }> = []
  for (let at = 0; at < bytes.length;) {
    const length = view.getUint32(at + 5)
    const kind = bytes[at]!
    const payload = bytes.subarray(at + 9, at + 9 + length)
    frames.push({
      flags,
      kind,
      stream: view.getUint32(at + 1),
      ...(kind === Kind.reset ? { code: JSON.parse(new TextDecoder().decode(payload)).code } : { hex: hexOf(payload) })
    })
    at += 9 + length
  }
  return frames
}

/** A side with a stream of its own and one of its peer's, and what it has been told. */
const receiver = () => {
  const opened: Array<number> = []
  const streams: Array<MuxStream> = []
  const mux = new Mux({
    chunkSize: 16_384,
    maxStreams: 1_024,
    budget: new Budget(1 << 28),
    onOpen: (stream) => {
      opened.push(stream.id)
      streams.push(stream)
    },
    onWork: () => {},
    onPong: () => {},
    onGoAway: () => {},
    onClosed: () => {}
  })
  const own = mux.openStream({ protocol: "command", name: "x" }) as MuxStream
  const sent = () => {
    const frames: Array<ReturnType<typeof framesOf>[number]> = []
    const out = new Uint8Array(98_000)
    while (true) {
      const filled = mux.outgoing.fill(out, new DataView(out.buffer), 0, out.length)
      if (filled === undefined) return frames
      frames.push(...framesOf(filled.type, out.slice(0, filled.end)))
    }
  }
  const receive = (flags: 0 | 1 | 2, bytes: Uint8Array) => {
    const violation = mux.receive(flags, bytes)
    if (violation === undefined) mux.begin()
    return violation
  }
  sent()
  const json = new TextEncoder().encode(JSON.stringify({ protocol: "command", name: "x" }))
  receive(0, concat(Uint8Array.of(Kind.open, 0, 0, 0, 1, 0, 0, 0, json.length), json))
  opened.length = 0
  return { opened, own, receive, sent }
}

describe("vectors of frames", () => {
  it("are many, with a name each", () => {
    assert.isAbove(vectors.length, 70)
    assert.strictEqual(new Set(vectors.map(({ name }) => name)).size, vectors.length)
  })

  for (const { answers = [], description, messages, name, opened = [], own, result } of vectors) {
    it(`${name}: ${description}`, () => {
      const side = receiver()
      const violations = messages.map(({ flags, hex, zeros = 0 }) =>
        side.receive(flags, concat(ofHex(hex), new Uint8Array(zeros)))
      )
      const last = violations.pop()
      assert.deepStrictEqual(violations.filter((violation) => violation !== undefined), [])
      assert.strictEqual(last === undefined ? "accepted" : "violation", result, last ?? "no violation")
      if (result === "violation") return
      assert.deepStrictEqual(side.opened, opened)
      assert.deepStrictEqual<ReadonlyArray<unknown>>(side.sent(), answers)
      assert.strictEqual(side.own.failure?.code, own)
    })
  }
})
