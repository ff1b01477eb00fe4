/**
 * Which adverts of a network with a key are news. The newest accepted timestamp of each key is kept, so that a recorded advert cannot bring
 * back what it said; and which adverts had it, so that a recorded one is no sign of life: whoever made it makes another each time. At each
 * host that the tokens name, so that who dates adverts of somebody else's key ahead outdates what he says himself.
 */
import type * as Clock from "effect/Clock"
import type { PublicKey } from "../../PublicKey.ts"
import { remember } from "../base/remember.ts"
import * as WallTime from "../base/wallTime.ts"
import { timeToLive } from "../wire/networkCipher.ts"

// The end of a token tells it from every other: the last characters of its HMAC's base64url. So many are kept of a key, which
// makes some four within a second, and ten as it starts.
const macLength = 24
const seenPerKey = 16

interface Seen {
  readonly mac: string
  readonly timestamp: number
}

const none: ReadonlyArray<Seen> = []

/** Of most keys one advert is kept, the last: what is older is not accepted any more. */
class Stamps {
  /** None that is older is accepted. */
  timestamp: number
  left: boolean
  /** The adverts that were accepted and are not older, by the end of their tokens: the last one, and those before it. */
  #mac: string
  #at: number
  #others: ReadonlyArray<Seen> = none

  constructor(mac: string, timestamp: number, oldest: number, left: boolean) {
    this.#mac = mac
    this.#at = timestamp
    this.timestamp = oldest
    this.left = left
  }

  has(mac: string): boolean {
    if (this.#mac === mac) return true
    for (const other of this.#others) if (other.mac === mac) return true
    return false
  }

  add(mac: string, timestamp: number, oldest: number, left: boolean): void {
    if (this.#at >= oldest || this.#others.length > 0) {
      let others = [...this.#others, { mac: this.#mac, timestamp: this.#at }].filter((one) => one.timestamp >= oldest)
      if (others.length >= seenPerKey) {
        // What is forgotten must not come again.
        oldest = Math.max(oldest, Math.min(timestamp, ...others.map((other) => other.timestamp)) + 1)
        others = others.filter((other) => other.timestamp >= oldest)
      }
      this.#others = others.length === 0 ? none : others
    }
    this.#mac = mac
    this.#at = timestamp
    this.timestamp = oldest
    this.left = left
  }
}

/** The end of a token. */
const macOf = (token: Uint8Array): string => {
  const at = token.length - macLength
  const c = (i: number): number => token[at + i]!
  // All at once, which costs a tenth of what it does by the platform's decoder.
  // dprint-ignore
  return String.fromCharCode(
    c(0), c(1), c(2), c(3), c(4), c(5), c(6), c(7), c(8), c(9), c(10), c(11),
    c(12), c(13), c(14), c(15), c(16), c(17), c(18), c(19), c(20), c(21), c(22), c(23)
  )
}

export class Freshness {
  readonly #clock: Clock.Clock
  readonly #capacity: number
  readonly #stamps = new Map<string, Stamps>()

  /** For at most so many keys, the newest. */
  constructor(clock: Clock.Clock, capacity: number) {
    this.#clock = clock
    this.#capacity = capacity
  }

  /** What `take` knows the adverts of a key by that name a host. It is put together once and kept, since adverts come again and again. */
  static placeOf(publicKey: PublicKey, host: string): string {
    return `${publicKey} ${host}`
  }

  /** Whether an advert is news, which it is once. */
  take(place: string, port: number, timestamp: number, token: Uint8Array): boolean {
    const now = Math.floor(WallTime.millisUnsafe(this.#clock) / 1_000)
    const last = this.#stamps.get(place)
    const mac = macOf(token)
    const oldest = Math.min(timestamp, now)
    // One far ahead is from before this clock was set back: no token that could be compared with it is accepted any more.
    if (last === undefined || Math.abs(now - last.timestamp) > timeToLive) {
      remember(this.#stamps, place, new Stamps(mac, timestamp, oldest, port === 0), this.#capacity)
      return true
    }
    if (timestamp < last.timestamp || last.left && timestamp === last.timestamp) return false
    if (last.has(mac)) return false
    last.add(mac, timestamp, Math.max(oldest, last.timestamp), port === 0)
    remember(this.#stamps, place, last, this.#capacity)
    return true
  }
}
