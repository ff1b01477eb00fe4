/** What this node offers: what its options say and its program changes, and the functions that are registered at the time. */
import * as Offer from "../../Offer.ts"
import { utf8 } from "../base/platform.ts"
import { encode } from "./offerText.ts"

/** Functions by name, with the hash of the contract of those that have one. */
export type Functions = () => Iterable<readonly [name: string, contract: string]>

const lineFeed = 1

/** What of the functions is told, in the order of their names: those that can be, as many as there is room for. */
const toldOf = (offer: Offer.Offer, all: ReadonlyMap<string, string>): Offer.Offer["functions"] => {
  const names = [...all.keys()].filter(Offer.isFunctionName).sort().slice(0, Offer.maxFunctions)
  let length = encode({ ...offer, functions: {} }).length + `,"functions":{}`.length
  const told: Array<[string, string]> = []
  for (const name of names) {
    const contract = all.get(name)!
    length += utf8(`${JSON.stringify(name)}:${JSON.stringify(contract)},`).length
    if (length > Offer.maxLength + lineFeed) break
    told.push([name, contract])
  }
  return Object.fromEntries(told)
}

export class Own {
  /** Functions over bytes that are a part of pnet itself. */
  readonly hidden = new Set<string>()
  readonly #sources = new Set<Functions>()
  readonly #listeners = new Set<() => void>()
  #stated: Omit<Offer.Offer, "functions">
  readonly #capacities = new Set<() => number>()
  /** As it is now, where nothing has changed since somebody looked. */
  #made: { readonly offer: Offer.Offer; readonly line: Uint8Array; readonly leftOut: number } | undefined

  constructor(stated: Pick<Offer.Offer, "meta" | "roles">) {
    this.#stated = { ...stated, draining: false }
  }

  /** Functions that are served beside the others, until what it gives is called; of two of one name the later are told. */
  serves(functions: Functions): () => void {
    this.#sources.add(functions)
    this.changed()
    return () => {
      this.#sources.delete(functions)
      this.changed()
    }
  }

  /** Calls that functions take at once; what the program says itself counts in their place. None where it is 0. */
  takes(calls: () => number): void {
    this.#capacities.add(calls)
    this.changed()
  }

  update({ capacity, draining, meta, roles }: Offer.Change): void {
    const { capacity: before, ...stated } = this.#stated
    const now = capacity === undefined ? before : capacity
    this.#stated = {
      ...stated,
      ...(roles === undefined ? {} : { roles: [...new Set(roles)] }),
      ...(meta === undefined ? {} : { meta: { ...meta } }),
      ...(draining === undefined ? {} : { draining }),
      ...(now === undefined || now === null ? {} : { capacity: now })
    }
    this.changed()
  }

  /** It is another than before, as far as anybody knows who does not look. */
  changed(): void {
    this.#made = undefined
    for (const listener of this.#listeners) listener()
  }

  /** Tells of each change, until what it gives is called. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Whether it takes no more calls. */
  get drains(): boolean {
    return this.#stated.draining
  }

  get offer(): Offer.Offer {
    return this.#look().offer
  }

  /** As peers are told it. */
  get line(): Uint8Array {
    return this.#look().line
  }

  /** Functions that peers are not told of, since there are too many or their names too long. */
  get leftOut(): number {
    return this.#look().leftOut
  }

  #look() {
    if (this.#made !== undefined) return this.#made
    const all = new Map<string, string>()
    for (const source of this.#sources) for (const [name, contract] of source()) all.set(name, contract)
    let sum = 0
    for (const calls of this.#capacities) sum += calls()
    const takes = sum > 0 ? { capacity: Math.min(sum, Offer.maxCapacity) } : {}
    const stated = { ...takes, ...this.#stated, functions: {} }
    const offer = { ...stated, functions: toldOf(stated, all) }
    return this.#made = { offer, line: encode(offer), leftOut: all.size - Object.keys(offer.functions).length }
  }
}

/** What each node offers, by its services, for whatever serves functions of it. */
export const owns = new WeakMap<object, Own>()
