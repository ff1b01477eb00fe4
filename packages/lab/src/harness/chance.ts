/** Chance from a seed: numbers that are the same in every run, on every machine. */

export interface Chance {
  /** From 0 to below 1. */
  readonly next: () => number
  /** An integer from 0 to below `n`. */
  readonly below: (n: number) => number
  readonly pick: <A>(items: ReadonlyArray<A>) => A
  readonly chance: (p: number) => boolean
}

/** Chance from 32 bits. */
export const draws = (from: number): Chance => {
  let state = from >>> 0
  const next = () => {
    state = state + 0x6d2b79f5 >>> 0
    let t = Math.imul(state ^ state >>> 15, 1 | state)
    t = t + Math.imul(t ^ t >>> 7, 61 | t) ^ t
    return ((t ^ t >>> 14) >>> 0) / 4_294_967_296
  }
  return {
    next,
    below: (n) => Math.floor(next() * n),
    pick: (items) => items[Math.floor(next() * items.length)]!,
    chance: (p) => next() < p
  }
}

/** Chance from a seed and a purpose, so that what is drawn for one changes nothing for another. */
export const chance = (seed: number, purpose: string): Chance => {
  let state = seed >>> 0
  for (const letter of purpose) state = Math.imul(state ^ letter.charCodeAt(0), 0x01000193) >>> 0
  return draws(state)
}
