/**
 * Reaching a peer that has several addresses: the first at which it proves itself. Adverts can be made up, so an address where
 * somebody accepts connections is nobody's yet. Each address has a head start over the next, which begins sooner when the one
 * before has failed, and later when there is a sign that it is the peer's.
 */
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Latch from "effect/Latch"
import * as Scope from "effect/Scope"
import type { Endpoint } from "../../Network.ts"

const headStart = "250 millis"

/** An address that was tried in vain, and how that ended. */
export interface Failure<E> {
  readonly endpoint: Endpoint
  readonly error: E
}

/**
 * Tries the addresses until an attempt succeeds, with what it acquired; all others are given up. Where all fail, `blame` says
 * with what, of the failures in the order of the addresses. An attempt says by `promising` that its address may be the
 * peer's, so that the next has to wait once more.
 */
export const dialAny = <A, E, R>(
  endpoints: NonEmptyReadonlyArray<Endpoint>,
  attempt: (endpoint: Endpoint, promising: () => void) => Effect.Effect<A, E, R>,
  options: {
    /** Called at once for each address that failed. */
    readonly onFailure: (failure: Failure<E>) => void
    readonly blame: (failures: ReadonlyArray<Failure<E>>) => E
  }
): Effect.Effect<A, E, Scope.Scope | Exclude<R, Scope.Scope>> => {
  const [only] = endpoints
  if (endpoints.length === 1) {
    return Effect.tapError(
      attempt(only, () => {}),
      (error) => Effect.sync(() => options.onFailure({ endpoint: only, error }))
    ) as Effect.Effect<A, E, Scope.Scope | Exclude<R, Scope.Scope>>
  }
  return Effect.gen(function*() {
    const scope = yield* Effect.scope
    const winner = Deferred.makeUnsafe<A, E>()
    const attempts: Array<Scope.Closeable> = []
    const failures: Array<Failure<E> | undefined> = endpoints.map(() => undefined)
    let left = endpoints.length
    // What breaks is a fault of the way that the address belongs to, and another may be well.
    let broken: Cause.Cause<never> | undefined
    let won: Scope.Closeable | undefined

    const racing = yield* Scope.fork(scope)
    const begin = (
      endpoint: Endpoint,
      rank: number,
      own: Scope.Closeable,
      failed: Latch.Latch,
      promising: () => void
    ) =>
      Effect.matchCauseEffect(Effect.suspend(() => Scope.provide(attempt(endpoint, promising), own)), {
        onSuccess: (value) =>
          Effect.sync(() => {
            if (Deferred.doneUnsafe(winner, Exit.succeed(value))) won = own
          }),
        onFailure: (cause) =>
          Effect.suspend(() => {
            const error = Cause.findErrorOption(cause)
            if (error._tag === "Some") {
              const failure = { endpoint, error: error.value }
              failures[rank] = failure
              options.onFailure(failure)
            } else broken ??= cause as Cause.Cause<never>
            failed.openUnsafe()
            if (--left === 0) {
              const known = failures.filter((each) => each !== undefined)
              Deferred.doneUnsafe(
                winner,
                broken === undefined ? Exit.fail(options.blame(known)) : Exit.failCause(broken)
              )
            }
            // What it holds is of no use any more.
            return Scope.close(own, Exit.void)
          })
      })

    yield* Effect.gen(function*() {
      for (const [rank, endpoint] of endpoints.entries()) {
        const own = yield* Scope.fork(scope)
        attempts.push(own)
        const failed = Latch.makeUnsafe(false)
        let isPromising = false
        yield* Effect.forkIn(begin(endpoint, rank, own, failed, () => (isPromising = true)), racing)
        if (rank + 1 === endpoints.length) return
        yield* Effect.timeoutOption(failed.await, headStart)
        if (isPromising) yield* Effect.timeoutOption(failed.await, headStart)
      }
    }).pipe(Effect.forkIn(racing))

    return yield* Deferred.await(winner).pipe(
      Effect.ensuring(Effect.gen(function*() {
        yield* Scope.close(racing, Exit.void)
        for (const own of attempts) if (own !== won) yield* Scope.close(own, Exit.void)
      }))
    )
  }) as Effect.Effect<A, E, Scope.Scope | Exclude<R, Scope.Scope>>
}
