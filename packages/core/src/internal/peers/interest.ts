/**
 * Who on this node wants to know what its peers offer, and who finds it out. Nobody is asked while nobody wants to know; and a node that has
 * no sessions has nobody who could ask.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { remaining } from "../../Deadline.ts"
import type { Follower } from "../../Peers.ts"

/** Ends when the time of the work at hand is up, too. */
const inTime = (wait: Effect.Effect<void>): Effect.Effect<void> =>
  Effect.flatMap(remaining, (left) => left === undefined ? wait : Effect.asVoid(Effect.timeoutOption(wait, left)))

export class Interest {
  #count = 0
  #follower: Follower | undefined

  /** Whether there is anybody who asks. */
  get isFollowed(): boolean {
    return this.#follower !== undefined
  }

  /** Has somebody find out what peers offer, until what it gives is called. */
  follow(follower: Follower): () => void {
    this.#follower = follower
    if (this.#count > 0) follower.wanted(true)
    return () => {
      if (this.#follower === follower) this.#follower = undefined
    }
  }

  /** Somebody wants to know until the scope closes. */
  get held(): Effect.Effect<void, never, Scope.Scope> {
    return Effect.acquireRelease(Effect.sync(() => this.#begin()), () => Effect.sync(() => this.#end()))
  }

  /** Somebody wants to know now: waits, not for long, until each peer has been asked once. */
  get known(): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.#begin()
      const settled = this.#follower?.settled()
      this.#end()
      return settled === undefined ? Effect.void : inTime(settled)
    })
  }

  #begin(): void {
    if (this.#count++ === 0) this.#follower?.wanted(true)
  }

  #end(): void {
    if (--this.#count === 0) this.#follower?.wanted(false)
  }
}
