/**
 * Endpoints that the nodes of a process hear of: they hear the same of the same peers, and keep it once, as its keys and names. Each that something
 * came from has a small number, by which a node finds what it knows of it in a list, without a look at the two or three places of a `Map`, which
 * among many nodes are all far from each other.
 */
import type { Endpoint } from "../../Network.ts"
import { hashOf } from "../base/hash.ts"

const recent: Array<Endpoint | undefined> = Array.from({ length: 8_192 })

/** The number of whoever has a place; 0 where none was asked for. */
const numbers = new Uint16Array(recent.length)
let count = 0

// All nodes hear a broadcast one after another, from a source that they are given as the same text.
let last: Endpoint | undefined
let lastHost = ""
let lastPlace = 0

const placeOf = (host: string, port: number): number => hashOf(host, port) & (recent.length - 1)

export const sameAsRecent = (endpoint: Endpoint): Endpoint => {
  const { host, port } = endpoint
  const place = placeOf(host, port)
  const known = recent[place]
  return known !== undefined && known.host === host && known.port === port ? known : recent[place] = endpoint
}

/** The number of a source, of which there are no more than endpoints that are kept; another one may have it, too. */
export const numberOf = ({ host, port }: Endpoint): number => {
  const place = placeOf(host, port)
  return numbers[place] ||= ++count
}

/** What a list has under the number of a source; `undefined` where that is another's, or nothing is. */
export const find = <A extends { readonly source: Endpoint }>(
  list: ReadonlyArray<A | undefined>,
  host: string,
  port: number
): A | undefined => {
  if (last === undefined || last.port !== port || lastHost !== host) {
    const place = placeOf(host, port)
    const known = recent[place]
    if (known === undefined || known.port !== port || known.host !== host) return undefined
    last = known
    lastHost = host
    lastPlace = place
  }
  const found = list[numbers[lastPlace]!]
  return found !== undefined && found.source === last ? found : undefined
}
