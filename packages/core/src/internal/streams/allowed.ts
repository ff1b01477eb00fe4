/** Who may call which of a node's functions, as its options say it by their names. */
import * as Effect from "effect/Effect"
import type { Allow } from "../../Allow.ts"
import { OptionsError } from "../../NodeOptions.ts"
import { quote } from "../base/quote.ts"

type ByName = { readonly [name: string]: Allow | undefined }

/** What is said of a function. */
export const own = (allow: ByName, name: string): Allow | undefined =>
  Object.hasOwn(allow, name) ? allow[name] : undefined

/** The part that is about some functions. */
export const only = (allow: ByName, names: ReadonlyArray<string>): ByName =>
  Object.fromEntries(names.flatMap((name) => Object.hasOwn(allow, name) ? [[name, allow[name]]] : []))

/** A name that no function has is a slip, which would leave the function that was meant to everybody. */
export const namesKnown = (allow: ByName, names: ReadonlyArray<string>): Effect.Effect<void, OptionsError> => {
  const unknown = Object.keys(allow).find((name) => !names.includes(name))
  return unknown === undefined ? Effect.void : Effect.fail(
    new OptionsError({ issue: `"allow" names ${quote(unknown)}, which is no function among the node's options` })
  )
}
