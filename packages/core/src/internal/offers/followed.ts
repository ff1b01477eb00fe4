/** One peer that is asked what it offers, and what it said last; and the streams on which it is asked, one after another. */
import * as Deferred from "effect/Deferred"
import type * as Fiber from "effect/Fiber"
import type { Offer } from "../../Offer.ts"
import type { NodeName } from "../../Packet.ts"
import type { PublicKey } from "../../PublicKey.ts"
import type * as Sessions from "../../Sessions.ts"
import type { SessionStream } from "../session/sessionStream.ts"
import { Lines } from "./lines.ts"

/** Bytes of a peer in any one second: twice what one that keeps to the protocol says. */
const bytesPerSecond = 524_288

/** What gives a peer up, in what it has sent. */
export type Fault = "too long" | "too much"

/** Why a stream is over. */
export type Ended = Sessions.OpenError | Sessions.StreamError | "wrong" | "moved" | "silent" | "ended"

/** One stream to a peer, from before it is open to its end. */
export class Attempt {
  /** Done when the first line has come. */
  readonly answered = Deferred.makeUnsafe<void>()
  readonly over = Deferred.makeUnsafe<never, Ended>()
  stream: SessionStream | undefined
  fiber: Fiber.Fiber<void> | undefined
  /** Whether it counts among those that are asked at once. */
  isAsking = true
  /** When the first line came, by the monotonic clock in milliseconds. */
  answeredAt: number | undefined
  /** The newest line, where another was read just now. */
  waiting: Uint8Array | undefined
  readonly #lines = new Lines()
  #bytes = 0
  #since = -Infinity

  /** Takes what has come; gives the newest whole line of it. */
  take(parts: ReadonlyArray<Uint8Array>, now: number): Uint8Array | Fault | undefined {
    if (now - this.#since >= 1_000) {
      this.#since = now
      this.#bytes = 0
    }
    for (const part of parts) this.#bytes += part.length
    return this.#bytes > bytesPerSecond ? "too much" : this.#lines.take(parts)
  }
}

export class Followed {
  readonly name: NodeName
  readonly publicKey: PublicKey
  /** It is asked again from then on, by the monotonic clock in milliseconds. */
  notBefore = 0
  /** How often it was asked in vain since it answered. */
  failures = 0
  /** Whether it has been asked, and has answered or not. */
  tried = false
  /** Whether it goes before others: it was not asked yet, or has answered before. */
  get isFirst(): boolean {
    return !this.tried || this.claimed !== undefined
  }

  /** The stream on which it is asked, or says it. */
  attempt: Attempt | undefined
  /** What it said last, and what it offers by that. */
  line: Uint8Array | undefined
  claimed: Offer | undefined
  readAt = -Infinity
  /** While the policy says what of it counts. */
  judging: Fiber.Fiber<void> | undefined

  constructor(name: NodeName, publicKey: PublicKey) {
    this.name = name
    this.publicKey = publicKey
  }
}
