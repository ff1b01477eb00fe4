/**
 * Calling functions over streams: one peer or several, bytes that are there or come as a stream, an answer as it comes or whole.
 * Bytes for a whole answer are an exchange, which costs a fraction of a stream.
 */
import * as Cause from "effect/Cause"
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Effectable from "effect/Effectable"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { CurrentDeadline, nowUnsafe, within } from "../../Deadline.ts"
import type { CallTooLargeError, NodeClosedError, NotJsonError } from "../../FunctionError.ts"
import type { Outcomes } from "../../Outcomes.ts"
import {
  Any,
  type NameConflictError,
  type One,
  type Peer,
  type Peers,
  type PeerUnknownError,
  type Target
} from "../../Peers.ts"
import * as Sessions from "../../Sessions.ts"
import type { Engines } from "../balance/engines.ts"
import { type Called, Way } from "../balance/way.ts"
import { limitOf } from "../base/bytes.ts"
import * as Given from "../base/given.ts"
import { keep } from "../base/shapes.ts"
import { toTraceparent } from "../base/trace.ts"
import { waitedSince } from "../base/waited.ts"
import { type KnownNow, knownNow } from "../peers/knownNow.ts"
import * as Several from "../peers/outcomes.ts"
import { isRefused, refusedRetries } from "../session/refused.ts"
import * as Failures from "./failures.ts"
import * as Headers from "./headers.ts"
import { bytesOf, type Data, isStream, isWhole, notSendable } from "./sendable.ts"

/** The protocol of functions' streams. */
export const protocol = "command"

export interface Options {
  readonly timeout?: Duration.Input | undefined
  /** Bytes that are held of one answer. */
  readonly limit?: number | undefined
  readonly headers?: Headers.Headers | undefined
}

export interface AllOptions extends Options {
  readonly concurrency?: number | "unbounded" | undefined
}

/** Whoever is called later would not have what was read before. */
const bounded = Effect.die(
  new TypeError(
    "concurrency is bounded for an input that is a stream, which is read once for all peers: leave concurrency out, or send bytes"
  )
)

/** The span of the caller, as it travels. */
const spanOf = (fiber: Fiber.Fiber<any, any>): string | undefined =>
  fiber.cache.span === undefined ? undefined : toTraceparent(fiber.cache.span)

// --- input ---------------------------------------------------------------------------------------------------------------

/** Sends what a call is given. Short data goes out with the call itself. */
const feed = <E, R>(
  stream: Sessions.SessionStream,
  data: Data<E, R>
): Effect.Effect<void, Sessions.StreamError | E, R | Scope.Scope> =>
  Effect.andThen(
    isStream(data)
      ? Given.forEach(data, (bytes) => isWhole(bytes) ? stream.write(bytesOf(bytes)) : notSendable(bytes))
      : stream.write(bytesOf(data)),
    stream.end
  )

/** One input for several streams. Waits for the slowest; leaves out those that fail. */
const share = <E, R>(
  source: Stream.Stream<Uint8Array, E, R>,
  streams: ReadonlyArray<Sessions.SessionStream>,
  input: Failures.Input<E>
) =>
  Effect.gen(function*() {
    let live = streams
    yield* Given.forEach(source, (bytes) =>
      Effect.gen(function*() {
        const written = yield* Effect.forEach(
          live,
          (stream) => Effect.result(isWhole(bytes) ? stream.write(bytesOf(bytes)) : notSendable(bytes)),
          { concurrency: "unbounded" }
        )
        live = live.filter((_, i) => Result.isSuccess(written[i]!))
      }))
    yield* Effect.forEach(live, (stream) => stream.end, { discard: true })
  }).pipe(Effect.tapCause((cause) => {
    input.failure = cause
    return Effect.forEach(streams, (stream) => stream.reset("cancelled", "its input failed"), { discard: true })
  }))

/**
 * What the engine is told of a call of one of several. What was read of an input that is a stream is gone, so that after that the call is not sent to
 * another peer.
 */
const calledOf = (
  command: string,
  data: unknown,
  stream: boolean
): { readonly called: Called; readonly onRead: (() => void) | undefined } => {
  if (isWhole(data)) return { called: { function: command, payload: data, stream }, onRead: undefined }
  let isRead = false
  return {
    called: { function: command, payload: undefined, stream: true, repeats: () => !isRead },
    onRead: () => {
      isRead = true
    }
  }
}

// --- calls ---------------------------------------------------------------------------------------------------------------

/** The node that calls. */
export interface Node {
  readonly sessions: Sessions.Sessions["Service"]
  readonly peers: Peers["Service"]
  /** The engines of calls of one of several peers. */
  readonly engines: Pick<Engines, "run" | "stream">
  readonly clock: Clock.Clock
  /** Bytes that are held of one answer where nobody says another limit. */
  readonly callSize: number
}

/**
 * Bytes for a whole answer, and what its stream is opened with. A class: where many objects of a literal live through a collection, as those of
 * calls on their way do, V8 makes all that come after them old at once, so that each is there until everything is collected.
 */
class Exchange {
  readonly protocol: typeof protocol
  readonly whom: string | Peer
  readonly name: string
  readonly bytes: Uint8Array
  readonly deadline: number
  readonly traceparent: string | undefined
  readonly limit: number

  constructor(
    whom: string | Peer,
    command: string,
    bytes: Uint8Array,
    deadline: number,
    traceparent: string | undefined,
    limit: number
  ) {
    this.protocol = protocol
    this.whom = whom
    this.name = command
    this.bytes = bytes
    this.deadline = deadline
    this.traceparent = traceparent
    this.limit = limit
  }
}

keep(new Exchange("", "", new Uint8Array(0), Infinity, undefined, 0))

type Asked = Effect.Effect<Uint8Array, Failures.CallError>

/** A call that is an exchange, as what its caller runs, as often as it likes. */
class Request {
  readonly calling: Calling
  readonly whom: string | Peer
  readonly command: string
  readonly bytes: Uint8Array
  readonly options: Options | undefined

  constructor(
    calling: Calling,
    whom: string | Peer,
    command: string,
    bytes: Uint8Array,
    options: Options | undefined
  ) {
    this.calling = calling
    this.whom = whom
    this.command = command
    this.bytes = bytes
    this.options = options
  }
}

Object.setPrototypeOf(
  Request.prototype,
  Effectable.Prototype<Request & Asked>({
    label: "Request",
    evaluate(fiber) {
      return this.calling.exchanged(fiber, this)
    }
  })
)

keep(new Request(undefined as never, "", "", new Uint8Array(0), undefined))

/** Calls functions of peers, from one node. What it gives may be taken off it. */
export class Calling {
  readonly #node: Node
  readonly #knownNow: KnownNow

  constructor(node: Node) {
    this.#node = node
    this.#knownNow = knownNow(node.peers)
  }

  readonly send = <E, R>(
    name: One,
    command: string,
    data: Data<E, R>,
    options?: Options
  ): Stream.Stream<Uint8Array, Failures.CallError | E, R> => {
    const sent = name instanceof Any
      ? this.#sendToAny(name, command, data, options)
      : this.#sendTo(name, command, data, options)
    // A stream cannot fail with what looks like its end.
    return Stream.catch(
      sent,
      (error) => Stream.fromEffect(Effect.catchIf(Failures.told<E>(error), Cause.isDone, Effect.die))
    ) as Stream.Stream<Uint8Array, Failures.CallError | E, R>
  }

  readonly request = <E, R>(
    name: One,
    command: string,
    data: Data<E, R>,
    options?: Options
  ): Effect.Effect<Uint8Array, Failures.CallError | E, R> => {
    if (!isWhole(data) && !isStream(data)) return notSendable(data)
    return (name instanceof Any
      ? this.#requestOfAny(name, command, data, options)
      : isWhole(data)
      ? this.#exchange(name, command, bytesOf(data), options)
      : Effect.catch(this.#requestOf(name, command, data, options), Failures.told<E>)) as Effect.Effect<
        Uint8Array,
        Failures.CallError | E,
        R
      >
  }

  readonly sendAll = <E, R>(
    target: Target,
    command: string,
    data: Data<E, R>,
    options?: AllOptions
  ): Outcomes<Uint8Array, Failures.CallError | E, R> => {
    const { concurrency, timeout } = options ?? {}
    return Several.make(
      { peers: this.#node.peers, target, timeout, concurrency },
      isStream(data)
        ? concurrency === undefined || concurrency === "unbounded"
          ? (names) => this.#sharing(names, command, data, options)
          : () => bounded
        : () => Effect.succeed((peer) => this.request<E, R>(peer, command, data, options))
    )
  }

  // --- one of several ----------------------------------------------------------------------------------------------------

  readonly #ways = new WeakMap<Any, Way>()

  #wayOf(any: Any): Way {
    const known = this.#ways.get(any)
    if (known !== undefined) return known
    const made = new Way(any)
    this.#ways.set(any, made)
    return made
  }

  #sendToAny<E, R>(any: Any, command: string, data: Data<E, R>, options: Options | undefined) {
    return Stream.unwrap(Effect.withFiber((fiber) => {
      const deadline = this.#deadlineOf(fiber, options)
      const { called, onRead } = calledOf(command, data, true)
      const sent = this.#node.engines.stream(
        this.#wayOf(any),
        called,
        (peer) => this.#sendTo(peer, command, data, options, onRead)
      )
      return Effect.succeed(deadline === Infinity ? sent : Stream.provideService(sent, CurrentDeadline, deadline))
    }))
  }

  #requestOfAny<E, R>(any: Any, command: string, data: Data<E, R>, options: Options | undefined) {
    const requested = Effect.withFiber<Uint8Array, Failures.CallError | E, R>((fiber) => {
      const { called, onRead } = calledOf(command, data, false)
      return this.#node.engines.run<
        Uint8Array,
        Failures.Failure<E>,
        R,
        never,
        Failures.CallError | E,
        never
      >(
        fiber,
        this.#wayOf(any),
        called,
        (peer) => this.#requestOf(peer, command, data, options, onRead),
        Failures.told<E>
      )
    })
    return options?.timeout === undefined ? requested : within(options.timeout)(requested)
  }

  // --- one ---------------------------------------------------------------------------------------------------------------

  /** `onRead` is told before anything of an input that is a stream is read. */
  #sendTo<E, R>(
    whom: string | Peer,
    command: string,
    data: Data<E, R>,
    options: Options | undefined,
    onRead?: (() => void) | undefined
  ): Stream.Stream<Uint8Array, Failures.Failure<E>, R> {
    return Stream.unwrap(
      Effect.map(
        this.#begin(whom, command, data, options, onRead),
        ({ begun, input, stream }) =>
          Stream.catch(
            Stream.fromPull(Effect.succeed(stream.pull)),
            (error) => Stream.fromEffect(Failures.blame<E>(error, input, this.#limitOf(options), this.#waited(begun)))
          )
      )
    ) as Stream.Stream<Uint8Array, Failures.Failure<E>, R>
  }

  #requestOf<E, R>(
    whom: string | Peer,
    command: string,
    data: Data<E, R>,
    options: Options | undefined,
    onRead?: (() => void) | undefined
  ): Effect.Effect<Uint8Array, Failures.Failure<E>, R> {
    if (!isStream(data)) return this.#exchange(whom, command, bytesOf(data), options)
    const limit = this.#limitOf(options)
    return Effect.scoped(
      Effect.flatMap(
        this.#begin(whom, command, data, options, onRead),
        ({ begun, input, stream }) =>
          Effect.catch(
            stream.wholeUpTo(limit),
            (error) => Failures.blame<E>(error, input, limit, this.#waited(begun))
          )
      )
    ) as Effect.Effect<Uint8Array, Failures.Failure<E>, R>
  }

  /** The whole answer to bytes that are there. */
  #exchange(
    whom: string | Peer,
    command: string,
    bytes: Uint8Array,
    options: Options | undefined
  ): Effect.Effect<Uint8Array, Failures.CallError> {
    return new Request(this, whom, command, bytes, options) as unknown as Asked
  }

  /** What a request runs. */
  exchanged(
    fiber: Fiber.Fiber<unknown, unknown>,
    { bytes, command, options, whom }: Request
  ): Asked {
    const exchange = new Exchange(
      whom,
      command,
      bytes,
      this.#deadlineOf(fiber, options),
      spanOf(fiber),
      this.#limitOf(options)
    )
    const peer = typeof whom === "string" ? this.#knownNow(whom) : whom
    return peer !== undefined && exchange.deadline === Infinity && options?.headers === undefined
      ? this.#atOnce(exchange, peer)
      : this.#slowly(exchange, options)
  }

  /** One step from the call to its answer, where there is a session. */
  #atOnce(exchange: Exchange, peer: Peer): Effect.Effect<Uint8Array, Failures.CallError> {
    return Effect.callback((resume) => {
      const cancel = this.#node.sessions.exchangeUnsafe(
        peer,
        exchange,
        [exchange.bytes],
        (exit) => resume(Exit.isSuccess(exit) ? exit : this.#tried(exchange, peer, undefined, exit, undefined))
      )
      if (cancel === undefined) resume(this.#slowly(exchange, undefined))
      return cancel
    })
  }

  #slowly(exchange: Exchange, options: Options | undefined): Effect.Effect<Uint8Array, Failures.CallError> {
    const begun = this.#begunBefore(exchange.deadline)
    return this.#addressed(
      exchange.whom,
      exchange.name,
      options,
      (peer, headers) => this.#tried(exchange, peer, headers, this.#ask(exchange, peer, headers), begun)
    )
  }

  #ask({ bytes, deadline, limit, name, traceparent }: Exchange, peer: Peer, headers: string | undefined) {
    return this.#node.sessions.exchange(peer, {
      protocol,
      name,
      deadline: this.#leftUntil(deadline),
      traceparent,
      headers,
      limit
    }, bytes)
  }

  /** What came of a first attempt; where the peer had no room, another one that it has room for. */
  #tried(
    exchange: Exchange,
    peer: Peer,
    headers: string | undefined,
    first: Effect.Effect<Uint8Array, Sessions.OpenError | Sessions.StreamError>,
    begun: number | undefined
  ): Effect.Effect<Uint8Array, Failures.CallError> {
    const { deadline, limit, name, whom } = exchange
    return Effect.catch(first, (error) => {
      const failed = (error: Sessions.OpenError | Sessions.StreamError) =>
        Failures.ofCall(error, limit, this.#waited(begun))
      // Of several another one is asked.
      if (!isRefused(error) || typeof whom !== "string") return Effect.fail(failed(error))
      const again = Effect.retry(Effect.suspend(() => this.#ask(exchange, peer, headers)), {
        while: isRefused,
        schedule: refusedRetries
      })
      const left = this.#leftUntil(deadline)
      // Each of them keeps to the deadline by itself, and the waits between them have to.
      const timed = left === undefined ? again : Effect.timeoutOrElse(again, {
        duration: left,
        orElse: () =>
          Effect.fail(
            new Sessions.StreamResetError({
              peer: peer.name,
              stream: name,
              code: "deadline",
              detail: "",
              remote: false
            })
          )
      })
      return Effect.mapError(timed, failed)
    })
  }

  /** Calls of several with an input that is a stream, which is read once for all. */
  #sharing<E, R>(
    names: ReadonlyArray<string>,
    command: string,
    source: Stream.Stream<Uint8Array, E, R>,
    options: Options | undefined
  ) {
    return Effect.gen({ self: this }, function*() {
      const begun = this.#begunWith(options)
      // Every stream is open before the input begins, or known not to.
      const opened = new Map(
        yield* Effect.forEach(
          names,
          (name) => Effect.map(Effect.exit(this.#open(name, command, options)), (exit) => [name, exit] as const),
          { concurrency: "unbounded" }
        )
      )
      const streams = [...opened.values()].flatMap((exit) => Exit.isSuccess(exit) ? [exit.value] : [])
      const input: Failures.Input<E> = { failure: undefined }
      yield* Effect.forkScoped(share(source, streams, input))
      const limit = this.#limitOf(options)
      return (peer: string): Effect.Effect<Uint8Array, Failures.CallError | E> =>
        Effect.flatMap(opened.get(peer)!, (stream) =>
          Effect.catch(
            stream.wholeUpTo(limit),
            (error) => Effect.catch(Failures.blame<E>(error, input, limit, this.#waited(begun)), Failures.told<E>)
          ))
    })
  }

  /** Opens the stream of a call and sends its input, or begins to. */
  #begin<E, R>(
    whom: string | Peer,
    command: string,
    data: Data<E, R>,
    options: Options | undefined,
    onRead: (() => void) | undefined
  ) {
    return Effect.gen({ self: this }, function*() {
      if (!isStream(data) && !isWhole(data)) return yield* notSendable(data)
      const begun = this.#begunWith(options)
      const stream = yield* this.#open(whom, command, options)
      if (!isStream(data)) {
        yield* feed(stream, data)
        return { stream, input: undefined, begun }
      }
      // What makes the input fail, fails the call; what makes the call fail, ends the input.
      const input: Failures.Input<E> = { failure: undefined }
      onRead?.()
      yield* Effect.forkScoped(Effect.tapCause(feed(stream, data), (cause) => {
        input.failure = cause
        return stream.reset("cancelled", "its input failed")
      }))
      return { stream, input, begun }
    })
  }

  #open(whom: string | Peer, command: string, options: Options | undefined) {
    return Effect.withFiber<Sessions.SessionStream, Failures.CallError, Scope.Scope>((fiber) => {
      const deadline = this.#deadlineOf(fiber, options)
      const begun = this.#begunBefore(deadline)
      return this.#addressed(whom, command, options, (peer, headers) =>
        Effect.mapError(
          this.#node.sessions.open(peer, {
            protocol,
            name: command,
            deadline: this.#leftUntil(deadline),
            traceparent: spanOf(fiber),
            headers
          }),
          (error) => Failures.ofCall(error, this.#limitOf(options), this.#waited(begun))
        ))
    })
  }

  /** Sends a call to whom it is for, with what goes along. */
  #addressed<A, E, R>(
    whom: string | Peer,
    command: string,
    options: Options | undefined,
    send: (peer: Peer, headers?: string) => Effect.Effect<A, E, R>
  ): Effect.Effect<
    A,
    E | PeerUnknownError | NameConflictError | NodeClosedError | NotJsonError | CallTooLargeError,
    R
  > {
    const headers = options?.headers
    const sent = headers === undefined
      ? send
      : (peer: Peer) => Effect.flatMap(Headers.textOf(headers, peer.name, command), (text) => send(peer, text))
    return typeof whom === "string"
      ? Effect.flatMap(this.#node.peers.resolveOne(whom), (peer) => sent(peer))
      : sent(whom)
  }

  #limitOf(options: Options | undefined) {
    return limitOf(options?.limit, this.#node.callSize)
  }

  /** When a call's time is up: its own, or that of the work that it is a part of. */
  #deadlineOf(fiber: Fiber.Fiber<unknown, unknown>, options: Options | undefined): number {
    const inherited = fiber.getRef(CurrentDeadline) ?? Infinity
    return options?.timeout === undefined
      ? inherited
      : Math.min(inherited, nowUnsafe(this.#node.clock) + Duration.toMillis(Duration.fromInputUnsafe(options.timeout)))
  }

  /** When a call begins that has a time of its own. */
  #begunWith(options: Options | undefined): number | undefined {
    return options?.timeout === undefined ? undefined : nowUnsafe(this.#node.clock)
  }

  /** When a call begins whose time may be up. */
  #begunBefore(deadline: number): number | undefined {
    return deadline === Infinity ? undefined : nowUnsafe(this.#node.clock)
  }

  #waited(begun: number | undefined) {
    return waitedSince(this.#node.clock, begun)
  }

  #leftUntil(deadline: number) {
    return deadline === Infinity ? undefined : Duration.millis(Math.max(0, deadline - nowUnsafe(this.#node.clock)))
  }
}
