import { assert, describe, it } from "@effect/vitest"
import { PublicKey } from "@pnet/core"
import type * as InternalAllowance from "../../src/internal/discovery/allowance.ts"
import type * as InternalCrowdPackets from "../../src/internal/wire/crowdPackets.ts"

// The package exports no internals, and tsc does not let a static import cross into another project's sources.
const { Allowance, Drawn }: typeof InternalAllowance = await import(
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

describe("how many are asked", () => {
  it("is told by 32 of the peers that are known, whoever they are, on average as it is, and of few by all", () => {
    const many = tableOf(2_000)
    const requests = CrowdPackets.requests(many.keys.slice(0, 1_800), 1_800, 7)
    const missingOf = (request: InternalCrowdPackets.Request, { known }: Table, nodes: number, drawn: number) =>
      new Drawn().missing(request, known, nodes, 0, () => drawn)
    const draws = Array.from({ length: 200 }, (_, i) => i / 200)
    const mean = (request: InternalCrowdPackets.Request) =>
      draws.reduce((sum, drawn) => sum + missingOf(request, many, 2_001, drawn), 0) / draws.length
    // 50 of each of four slices, and what each filter takes for known of them.
    for (const request of requests) assert.closeTo(mean(request), 49, 12)
    const few = tableOf(20)
    const [request] = CrowdPackets.requests(few.keys.slice(0, 17), 17, 7)
    for (const drawn of [0, 0.5, 0.999]) assert.strictEqual(missingOf(request!, few, 20, drawn), 3)
    // Where nobody is known, its bits tell.
    assert.strictEqual(missingOf(request!, tableOf(0), 1, 0), CrowdPackets.shareFor(request!))
  })

  it("is told by others each second", () => {
    const many = tableOf(64)
    // Every second one is known to who asks: those at even places, or at odd ones.
    const [request] = CrowdPackets.requests(many.keys.filter((_, i) => i % 2 === 0), 32, 7)
    const drawn = new Drawn()
    let draws = 0
    const missing = (at: number) => drawn.missing(request!, many.known, 64, at, () => draws++ % 2 === 0 ? 0 : 0.5)
    assert.deepStrictEqual([missing(0), missing(999), missing(1_000), missing(2_000)], [0, 0, 64, 0])
    assert.strictEqual(draws, 3)
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
})
