/**
 * Interrupts an effect after so many of its steps, whatever it is at then: every place at which Ctrl-C can meet a command.
 *
 * A step is an operation of any of its fibers. How many there are is found out by running it once without being interrupted.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scheduler from "effect/Scheduler"

/** How it ended. */
export interface Interrupted<A, E> {
  readonly exit: Exit.Exit<A, E>
  /** The steps that it had taken until it ended. */
  readonly steps: number
}

class Counting extends Scheduler.MixedScheduler {
  steps = 0
  readonly #at: number
  readonly #reached: () => void

  constructor(at: number, reached: () => void) {
    super()
    this.#at = at
    this.#reached = reached
  }

  override shouldYield(fiber: Fiber.Fiber<unknown, unknown>): boolean {
    if (++this.steps !== this.#at) return super.shouldYield(fiber)
    // Before whatever is scheduled: that is where the fiber stands meanwhile.
    queueMicrotask(this.#reached)
    return true
  }
}

/** Runs an effect, and interrupts it after so many steps, or where `until` ends before. */
export const interruptedAfter = <A, E, R>(
  steps: number,
  effect: Effect.Effect<A, E, R>,
  until: Effect.Effect<unknown> = Effect.never
): Effect.Effect<Interrupted<A, E>, never, R> =>
  Effect.gen(function*() {
    let fiber: Fiber.Fiber<A, E> | undefined
    const scheduler = new Counting(steps, () => fiber?.interruptUnsafe())
    fiber = yield* Effect.forkChild(Effect.provideService(effect, Scheduler.Scheduler, scheduler))
    const ended = yield* Effect.raceFirst(
      Fiber.await(fiber),
      Effect.andThen(until, Effect.andThen(Effect.sync(() => fiber!.interruptUnsafe()), Fiber.await(fiber)))
    )
    return { exit: ended, steps: scheduler.steps }
  })

/** Points of a run of so many steps: the first ones, and others all over it, of a seed. */
export const points = (steps: number, count: number, seed: number): ReadonlyArray<number> => {
  let state = seed
  const next = () => (state = (state * 1_103_515_245 + 12_345) % 2_147_483_648) / 2_147_483_648
  // One in each part of it, so that none is left out for long.
  return [1, ...Array.from({ length: count }, (_, i) => Math.max(2, Math.floor((i + next()) * steps / count)))]
}
