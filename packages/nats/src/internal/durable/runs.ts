/**
 * What has come of each run of each publisher on each topic, by the numbers that they have signed: so that what comes again, or late, is known, and
 * how many are missing. As many runs are remembered as `most`, the latest.
 */
import type { Item } from "./item.ts"

/** The most runs that are remembered of a subscription. */
export const most = 256

/** As it is kept with a position. */
export type Entry = readonly [run: string, number: number]

/** What is remembered of an item. */
export interface Numbered extends Pick<Item, "number" | "run" | "topic"> {
  readonly from: Pick<Item["from"], "publicKey">
}

const nameOf = ({ from, run, topic }: Numbered) => `${from.publicKey} ${run} ${topic}`

export class Runs {
  readonly #last: Map<string, number>

  readonly #most: number

  constructor(entries: Iterable<Entry> = [], atMost = most) {
    this.#last = new Map(entries)
    this.#most = atMost
  }

  /** How many are missing before it; `undefined` where it came before, or one behind it has. */
  take(item: Numbered): number | undefined {
    const name = nameOf(item)
    const last = this.#last.get(name)
    if (last !== undefined && item.number <= last) return undefined
    this.#set(name, item.number)
    return last === undefined ? 0 : item.number - last - 1
  }

  /** All that has come of others, which came behind this. */
  takeAll(others: Runs): void {
    for (const [name, number] of others.#last) this.#set(name, Math.max(number, this.#last.get(name) ?? 0))
  }

  #set(name: string, number: number): void {
    this.#last.delete(name)
    this.#last.set(name, number)
    if (this.#last.size > this.#most) this.#last.delete(this.#last.keys().next().value!)
  }

  /** The latest of them. */
  entries(count: number): ReadonlyArray<Entry> {
    return [...this.#last].slice(-count)
  }
}
