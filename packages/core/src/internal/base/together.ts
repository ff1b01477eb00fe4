/** Streams as one, each for itself: one that fails says so in the log, and takes nothing from the others. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"

interface Part<A, E, R> {
  readonly what: string
  readonly stream: Stream.Stream<A, E, R>
}

/** A part that may give what it has without a stream in between. */
interface Giving<A, E, R> extends Part<A, E, R> {
  readonly forEach?: ((take: (one: A) => void) => Effect.Effect<void, never, Scope.Scope>) | undefined
}

const ended = ({ what }: { readonly what: string }, cause: Cause.Cause<unknown>): Effect.Effect<void> =>
  Cause.hasInterruptsOnly(cause) ? Effect.void : Effect.logError(`${what} ended`, cause)

export const together = <A, E, R>(parts: ReadonlyArray<Part<A, E, R>>): Stream.Stream<A, never, R> =>
  Stream.mergeAll(
    parts.map((part) => Stream.catchCause(part.stream, (cause) => Stream.drain(Stream.fromEffect(ended(part, cause))))),
    { concurrency: "unbounded" }
  )

/** Gives all of them to a function that waits for nothing, until the scope closes. */
export const allTo = <A, E, R>(
  parts: ReadonlyArray<Giving<A, E, R>>,
  take: (one: A) => void
): Effect.Effect<void, never, R | Scope.Scope> =>
  Effect.forEach(parts, (part) =>
    part.forEach === undefined
      ? Effect.forkScoped(
        Stream.runForEachArray(part.stream, (all) => Effect.sync(() => all.forEach((one) => take(one)))).pipe(
          Effect.catchCause((cause) => ended(part, cause))
        )
      )
      : part.forEach(take), { discard: true })
