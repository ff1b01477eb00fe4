/**
 * What an advert does to the table. Anybody can make one up: it may enter a peer within bounds, add what it says to what others say, and
 * say that a peer leaves; it takes nothing away that was proved, or that another host said.
 */
import type * as Clock from "effect/Clock"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Deadline from "../../Deadline.ts"
import type { Sighting } from "../../Discovery.ts"
import type { NodeConfig } from "../../NodeOptions.ts"
import type { NodeName } from "../../Packet.ts"
import type { Peer } from "../../Peers.ts"
import type { PublicKey } from "../../PublicKey.ts"
import * as AtOnce from "../base/atOnce.ts"
import * as Metrics from "../base/metrics.ts"
import { quote } from "../base/quote.ts"
import { Addresses, type Rank } from "./addresses.ts"
import type { Asking } from "./asking.ts"
import type { Conflicts } from "./conflicts.ts"
import { Entry, type Saying } from "./entry.ts"
import type { Holds } from "./holds.ts"
import type { LeftOut, Share } from "./leftOut.ts"
import { lostAfter } from "./liveness.ts"
import type { Membership } from "./membership.ts"
import { Places } from "./places.ts"
import type { Table } from "./table.ts"

const answersAtOnce = 64

type Waits = Effect.Effect<void> | undefined

// In intervals: where a peer has not been heard for so long it is not asked any more.
const patience = 3

// Hosts that may each say another name for a key that has proved none.
const namesPerKey = 4

/** What is still to be waited for, of two. */
const both = (a: Waits, b: Waits): Waits => a === undefined ? b : b === undefined ? a : Effect.andThen(a, b)

/** The operator vouches for this machine, and for what is listed. */
const shareOf = ({ local, source: { host }, via }: Sighting): Share =>
  local === true || via === "static" || host === "::1" || host.startsWith("127.")
    ? "unprovedPerOwnAddress"
    : "unprovedPerAddress"

interface Parts {
  readonly config: NodeConfig["Service"]
  readonly context: Context.Context<never>
  readonly table: Table
  readonly membership: Membership
  readonly holds: Holds
  readonly conflicts: Conflicts
  readonly leftOut: LeftOut
  readonly asking: Asking
  readonly rank: Rank | undefined
  readonly clock: Clock.Clock
  readonly now: () => number
  /** Runs what is not waited for, such as answers. */
  readonly fork: (effect: Effect.Effect<void>) => void
}

export class Sightings {
  readonly #parts: Parts
  // What is looked at for each advert, which is most of what a node does: one behind the other in memory, and not each in an object elsewhere.
  readonly #own: PublicKey
  readonly #ownName: NodeName
  readonly #table: Table
  readonly #conflicts: Conflicts
  readonly #membership: Membership
  readonly #clock: Clock.Clock
  /** Answers that are being given. */
  #answering = 0

  constructor(parts: Parts) {
    this.#parts = parts
    this.#own = parts.config.identity.publicKey
    this.#ownName = parts.config.name
    this.#table = parts.table
    this.#conflicts = parts.conflicts
    this.#membership = parts.membership
    this.#clock = parts.clock
  }

  /** Takes an advert, at once; what there still is to wait for: the policy's decision, a line of the log. */
  take(sighting: Sighting): Waits {
    const { endpoint, name, publicKey } = sighting
    const own = this.#own
    if (publicKey === own) return this.#conflicts.tell(this.#ownName, own, sighting, "OwnKey")
    if (endpoint.port === 0) {
      const entry = this.#table.find(publicKey)
      if (entry !== undefined) this.#membership.leaving(entry, sighting.source.host)
      return undefined
    }
    if (name === this.#ownName) return this.#conflicts.tell(name, own, sighting, "OwnName")
    const expected = this.#conflicts.expectedUnsafe(name)
    return Effect.isEffect(expected)
      ? Effect.flatMap(expected, (key) => this.#decided(sighting, key) ?? Effect.void)
      : this.#decided(sighting, expected)
  }

  /** Takes an advert whose name belongs to a key, or to nobody. To decide that may have taken time. */
  #decided(sighting: Sighting, expected: PublicKey | undefined): Waits {
    const table = this.#table
    const { name, publicKey } = sighting
    const entry = Entry.whichKnows(sighting, table) ?? table.find(publicKey)
    if (expected !== undefined && expected !== publicKey) {
      if (entry !== undefined && entry.hasName(name)) this.#membership.loseName(entry, name)
      this.#conflicts.claim(sighting)
      return this.#conflicts.tell(name, expected, sighting, "KeyChanged")
    }
    const pinned = expected === publicKey
    const at = Deadline.nowUnsafe(this.#clock)
    // Nearly always. A name of several peers is told as long as it is.
    if (entry !== undefined && (!pinned || entry.fixed !== undefined) && entry.isSaidAgain(sighting, at)) {
      // What `heard` comes to then, without a look at what is elsewhere in memory.
      if (entry.peer.status === "Online" && !table.isAnyLeaving) entry.heardAt = at
      else this.#membership.heard(entry, "Advert", at)
      return expected === undefined && table.isAnyShared ? this.#tellShared(sighting) : undefined
    }
    const { context, leftOut } = this.#parts
    entry?.touch()
    if (entry !== undefined && !entry.isSpokenForBy(name, pinned)) {
      Metrics.adverts("other_name", context)
      return undefined
    }
    let changed = true
    let evicted: Peer | undefined
    if (entry !== undefined) changed = this.#update(entry, sighting, pinned)
    else {
      if (!this.#hasRoom(sighting, pinned)) {
        Metrics.adverts("too_many_from_address", context)
        return leftOut.tooMany(sighting, shareOf(sighting))
      }
      evicted = this.#enter(sighting, pinned)
    }
    leftOut.forget(name)
    const said = evicted === undefined ? undefined : leftOut.evicted(evicted)
    if (changed) this.#answer(sighting)
    return expected === undefined && table.find(publicKey) !== undefined ? both(said, this.#tellShared(sighting)) : said
  }

  /** Answers it, and waits for nothing: how that is done is the discovery's own affair, and others are to be heard meanwhile. */
  #answer(sighting: Sighting): void {
    if (this.#answering >= answersAtOnce) return
    const { answer } = sighting
    if (AtOnce.valueOf(answer) !== AtOnce.unknown) return
    this.#answering++
    this.#parts.fork(
      answer.pipe(
        Effect.catchCause((cause) => Effect.logDebug(`answering the advert of ${quote(sighting.name)} failed`, cause)),
        Effect.ensuring(Effect.sync(() => {
          this.#answering--
        }))
      )
    )
  }

  /** Whether a peer's place is kept from those who flood the unproved. It is still to be proved: an advert of a pinned key can be made up, too. */
  #isKept(pinned: boolean): boolean {
    return pinned && this.#parts.table.hasRoomForProved
  }

  #hasRoom(sighting: Sighting, pinned: boolean): boolean {
    const { config: { limits }, table } = this.#parts
    return this.#isKept(pinned) || table.unprovedFrom(sighting.source.host) < limits[shareOf(sighting)]
  }

  /** Enters a peer that was not known, and gives the one that had to make room. */
  #enter(sighting: Sighting, pinned: boolean): Peer | undefined {
    const { config: { limits }, membership, now, rank, table } = this.#parts
    const kept = this.#isKept(pinned)
    const addresses = new Addresses(limits.addressesPerPeer, rank)
    addresses.hear(sighting)
    const entry = new Entry(sighting, sighting.source.host, addresses, pinned ? "pinned" : undefined, now())
    entry.stands(sighting)
    this.#place(entry, sighting)
    const oldest = kept ? undefined : table.oldestToGo
    if (oldest !== undefined) membership.lose(oldest, "Evicted")
    membership.join(entry, kept)
    return oldest?.peer
  }

  /** Takes a repeated sighting, and says whether its source or address had changed. */
  #update(entry: Entry, sighting: Sighting, pinned: boolean): boolean {
    const { asking, holds, membership, now } = this.#parts
    membership.heard(entry, "Advert")
    entry.stands(sighting)
    this.#place(entry, sighting)
    const { name, publicKey, source: { host } } = sighting
    const fixes = pinned && entry.fixed === undefined
    if (fixes) entry.fixed = "pinned"
    const isNew = !entry.hasName(name)
    const longAgo = now() - lostAfter * asking.interval(entry)
    // Of several names none is the peer's before it is proved, so all lead to it that are said still; of each host one.
    const isSaidStill = (other: Saying) =>
      !fixes && other.host !== host && other.at > longAgo && (!isNew || entry.names.length < namesPerKey)
    membership.takeNames(entry, isSaidStill, name, host)
    const place = entry.addresses.hear(sighting)
    if (place === "Known") {
      if (entry.names.length === 1) entry.knows(sighting, now())
      return false
    }
    if (place !== "Moved") membership.moved(entry)
    // Perhaps it was started anew, and what is held with it is a ghost.
    holds.doubt(publicKey, "restarted")
    membership.heardElsewhere(entry, place)
    return true
  }

  /** An advert that was broadcast, or said by one of those who broadcast, came from where the peer can be asked. */
  #place(entry: Entry, { asks, source, via }: Sighting): void {
    const { asking, now } = this.#parts
    if (via !== "broadcast") entry.places = undefined
    else if (entry.places === undefined) entry.places = new Places(source)
    else if (asks !== true) entry.places.hear(source, now(), patience * asking.interval(entry))
  }

  /** Says where another key uses the same name, which belongs to nobody. */
  #tellShared(sighting: Sighting): Waits {
    const { conflicts, table } = this.#parts
    const { name, publicKey } = sighting
    const other = table.otherKeyOf(name, publicKey)
    return other === undefined ? undefined : conflicts.tell(name, other, sighting, "SharedName")
  }
}
