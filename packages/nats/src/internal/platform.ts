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
