/** The node of a console, who is there, and who sees whom. */
import * as Schema from "effect/Schema"

/**
 * A node by its name and its key.
 *
 * @category schemas
 * @since 0.2.0
 */
export const Who = Schema.Struct({
  name: Schema.String,
  key: Schema.String,
  fingerprint: Schema.String
})

/**
 * A node by its name and its key.
 *
 * @category models
 * @since 0.2.0
 */
export type Who = typeof Who.Type

/**
 * What the console is the console of.
 *
 * @category schemas
 * @since 0.2.0
 */
export const Hello = Schema.Struct({
  node: Who,
  /** The fingerprint in words, to be compared by phone. */
  words: Schema.Array(Schema.String),
  network: Schema.String,
  /** Whether the network has a key. */
  sealed: Schema.Boolean,
  /** Whether the console acts. */
  act: Schema.Boolean,
  version: Schema.String,
  /** Another for each start of the program, by which a page knows that it was started anew. */
  instance: Schema.String,
  /** When it was started. */
  since: Schema.Finite,
  /** The upper ends of the latency buckets of `rates`, in milliseconds; there is one bucket more than there are of these. */
  buckets: Schema.Array(Schema.Finite),
  /** Whether spans of calls are recorded while a page looks: a program that has a tracer of its own keeps that. */
  traced: Schema.Boolean
})

/**
 * What the console is the console of.
 *
 * @category models
 * @since 0.2.0
 */
export type Hello = typeof Hello.Type

/**
 * How far a peer is trusted. `pinned`: its name belongs to its key, since somebody decided so or this node reached it under that name. `connected`: it has the name since it
 * connected by itself, and was the first. `listed`: the allow list, or an authority, has it. `other`: its name belongs to another key. `revoked`: nobody may be it any more.
 * `unknown`: nothing is known of it.
 *
 * @category schemas
 * @since 0.2.0
 */
export const Trust = Schema.Literals(["pinned", "connected", "listed", "other", "revoked", "unknown"])

/**
 * How far a peer is trusted.
 *
 * @category models
 * @since 0.2.0
 */
export type Trust = typeof Trust.Type

/**
 * A session with a peer.
 *
 * @category schemas
 * @since 0.2.0
 */
export const Session = Schema.Struct({
  /** Who made it: this node, or the peer. */
  by: Schema.Literals(["dialled", "accepted"]),
  streams: Schema.Int,
  draining: Schema.Boolean
})

/**
 * A peer as it is now. What is left out of it is not known.
 *
 * @category schemas
 * @since 0.2.0
 */
export const Peer = Schema.Struct({
  /** Names it within one `watch`: a key has the same number for as long as that goes on. 0 is the console's own node. */
  id: Schema.Int,
  ...Who.fields,
  status: Schema.Literals(["online", "suspect"]),
  /** Whether it has proved that the key is its own. */
  proved: Schema.Boolean,
  /** The first 8. */
  addresses: Schema.Array(Schema.String),
  /** The ways by which it is reached, as `lan`, the preferred one first. */
  ways: Schema.Array(Schema.String),
  session: Schema.optionalKey(Session),
  /** The first 16. */
  roles: Schema.Array(Schema.String),
  /** Names of functions, the first 32 in their order. */
  functions: Schema.Array(Schema.String),
  functionCount: Schema.Int,
  /** Topics, and patterns of topics, that it subscribes to, the first 32. */
  topics: Schema.Array(Schema.String),
  topicCount: Schema.Int,
  /** Whether it takes no more calls, since it is about to leave. */
  draining: Schema.Boolean,
  /** Whether it has said what it offers: what is empty above is known to be. */
  offered: Schema.Boolean,
  /** Whether the trust policy counts what it says that it serves. Where it does not, nothing of that is above, whatever it has said; `describe` asks it. */
  heeded: Schema.Boolean,
  trust: Trust,
  /** Since when it is there, as far as this console has seen. */
  since: Schema.Finite
})

/**
 * A peer as it is now.
 *
 * @category models
 * @since 0.2.0
 */
export type Peer = typeof Peer.Type

/**
 * What has become another of whom a node sees. By numbers of peers; names that are nobody's here, or several peers', are only counted.
 *
 * @category schemas
 * @since 0.2.0
 */
export const Links = Schema.Struct({
  from: Schema.Int,
  /** Peers that it sees from now on. */
  to: Schema.Array(Schema.Int),
  /** Peers that it sees no more. */
  gone: Schema.Array(Schema.Int),
  /** How many others it sees. */
  others: Schema.Int,
  /** When it said so. */
  at: Schema.Finite
})

/**
 * What has become another of whom a node sees.
 *
 * @category models
 * @since 0.2.0
 */
export type Links = typeof Links.Type

/**
 * A name that several keys claim.
 *
 * @category schemas
 * @since 0.2.0
 */
export const Conflict = Schema.Struct({
  name: Schema.String,
  /** The key that the name belongs to; left out where it belongs to nobody. */
  expected: Schema.optionalKey(Schema.Struct({ key: Schema.String, fingerprint: Schema.String })),
  claims: Schema.Array(Schema.Struct({
    key: Schema.String,
    fingerprint: Schema.String,
    /** The fingerprint in words. */
    words: Schema.Array(Schema.String),
    address: Schema.String
  }))
})

/**
 * A name that several keys claim.
 *
 * @category models
 * @since 0.2.0
 */
export type Conflict = typeof Conflict.Type

/**
 * What has changed since the one before. The first has all there is, and is applied to nothing: in this order, `gone`, `peers` and `links`. With a peer that is gone all links from it and to
 * it are.
 *
 * @category schemas
 * @since 0.2.0
 */
export const Patch = Schema.Struct({
  /** Counts from 0, which has everything. */
  seq: Schema.Int,
  at: Schema.Finite,
  /** Those that are new or have changed, each in full. */
  peers: Schema.Array(Peer),
  gone: Schema.Array(Schema.Int),
  links: Schema.Array(Links),
  /** All of them, where they have changed. */
  conflicts: Schema.optionalKey(Schema.Array(Conflict)),
  /** How many peers there are, without the node itself: more than are shown, where there are more than 2,000. */
  count: Schema.Int,
  /** What keeps nodes from being found, where that has changed: how many findings `diagnose` begins with. */
  findings: Schema.optionalKey(Schema.Int)
})

/**
 * What has changed since the one before.
 *
 * @category models
 * @since 0.2.0
 */
export type Patch = typeof Patch.Type
