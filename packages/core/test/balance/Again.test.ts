/** What calls of a service may not do when they are sent again, wait, or are made twice: each a rule by itself. In virtual time. */
import { assert, describe, it } from "@effect/vitest"
import { Balance } from "@pnet/core"
import { Deferred, Effect, Exit, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { fail, Failed, fork, isIdle, make, ok } from "./engine.ts"

describe("a call that failed", () => {
  it.effect("with what nobody can read is not sent again, however often it may run", () =>
    Effect.gen(function*() {
      const it = yield* make({
        classify: () => {
          throw new Error("no such error")
        }
      })
      for (const kind of [it.plain, it.idempotent]) {
        it.tried.length = 0
        assert.instanceOf(yield* Effect.flip(it.call(kind, fail("notRun"))), Failed)
        assert.strictEqual(it.tried.length, 1)
      }
      isIdle(it)
    }))

  it.effect("by a slip of the program says nothing of how fast its peer is", () =>
    Effect.gen(function*() {
      const it = yield* make({ peers: ["a", "b"] })
      const work = (peer: string) =>
        peer === "a"
          ? Effect.andThen(Effect.sleep("5 seconds"), Effect.die("broken"))
          : Effect.as(Effect.sleep("10 millis"), peer)
      for (let i = 0; i < 40; i++) {
        yield* fork(Effect.exit(it.call(it.plain, work)))
        yield* TestClock.adjust("5 seconds")
      }
      assert.deepStrictEqual([...it.pool.endpoints].map(({ ratio }) => ratio), [1, 1])
    }))

  it.effect("at the only peer there is, which is gone, goes to who comes next, or fails as it did", () =>
    Effect.gen(function*() {
      const it = yield* make({ peers: ["a"], settings: { whenNobody: "2 seconds" } })
      const attempt = (peer: string) => {
        if (peer !== "a") return ok(peer)
        it.pool.remove("a")
        return fail("notRun")(peer)
      }
      const first = yield* fork(it.call(it.plain, attempt))
      yield* TestClock.adjust("1 second")
      assert.isUndefined(first.pollUnsafe())
      it.pool.set({ id: "b", peer: "b" })
      assert.strictEqual(yield* Fiber.join(first), "b")
      it.pool.remove("b")
      it.pool.set({ id: "a", peer: "a" })
      const second = yield* fork(Effect.flip(it.call(it.plain, attempt)))
      yield* TestClock.adjust("3 seconds")
      assert.deepStrictEqual(yield* Fiber.join(second), new Failed("notRun", "a"))
      isIdle(it)
    }))

  it.effect("as its peer was busy waits before those that came after it", () =>
    Effect.gen(function*() {
      const it = yield* make({ peers: ["a"] })
      const order: Array<string> = []
      let isBusy = true
      const named = (name: string) =>
        it.call(it.plain, (peer) => {
          if (isBusy) return fail("busy")(peer)
          order.push(name)
          return ok(peer)
        })
      const gate = yield* Deferred.make<string>()
      // It is refused only when others wait already.
      const first = yield* fork(it.call(it.plain, (peer) => {
        if (order.length > 0 || !isBusy) {
          order.push("first")
          return ok(peer)
        }
        return Effect.andThen(Deferred.await(gate), fail("busy")(peer))
      }))
      const refused = yield* fork(named("second"))
      const third = yield* fork(named("third"))
      yield* Deferred.succeed(gate, "")
      isBusy = false
      yield* TestClock.adjust("1 minute")
      for (const fiber of [first, refused, third]) yield* Fiber.join(fiber)
      assert.deepStrictEqual(order, ["first", "second", "third"])
      isIdle(it)
    }))
})

describe("a call for which a peer was looked up", () => {
  it.effect("goes to that one while it may be called, and to another one where it may not any more", () =>
    Effect.gen(function*() {
      const it = yield* make({ peers: ["a", "b"], capacity: 1 })
      const [a] = it.pool.endpoints
      const to = (at: typeof a) => it.service.run(it.plain, ok, { looked: { at } })
      for (let i = 0; i < 4; i++) assert.strictEqual(yield* to(a), "a")
      const gate = yield* Deferred.make<string>()
      yield* fork(it.service.run(it.plain, () => Deferred.await(gate), { looked: { at: a } }))
      for (let i = 0; i < 4; i++) assert.strictEqual(yield* to(a), "b")
      yield* Deferred.succeed(gate, "")
      isIdle(it)
    }))
})

describe("a second attempt", () => {
  it.effect("is not made at the peer of the first, where there is no other", () =>
    Effect.gen(function*() {
      const it = yield* make({ peers: ["a"], settings: { hedges: 1 } })
      const kind = it.kind({ idempotent: true, hedge: 0.9 })
      for (let i = 0; i < 60; i++) yield* it.call(kind, ok)
      it.tried.length = 0
      const slow = yield* fork(it.call(kind, (peer) => Effect.as(Effect.sleep("10 seconds"), peer)))
      yield* TestClock.adjust("10 seconds")
      assert.isTrue(Exit.isSuccess(yield* Fiber.await(slow)))
      assert.deepStrictEqual(it.tried, ["a"])
    }))
})

it.effect("settings without hedges make none", () =>
  Effect.gen(function*() {
    const it = yield* make({ settings: { hedges: 0 }, policy: Balance.roundRobin })
    const kind = it.kind({ idempotent: true, hedge: 0.9 })
    for (let i = 0; i < 60; i++) yield* it.call(kind, ok)
    it.tried.length = 0
    const slow = yield* fork(it.call(kind, (peer) => Effect.as(Effect.sleep("10 seconds"), peer)))
    yield* TestClock.adjust("10 seconds")
    yield* Fiber.join(slow)
    assert.strictEqual(it.tried.length, 1)
  }))
