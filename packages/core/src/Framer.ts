/**
 * Cuts packets out of a byte stream. Plain and synchronous: push a chunk, take packets until there are none, push the next.
 *
 * It can stop and go on at any byte, holds at most the packet it is in the middle of, and never more than `maxLength` bytes
 * of that. A stream that goes past the limit without a line feed cannot be resynchronised: `tooLarge` becomes true for good
 * and no further packet comes.
 *
 * What bites: packets are views into the pushed chunk where possible. Use them before the chunk is reused.
 *
 * @since 0.1.0
 */

const empty: Uint8Array = new Uint8Array(0)

/**
 * A framer of one byte stream.
 *
 * @category models
 * @since 0.1.0
 */
export interface Framer {
  /**
   * Takes the next bytes of the stream. Every packet of the bytes before must have been taken. Once `tooLarge`, drops them.
   */
  readonly push: (chunk: Uint8Array) => void
  /** The next whole packet, line feed included, or `undefined` until more bytes are pushed. */
  readonly next: () => Uint8Array | undefined
  /** Whether a packet went past `maxLength`. Final. */
  readonly tooLarge: boolean
  /** Bytes of the packet that has begun and has no line feed yet. */
  readonly pending: number
  /** Gives up everything not yet taken and returns it, for what comes after the packets. */
  readonly rest: () => Uint8Array
}

class FramerImpl implements Framer {
  readonly maxLength: number
  tooLarge = false
  // The packet in the middle of which the last chunk ended.
  private partial = empty
  private partialLength = 0
  private chunk = empty
  private offset = 0

  constructor(maxLength: number) {
    this.maxLength = maxLength
  }

  get pending(): number {
    return this.partialLength + this.chunk.length - this.offset
  }

  push(chunk: Uint8Array): void {
    if (this.tooLarge) return
    if (this.offset < this.chunk.length) {
      throw new Error("Framer.push: take every packet of the last chunk before pushing another")
    }
    this.chunk = chunk
    this.offset = 0
  }

  next(): Uint8Array | undefined {
    if (this.offset === this.chunk.length) {
      // All of it was taken: an idle stream holds no memory.
      this.chunk = empty
      this.offset = 0
      return undefined
    }
    const { chunk, offset, partialLength } = this
    const feed = chunk.indexOf(0x0a, offset)
    const end = feed < 0 ? chunk.length : feed + 1
    const length = partialLength + end - offset
    // A packet of exactly the limit needs its line feed as the last byte.
    if (length > this.maxLength || feed < 0 && length === this.maxLength) {
      this.tooLarge = true
      this.drop()
      return undefined
    }
    this.offset = end
    if (feed < 0) {
      // More is to come, of a length that is not known.
      this.keep(chunk, offset, end, Math.min(this.maxLength, Math.max(length, this.partial.length * 2)))
      this.chunk = empty
      this.offset = 0
      return undefined
    }
    if (partialLength === 0) return chunk.subarray(offset, end)
    this.keep(chunk, offset, end, length)
    const packet = this.partial.subarray(0, length)
    this.partial = empty
    this.partialLength = 0
    return packet
  }

  rest(): Uint8Array {
    const out = new Uint8Array(this.pending)
    out.set(this.partial.subarray(0, this.partialLength))
    out.set(this.chunk.subarray(this.offset), this.partialLength)
    this.drop()
    return out
  }

  private drop(): void {
    this.partial = empty
    this.partialLength = 0
    this.chunk = empty
    this.offset = 0
  }

  /** Adds to the packet that has begun, in memory of `room` bytes where what there is does not do. */
  private keep(chunk: Uint8Array, from: number, to: number, room: number): void {
    const length = this.partialLength + to - from
    if (length > this.partial.length) {
      const grown = new Uint8Array(room)
      grown.set(this.partial.subarray(0, this.partialLength))
      this.partial = grown
    }
    this.partial.set(chunk.subarray(from, to), this.partialLength)
    this.partialLength = length
  }
}

/**
 * A framer for packets of at most `maxLength` bytes.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (maxLength: number): Framer => new FramerImpl(maxLength)
