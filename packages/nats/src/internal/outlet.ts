/** Where sightings leave: to whoever takes them at once, and else to a bounded queue, which drops the oldest. */
import type { Sighting } from "@pnet/core/Discovery"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"

type Take = (sighting: Sighting) => void

export class Outlet {
  readonly #queue: Queue.Queue<Sighting>
  #take: Take | undefined

  constructor(queue: Queue.Queue<Sighting>) {
    this.#queue = queue
  }

  /** At most `capacity` wait that nobody has taken. */
  static make(capacity: number): Effect.Effect<Outlet> {
    return Effect.map(Queue.sliding<Sighting>(capacity), (queue) => new Outlet(queue))
  }

  give(sighting: Sighting): void {
    if (this.#take === undefined) Queue.offerUnsafe(this.#queue, sighting)
    else this.#take(sighting)
  }

  get stream(): Stream.Stream<Sighting> {
    return Stream.fromQueue(this.#queue)
  }

  forEach(take: Take): Effect.Effect<void, never, Scope.Scope> {
    return Effect.acquireRelease(
      Effect.map(Queue.clear(this.#queue), (waiting) => {
        this.#take = take
        for (const sighting of waiting) take(sighting)
      }),
      () =>
        Effect.sync(() => {
          if (this.#take === take) this.#take = undefined
        })
    )
  }
}
