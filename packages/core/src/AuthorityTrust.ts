/**
 * Trust by an authority: whoever shows a certificate that the authority signed, for its key and its name, in this network, now
 * (protocol section 15). One key is configured on each node, in the place of pins and lists; what a peer may do is in its certificate.
 *
 * ```ts
 * AuthorityTrust.layer("ed25519:…", { networkId: "home", certificate })   // the node's own certificate, which it shows
 * ```
 *
 * Of two certificates for one key the newer holds, and of two keys with one name the newer certificate's. Nodes tell each other of
 * renewed certificates and of newer lists of revocations in the sessions that stand; a session whose peer is revoked, or whose
 * certificate has expired, ends.
 *
 * What bites: certificates are shown in sessions alone. A node that has not had a session with a peer since it started refuses its
 * RAW messages with `NoCertificate`; nodes with sessions make one, a BasicNode cannot. Clocks may differ by 60 s.
 *
 * @since 0.2.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Authority from "./Authority.ts"
import { Crypto } from "./Crypto.ts"
import * as AtOnce from "./internal/base/atOnce.ts"
import { quote } from "./internal/base/quote.ts"
import * as Signal from "./internal/base/signal.ts"
import * as Bytes from "./internal/values/credentials.ts"
import type { NodeName } from "./Packet.ts"
import * as PublicKey from "./PublicKey.ts"
import * as Rights from "./Rights.ts"
import { Trust, UntrustedPeerError } from "./Trust.ts"
import * as Why from "./Why.ts"

/**
 * How a policy goes by an authority.
 *
 * @category models
 * @since 0.2.0
 */
export interface Options {
  /** The network of the nodes that use the policy: a certificate for another one is none here. */
  readonly networkId: string
  /** The node's own certificate, as bytes or as text. Without one the node trusts others, and is trusted by nobody. */
  readonly certificate?: Uint8Array | string | undefined
  /** A list of revocations that is known already, as bytes or as text. */
  readonly revocations?: Uint8Array | string | undefined
  /** Keys of which the certificate is kept. Default 16,384; the one that was of use the longest time ago goes first. */
  readonly capacity?: number | undefined
}

/**
 * A policy by an authority, with what may be given to it while nodes run.
 *
 * @category models
 * @since 0.2.0
 */
export interface ByAuthority extends Context.Service.Shape<typeof Trust> {
  /** Takes another certificate of its own, which peers are shown at once. */
  readonly renew: (certificate: Uint8Array | string) => Effect.Effect<void, Authority.AuthorityError>
  /** Takes a list of revocations, which peers are told of; `false` where it is no newer than the one there is. */
  readonly revoke: (revocations: Uint8Array | string) => Effect.Effect<boolean, Authority.AuthorityError>
  /** The list that it goes by. */
  readonly revocations: Effect.Effect<Uint8Array | undefined>
  /** The certificates of peers that it goes by. */
  readonly certificates: Effect.Effect<ReadonlyArray<Authority.Certificate>>
}

/**
 * The policy by an authority of a program, where `layer` provides it.
 *
 * @category services
 * @since 0.2.0
 */
export class AuthorityTrust extends Context.Service<AuthorityTrust, ByAuthority>()("@pnet/core/AuthorityTrust") {}

/** A time as people read it; one that is beyond the calendar as what it is. */
const dateOf = (millis: number): string =>
  Option.match(DateTime.make(millis), { onNone: () => `${millis} ms`, onSome: DateTime.formatIso })

/** Milliseconds by which clocks may differ. */
const skew = 60_000
/** It is looked this often for what has expired, whatever becomes of the clock in between. */
const lookEvery = 60_000
const revocations = "revocations"

interface Revoked {
  readonly bytes: Uint8Array | undefined
  readonly version: number
  readonly serials: ReadonlySet<number>
  readonly publicKeys: ReadonlySet<PublicKey.PublicKey>
}

/** The newest certificate of each key, and whose a name is by these. The one that was of use the longest time ago goes first. */
class Kept {
  readonly #capacity: number
  readonly #byKey = new Map<PublicKey.PublicKey, Authority.Certificate>()
  readonly #byName = new Map<NodeName, PublicKey.PublicKey>()

  constructor(capacity: number) {
    this.#capacity = capacity
  }

  get all(): Iterable<Authority.Certificate> {
    return this.#byKey.values()
  }

  get(key: PublicKey.PublicKey): Authority.Certificate | undefined {
    return this.#byKey.get(key)
  }

  /** Whose the name is: of those who have a certificate for it, that of the newest. */
  holder(name: NodeName): Authority.Certificate | undefined {
    const key = this.#byName.get(name)
    return key === undefined ? undefined : this.#byKey.get(key)
  }

  used(certificate: Authority.Certificate): void {
    if (this.#byKey.size < this.#capacity / 2) return
    this.#byKey.delete(certificate.publicKey)
    this.#byKey.set(certificate.publicKey, certificate)
  }

  put(certificate: Authority.Certificate): void {
    const { name, publicKey, serial } = certificate
    this.#drop(publicKey)
    this.#byKey.set(publicKey, certificate)
    const holder = this.holder(name)
    if (holder === undefined || holder.serial < serial) this.#byName.set(name, publicKey)
    if (this.#byKey.size <= this.#capacity) return
    for (const oldest of this.#byKey.keys()) return this.#drop(oldest)
  }

  #drop(key: PublicKey.PublicKey): void {
    const before = this.#byKey.get(key)
    if (before === undefined) return
    this.#byKey.delete(key)
    if (this.#byName.get(before.name) === key) this.#byName.delete(before.name)
  }
}

const toBytes = (given: Uint8Array | string): Uint8Array | undefined =>
  typeof given === "string" ? Authority.fromText(given) : given

const versionBytes = (version: number): Uint8Array => {
  const out = new Uint8Array(8)
  const view = new DataView(out.buffer)
  view.setUint32(0, Math.floor(version / 2 ** 32))
  view.setUint32(4, version % 2 ** 32)
  return out
}

/** The version of a peer's list, and its certificate: what it shows. */
const readShown = (shown: Uint8Array) => {
  const view = new DataView(shown.buffer, shown.byteOffset, shown.byteLength)
  return shown.length < 8 ? undefined : {
    version: view.getUint32(0) * 2 ** 32 + view.getUint32(4),
    certificate: shown.subarray(8)
  }
}

const early = ({ notBefore }: Authority.Certificate): string => `it begins at ${dateOf(notBefore)}; compare the clocks`

class Policy {
  readonly #crypto: Crypto["Service"]
  readonly #clock: Clock.Clock
  readonly #authority: Authority.AuthorityKey
  readonly #networkId: string
  readonly #kept: Kept
  readonly changed = Signal.make()
  readonly shownChanged = Signal.make()
  /** Opened when there is something else to wait for. */
  readonly looking = Latch.makeUnsafe(false)
  #own: { readonly bytes: Uint8Array; readonly certificate: Authority.Certificate } | undefined
  #revoked: Revoked = { bytes: undefined, version: 0, serials: new Set(), publicKeys: new Set() }
  #told: "nothing" | "expires" | "expired" = "nothing"

  constructor(
    crypto: Crypto["Service"],
    clock: Clock.Clock,
    authority: Authority.AuthorityKey,
    { capacity = 16_384, networkId }: Options
  ) {
    this.#crypto = crypto
    this.#clock = clock
    this.#authority = authority
    this.#networkId = networkId
    this.#kept = new Kept(capacity)
  }

  get revoked(): Uint8Array | undefined {
    return this.#revoked.bytes
  }
  get certificates(): ReadonlyArray<Authority.Certificate> {
    return [...this.#kept.all]
  }
  get shown(): Uint8Array {
    const certificate = this.#own?.bytes ?? new Uint8Array(0)
    const out = new Uint8Array(8 + certificate.length)
    out.set(versionBytes(this.#revoked.version))
    out.set(certificate, 8)
    return out
  }

  /** What its certificate says against a key; `undefined`: nothing. */
  #fault(
    certificate: Authority.Certificate
  ): { readonly kind: "Revoked" | "BadCertificate"; readonly detail: string } | undefined {
    const bad = (detail: string) => ({ kind: "BadCertificate", detail }) as const
    const now = this.#clock.currentTimeMillisUnsafe()
    if (this.#revoked.publicKeys.has(certificate.publicKey)) return { kind: "Revoked", detail: "its key was revoked" }
    if (this.#revoked.serials.has(certificate.serial)) return bad(`its serial, ${certificate.serial}, was revoked`)
    if (now >= certificate.expires + skew) return bad(`it expired at ${dateOf(certificate.expires)}`)
    return this.#early(certificate) ? bad(early(certificate)) : undefined
  }

  #early({ notBefore }: Authority.Certificate): boolean {
    return this.#clock.currentTimeMillisUnsafe() < notBefore - skew
  }

  judge(name: NodeName, publicKey: PublicKey.PublicKey): UntrustedPeerError | undefined {
    if (this.#revoked.publicKeys.has(publicKey)) {
      return new UntrustedPeerError({ kind: "Revoked", peer: name, publicKey })
    }
    const certificate = this.#kept.get(publicKey)
    if (certificate === undefined) return new UntrustedPeerError({ kind: "NoCertificate", peer: name, publicKey })
    const fault = this.#fault(certificate)
    if (fault !== undefined) return new UntrustedPeerError({ ...fault, peer: name, publicKey })
    if (certificate.name !== name) return this.#bad(name, publicKey, `it is for the name ${quote(certificate.name)}`)
    const holder = this.#holder(name)
    if (holder !== undefined && holder !== publicKey) {
      return new UntrustedPeerError({ kind: "KeyChanged", peer: name, publicKey, expected: holder })
    }
    this.#kept.used(certificate)
    return undefined
  }

  #holder(name: NodeName): PublicKey.PublicKey | undefined {
    const holder = this.#kept.holder(name)
    return holder === undefined || this.#fault(holder) !== undefined ? undefined : holder.publicKey
  }

  expected(name: NodeName): PublicKey.PublicKey | undefined {
    return this.#holder(name)
  }

  rights(name: NodeName, publicKey: PublicKey.PublicKey): Rights.Rights {
    return this.judge(name, publicKey) === undefined ? this.#kept.get(publicKey)!.rights : Rights.none
  }

  #bad(peer: NodeName, publicKey: PublicKey.PublicKey, detail: string): UntrustedPeerError {
    return new UntrustedPeerError({ kind: "BadCertificate", peer, publicKey, detail })
  }

  /** Keeps the certificate that a peer shows, where it is newer than the one there is. Its signature is looked at last. */
  #keep(name: NodeName, publicKey: PublicKey.PublicKey, bytes: Uint8Array): UntrustedPeerError | undefined {
    const certificate = Bytes.readCertificate(bytes)
    if (certificate === undefined) return this.#bad(name, publicKey, "its bytes are none of a certificate")
    if (certificate.publicKey !== publicKey) return this.#bad(name, publicKey, "it is another key's")
    if (certificate.networkId !== this.#networkId) {
      return this.#bad(name, publicKey, `it is for the network ${quote(certificate.networkId)}`)
    }
    const kept = this.#kept.get(publicKey)
    // What is known already, or older, changes nothing, whoever signed it.
    if (kept !== undefined && kept.serial >= certificate.serial) return undefined
    if (!Authority.verify(this.#crypto, this.#authority, bytes)) {
      return this.#bad(name, publicKey, "its signature is not that of the authority that this node goes by")
    }
    // One that was made in advance takes the place of none that holds until then: its node shows it again.
    if (this.#early(certificate)) return kept === undefined ? this.#bad(name, publicKey, early(certificate)) : undefined
    const holder = this.#kept.holder(certificate.name)
    this.#kept.put(certificate)
    // Of a key that nobody knew, nothing has been judged.
    if (kept !== undefined || holder !== undefined) this.changed.notify()
    this.looking.openUnsafe()
    return undefined
  }

  proved(
    name: NodeName,
    publicKey: PublicKey.PublicKey,
    credentials: Uint8Array | undefined
  ): UntrustedPeerError | undefined {
    const shown = credentials === undefined ? undefined : readShown(credentials)
    const refused = shown === undefined || shown.certificate.length === 0
      ? undefined
      : this.#keep(name, publicKey, shown.certificate)
    return refused ?? this.judge(name, publicKey)
  }

  told(
    name: NodeName,
    publicKey: PublicKey.PublicKey,
    bytes: Uint8Array
  ): { readonly ask: string | undefined } | UntrustedPeerError {
    const shown = readShown(bytes)
    if (shown === undefined) return this.#bad(name, publicKey, "what it shows is too short")
    const refused = shown.certificate.length === 0 ? undefined : this.#keep(name, publicKey, shown.certificate)
    return refused ??
      { ask: shown.version > this.#revoked.version && Bytes.isCount(shown.version) ? revocations : undefined }
  }

  /** Takes a list, where it is newer than the one there is; what is wrong with it otherwise. */
  take(bytes: Uint8Array): boolean | string {
    const list = Bytes.readRevocations(bytes)
    if (list === undefined) return "its bytes are none of a list"
    if (list.networkId !== this.#networkId) return `it is for the network ${quote(list.networkId)}`
    if (list.version <= this.#revoked.version) return false
    if (!Authority.verify(this.#crypto, this.#authority, bytes)) return "its signature is not the authority's"
    this.#revoked = {
      bytes: bytes.slice(),
      version: list.version,
      serials: new Set(list.serials),
      publicKeys: new Set(list.publicKeys)
    }
    this.changed.notify()
    this.shownChanged.notify()
    return true
  }

  /** Takes another certificate of its own; what is wrong with it otherwise. */
  renew(bytes: Uint8Array): string | undefined {
    const certificate = Bytes.readCertificate(bytes)
    if (certificate === undefined) return "its bytes are none of a certificate"
    if (certificate.networkId !== this.#networkId) return `it is for the network ${quote(certificate.networkId)}`
    if (!Authority.verify(this.#crypto, this.#authority, bytes)) return "its signature is not the authority's"
    this.#own = { bytes: bytes.slice(), certificate }
    this.#told = "nothing"
    this.shownChanged.notify()
    this.looking.openUnsafe()
    return undefined
  }

  /** Says that its own certificate ends soon, or has, once each. */
  readonly warn: Effect.Effect<void> = Effect.suspend(() => {
    if (this.#own === undefined) return Effect.void
    const { expires, name, notBefore } = this.#own.certificate
    const now = this.#clock.currentTimeMillisUnsafe()
    const state = now >= expires ? "expired" : now >= expires - (expires - notBefore) / 10 ? "expires" : "nothing"
    if (state === "nothing" || state === this.#told) return Effect.void
    this.#told = state
    return Effect.logWarning(
      Why.see(
        `the certificate of ${quote(name)}, which is this node's own, ${
          state === "expired" ? "expired" : "expires"
        } at ${dateOf(expires)}: peers ${
          state === "expired" ? "refuse this node" : "will refuse this node then"
        } until it has another one`,
        "bad-certificate"
      )
    )
  })

  /** Says when something has expired, or begun to hold, so that sessions are judged again. */
  readonly look: Effect.Effect<never> = Effect.gen({ self: this }, function*() {
    let seen = this.#clock.currentTimeMillisUnsafe()
    while (true) {
      yield* this.warn
      this.looking.closeUnsafe()
      const now = this.#clock.currentTimeMillisUnsafe()
      let next = now + lookEvery
      let due = false
      for (const { expires } of this.#kept.all) {
        const at = expires + skew
        if (at > seen && at <= now) due = true
        else if (at > now && at < next) next = at
      }
      seen = now
      if (due) this.changed.notify()
      yield* Effect.raceFirst(Effect.sleep(next - now), this.looking.await)
    }
  })
}

/**
 * A policy by the authority with this key, which is watched for what expires until the scope closes. Fails where the key, the
 * certificate or the list is none, or is not the authority's.
 *
 * @category constructors
 * @since 0.2.0
 */
export const make = (
  publicKey: string,
  options: Options
): Effect.Effect<ByAuthority, Authority.AuthorityError, Crypto | Scope.Scope> =>
  Effect.gen(function*() {
    const key = Authority.keyFromText(publicKey)
    if (key === undefined) {
      return yield* new Authority.AuthorityError({
        kind: "Key",
        issue: "expected ed25519: and 44 characters of base64url"
      })
    }
    const policy = new Policy(yield* Crypto, yield* Clock.Clock, key, options)
    const fail = (kind: "Certificate" | "Revocations", issue: string) =>
      Effect.fail(new Authority.AuthorityError({ kind, issue }))
    const renew: ByAuthority["renew"] = (given) =>
      Effect.suspend(() => {
        const bytes = toBytes(given)
        const wrong = bytes === undefined ? "it is no base64url" : policy.renew(bytes)
        return wrong === undefined ? Effect.void : fail("Certificate", wrong)
      })
    const revoke: ByAuthority["revoke"] = (given) =>
      Effect.suspend(() => {
        const bytes = toBytes(given)
        const taken = bytes === undefined ? "it is no base64url" : policy.take(bytes)
        return typeof taken === "string" ? fail("Revocations", taken) : Effect.succeed(taken)
      })
    if (options.revocations !== undefined) yield* revoke(options.revocations)
    if (options.certificate !== undefined) yield* renew(options.certificate)
    yield* Effect.forkScoped(policy.look)
    const judged = (error: UntrustedPeerError | undefined) => error === undefined ? Effect.void : Effect.fail(error)
    return {
      check: (name, publicKey) => Effect.suspend(() => judged(policy.judge(name, publicKey))),
      proved: (name, publicKey, _from, credentials) =>
        Effect.suspend(() => judged(policy.proved(name, publicKey, credentials))),
      expected: AtOnce.by((name) => policy.expected(name)),
      pin: (name, publicKey) => Effect.suspend(() => judged(policy.judge(name, publicKey))),
      forget: () => Effect.void,
      changes: policy.changed.changes,
      standing: (name, publicKey) =>
        Effect.sync(() => policy.judge(name, publicKey) === undefined ? "listed" : undefined),
      rights: (name, publicKey) => AtOnce.sync(() => policy.rights(name, publicKey)),
      credentials: {
        shown: Effect.sync(() => policy.shown),
        changes: policy.shownChanged.changes,
        told: (name, publicKey, shown) =>
          Effect.suspend(() => {
            const told = policy.told(name, publicKey, shown)
            return told instanceof UntrustedPeerError ? Effect.fail(told) : Effect.succeed(told.ask)
          }),
        give: (what) => Effect.sync(() => what === revocations ? policy.revoked : undefined),
        limit: Bytes.maxRevocations,
        take: (what, given) => Effect.sync(() => what === revocations && policy.take(given) === true)
      },
      renew,
      revoke,
      revocations: Effect.sync(() => policy.revoked),
      certificates: Effect.sync(() => policy.certificates)
    }
  })

/**
 * Trust in whoever the authority with this key has signed a certificate for, and `AuthorityTrust`, by which another certificate or a
 * list of revocations is given while nodes run.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer = (
  publicKey: string,
  options: Options
): Layer.Layer<Trust | AuthorityTrust, Authority.AuthorityError, Crypto> =>
  Layer.effectContext(
    Effect.map(
      make(publicKey, options),
      (policy) => Context.make(Trust, policy).pipe(Context.add(AuthorityTrust, policy))
    )
  )
