/**
 * Peers that cannot dial this node, since it does not listen on any way by which it reaches them, know of it by its sessions alone. So it
 * keeps one with each of them: it makes the session without being asked, makes the next one when it ends, and does not close it for being
 * idle.
 *
 * What bites: that is a session for every such peer, up to `limits.sessions`; those beyond are dialled when they are called.
 */
import type { Peer, Peers } from "../../Peers.ts"
import * as Reach from "../../Reach.ts"
import type { Session } from "./session.ts"

interface Parts {
  readonly ways: ReadonlyArray<Reach.Way>
  readonly peers: Peers["Service"]
  /** The session on which streams to a peer are opened. */
  readonly current: (peer: Peer) => Session | undefined
  /** Makes a session with a peer, where there is room and it is time to. */
  readonly dial: (peer: Peer) => void
}

export class Keeping {
  readonly #parts: Parts
  readonly #kept = new WeakSet<Session>()

  constructor(parts: Parts) {
    this.#parts = parts
  }

  isKept(session: Session): boolean {
    return this.#kept.has(session)
  }

  /** Sees to it that there is a session with each peer that is to have one. */
  look(): void {
    const { current, dial, peers } = this.#parts
    for (const peer of peers.presence.value) {
      if (!this.#isForThisSide(peer)) continue
      const session = current(peer)
      if (session === undefined) dial(peer)
      else this.#kept.add(session)
    }
  }

  /** Whether only this side can dial. */
  #isForThisSide({ endpoints }: Peer): boolean {
    const { ways } = this.#parts
    const reached = endpoints.flatMap((endpoint) => ways[Reach.rank(ways, endpoint)] ?? [])
    return reached.length > 0 && reached.every(({ transport }) => transport.listen === undefined)
  }
}

/** `undefined` where this node listens on each of its ways. */
export const make = (parts: Parts): Keeping | undefined =>
  parts.ways.some(({ transport }) => transport.listen === undefined) ? new Keeping(parts) : undefined
