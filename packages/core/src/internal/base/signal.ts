/** Tells whoever listens that something has changed, not what. It costs nothing while nobody listens. */
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"

export interface Signal {
  readonly notify: () => void
  /** One value for each change, or for several that came before the first was taken. */
  readonly changes: Stream.Stream<void>
}

export const make = (): Signal => {
  const listeners = new Set<() => void>()
  return {
    notify: () => {
      for (const listener of listeners) listener()
    },
    changes: Stream.callback<void>(
      (queue) =>
        Effect.acquireRelease(
          Effect.sync(() => {
            const listener = () => {
              Queue.offerUnsafe(queue, undefined)
            }
            listeners.add(listener)
            return listener
          }),
          (listener) => Effect.sync(() => listeners.delete(listener))
        ),
      { bufferSize: 1, strategy: "sliding" }
    )
  }
}
