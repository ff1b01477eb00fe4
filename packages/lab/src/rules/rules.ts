/** The rules of `docs/protocol.md`: each has an anchor in front of it, `<a id="r-NAME"></a>`, in some section. */
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import type { Document } from "../vectors/document.ts"

const path = fileURLToPath(new URL("../../../../docs/protocol.md", import.meta.url))

/** A rule, and the section in which it stands. */
export interface Rule {
  readonly name: string
  /** Its number, such as `1.1`. */
  readonly section: string
  readonly line: number
}

/** The rules of the text, in their order; a name may stand there twice, which is a fault. */
export const load = (text: string = readFileSync(path, "utf8")): ReadonlyArray<Rule> => {
  let section = "0"
  return text.split("\n").flatMap((line, i) => {
    section = /^#{2,3} (\d+(?:\.\d+)?)\.? /.exec(line)?.[1] ?? section
    return Array.from(line.matchAll(/<a id="r-([a-z0-9-]+)"><\/a>/g), ([, name]) => ({
      name: name!,
      section,
      line: i + 1
    }))
  })
}

/** A vector, and a rule that it is about. */
export interface About {
  readonly vector: string
  readonly rule: string
}

/** The entries of the document that are about rules, in whatever section of it they stand. */
const entriesOf = (
  document: Document
): ReadonlyArray<{ readonly name: string; readonly rules: ReadonlyArray<string> }> => {
  const found: Array<{ name: string; rules: ReadonlyArray<string> }> = []
  const walk = (value: unknown, place: string): void => {
    if (Array.isArray(value)) {
      for (const [i, each] of value.entries()) walk(each, `${place}[${i}]`)
    } else if (typeof value === "object" && value !== null) {
      // What says what the fields mean has a field of that name, too.
      const { fields: _, ...entry } = value as Record<string, unknown>
      const { name = place, rule } = entry
      if (rule !== undefined) found.push({ name: String(name), rules: [rule].flat().map(String) })
      for (const [key, each] of Object.entries(entry)) walk(each, `${place}.${key}`)
    }
  }
  walk(document, "")
  return found
}

/** The names of the vectors. */
export const vectorsOf = (document: Document): ReadonlyArray<string> => entriesOf(document).map(({ name }) => name)

/** The rules that each vector is about. */
export const ofVectors = (document: Document): ReadonlyArray<About> =>
  entriesOf(document).flatMap(({ name, rules }) => rules.map((rule) => ({ vector: name, rule })))
