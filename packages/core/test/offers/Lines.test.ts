/** Lines of offers, of which the newest whole one counts, however they were cut. */
import { assert, describe, it } from "@effect/vitest"
import { Lines } from "../../src/internal/offers/lines.ts"
import { maxLength } from "../../src/Offer.ts"
import { randomOf } from "../balance/model.ts"

const utf8 = (text: string) => new TextEncoder().encode(text)
const textOf = (taken: ReturnType<Lines["take"]>) =>
  taken instanceof Uint8Array ? new TextDecoder().decode(taken) : taken

describe("lines of offers", () => {
  it("are the newest whole one of what has come, however it was cut", () => {
    const { next } = randomOf(1)
    for (let round = 0; round < 2_000; round++) {
      const text = Array.from(
        { length: 40 },
        () => next() < 0.2 ? "\n" : String.fromCharCode(97 + Math.floor(next() * 26))
      )
        .join("")
      const lines = new Lines()
      let said = ""
      for (let at = 0; at < text.length;) {
        const parts: Array<string> = []
        for (let count = 1 + Math.floor(next() * 3); count > 0; count--) {
          const length = Math.floor(next() * 8)
          parts.push(text.slice(at, at + length))
          at += length
        }
        const before = said.split("\n").length
        said += parts.join("")
        const all = said.split("\n")
        assert.strictEqual(textOf(lines.take(parts.map(utf8))), all.length === before ? undefined : all.at(-2), text)
      }
    }
  })

  it("are refused where one is too long, whether its end has come or not", () => {
    const longest = "x".repeat(maxLength)
    assert.strictEqual(textOf(new Lines().take([utf8(`${longest}\n`)])), longest)
    assert.strictEqual(new Lines().take([utf8(longest)]), undefined)
    for (const parts of [[`${longest}x`], [longest, "x"], [`${longest}x\n`], ["a\n", longest, "x\n"]]) {
      assert.strictEqual(new Lines().take(parts.map(utf8)), "too long")
    }
  })
})
