/**
 * The web-standard globals that pnet uses, typed here because the package compiles without any platform's types.
 * Node, Bun, Deno and browsers all have them.
 */
interface Encoder {
  encode(text: string): Uint8Array
}
interface Decoder {
  decode(bytes: Uint8Array): string
}
interface Globals {
  readonly TextEncoder: new() => Encoder
  readonly TextDecoder: new(
    label?: string,
    options?: { readonly fatal?: boolean; readonly ignoreBOM?: boolean }
  ) => Decoder
  readonly crypto: { getRandomValues(bytes: Uint8Array): Uint8Array }
  readonly AbortController: new() => Aborting
}
const globals = globalThis as unknown as Globals

declare global {
  /** The platform's own, which has more. */
  interface AbortSignal {
    readonly aborted: boolean
  }
}

/** An AbortController. */
export interface Aborting {
  readonly signal: AbortSignal
  abort(): void
}

export const aborting = (): Aborting => new globals.AbortController()

const encoder = new globals.TextEncoder()
const lenient = new globals.TextDecoder("utf-8", { ignoreBOM: true })
const strict = new globals.TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
const latin1 = new globals.TextDecoder("latin1")

/** The UTF-8 bytes of a text. */
export const utf8 = (text: string): Uint8Array => encoder.encode(text)

/** The text of UTF-8 bytes; malformed sequences become U+FFFD. */
export const textOf = (bytes: Uint8Array): string => lenient.decode(bytes)

/** The text of UTF-8 bytes, or `undefined` where they are not well-formed. */
export const strictTextOf = (bytes: Uint8Array): string | undefined => {
  try {
    return strict.decode(bytes)
  } catch {
    return undefined
  }
}

/** The text of ASCII bytes. */
export const asciiOf = (bytes: Uint8Array): string => latin1.decode(bytes)

/** Fills the bytes from the platform's secure generator, which hands out at most 65,536 a call. */
export const fillRandom = (bytes: Uint8Array): void => {
  for (let offset = 0; offset < bytes.length; offset += 65_536) {
    globals.crypto.getRandomValues(bytes.subarray(offset, offset + 65_536))
  }
}
