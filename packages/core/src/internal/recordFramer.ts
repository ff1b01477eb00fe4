/**
 * Cuts binary records out of a byte stream (protocol section 4.1): `u32 length`, big-endian, and as many bytes. Resumable at any
 * byte; holds at most the record it is in the middle of.
 *
 * Records are the caller's to overwrite: views into the pushed chunk where they are whole in it, else copies.
 */
import { maxStreamLength } from "../Packet.ts"

const empty: Uint8Array = new Uint8Array(0)
const header = 4

export class RecordFramer {
  /** A length of zero, or over the limit: nothing more comes. */
  malformed = false
  #chunk = empty
  #offset = 0
  // A record, or its length, of which only a part has come.
  #partial = empty
  #have = 0

  /** Bytes of a record that has begun and is not whole. */
  get pending(): number {
    return this.#have + this.#chunk.length - this.#offset
  }

  /** Takes the next bytes of the stream. Every record of the bytes before must have been taken. */
  push(chunk: Uint8Array): void {
    this.#chunk = chunk
    this.#offset = 0
  }

  /** The next whole record without its length, or `undefined` until more bytes are pushed. */
  next(): Uint8Array | undefined {
    if (this.malformed) return undefined
    if (this.#have > 0) return this.#resume()
    const left = this.#chunk.length - this.#offset
    if (left < header) return this.#keep(header)
    const length = this.#lengthAt(this.#chunk, this.#offset)
    if (length === undefined) return undefined
    if (left < header + length) return this.#keep(header + length)
    const start = this.#offset + header
    this.#offset = start + length
    return this.#chunk.subarray(start, this.#offset)
  }

  #lengthAt(bytes: Uint8Array, at: number): number | undefined {
    const length = bytes[at]! * 0x100_0000 + (bytes[at + 1]! << 16 | bytes[at + 2]! << 8 | bytes[at + 3]!)
    if (length > 0 && length <= maxStreamLength) return length
    this.malformed = true
    return undefined
  }

  #keep(size: number): undefined {
    const left = this.#chunk.length - this.#offset
    if (left > 0) {
      this.#partial = new Uint8Array(size)
      this.#partial.set(this.#chunk.subarray(this.#offset))
      this.#have = left
    }
    this.#chunk = empty
    this.#offset = 0
    return undefined
  }

  #fill(): boolean {
    const take = Math.min(this.#partial.length - this.#have, this.#chunk.length - this.#offset)
    this.#partial.set(this.#chunk.subarray(this.#offset, this.#offset + take), this.#have)
    this.#have += take
    this.#offset += take
    return this.#have === this.#partial.length
  }

  #resume(): Uint8Array | undefined {
    if (!this.#fill()) return undefined
    if (this.#partial.length === header) {
      const length = this.#lengthAt(this.#partial, 0)
      if (length === undefined) return undefined
      const whole = new Uint8Array(header + length)
      whole.set(this.#partial)
      this.#partial = whole
      if (!this.#fill()) return undefined
    }
    const record = this.#partial.subarray(header)
    this.#partial = empty
    this.#have = 0
    return record
  }
}
