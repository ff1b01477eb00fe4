/**
 * Bytes that have come, or are to be sent, piece by piece, in order: what every place keeps them in that a peer can fill. However
 * they were cut, adding and taking cost time in proportion to the bytes, and what is held is little more than twice the bytes.
 *
 * What bites: pieces are views, of whoever made them, and must not be changed once they are here.
 */
import { keep } from "./shapes.ts"

const none = new Uint8Array(0)
// Never added to.
const nothing: Array<Uint8Array> = []

/** What a piece takes besides its bytes: a view costs about a hundred. */
export const perPiece = 100

/** The slack of what is collected for one call: less than a read of a connection. */
export const keptAlive = 32_768

/** From so many pieces on, small ones are copied together. Few are read as they came, which costs nothing. */
const crowd = 64
const small = 1_024
const smallestTail = 256
const largestTail = 16_384

export class Pieces {
  /** Bytes that were added and not taken. */
  length = 0
  #list = nothing
  #head = 0
  #offset = 0
  /** Bytes of the buffers that the pieces keep alive, those side by side in one buffer once. */
  #pinned = 0
  // Where small pieces are copied together. It is in use while the last piece is the beginning of it.
  #tail = none
  readonly #slack: number

  /** Up to `slack` bytes of buffers are kept alive whatever little of them is wanted. */
  constructor(slack: number) {
    this.#slack = slack
  }

  /** The memory that it takes. */
  get held(): number {
    return this.#pinned + perPiece * (this.#list.length - this.#head)
  }

  /** How many pieces there are. */
  get size(): number {
    return this.#list.length - this.#head
  }

  add(piece: Uint8Array): void {
    if (piece.length === 0) return
    this.length += piece.length
    if (this.#list.length === 0) {
      this.#list = [piece]
      this.#pinned = piece.buffer.byteLength
    } else this.#append(piece)
  }

  addAll(pieces: ReadonlyArray<Uint8Array>): void {
    for (let i = 0; i < pieces.length; i++) this.add(pieces[i]!)
  }

  /** All of it as it is. Nothing may have been taken of the first piece. */
  takeAll(): ReadonlyArray<Uint8Array> {
    const list = this.#head === 0 ? this.#list : this.#list.slice(this.#head)
    this.clear()
    return list
  }

  clear(): void {
    this.length = 0
    this.#list = nothing
    this.#head = 0
    this.#offset = 0
    this.#pinned = 0
    this.#tail = none
  }

  /** A byte that has not been taken, `at` bytes ahead of those that have been. */
  byte(at: number): number {
    let offset = this.#offset + at
    for (let i = this.#head;; i++) {
      const piece = this.#list[i]!
      if (offset < piece.length) return piece[offset]!
      offset -= piece.length
    }
  }

  u32(at: number): number {
    return ((this.byte(at) << 24) | (this.byte(at + 1) << 16) | (this.byte(at + 2) << 8) | this.byte(at + 3)) >>> 0
  }

  /** How far ahead a byte stands for the first time, `from` bytes ahead or more; -1 where it does not. */
  indexOf(byte: number, from: number): number {
    let start = -this.#offset
    for (let i = this.#head; i < this.#list.length; i++) {
      const piece = this.#list[i]!
      if (start + piece.length > from) {
        const at = piece.indexOf(byte, Math.max(0, from - start))
        if (at !== -1) return start + at
      }
      start += piece.length
    }
    return -1
  }

  skip(length: number): void {
    this.length -= length
    let left = length
    while (left > 0) {
      const piece = this.#list[this.#head]!
      const take = Math.min(left, piece.length - this.#offset)
      left -= take
      this.#offset += take
      if (this.#offset === piece.length) this.#next(piece)
    }
  }

  /**
   * The next bytes: a view where they stand in one piece that is not much larger, and a copy otherwise, so that a small value does
   * not keep a large buffer.
   */
  take(length: number): Uint8Array {
    if (length === 0) return none
    const first = this.#list[this.#head]!
    if (first.length - this.#offset >= length) {
      const view = first.subarray(this.#offset, this.#offset + length)
      this.length -= length
      this.#offset += length
      if (this.#offset === first.length) this.#next(first)
      return view.buffer.byteLength > 4_096 && view.buffer.byteLength > length * 2 ? view.slice() : view
    }
    const out = new Uint8Array(length)
    this.copy(out, 0, length)
    return out
  }

  /** Moves the next bytes to `out`. */
  copy(out: Uint8Array, at: number, length: number): void {
    this.length -= length
    let to = at
    let left = length
    while (left > 0) {
      const piece = this.#list[this.#head]!
      const take = Math.min(left, piece.length - this.#offset)
      out.set(take === piece.length ? piece : piece.subarray(this.#offset, this.#offset + take), to)
      to += take
      left -= take
      this.#offset += take
      if (this.#offset === piece.length) this.#next(piece)
    }
  }

  #append(piece: Uint8Array): void {
    const list = this.#list
    const index = list.length - 1
    const last = list[index]!
    if (last.buffer === piece.buffer && last.byteOffset + last.length === piece.byteOffset) {
      // They were side by side: they are taken as one.
      list[index] = new Uint8Array(last.buffer, last.byteOffset, last.length + piece.length)
      return
    }
    if (piece.length < small && index - this.#head >= crowd - 1) {
      const tail = this.#tail
      const open = last.buffer === tail.buffer
      const used = last.length
      if (open && used + piece.length <= tail.length) {
        tail.set(piece, used)
        list[index] = tail.subarray(0, used + piece.length)
        return
      }
      // Larger ones as they fill up, so that many pieces cost few buffers, and a few of them no large one.
      const size = open ? Math.min(largestTail, 2 * tail.length) : smallestTail
      const next = new Uint8Array(Math.max(size, piece.length))
      next.set(piece)
      this.#tail = next
      list.push(next.subarray(0, piece.length))
      this.#pinned += next.length
    } else {
      // A list that grows has room for sixteen more, and most have two.
      if (list.length === 1) this.#list = [last, piece]
      else list.push(piece)
      if (last.buffer !== piece.buffer) this.#pinned += piece.buffer.byteLength
    }
    if (this.#pinned > this.#slack && this.#pinned > 2 * this.length) this.#join()
  }

  /** Copies what is left, so that nothing else is kept alive. */
  #join(): void {
    const { length } = this
    const out = new Uint8Array(length)
    this.copy(out, 0, length)
    this.length = length
    this.#list = [out]
    this.#pinned = length
  }

  #next(piece: Uint8Array): void {
    const list = this.#list
    const head = ++this.#head
    this.#offset = 0
    if (head === list.length) {
      this.#list = nothing
      this.#head = 0
      this.#pinned = 0
      this.#tail = none
      return
    }
    // Let go at once, and the list now and then.
    list[head - 1] = none
    if (list[head]!.buffer !== piece.buffer) this.#pinned -= piece.buffer.byteLength
    if (head >= 64 && head * 2 > list.length) {
      this.#list = list.slice(head)
      this.#head = 0
    }
  }
}

keep(new Pieces(0))
