/** Lines that come in pieces, of which only the newest whole one is of any use. A line that is too long is never held. */
import { maxLength } from "../../Offer.ts"

const lineFeed = 0x0a
const firstRoom = 1_024

export class Lines {
  #buffer = new Uint8Array(0)
  #length = 0

  /** The newest whole line, as bytes of its own; `undefined` where none has ended, and `too long` where one is longer than a line may be. */
  take(parts: ReadonlyArray<Uint8Array>): Uint8Array | "too long" | undefined {
    let newest: Uint8Array | undefined
    for (const part of parts) {
      const end = part.lastIndexOf(lineFeed)
      if (end < 0) {
        if (!this.#add(part)) return "too long"
        continue
      }
      const begin = end === 0 ? -1 : part.lastIndexOf(lineFeed, end - 1)
      // What began before it has ended before it, too.
      if (begin >= 0) this.#length = 0
      if (!this.#add(part.subarray(begin + 1, end))) return "too long"
      newest = this.#buffer.slice(0, this.#length)
      this.#length = 0
      if (!this.#add(part.subarray(end + 1))) return "too long"
    }
    return newest
  }

  #add(bytes: Uint8Array): boolean {
    const length = this.#length + bytes.length
    if (length > maxLength) return false
    if (length > this.#buffer.length) {
      const grown = new Uint8Array(Math.min(maxLength, Math.max(length, 2 * this.#buffer.length, firstRoom)))
      grown.set(this.#buffer.subarray(0, this.#length))
      this.#buffer = grown
    }
    this.#buffer.set(bytes, this.#length)
    this.#length = length
    return true
  }
}
