/** Those who wait for something to change. A change wakes them all, and costs nothing where nobody waits. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"

export class Waiting {
  readonly #latches = new Set<Latch.Latch>()

  /** Wakes whoever waits. */
  wake(): void {
    for (const latch of this.#latches) latch.openUnsafe()
  }

  /** One that waits, until the scope closes: it is woken once for whatever changed since it last was. */
  readonly join = Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => {
        const latch = Latch.makeUnsafe(true)
        this.#latches.add(latch)
        return latch
      }),
      (latch) => Effect.sync(() => this.#latches.delete(latch))
    ),
    (latch) => Effect.andThen(latch.await, Effect.sync(() => latch.closeUnsafe()))
  )

  get size(): number {
    return this.#latches.size
  }
}

/** What is made of all changes since the one before, at most once in so many milliseconds. `make` gives nothing where there is nothing to say. */
export const paced = <A, E = never>(
  changed: Effect.Effect<unknown, E>,
  every: number,
  make: (at: number) => Effect.Effect<A | undefined>
): Effect.Effect<A, E> => {
  let last = -Infinity
  return Effect.gen(function*() {
    for (;;) {
      yield* changed
      const early = last + every - (yield* Clock.currentTimeMillis)
      if (early > 0) yield* Effect.sleep(early)
      const now = yield* Clock.currentTimeMillis
      const made = yield* make(now)
      if (made === undefined) continue
      last = now
      return made
    }
  })
}
