/** A peer in the table, and what is known of it beyond what its users see. Changes go through `Membership`, which says them. */
import * as Deferred from "effect/Deferred"
import * as Exit from "effect/Exit"
import type { Sighting } from "../../Discovery.ts"
import type { Endpoint } from "../../Network.ts"
import type { Offer } from "../../Offer.ts"
import type { NodeName } from "../../Packet.ts"
import type * as Peers from "../../Peers.ts"
import { type Keeps, kept } from "../base/kept.ts"
import { sameEndpoint } from "../values/endpoints.ts"
import type { Addresses } from "./addresses.ts"
import type { Places } from "./places.ts"

/** What asking a peer came to; `Moot` where it was heard otherwise, or was taken off. */
export type Verdict = Extract<Peers.PeerEvent, { readonly _tag: "Probed" }>["reason"] | "Moot"

/** A name that adverts give a peer: the host that said it last, and when, by the monotonic clock in milliseconds. */
export interface Saying {
  readonly name: NodeName
  host: string
  at: number
}

/** Who it is that was seen. */
export type Seen = Pick<Peers.Peer, "name" | "publicKey">

// As the keys and names of a process: its nodes hear the same of the same peers, and keep it once.
const recent: Array<Peers.Peer | undefined> = Array.from({ length: 4_096 })

/** A peer that was just heard, which is the one of another node where that heard the same. */
const sameAsRecent = (peer: Peers.Peer): Peers.Peer => {
  const { endpoints, name, proved, publicKey } = peer
  const place = (publicKey.charCodeAt(0) * 769 + publicKey.charCodeAt(1) * 97 + publicKey.charCodeAt(2) * 13
    + publicKey.charCodeAt(3)) & (recent.length - 1)
  const known = recent[place]
  return known !== undefined && known.publicKey === publicKey && known.name === name && known.proved === proved &&
      known.endpoints.length === endpoints.length && known.endpoints.every((endpoint, i) => endpoint === endpoints[i])
    ? known
    : recent[place] = peer
}

// Ways by which a peer may be there at once.
const mostStanding = 4
const none: ReadonlyArray<Sighting> = []

// First what is looked at for each advert.
export class Entry {
  /** Its name is one of `names`, and its endpoints are those of `addresses`. */
  peer: Peers.Peer
  /** By the monotonic clock, in milliseconds. */
  heardAt: number
  /** The advert that was heard last, as long as it has nothing to say that is not known, and when. */
  #said: unknown = undefined
  #saidAt = 0
  /** The table that it is in, which sees to it. */
  table: object | undefined = undefined
  /** Why adverts do not change its name: its key proved it, or it is pinned to its key. */
  fixed: "proved" | "pinned" | undefined
  /** The sockets that its adverts by broadcast came from, which can be asked; none where it was heard otherwise since. */
  places: Places | undefined = undefined
  readonly addresses: Addresses
  /** Where it was first heard from, which is whose share of the unproved it takes. */
  readonly host: string
  /**
   * The names that adverts give it, and the host that says so: anybody can make one up, so none takes the place of what another
   * host says. Only one where it is fixed.
   */
  names: ReadonlyArray<Saying>
  /** A connection with it broke, and nothing has shown since whether it was started anew. */
  broken = false
  /** An advert came from elsewhere while something was held with it, which has shown nothing wrong since. */
  doubted = false
  /** When it was last found to be started anew, if it was. */
  anewAt: number | undefined = undefined
  /** Where it is among all of its table, which sees to it. */
  index = -1
  /** What it says that it offers, granted or not, where it was asked. */
  claimed: Offer | undefined = undefined
  /** What discoveries that keep who is there sighted last, each by its `via`. Most have one, or none. */
  #standing: ReadonlyArray<Sighting> = none
  /** While it is being asked: what ends that. */
  probe: Deferred.Deferred<Verdict> | undefined = undefined

  constructor(peer: Seen, host: string, addresses: Addresses, fixed: Entry["fixed"], now: number) {
    const { name, publicKey } = peer
    this.addresses = addresses
    this.peer = sameAsRecent({
      name,
      publicKey,
      endpoints: addresses.endpoints,
      status: "Online",
      proved: fixed === "proved"
    })
    this.host = host
    this.names = [{ name, host, at: now }]
    this.fixed = fixed
    this.heardAt = now
  }

  /** The entry of a table that knew a sighting last, if that has it still. */
  static whichKnows(sighting: object, table: object): Entry | undefined {
    const { [kept]: entry } = sighting as Keeps
    return entry instanceof Entry && entry.#said === sighting && entry.table === table ? entry : undefined
  }

  /** When it was heard last, where it is known to be at an endpoint and is not in doubt. */
  heardAtWhere(endpoint: Endpoint): number | undefined {
    const { endpoints, status } = this.peer
    return status === "Online" && endpoints.some((one) => sameEndpoint(one, endpoint)) ? this.heardAt : undefined
  }

  hasName(name: NodeName): boolean {
    for (const one of this.names) if (one.name === name) return true
    return false
  }

  /** Whether an advert is the one that was heard last, and has still nothing to say. Then it was said again. */
  isSaidAgain(sighting: object, now: number): boolean {
    if (this.#said !== sighting) return false
    this.#saidAt = now
    return true
  }

  /** An advert that has nothing to say that is not known. */
  knows(sighting: object, now: number): void {
    if (kept in sighting) (sighting as Keeps)[kept] = this
    this.#said = sighting
    this.#saidAt = now
  }

  /** A sighting of it was taken, which may say by itself until when it is there. */
  stands(sighting: Sighting): void {
    if (sighting.thereUntil === undefined || this.#standing.includes(sighting)) return
    this.#standing = [sighting, ...this.#standing.filter(({ via }) => via !== sighting.via)].slice(0, mostStanding)
  }

  /** Until when it is known to be there without an advert; `-Infinity` where only adverts tell. */
  thereUntil(): number {
    let until = -Infinity
    for (const sighting of this.#standing) {
      const at = sighting.thereUntil!()
      if (at > until) until = at
      if (sighting === this.#said && at > this.#saidAt) this.#saidAt = at
    }
    return until
  }

  /** Before anything else is done to it than to hear that advert again. */
  touch(): void {
    if (this.#said === undefined) return
    this.#said = undefined
    for (const one of this.names) one.at = this.#saidAt
  }

  change(change: Partial<Peers.Peer>): void {
    this.touch()
    this.peer = { ...this.peer, ...change }
  }

  /**
   * Whether an advert may speak for it. Not where it says another name than the one that was proved, or is pinned: whoever made it
   * up can be anybody, and a peer that has another name now proves it when it is called, or goes silent under the old.
   */
  isSpokenForBy(name: NodeName, pinned: boolean): boolean {
    return this.fixed === undefined || name === this.peer.name || pinned && this.fixed === "pinned"
  }

  /** The peer under the name that it was asked for by: of one that has proved none, each that adverts give it. */
  as(name: string): Peers.Peer {
    const { peer } = this
    return peer.name === name || !this.hasName(name as NodeName) ? peer : { ...peer, name: name as NodeName }
  }

  /** Ends the asking: whatever it comes to does not matter any more. */
  settleProbe(): void {
    if (this.probe !== undefined) Deferred.doneUnsafe(this.probe, Exit.succeed("Moot" as const))
  }
}
