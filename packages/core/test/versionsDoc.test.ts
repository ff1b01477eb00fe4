/** Keeps `docs/versions.md` true: each row of its tables that is about what nodes do names tests that there are. */
import { assert, describe, it } from "@effect/vitest"
import { namesIn, reference } from "@pnet/lab/harness/testNames"
import { versions } from "@pnet/lab/yesterday/yesterday"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

const text = readFileSync(fileURLToPath(new URL("../../../docs/versions.md", import.meta.url)), "utf8")

/** The last cells of the rows of tables whose last column is `test`. */
const cellsOf = (text: string): ReadonlyArray<string> => {
  const found: Array<string> = []
  let inside = false
  for (const line of text.split("\n")) {
    const cells = line.startsWith("|") ? line.split("|").slice(1, -1).map((cell) => cell.trim()) : undefined
    if (cells === undefined) inside = false
    else if (cells.at(-1) === "test") inside = true
    else if (inside && !/^-+$/.test(cells[0]!)) found.push(cells.at(-1)!)
  }
  return found
}

const faultsOf = (cell: string): ReadonlyArray<string> => {
  const named = [...cell.matchAll(reference)]
  const rest = cell.replaceAll(reference, "").replaceAll(/[;\s]/g, "")
  return [
    ...(named.length === 0 || rest !== "" ? [`not a list of tests: ${cell}`] : []),
    ...named.filter(([, file, name]) => !namesIn(file!).has(name!)).map(([whole]) => `no such test: ${whole}`)
  ]
}

describe("docs/versions.md", () => {
  it("names for each row tests that exist", () => {
    const cells = cellsOf(text)
    assert.isAbove(cells.length, 25)
    assert.deepStrictEqual(cells.flatMap(faultsOf), [])
  })

  it("has a row for whatever the tests of a peer of tomorrow show", () => {
    const shown = new Set([...text.matchAll(reference)].map(([, , name]) => name))
    const all = [...namesIn("core/test/nodes/Versions.sim.test.ts")]
    assert.isAbove(all.length, 10)
    assert.deepStrictEqual(all.filter((name) => !shown.has(name)), [])
  })

  it("speaks of each version that is kept", () => {
    for (const version of versions) assert.include(text, `Since ${version},`)
  })
})
