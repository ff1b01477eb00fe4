/**
 * What happens to peers: each step changes the table, says so to its readers, and ends what was bound to a peer that is gone, or is not
 * who it was taken for. All of it at once: nobody sees half of a step.
 */
import * as Duration from "effect/Duration"
import type { Endpoint } from "../../Network.ts"
import type { Offer } from "../../Offer.ts"
import type { NodeName } from "../../Packet.ts"
import type * as Peers from "../../Peers.ts"
import type { Entry, Saying } from "./entry.ts"
import type { Holds } from "./holds.ts"
import type { Presence } from "./presence.ts"
import type { Table } from "./table.ts"
import type { Watchers } from "./watchers.ts"

type Returned = Extract<Peers.PeerEvent, { readonly _tag: "Returned" }>["reason"]

export class Membership {
  readonly #table: Table
  readonly #presence: Presence
  readonly #watchers: Watchers
  readonly #holds: Holds
  readonly #now: () => number
  readonly #interval: number

  constructor(
    parts: {
      readonly table: Table
      readonly presence: Presence
      readonly watchers: Watchers
      readonly holds: Holds
      readonly now: () => number
      readonly broadcastInterval: Duration.Duration
    }
  ) {
    this.#table = parts.table
    this.#presence = parts.presence
    this.#watchers = parts.watchers
    this.#holds = parts.holds
    this.#now = parts.now
    this.#interval = Duration.toMillis(parts.broadcastInterval)
  }

  /** Enters a peer, `kept` from those who flood the unproved. */
  join(entry: Entry, kept: boolean): void {
    const returned = this.#table.enter(entry, kept)
    this.#presence.publish({ _tag: "Joined", peer: entry.peer, reason: returned ? "Returned" : "New" })
  }

  /** A peer gave a sign of life. */
  heard(entry: Entry, reason: Returned, now = this.#now()): void {
    // Not by traffic: what it sent before it left may come behind its "leaving".
    if (reason !== "Traffic") this.#holds.stays(entry.peer.publicKey)
    const silent = now - entry.heardAt
    entry.heardAt = now
    if (entry.peer.status === "Suspect") {
      const silentFor = Duration.millis(silent)
      entry.change({ status: "Online" })
      entry.settleProbe()
      this.#presence.publish({ _tag: "Returned", peer: entry.peer, reason, silentFor })
    }
  }

  suspect(entry: Entry, silentMillis: number): void {
    if (!this.#isThere(entry)) return
    entry.change({ status: "Suspect" })
    this.#presence.publish({ _tag: "Suspected", peer: entry.peer, silentFor: Duration.millis(silentMillis) })
  }

  lose(entry: Entry, reason: Peers.LostReason): void {
    if (!this.#remove(entry)) return
    this.#presence.publish({ _tag: "Lost", peer: entry.peer, reason })
    this.#watchers.wake(entry.peer, reason)
  }

  left(entry: Entry, reason: "SaidSo" | "ConnectionsEnded"): void {
    if (!this.#remove(entry)) return
    this.#presence.publish({ _tag: "Left", peer: entry.peer, reason })
    this.#watchers.wake(entry.peer, "Left")
  }

  /** Whoever reads an event at once may have taken its peer off, in the middle of what led to it. */
  #isThere(entry: Entry): boolean {
    return this.#table.find(entry.peer.publicKey) === entry
  }

  #remove(entry: Entry): boolean {
    if (!this.#table.remove(entry)) return false
    entry.settleProbe()
    return true
  }

  /** A host says that a peer leaves. */
  leaving(entry: Entry, host: string): void {
    const withdrawn = entry.addresses.withdraw(host)
    if (withdrawn === "Some") return this.moved(entry)
    if (withdrawn === "None") return
    if (!this.#holds.isHeld(entry.peer.publicKey)) return this.left(entry, "SaidSo")
    this.#holds.leaves(entry.peer.publicKey)
  }

  /** An advert says that it is not where it was. Where nothing is held with it there is nothing that would show more. */
  heardElsewhere(entry: Entry, place: "New" | "Elsewhere" | "Moved"): void {
    const isHeld = this.#holds.isHeld(entry.peer.publicKey)
    if (entry.broken || !isHeld && place !== "New") this.#anew(entry)
    else if (isHeld) entry.doubted = true
  }

  /** A connection with it broke: it was not ended in order. */
  broke(entry: Entry): void {
    if (entry.doubted) this.#anew(entry)
    else entry.broken = true
  }

  /** Something is held with it from now on that was not before. Where it sends no adverts, nothing else will show that it is another process. */
  heldAnew(entry: Entry): void {
    entry.doubted = false
    if (entry.broken && entry.places === undefined) this.#anew(entry)
  }

  /** It was started anew, and was not missed. Adverts can be made up, so not more often than it would be heard. */
  #anew(entry: Entry): void {
    const now = this.#now()
    if (!this.#isThere(entry) || now - (entry.anewAt ?? -Infinity) < this.#interval) return
    entry.anewAt = now
    entry.broken = false
    entry.doubted = false
    this.#presence.publish({ _tag: "Restarted", peer: entry.peer })
    this.#watchers.anew(entry.peer.publicKey)
  }

  /** The addresses that adverts give it are others now. */
  moved(entry: Entry): void {
    if (!this.#isThere(entry)) return
    entry.change({ endpoints: entry.addresses.endpoints })
    this.#presence.publish({ _tag: "Updated", peer: entry.peer, reason: "address" })
  }

  /** A host says a name of a peer, of whose others those stay that are to be kept. */
  takeNames(entry: Entry, kept: (name: Saying) => boolean, name: NodeName, host: string): void {
    if (!this.#isThere(entry)) return
    const isNew = !entry.hasName(name)
    this.#table.takeNames(entry, kept, { name, host, at: this.#now() })
    if (isNew) this.#presence.publish({ _tag: "Updated", peer: entry.peer, reason: "name" })
  }

  /** Takes a name from a peer that it does not belong to. */
  loseName(entry: Entry, name: NodeName): void {
    if (!this.#isThere(entry)) return
    const other = entry.names.find((one) => one.name !== name)
    if (other === undefined) return this.lose(entry, "Conflict")
    this.#table.takeNames(entry, (kept) => kept.name !== name, { ...other, at: this.#now() })
    this.#presence.publish({ _tag: "Updated", peer: entry.peer, reason: "name" })
    this.#watchers.wake(entry.peer, "Conflict", (bound) => bound === name)
  }

  /** Its key proved itself under a name, and at an address. */
  prove(entry: Entry, name: NodeName, endpoint: Endpoint | undefined): void {
    this.heard(entry, "Traffic")
    if (!this.#isThere(entry)) return
    const isFirst = endpoint === undefined || entry.addresses.isFirst(endpoint)
    const isProved = entry.fixed === "proved" && entry.peer.name === name
    if (entry.peer.proved && isFirst && isProved) return
    const proved = this.#table.promote(entry)
    // What it offers was granted to it under the name that it had.
    if (entry.peer.name !== name && entry.claimed !== undefined) this.offered(entry, undefined)
    if (!this.#isThere(entry)) return
    entry.fixed = "proved"
    this.#table.takeNames(entry, () => false, { name, host: entry.host, at: this.#now() })
    if (endpoint !== undefined) entry.addresses.prove(endpoint)
    entry.change({ endpoints: entry.addresses.endpoints, proved })
    this.#presence.publish({ _tag: "Updated", peer: entry.peer, reason: "proved" })
    // What knew it by a name that adverts gave it, or by one that it had.
    this.#watchers.wake(entry.peer, "Renamed", (bound) => bound !== "" && bound !== name)
  }

  /** It was found out what a peer offers: what it says, and what of that counts. */
  offered(entry: Entry, known: { readonly claimed: Offer; readonly offer: Offer } | undefined): void {
    if (!this.#isThere(entry)) return
    entry.claimed = known?.claimed
    if (JSON.stringify(entry.peer.offer) === JSON.stringify(known?.offer)) return
    entry.change({ offer: known?.offer })
    this.#presence.publish({ _tag: "Offered", peer: entry.peer })
  }

  /** Whoever is at an address did not prove its key. */
  fail(entry: Entry, endpoint: Endpoint): void {
    if (!entry.addresses.fail(endpoint)) return
    entry.change({ endpoints: entry.addresses.endpoints })
    this.#presence.show(entry.peer)
  }
}
