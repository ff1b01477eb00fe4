/** The tests that documents name, as `file` › "title": whether they are there. */
import { existsSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

const packages = new URL("../../../", import.meta.url)

/** A test of a file in `packages`, as documents name it. */
export const reference = /`([^`]+)` › "([^"]+)"/g

/** The names of the tests in a text, those that are skipped left out. A place that is filled in is an ellipsis. */
export const namesOf = (text: string): ReadonlySet<string> => {
  const call =
    /\b(?:it|test)(?:\.(?:effect|live|prop|fails))*(?:\.(?:skipIf|runIf)\([^()]*\))?\(\s*("(?:[^"\\]|\\.)*"|`(?:[^`\\]|\\.)*`)/g
  return new Set(
    Array.from(text.matchAll(call), ([, literal]) =>
      literal!.startsWith("`")
        ? literal!.slice(1, -1).replaceAll(/\$\{[^}]*\}/g, "…")
        : JSON.parse(literal!) as string)
  )
}

const named = new Map<string, ReadonlySet<string>>()
/** The names of the tests of a file in `packages`; nothing where it is no file of tests. */
export const namesIn = (file: string): ReadonlySet<string> => {
  let names = named.get(file)
  if (names === undefined) {
    const isTests = /^[a-z]+\/(test\/[\w./-]+\.test|src\/\w+Suite)\.ts$/.test(file)
    const path = fileURLToPath(new URL(file, packages))
    names = isTests && existsSync(path) ? namesOf(readFileSync(path, "utf8")) : new Set()
    named.set(file, names)
  }
  return names
}
