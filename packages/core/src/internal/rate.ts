/** Lets so many things happen in any one second, and no more. */
export interface Rate {
  /** Whether one more may happen now, by a clock in milliseconds; counts it if so. */
  readonly take: (nowMillis: number) => boolean
}

export const make = (perSecond: number): Rate => {
  // The last times, in a ring.
  const times: Array<number> = []
  let oldest = 0
  return {
    take: (nowMillis) => {
      if (times.length < perSecond) {
        times.push(nowMillis)
        return true
      }
      if (nowMillis - times[oldest]! < 1_000) return false
      times[oldest] = nowMillis
      oldest = (oldest + 1) % perSecond
      return true
    }
  }
}
