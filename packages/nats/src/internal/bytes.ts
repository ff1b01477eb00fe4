/** Bytes that are put together, and taken apart. */
import { textOf, utf8 } from "./platform.ts"

export const concat = (...parts: ReadonlyArray<Uint8Array>): Uint8Array => {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}

/** A text behind its length in one byte. */
export const label = (text: string): Uint8Array => {
  const bytes = utf8(text)
  return concat(Uint8Array.of(bytes.length), bytes)
}

/** A whole number in eight bytes, the most significant first. */
export const u64 = (value: number): Uint8Array => {
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(Math.floor(value)))
  return bytes
}

/** Takes apart, one after the other, what these have written. */
export class Reader {
  readonly bytes: Uint8Array
  at = 0
  isShort = false

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
  }

  take(length: number): Uint8Array {
    const taken = this.bytes.subarray(this.at, this.at + length)
    this.at += length
    if (taken.length < length) this.isShort = true
    return taken
  }

  u64(): number {
    const bytes = this.take(8)
    return bytes.length < 8 ? 0 : Number(new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0))
  }

  label(): string {
    const text = textOf(this.take(this.take(1)[0] ?? 0))
    if (text === undefined) this.isShort = true
    return text ?? ""
  }

  rest(): Uint8Array {
    return this.bytes.subarray(this.at)
  }
}
