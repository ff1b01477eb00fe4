/**
 * The text of the protocol, the vectors, the conformance kit and the tests do not drift apart: each rule of `docs/protocol.md` is shown by a
 * vector, a check of the kit or a test, and whatever says that it shows a rule shows one that there is.
 */
import { assert, describe, it } from "@effect/vitest"
import { existsSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { all as checks } from "../src/conformance/checks.ts"
import { shown } from "../src/rules/registry.ts"
import * as Rules from "../src/rules/rules.ts"
import * as Document from "../src/vectors/document.ts"

const packages = new URL("../../", import.meta.url)

const texts = new Map<string, string>()
const read = (file: string): string => {
  let text = texts.get(file)
  if (text === undefined) {
    const path = fileURLToPath(new URL(file, packages))
    text = existsSync(path) ? readFileSync(path, "utf8") : ""
    texts.set(file, text)
  }
  return text
}

/** Whether a test of that title is in a file: as a text, or in a template with its places filled in. */
const isThere = (file: string, title: string): boolean => {
  const text = read(file)
  return text.includes(JSON.stringify(title)) ||
    Array.from(text.matchAll(/`((?:[^`\\]|\\.)*)`/g)).some(([, template]) =>
      template!.replaceAll(/\$\{[^}]*\}/g, "…") === title
    )
}

const rules = Rules.load()
const names = new Set(rules.map(({ name }) => name))
const vectors = Rules.ofVectors(Document.load())

describe("the rules of docs/protocol.md", () => {
  it("have a name each, of its own, in a section", () => {
    assert.isAbove(rules.length, 200)
    assert.deepStrictEqual(rules.filter(({ name }, i) => rules.findIndex((rule) => rule.name === name) !== i), [])
    assert.deepStrictEqual(rules.filter(({ section }) => section === "0"), [])
  })

  it("are each shown by a vector, a check of the kit, or a test", () => {
    const all = new Set([...vectors, ...checks, ...shown].map(({ rule }) => rule))
    assert.deepStrictEqual(
      rules.filter(({ name }) => !all.has(name)).map(({ line, name, section }) => `${section}, line ${line}: ${name}`),
      [],
      "rules that nothing shows: name them in a vector or a check, or in lab/src/rules/registry.ts with the test that does"
    )
  })

  it("are all that vectors, checks and tests say they show", () => {
    assert.deepStrictEqual(
      [
        ...vectors.filter(({ rule }) => !names.has(rule)).map(({ rule, vector }) => `vector ${vector}: ${rule}`),
        ...checks.filter(({ rule }) => !names.has(rule)).map(({ rule, title }) => `check "${title}": ${rule}`),
        ...shown.filter(({ rule }) => !names.has(rule)).map(({ rule, title }) => `test "${title}": ${rule}`)
      ],
      [],
      "these are no rules of docs/protocol.md"
    )
  })

  it("are shown by tests that there are", () => {
    assert.deepStrictEqual(
      shown.filter(({ file, title }) => !isThere(file, title)).map(({ file, title }) => `${file}: ${title}`),
      []
    )
  })

  it("stand beside vectors that there are, in brackets", () => {
    const text = read("../docs/protocol.md").replaceAll(/^ *```[^]*?^ *```$/gm, "")
    const known = new Set(Rules.vectorsOf(Document.load()))
    const mentioned = Array.from(text.matchAll(/\[([a-z][a-z0-9^+-]*)\](?!\()/g), ([, name]) => name!)
    assert.isAbove(mentioned.length, 50)
    assert.deepStrictEqual(mentioned.filter((name) => !known.has(name)), [])
  })

  it("are found again in links of the docs", () => {
    const links = ["implementing.md", "protocol.md", "versions.md"].flatMap((file) =>
      Array.from(read(`../docs/${file}`).matchAll(/#r-([a-z0-9-]+)\)/g), ([, name]) => name!)
    )
    assert.deepStrictEqual(links.filter((name) => !names.has(name)), [])
  })
})

describe("a reader of rules", () => {
  it("notices what has none, and what is none", () => {
    const text = "## 1. A\n\n<a id=\"r-a-b\"></a>X. <a id=\"r-c\"></a>Y.\n\n### 4.1 B\n\n| <a id=\"r-d-1\"></a>x |\n"
    assert.deepStrictEqual(Rules.load(text), [
      { name: "a-b", section: "1", line: 3 },
      { name: "c", section: "1", line: 3 },
      { name: "d-1", section: "4.1", line: 7 }
    ])
    assert.isTrue(isThere("lab/test/rules.test.ts", "notices what has none, and what is none"))
    assert.isFalse(isThere("lab/test/rules.test.ts", ["notices", "nothing"].join(" ")))
    assert.isFalse(isThere("lab/test/none.test.ts", "x"))
  })
})
