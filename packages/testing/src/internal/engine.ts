/**
 * The event queue that drives the simulation: a binary heap ordered by time, then by sequence, and one sleeping fiber.
 *
 * No packet has a fiber. `schedule` puts a callback in the heap; an alarm (a fiber that sleeps on the Clock until the
 * earliest event) runs everything that is due, in order, in one synchronous pass. Callbacks resume waiting fibers inline,
 * so a test clock that waits for the fibers it woke also waits for what the network woke.
 *
 * Time is the monotonic clock in milliseconds since the engine was made, so a wall clock that is set does not disturb it.
 */
import type * as Clock from "effect/Clock"
import type * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"

/** A scheduled callback; `cancelled` ones stay in the heap until their time and then do nothing. */
export interface Timer {
  readonly time: number
  readonly sequence: number
  run: (() => void) | undefined
  /** The one behind it, of the same time: the heap holds the first of them. */
  next: Timer | undefined
}

/**
 * What a clock may have beside Effect's: it calls `ring` when so many milliseconds have passed, in no fiber, unless what it gives back is called
 * before. A simulation that has such a clock needs no fiber for each time at which something happens, which is a third of what it starts.
 */
export interface AlarmClock {
  readonly alarm: (millis: number, ring: () => void) => () => void
}

const isAlarmClock = (clock: Clock.Clock): clock is Clock.Clock & AlarmClock => "alarm" in clock

// Times of which the last timer is remembered, so that another one is put behind it. Most events are due at whole milliseconds, and soon.
const recent = 64

// A sleep that ends a rounding error early still counts as due.
const epsilon = 1e-4
// Live timers cannot sleep beyond some 24 days.
const longest = 1_000_000_000
const passLimit = 10_000

export class Engine {
  readonly clock: Clock.Clock
  readonly #runFork: <A, E>(effect: Effect.Effect<A, E>) => Fiber.Fiber<A, E>
  readonly #origin: bigint
  readonly #heap: Array<Timer> = []
  /** The last timer of a time. */
  readonly #last: Array<Timer | undefined> = Array.from({ length: recent })
  #size = 0
  #sequence = 0
  #cancelled = 0
  #pumping = false
  #closed = false
  /** Takes the alarm back. */
  #disarm: (() => void) | undefined
  #alarmTime = Infinity
  #readNanos: bigint | undefined
  #read = 0
  /** Set while the pump runs: every read of the time in one pass sees the same instant. */
  #instant: number | undefined
  #rushing = false

  constructor(clock: Clock.Clock, context: Context.Context<never>) {
    this.clock = clock
    this.#runFork = Effect.runForkWith(context)
    this.#origin = clock.monotonicTimeNanosUnsafe()
  }

  now(): number {
    if (this.#instant !== undefined) return this.#instant
    // Asked for more often than it changes.
    const nanos = this.clock.monotonicTimeNanosUnsafe()
    if (nanos !== this.#readNanos) {
      this.#readNanos = nanos
      this.#read = Number(nanos - this.#origin) / 1e6
    }
    return this.#read
  }

  schedule(time: number, run: () => void): Timer {
    const timer: Timer = { time, sequence: this.#sequence++, run, next: undefined }
    if (this.#closed) return timer
    this.#add(timer)
    if (!this.#pumping && time < this.#alarmTime) this.#arm()
    return timer
  }

  cancel(timer: Timer): void {
    if (timer.run === undefined) return
    timer.run = undefined
    // Sleeps that are interrupted again and again (timeouts) must not pile up until their time comes.
    if (++this.#cancelled > 64 && this.#cancelled > this.#size / 2) this.#compact()
  }

  /**
   * From now on events do not wait for the Clock: time runs to the next one at once. For the end of a network, when nobody
   * is left to adjust a test clock and finalizers may still wait for an answer.
   */
  rush(): void {
    this.#instant ??= this.now()
    this.#rushing = true
    this.#alarmTime = Infinity
    this.#arm()
  }

  close(): void {
    this.#closed = true
    this.#clear()
    this.#disarm?.()
    this.#disarm = undefined
  }

  #arm(): void {
    const next = this.#heap[0]
    if (this.#closed || next === undefined || next.time >= this.#alarmTime) return
    this.#disarm?.()
    this.#alarmTime = next.time
    const left = this.#rushing ? 0 : Math.min(next.time - this.now(), longest)
    // In whole nanoseconds.
    const wait = Number.isInteger(left) ? left : Math.ceil(left * 1e6) / 1e6
    if (wait > epsilon && isAlarmClock(this.clock)) {
      this.#disarm = this.clock.alarm(wait, this.#ring)
      return
    }
    // An event that is due already runs in a task of its own, never inside the operation that caused it.
    const pause = wait <= epsilon ? Effect.yieldNow : this.clock.sleep(
      Number.isInteger(wait) ? Duration.millis(wait) : Duration.nanos(BigInt(Math.round(wait * 1e6)))
    )
    const fiber = this.#runFork(Effect.andThen(pause, this.#ringing))
    const interrupt = () => fiber.interruptUnsafe()
    this.#disarm = interrupt
  }

  readonly #ring = (): void => {
    this.#disarm = undefined
    this.#alarmTime = Infinity
    this.#pumping = true
    this.#instant = this.#rushing ? Math.max(this.now(), this.#heap[0]?.time ?? 0) : this.now()
    try {
      this.#pump(this.#instant + epsilon)
    } finally {
      if (!this.#rushing) this.#instant = undefined
      this.#pumping = false
      this.#arm()
    }
  }

  readonly #ringing: Effect.Effect<void> = Effect.sync(this.#ring).pipe(
    Effect.catchCause((cause) => Effect.logError("SimNetwork: an event failed", cause))
  )

  #pump(due: number): void {
    let count = 0
    // What a callback schedules for this same instant runs in this pass, after what was scheduled before. The cap lets
    // other fibers in where two parties answer each other forever without latency.
    while (this.#heap.length > 0 && this.#heap[0]!.time <= due && count < passLimit) {
      const timer = this.#first()
      const run = timer.run
      if (run === undefined) {
        this.#cancelled--
        continue
      }
      timer.run = undefined
      count++
      run()
    }
  }

  #clear(): void {
    this.#heap.length = 0
    this.#size = 0
    this.#cancelled = 0
    this.#last.fill(undefined)
  }

  /** Behind the last one of its time; into the heap where that is not known. Those that come later are behind it, too. */
  #add(timer: Timer): void {
    const { time } = timer
    this.#size++
    if (Number.isInteger(time)) {
      const last = this.#last[time % recent]
      this.#last[time % recent] = timer
      if (last !== undefined && last.time === time) {
        last.next = timer
        return
      }
    }
    this.#push(timer)
  }

  /** Takes the earliest. The one behind it takes its place. */
  #first(): Timer {
    const heap = this.#heap
    const timer = heap[0]!
    const { next, time } = timer
    this.#size--
    if (next !== undefined) {
      heap[0] = next
      timer.next = undefined
      return timer
    }
    if (this.#last[time % recent] === timer) this.#last[time % recent] = undefined
    return this.#pop()
  }

  #push(timer: Timer): void {
    const heap = this.#heap
    let i = heap.length
    heap.push(timer)
    while (i > 0) {
      const parent = (i - 1) >> 1
      if (!before(timer, heap[parent]!)) break
      heap[i] = heap[parent]!
      i = parent
    }
    heap[i] = timer
  }

  #pop(): Timer {
    const heap = this.#heap
    const top = heap[0]!
    const last = heap.pop()!
    if (heap.length > 0) this.#sink(last)
    return top
  }

  #sink(timer: Timer, from = 0): void {
    const heap = this.#heap
    const length = heap.length
    let i = from
    while (true) {
      let child = 2 * i + 1
      if (child >= length) break
      if (child + 1 < length && before(heap[child + 1]!, heap[child]!)) child++
      if (!before(heap[child]!, timer)) break
      heap[i] = heap[child]!
      i = child
    }
    heap[i] = timer
  }

  #compact(): void {
    const live: Array<Timer> = []
    for (const first of this.#heap) {
      for (let timer: Timer | undefined = first; timer !== undefined;) {
        const { next }: Timer = timer
        timer.next = undefined
        if (timer.run !== undefined) live.push(timer)
        timer = next
      }
    }
    this.#clear()
    for (const timer of live.sort((a, b) => before(a, b) ? -1 : 1)) this.#add(timer)
  }
}

const before = (a: Timer, b: Timer): boolean => a.time < b.time || (a.time === b.time && a.sequence < b.sequence)
