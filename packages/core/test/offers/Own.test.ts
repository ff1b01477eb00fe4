import { assert, describe, it } from "@effect/vitest"
import { Offer } from "@pnet/core"
import { decode } from "../../src/internal/offers/offerText.ts"
import { Own } from "../../src/internal/offers/own.ts"

const stated = { roles: ["worker"], meta: { zone: "a" } }
const read = (own: Own) => decode(own.line.subarray(0, -1)) as Offer.Offer

describe("what a node offers", () => {
  it("is its options, what its program changes, and its functions, of which the later of one name are told", () => {
    const own = new Own(stated)
    let changes = 0
    const off = own.onChange(() => changes++)
    own.serves(() => [["add", ""], ["sub", ""]])
    own.serves(() => [["add", "0123456789abcdef"]])
    own.update({ roles: ["gpu", "gpu"], capacity: 4 })
    assert.deepStrictEqual(own.offer, {
      roles: ["gpu"],
      meta: { zone: "a" },
      functions: { add: "0123456789abcdef", sub: "" },
      draining: false,
      topics: [],
      capacity: 4
    })
    assert.deepStrictEqual(read(own), own.offer)
    own.update({ draining: true, capacity: null, meta: {} })
    assert.deepStrictEqual(own.offer, { ...own.offer, meta: {}, draining: true })
    assert.isFalse("capacity" in own.offer)
    assert.strictEqual(changes, 4)
    off()
    own.changed()
    assert.strictEqual(changes, 4)
  })

  it("has as many functions as may be told, in the order of their names, and says how many it leaves out", () => {
    const own = new Own({ roles: [], meta: {} })
    const names = Array.from({ length: 1_030 }, (_, i) => `f${String(i).padStart(4, "0")}`)
    own.serves(() => ["x".repeat(256), "", ...names.toReversed()].map((name) => [name, ""] as const))
    assert.deepStrictEqual(Object.keys(read(own).functions), names.slice(0, 1_024))
    assert.deepStrictEqual(own.leftOut, { functions: 8, subscriptions: 0 })
  })

  it("is a line of 65,535 bytes at the most, with as many functions as there is room for", () => {
    const own = new Own(stated)
    const names = Array.from({ length: 1_024 }, (_, i) => `${"é".repeat(120)}${i}`)
    own.serves(() => names.map((name) => [name, "0123456789abcdef"] as const))
    assert.isAtMost(own.line.length, Offer.maxLength + 1)
    assert.isAbove(own.line.length, Offer.maxLength - 300)
    assert.strictEqual(Object.keys(read(own).functions).length + own.leftOut.functions, 1_024)
    assert.deepStrictEqual(read(own).roles, ["worker"])
  })

  it("has the subscriptions there are, until they are not, with what is left out filled in by who reads it", () => {
    const own = new Own(stated)
    let changes = 0
    own.onChange(() => changes++)
    const first = Offer.interest({ id: 2, topic: "readings", contract: "0123456789abcdef" })
    const second = Offer.interest({ id: 1, topic: "build.>", mode: "lossless", retained: false })
    const third = Offer.interest({
      id: 7,
      topic: "mails",
      contract: "bytes",
      group: "mailers",
      drop: "newest",
      size: 8
    })
    let subscriptions = [first]
    const off = own.subscribes(() => subscriptions)
    own.subscribes(() => [third])
    assert.deepStrictEqual(own.offer.topics, [first, third])
    subscriptions = [first, second]
    own.changed()
    assert.deepStrictEqual(own.offer.topics, [second, first, third])
    assert.deepStrictEqual(read(own), own.offer)
    const line = JSON.parse(new TextDecoder().decode(own.line))
    assert.deepStrictEqual(line.topics, [
      { id: 1, topic: "build.>", mode: "lossless", retained: false },
      { id: 2, topic: "readings", contract: "0123456789abcdef" },
      { id: 7, topic: "mails", contract: "bytes", group: "mailers", drop: "newest", size: 8 }
    ])
    off()
    assert.deepStrictEqual(own.offer.topics, [third])
    assert.strictEqual(changes, 4)
  })

  it("has 256 subscriptions at the most, the oldest, none that is no subscription, and says how many it leaves out", () => {
    const own = new Own({ roles: [], meta: {} })
    const all = Array.from({ length: 300 }, (_, i) => Offer.interest({ id: i + 1, topic: `t${i}` }))
    own.subscribes(
      () => [...all.toReversed(), Offer.interest({ id: 0, topic: "a" }), Offer.interest({ id: 301, topic: "*a" })]
    )
    assert.deepStrictEqual(read(own).topics, all.slice(0, 256))
    assert.deepStrictEqual(own.leftOut, { functions: 0, subscriptions: 46 })
  })

  it("has room for subscriptions before functions, in 65,535 bytes", () => {
    const own = new Own(stated)
    own.serves(() => Array.from({ length: 1_024 }, (_, i) => [`${"f".repeat(100)}${i}`, ""] as const))
    const functions = Object.keys(own.offer.functions).length
    assert.isAbove(functions, 500)
    let count = 100
    const name = (i: number) => `${"é".repeat(100)}.${i}`
    own.subscribes(() => Array.from({ length: count }, (_, i) => Offer.interest({ id: i + 1, topic: name(i) })))
    assert.strictEqual(read(own).topics.length, 100)
    assert.isBelow(Object.keys(read(own).functions).length, functions - 190)
    assert.isAbove(own.line.length, Offer.maxLength - 200)
    count = 256
    own.subscribes(() => Array.from({ length: 200 }, (_, i) => Offer.interest({ id: i + 500, topic: name(i) })))
    own.changed()
    assert.strictEqual(read(own).topics.length + own.leftOut.subscriptions, 456)
    assert.isBelow(own.leftOut.functions, 1_025)
    assert.isAtMost(own.line.length, Offer.maxLength + 1)
    assert.deepStrictEqual(read(own).roles, ["worker"])
  })
})
