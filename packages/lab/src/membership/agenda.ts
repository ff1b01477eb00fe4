/** What is to be done at which millisecond, for thousands at once: one timer for all of them. */
import { Effect } from "effect"

// Milliseconds between the looks at what is due.
const step = 5

export class Agenda {
  #now = 0
  readonly #due = new Map<number, Array<() => void>>()
  #effects: Array<Effect.Effect<unknown>> = []

  /** Milliseconds since it began. */
  get now(): number {
    return this.#now
  }

  /** Does something after so many milliseconds. */
  after(millis: number, act: () => void): void {
    const at = Math.max(this.#now + step, Math.ceil((this.#now + millis) / step) * step)
    const there = this.#due.get(at)
    if (there === undefined) this.#due.set(at, [act])
    else there.push(act)
  }

  /** Runs an effect at the next look, in its order. It must not wait for anything. */
  run(effect: Effect.Effect<unknown>): void {
    this.#effects.push(effect)
  }

  /** Looks, for ever; and has `each` done each time. */
  keep(each: (millis: number) => void): Effect.Effect<never> {
    return Effect.forever(
      Effect.andThen(
        Effect.sleep(step),
        Effect.suspend(() => {
          this.#now += step
          const due = this.#due.get(this.#now)
          this.#due.delete(this.#now)
          if (due !== undefined) { for (const act of due) act() }
          each(step)
          const effects = this.#effects
          this.#effects = []
          return Effect.forEach(effects, (effect) => effect, { discard: true })
        })
      )
    )
  }
}
