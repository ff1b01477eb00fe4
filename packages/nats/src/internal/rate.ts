/** Lets so many things happen in a second, and no more: all together, and of one source. */
export class Rate {
  readonly #most: number
  #from = -Infinity
  #taken = 0

  constructor(most: number) {
    this.#most = most
  }

  /** Whether one more may happen now, in milliseconds; counts it if so. */
  take(now: number): boolean {
    if (now - this.#from >= 1_000) {
      this.#from = now
      this.#taken = 0
    }
    if (this.#taken >= this.#most) return false
    this.#taken++
    return true
  }

  /** Those that happened in this second. */
  taken(now: number): number {
    return now - this.#from >= 1_000 ? 0 : this.#taken
  }
}

// When there are more they all start anew: then it is the bound of all together that holds.
const mostSources = 8_192

export class RateBySource {
  readonly #most: number
  readonly #rates = new Map<string, Rate>()

  constructor(most: number) {
    this.#most = most
  }

  take(source: string, now: number): boolean {
    let rate = this.#rates.get(source)
    if (rate === undefined) {
      if (this.#rates.size >= mostSources) this.#rates.clear()
      this.#rates.set(source, rate = new Rate(this.#most))
    }
    return rate.take(now)
  }
}
