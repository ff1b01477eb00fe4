/** What came of many seeds, in whichever process each ran, and what is said of it. */
import * as Seeds from "../harness/seeds.ts"
import type { Told } from "./seed.ts"

/** Seeds after which something is said. */
const each = 50

// Of a run whose processes all ended nothing is known.
const over = (amount: number, millis: number) => millis === 0 ? 0 : amount / millis

/** What came of all seeds so far. */
export const makeSums = () => {
  const totals: Record<string, number> = {}
  const held = new Map<number, Array<NonNullable<Told["held"]>>>()
  const sums = { seeds: 0, failures: 0, passed: 0, took: 0 }
  const speed = () => `${over(sums.passed, sums.took).toFixed(0)} times real time`
  const rate = () => `${(1_000 * over(sums.seeds, sums.took)).toFixed(2)} seeds/s`
  /** Bytes that a seed leaves in the process that it leaves most in; of the second half of its seeds, when all caches are full. */
  const growth = (): number | undefined => {
    const grown = Array.from(held.values()).flatMap((all) => {
      const later = all.slice(all.length >> 1)
      const [first, last] = [later[0]!, later[later.length - 1]!]
      return later.length < 3 ? [] : [(last.bytes - first.bytes) / (last.seeds - first.seeds)]
    })
    return grown.length === 0 ? undefined : Math.max(...grown)
  }
  const all = () => `${Seeds.counted(sums.seeds)}, ${sums.failures} failed`
  const sofar = () => `${all()}, ${rate()}, ${speed()}`
  return {
    add: (told: Told): void => {
      sums.seeds++
      sums.passed += told.passed
      sums.took += told.took
      Seeds.add(totals, told.counts)
      if (told.problems.length > 0) sums.failures++
      if (told.held !== undefined) held.set(told.held.process, [...held.get(told.held.process) ?? [], told.held])
    },
    failures: () => sums.failures,
    progress: (): string | undefined => sums.seeds % each === 0 ? sofar() : undefined,
    /** What there is to say after so many milliseconds by the clock, however many seeds that are. */
    after: (clock: number): string =>
      `after ${(clock / 1_000).toFixed(0)} s: ${sums.seeds === 0 ? "no seed is done yet" : sofar()}`,
    growth,
    totals,
    end: (jobs: number, clock: number): string =>
      `\n${all()}: ${(sums.passed / 1_000).toFixed(0)} virtual seconds in ${
        (sums.took / 1_000).toFixed(1)
      } s of one core, ${speed()}, ${rate()} (${(clock / 1_000).toFixed(0)} s by the clock in ${jobs} process${
        jobs === 1 ? "" : "es"
      }, ${(sums.passed / clock).toFixed(0)} times real time)`
  }
}
