/** What a node over NATS keeps, and no more: the memory of what it sends, and who has sent how much in a second. */
import { assert, describe, it } from "@effect/vitest"
import type { Bus } from "../src/internal/bus.ts"
import { Pages } from "../src/internal/pages.ts"
import { RateBySource } from "../src/internal/rate.ts"

const length = 16_384

/** The memory of what goes over a bus that has taken so much. */
const pagesOf = (bus: { sent: number; taken: number }) =>
  new Pages({ sent: () => bus.sent, taken: () => bus.taken } as unknown as Bus, length)

describe("the memory of messages", () => {
  it("is used again when the server has taken what was in it, and not before", () => {
    const bus = { sent: 0, taken: 0 }
    const pages = pagesOf(bus)
    const first = pages.take(length)
    bus.sent = 10
    pages.sent(first)
    const second = pages.take(length)
    assert.notStrictEqual(second.buffer, first.buffer)
    bus.sent = 20
    pages.sent(second)
    bus.taken = 10
    assert.strictEqual(pages.take(length).buffer, first.buffer)
    assert.notStrictEqual(pages.take(length).buffer, second.buffer)
    bus.taken = 20
    assert.strictEqual(pages.take(4_096).buffer, second.buffer)
  })

  it("is that of 64 messages at the most, whatever was sent meanwhile", () => {
    const bus = { sent: 0, taken: 0 }
    const pages = pagesOf(bus)
    const sent = Array.from({ length: 70 }, () => pages.take(length))
    for (const page of sent) {
      bus.sent++
      pages.sent(page)
    }
    bus.taken = 70
    const again = new Set(Array.from({ length: 70 }, () => pages.take(length).buffer))
    assert.strictEqual(sent.filter(({ buffer }) => again.has(buffer)).length, 64)
  })
})

describe("rates by source", () => {
  it("are kept of so many sources, and then begin anew", () => {
    const rates = new RateBySource(1)
    assert.isTrue(rates.take("a", 0))
    for (let other = 1; other < 8_192; other++) assert.isTrue(rates.take(`${other}`, 0))
    assert.isFalse(rates.take("a", 0))
    assert.isTrue(rates.take("one more", 0))
    assert.isTrue(rates.take("a", 0))
    assert.isFalse(rates.take("a", 999))
    assert.isTrue(rates.take("a", 1_000))
  })
})
