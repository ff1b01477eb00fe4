/** Bytes, and how they are written. */
export const utf8 = (text: string): Uint8Array => new Uint8Array(new TextEncoder().encode(text))
export const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")
export const ofHex = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, "hex"))
export const base64url = (bytes: Uint8Array): string =>
  Buffer.from(bytes).toString("base64").replaceAll("+", "-").replaceAll("/", "_")
export const concat = (...parts: ReadonlyArray<Uint8Array>): Uint8Array => new Uint8Array(Buffer.concat(parts))
export const range = (from: number, length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => from + i)

export const textOf = (bytes: Uint8Array): string | undefined => {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return undefined
  }
}

/** A number, the most significant byte first. */
export const u32 = (value: number): Uint8Array => Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value)
export const u64 = (value: number): Uint8Array => concat(u32(Math.floor(value / 2 ** 32)), u32(value % 2 ** 32))

/** A text, repeated. */
export interface Part {
  readonly text: string
  readonly times: number
}

/** Bytes as the document has them: one of the three. */
export interface Bytes {
  readonly text?: string
  readonly hex?: string
  readonly parts?: ReadonlyArray<Part>
}
