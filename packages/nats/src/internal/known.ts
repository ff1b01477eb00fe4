/**
 * The nodes that this one knows over NATS, and what it makes of what is said of them. A node counts as there from its advert on, until it does
 * not answer when it is asked: so adverts may be seldom. Nobody's word takes another node away: it is a reason to ask.
 *
 * What bites: a sighting says until when its node is there, to whoever has kept it. One that nobody looks at is not kept, and is to be given again.
 */
import type { Heard } from "@pnet/core/Adverts"
import type { Sighting } from "@pnet/core/Discovery"
import type { Endpoint } from "@pnet/core/Network"
import type { PublicKey } from "@pnet/core/PublicKey"
import type * as Effect from "effect/Effect"
import * as Subjects from "../Subjects.ts"

export interface Known {
  readonly token: string
  readonly publicKey: PublicKey
  /** What is said of it. */
  sighting: Sighting
  timestamp: number
  /** When it gave the last sign of life, in milliseconds. */
  heardAt: number
  /** How many it has given, since two may come in one millisecond. */
  signs: number
  /** Whether it answered when it was asked last, if it was. */
  isThere: boolean
  /** Where it is not there: until when it was, as far as that is known. */
  until: number
  /** When whoever was told of it looked last whether it is there, and when he was told last. */
  lookedAt: number
  toldAt: number
  /** Where it is among all. */
  index: number
}

/** What an advert came to: nothing that was not known (`Again`), that one is there who did not answer (`Back`), or why it is not one. */
export type Outcome = "New" | "Changed" | "Again" | "Back" | "Left" | "Old" | "Forged" | "Full" | "Unknown"

export class Nodes {
  readonly #capacity: number
  readonly #answer: (token: string) => Effect.Effect<void>
  readonly #until: () => number
  readonly #all: Array<Known> = []
  readonly #byToken = new Map<string, Known>()

  /** `until` says until when those are known to be there that are: now, or when the server was there last. */
  constructor(capacity: number, answer: (token: string) => Effect.Effect<void>, until: () => number) {
    this.#capacity = capacity
    this.#answer = answer
    this.#until = until
  }

  get size(): number {
    return this.#all.length
  }

  get(token: string): Known | undefined {
    return this.#byToken.get(token)
  }

  at(index: number): Known | undefined {
    return this.#all[index]
  }

  tokens(): IterableIterator<string> {
    return this.#byToken.keys()
  }

  entries(): ReadonlyArray<Known> {
    return this.#all
  }

  /** Enters what an advert says that came from a node. Gives the sighting of one that leaves, and of one that is there. */
  enter(from: string, { advert, publicKey, timestamp = 0 }: Heard, now: number): {
    readonly outcome: Outcome
    readonly sighting: Sighting | undefined
  } {
    const { host, name, port } = advert
    const known = this.#byToken.get(from)
    const isOwn = known !== undefined && known.publicKey === publicKey || Subjects.ofKey(publicKey) === from
    // Who says it has that address, which is of that key: nobody speaks for another.
    if (!isOwn || known?.sighting.endpoint.host !== host && Subjects.ofHost(host) !== from) {
      return { outcome: "Forged", sighting: undefined }
    }
    if (known !== undefined && timestamp < known.timestamp) return { outcome: "Old", sighting: undefined }
    const isAgain = known?.sighting.name === name && known.sighting.endpoint.port === port
    if (known !== undefined && port !== 0) {
      const outcome = known.isThere ? "Again" : "Back"
      known.timestamp = timestamp
      known.heardAt = now
      known.signs++
      known.isThere = true
      if (isAgain) return { outcome, sighting: known.sighting }
    }
    const said: Sighting = {
      name,
      publicKey,
      endpoint: { host, port },
      source: { host, port: 1 } satisfies Endpoint,
      via: Subjects.kind,
      answer: this.#answer(from)
    }
    if (port === 0) {
      if (known === undefined) return { outcome: "Unknown", sighting: undefined }
      this.remove(known)
      return { outcome: "Left", sighting: said }
    }
    if (known === undefined) {
      // It is told of when it says something, and forgotten: what tells of peers has its own bounds.
      if (this.#all.length >= this.#capacity) return { outcome: "Full", sighting: said }
      const entered: Known = {
        token: from,
        publicKey,
        sighting: said,
        timestamp,
        heardAt: now,
        signs: 1,
        isThere: true,
        until: now,
        lookedAt: -Infinity,
        toldAt: -Infinity,
        index: this.#all.length
      }
      this.#all.push(entered)
      this.#byToken.set(from, entered)
      return { outcome: "New", sighting: this.#keep(entered, said) }
    }
    return { outcome: "Changed", sighting: this.#keep(known, said) }
  }

  /** Has a node known by a sighting, which says until when it is there as long as it is the last one. */
  #keep(known: Known, said: Sighting): Sighting {
    const sighting: Sighting = {
      ...said,
      thereUntil: () => {
        if (known.sighting !== sighting) return -Infinity
        if (!known.isThere) return known.until
        const until = this.#until()
        known.lookedAt = until
        return until
      }
    }
    known.sighting = sighting
    known.lookedAt = -Infinity
    return sighting
  }

  /** One does not answer. */
  miss(known: Known, until: number): void {
    if (known.isThere) known.until = until
    known.isThere = false
  }

  /** One that is gone. The last one takes its place, so that any may be drawn by chance. */
  remove(known: Known): void {
    if (this.#byToken.get(known.token) !== known) return
    this.miss(known, -Infinity)
    this.#byToken.delete(known.token)
    const last = this.#all.pop()!
    if (last === known) return
    last.index = known.index
    this.#all[known.index] = last
  }
}
