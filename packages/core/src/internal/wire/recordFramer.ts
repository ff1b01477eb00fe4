/**
 * Cuts binary records out of a byte stream (protocol section 4.1): `u32 length`, big-endian, and as many bytes. Resumable at any
 * byte; holds at most the record it is in the middle of, and no more than a few times its length for it.
 *
 * Records are the caller's to overwrite, and so are the chunks that were pushed. A record that is whole in its chunk is a view
 * into it, and a short one that is not is a copy. A long one would be an allocation of its length for each, which costs more
 * than opening its box: it is put together in a buffer that is shared, and `homes` gives the pieces of chunks that it came in,
 * for what is to be kept of it.
 *
 * What bites: a record with `homes` is valid until `release`, which must follow before the next `next`.
 */
import { maxStreamLength } from "../../Packet.ts"
import { plain, u32 } from "../base/bytes.ts"

const empty: Uint8Array = new Uint8Array(0)
const header = 4

/** From this length on a record in pieces is put together in a shared buffer. */
const long = 16_384
// In more pieces, or with more memory behind them, it is copied as it comes.
const maxPieces = 8

// Taken for as long as a record in it is used. Who takes one while another is taken makes one more.
const shared: Array<Uint8Array> = []

export class RecordFramer {
  /** A length of zero, or over the limit: nothing more comes. */
  malformed = false
  /** Where the record lay that `next` gave, if it gave it in a shared buffer. Together they are as long as it. */
  homes: ReadonlyArray<Uint8Array> | undefined
  #chunk = empty
  #offset = 0
  // A record, or its length, of which only a part has come: into `#partial`, or as it is.
  #partial = empty
  #pieces: Array<Uint8Array> | undefined
  #size = 0
  #have = 0
  #lent: Uint8Array | undefined

  /** Bytes of a record that has begun and is not whole. */
  get pending(): number {
    return this.#have + this.#chunk.length - this.#offset
  }

  /** Takes the next bytes of the stream. Every record of the bytes before must have been taken. */
  push(chunk: Uint8Array): void {
    this.#chunk = plain(chunk)
    this.#offset = 0
  }

  /** The next whole record without its length, or `undefined` until more bytes are pushed. */
  next(): Uint8Array | undefined {
    if (this.malformed) return undefined
    if (this.#pieces !== undefined) return this.#gather(this.#pieces)
    if (this.#have > 0) return this.#resume()
    const left = this.#chunk.length - this.#offset
    if (left < header) return this.#keep(header)
    const length = this.#lengthAt(this.#chunk, this.#offset)
    if (length === undefined) return undefined
    if (left < header + length) {
      if (length < long) return this.#keep(header + length)
      this.#offset += header
      return this.#begin(length)
    }
    const start = this.#offset + header
    this.#offset = start + length
    return this.#chunk.subarray(start, this.#offset)
  }

  /** Says that the last record is not used any more. */
  release(): void {
    if (this.#lent === undefined) return
    if (shared.length === 0) shared.push(this.#lent)
    this.#lent = undefined
    this.homes = undefined
  }

  #lengthAt(bytes: Uint8Array, at: number): number | undefined {
    const length = u32(bytes, at)
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
      if (length >= long) return this.#begin(length)
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

  /** A long record that begins behind its length, which has been taken. */
  #begin(length: number): Uint8Array | undefined {
    this.#partial = empty
    this.#size = length
    this.#have = header
    return this.#gather(this.#pieces = [])
  }

  #gather(pieces: Array<Uint8Array>): Uint8Array | undefined {
    const take = Math.min(header + this.#size - this.#have, this.#chunk.length - this.#offset)
    if (take > 0) pieces.push(this.#chunk.subarray(this.#offset, this.#offset + take))
    this.#have += take
    this.#offset += take
    if (this.#have < header + this.#size) {
      this.#chunk = empty
      this.#offset = 0
      let behind = 0
      for (const piece of pieces) behind += piece.buffer.byteLength
      if (pieces.length > maxPieces || behind > 2 * maxStreamLength) {
        this.#partial = this.#join(new Uint8Array(header + this.#size), header, pieces)
      }
      return undefined
    }
    this.#lent = shared.pop() ?? new Uint8Array(maxStreamLength)
    this.#join(this.#lent, 0, pieces)
    this.homes = pieces
    this.#have = 0
    return this.#lent.subarray(0, this.#size)
  }

  #join(out: Uint8Array, at: number, pieces: ReadonlyArray<Uint8Array>): Uint8Array {
    for (const piece of pieces) {
      out.set(piece, at)
      at += piece.length
    }
    this.#pieces = undefined
    return out
  }
}
