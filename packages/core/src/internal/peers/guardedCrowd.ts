/** What a discovery has for a crowd, as far as it can be relied on: it is the discovery's own affair, and none of it is the end of looking after peers. */
import * as Effect from "effect/Effect"
import type { Crowd, Known } from "../../Discovery.ts"
import type { Endpoint } from "../../Network.ts"
import type { PublicKey } from "../../PublicKey.ts"
import * as AtOnce from "../base/atOnce.ts"

export class GuardedCrowd implements Crowd {
  readonly #crowd: Crowd
  readonly #interval: number

  /** `interval` is how often a peer is to be heard in milliseconds where the discovery does not say. */
  constructor(crowd: Crowd, interval: number) {
    this.#crowd = crowd
    this.#interval = interval
  }

  attend(known: Known): void {
    try {
      this.#crowd.attend(known)
    } catch {
      // It is told of nobody, then.
    }
  }

  interval(): number {
    try {
      const interval = this.#crowd.interval()
      return interval >= this.#interval && interval < Infinity ? interval : this.#interval
    } catch {
      return this.#interval
    }
  }

  who(source: Endpoint): Effect.Effect<boolean> {
    const asking = "asking a peer"
    try {
      const question = this.#crowd.who(source)
      const value = AtOnce.valueOf(question)
      return value === AtOnce.unknown ? this.#safe(asking, false, () => question) : Effect.succeed(value === true)
    } catch (defect) {
      return this.#safe(asking, false, () => Effect.die(defect))
    }
  }

  doubt(publicKey: PublicKey, still: () => boolean): Effect.Effect<void> {
    return this.#safe("naming a peer", undefined, () => this.#crowd.doubt(publicKey, still))
  }

  #safe<A>(what: string, instead: A, of: () => Effect.Effect<A>): Effect.Effect<A> {
    // What is no effect would end the fiber, and could not be caught.
    const given = Effect.suspend(() => {
      const effect: unknown = of()
      return Effect.isEffect(effect) ? effect as Effect.Effect<A> : Effect.die(new Error("it gives no effect"))
    })
    return given.pipe(
      Effect.catchCause((cause) => Effect.as(Effect.logDebug(`${what} failed`, cause), instead))
    )
  }
}
