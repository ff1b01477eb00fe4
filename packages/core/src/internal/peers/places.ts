/**
 * Where a peer can be asked by a datagram: the sockets that its adverts by broadcast came from. It has one for each of its addresses, and new
 * ones when it starts again; and anybody can write one into a datagram. So none takes another's place, and they are asked in turn.
 */
import type { Endpoint } from "../../Network.ts"
import { sameEndpoint } from "../values/endpoints.ts"

const placesKept = 4

interface Place {
  readonly endpoint: Endpoint
  /** When it was the one that was heard last. */
  at: number
}

export class Places {
  #last: Endpoint
  /** In the order in which they were heard first. Most peers have one alone. */
  #all: ReadonlyArray<Place> | undefined

  constructor(first: Endpoint) {
    this.#last = first
  }

  get count(): number {
    return this.#all?.length ?? 1
  }

  /** An advert came from there, by the monotonic clock; those that were not heard for so long are forgotten. */
  hear(endpoint: Endpoint, now: number, patience: number): void {
    const last = this.#last
    if (sameEndpoint(last, endpoint)) return
    this.#last = endpoint
    const kept = (this.#all ?? [{ endpoint: last, at: now }]).filter((place) => {
      if (sameEndpoint(place.endpoint, last)) place.at = now
      return sameEndpoint(place.endpoint, endpoint) || now - place.at <= patience
    })
    this.#all = kept.some((place) => sameEndpoint(place.endpoint, endpoint))
      ? kept
      : withRoom([...kept, { endpoint, at: now }])
  }

  /** Which one is asked by a question, of some that follow each other. */
  at(question: number): Endpoint {
    const turn = question % this.count
    if (turn === 0) return this.#last
    return this.#all!.filter(({ endpoint }) => !sameEndpoint(endpoint, this.#last))[turn - 1]!.endpoint
  }
}

/** With too many the newest before the last goes, of the host that has most: whoever makes some up pushes out what he made up. */
const withRoom = (all: ReadonlyArray<Place>): ReadonlyArray<Place> => {
  if (all.length <= placesKept) return all
  const share = new Map<string, number>()
  for (const { endpoint: { host } } of all) share.set(host, (share.get(host) ?? 0) + 1)
  const most = Math.max(...share.values())
  const goes = all.slice(0, -1).findLast(({ endpoint: { host } }) => share.get(host) === most) ?? all.at(-2)
  return all.filter((place) => place !== goes)
}
