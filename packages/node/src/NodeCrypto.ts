/**
 * The cryptography on Node: boxes by libsodium (npm `sodium-native`), Fernet and signatures by node:crypto. It makes and accepts the same bytes as `PortableCrypto.layer`, many times faster, and is the one to use on Node.
 *
 * `sodium-native` is a compiled addon, which may not load (another platform, `--no-addons`, a broken install). Each of its
 * functions that pnet needs is tried once when the layer is built; what is missing, throws, or computes something wrong is
 * taken from `@stablelib/nacl` instead, in JavaScript, and **one warning is logged** that says so. Nothing else changes but the speed.
 *
 * Bundlers leave the addon out, and the bundle loads it from where it lies, so install `sodium-native` beside it.
 *
 * @since 0.1.0
 */
import * as Crypto from "@pnet/core/Crypto"
import * as PortableCrypto from "@pnet/core/PortableCrypto"
import * as Why from "@pnet/core/Why"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  type Decipheriv,
  hash,
  type KeyObject,
  sign,
  timingSafeEqual,
  verify
} from "node:crypto"
import { createRequire } from "node:module"

/**
 * What pnet calls of `sodium-native`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Sodium {
  readonly crypto_scalarmult_base: (product: Uint8Array, secretKey: Uint8Array) => void
  readonly crypto_scalarmult: (product: Uint8Array, secretKey: Uint8Array, publicKey: Uint8Array) => void
  readonly crypto_secretbox_easy: (out: Uint8Array, message: Uint8Array, nonce: Uint8Array, key: Uint8Array) => void
  readonly crypto_secretbox_open_easy: (
    out: Uint8Array,
    box: Uint8Array,
    nonce: Uint8Array,
    key: Uint8Array
  ) => boolean
}

/**
 * Options of `layerWith`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /**
   * Loads `sodium-native`; called once when the layer is built, and may throw. By default `require("sodium-native")`; a
   * test gives one that fails, and a program that must not load addons gives one that throws.
   */
  readonly loadSodium?: (() => Partial<Sodium>) | undefined
}

type BoxPrimitive = "scalarMultBase" | "boxBefore" | "secretbox" | "secretboxOpen"

const hex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "hex"))

// NaCl's own example: Alice's key pair, Bob's public key, and the box key between them.
const aliceSecret = hex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a")
const alicePublic = hex("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a")
const bobPublic = hex("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f")
const firstKey = hex("1b27556473e985d462cd51197a9a46c76009549eac6474f206c4ee0844f68389")

const same = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && timingSafeEqual(a, b)

const describe = (cause: unknown): string => cause instanceof Error ? cause.message.split("\n", 1)[0]! : String(cause)

/** The box primitives over libsodium, as far as they work, and why the others do not. */
const boxPrimitives = (
  sodium: Sodium,
  portable: PortableCrypto.PortableBox
): { readonly working: Partial<Pick<Crypto.Primitives, BoxPrimitive>>; readonly failed: ReadonlyArray<string> } => {
  const scalarMultBase = (secretKey: Uint8Array): Uint8Array => {
    const product = new Uint8Array(32)
    sodium.crypto_scalarmult_base(product, secretKey)
    return product
  }
  // libsodium has crypto_box_beforenm, the addon does not: the product is libsodium's, the hash over it JavaScript's.
  const productKey = (publicKey: Uint8Array, secretKey: Uint8Array): Uint8Array => {
    const out = new Uint8Array(32)
    sodium.crypto_scalarmult(out, secretKey, publicKey)
    const key = portable.boxKey(out)
    out.fill(0)
    return key
  }
  const boxBefore = (publicKey: Uint8Array, secretKey: Uint8Array): Uint8Array => {
    try {
      return productKey(publicKey, secretKey)
    } catch {
      // libsodium refuses low order, which `PublicKey` has excluded: primitives are total all the same.
      return portable.boxBefore(publicKey, secretKey)
    }
  }
  const secretbox: Crypto.Primitives["secretbox"] = (out, message, nonce, key) =>
    sodium.crypto_secretbox_easy(out, message, nonce, key)
  const secretboxOpen: Crypto.Primitives["secretboxOpen"] = (out, box, nonce, key) =>
    sodium.crypto_secretbox_open_easy(out, box, nonce, key)

  const message = Uint8Array.of(1, 2, 3)
  const nonce = new Uint8Array(Crypto.nonceLength)
  const box = new Uint8Array(message.length + Crypto.boxOverhead)
  portable.secretbox(box, message, nonce, firstKey)

  const working: { -readonly [K in BoxPrimitive]?: Crypto.Primitives[K] } = {}
  const failed: Array<string> = []
  const tryOut = <K extends BoxPrimitive>(
    name: K,
    native: Crypto.Primitives[K],
    functionName: keyof Sodium,
    works: () => boolean
  ) => {
    try {
      if (works()) working[name] = native
      else failed.push(`${functionName}: computed a wrong result`)
    } catch (cause) {
      failed.push(`${functionName}: ${describe(cause)}`)
    }
  }
  tryOut(
    "scalarMultBase",
    scalarMultBase,
    "crypto_scalarmult_base",
    () => same(scalarMultBase(aliceSecret), alicePublic)
  )
  tryOut(
    "boxBefore",
    boxBefore,
    "crypto_scalarmult",
    () => same(productKey(bobPublic, aliceSecret), firstKey)
  )
  tryOut("secretbox", secretbox, "crypto_secretbox_easy", () => {
    const out = new Uint8Array(box.length)
    secretbox(out, message, nonce, firstKey)
    return same(out, box)
  })
  tryOut("secretboxOpen", secretboxOpen, "crypto_secretbox_open_easy", () => {
    const out = new Uint8Array(message.length)
    const tampered = box.slice()
    tampered[0]! ^= 1
    return secretboxOpen(out, box, nonce, firstKey) && same(out, message) &&
      !secretboxOpen(out, tampered, nonce, firstKey)
  })
  return { working, failed }
}

const join = (first: Uint8Array, second: Uint8Array): Uint8Array => {
  const out = new Uint8Array(first.length + second.length)
  out.set(first)
  out.set(second, first.length)
  return out
}

// Given bytes, node:crypto imports the key anew for each call, which takes several times as long as the call's own work.
const keyObjects = new WeakMap<Uint8Array, KeyObject>()
const keyObject = (key: Uint8Array): KeyObject => {
  const known = keyObjects.get(key)
  if (known !== undefined) return known
  const made = createSecretKey(key)
  keyObjects.set(key, made)
  return made
}

const hmacSha256: Crypto.Primitives["hmacSha256"] = (key, data) =>
  createHmac("sha256", keyObject(key)).update(data).digest()

// SHA-256's, which is also that of the HMAC.
const blockLength = 64
// What is longer costs more to hash than to make an object for.
const longest = 1_024

/** A key's two pads, each with room behind it for what is hashed under it. */
interface Padded {
  readonly inner: Uint8Array
  readonly outer: Uint8Array
  /** Behind the outer pad. */
  readonly digest: Uint8Array
}

const padded = (key: Uint8Array): Padded => {
  const inner = new Uint8Array(blockLength + longest)
  const outer = new Uint8Array(blockLength + 32)
  for (let i = 0; i < blockLength; i++) {
    inner[i] = 0x36 ^ (key[i] ?? 0)
    outer[i] = 0x5c ^ (key[i] ?? 0)
  }
  return { inner, outer, digest: outer.subarray(blockLength) }
}

/** SHA-256 in one call. The digest is a text of one character a byte: as bytes it costs three times as much. */
const sha256 = (out: Uint8Array, message: Uint8Array): void => {
  const digest = hash("sha256", message, "binary")
  for (let i = 0; i < out.length; i++) out[i] = digest.charCodeAt(i)
}

/**
 * HMAC-SHA256 without an object. Such an object is most of what the HMAC of a token in a datagram costs, once to make and once
 * to collect.
 */
const hmacAtOnce = (): Crypto.Primitives["hmacSha256"] => {
  const keys = new WeakMap<Uint8Array, Padded>()
  return (key, data) => {
    if (data.length > longest || key.length > blockLength) return hmacSha256(key, data)
    let pads = keys.get(key)
    if (pads === undefined) {
      pads = padded(key)
      keys.set(key, pads)
    }
    const { digest, inner, outer } = pads
    inner.set(data, blockLength)
    sha256(digest, inner.subarray(0, blockLength + data.length))
    const mac = new Uint8Array(32)
    sha256(mac, outer)
    return mac
  }
}

// The second test case of RFC 4231.
const hmacKey = Buffer.from("Jefe")
const hmacData = Buffer.from("what do ya want for nothing?")
const hmacExpected = hex("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")

/** That, where the platform hashes in one call as Node does. */
const hmacHere = (): Crypto.Primitives["hmacSha256"] => {
  const hmac = hmacAtOnce()
  try {
    return same(hmac(hmacKey, hmacData), hmacExpected) ? hmac : hmacSha256
  } catch {
    return hmacSha256
  }
}

const aesCbcDecrypt: Crypto.Primitives["aesCbcDecrypt"] = (key, iv, ciphertext) => {
  const decipher = createDecipheriv("aes-128-cbc", keyObject(key), iv)
  const plaintext = decipher.update(ciphertext)
  try {
    return join(plaintext, decipher.final())
  } catch {
    return undefined
  }
}

const aesBlock = 16
const noIv = new Uint8Array(aesBlock)

/** What stands before the padding of PKCS #7. */
const unpadded = (padded: Uint8Array, start: number): Uint8Array | undefined => {
  const end = padded.length
  const padding = padded[end - 1]!
  if (padding < 1 || padding > aesBlock || padding > end - start) return undefined
  for (let i = end - padding; i < end; i++) if (padded[i] !== padding) return undefined
  return new Uint8Array(padded.buffer, padded.byteOffset + start, end - padding - start)
}

/** What two arrays hold, one behind the other; itself where they stand so already, as in a token. */
const adjoining = (first: Uint8Array, second: Uint8Array): Uint8Array =>
  first.buffer === second.buffer && first.byteOffset + first.length === second.byteOffset
    ? new Uint8Array(first.buffer, first.byteOffset, first.length + second.length)
    : join(first, second)

/**
 * AES-CBC with one decipher a key, for good, in place of one a token. All that CBC keeps of what was decrypted before is the last block of it, which
 * the next is to be combined with. So what is given to it begins with the IV: what becomes of that is thrown away, and it is the last block for the
 * first of the ciphertext.
 */
const lastingDecrypt = (): Crypto.Primitives["aesCbcDecrypt"] => {
  const deciphers = new WeakMap<Uint8Array, Decipheriv>()
  return (key, iv, ciphertext) => {
    let decipher = deciphers.get(key)
    if (decipher === undefined) {
      decipher = createDecipheriv("aes-128-cbc", keyObject(key), noIv).setAutoPadding(false)
      deciphers.set(key, decipher)
    }
    return unpadded(decipher.update(adjoining(iv, ciphertext)), aesBlock)
  }
}

/** That, where the platform's decipher gives each block at once when it is not asked to mind the padding, as Node's does. */
const decryptHere = (): Crypto.Primitives["aesCbcDecrypt"] => {
  const decrypt = lastingDecrypt()
  const [key, message] = [firstKey.slice(0, 16), firstKey.slice(16)]
  const works = (iv: Uint8Array) => {
    const opened = decrypt(key, iv, aesCbcEncrypt(key, iv, message))
    return opened !== undefined && same(opened, message)
  }
  try {
    return works(bobPublic.subarray(0, 16)) && works(bobPublic.subarray(16)) ? decrypt : aesCbcDecrypt
  } catch {
    return aesCbcDecrypt
  }
}

const aesCbcEncrypt: Crypto.Primitives["aesCbcEncrypt"] = (key, iv, plaintext) => {
  const cipher = createCipheriv("aes-128-cbc", keyObject(key), iv)
  return join(cipher.update(plaintext), cipher.final())
}

// What RFC 8410 has around the 32 bytes of an Ed25519 key.
const privateHead = hex("302e020100300506032b657004220420")
const publicHead = hex("302a300506032b6570032100")

const privateKey = (secretKey: Uint8Array): KeyObject => {
  const der = Buffer.concat([privateHead, secretKey])
  const key = createPrivateKey({ key: der, format: "der", type: "pkcs8" })
  der.fill(0)
  return key
}

const signingPrimitives: Pick<Crypto.Primitives, "ed25519Key" | "ed25519Sign" | "ed25519Verify"> = {
  ed25519Key: (secretKey) =>
    new Uint8Array(
      createPublicKey(privateKey(secretKey)).export({ format: "der", type: "spki" }).subarray(publicHead.length)
    ),
  ed25519Sign: (secretKey, message) => new Uint8Array(sign(null, message, privateKey(secretKey))),
  ed25519Verify: (publicKey, message, signature) => {
    try {
      const key = createPublicKey({ key: Buffer.concat([publicHead, publicKey]), format: "der", type: "spki" })
      return verify(null, message, key, signature)
    } catch {
      // What is no point is no key, which some versions of OpenSSL say by throwing.
      return false
    }
  }
}

// A bundle in CommonJS knows itself by `__filename`, and has nothing in `import.meta`.
const here = typeof __filename === "string" ? __filename : import.meta.url

const requireSodium = (): Partial<Sodium> => createRequire(here)("sodium-native")

/**
 * `layer` with options.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerWith = (options: Options): Layer.Layer<Crypto.Crypto> =>
  Layer.effect(
    Crypto.Crypto,
    Effect.gen(function*() {
      const portable = yield* PortableCrypto.box
      const loaded = yield* Effect.result(Effect.try({
        try: options.loadSodium ?? requireSodium,
        catch: describe
      }))
      const { failed, working } = Result.isFailure(loaded)
        ? { working: {}, failed: [`loading it: ${loaded.failure}`] }
        : boxPrimitives(loaded.success as Sodium, portable)
      const none = Object.keys(working).length === 0
      if (failed.length > 0) {
        yield* Effect.logWarning(
          Why.see(
            `sodium-native failed (${failed.join("; ")}), so ${none ? "boxes are" : "what failed is"} computed ` +
              "in JavaScript: the same bytes, many times slower. Reinstall sodium-native for this platform to be fast again",
            "slow-crypto"
          )
        )
      }
      const boxes = failed.length === 0 ? "sodium-native" : none ? portable.name : `sodium-native + ${portable.name}`
      return yield* Crypto.make({
        scalarMultBase: portable.scalarMultBase,
        boxBefore: portable.boxBefore,
        secretbox: portable.secretbox,
        secretboxOpen: portable.secretboxOpen,
        ...working,
        hmacSha256: hmacHere(),
        aesCbcEncrypt,
        aesCbcDecrypt: decryptHere(),
        equal: timingSafeEqual,
        ...signingPrimitives,
        name: `${boxes} + node:crypto`
      })
    })
  )

/**
 * The cryptography on Node, by `sodium-native` and node:crypto. The addon loads when the layer is built; where it cannot,
 * `@stablelib/nacl` takes its place and a warning is logged.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Crypto.Crypto> = layerWith({})
