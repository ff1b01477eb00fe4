/**
 * V8 makes a function that is written where a property takes it among the old, as if it were there for good. What it reaches is kept until all is
 * collected, and so is what that reaches: of connections and sessions that have long ended, everything. A function that has a name first is made among the young.
 */
import { assert, describe, it } from "@effect/vitest"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const packages = fileURLToPath(new URL("../..", import.meta.url))

const written = /^\s*[\w.#[\]!()]+\.#?\w+ (?:\?\?)?= (?:function\b|(?:\([^()]*\)|\w+)(?:: [^=]+)? =>)/

describe("functions that properties take", () => {
  it("have a name first", () => {
    assert.match("    this.#later = (task) => task()", written)
    const found = ["core", "testing"].flatMap((name) => {
      const source = join(packages, name, "src")
      return readdirSync(source, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts")).flatMap(
        (file) =>
          readFileSync(join(source, file), "utf8").split("\n").flatMap((line, i) =>
            written.test(line) ? [`${name}/src/${file}:${i + 1}: ${line.trim()}`] : []
          )
      )
    })
    assert.deepStrictEqual(found, [])
  })
})
