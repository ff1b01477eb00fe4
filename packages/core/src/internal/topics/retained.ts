/**
 * The last values of a topic, one of each key: so many keys and bytes, and none for longer than they live. Where there is no room for one
 * more the key goes that was put longest ago.
 */
import { Keyed, type Place } from "../base/keyed.ts"

export interface RetainedOptions<A> {
  /** Keys at the most; 1 or more. */
  readonly keys: number
  /** Bytes at the most. */
  readonly bytes: number
  /** Milliseconds for which a value lives after it was put; none: for good. */
  readonly timeToLive: number | undefined
  readonly bytesOf: (a: A) => number
  /** What each takes of the memory that is shared, besides its bytes. Default: nothing. */
  readonly overhead?: number | undefined
  /** Asks for memory that is shared with others: none is had where it is `false`. */
  readonly take: (bytes: number) => boolean
  readonly give: (bytes: number) => void
  /** Told of each key that has no value any more since there was no room for it, that of a value that could not be put included. */
  readonly onDrop?: (key: string, a: A) => void
}

interface Held<A> {
  readonly value: A
  readonly at: number
}

export class Retained<A> {
  readonly #options: RetainedOptions<A>
  readonly #keys = new Keyed<Held<A>>()
  #bytes = 0

  constructor(options: RetainedOptions<A>) {
    this.#options = options
  }

  get size(): number {
    return this.#keys.size
  }

  /** When the next value has lived for long enough, if one has an end. */
  get nextExpiry(): number | undefined {
    const { timeToLive } = this.#options
    const { first } = this.#keys
    return timeToLive === undefined || first === undefined ? undefined : first.value.at + timeToLive
  }

  get(key: string): A | undefined {
    return this.#keys.get(key)?.value.value
  }

  /** The keys, the one that was put longest ago first. */
  *keys(): Iterable<string> {
    for (let place = this.#keys.first; place !== undefined; place = place.after) yield place.key
  }

  /** Has a value be that of its key. `false`: there is no room for it, and the key has no value any more, not an older one either. */
  put(key: string, value: A, now: number): boolean {
    const { bytes: most, bytesOf, keys: mostKeys, onDrop, overhead = 0, take } = this.#options
    this.remove(key)
    const bytes = bytesOf(value)
    if (bytes > most || mostKeys < 1) {
      onDrop?.(key, value)
      return false
    }
    const keys = this.#keys
    while (keys.size >= mostKeys || this.#bytes + bytes > most) this.#drop(keys.first!)
    while (!take(bytes + overhead)) {
      if (keys.first === undefined) {
        onDrop?.(key, value)
        return false
      }
      this.#drop(keys.first)
    }
    this.#bytes += bytes
    keys.push(key, { value, at: now })
    return true
  }

  /** Has a key have no value; gives the one that it had. */
  remove(key: string): A | undefined {
    const place = this.#keys.get(key)
    return place === undefined ? undefined : this.#remove(place)
  }

  /** Lets go of what has lived for long enough, and gives the keys. */
  expire(now: number): ReadonlyArray<string> {
    let gone: Array<string> | undefined
    for (let next = this.nextExpiry; next !== undefined && next <= now; next = this.nextExpiry) {
      const { first } = this.#keys
      this.#remove(first!)
      if (gone === undefined) gone = [first!.key]
      else gone.push(first!.key)
    }
    return gone ?? none
  }

  #drop(place: Place<Held<A>>): void {
    const value = this.#remove(place)
    this.#options.onDrop?.(place.key, value)
  }

  #remove(place: Place<Held<A>>): A {
    this.#keys.remove(place)
    const { value } = place.value
    const bytes = this.#options.bytesOf(value)
    this.#bytes -= bytes
    this.#options.give(bytes + (this.#options.overhead ?? 0))
    return value
  }
}

const none: ReadonlyArray<string> = []
