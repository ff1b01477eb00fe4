/** Lets so many things happen in any one second, or other window, and no more. */
export interface Rate {
  /** Whether one more may happen now, by a clock in milliseconds; counts it if so. */
  readonly take: (nowMillis: number) => boolean
}

/** Rates of sources of which there may be any number. */
export interface Rates {
  readonly take: (source: string, nowMillis: number) => boolean
}

// When there are more they all start anew: then it is a bound for all of them together that holds.
const maxSources = 1_024

export const bySource = (count: number): Rates => {
  const rates = new Map<string, Rate>()
  return {
    take: (source, nowMillis) => {
      let rate = rates.get(source)
      if (rate === undefined) {
        if (rates.size >= maxSources) rates.clear()
        rate = make(count)
        rates.set(source, rate)
      }
      return rate.take(nowMillis)
    }
  }
}

class Window implements Rate {
  readonly #count: number
  readonly #millis: number
  // The last times, in a ring. Most sources have few.
  #times: Array<number> | undefined
  #oldest = 0

  constructor(count: number, millis: number) {
    this.#count = count
    this.#millis = millis
  }

  take(nowMillis: number): boolean {
    const times = this.#times
    if (times === undefined || times.length < this.#count) {
      if (times === undefined) this.#times = [nowMillis]
      else times.push(nowMillis)
      return true
    }
    if (nowMillis - times[this.#oldest]! < this.#millis) return false
    times[this.#oldest] = nowMillis
    this.#oldest = (this.#oldest + 1) % this.#count
    return true
  }
}

export const make = (count: number, windowMillis = 1_000): Rate => new Window(count, windowMillis)
