/** Lets so many things happen in any one second, or other window, and no more. */
export interface Rate {
  /** Whether one more may happen now, by a clock in milliseconds; counts it if so. */
  readonly take: (nowMillis: number) => boolean
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
