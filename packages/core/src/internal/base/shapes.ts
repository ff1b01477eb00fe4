/**
 * One of each kind of object that calls are made of, kept while there may be calls.
 *
 * V8 keeps the hidden class that objects share only while one of them lives. A node that nobody calls for a while has none, and the collection of
 * garbage that follows the silence takes the class away: all code that was compiled for it is thrown away with it, and so is what had been learnt of
 * such objects. The calls that come next, some thousands of them, would take twice their time.
 *
 * What bites: a sample has to be made as the others are, by the same constructor. It is never used, and may hold nothing of a peer's.
 */
const kept: Array<object> = []
const keptWith = new WeakMap<object, ReadonlyArray<object>>()

/** The classes that samples are kept of; for tests. */
export const kinds = new Set<unknown>()

const note = (samples: ReadonlyArray<object>): void => {
  for (const sample of samples) kinds.add(sample.constructor)
}

/** Keeps samples for good. */
export const keep = (...samples: ReadonlyArray<object>): void => {
  kept.push(...samples)
  note(samples)
}

/** Keeps samples for as long as an object lives, which they may refer to. */
export const keepWith = (owner: object, ...samples: ReadonlyArray<object>): void => {
  keptWith.set(owner, [...keptWith.get(owner) ?? [], ...samples])
  note(samples)
}

/** What is kept for good; for tests. */
export const samples: ReadonlyArray<object> = kept
