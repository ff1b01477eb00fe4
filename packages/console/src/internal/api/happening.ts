/** What happens: events, calls a second, and the spans of calls. */
import * as Schema from "effect/Schema"
import { Who } from "./network.ts"

/**
 * Something that happened to a peer, or that somebody did with this console (`acted`).
 *
 * @category schemas
 * @since 0.2.0
 */
export const Event = Schema.Struct({
  /** Counts up for as long as somebody looks. */
  id: Schema.Int,
  at: Schema.Finite,
  kind: Schema.Literals([
    "joined",
    "updated",
    "restarted",
    "suspected",
    "returned",
    "left",
    "lost",
    "conflict",
    "acted",
    "missed"
  ]),
  peer: Schema.optionalKey(Who),
  reason: Schema.optionalKey(Schema.String),
  text: Schema.String
})

/**
 * Something that happened.
 *
 * @category models
 * @since 0.2.0
 */
export type Event = typeof Event.Type

/**
 * Calls within a second: how many ended, by the errors of those that failed, bytes, and how many fell into which bucket of latency.
 *
 * @category schemas
 * @since 0.2.0
 */
export const Rate = Schema.Struct({
  calls: Schema.Int,
  failures: Schema.Array(Schema.Struct({ tag: Schema.String, count: Schema.Int })),
  sent: Schema.Finite,
  received: Schema.Finite,
  /** As many as `Hello.buckets`, and one more for what took longer; without the zeros at its end. */
  latency: Schema.Array(Schema.Int)
})

/**
 * Calls within a second.
 *
 * @category models
 * @since 0.2.0
 */
export type Rate = typeof Rate.Type

/**
 * The calls of a second, all together by direction and by peer and function. What nobody called in that second is left out.
 *
 * @category schemas
 * @since 0.2.0
 */
export const Rates = Schema.Struct({
  at: Schema.Finite,
  /** How many milliseconds it is of. */
  span: Schema.Finite,
  out: Rate,
  in: Rate,
  /** The 256 with most calls. */
  series: Schema.Array(Schema.Struct({
    peer: Schema.String,
    function: Schema.String,
    direction: Schema.Literals(["in", "out"]),
    kind: Schema.String,
    ...Rate.fields
  })),
  seriesCount: Schema.Int
})

/**
 * The calls of a second.
 *
 * @category models
 * @since 0.2.0
 */
export type Rates = typeof Rates.Type

/**
 * A span: a call at its caller (`client`), at its peer (`server`), or what is inside of it.
 *
 * @category schemas
 * @since 0.2.0
 */
export const Span = Schema.Struct({
  trace: Schema.String,
  span: Schema.String,
  parent: Schema.optionalKey(Schema.String),
  name: Schema.String,
  kind: Schema.Literals(["client", "server", "internal", "producer", "consumer"]),
  /** The other side. */
  peer: Schema.optionalKey(Schema.String),
  function: Schema.optionalKey(Schema.String),
  /** When it began, by the clock of the node it is of, with fractions of a millisecond. */
  start: Schema.Finite,
  /** How long it took; left out while it goes on. */
  ms: Schema.optionalKey(Schema.Finite),
  status: Schema.Literals(["running", "ok", "failed", "interrupted"]),
  /** What it failed with. */
  tag: Schema.optionalKey(Schema.String),
  /** The name of the node that it is of. */
  at: Schema.String
})

/**
 * A span.
 *
 * @category models
 * @since 0.2.0
 */
export type Span = typeof Span.Type

/**
 * What is known of one trace.
 *
 * @category schemas
 * @since 0.2.0
 */
export const Trace = Schema.Struct({
  /** At most 500, by their beginning. */
  spans: Schema.Array(Span),
  /** Peers that were asked for spans of theirs and did not give any, with why. */
  without: Schema.Array(Schema.Struct({ peer: Schema.String, why: Schema.String }))
})

/**
 * What is known of one trace.
 *
 * @category models
 * @since 0.2.0
 */
export type Trace = typeof Trace.Type
