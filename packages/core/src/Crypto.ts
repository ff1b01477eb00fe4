/**
 * The cryptography of pnet: X25519 key pairs, NaCl box under precomputed keys, Fernet, Ed25519 signatures, and random bytes.
 *
 * Everything here is synchronous, because it is the hot path and because a simulation has to own the order of things.
 * Implementations are layers of modules of their own: `PortableCrypto` (JavaScript alone) and `NodeCrypto` in `@pnet/node`
 * (many times faster); all make and accept the same bytes. An implementation supplies `Primitives`; whatever must not differ
 * between implementations (token layout, strict base64url, time checks, key checks) is written once, in `make`.
 *
 * What bites: a nonce must never be used twice with the same `SharedKey`; and nothing here consults a clock, so the
 * caller passes the time.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Base64Url from "./internal/base/base64url.ts"
import { fillRandom } from "./internal/base/platform.ts"
import * as Ed25519 from "./internal/crypto/ed25519.ts"
import * as PublicKey_ from "./PublicKey.ts"
import type { PublicKey } from "./PublicKey.ts"
import * as Why from "./Why.ts"

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
 * Bytes of a secret key, of a shared key, and of a Fernet key: 32.
 *
 * @category constants
 * @since 0.1.0
 */
export const keyLength = 32

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
    const why = {
      Malformed: "it is not canonical base64url of a whole version 128 token",
      Unauthentic: "it was not made with any of the keys held here; compare the network keys",
      Expired: `it is ${this.ageSeconds} s old, which is too old; compare the clocks`,
      Future: `it is ${-(this.ageSeconds ?? 0)} s ahead of this clock, which is too far; compare the clocks`,
      Padding: "it is authentic, but its padding is wrong, so its sender is broken"
    }[this.kind]
    return Why.see(`a Fernet token was refused: ${why}`, "fernet-token")
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
 * What an implementation supplies. All of it is synchronous and total: bad input never throws. Keys are the same arrays each
 * time and are not written to, so an implementation may keep what it makes of one, for as long as the array lives.
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
  /**
   * Writes the secretbox of `message` into `out`, which is 16 bytes longer. `message` may be the end of `out`: then it is
   * sealed in place. Any other overlap is not allowed.
   */
  readonly secretbox: (out: Uint8Array, message: Uint8Array, nonce: Uint8Array, key: Uint8Array) => void
  /**
   * Writes the message of `box` into `out`, which is 16 bytes shorter; `false` when it does not open, and then nothing has
   * been written. `out` may be the end of `box`: then it is opened in place. Any other overlap is not allowed.
   */
  readonly secretboxOpen: (out: Uint8Array, box: Uint8Array, nonce: Uint8Array, key: Uint8Array) => boolean
  /** HMAC-SHA256. */
  readonly hmacSha256: (key: Uint8Array, data: Uint8Array) => Uint8Array
  /** AES-128-CBC with PKCS #7 padding. */
  readonly aesCbcEncrypt: (key: Uint8Array, iv: Uint8Array, plaintext: Uint8Array) => Uint8Array
  /** The inverse; `undefined` where the padding is wrong. Only ever called with whole, authenticated blocks. */
  readonly aesCbcDecrypt: (key: Uint8Array, iv: Uint8Array, ciphertext: Uint8Array) => Uint8Array | undefined
  /** The public key of a 32-byte Ed25519 secret (RFC 8032). */
  readonly ed25519Key: (secretKey: Uint8Array) => Uint8Array
  /** The 64 bytes of the signature under that secret. */
  readonly ed25519Sign: (secretKey: Uint8Array, message: Uint8Array) => Uint8Array
  /**
   * Whether the signature is the message's, by the equation without cofactor. Only ever called with a key that is canonical and not
   * of low order, and with a scalar below the order of the group.
   */
  readonly ed25519Verify: (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array) => boolean
  /** Compares two byte strings of equal length in constant time. */
  readonly equal: (a: Uint8Array, b: Uint8Array) => boolean
}

/**
 * NaCl's box under one shared key, for the hot path: the key is looked up once, and nothing is allocated.
 *
 * @category models
 * @since 0.1.0
 */
export interface Boxer {
  /**
   * Writes the box of `message` into `out`, which is 16 bytes longer. `message` may be the last bytes of `out`: then it is
   * sealed in place. Any other overlap is not allowed. Wrong lengths are bugs and throw.
   */
  readonly sealInto: (out: Uint8Array, message: Uint8Array, nonce: Uint8Array) => void
  /**
   * Writes the message of `box` into `out`, which is 16 bytes shorter, and says whether it opened; if not, nothing was
   * written. `out` may be the last bytes of `box`: then it is opened in place. Any other overlap is not allowed. A box of
   * any bytes never throws; a wrong length of `out` or the nonce is a bug and does, unless the box is under 16 bytes.
   */
  readonly openInto: (out: Uint8Array, box: Uint8Array, nonce: Uint8Array) => boolean
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
  /** `seal` and `open` under this key into buffers of the caller. Keeps the key's bytes themselves, not a copy. */
  readonly boxer: (key: SharedKey) => Boxer
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
  /** The public key of a 32-byte Ed25519 secret. */
  readonly signingKey: (secretKey: Redacted.Redacted<Uint8Array>) => Uint8Array
  /** The Ed25519 signature of a message under a 32-byte secret: 64 bytes, the same each time. */
  readonly sign: (secretKey: Redacted.Redacted<Uint8Array>, message: Uint8Array) => Uint8Array
  /**
   * Whether an Ed25519 signature is the message's under the key. Keys that are not canonical or of low order have none, and a
   * signature has one form. Whatever the bytes, it does not throw.
   */
  readonly verify: (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array) => boolean
  /** Compares two byte strings in constant time; those of different lengths differ. */
  readonly equal: (a: Uint8Array, b: Uint8Array) => boolean
}>()("@pnet/core/Crypto") {}

const expectLength = (what: string, bytes: Uint8Array, length: number): Uint8Array => {
  if (bytes.length === length) return bytes
  throw new RangeError(`${what} must be ${length} bytes, and ${bytes.length} were given`)
}

// Fernet's layout: version (1), seconds since the epoch (8, big-endian), IV (16), AES-128-CBC blocks, HMAC-SHA256 (32)
const fernetVersion = 0x80
const fernetIvAt = 9
const fernetBodyAt = 25
const fernetMacLength = 32
const fernetShortest = fernetBodyAt + 16 + fernetMacLength

const uint32At = (bytes: Uint8Array, at: number): number =>
  (bytes[at]! << 24 | bytes[at + 1]! << 16 | bytes[at + 2]! << 8 | bytes[at + 3]!) >>> 0

interface FernetKey {
  readonly signing: Uint8Array
  readonly encryption: Uint8Array
}

const refused = (kind: FernetError["kind"], ageSeconds?: number): Result.Result<never, FernetError> =>
  Result.fail(new FernetError(ageSeconds === undefined ? { kind } : { kind, ageSeconds }))

/** Random bytes. A nonce costs as much to draw as a kilobyte, so short draws share one. What was handed out is wiped from it. */
const drawing = (fill: (bytes: Uint8Array) => void): Crypto["Service"]["randomBytes"] => {
  const pool = new Uint8Array(1_024)
  let drawn = pool.length
  return (length) => {
    const bytes = new Uint8Array(length)
    if (length > 64) {
      fill(bytes)
      return bytes
    }
    if (drawn + length > pool.length) {
      fill(pool)
      drawn = 0
    }
    const part = pool.subarray(drawn, drawn + length)
    bytes.set(part)
    part.fill(0)
    drawn += length
    return bytes
  }
}

/** Key pairs, and boxes under the keys that two of them share. */
const boxesOver = (primitives: Primitives, randomBytes: Crypto["Service"]["randomBytes"]) => {
  const keyPairOf = (secretKey: Uint8Array): KeyPair => {
    const publicKey = PublicKey_.fromBytes(primitives.scalarMultBase(secretKey))
    if (publicKey === undefined) throw new Error(`${primitives.name} computed a public key that is none`)
    return { publicKey, secretKey: Redacted.make(secretKey, { label: "secret key" }) }
  }
  return {
    generateKeyPair: () => keyPairOf(randomBytes(keyLength)),
    keyPair: (secretKey) => keyPairOf(expectLength("a secret key", Redacted.value(secretKey), keyLength).slice()),

    sharedKey: (publicKey, secretKey) => {
      if (PublicKey_.fromText(publicKey) === undefined) {
        throw new TypeError(
          "sharedKey was given a text that is no public key; make them with the PublicKey module alone"
        )
      }
      const secret = expectLength("a secret key", Redacted.value(secretKey), keyLength)
      return Redacted.make(primitives.boxBefore(PublicKey_.toBytes(publicKey), secret), { label: "shared key" })
    },

    seal: (key, nonce, message) => {
      const out = new Uint8Array(message.length + boxOverhead)
      primitives.secretbox(
        out,
        message,
        expectLength("a nonce", nonce, nonceLength),
        expectLength("a shared key", Redacted.value(key), keyLength)
      )
      return out
    },

    open: (key, nonce, box) => {
      expectLength("a nonce", nonce, nonceLength)
      const shared = expectLength("a shared key", Redacted.value(key), keyLength)
      if (box.length < boxOverhead) return undefined
      const out = new Uint8Array(box.length - boxOverhead)
      return primitives.secretboxOpen(out, box, nonce, shared) ? out : undefined
    },

    boxer: (key) => {
      const shared = expectLength("a shared key", Redacted.value(key), keyLength)
      return {
        sealInto: (out, message, nonce) =>
          primitives.secretbox(
            expectLength("the room for a box", out, message.length + boxOverhead),
            message,
            expectLength("a nonce", nonce, nonceLength),
            shared
          ),
        openInto: (out, box, nonce) =>
          box.length >= boxOverhead &&
          primitives.secretboxOpen(
            expectLength("the room for a message", out, box.length - boxOverhead),
            box,
            expectLength("a nonce", nonce, nonceLength),
            shared
          )
      }
    }
  } satisfies Partial<Crypto["Service"]>
}

/** Fernet tokens. */
const fernetOver = (primitives: Primitives, randomBytes: Crypto["Service"]["randomBytes"]) => {
  // The same two arrays each time, so that primitives can keep what they have made of them; copies, so that nobody writes
  // to them.
  const halves = new WeakMap<Uint8Array, FernetKey>()
  const fernetKey = (key: Redacted.Redacted<Uint8Array>): FernetKey => {
    const secret = expectLength("a Fernet key", Redacted.value(key), keyLength)
    const known = halves.get(secret)
    if (known !== undefined) return known
    const made = { signing: secret.slice(0, 16), encryption: secret.slice(16) }
    halves.set(secret, made)
    return made
  }
  return {
    fernetEncrypt: (key, plaintext, nowMillis, iv = randomBytes(16)) => {
      const secret = fernetKey(key)
      const seconds = Math.floor(nowMillis / 1000)
      if (!Number.isSafeInteger(seconds) || seconds < 0) {
        throw new RangeError(`the time of a Fernet token must be milliseconds since the epoch, and is ${nowMillis}`)
      }
      const body = primitives.aesCbcEncrypt(secret.encryption, expectLength("a Fernet IV", iv, 16), plaintext)
      const token = new Uint8Array(fernetBodyAt + body.length + fernetMacLength)
      const view = new DataView(token.buffer)
      view.setUint8(0, fernetVersion)
      view.setUint32(1, Math.floor(seconds / 2 ** 32))
      view.setUint32(5, seconds % 2 ** 32)
      token.set(iv, fernetIvAt)
      token.set(body, fernetBodyAt)
      const macAt = token.length - fernetMacLength
      token.set(primitives.hmacSha256(secret.signing, token.subarray(0, macAt)), macAt)
      return Base64Url.encode(token)
    },

    fernetDecrypt: (keys, token, nowMillis, ttlSeconds) => {
      const now = Math.floor(nowMillis / 1000)
      if (!Number.isSafeInteger(now)) {
        throw new RangeError(`the time must be milliseconds since the epoch, and is ${nowMillis}`)
      }
      if (!(ttlSeconds >= 0)) throw new RangeError(`a time to live must be 0 s or more, and is ${ttlSeconds}`)
      const secrets = keys.map(fernetKey)

      const bytes = Base64Url.decode(token)
      if (
        bytes === undefined || bytes.length < fernetShortest || bytes[0] !== fernetVersion ||
        (bytes.length - fernetShortest) % 16 !== 0
      ) return refused("Malformed")

      // All keys are tried, whichever fits, so that the time tells nothing about which one that was.
      const macAt = bytes.length - fernetMacLength
      const signed = bytes.subarray(0, macAt)
      const mac = bytes.subarray(macAt)
      let keyIndex = -1
      for (let i = 0; i < secrets.length; i++) {
        const fits = primitives.equal(primitives.hmacSha256(secrets[i]!.signing, signed), mac)
        if (fits && keyIndex === -1) keyIndex = i
      }
      const secret = secrets[keyIndex]
      if (secret === undefined) return refused("Unauthentic")

      // Above 2^53 the number is rounded: then it is in the future, whatever the time to live.
      const timestamp = uint32At(bytes, 1) * 2 ** 32 + uint32At(bytes, 5)
      const age = now - timestamp
      if (!Number.isSafeInteger(timestamp) || -age > ttlSeconds) return refused("Future", age)
      if (age > ttlSeconds) return refused("Expired", age)

      const iv = bytes.subarray(fernetIvAt, fernetBodyAt)
      const plaintext = primitives.aesCbcDecrypt(secret.encryption, iv, bytes.subarray(fernetBodyAt, macAt))
      return plaintext === undefined ? refused("Padding") : Result.succeed({ plaintext, timestamp, keyIndex })
    }
  } satisfies Partial<Crypto["Service"]>
}

/**
 * The service over an implementation's primitives, with random bytes from `Entropy` as it is when this effect runs.
 *
 * Keys and nonces of a wrong length are bugs of the caller and throw; so does a `PublicKey` that did not come out of the
 * `PublicKey` module. Bytes from a peer (boxes, tokens) never throw.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (primitives: Primitives): Effect.Effect<Crypto["Service"]> =>
  Effect.map(Entropy, (fill) => {
    const randomBytes = drawing(fill)
    const boxes = boxesOver(primitives, randomBytes)
    const fernet = fernetOver(primitives, randomBytes)
    return Crypto.of({
      name: primitives.name,
      randomBytes,
      generateKeyPair: boxes.generateKeyPair,
      keyPair: boxes.keyPair,
      sharedKey: boxes.sharedKey,
      seal: boxes.seal,
      open: boxes.open,
      boxer: boxes.boxer,
      fernetEncrypt: fernet.fernetEncrypt,
      fernetDecrypt: fernet.fernetDecrypt,
      signingKey: (secretKey) =>
        primitives.ed25519Key(expectLength("a secret key", Redacted.value(secretKey), keyLength)),
      sign: (secretKey, message) =>
        primitives.ed25519Sign(expectLength("a secret key", Redacted.value(secretKey), keyLength), message),
      verify: (publicKey, message, signature) =>
        Ed25519.isKey(publicKey) && Ed25519.isSignature(signature) &&
        primitives.ed25519Verify(publicKey, message, signature),
      equal: (a, b) => a.length === b.length && primitives.equal(a, b)
    })
  })
