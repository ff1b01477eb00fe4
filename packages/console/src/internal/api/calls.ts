/** Functions, and what comes of calling them. */
import * as Schema from "effect/Schema"

/**
 * A function of a peer, as that describes it.
 *
 * @category schemas
 * @since 0.2.0
 */
export const Function = Schema.Struct({
  name: Schema.String,
  kind: Schema.Literals(["function", "command", "rpc"]),
  /** On one line. */
  signature: Schema.String,
  description: Schema.optionalKey(Schema.String),
  /** JSON Schemas, left out where the peer gave none, or one of over 64 KiB. */
  args: Schema.optionalKey(Schema.Json),
  kwargs: Schema.optionalKey(Schema.Json),
  success: Schema.optionalKey(Schema.Json),
  error: Schema.optionalKey(Schema.Json),
  stream: Schema.Boolean,
  contract: Schema.optionalKey(Schema.String)
})

/**
 * A function of a peer.
 *
 * @category models
 * @since 0.2.0
 */
export type Function = typeof Function.Type

/**
 * What a call is made of.
 *
 * @category schemas
 * @since 0.2.0
 */
export const CallInput = Schema.Struct({
  /** Names of peers, at most 256, or all there are. */
  target: Schema.Union([Schema.Literal("*"), Schema.Array(Schema.String).check(Schema.isBetweenLength(1, 256))]),
  function: Schema.String.check(Schema.isBetweenLength(1, 255)),
  args: Schema.Array(Schema.Json).check(Schema.isMaxLength(256)),
  kwargs: Schema.optionalKey(Schema.Record(Schema.String, Schema.Json)),
  /** Whether the answer is a stream of elements. */
  stream: Schema.Boolean,
  /** How long each call may take. Default: 60,000. */
  timeoutMs: Schema.optionalKey(Schema.Finite.check(Schema.isBetween({ minimum: 1, maximum: 86_400_000 })))
})

/**
 * What a call is made of.
 *
 * @category models
 * @since 0.2.0
 */
export type CallInput = typeof CallInput.Type

/**
 * What comes of a call, of one peer each. `value` is left out of what is larger than is shown, of which `text` is the beginning, and `bytes` the whole.
 *
 * - `Started`: it is sent to the peer
 * - `Element`: an element of its stream
 * - `Value`: its answer; the call is over
 * - `Done`: its stream has ended; the call is over. `cut`: there was more than is shown
 * - `Failed`: the call is over
 *
 * @category schemas
 * @since 0.2.0
 */
export const CallEvent = Schema.TaggedUnion({
  Started: { peer: Schema.String },
  Element: {
    peer: Schema.String,
    index: Schema.Int,
    value: Schema.optionalKey(Schema.Json),
    text: Schema.optionalKey(Schema.String),
    bytes: Schema.Int
  },
  Value: {
    peer: Schema.String,
    value: Schema.optionalKey(Schema.Json),
    text: Schema.optionalKey(Schema.String),
    bytes: Schema.Int,
    ms: Schema.Finite
  },
  Done: { peer: Schema.String, count: Schema.Int, cut: Schema.Boolean, ms: Schema.Finite },
  Failed: {
    peer: Schema.String,
    tag: Schema.String,
    message: Schema.String,
    hint: Schema.optionalKey(Schema.String),
    /** The function's own error, where it has one. */
    error: Schema.optionalKey(Schema.Json),
    ms: Schema.Finite
  }
})

/**
 * What comes of a call.
 *
 * @category models
 * @since 0.2.0
 */
export type CallEvent = typeof CallEvent.Type
