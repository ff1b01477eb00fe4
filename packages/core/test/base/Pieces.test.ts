/** Bytes kept piece by piece: they come out as they went in, in time that is linear, and hold little more than twice themselves. */
import { assert, describe, it } from "@effect/vitest"
import { Frame } from "@pnet/core"
import { bytes, concat, frame } from "@pnet/lab/worlds/sessionWorld"
import { Effect, Exit } from "effect"
import { keptAlive, perPiece, Pieces } from "../../src/internal/base/pieces.ts"
import { Budget } from "../../src/internal/session/budget.ts"
import { Type } from "../../src/internal/session/frames.ts"
import { Mux } from "../../src/internal/session/mux.ts"
import type { Session } from "../../src/internal/session/session.ts"
import { SessionStream } from "../../src/internal/session/sessionStream.ts"

const { Kind } = Frame

const chance = (seed: number) => {
  let state = seed >>> 0
  return (n: number) => {
    state = Math.imul(state, 1_664_525) + 1_013_904_223 >>> 0
    return Math.floor(state / 4_294_967_296 * n)
  }
}

/** Bytes that are written by `set` while `f` runs. */
const copied = (f: () => void): number => {
  let sum = 0
  const { set } = Uint8Array.prototype
  Uint8Array.prototype.set = function(source, at) {
    sum += source.length
    return set.call(this, source, at)
  }
  try {
    f()
  } finally {
    Uint8Array.prototype.set = set
  }
  return sum
}

/** What the pieces keep alive, counted from outside. */
const alive = (parts: ReadonlyArray<Uint8Array>) =>
  [...new Set(parts.map((part) => part.buffer))].reduce((sum, { byteLength }) => sum + byteLength, 0) +
  parts.length * perPiece

/** A piece, as a view into a larger buffer. */
const piece = (length: number, behind: number, value: number) => {
  const buffer = new Uint8Array(length + behind)
  buffer.fill(value, behind >> 1, (behind >> 1) + length)
  return buffer.subarray(behind >> 1, (behind >> 1) + length)
}

const cuts: Record<string, (n: number) => readonly [length: number, behind: number]> = {
  "a byte each": () => [1, 0],
  "a byte of a read each": () => [1, 65_535],
  "just under what is copied together": () => [1_023, 9],
  "just over it": () => [1_024, 9],
  "a byte, then a kilobyte, in turn": (n) => n % 2 === 0 ? [1, 9] : [1_024, 9],
  "large": () => [60_000, 5_536],
  "a kilobyte of a read each": () => [1_024, 64_512]
}

describe("pieces", () => {
  for (const [title, cut] of Object.entries(cuts)) {
    it(`hold little more than twice their bytes, and are added and taken in linear time: ${title}`, () => {
      const pieces = new Pieces(keptAlive)
      const count = Math.min(5_000, 64_000_000 / (cut(0)[0] + cut(0)[1]))
      let sum = 0
      let reads = 0
      const copies = copied(() => {
        for (let n = 0; n < count; n++) {
          const [length, behind] = cut(n)
          pieces.add(piece(length, behind, n & 255))
          sum += length
          reads += length + behind
          assert.isAtMost(pieces.held, Math.max(keptAlive, 2 * sum) + 65_536 + 64 * perPiece + sum / 5)
        }
      })
      // A peer has sent what stands behind its pieces, too.
      assert.isAtMost(copies, 2 * reads)
      assert.strictEqual(pieces.length, sum)
      const held = pieces.held
      const parts = pieces.takeAll()
      assert.isAtMost(alive(parts), held)
      let at = 0
      for (let n = 0, left = 0, part = parts[0]!, offset = 0; n < count; n++) {
        left = cut(n)[0]
        while (left > 0) {
          if (offset === part.length) {
            part = parts[++at]!
            offset = 0
          }
          assert.strictEqual(part[offset], n & 255)
          const step = Math.min(left, part.length - offset)
          left -= step
          offset += step
        }
      }
      assert.strictEqual(at, parts.length - 1)
      assert.strictEqual(pieces.length + pieces.held + pieces.size, 0)
    })
  }

  it("come out as they went in, however they are added and taken in turn", () => {
    for (let seed = 0; seed < 60; seed++) {
      const random = chance(seed)
      const pieces = new Pieces(random(2) === 0 ? 0 : 3_000)
      const all: Array<number> = []
      let taken = 0
      let next = 0
      const check = (out: Uint8Array) => {
        assert.isTrue(out.every((byte) => byte === all[taken++]))
      }
      for (let step = 0; step < 300; step++) {
        if (random(3) > 0) {
          const shared = new Uint8Array(3_000)
          for (let at = random(50), i = 0; i <= random(4); i++) {
            const length = random([2, 100, 1_400][random(3)]!)
            const part = shared.subarray(at, at + length)
            at += length + random(2)
            for (let j = 0; j < part.length; j++) {
              part[j] = next++ & 255
              all.push(part[j]!)
            }
            pieces.add(part)
          }
        }
        assert.strictEqual(pieces.length, all.length - taken)
        const length = Math.min(pieces.length, random([3, 200, 5_000][random(3)]!))
        if (pieces.length >= 4 && random(4) === 0) {
          const number = all.slice(taken, taken + 4).reduce((sum, byte) => sum * 256 + byte, 0)
          assert.strictEqual(pieces.u32(0), number)
        }
        switch (random(4)) {
          case 0:
            check(pieces.take(length))
            break
          case 1: {
            const out = new Uint8Array(length + 2)
            pieces.copy(out, 1, length)
            check(out.subarray(1, 1 + length))
            break
          }
          case 2:
            pieces.skip(length)
            taken += length
            break
          default:
        }
        assert.isAtLeast(pieces.held, pieces.length)
      }
      check(pieces.take(pieces.length))
      assert.strictEqual(pieces.held, 0)
    }
  })

  it("that few were added of are given as they are, without a copy", () => {
    const pieces = new Pieces(keptAlive)
    const parts = [piece(1, 9, 1), piece(2_000, 9, 2), piece(30, 0, 3)]
    assert.strictEqual(copied(() => pieces.addAll(parts)), 0)
    assert.deepStrictEqual(pieces.takeAll().map((part, i) => part === parts[i]), [true, true, true])
  })
})

describe("a question that comes a byte at a time", () => {
  const asked = (limit: number) => {
    const mux = new Mux({
      chunkSize: 16_384,
      maxStreams: 10,
      budget: new Budget(1e9),
      onOpen: (opened) => {
        stream = opened
      },
      onWork: () => {},
      onPong: () => {},
      onGoAway: () => {},
      onClosed: () => {}
    })
    let stream: Parameters<Mux["removeStream"]>[0] | undefined
    mux.receive(Type.msg, frame(Kind.open, 1, JSON.stringify({ protocol: "command", name: "x" })))
    mux.begin()
    const session = { peer: { name: "mallory" }, ending: undefined, options: { callSize: limit } } as unknown as Session
    const wrapped = new SessionStream(stream!, session)
    const page = new Uint8Array(131_072)
    const flush = () => mux.outgoing.fill(page, new DataView(page.buffer), 0, page.length)
    let exit: Exit.Exit<Uint8Array, unknown> | undefined
    let told = 0
    let most = 0
    const cancel = wrapped.collect(
      (whole) => {
        exit = Effect.runSyncExit(whole)
      },
      limit,
      undefined,
      (more) => {
        told += more
        most = Math.max(most, told)
        return most <= 1_000_000
      }
    )
    return { cancel, flush, mux, exit: () => exit, told: () => told }
  }

  it("is counted as what it holds, collected in linear time, and whole", () => {
    const { exit, flush, mux, told } = asked(8_388_608)
    const one = frame(Kind.data, 1, bytes("x"))
    const count = 40_000
    const copies = copied(() => {
      for (let n = 1; n <= count; n++) {
        mux.receive(Type.msg, one)
        if (n === 60) assert.isAtLeast(told(), 60 * perPiece)
        if (n % 1_000 === 0) flush()
      }
    })
    assert.isAtMost(copies, 10 * count)
    assert.isAtLeast(told(), count)
    assert.isAtMost(told(), 2 * count + 65_536)
    mux.receive(Type.msg, frame(Kind.end, 1))
    const whole = exit()
    assert.isTrue(whole !== undefined && Exit.isSuccess(whole) && whole.value.length === count)
  })

  it("is refused where there is no room for what it holds, though its bytes are few", () => {
    const { exit, flush, mux } = asked(8_388_608)
    // A kilobyte of each read: what it keeps alive is counted, or copied.
    for (let n = 0; n < 2_000 && exit() === undefined; n++) {
      const read = new Uint8Array(65_536)
      read.set(concat(frame(Kind.data, 1, new Uint8Array(1_024))))
      mux.receive(Type.msg, read.subarray(0, 1_033))
      flush()
    }
    assert.isTrue(exit() !== undefined && Exit.isFailure(exit()!))
  })
})

describe("what is taken", () => {
  it("keeps no large buffer alive where it is small", () => {
    const pieces = new Pieces(1_000_000)
    pieces.add(new Uint8Array(100_000))
    assert.strictEqual(pieces.take(10).buffer.byteLength, 10)
    // Most of one costs no copy.
    assert.strictEqual(pieces.take(60_000).buffer.byteLength, 100_000)
  })
})
