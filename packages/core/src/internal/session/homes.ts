/**
 * Memory for the DATA of one message: the pieces that its record came in, which nobody else uses and which are longer than
 * all that is in it. So nothing is allocated for what was put together in a shared buffer.
 */
export class Homes {
  readonly #pieces: ReadonlyArray<Uint8Array>
  #index = 0
  #offset = 0
  constructor(pieces: ReadonlyArray<Uint8Array>) {
    this.#pieces = pieces
  }
  /** Copies as much as the piece whose turn it is has room for, and gives the copy. */
  place(bytes: Uint8Array): Uint8Array {
    while (this.#offset === this.#pieces[this.#index]!.length) {
      this.#index++
      this.#offset = 0
    }
    const piece = this.#pieces[this.#index]!
    const length = Math.min(bytes.length, piece.length - this.#offset)
    piece.set(length === bytes.length ? bytes : bytes.subarray(0, length), this.#offset)
    const placed = new Uint8Array(piece.buffer, piece.byteOffset + this.#offset, length)
    this.#offset += length
    return placed
  }
}
