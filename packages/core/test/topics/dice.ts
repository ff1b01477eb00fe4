/** Throws that are the same for the same seed: `dice(seed)(n)` is one of 0 to n - 1. */
import { assert } from "@effect/vitest"

export const dice = (seed: number): (n: number) => number => {
  let state = seed * 0x9e37_79b9 >>> 0
  return (n) => {
    state = state + 0x6d2b_79f5 >>> 0
    let t = Math.imul(state ^ state >>> 15, state | 1)
    t ^= t + Math.imul(t ^ t >>> 7, t | 61)
    return ((t ^ t >>> 14) >>> 0) % n
  }
}

/** Fails where two lists are not of the same, each the very same one. An assertion of each step would take longer than the steps. */
export const same = (actual: ReadonlyArray<unknown>, expected: ReadonlyArray<unknown>, what: string): void => {
  if (actual.length === expected.length && actual.every((one, i) => Object.is(one, expected[i]))) return
  assert.deepStrictEqual(actual, expected, what)
  assert.fail(`others that look the same: ${what}`)
}
