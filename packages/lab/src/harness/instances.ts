/** How many there are by now of what tests make without saying which one it is, as `seeded()` of the session worlds. */
let instances = 0

export const next = (): number => ++instances

/** Counts from the beginning: what a test file makes is the same whichever ran before it in its process. */
export const startOver = (): void => {
  instances = 0
}
