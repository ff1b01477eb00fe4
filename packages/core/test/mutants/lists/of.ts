import type { Mutation } from "../mutation.ts"

/** The paths of test files of `@pnet/core`, or of another package: `node/NodeTrust`. */
export const suites = (...names: ReadonlyArray<string>): ReadonlyArray<string> =>
  names.map((name) => {
    const [first, second] = name.split("/")
    return second === undefined
      ? `packages/core/test/${first}.test.ts`
      : `packages/${first}/test/${second}.test.ts`
  })

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
