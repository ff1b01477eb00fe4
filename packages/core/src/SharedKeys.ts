/**
 * A bounded cache of the precomputed keys between one's own secret and the public keys of peers.
 *
 * `Crypto.sharedKey` costs a scalar multiplication, many times the price of the box it is for; so whoever exchanges more
 * than one box with a peer keeps the key here. The least recently used key leaves when the cache is full, so that peers
 * cannot make it grow by inventing keys, and a key that left is computed again when it is asked for.
 *
 * ```ts
 * const keys = SharedKeys.make(crypto, keyPair, { capacity: 256 })
 * const box = crypto.seal(keys.get(peer), nonce, message)
 * ```
 *
 * @since 0.1.0
 */
import type { Crypto, KeyPair, SharedKey } from "./Crypto.ts"
import type { PublicKey } from "./PublicKey.ts"

/**
 * Shared keys by peer, for one secret.
 *
 * @category models
 * @since 0.1.0
 */
export interface SharedKeys {
  /** The key shared with a peer, computed if it is not held. Throws where `Crypto.sharedKey` would. */
  readonly get: (publicKey: PublicKey) => SharedKey
  /** How many keys are held: at most the capacity. */
  readonly size: number
}

/**
 * How many keys are held by default: 1,024.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultCapacity = 1_024

/**
 * An empty cache for the secret of `keyPair`. `capacity` is a positive integer, by default 1,024; anything else is a bug
 * and throws.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (
  crypto: Crypto["Service"],
  keyPair: KeyPair,
  options?: { readonly capacity?: number | undefined }
): SharedKeys => {
  const capacity = options?.capacity ?? defaultCapacity
  if (!Number.isInteger(capacity) || capacity < 1) {
    throw new RangeError(`the capacity of SharedKeys must be a positive integer, and is ${capacity}`)
  }
  // A Map iterates in the order of insertion, so its first key is the least recently used one.
  const keys = new Map<PublicKey, SharedKey>()
  return {
    get: (publicKey) => {
      const held = keys.get(publicKey)
      if (held !== undefined) keys.delete(publicKey)
      const key = held ?? crypto.sharedKey(publicKey, keyPair.secretKey)
      keys.set(publicKey, key)
      if (keys.size > capacity) {
        for (const oldest of keys.keys()) {
          keys.delete(oldest)
          break
        }
      }
      return key
    },
    get size() {
      return keys.size
    }
  }
}
