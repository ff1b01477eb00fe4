/** A place at a peer for as long as something takes that is no single effect: a stream, or what is done by hand. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { CurrentDeadline } from "../../Deadline.ts"
import type { Endpoint } from "./endpoint.ts"
import type { Kind } from "./kind.ts"
import type { Outcome, Pool } from "./pool.ts"
import { type CallOptions, outcomeOf, Run, type Verdict } from "./run.ts"

/** A place that is had until its scope closes. What became of it is what it is told last; without a word nothing is known. */
export interface Lease<P> {
  readonly peer: P
  readonly id: string
  readonly told: (outcome: Outcome) => void
}

/** What is known of what takes a place where it is not the first. */
interface Before<P> {
  readonly tried: Array<Endpoint<P>>
  /** Since when it waits, where it did nothing else; Infinity where it does not. */
  readonly since: number
}

interface Place<P> extends Lease<P> {
  readonly endpoint: Endpoint<P>
  /** Since when it was waited for; Infinity where it was not. */
  readonly since: number
}

/** Takes a place that nothing is known of yet. Waits for one where it has to. */
export const lease = <P>(
  pool: Pool<P>,
  kind: Kind,
  options: CallOptions | undefined,
  before: Before<P> | undefined
): Effect.Effect<Place<P>, unknown, Scope.Scope> =>
  Effect.uninterruptibleMask((restore) => {
    const run = new Run<P, void, unknown, never>(pool, () => "final", kind, () => Effect.void, options)
    run.tried = before?.tried
    run.isCounted = before !== undefined
    run.since = before?.since ?? Infinity
    // It may be interrupted when it has its place, before anything else is done.
    const placed = Effect.onExitPrimitive(
      restore(run.placed),
      (exit) => Exit.isSuccess(exit) ? undefined : Effect.sync(() => run.leave("unknown"))
    )
    return Effect.flatMap(placed, (endpoint) => {
      let outcome: Outcome = "unknown"
      const lease = {
        peer: endpoint.peer,
        id: endpoint.id,
        endpoint,
        since: run.since,
        told: (now: Outcome) => {
          outcome = now
        }
      }
      return Effect.as(Effect.addFinalizer(() => Effect.sync(() => run.leave(outcome))), lease)
    })
  })

/** What a stream has given before it broke. */
export interface Received<A> {
  readonly count: number
  readonly last: A | undefined
}

export interface StreamOptions extends CallOptions {
  /** It knows how to go on after what it has given. */
  readonly resumes?: boolean | undefined
}

/**
 * A stream of a peer of the service, which holds its place until it ends. It begins again at another peer where it did not begin, where
 * it gave nothing yet and is idempotent, and where it knows how to go on.
 */
export const stream = <P, A, E, R>(
  pool: Pool<P>,
  classify: (error: E) => Verdict,
  kind: Kind,
  attempt: (peer: P, received: Received<A>, id: string) => Stream.Stream<A, E, R>,
  options?: StreamOptions
): Stream.Stream<A, E, R> =>
  Stream.suspend(() => {
    const tried: Array<Endpoint<P>> = []
    let attempts = 0
    let since = Infinity
    let count = 0
    let last: A | undefined
    let mayHaveRun: Cause.Cause<E> | undefined
    let outcome: Outcome | "noPlace" = "noPlace"
    const end = (cause: Cause.Cause<E>) => Stream.failCause(mayHaveRun ?? cause)

    const once = (): Stream.Stream<A, E, R> =>
      Stream.unwrap(Effect.map(
        Effect.suspend(() => {
          outcome = "noPlace"
          return lease(pool, kind, options, attempts++ === 0 ? undefined : { tried: [...tried], since })
        }) as Effect.Effect<Place<P>, E, Scope.Scope>,
        ({ endpoint, id, peer, since: waits, told }) => {
          since = waits
          return attempt(peer, { count, last }, id).pipe(
            Stream.mapArray((elements) => {
              count += elements.length
              last = elements[elements.length - 1]
              return elements
            }),
            Stream.onExit((exit) =>
              Effect.sync(() => {
                outcome = outcomeOf(exit, classify)
                // A stream that nobody reads any more is no sign of a slow peer.
                told(outcome === "expired" ? "unknown" : outcome)
                tried.push(endpoint)
              })
            )
          )
        }
      ))

    const failed = (cause: Cause.Cause<E>): Stream.Stream<A, E, R> => {
      const sound = outcome === "busy" || outcome === "leaves" || outcome === "notRun"
      if (outcome === "noPlace") return end(cause)
      if (!sound && outcome !== "mayHaveRun") return Stream.failCause(cause)
      if (outcome === "mayHaveRun" || count > 0) {
        mayHaveRun = cause
        if (options?.resumes !== true && !(kind.idempotent && count === 0)) return Stream.failCause(cause)
      }
      // It did nothing but wait, for as long as it may.
      if (outcome === "busy") tried.pop()
      else since = Infinity
      return Stream.unwrap(Effect.withFiber((fiber) => {
        const now = pool.now()
        const inTime = options?.repeats?.() !== false && (fiber.getRef(CurrentDeadline) ?? Infinity) > now
        const goesOn = inTime && (outcome === "busy" ||
          pool.hasOthers(tried) && (outcome === "leaves" || pool.budget.retry(now)))
        return Effect.succeed(goesOn ? loop() : end(cause))
      }))
    }

    const loop = (): Stream.Stream<A, E, R> => Stream.catchCause(once(), failed)
    return loop()
  })
