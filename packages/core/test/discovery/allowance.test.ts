import { assert, describe, it } from "@effect/vitest"
import type * as InternalAllowance from "../../src/internal/discovery/allowance.ts"

// The package exports no internals, and tsc does not let a static import cross into another project's sources.
const { Allowance }: typeof InternalAllowance = await import(
  new URL("../../src/internal/discovery/allowance.ts", import.meta.url).href
)

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
