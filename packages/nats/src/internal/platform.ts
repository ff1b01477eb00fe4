/**
 * The web-standard globals that this package uses, typed here because it compiles without any platform's types. Node, Bun, Deno and browsers all
 * have them.
 */
interface Globals {
  readonly TextEncoder: new() => { encode(text: string): Uint8Array }
  readonly TextDecoder: new(label?: string, options?: { readonly fatal?: boolean }) => {
    decode(bytes: Uint8Array): string
  }
}
const globals = globalThis as unknown as Globals

const encoder = new globals.TextEncoder()
const strict = new globals.TextDecoder("utf-8", { fatal: true })

/** The UTF-8 bytes of a text. */
export const utf8 = (text: string): Uint8Array => encoder.encode(text)

/** The text of UTF-8 bytes, or `undefined` where they are not well-formed. */
export const textOf = (bytes: Uint8Array): string | undefined => {
  try {
    return strict.decode(bytes)
  } catch {
    return undefined
  }
}

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

/** Bytes as base64url, without padding. */
export const base64url = (bytes: Uint8Array): string => {
  let text = ""
  for (let i = 0; i < bytes.length; i += 3) {
    const group = (bytes[i]! << 16) | ((bytes[i + 1] ?? 0) << 8) | (bytes[i + 2] ?? 0)
    const digits = Math.min(4, bytes.length - i + 1)
    for (let j = 0; j < digits; j++) text += alphabet[(group >> (18 - 6 * j)) & 63]!
  }
  return text
}

/** The bytes of base64url that is well-formed, of whole groups of four. */
export const bytesOf = (text: string): Uint8Array => {
  const bytes = new Uint8Array(text.length / 4 * 3)
  for (let i = 0, at = 0; i < text.length; i += 4) {
    let group = 0
    for (let j = 0; j < 4; j++) group = (group << 6) | alphabet.indexOf(text[i + j]!)
    bytes[at++] = group >> 16
    bytes[at++] = group >> 8
    bytes[at++] = group
  }
  return bytes
}
