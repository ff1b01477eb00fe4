/**
 * One change of the sources that some test has to notice: a check left out, a limit moved, a key not wiped. Lists of them stand
 * beside this file, and `main.ts` makes them one after another.
 *
 * Nothing is ever written to a source: the change is made where the file is loaded, by `config.ts` for what vitest loads and by
 * `hook.ts` for the programs that tests start.
 */
import { appendFileSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

export interface Mutation {
  /** What it is called; the first word says where it is. */
  readonly id: string
  /** The file, from the root of the workspace. */
  readonly file: string
  /** The text to replace. It has to stand in the file, and once. */
  readonly find: string
  readonly replace: string
  /** What does not hold any more. */
  readonly breaks: string
  /** The test files of which one has to fail, from the root of the workspace. The one that most likely does comes first. */
  readonly tests: ReadonlyArray<string>
  /** Why no test can fail: what the change breaks cannot be seen from outside. It has to survive then. */
  readonly equivalent?: string | undefined
}

export const root = fileURLToPath(new URL("../../../../", import.meta.url))

export const read = (file: string): string => readFileSync(`${root}${file}`, "utf8")

/** How often a text stands in another. */
const occurrences = (text: string, part: string): number => text.split(part).length - 1

/** Why a mutation cannot be made, or `undefined`. */
export const objection = (mutation: Mutation, source: string): string | undefined => {
  const times = occurrences(source, mutation.find)
  if (times !== 1) return `its text stands ${times === 0 ? "nowhere" : `${times} times`} in ${mutation.file}`
  if (mutation.find === mutation.replace) return "it changes nothing"
  return undefined
}

export const apply = (mutation: Mutation, source: string): string => {
  const why = objection(mutation, source)
  if (why !== undefined) throw new Error(`${mutation.id}: ${why}`)
  const at = source.indexOf(mutation.find)
  return source.slice(0, at) + mutation.replace + source.slice(at + mutation.find.length)
}

/** The mutation that a process is to make, as its environment says. */
export const variable = "PNET_MUTATION"
/** A file that is written to when the mutation has been made. */
export const seenVariable = "PNET_MUTATION_SEEN"

/** What to load in place of the source of a path, where the environment says that this one is to be changed. */
export const inEnvironment = (): (path: string, source: string) => string | undefined => {
  const text = process.env[variable]
  if (text === undefined) return () => undefined
  const mutation: Mutation = JSON.parse(text)
  const changed = `${root}${mutation.file}`
  return (path, source) => {
    if (path !== changed) return undefined
    const seen = process.env[seenVariable]
    if (seen !== undefined) appendFileSync(seen, "1")
    return apply(mutation, source)
  }
}
