/** What is known of one function, whoever runs it: how it may be called again, and how long it takes. */

// Of the last latencies, by powers of the fourth root of two from 1/16 ms to about 70 s.
const perOctave = 4
const smallest = 1 / 16
const buckets = 20 * perOctave
/** Latencies that are needed before a percentile means something, and after which older ones begin to be forgotten. */
const few = 50
const many = 1_000
/** A percentile is looked up again after so many. */
const stale = 25

export interface KindOptions {
  /** It does no harm to run it twice. */
  readonly idempotent?: boolean | undefined
  /** After which percentile of its latency, from 0 to 1, it is called at a second peer as well. Only where it is idempotent. */
  readonly hedge?: number | undefined
  /** Whether how long it takes says anything of the peer, as it does not where it is a stream. Default: true. */
  readonly timed?: boolean | undefined
}

export class Kind {
  readonly name: string
  readonly idempotent: boolean
  readonly hedge: number | undefined
  readonly timed: boolean
  /** Milliseconds that it takes, a mean over some fifty calls. */
  mean = 0
  /** How far from that it is, in the mean. */
  #spread = 0
  #samples = 0
  readonly #counts: Array<number> | undefined
  #counted = 0
  #delay: number | undefined
  #age = 0

  constructor(name: string, options: KindOptions = {}) {
    this.name = name
    this.idempotent = options.idempotent === true
    this.timed = options.timed !== false
    this.hedge = this.idempotent && this.timed ? options.hedge : undefined
    this.#counts = this.hedge === undefined ? undefined : Array.from<number>({ length: buckets }).fill(0)
  }

  get isMeasured(): boolean {
    return this.#samples > 0
  }

  /** Whether it is unusual that it takes this long: what often takes long is not. */
  isFar(millis: number): boolean {
    return millis > this.mean + 4 * this.#spread
  }

  /** An answer took this long. */
  took(millis: number): void {
    if (this.#samples < 50) this.#samples++
    this.#spread += (Math.abs(millis - this.mean) - this.#spread) / this.#samples
    this.mean += (millis - this.mean) / this.#samples
    if (this.#counts !== undefined) this.#count(this.#counts, millis)
  }

  /** It takes at least this long: so much was waited for an answer that did not come. */
  tookOver(millis: number): void {
    if (this.#counts !== undefined) this.#count(this.#counts, millis)
  }

  #count(counts: Array<number>, millis: number): void {
    const bucket = Math.ceil(Math.log2(millis / smallest) * perOctave)
    counts[Math.max(0, Math.min(buckets - 1, bucket))]!++
    this.#age++
    if (++this.#counted < many) return
    this.#counted = 0
    for (let i = 0; i < buckets; i++) this.#counted += counts[i] = counts[i]! >> 1
  }

  /** Milliseconds after which a second peer is asked, `undefined` for never. */
  get delay(): number | undefined {
    const counts = this.#counts
    if (counts === undefined || this.hedge === undefined || this.#counted < few) return undefined
    if (this.#delay === undefined || this.#age >= stale) {
      this.#age = 0
      let left = this.hedge * this.#counted
      let bucket = 0
      while (bucket < buckets - 1 && (left -= counts[bucket]!) > 0) bucket++
      this.#delay = smallest * 2 ** (bucket / perOctave)
    }
    return this.#delay
  }
}
