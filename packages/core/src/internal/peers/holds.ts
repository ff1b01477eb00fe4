/**
 * What is held with peers, such as sessions. Anybody can send a peer's "leaving", so where something is held it takes nothing off: those
 * who hold are asked to find out, and it counts when the last of them has let go.
 */
import type { Peers } from "../../Peers.ts"
import type { PublicKey } from "../../PublicKey.ts"
import type { Table } from "./table.ts"

type OnDoubt = Parameters<Peers["Service"]["holdUnsafe"]>[1]
export type Doubt = Parameters<OnDoubt>[0]

export class Holds {
  readonly #held = new Map<PublicKey, Set<OnDoubt>>()
  /** Those that said they leave and have not said otherwise since. */
  readonly #leaving = new Set<PublicKey>()
  readonly #table: Table

  /** The table knows whether anybody leaves, as each advert looks at that. */
  constructor(table: Table) {
    this.#table = table
  }

  isHeld(publicKey: PublicKey): boolean {
    return this.#held.has(publicKey)
  }

  add(publicKey: PublicKey, onDoubt: OnDoubt): void {
    const listeners = this.#held.get(publicKey) ?? new Set()
    this.#held.set(publicKey, listeners)
    listeners.add(onDoubt)
  }

  /** Lets go, and says whether nothing is held any more with a peer that said it leaves. */
  remove(publicKey: PublicKey, onDoubt: OnDoubt): boolean {
    const listeners = this.#held.get(publicKey)
    if (listeners?.delete(onDoubt) !== true || listeners.size > 0) return false
    this.#held.delete(publicKey)
    return this.#leaving.delete(publicKey)
  }

  /** A peer with which something is held said that it leaves. */
  leaves(publicKey: PublicKey): void {
    this.#leaving.add(publicKey)
    this.#table.isAnyLeaving = true
    this.doubt(publicKey, "leaving")
  }

  stays(publicKey: PublicKey): void {
    if (!this.#table.isAnyLeaving) return
    this.#leaving.delete(publicKey)
    this.#table.isAnyLeaving = this.#leaving.size > 0
  }

  /** Asks whoever holds something with a peer to find out whether it is there. */
  doubt(publicKey: PublicKey, why: Doubt): void {
    const listeners = this.#held.get(publicKey)
    if (listeners !== undefined) { for (const onDoubt of listeners) onDoubt(why) }
  }
}
