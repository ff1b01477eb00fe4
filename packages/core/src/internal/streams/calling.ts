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
import type * as Peers from "../../Peers.ts"
import * as Sessions from "../../Sessions.ts"
import * as Given from "../base/given.ts"
import { toTraceparent } from "../base/trace.ts"
import { namesOf } from "../peers/targets.ts"
import { isRefused, refusedRetries } from "../session/refused.ts"
import * as Failures from "./failures.ts"
import { bytesOf, type Data, isStream, isWhole, notSendable } from "./sendable.ts"

/** The protocol of functions' streams. */
export const protocol = "command"

export interface Options {
  readonly deadline?: Duration.Input | undefined
  /** Bytes that are held of one answer. */
  readonly limit?: number | undefined
}

/** What came of a call to one of several peers. */
export interface Outcome<E> {
  readonly peer: string
  readonly exit: Exit.Exit<Uint8Array, Failures.CallError | E>
}

export interface Calling {
  readonly send: <E, R>(
    name: string,
    command: string,
    data: Data<E, R>,
    options?: Options
  ) => Stream.Stream<Uint8Array, Failures.CallError | E, R>
  readonly request: <E, R>(
    name: string,
    command: string,
    data: Data<E, R>,
    options?: Options
  ) => Effect.Effect<Uint8Array, Failures.CallError | E, R>
  readonly sendAll: <E, R>(
    target: Peers.Target,
    command: string,
    data: Data<E, R>,
    options?: Options
  ) => Stream.Stream<Outcome<E>, never, R>
}

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

export const make = (node: {
  readonly sessions: Sessions.Sessions["Service"]
  readonly peers: Peers.Peers["Service"]
  readonly clock: Clock.Clock
  /** Bytes that are held of one answer where nobody says another limit. */
  readonly callSize: number
}): Calling => {
  const { callSize, clock, peers, sessions } = node
  const limitOf = (options: Options | undefined) => options?.limit ?? callSize

  /** When a call's time is up: its own, or that of the work that it is a part of. */
  const deadlineOf = (fiber: Fiber.Fiber<unknown, unknown>, options: Options | undefined): number => {
    const inherited = fiber.getRef(CurrentDeadline) ?? Infinity
    return options?.deadline === undefined
      ? inherited
      : Math.min(inherited, nowUnsafe(clock) + Duration.toMillis(Duration.fromInputUnsafe(options.deadline)))
  }

  const leftUntil = (deadline: number) =>
    deadline === Infinity ? undefined : Duration.millis(Math.max(0, deadline - nowUnsafe(clock)))

  const open = (peer: Peers.Peer, command: string, options: Options | undefined) =>
    Effect.withFiber<Sessions.SessionStream, Sessions.OpenError, Scope.Scope>((fiber) =>
      sessions.open(peer, {
        protocol,
        name: command,
        deadline: leftUntil(deadlineOf(fiber, options)),
        traceparent: spanOf(fiber)
      })
    )

  /** Opens the stream of a call and sends its input, or begins to. */
  const begin = <E, R>(name: string, command: string, data: Data<E, R>, options: Options | undefined) =>
    Effect.gen(function*() {
      if (!isStream(data) && !isWhole(data)) return yield* notSendable(data)
      const peer = yield* peers.resolveOne(name)
      const stream = yield* open(peer, command, options)
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

  const send: Calling["send"] = <E, R>(name: string, command: string, data: Data<E, R>, options?: Options) =>
    Stream.unwrap(
      Effect.map(
        begin(name, command, data, options),
        ({ input, stream }) =>
          Stream.fromPull(Effect.succeed(stream.pull)).pipe(
            Stream.catch((error) =>
              // A stream cannot fail with what looks like its end.
              Stream.fromEffect(
                Effect.catchIf(Failures.blame<E>(error, input, limitOf(options)), Cause.isDone, Effect.die)
              )
            )
          )
      )
    ) as Stream.Stream<Uint8Array, Failures.CallError | E, R>

  /** The whole answer to bytes that are there. */
  const exchange = (name: string, command: string, bytes: Uint8Array, options: Options | undefined) => {
    const limit = limitOf(options)
    return Effect.withFiber<Uint8Array, Failures.CallError>((fiber) => {
      const deadline = deadlineOf(fiber, options)
      const traceparent = spanOf(fiber)
      return Effect.flatMap(peers.resolveOne(name), (peer) => {
        const once = Effect.suspend(() =>
          sessions.exchange(peer, { protocol, name: command, deadline: leftUntil(deadline), traceparent, limit }, bytes)
        )
        return Effect.catch(once, (error) => {
          if (!isRefused(error)) return Effect.fail(Failures.ofCall(limit)(error))
          const again = Effect.retry(once, { while: isRefused, schedule: refusedRetries })
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
          return Effect.mapError(timed, Failures.ofCall(limit))
        })
      })
    })
  }

  const request: Calling["request"] = <E, R>(name: string, command: string, data: Data<E, R>, options?: Options) => {
    if (isWhole(data)) return exchange(name, command, bytesOf(data), options)
    if (!isStream(data)) return notSendable(data)
    const limit = limitOf(options)
    return Effect.scoped(
      Effect.flatMap(
        begin(name, command, data, options),
        ({ input, stream }) => Effect.catch(stream.wholeUpTo(limit), (error) => Failures.blame<E>(error, input, limit))
      )
    ) as Effect.Effect<Uint8Array, Failures.CallError | E, R>
  }

  /** `sendAll` of an input that is a stream, which is read once for all. */
  const sendAllOf = <E, R>(
    target: Peers.Target,
    command: string,
    source: Stream.Stream<Uint8Array, E, R>,
    options: Options | undefined
  ) =>
    Stream.unwrap(Effect.gen(function*() {
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
      const input: Failures.Input<E> = { failure: undefined }
      yield* Effect.forkScoped(share(source, streams, input))
      return Stream.fromIterable(opened).pipe(
        Stream.mapEffect(
          ({ exit, name }): Effect.Effect<Outcome<E>> =>
            Exit.isFailure(exit)
              ? Effect.succeed({ peer: name, exit: Exit.failCause(exit.cause) })
              : Effect.map(
                Effect.exit(
                  Effect.catch(
                    exit.value.wholeUpTo(limitOf(options)),
                    (error) => Failures.blame<E>(error, input, limitOf(options))
                  )
                ),
                (outcome) => ({ peer: name, exit: outcome })
              ),
          { concurrency: "unbounded", unordered: true }
        )
      )
    })) as Stream.Stream<Outcome<E>, never, R>

  const sendAll: Calling["sendAll"] = <E, R>(
    target: Peers.Target,
    command: string,
    data: Data<E, R>,
    options?: Options
  ) =>
    isStream(data)
      ? sendAllOf(target, command, data, options)
      : Stream.unwrap(Effect.map(namesOf(peers, target), (names) =>
        Stream.fromIterable(names).pipe(
          Stream.mapEffect(
            (peer) => Effect.map(Effect.exit(request<E, R>(peer, command, data, options)), (exit) => ({ peer, exit })),
            { concurrency: "unbounded", unordered: true }
          )
        )))

  return { send, request, sendAll }
}
