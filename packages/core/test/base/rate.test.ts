import { assert, describe, it } from "@effect/vitest"
import type * as InternalRate from "../../src/internal/base/rate.ts"
import type * as InternalSeldom from "../../src/internal/base/seldom.ts"

// The package exports no internals, and tsc does not let a static import cross into another project's sources.
const internal = (name: string) => import(new URL(`../../src/internal/${name}.ts`, import.meta.url).href)
const Rate: typeof InternalRate = await internal("base/rate")
const Seldom: typeof InternalSeldom = await internal("base/seldom")

describe("a rate", () => {
  it("lets so many happen in any window, wherever it begins", () => {
    const rate = Rate.make(3, 100)
    assert.deepStrictEqual([0, 40, 80, 90, 99].map((at) => rate.take(at)), [true, true, true, false, false])
    assert.deepStrictEqual([100, 101, 139, 140, 180].map((at) => rate.take(at)), [true, false, false, true, true])
    assert.isFalse(rate.take(199))
  })

  it("is one for each source, and all begin anew where there are too many to remember", () => {
    const rates = Rate.bySource(2)
    const take = (source: string) => rates.take(source, 0)
    assert.deepStrictEqual(["a", "a", "a", "b"].map(take), [true, true, false, true])
    for (let i = 0; i < 1_022; i++) assert.isTrue(take(`source ${i}`))
    assert.isFalse(take("a"), "there is room for all of them")
    assert.isTrue(take("one more"))
    assert.isTrue(take("a"))
  })

  it("is kept of a source for as long as it matters, and no longer", () => {
    const rates = Rate.bySource(2)
    assert.deepStrictEqual([0, 900].map((at) => rates.take("a", at)), [true, true])
    for (let i = 0; i < 500; i++) rates.take(`source ${i}`, 900)
    // Another window has begun, and those of the one before count still.
    assert.isTrue(rates.take("b", 1_000))
    assert.isTrue(rates.take("a", 1_050), "the first of it was a window ago")
    assert.isFalse(rates.take("a", 1_899))
    assert.isTrue(rates.take("a", 1_900))
    rates.forget(2_000)
    assert.strictEqual(rates.size, 2, "of those that were seen once nothing is left")
    assert.isTrue(rates.take("a", 2_050))
    assert.isFalse(rates.take("a", 2_899))
    rates.forget(4_900)
    assert.strictEqual(rates.size, 0)
  })
})

describe("lines that others can cause", () => {
  it("are written once a minute about one subject, and ten times a minute of one kind", () => {
    const seldom = Seldom.make()
    assert.strictEqual(seldom.take("a", 0), "")
    assert.isUndefined(seldom.take("a", 59_999))
    assert.strictEqual(seldom.take("a", 60_000), "")
    for (let i = 0; i < 9; i++) assert.strictEqual(seldom.take(`${i}`, 60_000), "")
    assert.isUndefined(seldom.take("too many", 60_000))
    assert.isUndefined(seldom.take("too many", 60_001))
    assert.strictEqual(seldom.take("too many", 60_000, "another kind"), "")
    assert.strictEqual(seldom.take("more", 120_000), " (2 more of this kind were not written)")
    seldom.forget("more")
    assert.strictEqual(seldom.take("more", 120_000), "")
  })

  it("are remembered by their last 256 subjects", () => {
    const seldom = Seldom.make(600_000_000)
    let now = 0
    const next = (subject: string) => seldom.take(subject, now += 60_000)
    for (let i = 0; i < 256; i++) assert.strictEqual(next(`${i}`), "")
    assert.isUndefined(next("0"))
    assert.strictEqual(next("256"), "")
    assert.strictEqual(next("0"), "", "the oldest was forgotten")
  })
})
