/**
 * Names that one tab of a site has at a time, by the Web Locks of the browser, which gives them back when the tab is gone, however it
 * went. Within a page they work as well.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { globals } from "./platform.ts"

export type Held = "held" | "taken" | "unavailable"

const released = Effect.void

interface Attempt {
  readonly result: Held
  readonly release: Effect.Effect<void>
}

const attempt = (name: string, wait: boolean): Effect.Effect<Attempt> =>
  Effect.callback((resume) => {
    const locks = globals.navigator?.locks
    // Pages that do not come by TLS or from this machine have none.
    if (locks === undefined) return resume(Effect.succeed({ result: "unavailable", release: released }))
    let isOver = false
    locks.request(`pnet ${name}`, { ifAvailable: !wait }, (lock) => {
      if (lock === null || isOver) {
        resume(Effect.succeed({ result: "taken", release: released }))
        return undefined
      }
      return new Promise<void>((release) => resume(Effect.succeed({ result: "held", release: Effect.sync(release) })))
    }).then(() => {}, () => resume(Effect.succeed({ result: "unavailable", release: released })))
    return Effect.sync(() => {
      isOver = true
    })
  })

/** Holds a name until the scope closes, unless another has it. */
export const hold = (name: string): Effect.Effect<Held, never, Scope.Scope> =>
  Effect.map(Effect.acquireRelease(attempt(name, false), ({ release }) => release), ({ result }) => result)

/** Waits for its turn at a name. Where there are no locks it has it at once. */
export const exclusively = (name: string) => <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.acquireUseRelease(attempt(name, true), () => effect, ({ release }) => release)
