/**
 * Latencies of one measurement. They are all kept and sorted once, so percentiles are exact, and recording one costs a
 * store into an array of numbers.
 */

let watcher: ((millis: number) => void) | undefined

/** Calls a function with each latency of any samples, when it is taken, until what it gives is called. */
export const watch = (each: (millis: number) => void): () => void => {
  watcher = each
  return () => void (watcher = undefined)
}

/** Latencies in milliseconds. */
export class Samples {
  private values = new Float64Array(65_536)
  private count = 0
  private sorted = false

  /** How many there are. */
  get size(): number {
    return this.count
  }

  /** Adds one. */
  push(millis: number): void {
    if (this.count === this.values.length) {
      const grown = new Float64Array(this.values.length * 2)
      grown.set(this.values)
      this.values = grown
    }
    this.values[this.count++] = millis
    this.sorted = false
    watcher?.(millis)
  }

  /** The value that the share `p` (0 to 1) of all values does not exceed; `NaN` where there are none. */
  percentile(p: number): number {
    if (!this.sorted) {
      this.values.subarray(0, this.count).sort()
      this.sorted = true
    }
    return this.count === 0 ? NaN : this.values[Math.max(0, Math.ceil(p * this.count) - 1)]!
  }
}

/** Samples of some values. */
export const from = (values: Iterable<number>): Samples => {
  const samples = new Samples()
  for (const value of values) samples.push(value)
  return samples
}
