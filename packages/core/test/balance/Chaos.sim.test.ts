/** Twenty servers that crash, pause, drain, start again and are slow, and fifty callers: no call is lost, and none runs twice that may not. */
import { assert, describe, it } from "@effect/vitest"
import { Balance } from "@pnet/core"
import { Deferred, Effect, Exit, Fiber, Random, Result } from "effect"
import { TestClock } from "effect/testing"
import type { Verdict } from "../../src/internal/balance/run.ts"
import * as Service from "../../src/internal/balance/service.ts"
import { randomOf } from "./model.ts"

class Failed {
  readonly verdict: Verdict
  constructor(verdict: Verdict) {
    this.verdict = verdict
  }
}

const workers = 8

/** What a server does, and what it did. */
class Server {
  readonly id: string
  readonly #next: () => number
  readonly runs: Map<number, number>
  state: "up" | "draining" | "down" | "cut off" = "up"
  pausedUntil = 0
  slowness = 1
  running = 0
  crashed = Deferred.makeUnsafe<never, Failed>()

  constructor(id: string, runs: Map<number, number>, next: () => number) {
    this.id = id
    this.runs = runs
    this.#next = next
  }

  /** Runs a call, as it is seen by who made it. */
  call(id: number): Effect.Effect<string, Failed> {
    return Effect.suspend(() => {
      // Nothing listens there, or nothing comes back for as long as a dial takes.
      if (this.state === "down") return Effect.andThen(Effect.sleep(1), Effect.fail(new Failed("notRun")))
      if (this.state === "cut off") return Effect.andThen(Effect.sleep(500), Effect.fail(new Failed("notRun")))
      if (this.state === "draining") return Effect.fail(new Failed("leaves"))
      if (this.running >= workers) return Effect.fail(new Failed("busy"))
      this.running++
      this.runs.set(id, (this.runs.get(id) ?? 0) + 1)
      const work = Effect.clockWith((clock) => {
        const pause = Math.max(0, this.pausedUntil - clock.currentTimeMillisUnsafe())
        return Effect.as(Effect.sleep(pause + this.slowness * (5 + 10 * this.#next())), this.id)
      })
      return Effect.onExit(
        Effect.raceFirst(work, Deferred.await(this.crashed)),
        () => Effect.sync(() => void this.running--)
      )
    })
  }

  /** It is gone from one moment to the next. What it ran may have run. */
  crash(state: "down" | "cut off" = "down"): void {
    this.state = state
    Deferred.doneUnsafe(this.crashed, Effect.fail(new Failed("mayHaveRun")))
    this.crashed = Deferred.makeUnsafe()
  }
}

const world = (seed: number, servers: number, callers: number, policy: Balance.Policy) =>
  Effect.gen(function*() {
    const { next } = randomOf(seed)
    const runs = new Map<number, number>()
    const all = Array.from({ length: servers }, (_, i) => new Server(`s${i}`, runs, next))
    const services: Array<Service.Service<Server, Failed>> = []
    for (let i = 0; i < callers; i++) {
      services.push(
        yield* Service.make<Server, Failed>({
          service: "work",
          policy,
          classify: ({ verdict }) => verdict,
          closed: () => new Failed("final")
        })
      )
    }
    const announce = (server: Server) => {
      for (const { pool } of services) {
        pool.set({ id: server.id, peer: server, capacity: workers, draining: server.state === "draining" })
      }
    }
    const withdraw = ({ id }: Server) => services.forEach(({ pool }) => pool.remove(id))
    for (const server of all) announce(server)
    const call = (service: Service.Service<Server, Failed>, kind: ReturnType<typeof service.function>, id: number) =>
      service.run(kind, (server) => server.call(id))
    return { all, announce, call, next, runs, services, withdraw }
  })

/** Ends what it does, says so to all, and starts anew. */
const restartByDraining = ({ announce, withdraw }: Effect.Success<ReturnType<typeof world>>, server: Server) =>
  Effect.gen(function*() {
    server.state = "draining"
    // Calls come in until everybody knows.
    yield* Effect.sleep(20)
    announce(server)
    yield* Effect.repeat(Effect.sleep(10), { until: () => server.running === 0 })
    server.state = "down"
    withdraw(server)
    yield* Effect.sleep(300)
    server.state = "up"
    announce(server)
  })

describe("a service in trouble", () => {
  it.effect("loses no call without an error that tells, and runs none twice that may not, by seeds", () =>
    Effect.forEach([1, 2], (seed) =>
      Effect.gen(function*() {
        const policy = seed === 1 ? Balance.leastPending : Balance.roundRobin
        const it = yield* world(seed, 20, 50, policy)
        const { all, announce, next, runs, withdraw } = it
        const trouble = (server: Server) => {
          const what = next()
          if (what < 0.25) return restartByDraining(it, server)
          if (what < 0.4) {
            return Effect.clockWith((clock) =>
              Effect.sync(() => {
                server.pausedUntil = clock.currentTimeMillisUnsafe() + 300
              })
            )
          }
          if (what < 0.5) return Effect.sync(() => void (server.slowness = server.slowness === 1 ? 10 : 1))
          return Effect.gen(function*() {
            server.crash(what < 0.75 ? "down" : "cut off")
            // It takes its time until that is known of it.
            yield* Effect.sleep(400)
            withdraw(server)
            yield* Effect.sleep(500)
            server.state = "up"
            announce(server)
          })
        }
        yield* Effect.forkScoped(Effect.gen(function*() {
          const inTrouble = new Set<Server>()
          for (;;) {
            yield* Effect.sleep(100)
            const server = all[Math.floor(next() * all.length)]!
            if (inTrouble.has(server) || inTrouble.size > 8) continue
            inTrouble.add(server)
            yield* Effect.forkChild(Effect.ensuring(trouble(server), Effect.sync(() => inTrouble.delete(server))))
          }
        }))
        let id = 0
        const results = new Map<number, { readonly exit: Exit.Exit<string, unknown>; readonly idempotent: boolean }>()
        const callers = yield* Effect.forEach(it.services, (service) =>
          Effect.forkScoped(Effect.gen(function*() {
            const kinds = [service.function("once"), service.function("often", { idempotent: true })]
            for (let i = 0; i < 30; i++) {
              yield* Effect.sleep(200 * next())
              const own = id++
              const idempotent = i % 3 === 0
              const exit = yield* Effect.exit(it.call(service, kinds[idempotent ? 1 : 0]!, own))
              results.set(own, { exit, idempotent })
            }
          })))
        yield* TestClock.adjust("30 seconds")
        for (const fiber of callers) assert.isDefined(fiber.pollUnsafe())
        assert.strictEqual(results.size, 1_500)
        let failed = 0
        for (const [own, { exit, idempotent }] of results) {
          const ran = runs.get(own) ?? 0
          if (!idempotent) assert.isAtMost(ran, 1)
          if (Exit.isSuccess(exit)) {
            assert.isAtLeast(ran, 1)
            continue
          }
          failed++
          const error = Result.getOrThrow(Exit.findError(exit))
          // What is said of it is true: that it may have run, or that it has not.
          if (error instanceof Failed && error.verdict === "mayHaveRun") assert.isAtLeast(ran, 1)
          else assert.strictEqual(ran, 0)
        }
        assert.isBelow(failed, 60, `seed ${seed}`)
        for (const { pool } of it.services) assert.deepStrictEqual([pool.pending, pool.waiting], [0, 0])
      }).pipe(Effect.scoped, Effect.provideService(Random.Random, randomOf(seed))), { discard: true }))

  it.effect("loses no call at all where its servers are started anew one after another by draining", () =>
    Effect.gen(function*() {
      const it = yield* world(1, 8, 10, Balance.leastPending)
      let done = false
      let calls = 0
      const callers = yield* Effect.forEach(it.services, (service) =>
        Effect.forkScoped(Effect.gen(function*() {
          const kind = service.function("once")
          while (!done) {
            yield* Effect.sleep(5)
            yield* it.call(service, kind, calls++)
          }
        })))
      const restart = yield* Effect.forkScoped(
        Effect.andThen(
          Effect.forEach(it.all, (server) => restartByDraining(it, server), { discard: true }),
          Effect.sync(() => {
            done = true
          })
        )
      )
      yield* TestClock.adjust("10 seconds")
      yield* Fiber.join(restart)
      yield* Effect.forEach(callers, Fiber.join)
      assert.isAbove(calls, 1_000)
      assert.strictEqual(it.runs.size, calls)
      for (const ran of it.runs.values()) assert.strictEqual(ran, 1)
    }))
})
