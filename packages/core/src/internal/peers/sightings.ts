/**
 * What an advert does to the table. Anybody can make one up: it may enter a peer within bounds, add what it says to what others say, and
 * say that a peer leaves; it takes nothing away that was proved, or that another host said.
 */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Sighting } from "../../Discovery.ts"
import type { NodeConfig } from "../../NodeOptions.ts"
import type { Peer } from "../../Peers.ts"
import * as Metrics from "../base/metrics.ts"
import { quote } from "../base/quote.ts"
import { Addresses, type Rank } from "./addresses.ts"
import type { Conflicts } from "./conflicts.ts"
import { Entry } from "./entry.ts"
import type { Holds } from "./holds.ts"
import type { LeftOut, Share } from "./leftOut.ts"
import { silentMillis } from "./liveness.ts"
import type { Membership } from "./membership.ts"
import type { Table } from "./table.ts"

const answersAtOnce = 64

// Hosts that may each say another name for a key that has proved none.
const namesPerKey = 4

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
  readonly rank: Rank | undefined
  readonly now: () => number
  /** What answers live in. */
  readonly scope: Scope.Scope
}

export class Sightings {
  readonly #parts: Parts
  /** Answers that are being given. */
  #answering = 0

  constructor(parts: Parts) {
    this.#parts = parts
  }

  /** Takes an advert. */
  take(sighting: Sighting): Effect.Effect<void> {
    const { config: { identity, name: ownName }, conflicts, context, leftOut, membership, table } = this.#parts
    const own = identity.publicKey
    return Effect.gen({ self: this }, function*() {
      const { endpoint, name, publicKey, source } = sighting
      if (publicKey === own) return yield* conflicts.tell(ownName, own, sighting, "OwnKey")
      if (endpoint.port === 0) {
        const entry = table.find(publicKey)
        return entry === undefined ? undefined : membership.leaving(entry, source.host)
      }
      if (name === ownName) return yield* conflicts.tell(name, own, sighting, "OwnName")
      const expected = yield* conflicts.expected(name)
      // Deciding may have taken time.
      const entry = table.find(publicKey)
      if (expected !== undefined && expected !== publicKey) {
        if (entry !== undefined && entry.names.has(name)) membership.loseName(entry, name)
        conflicts.claim(sighting)
        return yield* conflicts.tell(name, expected, sighting, "KeyChanged")
      }
      const pinned = expected === publicKey
      if (entry !== undefined && !entry.isSpokenForBy(name, pinned)) return Metrics.adverts("other_name", context)
      let changed = true
      let evicted: Peer | undefined
      if (entry !== undefined) changed = this.#update(entry, sighting, pinned)
      else {
        if (!this.#hasRoom(sighting, pinned)) {
          Metrics.adverts("too_many_from_address", context)
          return yield* leftOut.tooMany(sighting, shareOf(sighting))
        }
        evicted = this.#enter(sighting, pinned)
      }
      leftOut.forget(name)
      if (evicted !== undefined) yield* leftOut.evicted(evicted)
      if (changed) yield* this.#answer(sighting)
      if (expected === undefined && table.find(publicKey) !== undefined) yield* this.#tellShared(sighting)
    })
  }

  /** Answers it, and waits for nothing: how that is done is the discovery's own affair, and others are to be heard meanwhile. */
  #answer({ answer, name }: Sighting): Effect.Effect<void> {
    if (this.#answering >= answersAtOnce) return Effect.void
    this.#answering++
    return Effect.asVoid(Effect.forkIn(
      answer.pipe(
        Effect.catchCause((cause) => Effect.logDebug(`answering the advert of ${quote(name)} failed`, cause)),
        Effect.ensuring(Effect.sync(() => {
          this.#answering--
        }))
      ),
      this.#parts.scope,
      { startImmediately: true }
    ))
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
    const oldest = kept ? undefined : table.oldestToGo
    if (oldest !== undefined) membership.lose(oldest, "Evicted")
    membership.join(entry, kept)
    return oldest?.peer
  }

  /** Takes a repeated sighting, and says whether its source or address had changed. */
  #update(entry: Entry, sighting: Sighting, pinned: boolean): boolean {
    const { config, holds, membership, now } = this.#parts
    membership.heard(entry, "Advert")
    const { name, publicKey, source: { host } } = sighting
    const fixes = pinned && entry.fixed === undefined
    if (fixes) entry.fixed = "pinned"
    const isNew = !entry.names.has(name)
    const longAgo = now() - silentMillis(config)
    // Of several names none is the peer's before it is proved, so all lead to it that are said still; of each host one.
    const isSaidStill = (other: typeof name) => {
      const said = entry.names.get(other)!
      return !fixes && said.host !== host && said.at > longAgo && (!isNew || entry.names.size < namesPerKey)
    }
    membership.takeNames(entry, isSaidStill, name, host)
    const place = entry.addresses.hear(sighting)
    if (place === "Known") return false
    if (place === "New") membership.moved(entry)
    // Perhaps it was started anew, and what is held with it is a ghost.
    holds.doubt(publicKey, "restarted")
    return true
  }

  /** Says where another key uses the same name, which belongs to nobody. */
  #tellShared(sighting: Sighting): Effect.Effect<void> {
    const { conflicts, table } = this.#parts
    const { name, publicKey } = sighting
    for (const other of table.keysOf(name)) {
      if (other !== publicKey) return conflicts.tell(name, other, sighting, "SharedName")
    }
    return Effect.void
  }
}
