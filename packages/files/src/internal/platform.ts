/**
 * The web-standard globals that this package uses, typed here because it compiles without any platform's types. Node, Bun, Deno and browsers all
 * have them.
 */
interface Globals {
  readonly TextEncoder: new() => { encode(text: string): Uint8Array }
  readonly TextDecoder: new(
    label?: string,
    options?: { readonly fatal?: boolean; readonly ignoreBOM?: boolean }
  ) => { decode(bytes: Uint8Array): string }
  readonly process?: { getBuiltinModule?(name: string): unknown }
}
const globals = globalThis as unknown as Globals

const encoder = new globals.TextEncoder()
const strict = new globals.TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

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

/** A module that the platform has built in; `undefined` where there is none, or no such platform. */
export const builtIn = (name: string): unknown => {
  try {
    return globals.process?.getBuiltinModule?.(name)
  } catch {
    return undefined
  }
}

/** Bytes as small letters and digits, for names of files. */
export const hexOf = (bytes: Uint8Array): string => {
  let text = ""
  for (const byte of bytes) text += (byte < 16 ? "0" : "") + byte.toString(16)
  return text
}

const nodeCrypto = builtIn("node:crypto") as { readonly hash?: (name: string, text: string) => string } | undefined

/** The SHA-256 of a text, as `hexOf` has it: by the platform in one step, where it has that, or by what hashes files. */
export const hexOfHash = (
  text: string,
  make: () => { readonly update: (bytes: Uint8Array) => void; readonly digest: () => Uint8Array }
): string => {
  if (nodeCrypto?.hash !== undefined) return nodeCrypto.hash("sha256", text)
  const hash = make()
  hash.update(utf8(text))
  return hexOf(hash.digest())
}

/** Whether two are the same bytes. */
export const sameBytes = (a: Uint8Array, b: Uint8Array): boolean => {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}
