/** Those who wait for a peer to be gone, by its key, and by the name that they know it by: a key may turn out to have another one. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type { NodeName } from "../../Packet.ts"
import { type Peer, PeerLostError } from "../../Peers.ts"
import type { PublicKey } from "../../PublicKey.ts"

/** All who wait for the same: a peer under one name, or `""` under whatever name it has. */
export interface Watcher {
  readonly lost: Deferred.Deferred<never, PeerLostError>
  /** Done when the peer is found to be started anew; then it is another one. */
  anew: Deferred.Deferred<void>
  waiting: number
}

export class Watchers {
  readonly #all = new Map<PublicKey, Map<NodeName | "", Watcher>>()

  watch(publicKey: PublicKey, name: NodeName | ""): Watcher {
    const byName = this.#all.get(publicKey) ?? new Map<NodeName | "", Watcher>()
    this.#all.set(publicKey, byName)
    const watcher = byName.get(name) ?? { lost: Deferred.makeUnsafe(), anew: Deferred.makeUnsafe(), waiting: 0 }
    byName.set(name, watcher)
    watcher.waiting++
    return watcher
  }

  unwatch(publicKey: PublicKey, name: NodeName | "", watcher: Watcher): Effect.Effect<void> {
    return Effect.sync(() => {
      if (--watcher.waiting === 0 && this.#all.get(publicKey)?.get(name) === watcher) this.#drop(publicKey, name)
    })
  }

  /** Ends what is bound to a peer, or of that what knows it by some names. */
  wake(peer: Peer, reason: PeerLostError["reason"], by: (name: NodeName | "") => boolean = () => true): void {
    const { publicKey } = peer
    for (const [name, watcher] of [...this.#all.get(publicKey) ?? []].filter(([name]) => by(name))) {
      this.#drop(publicKey, name)
      const [endpoint] = peer.endpoints
      Deferred.doneUnsafe(
        watcher.lost,
        Effect.fail(
          new PeerLostError({
            peer: name === "" ? peer.name : name,
            publicKey,
            ...(endpoint === undefined ? {} : { endpoint }),
            reason,
            mayHaveRun: true
          })
        )
      )
    }
  }

  /** Tells those who wait for it that a peer was started anew. */
  anew(publicKey: PublicKey): void {
    // Who is told may watch anew.
    const all = [...this.#all.get(publicKey)?.values() ?? []]
    for (const watcher of all) {
      const { anew } = watcher
      watcher.anew = Deferred.makeUnsafe()
      Deferred.doneUnsafe(anew, Effect.void)
    }
  }

  #drop(publicKey: PublicKey, name: NodeName | ""): void {
    const byName = this.#all.get(publicKey)
    byName?.delete(name)
    if (byName?.size === 0) this.#all.delete(publicKey)
  }
}
