/**
 * One end of a message link (protocol section 18), without a clock and without waiting: what comes goes in by `receive`, what is
 * to be sent goes out to the channel in the same turn, and whoever waits is called.
 *
 * Every message has a number, and one that does not come in its turn ends the link: nothing is sent again. What was not taken is
 * never more than the window, and whoever sends more is not heard any longer.
 */
import type { NonEmptyReadonlyArray } from "effect/Array"
import { Pieces } from "../base/pieces.ts"
import { quote } from "../base/quote.ts"
import * as Frames from "./frames.ts"

const { Kind, headerLength } = Frames

/** What the machine needs of its channel. */
export interface Outlet {
  readonly maxMessage: number
  readonly memory?: ((length: number) => Uint8Array) | undefined
  readonly send: (message: Uint8Array) => boolean
  readonly close: () => void
}

/** How one direction has ended. */
export interface Ended {
  readonly clean: boolean
  readonly cause: unknown
}

/** Bytes that wait to be sent, and who waits for that. */
export interface Waiting {
  readonly bytes: Uint8Array
  /** So many of them were sent. */
  at: number
  /** All of them were sent, or none of the rest will be. */
  done: () => void
}

const nobody = () => {}

/** How large memory can become, which its own type does not say yet: what may be is taken of what a process can have at all. */
const reachOf = (memory: ArrayBuffer & { readonly maxByteLength?: number }): number =>
  memory.maxByteLength ?? memory.byteLength

/**
 * Memory of one's own, of which little more is kept: what comes by a port may be shared with who sent it, be the corner of a gigabyte, or have been made
 * so that it may grow to one.
 */
const owned = (message: Uint8Array, spare: number): Uint8Array =>
  message.buffer instanceof ArrayBuffer && reachOf(message.buffer) - message.length <= spare
    ? message
    : message.slice()

export class Link {
  /** How reading has ended, after what is still to be taken. */
  readEnd: Ended | undefined
  /** How writing has ended. */
  writeEnd: Ended | undefined
  /** Nothing is sent or received any more. */
  over = false

  readonly #outlet: Outlet
  readonly #window: number
  readonly #maxPayload: number
  /** Quiet ticks after which the other end is taken to be gone. */
  readonly #patience: number
  readonly #readers = new Set<() => void>()

  // --- what comes
  readonly #inbox: Pieces
  #due: number
  /** Bytes that the other end may still send. */
  #allowance = Frames.initialWindow
  /** The limit that it was told. */
  #told: number
  #quiet = 0
  /** Something came since the last tick that was no answer to a PING. */
  #busy = true

  // --- what goes
  #waiting: Array<Waiting> = []
  #number: number
  #credit = Frames.initialWindow
  #limit: number
  /** The channel takes more. */
  #room = true
  #ending = false
  #owesPong = false
  #begun = false

  constructor(outlet: Outlet, options: {
    readonly window: number
    readonly patience: number
    /** What was counted before at both ends, messages and bytes: both counts begin again after 2^32. */
    readonly counted?: number | undefined
  }) {
    const counted = options.counted ?? 0
    this.#due = this.#number = counted
    this.#limit = this.#told = (counted + Frames.initialWindow) >>> 0
    this.#outlet = outlet
    this.#window = Math.min(Frames.maxWindow, Math.max(Frames.initialWindow, options.window))
    this.#maxPayload = Math.max(Frames.leastMessage, outlet.maxMessage) - headerLength
    this.#patience = options.patience
    this.#inbox = new Pieces(this.#window)
  }

  /** The memory that is held for what has come and was not taken. */
  get held(): number {
    return this.#inbox.held
  }

  // --- reading ---------------------------------------------------------------------------------------------------------

  /** What has come, all of it; `undefined` where there is nothing. */
  take(): NonEmptyReadonlyArray<Uint8Array> | undefined {
    if (this.#inbox.length === 0) return undefined
    const chunks = this.#inbox.takeAll() as NonEmptyReadonlyArray<Uint8Array>
    if (this.#owesCredit) this.#flush()
    return chunks
  }

  /** Calls once when there is something to take, or an end of it. What it gives takes that back. */
  onReadable(reader: () => void): () => void {
    this.#readers.add(reader)
    return () => this.#readers.delete(reader)
  }

  /** A message of the channel, which is the link's from now on. */
  receive(came: Uint8Array): void {
    if (this.over) return
    // What a port carries may be any value, and another kind of array has elements that are no bytes.
    if (!(came instanceof Uint8Array)) return this.#fail("a message came that is no bytes")
    const message = owned(came, this.#window)
    if (message.length < headerLength) return this.#fail("a message came that is no frame")
    const number = Frames.numberOf(message)
    if (number !== this.#due) {
      return this.#fail(`messages were lost or changed their order: number ${number} came, and ${this.#due} was due`)
    }
    this.#due = (number + 1) >>> 0
    const limit = Frames.limitOf(message)
    const raised = (limit - this.#limit) >>> 0
    if (raised >= Frames.backwards) return this.#fail("the other end took credit back")
    this.#limit = limit
    this.#credit += raised
    if (this.#credit > Frames.maxWindow) return this.#fail("the other end gave more credit than a window has")
    this.#quiet = 0
    const kind = message[0]!
    if (kind !== Kind.pong) this.#busy = true
    switch (kind) {
      case Kind.data: {
        const length = message.length - headerLength
        if (length > this.#allowance) return this.#fail("the other end sent more than its credit")
        if (length === 0) break
        if (this.readEnd !== undefined) return this.#fail("the other end sent bytes after its end")
        this.#allowance -= length
        this.#inbox.add(message.subarray(headerLength))
        this.#flush()
        return this.#wakeReaders()
      }
      case Kind.end: {
        if (this.readEnd !== undefined) return this.#fail("the other end ended twice")
        this.readEnd = { clean: true, cause: undefined }
        this.#flush()
        return this.#wakeReaders()
      }
      case Kind.ping:
        this.#owesPong = true
        break
      case Kind.pong:
        break
      case Kind.close:
        return this.#ended(true, new Error(`the other end closed it${because(message)}`))
      case Kind.reset:
        return this.#ended(false, new Error(`the other end broke it off${because(message)}`))
      default:
        if (kind < Frames.firstUnknown) return this.#fail(`a frame of the unknown kind ${kind} came`)
    }
    this.#flush()
  }

  // --- writing ---------------------------------------------------------------------------------------------------------

  /**
   * Sends bytes, which are copied, as far as there is credit and the channel has room. What this gives waits for the rest of
   * them, and `done` of it is called when that was sent, or will not be. Writing has to be open.
   */
  write(bytes: Uint8Array): Waiting | undefined {
    let at = 0
    if (this.#waiting.length === 0) {
      while (at < bytes.length && this.#room && this.#credit > 0) {
        const length = Math.min(bytes.length - at, this.#credit, this.#maxPayload)
        const message = this.#frame(Kind.data, length)
        message.set(length === bytes.length ? bytes : bytes.subarray(at, at + length), headerLength)
        at += length
        this.#credit -= length
        this.#send(message)
      }
      if (at === bytes.length || this.writeEnd !== undefined) return undefined
    }
    const waiting: Waiting = { bytes, at, done: nobody }
    this.#waiting.push(waiting)
    return waiting
  }

  /** Nobody waits any more. What has begun is sent to its end, so that no write is torn; what has not is not sent. */
  forsake(waiting: Waiting): void {
    waiting.done = nobody
    if (waiting.at > 0) return
    const index = this.#waiting.indexOf(waiting)
    if (index >= 0) this.#waiting.splice(index, 1)
    this.#flush()
  }

  /** No more bytes are written after those that wait. */
  end(): void {
    if (this.#ending || this.over) return
    this.#ending = true
    this.#flush()
  }

  /** Whether `end` was called. */
  get ending(): boolean {
    return this.#ending
  }

  // --- the channel and the clock ---------------------------------------------------------------------------------------

  /** The channel has room again. */
  room(): void {
    this.#room = true
    this.#flush()
  }

  /** The channel has ended. */
  lost(cause: unknown): void {
    if (!this.over) this.#ended(false, cause)
  }

  /** Time has passed, always the same. Ticks are counted, so that a process that was frozen takes no one for silent. */
  tick(): void {
    if (this.over) return
    if (++this.#quiet > this.#patience) return this.#fail("the other end was silent for too long")
    if (!this.#busy && this.#room) this.#send(this.#frame(Kind.ping, 0))
    this.#busy = false
  }

  /** This end is done with it. */
  close(): void {
    if (this.over) return
    if (this.#waiting.length > 0) this.#say(Kind.reset, "closed in the middle of a write")
    else this.#say(Kind.close, "")
    this.#ended(false, new Error("closed by this side"))
  }

  // --- inside ----------------------------------------------------------------------------------------------------------

  /** What the other end may be told that it may send, beyond what it was told. */
  get #more(): number {
    return this.readEnd === undefined ? this.#window - this.#inbox.length - this.#allowance : 0
  }

  /** Credit goes along with whatever is sent, and alone where much of it is due. Before that, few bytes come without any. */
  get #owesCredit(): boolean {
    return 4 * this.#more >= this.#window && (this.#begun || this.#allowance <= Frames.initialWindow / 2)
  }

  #frame(kind: number, payload: number): Uint8Array {
    const more = this.#more
    this.#allowance += more
    this.#told = (this.#told + more) >>> 0
    this.#begun = true
    const memory = this.#outlet.memory?.(headerLength + payload)
    const message = Frames.make(kind, this.#number, this.#told, payload, memory)
    this.#number = (this.#number + 1) >>> 0
    return message
  }

  #send(message: Uint8Array): void {
    const hasRoom = this.#outlet.send(message)
    // A channel may find out by a send that it has ended, whatever it answers.
    this.#room = hasRoom && !this.over
  }

  #say(kind: number, reason: string): void {
    const bytes = Frames.reasonBytes(reason)
    const message = this.#frame(kind, bytes.length)
    message.set(bytes, headerLength)
    this.#send(message)
  }

  /** Sends what is due and may go. */
  #flush(): void {
    while (this.#waiting.length > 0 && this.#room && this.#credit > 0 && !this.over) this.#sendWaiting()
    if (this.over) return
    if (this.#ending && this.writeEnd === undefined && this.#waiting.length === 0) {
      this.writeEnd = { clean: false, cause: new Error("ended by this side") }
      this.#send(this.#frame(Kind.end, 0))
    }
    if (this.#owesPong && this.#room && !this.over) {
      this.#owesPong = false
      this.#send(this.#frame(Kind.pong, 0))
    }
    if (this.#owesCredit && this.#room && !this.over) this.#send(this.#frame(Kind.data, 0))
  }

  /** One message of what waits, of as many writes as go into it. */
  #sendWaiting(): void {
    const most = Math.min(this.#credit, this.#maxPayload)
    let length = 0
    for (const { at, bytes } of this.#waiting) {
      length += bytes.length - at
      if (length >= most) break
    }
    length = Math.min(length, most)
    const message = this.#frame(Kind.data, length)
    let to = headerLength
    let complete = 0
    for (const waiting of this.#waiting) {
      const part = waiting.bytes.subarray(waiting.at, waiting.at + headerLength + length - to)
      message.set(part, to)
      to += part.length
      waiting.at += part.length
      if (waiting.at < waiting.bytes.length) break
      complete++
      if (to === message.length) break
    }
    this.#credit -= length
    const done = complete === 0 ? [] : this.#waiting.splice(0, complete)
    this.#send(message)
    for (const waiting of done) waiting.done()
  }

  /** The other end broke the rules, or the channel did. */
  #fail(detail: string): void {
    this.#say(Kind.reset, detail)
    this.#ended(false, new Error(detail))
  }

  #ended(clean: boolean, cause: unknown): void {
    if (this.over) return
    this.over = true
    this.readEnd ??= { clean, cause: clean ? undefined : cause }
    this.writeEnd ??= { clean: false, cause }
    const waiting = this.#waiting
    this.#waiting = []
    this.#outlet.close()
    for (const each of waiting) each.done()
    this.#wakeReaders()
  }

  #wakeReaders(): void {
    if (this.#readers.size === 0) return
    const readers = [...this.#readers]
    this.#readers.clear()
    for (const reader of readers) reader()
  }
}

const because = (message: Uint8Array): string =>
  message.length === headerLength ? "" : `: ${quote(Frames.reasonOf(message))}`
