/**
 * One direction of a simulated connection: bytes under a window, lost and sent again, stalled and resumed.
 *
 * Segments are the unit that travels, one event of the engine each. A lost one is known at once to arrive later (the wait
 * for its retransmission is added to its way), and what was sent after it waits for it. Where the way itself is cut, the
 * whole direction stalls: it tries again after 200 ms, doubling up to two minutes, and gives up after a quarter of an hour.
 */
import type { Timer } from "./engine.ts"
import type { Prng } from "./prng.ts"
import type { HostState, Path, World } from "./world.ts"

const segmentMax = 65_536
const segmentMin = 1_460
// A segment that is lost more often than this counts as cut off.
const maxLosses = 15

export const failure = (code: string, message: string): Error =>
  Object.assign(new Error(`${code}: ${message}`), { code })

export interface Segment {
  readonly kind: "open" | "data" | "fin"
  readonly bytes: Uint8Array
}

/** The end of a connection that a pipe goes out from, or comes to. */
export interface Side {
  readonly world: World
  readonly host: HostState
  readonly chance: Prng
  /** The other end. */
  readonly peer: Side | undefined
  readonly gone: boolean
  readonly text: string
  readonly remoteText: string
  path(inFlight?: boolean): Path | string
  /** What is sent in place of the bytes. */
  inspect(bytes: Uint8Array): ReadonlyArray<Uint8Array>
  receive(segment: Segment, path: Path): void
  /** Answers with a reset. */
  refuse(sender: Side, path: Path): void
  fail(cause: Error): void
}

interface Pending {
  readonly bytes: Uint8Array
  taken: number
  done: ((error?: Error) => void) | undefined
}

const empty: Uint8Array = new Uint8Array(0)

/** One direction of a connection, from the sending end. */
export class Pipe {
  readonly from: Side
  readonly #world: World
  /** Written, and not yet within the window. */
  #pending: Array<Pending> = []
  /** Sent, and not yet arrived. */
  #unacked: Array<Segment> = []
  /** Bytes that the other side's program has not pulled, as far as this side knows. */
  #outstanding = 0
  /** Bytes pulled that this side does not know of yet. */
  #freed = 0
  #credit: Timer | undefined
  #lastArrival = 0
  /** What was in flight when the way turned out to be cut does not count any more. */
  #epoch = 0
  #retry: Timer | undefined
  #retries = 0
  #stalledSince: number | undefined
  #finishing = false
  #finSent = false
  #dead = false

  constructor(from: Side) {
    this.from = from
    this.#world = from.world
  }

  get finishing(): boolean {
    return this.#finishing
  }

  /** Whether so many bytes would all be on their way at once. */
  hasRoom(length: number): boolean {
    return !this.#dead && !this.#finishing && this.#pending.length === 0 &&
      this.#outstanding + length <= this.#world.streams.window
  }

  /** `true` when all of it is on its way; else `done` is called later. */
  write(bytes: Uint8Array, done: (error?: Error) => void): boolean {
    if (bytes.length === 0) return true
    const entry: Pending = { bytes, taken: 0, done: undefined }
    this.#pending.push(entry)
    this.#push()
    if (entry.taken === bytes.length) return true
    entry.done = done
    if (this.#freed > 0) this.#scheduleCredit()
    return false
  }

  open(): void {
    this.#send({ kind: "open", bytes: empty })
  }

  /** Half-close: what was written still goes out. */
  finish(): void {
    if (this.#finishing) return
    this.#finishing = true
    this.#push()
  }

  /** Bytes beyond the window are in the program's memory and die with it. */
  forgetPending(why: () => Error): void {
    this.failWriters(why)
    this.#pending = []
  }

  /** Tells those who wait for room. Mostly nobody does, and an error costs its stack. */
  failWriters(why: () => Error): void {
    if (this.#pending.length === 0) return
    const error = why()
    for (const entry of this.#pending) {
      const { done } = entry
      entry.done = undefined
      done?.(error)
    }
  }

  /** Nothing more goes out. Who still waits for room is to be told why, with `failWriters`. */
  stop(): void {
    this.#dead = true
    for (const timer of [this.#retry, this.#credit]) if (timer) this.#world.engine.cancel(timer)
    this.#retry = this.#credit = undefined
  }

  /** The other side's program has pulled bytes; this side learns of it one way later, if it waits for that. */
  pulled(bytes: number): void {
    this.#freed += bytes
    if (this.#pending.length > 0) this.#scheduleCredit()
  }

  #scheduleCredit(): void {
    if (this.#credit !== undefined || this.#dead) return
    const { from } = this
    const back = from.peer!.path()
    // Like everything else, word of free space gets through only where there is a way.
    const wait = typeof back === "string" ? this.#world.streams.retry : back.link.latency(from.chance)
    const time = this.#world.quantise(this.#world.engine.now() + wait)
    this.#credit = this.#world.engine.schedule(time, () => {
      this.#credit = undefined
      if (typeof from.peer!.path() === "string") return this.#scheduleCredit()
      this.#outstanding -= this.#freed
      this.#freed = 0
      this.#push()
    })
  }

  /** No more than ten milliseconds of a slow link, so that others get their turn on it. */
  #segmentSize(): number {
    const path = this.from.path()
    if (typeof path === "string" || path.link.bandwidth === Infinity) return segmentMax
    return Math.min(segmentMax, Math.max(segmentMin, Math.floor(path.link.bandwidth / 100)))
  }

  #push(): void {
    if (this.#dead) return
    const { window } = this.#world.streams
    const segmentSize = this.#segmentSize()
    while (this.#pending.length > 0 && this.#outstanding < window) {
      const entry = this.#pending[0]!
      const size = Math.min(entry.bytes.length - entry.taken, window - this.#outstanding, segmentSize)
      const bytes = entry.bytes.subarray(entry.taken, entry.taken + size)
      entry.taken += size
      if (entry.taken === entry.bytes.length) this.#pending.shift()
      for (const each of this.from.inspect(bytes)) {
        this.#outstanding += each.length
        this.#send({ kind: "data", bytes: each })
      }
      if (entry.taken === entry.bytes.length) {
        const { done } = entry
        entry.done = undefined
        done?.()
      }
    }
    if (this.#finishing && !this.#finSent && this.#pending.length === 0 && !this.#dead) {
      this.#finSent = true
      this.#send({ kind: "fin", bytes: empty })
    }
  }

  #send(segment: Segment): void {
    if (this.#dead) return
    this.#unacked.push(segment)
    if (this.#retry === undefined) this.#transmit(segment)
  }

  #transmit(segment: Segment): void {
    const { from } = this
    const { engine, streams, trace } = this.#world
    const path = from.path()
    if (typeof path === "string") return this.#stall(path)
    let delay = 0
    for (let losses = 0; from.chance.chance(path.link.loss); losses++) {
      if (losses === maxLosses) return this.#stall("lost")
      delay += Math.min(streams.retry * 2 ** losses, streams.retryMax)
      trace.stats.retransmitted++
    }
    const departure = this.#world.depart(path.via, path.link, segment.bytes.length, false)!
    const arrival = this.#world.quantise(departure + path.link.latency(from.chance) + delay)
    this.#lastArrival = Math.max(this.#lastArrival, arrival)
    const epoch = this.#epoch
    engine.schedule(this.#lastArrival, () => {
      if (epoch === this.#epoch) this.#arrive(segment)
    })
  }

  #arrive(segment: Segment): void {
    const { from } = this
    const to = from.peer!
    const path = from.path(true)
    if (typeof path === "string") return this.#stall(path)
    this.#unacked.shift()
    this.#retries = 0
    this.#stalledSince = undefined
    // The address may have passed to another host, or the connection died with its host.
    if (path.to !== to.host || to.gone) return to.refuse(from, path)
    to.receive(segment, path)
  }

  #stall(reason: string): void {
    this.#epoch++
    if (this.#dead || this.#retry !== undefined) return
    const { engine, streams, trace } = this.#world
    this.#stalledSince ??= engine.now()
    if (engine.now() - this.#stalledSince >= streams.giveUp) {
      return this.from.fail(failure("ETIMEDOUT", `no answer from ${this.from.remoteText}`))
    }
    if (this.#retries === 0) trace.verb("tcp.stall", this.from.text, reason)
    const wait = Math.min(streams.retry * 2 ** this.#retries++, streams.retryMax)
    this.#retry = engine.schedule(engine.now() + wait, () => {
      this.#retry = undefined
      this.#lastArrival = engine.now()
      trace.stats.retransmitted += this.#unacked.length
      const epoch = this.#epoch
      for (const segment of this.#unacked.slice()) {
        this.#transmit(segment)
        if (this.#epoch !== epoch) return
      }
    })
  }
}
