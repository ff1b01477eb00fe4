/**
 * How many calls may be sent a second time: a share of the calls of the last ten seconds, so that a service in trouble is not given a
 * multiple of its load by those who try again.
 */

const slots = 10
const slotMillis = 1_000

/** Counts of the last ten seconds. */
class Recent {
  readonly #counts = Array.from<number>({ length: slots }).fill(0)
  sum = 0
  add(slot: number): void {
    this.#counts[slot]!++
    this.sum++
  }
  clear(slot: number): void {
    this.sum -= this.#counts[slot]!
    this.#counts[slot] = 0
  }
}

export class Budget {
  readonly #retryShare: number
  readonly #freeRetries: number
  readonly #hedgeShare: number
  readonly #calls = new Recent()
  readonly #retries = new Recent()
  readonly #hedges = new Recent()
  #second = 0

  constructor(options: { readonly retries: number; readonly retriesPerSecond: number; readonly hedges: number }) {
    this.#retryShare = options.retries
    this.#freeRetries = options.retriesPerSecond * slots
    this.#hedgeShare = options.hedges
  }

  #slot(nowMillis: number): number {
    const second = Math.floor(nowMillis / slotMillis)
    if (second !== this.#second) {
      for (let gone = Math.max(this.#second + 1, second - slots + 1); gone <= second; gone++) {
        this.#calls.clear(gone % slots)
        this.#retries.clear(gone % slots)
        this.#hedges.clear(gone % slots)
      }
      this.#second = second
    }
    return second % slots
  }

  /** A call is made. */
  call(nowMillis: number): void {
    this.#calls.add(this.#slot(nowMillis))
  }

  /** Whether a call may be sent to another peer after it failed; counts it if so. */
  retry(nowMillis: number): boolean {
    const slot = this.#slot(nowMillis)
    if (this.#retries.sum + 1 > this.#retryShare * this.#calls.sum + this.#freeRetries) return false
    this.#retries.add(slot)
    return true
  }

  /** Whether a call may be sent to another peer while it is waited for; counts it if so. */
  hedge(nowMillis: number): boolean {
    const slot = this.#slot(nowMillis)
    if (this.#hedges.sum + 1 > this.#hedgeShare * this.#calls.sum) return false
    this.#hedges.add(slot)
    return true
  }
}
