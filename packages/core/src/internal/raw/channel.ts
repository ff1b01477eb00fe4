/**
 * All that is sent to one key, whatever names it is addressed by: the messages that wait, those that were sent, and what becomes of both
 * when a conversation ends. Answers come in order, so the oldest message that was sent is the one an answer is for.
 *
 * Each message has a deadline, and one fiber of each channel sleeps to the earliest of them: a timer for each message would
 * cost more than sealing it.
 */
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import type { Endpoint } from "../../Network.ts"
import type { Peer, PeerLostError } from "../../Peers.ts"
import type { ProtocolError } from "../../ProtocolError.ts"
import type { UntrustedPeerError } from "../../Trust.ts"
import type { Exchange, ExchangeError } from "./exchange.ts"

/** What a conversation over one connection came to. */
export type Ending =
  /** The connection is gone; what was sent may have been handled. */
  | { readonly _tag: "Broken"; readonly endpoint: Endpoint | undefined }
  /** The peer refused the oldest message, and did not look at those behind it. */
  | { readonly _tag: "Refused"; readonly error: ProtocolError }
  /** The peer broke the protocol, or is not who it should be. */
  | { readonly _tag: "Violated"; readonly error: ProtocolError | UntrustedPeerError }
  | { readonly _tag: "Lost"; readonly error: PeerLostError }
  | { readonly _tag: "Idle" }

export const violated = (error: ProtocolError | UntrustedPeerError): Ending => ({ _tag: "Violated", error })

// Connections in a row on which nothing was answered before messages are given up.
const turnedAwayAtMost = 3

export class Channel<Closed> {
  peer: Peer
  queued: Array<Exchange<Closed>> = []
  sent: Array<Exchange<Closed>> = []
  /** By the monotonic clock, in milliseconds. */
  usedAt = 0
  /** Connections in a row that ended before anything was answered, for want of room there. */
  turnedAway = 0
  /** Addresses of a connection on which nothing is proved yet. */
  unproved: Peer["endpoints"] | undefined
  /** Open when there are others, and this one has let its messages wait in vain. */
  readonly stale = Latch.makeUnsafe(false)
  /** When the earliest deadline is looked for next. */
  #expiresAt = Infinity
  /** Open when that has become too late. */
  readonly #sooner = Latch.makeUnsafe(false)
  readonly work = Latch.makeUnsafe(false)
  readonly room = Latch.makeUnsafe(true)

  constructor(peer: Peer) {
    this.peer = peer
  }

  /** Exchanges that take room here, those that nobody waits for any more included. */
  get size(): number {
    return this.queued.length + this.sent.length
  }

  /** Whether anybody waits for an answer. */
  get awaited(): boolean {
    return this.queued.some(({ done }) => !done) || this.sent.some(({ done }) => !done)
  }

  /** Drops what nobody waits for, and says whether there is something to send. */
  hasWork(): boolean {
    this.queued = this.queued.filter((exchange) => !exchange.done)
    return this.queued.length > 0
  }

  /**
   * Whether somebody took what was sent and has said nothing, and by now there are other addresses. The oldest tells, whose answer
   * comes first: messages that overlap would wait there one after another.
   */
  get isStale(): boolean {
    return this.unproved !== undefined && this.unproved.length < this.peer.endpoints.length &&
      this.sent[0]?.done === true
  }

  /** Settles what a conversation left open, and says whether the peer is given some time before the next. */
  settle(ending: Ending): "TurnedAway" | undefined {
    const { publicKey } = this.peer
    const { sent } = this
    this.sent = []
    switch (ending._tag) {
      case "Idle":
        // What was sent in the moment in which it ended is sent again, with the stamp it had.
        if (sent.length > 0) this.#sendAgain(sent)
        return undefined
      case "Lost":
        fail([...sent, ...this.queued], (exchange) => exchange.gone(ending.error))
        this.queued = []
        return undefined
      case "Broken":
        if (sent.length > 0) {
          fail(sent, (exchange) => exchange.disconnected(publicKey, ending.endpoint, true))
          return undefined
        }
        if (this.queued.length === 0) return undefined
        if (this.turnedAway >= turnedAwayAtMost) {
          fail(this.queued, (exchange) => exchange.disconnected(publicKey, ending.endpoint, false))
          this.queued = []
          return undefined
        }
        return this.#turnAway()
      case "Violated":
        fail(this.#takeOldest(sent), () => ending.error)
        fail(sent, (exchange) => exchange.disconnected(publicKey, undefined, true))
        return undefined
      case "Refused":
        if (ending.error.code === "ERR_BUSY") {
          this.#sendAgain(sent)
          return this.#turnAway()
        }
        for (const refused of this.#takeOldest(sent)) {
          // Sent before, and accepted before: then the err that made it be sent again was not the peer's.
          const twice = ending.error.code === "ERR_REPLAY" && refused.again
          fail([refused], (exchange) => twice ? exchange.disconnected(publicKey, undefined, true) : ending.error)
        }
        // What stood behind the refused message was not looked at, so it is sent again, with the stamp it had.
        this.#sendAgain(sent)
        return undefined
    }
  }

  /** Nobody is reached: what waits fails. */
  fail(error: ExchangeError<Closed>): void {
    fail(this.queued, () => error)
    this.queued = []
  }

  /** Ends everything that is open here. */
  close(error: () => Closed): void {
    fail([...this.sent, ...this.queued], error)
  }

  /** A message came that may have less time than the others. */
  hurry(deadline: number): void {
    if (deadline < this.#expiresAt) this.#sooner.openUnsafe()
  }

  /** Ends the messages whose time is up, for ever; `now` is the time of the clock in milliseconds. */
  expire(clock: Clock.Clock, now: () => number): Effect.Effect<never> {
    return Effect.gen({ self: this }, function*() {
      while (true) {
        const at = now()
        const overdue = this.#overdue(at)
        this.#sooner.closeUnsafe()
        // Last, because who waited goes on at once and may send again.
        for (const exchange of overdue) {
          if (!exchange.done) exchange.expire()
        }
        yield* this.#expiresAt === Infinity
          ? this.#sooner.await
          : Effect.raceFirst(this.#sooner.await, clock.sleep(Duration.millis(Math.ceil(this.#expiresAt - at))))
      }
    })
  }

  /** The messages whose time is up, and when to look for others. */
  #overdue(at: number): ReadonlyArray<Exchange<Closed>> {
    const overdue: Array<Exchange<Closed>> = []
    this.#expiresAt = Infinity
    for (const exchanges of [this.sent, this.queued]) {
      for (const exchange of exchanges) {
        if (exchange.done) continue
        if (exchange.deadline <= at) overdue.push(exchange)
        else this.#expiresAt = Math.min(this.#expiresAt, exchange.deadline)
      }
    }
    return overdue
  }

  #turnAway(): "TurnedAway" {
    this.turnedAway++
    return "TurnedAway"
  }

  /** Puts messages before those that wait. */
  #sendAgain(exchanges: ReadonlyArray<Exchange<Closed>>): void {
    for (const exchange of exchanges) exchange.again = true
    this.queued = [...exchanges, ...this.queued]
    this.work.openUnsafe()
  }

  /** The one that an error is about: the oldest, sent or not. */
  #takeOldest(sent: Array<Exchange<Closed>>): ReadonlyArray<Exchange<Closed>> {
    const oldest = sent.shift() ?? this.queued.shift()
    return oldest === undefined ? [] : [oldest]
  }
}

const fail = <Closed>(
  exchanges: ReadonlyArray<Exchange<Closed>>,
  error: (exchange: Exchange<Closed>) => ExchangeError<Closed>
) => {
  for (const exchange of exchanges) exchange.complete(Effect.fail(error(exchange)))
}
