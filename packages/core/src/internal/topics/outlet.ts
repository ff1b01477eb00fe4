/**
 * What waits for one receiver: in an outlet, where something is dropped when it does not keep up, and in a window, where nothing is and
 * its sender is told that there is no room. All takes the same time however much waits.
 *
 * What bites: what `bytesOf`, `keyOf` and `seqOf` say of an item must stay the same while it waits.
 */
import { Keyed, type Place } from "../base/keyed.ts"
import { Ring } from "../base/ring.ts"

/** How an outlet keeps what waits. */
export interface OutletOptions<A> {
  /** `buffer`: each of them, in order; `latest`: the newest of each key, in the order in which their keys came. */
  readonly mode: "buffer" | "latest"
  /** Items, or keys, that wait at the most; 1 or more. */
  readonly size: number
  /** What is dropped where one more comes. */
  readonly drop: "oldest" | "newest"
  /** Whether all go out in the order in which they came: then a newer one of a key comes behind all that wait, and not in the place of the older. */
  readonly inOrder?: boolean | undefined
  readonly bytesOf: (a: A) => number
  readonly keyOf: (a: A) => string
  /** Asks for memory that is shared with others: none is had where it is `false`. */
  readonly take: (bytes: number) => boolean
  readonly give: (bytes: number) => void
  /** Told of each one that does not go out: dropped, refused, or followed by a newer one of its key. It must not use the outlet. */
  readonly onDrop: (a: A) => void
}

interface Waiting<A> {
  readonly length: number
  offer(a: A): void
  shift(): A | undefined
  all(): Iterable<A>
}

/** All of them, in order. */
class Buffer<A> implements Waiting<A> {
  readonly #options: OutletOptions<A>
  readonly #ring = new Ring<A>()

  constructor(options: OutletOptions<A>) {
    this.#options = options
  }

  get length(): number {
    return this.#ring.length
  }

  offer(a: A): void {
    const options = this.#options
    const ring = this.#ring
    const bytes = options.bytesOf(a)
    if (ring.length >= options.size) {
      if (options.drop === "newest") return options.onDrop(a)
      this.#drop()
    }
    while (!options.take(bytes)) {
      // The memory is others', or it is too large.
      if (options.drop === "newest" || ring.length === 0) return options.onDrop(a)
      this.#drop()
    }
    ring.push(a)
  }

  shift(): A | undefined {
    return this.#ring.length === 0 ? undefined : this.#ring.shift()
  }

  *all(): Generator<A> {
    for (let i = 0; i < this.#ring.length; i++) yield this.#ring.at(i)
  }

  #drop(): void {
    const a = this.#ring.shift()
    this.#options.give(this.#options.bytesOf(a))
    this.#options.onDrop(a)
  }
}

/** The newest of each key. A newer one keeps the place of the older, so that every key has its turn, where not all are to go out in order. */
class Latest<A> implements Waiting<A> {
  readonly #options: OutletOptions<A>
  readonly #keys = new Keyed<A>()

  constructor(options: OutletOptions<A>) {
    this.#options = options
  }

  get length(): number {
    return this.#keys.size
  }

  offer(a: A): void {
    const options = this.#options
    const keys = this.#keys
    const key = options.keyOf(a)
    const place = keys.get(key)
    if (place !== undefined) return this.#replace(place, a)
    const bytes = options.bytesOf(a)
    if (keys.size >= options.size) {
      if (options.drop === "newest") return options.onDrop(a)
      this.#drop(keys.first!)
    }
    while (!options.take(bytes)) {
      const { first } = keys
      if (options.drop === "newest" || first === undefined) return options.onDrop(a)
      this.#drop(first)
    }
    keys.push(key, a)
  }

  shift(): A | undefined {
    const { first } = this.#keys
    if (first === undefined) return undefined
    this.#keys.remove(first)
    return first.value
  }

  *all(): Generator<A> {
    for (let place = this.#keys.first; place !== undefined; place = place.after) yield place.value
  }

  #replace(place: Place<A>, a: A): void {
    const options = this.#options
    const older = place.value
    const more = options.bytesOf(a) - options.bytesOf(older)
    if (more < 0) options.give(-more)
    else if (more > 0) {
      while (!options.take(more)) {
        const { first } = this.#keys
        const oldest = first === place ? place.after : first
        if (options.drop === "newest" || oldest === undefined) return options.onDrop(a)
        this.#drop(oldest)
      }
    }
    if (options.inOrder === true) {
      this.#keys.remove(place)
      this.#keys.push(place.key, a)
    } else place.value = a
    options.onDrop(older)
  }

  #drop(place: Place<A>): void {
    this.#keys.remove(place)
    this.#options.give(this.#options.bytesOf(place.value))
    this.#options.onDrop(place.value)
  }
}

/** What waits for a receiver that may miss something. */
export class Outlet<A> {
  readonly #options: OutletOptions<A>
  readonly #waiting: Waiting<A>

  constructor(options: OutletOptions<A>) {
    this.#options = options
    this.#waiting = options.mode === "latest" ? new Latest(options) : new Buffer(options)
  }

  /** How many wait. */
  get length(): number {
    return this.#waiting.length
  }

  /** Has it wait, or drops it or others; `onDrop` is told of each of them. */
  offer(a: A): void {
    this.#waiting.offer(a)
  }

  /** Those that wait, in order. */
  all(): Iterable<A> {
    return this.#waiting.all()
  }

  /** The next one. Its memory is given back. */
  take(): A | undefined {
    const a = this.#waiting.shift()
    if (a !== undefined) this.#options.give(this.#options.bytesOf(a))
    return a
  }

  /** Lets all of them go, and tells nobody of it. */
  clear(): void {
    while (this.take() !== undefined);
  }
}

/** How a window keeps what waits. */
export interface WindowOptions<A> {
  /** Items that have not been taken, sent or not, at the most; 1 or more. */
  readonly size: number
  /** The number of an item; each is larger than that of the one before. */
  readonly seqOf: (a: A) => number
  readonly bytesOf: (a: A) => number
  /** Asks for memory that is shared with others: none is had where it is `false`. */
  readonly take: (bytes: number) => boolean
  readonly give: (bytes: number) => void
}

/** What waits for a receiver that is to miss nothing: until it says that it took it. */
export class Window<A> {
  readonly #options: WindowOptions<A>
  readonly #ring = new Ring<A>()
  #size: number
  /** How many from the first on were sent, to whom it is sent to now. */
  #sent = 0
  /** How many from the first on were sent at any time: the receiver may have taken those. */
  #known = 0

  constructor(options: WindowOptions<A>) {
    this.#options = options
    this.#size = options.size
  }

  /** How many have not been taken. */
  get length(): number {
    return this.#ring.length
  }

  /** How many of them are to be sent. */
  get toSend(): number {
    return this.#ring.length - this.#sent
  }

  /** Whether one more may wait, as far as the size goes. */
  get hasRoom(): boolean {
    return this.#ring.length < this.#size
  }

  /** Those that are to be sent, in order. */
  *all(): Generator<A> {
    for (let i = this.#sent; i < this.#ring.length; i++) yield this.#ring.at(i)
  }

  /** So many may wait from now on; those that do stay. */
  resize(size: number): void {
    this.#size = size
  }

  /** Has it wait; `false` where there is no room for it. */
  offer(a: A): boolean {
    if (!this.hasRoom || !this.#options.take(this.#options.bytesOf(a))) return false
    this.#ring.push(a)
    return true
  }

  /** The next one to be sent. It stays until it is taken. */
  next(): A | undefined {
    if (this.#sent === this.#ring.length) return undefined
    const a = this.#ring.at(this.#sent++)
    if (this.#known < this.#sent) this.#known = this.#sent
    return a
  }

  /** The receiver says that it took all up to this number. What was never sent it cannot have taken. */
  taken(seq: number): void {
    const { bytesOf, give, seqOf } = this.#options
    const ring = this.#ring
    while (this.#known > 0 && seqOf(ring.at(0)) <= seq) {
      give(bytesOf(ring.shift()))
      this.#known--
      if (this.#sent > 0) this.#sent--
    }
  }

  /** Has all that have not been taken be sent again, in order. */
  again(): void {
    this.#sent = 0
  }

  /** Has none be sent that was sent before. */
  skip(): void {
    this.#sent = this.#known
  }

  /** Lets all of them go. */
  clear(): void {
    const { bytesOf, give } = this.#options
    while (this.#ring.length > 0) give(bytesOf(this.#ring.shift()))
    this.#sent = 0
    this.#known = 0
  }
}
