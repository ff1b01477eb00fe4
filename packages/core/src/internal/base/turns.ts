/** What is done in turn: so much of a kind at once, and the rest as some of it ends, in order. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"

interface Kind {
  running: number
  readonly waiting: Array<Deferred.Deferred<void>>
}

export class Turns {
  /** How much of one kind may be done at once, now. */
  readonly #most: () => number
  readonly #kinds = new Map<string, Kind>()

  constructor(most: () => number) {
    this.#most = most
  }

  /** Kinds of which something is done. */
  get size(): number {
    return this.#kinds.size
  }

  /** Does it when it is its turn. Only what waits, or is done, may be interrupted: a turn that was taken is always given back. */
  run<A, E, R>(key: string, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    const leave = Effect.sync(() => this.#leave(key))
    return Effect.uninterruptibleMask((restore) =>
      Effect.andThen(
        Effect.suspend(() => {
          const kind = this.#kinds.get(key) ?? { running: 0, waiting: [] }
          this.#kinds.set(key, kind)
          if (kind.running < this.#most()) {
            kind.running++
            return Effect.void
          }
          const turn = Deferred.makeUnsafe<void>()
          kind.waiting.push(turn)
          return Effect.onInterrupt(restore(Deferred.await(turn)), () => {
            const at = kind.waiting.indexOf(turn)
            if (at < 0) return leave
            kind.waiting.splice(at, 1)
            return Effect.void
          })
        }),
        Effect.ensuring(restore(effect), leave)
      )
    )
  }

  #leave(key: string): void {
    const kind = this.#kinds.get(key)!
    const next = kind.waiting.shift()
    if (next !== undefined) Deferred.doneUnsafe(next, Effect.void)
    else if (--kind.running === 0) this.#kinds.delete(key)
  }
}
