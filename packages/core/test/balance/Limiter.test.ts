/** How many calls of a function run at a node: so many at once, so many in order and fair between callers, and no more. */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { Limiter } from "../../src/internal/balance/limiter.ts"
import { randomOf } from "./model.ts"

const refused = Effect.fail("refused")
const fork = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.forkScoped(effect, { startImmediately: true })

/** Calls that run until they are told to end. */
const calls = (limiter: Limiter) => {
  const order: Array<string> = []
  const ends: Array<Deferred.Deferred<void>> = []
  const call = (name: string) =>
    Effect.gen(function*() {
      const end = yield* Deferred.make<void>()
      ends.push(end)
      const running = Effect.suspend(() => {
        order.push(name)
        return Deferred.await(end)
      })
      return yield* fork(limiter.run(name[0]!, running, refused))
    })
  return { order, ends, call }
}

describe("a limit of calls that run at once", () => {
  it.effect("runs so many, has so many wait, takes callers in turn, and refuses those beyond", () =>
    Effect.gen(function*() {
      const limiter = new Limiter({ running: 2, waiting: 3 })
      const { call, ends, order } = calls(limiter)
      for (const name of ["a1", "a2", "a3", "a4", "a5"]) yield* call(name)
      assert.deepStrictEqual(order, ["a1", "a2"])
      assert.deepStrictEqual([limiter.running, limiter.waiting, limiter.room], [2, 3, 0])
      // Who fills it is refused, and another caller is not.
      assert.strictEqual(yield* Effect.flip(Fiber.join(yield* call("a6"))), "refused")
      const other = yield* call("b1")
      assert.isUndefined(other.pollUnsafe())
      for (const end of ends) yield* Deferred.succeed(end, undefined)
      assert.deepStrictEqual(order, ["a1", "a2", "a3", "b1", "a4"])
      assert.deepStrictEqual([limiter.running, limiter.waiting, limiter.room], [0, 0, 5])
    }))

  it.effect("may have nobody wait", () =>
    Effect.gen(function*() {
      const limiter = new Limiter({ running: 1, waiting: 0 })
      const { call } = calls(limiter)
      const first = yield* call("a1")
      assert.strictEqual(yield* Effect.flip(Fiber.join(yield* call("b1"))), "refused")
      yield* Fiber.interrupt(first)
      assert.isTrue(Exit.isSuccess(yield* Effect.exit(limiter.run("a", Effect.void, refused))))
    }))

  it.effect("is not overtaken by a call that comes while another is given its turn", () =>
    Effect.gen(function*() {
      const limiter = new Limiter({ running: 1, waiting: 9 })
      const { call, ends, order } = calls(limiter)
      yield* call("a1")
      const named = (name: string) => limiter.run("a", Effect.sync(() => order.push(name)), refused)
      yield* fork(Effect.andThen(named("a2"), named("a4")))
      yield* fork(named("a3"))
      yield* Deferred.succeed(ends[0]!, undefined)
      assert.deepStrictEqual(order, ["a1", "a2", "a3", "a4"])
    }))

  it.effect("has two thousand that end as they begin go on one after another", () =>
    Effect.gen(function*() {
      const limiter = new Limiter({ running: 1, waiting: 2_000 })
      const { call, ends } = calls(limiter)
      yield* call("a1")
      const fibers: Array<Fiber.Fiber<unknown, unknown>> = []
      for (let i = 0; i < 2_000; i++) fibers.push(yield* fork(limiter.run(`c${i % 7}`, Effect.void, refused)))
      yield* Deferred.succeed(ends[0]!, undefined)
      yield* Effect.forEach(fibers, Fiber.join)
      assert.strictEqual(limiter.running, 0)
    }))

  it.effect("is exact whoever is interrupted, fails or throws, by seeds", () =>
    Effect.forEach([1, 2, 3], (seed) =>
      Effect.gen(function*() {
        const { next } = randomOf(seed)
        const limiter = new Limiter({ running: 3, waiting: 20 })
        const fibers: Array<Fiber.Fiber<unknown, unknown>> = []
        let running = 0
        for (let i = 0; i < 500; i++) {
          const work = Effect.suspend(() => {
            running++
            assert.isAtMost(running, 3)
            const what = next()
            if (what < 0.1) throw new Error("broken")
            if (what < 0.2) fibers[Math.floor(next() * fibers.length)]?.interruptUnsafe()
            return what < 0.3 ? Effect.fail("failed") : Effect.sleep(next() * 50)
          })
          const counted = Effect.onExit(work, () => Effect.sync(() => void running--))
          const call = limiter.run(`c${i % 6}`, counted, refused)
          fibers.push(yield* fork(i % 5 === 0 ? Effect.uninterruptible(call) : call))
          if (next() < 0.3) fibers[Math.floor(next() * fibers.length)]!.interruptUnsafe()
          if (next() < 0.2) yield* TestClock.adjust(next() * 50)
        }
        yield* TestClock.adjust("1 minute")
        for (const fiber of fibers) assert.isDefined(fiber.pollUnsafe())
        assert.deepStrictEqual([limiter.running, limiter.waiting, running], [0, 0, 0])
      }), { discard: true }))
})
