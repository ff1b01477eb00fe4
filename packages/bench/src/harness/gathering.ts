/** A node with many sessions: the hub, and the crowd that has them with it. */
import type * as AdvancedNode from "@pnet/core/AdvancedNode"
import * as Crowd from "@pnet/lab/crowd/crowd"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import type { Handlers } from "./calls.ts"
import * as Nodes from "./nodes.ts"
import * as Sides from "./sides.ts"

/** The one in the middle. */
export const makeHub = ({ start }: Sides.Platform): Handlers<"Hub" | "HubSessions"> => {
  let hub: AdvancedNode.AdvancedNode["Service"] | undefined
  return {
    Hub: ({ cryptography, network }) =>
      Effect.map(
        start(cryptography, Nodes.advanced(Sides.peerName, network, "binary")),
        ({ node }) => {
          hub = node
          return { publicKey: node.publicKey, port: node.endpoint.port }
        }
      ),

    HubSessions: () =>
      Effect.suspend(() => hub === undefined ? Effect.die("HubSessions came before Hub") : hub.sessions.all).pipe(
        Effect.map((all) => all.length)
      )
  }
}

/** Those around it, who call it when they are told to. */
export const makeCrowd = ({ contextOf, scope }: Sides.Platform): Handlers<"Crowd" | "Gather"> => {
  let members = 0
  let crowd: ReadonlyArray<Effect.Effect<void, unknown>> = []
  return {
    Crowd: ({ cryptography, hub, network, size }) =>
      Effect.gen(function*() {
        const context = yield* contextOf(cryptography)
        crowd = yield* Effect.forEach(Array.from({ length: size }, () => `member${++members}`), (name) =>
          Crowd.member(Nodes.options(name, network), { name: Sides.peerName, ...hub }).pipe(
            Effect.provideContext(context),
            Scope.provide(scope)
          ))
        return null
      }),

    Gather: () =>
      Effect.suspend(() => Effect.as(Effect.forEach(crowd, (call) => call, { concurrency: 8, discard: true }), null))
  }
}
