/** How long two nodes take to know each other: one stays, and notes when others join; one comes, and goes. */
import * as BasicNode from "@pnet/core/BasicNode"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Handlers } from "./calls.ts"
import * as Nodes from "./nodes.ts"
import type { Platform } from "./sides.ts"

/** One clock for all processes: the system's monotonic one, in milliseconds. */
const instant = () => Number(process.hrtime.bigint()) / 1e6

/** The one that stays. */
export const makeHost = ({ contextOf, scope }: Platform): Handlers<"Host" | "JoinedAt"> => {
  const joined = new Map<string, number>()
  return {
    Host: ({ cryptography, name, network }) =>
      Effect.gen(function*() {
        const context = yield* contextOf(cryptography)
        const node = yield* BasicNode.make(Nodes.options(name, network)).pipe(
          Effect.provideContext(context),
          Scope.provide(scope)
        )
        yield* node.peers.changes.pipe(
          Stream.runForEach((event) =>
            Effect.sync(() => {
              if (event._tag === "Joined") joined.set(event.peer.name, instant())
            })
          ),
          Effect.forkIn(scope, { startImmediately: true })
        )
        return null
      }),

    JoinedAt: ({ name }) =>
      Effect.gen(function*() {
        while (true) {
          const at = joined.get(name)
          if (at !== undefined) return at
          yield* Effect.sleep(5)
        }
      }).pipe(Effect.timeout("10 seconds"))
  }
}

/** The one that comes. */
export const makeGuest = ({ contextOf }: Platform): Handlers<"Meet" | "Part"> => {
  let meeting: Scope.Closeable | undefined
  return {
    Meet: ({ cryptography, host, name, network }) =>
      Effect.gen(function*() {
        const context = yield* contextOf(cryptography)
        const nodeScope = yield* Scope.make()
        meeting = nodeScope
        const started = instant()
        const node = yield* BasicNode.make(Nodes.options(name, network)).pipe(
          Effect.provideContext(context),
          Scope.provide(nodeScope)
        )
        const built = instant()
        yield* node.peers.awaitPeer(host)
        return { started, built, knows: instant() }
      }),

    Part: () =>
      Effect.suspend(() => meeting === undefined ? Effect.void : Scope.close(meeting, Exit.void)).pipe(Effect.as(null))
  }
}
