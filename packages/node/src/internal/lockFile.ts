/** One writer of a file at a time, of all programs of this kind. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import type * as PlatformError from "effect/PlatformError"
import * as Schedule from "effect/Schedule"
import { createHash } from "node:crypto"
import * as Hold from "./hold.ts"

// A lock file that is this old was left behind.
const staleAfter = 10_000

const patiently = Schedule.spaced("20 millis").pipe(Schedule.upTo({ times: 100 }))

/**
 * Runs an effect while no other program of this kind writes the file: by a file beside it, which whoever shares the folder sees. One
 * that was left behind is taken away, and only by the one program of this machine that holds the name for doing so: two that
 * judge it at once would take away each other's.
 */
export const exclusive = (fs: FileSystem.FileSystem, path: string) => {
  // Since when the same lock file has been there, by a clock that nobody sets.
  let seen: { readonly stamp: string; readonly since: number } | undefined
  const breakStale = (lock: string) =>
    Effect.gen(function*() {
      const clock = yield* Clock.Clock
      const { ino, mtime } = yield* fs.stat(lock)
      const made = Option.getOrUndefined(mtime)?.getTime()
      const stamp = `${Option.getOrUndefined(ino)}:${made}`
      const now = Number(clock.monotonicTimeNanosUnsafe() / 1_000_000n)
      if (seen?.stamp !== stamp) seen = { stamp, since: now }
      const age = made === undefined ? 0 : clock.currentTimeMillisUnsafe() - made
      if (Math.max(age, now - seen.since) > staleAfter) yield* fs.remove(lock, { force: true })
    })
  const take = (lock: string, mayBreak: boolean) =>
    Effect.scoped(Effect.flatMap(fs.open(lock, { flag: "wx", mode: 0o600 }), (file) => file.stat)).pipe(
      Effect.tapError((error) =>
        mayBreak && error.reason._tag === "AlreadyExists" ? Effect.ignore(breakStale(lock)) : Effect.void
      ),
      Effect.retry({ while: (error) => error.reason._tag === "AlreadyExists", schedule: patiently })
    )
  // Unless somebody took it for left behind, and it is another's by now.
  const giveBack = (lock: string, mine: FileSystem.File.Info) =>
    Effect.ignore(Effect.gen(function*() {
      const { ino } = yield* fs.stat(lock)
      if (Option.getOrUndefined(ino) === Option.getOrUndefined(mine.ino)) yield* fs.remove(lock, { force: true })
    }))
  return <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E | PlatformError.PlatformError> =>
    Effect.scoped(Effect.gen(function*() {
      // Beside the file itself, whatever links lead to it: it is that which is replaced, and its folder that can be written to.
      const real = yield* Effect.orElseSucceed(fs.realPath(path), () => path)
      const lock = `${real}.lock`
      const name = `known-peers-${createHash("sha256").update(real).digest("base64url")}`
      const held = yield* Effect.repeat(Hold.hold(name), { until: ({ _tag }) => _tag !== "Taken", schedule: patiently })
      yield* Effect.acquireRelease(take(lock, held._tag !== "Taken"), (mine) => giveBack(lock, mine))
      return yield* effect
    }))
}
