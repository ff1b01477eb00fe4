/**
 * The web-standard globals that pnet uses, typed here because the package compiles without any platform's types.
 * Node, Bun, Deno and browsers all have them. What only some have is used where it is quicker.
 */
interface Encoder {
  encode(text: string): Uint8Array
  encodeInto(text: string, bytes: Uint8Array): { readonly written: number }
}
interface Decoder {
  decode(bytes: Uint8Array): string
}
/** Bytes of Node's, Bun's and Deno's own class. */
export interface NativeBytes {
  toString(encoding: "base64url" | "latin1", start: number, end: number): string
  write(text: string, offset: number, length: number, encoding: "base64url" | "latin1"): number
}
interface NativeBuffer {
  from(buffer: ArrayBufferLike, byteOffset: number, length: number): NativeBytes
  isEncoding?(encoding: string): boolean
}
interface Globals {
  readonly Buffer?: NativeBuffer
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

/** Writes the UTF-8 bytes of a text, as many of its characters as there is room for; how many bytes they are. */
export const utf8Into = (text: string, bytes: Uint8Array): number => encoder.encodeInto(text, bytes).written

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

/** Views of byte arrays whose base64url is the platform's, or `undefined` where it has none. Reading, it takes nearly anything for base64url. */
export const nativeBytes: ((bytes: Uint8Array) => NativeBytes) | undefined =
  globals.Buffer?.isEncoding?.("base64url") === true
    ? (bytes) => globals.Buffer!.from(bytes.buffer, bytes.byteOffset, bytes.length)
    : undefined
