/**
 * What a client remembers of peers: whom it has had to do with, of whom one that is gone is lost, not unknown; and which of their
 * contracts were found to go with this side's.
 */
import type { Peer } from "../../Peers.ts"

/** Names of peers that a client remembers. */
const most = 4_096

export class Known {
  readonly #met = new Map<string, Peer>()
  /** Hashes of other contracts, by peer and function. */
  readonly #adopted = new Map<string, Uint8Array>()

  meet(peer: Peer): void {
    if (this.#met.get(peer.name) !== peer && (this.#met.size < most || this.#met.has(peer.name))) {
      this.#met.set(peer.name, peer)
    }
  }

  met(name: string): Peer | undefined {
    return this.#met.get(name)
  }

  /** The hash of the peer's contract of a function that goes with this side's. */
  adopted(peer: Peer, name: string): Uint8Array | undefined {
    return this.#adopted.size === 0 ? undefined : this.#adopted.get(`${peer.publicKey}\n${name}`)
  }

  adopt(peer: Peer, name: string, hash: Uint8Array): void {
    if (this.#adopted.size >= most) this.#adopted.clear()
    this.#adopted.set(`${peer.publicKey}\n${name}`, hash)
  }
}
