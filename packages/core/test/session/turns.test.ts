/**
 * Whether both sides of a session work at the same time, in a model of two machines: each works on one thing at a time, a call costs its time at
 * either side, and so does each message. Two real muxes and their paces say what leaves when; there is no clock but the model's.
 */
import { assert, describe, it } from "@effect/vitest"
import { Budget } from "../../src/internal/session/budget.ts"
import type { Type } from "../../src/internal/session/frames.ts"
import { Mux } from "../../src/internal/session/mux.ts"
import type { MuxStream } from "../../src/internal/session/muxStream.ts"
import { Pace } from "../../src/internal/session/pace.ts"

/** Microseconds of a call at the asking and at the answering side, and of making or taking a message. */
interface Costs {
  readonly asking: number
  readonly answering: number
  readonly message: number
}

interface Message {
  readonly type: Type
  readonly bytes: Uint8Array
  readonly arrives: number
}

/** Until a message has arrived. */
const way = 10

class Side {
  readonly mux: Mux
  readonly #pace: Pace
  readonly #message: number
  readonly #incoming: Array<Message> = []
  readonly #out = new Uint8Array(98_000)
  readonly #view = new DataView(this.#out.buffer)
  #atEnd: Array<() => void> = []
  /** Until when it works. */
  time = 0
  busy = 0
  sent = 0
  other: Side | undefined
  onOpen: (stream: MuxStream) => void = () => {}

  constructor({ message }: Costs) {
    this.#message = message
    this.#pace = new Pace({
      waits: () => this.mux.outgoing.hasWork,
      streams: () => this.mux.placed,
      later: (task) => void this.#atEnd.push(task)
    })
    this.mux = new Mux({
      chunkSize: 16_384,
      maxStreams: 1_024,
      budget: new Budget(1 << 28),
      onOpen: (stream) => this.onOpen(stream),
      onWork: () => this.#pace.work(this.mux.outgoing.owesCredit),
      onMore: (waiting, whole) => this.#pace.more(waiting, whole),
      onPong: () => {},
      onGoAway: () => {},
      onClosed: () => {}
    })
    this.#park()
  }

  #park(): void {
    this.#pace.park(() => {
      this.#write()
      this.#park()
    })
  }

  work(micros: number): void {
    this.time += micros
    this.busy += micros
  }

  #write(): void {
    for (;;) {
      const out = this.#out
      const filled = this.mux.outgoing.fill(out, this.#view, 0, out.length)
      if (filled === undefined) return
      this.work(this.#message)
      this.sent++
      this.other!.#incoming.push({
        type: filled.type,
        bytes: out.slice(0, filled.end),
        arrives: this.time + way
      })
    }
  }

  /** Ends a turn. */
  end(): void {
    const tasks = this.#atEnd
    this.#atEnd = []
    for (const task of tasks) task()
  }

  /** When it has something to do next. */
  get next(): number {
    return this.#incoming.length === 0 ? Infinity : Math.max(this.time, this.#incoming[0]!.arrives)
  }

  /** One read: all that has arrived by now, and what there is to say to it. */
  read(): void {
    const now = this.time = this.next
    this.#pace.take()
    while (this.#incoming.length > 0 && this.#incoming[0]!.arrives <= now) {
      const { bytes, type } = this.#incoming.shift()!
      this.work(this.#message)
      assert.isUndefined(this.mux.receive(type, bytes))
    }
    this.mux.begin()
    this.#pace.taken()
    this.end()
  }
}

/** So many callers, each of which calls again when it has its answer. */
const run = (atOnce: number, costs: Costs) => {
  const calls = 40 * atOnce
  const [asking, answering] = [new Side(costs), new Side(costs)]
  asking.other = answering
  answering.other = asking
  let made = 0
  const waits: Array<number> = []
  const call = () => {
    if (made++ >= calls) return
    const begun = asking.time
    const stream = asking.mux.openStream({ protocol: "command", name: "x" })
    if (typeof stream === "string") throw new Error(stream)
    asking.work(costs.asking)
    stream.write(Uint8Array.of(1))
    stream.end()
    stream.onReadable = () => {
      stream.read()
      waits.push(asking.time - begun)
      call()
    }
  }
  answering.onOpen = (stream) => {
    answering.work(costs.answering)
    for (const part of stream.read()) stream.write(part)
    stream.end()
  }
  for (let i = 0; i < atOnce; i++) call()
  asking.end()
  for (;;) {
    const next = asking.next <= answering.next ? asking : answering
    if (next.next === Infinity) break
    next.read()
  }
  assert.lengthOf(waits, calls)
  waits.sort((a, b) => a - b)
  const time = Math.max(asking.time, answering.time)
  return {
    busiest: Math.max(asking.busy, answering.busy) / time,
    messages: (asking.sent + answering.sent) / calls,
    p50: waits[Math.floor(calls * 0.5)]!,
    p99: waits[Math.floor(calls * 0.99)]!
  }
}

describe("two sides of a session", () => {
  const costs: Record<string, Costs> = {
    "alike": { asking: 6, answering: 6, message: 10 },
    "of which one has more to do": { asking: 5, answering: 20, message: 10 },
    "for which messages cost little": { asking: 15, answering: 15, message: 2 }
  }
  for (const [title, cost] of Object.entries(costs)) {
    it(`${title}: one has always something to do, and messages are as few as that allows`, () => {
      for (const atOnce of [4, 16, 64, 128, 256]) {
        const { busiest, messages, p50, p99 } = run(atOnce, cost)
        assert.isAtLeast(busiest, 0.93, `${atOnce} at once`)
        // Two to and fro, each in two parts, and where there are many as many as are full.
        assert.isAtMost(messages, Math.max(11 / atOnce, 4 / 32), `${atOnce} at once`)
        assert.isAtMost(p99, 1.5 * p50, `${atOnce} at once`)
      }
    })
  }

  it("send a call that is alone in one message, and its answer in one", () => {
    const { messages, p50 } = run(1, costs["alike"]!)
    assert.strictEqual(messages, 2)
    // Four messages made or taken, two on their way, and the call itself.
    assert.strictEqual(p50, 4 * 10 + 2 * way + 6 + 6)
  })
})
