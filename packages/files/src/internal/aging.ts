/**
 * Takes away what is kept of transfers that have not gone on for too long. How old it is says what was written last of it, so that a transfer which another
 * process has there is not touched while it goes on.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import { mtimeOf } from "./faults.ts"
import { partialFolder } from "./names.ts"

export interface Options {
  readonly fs: FileSystem.FileSystem
  readonly paths: Path.Path
  /** How long it is kept, in milliseconds. */
  readonly keep: number
  /** Runs the removal of what is kept under a key, unless that is being received. */
  readonly unlessRunning: (key: string, remove: Effect.Effect<void>) => Effect.Effect<void>
}

const isKey = (name: string): boolean => /^[0-9a-f]{32}$/.test(name)

/** When something of it was written last. */
const writtenAt = ({ fs, paths }: Options, home: string): Effect.Effect<number, PlatformError> =>
  Effect.gen(function*() {
    const own = yield* fs.lstat(home)
    // What is no folder is not what was made here.
    if (own.type !== "Directory") return Infinity
    let latest = mtimeOf(own)
    for (const name of yield* fs.readDirectory(home)) {
      latest = Math.max(latest, mtimeOf(yield* fs.lstat(paths.join(home, name))))
    }
    return latest
  })

/** Looks at what is kept in one folder that is received into. */
export const inFolder = (options: Options, folder: string): Effect.Effect<void> => {
  const { fs, keep, paths, unlessRunning } = options
  const above = paths.join(folder, partialFolder)
  return Effect.ignore(Effect.gen(function*() {
    if ((yield* fs.lstat(above)).type !== "Directory") return
    const now = yield* Clock.currentTimeMillis
    for (const key of (yield* fs.readDirectory(above)).filter(isKey)) {
      const home = paths.join(above, key)
      const remove = Effect.gen(function*() {
        if (now - (yield* writtenAt(options, home)) <= keep) return
        yield* fs.remove(home, { recursive: true, force: true })
      })
      yield* unlessRunning(key, Effect.ignore(remove))
    }
  }))
}

/** The same for a folder with one for each peer in it. */
export const inFolders = (options: Options, folder: string): Effect.Effect<void> => {
  const { fs, paths } = options
  return Effect.ignore(
    Effect.flatMap(
      fs.readDirectory(folder),
      (names) => Effect.forEach(names, (name) => inFolder(options, paths.join(folder, name)), { discard: true })
    )
  )
}
