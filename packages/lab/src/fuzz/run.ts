/** Alters what is in the corpus, and looks whether the rules of a target hold. A case is made again from its seed. */
import { corpus, type Item } from "./corpus.ts"
import * as Mutate from "./mutate.ts"
import { Broken, type Target } from "./target.ts"

export interface Failure {
  /** The folder that a case of this kind is kept in. */
  readonly folder: string
  /** What makes the same case again. */
  readonly seed: string
  readonly bytes: Uint8Array
  readonly why: string
}

export interface Outcome {
  readonly cases: number
  readonly accepted: number
  readonly failures: ReadonlyArray<Failure>
  /** Milliseconds of the slowest case, and its seed. */
  readonly slowest: { readonly millis: number; readonly seed: string }
}

const attempt = (target: Target, bytes: Uint8Array, random: Mutate.Chance) => {
  const begin = performance.now()
  let accepted = false
  let why: string | undefined
  // What is checked must not alter what it is given, or the case that is kept would be another.
  const given = bytes.slice()
  try {
    accepted = target.check(given, random)
  } catch (error) {
    why = error instanceof Broken
      ? error.message
      : error instanceof Error
      ? error.stack ?? error.message
      : String(error)
  }
  return { accepted, why, millis: performance.now() - begin }
}

/** Checks what is in the corpus, as it is. */
export const replay = (target: Target): ReadonlyArray<{ readonly item: Item; readonly problem: string }> =>
  corpus(target.folders[0]!).flatMap((item) => {
    const { accepted, why } = attempt(target, item.bytes, Mutate.still)
    const wrong = item.expected !== undefined && (item.expected === "accepted") !== accepted
    const problem = why ?? (wrong ? `it should be ${item.expected}` : undefined)
    return problem === undefined ? [] : [{ item, problem }]
  })

const poolsOf = (target: Target) => {
  const [first = [], ...others] = target.folders.map((folder) => corpus(folder).map(({ bytes }) => bytes))
  return { first, pool: [...first, ...others.flat()] }
}

const make = (target: Target, { first, pool }: ReturnType<typeof poolsOf>, seed: string): Uint8Array => {
  const random = Mutate.chance(seed)
  return target.mutate(random, random.pick(random.chance(0.9) ? first : pool), pool)
}

/** One case again, by its seed. */
export const again = (target: Target, seed: string) => {
  const bytes = make(target, poolsOf(target), seed)
  return { bytes, why: attempt(target, bytes, Mutate.chance(`check ${seed}`)).why }
}

/** Alters items of the corpus so many times. */
export const run = (target: Target, options: { readonly seed: number; readonly cases: number }): Outcome => {
  const pools = poolsOf(target)
  const failures: Array<Failure> = []
  let accepted = 0
  let slowest = { millis: 0, seed: "" }
  for (let i = 0; i < options.cases; i++) {
    const seed = `${target.name}/${options.seed}/${i}`
    const bytes = make(target, pools, seed)
    const result = attempt(target, bytes, Mutate.chance(`check ${seed}`))
    if (result.accepted) accepted++
    if (result.millis > slowest.millis) slowest = { millis: result.millis, seed }
    if (result.why !== undefined) {
      failures.push({ folder: target.folders[0]!, seed, bytes, why: result.why })
      if (failures.length >= 5) break
    }
  }
  return { cases: options.cases, accepted, failures, slowest }
}
