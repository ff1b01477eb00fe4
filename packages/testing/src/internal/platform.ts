/** What every JavaScript platform has and the compiler's ES library does not declare. */

const { TextEncoder } = globalThis as unknown as {
  readonly TextEncoder: new() => { readonly encode: (text: string) => Uint8Array }
}
const encoder = new TextEncoder()

/** UTF-8. */
export const encodeText = (text: string): Uint8Array => encoder.encode(text)
