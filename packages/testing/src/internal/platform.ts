/** The web-standard globals that this package uses, typed here because it compiles without any platform's types. */

const { TextDecoder, TextEncoder } = globalThis as unknown as {
  readonly TextEncoder: new() => { readonly encode: (text: string) => Uint8Array }
  readonly TextDecoder: new() => { readonly decode: (bytes: Uint8Array) => string }
}
const encoder = new TextEncoder()
const decoder = new TextDecoder()

/** The UTF-8 bytes of a text. */
export const encodeText = (text: string): Uint8Array => encoder.encode(text)

/** The text of UTF-8 bytes. */
export const decodeText = (bytes: Uint8Array): string => decoder.decode(bytes)
