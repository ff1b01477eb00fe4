/** Calls of a service: where they go, when they are sent again, where they wait, and that each gives its place back. In virtual time. */
import { assert, describe, it } from "@effect/vitest"
import { Balance, Deadline } from "@pnet/core"
import { Cause, Deferred, Effect, Exit, Fiber, Layer, Logger, Random, Scheduler, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import type { Verdict } from "../../src/internal/balance/run.ts"
import { closed, fail, Failed, fork, isIdle, type Made, make, ok, type Options } from "./engine.ts"
import { randomOf } from "./model.ts"

describe("a call of a service", () => {
  it.effect("has a place for as long as it runs", () =>
    Effect.gen(function*() {
      const it = yield* make()
      const done = yield* Deferred.make<string>()
      const fiber = yield* fork(it.call(it.plain, () => Deferred.await(done)))
      assert.strictEqual(it.pool.pending, 1)
      yield* Deferred.succeed(done, "yes")
      assert.strictEqual(yield* Fiber.join(fiber), "yes")
      isIdle(it)
    }))

  it.effect("that has not run goes to every other peer, once each, and then fails as the last did", () =>
    Effect.gen(function*() {
      const it = yield* make()
      const error = yield* Effect.flip(it.call(it.plain, fail("notRun")))
      assert.deepStrictEqual([...it.tried].sort(), ["a", "b", "c"])
      assert.deepStrictEqual(error, new Failed("notRun", it.tried[2]!))
      assert.strictEqual(yield* it.call(it.plain, (peer) => peer === "a" ? ok(peer) : fail("notRun")(peer)), "a")
      isIdle(it)
    }))

  it.effect("that may have run is sent once more only where it is idempotent", () =>
    Effect.gen(function*() {
      const it = yield* make()
      yield* Effect.flip(it.call(it.plain, fail("mayHaveRun")))
      assert.strictEqual(it.tried.length, 1)
      yield* Effect.flip(it.call(it.idempotent, fail("mayHaveRun")))
      assert.strictEqual(it.tried.length, 4)
    }))

  it.effect("says that it may have run where an attempt may have, whatever the later ones did", () =>
    Effect.gen(function*() {
      const it = yield* make()
      let attempts = 0
      const error = yield* Effect.flip(
        it.call(it.idempotent, (peer) => fail(attempts++ === 0 ? "mayHaveRun" : "notRun")(peer))
      )
      assert.strictEqual(attempts, 3)
      assert.deepStrictEqual(error, new Failed("mayHaveRun", it.tried[0]!))
      // Also where the time was up before a later one was sent.
      attempts = 0
      const late = yield* Effect.flip(
        it.call(it.idempotent, (peer) => fail(attempts++ === 0 ? "mayHaveRun" : "expired")(peer))
      )
      assert.strictEqual(attempts, 2)
      assert.deepStrictEqual(late instanceof Failed ? late.verdict : late._tag, "mayHaveRun")
      // The same where no place is found for it any more.
      const two = yield* make({ peers: ["a"], settings: { whenFull: 0 } })
      const gone = two.call(two.idempotent, (peer) => {
        two.pool.remove(peer)
        return fail("mayHaveRun")(peer)
      })
      const fiber = yield* fork(Effect.flip(gone))
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(yield* Fiber.join(fiber), new Failed("mayHaveRun", "a"))
    }))

  it.effect("that got an answer is not sent again, be it an error, and its peer is well", () =>
    Effect.gen(function*() {
      const it = yield* make({ peers: ["a", "b"] })
      for (let i = 0; i < 20; i++) yield* Effect.flip(it.call(it.idempotent, fail("final")))
      assert.strictEqual(it.tried.length, 20)
      assert.deepStrictEqual(it.events, [])
      for (let i = 0; i < 20; i++) yield* Effect.flip(it.call(it.idempotent, fail("expired")))
      assert.strictEqual(it.tried.length, 40)
      assert.deepStrictEqual(it.events, [])
    }))

  it.effect("that a broken handler answered is not sent again, and a peer of which three in a row broke is left out", () =>
    Effect.gen(function*() {
      const it = yield* make({ peers: ["a", "b"] })
      const broken = (peer: string) => peer === "a" ? fail("broke")(peer) : ok(peer)
      let failed = 0
      for (let i = 0; i < 40; i++) failed += Exit.isFailure(yield* Effect.exit(it.call(it.idempotent, broken))) ? 1 : 0
      assert.deepStrictEqual([it.tried.length, failed], [40, 3])
      assert.deepStrictEqual(it.events, ["LeftOut a"])
      isIdle(it)
    }))

  it.effect("is sent again within the budget", () =>
    Effect.gen(function*() {
      const it = yield* make({ settings: { failures: 1_000_000, retriesPerSecond: 0, retries: 0.2 } })
      for (let i = 0; i < 1_000; i++) yield* Effect.flip(it.call(it.plain, fail("notRun")))
      assert.strictEqual(it.tried.length, 1_200)
    }))

  it.effect("is not sent again when its deadline has passed", () =>
    Effect.gen(function*() {
      const it = yield* make()
      const late = it.call(it.plain, (peer) => Effect.andThen(Effect.sleep("2 seconds"), fail("notRun")(peer)))
      const fiber = yield* fork(Effect.flip(Deadline.within("1 second")(late)))
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(yield* Fiber.join(fiber), new Failed("notRun", it.tried[0]!))
      assert.strictEqual(it.tried.length, 1)
    }))

  it.effect("fails with what an attempt throws, and gives its place back", () =>
    Effect.gen(function*() {
      const it = yield* make()
      const exit = yield* Effect.exit(it.call(it.idempotent, () => {
        throw new Error("no effect")
      }))
      assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
      assert.strictEqual(it.tried.length, 1)
      isIdle(it)
    }))

  it.effect("goes on at another peer where one is busy, and waits where all are", () =>
    Effect.gen(function*() {
      const it = yield* make({ peers: ["a", "b"] })
      const busy = new Set(["a"])
      const attempt = (peer: string) => busy.has(peer) ? fail("busy")(peer) : ok(peer)
      for (let i = 0; i < 10; i++) assert.strictEqual(yield* it.call(it.plain, attempt), "b")
      // It is left alone for a while.
      assert.strictEqual(it.tried.filter((peer) => peer === "a").length, 1)
      busy.add("b")
      const fiber = yield* fork(it.call(it.plain, attempt))
      assert.strictEqual(it.pool.waiting, 1)
      yield* TestClock.adjust("200 millis")
      assert.isUndefined(fiber.pollUnsafe())
      busy.clear()
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.join(fiber)
      assert.isBelow(it.tried.length, 25)
      isIdle(it)
    }))

  it.effect("goes to a busy peer again as soon as that has answered another", () =>
    Effect.gen(function*() {
      const it = yield* make({ peers: ["a"] })
      const done = yield* Deferred.make<string>()
      const first = yield* fork(it.call(it.plain, () => Deferred.await(done)))
      let isBusy = true
      const second = yield* fork(it.call(it.plain, (peer) => isBusy ? fail("busy")(peer) : ok(peer)))
      assert.isUndefined(second.pollUnsafe())
      isBusy = false
      yield* Deferred.succeed(done, "done")
      yield* Fiber.join(first)
      assert.strictEqual(yield* Fiber.join(second), "a")
    }))

  it.effect("goes past a peer that leaves, at no cost, and to it again when it takes calls again", () =>
    Effect.gen(function*() {
      const it = yield* make({ peers: ["a", "b"], settings: { retries: 0, retriesPerSecond: 0 } })
      const attempt = (peer: string) => peer === "a" ? fail("leaves")(peer) : ok(peer)
      for (let i = 0; i < 10; i++) assert.strictEqual(yield* it.call(it.plain, attempt), "b")
      assert.strictEqual(it.tried.filter((peer) => peer === "a").length, 1)
      it.pool.set({ id: "a", peer: "a", draining: true })
      yield* TestClock.adjust("1 second")
      for (let i = 0; i < 10; i++) assert.strictEqual(yield* it.call(it.plain, ok), "b")
      it.pool.set({ id: "a", peer: "a", draining: false })
      const reached = new Set<string>()
      for (let i = 0; i < 4; i++) reached.add(yield* it.call(it.plain, ok))
      assert.deepStrictEqual([...reached].sort(), ["a", "b"])
    }))
})

describe("a peer that fails", () => {
  it.effect("is left out after failures in a row, longer each time, and let back in by one call", () =>
    Effect.gen(function*() {
      const it = yield* make({ peers: ["a", "b", "c"] })
      const down = (peer: string) => peer === "a" ? fail("notRun")(peer) : ok(peer)
      const triedA = () => it.tried.filter((peer) => peer === "a").length
      for (let i = 0; i < 30; i++) yield* it.call(it.plain, down)
      assert.strictEqual(triedA(), 3)
      assert.deepStrictEqual(it.events, ["LeftOut a"])
      // Once after about 1, 2, 4, 8 seconds.
      for (let second = 0; second < 20; second++) {
        yield* TestClock.adjust("1 second")
        for (let i = 0; i < 10; i++) yield* it.call(it.plain, down)
      }
      assert.strictEqual(triedA(), 7)
      yield* TestClock.adjust("1 minute")
      // While one call tries it, the others go elsewhere.
      const done = yield* Deferred.make<string>()
      const slow = (peer: string) => peer === "a" ? Deferred.await(done) : ok(peer)
      for (let i = 0; i < 10; i++) yield* fork(it.call(it.plain, slow))
      assert.strictEqual(triedA(), 8)
      yield* Deferred.succeed(done, "a")
      assert.strictEqual(it.events.at(-1), "BackIn a")
      for (let i = 0; i < 9; i++) yield* it.call(it.plain, ok)
      assert.isAtLeast(triedA(), 10)
    }))

  it.effect("is not left out where half of them are already, and never where it is the last", () =>
    Effect.gen(function*() {
      const it = yield* make({ peers: ["a", "b", "c", "d"] })
      for (let i = 0; i < 40; i++) yield* Effect.flip(it.call(it.plain, fail("notRun")))
      assert.strictEqual(new Set(it.events).size, 2)
      // Where there are fewer, those who were left out are called again.
      const out = it.events.map((event) => event.slice(-1))
      for (const id of ["a", "b", "c", "d"]) if (!out.includes(id)) it.pool.remove(id)
      it.tried.length = 0
      yield* it.call(it.plain, ok)
      const last = yield* make({ peers: ["a"] })
      for (let i = 0; i < 10; i++) yield* Effect.flip(last.call(last.plain, fail("notRun")))
      assert.strictEqual(last.tried.length, 10)
      assert.deepStrictEqual(last.events, [])
    }))
})

describe("a call that waits", () => {
  const full = (options: Options = {}) =>
    Effect.gen(function*() {
      const it = yield* make({ peers: ["a"], capacity: 1, ...options })
      const blocks: Array<Deferred.Deferred<string>> = []
      const order: Array<string> = []
      const block = (name: string, caller = "") =>
        Effect.gen(function*() {
          const done = yield* Deferred.make<string>()
          blocks.push(done)
          return yield* fork(
            it.call(it.plain, () => {
              order.push(name)
              return Deferred.await(done)
            }, caller)
          )
        })
      return { ...it, block, blocks, order }
    })

  it.effect("has its turn in order, and callers take turns", () =>
    Effect.gen(function*() {
      const it = yield* full()
      for (const name of ["a1", "a2", "a3", "b1", "c1"]) yield* it.block(name, name[0])
      assert.deepStrictEqual(it.order, ["a1"])
      assert.strictEqual(it.pool.waiting, 4)
      for (const block of it.blocks) yield* Deferred.succeed(block, "done")
      assert.deepStrictEqual(it.order, ["a1", "a2", "b1", "c1", "a3"])
      isIdle(it)
    }))

  it.effect("fails when it has waited for as long as it may, and has not run", () =>
    Effect.gen(function*() {
      const it = yield* full({ settings: { whenFull: "3 seconds" } })
      yield* it.block("first")
      const second = yield* it.block("second")
      const third = yield* fork(Effect.flip(Deadline.within("1 second")(it.call(it.plain, ok))))
      yield* TestClock.adjust("1 second")
      const error = yield* Fiber.join(third)
      assert.instanceOf(error, Balance.OverloadedError)
      assert.strictEqual(error.reason, "TimeUp")
      assert.isUndefined(second.pollUnsafe())
      yield* TestClock.adjust("2 seconds")
      const late = yield* Effect.flip(Fiber.join(second))
      assert.instanceOf(late, Balance.OverloadedError)
      assert.include(late.message, "after 3s. It was not run")
      assert.deepStrictEqual(it.order, ["first"])
      assert.strictEqual(it.pool.waiting, 0)
    }))

  it.effect("is refused at once where it may not wait, or too many do", () =>
    Effect.gen(function*() {
      const none = yield* full({ settings: { whenFull: 0 } })
      yield* none.block("first")
      assert.propertyVal(yield* Effect.flip(none.call(none.plain, ok)), "reason", "TimeUp")
      const it = yield* full({ settings: { waiting: 2 } })
      for (const name of ["1", "2", "3"]) yield* it.block(name, "greedy")
      assert.propertyVal(yield* Effect.flip(it.call(it.plain, ok, "greedy")), "reason", "QueueFull")
    }))

  it.effect("gives its place up for a caller who has fewer", () =>
    Effect.gen(function*() {
      const it = yield* full({ settings: { waiting: 2 } })
      yield* it.block("1", "greedy")
      yield* it.block("2", "greedy")
      const last = yield* it.block("3", "greedy")
      yield* it.block("other", "modest")
      assert.propertyVal(yield* Effect.flip(Fiber.join(last)), "reason", "PushedOut")
      for (const block of it.blocks) yield* Deferred.succeed(block, "done")
      assert.deepStrictEqual(it.order, ["1", "2", "other"])
    }))

  it.effect("is not overtaken by one that comes while it is given its place", () =>
    Effect.gen(function*() {
      const it = yield* full()
      yield* it.block("first")
      const named = (name: string) =>
        it.call(it.plain, () =>
          Effect.sync(() => {
            it.order.push(name)
            return name
          }))
      // Whose second call is made in the very moment in which the first has ended.
      yield* fork(Effect.andThen(named("second"), named("fourth")))
      yield* fork(named("third"))
      yield* Deferred.succeed(it.blocks[0]!, "done")
      assert.deepStrictEqual(it.order, ["first", "second", "third", "fourth"])
      isIdle(it)
    }))

  it.effect("may be one of two thousand that end as they begin", () =>
    Effect.gen(function*() {
      const it = yield* full({ settings: { waiting: 2_000 } })
      const first = yield* it.block("first")
      const fibers: Array<Fiber.Fiber<unknown, unknown>> = []
      for (let i = 0; i < 2_000; i++) fibers.push(yield* fork(it.call(it.plain, ok)))
      assert.strictEqual(it.pool.waiting, 2_000)
      yield* Deferred.succeed(it.blocks[0]!, "done")
      yield* Fiber.join(first)
      yield* Effect.forEach(fibers, Fiber.join)
      isIdle(it)
    }))

  it.effect("for a peer to be there is sent when one is, and fails when none comes", () =>
    Effect.gen(function*() {
      const it = yield* make({ peers: [], settings: { whenNobody: "2 seconds", whenFull: "1 minute" } })
      const first = yield* fork(it.call(it.plain, ok))
      yield* TestClock.adjust("1 second")
      it.pool.set({ id: "a", peer: "a" })
      assert.strictEqual(yield* Fiber.join(first), "a")
      it.pool.set({ id: "a", peer: "a", draining: true })
      const second = yield* fork(Effect.flip(it.call(it.plain, ok)))
      yield* TestClock.adjust("2 seconds")
      const error = yield* Fiber.join(second)
      assert.instanceOf(error, Balance.NobodyThereError)
      assert.strictEqual(error.draining, 1)
      const at = yield* make({ peers: [], settings: { whenNobody: 0 }, nobody: () => "nobody at all" })
      assert.strictEqual<unknown>(yield* Effect.flip(at.call(at.plain, ok)), "nobody at all")
      isIdle(it)
    }))

  it.effect("for a peer that takes none now, or says nonsense of what it takes", () =>
    Effect.gen(function*() {
      const it = yield* make({ peers: ["a"], capacity: 0 })
      const waiting = yield* fork(it.call(it.plain, ok))
      assert.strictEqual(it.pool.waiting, 1)
      it.pool.set({ id: "a", peer: "a", capacity: 3 })
      assert.strictEqual(yield* Fiber.join(waiting), "a")
      for (const capacity of [Number.NaN, -1, Infinity, "8" as unknown as number]) {
        it.pool.set({ id: "a", peer: "a", capacity })
        assert.strictEqual(yield* it.call(it.plain, ok), "a")
      }
      for (const endpoint of it.pool.endpoints) assert.strictEqual(endpoint.capacity, 1)
    }))

  it.effect("is told when the node closes, and so is every later one", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const whole = yield* Effect.scope
      const it = yield* Scope.provide(
        Effect.map(full(), (it) => ({
          ...it,
          block: (name: string) => Scope.provide(it.block(name), whole)
        })),
        scope
      )
      const running = yield* it.block("first")
      const waiting = yield* it.block("second")
      yield* Scope.close(scope, Exit.void)
      // What was sent goes on.
      assert.strictEqual(yield* Effect.flip(Fiber.join(waiting)), closed)
      yield* Deferred.succeed(it.blocks[0]!, "done")
      assert.strictEqual(yield* Fiber.join(running), "done")
      assert.strictEqual(yield* Effect.flip(it.call(it.plain, ok)), closed)
    }))
})

describe("a place", () => {
  it.effect("is given back by whoever is interrupted, whenever that is, by seeds", () =>
    Effect.forEach([1, 2, 3], (seed) =>
      Effect.gen(function*() {
        const { next } = randomOf(seed)
        const it = yield* make({ peers: ["a", "b", "c"], capacity: 2, policy: Balance.leastPending })
        const kinds = [it.plain, it.idempotent, it.kind({ idempotent: true, hedge: 0.5 })]
        const verdicts: ReadonlyArray<Verdict> = ["notRun", "mayHaveRun", "busy", "leaves", "final"]
        const fibers: Array<Fiber.Fiber<unknown, unknown>> = []
        for (let i = 0; i < 400; i++) {
          const attempt = (peer: string) =>
            Effect.suspend(() => {
              const what = next()
              if (what < 0.1) return fail(verdicts[Math.floor(next() * verdicts.length)]!)(peer)
              if (what < 0.2) return ok(peer)
              if (what < 0.25) fibers[Math.floor(next() * fibers.length)]!.interruptUnsafe()
              return Effect.as(Effect.sleep(next() * 100), peer)
            })
          const call = it.call(kinds[i % 3]!, attempt, `caller${i % 5}`)
          fibers.push(yield* fork(i % 7 === 0 ? Effect.uninterruptible(call) : call))
          if (next() < 0.3) fibers[Math.floor(next() * fibers.length)]!.interruptUnsafe()
          if (next() < 0.1) yield* TestClock.adjust(next() * 100)
          if (next() < 0.02) it.pool.remove("c")
          if (next() < 0.05) it.pool.set({ id: "c", peer: "c", capacity: 2 })
        }
        yield* TestClock.adjust("1 minute")
        for (const fiber of fibers) assert.isDefined(fiber.pollUnsafe())
        isIdle(it)
        yield* it.call(it.plain, ok)
      }).pipe(Effect.scoped, Effect.provideService(Random.Random, randomOf(seed))), { discard: true }))

  it.effect("is given back by whoever is interrupted between any two steps", () =>
    Effect.gen(function*() {
      const steps: Array<number> = []
      const ways = [
        (it: Made) =>
          it.call(it.idempotent, (peer) =>
            peer === "a" ? Effect.andThen(Effect.yieldNow, fail("notRun")(peer)) : ok(peer)),
        (it: Made) =>
          Effect.scoped(it.service.lease(it.plain)),
        (it: Made) => Stream.runDrain(it.service.stream(it.plain, () => Stream.fromEffect(Effect.yieldNow)))
      ]
      for (const way of ways) {
        let step = 0
        for (let taken = 0; taken >= step; step++) {
          const it = yield* make({ peers: ["a", "b"], settings: { pending: 1 } })
          let isDone = false
          taken = 0
          const dispatcher = new Scheduler.MixedScheduler()
          const fiber: Fiber.Fiber<unknown, unknown> = yield* Effect.forkScoped(Effect.provideService(
            Effect.ensuring(Effect.andThen(Effect.yieldNow, way(it)), Effect.sync(() => void (isDone = true))),
            Scheduler.Scheduler,
            {
              executionMode: "async",
              makeDispatcher: () => dispatcher.makeDispatcher(),
              shouldYield: (one) => {
                if (isDone || one !== fiber || taken++ !== step) return false
                one.interruptUnsafe()
                return true
              }
            }
          ))
          yield* Fiber.await(fiber)
          isIdle(it)
        }
        steps.push(step)
      }
      for (const step of steps) assert.isAbove(step, 20)
    }))

  it.effect("may be had for as long as a scope", () =>
    Effect.gen(function*() {
      const it = yield* make({ peers: ["a"], capacity: 1 })
      const scope = yield* Scope.make()
      const lease = yield* Scope.provide(it.service.lease(it.plain), scope)
      assert.strictEqual(lease.peer, "a")
      const waiting = yield* fork(Effect.scoped(it.service.lease(it.plain)))
      const second = yield* fork(it.call(it.plain, ok))
      assert.strictEqual(it.pool.waiting, 2)
      yield* Fiber.interrupt(waiting)
      assert.strictEqual(it.pool.waiting, 1)
      lease.told("notRun")
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(yield* Fiber.join(second), "a")
      isIdle(it)
    }))
})

describe("a policy of one's own", () => {
  it.effect("may do what it likes with the list that it is given", () =>
    Effect.gen(function*() {
      for (
        const choose of [
          (list: Array<Balance.Candidate>) => list.sort((a, b) => (a.id < b.id ? 1 : -1))[0],
          (list: Array<Balance.Candidate>) => list.pop(),
          (list: Array<Balance.Candidate>) => list.splice(0)[0],
          (list: Array<Balance.Candidate>) => void list.splice(0)
        ]
      ) {
        const policy = Balance.make("its own", () => choose as unknown as Balance.Pick)
        const it = yield* make({ capacity: 1, policy, peers: ["a", "b", "c", "d"] })
        const kind = it.kind()
        const work = (peer: string) => Effect.as(Effect.sleep("10 millis"), peer)
        const calls = Effect.forEach(Array.from({ length: 40 }), () => it.call(kind, work), { concurrency: 10 })
        const fiber = yield* Effect.forkChild(calls)
        yield* TestClock.adjust("1 second")
        assert.lengthOf(yield* Fiber.join(fiber), 40)
        assert.strictEqual(new Set(it.tried).size, 4)
        assert.strictEqual(it.pool.pending, 0)
      }
    }).pipe(Effect.scoped, Effect.provide(Logger.layer([]))))

  it.effect("that throws or chooses nonsense is answered for, and the log says so once", () =>
    Effect.gen(function*() {
      const lines: Array<string> = []
      const logger = Logger.layer([Logger.make(({ message }) => lines.push(String(message)))])
      for (
        const policy of [
          Balance.make("broken", () => () => {
            throw new Error("no")
          }),
          Balance.make("absent", () => () => undefined),
          Balance.make("strange", () => ([one]) => ({ ...one! }))
        ]
      ) {
        lines.length = 0
        const calls = Effect.gen(function*() {
          const it = yield* make({ policy })
          return yield* Effect.forEach(Array.from({ length: 20 }), () => it.call(it.plain, ok))
        })
        assert.isAbove(new Set(yield* Effect.provide(calls, logger)).size, 1)
        assert.strictEqual(lines.length, 1)
        assert.include(lines[0]!, policy.name)
      }
    }))
})

describe("a second attempt beside the first", () => {
  const measured = (options?: Options) =>
    Effect.gen(function*() {
      const it = yield* make(options)
      const kind = it.kind({ idempotent: true, hedge: 0.95 })
      const timed = (millis: (peer: string) => number) => (peer: string) => Effect.as(Effect.sleep(millis(peer)), peer)
      for (let i = 0; i < 100; i++) {
        const fiber = yield* fork(it.call(kind, timed(() => 10)))
        yield* TestClock.adjust(10)
        yield* Fiber.join(fiber)
      }
      it.tried.length = 0
      return { ...it, kind, timed }
    })

  it.effect("is made when the first takes longer than usual, and the one that is not first is given up", () =>
    Effect.gen(function*() {
      const it = yield* measured()
      const ended: Array<string> = []
      const call = (millis: ReadonlyArray<number>) => {
        it.tried.length = ended.length = 0
        const one = it.call(it.kind, (peer) =>
          Effect.onInterrupt(
            it.timed(() => millis[it.tried.indexOf(peer)]!)(peer),
            () => Effect.sync(() => ended.push(peer))
          ))
        // What is out when it has its answer.
        return fork(Effect.map(one, (peer) => ({ peer, pending: it.pool.pending })))
      }
      const slowFirst = yield* call([1_000, 10])
      yield* TestClock.adjust(9)
      assert.strictEqual(it.tried.length, 1)
      yield* TestClock.adjust(4)
      assert.strictEqual(it.tried.length, 2)
      yield* TestClock.adjust(10)
      assert.deepStrictEqual(yield* Fiber.join(slowFirst), { peer: it.tried[1]!, pending: 0 })
      assert.deepStrictEqual(ended, [it.tried[0]])
      assert.notStrictEqual(it.tried[0], it.tried[1])
      const slowSecond = yield* call([20, 1_000])
      yield* TestClock.adjust(20)
      assert.deepStrictEqual(yield* Fiber.join(slowSecond), { peer: it.tried[0]!, pending: 0 })
      assert.deepStrictEqual(ended, [it.tried[1]])
      isIdle(it)
    }))

  it.effect("is made for one call in twenty at the most", () =>
    Effect.gen(function*() {
      const it = yield* measured()
      for (let i = 0; i < 100; i++) {
        const fiber = yield* fork(it.call(it.kind, it.timed(() => 40)))
        yield* TestClock.adjust(100)
        yield* Fiber.join(fiber)
      }
      assert.isAtLeast(it.tried.length, 102)
      assert.isAtMost(it.tried.length, 110)
    }))

  it.effect("and the first that both fail are a failure of the call, which is sent to a third", () =>
    Effect.gen(function*() {
      const it = yield* measured()
      const fiber = yield* fork(it.call(it.kind, (peer) =>
        it.tried.length === 3
          ? ok(peer)
          : Effect.andThen(Effect.sleep(50), fail("mayHaveRun")(peer))))
      yield* TestClock.adjust(200)
      assert.strictEqual(yield* Fiber.join(fiber), it.tried[2])
      assert.strictEqual(new Set(it.tried).size, 3)
      const both = yield* fork(
        Effect.flip(it.call(it.kind, (peer) => Effect.andThen(Effect.sleep(50), fail("mayHaveRun")(peer))))
      )
      yield* TestClock.adjust(500)
      assert.propertyVal(yield* Fiber.join(both), "verdict", "mayHaveRun")
      isIdle(it)
    }))

  it.effect("is never made where the function is not idempotent", () =>
    Effect.gen(function*() {
      const it = yield* make()
      assert.isUndefined(it.kind({ hedge: 0.9 }).hedge)
    }))
})

describe("a stream of a service", () => {
  const broken = (verdict: Verdict, after: number) => (peer: string) =>
    Stream.concat(
      Stream.range(1, after),
      Stream.fail(new Failed(verdict, peer))
    )

  it.effect("holds its place until it ends", () =>
    Effect.gen(function*() {
      const it = yield* make()
      let seen = 0
      const all = yield* Stream.runCollect(Stream.tap(
        it.service.stream(it.plain, () => Stream.range(1, 3)),
        () => Effect.sync(() => void (seen = it.pool.pending))
      ))
      assert.deepStrictEqual(all, [1, 2, 3])
      assert.strictEqual(seen, 1)
      isIdle(it)
    }))

  it.effect("begins at another peer where it has not begun, and nowhere else where it has given something", () =>
    Effect.gen(function*() {
      const it = yield* make()
      let attempts = 0
      const whole = it.service.stream(
        it.plain,
        (peer) => ++attempts < 3 ? Stream.fail(new Failed("notRun", peer)) : Stream.range(1, 3)
      )
      assert.deepStrictEqual(yield* Stream.runCollect(whole), [1, 2, 3])
      attempts = 0
      const cut = it.service.stream(it.idempotent, (peer) => {
        attempts++
        return broken("mayHaveRun", 2)(peer)
      })
      const got: Array<number> = []
      const error = yield* Effect.flip(Stream.runForEach(cut, (n) => Effect.sync(() => got.push(n))))
      assert.propertyVal(error, "verdict", "mayHaveRun")
      assert.deepStrictEqual(got, [1, 2])
      assert.strictEqual(attempts, 1)
      isIdle(it)
    }))

  it.effect("waits where all are busy, and no longer than it may", () =>
    Effect.gen(function*() {
      const it = yield* make({ peers: ["a", "b"] })
      let attempts = 0
      const stream = it.service.stream(
        it.plain,
        (peer) => Stream.suspend(() => ++attempts < 100 ? Stream.fail(new Failed("busy", peer)) : Stream.empty)
      )
      const busy = yield* fork(Effect.flip(Stream.runDrain(stream)))
      yield* TestClock.adjust("4 seconds")
      assert.isUndefined(busy.pollUnsafe())
      yield* TestClock.adjust("2 seconds")
      assert.propertyVal(yield* Fiber.join(busy), "reason", "TimeUp")
      assert.isBelow(attempts, 25)
      isIdle(it)
    }))

  it.effect("goes on at another peer where it knows how", () =>
    Effect.gen(function*() {
      const it = yield* make()
      const from: Array<number> = []
      const stream = it.service.stream<number, Failed, never>(it.plain, (peer, { last }) => {
        const next = (last ?? 0) + 1
        from.push(next)
        return next > 4
          ? Stream.range(next, 6)
          : Stream.concat(Stream.range(next, next + 1), Stream.fail(new Failed("mayHaveRun", peer)))
      }, { resumes: true })
      assert.deepStrictEqual(yield* Stream.runCollect(stream), [1, 2, 3, 4, 5, 6])
      assert.deepStrictEqual(from, [1, 3, 5])
      isIdle(it)
    }))
})

it.effect("settings that make no sense are refused", () =>
  Effect.gen(function*() {
    for (
      const wrong of [{ waiting: 0 }, { whenFull: -1 }, { retries: -0.1 }, { hedges: Number.NaN }, { leaveOut: 0 }]
    ) {
      const error = yield* Effect.flip(Balance.settings(wrong))
      assert.strictEqual(error._tag, "OptionsError")
      assert.match(error.message, /^the settings of a client of a service are wrong: /)
    }
  }).pipe(Effect.provide(Layer.empty)))
