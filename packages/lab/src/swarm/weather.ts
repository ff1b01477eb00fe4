/** How good the network is: what its links promise by themselves, and whether a fault is at work on it, or was a moment ago. */
import * as Effect from "effect/Effect"
import type { Journal } from "./journal.ts"
import type { Plan } from "./plan.ts"

/** Milliseconds in which all settles after a fault. */
const settling = 30_000

export class Weather {
  /** Whether no link loses anything or is slow. */
  readonly #clean: boolean
  readonly #transit: number
  readonly #journal: Journal
  #disturbances = 0
  #disturbedAt = -Infinity

  constructor(plan: Plan, journal: Journal) {
    this.#clean = plan.lans.every(({ bandwidth, loss }) => loss === 0 && bandwidth === Infinity)
    this.#transit = Math.max(...plan.lans.map(({ latency }) => latency[1])) + 25
    this.#journal = journal
  }

  /** A fault that disturbs what is on its way while it lasts, and for a while after. */
  disturbing<A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    return Effect.acquireUseRelease(
      Effect.sync(() => this.#disturbances++),
      () => effect,
      () =>
        Effect.sync(() => {
          this.#disturbances--
          this.#disturbedAt = this.#journal.now()
        })
    )
  }

  /**
   * Milliseconds within which what was sent since then is there. While nothing is lost and nothing is cut off, that is the longest
   * way.
   */
  transitSince(at: number): number {
    const disturbed = this.#disturbances > 0 || this.#disturbedAt > at - settling
    return this.#clean && !disturbed ? this.#transit : 45_000
  }
}
