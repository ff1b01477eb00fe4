/**
 * What a user's handler gave, as an Effect: an Effect itself, a promise, a plain value, or what it threw.
 *
 * What bites: a plain value may be a peer's, and JSON carries any key. So nothing is recognised by a key alone: an Effect and a
 * Stream by the functions that their prototypes have under it, a promise by a callable `then`; JSON has no functions.
 */
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Cause from "effect/Cause"
import * as Channel from "effect/Channel"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { type Aborting, aborting } from "./platform.ts"
import { quote } from "./quote.ts"

/** Whether a value has the types of an Effect or a Stream as functions, under its key. */
const isOf = (value: unknown, key: string): boolean => {
  if ((typeof value !== "object" && typeof value !== "function") || value === null) return false
  const variance: unknown = (value as Record<string, unknown>)[key]
  return typeof variance === "object" && variance !== null && "_A" in variance && typeof variance._A === "function"
}

export const isEffect = (value: unknown): value is Effect.Effect<unknown, unknown> => isOf(value, Effect.TypeId)

export const isStream = (value: unknown): value is Stream.Stream<unknown, unknown> => isOf(value, Stream.TypeId)

/** Whether a value is a Deferred, which has no other mark than its types. */
export const isDeferred = (value: unknown): boolean => isOf(value, "~effect/Deferred")

const isPlain = (value: object): boolean => {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || Object.getPrototypeOf(prototype) === null
}

const isPromise = (value: unknown): value is PromiseLike<unknown> =>
  typeof value === "object" && value !== null && "then" in value && typeof value.then === "function"

/** What marks a value of Effect's as what it is, like `~effect/Option`: many have no class that would say so. */
const effectMark = /^~effect\/(?!Equal$|Hash$)(\w+)$/

const nameOf = (value: object): string => {
  const constructor: unknown = value.constructor
  if (typeof constructor === "function" && constructor.name !== "" && constructor !== Object) {
    return `an instance of ${constructor.name}`
  }
  if (Array.isArray(value)) return "an array"
  // Of its prototypes alone: its own keys may be a peer's.
  for (let at: unknown = value; (at = Object.getPrototypeOf(at)) !== null;) {
    for (const key of Object.getOwnPropertyNames(at)) {
      const name = effectMark.exec(key)?.[1]
      if (name !== undefined) return `${/^[AEIOU]/.test(name) ? "an" : "a"} ${name}`
    }
  }
  return "an object"
}

/** What a value is, for the log. Its content may be a secret, and is not shown. */
export const describe = (value: unknown): string => {
  if (value === null || value === undefined) return String(value)
  if (isEffect(value)) return "an Effect"
  if (isStream(value)) return "a Stream"
  if (isPromise(value)) return "a promise"
  if (isGenerator(value)) return "a generator"
  return typeof value === "object" ? nameOf(value) : `a ${typeof value}`
}

const isGenerator = (value: unknown): boolean =>
  typeof value === "object" && value !== null && !isPlain(value) && "next" in value &&
  typeof value.next === "function" &&
  (Symbol.iterator in value || Symbol.asyncIterator in value)

/** A handler gave what is no answer. It is a defect: the log has it, and its caller learns no more than that. */
class HandlerError extends Error {
  override readonly name = "HandlerError"
}

/** The defect of a handler that gave something else than it may. */
export const mistaken = (who: string, given: string, wanted: string): Effect.Effect<never> =>
  Effect.die(new HandlerError(`${who} gave ${given}, and has to give ${wanted}`))

const wantedValue = "an Effect, a promise or a value (a generator function goes into Effect.fn or Effect.gen)"

/** What a handler threw, or its promise was rejected with: a tagged error is its failure, anything else a defect. */
export const thrown = (error: unknown): Exit.Exit<never, unknown> =>
  error instanceof Error && isEffect(error) ? Exit.fail(error) : Exit.die(error)

const fromPromise = (
  given: PromiseLike<unknown>,
  who: () => string,
  streams: boolean
): Effect.Effect<unknown, unknown> =>
  Effect.callback((resume) => {
    Promise.resolve(given).then(
      (value) =>
        isEffect(value) || (!streams && isStream(value)) || isGenerator(value)
          ? mistaken(who(), `a promise of ${describe(value)}`, "the Effect itself, or a promise of a value")
          : Exit.succeed(value),
      thrown
      // Whoever looks at a value may meet a getter that throws.
    ).then(resume, (defect) => resume(Exit.die(defect)))
  })

/** What a handler gave, as an Effect. With `streams`, a Stream is a value. */
export const effectOf = (
  given: unknown,
  who: () => string,
  streams = false
): Effect.Effect<unknown, unknown> => {
  if (isEffect(given)) return given
  if (isPromise(given)) return fromPromise(given, who, streams)
  // Boxed: whatever it carries, it is a value.
  return (isStream(given) && !streams) || isGenerator(given) || typeof given === "function"
    ? mistaken(who(), describe(given), wantedValue)
    : Exit.succeed(given)
}

/** What a handler gives for something, or throws, without running it: where that is a value already, there is nothing to run. */
export const begun = <A>(
  handler: (of: A) => unknown,
  of: A,
  who: () => string,
  streams = false
): Effect.Effect<unknown, unknown> => {
  try {
    return effectOf(handler(of), who, streams)
  } catch (error) {
    return thrown(error)
  }
}

/** Runs what a handler has given. `call` is told of the fiber, for its signal. */
export const runIn = (
  given: Effect.Effect<unknown, unknown>,
  call: unknown
): Effect.Effect<unknown, unknown> =>
  call instanceof Interruptible
    ? Effect.withFiber((fiber) => {
      call.runIn(fiber)
      return given
    })
    : given

/** Runs a handler, whatever it gives or throws. `call` is told of the fiber, for its signal. */
export const run = (
  handler: () => unknown,
  who: () => string,
  options?: { readonly call?: unknown; readonly streams?: boolean }
): Effect.Effect<unknown, unknown> =>
  Effect.withFiber((fiber) => {
    const call = options?.call
    if (call instanceof Interruptible) call.runIn(fiber)
    return begun(handler, undefined, who, options?.streams)
  })

/**
 * The end of a stream or a queue. Its mark is a key that JSON can carry, so that it is told by being this very object. Inside a
 * stream, Effect's own `concat` and the like go by the mark.
 */
const end: unknown = Cause.Done()

const isEnd = (reason: Cause.Reason<unknown>): boolean => Cause.isFailReason(reason) && reason.error === end

const ended = <E>(cause: Cause.Cause<E>): Effect.Effect<void, E> =>
  cause.reasons.some(isEnd) && cause.reasons.every((reason) => isEnd(reason) || Cause.isInterruptReason(reason))
    ? Effect.void
    : Effect.failCause(cause)

/** Runs something until it fails with the end of a stream or a queue. An error that looks like an end is none. */
export const orEnd = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A | void, E, R> =>
  Effect.catchCause(effect, ended)

/**
 * Runs what gives the elements of a stream or a queue to `f`, until the end (`orEnd`). What `f` has done when it returns takes no step.
 */
export const untilEnd = <A, E, R, E2, R2>(
  pull: Effect.Effect<A, E, R>,
  f: (elements: A) => Effect.Effect<void, E2, R2>
): Effect.Effect<void, E | E2, R | R2> => {
  const next: Effect.Effect<never, E | E2, R | R2> = Effect.flatMap(pull, (elements) => {
    const taken = f(elements)
    return taken === Effect.void ? next : Effect.andThen(taken, next)
  })
  return orEnd(next)
}

/** `Stream.runForEachArray`, and a stream that fails with what looks like an end has failed. */
export const forEachArray = <A, E, R, E2, R2>(
  stream: Stream.Stream<A, E, R>,
  f: (elements: NonEmptyReadonlyArray<A>) => Effect.Effect<void, E2, R2>
): Effect.Effect<void, E | E2, R | R2> =>
  Effect.suspend(() => {
    const scope = Scope.makeUnsafe()
    return Effect.onExit(
      Effect.flatMap(Channel.toPullScoped(Stream.toChannel(stream), scope), (pull) => untilEnd(pull, f)),
      (exit) => Scope.close(scope, exit)
    ) as Effect.Effect<void, E | E2, R | R2>
  })

/** `forEachArray`, one by one. */
export const forEach = <A, E, R, E2, R2>(
  stream: Stream.Stream<A, E, R>,
  f: (element: A) => Effect.Effect<void, E2, R2>
): Effect.Effect<void, E | E2, R | R2> =>
  forEachArray(
    stream,
    (elements) => elements.length === 1 ? f(elements[0]) : Effect.forEach(elements, f, { discard: true })
  )

/** `the function "add"`, for errors and the log. */
export const titled = (what: string, name: string) => (): string => `${what} ${quote(name)}`

/**
 * Runs an effect with a scope of its own, in the context that is made of it. What is no effect deep inside of one ends a fiber
 * without its finalizers; the scope is closed then, too. `begins` is told of the fiber that it runs in.
 */
export const scoped = <A, E>(
  effect: Effect.Effect<A, E>,
  context: (scope: Scope.Scope, current: Context.Context<never>) => Context.Context<never>,
  begins?: (fiber: Fiber.Fiber<unknown, unknown>) => void
): Effect.Effect<A, E> =>
  Effect.withFiber((fiber) => {
    begins?.(fiber)
    const scope = Scope.makeUnsafe()
    closeWith(fiber, scope)
    return Effect.onExit(
      Effect.updateContext(effect, (current: Context.Context<never>) => context(scope, current)),
      (exit) => Scope.closeUnsafe(scope, exit) ?? Effect.void
    ) as Effect.Effect<A, E>
  })

/** Closes a scope at the end of a fiber, where nothing else has. */
export const closeWith = (fiber: Fiber.Fiber<any, any>, scope: Scope.Closeable): void => {
  const { context } = fiber
  fiber.addObserver((exit) => {
    if (scope.state._tag === "Closed") return
    const closing = Scope.closeUnsafe(scope, exit)
    if (closing !== undefined) Effect.runForkWith(context)(closing)
  })
}

/** A call that a handler may be told the end of. It may be asked for that before there is a fiber. */
export class Interruptible {
  #fiber: Fiber.Fiber<unknown, unknown> | undefined
  #aborting: Aborting | undefined
  runIn(fiber: Fiber.Fiber<any, any>): void {
    this.#fiber = fiber
    if (this.#aborting !== undefined) this.#watch(fiber, this.#aborting)
  }
  get signal(): AbortSignal {
    if (this.#aborting === undefined) {
      this.#aborting = aborting()
      if (this.#fiber !== undefined) this.#watch(this.#fiber, this.#aborting)
    }
    return this.#aborting.signal
  }
  #watch(fiber: Fiber.Fiber<unknown, unknown>, made: Aborting): void {
    fiber.addObserver((exit) => {
      if (Exit.isFailure(exit)) made.abort()
    })
  }
}
