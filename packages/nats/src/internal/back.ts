/** When the connection to the server is made anew: what was asked for before is answered by nobody. */
import type { NatsConnection } from "@nats-io/nats-core"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"

/** Waits until it is made anew the next time. */
export type Back = Effect.Effect<void>

// What was said meanwhile is sent behind it, and may be answered.
const stillAnswered = "1 second"

/** What is asked for of the server. Where the connection it went over is gone nobody answers, and it fails as when that took too long. */
export const unlessLost = <A, E>(asked: Effect.Effect<A, E>, back: Back, lost: () => E): Effect.Effect<A, E> =>
  Effect.raceFirst(asked, back.pipe(Effect.andThen(Effect.sleep(stillAnswered)), Effect.andThen(Effect.failSync(lost))))

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
