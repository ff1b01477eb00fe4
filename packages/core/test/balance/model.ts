/**
 * A service in plain code and virtual time: servers with workers and latencies, and callers with a pool each. A hundred thousand calls take a
 * part of a second, so that shares can be counted.
 */
import type { Clock, Random } from "effect"
import { Context, Effect } from "effect"
import * as Balance from "../../src/Balance.ts"
import { Kind } from "../../src/internal/balance/kind.ts"
import { type Outcome, Pool, type Waiter } from "../../src/internal/balance/pool.ts"

/** Random numbers of a seed. */
export const randomOf = (seed: number): Random.Random & { readonly next: () => number } => {
  let state = seed >>> 0
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 0x1_0000_0000
  }
  return { next, nextDoubleUnsafe: next, nextIntUnsafe: () => Math.floor(next() * 2 ** 32) }
}

/** What happens when, in order. */
class Events {
  readonly #heap: Array<{ readonly at: number; readonly order: number; readonly run: () => void }> = []
  #order = 0
  now = 0

  at(at: number, run: () => void): void {
    const heap = this.#heap
    const event = { at, order: this.#order++, run }
    let i = heap.push(event) - 1
    while (i > 0) {
      const up = (i - 1) >> 1
      if (!this.#before(event, heap[up]!)) break
      heap[i] = heap[up]!
      i = up
    }
    heap[i] = event
  }

  #before(a: { at: number; order: number }, b: { at: number; order: number }): boolean {
    return a.at < b.at || (a.at === b.at && a.order < b.order)
  }

  runUntil(end: number): void {
    const heap = this.#heap
    while (heap.length > 0 && heap[0]!.at <= end) {
      const first = heap[0]!
      const last = heap.pop()!
      if (heap.length > 0) {
        let i = 0
        for (;;) {
          let down = 2 * i + 1
          if (down >= heap.length) break
          if (down + 1 < heap.length && this.#before(heap[down + 1]!, heap[down]!)) down++
          if (!this.#before(heap[down]!, last)) break
          heap[i] = heap[down]!
          i = down
        }
        heap[i] = last
      }
      this.now = first.at
      first.run()
    }
    this.now = end
  }
}

export interface ServerOptions {
  readonly id: string
  /** Calls that run at once; further ones wait there. */
  readonly workers: number
  /** Milliseconds of work. */
  readonly work: () => number
  /** What it says of itself; its workers by default. */
  readonly capacity?: number | undefined
}

class Server {
  readonly id: string
  readonly capacity: number | undefined
  work: () => number
  served = 0
  mostAtOnce = 0
  isDown = false
  readonly #events: Events
  readonly #workers: number
  readonly #waiting: Array<() => void> = []
  #running = 0
  #out = 0

  constructor(events: Events, options: ServerOptions) {
    this.#events = events
    this.id = options.id
    this.work = options.work
    this.#workers = options.workers
    this.capacity = "capacity" in options ? options.capacity : options.workers
  }

  call(done: (outcome: Outcome) => void): void {
    if (this.isDown) return this.#events.at(this.#events.now + 1, () => done("notRun"))
    this.mostAtOnce = Math.max(this.mostAtOnce, ++this.#out)
    const begin = () => {
      this.#running++
      this.#events.at(this.#events.now + this.work(), () => {
        this.#running--
        this.#out--
        this.served++
        this.#waiting.shift()?.()
        done("answered")
      })
    }
    if (this.#running < this.#workers) begin()
    else this.#waiting.push(begin)
  }
}

export interface ModelOptions {
  readonly seed: number
  readonly policy: Balance.Policy<any, any>
  readonly callers: number
  readonly servers: ReadonlyArray<ServerOptions>
  /** Calls a second, of all callers together. */
  readonly rate: number
  readonly settings?: Partial<Balance.Settings>
  readonly payload?: (random: () => number) => unknown
}

export class Model {
  readonly #events = new Events()
  readonly #random
  readonly #options: ModelOptions
  readonly servers = new Map<string, Server>()
  readonly pools: Array<Pool<Server>> = []
  readonly kind = new Kind("work")
  latencies: Array<number> = []
  failed = 0
  /** Who served a payload. */
  onServed: (payload: unknown, id: string) => void = () => {}

  constructor(options: ModelOptions) {
    this.#options = options
    this.#random = randomOf(options.seed)
    const settings = { ...Effect.runSync(Balance.settings()), ...options.settings }
    const events = this.#events
    const clock = {
      monotonicTimeNanosUnsafe: () => BigInt(Math.round(events.now * 1e6)),
      sleep: () => Effect.never
    } as unknown as Clock.Clock
    for (let i = 0; i < options.callers; i++) {
      this.pools.push(
        new Pool<Server>(
          { service: "work", policy: options.policy, settings, closed: () => "closed" },
          clock,
          this.#random,
          Context.empty()
        )
      )
    }
    for (const server of options.servers) this.join(server)
    for (const pool of this.pools) {
      const kind = new Kind("work")
      const next = () => {
        events.at(events.now - Math.log(1 - this.#random.next()) * 1_000 * options.callers / options.rate, () => {
          next()
          this.#call(pool, kind)
        })
      }
      next()
    }
  }

  join(options: ServerOptions): Server {
    const server = new Server(this.#events, options)
    this.servers.set(server.id, server)
    for (const pool of this.pools) pool.set({ id: server.id, peer: server, capacity: server.capacity })
    return server
  }

  leave(id: string): void {
    for (const pool of this.pools) pool.remove(id)
  }

  run(millis: number): void {
    this.#events.runUntil(this.#events.now + millis)
  }

  /** Calls that each served since they were last asked for. */
  served(): Map<string, number> {
    const served = new Map([...this.servers.values()].map((server) => [server.id, server.served] as const))
    for (const server of this.servers.values()) server.served = 0
    return served
  }

  percentile(p: number): number {
    const sorted = this.latencies.sort((a, b) => a - b)
    return sorted[Math.floor(p * (sorted.length - 1))]!
  }

  #call(pool: Pool<Server>, kind: Kind): void {
    const begun = this.#events.now
    const payload = this.#options.payload?.(this.#random.next)
    const waiter: Waiter<Server> = {
      kind,
      payload,
      tried: undefined,
      since: begun,
      deadline: Infinity,
      granted: (endpoint, since) =>
        endpoint.peer.call((outcome) => {
          const { now } = this.#events
          pool.release(endpoint, outcome, kind, now - since, now)
          if (outcome === "answered") {
            this.latencies.push(now - begun)
            this.onServed(payload, endpoint.id)
          } else attempt()
        }),
      refused: () => {
        this.failed++
      }
    }
    const attempt = () => {
      const { now } = this.#events
      const endpoint = pool.choose(waiter, now)
      if (endpoint === undefined) return void pool.wait(waiter, "", false)
      pool.take(endpoint)
      waiter.granted(endpoint, now)
    }
    attempt()
  }
}
