/**
 * Who may be talked to: the policy that decides about a peer's name and the key it proved.
 *
 * `check` judges and changes nothing; `proved` judges a key that has just proved itself under a name, and may remember it.
 * An advert never leads to either: whoever only claims a key is nobody yet.
 *
 * - `TofuTrust` (trust on first use): the first key that proves itself under a name is pinned to it, like SSH's known hosts
 * - `AllowListTrust`: only the keys you list, under the names you list them with
 * - `AuthorityTrust`: the keys that an operator's authority has signed certificates for, under the names in these
 * - `AnyTrust`: everyone; for tests and for networks whose key is trust enough
 *
 * A policy also says what a peer may do (`Rights`): what roles it may hold, for what it may be chosen, and what it may call. One that
 * says nothing lets everybody whom it admits call every function and be called by name, and grants no role and no service; `open`
 * makes one that grants everything.
 *
 * A policy can change while nodes run. It says so in `changes`, and sessions with peers that it refuses from then on end at
 * once. RAW messages are judged one by one.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type * as Stream from "effect/Stream"
import * as AtOnce from "./internal/base/atOnce.ts"
import { quote } from "./internal/base/quote.ts"
import { NodeName } from "./Packet.ts"
import * as PublicKey from "./PublicKey.ts"
import * as Rights from "./Rights.ts"
import * as Why from "./Why.ts"

/**
 * The trust policy refuses a peer.
 *
 * - `KeyChanged`: the name is pinned to `expected`, and somebody else uses it
 * - `NotListed`: the allow list does not have this name with this key
 * - `NameMismatch`: the peer at the address of `name` proved to be another, called `actualName`
 * - `Full`: no further name can be pinned; with `from`, none of those who connect from that address
 * - `Revoked`: the key was revoked, under whatever name, or its certificate was
 * - `NoCertificate`: the policy goes by an authority, and the peer has shown no certificate; only sessions show them
 * - `BadCertificate`: the certificate that it has does not say that it is who it says, or not now; `detail` says why
 *
 * @category errors
 * @since 0.1.0
 */
export class UntrustedPeerError extends Schema.TaggedError<UntrustedPeerError>("@pnet/core/Trust/UntrustedPeerError")(
  "UntrustedPeerError",
  {
    kind: Schema.Literals([
      "KeyChanged",
      "NotListed",
      "NameMismatch",
      "Full",
      "Revoked",
      "NoCertificate",
      "BadCertificate"
    ]),
    /** The name it goes by. */
    peer: NodeName,
    publicKey: PublicKey.PublicKey,
    expected: Schema.optionalKey(PublicKey.PublicKey),
    actualName: Schema.optionalKey(NodeName),
    /** The address whose share of the pins is used up, where it is that. */
    from: Schema.optionalKey(Schema.String),
    /** What is wrong with its certificate, where it is that. */
    detail: Schema.optionalKey(Schema.String)
  }
) {
  override get message() {
    const who = `${quote(this.peer)} with key ${PublicKey.fingerprint(this.publicKey)}`
    switch (this.kind) {
      case "KeyChanged":
        return Why.see(
          `${who} is not trusted: that name belongs to key ${
            this.expected === undefined ? "another" : PublicKey.fingerprint(this.expected)
          }. If the peer was set up anew, compare the new key and give it the name with peers.resolveConflict; if not, somebody poses as it`,
          "key-changed"
        )
      case "NotListed":
        return Why.see(
          `${who} is not trusted: the allow list does not have it. Add the key if you know whose it is`,
          "not-listed"
        )
      case "NameMismatch":
        return Why.see(`${who} is not trusted: it proved to be ${quote(this.actualName)}`, "name-mismatch")
      case "Full":
        return Why.see(
          `${who} is not trusted: no further name can be pinned${
            this.from === undefined ? "" : ` for those who connect from ${this.from}`
          }; raise the capacity of TofuTrust.layer, pin it yourself, or use an allow list`,
          "pins-full"
        )
      case "Revoked":
        return Why.see(
          `${who} is not trusted: its key or its certificate was revoked, and needs to be replaced by a new one`,
          "revoked"
        )
      case "NoCertificate":
        return Why.see(
          `${who} is not trusted: it has shown no certificate of the authority that this node goes by. Give it one; nodes ` +
            "show theirs in sessions, which a BasicNode does not have",
          "no-certificate"
        )
      case "BadCertificate":
        return Why.see(
          `${who} is not trusted: its certificate does not hold${
            this.detail === undefined ? "" : `, since ${this.detail}`
          }; give it another one of the authority's`,
          "bad-certificate"
        )
    }
  }
}

/**
 * What a policy shows to peers, and takes from them. It is shown in the handshake of each session and, where it changes, in the
 * sessions that stand; a peer may be asked for more by a name that both policies know. What the bytes mean is the policies' own.
 *
 * @category models
 * @since 0.2.0
 */
export interface Credentials {
  /** What this node shows: at most 4,096 bytes. `undefined`: nothing. */
  readonly shown: Effect.Effect<Uint8Array | undefined>
  /** Says that it has changed, so that peers with sessions are to be shown it anew. */
  readonly changes: Stream.Stream<void>
  /**
   * Takes what a peer shows in a session that stands, or has shown in its handshake, which `proved` has judged. Gives what the peer
   * is to be asked for, where there is something.
   */
  readonly told: (
    name: NodeName,
    publicKey: PublicKey.PublicKey,
    shown: Uint8Array
  ) => Effect.Effect<string | undefined, UntrustedPeerError>
  /** What a peer that asks for this is given; `undefined`: nothing. */
  readonly give: (what: string) => Effect.Effect<Uint8Array | undefined>
  /** The bytes that an answer may have at the most. */
  readonly limit: number
  /** Takes what a peer has given; whether it was of any use. Whatever the bytes, it neither fails nor throws. */
  readonly take: (what: string, given: Uint8Array) => Effect.Effect<boolean>
}

/**
 * How a key came by a name that a policy admits it with, for whoever shows it.
 *
 * - `pinned`: the operator said so, or this node reached it under that name, which a stranger cannot bring about
 * - `connected`: it was the first that connected to this node under that name. Nobody has asked for it
 * - `listed`: a list has it, or it has a certificate of the authority
 *
 * @category models
 * @since 0.2.0
 */
export type Standing = "pinned" | "connected" | "listed"

/**
 * The trust policy of a node.
 *
 * @category services
 * @since 0.1.0
 */
export class Trust extends Context.Service<Trust, {
  /** Judges a name and a key, and remembers nothing. */
  readonly check: (name: NodeName, publicKey: PublicKey.PublicKey) => Effect.Effect<void, UntrustedPeerError>
  /**
   * Judges a key that has proved itself under a name; the policy may pin it. `from` is the address of one who connected to
   * this node, or whom a node that only dials has connected to unasked; absent, somebody asked for the peer, which a stranger
   * cannot bring about. `credentials` is what the peer has shown in its handshake.
   */
  readonly proved: (
    name: NodeName,
    publicKey: PublicKey.PublicKey,
    from?: string | undefined,
    credentials?: Uint8Array | undefined
  ) => Effect.Effect<void, UntrustedPeerError>
  /** The one key that a name may have by this policy; `undefined` where it may have any. */
  readonly expected: (name: NodeName) => Effect.Effect<PublicKey.PublicKey | undefined>
  /**
   * The operator's decision that a name belongs to a key from now on, whatever it was pinned to. Only for a key that somebody
   * has compared. Does nothing where the policy pins nothing, and fails where a list says otherwise.
   */
  readonly pin: (name: NodeName, publicKey: PublicKey.PublicKey) => Effect.Effect<void, UntrustedPeerError>
  /** The operator's decision that a name belongs to nobody: the next key that proves itself under it has it. */
  readonly forget: (name: NodeName) => Effect.Effect<void>
  /** Says that the policy has changed, so that what was allowed before has to be judged again. */
  readonly changes: Stream.Stream<void>
  /**
   * What a peer may do, of which `check` admits the name with the key. It is asked for each call that comes in, so it answers at
   * once. Left out: `Rights.named` for everybody.
   */
  readonly rights?: ((name: NodeName, publicKey: PublicKey.PublicKey) => Effect.Effect<Rights.Rights>) | undefined
  /**
   * How a key came by a name that `check` admits it with; `undefined`: it has not yet. It is asked for each peer that is shown, and nothing is decided by it, so it
   * answers at once. Left out: a name is taken for pinned where `expected` has it.
   */
  readonly standing?:
    | ((name: NodeName, publicKey: PublicKey.PublicKey) => Effect.Effect<Standing | undefined>)
    | undefined
  /** What it shows to peers and takes from them. Left out: nothing. */
  readonly credentials?: Credentials | undefined
}>()("@pnet/core/Trust") {}

/** Milliseconds in which a policy has to say what a peer may do: who asks it may have no time of its own. */
const patience = 10_000

/**
 * What a policy lets a peer do whom it admits: `Rights.named` where it says nothing about rights. A policy that throws, gives no Effect,
 * or has not answered after ten seconds is a defect.
 *
 * @category accessors
 * @since 0.2.0
 */
export const rightsOf = (
  trust: Trust["Service"],
  name: NodeName,
  publicKey: PublicKey.PublicKey
): Effect.Effect<Rights.Rights> =>
  trust.rights === undefined ? Effect.succeed(Rights.named) : AtOnce.soon(
    Effect.suspend(() => {
      const asked: unknown = trust.rights!(name, publicKey)
      if (!Effect.isEffect(asked)) return Effect.die(new TypeError("the rights of a trust policy are no Effect"))
      const rights = asked as Effect.Effect<Rights.Rights>
      // It is asked for each call: those that pnet has are looked at without a fiber that watches the time.
      const known = AtOnce.valueOf(rights)
      return known !== AtOnce.unknown ? Effect.succeed(known) : Effect.timeoutOrElse(rights, {
        duration: patience,
        orElse: () => Effect.die(new Error(`the trust policy had not said after ${patience} ms what a peer may do`))
      })
    }),
    () => {
      const asked: unknown = trust.rights!(name, publicKey)
      const known = Effect.isEffect(asked) ? AtOnce.valueOf(asked as Effect.Effect<Rights.Rights>) : AtOnce.unknown
      return known === AtOnce.unknown ? undefined : known
    }
  )

/**
 * A policy that grants every right to everybody whom it admits: whoever is trusted may hold any role, be chosen for any service, call
 * any function, publish, and subscribe to everything. With trust on first use that is everybody on the network: a newcomer that announces
 * a service is sent its calls, and one that subscribes what is published, with all that is in them. The log says once that this was chosen.
 *
 * ```ts
 * NodePnet.layerWith(Trust.open(TofuTrust.layer()))
 * ```
 *
 * @category combinators
 * @since 0.2.0
 */
export const open = <A, E, R>(policy: Layer.Layer<A | Trust, E, R>): Layer.Layer<A | Trust, E, R> =>
  Layer.effect(
    Trust,
    Effect.gen(function*() {
      const trust = yield* Trust
      yield* Effect.logInfo(
        Why.see(
          "whoever is trusted here may hold any role, and serve, call, publish and subscribe to anything (Trust.open)",
          "trust-open"
        )
      )
      // One by one: a policy may be of a class.
      return Trust.of({
        check: (name, publicKey) => trust.check(name, publicKey),
        proved: (name, publicKey, from, credentials) => trust.proved(name, publicKey, from, credentials),
        expected: (name) => trust.expected(name),
        pin: (name, publicKey) => trust.pin(name, publicKey),
        forget: (name) => trust.forget(name),
        changes: trust.changes,
        standing: trust.standing === undefined ? undefined : (name, publicKey) => trust.standing!(name, publicKey),
        credentials: trust.credentials,
        rights: () => Effect.succeed(Rights.all)
      })
    })
  ).pipe(Layer.provideMerge(policy)) as Layer.Layer<A | Trust, E, R>
