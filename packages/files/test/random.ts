/** Numbers from a seed: `next(n)` is one of 0 to n - 1. */
export const random = (seed: number) => {
  let state = seed * 2_654_435_761 >>> 0 || 1
  return (below: number): number => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    state >>>= 0
    return state % below
  }
}
