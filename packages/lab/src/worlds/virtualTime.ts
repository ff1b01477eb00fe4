/**
 * Runs an effect in virtual time, as fast as the machine can: fibers, timers and nothing else, in one queue that this module
 * empties itself. A `TestClock` does the same with the real event loop in between, which costs several times as much.
 *
 * What bites: virtual time does not wait for the real world. A promise, or a fiber with another scheduler, goes on when no timer
 * is left; so have all that is loaded before.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Scheduler from "effect/Scheduler"

interface Timer {
  readonly time: number
  readonly sequence: number
  run: (() => void) | undefined
}

const isBefore = (a: Timer, b: Timer) => a.time < b.time || a.time === b.time && a.sequence < b.sequence

// The first of January 2026, so that clocks may be set back.
const epoch = 1_767_225_600_000

class VirtualClock implements Clock.Clock {
  now = 0
  // Asked for more often than it changes.
  #nanosAt = 0
  #nanos = 0n
  #sequence = 0
  /** Latest first. Few at a time: a simulated network has one timer for all of its hosts. */
  readonly #timers: Array<Timer> = []

  currentTimeMillisUnsafe() {
    return epoch + Math.floor(this.now)
  }
  currentTimeNanosUnsafe() {
    return BigInt(epoch) * 1_000_000n + this.monotonicTimeNanosUnsafe()
  }
  monotonicTimeNanosUnsafe() {
    if (this.#nanosAt !== this.now) {
      this.#nanosAt = this.now
      this.#nanos = BigInt(Math.round(this.now * 1e6))
    }
    return this.#nanos
  }
  readonly currentTimeMillis = Effect.sync(() => this.currentTimeMillisUnsafe())
  readonly currentTimeNanos = Effect.sync(() => this.currentTimeNanosUnsafe())
  readonly monotonicTimeNanos = Effect.sync(() => this.monotonicTimeNanosUnsafe())

  sleep(duration: Duration.Duration): Effect.Effect<void> {
    const wait = Duration.toMillis(duration)
    if (wait <= 0) return Effect.yieldNow
    return Effect.callback<void>((resume) => Effect.sync(this.alarm(wait, () => resume(Effect.void))))
  }

  /** What the simulated network asks for where a clock has it. */
  alarm(millis: number, run: () => void): () => void {
    const timer: Timer = { time: this.now + millis, sequence: this.#sequence++, run }
    let low = 0
    let high = this.#timers.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (isBefore(timer, this.#timers[middle]!)) low = middle + 1
      else high = middle
    }
    this.#timers.splice(low, 0, timer)
    return () => {
      timer.run = undefined
    }
  }

  /** Goes on to the next timer; `false` where there is none. */
  next(): boolean {
    while (true) {
      const timer = this.#timers.pop()
      if (timer === undefined) return false
      if (timer.run === undefined) continue
      this.now = Math.max(this.now, timer.time)
      timer.run()
      return true
    }
  }
}

/** What came of a run, and how much virtual time it took, in milliseconds. */
export interface Ran<A, E> {
  readonly exit: Exit.Exit<A, E>
  readonly passed: number
}

/** Runs an effect from time zero to its end. */
export const run = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<Ran<A, E>> =>
  Effect.suspend(() => {
    const clock = new VirtualClock()
    let tasks: Array<() => void> = []
    const scheduler = new Scheduler.MixedScheduler("async", (task) => {
      tasks.push(task)
      return () => {
        const at = tasks.indexOf(task)
        if (at !== -1) tasks[at] = () => {}
      }
    })
    const context = Context.make(Clock.Clock, clock as Clock.Clock).pipe(Context.add(Scheduler.Scheduler, scheduler))
    const fiber = Effect.runForkWith(context)(effect)
    /** Goes on until the end, or until only the real world can bring anything about. */
    const pump = (): Exit.Exit<A, E> | undefined => {
      do {
        while (tasks.length > 0) {
          const due = tasks
          tasks = []
          for (const task of due) task()
        }
        const exit = fiber.pollUnsafe()
        if (exit !== undefined) return exit
      } while (clock.next())
      return undefined
    }
    const go: Effect.Effect<Ran<A, E>> = Effect.suspend(() => {
      const exit = pump()
      return exit === undefined ? Effect.andThen(Effect.yieldNow, go) : Effect.succeed({ exit, passed: clock.now })
    })
    return go
  })

/** What an effect gives that is run in virtual time, from time zero. */
export const within = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> =>
  Effect.flatMap(run(effect), ({ exit }) => exit)
