/**
 * Lines of the log about what others have sent and nobody gets: of each kind one a minute, with how many there were meanwhile. What they name, subjects
 * too, is the word of a peer or of a server.
 */
import * as Why from "@pnet/core/Why"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

const every = 60_000
/** Characters of a line. */
const longest = 1_000

/** Logs that something was dropped, and why. There are few kinds. */
export type Dropped = (kind: string, what: string) => Effect.Effect<void>

export const make = (): Dropped => {
  const kinds = new Map<string, { readonly at: number; unsaid: number }>()
  return (kind, what) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => {
      const last = kinds.get(kind)
      if (last !== undefined && now >= last.at && now - last.at < every) {
        last.unsaid++
        return Effect.void
      }
      kinds.set(kind, { at: now, unsaid: 0 })
      const unsaid = last?.unsaid ?? 0
      const said = Why.escape(what.slice(0, longest))
      return Effect.logWarning(unsaid === 0 ? said : `${said}; and ${unsaid} more such in the minute before`)
    })
}
