/** What files of secrets and of trust have in common. */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import type * as Path from "effect/Path"
import type * as PlatformError from "effect/PlatformError"

/** Why the system refused something: its own words, which have the errno and the path, where there are any. */
export const reasonOf = (cause: unknown): string => {
  for (let at = cause, depth = 0; depth < 4 && typeof at === "object" && at !== null; depth++) {
    if ("code" in at && typeof at.code === "string" && "message" in at && typeof at.message === "string") {
      return at.message
    }
    at = "cause" in at && at.cause !== undefined ? at.cause : "reason" in at ? at.reason : undefined
  }
  return cause instanceof Error ? cause.message : String(cause)
}

/** Whether the mode and the owner of a file say anything. */
export const modeIsMeaningful = process.platform !== "win32"

/**
 * The owner of a file, where it is neither this process's user nor root, who may do anything: such a file is in the hands of
 * somebody else, whatever its mode says, also for a process of root that could read any.
 */
export const strangerOf = (info: FileSystem.File.Info): number | undefined => {
  const self = process.geteuid?.()
  const owner = Option.getOrUndefined(info.uid)
  return !modeIsMeaningful || self === undefined || owner === undefined || owner === self || owner === 0
    ? undefined
    : owner
}

export const isNotFound = (error: PlatformError.PlatformError): boolean => error.reason._tag === "NotFound"

/** Nothing is there, or can be, as a part of its path is no folder: the home of some users of systems is /dev/null. */
export const isAbsent = (error: PlatformError.PlatformError): boolean =>
  isNotFound(error) ||
  "cause" in error.reason && (error.reason.cause as { readonly code?: unknown } | undefined)?.code === "ENOTDIR"

/**
 * Makes a folder for its owner alone, with those above it that are missing. One at a time, since Node's own `recursive` tries for ever
 * where a folder is there and none can be made in it for the reason that there is no such thing, as in /proc.
 */
export const makeFolder = (
  fs: FileSystem.FileSystem,
  paths: Path.Path,
  folder: string
): Effect.Effect<void, PlatformError.PlatformError> => {
  const make = fs.makeDirectory(folder, { mode: 0o700 })
  const above = paths.dirname(folder)
  return make.pipe(
    Effect.catchIf(
      (error) => isNotFound(error) && above !== folder,
      () => Effect.andThen(makeFolder(fs, paths, above), make)
    ),
    // It may be there, or have been made by another process meanwhile; what the system calls that differs.
    Effect.catch((error) =>
      Effect.flatMap(
        Effect.orElseSucceed(Effect.map(fs.stat(folder), ({ type }) => type), () => undefined),
        (type) => type === "Directory" ? Effect.void : Effect.fail(error)
      )
    )
  )
}
