/**
 * Who made a session to this node. He has proved his key, and may have no address that anybody knows: a browser, a machine behind NAT, a
 * node that this one cannot hear. So he is a peer for as long as his sessions live, without an address unless adverts give him one, and
 * lost with the last of them.
 *
 * What bites: he is never dialled. What makes him a peer is that something is held with him, so he enters with what is held and in the
 * same step.
 */
import type { Endpoint } from "../../Network.ts"
import type { NodeConfig } from "../../NodeOptions.ts"
import { Addresses, type Rank } from "./addresses.ts"
import type { Conflicts } from "./conflicts.ts"
import { Entry, type Seen } from "./entry.ts"
import type { Holds } from "./holds.ts"
import type { Membership } from "./membership.ts"
import type { Table } from "./table.ts"

interface Parts {
  readonly config: NodeConfig["Service"]
  readonly table: Table
  readonly membership: Membership
  readonly holds: Holds
  readonly conflicts: Conflicts
  readonly rank: Rank | undefined
  readonly now: () => number
}

export class Arrivals {
  readonly #parts: Parts

  constructor(parts: Parts) {
    this.#parts = parts
  }

  /** Enters who made a session, if he is not there and may be. His sessions are bounded, and so are those that have proved a key. */
  enter(peer: Seen, from: Endpoint | undefined): void {
    const { config, conflicts, membership, now, rank, table } = this.#parts
    const { name, publicKey } = peer
    if (table.find(publicKey) !== undefined || !table.hasRoomForProved || !conflicts.mayProve(name, publicKey)) return
    const addresses = new Addresses(config.limits.addressesPerPeer, rank)
    membership.join(new Entry(peer, from?.host ?? "", addresses, "proved", now()), true)
  }

  /** The last of what is held with a peer is gone. */
  leave({ publicKey }: Seen): void {
    const { holds, membership, table } = this.#parts
    const entry = table.find(publicKey)
    if (entry?.addresses.isEmpty === true && !holds.isHeld(publicKey)) membership.lose(entry, "SessionEnded")
  }
}
