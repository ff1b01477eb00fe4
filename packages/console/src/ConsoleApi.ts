/**
 * What the page of the console and its node say to each other: an RPC group over one WebSocket, typed at both ends.
 *
 * All of it is bounded. A text of a peer is cut to 200 characters, and then says how many it had; lists are cut, and a count beside them says how long they
 * are. Times are milliseconds since the epoch. Keys are the text of public keys, in full: only they say who somebody is.
 *
 * What bites: names, descriptions, values and messages are what peers say. The page shows them as text.
 *
 * @since 0.2.0
 */
import * as Rpc from "effect/rpc/Rpc"
import * as RpcGroup from "effect/rpc/RpcGroup"
import * as Schema from "effect/Schema"

// --- errors ----------------------------------------------------------------------------------------------------------------------

/**
 * The console shows, and does not act: it was started without `act`.
 *
 * @category errors
 * @since 0.2.0
 */
export class NotActingError extends Schema.TaggedError<NotActingError>("@pnet/console/ConsoleApi/NotActingError")(
  "NotActingError",
  { action: Schema.String, hint: Schema.String }
) {
  override get message() {
    return `this console does not ${this.action}: it only shows`
  }
}

/**
 * Something that was asked for failed. `error` is the tag of what it failed with, `message` what that says.
 *
 * @category errors
 * @since 0.2.0
 */
export class FailedError extends Schema.TaggedError<FailedError>("@pnet/console/ConsoleApi/FailedError")(
  "FailedError",
  {
    error: Schema.String,
    message: Schema.String,
    /** What to do about it. */
    hint: Schema.optionalKey(Schema.String)
  }
) {}

/**
 * There is as much of it open as there may be.
 *
 * @category errors
 * @since 0.2.0
 */
export class BusyError extends Schema.TaggedError<BusyError>("@pnet/console/ConsoleApi/BusyError")("BusyError", {
  what: Schema.String,
  most: Schema.Int
}) {
  override get message() {
    return `the console has ${this.most} ${this.what} open, which is as many as there may be; close a page, or end one of them`
  }
}

// --- the node --------------------------------------------------------------------------------------------------------------------

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

// --- who is there ----------------------------------------------------------------------------------------------------------------

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

// --- what happens ----------------------------------------------------------------------------------------------------------------

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

// --- functions -------------------------------------------------------------------------------------------------------------------

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

// --- a peer, health, topics ------------------------------------------------------------------------------------------------------

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

// --- the group -------------------------------------------------------------------------------------------------------------------

const key = { key: Schema.String.check(Schema.isMaxLength(64)) }
const name = { name: Schema.String.check(Schema.isMaxLength(256)) }
const Acting = Schema.Union([NotActingError, FailedError])
const Watching = Schema.Union([BusyError, FailedError])

/**
 * Everything that the page asks its node for.
 *
 * - `hello`: what the console is the console of
 * - `watch`: who is there and who sees whom: first all of it, then at most five times a second what has changed
 * - `events`: what happens: first at most 200 of what has happened while somebody looked
 * - `rates`: calls, each second
 * - `traces`: spans of this node as they end, and of those before that are kept, 200 at the most
 * - `trace`: all spans of one trace, those of peers that serve `ConsoleAgent` among them
 * - `describe`: the functions of a peer
 * - `call`: calls a function; interrupting it interrupts the call
 * - `peer`: all that is known of a peer
 * - `diagnose`: what is wrong with the machine and its network. Takes seconds
 * - `topics`: topics that somebody subscribes to
 * - `table`: the last values of a topic, or of all that a pattern means
 * - `allow`, `revoke`, `forget`, `resolveConflict`: decisions about whom a name belongs to, by an operator who has compared the key. They fail
 *   with `NotActingError` where the console does not act
 *
 * @category groups
 * @since 0.2.0
 */
export const ConsoleApi = RpcGroup.make(
  Rpc.make("hello", { success: Hello }),
  Rpc.make("watch", { success: Patch, error: Watching, stream: true }),
  Rpc.make("events", { success: Event, error: Watching, stream: true }),
  Rpc.make("rates", { success: Rates, error: Watching, stream: true }),
  Rpc.make("traces", { success: Schema.Array(Span), error: Watching, stream: true }),
  Rpc.make("trace", { payload: { trace: Schema.String.check(Schema.isMaxLength(32)) }, success: Trace }),
  Rpc.make("describe", { payload: key, success: Schema.Array(Function), error: FailedError }),
  Rpc.make("call", { payload: CallInput, success: CallEvent, error: Watching, stream: true }),
  Rpc.make("peer", { payload: key, success: PeerPage, error: FailedError }),
  Rpc.make("diagnose", { success: Schema.Array(Finding), error: FailedError }),
  Rpc.make("topics", { success: Schema.Array(Topic) }),
  Rpc.make("table", {
    payload: { topic: Schema.String.check(Schema.isBetweenLength(1, 255)) },
    success: Rows,
    error: Watching,
    stream: true
  }),
  Rpc.make("allow", { payload: { ...name, ...key }, error: Acting }),
  Rpc.make("revoke", { payload: key, error: Acting }),
  Rpc.make("forget", { payload: name, error: Acting }),
  Rpc.make("resolveConflict", { payload: { ...name, ...key }, error: Acting })
)
