/**
 * What Fernet is made of, in JavaScript alone: AES-CBC by `@noble/ciphers`, HMAC-SHA256 by `@noble/hashes`.
 *
 * The AES looks up tables, so unlike node:crypto's it is not free of cache timing.
 */
import { cbc } from "@noble/ciphers/aes.js"
import { hmac } from "@noble/hashes/hmac.js"
import { sha256 } from "@noble/hashes/sha2.js"
import type { Primitives } from "../../Crypto.ts"

export const fernet: Pick<Primitives, "hmacSha256" | "aesCbcEncrypt" | "aesCbcDecrypt" | "equal"> = {
  hmacSha256: (key, data) => hmac(sha256, key, data),
  aesCbcEncrypt: (key, iv, plaintext) => cbc(key, iv).encrypt(plaintext),
  aesCbcDecrypt: (key, iv, ciphertext) => {
    try {
      return cbc(key, iv).decrypt(ciphertext)
    } catch {
      // The padding, which is the only thing that can be wrong with whole blocks.
      return undefined
    }
  },
  // In a time that depends on the length alone.
  equal: (a, b) => {
    let difference = a.length ^ b.length
    for (let i = 0; i < a.length; i++) difference |= (a[i] ?? 0) ^ (b[i] ?? 0)
    return difference === 0
  }
}
