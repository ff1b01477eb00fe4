/**
 * One stream of a session, as one side sees it: two directions (`credit`), each of which ends by itself, and a failure that
 * ends both. A synchronous machine: its user reads and writes, its mux hands it frames and asks it for the next.
 *
 * What bites: a stream stays reserved in its session's budget until nothing more can come and all that came was read; and
 * while a message is being taken it tells nobody anything, since the message may yet turn out to break a rule (`news`).
 */
import * as Frame from "../../Frame.ts"
import { keep } from "../base/shapes.ts"
import type { Budget } from "./budget.ts"
import { Inbox, Outbox } from "./credit.ts"
import { writeHeader } from "./frames.ts"
import type { Homes } from "./homes.ts"
import type { News, Reader } from "./news.ts"
import type { Outgoing, Sender } from "./outgoing.ts"

/** How a stream ended before its time: by a RESET from either side, or with its session. */
export interface Failure {
  readonly code: Frame.ResetCode | "lost"
  readonly message: string
  /** The typed error of the other side's handler, encoded. */
  readonly error?: unknown
  /** Whether the other side said so. */
  readonly remote: boolean
}

/** Who is told when there is something to read: a function, or an object that is made for it anyhow. */
export type Waiting = (() => void) | { readonly readable: () => void }

const wake = (waiting: Waiting | undefined): void => {
  if (typeof waiting === "function") waiting()
  else waiting?.readable()
}

/** Those who wait, where more than one does. */
class Several {
  readonly all: Set<Waiting>
  constructor(...all: ReadonlyArray<Waiting>) {
    this.all = new Set(all)
  }
  readable(): void {
    for (const waiting of this.all) wake(waiting)
  }
}

/** What a stream uses of the mux that it belongs to. */
export interface Owner {
  readonly options: {
    /** The most bytes of a DATA frame that this side sends. */
    readonly chunkSize: number
    readonly budget: Budget
    /** The most bytes that the other side may send of it before they are read. Default: what it begins with. */
    readonly window?: number | undefined
  }
  readonly outgoing: Outgoing
  readonly news: News<MuxStream>
  /** It is closed: nothing of it is taken any more. */
  readonly removeStream: (stream: MuxStream) => void
}

/** Below this many bytes waiting to be sent, a stream takes more. */
export const lowWater = 65_536

const empty: ReadonlyArray<Uint8Array> = []

export class MuxStream implements Sender, Reader {
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
  onReadable: Waiting | undefined
  /** Called once when there is room to write, or no point. */
  onWritable: (() => void) | undefined
  #onFailure: Set<() => void> | undefined

  readonly #mux: Owner
  readonly #inbox = new Inbox()
  readonly #outbox = new Outbox()
  #endSent = false
  queued = false
  /** What is reserved for it. */
  #owed: number
  /** What is reserved besides, since it is read as it comes. */
  #widened = 0
  /** Nobody reads what comes. */
  #abandoned = false
  /** Not all that the other side said can be read: it was dropped unread, or what still comes is. */
  isCut = false

  /** Whether the message that is being taken has something for it; whether that is END, or a RESET. */
  news = false
  #ended = false
  #failing: Failure | undefined

  constructor(mux: Owner, id: number, own: boolean, open: Frame.Open, owed: number) {
    this.#mux = mux
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

  /** Bytes that have come and were not read. */
  get unread(): number {
    return this.#inbox.length
  }

  /** Whether there is something to read now. */
  get readable(): boolean {
    return this.#inbox.length > 0
  }

  // --- for its user ----------------------------------------------------------------------------------------------------

  /** Takes everything that has come, which grants the other side as much again. */
  read(): ReadonlyArray<Uint8Array> {
    const bytes = this.#inbox.length
    if (bytes === 0) return empty
    const parts = this.#inbox.takeAll()
    if (this.closed || this.remoteEnded) this.#settle()
    else {
      const granted = this.#inbox.grant(bytes, this.#mux.options.window ?? Frame.initialCredit, this)
      if (granted > 0) this.#mux.outgoing.sendCredit(this, granted)
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
    this.#mux.outgoing.ended(this)
  }

  /** Tells somebody once there is something to read, or nothing to come, beside whoever waits already, who would wait for ever. */
  wait(waiting: Waiting): void {
    const before = this.onReadable
    if (before === undefined) this.onReadable = waiting
    else if (before instanceof Several) before.all.add(waiting)
    else this.onReadable = new Several(before, waiting)
  }

  /** Somebody waits no more; others do. */
  forget(waiting: Waiting): void {
    const { onReadable } = this
    if (onReadable === waiting) this.onReadable = undefined
    else if (onReadable instanceof Several) onReadable.all.delete(waiting)
  }

  /** Reads no more: what has come, and what still comes, is dropped. */
  abandon(): void {
    this.#abandoned = true
    if (!this.remoteEnded || this.#inbox.length > 0) this.isCut = true
    this.#inbox.clear()
    this.#settle()
    // Whoever waits all the same is not to wait for the END, and take what he has for all there was.
    if (this.isCut) this.#wakeReader()
  }

  /** Where less than its credit can wait to be read here, since it is read at once or dropped: no more than so much stays reserved for it. */
  ease(bytes: number): void {
    const eased = this.#owed - bytes
    if (eased <= 0) return
    this.#owed = bytes
    this.#mux.options.budget.release(eased, this.own)
    this.#mux.news.roomMade()
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
    // The answer is whole, and the END that says that no more of the question comes is on its way.
    if (this.own && this.remoteEnded && code === "cancelled") return
    this.#mux.outgoing.sendReset(this.id, this.own, { code, message, ...(error === undefined ? {} : { error }) })
    this.fail({ code, message, remote: false })
  }

  // --- for the mux: what has come --------------------------------------------------------------------------------------

  /** Takes DATA; `false` where it exceeds the credit or comes after END. Whoever waits for it is told by the mux. */
  onData(payload: Uint8Array, homes: Homes | undefined): boolean {
    if (this.remoteEnded) return false
    if (payload.length === 0) return true
    if (!this.#inbox.spend(payload.length)) return false
    if (this.#abandoned) return true
    this.#inbox.keep(payload, homes)
    if (this.onReadable !== undefined) this.#mux.news.heard(this)
    return true
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
    this.#mux.news.heard(this)
    this.#finish()
    return true
  }

  /** The other side gives it up. Whoever waits is told by the mux. */
  onReset(failure: Failure): void {
    // Its answer is whole, as `fail` has it.
    if (this.own && this.remoteEnded) return this.fail(failure)
    this.#failing = failure
    this.#mux.news.heard(this)
    this.#mux.removeStream(this)
    this.#release()
  }

  onCredit(bytes: number): boolean {
    if (!this.#outbox.credit(bytes)) return false
    this.#enqueue()
    return true
  }

  tell(): void {
    this.news = false
    const failing = this.#failing
    if (failing !== undefined) {
      // What came before the RESET is read before it, where somebody waits.
      this.#wakeReader()
      this.#failing = undefined
      this.#fail(failing)
    } else if (this.#ended) {
      this.#ended = false
      this.#wake()
    } else this.#wakeReader()
  }

  takeBack(): boolean {
    this.news = false
    // Behind an END nothing came: all that waits is of messages before this one, and a whole answer is one.
    if (this.#ended || !this.remoteEnded) this.#inbox.clear()
    if (!this.#ended && this.#failing === undefined) return false
    if (this.#ended) this.remoteEnded = false
    this.#ended = false
    this.#failing = undefined
    return true
  }

  // --- for the mux: what is to be sent ---------------------------------------------------------------------------------

  get sendable(): boolean {
    return this.failure === undefined && !this.#endSent &&
      (this.#outbox.length > 0 ? this.#outbox.sendable : this.localEnded)
  }

  /** Writes one DATA frame, and END behind the last. */
  fill(out: Uint8Array, view: DataView, offset: number, limit: number): number {
    let at = offset
    const outbox = this.#outbox
    if (outbox.length > 0) {
      at = outbox.fill(out, view, at, limit, this.id, this.#mux.options.chunkSize)
      if (at === offset) return at
      const { onWritable } = this
      if (onWritable !== undefined && outbox.length < lowWater) {
        this.onWritable = undefined
        this.#mux.outgoing.later(onWritable)
      }
    }
    if (this.localEnded && outbox.length === 0 && !this.#endSent && limit - at >= Frame.headerLength) {
      at = writeHeader(view, at, Frame.Kind.end, this.id, 0)
      this.#endSent = true
      const { news, outgoing } = this.#mux
      if (this.closed && news.fills()) outgoing.later(news.filled)
      this.#finish()
    }
    return at
  }

  #enqueue(): void {
    if (this.sendable) this.#mux.outgoing.enqueue(this)
  }

  /** Reserves more for what may wait to be read. */
  widen(bytes: number): boolean {
    if (!this.#mux.options.budget.widen(bytes)) return false
    this.#widened += bytes
    return true
  }

  // --- how it ends -----------------------------------------------------------------------------------------------------

  /** Ends it before its time, without a word to the other side. */
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
    this.#mux.removeStream(this)
    this.#settle()
    this.#wake()
    const listeners = this.#onFailure
    this.#onFailure = undefined
    if (listeners !== undefined) { for (const listener of listeners) listener() }
  }

  /** Tells whoever waits that there is something to read. */
  #wakeReader(): void {
    const { onReadable } = this
    this.onReadable = undefined
    wake(onReadable)
  }

  /** Tells whoever waits that there is nothing more to wait for. */
  #wake(): void {
    const { onWritable } = this
    this.onWritable = undefined
    this.#wakeReader()
    onWritable?.()
  }

  #finish(): void {
    if (!this.closed) return
    this.#mux.removeStream(this)
    this.#settle()
  }

  // Its credit is owed until nothing more can come and all that came was read.
  #settle(): void {
    if (!this.closed) return
    if (this.failure !== undefined) this.#inbox.clear()
    else if (this.#inbox.length > 0) return
    this.#release()
  }

  #release(): void {
    const owed = this.#owed
    const widened = this.#widened
    // What is eased to nothing is owed what it was widened by, all the same.
    if (owed === 0 && widened === 0) return
    const { budget } = this.#mux.options
    budget.release(owed, this.own)
    budget.narrow(widened)
    this.#owed = 0
    this.#widened = 0
    this.#mux.news.roomMade()
  }
}

/** One of no mux. */
export const sample = new MuxStream(undefined as never, 0, true, { protocol: "", name: "" }, 0)
keep(sample)
