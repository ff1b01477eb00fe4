/** What is said of what happens at a node. */
import { assert, describe, it } from "@effect/vitest"
import { called } from "../src/node/events.ts"

describe("a call that ended", () => {
  it("took whole milliseconds, whatever the clock counts in", () => {
    const event = called("slow", "bob", 1_993.999_999_999_999, "given up")
    assert.strictEqual(event.text, "bob called slow: given up, 1994 ms")
    assert.strictEqual(event.ms, 1_994)
  })
})
