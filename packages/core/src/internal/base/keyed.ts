/**
 * Values by key, in the order in which their keys were put at the end. Finding, adding, removing and the first one take the same time
 * however many there are: a `Map` alone skips all that were removed at its beginning each time it is asked for its first entry.
 */

/** A value and its neighbours. Only `value` is to be changed by who holds one. */
export interface Place<A> {
  readonly key: string
  value: A
  before: Place<A> | undefined
  after: Place<A> | undefined
}

export class Keyed<A> {
  readonly #places = new Map<string, Place<A>>()
  first: Place<A> | undefined = undefined
  #last: Place<A> | undefined = undefined

  get size(): number {
    return this.#places.size
  }

  get(key: string): Place<A> | undefined {
    return this.#places.get(key)
  }

  /** The key must not be there. */
  push(key: string, value: A): void {
    const place: Place<A> = { key, value, before: undefined, after: undefined }
    this.#append(place)
    this.#places.set(key, place)
  }

  /** The place must be one of these. */
  remove(place: Place<A>): void {
    this.#unlink(place)
    this.#places.delete(place.key)
  }

  /** Puts a place at the end, which must be one of these. */
  renew(place: Place<A>): void {
    if (place === this.#last) return
    this.#unlink(place)
    this.#append(place)
  }

  clear(): void {
    this.#places.clear()
    this.first = undefined
    this.#last = undefined
  }

  #append(place: Place<A>): void {
    const last = this.#last
    place.before = last
    if (last === undefined) this.first = place
    else last.after = place
    this.#last = place
  }

  #unlink(place: Place<A>): void {
    const { after, before } = place
    if (before === undefined) this.first = after
    else before.after = after
    if (after === undefined) this.#last = before
    else after.before = before
    place.before = undefined
    place.after = undefined
  }
}
