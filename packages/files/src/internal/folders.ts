/**
 * Makes folders, one after another from the first that is there. What bites: to leave that to the system's own way of making them all may never end, since
 * Node's begins anew for ever where a folder is there in which none can be made, as below `/proc`.
 */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import { isNotFound, isTaken } from "./faults.ts"

/** Has a folder be there, with those that it is in. */
export const ensure = (
  fs: FileSystem.FileSystem,
  paths: Path.Path,
  path: string
): Effect.Effect<void, PlatformError> => {
  const isFolder = Effect.map(fs.stat(path), ({ type }) => type === "Directory")
  // Somebody else may make it at the same time.
  const make = Effect.catchIf(
    Effect.suspend(() => fs.makeDirectory(path)),
    isTaken,
    (error) => Effect.flatMap(isFolder, (is) => is ? Effect.void : Effect.fail(error))
  )
  return Effect.matchEffect(isFolder, {
    onFailure: (error) => {
      const above = paths.dirname(path)
      return !isNotFound(error) || above === path ? make : Effect.andThen(ensure(fs, paths, above), make)
    },
    onSuccess: (is) => is ? Effect.void : make
  })
}
