/** Streams as one, each for itself: one that fails says so in the log, and takes nothing from the others. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"

export const together = <A, E, R>(
  streams: ReadonlyArray<{ readonly what: string; readonly stream: Stream.Stream<A, E, R> }>
): Stream.Stream<A, never, R> =>
  Stream.mergeAll(
    streams.map(({ stream, what }) =>
      Stream.catchCause(stream, (cause) =>
        Stream.drain(Stream.fromEffect(
          Cause.hasInterruptsOnly(cause) ? Effect.void : Effect.logError(`${what} ended`, cause)
        )))
    ),
    { concurrency: "unbounded" }
  )
