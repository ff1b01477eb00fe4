/** When the connection to the server is made anew: what was asked for before is answered by nobody. */
import type { NatsConnection } from "@nats-io/nats-core"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"

/** Waits until it is made anew the next time. */
export type Back = Effect.Effect<void>

export const make = (client: NatsConnection): Effect.Effect<Back, never, Scope.Scope> =>
  Effect.gen(function*() {
    let next = Deferred.makeUnsafe<void>()
    yield* Stream.fromAsyncIterable(client.status(), (cause) => cause).pipe(
      Stream.runForEach(({ type }) =>
        Effect.sync(() => {
          if (type !== "reconnect") return
          const waiting = next
          next = Deferred.makeUnsafe()
          Deferred.doneUnsafe(waiting, Effect.void)
        })
      ),
      Effect.ignore,
      Effect.forkScoped({ startImmediately: true })
    )
    return Effect.suspend(() => Deferred.await(next))
  })
