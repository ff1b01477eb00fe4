/** What was seen in the last while. How much that may be is for whoever adds to it. */
export interface Seen {
  /** Whether it was added within that while, by a clock in milliseconds. */
  readonly has: (what: string, nowMillis: number) => boolean
  readonly add: (what: string, nowMillis: number) => void
}

export const make = (keepMillis: number): Seen => {
  // In the order of their times.
  const times = new Map<string, number>()
  return {
    has: (what, nowMillis) => nowMillis - (times.get(what) ?? -Infinity) < keepMillis,
    add: (what, nowMillis) => {
      for (const [old, at] of times) {
        if (nowMillis - at < keepMillis) break
        times.delete(old)
      }
      times.delete(what)
      times.set(what, nowMillis)
    }
  }
}
