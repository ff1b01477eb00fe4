import { assert, describe, it } from "@effect/vitest"
import { PublicKey } from "@pnet/core"
import type * as InternalAllowance from "../../src/internal/discovery/allowance.ts"
import type * as InternalCrowdPackets from "../../src/internal/wire/crowdPackets.ts"

// The package exports no internals, and tsc does not let a static import cross into another project's sources.
const { Allowance, askedBy, Drawn }: typeof InternalAllowance = await import(
  new URL("../../src/internal/discovery/allowance.ts", import.meta.url).href
)

const internalPackets = "../../src/internal/wire/crowdPackets.ts"
const CrowdPackets: typeof InternalCrowdPackets = await import(new URL(internalPackets, import.meta.url).href)

/** A table of so many keys. */
const tableOf = (count: number) => {
  const keys = Array.from({ length: count }, (_, i) => {
    const bytes = new Uint8Array(32).fill(9)
    new DataView(bytes.buffer).setUint32(0, Math.imul(i, 0x9e3779b1) >>> 0)
    return PublicKey.fromBytes(bytes)!
  })
  return { keys, known: { size: () => keys.length, keys: () => keys, doubted: () => {} } }
}

type Table = ReturnType<typeof tableOf>

/** Some number of 32 bits for each number. */
const scattered = (number: number): number => {
  const once = Math.imul(number ^ number >>> 16, 0x85ebca6b)
  const twice = Math.imul(once ^ once >>> 13, 0xc2b2ae35)
  return (twice ^ twice >>> 16) >>> 0
}

describe("how many are asked", () => {
  it("is told by 64 of the peers that are known, whoever they are, on average as it is and a share more, and of few by all", () => {
    const many = tableOf(2_000)
    const requests = CrowdPackets.requests(many.keys.slice(0, 1_800), 1_800, 7)
    const missingOf = (request: InternalCrowdPackets.Request, { known }: Table, nodes: number, drawn: number) =>
      new Drawn(() => drawn).missing(request, known, nodes, 0)
    const draws = Array.from({ length: 200 }, (_, i) => i / 200)
    const mean = (request: InternalCrowdPackets.Request) =>
      draws.reduce((sum, drawn) => sum + missingOf(request, many, 2_001, drawn), 0) / draws.length
    // 50 of each of four slices, and what each filter takes for known of them; and one in 65.
    for (const request of requests) assert.closeTo(mean(request), 49 + 31, 12)
    const few = tableOf(20)
    const [request] = CrowdPackets.requests(few.keys.slice(0, 17), 17, 7)
    // And the node itself.
    for (const drawn of [0, 0.5, 0.999]) assert.strictEqual(missingOf(request!, few, 21, drawn), 3 + 1)
    assert.strictEqual(missingOf(request!, tableOf(0), 1, 0), 1)
  })

  it("is told by others each second", () => {
    const many = tableOf(128)
    // Every second one is known to who asks: those at even places, or at odd ones.
    const [request] = CrowdPackets.requests(many.keys.filter((_, i) => i % 2 === 0), 64, 7)
    let draws = 0
    const drawn = new Drawn(() => draws++ % 2 === 0 ? 0 : 0.5)
    const missing = (at: number) => drawn.missing(request!, many.known, 65, at)
    assert.deepStrictEqual([missing(0), missing(999), missing(1_000), missing(2_000)], [1, 1, 65, 1])
    assert.strictEqual(draws, 3)
  })

  it("is told by each of the peers as often as by any other, of hardly more than are looked at, too", () => {
    for (const count of [65, 96, 127]) {
      const { keys, known } = tableOf(count)
      for (const place of [0, 1, 2, 3, count - 2, count - 1]) {
        const key = PublicKey.toBytes(keys[place]!)
        let salt = 0
        const made = () => CrowdPackets.requests(keys.filter((_, i) => i !== place), count, salt)[0]!
        while (!CrowdPackets.isFor(made(), key)) salt++
        const request = made()
        const of = (drawn: number) => Math.round(new Drawn(() => drawn).missing(request, known, 65, 0)) - 1
        const looked = Array.from({ length: 1_000 }, (_, i) => of(i / 1_000)).reduce((sum, one) => sum + one, 0)
        assert.closeTo(looked / 1_000, 64 / count, 0.01, `${place} of ${count}`)
      }
    }
  })

  it("is all of the slice where nobody looks, however few bits of the filter leave to it", () => {
    const bits = new Uint8Array(500).fill(255)
    assert.strictEqual(askedBy({ slices: 4, slice: 0, salt: 1, bits }, 2_000), 500)
    assert.strictEqual(askedBy(undefined, 2_000), 2_000)
  })
})

describe("what all nodes of a crowd answer one address", () => {
  it("is known of those that have had some of it lately, and as it was of those that are forgotten", () => {
    const allowance = new Allowance()
    // All there is for one of a hundred nodes, which comes back in two seconds.
    assert.strictEqual(allowance.chance("10.0.0.1", 1_000, 100, 0), 1)
    assert.strictEqual(allowance.chance("10.0.0.1", 1_000, 100, 1_000), 0.5)
    assert.strictEqual(allowance.chance("10.0.0.2", 16, 100, 1_500), 1)
    assert.strictEqual(allowance.size, 2)
    allowance.forget(2_999)
    assert.strictEqual(allowance.size, 2, "it has not all of it again")
    allowance.forget(3_000)
    assert.strictEqual(allowance.size, 1)
    assert.strictEqual(allowance.chance("10.0.0.1", 1_000, 100, 3_000), 1)
  })

  it("is forgotten sooner where the crowd has become smaller", () => {
    const allowance = new Allowance()
    // Of a thousand nodes it comes back in four seconds, and of a hundred in two.
    allowance.chance("10.0.0.1", 16, 1_000, 0)
    allowance.chance("10.0.0.2", 16, 1_000, 1_000)
    allowance.chance("10.0.0.2", 16, 100, 2_500)
    assert.strictEqual(allowance.size, 1)
    allowance.forget(4_499)
    assert.strictEqual(allowance.size, 1)
    allowance.forget(4_500)
    assert.strictEqual(allowance.size, 0)
  })

  it("is no more than it may be where few of the peers that are known are asked, and most nodes see none or one of them", () => {
    // A thousand nodes, whose tables are full of made-up ones; 333 are asked.
    const all = 8_000
    const { keys: [unknown, known] } = tableOf(2)
    const [request] = CrowdPackets.requests([known!], 1, 7)
    assert.isTrue(CrowdPackets.isFor(request!, PublicKey.toBytes(unknown!)))
    let draws = 0
    const nodes = Array.from({ length: 24 }, (_, node) => {
      const keys = Array.from(
        { length: all },
        (_, place) => scattered(node * all + place) % all < 333 ? unknown! : known!
      )
      return {
        allowance: new Allowance(),
        drawn: new Drawn(() => scattered(++draws) / 2 ** 32),
        table: { size: () => all, keys: () => keys, doubted: () => {} }
      }
    })
    // What there was is used up.
    for (const { allowance } of nodes) for (const at of [0, 1_000]) allowance.chance("10.0.0.1", 10_000, all + 1, at)
    let answers = 0
    for (let question = 1; question <= 200; question++) {
      nodes.forEach(({ allowance, drawn, table }) => {
        const at = 1_000 + question * 50
        const counted = drawn.missing(request!, table, all + 1, at)
        answers += allowance.chance("10.0.0.1", counted, all + 1, at) * 333 / nodes.length
      })
    }
    assert.isAtLeast(answers / 10, 100)
    assert.isAtMost(answers / 10, 500)
  })
})
