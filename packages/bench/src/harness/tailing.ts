/**
 * Why the slowest of many calls at once were slow: how long the two processes stood still while a call was on its way, for the collection of garbage, and
 * for a core that something else had, threads of their own included.
 *
 * What bites: a wait for a core is only known to lie between two looks at a counter of the system's, a millisecond apart at best, and counts for a call by how much of
 * that time it was on its way. In a pause for garbage a process may wait for a core, too; that counts as garbage alone.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import { closeSync, openSync, readSync } from "node:fs"
import { PerformanceObserver } from "node:perf_hooks"
import type { Handlers, Stalls } from "./calls.ts"
import { watch } from "./samples.ts"

/** A stretch of time, in milliseconds. */
export type Span = readonly [from: number, to: number]

const shared = ([from, to]: Span, [begin, end]: Span): number => Math.max(0, Math.min(to, end) - Math.max(from, begin))

const sum = (values: ReadonlyArray<number>): number => values.reduce((total, value) => total + value, 0)

/** How long a process stood still between two moments, in milliseconds. */
export const stoodStill = (span: Span, { pauses, waits }: Stalls) => {
  const within = (other: Span) => sum(pauses.map((pause) => shared(other, pause)))
  return {
    garbage: within(span),
    waiting: sum(waits.map(([from, to, millis]) => {
      const together = shared(span, [from, to])
      return together === 0 ? 0 : Math.max(0, millis - within([from, to])) * together / (to - from)
    }))
  }
}

/** All of the process's time on a core that it had to wait for, in milliseconds; undefined where the system does not say. */
const openWaited = (): { readonly read: () => number; readonly close: () => void } | undefined => {
  if (process.platform !== "linux") return undefined
  // Of the main thread, which is where calls are.
  const file = openSync("/proc/self/schedstat", "r")
  const text = Buffer.alloc(128)
  return {
    read: () => Number(text.toString("latin1", 0, readSync(file, text, 0, 128, 0)).split(" ")[1]) / 1e6,
    close: () => closeSync(file)
  }
}

/** Of many calls, when each was sent and answered, beside each other: what is noted of a call must not be garbage itself. */
class Calls {
  private spans = new Float64Array(131_072)
  private length = 0

  push(from: number, to: number): void {
    if (this.length === this.spans.length) {
      const grown = new Float64Array(this.length * 2)
      grown.set(this.spans)
      this.spans = grown
    }
    this.spans[this.length++] = from
    this.spans[this.length++] = to
  }

  /** The slowest, one in so many. */
  slowest(oneIn: number): ReadonlyArray<Span> {
    const all = Array.from({ length: this.length / 2 }, (_, i): Span => [this.spans[2 * i]!, this.spans[2 * i + 1]!])
    return all.sort((a, b) => b[1] - b[0] - (a[1] - a[0])).slice(0, Math.ceil(all.length / oneIn))
  }
}

/** Watches this process, and each call whose latency is taken, until it is stopped. */
class Watch {
  /** From this process's clock to the one of all processes. */
  readonly #ahead = Number(process.hrtime.bigint()) / 1e6 - performance.now()
  readonly #pauses: Array<Span> = []
  readonly #waits: Array<readonly [from: number, to: number, millis: number]> = []
  readonly #calls = new Calls()
  readonly #observer = new PerformanceObserver((list) => this.#note(list.getEntries()))
  readonly #waited = openWaited()
  readonly #unwatch: () => void
  #before = { at: performance.now(), millis: this.#waited?.read() ?? 0 }

  constructor() {
    this.#observer.observe({ entryTypes: ["gc"] })
    this.#unwatch = watch((millis) => {
      const at = performance.now() + this.#ahead
      this.#calls.push(at - millis, at)
    })
  }

  /** How long it has waited for a core since it was looked for the last time. */
  look(): void {
    const now = { at: performance.now(), millis: this.#waited?.read() ?? 0 }
    const { at, millis } = this.#before
    if (now.millis > millis) this.#waits.push([at + this.#ahead, now.at + this.#ahead, now.millis - millis])
    this.#before = now
  }

  stop(oneIn: number): Stalls & { readonly calls: ReadonlyArray<Span> } {
    this.#unwatch()
    this.look()
    this.#waited?.close()
    this.#note(this.#observer.takeRecords())
    this.#observer.disconnect()
    return { calls: this.#calls.slowest(oneIn), pauses: this.#pauses, waits: this.#waits }
  }

  #note(entries: ReadonlyArray<{ readonly startTime: number; readonly duration: number }>): void {
    for (const { duration, startTime } of entries) {
      this.#pauses.push([startTime + this.#ahead, startTime + duration + this.#ahead])
    }
  }
}

/** Watches between two moments. */
export const makeWatcher = (scope: Scope.Scope): Handlers<"TailStart" | "TailStop"> => {
  let current: { readonly watch: Watch; readonly fiber: Fiber.Fiber<never> } | undefined
  return {
    TailStart: () =>
      Effect.gen(function*() {
        const watch = new Watch()
        const looking = Effect.andThen(Effect.sleep(1), Effect.sync(() => watch.look()))
        current = { watch, fiber: yield* Effect.forkIn(Effect.forever(looking), scope) }
        return null
      }),

    TailStop: ({ oneIn }) =>
      Effect.gen(function*() {
        if (current === undefined) return yield* Effect.die("TailStop came before TailStart")
        const { fiber, watch } = current
        current = undefined
        yield* Fiber.interrupt(fiber)
        return watch.stop(oneIn)
      })
  }
}
