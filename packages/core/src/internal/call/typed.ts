/**
 * Typed calls, for whoever uses them. Bundlers for browsers take `typedLater` in the place of this (`browser` in package.json), so that a page that has
 * no use for them does not load them.
 */
import type * as Effect from "effect/Effect"
import * as typed from "./typedCalls.ts"

export type Typed = typeof typed

export const use = <A, E, R>(f: (typed: Typed) => Effect.Effect<A, E, R>): Effect.Effect<A, E, R> => f(typed)
