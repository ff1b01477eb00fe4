/** The picture of the terminal for the README: what is shown of the bytes that a command wrote. */
import { assert, describe, it } from "@effect/vitest"
import { linesOf, wrapped } from "./recording/cells.ts"
import { picture } from "./recording/svg.ts"

const textsOf = (lines: ReturnType<typeof linesOf>) => lines.map((line) => line.map(({ text }) => text).join(""))

describe("a recording", () => {
  it("has the lines that stand there in the end, with their looks, as wide as the terminal", () => {
    const lines = linesOf(
      "\r\u001b[2K⠋ looking\r\u001b[2K\u001b[1mbob\u001b[22m  \u001b[32monline\u001b[39m\r\none\rtwo\r\n"
    )
    assert.deepStrictEqual(textsOf(lines), ["bob  online", "two"])
    assert.deepStrictEqual(lines[0]!.map(({ look: { bold, colour } }) => [bold, colour]), [
      [true, undefined],
      [false, undefined],
      [false, "green"]
    ])
    assert.deepStrictEqual(textsOf(wrapped(linesOf("日本語ab\u001b[31mcd"), 4)), ["日本", "語ab", "cd"])
  })

  it("is a picture whose texts are texts", () => {
    const lines = linesOf("\u001b[31m<a> & \"b\"").map((pieces) => ({ at: 5, pieces, typing: 9 }))
    const svg = picture([{ title: "<one>", lines }], 40, "says \"it\"")
    assert.include(svg, "class=\"red\">&lt;a&gt; &amp; &quot;b&quot;</tspan>")
    assert.include(svg, "&lt;one&gt;</text>")
    assert.include(svg, "aria-label=\"says &quot;it&quot;\"")
    assert.strictEqual(svg.match(/<svg/g)?.length, svg.match(/<\/svg>/g)?.length)
  })
})
