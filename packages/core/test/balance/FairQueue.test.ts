/** Those who wait, in order and fair between callers; and how many calls may be sent a second time. */
import { assert, describe, it } from "@effect/vitest"
import { Budget } from "../../src/internal/balance/budget.ts"
import { FairQueue } from "../../src/internal/balance/fairQueue.ts"
import { randomOf } from "./model.ts"

const always = () => true

describe("FairQueue", () => {
  const fill = (queue: FairQueue<string>, items: ReadonlyArray<string>, out: Array<string> = []) =>
    items.map((item) => queue.add(item[0]!, item, (pushed) => out.push(pushed)))
  const drain = (queue: FairQueue<string>): Array<string> => {
    const all: Array<string> = []
    for (let next; (next = queue.take(always)) !== undefined;) all.push(next)
    return all
  }

  it("serves callers in turn, and those of one in order", () => {
    const queue = new FairQueue<string>(100)
    fill(queue, ["a1", "a2", "a3", "a4", "b1", "c1", "c2"])
    assert.deepStrictEqual(drain(queue), ["a1", "b1", "c1", "a2", "c2", "a3", "a4"])
    assert.strictEqual(queue.size, 0)
  })

  it("has a caller who comes back wait for its turn", () => {
    const queue = new FairQueue<string>(100)
    fill(queue, ["a1", "b1", "c1"])
    assert.strictEqual(queue.take(always), "a1")
    fill(queue, ["a2"])
    assert.deepStrictEqual(drain(queue), ["b1", "c1", "a2"])
  })

  it("puts one that has waited before first among those of its caller", () => {
    const queue = new FairQueue<string>(100)
    fill(queue, ["a1", "a2", "b1"])
    queue.add("a", "a0", () => {}, true)
    assert.deepStrictEqual(drain(queue), ["a0", "b1", "a1", "a2"])
  })

  it("takes out whoever does not wait any longer, and passes over who cannot be served", () => {
    const queue = new FairQueue<string>(100)
    const [, second, , b1] = fill(queue, ["a1", "a2", "a3", "b1", "c1"])
    queue.remove(second!)
    queue.remove(b1!)
    queue.remove(b1!)
    assert.strictEqual(queue.take((item) => item !== "a1"), "a3")
    assert.deepStrictEqual(drain(queue), ["c1", "a1"])
  })

  it("is full of the calls of one until others come, who are given their share", () => {
    const queue = new FairQueue<string>(6)
    const out: Array<string> = []
    fill(queue, ["a1", "a2", "a3", "a4", "a5", "a6"], out)
    // Who fills it is refused.
    assert.deepStrictEqual(fill(queue, ["a7"], out), [undefined])
    assert.isTrue(fill(queue, ["b1", "b2", "b3"], out).every((ticket) => ticket !== undefined))
    assert.deepStrictEqual(out, ["a6", "a5", "a4"])
    assert.deepStrictEqual(fill(queue, ["b4", "a7"], out), [undefined, undefined])
    assert.isDefined(fill(queue, ["c1"], out)[0])
    assert.strictEqual(queue.size, 6)
    assert.strictEqual(drain(queue).length, 6)
  })

  it("does what a list does, by seeds", () => {
    for (const seed of [1, 2, 3, 4]) {
      const { next } = randomOf(seed)
      const queue = new FairQueue<number>(20)
      const waiting = new Map<number, { readonly caller: string; readonly ticket: ReturnType<typeof queue.add> }>()
      for (let i = 0; i < 2_000; i++) {
        const what = next()
        if (what < 0.55) {
          const caller = `c${Math.floor(next() * 5)}`
          const ticket = queue.add(caller, i, (pushed) => assert.isTrue(waiting.delete(pushed)), next() < 0.1)
          if (ticket !== undefined) waiting.set(i, { caller, ticket })
          else assert.strictEqual(waiting.size, 20)
        } else if (what < 0.75) {
          const [one] = waiting
          if (one !== undefined) {
            waiting.delete(one[0])
            queue.remove(one[1].ticket!)
          }
        } else {
          const taken = queue.take(always)
          assert.strictEqual(taken !== undefined, waiting.size > 0)
          if (taken !== undefined) assert.isTrue(waiting.delete(taken))
        }
        assert.strictEqual(queue.size, waiting.size)
        const seen: Array<number> = []
        queue.forEach(({ value }) => seen.push(value))
        assert.deepStrictEqual(seen.sort((a, b) => a - b), [...waiting.keys()].sort((a, b) => a - b))
      }
    }
  })
})

describe("the budget of retries", () => {
  const make = () => new Budget({ retries: 0.2, retriesPerSecond: 1, hedges: 0.05 })
  const count = (budget: Budget, now: number) => {
    let granted = 0
    while (budget.retry(now)) granted++
    return granted
  }

  it("is a share of the calls of the last ten seconds, and a few that are free", () => {
    const budget = make()
    assert.strictEqual(count(budget, 0), 10)
    for (let i = 0; i < 1_000; i++) budget.call(i)
    assert.strictEqual(count(budget, 999), 200)
    assert.isFalse(budget.retry(9_999))
    // What is older than that is forgotten, the retries of it as well.
    assert.strictEqual(count(budget, 10_000), 10)
    assert.strictEqual(count(budget, 1_000_000), 10)
  })

  it("has none of the free ones for second attempts beside the first", () => {
    const budget = make()
    assert.isFalse(budget.hedge(0))
    for (let i = 0; i < 100; i++) budget.call(0)
    assert.deepStrictEqual(Array.from({ length: 6 }, () => budget.hedge(0)), [true, true, true, true, true, false])
  })
})
