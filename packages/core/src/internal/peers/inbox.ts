/**
 * Takes one thing after another, at once where nothing waits. Where one has to wait (for a decision, or for a line of the log), those behind
 * it do too, in their order; the oldest are dropped when there are too many.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"

/** Who takes them: the thing itself and no function that leads to it, which each node has, so that it is one place in memory more for each that is taken. */
export interface Taker<A> {
  /** Gives what is still to be waited for, if anything. */
  readonly take: (one: A) => Effect.Effect<void> | undefined
}

export class Inbox<A extends object | string> {
  readonly #taker: Taker<A>
  readonly #failed: (cause: Cause.Cause<unknown>) => Effect.Effect<void>
  readonly #capacity: number
  readonly #fork: (effect: Effect.Effect<void>) => void
  /** There is one once something had to wait: most never do. */
  #waiting: Array<A> | undefined
  /** One is being taken, or waits. Whoever reads of it at once may bring the next one. */
  #busy = false

  /** Where `take` throws, or what it waits for fails, that is the end of one thing, and `failed` says so. */
  constructor(
    taker: Taker<A>,
    options: {
      readonly failed: (cause: Cause.Cause<unknown>) => Effect.Effect<void>
      readonly capacity: number
      readonly fork: (effect: Effect.Effect<void>) => void
    }
  ) {
    this.#taker = taker
    this.#failed = options.failed
    this.#capacity = options.capacity
    this.#fork = options.fork
  }

  offer(one: A): void {
    if (this.#busy) {
      const waiting = this.#waiting ??= []
      waiting.push(one)
      if (waiting.length > this.#capacity) waiting.shift()
      return
    }
    this.#busy = true
    const wait = this.#taken(one)
    if (wait === undefined && this.#waiting === undefined) this.#busy = false
    else this.#fork(this.#rest(wait ?? Effect.void))
  }

  #taken(one: A): Effect.Effect<void> | undefined {
    try {
      const wait = this.#taker.take(one)
      return wait && Effect.catchCause(wait, this.#failed)
    } catch (defect) {
      return this.#failed(Cause.die(defect))
    }
  }

  #rest(first: Effect.Effect<void>): Effect.Effect<void> {
    return Effect.gen({ self: this }, function*() {
      yield* first
      for (let next = this.#waiting?.shift(); next !== undefined; next = this.#waiting?.shift()) {
        const wait = this.#taken(next)
        if (wait !== undefined) yield* wait
      }
      this.#waiting = undefined
      this.#busy = false
    })
  }
}
