/**
 * Connecting to a peer that has several addresses: the first that answers. Each has a head start over the next, which begins
 * sooner when the one before has failed.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Latch from "effect/Latch"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import type { Endpoint } from "../Network.ts"
import type { Connection, DialError, Transport } from "../Transport.ts"

const headStart = "250 millis"

export const dialAny = (
  transport: Transport["Service"],
  endpoints: readonly [Endpoint, ...Array<Endpoint>]
): Effect.Effect<Connection, DialError, Scope.Scope> =>
  endpoints.length === 1 ? transport.dial(endpoints[0]) : Effect.gen(function*() {
    const scope = yield* Effect.scope
    const winner = yield* Deferred.make<Connection, DialError>()
    const attempts: Array<Scope.Closeable> = []
    let won: Scope.Closeable | undefined
    // Of the address that is the likeliest, whatever order they fail in.
    let error: { readonly rank: number; readonly error: DialError } | undefined
    let failures = 0

    const attempt = (endpoint: Endpoint, rank: number, own: Scope.Closeable, failed: Latch.Latch) =>
      Effect.gen(function*() {
        const result = yield* Effect.result(Scope.provide(transport.dial(endpoint), own))
        if (Result.isSuccess(result)) {
          if (Deferred.doneUnsafe(winner, Exit.succeed(result.success))) won = own
          return
        }
        if (error === undefined || rank < error.rank) error = { rank, error: result.failure }
        if (++failures === endpoints.length) Deferred.doneUnsafe(winner, Exit.fail(error.error))
        failed.openUnsafe()
      })

    const racing = yield* Scope.fork(scope)
    yield* Effect.gen(function*() {
      for (const [rank, endpoint] of endpoints.entries()) {
        const own = yield* Scope.fork(scope)
        attempts.push(own)
        const failed = Latch.makeUnsafe(false)
        yield* Effect.forkIn(attempt(endpoint, rank, own, failed), racing)
        yield* Effect.timeoutOption(failed.await, headStart)
      }
    }).pipe(Effect.forkIn(racing))

    return yield* Deferred.await(winner).pipe(
      Effect.ensuring(Effect.gen(function*() {
        yield* Scope.close(racing, Exit.void)
        for (const own of attempts) if (own !== won) yield* Scope.close(own, Exit.void)
      }))
    )
  })
