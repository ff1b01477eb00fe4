/** Bytes and texts, as everything here is written and read. */

export type Bytes = Uint8Array

const decoder = new TextDecoder("utf-8", { ignoreBOM: true })

export const utf8 = (text: string): Bytes => new Uint8Array(new TextEncoder().encode(text))
export const textOf = (bytes: Bytes): string => decoder.decode(bytes)

/** Text as UTF-8, bytes as they are. */
export const bytesOf = (value: string | Bytes): Bytes => typeof value === "string" ? utf8(value) : value

export const concat = (...parts: ReadonlyArray<Bytes>): Bytes => {
  const out = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}

/** A number in so many bytes, big-endian. */
export const number = (value: number | bigint, size: number): Bytes => {
  const out = new Uint8Array(size)
  let rest = BigInt(value)
  for (let at = size - 1; at >= 0; at--, rest >>= 8n) out[at] = Number(rest & 0xffn)
  return out
}

export const numberAt = (bytes: Bytes, at: number, size: number): bigint => {
  let value = 0n
  for (let i = 0; i < size; i++) value = value << 8n | BigInt(bytes[at + i] ?? 0)
  return value
}

export const equal = (a: Bytes, b: Bytes): boolean => a.length === b.length && a.every((byte, i) => byte === b[i])

/** One bit of it changed. */
export const flipped = (bytes: Bytes, at: number): Bytes => {
  const out = bytes.slice()
  out[at < 0 ? out.length + at : at]! ^= 1
  return out
}

/** Base64url in its one form. */
export const base64 = (bytes: Bytes): string => {
  const text = Buffer.from(bytes).toString("base64url")
  return text.padEnd(Math.ceil(text.length / 4) * 4, "=")
}

/** The bytes of base64url; `undefined` where it is not in its one form. */
export const unbase64 = (text: string): Bytes | undefined => {
  const bytes = new Uint8Array(Buffer.from(text, "base64url"))
  return base64(bytes) === text ? bytes : undefined
}

/** For people: as text where it is one, and not all of it. */
export const shown = (bytes: Bytes): string => {
  const text = textOf(bytes.subarray(0, 100))
  const readable = /^[\x20-\x7e\n]*$/.test(text)
  const some = readable ? JSON.stringify(text) : Buffer.from(bytes.subarray(0, 32)).toString("hex")
  return `${some}${bytes.length > (readable ? 100 : 32) ? "…" : ""} (${bytes.length} bytes)`
}
