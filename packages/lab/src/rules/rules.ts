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

/** The rules that each vector is about, in whatever section of the document it stands. */
export const ofVectors = (document: Document): ReadonlyArray<{ readonly vector: string; readonly rule: string }> => {
  const found: Array<{ vector: string; rule: string }> = []
  const walk = (value: unknown, place: string): void => {
    if (Array.isArray(value)) {
      for (const [i, each] of value.entries()) walk(each, `${place}[${i}]`)
    } else if (typeof value === "object" && value !== null) {
      const { fields: _, ...entry } = value as Record<string, unknown>
      const { name = place, rule } = entry
      if (rule !== undefined) {
        for (const one of Array.isArray(rule) ? rule : [rule]) found.push({ vector: String(name), rule: String(one) })
      }
      for (const [key, each] of Object.entries(entry)) walk(each, place === "" ? key : `${place}.${key}`)
    }
  }
  walk(document, "")
  return found
}
