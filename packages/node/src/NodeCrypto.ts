/**
 * The cryptography on Node: boxes by libsodium (npm `sodium-native`), Fernet by node:crypto. It makes and accepts the same
 * bytes as `PortableCrypto.layer`, many times faster, and is the one to use on Node.
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
  createSecretKey,
  type KeyObject,
  timingSafeEqual
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

const fernetPrimitives: Pick<Crypto.Primitives, "hmacSha256" | "aesCbcEncrypt" | "aesCbcDecrypt" | "equal"> = {
  hmacSha256: (key, data) => createHmac("sha256", keyObject(key)).update(data).digest(),
  aesCbcEncrypt: (key, iv, plaintext) => {
    const cipher = createCipheriv("aes-128-cbc", keyObject(key), iv)
    return join(cipher.update(plaintext), cipher.final())
  },
  aesCbcDecrypt: (key, iv, ciphertext) => {
    const decipher = createDecipheriv("aes-128-cbc", keyObject(key), iv)
    const plaintext = decipher.update(ciphertext)
    try {
      return join(plaintext, decipher.final())
    } catch {
      return undefined
    }
  },
  equal: timingSafeEqual
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
        ...fernetPrimitives,
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
