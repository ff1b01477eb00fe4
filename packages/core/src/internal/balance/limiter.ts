/**
 * How many calls of one function run at a node: so many at once, so many more in order, fair between callers, and those beyond are
 * refused.
 */
import * as Effect from "effect/Effect"
import type * as Balance from "../../Balance.ts"
import { FairQueue, type Ticket } from "./fairQueue.ts"

/** A call that wants to run. */
class Entry {
  isRunning = false
  ticket: Ticket<Entry> | undefined
  resume: ((effect: Effect.Effect<boolean>) => void) | undefined
}

export class Limiter {
  readonly #most: number
  readonly #mostWaiting: number
  readonly #queue: FairQueue<Entry>
  #running = 0
  #isGranting = false

  constructor({ running, waiting }: Balance.Concurrency) {
    this.#most = running
    this.#mostWaiting = waiting
    this.#queue = new FairQueue(waiting)
  }

  get running(): number {
    return this.#running
  }
  get waiting(): number {
    return this.#queue.size
  }
  /** Calls that it takes now, those that would wait included. */
  get room(): number {
    return this.#most - this.#running + this.#mostWaiting - this.#queue.size
  }

  /** Runs an effect when it is its turn, or the other one where there is no room for it. */
  run<A, E, R, B, E2, R2>(
    caller: string,
    effect: Effect.Effect<A, E, R>,
    refused: Effect.Effect<B, E2, R2>
  ): Effect.Effect<A | B, E | E2, R | R2> {
    return Effect.suspend(() => {
      const entry = new Entry()
      return Effect.onExitPrimitive(
        Effect.suspend((): Effect.Effect<A | B, E | E2, R | R2> => {
          // Those who wait come first.
          if (this.#running < this.#most && this.#queue.size === 0) {
            this.#running++
            entry.isRunning = true
            return effect
          }
          return Effect.flatMap(
            this.#wait(caller, entry),
            (runs): Effect.Effect<A | B, E | E2, R | R2> => runs ? effect : refused
          )
        }),
        () => this.#left(entry)
      )
    })
  }

  /** Whether it is its turn, as soon as that is known. */
  #wait(caller: string, entry: Entry): Effect.Effect<boolean> {
    return Effect.callback<boolean>((resume) => {
      entry.resume = resume
      entry.ticket = this.#queue.add(caller, entry, (other) => this.#settle(other, false))
      if (entry.ticket === undefined) this.#settle(entry, false)
    })
  }

  #settle(entry: Entry, runs: boolean): void {
    const { resume } = entry
    entry.ticket = entry.resume = undefined
    resume?.(Effect.succeed(runs))
  }

  #left(entry: Entry): undefined {
    if (entry.ticket !== undefined) this.#queue.remove(entry.ticket)
    if (!entry.isRunning) return
    entry.isRunning = false
    this.#running--
    // What goes on now may end at once, and come back here: then the one below goes on.
    if (this.#isGranting) return
    this.#isGranting = true
    while (this.#running < this.#most) {
      const next = this.#queue.take(always)
      if (next === undefined) break
      this.#running++
      next.isRunning = true
      this.#settle(next, true)
    }
    this.#isGranting = false
  }
}

const always = () => true
