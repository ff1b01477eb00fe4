/**
 * Values by numbers that count upwards, of which few are there at once: the streams of a session, the calls of a client.
 *
 * A `Map` that entries come into and go from is rebuilt again and again, and V8 has each table that it had refer to the next one.
 * Where one of them grew old, all that came after it stay until the next full collection, with what was in them, which is nearly
 * every call. Here nothing refers to what has been let go.
 */
const minimum = 16

const slots = <A>(length: number): Array<A | undefined> => Array.from<A | undefined>({ length })

export class IntMap<A> {
  size = 0
  // Open addressing; a key is in the first free place from its own on. Zero is free.
  #keys = new Float64Array(minimum)
  #values: Array<A | undefined> = slots<A>(minimum)
  #mask = minimum - 1
  /** How many went lately with the table next to empty. */
  #spare = 0

  #find(key: number): number {
    let at = key & this.#mask
    while (true) {
      const there = this.#keys[at]
      if (there === key) return at
      if (there === 0) return -1
      at = at + 1 & this.#mask
    }
  }

  get(key: number): A | undefined {
    const at = this.#find(key)
    return at < 0 ? undefined : this.#values[at]
  }

  /** The key is above zero. */
  set(key: number, value: A): void {
    const found = this.#find(key)
    if (found >= 0) {
      this.#values[found] = value
      return
    }
    if (this.size * 2 > this.#mask) this.#resize((this.#mask + 1) * 2)
    this.#put(key, value)
    this.size++
  }

  delete(key: number): boolean {
    let hole = this.#find(key)
    if (hole < 0) return false
    this.size--
    // Those behind it that would not be found any more move up.
    const mask = this.#mask
    for (let at = hole + 1 & mask; this.#keys[at] !== 0; at = at + 1 & mask) {
      const wanted = this.#keys[at]! & mask
      if ((at - wanted & mask) >= (at - hole & mask)) {
        this.#keys[hole] = this.#keys[at]!
        this.#values[hole] = this.#values[at]
        hole = at
      }
    }
    this.#keys[hole] = 0
    this.#values[hole] = undefined
    if (this.#mask < minimum * 4 || this.size * 16 >= this.#mask) this.#spare = 0
    // As many as it was made for have gone since: those that come and go in crowds do not have it made anew for each of them.
    else if (++this.#spare > this.#mask) this.#resize((this.#mask + 1) / 4)
    return true
  }

  clear(): void {
    this.size = 0
    this.#allocate(minimum)
  }

  /** The values there are now, in no order. */
  values(): Array<A> {
    const out: Array<A> = []
    for (let i = 0; i < this.#keys.length; i++) if (this.#keys[i] !== 0) out.push(this.#values[i] as A)
    return out
  }

  #put(key: number, value: A): void {
    let at = key & this.#mask
    while (this.#keys[at] !== 0) at = at + 1 & this.#mask
    this.#keys[at] = key
    this.#values[at] = value
  }

  #allocate(length: number): void {
    this.#keys = new Float64Array(length)
    this.#values = slots<A>(length)
    this.#mask = length - 1
    this.#spare = 0
  }

  #resize(length: number): void {
    const keys = this.#keys
    const values = this.#values
    this.#allocate(length)
    for (let i = 0; i < keys.length; i++) if (keys[i] !== 0) this.#put(keys[i]!, values[i] as A)
  }
}
