/**
 * Frames: what a session's messages carry (protocol section 5). A frame is `kind:u8 stream:u32 length:u32 payload`, big-endian;
 * a message holds one or more whole frames.
 *
 * These are the constants and the JSON payloads; writing and reading frames is the work of `internal/session`, where it is done
 * without allocating for each.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * The kinds of frames, by name.
 *
 * @category constants
 * @since 0.1.0
 */
export const Kind = {
  open: 0,
  data: 1,
  end: 2,
  reset: 3,
  credit: 4,
  ping: 5,
  pong: 6,
  goaway: 7
} as const

/**
 * The bytes before a frame's payload: 9.
 *
 * @category constants
 * @since 0.1.0
 */
export const headerLength = 9

/**
 * The bytes that may be sent on a stream before more are granted: 262,144 in each direction.
 *
 * @category constants
 * @since 0.1.0
 */
export const initialCredit = 262_144

/**
 * The most bytes of a DATA frame, whatever the chunk size.
 *
 * @category constants
 * @since 0.1.0
 */
export const maxDataLength = 98_000

/**
 * What a stream is for: a named function of an AdvancedNode, Effect RPC in bytes or in JSON, a bare byte pipe, what a node offers, what
 * trust policies show each other, or what is published to a peer.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Protocol = Schema.Literals(["command", "rpc", "rpc-json", "socket", "offer", "credentials", "topic"])

/**
 * What a stream is for.
 *
 * @category models
 * @since 0.1.0
 */
export type Protocol = typeof Protocol.Type

/**
 * The most bytes of the headers of an OPEN: 4,096, as the shortest JSON that `JSON.stringify` makes of them.
 *
 * @category constants
 * @since 0.2.0
 */
export const maxHeaders = 4_096

/**
 * The payload of OPEN. A `protocol` that is not known is no violation: such a stream is reset with `unsupported`. The `headers` are an
 * object in it, of which this is the text.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Open = Schema.Struct({
  protocol: Schema.String,
  name: Schema.String,
  /** Milliseconds left when the frame was written. */
  deadline: Schema.optionalKey(Schema.Int),
  traceparent: Schema.optionalKey(Schema.String),
  /** JSON of an object: what a function is told about a call besides its bytes. */
  headers: Schema.optionalKey(Schema.String)
})

/**
 * The payload of OPEN.
 *
 * @category models
 * @since 0.1.0
 */
export type Open = typeof Open.Type

/**
 * Why a stream was reset.
 *
 * - `refused`: not run, and may be tried again
 * - `deadline`: its time was up
 * - `cancelled`: whoever opened it does not want it any more
 * - `not_found`: nothing of that name
 * - `not_allowed`: the peer may not call it; it was not run. On the wire it is `not_found` with `reason`, which older nodes read as that
 * - `invalid_arguments`: the function does not take these headers; it was not run. On the wire it is `not_found` with `reason`, too
 * - `unsupported`: nothing of that protocol
 * - `too_large`: more than may be sent
 * - `going_away`: the session ends
 * - `internal`: the other side failed
 * - `failed`: the handler failed with a typed error, which is in `error`
 *
 * @category schemas
 * @since 0.1.0
 */
export const ResetCode = Schema.Literals([
  "refused",
  "deadline",
  "cancelled",
  "not_found",
  "not_allowed",
  "invalid_arguments",
  "unsupported",
  "too_large",
  "going_away",
  "internal",
  "failed"
])

/**
 * Why a stream was reset.
 *
 * @category models
 * @since 0.1.0
 */
export type ResetCode = typeof ResetCode.Type

/**
 * The payload of RESET. Codes that are not known read as `internal`.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Reset = Schema.Struct({
  code: Schema.String,
  message: Schema.String,
  /** The handler's typed error, as its Schema encodes it. */
  error: Schema.optionalKey(Schema.Unknown),
  /** More of why, where the code alone is what older nodes know: `not_allowed` and `invalid_arguments` of `not_found`. */
  reason: Schema.optionalKey(Schema.String)
})

/**
 * The payload of RESET.
 *
 * @category models
 * @since 0.1.0
 */
export type Reset = typeof Reset.Type

/**
 * The payload of GOAWAY. `shutdown`, `renew` and `duplicate` let open streams finish; any other code is the last frame. Where it is,
 * or where its sender waits for nothing, `last` is the highest number of the receiver's streams that came: those above did not run.
 *
 * @category schemas
 * @since 0.1.0
 */
export const GoAway = Schema.Struct({
  code: Schema.String,
  message: Schema.String,
  last: Schema.optionalKey(Schema.Int)
})

/**
 * The payload of GOAWAY.
 *
 * @category models
 * @since 0.1.0
 */
export type GoAway = typeof GoAway.Type
