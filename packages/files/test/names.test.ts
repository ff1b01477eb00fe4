/** Names that a sender may say, and those that it may not. */
import { assert, describe, it } from "@effect/vitest"
import { beside, faultOf, folded, leadsInside } from "../src/internal/names.ts"
import { hostileLinks, hostileNames, scripts } from "./corpus.ts"

const decoder = new TextEncoder()

describe("names", () => {
  it("of any script are kept, whatever the system", () => {
    for (const name of scripts) {
      assert.isUndefined(faultOf(name, "posix"), name)
      assert.isUndefined(faultOf(name, "windows"), name)
    }
  })

  it("that lead elsewhere, or are none, are refused with their reason", () => {
    for (const [name, posix, windows] of hostileNames) {
      assert.strictEqual(faultOf(name, "posix"), posix, JSON.stringify(name))
      assert.strictEqual(faultOf(name, "windows"), windows, JSON.stringify(name))
    }
  })

  it("that one file system takes for the same are the same when folded", () => {
    const pairs = [
      ["A", "a"],
      ["caf\u00e9", "cafe\u0301"],
      ["a\u200db", "ab"],
      [".PNET-Partial", ".pnet-partial"],
      [
        "\u03c2",
        "\u03c3"
      ],
      ["\u017f", "s"],
      ["\u00b5", "\u03bc"]
    ]
    for (const [one, other] of pairs) assert.strictEqual(folded(one!), folded(other!))
    assert.notStrictEqual(folded("a"), folded("b"))
  })

  it("beside one that is taken are numbered before their ending, and fit", () => {
    assert.strictEqual(beside("a.txt", 1), "a (1).txt")
    assert.strictEqual(beside("a.tar.gz", 2), "a.tar (2).gz")
    assert.strictEqual(beside(".bashrc", 1), ".bashrc (1)")
    assert.strictEqual(beside("noend", 12), "noend (12)")
    for (const name of ["ü".repeat(127), `${"😀".repeat(60)}.txt`, `a.${"b".repeat(253)}`]) {
      const made = beside(name, 10)
      assert.isAtMost(decoder.encode(made).length, 255)
      assert.isUndefined(faultOf(made, "windows"), made)
      assert.notStrictEqual(made, name)
    }
  })
})

describe("symbolic links", () => {
  it("lead upwards no further than the folder, and then only downwards", () => {
    for (const [target, depth, inside] of hostileLinks) {
      assert.strictEqual(leadsInside(target, depth, "posix"), inside, `${target} at ${depth}`)
    }
    assert.isFalse(leadsInside("C:\\x", 3, "windows"))
    assert.isFalse(leadsInside("a\\..\\..\\b", 3, "windows"))
  })
})
