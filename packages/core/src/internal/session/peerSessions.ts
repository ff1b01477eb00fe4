/**
 * The sessions with one peer: which of them new streams go to, which are superfluous, who waits for room on them, and what the
 * peer may have of this node's credit. Synchronous.
 */
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import type { NodeName } from "../../Packet.ts"
import * as PublicKey from "../../PublicKey.ts"
import type { Budget } from "./budget.ts"
import { Dial } from "./dial.ts"
import type { Session } from "./session.ts"

export class PeerSessions {
  readonly key: PublicKey.PublicKey
  /** Under whatever names its key has proved. Each serves the one that was proved in its handshake, and no other. */
  readonly sessions = new Set<Session>()
  /** By the name that is to be proved. */
  readonly dials = new Map<NodeName, Dial>()
  /** The peer's part of all credit, over all its sessions. */
  readonly budget: Budget
  /** Sessions with it that there are, and that are being made. */
  places = 0
  /** Those who wait until a stream may be opened, the longest waiting first. */
  readonly #waiting = new Set<Latch.Latch>()
  /** Whether its key is smaller than this node's. */
  readonly #smaller: boolean

  constructor(key: PublicKey.PublicKey, own: PublicKey.PublicKey, budget: Budget) {
    this.key = key
    this.budget = budget
    this.#smaller = PublicKey.Order(key, own) < 0
  }

  // --- its sessions ----------------------------------------------------------------------------------------------------

  /** The session that new streams are opened on: one that has proved the name. */
  current(name: NodeName): Session | undefined {
    // Nearly always, and on the way of every call.
    if (this.sessions.size === 1) {
      for (const session of this.sessions) {
        return session.usable && session.peer.name === name && !session.doubtful ? session : undefined
      }
    }
    let newest: Session | undefined
    let staying: Session | undefined
    for (const session of this.sessions) {
      if (!session.usable || session.peer.name !== name || session.doubtful) continue
      if (newest === undefined || session.id > newest.id) newest = session
      // The one opened by the smaller key, newest of those.
      if (session.dialled !== this.#smaller && (staying === undefined || session.id > staying.id)) staying = session
    }
    // An older one may be the ghost of a peer that restarted: it has to have been heard since the newer one began. One that was not
    // is used for nothing, also where the newer has ended: a dial says at once what a ghost says after 10 s.
    return staying !== undefined && newest !== undefined && staying.heardAt > newest.startedAt ? staying : newest
  }

  /** Whether the peer has a session under a name still, if only one that drains. */
  isThere(name: NodeName): boolean {
    for (const session of this.sessions) if (session.ending === undefined && session.peer.name === name) return true
    return false
  }

  /** Of several sessions, says goodbye to those that this side opened and that are not needed. */
  reconcile(): void {
    for (const mine of this.sessions) {
      if (!mine.dialled || !mine.usable) continue
      for (const other of this.sessions) {
        if (other === mine || !other.usable || other.peer.name !== mine.peer.name) continue
        if (other.dialled ? other.id > mine.id : this.#smaller && other.confirmed && other.heardAt >= mine.startedAt) {
          mine.drain(other.dialled ? "renew" : "duplicate", "another session takes its place")
          break
        }
      }
    }
  }

  /** The one to end where it has as many as it may: one that is idle, or the one that was silent the longest. */
  leastNeeded(): Session | undefined {
    let oldest: Session | undefined
    const rank = (session: Session) => session.mux.streams === 0 ? session.usedAt - 2 ** 52 : session.heardAt
    for (const session of this.sessions) {
      if (session.ending === undefined && (oldest === undefined || rank(session) < rank(oldest))) oldest = session
    }
    return oldest
  }

  // --- making them -----------------------------------------------------------------------------------------------------

  dialOf(name: NodeName): Dial {
    let dial = this.dials.get(name)
    if (dial === undefined) this.dials.set(name, dial = new Dial())
    return dial
  }

  /** Whether there is nothing to know about the peer, once dials of no more meaning are forgotten. */
  get forgettable(): boolean {
    for (const [name, dial] of this.dials) {
      if (dial.forgettable) this.dials.delete(name)
    }
    // What it owes is counted on, also where its sessions have ended and somebody has yet to read what came over them.
    return this.sessions.size + this.places + this.budget.used + this.dials.size === 0
  }

  // --- waiting for room ------------------------------------------------------------------------------------------------

  get awaited(): boolean {
    return this.#waiting.size > 0
  }

  /** Lets one try that waits for room: where it gets none, it waits again. */
  wakeOne(): void {
    // Room under one name is none under another.
    if (this.#waiting.size > 1 && new Set([...this.sessions].map(({ peer }) => peer.name)).size > 1) {
      return this.wakeAll()
    }
    for (const latch of this.#waiting) {
      this.#waiting.delete(latch)
      latch.openUnsafe()
      return
    }
  }

  wakeAll(): void {
    // They run at once, and may wait again.
    const latches = [...this.#waiting]
    this.#waiting.clear()
    for (const latch of latches) latch.openUnsafe()
  }

  /**
   * Lets an effect wait for room. To be made in the same turn in which there was none, so that no news of it is missed, and by
   * whoever cannot be interrupted before it runs.
   */
  queue<A, E>(wait: (room: Effect.Effect<void>) => Effect.Effect<A, E>): Effect.Effect<A, E> {
    const latch = Latch.makeUnsafe(false)
    this.#waiting.add(latch)
    return Effect.onError(wait(latch.await), () =>
      Effect.sync(() => {
        // Somebody else's turn, if it was this one's.
        if (!this.#waiting.delete(latch)) this.wakeOne()
      }))
  }
}
