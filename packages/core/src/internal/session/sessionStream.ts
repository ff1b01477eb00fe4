/**
 * A stream of a session as an Effect program sees it. A class, so that a call allocates what it uses and no more: thousands of
 * them are made a second.
 */
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Effectable from "effect/Effectable"
import type * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import type * as Pull from "effect/Pull"
import type * as Frame from "../../Frame.ts"
import { PeerLostError } from "../../Peers.ts"
import * as Rights from "../../Rights.ts"
import * as Sessions from "../../Sessions.ts"
import { concat, limitOf } from "../base/bytes.ts"
import { keptAlive, perPiece, Pieces } from "../base/pieces.ts"
import { keep } from "../base/shapes.ts"
import { type Failure, lowWater, type MuxStream, sample as muxSample } from "./muxStream.ts"
import type { Session } from "./session.ts"

/** A handler's effect that has a context of its own, and a scope that it closes itself. */
export interface Work {
  /** What it is run in. */
  readonly context: Context.Context<never>
  /** Told of the fiber, once it runs, or has run. */
  runIn(fiber: Fiber.Fiber<unknown, unknown>): void
  /** Told how the fiber ended, before the stream is. */
  ended(exit: Exit.Exit<unknown, unknown>): void
}

/** That all has been read. */
const allRead = Cause.done()

const resetBy = (
  stream: MuxStream,
  session: Session,
  code: Frame.ResetCode,
  { error, message, remote }: Omit<Failure, "code">
) =>
  new Sessions.StreamResetError({
    peer: session.peer.name,
    stream: stream.open.name,
    code,
    detail: message,
    remote,
    ...(error === undefined ? {} : { error })
  })

/** Why a stream failed. */
const errorOf = (stream: MuxStream, session: Session): Sessions.StreamError => {
  const { failure } = stream
  const { ending, peer } = session
  return failure === undefined || failure.code === "lost"
    ? new PeerLostError({
      peer: peer.name,
      publicKey: peer.publicKey,
      reason: ending?.lost ?? (ending?.reason === "dead" ? "NoAnswer" : "Disconnected"),
      mayHaveRun: true
    })
    : resetBy(stream, session, failure.code, failure)
}

/** What the other side said is read on when nobody was to read it any more: the rest of it is gone. */
const cutOf = (stream: MuxStream, session: Session) =>
  resetBy(stream, session, "cancelled", { message: "what was not read by its end was dropped", remote: false })

type Whole = Effect.Effect<Uint8Array, Sessions.StreamError>

/** All that comes of a stream. As an Effect it is what gives the stream up. */
class Collecting extends Effectable.Class<void> {
  readonly #stream: MuxStream
  readonly #session: Session
  readonly #resume: (whole: Whole) => void
  readonly #limit: number
  readonly #onCancel: (() => void) | undefined
  readonly #room: ((bytes: number) => boolean) | undefined
  // What comes at once is nearly always all, and is not collected, and at first nothing has come.
  #pieces: Pieces | undefined

  constructor(
    stream: MuxStream,
    session: Session,
    resume: (whole: Whole) => void,
    limit: number,
    onCancel: (() => void) | undefined,
    room: ((bytes: number) => boolean) | undefined
  ) {
    super()
    this.#stream = stream
    this.#session = session
    this.#resume = resume
    this.#limit = limit
    this.#onCancel = onCancel
    this.#room = room
    this.#pieces = undefined
  }

  /** Takes what has come, and waits for more where that is not all. */
  readable(): void {
    const stream = this.#stream
    const more = stream.read()
    let pieces = this.#pieces
    let parts = more
    let length = 0
    let taken = 0
    if (pieces === undefined && (stream.remoteEnded || more.length === 0)) {
      for (const part of more) length += part.length
      taken = length + perPiece * more.length
    } else {
      pieces = this.#pieces ??= new Pieces(keptAlive)
      taken = -pieces.held
      pieces.addAll(more)
      taken += pieces.held
      length = pieces.length
    }
    if (length > this.#limit) return this.#refuse("too_large", `more than ${this.#limit} bytes`)
    const room = this.#room
    if (room !== undefined && taken !== 0 && !room(taken)) {
      return this.#refuse("refused", "no room for so much at once")
    }
    const resume = this.#resume
    if (stream.failure !== undefined) resume(Effect.fail(errorOf(stream, this.#session)))
    else if (stream.isCut) resume(Effect.fail(cutOf(stream, this.#session)))
    else if (stream.remoteEnded) {
      if (pieces !== undefined) parts = pieces.takeAll()
      resume(Effect.succeed(concat(parts, length)))
    } else stream.wait(this)
  }

  /** Gives the stream up for what comes, and holds nothing of it any more. */
  #refuse(code: Frame.ResetCode, detail: string): void {
    const stream = this.#stream
    const resume = this.#resume
    this.#pieces?.clear()
    // What is whole may have closed its stream, which nothing can be said about any more.
    if (stream.closed && stream.failure === undefined) {
      return resume(Effect.fail(resetBy(stream, this.#session, code, { message: detail, remote: false })))
    }
    stream.reset(code, detail)
    resume(Effect.fail(errorOf(stream, this.#session)))
  }

  override asEffect(): Effect.Effect<void> {
    const onCancel = this.#onCancel
    onCancel?.()
    const stream = this.#stream
    stream.forget(this)
    stream.reset("cancelled", "")
    stream.abandon()
    return Effect.void
  }
}

/** `SessionStream.collect` of a stream that nobody has as one. */
export const collect = (
  stream: MuxStream,
  session: Session,
  resume: (whole: Whole) => void,
  given?: number,
  onCancel?: () => void,
  room?: (bytes: number) => boolean
): Effect.Effect<void> => {
  const limit = limitOf(given, session.options.callSize)
  const collecting = new Collecting(stream, session, resume, limit, onCancel, room)
  collecting.readable()
  return collecting
}

export class SessionStream implements Sessions.SessionStream {
  readonly #stream: MuxStream
  readonly #session: Session
  /** What runs for it, for the log: a command's stream has a name that says less. */
  title: string | undefined
  /** What its handler's effect does, where that sees to more itself. */
  work: Work | undefined
  /** When its time is up, by the monotonic clock in milliseconds, counted from when its OPEN was read, or written. */
  readonly expires: number | undefined
  #writers: Set<() => void> | undefined

  constructor(stream: MuxStream, session: Session) {
    this.#stream = stream
    this.#session = session
    this.title = undefined
    this.work = undefined
    const { deadline } = stream.open
    this.expires = deadline === undefined ? undefined : session.now() + deadline
  }

  get peer() {
    return this.#session.peer
  }
  get protocol() {
    return this.#stream.open.protocol
  }
  get name() {
    return this.#stream.open.name
  }
  /** What the trust policy lets the peer do; `undefined` where it says nothing about that. */
  get policy(): Effect.Effect<Rights.Rights> | undefined {
    return this.#session.options.policy
  }
  get rights(): Effect.Effect<Rights.Rights> {
    return this.policy ?? Effect.succeed(Rights.named)
  }
  get deadline() {
    const { deadline } = this.#stream.open
    return deadline === undefined ? undefined : Duration.millis(deadline)
  }
  get traceparent() {
    return this.#stream.open.traceparent
  }
  get headers() {
    return this.#stream.open.headers
  }

  /** Whether all that the other side says has come. */
  get isWhole(): boolean {
    return this.#stream.remoteEnded
  }

  get pull(): Pull.Pull<NonEmptyReadonlyArray<Uint8Array>, Sessions.StreamError> {
    return Effect.suspend(() => {
      const stream = this.#stream
      if (stream.failure !== undefined) return Effect.fail(this.error())
      const parts = stream.read()
      if (parts.length > 0) return Effect.succeed(parts as NonEmptyReadonlyArray<Uint8Array>)
      if (stream.isCut) return Effect.fail(cutOf(stream, this.#session))
      return stream.remoteEnded ? allRead : Effect.andThen(this.#readable, this.pull)
    })
  }

  write(bytes: Uint8Array): Effect.Effect<void, Sessions.StreamError> {
    return this.writeAll([bytes])
  }

  /** Writes parts one after another, and waits once. */
  writeAll(parts: ReadonlyArray<Uint8Array>): Effect.Effect<void, Sessions.StreamError> {
    return Effect.suspend(() => {
      const stream = this.#stream
      if (stream.failure !== undefined) return Effect.fail(this.error())
      for (const part of parts) stream.write(part)
      return this.#room
    })
  }

  /** Writes in the step in which it is asked to. What it gives is what has to be waited for then, which is `Effect.void` where nothing has. */
  writeNow(bytes: Uint8Array): Effect.Effect<void, Sessions.StreamError> {
    if (this.#stream.failure !== undefined) return Effect.fail(this.error())
    this.#stream.write(bytes)
    return this.#room
  }

  get end(): Effect.Effect<void> {
    return Effect.sync(() => this.#stream.end())
  }

  reset(code: Frame.ResetCode, message: string, error?: unknown): Effect.Effect<void> {
    return Effect.sync(() => this.#stream.reset(code, message, error))
  }

  get failed(): Effect.Effect<never, Sessions.StreamError> {
    return Effect.callback((resume) => {
      const stream = this.#stream
      if (stream.failure !== undefined) return resume(Effect.fail(this.error()))
      return Effect.sync(stream.onFailure(() => resume(Effect.fail(this.error()))))
    })
  }

  /** `wholeUpTo` of as much as a call may be. */
  get whole(): Effect.Effect<Uint8Array, Sessions.StreamError> {
    return Effect.callback((resume) => this.collect(resume))
  }

  /**
   * Everything that comes, until the other side has said that it is all: at most so many bytes, for which `room` is asked as they
   * come. Gives the stream up when it is interrupted.
   */
  wholeUpTo(limit: number, room?: (bytes: number) => boolean): Effect.Effect<Uint8Array, Sessions.StreamError> {
    return Effect.callback((resume) => this.collect(resume, limit, undefined, room))
  }

  /**
   * `wholeUpTo` from inside a callback: gives what is to be done where it is interrupted, `onCancel` with it. More than `limit` bytes
   * are not held, nor those that there is no `room` for: the stream is given up.
   */
  collect(
    resume: (whole: Effect.Effect<Uint8Array, Sessions.StreamError>) => void,
    limit?: number,
    onCancel?: () => void,
    room?: (bytes: number) => boolean
  ): Effect.Effect<void> {
    return collect(this.#stream, this.#session, resume, limit, onCancel, room)
  }

  /** Whether new streams to its peer are opened on another session. */
  get isLeftBehind(): boolean {
    return !this.#session.usable
  }

  get isFailed(): boolean {
    return this.#stream.failure !== undefined
  }

  /** Calls the listener once, when there is something to read, or nothing to come. */
  onReadableUnsafe(listener: () => void): void {
    this.#stream.onReadable = listener
  }

  /** What comes is read in the same step, so that less has to be reserved for it than its credit. */
  easeUnsafe(bytes: number): void {
    this.#stream.ease(bytes)
  }

  /** What has come and was not read. */
  readUnsafe(): ReadonlyArray<Uint8Array> {
    return this.#stream.read()
  }

  /** All that the other side says, where it has come and is no more than so many bytes; otherwise nothing is taken. */
  takeWholeUnsafe(limit: number): Uint8Array | undefined {
    const stream = this.#stream
    if (!stream.remoteEnded || stream.isCut || stream.failure !== undefined || stream.unread > limit) return undefined
    return concat(stream.read())
  }

  /** Bytes that were written and not sent. */
  get bufferedUnsafe(): number {
    return this.#stream.buffered
  }

  /** Hands over bytes that are not changed any more, and waits for nothing. */
  writeUnsafe(bytes: Uint8Array): void {
    this.#stream.write(bytes)
  }

  /** Calls the listener once, when there is room to write, or no point. */
  onWritableUnsafe(listener: () => void): void {
    this.#stream.onWritable = listener
  }

  /** Writes a short answer of one part and ends it, in one step. */
  answerWholeUnsafe(bytes: Uint8Array): void {
    this.#stream.write(bytes)
    this.#stream.end()
  }

  /** Writes a short answer and ends it, in one step. */
  answerUnsafe(parts: ReadonlyArray<Uint8Array>): void {
    for (const part of parts) this.#stream.write(part)
    this.#stream.end()
  }

  /** Why it failed. */
  error(): Sessions.StreamError {
    return errorOf(this.#stream, this.#session)
  }

  get #readable(): Effect.Effect<void> {
    return Effect.callback((resume) => {
      const stream = this.#stream
      // It may have come since it was looked for: a fiber can be made to yield in between.
      if (stream.readable || stream.remoteEnded || stream.isCut || stream.failure !== undefined) {
        return resume(Effect.void)
      }
      const told = () => resume(Effect.void)
      stream.wait(told)
      return Effect.sync(() => stream.forget(told))
    })
  }

  get #writable(): Effect.Effect<void> {
    return Effect.callback((resume) => {
      const stream = this.#stream
      if (stream.buffered < lowWater || stream.failure !== undefined) return resume(Effect.void)
      // Several fibers may write.
      const writers = this.#writers ??= new Set()
      const writer = () => resume(Effect.void)
      writers.add(writer)
      const wake = () => {
        this.#writers = undefined
        for (const each of writers) each()
      }
      stream.onWritable = wake
      return Effect.sync(() => writers.delete(writer))
    })
  }

  get #room(): Effect.Effect<void, Sessions.StreamError> {
    return this.#stream.buffered < lowWater ? Effect.void : Effect.andThen(this.#writable, this.#settled)
  }

  get #settled(): Effect.Effect<void, Sessions.StreamError> {
    return Effect.suspend(() => this.#stream.failure === undefined ? Effect.void : Effect.fail(this.error()))
  }
}

/** One of no session. */
export const sample = new SessionStream(muxSample, { peer: undefined } as unknown as Session)
keep(sample, new Collecting(muxSample, undefined as never, () => {}, 0, undefined, undefined))
