/** The text of the protocol: which rules there are, and the section that each stands in. */
import { readFileSync } from "node:fs"

const file = new URL("../../../../docs/protocol.md", import.meta.url)

const read = (): ReadonlyMap<string, string> => {
  const found = new Map<string, string>()
  let number = ""
  let title = ""
  for (const line of readFileSync(file, "utf8").split("\n")) {
    const heading = /^(##+) (?:(\d+(?:\.\d+)?)\.? )?(.*)$/.exec(line)
    if (heading !== null) {
      if (heading[2] !== undefined) number = heading[2]
      title = heading[2] === undefined ? heading[3]! : ""
    }
    for (const [, rule] of line.matchAll(/<a id="r-([a-z0-9-]+)"><\/a>/g)) {
      found.set(rule!, title === "" ? number : `${number}, ${title}`)
    }
  }
  return found
}

let known: ReadonlyMap<string, string> | undefined

/** The sections of all rules, by their names. */
export const rules = (): ReadonlyMap<string, string> => known ??= read()

/** The section of a rule. */
export const sectionOf = (rule: string): string => rules().get(rule) ?? "?"
