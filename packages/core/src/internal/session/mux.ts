/**
 * Many streams in one session (protocol section 5), as a synchronous machine: messages in, messages out, and callbacks where
 * something waits. No I/O, no clock, no crypto: two of them can be joined in a test, byte by byte.
 *
 * Sending is pulled: whoever writes the connection asks for the next message when it has room, and gets control frames
 * first, then one chunk of each stream in turn. Receiving is bounded by credit, and what waits to be read takes no more
 * memory than twice its credit, however it was cut.
 */
import * as Frame from "../../Frame.ts"
import { IntMap } from "../base/intMap.ts"
import { perPiece, Pieces } from "../base/pieces.ts"
import { strictTextOf, utf8 } from "../base/platform.ts"
import { isDeep } from "../wire/json.ts"
import * as OpenText from "../wire/openText.ts"

/** The types of messages: the sender's own streams, the receiver's streams, and resets of the receiver's streams. */
export const Type = { msg: 0, rsp: 1, err: 2 } as const
export type Type = 0 | 1 | 2

const { Kind } = Frame
const maxCredit = 0xffff_ffff

/** What a node, and each session of it, may owe its peers in credit. */
export class Budget {
  readonly limit: number
  readonly parent: Budget | undefined
  used = 0
  constructor(limit: number, parent?: Budget) {
    this.limit = limit
    this.parent = parent
  }
  reserve(bytes: number): boolean {
    if (this.used + bytes > this.limit) return false
    if (this.parent !== undefined && !this.parent.reserve(bytes)) return false
    this.used += bytes
    return true
  }
  release(bytes: number): void {
    this.used -= bytes
    this.parent?.release(bytes)
  }
}

/** How a stream ended before its time: by a RESET from either side, or with its session. */
export interface Failure {
  readonly code: Frame.ResetCode | "lost"
  readonly message: string
  /** The typed error of the other side's handler, encoded. */
  readonly error?: unknown
  /** Whether the other side said so. */
  readonly remote: boolean
}

/** Streams with something to send that leave together without waiting for more. */
const plenty = 48

export interface Handlers {
  /** The other side opened a stream, which `begin` hands over. */
  readonly onOpen: (stream: MuxStream) => void
  /** There is something to send where there was nothing. */
  readonly onWork: () => void
  /** So much waits to be sent that it should not wait for more. */
  readonly onPlenty?: (() => void) | undefined
  readonly onPong: (payload: Uint8Array) => void
  readonly onGoAway: (goAway: Frame.GoAway) => void
  /** A stream is closed, or holds nothing any more: there is room where there was none. */
  readonly onClosed: () => void
}

export interface Options extends Handlers {
  /** The most bytes of a DATA frame that this side sends. */
  readonly chunkSize: number
  /** The most streams that either side may have open. */
  readonly maxStreams: number
  readonly budget: Budget
}

// Of what ends in a message that breaks the rules, which the session will end for.
const brokenOff: Failure = { code: "lost", message: "its peer broke the protocol", remote: false }

const resetCodes: ReadonlySet<string> = new Set(Frame.ResetCode.literals)

const empty: ReadonlyArray<Uint8Array> = []

// What waits to be read, or to be sent, keeps at most so much alive, whatever little of it is wanted.
const slack = 2 * Frame.initialCredit

/** Of an OPEN this much is not counted: what it says is held for as long as its stream is. */
const shortOpen = 1_024

/** One stream, as one side sees it. */
export class MuxStream {
  readonly mux: Mux
  readonly id: number
  /** Whether this side opened it. */
  readonly own: boolean
  readonly open: Frame.Open

  /** Set once, when it ends before its time. */
  failure: Failure | undefined
  /** No more DATA will come. */
  remoteEnded = false
  /** No more will be written. */
  localEnded = false
  /** Called once when there is something to read, or nothing to come. */
  onReadable: (() => void) | undefined
  /** Called once when there is room to write, or no point. */
  onWritable: (() => void) | undefined
  #onFailure: Set<() => void> | undefined

  // Received and not read: views into messages.
  readonly #inbox = new Pieces(slack)
  /** DATA bytes that the other side may still send. */
  #granted = Frame.initialCredit
  /** Read since the last CREDIT. */
  #consumed = 0

  // To be sent.
  readonly #outbox = new Pieces(slack)
  #credit = Frame.initialCredit
  #endSent = false
  queued = false
  /** What is reserved for it. */
  #owed: number
  /** Whether the message that is being taken has something for it; whether that is END, or a RESET. */
  news = false
  #ended = false
  #failing: Failure | undefined
  /** Nobody reads what comes. */
  #abandoned = false

  constructor(mux: Mux, id: number, own: boolean, open: Frame.Open, owed: number) {
    this.mux = mux
    this.id = id
    this.own = own
    this.open = open
    this.#owed = owed
  }

  /** Both sides are done, or it failed. */
  get closed(): boolean {
    return this.failure !== undefined || this.#failing !== undefined || this.remoteEnded && this.#endSent
  }

  /** Bytes that were written and not sent. */
  get buffered(): number {
    return this.#outbox.length
  }

  /** Whether there is something to read now. */
  get readable(): boolean {
    return this.#inbox.length > 0
  }

  /** Takes everything that has come, which grants the other side as much again. */
  read(): ReadonlyArray<Uint8Array> {
    const bytes = this.#inbox.length
    if (bytes === 0) return empty
    const parts = this.#inbox.takeAll()
    this.#consumed += bytes
    if (this.closed || this.remoteEnded) this.#settle()
    // Granted in halves: often enough to keep the other side going, seldom enough to cost nothing.
    else if (this.#consumed >= Frame.initialCredit / 2) {
      this.#granted += this.#consumed
      this.mux.sendCredit(this, this.#consumed)
      this.#consumed = 0
    }
    return parts
  }

  /** Adds bytes to be sent. They must not be changed afterwards. */
  write(bytes: Uint8Array): void {
    if (this.localEnded || this.failure !== undefined || bytes.length === 0) return
    this.#outbox.add(bytes)
    this.#enqueue()
  }

  /** Says that no more will be written, once what was has been sent. */
  end(): void {
    if (this.localEnded || this.failure !== undefined) return
    this.localEnded = true
    this.#enqueue()
  }

  /** Reads no more: what has come, and what still comes, is dropped. */
  abandon(): void {
    this.#abandoned = true
    this.#inbox.clear()
    this.#settle()
  }

  /** Calls the listener once it fails; what it gives takes the listener off. */
  onFailure(listener: () => void): () => void {
    const listeners = this.#onFailure ??= new Set()
    listeners.add(listener)
    return () => listeners.delete(listener)
  }

  /** Gives it up, and says why. */
  reset(code: Frame.ResetCode, message: string, error?: unknown): void {
    if (this.closed) return
    this.mux.sendReset(this.id, this.own, { code, message, ...(error === undefined ? {} : { error }) })
    this.fail({ code, message, remote: false })
  }

  // --- for the Mux -----------------------------------------------------------------------------------------------------

  fail(failure: Failure): void {
    if (this.closed) return
    // The answer is whole. Only this side's END had not left yet, which nobody waits for any more.
    if (this.own && this.remoteEnded && (failure.remote || failure.code === "lost")) {
      this.#endSent = true
      return this.#finish()
    }
    this.#fail(failure)
  }

  #fail(failure: Failure): void {
    this.failure = failure
    this.#outbox.clear()
    this.mux.removeStream(this)
    this.#settle()
    this.#wake()
    const listeners = this.#onFailure
    this.#onFailure = undefined
    if (listeners !== undefined) { for (const listener of listeners) listener() }
  }

  /** Takes DATA; `false` where it exceeds the credit or comes after END. Whoever waits for it is woken by the Mux. */
  onData(payload: Uint8Array, room: Room | undefined): boolean {
    if (this.remoteEnded) return false
    if (payload.length === 0) return true
    if (payload.length > this.#granted) return false
    this.#granted -= payload.length
    if (this.#abandoned) return true
    if (room === undefined) this.#inbox.add(payload)
    else {
      for (let at = 0; at < payload.length;) {
        const placed = room.place(at === 0 ? payload : payload.subarray(at))
        this.#inbox.add(placed)
        at += placed.length
      }
    }
    if (this.onReadable !== undefined) this.mux.heard(this)
    return true
  }

  /** What the message that has been taken says to those who wait. */
  tell(): void {
    this.news = false
    const failing = this.#failing
    if (failing !== undefined) {
      // What came before the RESET is read before it, where somebody waits.
      this.wakeReader()
      this.#failing = undefined
      this.#fail(failing)
    } else if (this.#ended) {
      this.#ended = false
      this.#wake()
    } else this.wakeReader()
  }

  /** A message broke the rules: what it brought is not read, and its END, or its RESET, is none. Whether it had one. */
  takeBack(): boolean {
    this.news = false
    this.#inbox.clear()
    if (!this.#ended && this.#failing === undefined) return false
    if (this.#ended) this.remoteEnded = false
    this.#ended = false
    this.#failing = undefined
    return true
  }

  /** Tells whoever waits that there is something to read. */
  wakeReader(): void {
    const { onReadable } = this
    this.onReadable = undefined
    onReadable?.()
  }

  onEnd(): boolean {
    if (this.remoteEnded) return false
    this.remoteEnded = true
    // The answer is complete: what is left of the question is not wanted.
    if (this.own && !this.#endSent) {
      this.#outbox.clear()
      this.localEnded = true
      this.#enqueue()
    }
    this.#ended = true
    this.mux.heard(this)
    this.#finish()
    return true
  }

  /** The other side gives it up. Whoever waits is told by the Mux. */
  onReset(failure: Failure): void {
    // Its answer is whole, as `fail` has it.
    if (this.own && this.remoteEnded) return this.fail(failure)
    this.#failing = failure
    this.mux.heard(this)
    this.mux.removeStream(this)
    this.#release()
  }

  onCredit(bytes: number): boolean {
    if (this.#credit + bytes > maxCredit) return false
    this.#credit += bytes
    this.#enqueue()
    return true
  }

  /** Whether it has a frame to send now. */
  get sendable(): boolean {
    return this.failure === undefined && !this.#endSent &&
      (this.#outbox.length > 0 ? this.#credit > 0 : this.localEnded)
  }

  /** Writes one DATA frame, and END behind the last, into `out` up to `limit`; where it stopped. */
  fill(out: Uint8Array, view: DataView, offset: number, limit: number): number {
    let at = offset
    const outbox = this.#outbox
    if (outbox.length > 0) {
      const length = Math.min(
        this.mux.options.chunkSize,
        outbox.length,
        this.#credit,
        limit - at - Frame.headerLength
      )
      if (length <= 0) return at
      at = writeHeader(view, at, Kind.data, this.id, length)
      outbox.copy(out, at, length)
      at += length
      this.#credit -= length
      const { onWritable } = this
      if (onWritable !== undefined && outbox.length < lowWater) {
        this.onWritable = undefined
        this.mux.later(onWritable)
      }
    }
    if (this.localEnded && outbox.length === 0 && !this.#endSent && limit - at >= Frame.headerLength) {
      at = writeHeader(view, at, Kind.end, this.id, 0)
      this.#endSent = true
      this.#finish()
    }
    return at
  }

  // --- inside ----------------------------------------------------------------------------------------------------------

  #enqueue(): void {
    if (this.sendable) this.mux.enqueue(this)
  }

  #wake(): void {
    const { onReadable, onWritable } = this
    this.onReadable = undefined
    this.onWritable = undefined
    onReadable?.()
    onWritable?.()
  }

  #finish(): void {
    if (!this.closed) return
    this.mux.removeStream(this)
    this.#settle()
  }

  // Its credit is owed until nothing more can come and all that came was read.
  #settle(): void {
    if (this.#owed === 0 || !this.closed) return
    if (this.failure !== undefined) this.#inbox.clear()
    else if (this.#inbox.length > 0) return
    this.#release()
  }

  #release(): void {
    const owed = this.#owed
    if (owed === 0) return
    this.#owed = 0
    this.mux.options.budget.release(owed)
    this.mux.roomMade()
  }
}

/**
 * Memory for the DATA of one message: the pieces that its record came in, which nobody else uses and which are longer than
 * all that is in it. So nothing is allocated for what was put together in a shared buffer.
 */
class Room {
  readonly #pieces: ReadonlyArray<Uint8Array>
  #index = 0
  #offset = 0
  constructor(pieces: ReadonlyArray<Uint8Array>) {
    this.#pieces = pieces
  }
  /** Copies as much as the piece whose turn it is has room for. */
  place(bytes: Uint8Array): Uint8Array {
    while (this.#offset === this.#pieces[this.#index]!.length) {
      this.#index++
      this.#offset = 0
    }
    const piece = this.#pieces[this.#index]!
    const length = Math.min(bytes.length, piece.length - this.#offset)
    piece.set(length === bytes.length ? bytes : bytes.subarray(0, length), this.#offset)
    const placed = new Uint8Array(piece.buffer, piece.byteOffset + this.#offset, length)
    this.#offset += length
    return placed
  }
}

/** Below this many bytes waiting to be sent, a stream takes more. */
export const lowWater = 65_536

const writeHeader = (view: DataView, at: number, kind: number, stream: number, length: number): number => {
  view.setUint8(at, kind)
  view.setUint32(at + 1, stream)
  view.setUint32(at + 5, length)
  return at + Frame.headerLength
}

/** `writeHeader` at the beginning, without a view. */
const putHeader = (out: Uint8Array, kind: number, stream: number, length: number): void => {
  out[0] = kind
  for (let i = 0; i < 4; i++) {
    out[1 + i] = stream >>> 24 - 8 * i
    out[5 + i] = length >>> 24 - 8 * i
  }
}

const frame = (kind: number, stream: number, payload: Uint8Array): Uint8Array => {
  const out = new Uint8Array(Frame.headerLength + payload.length)
  writeHeader(new DataView(out.buffer), 0, kind, stream, payload.length)
  out.set(payload, Frame.headerLength)
  return out
}

// A control frame has to fit in a message, whatever its texts are.
const maxControl = Frame.maxDataLength

/** The payload of a RESET. What is too large, or no JSON, is left out: the code matters the most. */
const resetPayload = (reset: Frame.Reset): Uint8Array => {
  try {
    const payload = utf8(JSON.stringify(reset))
    if (payload.length <= maxControl) return payload
  } catch {
    // Not JSON.
  }
  return utf8(JSON.stringify({ code: reset.code, message: reset.message.slice(0, 1_000) }))
}

/** The JSON object of a payload, or `undefined`. By hand, since every call opens a stream. */
const json = (payload: Uint8Array): Readonly<Record<string, unknown>> | undefined => {
  const text = strictTextOf(payload)
  if (text === undefined) return undefined
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === "object" && value !== null ? value as Record<string, unknown> : undefined
  } catch {
    return undefined
  }
}

const resetOf = (payload: Uint8Array): Frame.Reset | undefined => {
  const { code, message, ...rest } = json(payload) ?? {}
  if (typeof code !== "string" || typeof message !== "string") return undefined
  // An error that nobody could walk through is left out, as one that does not fit is.
  const hasError = "error" in rest && !isDeep(payload)
  return { code, message, ...(hasError ? { error: rest.error } : {}) }
}

const goAwayOf = (payload: Uint8Array): Frame.GoAway | undefined => {
  const { code, message } = json(payload) ?? {}
  return typeof code === "string" && typeof message === "string" ? { code, message } : undefined
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

export class Mux {
  readonly options: Options
  readonly own = new IntMap<MuxStream>()
  readonly theirs = new IntMap<MuxStream>()
  /** Set when this side may open no further streams. */
  draining = false
  /** Set when the other side may open none. It may not know yet that this side is draining. */
  refusing = false
  #lastOwn = 0
  #lastTheirs = 0
  readonly #control = [new Control(), new Control(), new Control()] as const
  #pong: Uint8Array | undefined
  // Streams that have something to send, each at most once; by type.
  readonly #ready: readonly [Array<MuxStream>, Array<MuxStream>] = [[], []]
  #turn: Type = 0
  #later: Array<() => void> = []
  // Opened by the message that is being taken, and those for whose readers it has something.
  #opened: Array<MuxStream> | undefined
  #heard: Array<MuxStream> | undefined
  // A message is being taken: until all of it has been, nobody is told of anything.
  #taking = false
  #roomMade = 0
  #signals: Array<() => void> | undefined
  /** Whether a CREDIT waits to be sent. */
  owesCredit = false

  constructor(options: Options) {
    this.options = options
  }

  /** The memory that control frames take which wait to be sent. */
  get controlBytes(): number {
    return this.#control[0].bytes + this.#control[1].bytes + this.#control[2].bytes
  }

  get streams(): number {
    return this.own.size + this.theirs.size
  }

  /** Opens a stream, or says what there is no room for; `too_large` is an OPEN that would fit in no message. */
  openStream(open: Frame.Open): MuxStream | "draining" | "streams" | "credit" | "too_large" {
    if (this.draining) return "draining"
    const out = OpenText.encode(open, Frame.headerLength)
    const length = out.length - Frame.headerLength
    if (length > maxControl) return "too_large"
    if (this.own.size >= this.options.maxStreams || this.#lastOwn === maxCredit) return "streams"
    if (!this.options.budget.reserve(Frame.initialCredit)) return "credit"
    const stream = new MuxStream(this, ++this.#lastOwn, true, open, Frame.initialCredit)
    this.own.set(stream.id, stream)
    putHeader(out, Kind.open, stream.id, length)
    this.#send(Type.msg, out)
    return stream
  }

  ping(payload: Uint8Array): void {
    this.#send(Type.msg, frame(Kind.ping, 0, payload))
  }

  goAway(goAway: Frame.GoAway): void {
    this.draining = true
    this.#send(Type.msg, frame(Kind.goaway, 0, utf8(JSON.stringify(goAway))))
  }

  /** Ends every stream that is open, and lets no more begin. */
  failAll(failure: Failure): void {
    for (const stream of this.#last()) stream.fail(failure)
  }

  /** Resets every stream that is open, and lets no more begin. */
  resetAll(code: Frame.ResetCode, message: string): void {
    for (const stream of this.#last()) stream.reset(code, message)
  }

  // Whoever is told that a stream failed runs at once, and may try again.
  #last(): ReadonlyArray<MuxStream> {
    this.draining = true
    this.refusing = true
    return [...this.own.values(), ...this.theirs.values()].sort((a, b) => a.id - b.id)
  }

  // --- sending ---------------------------------------------------------------------------------------------------------

  get hasWork(): boolean {
    return this.#pong !== undefined || this.controlBytes > 0 || this.#ready[0].length > 0 || this.#ready[1].length > 0
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
    return undefined
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
      at = writeHeader(view, at, Kind.pong, 0, this.#pong.length)
      out.set(this.#pong, at)
      at += this.#pong.length
      this.#pong = undefined
    }
    at = this.#control[type].fill(out, at, limit)
    if (this.#control[type].frames.length > 0 || this.#pong !== undefined) return at
    const ready = this.#ready[type]
    // One chunk each, in turn, for as long as there is room.
    while (ready.length > 0) {
      const stream = ready[0]!
      if (stream.sendable) {
        const end = stream.fill(out, view, at, dataLimit)
        if (end === at) return at
        at = end
      }
      ready.shift()
      if (stream.sendable) ready.push(stream)
      else stream.queued = false
    }
    return at
  }

  #send(type: Type, bytes: Uint8Array): void {
    const idle = !this.hasWork
    this.#control[type].push(bytes)
    if (idle) this.options.onWork()
  }

  enqueue(stream: MuxStream): void {
    if (stream.queued) return
    const idle = !this.hasWork
    stream.queued = true
    const waiting = this.#ready[stream.own ? Type.msg : Type.rsp].push(stream)
    if (idle) this.options.onWork()
    else if (waiting === plenty) this.options.onPlenty?.()
  }

  sendCredit(stream: MuxStream, bytes: number): void {
    const payload = new Uint8Array(4)
    new DataView(payload.buffer).setUint32(0, bytes)
    this.owesCredit = true
    this.#send(stream.own ? Type.msg : Type.rsp, frame(Kind.credit, stream.id, payload))
  }

  sendReset(id: number, own: boolean, reset: Frame.Reset): void {
    this.#send(own ? Type.msg : Type.err, frame(Kind.reset, id, resetPayload(reset)))
  }

  removeStream(stream: MuxStream): void {
    if ((stream.own ? this.own : this.theirs).delete(stream.id)) this.roomMade()
  }

  /** Says that a stream has closed, or holds nothing any more. */
  roomMade(): void {
    if (this.#taking) this.#roomMade++
    else this.options.onClosed()
  }

  // --- receiving -------------------------------------------------------------------------------------------------------

  /** To be called by a stream that has something for those who wait. */
  heard(stream: MuxStream): void {
    if (stream.news) return
    stream.news = true
    const heard = this.#heard ??= []
    heard.push(stream)
  }

  /**
   * Takes the frames of one message. A text is the rule they break, which ends the session: then nothing of the message is handed
   * on. Streams keep views into the message, and those who wait for them run when all of it has been taken; or the message is
   * only lent, and `homes` is memory of at least its length that the streams may have in its place.
   */
  receive(type: Type, message: Uint8Array, homes?: ReadonlyArray<Uint8Array>): string | undefined {
    this.#taking = true
    const violation = this.#take(type, message, homes === undefined ? undefined : new Room(homes))
    this.#taking = false
    const heard = this.#heard
    const signals = this.#signals
    this.#heard = undefined
    this.#signals = undefined
    let broken: ReadonlyArray<MuxStream> = []
    if (violation !== undefined) {
      // Whoever is told runs at once. It may try again, and not on this session, and may read any stream of it.
      this.draining = true
      this.refusing = true
      const all = new Set([...heard ?? [], ...this.own.values(), ...this.theirs.values()])
      broken = [...all].filter((stream) => stream.takeBack())
    }
    for (; this.#roomMade > 0; this.#roomMade--) this.options.onClosed()
    if (violation !== undefined) {
      for (const stream of broken) stream.fail(brokenOff)
      return violation
    }
    if (heard !== undefined) { for (const stream of heard) stream.tell() }
    if (signals !== undefined) { for (const signal of signals) signal() }
    return undefined
  }

  #take(type: Type, message: Uint8Array, room: Room | undefined): string | undefined {
    const view = new DataView(message.buffer, message.byteOffset, message.byteLength)
    let at = 0
    if (message.length === 0) return "a message without a frame"
    while (at < message.length) {
      if (message.length - at < Frame.headerLength) return "trailing bytes"
      const kind = view.getUint8(at)
      const id = view.getUint32(at + 1)
      const length = view.getUint32(at + 5)
      at += Frame.headerLength
      if (length > message.length - at) return "a frame longer than its message"
      const violation = this.#onFrame(type, kind, id, message.subarray(at, at + length), room)
      if (violation !== undefined) return violation
      at += length
    }
    return undefined
  }

  #signal(signal: () => void): void {
    const signals = this.#signals ??= []
    signals.push(signal)
  }

  /**
   * Hands over the streams that the other side opened, when everything that has arrived is taken in: what was given up by then,
   * as after this side was frozen, is never begun.
   */
  begin(): void {
    const opened = this.#opened
    if (opened === undefined) return
    this.#opened = undefined
    for (const stream of opened) if (stream.failure === undefined) this.options.onOpen(stream)
  }

  #onFrame(
    type: Type,
    kind: number,
    id: number,
    payload: Uint8Array,
    room: Room | undefined
  ): string | undefined {
    switch (kind) {
      case Kind.data:
      case Kind.end:
      case Kind.credit: {
        if (type === Type.err) return "a frame of the wrong type"
        break
      }
      case Kind.reset: {
        if (type === Type.rsp) return "a RESET of the wrong type"
        break
      }
      case Kind.open:
        return type === Type.msg ? this.#onOpen(id, payload) : "an OPEN of the wrong type"
      case Kind.ping: {
        if (type !== Type.msg || id !== 0 || payload.length !== 8) return "a malformed PING"
        const idle = !this.hasWork
        this.#pong = payload.slice()
        if (idle) this.options.onWork()
        return undefined
      }
      case Kind.pong: {
        if (type !== Type.rsp || id !== 0 || payload.length !== 8) return "a malformed PONG"
        this.#signal(() => this.options.onPong(payload))
        return undefined
      }
      case Kind.goaway: {
        const goAway = goAwayOf(payload)
        if (type !== Type.msg || id !== 0 || goAway === undefined) return "a malformed GOAWAY"
        this.draining = true
        this.refusing = true
        this.#signal(() => this.options.onGoAway(goAway))
        return undefined
      }
      default:
        return "an unknown frame"
    }
    // The type says whose numbering it is: the sender's own streams are this side's theirs.
    const own = type !== Type.msg
    if (id === 0 || id > (own ? this.#lastOwn : this.#lastTheirs)) return "a frame of a stream that was never opened"
    const found = (own ? this.own : this.theirs).get(id)
    const stream = found === undefined || found.closed ? undefined : found
    switch (kind) {
      case Kind.data:
        return stream === undefined || stream.onData(payload, room) ? undefined : "DATA beyond its credit or after END"
      case Kind.end:
        if (payload.length !== 0) return "an END with a payload"
        return stream === undefined || stream.onEnd() ? undefined : "a second END"
      case Kind.credit: {
        if (payload.length !== 4) return "a malformed CREDIT"
        const bytes = new DataView(payload.buffer, payload.byteOffset, 4).getUint32(0)
        return bytes > 0 && (stream === undefined || stream.onCredit(bytes)) ? undefined : "a CREDIT out of bounds"
      }
      default: {
        const reset = resetOf(payload)
        if (reset === undefined) return "a malformed RESET"
        stream?.onReset({
          code: resetCodes.has(reset.code) ? reset.code as Frame.ResetCode : "internal",
          message: reset.message,
          ...("error" in reset ? { error: reset.error } : {}),
          remote: true
        })
        return undefined
      }
    }
  }

  #onOpen(id: number, payload: Uint8Array): string | undefined {
    if (id <= this.#lastTheirs) return "an OPEN of a stream that was opened before"
    this.#lastTheirs = id
    const open = OpenText.decode(payload)
    if (open === undefined) return "a malformed OPEN"
    const refuse = (code: Frame.ResetCode, message: string) => {
      this.sendReset(id, false, { code, message })
      return undefined
    }
    if (this.refusing) return refuse("refused", "the session is ending")
    if (this.theirs.size >= this.options.maxStreams) return refuse("refused", "too many streams")
    if (open.deadline !== undefined && open.deadline <= 0) return refuse("deadline", "its time was up on arrival")
    const owed = Frame.initialCredit + (payload.length > shortOpen ? payload.length : 0)
    if (!this.options.budget.reserve(owed)) return refuse("refused", "no credit left")
    const stream = new MuxStream(this, id, false, open, owed)
    this.theirs.set(id, stream)
    const opened = this.#opened ??= []
    opened.push(stream)
    return undefined
  }
}
