/** Lists of nodes as bytes: the 12 of each, one behind the other. */
import * as Base64Url from "effect/encoding/Base64Url"
import * as Result from "effect/Result"

/** Bytes of each. */
export const length = 12
/** Characters of each, in a subject. */
export const characters = 16

export const encode = (tokens: ReadonlyArray<string>): Uint8Array => {
  const bytes = new Uint8Array(tokens.length * length)
  for (let i = 0; i < tokens.length; i++) bytes.set(Result.getOrThrow(Base64Url.decode(tokens[i]!)), i * length)
  return bytes
}

/** Those of a list, and no more than `most`. What is left over, and no whole one, is left out. */
export const decode = (bytes: Uint8Array, most: number): ReadonlyArray<string> => {
  const tokens: Array<string> = []
  for (let at = 0; at + length <= bytes.length && tokens.length < most; at += length) {
    tokens.push(Base64Url.encode(bytes.subarray(at, at + length)))
  }
  return tokens
}
