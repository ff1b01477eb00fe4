/**
 * All sessions of a node, by peer, and the bounds they share: how many there may be, in all and with one peer, and all peers'
 * credit. Where a bound is reached, this is what says who makes room for whom.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as ProtocolError from "../../ProtocolError.ts"
import type { PublicKey } from "../../PublicKey.ts"
import * as AtEnd from "../base/atEnd.ts"
import { Budget } from "./budget.ts"
import type { Host } from "./host.ts"
import { PeerSessions } from "./peerSessions.ts"
import type { Session } from "./session.ts"

/** Gives the place of a session back, once, however often it is called. */
export type Place = () => void

export class Table {
  readonly #host: Host
  readonly #peers = new Map<PublicKey, PeerSessions>()
  readonly #budget: Budget
  /** Peers with streams to open that all peers' credit together leaves no room for. */
  readonly #starved = new Set<PeerSessions>()
  /** Sessions there are, and those that are being made; each gives its place back once. */
  #count = 0
  readonly #places = new Map<Session, Place>()

  constructor(host: Host) {
    this.#host = host
    this.#budget = new Budget(host.limits.credit)
  }

  // --- who is there ----------------------------------------------------------------------------------------------------

  get peers(): Iterable<PeerSessions> {
    return this.#peers.values()
  }

  /** Every session as they are now, also while some of them end. */
  all(): ReadonlyArray<readonly [Session, PeerSessions]> {
    const all: Array<readonly [Session, PeerSessions]> = []
    for (const state of this.#peers.values()) {
      for (const session of state.sessions) all.push([session, state])
    }
    return all
  }

  /** Where there is anything to know about the peer. */
  get(key: PublicKey): PeerSessions | undefined {
    return this.#peers.get(key)
  }

  of(key: PublicKey): PeerSessions {
    let state = this.#peers.get(key)
    if (state === undefined) {
      state = new PeerSessions(
        key,
        this.#host.self.identity.publicKey,
        new Budget(this.#host.limits.credit / 4, this.#budget)
      )
      this.#peers.set(key, state)
    }
    return state
  }

  forget(state: PeerSessions): void {
    if (state.forgettable) this.#peers.delete(state.key)
  }

  // --- room for streams ------------------------------------------------------------------------------------------------

  /** There was no credit for a stream to this peer: news of room at any other concerns it, too. */
  starve(state: PeerSessions): void {
    this.#starved.add(state)
  }

  /** A stream with this peer has closed, or was read to its end. */
  onRoom(state: PeerSessions): void {
    if (state.awaited) state.wakeOne()
    if (this.#starved.size === 0) return
    // Those that are woken run at once, and may starve again.
    const before = [...this.#starved]
    for (const other of before) {
      if (other !== state) other.wakeOne()
      if (!other.awaited) this.#starved.delete(other)
    }
  }

  // --- room for sessions -----------------------------------------------------------------------------------------------

  /** Whether there is a place for one more that is nobody's. */
  get hasRoom(): boolean {
    return this.#count < this.#host.limits.sessions
  }

  /** Whether there is no place for one more, not even an idle session's. */
  get full(): boolean {
    return this.#count >= this.#host.limits.sessions && this.#idlest() === undefined
  }

  /** A place for one more session with a peer, until the scope closes or another needs it more. */
  reserve(key: PublicKey, detail: string): Effect.Effect<Place, ProtocolError.ProtocolError, Scope.Scope> {
    const { limits } = this.#host
    return AtEnd.acquire(
      Effect.suspend(() => {
        const state = this.of(key)
        if (state.places >= limits.sessionsPerPeer && !this.#supersede(state)) {
          return Effect.fail(ProtocolError.local("ERR_BUSY", "sessions with one peer"))
        }
        if (this.#count >= limits.sessions && !this.#evict()) {
          return Effect.fail(ProtocolError.local("ERR_BUSY", detail))
        }
        this.#count++
        state.places++
        let held = true
        return Effect.succeed(() => {
          if (!held) return
          held = false
          this.#count--
          state.places--
          this.forget(state)
        })
      }),
      (place) => place()
    )
  }

  /** A session that was made has the place that was reserved for it. */
  occupy(session: Session, place: Place): void {
    this.#places.set(session, place)
  }

  /** A session is over; its place goes with the scope it was reserved in. */
  vacate(session: Session): void {
    this.#places.delete(session)
  }

  /** The session that was idle the longest. */
  #idlest(): Session | undefined {
    let oldest: Session | undefined
    for (const { sessions } of this.#peers.values()) {
      for (const session of sessions) {
        if (session.mux.streams === 0 && session.usable && (oldest === undefined || session.usedAt < oldest.usedAt)) {
          oldest = session
        }
      }
    }
    return oldest
  }

  /** Closes the session that was idle the longest, to make room for another peer's. */
  #evict(): boolean {
    const oldest = this.#idlest()
    if (oldest === undefined) return false
    this.#places.get(oldest)?.()
    oldest.leave(
      { reason: "closed", detail: "it was idle, and another needed its place" },
      "shutdown",
      "it was idle, and another session needed its place"
    )
    return true
  }

  /** Ends one session of a peer that has as many as it may. */
  #supersede(state: PeerSessions): boolean {
    const oldest = state.leastNeeded()
    if (oldest === undefined) return false
    this.#places.get(oldest)?.()
    oldest.mux.resetAll("going_away", "its peer has made another session in its place")
    oldest.leave(
      { reason: "closed", detail: "its peer has as many sessions as it may, and has made another" },
      "shutdown",
      "there are as many sessions with this node as there may be"
    )
    return true
  }
}
