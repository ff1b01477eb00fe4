/** One who hears the adverts of many: a node, or a raw socket that counts datagrams. */
import * as BasicNode from "@pnet/core/BasicNode"
import { Crypto } from "@pnet/core/Crypto"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as Scope from "effect/Scope"
import { createSocket } from "node:dgram"
import type { Handlers } from "./calls.ts"
import * as Nodes from "./nodes.ts"
import type { Platform } from "./sides.ts"
import { keyOf, tokenOf } from "./speaking.ts"

interface Listening {
  readonly heard: Effect.Effect<{ readonly adverts: number; readonly peers: number }>
}

const accepted = Effect.map(Metric.snapshot, (all) => {
  let sum = 0
  for (const { attributes, id, state } of all) {
    if (id === "pnet_adverts_received" && attributes?.["outcome"] === "accepted") {
      sum += (state as { readonly count: number }).count
    }
  }
  return sum
})

const node = (network: Nodes.NodeNetworkOptions, peers: number) =>
  Effect.map(
    // Room for all of them, and for those that come and go.
    BasicNode.make({ ...Nodes.options("listener", network), limits: { unprovedPeers: peers + 64 } }),
    ({ peers }): Listening => ({
      heard: Effect.gen(function*() {
        return { adverts: yield* accepted, peers: (yield* peers.all).length }
      })
    })
  )

const raw = ({ advertisePort }: Nodes.NodeNetworkOptions) =>
  Effect.callback<Listening>((resume) => {
    let adverts = 0
    const senders = new Set<string>()
    const socket = createSocket({ type: "udp4", reuseAddr: true })
    socket.on("message", (_, { address }) => {
      adverts++
      senders.add(address)
    })
    socket.bind(advertisePort, "127.255.255.255", () =>
      resume(Effect.succeed({ heard: Effect.sync(() => ({ adverts, peers: senders.size })) })))
  })

/** Handles what is asked of the one who hears. */
export const makeListener = ({ contextOf, scope }: Platform): Handlers<"Listen" | "Heard" | "Opening"> => {
  let listening: Listening | undefined
  return {
    Listen: ({ network, peers, subject }) =>
      Effect.gen(function*() {
        listening = subject === "raw"
          ? yield* raw(network)
          : yield* node(network, peers).pipe(
            Effect.provideContext(yield* contextOf("native")),
            Scope.provide(scope)
          )
        return null
      }),

    Heard: () =>
      Effect.suspend(() => listening === undefined ? Effect.die("Heard came before Listen") : listening.heard),

    Opening: ({ times }) =>
      Effect.gen(function*() {
        const crypto = Context.get(yield* contextOf("native"), Crypto)
        const now = yield* Clock.currentTimeMillis
        const key = keyOf("A".repeat(43))
        const token = tokenOf(crypto, key, "bench", "adv", "A".repeat(43), "speaker1@127.1.0.1:4000", now)
        const before = process.cpuUsage()
        for (let i = 0; i < times; i++) crypto.fernetDecrypt([key], token, now, 60)
        const { system, user } = process.cpuUsage(before)
        return { micros: (system + user) / times }
      })
  }
}
