/**
 * AdvancedNode: named functions over byte streams. A function gets the bytes that a peer sends it, as they come, and answers
 * with bytes of its own; both directions have backpressure from end to end. Everything a BasicNode has, it has.
 *
 * ```ts
 * yield* node.register("upper", ({ bytes }) => Stream.map(bytes, toUpper))
 * const answer = node.send("bob", "upper", Stream.make(hello))
 * ```
 *
 * What bites: a call that is interrupted interrupts the function on the other machine. A function that fails with a tagged
 * error reaches its caller as a `RemoteError` with the error in it; a defect reaches it as a `StreamResetError` with the code
 * `internal` and is logged where it happened.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Tracer from "effect/Tracer"
import * as BasicNode from "./BasicNode.ts"
import type { Crypto } from "./Crypto.ts"
import { CurrentDeadline, nowUnsafe } from "./Deadline.ts"
import { CallTooLargeError } from "./FunctionError.ts"
import { isBytes } from "./internal/base/bytes.ts"
import * as Given from "./internal/base/given.ts"
import { textOf, utf8 } from "./internal/base/platform.ts"
import { quote } from "./internal/base/quote.ts"
import * as Seldom from "./internal/base/seldom.ts"
import { separate } from "./internal/base/separate.ts"
import { fromTraceparent, toTraceparent } from "./internal/base/trace.ts"
import * as Acceptor from "./internal/connect/acceptor.ts"
import { namesOf } from "./internal/peers/targets.ts"
import { isRefused, nameTooLong, refusedRetries } from "./internal/session/refused.ts"
import * as Pool from "./internal/session/sessions.ts"
import type { SessionStream as InternalStream } from "./internal/session/sessionStream.ts"
import { type CallMemory, makeCallMemory, resources } from "./internal/streams/callMemory.ts"
import { encodeError } from "./internal/streams/encodeError.ts"
import * as NodeOptions from "./NodeOptions.ts"
import { NodeName } from "./Packet.ts"
import * as Peers from "./Peers.ts"
import * as PeerTable from "./PeerTable.ts"
import type { PublicKey } from "./PublicKey.ts"
import * as Reach from "./Reach.ts"
import * as Sessions from "./Sessions.ts"
import type { Trust } from "./Trust.ts"
import * as Why from "./Why.ts"

/** Characters of a peer's text in a message of this node's. */
const maxShown = 500

/**
 * A function failed on the peer with a typed error.
 *
 * @category errors
 * @since 0.1.0
 */
export class RemoteError extends Schema.TaggedError<RemoteError>("@pnet/core/AdvancedNode/RemoteError")("RemoteError", {
  peer: NodeName,
  /** The function's name. */
  command: Schema.String,
  /** The error as its Schema encodes it: JSON, with its `_tag` where it has one. A peer's text; decode it with your own Schema. */
  error: Schema.Unknown
}) {
  /** The error's tag, where it has one. */
  get tag(): string | undefined {
    const error = this.error
    return typeof error === "object" && error !== null && "_tag" in error && typeof error._tag === "string"
      ? error._tag
      : undefined
  }
  override get message() {
    const error = this.error
    const text = typeof error === "object" && error !== null && "message" in error ? error.message : error
    const shown = typeof text === "string" && text !== "" ? `: ${quote(Why.plain(text.slice(0, maxShown)))}` : ""
    return Why.see(
      `${quote(this.command)} failed at ${quote(this.peer)}${
        this.tag === undefined ? "" : ` with ${quote(this.tag.slice(0, maxShown))}`
      }${shown}`,
      "failed-there"
    )
  }
}

/**
 * A function of that name is registered already.
 *
 * @category errors
 * @since 0.1.0
 */
export class DuplicateFunctionError
  extends Schema.TaggedError<DuplicateFunctionError>("@pnet/core/AdvancedNode/DuplicateFunctionError")(
    "DuplicateFunctionError",
    { function: Schema.String }
  )
{
  override get message() {
    return Why.see(
      `a function called ${
        quote(this.function)
      } is registered already; close the scope of the other, or choose another name`,
      "duplicate-function"
    )
  }
}

/**
 * Why a call failed.
 *
 * @category errors
 * @since 0.1.0
 */
export type CallError =
  | Peers.PeerUnknownError
  | Peers.NameConflictError
  | Sessions.OpenError
  | Sessions.StreamError
  | CallTooLargeError
  | RemoteError

/**
 * A call that came in.
 *
 * @category models
 * @since 0.1.0
 */
export interface Call {
  /** Who calls, as the handshake proved it. */
  readonly from: { readonly name: NodeName; readonly publicKey: PublicKey }
  /** The function's name. */
  readonly command: string
  /**
   * What the caller sends, as it comes. Each part is a view into a buffer that may hold more: its `.buffer` is not it alone, and
   * `part.slice()` is a copy to keep.
   */
  readonly bytes: Stream.Stream<Uint8Array, Sessions.StreamError>
  /**
   * All of it at once, up to `limits.callSize` bytes, of which all calls together may hold `limits.callMemory`. What is longer fails
   * with `too_large`, what there is no room for with `refused`, here and at the caller. Larger things come as `bytes`.
   */
  readonly whole: Effect.Effect<Uint8Array, Sessions.StreamError>
  /** `whole`, as text. */
  readonly text: Effect.Effect<string, Sessions.StreamError>
  /** The time that was left when the call came in. The function is interrupted when it is up. */
  readonly deadline: Duration.Duration | undefined
  /** Aborted when the call is given up: its caller is gone, its time is up, or the node closes. For what is not an Effect. */
  readonly signal: AbortSignal
  /** The node it came to. */
  readonly node: AdvancedNode["Service"]
}

/**
 * What a function may answer with: a stream of bytes or text, or bytes, text, or nothing, or an Effect or a promise of one of
 * these. A promise cannot be interrupted: `call.signal` tells an `async` function when to stop.
 *
 * @category models
 * @since 0.1.0
 */
export type Answer<E = unknown, R = never> =
  | Stream.Stream<Uint8Array | string, E, R>
  | Effect.Effect<Uint8Array | string | void | Stream.Stream<Uint8Array | string, E, R>, E, R>
  | PromiseLike<Uint8Array | string | void | Stream.Stream<Uint8Array | string, E, R>>
  | Uint8Array
  | string
  | void

/**
 * A named function. Each call of it has a scope of its own, which closes when the answer is complete, and runs under its
 * caller's span. What it throws, and what its promise is rejected with, is its failure where it is a tagged error, and a defect
 * otherwise.
 *
 * @category models
 * @since 0.1.0
 */
export type Handler<E = unknown, R = never> = (call: Call) => Answer<E, R>

/**
 * What is sent to a function: bytes, text, or a stream of bytes.
 *
 * @category models
 * @since 0.1.0
 */
export type Data<E = never, R = never> = Uint8Array | string | Stream.Stream<Uint8Array, E, R>

/**
 * How one call is made.
 *
 * @category models
 * @since 0.1.0
 */
export interface CallOptions {
  /**
   * Time in which the whole answer must have come. The function is never run after it. Default: what `Deadline.within` leaves,
   * or none.
   */
  readonly deadline?: Duration.Input | undefined
  /**
   * Bytes that `request` and `sendAll` hold of one answer; a longer one fails with a `CallTooLargeError`. Default:
   * `limits.callSize`, 8 MiB. The answers of `send` have no end.
   */
  readonly limit?: number | undefined
}

/**
 * What came of a call to one of several peers.
 *
 * @category models
 * @since 0.1.0
 */
export interface Outcome<E = never> {
  /** The peer's name. */
  readonly peer: string
  /** Its whole answer, or why there is none. */
  readonly exit: Exit.Exit<Uint8Array, CallError | E>
}

/**
 * A node with named functions over byte streams.
 *
 * @category models
 * @since 0.1.0
 */
export interface AdvancedNodeService extends Omit<BasicNode.BasicNodeService, "send" | "sendText" | "sendAll"> {
  /** The BasicNode underneath, whose `send` is for single messages without a function's name. */
  readonly raw: BasicNode.BasicNode["Service"]
  /** Serves a function until the scope closes. */
  readonly register: <E, R>(
    name: string,
    handler: Handler<E, R>
  ) => Effect.Effect<void, DuplicateFunctionError, R | Scope.Scope>
  /** The names of the functions that are registered, sorted. */
  readonly functions: Effect.Effect<ReadonlyArray<string>>
  /**
   * Calls a function of one peer and gives its answer as it comes. Nothing happens until the stream is run; interrupting it
   * interrupts the function.
   */
  readonly send: <E = never, R = never>(
    name: string,
    command: string,
    data: Data<E, R>,
    options?: CallOptions
  ) => Stream.Stream<Uint8Array, CallError | E, R>
  /** `send`, with the whole answer at once, which is held whole and so has a limit. */
  readonly request: <E = never, R = never>(
    name: string,
    command: string,
    data: Data<E, R>,
    options?: CallOptions
  ) => Effect.Effect<Uint8Array, CallError | E, R>
  /**
   * Calls a function of several peers, or with `"*"` of every one that is known now, and gives each one's outcome as soon as
   * it has one. Ends when each addressed peer has answered, failed, or been lost. A streamed input is read once for all:
   * the slowest sets the pace, and one that fails is left out of the rest.
   */
  readonly sendAll: <E = never, R = never>(
    target: Peers.Target,
    command: string,
    data: Data<E, R>,
    options?: CallOptions
  ) => Stream.Stream<Outcome<E>, never, R>
  /** The sessions with peers, for layers that open streams of their own. */
  readonly sessions: Sessions.Sessions["Service"]
}

/**
 * The AdvancedNode of a program.
 *
 * @category services
 * @since 0.1.0
 */
export class AdvancedNode extends Context.Service<AdvancedNode, AdvancedNodeService>()("@pnet/core/AdvancedNode") {}

/**
 * Functions by name, as a node's options take them. `Services` has what each of them needs, by its name.
 *
 * @category models
 * @since 0.1.0
 */
export type Functions<Services> = { readonly [Name in keyof Services]: Handler<unknown, Services[Name]> }

/**
 * What functions need, of `Services`: nothing where they give no Effect, and no Scope, which each call has of its own.
 *
 * @category utility types
 * @since 0.1.0
 */
export type Needs<Services> = {
  [Name in keyof Services]: unknown extends Services[Name] ? never : Exclude<Services[Name], Scope.Scope>
}[keyof Services]

/**
 * The options of an AdvancedNode.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<Services = Record<string, never>, R = never> extends BasicNode.Options<R> {
  /** Functions that are served from the node's first moment on. */
  readonly functions?: Functions<Services> | undefined
}

const protocol = "command"

/** The span of the caller, as it travels. */
const spanOf = (fiber: Fiber.Fiber<any, any>): string | undefined =>
  fiber.cache.span === undefined ? undefined : toTraceparent(fiber.cache.span)

const bytesOf = (data: Uint8Array | string): Uint8Array => typeof data === "string" ? utf8(data) : data

const remoteError = (
  error: Sessions.StreamError,
  limit: number
): Sessions.StreamError | RemoteError | CallTooLargeError => {
  if (error._tag !== "StreamResetError") return error
  switch (error.code) {
    case "failed":
      return new RemoteError({
        peer: error.peer,
        command: error.stream,
        error: error.error ?? { message: error.detail }
      })
    case "too_large":
      if (error.detail === nameTooLong && !error.remote) return error
      return new CallTooLargeError({ peer: error.peer, function: error.stream, limit })
    default:
      return error
  }
}

/** How the input of a call fared. */
interface Input<E> {
  failure: Cause.Cause<Sessions.StreamError | E> | undefined
}

const asCallError = (limit: number) => (error: Sessions.OpenError | Sessions.StreamError) =>
  error._tag === "StreamResetError" ? remoteError(error, limit) : error

const isStream = (data: unknown): data is Stream.Stream<Uint8Array, never, never> => Given.isStream(data)

/** What is to be sent is none of what can be: only a program without types gets there. */
const notSendable = (what: unknown) =>
  Effect.die(new TypeError(`${Given.describe(what)} was to be sent, which is not bytes, text or a Stream of bytes`))

const isWhole = (data: unknown): data is Uint8Array | string => typeof data === "string" || isBytes(data)

/** What a handler does not ask for is not made. */
class IncomingCall extends Given.Interruptible implements Call {
  readonly #stream: Sessions.SessionStream
  readonly node: AdvancedNode["Service"]
  readonly #held: ReturnType<CallMemory>
  readonly #limit: number
  constructor(
    stream: Sessions.SessionStream,
    node: AdvancedNode["Service"],
    held: ReturnType<CallMemory>,
    limit: number
  ) {
    super()
    this.#stream = stream
    this.node = node
    this.#held = held
    this.#limit = limit
  }
  get from() {
    return this.#stream.peer
  }
  get command() {
    return this.#stream.name
  }
  get bytes() {
    return Stream.fromPull(Effect.sync(() => this.#stream.pull))
  }
  get whole() {
    return this.#stream.wholeUpTo(this.#limit, this.#held.room)
  }
  get text() {
    return Effect.map(this.whole, textOf)
  }
  get deadline() {
    return this.#stream.deadline
  }
}

/** A function, with what it was registered with. */
interface Registered {
  readonly handler: (call: Call) => unknown
  readonly context: Context.Context<never>
  readonly who: () => string
}

const serve = <R>(functions: Readonly<Record<string, Handler<unknown, R>>>) =>
  Effect.gen(function*() {
    const basic = yield* BasicNode.BasicNode
    const sessions = yield* Sessions.Sessions
    const peers = yield* Peers.Peers
    const clock = yield* Clock.Clock
    const { limits } = yield* NodeOptions.NodeConfig
    const memory = makeCallMemory(limits.callMemory)
    const lines = Seldom.lines(clock)
    const handlers = new Map<string, Registered>()
    const base: Context.Context<never> = yield* Effect.context<never>()

    // --- answering -------------------------------------------------------------------------------------------------------

    const give = (stream: Sessions.SessionStream, part: unknown, who: () => string): Effect.Effect<void, unknown> =>
      part === undefined
        ? Effect.void
        : typeof part === "string" || isBytes(part)
        ? stream.write(bytesOf(part))
        : Given.mistaken(who(), Given.describe(part), "bytes or text")

    const answer = (stream: Sessions.SessionStream, given: unknown, who: () => string): Effect.Effect<void, unknown> =>
      Given.isStream(given)
        ? Given.forEach(given, (part) => give(stream, part, who))
        : give(stream, given, who)

    const fail = (stream: Sessions.SessionStream, cause: Cause.Cause<unknown>) => {
      const failure = Cause.findError(cause)
      if (Result.isSuccess(failure)) {
        return Effect.flatMap(encodeError(failure.success, lines), (error) =>
          stream.reset("failed", failure.success instanceof Error ? failure.success.message : "", error))
      }
      return Cause.hasInterruptsOnly(cause)
        ? stream.reset("going_away", "")
        : Effect.andThen(
          lines(Seldom.defect(stream.name, cause), stream.name, (more) =>
            Effect.logError(
              `the function ${quote(stream.name)} failed for ${quote(stream.peer.name)}${more}`,
              cause
            )),
          stream.reset("internal", "")
        )
    }

    const onStream = (stream: Sessions.SessionStream): Effect.Effect<void> =>
      Effect.withFiber((fiber) => {
        const handler = handlers.get(stream.name)
        if (handler === undefined) {
          return stream.reset("not_found", `there is no function ${stream.name}`)
        }
        const { context, who } = handler
        const { expires } = stream as InternalStream
        // This process may have been frozen since the call was read.
        const left = expires === undefined ? undefined : expires - nowUnsafe(clock)
        const late = Effect.suspend(() =>
          stream.reset("deadline", "its time was up")
        )
        if (left !== undefined && left <= 0) return late
        const held = memory(stream.peer.publicKey)
        fiber.addObserver(held.free)
        const call = new IncomingCall(stream, node, held, limits.callSize)
        const run = Given.scoped(
          Effect.flatMap(
            Given.run(
              () => handler.handler(call),
              who,
              { call, streams: true }
            ),
            (given) => answer(stream, given, who)
          ),
          (scope) => {
            const parent = fromTraceparent(stream.traceparent)
            const scoped = Context.add(context, Scope.Scope, scope)
            // The calls that it makes in turn have no more time than it has.
            const own = expires === undefined ? scoped : Context.add(scoped, CurrentDeadline, expires)
            return parent === undefined ? own : Context.add(own, Tracer.ParentSpan, parent)
          }
        )
        const timed = left === undefined ? run : Effect.timeoutOrElse(run, { duration: left, orElse: () => late })
        return Effect.matchCauseEffect(timed, {
          onFailure: (cause) => fail(stream, cause),
          onSuccess: () => stream.end
        })
      })

    // --- calling ---------------------------------------------------------------------------------------------------------

    const limitOf = (options: CallOptions | undefined) => options?.limit ?? limits.callSize

    /** When a call's time is up: its own, or that of the work that it is a part of. */
    const deadlineOf = (fiber: Fiber.Fiber<unknown, unknown>, options: CallOptions | undefined): number => {
      const inherited = fiber.getRef(CurrentDeadline) ?? Infinity
      return options?.deadline === undefined
        ? inherited
        : Math.min(inherited, nowUnsafe(clock) + Duration.toMillis(Duration.fromInputUnsafe(options.deadline)))
    }

    const leftUntil = (deadline: number) =>
      deadline === Infinity ? undefined : Duration.millis(Math.max(0, deadline - nowUnsafe(clock)))

    const open = (peer: Peers.Peer, command: string, options: CallOptions | undefined) =>
      Effect.withFiber<Sessions.SessionStream, Sessions.OpenError, Scope.Scope>((fiber) =>
        sessions.open(peer, {
          protocol,
          name: command,
          deadline: leftUntil(deadlineOf(fiber, options)),
          traceparent: spanOf(fiber)
        })
      )

    /** Sends what a call is given. Short data goes out with the call itself. */
    const feed = <E, R>(
      stream: Sessions.SessionStream,
      data: Data<E, R>
    ): Effect.Effect<void, Sessions.StreamError | E, R | Scope.Scope> => {
      if (!isStream(data)) return Effect.andThen(stream.write(bytesOf(data as Uint8Array | string)), stream.end)
      const source = data as Stream.Stream<Uint8Array, E, R>
      return Effect.andThen(
        Given.forEach(source, (bytes) => isWhole(bytes) ? stream.write(bytesOf(bytes)) : notSendable(bytes)),
        stream.end
      )
    }

    const begin = <E, R>(name: string, command: string, data: Data<E, R>, options: CallOptions | undefined) =>
      Effect.gen(function*() {
        if (!isStream(data) && !isWhole(data)) return yield* notSendable(data)
        const peer = yield* peers.resolveOne(name)
        const stream = yield* open(peer, command, options)
        if (!isStream(data)) {
          yield* feed(stream, data)
          return { stream, input: undefined }
        }
        // What makes the input fail, fails the call; what makes the call fail, ends the input.
        const input: Input<E> = { failure: undefined }
        yield* Effect.forkScoped(Effect.tapCause(feed(stream, data), (cause) => {
          input.failure = cause
          return stream.reset("cancelled", "its input failed")
        }))
        return { stream, input }
      })

    /** The answer's failure, or the input's where that came first. */
    const blame = <E>(
      error: Sessions.StreamError,
      input: Input<E> | undefined,
      limit: number
    ): Effect.Effect<never, CallError | E> => {
      const tooLarge = error._tag === "StreamResetError" && error.code === "too_large"
      const failure = !tooLarge && error._tag === "StreamResetError" && !error.remote ? input?.failure : undefined
      return failure !== undefined && !Cause.hasInterruptsOnly(failure)
        ? Effect.failCause(failure)
        : Effect.fail(remoteError(error, limit))
    }

    const send = <E = never, R = never>(
      name: string,
      command: string,
      data: Data<E, R>,
      options?: CallOptions
    ): Stream.Stream<Uint8Array, CallError | E, R> =>
      Stream.unwrap(Effect.map(begin(name, command, data, options), ({ input, stream }) =>
        Stream.fromPull(Effect.succeed(stream.pull)).pipe(
          Stream.catch((error) =>
            // A stream cannot fail with what looks like its end.
            Stream.fromEffect(Effect.catchIf(blame<E>(error, input, limitOf(options)), Cause.isDone, Effect.die))
          )
        ))) as Stream.Stream<Uint8Array, CallError | E, R>

    const request = <E = never, R = never>(
      name: string,
      command: string,
      data: Data<E, R>,
      options?: CallOptions
    ): Effect.Effect<Uint8Array, CallError | E, R> => {
      const limit = limitOf(options)
      if (!isStream(data)) {
        if (!isWhole(data)) {
          return notSendable(data)
        }
        const bytes = bytesOf(data)
        return Effect.withFiber<Uint8Array, CallError>((fiber) => {
          const deadline = deadlineOf(fiber, options)
          const traceparent = spanOf(fiber)
          return Effect.flatMap(peers.resolveOne(name), (peer) => {
            const exchange = Effect.suspend(() =>
              sessions.exchange(
                peer,
                { protocol, name: command, deadline: leftUntil(deadline), traceparent, limit },
                bytes
              )
            )
            return Effect.catch(exchange, (error) => {
              if (!isRefused(error)) {
                return Effect.fail(asCallError(limit)(error))
              }
              const again = Effect.retry(exchange, { while: isRefused, schedule: refusedRetries })
              const left = leftUntil(deadline)
              // Each of them keeps to the deadline by itself, and the waits between them have to.
              const timed = left === undefined ? again : Effect.timeoutOrElse(again, {
                duration: left,
                orElse: () =>
                  Effect.fail(
                    new Sessions.StreamResetError({
                      peer: peer.name,
                      stream: command,
                      code: "deadline",
                      detail: "",
                      remote: false
                    })
                  )
              })
              return Effect.mapError(timed, asCallError(limit))
            })
          })
        })
      }
      return Effect.scoped(
        Effect.flatMap(begin(name, command, data, options), ({ input, stream }) =>
          Effect.catch(stream.wholeUpTo(limit), (error) =>
            blame<E>(error, input, limit)))
      ) as Effect.Effect<Uint8Array, CallError | E, R>
    }

    /** One input for several streams. Waits for the slowest; leaves out those that fail. */
    const share = <E, R>(
      source: Stream.Stream<Uint8Array, E, R>,
      streams: ReadonlyArray<Sessions.SessionStream>,
      input: Input<E>
    ) =>
      Effect.gen(function*() {
        let live = streams
        yield* Given.forEach(source, (bytes) =>
          Effect.gen(function*() {
            const written = yield* Effect.forEach(live, (stream) =>
              Effect.result(isWhole(bytes) ? stream.write(bytesOf(bytes)) : notSendable(bytes)), {
              concurrency: "unbounded"
            })
            live = live.filter((_, i) =>
              Result.isSuccess(written[i]!)
            )
          }))
        yield* Effect.forEach(live, (stream) =>
          stream.end, { discard: true })
      }).pipe(Effect.tapCause((cause) => {
        input.failure = cause
        return Effect.forEach(streams, (stream) =>
          stream.reset("cancelled", "its input failed"), { discard: true })
      }))

    const sendAll = <E = never, R = never>(
      target: Peers.Target,
      command: string,
      data: Data<E, R>,
      options?: CallOptions
    ): Stream.Stream<Outcome<E>, never, R> => {
      if (!isStream(data)) {
        return Stream.unwrap(Effect.map(namesOf(peers, target), (names) =>
          Stream.fromIterable(names).pipe(
            Stream.mapEffect(
              (peer) =>
                Effect.map(Effect.exit(request<E, R>(peer, command, data, options)), (exit) => ({ peer, exit })),
              { concurrency: "unbounded", unordered: true }
            )
          )))
      }
      return Stream.unwrap(Effect.gen(function*() {
        const names = yield* namesOf(peers, target)
        // Every stream is open before the input begins, or known not to.
        const opened = yield* Effect.forEach(
          names,
          (name) =>
            Effect.map(
              Effect.exit(Effect.flatMap(peers.resolveOne(name), (peer) => open(peer, command, options))),
              (exit) => ({ name, exit })
            ),
          { concurrency: "unbounded" }
        )
        const streams = opened.flatMap(({ exit }) => Exit.isSuccess(exit) ? [exit.value] : [])
        const input: Input<E> = { failure: undefined }
        yield* Effect.forkScoped(share(data as Stream.Stream<Uint8Array, E, R>, streams, input))
        return Stream.fromIterable(opened).pipe(
          Stream.mapEffect(
            ({ exit, name }): Effect.Effect<Outcome<E>> =>
              Exit.isFailure(exit)
                ? Effect.succeed({ peer: name, exit: Exit.failCause(exit.cause) })
                : Effect.map(
                  Effect.exit(
                    Effect.catch(
                      exit.value.wholeUpTo(limitOf(options)),
                      (error) => blame<E>(error, input, limitOf(options))
                    )
                  ),
                  (outcome) => ({ peer: name, exit: outcome })
                ),
            { concurrency: "unbounded", unordered: true }
          )
        )
      })) as Stream.Stream<Outcome<E>, never, R>
    }

    // --- the service -------------------------------------------------------------------------------------------------------

    const node: AdvancedNode["Service"] = {
      name: basic.name,
      networkId: basic.networkId,
      publicKey: basic.publicKey,
      networkKeys: basic.networkKeys,
      endpoint: basic.endpoint,
      endpoints: basic.endpoints,
      peers,
      onMessage: basic.onMessage,
      raw: basic,
      sessions,
      functions: Effect.sync(() => [...handlers.keys()].sort()),
      register: <E, R>(name: string, handler: Handler<E, R>) =>
        Effect.contextWith((context: Context.Context<R>) =>
          Effect.acquireRelease(
            Effect.suspend(() => {
              if (handlers.has(name)) return Effect.fail(new DuplicateFunctionError({ function: name }))
              handlers.set(name, {
                handler,
                // Merged once, and not on each call. The span of whoever registers it is nobody's who calls.
                context: Context.omit(Tracer.ParentSpan)(Context.merge(base, context)) as Context.Context<never>,
                who: Given.titled("the function", name)
              })
              return Effect.void
            }),
            () => Effect.sync(() => handlers.delete(name))
          )
        ),
      send,
      request,
      sendAll
    }

    resources.set(node, { memory, limit: limits.callSize })

    for (const [name, handler] of Object.entries(functions)) {
      // The names of an object are no duplicates.
      yield* Effect.orDie(node.register(name, handler))
    }
    yield* sessions.handle(protocol, onStream, { scoped: false })
    // Before the connections close under them.
    yield* Effect.addFinalizer(() => sessions.closeAll)
    return node
  })

/**
 * A node, from its options. Building it starts it, closing its scope ends it.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <Services extends Record<string, unknown> = {}, R = never>(
  options: Options<Services, R>
): Layer.Layer<
  AdvancedNode | BasicNode.BasicNode | Sessions.Sessions | Peers.Peers,
  BasicNode.StartError,
  Reach.Reach | Crypto | Trust | Needs<Services> | Exclude<R, Scope.Scope>
> => separate(layerWithConfig(options))

/**
 * `layer`, with the node's configuration beside it, for node types that are built on this one. It is not kept apart from other
 * nodes that are built together with it: whoever builds on it sees to that.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerWithConfig = <Services extends Record<string, unknown> = {}, R = never>(
  options: Options<Services, R>
): Layer.Layer<
  AdvancedNode | BasicNode.BasicNode | Sessions.Sessions | Peers.Peers | NodeOptions.NodeConfig,
  BasicNode.StartError,
  Reach.Reach | Crypto | Trust | Needs<Services> | Exclude<R, Scope.Scope>
> => {
  const { functions, onMessage, ...input } = options
  return Layer.effect(
    AdvancedNode,
    serve<Needs<Services>>((functions ?? {}) as Functions<Record<string, Needs<Services>>>)
  ).pipe(
    Layer.provideMerge(BasicNode.layerOver(onMessage)),
    Layer.provide(Layer.effect(Acceptor.Services, Effect.map(Pool.SessionAcceptor, (acceptor) => [acceptor]))),
    Layer.provideMerge(Pool.layer),
    Layer.provideMerge(PeerTable.layer),
    Layer.provide(Reach.layerOpen),
    Layer.provideMerge(NodeOptions.layer(input))
  )
}

/**
 * A node, from its options, as an effect: it runs until the scope closes.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <Services extends Record<string, unknown> = {}, R = never>(
  options: Options<Services, R>
): Effect.Effect<
  AdvancedNode["Service"],
  BasicNode.StartError,
  Reach.Reach | Crypto | Trust | Needs<Services> | Exclude<R, Scope.Scope> | Scope.Scope
> => Effect.map(Layer.build(Layer.fresh(layer(options))), (context) => Context.get(context, AdvancedNode))
