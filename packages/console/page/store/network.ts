/** Who is there and who sees whom, from what the node says of it: all of it first, and then what has changed. */
import type { Conflict, Patch, Peer } from "@pnet/console/ConsoleApi"
import { compareNames } from "../text.ts"

export interface Network {
  readonly seq: number
  readonly at: number
  readonly peers: ReadonlyMap<number, Peer>
  /** Whom a peer sees, by numbers. Left out: it has not said. */
  readonly sees: ReadonlyMap<number, ReadonlySet<number>>
  readonly conflicts: ReadonlyArray<Conflict>
  readonly count: number
  readonly findings: number
  /** Counts up when somebody sees somebody else than before, or somebody came or went. */
  readonly shape: number
}

export const nothing: Network = {
  seq: -1,
  at: 0,
  peers: new Map(),
  sees: new Map(),
  conflicts: [],
  count: 0,
  findings: 0,
  shape: 0
}

/** The network with what a patch says. What has not changed is the same object as before. */
export const apply = (before: Network, patch: Patch): Network => {
  const now = patch.seq === 0 ? { ...nothing, shape: before.shape + 1 } : before
  const isSame = patch.gone.length === 0 && patch.links.length === 0 &&
    patch.peers.every(({ id }) => now.peers.has(id))
  return {
    seq: patch.seq,
    at: patch.at,
    peers: patch.gone.length + patch.peers.length === 0 ? now.peers : peersOf(now.peers, patch),
    sees: patch.gone.length + patch.links.length === 0 ? now.sees : seesOf(now.sees, patch),
    conflicts: patch.conflicts ?? now.conflicts,
    count: patch.count,
    findings: patch.findings ?? now.findings,
    shape: isSame ? now.shape : now.shape + 1
  }
}

const peersOf = (before: Network["peers"], { gone, peers }: Patch): Network["peers"] => {
  const now = new Map(before)
  for (const id of gone) now.delete(id)
  for (const peer of peers) now.set(peer.id, peer)
  return now
}

const seesOf = (before: Network["sees"], { gone, links }: Patch): Network["sees"] => {
  const now = new Map(before)
  if (gone.length > 0) {
    for (const id of gone) now.delete(id)
    for (const [id, sees] of now) {
      if (gone.some((one) => sees.has(one))) now.set(id, new Set([...sees].filter((one) => !gone.includes(one))))
    }
  }
  for (const link of links) {
    const sees = new Set(now.get(link.from))
    for (const id of link.gone) sees.delete(id)
    for (const id of link.to) sees.add(id)
    now.set(link.from, sees)
  }
  return now
}

// --- a list of peers to look at --------------------------------------------------------------------------------------------------

export const columns = ["name", "status", "way", "functions", "trust", "since"] as const
export type Column = typeof columns[number]

export interface Looking {
  /** Words, all of which are to be found in what is known of a peer. */
  readonly text: string
  readonly status: string
  readonly trust: string
  readonly by: Column
  readonly descending: boolean
}

const said = (peer: Peer): string =>
  [peer.name, peer.fingerprint, peer.key, ...peer.addresses, ...peer.ways, ...peer.roles, ...peer.functions]
    .join("\n").toLowerCase()

// A peer is the same object until it changes: what is searched of it is made once.
const known = new WeakMap<Peer, string>()
const searched = (peer: Peer): string => {
  const text = known.get(peer) ?? said(peer)
  known.set(peer, text)
  return text
}

/** Whether all words of a text are in what is known of a peer. */
export const matches = (peer: Peer, text: string): boolean =>
  text.toLowerCase().split(/\s+/).every((word) => word === "" || searched(peer).includes(word))

/** What a peer is, at a glance. */
export const statusOf = (peer: Peer): "online" | "suspect" | "draining" | "unproved" =>
  peer.status === "suspect" ? "suspect" : peer.draining ? "draining" : peer.proved ? "online" : "unproved"

const trusts: ReadonlyArray<string> = ["pinned", "listed", "connected", "unknown", "other", "revoked"]
const statuses: ReadonlyArray<string> = ["online", "unproved", "draining", "suspect"]

const orders: Readonly<Record<Column, (a: Peer, b: Peer) => number>> = {
  name: (a, b) => compareNames(a.name, b.name),
  status: (a, b) => statuses.indexOf(statusOf(a)) - statuses.indexOf(statusOf(b)),
  way: (a, b) => compareNames(a.ways[0] ?? "", b.ways[0] ?? ""),
  functions: (a, b) => a.functionCount - b.functionCount,
  trust: (a, b) => trusts.indexOf(a.trust) - trusts.indexOf(b.trust),
  since: (a, b) => b.since - a.since
}

/** The peers that are looked for, in the order that is wanted; equal ones by name, and then by key, so that they stay where they are. */
export const listed = (peers: ReadonlyMap<number, Peer>, looking: Looking): ReadonlyArray<Peer> => {
  const order = orders[looking.by]
  const sign = looking.descending ? -1 : 1
  return [...peers.values()]
    .filter((peer) =>
      peer.id !== 0 && (looking.status === "" || statusOf(peer) === looking.status) &&
      (looking.trust === "" || peer.trust === looking.trust) && matches(peer, looking.text)
    )
    .sort((a, b) => sign * order(a, b) || orders.name(a, b) || (a.key < b.key ? -1 : 1))
}
