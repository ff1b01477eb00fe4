/**
 * The cryptography of pnet: X25519 key pairs, NaCl box under precomputed keys, Fernet, and random bytes.
 *
 * Everything here is synchronous, because it is the hot path and because a simulation has to own the order of things.
 * There are two implementations, `layerPortable` here (JavaScript alone) and `NodeCrypto.layer` in `@pnet/node` (many
 * times faster); both make and accept the same bytes. An implementation supplies `Primitives`; whatever must not differ
 * between implementations (token layout, strict base64url, time checks, key checks) is written once, in `make`.
 *
 * What bites: a nonce must never be used twice with the same `SharedKey`; and nothing here consults a clock, so the
 * caller passes the time.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Redacted from "effect/Redacted"
import type * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { fillRandom } from "./internal/platform.ts"
import type { PublicKey } from "./PublicKey.ts"

/**
 * Where random bytes come from: by default the platform's `crypto.getRandomValues`. A simulation replaces it with a seeded
 * generator, and nothing else in pnet draws secret randomness.
 *
 * @category services
 * @since 0.1.0
 */
export const Entropy: Context.Reference<(bytes: Uint8Array) => void> = Context.Reference("@pnet/core/Crypto/Entropy", {
  defaultValue: () => fillRandom
})

/**
 * A node's key pair.
 *
 * @category models
 * @since 0.1.0
 */
export interface KeyPair {
  readonly publicKey: PublicKey
  /** The 32 bytes of the X25519 secret. */
  readonly secretKey: Redacted.Redacted<Uint8Array>
}

/**
 * The precomputed key of a NaCl box between one's own secret and a peer's public key (`crypto_box_beforenm`).
 *
 * @category models
 * @since 0.1.0
 */
export type SharedKey = Redacted.Redacted<Uint8Array>

/**
 * Bytes that a box is longer than its message: 16, Poly1305's tag.
 *
 * @category constants
 * @since 0.1.0
 */
export const boxOverhead = 16

/**
 * Bytes of a box's nonce: 24.
 *
 * @category constants
 * @since 0.1.0
 */
export const nonceLength = 24

/**
 * Why a Fernet token was refused. On the wire all of them are `ERR_NET_DECRYPTION_FAILED`; the kind is for logs.
 *
 * - `Malformed`: not canonical base64url, too short, another version, or a ciphertext that is not whole blocks
 * - `Unauthentic`: no key's HMAC fits
 * - `Expired`, `Future`: authentic, but `ageSeconds` is over the time to live, on either side
 * - `Padding`: authentic and in time, but its padding is not PKCS #7
 *
 * @category errors
 * @since 0.1.0
 */
export class FernetError extends Schema.TaggedError<FernetError>("@pnet/core/Crypto/FernetError")("FernetError", {
  kind: Schema.Literals(["Malformed", "Unauthentic", "Expired", "Future", "Padding"]),
  /** Whole seconds from the token's timestamp to now; absent unless the token was authentic. */
  ageSeconds: Schema.optionalKey(Schema.Number)
}) {
  override get message() {
    const age = this.ageSeconds === undefined ? "" : ` (${this.ageSeconds} s old)`
    return `a Fernet token was refused: ${this.kind}${age}`
  }
}

/**
 * A Fernet token that opened.
 *
 * @category models
 * @since 0.1.0
 */
export interface FernetOpened {
  readonly plaintext: Uint8Array
  /** Seconds since the epoch, as the sender's clock had it. */
  readonly timestamp: number
  /** Which of the keys fitted. */
  readonly keyIndex: number
}

/**
 * What an implementation supplies. All of it is synchronous and total: bad input never throws.
 *
 * @category models
 * @since 0.1.0
 */
export interface Primitives {
  /** Name for logs and benchmarks, such as `portable` or `sodium-native + node:crypto`. */
  readonly name: string
  /** The public key of a 32-byte X25519 secret (`crypto_scalarmult_base`). */
  readonly scalarMultBase: (secretKey: Uint8Array) => Uint8Array
  /** `crypto_box_beforenm`: X25519, then HSalsa20. Only ever called with a public key that `PublicKey` admits. */
  readonly boxBefore: (publicKey: Uint8Array, secretKey: Uint8Array) => Uint8Array
  /** Writes the secretbox of `message` into `out`, which is 16 bytes longer. */
  readonly secretbox: (out: Uint8Array, message: Uint8Array, nonce: Uint8Array, key: Uint8Array) => void
  /** Writes the message of `box` into `out`, which is 16 bytes shorter; `false` when it does not open. */
  readonly secretboxOpen: (out: Uint8Array, box: Uint8Array, nonce: Uint8Array, key: Uint8Array) => boolean
  /** HMAC-SHA256. */
  readonly hmacSha256: (key: Uint8Array, data: Uint8Array) => Uint8Array
  /** AES-128-CBC with PKCS #7 padding. */
  readonly aesCbcEncrypt: (key: Uint8Array, iv: Uint8Array, plaintext: Uint8Array) => Uint8Array
  /** The inverse; `undefined` where the padding is wrong. Only ever called with whole, authenticated blocks. */
  readonly aesCbcDecrypt: (key: Uint8Array, iv: Uint8Array, ciphertext: Uint8Array) => Uint8Array | undefined
  /** Compares two byte strings of equal length in constant time. */
  readonly equal: (a: Uint8Array, b: Uint8Array) => boolean
}

/**
 * The cryptography that the rest of pnet stands on.
 *
 * @category services
 * @since 0.1.0
 */
export class Crypto extends Context.Service<Crypto, {
  /** Name of the implementation, for logs and benchmarks. */
  readonly name: string
  /** `length` fresh random bytes, from `Entropy`. */
  readonly randomBytes: (length: number) => Uint8Array
  /** A fresh key pair. */
  readonly generateKeyPair: () => KeyPair
  /** The key pair of a 32-byte secret, which is copied. */
  readonly keyPair: (secretKey: Redacted.Redacted<Uint8Array>) => KeyPair
  /** The precomputed box key for a peer. Costs a scalar multiplication: use `SharedKeys` to keep it. */
  readonly sharedKey: (publicKey: PublicKey, secretKey: Redacted.Redacted<Uint8Array>) => SharedKey
  /** A box: 16 bytes longer than the message. */
  readonly seal: (key: SharedKey, nonce: Uint8Array, message: Uint8Array) => Uint8Array
  /** The message of a box; `undefined` when it does not open, for whatever reason. */
  readonly open: (key: SharedKey, nonce: Uint8Array, box: Uint8Array) => Uint8Array | undefined
  /**
   * A Fernet token as ASCII, under the 32-byte key. `nowMillis` is milliseconds since the epoch; `iv` (16 bytes) is drawn
   * when it is not given, and only test vectors give it.
   */
  readonly fernetEncrypt: (
    key: Redacted.Redacted<Uint8Array>,
    plaintext: Uint8Array,
    nowMillis: number,
    iv?: Uint8Array
  ) => Uint8Array
  /**
   * Opens a Fernet token under whichever of the keys fits. The HMAC is checked first, in constant time, then the age:
   * accepted while |floor(now) - timestamp| is at most `ttlSeconds`.
   */
  readonly fernetDecrypt: (
    keys: ReadonlyArray<Redacted.Redacted<Uint8Array>>,
    token: Uint8Array,
    nowMillis: number,
    ttlSeconds: number
  ) => Result.Result<FernetOpened, FernetError>
  /** Compares two byte strings in constant time; those of different lengths differ. */
  readonly equal: (a: Uint8Array, b: Uint8Array) => boolean
}>()("@pnet/core/Crypto") {}
