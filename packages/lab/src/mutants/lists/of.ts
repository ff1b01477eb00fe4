/** How the lists are written: a line for each mutation of a file, and the test files beside it by their names. */
import { readdirSync } from "node:fs"
import { basename } from "node:path"
import { fileURLToPath } from "node:url"
import type { Mutation } from "../mutation.ts"

/** Where the test files of `@pnet/core` are, by their name. */
const core = new Map(
  readdirSync(fileURLToPath(new URL("../../../../core/test", import.meta.url)), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".test.ts"))
    .map((file) => [basename(file, ".test.ts"), `packages/core/test/${file}`] as const)
)

const pathOf = (name: string): string => {
  const [first, second] = name.split("/")
  if (second !== undefined) return `packages/${first}/test/${second}.test.ts`
  const path = core.get(name)
  if (path === undefined) throw new Error(`there is no test file ${name}.test.ts under packages/core/test`)
  return path
}

/** The paths of test files of `@pnet/core`, whatever folder they are in, or of another package: `node/NodeTrust`. */
export const suites = (...names: ReadonlyArray<string>): ReadonlyArray<string> => names.map(pathOf)

/** What to replace, by what, what does not hold any more; other tests than the file's, and why it cannot be noticed. */
export type Row = readonly [
  find: string,
  replace: string,
  breaks: string,
  options?: { readonly tests?: ReadonlyArray<string>; readonly equivalent?: string }
]

/** Mutations of one file, by name. */
export const of = (
  area: string,
  file: string,
  tests: ReadonlyArray<string>,
  rows: Readonly<Record<string, Row>>
): ReadonlyArray<Mutation> =>
  Object.entries(rows).map(([name, [find, replace, breaks, options]]) => ({
    id: `${area}/${name}`,
    file,
    find,
    replace,
    breaks,
    tests: options?.tests === undefined ? tests : suites(...options.tests),
    equivalent: options?.equivalent
  }))
