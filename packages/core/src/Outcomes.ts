/**
 * What comes of a call to several peers, in one shape wherever several are called: messages, functions over bytes, commands, and
 * typed calls.
 *
 * ```ts
 * const all = yield* node.target<Api>("*").add(1, 2)                 // when all are done: an Exit of each, by its name
 * yield* Stream.runForEach(node.target<Api>("*").add(1, 2).stream, ({ exit, peer }) => …)   // each as soon as it is there
 * ```
 *
 * No peer's failure hides what came of another. Both forms fail with one error, `NodeClosedError`, where the node is closed when they are run: then
 * nobody was called. Where it closes while they run, each call that was not answered has a failure of its own.
 *
 * Running either form makes the calls, and running it twice makes them twice. Interrupting it interrupts the calls that are not done, and so does a reader of
 * the stream that wants no more.
 *
 * What bites: the record has no prototype, since peers choose their names: `Object.keys`, `Object.hasOwn` and spreading work, methods of objects
 * are not there. It has the names as they were asked for, those of `"*"` sorted; but an object of JavaScript has whole numbers
 * first, be they names.
 *
 * @since 0.2.0
 */
import type * as Cause from "effect/Cause"
import type * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Stream from "effect/Stream"
import type { NodeClosedError } from "./FunctionError.ts"

/**
 * What came of the call to one peer.
 *
 * @category models
 * @since 0.2.0
 */
export interface Outcome<out A, out E = never> {
  /** The peer's name. */
  readonly peer: string
  /** Its answer, or why there is none. */
  readonly exit: Exit.Exit<A, E>
}

/**
 * What came of the calls to several peers, by their names. It has no prototype.
 *
 * @category models
 * @since 0.2.0
 */
export type Exits<A, E = never> = Readonly<Record<string, Exit.Exit<A, E>>>

/**
 * Calls of several peers, which are made when it is run: as an Effect it gives what came of all of them, when the last one is done.
 *
 * @category models
 * @since 0.2.0
 */
export interface Outcomes<A, E = never, R = never> extends Effect.Effect<Exits<A, E>, NodeClosedError, R> {
  /**
   * The same calls, and what comes of each as soon as it is there, in the order in which peers are done. Ends behind the last one. It is another run: the
   * calls that the Effect makes are others.
   */
  readonly stream: Stream.Stream<Outcome<A, E>, NodeClosedError, R>
}

/**
 * What comes of streaming calls of several peers: the elements of each as they come, and as the last thing of each its `Outcome`, which says how its stream
 * ended.
 *
 * @category models
 * @since 0.2.0
 */
export type Item<A, E = never> =
  | { readonly _tag: "Value"; readonly peer: string; readonly value: A }
  | { readonly _tag: "Exit" } & Outcome<void, E>

/**
 * How several peers are called.
 *
 * @category models
 * @since 0.2.0
 */
export interface Options {
  /** How many peers are called at once. Each call has the whole `timeout`, from when it is made. Default: all. */
  readonly concurrency?: number | "unbounded" | undefined
}

/** What is made of some of the exits, by name. */
const pick = <A, E, B>(
  exits: Exits<A, E>,
  of: (exit: Exit.Exit<A, E>, take: (value: B) => void) => void
): Readonly<Record<string, B>> => {
  const picked: Record<string, B> = Object.create(null)
  for (const name of Object.keys(exits)) of(exits[name]!, (value) => void (picked[name] = value))
  return picked
}

/**
 * The answers of those who answered, by name; without a prototype, too.
 *
 * @category getters
 * @since 0.2.0
 */
export const succeeded = <A, E>(exits: Exits<A, E>): Readonly<Record<string, A>> =>
  pick(exits, (exit, take) => Exit.isSuccess(exit) && take(exit.value))

/**
 * Why there is no answer of those who did not answer, by name; without a prototype, too.
 *
 * @category getters
 * @since 0.2.0
 */
export const failed = <A, E>(exits: Exits<A, E>): Readonly<Record<string, Cause.Cause<E>>> =>
  pick(exits, (exit, take) => Exit.isFailure(exit) && take(exit.cause))

/**
 * The answers alone.
 *
 * @category getters
 * @since 0.2.0
 */
export const values = <A, E>(exits: Exits<A, E>): ReadonlyArray<A> =>
  Object.values(exits).flatMap((exit) => Exit.isSuccess(exit) ? [exit.value] : [])
