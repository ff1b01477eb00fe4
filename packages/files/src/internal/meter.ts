/** How fast something goes: bytes a second over the last seconds. A plain machine over times that it is given. */

const window = 5_000
const samples = 32

export class Meter {
  // The oldest first.
  readonly #times: Array<number> = []
  readonly #bytes: Array<number> = []

  /** Notes how many bytes have gone over so far, and gives the rate. */
  update(nowMillis: number, bytes: number): number {
    const last = this.#times.length - 1
    // Times that are close to each other count as one.
    if (last >= 1 && nowMillis - this.#times[last - 1]! < window / samples) {
      this.#times[last] = nowMillis
      this.#bytes[last] = bytes
    } else {
      this.#times.push(nowMillis)
      this.#bytes.push(bytes)
    }
    while (this.#times.length > 2 && nowMillis - this.#times[1]! >= window) {
      this.#times.shift()
      this.#bytes.shift()
    }
    const millis = nowMillis - this.#times[0]!
    return millis <= 0 ? 0 : Math.max(0, bytes - this.#bytes[0]!) * 1_000 / millis
  }

  /** Begins anew, as behind a time when nothing could go over. */
  reset(): void {
    this.#times.length = 0
    this.#bytes.length = 0
  }
}
