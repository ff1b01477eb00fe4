/**
 * Serving functions over streams: which functions there are, what one of them is given, and what is made of its answer or its
 * failure.
 *
 * What bites: nothing that a function gives is trusted for its shape (`base/given`).
 */
import * as Cause from "effect/Cause"
import type * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Tracer from "effect/Tracer"
import type { Allow, Options } from "../../Allow.ts"
import type * as Balance from "../../Balance.ts"
import { nowUnsafe } from "../../Deadline.ts"
import { DuplicateFunctionError } from "../../FunctionError.ts"
import type * as Sessions from "../../Sessions.ts"
import { full, type Limiter, limiterOf } from "../balance/limiter.ts"
import * as AtOnce from "../base/atOnce.ts"
import * as Given from "../base/given.ts"
import { textOf } from "../base/platform.ts"
import { quote } from "../base/quote.ts"
import * as Seldom from "../base/seldom.ts"
import { keep } from "../base/shapes.ts"
import * as Permission from "../session/permission.ts"
import { sample, type SessionStream as InternalStream } from "../session/sessionStream.ts"
import { Answering } from "./answering.ts"
import type { CallMemory } from "./callMemory.ts"
import { encodeError } from "./encodeError.ts"
import * as Headers from "./headers.ts"
import { bytesOf, isWhole } from "./sendable.ts"

/** What is so short, and has come, is read and answered in one step. */
const short = 65_536

/** All that has come of a call, at most `limit` bytes. One object, since most handlers make one for each call. */
class Whole extends AtOnce.Soon<Uint8Array, Sessions.StreamError> {
  readonly #stream: InternalStream
  readonly #limit: number
  readonly #call: { readonly room: (bytes: number) => boolean }
  constructor(stream: InternalStream, limit: number, call: { readonly room: (bytes: number) => boolean }) {
    super()
    this.#stream = stream
    this.#limit = limit
    this.#call = call
  }
  override asEffect(): Effect.Effect<Uint8Array, Sessions.StreamError> {
    return this.#stream.wholeUpTo(this.#limit, (bytes) => this.#call.room(bytes))
  }
  override now(): Uint8Array | undefined {
    return this.#stream.takeWholeUnsafe(Math.min(short, this.#limit))
  }
}

keep(new Whole(sample, 0, { room: () => false }))

/** A call that came in, to a node. What a handler does not ask for is not made. */
export class IncomingCall<Node> extends Given.Interruptible {
  readonly #stream: Sessions.SessionStream
  readonly node: Node
  readonly #memory: CallMemory
  #held: ReturnType<CallMemory> | undefined
  readonly #limit: number
  readonly #headers: unknown
  /** `headers` are those that were decoded by the function's Schema, where it has one. */
  constructor(
    stream: Sessions.SessionStream,
    node: Node,
    memory: CallMemory,
    limit: number,
    headers: unknown
  ) {
    super()
    this.#headers = headers
    this.#stream = stream
    this.node = node
    this.#memory = memory
    this.#limit = limit
  }
  get from() {
    return this.#stream.peer
  }
  get command() {
    return this.#stream.name
  }
  get bytes() {
    return Stream.fromPull(Exit.succeed(this.#stream.pull))
  }
  get whole(): Effect.Effect<Uint8Array, Sessions.StreamError> {
    return new Whole(this.#stream as InternalStream, this.#limit, this)
  }
  /** Asked for as it is needed: what is short is counted nowhere. */
  room(bytes: number): boolean {
    this.#held ??= this.#memory(this.#stream.peer.publicKey)
    return this.#held.room(bytes)
  }
  /** Gives back the memory that it took. */
  free(): void {
    this.#held?.free()
  }
  get text() {
    return Effect.map(this.whole, textOf)
  }
  get headers(): unknown {
    return this.#headers ?? Headers.read(this.#stream.headers)
  }
  get deadline() {
    return this.#stream.deadline
  }
}

keep(new IncomingCall<unknown>(sample, undefined, undefined as never, 0, undefined))

/** A function, with what it was registered with. */
interface Registered<Node> {
  readonly handler: (call: IncomingCall<Node>) => unknown
  readonly context: Context.Context<never>
  readonly who: () => string
  readonly allow: Allow | undefined
  readonly limiter: Limiter | undefined
  readonly headers: Headers.Decode | undefined
}

/** How a function is registered. */
export interface Registering extends Options, Balance.Limited {
  readonly headers?: Headers.AnySchema | undefined
}

/** The functions of a node, by name. */
export class Functions<Node> {
  readonly #base: Context.Context<never>
  readonly #registered = new Map<string, Registered<Node>>()
  readonly #changed: () => void

  /** `base` is what every function has, whatever it was registered with; `changed` is told when others are registered. */
  constructor(base: Context.Context<never>, changed: () => void) {
    this.#base = base
    this.#changed = changed
  }

  get names(): ReadonlyArray<string> {
    return [...this.#registered.keys()].sort()
  }

  /** What limits those that are limited. */
  get limiters(): Iterable<Limiter | undefined> {
    return Array.from(this.#registered.values(), ({ limiter }) => limiter)
  }

  get(name: string): Registered<Node> | undefined {
    return this.#registered.get(name)
  }

  register<R>(
    name: string,
    handler: Registered<Node>["handler"],
    options?: Registering
  ): Effect.Effect<void, DuplicateFunctionError, R | Scope.Scope> {
    return Effect.contextWith((context: Context.Context<R>) =>
      Effect.acquireRelease(
        Effect.suspend(() => {
          const schema = options?.headers ?? Headers.schemaOf(handler)
          if (this.#registered.has(name)) return Effect.fail(new DuplicateFunctionError({ function: name }))
          this.#registered.set(name, {
            handler,
            // Merged once, and not on each call. The span of whoever registers it is nobody's who calls.
            context: Context.omit(Tracer.ParentSpan)(Context.merge(this.#base, context)) as Context.Context<never>,
            who: Given.titled("the function", name),
            allow: options?.allow,
            limiter: limiterOf(options?.concurrency),
            headers: schema === undefined ? undefined : Headers.decoder(schema)
          })
          this.#changed()
          return Effect.void
        }),
        () =>
          Effect.sync(() => {
            this.#registered.delete(name)
            this.#changed()
          })
      )
    )
  }
}

// --- answers -------------------------------------------------------------------------------------------------------------

/** Answers with what a function has given, where that is short and there already; `false` where something has to be run for it. */
const answerNow = (stream: InternalStream, given: Effect.Effect<unknown, unknown>): boolean => {
  const value = Exit.isExit(given) ? Exit.isSuccess(given) ? given.value : given : AtOnce.soonOf(given)
  if (value === undefined) {
    if (!Exit.isExit(given)) return false
    stream.answerUnsafe([])
    return true
  }
  if (!isWhole(value)) return false
  const bytes = bytesOf(value)
  if (bytes.length > short) return false
  stream.answerWholeUnsafe(bytes)
  return true
}

const fail = (stream: Sessions.SessionStream, cause: Cause.Cause<unknown>, lines: Seldom.Lines) => {
  const failure = Cause.findError(cause)
  if (Result.isSuccess(failure)) {
    return Effect.flatMap(
      encodeError(failure.success, lines),
      (error) => stream.reset("failed", failure.success instanceof Error ? failure.success.message : "", error)
    )
  }
  return Cause.hasInterruptsOnly(cause)
    ? stream.reset("going_away", "")
    : Effect.andThen(
      lines(
        Seldom.defect(stream.name, cause),
        stream.name,
        (more) =>
          Effect.logError(`the function ${quote(stream.name)} failed for ${quote(stream.peer.name)}${more}`, cause)
      ),
      stream.reset("internal", "")
    )
}

// --- calls ---------------------------------------------------------------------------------------------------------------

/** Serves the streams of a node's functions. */
export const onStream = <Node>(node: Node, options: {
  readonly functions: Functions<Node>
  readonly memory: CallMemory
  /** Bytes that a call may hold whole. */
  readonly callSize: number
  readonly clock: Clock.Clock
  /** What is logged about them is logged in it. */
  readonly context: Context.Context<never>
}) => {
  const { callSize, clock, context, functions, memory } = options
  const lines = Seldom.lines(clock)

  const callOf = (stream: Sessions.SessionStream, headers: unknown) =>
    new IncomingCall(stream, node, memory, callSize, headers)
  const begin = ({ handler, who }: Registered<Node>, call: IncomingCall<Node>) => Given.begun(handler, call, who, true)
  const failing = (stream: InternalStream) => (cause: Cause.Cause<unknown>) =>
    Effect.updateContext<void, never, never, never>(fail(stream, cause, lines), () => context)
  const late = (stream: Sessions.SessionStream) => stream.reset("deadline", "its time was up")
  // This process may have been frozen since the call was read.
  const leftOf = (expires: number | undefined) => expires === undefined ? undefined : expires - nowUnsafe(clock)

  /** Ends the stream as what runs for it ends, in the time that it has. */
  const ended = (stream: InternalStream, left: number | undefined, run: Effect.Effect<void, unknown>) =>
    Effect.matchCauseEffect(
      left === undefined
        ? run
        : Effect.timeoutOrElse(run, { duration: left, orElse: () => late(stream) }),
      {
        onFailure: (cause) => fail(stream, cause, lines),
        onSuccess: () => stream.end
      }
    )

  /** Runs what has to be decoded, allowed, or waited for before the function is called. */
  const guarded = (
    registered: Registered<Node>,
    stream: InternalStream,
    asked: Effect.Effect<boolean> | undefined
  ): Effect.Effect<void, unknown> => {
    const { context, headers, limiter } = registered
    const runWith = (headers: unknown) =>
      Effect.suspend(() => {
        const call = callOf(stream, headers)
        return new Answering(registered, stream, call, begin(registered, call)).within
      })
    const runNow = headers === undefined ? runWith(undefined) : Effect.flatMap(
      Effect.result(Effect.provideContext(headers(stream.headers), context)),
      (decoded) =>
        Result.isSuccess(decoded) ? runWith(decoded.success) : stream.reset("invalid_arguments", decoded.failure)
    )
    const checked = (run: Effect.Effect<void, unknown>): Effect.Effect<void, unknown> =>
      asked === undefined
        ? run
        : Effect.flatMap(asked, (may) => may ? run : stream.reset("not_allowed", Permission.refusal))
    return checked(
      limiter === undefined
        ? runNow
        // Who has waited has to be allowed still.
        : limiter.run(stream.peer.publicKey, runNow, stream.reset("refused", full), checked(runNow))
    )
  }

  return (given: Sessions.SessionStream): Effect.Effect<void> => {
    const stream = given as InternalStream
    const registered = functions.get(stream.name)
    if (registered === undefined) return stream.reset("not_found", `there is no function ${stream.name}`)
    const left = leftOf(stream.expires)
    if (left !== undefined && left <= 0) return late(stream)
    const { allow, headers, limiter } = registered
    if (limiter !== undefined || headers !== undefined || !Permission.granted(stream, stream.name, allow)) {
      return ended(stream, left, guarded(registered, stream, Permission.ask(stream, stream.name, allow, lines)))
    }
    const call = callOf(stream, undefined)
    const begun = begin(registered, call)
    if (answerNow(stream, begun)) return Exit.void
    const answering = new Answering(registered, stream, call, begun)
    if (left !== undefined) return ended(stream, left, answering.within)
    stream.work = answering
    return Effect.catchCause(answering.effect, failing(stream))
  }
}
