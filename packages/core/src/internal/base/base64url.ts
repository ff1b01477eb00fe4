/**
 * Canonical base64url between byte arrays: `A-Za-z0-9-_`, padded with `=`, unused bits zero, nothing else.
 *
 * Works on bytes rather than strings because packets are assembled and taken apart as bytes. `decode` is strict: there
 * is exactly one text for each byte string, so two equal keys are always equal as text too.
 */

import { asciiOf, utf8 } from "./platform.ts"

const alphabet = utf8("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
const pad = 0x3d

const sextets = new Uint8Array(256).fill(255)
for (let i = 0; i < 64; i++) sextets[alphabet[i]!] = i

/** The length of the text for `length` bytes. */
export const encodedLength = (length: number): number => Math.ceil(length / 3) * 4

/** Writes the text of `bytes` into `out` at `offset` and returns the offset behind it. */
export const encodeInto = (bytes: Uint8Array, out: Uint8Array, offset: number): number => {
  const whole = bytes.length - bytes.length % 3
  let o = offset
  let i = 0
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

/** The bytes of `text`, or `undefined` where it is not the canonical text of any. */
export const decode = (text: Uint8Array): Uint8Array | undefined => {
  const length = text.length
  if (length % 4 !== 0) return undefined
  if (length === 0) return new Uint8Array(0)
  const padding = text[length - 1] !== pad ? 0 : text[length - 2] !== pad ? 1 : 2
  const out = new Uint8Array(length / 4 * 3 - padding)
  const whole = padding === 0 ? length : length - 4
  let o = 0
  for (let i = 0; i < whole; i += 4) {
    const a = sextets[text[i]!]!
    const b = sextets[text[i + 1]!]!
    const c = sextets[text[i + 2]!]!
    const d = sextets[text[i + 3]!]!
    if ((a | b | c | d) > 63) return undefined
    out[o] = a << 2 | b >> 4
    out[o + 1] = b << 4 | c >> 2
    out[o + 2] = c << 6 | d
    o += 3
  }
  if (padding > 0) {
    const a = sextets[text[whole]!]!
    const b = sextets[text[whole + 1]!]!
    if ((a | b) > 63) return undefined
    out[o] = a << 2 | b >> 4
    if (padding === 2) return (b & 15) === 0 ? out : undefined
    const c = sextets[text[whole + 2]!]!
    if (c > 63 || (c & 3) !== 0) return undefined
    out[o + 1] = b << 4 | c >> 2
  }
  return out
}

/** `encode` as a string. */
export const encodeString = (bytes: Uint8Array): string => asciiOf(encode(bytes))

/** `decode` of a string. Keys are decoded often, and short, so it does without the platform's encoder. */
export const decodeString = (text: string): Uint8Array | undefined => {
  const bytes = new Uint8Array(text.length)
  for (let i = 0; i < text.length; i++) bytes[i] = Math.min(0x80, text.charCodeAt(i))
  return decode(bytes)
}
