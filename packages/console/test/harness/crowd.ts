/** A node with a crowd of peers that come, go and change all the time, as far as the console looks at one. */
import { PublicKey } from "@pnet/core"
import type { CommandNodeService } from "@pnet/core/CommandNode"
import type { NodeName } from "@pnet/core/Packet"
import type { Peer, PeerEvent } from "@pnet/core/Peers"
import { Effect, PubSub, Stream } from "effect"

const keyOf = (n: number) => {
  const bytes = new Uint8Array(32).fill(7)
  new DataView(bytes.buffer).setUint32(0, n)
  return PublicKey.fromBytes(bytes)!
}

const peerOf = (n: number): Peer => ({
  name: `peer-${n}` as NodeName,
  publicKey: keyOf(n),
  endpoints: [{ host: `10.0.${n >> 8}.${n & 255}`, port: 4_000 }],
  status: "Online",
  proved: true,
  offer: {
    roles: ["worker"],
    meta: {},
    functions: Object.fromEntries(Array.from({ length: 12 }, (_, i) => [`function_${i}`, ""])),
    draining: false,
    topics: []
  }
})

/** A crowd of so many, of which each change is of one of the four kinds in turn. */
export const crowd = (count: number) =>
  Effect.gen(function*() {
    const events = yield* PubSub.unbounded<PeerEvent>()
    const peers = new Map<number, Peer>()
    for (let n = 1; n <= count; n++) peers.set(n, peerOf(n))
    let turn = 0
    /** Something happens to one of them. */
    const change = Effect.suspend(() => {
      const n = turn % count + 1
      const peer = peers.get(n)
      const kind = Math.floor(turn++ / count) % 4
      if (peer === undefined) {
        const back = peerOf(n)
        peers.set(n, back)
        return PubSub.publish(events, { _tag: "Joined", peer: back, reason: "Returned" })
      }
      if (kind === 3) {
        peers.delete(n)
        return PubSub.publish(events, { _tag: "Lost", peer, reason: "NoAnswer" })
      }
      const changed: Peer = { ...peer, status: peer.status === "Online" ? "Suspect" : "Online" }
      peers.set(n, changed)
      return PubSub.publish(
        events,
        changed.status === "Online"
          ? { _tag: "Returned", peer: changed, reason: "Advert", silentFor: 0 as never }
          : { _tag: "Suspected", peer: changed, silentFor: 0 as never }
      )
    })
    const all = Effect.sync(() => [...peers.values()])
    const node = {
      name: "alice",
      networkId: "crowd",
      publicKey: keyOf(0xffff),
      endpoints: [],
      offer: { current: Effect.succeed({ roles: [], meta: {}, functions: {}, draining: false, topics: [] }) },
      sessions: {
        all: Effect.map(
          all,
          (all) => all.map((peer) => ({ peer, dialled: true, binary: true, streams: 1, draining: false }))
        )
      },
      target: () => () => Effect.map(all, (all) => all.map(({ name }) => name)),
      peers: {
        all,
        changes: Stream.unwrap(Effect.map(
          Effect.zip(PubSub.subscribe(events), all),
          ([subscription, all]) =>
            Stream.concat(
              Stream.fromIterable(all.map((peer): PeerEvent => ({ _tag: "Joined", peer, reason: "Known" }))),
              Stream.fromSubscription(subscription)
            )
        )),
        interested: Effect.void,
        conflicts: Effect.succeed([]),
        obstacles: Effect.succeed([])
      }
    } as unknown as CommandNodeService
    return { node, change, peers }
  })
