/** The streams of a session as two machines joined by a test: what arrives, what is owed, what is refused, and what it costs. */
import { assert, describe, it } from "@effect/vitest"
import * as Frame from "@pnet/core/Frame"
import { Budget } from "../../src/internal/session/budget.ts"
import { Type } from "../../src/internal/session/frames.ts"
import { Mux, type Options } from "../../src/internal/session/mux.ts"
import { type Failure, lowWater, type MuxStream } from "../../src/internal/session/muxStream.ts"

const { Kind, initialCredit } = Frame

// ---------------------------------------------------------------------------------------------------------------------
// helpers
// ---------------------------------------------------------------------------------------------------------------------

/** Chance from a seed. */
const chance = (seed: number) => {
  let state = seed >>> 0
  const next = () => {
    state = state + 0x6d2b79f5 >>> 0
    let t = Math.imul(state ^ state >>> 15, 1 | state)
    t = t + Math.imul(t ^ t >>> 7, 61 | t) ^ t
    return ((t ^ t >>> 14) >>> 0) / 4_294_967_296
  }
  return {
    next,
    below: (n: number) => Math.floor(next() * n),
    pick: <A>(items: ReadonlyArray<A>): A => items[Math.floor(next() * items.length)]!
  }
}

const utf8 = (text: string): Uint8Array => new Uint8Array(new TextEncoder().encode(text))

const concat = (...parts: ReadonlyArray<Uint8Array>): Uint8Array => {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}

const frame = (kind: number, stream: number, payload: Uint8Array | string = ""): Uint8Array => {
  const bytes = typeof payload === "string" ? utf8(payload) : payload
  const header = new Uint8Array(9)
  const view = new DataView(header.buffer)
  view.setUint8(0, kind)
  view.setUint32(1, stream)
  view.setUint32(5, bytes.length)
  return concat(header, bytes)
}

const u32 = (value: number) => Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value)
const openFrame = (id: number, extra: object = {}) =>
  frame(Kind.open, id, JSON.stringify({ protocol: "command", name: "x", ...extra }))
const resetFrame = (id: number, code = "cancelled") => frame(Kind.reset, id, JSON.stringify({ code, message: "" }))

interface Seen {
  readonly kind: number
  readonly id: number
  readonly payload: Uint8Array
}

const framesOf = (message: Uint8Array): ReadonlyArray<Seen> => {
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength)
  const seen: Array<Seen> = []
  for (let at = 0; at < message.length;) {
    const length = view.getUint32(at + 5)
    seen.push({ kind: message[at]!, id: view.getUint32(at + 1), payload: message.subarray(at + 9, at + 9 + length) })
    at += 9 + length
  }
  return seen
}

const json = (bytes: Uint8Array) => JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>

interface Message {
  readonly type: Type
  readonly bytes: Uint8Array
}

/** What messages are made in, and cut from. */
const page = new Uint8Array(140_000)

/** A machine with what it told its owner. */
class Side {
  readonly mux: Mux
  readonly budget: Budget
  readonly opened: Array<MuxStream> = []
  readonly pongs: Array<Uint8Array> = []
  readonly goAways: Array<Frame.GoAway> = []
  /** Whether it said that there is work since the last time there was none. */
  work = false
  onOpen: (stream: MuxStream) => void = () => {}

  constructor(options: Partial<Options> & { readonly credit?: number } = {}) {
    this.budget = new Budget(options.credit ?? 1 << 28)
    this.mux = new Mux({
      chunkSize: 16_384,
      maxStreams: 1_024,
      budget: this.budget,
      onOpen: (stream) => {
        this.opened.push(stream)
        this.onOpen(stream)
      },
      onWork: () => {
        this.work = true
      },
      onPong: (payload) => this.pongs.push(payload.slice()),
      onGoAway: (goAway) => this.goAways.push(goAway),
      onClosed: () => {},
      ...options
    })
  }

  /** The next message, if it has said that there is one. */
  next(limit = 98_000): Message | undefined {
    if (!this.work) return undefined
    const filled = this.mux.outgoing.fill(page.subarray(0, limit), new DataView(page.buffer, 0, limit), 0, limit)
    if (filled === undefined) {
      this.work = false
      return undefined
    }
    this.mux.outgoing.wake()
    return { type: filled.type, bytes: page.slice(0, filled.end) }
  }

  /** Takes a message that arrives alone. */
  receive(type: Type, message: Uint8Array): string | undefined {
    const violation = this.mux.receive(type, message)
    if (violation === undefined) this.mux.begin()
    return violation
  }

  take(message: Message): void {
    assert.isUndefined(this.receive(message.type, message.bytes))
  }

  /** Takes a message that is only lent, in whose place there are `homes`. */
  borrow(message: Message, homes: ReadonlyArray<Uint8Array>): void {
    const lent = message.bytes.slice()
    assert.isUndefined(this.mux.receive(message.type, lent, homes))
    lent.fill(0xee)
    this.mux.begin()
  }

  /** Everything there is to send. */
  all(limit?: number): ReadonlyArray<Message> {
    const messages: Array<Message> = []
    for (let next = this.next(limit); next !== undefined; next = this.next(limit)) messages.push(next)
    return messages
  }

  open(name = "x", extra: Partial<Frame.Open> = {}): MuxStream {
    const stream = this.mux.openStream({ protocol: "command", name, ...extra })
    if (typeof stream === "string") throw new Error(`not opened: ${stream}`)
    return stream
  }
}

const settle = (a: Side, b: Side) => {
  for (let quiet = false; !quiet;) {
    quiet = true
    for (const [from, to] of [[a, b], [b, a]] as const) {
      for (const message of from.all()) {
        quiet = false
        to.take(message)
      }
    }
  }
}

const bytesOf = (parts: ReadonlyArray<Uint8Array>) => concat(...parts)

/** Memory of that length in up to four pieces of larger arrays, some of them next to each other and some empty. */
const pieces = (length: number, random: ReturnType<typeof chance>): ReadonlyArray<Uint8Array> => {
  const out: Array<Uint8Array> = []
  let left = length
  let behind = new Uint8Array(0)
  for (let i = 0; i < 4; i++) {
    const size = i === 3 ? left : random.below(left + 1)
    if (behind.length < size) behind = new Uint8Array(size + random.below(100)).fill(0xdd)
    out.push(behind.subarray(0, size))
    behind = behind.subarray(size)
    left -= size
  }
  return out
}

// ---------------------------------------------------------------------------------------------------------------------
// random conversations
// ---------------------------------------------------------------------------------------------------------------------

// Without a short period, so that bytes that are missing, doubled or out of order show.
const pattern = Uint8Array.from({ length: 800_000 }, (_, i) => i * 3 + (i >>> 8) ^ i >>> 16)

/** One side of one stream: what it writes and when, how it reads, and what it saw. */
class Actor {
  readonly stream: MuxStream
  readonly key: number
  readonly total: number
  readonly piece: () => number
  /** Gives up after so many bytes written or read. */
  readonly resetAfter: number
  readonly greedy: boolean
  /** Says END only once the other side has: whoever answers earlier stops the question. */
  readonly patient: boolean
  written = 0
  read = 0
  ended = false
  /** Woken, or never asked to be. */
  canRead = true
  canWrite = true
  /** Of the rule that an abandoned stream is still settled. */
  abandoned = false

  constructor(stream: MuxStream, key: number, random: ReturnType<typeof chance>) {
    this.stream = stream
    this.key = key
    this.total = random.pick([0, 1, 5, 16_384, 16_385, 100_000, 262_144, 262_145, 700_000])
    const scale = random.pick([1_000, 16_384, 50_000, 300_000])
    this.piece = () => 1 + random.below(scale)
    this.resetAfter = random.next() < 0.2 ? random.below(400_000) : Infinity
    this.greedy = random.next() < 0.1
    this.patient = !stream.own && random.next() < 0.7
  }

  /** Of what one side writes, from a position on. */
  expected(own: boolean, from: number, length: number): Uint8Array {
    const start = (this.key * 31 + (own ? 7 : 0)) % 251 + from
    return pattern.subarray(start, start + length)
  }

  writeOnce(): void {
    const { stream } = this
    if (stream.failure !== undefined || stream.localEnded || !this.canWrite) return
    if (this.written === this.total) return this.patient && !this.ended ? undefined : stream.end()
    const length = Math.min(this.total - this.written, this.piece())
    const from = this.written
    stream.write(this.expected(stream.own, from, length))
    this.written += length
    if (this.written >= this.resetAfter) return stream.reset("cancelled", "enough")
    if (stream.buffered >= lowWater && !this.greedy) {
      this.canWrite = false
      stream.onWritable = () => {
        this.canWrite = true
      }
    }
  }

  readOnce(): void {
    const { stream } = this
    if (!this.canRead || this.abandoned) return
    for (const part of stream.read()) {
      if (Buffer.compare(part, this.expected(!stream.own, this.read, part.length)) !== 0) {
        throw new Error(`wrong bytes after ${this.read}`)
      }
      this.read += part.length
    }
    if (stream.failure !== undefined || stream.remoteEnded) {
      this.ended = true
      return
    }
    if (this.read >= this.resetAfter) return stream.reset("cancelled", "enough")
    this.canRead = false
    stream.onReadable = () => {
      this.canRead = true
    }
  }
}

/** Keeps the accounts of credit from the frames on the wire, apart from either machine. */
class Ledger {
  readonly #sent = new Map<string, number>()
  readonly #granted = new Map<string, number>()
  sent(from: string, { bytes, type }: Message) {
    for (const { id, kind, payload } of framesOf(bytes)) {
      if (kind !== Kind.data) continue
      assert.isAbove(payload.length, 0)
      const key = `${from} ${type === Type.msg ? "own" : "theirs"} ${id}`
      const sum = (this.#sent.get(key) ?? 0) + payload.length
      this.#sent.set(key, sum)
      if (sum > initialCredit + (this.#granted.get(key) ?? 0)) assert.fail(`${key}: more than its credit`)
    }
  }
  arrived(to: string, { bytes, type }: Message) {
    for (const { id, kind, payload } of framesOf(bytes)) {
      if (kind !== Kind.credit) continue
      const key = `${to} ${type === Type.msg ? "theirs" : "own"} ${id}`
      const credit = new DataView(payload.buffer, payload.byteOffset).getUint32(0)
      this.#granted.set(key, (this.#granted.get(key) ?? 0) + credit)
    }
  }
}

const converse = (seed: number) => {
  const random = chance(seed)
  const chunkSize = random.pick([1_000, 16_384, 98_000])
  const sides = {
    a: new Side({ chunkSize }),
    b: new Side({ chunkSize: random.pick([777, 16_384]), window: random.pick([1, 600_000, 1_048_576]) })
  }
  const wires: { readonly [K in "a" | "b"]: Array<Message> } = { a: [], b: [] }
  const ledger = new Ledger()
  const actors: Array<Actor> = []
  const pairs = new Map<string, Array<Actor>>()
  const join = (opener: "a" | "b", stream: MuxStream) => {
    const key = `${opener}${stream.id}`
    const actor = new Actor(stream, stream.id * 2 + (opener === "a" ? 0 : 1), random)
    actors.push(actor)
    pairs.set(key, [...pairs.get(key) ?? [], actor])
  }
  sides.a.onOpen = (stream) => join("b", stream)
  sides.b.onOpen = (stream) => join("a", stream)
  const other = { a: "b", b: "a" } as const
  const wanted = 1 + random.below(25)
  let opened = 0
  const slow = random.next()

  const step = (finishing: boolean): boolean => {
    let moved = false
    const name = random.pick(["a", "b"] as const)
    const side = sides[name]
    const dice = random.next()
    if (!finishing && opened < wanted && dice < 0.1) {
      opened++
      join(name, side.open(`stream ${opened}`))
    }
    if (finishing || dice < 0.5) {
      const message = side.next(finishing ? 98_000 : 300 + random.below(random.pick([200, 20_000, 131_000])))
      if (message !== undefined) {
        moved = true
        ledger.sent(name, message)
        wires[name].push(message)
      }
    }
    if (finishing || random.next() < 0.5) {
      const message = wires[name].shift()
      if (message !== undefined) {
        moved = true
        ledger.arrived(other[name], message)
        if (random.next() < 0.5) sides[other[name]].take(message)
        else sides[other[name]].borrow(message, pieces(message.bytes.length, random))
      }
    }
    for (const actor of actors) {
      if (finishing || random.next() < 0.2) actor.writeOnce()
      if (finishing || random.next() > slow) actor.readOnce()
      if (!finishing && random.next() < 0.0005) actor.stream.reset("internal", "at random")
      if (!finishing && random.next() < 0.0005) {
        actor.abandoned = true
        actor.stream.abandon()
        actor.stream.reset("internal", "given up")
      }
    }
    return moved
  }
  for (let i = 0; i < 400; i++) step(false)
  // Everybody does what is left to do, and nobody who was not woken.
  let idle = 0
  for (let steps = 0; idle < 20; steps++) {
    idle = step(true) ? 0 : idle + 1
    assert.isBelow(steps, 100_000, "it does not come to an end")
  }

  for (const [key, [opener, acceptor]] of pairs) {
    const said = (actor: Actor | undefined) =>
      `${key}: ${actor?.stream.failure?.code}, read ${actor?.read}, written ${actor?.written} of ${actor?.total}`
    if (opener === undefined) throw new Error(key)
    if (acceptor === undefined) {
      // Reset before its OPEN was handed on.
      assert.isDefined(opener.stream.failure, said(opener))
      continue
    }
    for (const [one, two] of [[opener, acceptor], [acceptor, opener]] as const) {
      assert.isTrue(one.stream.closed, said(one))
      const { failure } = one.stream
      if (failure === undefined) {
        if (one.abandoned) continue
        if (one === opener || one.patient) assert.strictEqual(one.read, two.written, said(one))
        else assert.isAtMost(one.read, two.written)
        assert.isTrue(two.stream.failure === undefined || !two.stream.failure.remote, said(two))
      } else {
        // Where both gave up, or one did: whoever was told has nothing left to tell.
        const theirs: Failure | undefined = two.stream.failure
        assert.isTrue(failure.remote ? theirs !== undefined && !theirs.remote : true, said(one))
      }
    }
  }
  for (const side of [sides.a, sides.b]) {
    assert.strictEqual(side.budget.used, 0, "credit that is owed to nobody")
    assert.strictEqual(side.mux.streams, 0)
    assert.strictEqual(side.mux.outgoing.controlBytes, 0)
    assert.isFalse(side.mux.outgoing.hasWork)
  }
}

describe("Mux: random conversations", () => {
  for (let block = 0; block < 4; block++) {
    it(`every byte arrives once and in order, every stream ends, and nothing is owed (block ${block})`, () => {
      for (let seed = block * 15; seed < (block + 1) * 15; seed++) {
        try {
          converse(seed)
        } catch (error) {
          throw new Error(`seed ${seed}: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
        }
      }
    })
  }
})

// ---------------------------------------------------------------------------------------------------------------------
// ends
// ---------------------------------------------------------------------------------------------------------------------

describe("Mux: how streams end", () => {
  it("END from both sides closes it, and unread data is still there", () => {
    const [a, b] = [new Side(), new Side()]
    const stream = a.open()
    stream.write(utf8("question"))
    stream.end()
    settle(a, b)
    const [theirs] = b.opened
    theirs!.write(utf8("answer"))
    theirs!.end()
    settle(a, b)
    assert.isTrue(stream.closed && theirs!.closed)
    assert.deepStrictEqual([a.mux.streams, b.mux.streams], [0, 0])
    assert.deepStrictEqual([a.budget.used, b.budget.used], [initialCredit, initialCredit])
    assert.deepStrictEqual(bytesOf(stream.read()), utf8("answer"))
    assert.deepStrictEqual(bytesOf(theirs!.read()), utf8("question"))
    assert.deepStrictEqual([a.budget.used, b.budget.used], [0, 0])
  })

  it("what nobody will read is not owed, whenever that is known", () => {
    for (const when of ["before the end", "after the end", "before the data"]) {
      const [a, b] = [new Side(), new Side()]
      const stream = a.open()
      settle(a, b)
      const [theirs] = b.opened
      if (when === "before the data") theirs!.abandon()
      stream.write(utf8("never read"))
      settle(a, b)
      if (when === "before the end") theirs!.abandon()
      theirs!.end()
      settle(a, b)
      if (when === "after the end") theirs!.abandon()
      assert.strictEqual(b.budget.used, 0, when)
      assert.strictEqual(a.budget.used, 0, when)
    }
  })

  it("an acceptor that has ended stops its opener, also one that has said all it wanted and has no credit for it", () => {
    for (const complete of [false, true]) {
      const [a, b] = [new Side(), new Side()]
      const stream = a.open()
      for (let i = 0; i < 30; i++) stream.write(new Uint8Array(20_000))
      if (complete) stream.end()
      settle(a, b)
      assert.isAbove(stream.buffered, 0)
      let woken = 0
      stream.onWritable = () => void woken++
      b.opened[0]!.end()
      b.opened[0]!.abandon()
      settle(a, b)
      assert.strictEqual(woken, 1)
      assert.strictEqual(stream.buffered, 0)
      assert.isTrue(stream.closed && b.opened[0]!.closed)
      assert.deepStrictEqual([a.budget.used, b.budget.used], [0, 0])
      stream.write(utf8("too late"))
      assert.isFalse(a.mux.outgoing.hasWork)
    }
  })

  it("a RESET after one's own END is legal, and so is one that crosses it", () => {
    const [a, b] = [new Side(), new Side()]
    const stream = a.open()
    stream.end()
    settle(a, b)
    stream.reset("cancelled", "after END")
    settle(a, b)
    assert.deepInclude(b.opened[0]!.failure, { code: "cancelled", remote: true })

    const crossing = a.open()
    settle(a, b)
    crossing.reset("cancelled", "")
    b.opened[1]!.reset("internal", "")
    settle(a, b)
    assert.deepInclude(crossing.failure, { code: "cancelled", remote: false })
    assert.deepInclude(b.opened[1]!.failure, { code: "internal", remote: false })
    assert.deepStrictEqual([a.budget.used, b.budget.used], [0, 0])
  })

  it("a whole answer is one, whatever becomes of the session before the question's END has left", () => {
    for (const how of ["lost", "reset"] as const) {
      const [a, b] = [new Side(), new Side()]
      const stream = a.open()
      settle(a, b)
      const [theirs] = b.opened
      theirs!.write(utf8("answer"))
      theirs!.end()
      for (const message of b.all()) a.take(message)
      if (how === "lost") a.mux.failAll({ code: "lost", message: "", remote: false })
      else a.take({ type: Type.err, bytes: resetFrame(stream.id, "going_away") })
      assert.isUndefined(stream.failure)
      assert.isTrue(stream.remoteEnded)
      assert.deepStrictEqual(bytesOf(stream.read()), utf8("answer"))
      assert.strictEqual(a.budget.used, 0)
    }
  })

  it("nothing is said of a stream that is over, whoever gives it up then", () => {
    const [a, b] = [new Side(), new Side()]
    const stream = a.open()
    stream.end()
    settle(a, b)
    b.opened[0]!.end()
    settle(a, b)
    for (const [side, over] of [[a, stream], [b, b.opened[0]!]] as const) {
      assert.isTrue(over.closed)
      over.reset("internal", "too late")
      assert.deepStrictEqual(side.all(), [])
    }
  })

  it("frames for a stream that is closed are dropped", () => {
    const [a, b] = [new Side(), new Side()]
    const stream = a.open()
    settle(a, b)
    stream.reset("cancelled", "")
    settle(a, b)
    for (const late of [frame(Kind.data, 1, "late"), frame(Kind.end, 1), frame(Kind.credit, 1, u32(5))]) {
      assert.isUndefined(b.receive(Type.msg, late))
      assert.isUndefined(a.receive(Type.rsp, late))
    }
    assert.isUndefined(b.receive(Type.msg, resetFrame(1)))
    assert.isUndefined(a.receive(Type.err, resetFrame(1)))
    assert.deepStrictEqual([a.mux.streams, b.mux.streams], [0, 0])
  })

  it("an error that nobody could walk through is left out, and its RESET is one all the same", () => {
    const side = new Side()
    const nested = (levels: number) => "[".repeat(levels) + "]".repeat(levels)
    const failed = (id: number, error: string) =>
      frame(Kind.reset, id, `{"code":"failed","message":"no","error":${error}}`)
    const shallow = side.open()
    const deep = side.open()
    assert.isUndefined(side.receive(Type.err, concat(failed(shallow.id, nested(10)), failed(deep.id, nested(2_000)))))
    assert.isArray(shallow.failure?.error)
    assert.strictEqual(deep.failure?.code, "failed")
    assert.isFalse("error" in deep.failure!)
  })

  it("a stream opened and reset in one message is never handed on", () => {
    const side = new Side()
    assert.isUndefined(side.receive(Type.msg, concat(openFrame(1), openFrame(2), resetFrame(1))))
    assert.deepStrictEqual(side.opened.map(({ id }) => id), [2])
    assert.strictEqual(side.budget.used, initialCredit)
  })

  it("the other side's codes that are not known read as internal, its typed error comes as it is", () => {
    const [a, b] = [new Side(), new Side()]
    const [one, two] = [a.open(), a.open()]
    settle(a, b)
    b.opened[0]!.reset("failed", "no", { _tag: "Overdrawn", by: [1, null] })
    settle(a, b)
    assert.deepInclude(one.failure, { code: "failed", message: "no", remote: true })
    assert.deepStrictEqual(one.failure!.error, { _tag: "Overdrawn", by: [1, null] })
    a.take({ type: Type.err, bytes: resetFrame(2, "new in version 2") })
    assert.strictEqual(two.failure!.code, "internal")
  })

  it("a RESET whose error does not fit in a message, or is no JSON, still tells its code", () => {
    const cyclic: { self?: unknown } = {}
    cyclic.self = cyclic
    for (const error of [{ text: "x".repeat(200_000) }, cyclic, 1n]) {
      const [a, b] = [new Side(), new Side()]
      const [stream, after] = [a.open(), a.open()]
      settle(a, b)
      b.opened[0]!.reset("failed", "m".repeat(200_000), error)
      b.opened[1]!.reset("not_found", "behind it")
      settle(a, b)
      assert.strictEqual(stream.failure?.code, "failed")
      assert.strictEqual(after.failure?.code, "not_found")
    }
  })

  it("says of each stream that begins to say something behind others, or has said all, how many of them wait", () => {
    const said: Array<readonly [number, boolean]> = []
    const side = new Side({ onMore: (waiting, whole) => said.push([waiting, whole]) })
    const [a, b, c] = [side.open(), side.open(), side.open()]
    for (const stream of [a, b]) {
      stream.write(Uint8Array.of(1))
      stream.write(Uint8Array.of(2))
    }
    b.end()
    c.end()
    assert.deepStrictEqual(said, [[1, false], [2, false], [2, true], [3, false], [3, true]])
    side.all()
    a.end()
    assert.deepStrictEqual(said.slice(5), [[1, true]])
  })

  it("every OPEN says what it opens, however much it is like the one before", () => {
    const [a, b] = [new Side(), new Side()]
    const opens: ReadonlyArray<Partial<Frame.Open>> = [
      { name: "x" },
      { name: "x" },
      { name: "y" },
      { name: "x", deadline: 5 },
      { name: "x" },
      { name: "x", deadline: 6 },
      { name: "x", traceparent: "t" },
      { name: "x" },
      { name: "x", protocol: "rpc" },
      { name: "x" },
      { name: "" },
      { name: "x".repeat(300) },
      { name: "x".repeat(300) }
    ]
    for (const open of opens) a.open(undefined, open)
    settle(a, b)
    assert.deepStrictEqual(b.opened.map(({ open }) => open), opens.map((open) => ({ protocol: "command", ...open })))
  })

  it("an OPEN that fits in no message is not made", () => {
    const a = new Side()
    assert.strictEqual(a.mux.openStream({ protocol: "command", name: "x".repeat(98_000) }), "too_large")
    assert.strictEqual(a.budget.used, 0)
    assert.isFalse(a.mux.outgoing.hasWork)
  })

  it("those who are told that all streams failed cannot open one in turn, for ever", () => {
    for (const end of ["failAll", "resetAll"] as const) {
      const a = new Side()
      let tries = 0
      const retry = () => {
        const stream = a.mux.openStream({ protocol: "command", name: "x" })
        if (++tries > 100) throw new Error("for ever")
        if (typeof stream !== "string") stream.onFailure(retry)
      }
      retry()
      if (end === "failAll") a.mux.failAll({ code: "lost", message: "", remote: false })
      else a.mux.resetAll("going_away", "")
      assert.strictEqual(tries, 2)
    }
  })
})

// ---------------------------------------------------------------------------------------------------------------------
// violations
// ---------------------------------------------------------------------------------------------------------------------

/** A side whose peer has opened stream 1, and that has opened stream 1 itself. */
const established = (options?: ConstructorParameters<typeof Side>[0]) => {
  const side = new Side(options)
  side.open()
  side.all()
  assert.isUndefined(side.receive(Type.msg, openFrame(1)))
  return side
}

describe("Mux: what ends a session", () => {
  const ping = new Uint8Array(8)
  const goaway = JSON.stringify({ code: "renew", message: "" })
  const violations: Record<string, ReadonlyArray<readonly [Type, Uint8Array]>> = {
    "a message without a frame": [[Type.msg, new Uint8Array(0)]],
    "trailing bytes": [
      [Type.msg, concat(openFrame(2), Uint8Array.of(1))],
      [Type.msg, new Uint8Array(8)],
      [Type.rsp, concat(frame(Kind.data, 1, "x"), new Uint8Array(8))]
    ],
    "a frame longer than its message": [
      [Type.msg, frame(Kind.data, 1, "abc").subarray(0, 11)],
      [Type.msg, concat(Uint8Array.of(1, 0, 0, 0, 1, 255, 255, 255, 255), new Uint8Array(100))]
    ],
    "an unknown frame": [[Type.msg, frame(8, 1)], [Type.rsp, frame(255, 0)]],
    "OPEN in another type": [[Type.rsp, openFrame(2)], [Type.err, openFrame(2)]],
    "OPEN twice, or lower": [[Type.msg, openFrame(1)], [Type.msg, concat(openFrame(7), openFrame(6))]],
    "OPEN of stream 0": [[Type.msg, openFrame(0)]],
    "a malformed OPEN": [
      [Type.msg, frame(Kind.open, 2, "")],
      [Type.msg, frame(Kind.open, 2, "{")],
      [Type.msg, frame(Kind.open, 2, "null")],
      [Type.msg, frame(Kind.open, 2, "[]")],
      [Type.msg, frame(Kind.open, 2, `"text"`)],
      [Type.msg, frame(Kind.open, 2, `{"protocol":"command"}`)],
      [Type.msg, frame(Kind.open, 2, `{"name":"x"}`)],
      [Type.msg, openFrame(2, { name: 1 })],
      [Type.msg, openFrame(2, { protocol: null })],
      [Type.msg, openFrame(2, { traceparent: 1 })],
      [Type.msg, frame(Kind.open, 2, concat(utf8(`{"protocol":"command","name":"`), Uint8Array.of(0xff), utf8(`"}`)))]
    ],
    "a deadline that is no integer": [
      [Type.msg, openFrame(2, { deadline: 1.5 })],
      [Type.msg, openFrame(2, { deadline: "100" })],
      [Type.msg, openFrame(2, { deadline: null })]
    ],
    "DATA in err": [[Type.err, frame(Kind.data, 1, "x")]],
    "END in err": [[Type.err, frame(Kind.end, 1)]],
    "CREDIT in err": [[Type.err, frame(Kind.credit, 1, u32(1))]],
    "RESET in rsp": [[Type.rsp, resetFrame(1)]],
    "stream 0": [
      [Type.msg, frame(Kind.data, 0, "x")],
      [Type.rsp, frame(Kind.end, 0)],
      [Type.msg, frame(Kind.credit, 0, u32(1))],
      [Type.err, resetFrame(0)],
      [Type.msg, resetFrame(0)]
    ],
    "a stream that was never opened": [
      [Type.msg, frame(Kind.data, 2, "x")],
      [Type.rsp, frame(Kind.data, 2, "x")],
      [Type.msg, frame(Kind.end, 2)],
      [Type.rsp, frame(Kind.credit, 2, u32(1))],
      [Type.msg, resetFrame(2)],
      [Type.err, resetFrame(2)]
    ],
    "DATA after END": [
      [Type.msg, concat(frame(Kind.end, 1), frame(Kind.data, 1, "x"))],
      [Type.rsp, concat(frame(Kind.end, 1), frame(Kind.data, 1, "x"))]
    ],
    "END after END": [[Type.msg, concat(frame(Kind.end, 1), frame(Kind.end, 1))]],
    "END with a payload": [[Type.msg, frame(Kind.end, 1, "x")]],
    "DATA beyond its credit": [
      [Type.msg, frame(Kind.data, 1, new Uint8Array(initialCredit + 1))],
      [
        Type.rsp,
        concat(frame(Kind.data, 1, new Uint8Array(initialCredit)), frame(Kind.data, 1, "x"))
      ]
    ],
    "CREDIT of 0": [[Type.msg, frame(Kind.credit, 1, u32(0))]],
    "CREDIT beyond 2^32-1": [
      [Type.msg, frame(Kind.credit, 1, u32(0xffff_ffff))],
      [Type.rsp, concat(frame(Kind.credit, 1, u32(0xfff0_0000)), frame(Kind.credit, 1, u32(0xf_ffff)))]
    ],
    "a malformed CREDIT": [[Type.msg, frame(Kind.credit, 1, "abc")], [Type.msg, frame(Kind.credit, 1, "abcde")]],
    "a malformed RESET": [
      [Type.msg, frame(Kind.reset, 1, "")],
      [Type.msg, frame(Kind.reset, 1, `{"code":"failed"}`)],
      [Type.err, frame(Kind.reset, 1, `{"code":1,"message":""}`)]
    ],
    "a malformed PING": [
      [Type.rsp, frame(Kind.ping, 0, ping)],
      [Type.err, frame(Kind.ping, 0, ping)],
      [Type.msg, frame(Kind.ping, 1, ping)],
      [Type.msg, frame(Kind.ping, 0, ping.subarray(1))],
      [Type.msg, frame(Kind.ping, 0, new Uint8Array(9))]
    ],
    "a malformed PONG": [
      [Type.msg, frame(Kind.pong, 0, ping)],
      [Type.rsp, frame(Kind.pong, 1, ping)],
      [Type.rsp, frame(Kind.pong, 0, "")]
    ],
    "a malformed GOAWAY": [
      [Type.rsp, frame(Kind.goaway, 0, goaway)],
      [Type.msg, frame(Kind.goaway, 1, goaway)],
      [Type.msg, frame(Kind.goaway, 0, "{}")],
      [Type.msg, frame(Kind.goaway, 0, "")]
    ]
  }
  for (const [title, messages] of Object.entries(violations)) {
    it(title, () => {
      for (const [type, message] of messages) assert.isString(established().receive(type, message))
    })
  }

  it("a violation hands nothing on of what came before it in its message", () => {
    const side = new Side()
    assert.isString(side.receive(Type.msg, concat(openFrame(1), frame(Kind.end, 9))))
    assert.strictEqual(side.opened.length, 0)
  })

  it("nor its END or RESET, its GOAWAY or PONG, to whoever waits or will read, and the streams fail with the session", () => {
    const before: Record<string, ReadonlyArray<Uint8Array>> = {
      "an answer": [frame(Kind.data, 1, "answer"), frame(Kind.end, 1)],
      "an END": [frame(Kind.end, 1)],
      "a RESET": [frame(Kind.data, 1, "answer"), frame(Kind.reset, 1, `{"code":"failed","message":"","error":1}`)],
      "a PONG": [frame(Kind.pong, 0, new Uint8Array(8))]
    }
    for (const [title, frames] of Object.entries(before)) {
      for (const ended of [true, false]) {
        for (const waits of [true, false]) {
          const what = `${title}, ${ended ? "ended" : "not ended"}, ${waits ? "waited for" : "not waited for"}`
          const told: Array<string> = []
          const budget = new Budget(1e9)
          const mux = new Mux({
            chunkSize: 16_384,
            maxStreams: 10,
            budget,
            onOpen: () => {},
            onWork: () => {},
            onPong: () => told.push("PONG"),
            onGoAway: () => told.push("GOAWAY"),
            onClosed: () => {}
          })
          const stream = mux.openStream({ protocol: "command", name: "x" })
          assert.isObject(stream)
          if (typeof stream === "string") return
          if (ended) stream.end()
          const page = new Uint8Array(65_536)
          mux.outgoing.fill(page, new DataView(page.buffer), 0, page.length)
          if (waits) {
            stream.onReadable = () =>
              told.push(`${stream.read().length} pieces, ${stream.failure?.code ?? "no failure"}`)
          }
          const type = title === "a RESET" ? Type.err : Type.rsp
          assert.isString(mux.receive(type, concat(...frames, frame(99, 1))), what)
          assert.strictEqual(mux.openStream({ protocol: "command", name: "y" }), "draining", what)
          mux.failAll({ code: "lost", message: "", remote: false })
          assert.deepStrictEqual(told, waits ? ["0 pieces, lost"] : [], what)
          assert.strictEqual(stream.failure?.code, "lost", what)
          assert.strictEqual(stream.read().length, 0, what)
          assert.isFalse(stream.remoteEnded, what)
          assert.strictEqual(mux.streams + budget.used, 0, what)
        }
      }
    }
    const side = new Side()
    assert.isString(
      side.receive(Type.msg, concat(frame(Kind.goaway, 0, `{"code":"renew","message":""}`), frame(99, 1)))
    )
    assert.strictEqual(side.goAways.length, 0)
  })

  it("and takes nothing back of an answer that was whole before it, which would be read as whole, and empty", () => {
    const [a, b] = [new Side(), new Side()]
    const stream = a.open()
    settle(a, b)
    b.opened[0]!.write(utf8("answer"))
    b.opened[0]!.end()
    for (const message of b.all()) a.take(message)
    // Nobody has read it, and the question's END has not left.
    assert.isString(a.receive(Type.rsp, frame(99, stream.id)))
    a.mux.failAll({ code: "lost", message: "", remote: false })
    assert.isUndefined(stream.failure)
    assert.isTrue(stream.remoteEnded)
    assert.deepStrictEqual(bytesOf(stream.read()), utf8("answer"))
    assert.strictEqual(a.budget.used, 0)
  })

  it("nor to whoever is told of one stream and reads another, and whoever waits for room", () => {
    const told: Array<string> = []
    const read = (title: string, stream: MuxStream) => {
      const parts = stream.read()
      told.push(`${title}: ${parts.length} pieces, ${stream.remoteEnded ? "whole" : "not whole"}`)
    }
    const streams: Array<MuxStream> = []
    const readAll = (when: string) => () => {
      for (const stream of streams) read(`${when}, ${stream.id}`, stream)
    }
    const mux = new Mux({
      chunkSize: 16_384,
      maxStreams: 10,
      budget: new Budget(1e9),
      onOpen: () => {},
      onWork: () => {},
      onPong: () => {},
      onGoAway: () => {},
      onClosed: readAll("room")
    })
    for (const end of [true, false, true]) {
      const stream = mux.openStream({ protocol: "command", name: "x" })
      assert.isObject(stream)
      if (typeof stream === "string") return
      if (end) stream.end()
      streams.push(stream)
    }
    const page = new Uint8Array(65_536)
    mux.outgoing.fill(page, new DataView(page.buffer), 0, page.length)
    streams[0]!.onReadable = readAll("told")
    const answers = [1, 2, 3].map((id) => frame(Kind.data, id, "answer"))
    assert.isString(
      mux.receive(Type.rsp, concat(...answers, frame(Kind.end, 1), frame(Kind.end, 3), frame(99, 1)))
    )
    mux.failAll({ code: "lost", message: "", remote: false })
    assert.includeMembers(told, ["told, 2: 0 pieces, not whole", "room, 3: 0 pieces, not whole"])
    assert.isTrue(told.every((line) => line.endsWith("0 pieces, not whole")), told.join("\n"))
    for (const stream of streams) assert.strictEqual(stream.failure?.code, "lost")
  })

  it("a place that one message frees is there for what it opens", () => {
    for (const last of [frame(Kind.end, 1), resetFrame(1)]) {
      const side = new Side({ maxStreams: 1, credit: initialCredit })
      side.receive(Type.msg, openFrame(1))
      side.opened[0]!.end()
      side.all()
      assert.isUndefined(side.receive(Type.msg, concat(last, openFrame(2))))
      assert.deepStrictEqual(side.opened.map(({ id }) => id), [1, 2])
    }
  })

  it("an OPEN counts for what it says, where that is long", () => {
    const budget = new Budget(2 * initialCredit)
    const side = new Side({ budget })
    const name = "n".repeat(50_000)
    side.receive(Type.msg, openFrame(1, { name }))
    assert.isAtLeast(budget.used, initialCredit + name.length)
    side.receive(Type.msg, openFrame(2))
    assert.strictEqual(side.opened.length, 1)
    side.receive(Type.msg, resetFrame(1))
    assert.strictEqual(budget.used, 0)
  })

  it("an OPEN whose headers are long is refused, by their bytes and not by their characters", () => {
    const side = new Side({})
    for (
      const [id, a] of [[1, "x".repeat(4_088)], [2, "x".repeat(4_089)], [3, "é".repeat(2_044)], [
        4,
        "é".repeat(2_045)
      ]] as const
    ) {
      assert.isUndefined(side.receive(Type.msg, openFrame(id, { headers: { a } })))
    }
    assert.deepStrictEqual(side.opened.map(({ id }) => id), [1, 3])
  })

  it("and what does not: gaps in numbers, empty DATA, unknown fields and protocols, the largest credit", () => {
    const side = established()
    const fine = (type: Type, message: Uint8Array) => assert.isUndefined(side.receive(type, message))
    fine(Type.msg, openFrame(1_000, { extra: { deep: [1] }, protocol: "tomorrow's" }))
    assert.strictEqual(side.opened.at(-1)!.open.protocol, "tomorrow's")
    // Numbers in the gap are below the highest: closed.
    fine(Type.msg, frame(Kind.data, 500, "x"))
    fine(Type.msg, frame(Kind.data, 1, ""))
    fine(Type.msg, frame(Kind.data, 1, new Uint8Array(initialCredit)))
    fine(Type.msg, frame(Kind.credit, 1, u32(0xffff_ffff - initialCredit)))
    fine(Type.msg, frame(Kind.reset, 1, JSON.stringify({ code: "cancelled", message: "", more: 1, error: null })))
    fine(Type.msg, frame(Kind.goaway, 0, JSON.stringify({ code: "renew", message: "", retryAfter: 1 })))
    fine(Type.msg, openFrame(0xffff_ffff))
  })

  it("a last word is behind all that waits, of whichever type", () => {
    const [a, b] = [new Side(), new Side()]
    a.mux.openStream({ protocol: "command", name: "f" })
    for (const { bytes, type } of a.all()) b.receive(type, bytes)
    b.receive(Type.msg, frame(Kind.ping, 0, new Uint8Array(8)))
    b.receive(Type.msg, frame(Kind.ping, 0, new Uint8Array(8)))
    b.mux.resetAll("going_away", "")
    b.mux.lastWord("protocol", "")
    const kinds = b.all().flatMap(({ bytes }) => bytes[0])
    assert.deepStrictEqual(kinds, [Kind.pong, Kind.reset, Kind.goaway])
    assert.deepStrictEqual(b.all(), [])
  })

  it("an opener that gives up a question whose answer is whole says END of it, and no RESET", () => {
    const side = new Side()
    const stream = side.mux.openStream({ protocol: "command", name: "f" }) as MuxStream
    stream.write(new Uint8Array(Frame.initialCredit + 1))
    side.all()
    side.mux.receive(Type.rsp, frame(Kind.end, 1))
    stream.reset("cancelled", "")
    stream.abandon()
    const said = side.all().flatMap(({ bytes, type }) => framesOf(bytes).map(({ kind }) => [type, kind]))
    assert.deepStrictEqual(said, [[Type.msg, Kind.end]])
    assert.isTrue(stream.closed)
    assert.strictEqual(side.mux.streams, 0)
    assert.strictEqual(side.budget.used, 0)
  })

  it("a last word says which streams came, and those that did not were refused and not run", () => {
    const [a, b] = [new Side(), new Side()]
    const streams = Array.from({ length: 4 }, () => a.mux.openStream({ protocol: "command", name: "f" }) as MuxStream)
    for (const { bytes, type } of a.all()) b.receive(type, bytes)
    const late = a.mux.openStream({ protocol: "command", name: "f" }) as MuxStream
    const [crossing] = a.all()
    b.mux.lastWord("shutdown", "")
    for (const { bytes, type } of b.all()) a.receive(type, bytes)
    assert.deepStrictEqual(a.goAways, [{ code: "shutdown", message: "", last: 4 }])
    assert.deepStrictEqual(streams.map(({ failure }) => failure), [undefined, undefined, undefined, undefined])
    assert.deepInclude(late.failure!, { code: "refused", remote: true })
    assert.strictEqual(a.mux.openStream({ protocol: "command", name: "f" }), "draining")
    assert.isDefined(crossing)
    // Whatever else stands there says nothing.
    for (const last of ["\"4\"", "null", "1.5", "-1"]) {
      const side = new Side()
      const stream = side.mux.openStream({ protocol: "command", name: "f" }) as MuxStream
      side.all()
      side.receive(Type.msg, frame(Kind.goaway, 0, `{"code":"shutdown","message":"","last":${last}}`))
      assert.strictEqual(stream.failure?.code, last === "-1" ? "refused" : undefined, last)
    }
  })

  it("a deadline comes with the stream, the longest as 2^31-1, and one that is over is reset unrun", () => {
    const side = new Side()
    side.receive(
      Type.msg,
      concat(openFrame(1, { deadline: 1_500 }), openFrame(2, { deadline: 1e300 }), openFrame(3, { deadline: 0 }))
    )
    assert.isUndefined(side.receive(Type.msg, openFrame(4, { deadline: -7 })))
    assert.deepStrictEqual(side.opened.map(({ open }) => open.deadline), [1_500, 2 ** 31 - 1])
    const resets = side.all().flatMap(({ bytes, type }) => {
      assert.strictEqual(type, Type.err)
      return framesOf(bytes)
    })
    assert.deepStrictEqual(resets.map(({ id, payload }) => [id, json(payload)["code"]]), [
      [3, "deadline"],
      [4, "deadline"]
    ])
  })

  it("arbitrary bytes never throw, and never give more than was opened", () => {
    const random = chance(99)
    const samples = Object.values(violations).flat().map(([, message]) => message)
    for (let i = 0; i < 4_000; i++) {
      const side = established()
      const type = random.below(3) as Type
      let message = random.pick(samples).slice(0, 4_096)
      if (random.next() < 0.3) message = Uint8Array.from({ length: random.below(60) }, () => random.below(256))
      for (let n = random.below(4); n > 0 && message.length > 0; n--) {
        message[random.below(message.length)] = random.next() < 0.5 ? random.below(256) : random.below(9)
      }
      const result = side.receive(type, message)
      assert.isTrue(result === undefined || typeof result === "string")
      side.all()
      assert.isAtMost(side.mux.streams, 2 + message.length / 9)
      assert.strictEqual(side.budget.used, side.mux.streams * initialCredit)
    }
  })
})

// ---------------------------------------------------------------------------------------------------------------------
// limits
// ---------------------------------------------------------------------------------------------------------------------

describe("Mux: limits", () => {
  const refused = (side: Side) =>
    side.all().flatMap(({ bytes, type }) => type === Type.err ? framesOf(bytes) : []).map(({ id, payload }) => [
      id,
      json(payload)["code"]
    ])

  it("more streams than there may be are refused, and not opened by this side", () => {
    const side = new Side({ maxStreams: 3 })
    side.receive(Type.msg, concat(...[1, 2, 3, 4, 5].map((id) => openFrame(id))))
    assert.strictEqual(side.opened.length, 3)
    assert.deepStrictEqual(refused(side), [[4, "refused"], [5, "refused"]])
    // What is sent on the refused ones is on its way already.
    assert.isUndefined(side.receive(Type.msg, concat(frame(Kind.data, 4, "x"), frame(Kind.end, 4))))
    side.opened[0]!.reset("internal", "")
    assert.isUndefined(side.receive(Type.msg, openFrame(6)))
    assert.strictEqual(side.opened.length, 4)

    const own = new Side({ maxStreams: 2 })
    const first = own.open()
    own.open()
    assert.strictEqual(own.mux.openStream({ protocol: "command", name: "x" }), "streams")
    first.reset("cancelled", "")
    own.open()
  })

  it("one of each side that stands for as long as the session takes nobody's place, and a second one does", () => {
    const isAside = ({ protocol }: Frame.Open) => protocol === "offer"
    const side = new Side({ maxStreams: 1, isAside })
    const offer = (id: number) => openFrame(id, { protocol: "offer" })
    side.receive(Type.msg, concat(offer(1), openFrame(2), openFrame(3), offer(4)))
    assert.deepStrictEqual(refused(side), [[3, "refused"], [4, "refused"]])
    assert.strictEqual(side.mux.placed, 1)
    side.opened[0]!.reset("cancelled", "")
    assert.isUndefined(side.receive(Type.msg, concat(offer(5), openFrame(6))))
    assert.deepStrictEqual(side.opened.map(({ id }) => id), [1, 2, 5])

    const own = new Side({ maxStreams: 1, isAside })
    own.open()
    const first = own.open("", { protocol: "offer" })
    assert.strictEqual(own.mux.openStream({ protocol: "offer", name: "" }), "streams")
    assert.strictEqual(own.mux.openStream({ protocol: "command", name: "x" }), "streams")
    assert.strictEqual(own.mux.placed, 1)
    first.reset("cancelled", "")
    own.open("", { protocol: "offer" })
    assert.strictEqual(own.mux.placed, 1)
  })

  it("credit over the budget is refused, that of both sides counted, and that of the node as a whole", () => {
    const node = new Budget(3 * initialCredit)
    const side = new Side({ budget: new Budget(2 * initialCredit, node) })
    const another = new Side({ budget: new Budget(2 * initialCredit, node) })
    const stream = side.open()
    side.receive(Type.msg, concat(openFrame(1), openFrame(2)))
    assert.deepStrictEqual(refused(side), [[2, "refused"]])
    assert.strictEqual(side.mux.openStream({ protocol: "command", name: "x" }), "credit")
    another.receive(Type.msg, openFrame(1))
    assert.strictEqual(another.mux.openStream({ protocol: "command", name: "x" }), "credit")
    assert.strictEqual(node.used, 3 * initialCredit)
    stream.reset("cancelled", "")
    another.open()
    assert.strictEqual(node.used, 3 * initialCredit)
    side.mux.failAll({ code: "lost", message: "", remote: false })
    another.mux.failAll({ code: "lost", message: "", remote: false })
    assert.strictEqual(node.used, 0)
  })

  it("two sides that open all they may at once refuse each other nothing, as each keeps to half of its credit", () => {
    const sides = [new Side({ credit: 8 * initialCredit }), new Side({ credit: 8 * initialCredit })] as const
    const opened = sides.map((side) => {
      const streams: Array<MuxStream> = []
      for (;;) {
        const stream = side.mux.openStream({ protocol: "command", name: "x" })
        if (typeof stream === "string") return streams
        streams.push(stream)
      }
    })
    assert.deepStrictEqual(opened.map((streams) => streams.length), [4, 4])
    settle(...sides)
    assert.deepStrictEqual(opened.flat().map(({ failure }) => failure), Array.from({ length: 8 }, () => undefined))
    opened[0]![0]!.reset("cancelled", "")
    settle(...sides)
    sides[0].open()
    // However little there is, one has room.
    new Side({ credit: initialCredit }).open()
  })

  it("who is told of room, and opens and writes at once, has no byte ahead of its OPEN in the message that made room", () => {
    let again: MuxStream | undefined
    const left: Side = new Side({
      maxStreams: 1,
      onClosed: () => {
        if (again !== undefined) return
        again = left.open()
        again.write(Uint8Array.of(1, 2, 3))
        again.end()
      }
    })
    const right = new Side()
    left.open().write(new Uint8Array(100))
    settle(left, right)
    // The answer is whole before the question is.
    right.opened[0]!.end()
    settle(left, right)
    assert.deepStrictEqual(right.opened.map(({ id }) => id), [1, 2])
    assert.deepStrictEqual(bytesOf(right.opened[1]!.read()), Uint8Array.of(1, 2, 3))
    assert.isTrue(again!.localEnded)
  })

  it("who waits for room is told of it though the message that made it is never used", () => {
    let told = 0
    const left: Side = new Side({ onClosed: () => void told++ })
    const right = new Side()
    left.open().write(new Uint8Array(100))
    settle(left, right)
    right.opened[0]!.end()
    for (const message of right.all()) left.take(message)
    left.mux.outgoing.fill(page, new DataView(page.buffer), 0, 1_000)
    assert.strictEqual(told, 0)
    left.mux.failAll({ code: "lost", message: "", remote: false })
    assert.isAbove(told, 0)
  })

  describe("more credit", () => {
    const mib = 1_048_576
    const data = (bytes: number) => ({ type: Type.msg, bytes: frame(Kind.data, 1, new Uint8Array(bytes)) }) as const
    /** What is granted, of what comes and is read in pieces of that many bytes. */
    const granted = (side: Side, pieces: ReadonlyArray<number>) => {
      const credits: Array<number> = []
      for (const piece of pieces) {
        for (let left = piece; left > 0; left -= 65_536) side.take(data(Math.min(left, 65_536)))
        side.opened[0]!.read()
        for (const { bytes } of side.all()) credits.push(new DataView(bytes.buffer, bytes.byteOffset).getUint32(9))
      }
      return credits
    }
    const begun = (credit = 64 * initialCredit, window = mib) => {
      const side = new Side({ credit, window })
      side.take({ type: Type.msg, bytes: openFrame(1) })
      return side
    }
    const asItComes = (bytes: number) => Array.from({ length: bytes / 65_536 }, () => 65_536)

    it("who is read as it comes is granted more, twice as much each time, as far as the window goes, and all is given back", () => {
      const side = begun()
      assert.deepStrictEqual(granted(side, asItComes(2 * mib)), [393_216, 786_432, 524_288, 524_288, 524_288])
      assert.strictEqual(side.budget.used, mib)
      // It may use all of it.
      assert.deepStrictEqual(granted(side, [mib - 131_072]), [mib])
      for (let i = 0; i < 16; i++) side.take(data(65_536))
      assert.isDefined(side.receive(Type.msg, data(1).bytes))
      side.opened[0]!.reset("cancelled", "")
      assert.strictEqual(side.budget.used, 0)
      assert.isTrue(side.budget.widen(16 * initialCredit))
    })

    it("it is given back, too, where all else of the stream was", () => {
      const side = begun()
      side.opened[0]!.ease(0)
      granted(side, asItComes(2 * mib))
      side.take({ type: Type.msg, bytes: resetFrame(1) })
      assert.strictEqual(side.budget.used, 0)
      assert.isTrue(side.budget.widen(16 * initialCredit))
    })

    it("nothing waits in a stream that the other side has reset, whoever holds on to it", () => {
      const side = begun()
      side.take(data(65_536))
      side.take({ type: Type.msg, bytes: resetFrame(1) })
      const [stream] = side.opened
      assert.deepStrictEqual([stream!.unread, side.budget.used], [0, 0])
    })

    it("who is not is granted what was read, and so is everybody where the window is no larger", () => {
      const late = begun()
      assert.deepStrictEqual(granted(late, [initialCredit, initialCredit]), [initialCredit, initialCredit])
      assert.strictEqual(late.budget.used, initialCredit)
      for (const window of [1, initialCredit]) {
        assert.deepStrictEqual(granted(begun(undefined, window), asItComes(initialCredit)), [131_072, 131_072])
      }
    })

    it("of all credit a quarter is for it, of a peer's and of the node's", () => {
      const side = begun(8 * initialCredit)
      assert.deepStrictEqual(granted(side, asItComes(mib)), [393_216, 262_144, 262_144, 262_144])
      assert.strictEqual(side.budget.used, 2 * initialCredit)
      const node = new Budget(8 * initialCredit)
      const [one, two] = [0, 1].map(() => new Budget(1 << 30, node)) as [Budget, Budget]
      assert.isTrue(one.widen(initialCredit))
      assert.isFalse(two.widen(initialCredit + 1))
      one.narrow(initialCredit)
      assert.isTrue(two.widen(2 * initialCredit))
      assert.isFalse(one.widen(1))
      assert.deepStrictEqual([node.used, one.used, two.used], [2 * initialCredit, 0, 2 * initialCredit])
    })
  })

  it("memory of a stalled stream is at most twice its credit, however it was cut", () => {
    const random = chance(7)
    const held = (parts: ReadonlyArray<Uint8Array>) => {
      const buffers = new Set(parts.map((part) => part.buffer))
      // A view costs about a hundred bytes.
      return [...buffers].reduce((sum, buffer) => sum + buffer.byteLength, 0) + parts.length * 100
    }
    const bound = 2 * initialCredit + 131_072 * 0.2
    // One byte a frame, many frames a message; one byte a message of 131,072; and whatever mixture.
    const patterns: Record<string, () => readonly [data: number, message: number]> = {
      "one byte a frame": () => [1, 10],
      "one byte a large message": () => [1, 131_000],
      "a kilobyte a large message": () => [1_024, 131_000],
      "full messages": () => [98_000, 98_009],
      mixed: () => {
        const data = 1 + random.below(random.pick([3, 300, 30_000]))
        return [data, data + 9 + random.below(random.pick([10, 100_000]))]
      }
    }
    for (const [title, pattern] of Object.entries(patterns)) {
      for (const stopAt of [1, 63, 64, 65, 500, Infinity]) {
        const side = established()
        const [stream] = side.opened
        let sum = 0
        let violation: string | undefined
        for (let n = 0; n < Math.min(stopAt, title === "one byte a frame" ? initialCredit : 2_000); n++) {
          const [data, size] = pattern()
          if (sum + data > initialCredit) break
          const message = new Uint8Array(size)
          message.set(frame(Kind.data, 1, new Uint8Array(data).fill(sum & 255)))
          // As if the rest were other streams'.
          violation ??= side.receive(Type.msg, message.subarray(0, 9 + data))
          sum += data
        }
        assert.isUndefined(violation)
        const parts = stream!.read()
        assert.strictEqual(parts.reduce((total, part) => total + part.length, 0), sum)
        assert.isAtMost(held(parts), bound, `${title}, stopped at ${stopAt}`)
      }
    }
  })

  it("and so it is where messages are lent, and their places kept", () => {
    const random = chance(8)
    const bound = 2 * initialCredit + 131_072 * 0.2
    // Of records of 65,536 bytes that come in reads of as many, how much is this stream's.
    for (const share of [1, 100, 1_000, 20_000, 65_000]) {
      for (const stopAt of [1, 8, 63, 64, 65, 300, Infinity]) {
        const side = established()
        const [stream] = side.opened
        let rest = new Uint8Array(65_536)
        let sum = 0
        for (let n = 0; n < Math.min(stopAt, 1_000) && sum + share <= initialCredit; n++) {
          const next = new Uint8Array(65_536)
          const cut = random.below(65_536)
          const message = { type: Type.msg, bytes: frame(Kind.data, 1, new Uint8Array(share).fill(n)) }
          side.borrow(message, [rest.subarray(65_536 - cut), next.subarray(0, 65_536 - cut)])
          rest = next
          sum += share
        }
        const parts = stream!.read()
        assert.strictEqual(parts.reduce((total, part) => total + part.length, 0), sum)
        const held = [...new Set(parts.map((part) => part.buffer))].reduce((all, { byteLength }) => all + byteLength, 0)
        assert.isAtMost(held + parts.length * 100, bound, `${share}, stopped at ${stopAt}`)
      }
    }
  })

  it("credit is granted as the data is read, not as it comes, and in halves", () => {
    const side = established()
    const [stream] = side.opened
    const credits = () =>
      side.all().flatMap(({ bytes }) => framesOf(bytes)).map(({ kind, payload }) => [
        kind,
        new DataView(payload.buffer, payload.byteOffset).getUint32(0)
      ])
    side.receive(Type.msg, frame(Kind.data, 1, new Uint8Array(100_000)))
    assert.deepStrictEqual(credits(), [])
    stream!.read()
    assert.deepStrictEqual(credits(), [])
    side.receive(Type.msg, frame(Kind.data, 1, new Uint8Array(100_000)))
    stream!.read()
    assert.deepStrictEqual(credits(), [[Kind.credit, 200_000]])
    // Not for what can not come any more.
    side.receive(Type.msg, concat(frame(Kind.data, 1, new Uint8Array(200_000)), frame(Kind.end, 1)))
    stream!.read()
    assert.deepStrictEqual(credits(), [])
  })
})

// ---------------------------------------------------------------------------------------------------------------------
// who is sent when
// ---------------------------------------------------------------------------------------------------------------------

describe("Mux: turns", () => {
  const bulk = (side: Side) => {
    const stream = side.open("bulk")
    for (let i = 0; i < 20; i++) stream.write(new Uint8Array(13_000))
    return stream
  }

  it("a bulk stream does not delay a small one", () => {
    const [a, b] = [new Side(), new Side()]
    bulk(a)
    bulk(a)
    b.take(a.next(50_000)!)
    const small = a.open("small")
    small.write(utf8("short"))
    small.end()
    // The bulk's chunk that was due, and then it.
    b.take(a.next(60_000)!)
    const theirs = b.opened.find(({ open }) => open.name === "small")!
    assert.deepStrictEqual(bytesOf(theirs.read()), utf8("short"))
    assert.isTrue(theirs.remoteEnded)
  })

  it("no type of message waits for another's bulk", () => {
    const [a, b] = [new Side(), new Side()]
    b.onOpen = (stream) => {
      if (stream.open.name === "bulk") { for (let i = 0; i < 20; i++) stream.write(new Uint8Array(13_000)) }
    }
    bulk(b)
    for (let i = 0; i < 5; i++) a.open("bulk")
    for (const message of a.all()) b.take(message)
    b.next(50_000)
    a.open("refused")
    for (const message of a.all()) b.take(message)
    b.opened.find(({ open }) => open.name === "refused")!.reset("not_found", "")
    const types = Array.from({ length: 3 }, () => b.next(50_000)?.type)
    assert.deepStrictEqual([...types].sort(), [Type.msg, Type.rsp, Type.err])
  })

  it("a PONG overtakes waiting data, and of several PINGs the last is answered", () => {
    const [a, b] = [new Side(), new Side()]
    bulk(b)
    b.onOpen = (stream) => {
      for (let i = 0; i < 20; i++) stream.write(new Uint8Array(13_000))
    }
    a.open("bulk")
    for (const message of a.all()) b.take(message)
    b.next(50_000)
    for (const n of [1, 2, 3]) a.mux.ping(Uint8Array.of(n, 0, 0, 0, 0, 0, 0, n))
    for (const message of a.all()) b.take(message)
    const next = b.next(50_000)!
    const [first, ...others] = framesOf(next.bytes)
    assert.strictEqual(next.type, Type.rsp)
    assert.strictEqual(first!.kind, Kind.pong)
    assert.deepStrictEqual(first!.payload, Uint8Array.of(3, 0, 0, 0, 0, 0, 0, 3))
    assert.isFalse(others.some(({ kind }) => kind === Kind.pong))
    a.take(next)
    assert.deepStrictEqual(a.pongs, [Uint8Array.of(3, 0, 0, 0, 0, 0, 0, 3)])
    assert.isFalse(b.all().some(({ bytes }) => framesOf(bytes).some(({ kind }) => kind === Kind.pong)))
  })

  it("a PONG does not overtake what was opened before it", () => {
    const [a, b] = [new Side(), new Side()]
    bulk(b)
    a.mux.goAway({ code: "renew", message: "" })
    a.mux.ping(new Uint8Array(8))
    for (const message of a.all()) b.take(message)
    const kinds = [b.next(50_000)!, b.next(50_000)!].map(({ bytes, type }) => [
      type,
      framesOf(bytes).map(({ kind }) => kind)
    ])
    assert.deepStrictEqual(kinds, [[Type.msg, [Kind.open]], [Type.rsp, [Kind.pong]]])
    assert.isTrue(b.all().some(({ bytes }) => framesOf(bytes).some(({ kind }) => kind === Kind.data)))
  })

  it("small frames travel together, chunks are cut at the chunk size, and a record is filled", () => {
    const a = new Side({ chunkSize: 1_000 })
    for (let i = 0; i < 50; i++) {
      const stream = a.open()
      stream.write(new Uint8Array(1_500))
      stream.end()
    }
    const messages = a.all(131_000)
    assert.strictEqual(messages.length, 1)
    const sizes = framesOf(messages[0]!.bytes).filter(({ kind }) => kind === Kind.data).map(({ payload }) =>
      payload.length
    )
    assert.deepStrictEqual([...new Set(sizes)], [1_000, 500])
  })

  it("DATA ends where it is told to, and a control frame may be longer", () => {
    const side = established()
    const [stream] = side.opened
    stream!.write(new Uint8Array(100_000))
    const out = new Uint8Array(98_000)
    const fill = () => side.mux.outgoing.fill(out, new DataView(out.buffer), 5, 98_000, 30_005)
    assert.deepStrictEqual(fill(), { type: Type.rsp, end: 30_005 })
    assert.deepStrictEqual(framesOf(out.subarray(5, 30_005)).map(({ payload }) => payload.length), [16_384, 13_598])
    side.open("x".repeat(60_000))
    const opening = fill()
    assert.strictEqual(opening?.type, Type.msg)
    assert.isAbove(opening!.end, 60_000)
    assert.deepStrictEqual(fill(), { type: Type.rsp, end: 30_005 })
  })

  it("who reads is woken once for all that a message has, and before the stream is reset", () => {
    const side = established()
    const [stream] = side.opened
    const read: Array<number> = []
    const wait = () => {
      stream!.onReadable = () => {
        read.push(bytesOf(stream!.read()).length)
        wait()
      }
    }
    wait()
    const data = (length: number) => frame(Kind.data, 1, new Uint8Array(length))
    side.take({ type: Type.msg, bytes: concat(data(3), data(4), data(5)) })
    assert.deepStrictEqual(read, [12])
    side.take({ type: Type.msg, bytes: concat(data(6), data(7), resetFrame(1)) })
    assert.deepStrictEqual(read.slice(0, 2), [12, 13])
    assert.strictEqual(stream!.failure?.code, "cancelled")
  })

  it("all who wait for the same stream are told, and nobody who waits no more, however often he did", () => {
    const [a, b] = [new Side(), new Side()]
    const stream = a.open()
    settle(a, b)
    const told: Array<string> = []
    stream.wait(() => told.push("first"))
    for (let i = 0; i < 100_000; i++) {
      const late = () => told.push("late")
      stream.wait(late)
      stream.forget(late)
    }
    stream.wait(() => {
      told.push("second")
      stream.wait(() => told.push("second again"))
    })
    b.opened[0]!.write(utf8("x"))
    settle(a, b)
    assert.deepStrictEqual(told, ["first", "second"])
    b.opened[0]!.end()
    settle(a, b)
    assert.deepStrictEqual(told, ["first", "second", "second again"])
    const alone = () => told.push("alone")
    const other = a.open()
    other.wait(alone)
    other.forget(alone)
    other.reset("internal", "")
    assert.strictEqual(told.length, 3)
  })

  it("it owes credit from when it is granted until it is sent", () => {
    const side = established()
    side.take({ type: Type.msg, bytes: frame(Kind.data, 1, new Uint8Array(initialCredit / 2)) })
    assert.isFalse(side.mux.outgoing.owesCredit)
    side.opened[0]!.read()
    assert.isTrue(side.mux.outgoing.owesCredit)
    assert.strictEqual(side.all().length, 1)
    assert.isFalse(side.mux.outgoing.owesCredit)
  })

  it("after GOAWAY this side opens no more; what crossed it is served until the other side knows", () => {
    const [a, b] = [new Side(), new Side()]
    a.mux.goAway({ code: "renew", message: "" })
    assert.strictEqual(a.mux.openStream({ protocol: "command", name: "x" }), "draining")
    b.open("crossing")
    for (const message of b.all()) a.take(message)
    assert.strictEqual(a.opened.length, 1)
    settle(a, b)
    assert.deepStrictEqual(b.goAways, [{ code: "renew", message: "" }])
    assert.strictEqual(b.mux.openStream({ protocol: "command", name: "x" }), "draining")
    // Once it does, there is no crossing any more.
    a.mux.refusing = true
    a.receive(Type.msg, openFrame(2))
    assert.strictEqual(a.opened.length, 1)
    // And whoever got it gets no more from its sender.
    b.receive(Type.msg, openFrame(1))
    assert.strictEqual(b.opened.length, 0)
  })
})
