/**
 * Makes a folder for its owner alone, with those above it that are missing. One at a time, since Node's own `recursive` tries for ever where a folder is there and none
 * can be made in it for the reason that there is no such thing, as below `/proc`.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"

const make = (fs: FileSystem.FileSystem, paths: Path.Path, folder: string): Effect.Effect<void, PlatformError> => {
  const one = fs.makeDirectory(folder, { mode: 0o700 })
  const above = paths.dirname(folder)
  return one.pipe(
    Effect.catchIf(
      ({ reason }) => reason._tag === "NotFound" && above !== folder,
      () => Effect.andThen(make(fs, paths, above), one)
    ),
    // It may be there, or another command have made it meanwhile; what the system calls that differs.
    Effect.catch((error) =>
      Effect.flatMap(
        Effect.option(fs.stat(folder)),
        (found) => found._tag === "Some" && found.value.type === "Directory" ? Effect.void : Effect.fail(error)
      )
    )
  )
}

/** Has a folder be there. */
export const makeFolder = (
  folder: string
): Effect.Effect<void, PlatformError, FileSystem.FileSystem | Path.Path> =>
  Effect.flatMap(FileSystem.FileSystem, (fs) => Effect.flatMap(Path.Path, (paths) => make(fs, paths, folder)))
