/**
 * What a peer says of its functions, as the answer of `describe` has it: for whoever shows them, checks arguments, or makes a form.
 *
 * What bites: all of it is the peer's word, of any length. Its schemas are whatever it sent.
 *
 * @since 0.2.0
 */
import type * as Option from "effect/Option"
import * as Schema from "effect/Schema"

/**
 * A function, as its peer describes it.
 *
 * @category schemas
 * @since 0.2.0
 */
export const Description = Schema.Struct({
  name: Schema.String,
  kind: Schema.Literals(["function", "command", "rpc"]),
  description: Schema.optionalKey(Schema.String),
  args: Schema.optionalKey(Schema.Json),
  kwargs: Schema.optionalKey(Schema.Json),
  success: Schema.optionalKey(Schema.Json),
  error: Schema.optionalKey(Schema.Json),
  stream: Schema.optionalKey(Schema.Boolean),
  contract: Schema.optionalKey(Schema.String)
})

/**
 * A function, as its peer describes it.
 *
 * @category models
 * @since 0.2.0
 */
export type Description = typeof Description.Type

/**
 * Reads the answer of `describe`; none where it is not to be understood.
 *
 * @category accessors
 * @since 0.2.0
 */
export const read: (answer: unknown) => Option.Option<ReadonlyArray<Description>> = Schema.decodeUnknownOption(
  Schema.Array(Description)
)
