/**
 * Deadlines that go along with the work: every call made inside `Deadline.within` has that time at the most, on this node, on
 * the peer, and on those that the peer's handler calls in turn. Messages have it on this node.
 *
 * ```ts
 * yield* node.target("bob").report().pipe(Deadline.within("2 seconds"))
 * ```
 *
 * A handler of a call with a deadline runs inside it: typed calls, commands, and the functions of an AdvancedNode. It counts from
 * when the peer reads the call's first frame, however slowly the rest comes. A call whose time is up is not begun, and not run by
 * the peer, which looks at its clock again before it runs it.
 *
 * What bites: it bounds calls to peers and nothing else. To interrupt other work too, use `Effect.timeout`, which ends the
 * calls inside it as well.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

/**
 * When the time of the work at hand is up, in milliseconds of the monotonic clock, or `undefined` where it is not limited.
 *
 * @category references
 * @since 0.1.0
 */
export const CurrentDeadline: Context.Reference<number | undefined> = Context.Reference("@pnet/core/Deadline", {
  defaultValue: (): number | undefined => undefined
})

/**
 * Milliseconds of the monotonic clock.
 *
 * @category accessors
 * @since 0.1.0
 */
export const nowUnsafe = (clock: Clock.Clock): number => Math.floor(Number(clock.monotonicTimeNanosUnsafe()) / 1e6)

/**
 * Gives the calls in an effect this much time, counted from its start. Inside another deadline the earlier one counts.
 *
 * @category combinators
 * @since 0.1.0
 */
export const within =
  (duration: Duration.Input) => <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> => {
    const millis = Duration.toMillis(Duration.fromInputUnsafe(duration))
    return millis === Infinity ? effect : Effect.withFiber((fiber) => {
      const at = nowUnsafe(fiber.getRef(Clock.Clock)) + millis
      return Effect.provideService(effect, CurrentDeadline, Math.min(fiber.getRef(CurrentDeadline) ?? Infinity, at))
    })
  }

/**
 * The time that is left, `undefined` where it is not limited. Zero when it is up.
 *
 * @category accessors
 * @since 0.1.0
 */
export const remaining: Effect.Effect<Duration.Duration | undefined> = Effect.withFiber((fiber) => {
  const at = fiber.getRef(CurrentDeadline)
  return Effect.succeed(
    at === undefined ? undefined : Duration.millis(Math.max(0, at - nowUnsafe(fiber.getRef(Clock.Clock))))
  )
})
