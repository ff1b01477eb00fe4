/**
 * Keeps `docs/security.md` true: each row of its tables of threats names the tests that prove it, as `file` › "name", and this finds
 * each of them by its name in the text of its file. What nothing defends against is a list of its own, and claims no test.
 */
import { assert, describe, it } from "@effect/vitest"
import { namesIn, namesOf, reference } from "@pnet/lab/harness/testNames"
import { existsSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

const root = new URL("../../../", import.meta.url)
const read = (path: string) => readFileSync(fileURLToPath(new URL(path, root)), "utf8")
const document = read("docs/security.md")

interface Row {
  readonly line: number
  readonly threat: string
  readonly defence: string
  readonly tests: string
}

/** The rows of all tables whose columns are threat, defence and test. */
const rowsOf = (text: string): ReadonlyArray<Row> => {
  const rows: Array<Row> = []
  let inside = false
  for (const [i, line] of text.split("\n").entries()) {
    const cells = line.startsWith("|") ? line.split("|").slice(1, -1).map((cell) => cell.trim()) : undefined
    if (cells === undefined) inside = false
    else if (cells.join() === "threat,defence,test") inside = true
    else if (inside && !/^-+$/.test(cells[0]!)) {
      rows.push({ line: i + 1, threat: cells[0]!, defence: cells[1] ?? "", tests: cells.slice(2).join("|") })
    }
  }
  return rows
}

/** What is wrong with a row. */
const faultsOf = ({ defence, line, tests, threat }: Row): ReadonlyArray<string> => {
  const where = `docs/security.md:${line} (${threat})`
  const references = [...tests.matchAll(reference)]
  const rest = tests.replaceAll(reference, "").replaceAll(/[;\s]/g, "")
  return [
    ...(threat === "" || defence === "" ? [`${where}: an empty cell`] : []),
    ...(references.length === 0 ? [`${where}: names no test`] : []),
    ...(rest === "" ? [] : [`${where}: besides its tests the last cell has ${JSON.stringify(rest)}`]),
    ...references.filter(([, file, name]) => !namesIn(file!).has(name!)).map(([, file, name]) =>
      `${where}: ${namesIn(file!).size === 0 ? `${file} has no tests` : `${file} has no test "${name}"`}`
    )
  ]
}

describe("docs/security.md", () => {
  it("names for each threat tests that exist", () => {
    const rows = rowsOf(document)
    assert.isAbove(rows.length, 60)
    assert.deepStrictEqual(rows.flatMap(faultsOf), [])
    const threats = rows.map(({ threat }) => threat)
    assert.strictEqual(new Set(threats).size, threats.length, "a row for each threat")
  })

  it("lists apart from them what nothing defends against", () => {
    const section = /\n## What is not defended\n([\s\S]*?)\n## /.exec(document)?.[1] ?? ""
    assert.isAtLeast(section.match(/^- \*\*/gm)?.length ?? 0, 8)
    assert.deepStrictEqual(rowsOf(section), [])
  })

  it("mentions no file that is not there", () => {
    const files = [...document.matchAll(/`([a-z]+\/(?:test|src)\/[\w./-]+\.ts)`/g)].map(([, file]) => file!)
    assert.isAbove(files.length, 60)
    assert.deepStrictEqual(
      [...new Set(files)].filter((file) => !existsSync(fileURLToPath(new URL(`packages/${file}`, root)))),
      []
    )
  })

  it("would not pass with a row that is wrong", () => {
    const self = "`core/test/securityDoc.test.ts`"
    const head = "| threat | defence | test |\n| --- | --- | --- |\n"
    const faults = (last: string) => rowsOf(`${head}| t | d | ${last} |`).flatMap(faultsOf).length
    assert.strictEqual(faults(`${self} › "names for each threat tests that exist"`), 0)
    for (
      const last of [
        "",
        "not yet",
        self,
        `${self} › "no such test"`,
        `\`core/test/NoSuch.test.ts\` › "x"`,
        `\`node/test/sessionProcess.ts\` › "x"`,
        `${self} › "would not pass with a row that is wrong" and more`
      ]
    ) {
      assert.isAbove(faults(last), 0, last)
    }
    const source =
      "it.skip(\"a\", f)\nit.effect(\n  \"b\\\"c\", f)\ntest(`d ${e} f`, f)\nit.live.skipIf(x === 1)(\"g\", f)\nconst x = \"h\""
    assert.deepStrictEqual([...namesOf(source)], ["b\"c", "d … f", "g"])
  })
})
