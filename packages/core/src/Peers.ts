/**
 * The peers of a node: who is there, under which name and key, at which addresses, and since when not any more (protocol
 * section 7).
 *
 * Sightings come in from `Discovery` and enter a table that is bounded twice: peers that have proved their key, and those
 * known by an advert alone, which anyone can make up. A peer that goes silent is first `Suspect`, then asked, and `Lost` only
 * when it does not answer; that takes about four broadcast intervals.
 *
 * What bites: an entry is a hint until it is `proved`. Two nodes of one name are a conflict, never a choice: nothing is sent
 * to that name until one of them has gone, or one is pinned.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type * as Stream from "effect/Stream"
import { formatEndpoint } from "./Advert.ts"
import type { Crypto } from "./Crypto.ts"
import type { Discovery } from "./Discovery.ts"
import * as peerTable from "./internal/peerTable.ts"
import type { Endpoint } from "./Network.ts"
import type { NodeConfig } from "./NodeOptions.ts"
import { NodeName } from "./Packet.ts"
import * as PublicKey from "./PublicKey.ts"
import type { Transport } from "./Transport.ts"
import type { Trust } from "./Trust.ts"

/**
 * A peer as it is known now.
 *
 * @category models
 * @since 0.1.0
 */
export interface Peer {
  readonly name: NodeName
  readonly publicKey: PublicKey.PublicKey
  /** Where it may be reached, the address that was last proved first. At least one. */
  readonly endpoints: readonly [Endpoint, ...Array<Endpoint>]
  /** `Suspect`: not heard for three intervals, and being asked. */
  readonly status: "Online" | "Suspect"
  /** Whether it has proved that it has the secret of its key. */
  readonly proved: boolean
}

/**
 * Something happened to a peer.
 *
 * - `Joined`: it is new here
 * - `Updated`: its name, address or status changed, or it proved its key; `reason` says which
 * - `Suspect`: it was not heard for three intervals, and is being asked
 * - `Left`: it said that it leaves
 * - `Lost`: it did not answer, or was pushed out of a full table; `reason` says which
 * - `KeyConflict`: a name appeared with another key than the one it belongs to, or this node's own key or name somewhere
 *   else. At most once a minute for a name. Nothing was replaced
 *
 * @category models
 * @since 0.1.0
 */
export type PeerEvent =
  | { readonly _tag: "Joined"; readonly peer: Peer }
  | {
    readonly _tag: "Updated"
    readonly peer: Peer
    readonly reason: "name" | "address" | "heard" | "proved"
  }
  | { readonly _tag: "Suspect"; readonly peer: Peer; readonly silentFor: Duration.Duration }
  | { readonly _tag: "Left"; readonly peer: Peer }
  | { readonly _tag: "Lost"; readonly peer: Peer; readonly reason: LostReason }
  | {
    readonly _tag: "KeyConflict"
    readonly name: NodeName
    /** The key that the name belongs to. */
    readonly expected: PublicKey.PublicKey
    /** The key that appeared. */
    readonly publicKey: PublicKey.PublicKey
    readonly source: Endpoint
  }

/**
 * Why a peer is lost.
 *
 * - `NoAnswer`: silent, and asked in vain
 * - `Refused`: silent, and nothing listens at its addresses any more
 * - `Silent`: not heard for six intervals
 * - `Evicted`: known by an advert alone, and the oldest of a full table
 * - `Conflict`: its name turned out to belong to another key
 *
 * @category models
 * @since 0.1.0
 */
export const LostReason = Schema.Literals(["NoAnswer", "Refused", "Silent", "Evicted", "Conflict"])

/**
 * Why a peer is lost.
 *
 * @category models
 * @since 0.1.0
 */
export type LostReason = typeof LostReason.Type

/**
 * What a message is addressed to: a name, several, or `"*"` for every known peer.
 *
 * @category models
 * @since 0.1.0
 */
export type Target = string | ReadonlyArray<string>

/**
 * No peer of that name is known.
 *
 * @category errors
 * @since 0.1.0
 */
export class PeerUnknownError extends Schema.TaggedError<PeerUnknownError>("@pnet/core/Peers/PeerUnknownError")(
  "PeerUnknownError",
  {
    /** The name that was asked for. */
    peer: Schema.String,
    /** Some of the names that are known, at most ten. */
    known: Schema.Array(Schema.String),
    /** How long it was waited for, if it was. */
    waited: Schema.optionalKey(Schema.Duration)
  }
) {
  override get message() {
    const waited = this.waited === undefined ? "" : ` after ${Duration.format(this.waited)}`
    const known = this.known.length === 0
      ? "no peer is known at all: check that both nodes have the same networkId, networkKey and advertisePort, and a bindIp that reaches the other"
      : `known are ${this.known.map((name) => JSON.stringify(name)).join(", ")}`
    return `no peer called ${JSON.stringify(this.peer)} is known${waited}; ${known}`
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
    return `${this.publicKeys.length} nodes are called ${JSON.stringify(this.peer)} (keys ${
      this.publicKeys.map(PublicKey.fingerprint).join(", ")
    }); give each a name of its own, or list the right key with Trust.layerAllowList`
  }
}

/**
 * A peer was lost while something depended on it.
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
    /** A `LostReason`, or `Disconnected`: its connection ended. */
    reason: Schema.Literals([...LostReason.literals, "Disconnected"]),
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
      Disconnected: "its connection ended before the answer came"
    }[this.reason]
    return `lost ${JSON.stringify(this.peer)}${where}: ${why}; ${
      this.mayHaveRun ? "whether it handled the message is not known" : "it did not handle the message"
    }`
  }
}

/**
 * The membership table.
 *
 * @category services
 * @since 0.1.0
 */
export class Peers extends Context.Service<Peers, {
  /** The peer of a name; `undefined` where there is none, or more than one. */
  readonly get: (name: string) => Effect.Effect<Peer | undefined>
  /** Every known peer, in the order of their names. */
  readonly all: Effect.Effect<ReadonlyArray<Peer>>
  /** Waits for a peer of that name, by default for 10 seconds. */
  readonly awaitPeer: (name: string, timeout?: Duration.Input) => Effect.Effect<Peer, PeerUnknownError>
  /**
   * What happens, from now on: first a `Joined` for each peer that is known already. A reader that falls
   * `limits.peerEvents` behind misses the oldest.
   */
  readonly changes: Stream.Stream<PeerEvent>
  /** The peers that a target stands for. `"*"` is every peer there is now, and may be none. */
  readonly resolve: (target: Target) => Effect.Effect<ReadonlyArray<Peer>, PeerUnknownError | NameConflictError>
  /** The one peer of a name. */
  readonly resolveOne: (name: string) => Effect.Effect<Peer, PeerUnknownError | NameConflictError>
  /** Never succeeds; fails when the peer of this key is declared lost. */
  readonly lost: (publicKey: PublicKey.PublicKey) => Effect.Effect<never, PeerLostError>
  /** Says that the peer of a key gave a sign of life that it alone could give. Synchronous, for the layers that verify. */
  readonly heardUnsafe: (publicKey: PublicKey.PublicKey) => void
  /**
   * Says that something live, such as a session, is held with the peer of a key, until what it gives is called. Meanwhile the
   * peer's "leaving", which anybody could have sent, takes nothing off, but calls `onLeaving`, to find out.
   */
  readonly holdUnsafe: (publicKey: PublicKey.PublicKey, onLeaving: () => void) => () => void
  /**
   * Says that a key proved itself, just now, under a name and at an address. For the layers that verify: it keeps the peer
   * alive and puts that address first.
   */
  readonly proved: (peer: {
    readonly name: NodeName
    readonly publicKey: PublicKey.PublicKey
    readonly endpoint: Endpoint | undefined
  }) => Effect.Effect<void>
}>()("@pnet/core/Peers") {}

/**
 * The table over whatever `Discovery` sees, judged by `Trust`. Silent peers are asked through `Transport`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Peers, never, Discovery | Transport | Trust | Crypto | NodeConfig> = Layer.effect(
  Peers,
  Effect.suspend(() => peerTable.make({ PeerUnknownError, NameConflictError, PeerLostError }))
)
