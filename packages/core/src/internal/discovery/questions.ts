/**
 * Asking at listed addresses for the advert of the node there, and what is known of those where none answers: it is worth a word of the log only when
 * it goes on, and of a name only where nobody answers at any of its addresses. A node that is heard by other ways is asked every fourth time alone, which
 * finds out whether it can be reached there, and whether it is still the one that is there.
 */
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { formatEndpoint } from "../../Advert.ts"
import { nowUnsafe } from "../../Deadline.ts"
import type { HeardAt, Sighting } from "../../Discovery.ts"
import type { Endpoint } from "../../Network.ts"
import type { Limits } from "../../NodeOptions.ts"
import type { Obstacle } from "../../Obstacle.ts"
import type { ProtocolError } from "../../ProtocolError.ts"
import type { PublicKey } from "../../PublicKey.ts"
import type { ConnectionClosedError, DialError, Transport } from "../../Transport.ts"
import { quote } from "../base/quote.ts"
import * as AdvertExchange from "../wire/advertExchange.ts"
import * as Mismatch from "../wire/mismatch.ts"
import type { Listed, Notes } from "./listed.ts"

// A node that starts is asked before it listens; only that it goes on is worth a word of the log. Who waits for a peer meanwhile is told at once.
const failuresSaid = 2

/** That nobody answers at a place, in as few words as say how: what to do about it follows. */
const unanswered = (listed: string, error: DialError | ConnectionClosedError | ProtocolError): string => {
  switch (error._tag === "DialError" ? error.kind : undefined) {
    case "Refused":
      return `no node listens at ${listed}`
    case "Timeout":
      return `no node answers at ${listed}`
    case "Unreachable":
      return `there is no way to ${listed}`
    default:
      return `no node answers at ${listed}: ${error.message}`
  }
}
// So often in a row a place is passed over whose node was heard otherwise since its turn came last.
const mostPassedOver = 3
// In milliseconds: an answer is entered within that time, and is no other sign of life.
const ownAnswer = 250

/** Who answered at a place last. */
interface Answered {
  readonly publicKey: PublicKey
  /** What was heard before is nothing new. */
  since: number
  passedOver: number
}

interface Parts {
  readonly transport: Transport["Service"]
  readonly self: AdvertExchange.Self
  readonly clock: Clock.Clock
  readonly limits: Limits
  readonly notes: Notes
  readonly listed: ReadonlyArray<Listed>
  readonly onSighting: (sighting: Sighting) => Effect.Effect<unknown>
}

export class Questions {
  readonly #parts: Parts
  /** How often in a row nobody answered at an address. */
  readonly #failures = new Map<string, number>()
  readonly #answers = new Map<string, Answered>()
  /** Of who keeps the peers. */
  heardAt: HeardAt | undefined

  constructor(parts: Parts) {
    this.#parts = parts
  }

  /** It is the turn of an address: asks there, as a node that listens at another, unless the node there was heard anyhow. */
  turn(to: Endpoint, from: Endpoint): Effect.Effect<void> {
    return Effect.suspend(() => this.#isHeard(to) ? Effect.void : this.#ask(to, from))
  }

  /** Whether who answered at an address was heard otherwise since its turn came last, and need not be asked for once. */
  #isHeard(to: Endpoint): boolean {
    const last = this.#answers.get(formatEndpoint(to))
    if (last === undefined || last.passedOver >= mostPassedOver) return false
    const heard = this.heardAt?.(last.publicKey, to)
    if (heard === undefined || heard <= last.since) return false
    last.since = nowUnsafe(this.#parts.clock)
    last.passedOver++
    return true
  }

  #ask(to: Endpoint, from: Endpoint): Effect.Effect<void> {
    const { clock, limits, onSighting, self, transport } = this.#parts
    const place = formatEndpoint(to)
    return AdvertExchange.exchange(transport, self, from, to, { clock, timeout: limits.firstPacketTimeout }).pipe(
      Effect.matchEffect({
        onFailure: (error) =>
          Effect.andThen(
            Effect.logDebug(`no node found at ${place} yet: ${error.message}`),
            this.#failed(place, error)
          ),
        onSuccess: ({ advert, publicKey }) => {
          this.#answered(place, publicKey)
          return publicKey === self.identity.publicKey ? Effect.void : Effect.asVoid(
            onSighting({
              name: advert.name,
              publicKey,
              endpoint: to,
              source: to,
              via: "static",
              answer: Effect.void
            })
          )
        }
      })
    )
  }

  /** Forgets places that are not listed any more. */
  keep(places: ReadonlyMap<string, unknown>): void {
    for (const known of [this.#failures, this.#answers]) {
      for (const place of known.keys()) if (!places.has(place)) known.delete(place)
    }
  }

  #answered(place: string, publicKey: PublicKey): void {
    const { clock, listed, notes } = this.#parts
    this.#failures.delete(place)
    this.#answers.set(place, { publicKey, since: nowUnsafe(clock) + ownAnswer, passedOver: 0 })
    notes.over(place)
    for (const one of listed) if (one.endpoints.has(place)) notes.over(one.text)
  }

  #failed(place: string, error: DialError | ConnectionClosedError | ProtocolError): Effect.Effect<void> {
    this.#answers.delete(place)
    if (error._tag !== "ProtocolError") return this.#noAnswer(place, error)
    switch (error.code) {
      case "ERR_NETWORK_INCORRECT":
      case "ERR_NET_DECRYPTION_FAILED":
        return this.#refused(place, error)
      case "ERR_BUSY":
        return Effect.void
      default:
        return this.#noAnswer(place, error)
    }
  }

  /** Nobody answers at an address. */
  #noAnswer(place: string, error: DialError | ConnectionClosedError | ProtocolError): Effect.Effect<void> {
    const { listed, notes } = this.#parts
    this.#failures.set(place, (this.#failures.get(place) ?? 0) + 1)
    return Effect.forEach(listed.filter(({ endpoints }) => endpoints.has(place)), ({ endpoints, text }) => {
      const least = Math.min(...[...endpoints.keys()].map((one) => this.#failures.get(one) ?? 0))
      if (least === 0) return Effect.void
      const obstacle: Obstacle = {
        kind: "NoAnswer",
        where: text,
        what: unanswered(`${text}, which peers lists`, error),
        remedy: error._tag === "DialError"
          ? Mismatch.dialRemedy(error.kind)
          : "see what listens there: it is no node, or one that is closing"
      }
      return least < failuresSaid
        ? Effect.sync(() => notes.first(text, obstacle))
        : notes.met(text, obstacle, error._tag === "ProtocolError" ? "Warn" : "Info")
    }, { discard: true })
  }

  /** A node answered that this one cannot talk to. */
  #refused(place: string, { code }: ProtocolError): Effect.Effect<void> {
    const { notes, self } = this.#parts
    this.#failures.delete(place)
    return notes.met(
      place,
      code === "ERR_NETWORK_INCORRECT"
        ? {
          kind: "NetworkId",
          where: place,
          what: `the node at ${place}, which peers lists, belongs to another network than ${quote(self.networkId)}`,
          remedy: Mismatch.sameIdRemedy
        }
        : {
          kind: "NetworkKey",
          where: place,
          what:
            `the node at ${place}, which peers lists, and this one cannot read each other: the network keys differ, or only one of them has one, or the clocks differ by over a minute`,
          remedy: `${Mismatch.sameKeyRemedy}; and ${Mismatch.clockRemedy}`
        }
    )
  }
}
