/**
 * What a client remembers of peers: whom it has had to do with, of whom one that is gone is lost, not unknown; and how their
 * functions are called: by which form, and by which contract that was found to go with this side's.
 */
import type { Peer } from "../../Peers.ts"

/** How a peer's function is called. */
export interface Way {
  /** Whether by JSON, since it does not speak in bytes, or in those of another encoder. */
  readonly json: boolean
  /** The hash of its contract, which goes with this side's; `undefined` where that is the same. */
  readonly hash: Uint8Array | undefined
}

/** Names of peers that a client remembers. */
const most = 4_096

/** Milliseconds after which a peer that is called by JSON is called in bytes again: it may have been busy starting, or is another by now. */
const recheck = 120_000

export class Known {
  readonly #met = new Map<string, Peer>()
  /** How functions of peers are called that are not called as all are, by peer and function. */
  readonly #ways = new Map<string, Way & { readonly until: number }>()
  readonly #now: () => number

  constructor(now: () => number) {
    this.#now = now
  }

  meet(peer: Peer): void {
    if (this.#met.get(peer.name) !== peer && (this.#met.size < most || this.#met.has(peer.name))) {
      this.#met.set(peer.name, peer)
    }
  }

  met(name: string): Peer | undefined {
    return this.#met.get(name)
  }

  /**
   * How a function of the peer is called, where that is known to be otherwise. `first` is whether the call was not made yet: one
   * that was goes on as it began, however long ago that was found out.
   */
  way(peer: Peer, name: string, first: boolean): Way | undefined {
    if (this.#ways.size === 0) return undefined
    const way = this.#ways.get(`${peer.publicKey}\n${name}`)
    return way === undefined || !first || this.#now() < way.until ? way : undefined
  }

  adopt(peer: Peer, name: string, way: Way): void {
    if (this.#ways.size >= most) this.#ways.clear()
    this.#ways.set(`${peer.publicKey}\n${name}`, { ...way, until: way.json ? this.#now() + recheck : Infinity })
  }

  forget(peer: Peer, name: string): void {
    this.#ways.delete(`${peer.publicKey}\n${name}`)
  }
}
