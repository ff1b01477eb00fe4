/**
 * The peers and functions that this user's commands have met of late, as they are kept for completions: what anybody can call itself, so that only names that no
 * shell reads anything into are kept, and no more than can be read in a moment.
 */

/** What is kept of one peer. */
export interface SeenPeer {
  /** When it was met, in milliseconds since the epoch. */
  readonly at: number
  readonly functions: ReadonlyArray<string>
}

/** What is kept: peers by their networks and names, and the network that was used last. */
export interface Seen {
  readonly last: string
  readonly networks: Readonly<Record<string, Readonly<Record<string, SeenPeer>>>>
}

/** What was met on a network: peers, with the functions that are known of each. */
export type Met = ReadonlyMap<string, Iterable<string>>

/** The file in the folder for state. */
export const fileIn = (state: string): string => `${state}/seen.json`

const maxNetworks = 16
const maxPeers = 256
const maxFunctions = 256

/** The longest file that is read. */
export const maxLength = 4_194_304

const plain = /^[\p{L}\p{N}_][\p{L}\p{N}_.@+-]{0,63}$/u

/** Whether a name is nothing but a name to every shell. */
export const isPlain = (name: unknown): name is string => typeof name === "string" && plain.test(name)

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const peerOf = (value: unknown): SeenPeer | undefined =>
  isRecord(value) && typeof value["at"] === "number"
    ? {
      at: value["at"],
      functions: Array.isArray(value["functions"]) ? value["functions"].filter(isPlain).slice(0, maxFunctions) : []
    }
    : undefined

const peersOf = (value: unknown): Record<string, SeenPeer> =>
  Object.fromEntries(
    Object.entries(isRecord(value) ? value : {}).flatMap(([name, given]) => {
      const peer = isPlain(name) ? peerOf(given) : undefined
      return peer === undefined ? [] : [[name, peer] as const]
    })
  )

/** What a file says; nothing where it is none. */
export const read = (text: string | undefined): Seen => {
  let value: unknown
  try {
    value = text === undefined || text.length > maxLength ? undefined : JSON.parse(text)
  } catch {
    value = undefined
  }
  const networks = isRecord(value) && isRecord(value["networks"]) ? value["networks"] : {}
  return {
    last: isRecord(value) && typeof value["last"] === "string" ? value["last"] : "",
    networks: Object.fromEntries(Object.entries(networks).map(([network, peers]) => [network, peersOf(peers)]))
  }
}

/** The newest of them, so many. */
const newest = <A>(
  all: ReadonlyArray<readonly [string, A]>,
  most: number,
  atOf: (one: A) => number
): Record<string, A> => Object.fromEntries(all.toSorted(([, a], [, b]) => atOf(b) - atOf(a)).slice(0, most))

/** What is kept, with what was met just now. */
export const merge = (seen: Seen, network: string, met: Met, at: number): Seen => {
  const peers = new Map(Object.entries(Object.hasOwn(seen.networks, network) ? seen.networks[network]! : {}))
  for (const [name, functions] of met) {
    if (!isPlain(name)) continue
    const known = peers.get(name)?.functions ?? []
    const all = [...new Set([...functions, ...known])].filter(isPlain)
    peers.set(name, { at, functions: all.slice(0, maxFunctions) })
  }
  const networks = new Map(Object.entries(seen.networks))
  networks.set(network, newest([...peers], maxPeers, (peer) => peer.at))
  const lastOf = (of: Readonly<Record<string, SeenPeer>>) => Math.max(0, ...Object.values(of).map((peer) => peer.at))
  return {
    last: network,
    networks: newest([...networks].filter(([, of]) => Object.keys(of).length > 0), maxNetworks, lastOf)
  }
}
