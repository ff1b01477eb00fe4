/**
 * Canonical base64url between byte arrays: `A-Za-z0-9-_`, padded with `=`, unused bits zero, nothing else.
 *
 * Works on bytes rather than strings because packets are assembled and taken apart as bytes. `decode` is strict: there
 * is exactly one text for each byte string, so two equal keys are always equal as text too. Where the platform has base64url of its
 * own, what is long is its work, at a tenth of the cost, though it makes a string of it; what it is lenient with is refused here.
 */

import { asciiOf, nativeBytes, utf8 } from "./platform.ts"

const alphabet = utf8("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
const pad = 0x3d

/** What each character is worth at one of the four places of a group; negative where it is none, and so is then what it is combined with. */
const worthAt = (shift: number): Int32Array => {
  const worth = new Int32Array(256).fill(-1)
  for (let i = 0; i < 64; i++) worth[alphabet[i]!] = i << shift
  return worth
}
const [first, second, third, fourth] = [worthAt(18), worthAt(12), worthAt(6), worthAt(0)]

/** From so many bytes on, or characters, the platform is asked. */
const long = 256

/** The length of the text for `length` bytes. */
export const encodedLength = (length: number): number => Math.ceil(length / 3) * 4

/** Writes the text of `bytes` into `out` at `offset` and returns the offset behind it. */
export const encodeInto = (bytes: Uint8Array, out: Uint8Array, offset: number): number => {
  const whole = bytes.length - bytes.length % 3
  let o = offset
  let i = 0
  if (nativeBytes !== undefined && whole >= long) {
    const text = nativeBytes(bytes).toString("base64url", 0, whole)
    o += nativeBytes(out).write(text, o, text.length, "latin1")
    i = whole
  }
  for (; i < whole; i += 3) {
    const word = bytes[i]! << 16 | bytes[i + 1]! << 8 | bytes[i + 2]!
    out[o] = alphabet[word >> 18]!
    out[o + 1] = alphabet[word >> 12 & 63]!
    out[o + 2] = alphabet[word >> 6 & 63]!
    out[o + 3] = alphabet[word & 63]!
    o += 4
  }
  if (i < bytes.length) {
    const two = i + 1 < bytes.length
    const word = bytes[i]! << 16 | (two ? bytes[i + 1]! << 8 : 0)
    out[o] = alphabet[word >> 18]!
    out[o + 1] = alphabet[word >> 12 & 63]!
    out[o + 2] = two ? alphabet[word >> 6 & 63]! : pad
    out[o + 3] = pad
    o += 4
  }
  return o
}

/** The text of `bytes`, as ASCII. */
export const encode = (bytes: Uint8Array): Uint8Array => {
  const out = new Uint8Array(encodedLength(bytes.length))
  encodeInto(bytes, out, 0)
  return out
}

const paddingOf = (text: Uint8Array): number => {
  const { length } = text
  return length === 0 || text[length - 1] !== pad ? 0 : text[length - 2] !== pad ? 1 : 2
}

/** The bytes of `text`, or `undefined` where it is not the canonical text of any. */
export const decode = (text: Uint8Array): Uint8Array | undefined =>
  decodeTo(new Uint8Array(Math.ceil(text.length / 4) * 3 - paddingOf(text)), text)

/** `decode` whose bytes take the place of the text, which the caller must own. */
export const decodeInPlace = (text: Uint8Array): Uint8Array | undefined => {
  // Of one class, whatever the platform reads into: that is what makes it quick.
  const plain = new Uint8Array(text.buffer, text.byteOffset, text.length)
  return decodeTo(plain, plain)
}

// Each group is read before its bytes are written, which are no further on, so that both may be the same memory.
const decodeTo = (out: Uint8Array, text: Uint8Array): Uint8Array | undefined => {
  const { length } = text
  if (length % 4 !== 0) return undefined
  const padding = paddingOf(text)
  const whole = padding === 0 ? length : length - 4
  let o = 0
  // Of all that were read: negative where one was no character's.
  let all = 0
  let i = 0
  if (nativeBytes !== undefined && whole >= long) {
    const characters = nativeBytes(text).toString("latin1", 0, whole)
    // Those of the other alphabet are taken for this one's, and what is no character is left out.
    if (characters.includes("+") || characters.includes("/")) return undefined
    const length = whole / 4 * 3
    o = nativeBytes(out).write(characters, 0, length, "base64url")
    if (o !== length) return undefined
    i = whole
  }
  for (; i < whole; i += 4) {
    const word = first[text[i]!]! | second[text[i + 1]!]! | third[text[i + 2]!]! | fourth[text[i + 3]!]!
    all |= word
    out[o] = word >> 16
    out[o + 1] = word >> 8
    out[o + 2] = word
    o += 3
  }
  if (all < 0) return undefined
  if (padding > 0) {
    const word = first[text[whole]!]! | second[text[whole + 1]!]! | (padding === 2 ? 0 : third[text[whole + 2]!]!)
    // Of the bits that no byte has any of, all are zero.
    if (word < 0 || (word & (padding === 2 ? 0xffff : 0xff)) !== 0) return undefined
    out[o++] = word >> 16
    if (padding === 1) out[o++] = word >> 8
  }
  return o === out.length ? out : out.subarray(0, o)
}

/** `encode` as a string. */
export const encodeString = (bytes: Uint8Array): string => asciiOf(encode(bytes))

/** `decode` of a string. Keys are decoded often, and short, so it does without the platform's encoder. */
export const decodeString = (text: string): Uint8Array | undefined => {
  const bytes = new Uint8Array(text.length)
  for (let i = 0; i < text.length; i++) bytes[i] = Math.min(0x80, text.charCodeAt(i))
  return decode(bytes)
}
