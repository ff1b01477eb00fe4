/** `open` in browsers: what is behind the topics of a node is loaded when the first is published or subscribed to. Before that its peers have nothing to tell it. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import { later } from "../base/later.ts"
import type * as Open from "./open.ts"
import type { Opened, Used } from "./opened.ts"

const loaded = later("topics", () => import("./nodeTopics.ts"))

/** The same, each waiting for what is used. */
const waiting = (used: Effect.Effect<Used>): Used => ({
  publish: (...given) => Effect.flatMap(used, ({ publish }) => publish(...given)),
  publisher: (...given) => Sink.unwrap(Effect.map(used, ({ publisher }) => publisher(...given))),
  retract: (...given) => Effect.flatMap(used, ({ retract }) => retract(...given)),
  subscribe: (...given) => Stream.unwrap(Effect.map(used, ({ subscribe }) => subscribe(...given))),
  table: (...given) => Effect.flatMap(used, ({ table }) => table(...given)),
  watch: (...given) => Stream.unwrap(Effect.map(used, ({ watch }) => watch(...given)))
})

export const open = (
  own: Parameters<typeof Open.open>[0]
): Effect.Effect<Opened, never, Effect.Services<ReturnType<typeof Open.open>>> =>
  Effect.gen(function*() {
    const context = yield* Effect.context<Effect.Services<ReturnType<typeof Open.open>>>()
    // It ends in the turn that it would have if it had been there from the beginning.
    const scope = yield* Effect.acquireRelease(Scope.make(), (scope) => Scope.close(scope, Exit.void))
    const turn = Semaphore.makeUnsafe(1)
    let opened: Opened | undefined
    const make = Effect.flatMap(loaded, ({ open }) =>
      Effect.uninterruptible(
        Effect.map(Scope.provide(scope)(Effect.provideContext(open(own), context)), (made: Opened) => opened = made)
      ))
    const there: Effect.Effect<Opened> = Effect.suspend(() =>
      opened === undefined
        ? turn.withPermits(1)(Effect.suspend(() => opened === undefined ? make : Effect.succeed(opened)))
        : Effect.succeed(opened)
    )
    return {
      of: (codingOf) => {
        let used: Used | undefined
        return waiting(Effect.map(there, (opened) => used ??= opened.of(codingOf)))
      },
      // Where nothing was published there is nothing on its way.
      flush: (within) => Effect.suspend(() => opened === undefined ? Effect.succeed(0) : opened.flush(within))
    }
  })
