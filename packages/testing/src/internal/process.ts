/** A process of a simulated host: what freezes and dies together, and the clock its fibers read. */
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Random } from "effect/Random"
import type { Timer } from "./engine.ts"
import { type HostState, ofHost, type World } from "./world.ts"

/** A socket that its process holds. */
export interface Held {
  readonly kind: "datagram" | "listener" | "stream"
  readonly localAddress: number
  readonly localPort: number
  readonly remote: { readonly address: number; readonly port: number } | undefined
  /** The system closes it, its process being gone: the network sees what a kernel would do. */
  readonly kill: () => void
  /** Its host has lost power: the network sees nothing. */
  readonly vanish: () => void
}

/** Who sleeps so many milliseconds waits for no time. */
const endless = 1_000_000_000

/** The processes of a host. */
export const processesOf = ofHost(() => new Set<ProcessState>())

export class ProcessState {
  readonly world: World
  readonly host: HostState
  readonly pid: number
  readonly held = new Set<Held>()
  /** Pending sleeps, each with what ends it. */
  readonly sleeps = new Map<Timer, () => void>()
  alive = true
  #paused = false
  #deferred: Array<() => void> = []

  constructor(world: World, host: HostState) {
    this.world = world
    this.host = host
    this.pid = world.nextPid()
    processesOf(host).add(this)
  }

  get paused(): boolean {
    return this.#paused
  }

  set paused(paused: boolean) {
    if (paused === this.#paused) return
    this.#paused = paused
    if (this.alive) this.host.changes.freeze(this.host.id, paused ? 1 : -1)
  }

  get frozen(): boolean {
    return this.#paused || this.host.paused
  }

  /** Runs what the process would notice or do now, or when it thaws. */
  whenThawed(run: () => void): void {
    if (this.frozen && this.alive) this.#deferred.push(run)
    else run()
  }

  /** In the order in which it was held back. */
  thaw(): void {
    if (this.frozen) return
    const deferred = this.#deferred
    this.#deferred = []
    for (const run of deferred) this.world.engine.schedule(this.world.engine.now(), () => this.whenThawed(run))
  }

  /** Waits while the process is frozen. */
  readonly gate: Effect.Effect<void> = Effect.suspend(() =>
    this.frozen && this.alive
      ? Effect.callback<void>((resume) => this.whenThawed(() => resume(Effect.void)))
      : Effect.void
  )

  /**
   * From now on nothing it does has an effect. `finish` closes its sockets; its waiting fibers are to be interrupted before
   * it, so that a dying program does not see its own death as a network failure.
   */
  die(): void {
    if (this.alive && this.#paused) this.host.changes.freeze(this.host.id, -1)
    this.alive = false
    processesOf(this.host).delete(this)
  }

  finish(how: "kill" | "vanish"): void {
    for (const socket of this.held) socket[how]()
    this.held.clear()
    const deferred = this.#deferred
    this.#deferred = []
    for (const run of deferred) run()
    // In the order in which they would have ended.
    const sleeps = [...this.sleeps].sort(([a], [b]) => a.time - b.time || a.sequence - b.sequence)
    for (const [, end] of sleeps) end()
  }
}

/**
 * A process's Clock: the network's, shifted by the host's skew and stretched by its drift. Its sleeps are events of the
 * engine, so that a frozen process's wait until it thaws and a dead one's end at once. A dead one's time passes with its sleeps: what waits
 * for a time by looking, in a finalizer, would go round without end otherwise.
 */
export const makeClock = (process: ProcessState): Clock.Clock => {
  const { engine } = process.world
  const base = engine.clock
  const host = process.host
  const isEven = host.rate === 1
  // Milliseconds that it is ahead of its host's: the sleeps of a dead process end at once, and have lasted all the same.
  let ahead = 0
  const drift = () => engine.now() * (host.rate - 1)
  const nanos = (ms: number) => BigInt(Math.round(ms * 1e6))
  const currentTimeMillisUnsafe = () => {
    // Whole, as those of each real clock are, where latencies have the time of the network stand in between: what is made of it, as a `DateTime`, can be encoded. A
    // sum of fractions may be a little less than it should be.
    return Math.floor(base.currentTimeMillisUnsafe() + host.skew + ahead + (isEven ? 0 : drift()) + 1e-6)
  }
  // Read many times for each packet, and seldom by a host that drifts.
  const currentTimeNanosUnsafe = () => {
    const time = base.currentTimeNanosUnsafe()
    return isEven && host.skew === 0 && ahead === 0
      ? time
      : time + nanos(host.skew + ahead + drift())
  }
  const monotonicTimeNanosUnsafe = () => {
    const time = base.monotonicTimeNanosUnsafe()
    return isEven && ahead === 0 ? time : time + nanos(ahead + drift())
  }
  const passed = () => engine.now() * host.rate + ahead
  /** Its time is at least that of the end of a sleep, where it has one. */
  const passUntil = (end: number) => {
    const passes = end - passed()
    if (!process.alive && passes > 0 && passes < endless) ahead += passes
  }
  const sleep = (duration: Duration.Duration): Effect.Effect<void> => {
    const wait = Duration.toMillis(duration) / host.rate
    if (wait <= 0) return process.gate
    return Effect.callback<void>((resume) => {
      const until = passed() + Duration.toMillis(duration)
      if (!process.alive) return resume(Effect.tap(Effect.yieldNow, () => Effect.sync(() => passUntil(until))))
      const end = () => {
        process.sleeps.delete(timer)
        engine.cancel(timer)
        passUntil(until)
        resume(Effect.void)
      }
      const timer = engine.schedule(engine.now() + wait, () => process.whenThawed(end))
      process.sleeps.set(timer, end)
      return Effect.sync(() => {
        process.sleeps.delete(timer)
        engine.cancel(timer)
      })
    })
  }
  // A test clock's own verbs stay within reach of a program that runs on the host.
  const verbs: Record<string, unknown> = {}
  for (const name of ["adjust", "setTime", "withLive"]) if (name in base) verbs[name] = Reflect.get(base, name)
  return {
    ...verbs,
    currentTimeMillisUnsafe,
    currentTimeMillis: Effect.sync(currentTimeMillisUnsafe),
    currentTimeNanosUnsafe,
    currentTimeNanos: Effect.sync(currentTimeNanosUnsafe),
    monotonicTimeNanosUnsafe,
    monotonicTimeNanos: Effect.sync(monotonicTimeNanosUnsafe),
    sleep
  }
}

/** A process's Random. */
export const makeRandom = (prng: { readonly double: () => number; readonly below: (n: number) => number }): Random => ({
  nextIntUnsafe: () =>
    Math.floor(prng.double() * (Number.MAX_SAFE_INTEGER - Number.MIN_SAFE_INTEGER + 1)) + Number.MIN_SAFE_INTEGER,
  nextDoubleUnsafe: () => prng.double()
})
