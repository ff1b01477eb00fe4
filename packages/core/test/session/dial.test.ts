/** The pauses between dials of a peer that is not reached, as a machine without time of its own. */
import { assert, describe, it } from "@effect/vitest"
import { ProtocolError } from "@pnet/core"
import { DialError } from "@pnet/core/Transport"
import { Exit } from "effect"
import { Dial } from "../../src/internal/session/dial.ts"

const unreachable = Exit.fail(new DialError({ kind: "Unreachable", host: "10.0.0.9", port: 4_000 }))

/** Milliseconds that a dial which fails at `now` puts the next one off. */
const pauseAfter = (
  dial: Dial,
  exit: typeof unreachable | Exit.Exit<never, ProtocolError.ProtocolError>,
  now: number
) => {
  dial.settle(dial.begin(), exit, now)
  return dial.notBefore - now
}

describe("the pause between dials", () => {
  it("is twice as long after each that fails, up to 6.4 s", () => {
    const dial = new Dial()
    const pauses = Array.from({ length: 12 }, (_, i) => pauseAfter(dial, unreachable, i * 10_000))
    assert.deepStrictEqual(pauses, [200, 400, 800, 1_600, 3_200, 6_400, 6_400, 6_400, 6_400, 6_400, 6_400, 6_400])
    assert.isFalse(dial.forgettable)
    // Forgotten a minute after the last pause is over, and not before.
    assert.isFalse(dial.tick(dial.notBefore + 59_999))
    assert.isTrue(dial.tick(dial.notBefore + 60_000))
    assert.isTrue(dial.forgettable)
    assert.strictEqual(pauseAfter(dial, unreachable, 500_000), 200)
  })

  it("is one pause after an err in clear, however many there were", () => {
    const dial = new Dial()
    for (let i = 0; i < 5; i++) pauseAfter(dial, unreachable, 0)
    for (let i = 0; i < 5; i++) {
      assert.strictEqual(pauseAfter(dial, Exit.fail(ProtocolError.remote("ERR_HANDSHAKE")), 0), 200)
    }
  })
})
