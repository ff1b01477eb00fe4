/**
 * Many streams in one session (protocol section 5), as a synchronous machine: messages in, messages out, and callbacks where
 * something waits. No I/O, no clock, no crypto: two of them can be joined in a test, byte by byte.
 *
 * This is which streams there are, and what a frame is to them. A stream is `muxStream`, its two directions `credit`; what
 * is sent next is `outgoing`'s; who is told of what a message brought, and when, is `news`'.
 */
import * as Frame from "../../Frame.ts"
import { u32 } from "../base/bytes.ts"
import { IntMap } from "../base/intMap.ts"
import { utf8 } from "../base/platform.ts"
import * as OpenText from "../wire/openText.ts"
import type { Budget } from "./budget.ts"
import { frame, goAwayOf, maxControl, maxField, putHeader, resetOf, Type } from "./frames.ts"
import { Homes } from "./homes.ts"
import { type Failure, MuxStream, type Owner } from "./muxStream.ts"
import { News } from "./news.ts"
import * as Outgoing from "./outgoing.ts"

const { Kind } = Frame

export interface Handlers extends Outgoing.Handlers {
  /** The other side opened a stream, which `begin` hands over. */
  readonly onOpen: (stream: MuxStream) => void
  readonly onPong: (payload: Uint8Array) => void
  readonly onGoAway: (goAway: Frame.GoAway) => void
  /** A stream is closed, or holds nothing any more: there is room where there was none. */
  readonly onClosed: () => void
}

export interface Options extends Handlers {
  /** The most bytes of a DATA frame that this side sends. */
  readonly chunkSize: number
  /** The most streams that either side may have open, without the one of each that is `aside`. */
  readonly maxStreams: number
  /** Of streams for which this holds, one of either side takes nobody's place. Default: none. */
  readonly isAside?: ((open: Frame.Open) => boolean) | undefined
  readonly budget: Budget
  /** The most bytes of a stream that the other side may send before they are read. Default: what each begins with. */
  readonly window?: number | undefined
}

// Of what ends in a message that breaks the rules, which the session will end for.
const brokenOff: Failure = { code: "lost", message: "its peer broke the protocol", remote: false }

const goAwayFrame = (goAway: Frame.GoAway) => frame(Kind.goaway, 0, utf8(JSON.stringify(goAway)))

const resetCodes: ReadonlySet<string> = new Set(Frame.ResetCode.literals)

// Of frames that carry none.
const nothing = new Uint8Array(0)

/** Of an OPEN this much is not counted: what it says is held for as long as its stream is. */
const shortOpen = 1_024

export class Mux implements Owner {
  readonly options: Options
  readonly outgoing: Outgoing.Outgoing
  readonly news: News<MuxStream>
  readonly own = new IntMap<MuxStream>()
  readonly theirs = new IntMap<MuxStream>()
  /** Set when this side may open no further streams. */
  draining = false
  /** Set when the other side may open none. It may not know yet that this side is draining. */
  refusing = false
  #lastOwn = 0
  #lastTheirs = 0
  #ownAside: MuxStream | undefined
  #theirsAside: MuxStream | undefined
  // Opened by what has arrived, and not handed over yet.
  #opened: Array<MuxStream> | undefined

  constructor(options: Options) {
    this.options = options
    this.outgoing = new Outgoing.Outgoing(options)
    this.news = new News(options.onClosed)
  }

  get streams(): number {
    return this.own.size + this.theirs.size
  }

  /** Those of them that take a place. */
  get placed(): number {
    return this.#ownPlaced + this.#theirsPlaced
  }

  get #ownPlaced(): number {
    return this.#ownAside === undefined ? this.own.size : this.own.size - 1
  }

  get #theirsPlaced(): number {
    return this.#theirsAside === undefined ? this.theirs.size : this.theirs.size - 1
  }

  /** Opens a stream, or says what there is no room for; `too_large` is an OPEN that would fit in no message. */
  openStream(open: Frame.Open): MuxStream | "draining" | "streams" | "credit" | "too_large" {
    if (this.draining) return "draining"
    const out = OpenText.encode(open, Frame.headerLength)
    const length = out.length - Frame.headerLength
    if (length > maxControl) return "too_large"
    const isAside = this.#ownAside === undefined && this.options.isAside?.(open) === true
    if (this.#ownPlaced >= this.options.maxStreams && !isAside || this.#lastOwn === maxField) return "streams"
    if (!this.options.budget.reserve(Frame.initialCredit, true)) return "credit"
    const stream = new MuxStream(this, ++this.#lastOwn, true, open, Frame.initialCredit)
    this.own.set(stream.id, stream)
    if (isAside) this.#ownAside = stream
    putHeader(out, Kind.open, stream.id, length)
    this.outgoing.send(Type.msg, out)
    return stream
  }

  ping(payload: Uint8Array): void {
    this.outgoing.send(Type.msg, frame(Kind.ping, 0, payload))
  }

  goAway(goAway: Frame.GoAway): void {
    this.draining = true
    this.outgoing.send(Type.msg, goAwayFrame(goAway))
  }

  /**
   * `goAway` as the last word, behind all that waits: what the other side has opened since is never taken, and it can tell from the
   * number.
   */
  lastWord(code: string, message: string): void {
    this.draining = true
    this.outgoing.sendLast(goAwayFrame({ code, message, last: this.#lastTheirs }))
  }

  // What the other side never took was not run, and may be asked of it again.
  #refuseAbove(last: number): void {
    const failure: Failure = { code: "refused", message: "the session ended before it came", remote: true }
    // First which: each that fails is taken off the map.
    const unseen = [...this.own.values()].filter(({ id }) => id > last)
    for (const stream of unseen) stream.fail(failure)
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
    // The message that was filled last may never be used.
    this.news.filled()
    return [...this.own.values(), ...this.theirs.values()].sort((a, b) => a.id - b.id)
  }

  removeStream(stream: MuxStream): void {
    if (!(stream.own ? this.own : this.theirs).delete(stream.id)) return
    if (stream === this.#ownAside) this.#ownAside = undefined
    else if (stream === this.#theirsAside) this.#theirsAside = undefined
    this.news.roomMade()
  }

  // --- receiving -------------------------------------------------------------------------------------------------------

  /**
   * Takes the frames of one message. A text is the rule they break, which ends the session: then nothing of the message is handed
   * on. Streams keep views into the message, and those who wait for them run when all of it has been taken; or the message is
   * only lent, and `homes` is memory of at least its length that the streams may have in its place.
   */
  receive(type: Type, message: Uint8Array, homes?: ReadonlyArray<Uint8Array>): string | undefined {
    this.news.begin()
    const violation = this.#take(type, message, homes === undefined ? undefined : new Homes(homes))
    if (violation === undefined) {
      this.news.tell()
      return undefined
    }
    // Whoever is told runs at once, and may try again: not on this session.
    this.draining = true
    this.refusing = true
    for (const stream of this.news.takeBack([...this.own.values(), ...this.theirs.values()])) stream.fail(brokenOff)
    return violation
  }

  #take(type: Type, message: Uint8Array, homes: Homes | undefined): string | undefined {
    let at = 0
    if (message.length === 0) return "a message without a frame"
    while (at < message.length) {
      if (message.length - at < Frame.headerLength) return "trailing bytes"
      const kind = message[at]!
      const id = u32(message, at + 1)
      const length = u32(message, at + 5)
      at += Frame.headerLength
      if (length > message.length - at) return "a frame longer than its message"
      // What is only read where it stands is no object of its own, and nor is what carries nothing.
      const violation = kind === Kind.open
        ? type === Type.msg ? this.#onOpen(id, message, at, length) : "an OPEN of the wrong type"
        : this.#onFrame(type, kind, id, length === 0 ? nothing : message.subarray(at, at + length), homes)
      if (violation !== undefined) return violation
      at += length
    }
    return undefined
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
    homes: Homes | undefined
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
      case Kind.ping: {
        if (type !== Type.msg || id !== 0 || payload.length !== 8) return "a malformed PING"
        this.outgoing.pong(payload.slice())
        return undefined
      }
      case Kind.pong: {
        if (type !== Type.rsp || id !== 0 || payload.length !== 8) return "a malformed PONG"
        this.news.signal(() => this.options.onPong(payload))
        return undefined
      }
      case Kind.goaway: {
        const goAway = goAwayOf(payload)
        if (type !== Type.msg || id !== 0 || goAway === undefined) return "a malformed GOAWAY"
        this.draining = true
        this.refusing = true
        this.news.signal(() => {
          if (goAway.last !== undefined) this.#refuseAbove(goAway.last)
          this.options.onGoAway(goAway)
        })
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
        return stream === undefined || stream.onData(payload, homes) ? undefined : "DATA beyond its credit or after END"
      case Kind.end:
        if (payload.length !== 0) return "an END with a payload"
        return stream === undefined || stream.onEnd() ? undefined : "a second END"
      case Kind.credit: {
        if (payload.length !== 4) return "a malformed CREDIT"
        const bytes = u32(payload, 0)
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

  #onOpen(id: number, message: Uint8Array, at: number, length: number): string | undefined {
    if (id <= this.#lastTheirs) return "an OPEN of a stream that was opened before"
    this.#lastTheirs = id
    const open = OpenText.decode(message, at, at + length)
    if (open === undefined) return "a malformed OPEN"
    if (this.refusing) return this.#deny(id, "refused", "the session is ending")
    const isAside = this.#theirsAside === undefined && this.options.isAside?.(open) === true
    if (this.#theirsPlaced >= this.options.maxStreams && !isAside) return this.#deny(id, "refused", "too many streams")
    if (open.deadline !== undefined && open.deadline <= 0) {
      return this.#deny(id, "deadline", "its time was up on arrival")
    }
    if (open.headers !== undefined && utf8(open.headers).length > Frame.maxHeaders) {
      return this.#deny(id, "too_large", `headers of more than ${Frame.maxHeaders} bytes`)
    }
    const owed = Frame.initialCredit + (length > shortOpen ? length : 0)
    if (!this.options.budget.reserve(owed)) return this.#deny(id, "refused", "no credit left")
    const stream = new MuxStream(this, id, false, open, owed)
    this.theirs.set(id, stream)
    if (isAside) this.#theirsAside = stream
    const opened = this.#opened ??= []
    opened.push(stream)
    return undefined
  }

  /** Says that a stream which the other side opens is none. */
  #deny(id: number, code: Frame.ResetCode, message: string): undefined {
    this.outgoing.sendReset(id, false, { code, message })
    return undefined
  }
}
