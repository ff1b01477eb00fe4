/** A handler's typed error as what travels: JSON, by its own Schema where it has one, and never with its stack. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { quote } from "../base/quote.ts"
import type { Lines } from "../base/seldom.ts"
import { lengthUpTo } from "../wire/json.ts"

/** A typed error that is larger than this as JSON is sent as its tag and the beginning of its message. */
const maxError = 65_536

/** The beginning of what an error says of itself. */
export const messageOf = (error: unknown): string => {
  // What a promise was rejected with, where nobody said what that means: its own message says no more than that.
  if (error instanceof Cause.UnknownError && error.cause !== undefined) return messageOf(error.cause)
  const message: unknown = typeof error === "object" && error !== null && "message" in error ? error.message : error
  return (typeof message === "object" ? "" : String(message)).slice(0, 1_024)
}

/** The error as JSON. Errors without a Schema become their tag and message. */
export const encodeError = (error: unknown, lines: Lines): Effect.Effect<unknown> => {
  const message = messageOf(error)
  const fallback: { readonly _tag?: string; readonly message: string } =
    typeof error === "object" && error !== null && "_tag" in error && typeof error._tag === "string"
      ? { _tag: error._tag.slice(0, 1_024), message }
      : { message }
  const constructor: unknown = typeof error === "object" && error !== null ? error.constructor : undefined
  // A class: what an error carries as a value may be a peer's.
  if (typeof constructor !== "function" || !Schema.isSchema(constructor)) return Effect.succeed(fallback)
  return Schema.encodeUnknownEffect(Schema.toCodecJson(constructor as Schema.Codec<unknown>))(error).pipe(
    Effect.flatMap((encoded): Effect.Effect<unknown> => {
      return lengthUpTo(encoded, maxError) <= maxError
        ? Effect.succeed(encoded)
        : Effect.as(
          lines(fallback._tag ?? "", "large", (more) =>
            Effect.logWarning(
              `a typed error of over ${maxError} characters is sent as its tag alone: ${quote(fallback)}${more}`
            )),
          fallback
        )
    }),
    Effect.orElseSucceed(() => fallback)
  )
}
