/**
 * The web-standard globals that this package uses, typed here because it compiles without any platform's types. Node, Bun, Deno and browsers all
 * have them.
 */
interface Globals {
  readonly TextEncoder: new() => { encode(text: string): Uint8Array }
}
const globals = globalThis as unknown as Globals

const encoder = new globals.TextEncoder()

/** The UTF-8 bytes of a text. */
export const utf8 = (text: string): Uint8Array => encoder.encode(text)
