/**
 * What this node offers: what its options say and its program changes, the functions that are registered at the time, and the subscriptions
 * that there are. Those have room before functions: who is not told of a function can call it by the node's name all the same, and who is not
 * told of a subscription sends it nothing.
 */
import * as Schema from "effect/Schema"
import * as Offer from "../../Offer.ts"
import { utf8 } from "../base/platform.ts"
import { encode, shortest } from "./offerText.ts"

/** Functions by name, with the hash of the contract of those that have one. */
export type Functions = () => Iterable<readonly [name: string, contract: string]>

/** The subscriptions there are. */
export type Subscriptions = () => Iterable<Offer.Interest>

/** How much of what this node offers peers are not told of. */
export interface LeftOut {
  readonly functions: number
  readonly subscriptions: number
}

const lineFeed = 1

const isInterest = Schema.is(Offer.Interest)

/** The first of what could be told, as many as there is room for behind what the line has already. */
const fitting = <A>(offer: Offer.Offer, field: string, all: ReadonlyArray<A>, textOf: (one: A) => string): Array<A> => {
  let length = encode(offer).length + field.length
  const told: Array<A> = []
  for (const one of all) {
    length += utf8(`${textOf(one)},`).length
    if (length > Offer.maxLength + lineFeed) break
    told.push(one)
  }
  return told
}

/** What of the functions is told, in the order of their names: those that can be, as many as there is room for. */
const functionsOf = (offer: Offer.Offer, all: ReadonlyMap<string, string>): Offer.Offer["functions"] => {
  const served = [...all].filter(([name]) => Offer.isFunctionName(name)).sort(([a], [b]) => a < b ? -1 : 1)
  return Object.fromEntries(
    fitting(
      offer,
      `,"functions":{}`,
      served.slice(0, Offer.maxFunctions),
      ([name, contract]) => `${JSON.stringify(name)}:${JSON.stringify(contract)}`
    )
  )
}

/** What of the subscriptions is told: the oldest, as many as there is room for. */
const topicsOf = (offer: Offer.Offer, all: ReadonlyArray<Offer.Interest>): ReadonlyArray<Offer.Interest> => {
  const oldest = all.filter(isInterest).sort((a, b) => a.id - b.id).slice(0, Offer.maxTopics)
  return fitting(offer, `,"topics":[]`, oldest, (interest) => JSON.stringify(shortest(interest)))
}

export class Own {
  /** Functions over bytes that are a part of pnet itself. */
  readonly hidden = new Set<string>()
  readonly #sources = new Set<Functions>()
  readonly #listeners = new Set<() => void>()
  readonly #subscriptions = new Set<Subscriptions>()
  #stated: Omit<Offer.Offer, "functions" | "topics">
  readonly #capacities = new Set<() => number>()
  /** As it is now, where nothing has changed since somebody looked. */
  #made: { readonly offer: Offer.Offer; readonly line: Uint8Array; readonly leftOut: LeftOut } | undefined

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

  /** Subscriptions beside the others, no two with one id, until what it gives is called. `changed` says that there are others. */
  subscribes(subscriptions: Subscriptions): () => void {
    this.#subscriptions.add(subscriptions)
    this.changed()
    return () => {
      this.#subscriptions.delete(subscriptions)
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

  /** What peers are not told of, since there is too much of it, or names are too long. */
  get leftOut(): LeftOut {
    return this.#look().leftOut
  }

  #look() {
    if (this.#made !== undefined) return this.#made
    const all = new Map<string, string>()
    for (const source of this.#sources) for (const [name, contract] of source()) all.set(name, contract)
    let sum = 0
    for (const calls of this.#capacities) sum += calls()
    const takes = sum > 0 ? { capacity: Math.min(sum, Offer.maxCapacity) } : {}
    const subscriptions = [...this.#subscriptions].flatMap((source) => [...source()])
    const stated = { ...takes, ...this.#stated, functions: {}, topics: [] }
    const withTopics = { ...stated, topics: topicsOf(stated, subscriptions) }
    const offer = { ...withTopics, functions: functionsOf(withTopics, all) }
    const leftOut = {
      functions: all.size - Object.keys(offer.functions).length,
      subscriptions: subscriptions.length - offer.topics.length
    }
    return this.#made = { offer, line: encode(offer), leftOut }
  }
}

/** What each node offers, by its services, for whatever serves functions of it. */
export const owns = new WeakMap<object, Own>()
