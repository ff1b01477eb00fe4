/**
 * Keys that others are in doubt about, and that wait to be asked. Each host that names some has its turn, so that one that names many keeps
 * nobody else's from being asked.
 */
import type { PublicKey } from "../../PublicKey.ts"
import { remember } from "../base/remember.ts"

const hostsKept = 64
const keysPerHost = 32

export interface Doubt {
  readonly publicKey: PublicKey
  /** Who is in doubt. */
  readonly host: string
}

export class Doubts {
  /** Whose turn it is comes first. */
  readonly #byHost = new Map<string, Set<PublicKey>>()

  get isEmpty(): boolean {
    return this.#byHost.size === 0
  }

  /** One that is named again waits on. */
  add({ host, publicKey }: Doubt): void {
    const keys = this.#byHost.get(host)
    if (keys === undefined) remember(this.#byHost, host, new Set([publicKey]), hostsKept)
    else if (keys.size < keysPerHost) keys.add(publicKey)
  }

  /** The next one that is taken, which waits no more; none behind one for which there is no room at all. */
  takeIf(takes: (doubt: Doubt) => "taken" | "not now" | "full"): boolean {
    for (const [host, keys] of this.#byHost) {
      for (const publicKey of keys) {
        const taken = takes({ host, publicKey })
        if (taken === "full") return false
        if (taken === "not now") continue
        keys.delete(publicKey)
        this.#byHost.delete(host)
        if (keys.size > 0) this.#byHost.set(host, keys)
        return true
      }
    }
    return false
  }
}
