import { assert, describe, it } from "@effect/vitest"
import { Liveness } from "../../src/internal/session/liveness.ts"

const silence = 5_000
const writeTimeout = 30_000

/** What is due at a time, of a process that was frozen for `pardon` of it, and that reads unless it is `deaf`. */
const due = (liveness: Liveness, now: number, { deaf = false, pardon = 0 } = {}) =>
  liveness.due(now, pardon, deaf, silence, writeTimeout)

describe("whether the peer of a session lives", () => {
  it("is asked after a silence, and known by an answer", () => {
    const liveness = new Liveness(0)
    assert.strictEqual(due(liveness, 4_999), undefined)
    assert.strictEqual(due(liveness, 5_000), "ask")
    liveness.ask(5_000)
    assert.isTrue(liveness.asked)
    liveness.heard(9_999)
    assert.isFalse(liveness.asked)
    assert.strictEqual(due(liveness, 14_998), undefined)
    assert.strictEqual(due(liveness, 14_999), "ask")
  })

  it("is not believed after another silence", () => {
    const liveness = new Liveness(0)
    liveness.ask(5_000)
    assert.notStrictEqual(due(liveness, 9_999), "silent")
    assert.strictEqual(due(liveness, 10_000), "silent")
  })

  it("is not believed where it does not take what is written", () => {
    const liveness = new Liveness(0)
    liveness.write(1_000)
    assert.isTrue(liveness.writing)
    liveness.heard(30_999)
    assert.strictEqual(due(liveness, 30_999), undefined)
    assert.strictEqual(due(liveness, 31_000), "blocked")
    liveness.written()
    assert.isFalse(liveness.writing)
    assert.strictEqual(due(liveness, 31_000), undefined)
  })

  it("is not doubted for time in which this process was frozen, be it silence, an answer or a write", () => {
    const silent = new Liveness(0)
    assert.strictEqual(due(silent, 8_000, { pardon: 3_001 }), undefined)
    assert.strictEqual(silent.heardAt, 3_001)
    const asked = new Liveness(0)
    asked.ask(5_000)
    asked.heardAt = 20_000
    assert.strictEqual(due(asked, 20_000, { pardon: 10_001 }), undefined)
    assert.strictEqual(due(asked, 20_001), "silent")
    const writing = new Liveness(0)
    writing.write(1_000)
    writing.heardAt = 40_000
    assert.strictEqual(due(writing, 40_000, { pardon: 9_001 }), undefined)
    assert.strictEqual(due(writing, 40_001), "blocked")
  })

  it("is not believed for longer because what it said came first after a freeze", () => {
    const liveness = new Liveness(0)
    liveness.heard(10_000)
    assert.strictEqual(due(liveness, 10_000, { pardon: 9_000 }), undefined)
    assert.strictEqual(liveness.heardAt, 10_000)
  })

  it("is not doubted for a silence while this side does not read", () => {
    const liveness = new Liveness(0)
    liveness.ask(5_000)
    assert.strictEqual(due(liveness, 60_000, { deaf: true }), undefined)
    assert.strictEqual(due(liveness, 64_999), undefined)
    assert.strictEqual(due(liveness, 65_000), "silent")
  })
})
