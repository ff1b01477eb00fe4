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
    assert.strictEqual(own.leftOut, 8)
  })

  it("is a line of 65,535 bytes at the most, with as many functions as there is room for", () => {
    const own = new Own(stated)
    const names = Array.from({ length: 1_024 }, (_, i) => `${"é".repeat(120)}${i}`)
    own.serves(() => names.map((name) => [name, "0123456789abcdef"] as const))
    assert.isAtMost(own.line.length, Offer.maxLength + 1)
    assert.isAbove(own.line.length, Offer.maxLength - 300)
    assert.strictEqual(Object.keys(read(own).functions).length + own.leftOut, 1_024)
    assert.deepStrictEqual(read(own).roles, ["worker"])
  })
})
