/** A call of a peer, in the stream that it came in: how it is answered, and what becomes of it when its time is up. */
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Schema from "effect/Schema"
import { nowUnsafe } from "../../Deadline.ts"
import type { Pieces } from "../base/pieces.ts"
import { fromTraceparent } from "../base/trace.ts"
import type { SessionStream } from "../session/sessionStream.ts"
import { ChunkWriter } from "./rpcChunks.ts"
import { execute, type Incoming } from "./rpcExecute.ts"
import type { From, Served } from "./rpcServed.ts"
import * as Wire from "./rpcWire.ts"

/** What is so short is answered in one step. */
const atOnce = 65_536

const none = new Uint8Array(0)
const nothing = Effect.succeed(none)

export class StreamCall implements Incoming {
  readonly payload: unknown
  readonly from: From
  readonly deadline: number | undefined
  readonly discard: boolean
  /** Whether the caller has the result, or does not wait for it. */
  answered = false
  readonly #served: Served
  readonly #stream: SessionStream
  readonly #request: Wire.Request
  readonly #begun: number
  #sent = 0
  #chunks: ChunkWriter | undefined
  readonly #behind: Pieces | undefined

  constructor(
    served: Served,
    stream: SessionStream,
    request: Wire.Request,
    payload: unknown,
    behind: Pieces | undefined
  ) {
    this.#served = served
    this.#stream = stream
    this.#request = request
    this.#behind = behind
    this.#begun = nowUnsafe(served.clock)
    this.payload = payload
    this.from = served.fromOf(stream.peer)
    this.deadline = stream.expires
    this.discard = !served.wire.isStream && (request.flags & Wire.Flag.discard) !== 0
  }

  get headers() {
    return this.#request.headers
  }

  span(effect: Effect.Effect<unknown, unknown>): Effect.Effect<unknown, unknown> {
    const { span, traced } = this.#served
    if (!traced) return effect
    const parent = fromTraceparent(this.#stream.traceparent)
    const { attributes } = this.from
    return Effect.withSpan(
      effect,
      span,
      parent === undefined
        ? { captureStackTrace: false, kind: "server", attributes, root: true }
        : { captureStackTrace: false, kind: "server", attributes, parent }
    )
  }

  expired() {
    return this.#stream.reset("deadline", "its time was up")
  }

  acknowledge() {
    return Effect.andThen(this.#finish(Wire.Kind.success, nothing), this.#stream.end)
  }

  onChunk(values: NonEmptyReadonlyArray<unknown>): Effect.Effect<void> {
    const { limit, wire } = this.#served
    const { flags, window } = this.#request
    const chunks = this.#chunks ??= new ChunkWriter(this.#stream, wire, {
      limit,
      window,
      raw: wire.isRaw && (flags & Wire.Flag.raw) !== 0,
      behind: this.#behind
    })
    return chunks.send(values)
  }

  onExit(exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> {
    const done = this.#answer(exit)
    const tag = Exit.isSuccess(exit)
      ? undefined
      : Cause.hasInterruptsOnly(exit.cause)
      ? "Interrupted"
      : Cause.hasDies(exit.cause)
      ? "internal"
      : "failed"
    this.from.meter.ended(
      nowUnsafe(this.#served.clock) - this.#begun,
      this.#sent + (this.#chunks?.sent ?? 0),
      this.#request.size,
      tag
    )
    return done
  }

  #answer(exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> {
    const { broke, wire } = this.#served
    if (Exit.isSuccess(exit)) {
      if (this.answered) return Effect.void
      return this.#finish(Wire.Kind.success, wire.isStream ? nothing : wire.encodeSuccess(exit.value))
    }
    if (Cause.hasInterruptsOnly(exit.cause)) return Effect.void
    const failures = Wire.failuresOf(exit.cause)
    if (failures === exit.cause && !this.answered) {
      return this.#finish(Wire.Kind.failure, wire.encodeExit(Exit.failCause(failures)))
    }
    // What breaks, or fails after it was acknowledged, is for the log of this node.
    const report = broke(this.from.caller.name, exit.cause)
    if (this.answered) return report
    return Effect.andThen(
      report,
      failures === undefined
        ? this.#finish(Wire.Kind.broken, nothing)
        : this.#finish(Wire.Kind.failure, wire.encodeExit(Exit.failCause(failures)))
    )
  }

  #finish(kind: number, encoded: Effect.Effect<Uint8Array, Schema.SchemaError>): Effect.Effect<void> {
    this.answered = true
    const exit = Wire.valueOf(encoded)
    return exit !== undefined && Exit.isSuccess(exit)
      ? this.#say(kind, exit.value)
      : Effect.matchCauseEffect(encoded, {
        onSuccess: (bytes) => this.#say(kind, bytes),
        // It is not what its Schema says.
        onFailure: (cause) =>
          Effect.andThen(
            this.#served.broke(this.from.caller.name, cause),
            this.#write(this.#served.wire.form.answer(Wire.Kind.broken, none))
          )
      })
  }

  #say(kind: number, bytes: Uint8Array): Effect.Effect<void> {
    const { limit, wire } = this.#served
    this.#sent += bytes.length
    if (bytes.length > limit) return this.#stream.reset("too_large", `an answer over ${limit} bytes`)
    const parts = wire.form.answer(kind, bytes)
    if (bytes.length <= atOnce) {
      this.#stream.answerUnsafe(parts)
      return Effect.void
    }
    return this.#write(parts)
  }

  /** The stream may be reset already, which nobody here needs to hear of. */
  #write(parts: ReadonlyArray<Uint8Array>): Effect.Effect<void> {
    return Effect.ignore(this.#stream.writeAll(parts))
  }
}

/** Runs it, for as long as it has time. */
export const run = (served: Served, call: StreamCall): Effect.Effect<void> => {
  const { clock } = served
  const work = execute(served, call)
  if (Exit.isExit(work) && (Exit.isSuccess(work) || call.answered)) return Exit.void
  const { deadline } = call
  const timed = deadline === undefined ? work : Effect.withFiber<unknown, unknown>((fiber) =>
    Effect.andThen(
      Effect.forkChild(
        Effect.sleep(Math.max(0, deadline - nowUnsafe(clock))).pipe(
          Effect.andThen(call.expired()),
          // One that was acknowledged has no stream any more.
          Effect.andThen(Effect.sync(() => fiber.interruptUnsafe()))
        )
      ),
      work
    )
  )
  // An answered failure is over; of others the stream is told.
  return Effect.catchCause(
    timed,
    (cause) => call.answered ? Effect.void : Effect.failCause(cause as Cause.Cause<never>)
  ) as Effect.Effect<void>
}
