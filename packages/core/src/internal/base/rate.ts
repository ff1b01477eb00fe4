/** Lets so many things happen in any one second, or other window, and no more. */
export interface Rate {
  /** Whether one more may happen now, by a clock in milliseconds; counts it if so. */
  readonly take: (nowMillis: number) => boolean
}

/** Rates of sources of which there may be any number. */
export interface Rates {
  readonly take: (source: string, nowMillis: number) => boolean
  /** Lets go of sources that were not seen lately, as whatever is taken does, too. */
  readonly forget: (nowMillis: number) => void
  /** Sources of which something is known. */
  readonly size: number
}

// When there are more they all start anew: then it is a bound for all of them together that holds.
const maxSources = 1_024
const windowOfSources = 1_000

/**
 * A source that was not seen for a whole window begins anew whatever is known of it, so it is forgotten: of a thousand that were seen once each in a
 * crowd's start nothing is kept.
 */
class BySource implements Rates {
  readonly #count: number
  /** Those seen since `since`, and those that were seen in the window before. */
  #recent = new Map<string, Rate>()
  #before = new Map<string, Rate>()
  #since = -Infinity

  constructor(count: number) {
    this.#count = count
  }

  get size(): number {
    return this.#recent.size + this.#before.size
  }

  forget(nowMillis: number): void {
    const passed = nowMillis - this.#since
    if (passed < windowOfSources) return
    this.#before = passed < 2 * windowOfSources ? this.#recent : new Map()
    this.#recent = new Map()
    this.#since = nowMillis
  }

  take(source: string, nowMillis: number): boolean {
    this.forget(nowMillis)
    let rate = this.#recent.get(source)
    if (rate === undefined) {
      rate = this.#before.get(source)
      if (rate !== undefined) this.#before.delete(source)
      else if (this.size >= maxSources) {
        this.#recent.clear()
        this.#before.clear()
      }
      rate ??= make(this.#count)
      this.#recent.set(source, rate)
    }
    return rate.take(nowMillis)
  }
}

export const bySource = (count: number): Rates => new BySource(count)

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
