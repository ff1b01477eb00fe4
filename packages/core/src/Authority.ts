/**
 * An authority: an operator's key that signs who a node is and what it may do, so that a thousand nodes are configured with one key in
 * the place of a thousand pins (protocol section 15). `AuthorityTrust` is the policy that goes by it.
 *
 * ```ts
 * const authority = yield* Authority.generate                       // on a machine of its own
 * const certificate = yield* authority.issue({
 *   networkId: "home", name: "worker-1", publicKey,                 // the node's, as node.publicKey is
 *   rights: { roles: ["worker"], serves: ["resize.*"], calls: [] },
 *   lifetime: "30 days"
 * })
 * const list = yield* authority.revoke({ networkId: "home", publicKeys: [stolen] })
 * ```
 *
 * What bites: whoever has the authority's secret can be any node. Keep it off the nodes, which need the public key alone. A certificate
 * holds until it expires, or until a list revokes it that has reached the node: short lifetimes are the surest revocation.
 *
 * @since 0.2.0
 */
import type * as Brand from "effect/Brand"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { Crypto, keyLength } from "./Crypto.ts"
import * as Base64Url from "./internal/base/base64url.ts"
import { quote } from "./internal/base/quote.ts"
import * as Ed25519 from "./internal/crypto/ed25519.ts"
import type { Certificate, Revocations } from "./internal/values/credentials.ts"
import * as Credentials from "./internal/values/credentials.ts"
import * as Rights from "./Rights.ts"
import * as Why from "./Why.ts"

/**
 * The public key of an authority as text: `ed25519:` and the base64url text of its 32 bytes. It is not taken for the key of a node.
 *
 * @category models
 * @since 0.2.0
 */
export type AuthorityKey = Brand.Branded<string, "@pnet/core/Authority/AuthorityKey">

const keyHead = "ed25519:"

/**
 * The key of a text, or `undefined` where it is none.
 *
 * @category constructors
 * @since 0.2.0
 */
export const keyFromText = (text: string): AuthorityKey | undefined => {
  const bytes = text.startsWith(keyHead) ? Base64Url.decodeString(text.slice(keyHead.length)) : undefined
  return bytes !== undefined && Ed25519.isKey(bytes) ? text as AuthorityKey : undefined
}

/**
 * The 32 bytes of a key.
 *
 * @category conversions
 * @since 0.2.0
 */
export const keyToBytes = (key: AuthorityKey): Uint8Array => Base64Url.decodeString(key.slice(keyHead.length))!

const keyFromBytes = (bytes: Uint8Array): AuthorityKey => `${keyHead}${Base64Url.encodeString(bytes)}` as AuthorityKey

export type { Certificate, Revocations } from "./internal/values/credentials.ts"

/**
 * Something that an authority cannot sign, or a text that is no key, certificate or list.
 *
 * - `Certificate`, `Revocations`: it cannot be made, or is none
 * - `Key`: no public key of an authority
 * - `Secret`: no secret of one
 *
 * @category errors
 * @since 0.2.0
 */
export class AuthorityError extends Schema.TaggedError<AuthorityError>("@pnet/core/Authority/AuthorityError")(
  "AuthorityError",
  {
    kind: Schema.Literals(["Certificate", "Revocations", "Key", "Secret"]),
    /** What is wrong with it. */
    issue: Schema.String
  }
) {
  override get message() {
    const what = {
      Certificate: "a certificate",
      Revocations: "a list of revocations",
      Key: "the public key of an authority",
      Secret: "the secret of an authority"
    }[this.kind]
    return Why.see(`${what} cannot be made of what was given: ${quote(this.issue)}`, "authority")
  }
}

/**
 * What a certificate is made of.
 *
 * @category models
 * @since 0.2.0
 */
export interface Issue {
  readonly networkId: string
  readonly name: string
  /** The node's public key. */
  readonly publicKey: string
  /** What the node may do. What is left out is as in `Rights.named`: it calls and publishes everything, and subscribes to nothing. */
  readonly rights?: Rights.Input | undefined
  /** How long it holds. */
  readonly lifetime: Duration.Input
  /** When it begins to hold, in milliseconds since the epoch. Default: now. */
  readonly notBefore?: number | undefined
  /** Default: of the time, so that what is issued later is newer. */
  readonly serial?: number | undefined
}

/**
 * What a list is made of.
 *
 * @category models
 * @since 0.2.0
 */
export interface Revoke {
  readonly networkId: string
  /** Certificates, by their serials. */
  readonly serials?: Iterable<number> | undefined
  /** Keys of nodes. */
  readonly publicKeys?: Iterable<string> | undefined
  /** Default: of the time, so that a later list is newer. */
  readonly version?: number | undefined
}

/**
 * An authority with its secret.
 *
 * @category models
 * @since 0.2.0
 */
export interface Authority {
  /** What nodes are configured with. */
  readonly publicKey: AuthorityKey
  readonly secretKey: Redacted.Redacted<Uint8Array>
  /** A certificate as bytes: at most 2,048. `toText` makes a text of them. */
  readonly issue: (issue: Issue) => Effect.Effect<Uint8Array, AuthorityError>
  /** A list as bytes. It has all that is revoked, up to 4,096; what has expired may be left out. */
  readonly revoke: (revoke: Revoke) => Effect.Effect<Uint8Array, AuthorityError>
}

/** A clock may be finer than what a certificate says. */
const wholeMillis = Effect.map(Clock.currentTimeMillis, Math.floor)

/** Serials that are drawn in one millisecond differ. */
const perMillisecond = 1_024

/**
 * The authority of a secret: 32 bytes (which are copied), or their base64url text.
 *
 * @category constructors
 * @since 0.2.0
 */
export const make = Effect.fnUntraced(
  function*(secret: Redacted.Redacted<string | Uint8Array>): Effect.fn.Return<Authority, AuthorityError, Crypto> {
    const crypto = yield* Crypto
    const given = Redacted.value(secret)
    const bytes = typeof given === "string" ? Base64Url.decodeString(given.trim()) : given
    if (bytes?.length !== keyLength) {
      return yield* new AuthorityError({
        kind: "Secret",
        issue: "expected 32 bytes, as text 44 characters of base64url"
      })
    }
    const secretKey = Redacted.make(bytes.slice(), { label: "secret key" })
    const signed = (kind: "Certificate" | "Revocations", body: Uint8Array | string) => {
      if (typeof body === "string") return Effect.fail(new AuthorityError({ kind, issue: body }))
      const out = new Uint8Array(body.length + Credentials.signatureLength)
      out.set(body)
      out.set(crypto.sign(secretKey, body), body.length)
      return Effect.succeed(out)
    }
    return {
      publicKey: keyFromBytes(crypto.signingKey(secretKey)),
      secretKey,
      issue: (issue) =>
        Effect.flatMap(wholeMillis, (now) => {
          const notBefore = issue.notBefore ?? now
          const [high = 0, low = 0] = crypto.randomBytes(2)
          return signed(
            "Certificate",
            Credentials.certificateBytes({
              networkId: issue.networkId,
              publicKey: issue.publicKey,
              name: issue.name,
              serial: issue.serial ?? now * perMillisecond + (high * 256 + low) % perMillisecond,
              notBefore,
              expires: notBefore + Math.floor(Duration.toMillis(Duration.fromInputUnsafe(issue.lifetime))),
              rights: Rights.make(issue.rights)
            })
          )
        }),
      revoke: (revoke) =>
        Effect.flatMap(wholeMillis, (now) =>
          signed(
            "Revocations",
            Credentials.revocationsBytes({
              networkId: revoke.networkId,
              version: revoke.version ?? Math.max(1, now),
              serials: [...revoke.serials ?? []],
              publicKeys: [...revoke.publicKeys ?? []]
            })
          ))
    }
  }
)

/**
 * An authority with a fresh secret.
 *
 * @category constructors
 * @since 0.2.0
 */
export const generate: Effect.Effect<Authority, never, Crypto> = Effect.flatMap(
  Crypto,
  (crypto) => Effect.orDie(make(Redacted.make(crypto.randomBytes(keyLength))))
)

/**
 * The secret of an authority as base64url text, which `make` reads.
 *
 * @category conversions
 * @since 0.2.0
 */
export const exportSecret = (authority: Authority): Redacted.Redacted<string> =>
  Redacted.make(Base64Url.encodeString(Redacted.value(authority.secretKey)), { label: "secret key" })

/**
 * A certificate or a list as text, for files and variables.
 *
 * @category conversions
 * @since 0.2.0
 */
export const toText = (bytes: Uint8Array): string => Base64Url.encodeString(bytes)

/**
 * The bytes of a certificate or a list that is text, with or without blanks around it; `undefined` where it is no base64url.
 *
 * @category conversions
 * @since 0.2.0
 */
export const fromText = (text: string): Uint8Array | undefined => Base64Url.decodeString(text.trim())

const read = <A>(
  kind: "Certificate" | "Revocations",
  value: A | undefined
): Result.Result<A, AuthorityError> =>
  value === undefined
    ? Result.fail(new AuthorityError({ kind, issue: "its bytes are not in the form that they have to have" }))
    : Result.succeed(value)

/**
 * What a certificate says. **Who signed it is not looked at**: `verify` does that.
 *
 * @category conversions
 * @since 0.2.0
 */
export const readCertificate = (bytes: Uint8Array): Result.Result<Certificate, AuthorityError> =>
  read("Certificate", Credentials.readCertificate(bytes))

/**
 * What a list says. **Who signed it is not looked at**: `verify` does that.
 *
 * @category conversions
 * @since 0.2.0
 */
export const readRevocations = (bytes: Uint8Array): Result.Result<Revocations, AuthorityError> =>
  read("Revocations", Credentials.readRevocations(bytes))

/**
 * Whether a certificate or a list was signed with an authority's secret. Whatever the bytes, it does not throw.
 *
 * @category predicates
 * @since 0.2.0
 */
export const verify = (crypto: Crypto["Service"], key: AuthorityKey, bytes: Uint8Array): boolean =>
  bytes.length > Credentials.signatureLength &&
  crypto.verify(keyToBytes(key), Credentials.signedOf(bytes), Credentials.signatureOf(bytes))
