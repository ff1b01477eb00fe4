/**
 * The cryptography in JavaScript alone, which runs everywhere, browsers too.
 *
 * What bites: it is many times slower than `NodeCrypto.layer` of `@pnet/node`, which is the one to use on Node.
 *
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Crypto, make, type Primitives } from "./Crypto.ts"

/**
 * The box half of the portable primitives, which an implementation can use for what its own library lacks or where that
 * library does not load.
 *
 * @category models
 * @since 0.2.0
 */
export interface PortableBox
  extends Pick<Primitives, "name" | "scalarMultBase" | "boxBefore" | "secretbox" | "secretboxOpen">
{
  /**
   * What turns an X25519 product into a box key, for libraries that have `crypto_scalarmult` and no `crypto_box_beforenm`:
   * HSalsa20 of a zero block under the 32-byte product.
   */
  readonly boxKey: (product: Uint8Array) => Uint8Array
}

const portable = Effect.promise(() => import("./internal/crypto/portableCrypto.ts"))

/**
 * The box half of the portable primitives, by npm `@stablelib/nacl`. Loads no Fernet.
 *
 * @category constructors
 * @since 0.2.0
 */
export const box: Effect.Effect<PortableBox> = Effect.map(portable, (module) => module.box)

/**
 * All of the portable primitives, for an implementation that has others for some of them. They load when this is run.
 *
 * @category constructors
 * @since 0.2.0
 */
export const primitives: Effect.Effect<Primitives> = Effect.gen(function*() {
  const boxes = yield* box
  const { fernet } = yield* Effect.promise(() => import("./internal/crypto/portableFernet.ts"))
  const { ed25519 } = yield* Effect.promise(() => import("./internal/crypto/portableEd25519.ts"))
  return { ...boxes, ...fernet, ...ed25519, name: "portable" }
})

/**
 * The cryptography in JavaScript alone, by npm `@stablelib/nacl`, `@stablelib/ed25519`, `@noble/ciphers` and `@noble/hashes`: runs everywhere, and many
 * times slower than `NodeCrypto.layer`. They load when the layer is built.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer: Layer.Layer<Crypto> = Layer.effect(Crypto, Effect.flatMap(primitives, make))
