/** Room that a thing has for what its taker keeps of it, so that he need not look for that when it comes again. */
export const kept = Symbol("kept")

export interface Keeps {
  [kept]?: object | undefined
}
