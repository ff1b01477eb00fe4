/**
 * A part of a program that is loaded when it is first used: a file of its own, where the program is a bundle. From then on it is there at once.
 *
 * What bites: a server that has another version of the page by now may not have the file any more. It is asked for a few times, and then it is a defect,
 * which says that the page is to be loaded anew.
 */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"

// With twice the time in between each time: three seconds and three quarters, as long as a network may be away that changes.
const again = { schedule: Schedule.exponential("250 millis"), times: 4 }

export const later = <A>(what: string, load: () => Promise<A>): Effect.Effect<A> => {
  let loaded: Effect.Effect<A> | undefined
  const loading = Effect.tryPromise(load).pipe(
    Effect.retry(again),
    Effect.catch(({ cause }) =>
      Effect.die(new Error(`the part of pnet that is for ${what} could not be loaded; load the page anew`, { cause }))
    ),
    Effect.tap((part) =>
      Effect.sync(() => {
        loaded = Effect.succeed(part)
      })
    )
  )
  return Effect.suspend(() => loaded ?? loading)
}
