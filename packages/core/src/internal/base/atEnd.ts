/**
 * What is undone when a scope closes, of what needs no service for that: Effect's `acquireRelease` and `addFinalizer` keep the whole context for it, and provide it again,
 * which copies it. A session has five of those.
 */
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"

/** Has a scope do something at its end. */
export const atEnd = (end: () => void): Effect.Effect<void, never, Scope.Scope> =>
  Effect.flatMap(Effect.scope, (scope) => Scope.addFinalizer(scope, Effect.sync(end)))

/** `Effect.acquireRelease`: nobody is interrupted between the two. */
export const acquire = <A, E, R>(
  acquired: Effect.Effect<A, E, R>,
  release: (value: A) => void
): Effect.Effect<A, E, R | Scope.Scope> =>
  Effect.uninterruptible(Effect.tap(acquired, (value) => atEnd(() => release(value))))
