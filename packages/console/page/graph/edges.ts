/** The lines of the map, from who sees whom. */
import type { Network } from "../store/network.ts"

export type Pair = readonly [from: number, to: number]

export interface Edges {
  /** Who see each other, or of whom one has not said yet whom it sees. Empty where there are more than are drawn. */
  readonly mutual: ReadonlyArray<Pair>
  /** Who sees somebody that does not see it. */
  readonly oneWay: ReadonlyArray<Pair>
  /** How many pairs there are. */
  readonly pairs: number
}

/** More lines than that are not to be told apart. */
export const mostLines = 1_500
const mostOneWay = 400

export const edgesOf = ({ peers, sees }: Pick<Network, "peers" | "sees">): Edges => {
  const mutual: Array<Pair> = []
  const oneWay: Array<Pair> = []
  let pairs = 0
  for (const [from, to] of sees) {
    if (from === 0 || !peers.has(from)) continue
    for (const id of to) {
      if (id === 0 || id === from || !peers.has(id)) continue
      const back = sees.get(id)
      const isMutual = back === undefined || back.has(from)
      // A pair that both tell of is one.
      if (isMutual && back !== undefined && id < from) continue
      pairs++
      if (!isMutual) {
        if (oneWay.length < mostOneWay) oneWay.push([from, id])
      } else if (mutual.length <= mostLines) mutual.push([from, id])
    }
  }
  return { mutual: mutual.length > mostLines ? [] : mutual, oneWay, pairs }
}

/** The lines of one peer: whom it sees, and who sees it. The console's own node is 0, and sees all. */
export const edgesAt = (
  { peers, sees }: Pick<Network, "peers" | "sees">,
  at: number
): { readonly to: ReadonlySet<number>; readonly from: ReadonlySet<number> } => {
  const to = at === 0 ? new Set([...peers.keys()].filter((id) => id !== 0)) : sees.get(at) ?? new Set<number>()
  const from = new Set<number>(at === 0 ? [] : [0])
  for (const [id, others] of sees) if (id !== at && others.has(at)) from.add(id)
  return { to, from }
}
