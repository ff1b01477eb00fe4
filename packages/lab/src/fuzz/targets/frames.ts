/** The frames of a session, and the records that they travel in. */
import { Frame, Packet } from "@pnet/core"
import { concat as joined } from "@pnet/core/internal/base/bytes"
import { Budget } from "@pnet/core/internal/session/budget"
import { Mux } from "@pnet/core/internal/session/mux"
import type { MuxStream } from "@pnet/core/internal/session/muxStream"
import { RecordFramer } from "@pnet/core/internal/wire/recordFramer"
import * as Mutate from "../mutate.ts"
import { cut, rule, same, type Target } from "../target.ts"

const { readU32 } = Mutate

/** A file of frames: messages, each `type:u8 length:u32` and so many bytes of frames. */
const splitMessages = (bytes: Uint8Array) => {
  const out: Array<{ head: Uint8Array; body: Uint8Array }> = []
  for (let at = 0; at + 5 <= bytes.length;) {
    const end = at + 5 + readU32(bytes, at + 1)
    out.push({ head: bytes.slice(at, at + 5), body: bytes.slice(at + 5, end) })
    at = end
  }
  return out
}

const splitFrames = (bytes: Uint8Array) => {
  const out: Array<{ head: Uint8Array; body: Uint8Array }> = []
  for (let at = 0; at + Frame.headerLength <= bytes.length;) {
    const end = at + Frame.headerLength + readU32(bytes, at + 5)
    out.push({ head: bytes.slice(at, at + Frame.headerLength), body: bytes.slice(at + Frame.headerLength, end) })
    at = end
  }
  return out
}

const mutateFrames = Mutate.parts({
  lengthAt: 5,
  lengthBytes: 4,
  split: splitFrames,
  body: Mutate.any(Mutate.json, Mutate.blind)
})

/** Changes the frames of one message. */
export const frameMutator: Mutate.Mutate = Mutate.any(mutateFrames, mutateFrames, Mutate.blind)

export const framesTarget: Target = {
  name: "frames",
  folders: ["frames"],
  cost: 2,
  mutate: Mutate.any(
    Mutate.parts({ lengthAt: 1, lengthBytes: 4, split: splitMessages, body: frameMutator }),
    Mutate.parts({ lengthAt: 1, lengthBytes: 4, split: splitMessages, body: frameMutator }),
    Mutate.blind
  ),
  check: (bytes, random) => {
    // Either may be what there is less of.
    const maxStreams = random.pick([3, 8])
    const credit = random.pick([6, 20]) * Frame.initialCredit
    const budget = new Budget(credit)
    const window = random.pick([1, 4]) * Frame.initialCredit
    const opened: Array<MuxStream> = []
    const mux: Mux = new Mux({
      chunkSize: 16_384,
      maxStreams,
      budget,
      window,
      onOpen: (stream) => opened.push(stream),
      onWork: () => {},
      onPong: (payload) => rule(payload.length === 8, "a PONG of another length"),
      onGoAway: ({ code, message }) =>
        rule(typeof code === "string" && typeof message === "string", "a GOAWAY of no text"),
      onClosed: () => {}
    })
    // Two of its own, so that what is said about them means something.
    const own = [1, 2].map(() => {
      const stream = mux.openStream({ protocol: "command", name: "own" })
      rule(typeof stream === "object", "no stream of its own")
      stream.write(new Uint8Array(40_000))
      return stream
    })
    const page = new Uint8Array(Packet.maxStreamLength)
    const view = new DataView(page.buffer)
    const send = () => {
      for (
        let filled = mux.outgoing.fill(page, view, 0, page.length);
        filled !== undefined;
        filled = mux.outgoing.fill(page, view, 0, page.length)
      ) {
        const sent = page.subarray(0, filled.end)
        const frames = splitFrames(sent)
        rule(
          frames.reduce((sum, { body, head }) => sum + head.length + body.length, 0) === sent.length,
          "a message that is no frames"
        )
        for (const { body, head } of frames) {
          rule(readU32(head, 5) === body.length && head[0]! <= Frame.Kind.goaway, "a frame that is none")
        }
        mux.outgoing.wake()
      }
      rule(mux.outgoing.controlBytes === 0, "frames of control that are not sent")
    }
    let taken = true
    for (const { body, head } of splitMessages(bytes)) {
      const type = head[0]!
      // The box lets no other through.
      if (type > 2 || body.length > Packet.maxStreamLength) continue
      const broken = mux.receive(type as 0 | 1 | 2, body.slice())
      if (broken !== undefined) {
        rule(broken.length > 0 && broken.length < 200, "a violation without a reason")
        taken = false
        break
      }
      mux.begin()
      rule(mux.theirs.size <= maxStreams, `${mux.theirs.size} streams`)
      rule(budget.used <= credit, `${budget.used} bytes of credit`)
      // A RESET for each frame that could not be an OPEN of a stream, at most.
      rule(
        mux.outgoing.controlBytes <= body.length * 20 + 1_000,
        `${mux.outgoing.controlBytes} bytes wait for ${body.length}`
      )
      for (const stream of [...own, ...opened]) {
        if (stream.closed || random.chance(0.5)) continue
        switch (random.below(5)) {
          case 0: {
            const read = stream.read().reduce((sum, part) => sum + part.length, 0)
            rule(read <= window, `${read} bytes came without credit`)
            break
          }
          case 1:
            if (!stream.localEnded) stream.write(new Uint8Array(1 + random.below(50_000)))
            break
          case 2:
            stream.end()
            break
          case 3:
            stream.reset("cancelled", "")
            break
          default:
        }
      }
      if (random.chance(0.7)) send()
    }
    for (const stream of [...own, ...opened]) {
      const left = stream.read().reduce((sum, part) => sum + part.length, 0)
      rule(left <= window, `${left} bytes wait to be read`)
    }
    send()
    mux.failAll({ code: "lost", message: "", remote: false })
    for (const stream of [...own, ...opened]) stream.abandon()
    rule(mux.streams === 0, `${mux.streams} streams are left`)
    rule(budget.used === 0, `${budget.used} bytes of credit are left`)
    return taken
  }
}

export const recordsTarget: Target = {
  name: "records",
  folders: ["records"],
  cost: 1,
  mutate: Mutate.any(
    Mutate.blind,
    Mutate.parts({
      lengthAt: 0,
      lengthBytes: 4,
      split: (bytes) => {
        const out: Array<{ head: Uint8Array; body: Uint8Array }> = []
        for (let at = 0; at + 4 <= bytes.length;) {
          const end = at + 4 + readU32(bytes, at)
          out.push({ head: bytes.slice(at, at + 4), body: bytes.slice(at + 4, end) })
          at = end
        }
        return out
      }
    })
  ),
  check: (bytes, random) => {
    const split = (pieces: ReadonlyArray<Uint8Array>) => {
      const framer = new RecordFramer()
      const out: Array<Uint8Array> = []
      for (const piece of pieces) {
        framer.push(piece.slice())
        for (let record = framer.next(); record !== undefined; record = framer.next()) {
          rule(record.length > 0 && record.length <= Packet.maxStreamLength, `a record of ${record.length} bytes`)
          const { homes } = framer
          rule(
            homes === undefined || homes.reduce((sum, home) => sum + home.length, 0) === record.length,
            "homes of another length"
          )
          out.push(record.slice())
          framer.release()
        }
        if (framer.malformed) break
        rule(framer.pending <= Packet.maxStreamLength + 4, `${framer.pending} bytes wait`)
      }
      return { out, malformed: framer.malformed }
    }
    const whole = split([bytes])
    const pieces = split(cut(bytes, random))
    rule(
      whole.malformed === pieces.malformed && same(joined(whole.out), joined(pieces.out)) &&
        whole.out.length === pieces.out.length,
      "records depend on how the bytes came"
    )
    const again = joined(whole.out.flatMap((record) => [Mutate.u32(record.length), record]))
    rule(same(again, bytes.subarray(0, again.length)), "records are other bytes than those that came")
    return !whole.malformed
  }
}
