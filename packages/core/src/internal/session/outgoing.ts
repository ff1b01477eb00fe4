/**
 * What a session has to send, and in which order. Sending is pulled: whoever writes the connection asks for the next message
 * when it has room, and gets control frames first, then one chunk of each stream in turn.
 */
import * as Frame from "../../Frame.ts"
import { perPiece } from "../base/pieces.ts"
import { frame, resetPayload, Type, writeHeader } from "./frames.ts"

/** A stream, as one that sends. */
export interface Sender {
  readonly id: number
  readonly own: boolean
  /** Whether it is in the queue. */
  queued: boolean
  /** Whether it has a frame to send now. */
  readonly sendable: boolean
  /** Writes its next frame into `out` up to `limit`; where it stopped, which is `offset` for want of room. */
  fill(out: Uint8Array, view: DataView, offset: number, limit: number): number
}

export interface Handlers {
  /** There is something to send where there was nothing. */
  readonly onWork: () => void
  /** One more stream has something to send, or has said all it has to say (`whole`); so many wait. */
  readonly onMore?: ((waiting: number, whole: boolean) => void) | undefined
}

/** Control frames of one type that wait, first in, first out. They count for what they hold, which is more than their bytes. */
class Control {
  frames: Array<Uint8Array> = []
  bytes = 0
  push(frame: Uint8Array): void {
    this.frames.push(frame)
    this.bytes += frame.length + perPiece
  }
  fill(out: Uint8Array, offset: number, limit: number): number {
    let at = offset
    let taken = 0
    while (taken < this.frames.length) {
      const next = this.frames[taken]!
      if (at + next.length > limit) break
      out.set(next, at)
      at += next.length
      taken++
    }
    if (taken > 0) this.frames = taken === this.frames.length ? [] : this.frames.slice(taken)
    this.bytes -= at - offset + taken * perPiece
    return at
  }
}

export class Outgoing {
  /** Whether a CREDIT waits to be sent. */
  owesCredit = false
  readonly #handlers: Handlers
  readonly #control = [new Control(), new Control(), new Control()] as const
  #pong: Uint8Array | undefined
  #lastWord: Uint8Array | undefined
  // Streams that have something to send, each at most once; by type.
  readonly #ready: readonly [Array<Sender>, Array<Sender>] = [[], []]
  #turn: Type = 0
  #later: Array<() => void> = []

  constructor(handlers: Handlers) {
    this.#handlers = handlers
  }

  /** The memory that control frames take which wait to be sent. */
  get controlBytes(): number {
    return this.#control[0].bytes + this.#control[1].bytes + this.#control[2].bytes
  }

  get hasWork(): boolean {
    return this.#ready[0].length > 0 || this.#ready[1].length > 0 || this.controlBytes > 0 ||
      this.#pong !== undefined || this.#lastWord !== undefined
  }

  // --- what waits ------------------------------------------------------------------------------------------------------

  /** Puts a control frame behind those of its type. */
  send(type: Type, bytes: Uint8Array): void {
    const idle = !this.hasWork
    this.#control[type].push(bytes)
    if (idle) this.#handlers.onWork()
  }

  /** Sends a control frame behind all that waits, of whichever type: who reads it reads nothing more. */
  sendLast(bytes: Uint8Array): void {
    const idle = !this.hasWork
    this.#lastWord = bytes
    if (idle) this.#handlers.onWork()
  }

  /** Answers a PING; of several only the last. */
  pong(payload: Uint8Array): void {
    const idle = !this.hasWork
    this.#pong = payload
    if (idle) this.#handlers.onWork()
  }

  sendCredit(stream: Sender, bytes: number): void {
    const payload = new Uint8Array(4)
    new DataView(payload.buffer).setUint32(0, bytes)
    this.owesCredit = true
    this.send(stream.own ? Type.msg : Type.rsp, frame(Frame.Kind.credit, stream.id, payload))
  }

  sendReset(id: number, own: boolean, reset: Frame.Reset): void {
    this.send(own ? Type.msg : Type.err, frame(Frame.Kind.reset, id, resetPayload(reset)))
  }

  /** Gives a stream its turn, behind those of its type that have something to send. */
  enqueue(stream: Sender): void {
    if (stream.queued) return
    const idle = !this.hasWork
    stream.queued = true
    const waiting = this.#ready[stream.own ? Type.msg : Type.rsp].push(stream)
    if (idle) this.#handlers.onWork()
    else this.#handlers.onMore?.(waiting, false)
  }

  /** A stream has said all it has to say. */
  ended(stream: Sender): void {
    if (stream.queued) this.#handlers.onMore?.(this.#ready[stream.own ? Type.msg : Type.rsp].length, true)
  }

  // --- what leaves -----------------------------------------------------------------------------------------------------

  /**
   * Writes the frames of the next message into `out` between `offset` and `limit`, none of DATA beyond `dataLimit`. Gives its
   * type and where it ends, or `undefined` when there is nothing to send.
   */
  fill(
    out: Uint8Array,
    view: DataView,
    offset: number,
    limit: number,
    dataLimit = limit
  ): { type: Type; end: number } | undefined {
    this.owesCredit = false
    // The types take turns, so that none waits for another's bulk. A PONG's is now, but not before an OPEN that was made
    // before it: whoever drains a session takes it to mean that there is none on its way.
    const first = this.#pong === undefined
      ? this.#turn
      : this.#control[Type.msg].frames.length > 0
      ? Type.msg
      : Type.rsp
    for (let i = 0; i < 3; i++) {
      const type = (first + i) % 3 as Type
      const end = type === Type.err
        ? this.#control[type].fill(out, offset, limit)
        : this.#fillType(type, out, view, offset, limit, dataLimit)
      if (end > offset) {
        this.#turn = (type + 1) % 3 as Type
        return { type, end }
      }
    }
    const last = this.#lastWord
    if (last === undefined) return undefined
    this.#lastWord = undefined
    out.set(last, offset)
    return { type: Type.msg, end: offset + last.length }
  }

  #fillType(
    type: 0 | 1,
    out: Uint8Array,
    view: DataView,
    offset: number,
    limit: number,
    dataLimit: number
  ): number {
    let at = offset
    // A PONG overtakes whatever waits.
    if (type === Type.rsp && this.#pong !== undefined) {
      at = writeHeader(view, at, Frame.Kind.pong, 0, this.#pong.length)
      out.set(this.#pong, at)
      at += this.#pong.length
      this.#pong = undefined
    }
    at = this.#control[type].fill(out, at, limit)
    if (this.#control[type].frames.length > 0 || this.#pong !== undefined) return at
    return this.#fillData(this.#ready[type], out, view, at, dataLimit)
  }

  /** One chunk of each stream, in turn, for as long as there is room. */
  #fillData(ready: Array<Sender>, out: Uint8Array, view: DataView, offset: number, limit: number): number {
    let at = offset
    let had = 0
    for (; had < ready.length; had++) {
      const stream = ready[had]!
      if (stream.sendable) {
        const end = stream.fill(out, view, at, limit)
        if (end === at) break
        at = end
      }
      if (stream.sendable) ready.push(stream)
      else stream.queued = false
    }
    // Taken out together: one after another from the front moves all others each time.
    if (had < ready.length) ready.splice(0, had)
    else for (; had > 0; had--) ready.pop()
    return at
  }

  /** Calls a listener when the message that is being filled has been. */
  later(listener: () => void): void {
    this.#later.push(listener)
  }

  /**
   * Wakes those for whom the last `fill` made room. To be called when its bytes have been used: whoever is woken may write, on
   * this session or another, and run at once.
   */
  wake(): void {
    if (this.#later.length === 0) return
    const listeners = this.#later
    this.#later = []
    for (const listener of listeners) listener()
  }
}
