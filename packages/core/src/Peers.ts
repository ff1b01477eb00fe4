/**
 * The peers of a node: who is there, under which name and key, at which addresses, and since when not any more (protocol
 * section 7).
 *
 * Sightings come in from `Discovery` and enter a table that is bounded twice: peers that have proved their key, and those
 * known by an advert alone, which anyone can make up. A peer that goes silent is first `Suspected`, then asked, and `Lost` only
 * when it does not answer; that takes about four broadcast intervals, at most 12 seconds with the usual one. On a LAN of more than 100 nodes each
 * says its advert more seldom, and peers are asked by chance: there it takes at most 15 seconds.
 *
 * What is done with a peer can be bound to its presence, and then ends when the peer is gone:
 *
 * ```ts
 * yield* peers.whileOnline("bob", () => mirror)             // once; PeerLostError when bob is lost or leaves
 * yield* peers.wheneverOnline("bob", () => mirror)          // again each time he is there
 * const bob = yield* peers.scoped("bob")                    // bob.scope closes when he is gone
 * yield* SubscriptionRef.changes(peers.presence).pipe(…)    // who is there, for a user interface
 * ```
 *
 * What bites: an entry is a hint until it is `proved`, and what adverts say of it then changes neither its name nor an address
 * that was proved. Two nodes of one name are a conflict, never a choice: nothing is sent
 * to that name until one of them has gone, one is pinned, or `resolveConflict` says whose it is. A peer that restarts with
 * its key within the time of a detection was never gone: its connections broke, and its presence did not.
 *
 * @since 0.1.0
 */
import type * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type * as SubscriptionRef from "effect/SubscriptionRef"
import { formatEndpoint } from "./Advert.ts"
import type { NodeClosedError } from "./FunctionError.ts"
import { quote } from "./internal/base/quote.ts"
import type { Endpoint } from "./Network.ts"
import { Obstacle } from "./Obstacle.ts"
import type { Offer } from "./Offer.ts"
import { NodeName } from "./Packet.ts"
import * as PublicKey from "./PublicKey.ts"
import type { UntrustedPeerError } from "./Trust.ts"
import * as Why from "./Why.ts"

/**
 * A peer as it is known now.
 *
 * @category models
 * @since 0.1.0
 */
export interface Peer {
  readonly name: NodeName
  readonly publicKey: PublicKey.PublicKey
  /**
   * Where it may be dialled: first the address that was last proved, last those where nobody proved its key; where there are several
   * ways to reach peers, before all others the first address of each way. Empty where it listens nowhere that is known: then it is
   * reached over the session that it made.
   */
  readonly endpoints: ReadonlyArray<Endpoint>
  /** `Suspect`: not heard for three intervals, or, on a LAN of many, has not answered; and being asked. */
  readonly status: "Online" | "Suspect"
  /** Whether it has proved that it has the secret of its key. */
  readonly proved: boolean
  /**
   * What it offers, as far as this node's trust policy grants it: roles, functions that it serves, and subscriptions, by what it may be chosen. Its `meta` is its own word. Left
   * out where it is not known: nobody here wanted to know, the peer is of a version that does not tell, or it has no sessions.
   */
  readonly offer?: Offer | undefined
}

/**
 * Something happened to a peer. A peer enters the table with `Joined` and is taken off with `Left` or `Lost`, and with nothing
 * else, so that whoever counts these three has the table.
 *
 * - `Joined`: it is in the table now. `reason`: it is `New` here, it has `Returned` after it was lost or had left, or it was
 *   `Known` already when this stream of events began
 * - `Updated`: its `name` or an `address` changed, or it `proved` its key; `reason` says which
 * - `Offered`: what it `offer`s is known now, has changed, or is not known any more
 * - `Restarted`: it was started anew, and was not missed meanwhile: an advert came from another port or socket of it, and a connection
 *   with it broke, where there was one. At most once an interval. Where nothing is held with it, adverts alone say so, which anyone can make up
 * - `Suspected`: it was not heard for three intervals (`silentFor`), or, on a LAN of many, did not answer, and is asked from now on
 * - `Probed`: what the asking came to, after `tries` questions. `Answered` or, without a network key, `Busy`: it lives. `Refused`: nothing listens at
 *   any of its addresses, or somebody else does. `NoAnswer`: it did not answer in time
 * - `Returned`: it was suspected, and lives. `reason` says by what: an `Advert`, its answer to a `Probe`, or `Traffic`, which is
 *   anything that only it could have sent
 * - `Left`: it said that it leaves. `reason`: that was all there was to it, `SaidSo`, or its connections ended after it had said
 *   so, `ConnectionsEnded`
 * - `Lost`: it did not answer, or was pushed out of a full table; `reason` says which
 * - `KeyConflict`: a name appeared with another key. `reason`: `KeyChanged`, the name belongs to `expected`; `SharedName`, it
 *   belongs to nobody, and both keys use it; `OwnName`, it is this node's; `OwnKey`, somebody else uses this node's key. At most
 *   once a minute for a name and for this node's key, and ten times a minute for a reason. Nothing was replaced; see `resolveConflict`
 *
 * @category models
 * @since 0.1.0
 */
export type PeerEvent =
  | { readonly _tag: "Joined"; readonly peer: Peer; readonly reason: "New" | "Returned" | "Known" }
  | { readonly _tag: "Updated"; readonly peer: Peer; readonly reason: "name" | "address" | "proved" }
  | { readonly _tag: "Offered"; readonly peer: Peer }
  | { readonly _tag: "Restarted"; readonly peer: Peer }
  | { readonly _tag: "Suspected"; readonly peer: Peer; readonly silentFor: Duration.Duration }
  | {
    readonly _tag: "Probed"
    readonly peer: Peer
    readonly reason: "Answered" | "Busy" | "Refused" | "NoAnswer"
    /** How often it was asked. */
    readonly tries: number
  }
  | {
    readonly _tag: "Returned"
    readonly peer: Peer
    readonly reason: "Advert" | "Probe" | "Traffic"
    readonly silentFor: Duration.Duration
  }
  | { readonly _tag: "Left"; readonly peer: Peer; readonly reason: "SaidSo" | "ConnectionsEnded" }
  | { readonly _tag: "Lost"; readonly peer: Peer; readonly reason: LostReason }
  | {
    readonly _tag: "KeyConflict"
    readonly name: NodeName
    /** The key that the name belongs to; with `SharedName` one that has used it before. */
    readonly expected: PublicKey.PublicKey
    /** The key that appeared. */
    readonly publicKey: PublicKey.PublicKey
    readonly source: Endpoint
    readonly reason: "KeyChanged" | "SharedName" | "OwnName" | "OwnKey"
  }

/**
 * Why a peer is lost.
 *
 * - `NoAnswer`: silent, and asked in vain
 * - `Refused`: silent, and nothing listens at its addresses any more
 * - `Silent`: not heard for six intervals
 * - `Evicted`: known by an advert alone, and the oldest of a full table
 * - `Conflict`: its name turned out to belong to another key
 * - `SessionEnded`: it had no address, and the last session that it had made ended
 *
 * @category models
 * @since 0.1.0
 */
export const LostReason = Schema.Literals(["NoAnswer", "Refused", "Silent", "Evicted", "Conflict", "SessionEnded"])

/**
 * Why a peer is lost.
 *
 * @category models
 * @since 0.1.0
 */
export type LostReason = typeof LostReason.Type

/**
 * A name that more than one key claims, for an operator to decide about.
 *
 * @category models
 * @since 0.1.0
 */
export interface Conflict {
  readonly name: NodeName
  /** The key that the name belongs to; `undefined` where it belongs to nobody yet. */
  readonly expected: PublicKey.PublicKey | undefined
  /** The other keys that were advertised under the name in the last minute, and where the last advert came from: at most four. */
  readonly claims: ReadonlyArray<{ readonly publicKey: PublicKey.PublicKey; readonly source: Endpoint }>
}

/**
 * How effects are run for several peers.
 *
 * @category models
 * @since 0.2.0
 */
export interface WheneverOptions<E, R = never> {
  /**
   * What is done about the failure of what ran for one peer, be it a defect. The others' goes on. Default: the log has it.
   */
  readonly onFailure?: ((peer: Peer, cause: Cause.Cause<E>) => Effect.Effect<unknown, never, R>) | undefined
}

/**
 * Runs an effect whenever a peer is there. Of one name it fails as the effect does; of several it does not fail.
 *
 * @category models
 * @since 0.2.0
 */
export interface WheneverOnline {
  <A, E, R, R2 = never>(
    target: "*" | Where,
    use: (peer: Peer) => Effect.Effect<A, E, R>,
    options?: WheneverOptions<E, R2>
  ): Effect.Effect<never, never, R | R2>
  <A, E, R>(name: string, use: (peer: Peer) => Effect.Effect<A, E, R>): Effect.Effect<never, E, R>
}

/**
 * A peer and the scope of its presence.
 *
 * @category models
 * @since 0.1.0
 */
export interface PeerScope {
  /** The peer as it was when this was made. */
  readonly peer: Peer
  /**
   * Closes, with the `PeerLostError` as its exit, when the peer is lost or leaves, and with the surrounding scope. Fibers forked in
   * it (`Effect.forkIn`) are interrupted then, and what was acquired in it (`Scope.provide`) is released.
   */
  readonly scope: Scope.Scope
  /** Never succeeds; fails as soon as the peer is lost or leaves, at once where it is gone already. */
  readonly lost: Effect.Effect<never, PeerLostError>
  /** Runs an effect, which is interrupted when the peer is lost or leaves; then this fails with `PeerLostError`. */
  readonly run: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E | PeerLostError, R>
}

/**
 * Peers by what they offer: those that are `Online` and not draining, have the role, serve all of the functions, subscribe to all of the topics, and for
 * which the predicate holds; whichever of them are given, at least one. Roles, functions and subscriptions count where the trust policy grants them to the
 * peer. This node itself is not among them.
 *
 * @category models
 * @since 0.2.0
 */
export interface Where {
  readonly role?: string
  /** Functions by name, or by name and the hash of the very contract, as `describe` has it. */
  readonly serves?: string | ReadonlyArray<string | { readonly name: string; readonly contract: string }>
  /**
   * Names of topics, each of which a subscription of the peer means: by that name, or by a pattern. With the topic's contract (`bytes` where its values are
   * bytes) the subscription has to take that, too.
   */
  readonly subscribes?: string | ReadonlyArray<string | { readonly name: string; readonly contract: string }>
  /** Synchronous. What it throws is a no, which the log has; and so is what is not `true`. */
  readonly where?: (peer: Peer) => boolean
}

/**
 * What a message is addressed to: a name, several, `"*"` for every known peer, or those that offer something.
 *
 * @category models
 * @since 0.1.0
 */
export type Target = string | ReadonlyArray<string> | Where

/**
 * One of several peers, where the name of one is taken. Made by `any`.
 *
 * @category models
 * @since 0.2.0
 */
export class Any<out W = Where> {
  readonly where: W
  constructor(where: W) {
    this.where = where
  }
}

/**
 * One peer of those that offer something, drawn by chance for each call.
 *
 * ```ts
 * yield* node.send(Peers.any({ role: "worker" }), "resize", image)
 * ```
 *
 * @category constructors
 * @since 0.2.0
 */
export const any = <const W extends object = Where>(where: W): Any<W> => new Any(where)

/**
 * What is sent to one peer: its name, or one of those that offer something.
 *
 * @category models
 * @since 0.2.0
 */
export type One<W = Where> = string | Any<W>

/**
 * How it is waited for peers.
 *
 * @category models
 * @since 0.2.0
 */
export interface AwaitOptions {
  /** How many have to be there. Default: 1. */
  readonly atLeast?: number | undefined
  /** How long it is waited. Default: 10 seconds. */
  readonly within?: Duration.Input | undefined
}

/**
 * Who finds out what peers offer, for the layer that asks them.
 *
 * @category models
 * @since 0.2.0
 */
export interface Follower {
  /** Somebody wants to know from now on, or nobody any more. */
  readonly wanted: (isWanted: boolean) => void
  /** Waits, not for long, until each peer that is there has been asked once; `undefined` where that has been done. */
  readonly settled: () => Effect.Effect<void> | undefined
}

// Anybody can use a name, with any number of keys.
const keysShown = 8

const sharing = (name: string, keys: ReadonlyArray<PublicKey.PublicKey>) => {
  const shown = keys.slice(0, keysShown).map(PublicKey.fingerprint).join(", ")
  const more = keys.length > keysShown ? `, and ${keys.length - keysShown} more` : ""
  return `${keys.length} nodes are called ${
    quote(name)
  } (keys ${shown}${more}); give each a name of its own, say which key it is with peers.resolveConflict, or list it with AllowListTrust.layer`
}

/** Names of peers, at most ten. */
const Names = Schema.Array(Schema.String)

const listed = (names: ReadonlyArray<string>): string => names.map((name) => quote(name)).join(", ")

/** Why too few peers are there of those that a target by what they offer means. */
const ofTarget = (
  what: string,
  waited: string,
  target: NonNullable<PeerUnknownError["target"]>,
  known: ReadonlyArray<string>
): string => {
  const { asks, atLeast, draining, found, notGranted, suspect } = target
  const head = found === 0
    ? `no peer ${what} is known${waited}`
    : `${found} of ${atLeast} peers ${what} were there${waited}`
  const whys = [
    ...(asks ? [] : [
      "this node asks nobody what they offer, since it has no sessions: make it an AdvancedNode or a CommandNode"
    ]),
    ...(notGranted.length === 0 ? [] : [
      `${
        listed(notGranted)
      } said so, and this node's trust policy does not grant it to them: grant it in the allow list or the certificate, or trust every peer's word by Trust.open`
    ]),
    ...(draining.length === 0 ? [] : [`${listed(draining)} are draining`]),
    ...(suspect.length === 0 ? [] : [`${listed(suspect)} are silent, and being asked`])
  ]
  const others = known.length === 0 ? "no peer is known at all" : `known are ${listed(known)}`
  return `${head}; ${
    whys.length > 0
      ? whys.join("; ")
      : `${others}, and none of them says so${waited === "" ? "; wait for one with peers.awaitPeers" : ""}`
  }`
}

/**
 * No peer of that name is known, or not enough of those that offer something.
 *
 * @category errors
 * @since 0.1.0
 */
export class PeerUnknownError extends Schema.TaggedError<PeerUnknownError>("@pnet/core/Peers/PeerUnknownError")(
  "PeerUnknownError",
  {
    /** The name that was asked for, or in words what was, where `target` is there. */
    peer: Schema.String,
    /** Some of the names that are known, at most ten. */
    known: Schema.Array(Schema.String),
    /** How long it was waited for, if it was. */
    waited: Schema.optionalKey(Schema.Duration),
    /** What kept nodes from being found in the last minute, at most five: it may be why. */
    obstacles: Schema.optionalKey(Schema.Array(Obstacle)),
    /** `true` where it is the name of the node that asked. */
    self: Schema.optionalKey(Schema.Boolean),
    /** Where peers were asked for by what they offer: how many there were, and who was left out, ten of each kind at most. */
    target: Schema.optionalKey(Schema.Struct({
      found: Schema.Int,
      atLeast: Schema.Int,
      /** Say that they offer it, and the trust policy does not grant it to them. */
      notGranted: Names,
      draining: Names,
      suspect: Names,
      /** Whether this node asks peers what they offer: not where it has no sessions. */
      asks: Schema.Boolean
    })),
    /**
     * Where the name is known and belongs to the key `expected`: the other key that said in the last minute, from `source`, that
     * the name is its own, as a peer does that was set up anew or started without the file of its key.
     */
    conflict: Schema.optionalKey(Schema.Struct({
      expected: PublicKey.PublicKey,
      publicKey: PublicKey.PublicKey,
      source: Schema.Struct({ host: Schema.String, port: Schema.Number })
    })),
    /** Where it was waited for: the keys of the several peers that use the name, if it belongs to none of them. */
    sharedBy: Schema.optionalKey(Schema.Array(PublicKey.PublicKey))
  }
) {
  override get message() {
    const waited = this.waited === undefined ? "" : ` after ${Duration.format(this.waited)}`
    if (this.target !== undefined) {
      return Why.see(ofTarget(this.peer, waited, this.target, this.known), "nobody-offers")
    }
    if (this.self === true) {
      return Why.see(
        `${
          quote(this.peer)
        } is this node itself, which is no peer of its own: run what it serves directly, or send to another name`,
        "this-node-itself"
      )
    }
    if (this.conflict !== undefined) {
      const { expected, publicKey, source } = this.conflict
      return Why.see(
        `the peer that is called ${quote(this.peer)} now is not trusted${waited}: that name belongs to key ${
          PublicKey.fingerprint(expected)
        }, and ${formatEndpoint(source)} uses it with key ${
          PublicKey.fingerprint(publicKey)
        }. If the peer was set up anew, or started ` +
          "without the file of its key, compare the new key and give it the name with peers.resolveConflict, or start the peer " +
          "with its old key; a peer with an identity file keeps its key. If not, somebody poses as it",
        "key-changed"
      )
    }
    if (this.sharedBy !== undefined) {
      return Why.see(
        `no peer is the one called ${quote(this.peer)}${waited}: ${sharing(this.peer, this.sharedBy)}`,
        "name-shared"
      )
    }
    const obstacles = this.obstacles ?? []
    const known = this.known.length === 0 && obstacles.length > 0
      ? "no peer is known at all"
      : this.known.length === 0
      ? "no peer is known at all: check that both nodes have the same networkId, networkKey and advertisePort, and a bindIp that reaches the other"
      : `known are ${this.known.map((name) => quote(name)).join(", ")}${
        this.waited === undefined && obstacles.length === 0
          ? "; correct the name, or wait for it with peers.awaitPeer"
          : ""
      }`
    const why = obstacles.map(({ remedy, what }) => `. ${what[0]?.toUpperCase()}${what.slice(1)}: ${remedy}`).join("")
    return Why.see(Why.plain(`no peer called ${quote(this.peer)} is known${waited}; ${known}${why}`), "peer-unknown")
  }
}

/**
 * Several nodes use that name, and none of them is the one it is known to belong to.
 *
 * @category errors
 * @since 0.1.0
 */
export class NameConflictError extends Schema.TaggedError<NameConflictError>("@pnet/core/Peers/NameConflictError")(
  "NameConflictError",
  { peer: NodeName, publicKeys: Schema.Array(PublicKey.PublicKey) }
) {
  override get message() {
    return Why.see(sharing(this.peer, this.publicKeys), "name-shared")
  }
}

/**
 * A peer was lost, or left, while something depended on it.
 *
 * @category errors
 * @since 0.1.0
 */
export class PeerLostError
  extends Schema.TaggedError<PeerLostError>("@pnet/core/Peers/PeerLostError")("PeerLostError", {
    /** Its name. */
    peer: NodeName,
    publicKey: PublicKey.PublicKey,
    /** Where it was reached. */
    endpoint: Schema.optionalKey(Schema.Struct({ host: Schema.String, port: Schema.Number })),
    /**
     * A `LostReason`; or `Left`: it said that it leaves; or `Disconnected`: its connection ended; or `Untrusted`: this node's
     * trust policy refuses it from now on; or `UntrustedByPeer`: its trust policy refuses this node; or `Renamed`: its key
     * proved another name.
     */
    reason: Schema.Literals([
      ...LostReason.literals,
      "Left",
      "Disconnected",
      "Untrusted",
      "UntrustedByPeer",
      "Renamed"
    ]),
    /** Whether what was asked may have been done. */
    mayHaveRun: Schema.Boolean
  })
{
  override get message() {
    const where = this.endpoint === undefined ? "" : ` at ${formatEndpoint(this.endpoint)}`
    const why = {
      NoAnswer: "it went silent and did not answer when asked",
      Refused: "it went silent and nothing listens there any more",
      Silent: "it has not been heard for six intervals",
      Evicted: "it was pushed out of a full table of peers",
      Conflict: "its name belongs to another key",
      SessionEnded: "its session ended, and it listens nowhere that is known",
      Left: "it said that it leaves",
      Disconnected: "its connection ended before the answer came",
      Untrusted: "this node's trust policy refuses it now",
      UntrustedByPeer: "its trust policy refuses this node",
      Renamed: "its key proved to have another name"
    }[this.reason]
    return Why.see(
      `lost ${quote(this.peer)}${where}: ${why}; ${
        this.mayHaveRun
          ? "whether it did what it was asked is not known: ask again only for what may be done twice"
          : "it did nothing of what it was asked, so that asking again is safe"
      }`,
      this.reason === "UntrustedByPeer" ? "untrusted-by-peer" : "peer-lost"
    )
  }
}

/**
 * The membership table.
 *
 * @category services
 * @since 0.1.0
 */
export class Peers extends Context.Service<Peers, {
  /** The name of this node. */
  readonly name: NodeName
  /** The peer of a name; `undefined` where there is none, or more than one. */
  readonly get: (name: string) => Effect.Effect<Peer | undefined>
  /** Every known peer, in the order of their names. */
  readonly all: Effect.Effect<ReadonlyArray<Peer>>
  /**
   * Every known peer, in the order of their names, as a value that can be observed: `SubscriptionRef.changes(peers.presence)`
   * begins with who is there, and gives the newest state after each event. A slow reader skips states and never falls behind.
   * For reading only.
   */
  readonly presence: SubscriptionRef.SubscriptionRef<ReadonlyArray<Peer>>
  /** The peer of a name as it is now, and after each change; `undefined` while there is none, or more than one. */
  readonly presenceOf: (name: string) => Stream.Stream<Peer | undefined>
  /** Waits for the one peer of that name, by default for 10 seconds. */
  readonly awaitPeer: (
    name: string,
    timeout?: Duration.Input
  ) => Effect.Effect<Peer, PeerUnknownError | NodeClosedError>
  /**
   * What happens, from now on: first a `Joined` for each peer that is known already. A reader that falls
   * `limits.peerEvents` behind misses the oldest.
   */
  readonly changes: Stream.Stream<PeerEvent>
  /**
   * Waits until enough of the peers that a target stands for are there, and gives all that are there then. Until then this node asks its
   * peers what they offer.
   */
  readonly awaitPeers: (
    target: Target,
    options?: AwaitOptions
  ) => Effect.Effect<ReadonlyArray<Peer>, PeerUnknownError | NodeClosedError>
  /**
   * The peers that a target stands for. `"*"` is every peer there is now, and may be none; so may those be that offer something, which are
   * known after each peer was asked: that is waited for, 2 seconds at the most. A node without sessions asks nobody, and fails.
   */
  readonly resolve: (
    target: Target
  ) => Effect.Effect<ReadonlyArray<Peer>, PeerUnknownError | NameConflictError | NodeClosedError>
  /**
   * The peers that offer something, now and whenever they are others, those among them that drain. It asks nobody what they offer: `interested`
   * does. Never ends; a slow reader skips states.
   */
  readonly matching: (where: Where) => Stream.Stream<ReadonlyArray<Peer>>
  /** The one peer of a name, or one of those that offer something. */
  readonly resolveOne: (one: One) => Effect.Effect<Peer, PeerUnknownError | NameConflictError | NodeClosedError>
  /**
   * Has the node ask its peers what they offer until the scope closes, as something that is sent to peers by what they offer does for a
   * minute. `Peer.offer` has it, and `changes` says when it is another.
   */
  readonly interested: Effect.Effect<void, never, Scope.Scope>
  /**
   * Runs an effect while the peer of a name is there. When it is lost, or leaves, the effect is interrupted, its finalizers are
   * waited for, and this fails with `PeerLostError`, whatever else failed in the effect for the same reason. That a peer is gone shows
   * in a call before it is known: a `DialError` to it, or a stream of it that was reset with `going_away`, is a `PeerLostError`, too. It
   * is bound to the peer, not to the name: who takes the name later is somebody else.
   */
  readonly whileOnline: <A, E, R>(
    name: string,
    use: (peer: Peer) => Effect.Effect<A, E, R>
  ) => Effect.Effect<A, E | PeerLostError | PeerUnknownError | NameConflictError | NodeClosedError, R>
  /**
   * Runs an effect whenever a peer is there: waits for it, interrupts the effect when the peer is lost or leaves, and begins anew when
   * it is back. An effect that has ended is run again when the peer is back, or was started anew meanwhile (`Restarted`), and not before.
   * With `"*"`, or by what peers offer, it is run for each peer there is, all at once; those known by an advert alone are among
   * `"*"` (see `Peer.proved`), and a peer that does not offer it any more is gone.
   *
   * Never ends by itself. That the peer could not be reached, or refuses this node, is no failure: its own `PeerLostError`, `DialError`,
   * `ProtocolError`, `UntrustedPeerError`, or a `StreamResetError` of it with `going_away` or `refused`. Then the effect begins anew
   * after one broadcast interval. Any other failure ends it where it is of one name; of several, it ends what is run for that peer alone,
   * as long as it is not started anew, and is given to `onFailure`.
   */
  readonly wheneverOnline: WheneverOnline
  /** The peer of a name with a scope that closes when it is lost or leaves, and with the scope that this is run in. */
  readonly scoped: (
    name: string
  ) => Effect.Effect<PeerScope, PeerUnknownError | NameConflictError | NodeClosedError, Scope.Scope>
  /**
   * What kept nodes that were heard, or are listed in the option `peers`, from being found in the last minute. The log says the
   * same, once for each, and `PeerUnknownError` has it.
   */
  readonly obstacles: Effect.Effect<ReadonlyArray<Obstacle>>
  /** The names that more than one key claims now. */
  readonly conflicts: Effect.Effect<ReadonlyArray<Conflict>>
  /**
   * An operator's decision that a name belongs to a key, which somebody has compared. The trust policy pins it; other peers of that
   * name are `Lost` with the reason `Conflict`, and everything bound to them ends; one of that key which was kept out is let in.
   * Fails where the policy has a list that says otherwise. This node's own name cannot be given away: that has no effect.
   */
  readonly resolveConflict: (
    name: NodeName,
    publicKey: PublicKey.PublicKey
  ) => Effect.Effect<void, UntrustedPeerError>
  /** Never succeeds; fails when the peer of this key is declared lost, or leaves. */
  readonly lost: (publicKey: PublicKey.PublicKey) => Effect.Effect<never, PeerLostError>
  /** Says that the peer of a key gave a sign of life that it alone could give. Synchronous, for the layers that verify. */
  readonly heardUnsafe: (publicKey: PublicKey.PublicKey) => void
  /**
   * Says that something live, such as a session, is held with the peer of a key, until what it gives is called. Meanwhile the
   * peer's "leaving", which anybody could have sent, takes nothing off, but calls `onDoubt`, to find out. So does an advert from
   * another address or socket, which is how a restarted peer shows. Whoever lets go says whether what was held broke, or went silent,
   * and did not end in order: the peer may have been started anew then.
   *
   * `accepted` is the name that was proved by a peer that made the session itself, and where it came from. It enters the table where
   * it is not in it, and without an address it is `Lost` with the last that is held.
   */
  readonly holdUnsafe: (
    publicKey: PublicKey.PublicKey,
    onDoubt: (doubt: "leaving" | "restarted") => void,
    accepted?: { readonly name: NodeName; readonly from: Endpoint | undefined }
  ) => (broke?: boolean) => void
  /**
   * Says that a key proved itself, just now, under a name and at an address. For the layers that verify: it keeps the peer
   * alive and puts that address first.
   */
  readonly proved: (peer: {
    readonly name: NodeName
    readonly publicKey: PublicKey.PublicKey
    readonly endpoint: Endpoint | undefined
  }) => Effect.Effect<void>
  /**
   * Says that whoever is at an address did not prove the key when it was dialled. It is tried last from then on, until the key
   * proves itself there. Synchronous, for the layers that dial.
   */
  readonly failedUnsafe: (publicKey: PublicKey.PublicKey, endpoint: Endpoint) => void
  /** The address at which a key proved itself last, if that has not failed since. */
  readonly provedAtUnsafe: (publicKey: PublicKey.PublicKey) => Endpoint | undefined
  /** Finds out what peers offer, for whoever wants to know, until what it gives is called. For the layer that asks them. */
  readonly followUnsafe: (follower: Follower) => () => void
  /** Says what a peer says that it offers, and what of that counts; `undefined` where it is not known. For the layer that asks. */
  readonly offeredUnsafe: (
    publicKey: PublicKey.PublicKey,
    known: { readonly claimed: Offer; readonly offer: Offer } | undefined
  ) => void
  /** What a peer says that it offers, whether that counts or not, where it is known: for what tells why it does not. */
  readonly claimedUnsafe: (publicKey: PublicKey.PublicKey) => Offer | undefined
}>()("@pnet/core/Peers") {}
