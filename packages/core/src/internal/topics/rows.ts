/**
 * A subscription that holds the last value of each key of each publisher: what it hears is in it at once, and what its publisher no longer
 * retains, or has not said again when it told all, is not.
 */
import type { Allow } from "../../Allow.ts"
import type { Interest } from "../../Offer.ts"
import type { Listener } from "./listener.ts"
import { type Heard, type Origin, payloadOf, perItem } from "./said.ts"

/** What one publisher has said on one topic. */
interface Of {
  readonly keys: Map<string, { seq: number; bytes: number; isOld: boolean }>
}

export interface Options {
  readonly interest: Interest
  readonly allow: Allow | undefined
  readonly take: (owner: string, bytes: number) => boolean
  readonly give: (owner: string, bytes: number) => void
  /** What a value is made to, besides its bytes. */
  readonly weigh: (body: Uint8Array) => number
  /** A row is another; gives whether it is one. */
  readonly put: (heard: Heard, key: string) => boolean
  readonly remove: (origin: Origin, key: string) => void
  /** There was no room for a row. */
  readonly full: (origin: Origin) => void
}

export class Rows implements Listener {
  readonly interest: Interest
  readonly allow: Allow | undefined
  readonly hasRoom = () => true
  readonly unanswered = 0
  readonly #options: Options
  readonly #of = new Map<Origin, Of>()
  isClosed = false

  constructor(options: Options) {
    this.interest = options.interest
    this.allow = options.allow
    this.#options = options
  }

  hear(heard: Heard): void {
    if (this.isClosed) return
    const { body, origin, seq } = heard
    const key = heard.key ?? ""
    const of = this.#of.get(origin) ?? { keys: new Map() }
    this.#of.set(origin, of)
    const known = of.keys.get(key)
    if (known !== undefined && seq < known.seq) return
    if (known !== undefined && seq === known.seq && body !== undefined) {
      known.isOld = false
      return
    }
    if (body === undefined) return this.#remove(origin, of, key)
    const { full, give, put, take, weigh } = this.#options
    const owner = origin.from.publicKey
    const bytes = payloadOf(heard) + Math.max(perItem, weigh(body))
    if (known !== undefined) give(owner, known.bytes)
    // What is there of the key is no longer so, whatever comes of this.
    if (!take(owner, bytes)) {
      if (known !== undefined) this.#drop(origin, of, key)
      return full(origin)
    }
    if (!put(heard, key)) {
      give(owner, bytes)
      if (known !== undefined) this.#drop(origin, of, key)
      return
    }
    of.keys.set(key, { seq, bytes, isOld: false })
  }

  again(heard: Heard): void {
    this.hear(heard)
  }

  #remove(origin: Origin, of: Of, key: string): void {
    const known = of.keys.get(key)
    if (known === undefined) return
    this.#options.give(origin.from.publicKey, known.bytes)
    this.#drop(origin, of, key)
  }

  #drop(origin: Origin, of: Of, key: string): void {
    of.keys.delete(key)
    this.#options.remove(origin, key)
  }

  /** Misses nothing that counts: the last values come again. */
  miss(): void {}

  begin(origin: Origin): void {
    for (const known of this.#of.get(origin)?.keys.values() ?? []) known.isOld = true
  }

  whole(origin: Origin): void {
    const of = this.#of.get(origin)
    if (of === undefined) return
    for (const [key, { isOld }] of of.keys) if (isOld) this.#remove(origin, of, key)
  }

  gone(origin: Origin): void {
    const of = this.#of.get(origin)
    if (of === undefined) return
    for (const key of of.keys.keys()) this.#remove(origin, of, key)
    this.#of.delete(origin)
  }

  news(): void {}

  close(): void {
    this.isClosed = true
    for (const [{ from }, { keys }] of this.#of) {
      for (const { bytes } of keys.values()) this.#options.give(from.publicKey, bytes)
    }
    this.#of.clear()
  }
}
