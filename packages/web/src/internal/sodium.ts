/**
 * The box half of the primitives by libsodium, compiled to WebAssembly. What it works on is copied to its memory and back, which costs less than what it
 * saves from a few bytes on.
 */
import type { PortableBox } from "@pnet/core/PortableCrypto"
// @ts-expect-error: it comes without types
import factory from "libsodium"

/** What is used of it. Lengths are two numbers, of which the second is for what is longer than 4 GiB. */
interface Sodium {
  /** Its memory: another array when it has grown. */
  readonly HEAPU8: Uint8Array
  _sodium_init(): number
  _malloc(size: number): number
  _free(at: number): void
  _crypto_scalarmult_base(out: number, secretKey: number): number
  _crypto_box_beforenm(out: number, publicKey: number, secretKey: number): number
  _crypto_secretbox_detached(
    out: number,
    mac: number,
    message: number,
    length: number,
    more: 0,
    nonce: number,
    key: number
  ): number
  _crypto_secretbox_open_detached(
    out: number,
    box: number,
    mac: number,
    length: number,
    more: 0,
    nonce: number,
    key: number
  ): number
}

interface Platform {
  readonly crypto: { getRandomValues(numbers: Uint32Array): Uint32Array }
}

const macLength = 16

/** Loads and starts it. Fails where a page may not compile WebAssembly. */
export const load = (): Promise<Pick<PortableBox, "scalarMultBase" | "boxBefore" | "secretbox" | "secretboxOpen">> => {
  const { crypto } = globalThis as unknown as Platform
  const make = factory as (options: object) => Promise<Sodium>
  return make({ getRandomValue: () => crypto.getRandomValues(new Uint32Array(1))[0] }).then((sodium) => {
    if (sodium._sodium_init() < 0) throw new Error("libsodium did not start")
    const [mac, nonceAt, keyAt, other, result] = [16, 24, 32, 32, 32].map((size) => sodium._malloc(size)) as [
      number,
      number,
      number,
      number,
      number
    ]
    let room = 131_072
    let at = sodium._malloc(room)
    /** Keys are the same arrays each time. */
    let last: Uint8Array | undefined

    const prepare = (bytes: Uint8Array, nonce: Uint8Array, key: Uint8Array) => {
      if (bytes.length > room) {
        sodium._free(at)
        room = bytes.length
        at = sodium._malloc(room)
      }
      const { HEAPU8 } = sodium
      HEAPU8.set(bytes, at)
      HEAPU8.set(nonce, nonceAt)
      if (last !== key) {
        HEAPU8.set(key, keyAt)
        last = key
      }
    }

    /** What came of a product of keys, of which nothing stays behind. */
    const product = (multiply: () => number): Uint8Array => {
      multiply()
      const { HEAPU8 } = sodium
      const out = HEAPU8.slice(result, result + 32)
      HEAPU8.fill(0, result, result + 32)
      HEAPU8.fill(0, keyAt, keyAt + 32)
      last = undefined
      return out
    }

    return {
      scalarMultBase: (secretKey) => {
        sodium.HEAPU8.set(secretKey, keyAt)
        return product(() => sodium._crypto_scalarmult_base(result, keyAt))
      },
      boxBefore: (publicKey, secretKey) => {
        sodium.HEAPU8.set(secretKey, keyAt)
        sodium.HEAPU8.set(publicKey, other)
        return product(() => sodium._crypto_box_beforenm(result, other, keyAt))
      },
      secretbox: (out, message, nonce, key) => {
        const { length } = message
        prepare(message, nonce, key)
        sodium._crypto_secretbox_detached(at, mac, at, length, 0, nonceAt, keyAt)
        const { HEAPU8 } = sodium
        out.set(HEAPU8.subarray(mac, mac + macLength))
        out.set(HEAPU8.subarray(at, at + length), macLength)
      },
      secretboxOpen: (out, box, nonce, key) => {
        const length = box.length - macLength
        prepare(box, nonce, key)
        const text = at + macLength
        if (sodium._crypto_secretbox_open_detached(text, text, at, length, 0, nonceAt, keyAt) !== 0) return false
        const { HEAPU8 } = sodium
        out.set(HEAPU8.subarray(text, text + length))
        HEAPU8.fill(0, text, text + length)
        return true
      }
    }
  })
}
