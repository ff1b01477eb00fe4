// For those who compile these sources from another project: the package has no types of its own.
// oxlint-disable-next-line typescript/triple-slash-reference
/// <reference path="./fernet.d.ts" />
/**
 * The primitives in JavaScript alone, from npm `tweetnacl` and npm `fernet`.
 *
 * `fernet` speaks strings, adds `lpad` to `String.prototype`, calls the deprecated `new Buffer` and compares MACs in
 * variable time. All of that stays in here: only its `createHmac`, `encryptMessage` and `decryptMessage` are called, with
 * CryptoJS word arrays made from bytes (none of the three needs `lpad` or `Buffer`), what it added to `String.prototype`
 * is taken away as soon as it has loaded, and nothing is compared by it. It loads when `fernetPrimitives` is first called.
 *
 * CryptoJS's AES looks up tables, so unlike node:crypto's it is not free of cache timing.
 */
import type { Fernet, WordArray } from "fernet"
import nacl from "tweetnacl"
import type { PortableBox, Primitives } from "../Crypto.ts"

// ---------------------------------------------------------------------------------------------------------------------
// tweetnacl
// ---------------------------------------------------------------------------------------------------------------------

/** What tweetnacl's types leave out. Both secretboxes work in place, on buffers of which the first 32 bytes are zero. */
interface LowLevel {
  crypto_core_hsalsa20(out: Uint8Array, input: Uint8Array, key: Uint8Array, constant: Uint8Array): number
  crypto_secretbox(c: Uint8Array, m: Uint8Array, length: number, nonce: Uint8Array, key: Uint8Array): number
  crypto_secretbox_open(m: Uint8Array, c: Uint8Array, length: number, nonce: Uint8Array, key: Uint8Array): number
}
const lowLevel = (nacl as unknown as { readonly lowlevel: LowLevel }).lowlevel

const sigma = Uint8Array.from("expand 32-byte k", (character) => character.charCodeAt(0))
const zeros = new Uint8Array(16)
const prefix = 32
const overhead = 16

// Records are at most 128 KiB on the wire; longer messages get a buffer of their own.
let scratch = new Uint8Array(4_096)
const scratchLimit = 131_072 + prefix
const scratchOf = (length: number): Uint8Array => {
  if (length > scratchLimit) return new Uint8Array(length)
  if (length > scratch.length) scratch = new Uint8Array(Math.min(length * 2, scratchLimit))
  return scratch.subarray(0, length)
}

/** The box half, from tweetnacl. */
export const box: PortableBox = {
  name: "tweetnacl",
  scalarMultBase: (secretKey) => nacl.scalarMult.base(secretKey),
  boxBefore: (publicKey, secretKey) => nacl.box.before(publicKey, secretKey),
  boxKey: (product) => {
    const key = new Uint8Array(32)
    lowLevel.crypto_core_hsalsa20(key, zeros, product, sigma)
    return key
  },
  secretbox: (out, message, nonce, key) => {
    const buffer = scratchOf(prefix + message.length)
    buffer.fill(0, 0, prefix)
    buffer.set(message, prefix)
    lowLevel.crypto_secretbox(buffer, buffer, buffer.length, nonce, key)
    out.set(buffer.subarray(prefix - overhead))
  },
  secretboxOpen: (out, box, nonce, key) => {
    const buffer = scratchOf(prefix - overhead + box.length)
    buffer.fill(0, 0, prefix - overhead)
    buffer.set(box, prefix - overhead)
    if (lowLevel.crypto_secretbox_open(buffer, buffer, buffer.length, nonce, key) !== 0) return false
    out.set(buffer.subarray(prefix))
    buffer.fill(0)
    return true
  }
}

/** Compares in a time that depends on the length alone. */
export const equal = (a: Uint8Array, b: Uint8Array): boolean => {
  let difference = a.length ^ b.length
  for (let i = 0; i < a.length; i++) difference |= (a[i] ?? 0) ^ (b[i] ?? 0)
  return difference === 0
}

// ---------------------------------------------------------------------------------------------------------------------
// fernet
// ---------------------------------------------------------------------------------------------------------------------

let loading: Promise<Fernet> | undefined

/** Loads `fernet` once, and leaves `String.prototype` as it was before. */
const loadFernet = (): Promise<Fernet> => {
  if (loading === undefined) {
    const before = Object.getOwnPropertyDescriptor(String.prototype, "lpad")
    loading = import("fernet").then((module) => {
      if (before === undefined) Reflect.deleteProperty(String.prototype, "lpad")
      else Object.defineProperty(String.prototype, "lpad", before)
      return module.default
    })
  }
  return loading
}

/** The length of the plaintext in whole blocks, or `undefined` where their padding is not PKCS #7. */
const unpaddedLength = (blocks: Uint8Array): number | undefined => {
  const count = blocks[blocks.length - 1] ?? 0
  if (count < 1 || count > 16 || count > blocks.length) return undefined
  for (let i = blocks.length - count; i < blocks.length; i++) {
    if (blocks[i] !== count) return undefined
  }
  return blocks.length - count
}

const fernetPrimitivesOf = (fernet: Fernet): Pick<Primitives, "hmacSha256" | "aesCbcEncrypt" | "aesCbcDecrypt"> => {
  const empty = fernet.Hex.parse("")
  const prototype: { toString: WordArray["toString"] } = Object.getPrototypeOf(empty)
  const withoutVersion = { versionHex: "" }

  const toWords = (bytes: Uint8Array): WordArray => {
    const words: Array<number> = []
    for (let i = 0; i < bytes.length; i += 4) {
      words.push(bytes[i]! << 24 | (bytes[i + 1] ?? 0) << 16 | (bytes[i + 2] ?? 0) << 8 | (bytes[i + 3] ?? 0))
    }
    return new empty.init(words, bytes.length)
  }

  const toBytes = ({ words }: WordArray, length: number): Uint8Array => {
    const bytes = new Uint8Array(length)
    for (let i = 0; i < length; i++) bytes[i] = words[i >> 2]! >>> (24 - (i & 3) * 8)
    return bytes
  }

  /**
   * `decryptMessage` ends in `toString(Utf8)`, which fails on bytes that are not text. For the length of this synchronous
   * call `toString` keeps the words instead. They still hold the padding, which CryptoJS cuts off without a look.
   */
  const decryptBlocks = (ciphertext: WordArray, key: WordArray, iv: WordArray): WordArray => {
    const original = prototype.toString
    let blocks = empty
    const keep = (words: WordArray): string => {
      blocks = words
      return ""
    }
    prototype.toString = function(this: WordArray) {
      return keep(this)
    }
    try {
      fernet.decryptMessage(ciphertext, key, iv)
    } finally {
      prototype.toString = original
    }
    return blocks
  }

  return {
    hmacSha256: (key, data) =>
      toBytes(fernet.createHmac.call(withoutVersion, toWords(key), toWords(data), empty, empty), 32),
    aesCbcEncrypt: (key, iv, plaintext) =>
      toBytes(
        fernet.encryptMessage(toWords(plaintext), toWords(key), toWords(iv)),
        plaintext.length - plaintext.length % 16 + 16
      ),
    aesCbcDecrypt: (key, iv, ciphertext) => {
      const blocks = toBytes(decryptBlocks(toWords(ciphertext), toWords(key), toWords(iv)), ciphertext.length)
      const length = unpaddedLength(blocks)
      return length === undefined ? undefined : blocks.subarray(0, length)
    }
  }
}

/** All primitives; loads `fernet`. */
export const load = (): Promise<Primitives> =>
  loadFernet().then((fernet) => ({ ...box, ...fernetPrimitivesOf(fernet), name: "portable", equal }))
