/**
 * How many calls of one function run at a node: so many at once, so many more in order, fair between callers, and those beyond are
 * refused.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Balance from "../../Balance.ts"
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

  /** Calls that may run at once. */
  get most(): number {
    return this.#most
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

  /**
   * Runs an effect when it is its turn, or the other one where there is no room for it. One that has waited is run as `waited`: what
   * was so before it did may not be any more.
   */
  run<A, E, R, B, E2, R2>(
    caller: string,
    effect: Effect.Effect<A, E, R>,
    refused: Effect.Effect<B, E2, R2>,
    waited: Effect.Effect<A, E, R> = effect
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
            (runs): Effect.Effect<A | B, E | E2, R | R2> => runs ? waited : refused
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

const decode = Schema.decodeUnknownSync(Balance.Concurrency, { errors: "all", onExcessProperty: "error" })

/** The limiter of a function that is registered with this; what is no such option is a slip of the program, and a defect. */
export const limiterOf = (concurrency: unknown): Limiter | undefined =>
  concurrency === undefined ? undefined : new Limiter(decode(concurrency))

/** Those of functions, by what stands for the function. */
export const limiters = new WeakMap<object, Limiter>()

/** What a caller is told whose call neither runs nor waits. */
export const full = "as many calls of it run and wait here as may"

/** Calls that some functions run at once together; those that have one limiter are counted once. */
export const runningOf = (functions: Iterable<Limiter | undefined>): number => {
  let sum = 0
  for (const limiter of new Set(functions)) sum += limiter?.most ?? 0
  return sum
}
