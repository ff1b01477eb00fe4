/**
 * Which adverts of a network with a key are news. The newest accepted timestamp of each key is kept, so that a recorded advert cannot bring
 * back what it said; and which adverts had it, so that a recorded one is no sign of life: whoever made it makes another each time. At each
 * host that the tokens name, so that who dates adverts of somebody else's key ahead outdates what he says himself.
 */
import type * as Clock from "effect/Clock"
import type { Advert } from "../../Advert.ts"
import type { PublicKey } from "../../PublicKey.ts"
import { remember } from "../base/remember.ts"
import * as WallTime from "../base/wallTime.ts"
import { timeToLive } from "../wire/networkCipher.ts"

// The end of a token tells it from every other: the last characters of its HMAC's base64url. So many are kept of a key, which
// makes some four within a second.
const macLength = 24
const seenPerKey = 16

interface Stamps {
  /** None that is older is accepted. */
  readonly timestamp: number
  readonly left: boolean
  /** The adverts that were accepted and are not older, by the end of their tokens. */
  readonly seen: ReadonlyArray<{ readonly mac: string; readonly timestamp: number }>
}

/** What matters of an advert. */
type Stated = Pick<Advert, "host" | "port">

export class Freshness {
  readonly #clock: Clock.Clock
  readonly #capacity: number
  readonly #stamps = new Map<string, Stamps>()

  /** For at most so many keys, the newest. */
  constructor(clock: Clock.Clock, capacity: number) {
    this.#clock = clock
    this.#capacity = capacity
  }

  /** Whether an advert is news, which it is once. */
  take(publicKey: PublicKey, { host, port }: Stated, timestamp: number, token: Uint8Array): boolean {
    const now = Math.floor(WallTime.millisUnsafe(this.#clock) / 1_000)
    const key = `${publicKey} ${host}`
    const last = this.#stamps.get(key)
    const mac = String.fromCharCode(...token.subarray(-macLength))
    let seen: Stamps["seen"] = []
    let oldest = Math.min(timestamp, now)
    // One far ahead is from before this clock was set back: no token that could be compared with it is accepted any more.
    if (last !== undefined && Math.abs(now - last.timestamp) <= timeToLive) {
      if (timestamp < last.timestamp || last.left && timestamp === last.timestamp) return false
      if (last.seen.some((other) => other.mac === mac)) return false
      oldest = Math.max(oldest, last.timestamp)
      seen = last.seen.filter((other) => other.timestamp >= oldest)
    }
    seen = [...seen, { mac, timestamp }]
    if (seen.length > seenPerKey) {
      // What is forgotten must not come again.
      oldest = Math.max(oldest, Math.min(...seen.map((other) => other.timestamp)) + 1)
      seen = seen.filter((other) => other.timestamp >= oldest)
    }
    remember(this.#stamps, key, { timestamp: oldest, left: port === 0, seen }, this.#capacity)
    return true
  }
}
