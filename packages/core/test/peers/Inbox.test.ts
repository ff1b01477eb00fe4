/** The order in which adverts are taken, whatever waits. */
import { assert, describe, it } from "@effect/vitest"
import { Cause, Deferred, Effect } from "effect"
import { Inbox, type Taker } from "../../src/internal/peers/inbox.ts"

const setUp = (capacity: number) => {
  const taken: Array<string> = []
  const gates = new Map<string, Deferred.Deferred<void>>()
  const taker: Taker<string> = {
    take: (one) => {
      taken.push(one)
      // Whoever reads of one at once brings the next.
      if (one === "first") {
        inbox.offer("second")
        taken.push("first done")
      }
      if (one.startsWith("bad")) throw new Error(one)
      const gate = gates.get(one)
      return gate && Deferred.await(gate)
    }
  }
  const inbox: Inbox<string> = new Inbox(taker, {
    failed: (cause) => Effect.sync(() => void taken.push(`${Cause.squash(cause)}`)),
    capacity,
    fork: (effect) => void Effect.runFork(effect)
  })
  const gate = (one: string) => {
    const made = Deferred.makeUnsafe<void>()
    gates.set(one, made)
    return Deferred.succeed(made, undefined)
  }
  return { gate, inbox, taken: () => taken.splice(0) }
}

describe("Inbox", () => {
  it("takes at once what waits for nothing", () => {
    const { inbox, taken } = setUp(2)
    for (const one of ["a", "b", "c"]) inbox.offer(one)
    assert.deepStrictEqual(taken(), ["a", "b", "c"])
  })

  it.effect("takes the next ones where one throws, at once or after one that had to wait", () =>
    Effect.gen(function*() {
      const { gate, inbox, taken } = setUp(4)
      const a = gate("a")
      inbox.offer("bad 1")
      inbox.offer("b")
      assert.deepStrictEqual(taken(), ["bad 1", "Error: bad 1", "b"])
      for (const one of ["a", "bad 2", "c"]) inbox.offer(one)
      yield* a
      yield* Effect.yieldNow
      assert.deepStrictEqual(taken(), ["a", "bad 2", "Error: bad 2", "c"])
      inbox.offer("d")
      assert.deepStrictEqual(taken(), ["d"])
    }))

  it("takes what comes of one behind it", () => {
    const { inbox, taken } = setUp(2)
    inbox.offer("first")
    inbox.offer("third")
    assert.deepStrictEqual(taken(), ["first", "first done", "second", "third"])
  })

  it.effect("keeps the newest behind one that waits, in their order", () =>
    Effect.gen(function*() {
      const { gate, inbox, taken } = setUp(3)
      const [a, d] = [gate("a"), gate("d")]
      for (const one of ["a", "b", "c", "d", "e"]) inbox.offer(one)
      assert.deepStrictEqual(taken(), ["a"])
      yield* a
      yield* Effect.yieldNow
      assert.deepStrictEqual(taken(), ["c", "d"])
      inbox.offer("f")
      assert.deepStrictEqual(taken(), [])
      yield* d
      yield* Effect.yieldNow
      assert.deepStrictEqual(taken(), ["e", "f"])
      inbox.offer("g")
      assert.deepStrictEqual(taken(), ["g"])
    }))
})
