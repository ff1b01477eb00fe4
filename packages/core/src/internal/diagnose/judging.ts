/** What follows from what was heard, without any further test: each judgement is one function over it. */
import * as Advert from "../../Advert.ts"
import * as Finding from "../../Finding.ts"
import type { Examination } from "./examination.ts"
import { type Node, othersKept } from "./heard.ts"

export type Judgement = (examination: Examination) => ReadonlyArray<Finding.Finding>

// How many nodes of one name are shown, and whose clocks.
const sharingShown = 8
const clocksShown = 64
// Beyond this much the minute that is allowed is soon used up. Timestamps are whole seconds.
const skewNoted = 10

/** Nodes that are bound to IPv6 broadcast nothing. */
export const silent: Judgement = ({ config: { bindIp, peers } }) =>
  bindIp.includes(":") ? [new Finding.BroadcastNotUsed({ bindIp, peers: peers.length })] : []

/** Nobody of this network is there. */
export const nobody: Judgement = ({ config: { advertisePort, networkId }, heard, listened, listenFor }) =>
  heard.nodes.length === 0 && listened
    ? [new Finding.NoPeerFound({ networkId, port: advertisePort, listenedFor: listenFor })]
    : []

/** Those that are there and cannot be understood, or are not entered. */
export const misfits: Judgement = ({ config: { networkId }, heard: { elsewhere, mismatches, otherNetworks } }) => [
  ...mismatches.values(),
  ...elsewhere.values(),
  ...otherNetworks.size > 0 ? [new Finding.OtherNetworks({ networkId, others: [...otherNetworks].sort() })] : []
]

/** Names that are used twice: that of the node that is to be, and those of others. */
export const names: Judgement = ({ config: { identity }, heard: { nodes }, name }) => {
  const taken = nodes
    .filter((one) => name !== undefined && one.name === name || one.publicKey === identity?.publicKey)
    .slice(0, othersKept)
    .map((one) =>
      new Finding.NameTaken({
        name: one.name,
        publicKey: one.publicKey,
        address: Advert.formatEndpoint(one.endpoint),
        sameKey: one.publicKey === identity?.publicKey
      })
    )
  const shared = [...grouped(nodes, (one) => one.name)]
    .filter(([, all]) => all.length > 1)
    .slice(0, othersKept)
    .map(([name, sharing]) =>
      new Finding.NameShared({
        name,
        count: sharing.length,
        nodes: sharing.slice(0, sharingShown).map(({ endpoint, publicKey }) => ({
          publicKey,
          address: Advert.formatEndpoint(endpoint)
        }))
      })
    )
  return [...taken, ...shared]
}

/** Those that the bounds of a table hide. What is listed is found whatever the bounds. */
export const hidden: Judgement = ({ config: { limits }, heard: { nodes } }) => {
  const bySource = grouped(nodes.filter(({ via }) => via === "broadcast"), ({ source }) => source)
  const perAddress = [...bySource].sort(([, a], [, b]) => b.length - a.length).slice(0, othersKept)
    .map(([address, there]) => {
      const limit = there[0]!.local ? "unprovedPerOwnAddress" as const : "unprovedPerAddress" as const
      return new Finding.PeersHidden({ address, heard: there.length, limit, bound: limits[limit] })
    })
  const limit = "unprovedPeers"
  const all = new Finding.PeersHidden({ address: "", heard: nodes.length, limit, bound: limits[limit] })
  return [...perAddress, all].filter(({ bound, heard }) => heard > bound)
}

/** How far the clocks of the others are from this one. */
export const clocks: Judgement = ({ heard: { nodes }, keys }) => {
  const compared = nodes.filter((one) => one.skew !== undefined)
  if (compared.length === 0) {
    return [new Finding.ClockNotCompared({ reason: keys.length === 0 ? "NoNetworkKey" : "NoPeer" })]
  }
  const apart = compared
    .filter(({ skew = 0 }) => Math.abs(skew) >= skewNoted)
    .slice(0, clocksShown)
    .map(({ endpoint, name, skew = 0 }) =>
      new Finding.ClockSkew({ peer: name, address: Advert.formatEndpoint(endpoint), seconds: skew })
    )
  const agreeing = compared.map(({ skew = 0 }) => Math.abs(skew)).filter((skew) => skew < skewNoted)
  return agreeing.length === 0
    ? apart
    : [...apart, new Finding.ClockAgrees({ peers: agreeing.length, seconds: Math.max(...agreeing) })]
}

const grouped = (nodes: ReadonlyArray<Node>, by: (one: Node) => string): Map<string, Array<Node>> => {
  const groups = new Map<string, Array<Node>>()
  for (const one of nodes) groups.set(by(one), [...groups.get(by(one)) ?? [], one])
  return groups
}
