/**
 * What has come of each run of each publisher on each topic, by the numbers that they have signed: so that what comes again, or late, is known, and
 * how many are missing. As many runs are remembered as `most`, the latest.
 */
import type { Item } from "./item.ts"

/** The most runs that are remembered of a subscription. */
export const most = 256

/** As it is kept with a position. */
export type Entry = readonly [run: string, number: number]

const nameOf = ({ from, run, topic }: Item) => `${from.publicKey} ${run} ${topic}`

export class Runs {
  readonly #last: Map<string, number>

  constructor(entries: Iterable<Entry> = []) {
    this.#last = new Map(entries)
  }

  /** How many are missing before it; `undefined` where it came before, or one behind it has. */
  take(item: Item): number | undefined {
    const name = nameOf(item)
    const last = this.#last.get(name)
    if (last !== undefined && item.number <= last) return undefined
    this.#last.delete(name)
    this.#last.set(name, item.number)
    if (this.#last.size > most) this.#last.delete(this.#last.keys().next().value!)
    return last === undefined ? 0 : item.number - last - 1
  }

  /** The latest of them. */
  entries(count: number): ReadonlyArray<Entry> {
    return [...this.#last].slice(-count)
  }
}
