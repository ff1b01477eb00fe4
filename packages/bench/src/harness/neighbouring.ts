/** A process that does not belong to the benchmark and keeps a core busy, for what it does to those that do. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Handlers } from "./calls.ts"

const sliceMillis = 20

// In slices, so that it notices when its parent ends.
const slice = Effect.sync(() => {
  const end = performance.now() + sliceMillis
  while (performance.now() < end) continue
})

/** Keeps a core busy for as long as the worker runs. */
export const makeNeighbour = (scope: Scope.Scope): Handlers<"Bustle"> => ({
  Bustle: () => Effect.as(Effect.forkIn(Effect.forever(Effect.andThen(slice, Effect.sleep(1))), scope), null)
})
