/**
 * Calling functions over streams: one peer or several, bytes that are there or come as a stream, an answer as it comes or whole.
 * Bytes for a whole answer are an exchange, which costs a fraction of a stream.
 */
import * as Cause from "effect/Cause"
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { CurrentDeadline, nowUnsafe } from "../../Deadline.ts"
import type { CallTooLargeError, NodeClosedError, NotJsonError } from "../../FunctionError.ts"
import type { Outcomes } from "../../Outcomes.ts"
import type * as Peers from "../../Peers.ts"
import * as Sessions from "../../Sessions.ts"
import * as Given from "../base/given.ts"
import { toTraceparent } from "../base/trace.ts"
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

// --- calls ---------------------------------------------------------------------------------------------------------------

/** The node that calls. */
export interface Node {
  readonly sessions: Sessions.Sessions["Service"]
  readonly peers: Peers.Peers["Service"]
  readonly clock: Clock.Clock
  /** Bytes that are held of one answer where nobody says another limit. */
  readonly callSize: number
}

/** Calls functions of peers, from one node. What it gives may be taken off it. */
export class Calling {
  readonly #node: Node

  constructor(node: Node) {
    this.#node = node
  }

  readonly send = <E, R>(
    name: Peers.One,
    command: string,
    data: Data<E, R>,
    options?: Options
  ): Stream.Stream<Uint8Array, Failures.CallError | E, R> =>
    Stream.unwrap(
      Effect.map(
        this.#begin(name, command, data, options),
        ({ input, stream }) =>
          Stream.fromPull(Effect.succeed(stream.pull)).pipe(
            Stream.catch((error) =>
              // A stream cannot fail with what looks like its end.
              Stream.fromEffect(
                Effect.catchIf(Failures.blame<E>(error, input, this.#limitOf(options)), Cause.isDone, Effect.die)
              )
            )
          )
      )
    ) as Stream.Stream<Uint8Array, Failures.CallError | E, R>

  readonly request = <E, R>(
    name: Peers.One,
    command: string,
    data: Data<E, R>,
    options?: Options
  ): Effect.Effect<Uint8Array, Failures.CallError | E, R> => {
    if (isWhole(data)) return this.#exchange(name, command, bytesOf(data), options)
    if (!isStream(data)) return notSendable(data)
    const limit = this.#limitOf(options)
    return Effect.scoped(
      Effect.flatMap(
        this.#begin(name, command, data, options),
        ({ input, stream }) => Effect.catch(stream.wholeUpTo(limit), (error) => Failures.blame<E>(error, input, limit))
      )
    ) as Effect.Effect<Uint8Array, Failures.CallError | E, R>
  }

  readonly sendAll = <E, R>(
    target: Peers.Target,
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

  /** The whole answer to bytes that are there. */
  #exchange(name: Peers.One, command: string, bytes: Uint8Array, options: Options | undefined) {
    const limit = this.#limitOf(options)
    return Effect.withFiber<Uint8Array, Failures.CallError>((fiber) => {
      const deadline = this.#deadlineOf(fiber, options)
      const traceparent = spanOf(fiber)
      const send = (peer: Peers.Peer, headers: string | undefined) => {
        const ask = () =>
          this.#node.sessions.exchange(peer, {
            protocol,
            name: command,
            deadline: this.#leftUntil(deadline),
            traceparent,
            headers,
            limit
          }, bytes)
        return Effect.catch(ask(), (error) => {
          if (!isRefused(error)) return Effect.fail(Failures.ofCall(limit)(error))
          const again = Effect.retry(Effect.suspend(ask), { while: isRefused, schedule: refusedRetries })
          const left = this.#leftUntil(deadline)
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
          return Effect.mapError(timed, Failures.ofCall(limit))
        })
      }
      // Nearly always there are none.
      return options?.headers === undefined
        ? Effect.flatMap(this.#resolve(name, deadline), (peer) => send(peer, undefined))
        : Effect.flatMap(
          this.#addressed(name, command, deadline, options),
          ({ headers, peer }) => send(peer, headers)
        )
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
            (error) => Failures.blame<E>(error, input, limit)
          ))
    })
  }

  /** Opens the stream of a call and sends its input, or begins to. */
  #begin<E, R>(name: Peers.One, command: string, data: Data<E, R>, options: Options | undefined) {
    return Effect.gen({ self: this }, function*() {
      if (!isStream(data) && !isWhole(data)) return yield* notSendable(data)
      const stream = yield* this.#open(name, command, options)
      if (!isStream(data)) {
        yield* feed(stream, data)
        return { stream, input: undefined }
      }
      // What makes the input fail, fails the call; what makes the call fail, ends the input.
      const input: Failures.Input<E> = { failure: undefined }
      yield* Effect.forkScoped(Effect.tapCause(feed(stream, data), (cause) => {
        input.failure = cause
        return stream.reset("cancelled", "its input failed")
      }))
      return { stream, input }
    })
  }

  #open(name: Peers.One, command: string, options: Options | undefined) {
    return Effect.withFiber<Sessions.SessionStream, Failures.CallError, Scope.Scope>((fiber) => {
      const deadline = this.#deadlineOf(fiber, options)
      return Effect.flatMap(this.#addressed(name, command, deadline, options), ({ headers, peer }) =>
        Effect.mapError(
          this.#node.sessions.open(peer, {
            protocol,
            name: command,
            deadline: this.#leftUntil(deadline),
            traceparent: spanOf(fiber),
            headers
          }),
          Failures.ofCall(this.#limitOf(options))
        ))
    })
  }

  /** Whom a call goes to, and what goes along. */
  #addressed(name: Peers.One, command: string, deadline: number, options: Options | undefined): Effect.Effect<
    { readonly peer: Peers.Peer; readonly headers: string | undefined },
    Peers.PeerUnknownError | Peers.NameConflictError | NodeClosedError | NotJsonError | CallTooLargeError
  > {
    const headers = options?.headers
    const resolved = this.#resolve(name, deadline)
    return headers === undefined
      ? Effect.map(resolved, (peer) => ({ peer, headers: undefined }))
      : Effect.flatMap(
        resolved,
        (peer) => Effect.map(Headers.textOf(headers, peer.name, command), (headers) => ({ peer, headers }))
      )
  }

  /** The peer that is meant. To find out what peers offer may take a moment, of the time that the call has. */
  #resolve(name: Peers.One, deadline: number) {
    const found = this.#node.peers.resolveOne(name)
    return typeof name === "string" || deadline === Infinity
      ? found
      : Effect.provideService(found, CurrentDeadline, deadline)
  }

  #limitOf(options: Options | undefined) {
    return options?.limit ?? this.#node.callSize
  }

  /** When a call's time is up: its own, or that of the work that it is a part of. */
  #deadlineOf(fiber: Fiber.Fiber<unknown, unknown>, options: Options | undefined): number {
    const inherited = fiber.getRef(CurrentDeadline) ?? Infinity
    return options?.timeout === undefined
      ? inherited
      : Math.min(inherited, nowUnsafe(this.#node.clock) + Duration.toMillis(Duration.fromInputUnsafe(options.timeout)))
  }

  #leftUntil(deadline: number) {
    return deadline === Infinity ? undefined : Duration.millis(Math.max(0, deadline - nowUnsafe(this.#node.clock)))
  }
}
