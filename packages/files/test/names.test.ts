/** Names that a sender may say, and those that it may not. */
import { assert, describe, it } from "@effect/vitest"
import * as FileHash from "../src/FileHash.ts"
import { beside, faultOf, folded, folderOf, leadsInside } from "../src/internal/names.ts"
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

describe("the folders of peers", () => {
  const folder = (name: string) => folderOf(name, FileHash.portable)

  it("are told apart on every disk, whoever calls himself like another or like the folder of another", () => {
    const names = [
      "alice",
      "Alice",
      "ALICE",
      "al ice",
      "al.ice",
      "al_ice",
      "\u00c5",
      "\u212b",
      "\u00e5",
      "A\u030a",
      "stra\u00dfe",
      "strasse",
      "con",
      "CON",
      ".pnet-partial",
      "..",
      "a/b",
      "a\\b",
      "x".repeat(61),
      "x".repeat(62)
    ]
    // Whoever calls himself as the folder of another is called, and as the folder of that one, and so on.
    const all = [...names, ...names.map(folder), ...names.map(folder).map(folder)]
    const byFolder = new Map<string, string>()
    for (const name of all) {
      const own = folded(folder(name))
      assert.include([undefined, name], byFolder.get(own), `${name} is in the folder of another`)
      byFolder.set(own, name)
      assert.isUndefined(faultOf(folder(name), "windows"), name)
    }
    assert.strictEqual(folder("alice"), "alice")
    assert.strictEqual(folder("büro-7"), "büro-7")
  })

  it("have a hash that nobody finds a second name for", () => {
    assert.match(folder("al ice"), /^_al_ice-[0-9a-f]{32}$/)
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
