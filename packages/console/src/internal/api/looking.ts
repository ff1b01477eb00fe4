/** What is looked at more closely: one peer, what is wrong, topics. */
import * as Schema from "effect/Schema"
import { Peer, Session, Who } from "./network.ts"

/**
 * All that is known of a peer.
 *
 * @category schemas
 * @since 0.2.0
 */
export const PeerPage = Schema.Struct({
  peer: Peer,
  /** The fingerprint in words, to be compared by phone. */
  words: Schema.Array(Schema.String),
  /** All addresses, with the way that each is dialled by. The first 64. */
  addresses: Schema.Array(Schema.Struct({ address: Schema.String, way: Schema.String })),
  sessions: Schema.Array(Session),
  /** Names of all functions that it says it serves, where it says so, with the hashes of their contracts, which are empty where there is none. */
  functions: Schema.Array(Schema.Struct({ name: Schema.String, contract: Schema.String })),
  topics: Schema.Array(Schema.Struct({
    topic: Schema.String,
    mode: Schema.String,
    group: Schema.optionalKey(Schema.String),
    contract: Schema.optionalKey(Schema.String)
  })),
  /** Its own word. */
  meta: Schema.Record(Schema.String, Schema.Union([Schema.String, Schema.Finite, Schema.Boolean])),
  /** The key that its name belongs to, where that is another. */
  expected: Schema.optionalKey(Schema.Struct({ key: Schema.String, fingerprint: Schema.String })),
  /** What of `allow`, `revoke`, `forget` and `resolveConflict` this console can do, were it to act. */
  can: Schema.Array(Schema.Literals(["allow", "revoke", "forget", "resolveConflict"]))
})

/**
 * All that is known of a peer.
 *
 * @category models
 * @since 0.2.0
 */
export type PeerPage = typeof PeerPage.Type

/**
 * What is wrong with the machine or its network, or right.
 *
 * @category schemas
 * @since 0.2.0
 */
export const Finding = Schema.Struct({
  tag: Schema.String,
  severity: Schema.Literals(["ok", "info", "warning", "error"]),
  message: Schema.String,
  /** What to do about it; empty where there is nothing to do. */
  remedy: Schema.String,
  /** Where it is explained, in the documents of @pnet/core: `docs/why-cant-i.md#busy`. */
  see: Schema.optionalKey(Schema.String)
})

/**
 * What is wrong with the machine or its network, or right.
 *
 * @category models
 * @since 0.2.0
 */
export type Finding = typeof Finding.Type

/**
 * A topic, or a pattern of topics, that somebody subscribes to.
 *
 * @category schemas
 * @since 0.2.0
 */
export const Topic = Schema.Struct({
  topic: Schema.String,
  /** Whether it means several. */
  pattern: Schema.Boolean,
  subscribers: Schema.Array(Schema.Struct({
    peer: Schema.String,
    mode: Schema.String,
    group: Schema.optionalKey(Schema.String),
    contract: Schema.optionalKey(Schema.String)
  })),
  subscriberCount: Schema.Int
})

/**
 * A topic.
 *
 * @category models
 * @since 0.2.0
 */
export type Topic = typeof Topic.Type

/**
 * The last value of one key of one publisher.
 *
 * @category schemas
 * @since 0.2.0
 */
export const Row = Schema.Struct({
  from: Who,
  topic: Schema.String,
  /** Empty where the topic has one value. */
  key: Schema.String,
  value: Schema.optionalKey(Schema.Json),
  /** The beginning of a value that is larger than is shown. */
  text: Schema.optionalKey(Schema.String),
  /** When it was published, by the publisher's clock. */
  at: Schema.Finite
})

/**
 * The last value of one key of one publisher.
 *
 * @category models
 * @since 0.2.0
 */
export type Row = typeof Row.Type

/**
 * What has changed of the last values of a topic. The first has all of them.
 *
 * @category schemas
 * @since 0.2.0
 */
export const Rows = Schema.Struct({
  /** New ones, and those in the place of others. */
  rows: Schema.Array(Row),
  /** Taken back, or gone with their publishers. */
  gone: Schema.Array(Schema.Struct({ from: Schema.String, topic: Schema.String, key: Schema.String })),
  /** How many rows there are: more than are shown, where there are more than 500. */
  count: Schema.Int,
  /** How many values were published since the one before, those that others took the place of among them. */
  published: Schema.Int,
  missed: Schema.Int
})

/**
 * What has changed of the last values of a topic.
 *
 * @category models
 * @since 0.2.0
 */
export type Rows = typeof Rows.Type
