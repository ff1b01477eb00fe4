/** Waiting for a question: a call has the time that its OPEN says, and who does not ask in it is not waited for any longer. */
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { nowUnsafe } from "../../Deadline.ts"
import type { SessionStream } from "../session/sessionStream.ts"

/**
 * Reads from a stream for as long as its call has time: then the stream is reset, by which what reads fails. Nothing runs beside it where all has
 * come already.
 */
export const inTime = <A, E>(
  stream: SessionStream,
  clock: Clock.Clock,
  read: Effect.Effect<A, E>
): Effect.Effect<A, E> =>
  Effect.suspend(() => {
    const { expires } = stream
    if (expires === undefined || stream.isWhole) return read
    const expire = Effect.andThen(
      Effect.sleep(Math.max(0, expires - nowUnsafe(clock))),
      Effect.suspend(() => stream.reset("deadline", "its time was up before it was whole"))
    )
    return Effect.scoped(Effect.andThen(Effect.forkScoped(expire), read))
  })
