/**
 * Effects that are a look at what is there. Who runs one finds what is so then, as always; and who asks for many, one after another, may look without
 * a fiber for each.
 */
import * as Effect from "effect/Effect"
import * as Effectable from "effect/Effectable"
import * as Exit from "effect/Exit"
import { keep } from "./shapes.ts"

const look = Symbol("look")

/** As `Effect.sync`. */
export const sync = <A>(f: () => A): Effect.Effect<A> => {
  const effect = Effect.sync(f) as Effect.Effect<A> & { [look]?: () => A }
  effect[look] = f
  return effect
}

/** As a function that gives such effects. */
export const by = <A, B>(f: (a: A) => B): (a: A) => Effect.Effect<B> =>
  Object.assign((a: A) => sync(() => f(a)), { [look]: f })

/** It has to be run. */
export const unknown = Symbol("unknown")

/** What an effect gives, where that can be had without running it. */
export const valueOf = <A>(effect: Effect.Effect<A>): A | typeof unknown => {
  const f = (effect as { readonly [look]?: () => A })[look]
  if (f !== undefined) return f()
  return Exit.isExit(effect) && Exit.isSuccess(effect) ? effect.value as A : unknown
}

/** `Effect.matchEffect`, which is done already where the effect is a success. */
export const match = <A, E, R, A2, E2, R2>(
  effect: Effect.Effect<A, E, R>,
  onSuccess: (value: A) => Effect.Effect<A2, E2, R2>,
  onFailure: (error: E) => Effect.Effect<A2, E2, R2>
): Effect.Effect<A2, E2, R | R2> =>
  Exit.isExit(effect) && Exit.isSuccess(effect)
    ? onSuccess(effect.value as A)
    : Effect.matchEffect(effect, { onSuccess, onFailure })

/** What gives what the effects of a function would, where that can be had without making one. */
export const lookOf = <A, B>(f: (a: A) => Effect.Effect<B>): ((a: A) => B) | undefined =>
  (f as { readonly [look]?: (a: A) => B })[look]

const taken = Symbol("taken")

/** An effect with another way to what it gives, for who would have it without a fiber: `undefined` where it has to be run, and nothing was done. */
export const soon = <A, E>(effect: Effect.Effect<A, E>, take: () => A | undefined): Effect.Effect<A, E> => {
  const both = effect as Effect.Effect<A, E> & { [taken]?: () => A | undefined }
  both[taken] = take
  return both
}

keep(Effect.callback(() => {}), soon(Effect.callback(() => {}), () => undefined), sync(() => undefined))

/** An effect as those of `soon`, as one object that knows both ways. */
export abstract class Soon<A, E = never> extends Effectable.Class<A, E> {
  /** What it gives, where that is there; otherwise nothing was done. */
  abstract now(): A | undefined
  [taken](): A | undefined {
    return this.now()
  }
}

/** What such an effect gives, in place of running it. */
export const soonOf = (effect: Effect.Effect<unknown, unknown>): unknown =>
  (effect as { readonly [taken]?: () => unknown })[taken]?.()
