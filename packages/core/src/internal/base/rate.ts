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

export const make = (count: number, windowMillis = 1_000): Rate => {
  // The last times, in a ring.
  const times: Array<number> = []
  let oldest = 0
  return {
    take: (nowMillis) => {
      if (times.length < count) {
        times.push(nowMillis)
        return true
      }
      if (nowMillis - times[oldest]! < windowMillis) return false
      times[oldest] = nowMillis
      oldest = (oldest + 1) % count
      return true
    }
  }
}
