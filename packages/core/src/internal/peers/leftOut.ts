/**
 * Nodes that were heard, and that a bound kept out of the table: noted as an obstacle, and remembered by name for a while, so that the error
 * of who waits for one of them says why it is not there.
 */
import * as Effect from "effect/Effect"
import type { Sighting } from "../../Discovery.ts"
import type { NodeConfig } from "../../NodeOptions.ts"
import type { Obstacle } from "../../Obstacle.ts"
import type { Peer } from "../../Peers.ts"
import { quote } from "../base/quote.ts"
import { remember } from "../base/remember.ts"

// Names that were left out, and for how long, in milliseconds.
const hiddenKept = 256
const hiddenMemory = 60_000

/** How many of those that have proved nothing may come from one address. */
export type Share = "unprovedPerOwnAddress" | "unprovedPerAddress"

export class LeftOut {
  readonly #hidden = new Map<string, { readonly at: number; readonly obstacle: Obstacle }>()
  readonly #config: NodeConfig["Service"]
  readonly #now: () => number

  constructor(config: NodeConfig["Service"], now: () => number) {
    this.#config = config
    this.#now = now
  }

  /** Why a name was left out in the last minute. */
  why(name: string): Obstacle | undefined {
    const left = this.#hidden.get(name)
    return left !== undefined && this.#now() - left.at < hiddenMemory ? left.obstacle : undefined
  }

  /** A name was let in. */
  forget(name: string): void {
    this.#hidden.delete(name)
  }

  /** The address that a sighting comes from has had its share. */
  tooMany({ name, source: { host } }: Sighting, share: Share): Effect.Effect<void> | undefined {
    const { limits } = this.#config
    return this.#note(
      name,
      host,
      `is left out: ${limits[share]} nodes at ${host} are known that have proved nothing yet`,
      `raise limits.${share}; who has proved its key, or has it listed, does not count`
    )
  }

  /** The table was full, and this was the oldest of those that have proved nothing. */
  evicted({ endpoints, name }: Peer): Effect.Effect<void> | undefined {
    const { limits } = this.#config
    const host = endpoints[0]?.host ?? "no address"
    return this.#note(
      name,
      "unprovedPeers",
      `at ${host} is left out: ${limits.unprovedPeers} nodes are known that have proved nothing yet, and the oldest makes room`,
      "raise limits.unprovedPeers, or see who sends so many adverts"
    )
  }

  /** As many have proved their key as may, and this one, which made a session, is no peer. */
  full(name: string): Effect.Effect<void> | undefined {
    const { limits } = this.#config
    return this.#note(
      name,
      "provedPeers",
      `has made a session and is no peer: ${limits.provedPeers} nodes are known that have proved their key`,
      "raise limits.provedPeers"
    )
  }

  #note(name: string, where: string, what: string, remedy: string): Effect.Effect<void> | undefined {
    const at = this.#now()
    const obstacle: Obstacle = { kind: "Limit", where, what: `${quote(name)} ${what}`, remedy }
    remember(this.#hidden, name, { at, obstacle }, hiddenKept)
    return this.#config.obstacles.met(`limit ${where}`, at, () => ({
      kind: "Limit",
      where,
      what: `a node, ${quote(name)}, ${what}`,
      remedy
    }))
  }
}
