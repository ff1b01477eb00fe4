/** Writing a file so that it is there whole or not at all, whenever the power goes. */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as Path from "effect/Path"
import type * as PlatformError from "effect/PlatformError"
import * as Random from "effect/Random"

/** Puts a text in the place of a file, or in a place where there is none: whole, and readable by its owner alone. */
export const put = Effect.fnUntraced(function*(
  fs: FileSystem.FileSystem,
  paths: Path.Path,
  path: string,
  text: string,
  how: "replace" | "create"
): Effect.fn.Return<void, PlatformError.PlatformError> {
  // A link stays a link to the same place.
  const target = how === "create" ? path : yield* Effect.orElseSucceed(fs.realPath(path), () => path)
  const folder = paths.dirname(target)
  const random = (yield* Random.nextIntBetween(0, 2 ** 32)).toString(16)
  const temporary = paths.join(folder, `.${paths.basename(target)}.${process.pid}.${random}.tmp`)
  yield* Effect.scoped(Effect.gen(function*() {
    const file = yield* fs.open(temporary, { flag: "wx", mode: 0o600 })
    yield* Effect.addFinalizer(() => Effect.ignore(fs.remove(temporary, { force: true })))
    yield* file.writeAll(Buffer.from(text))
    yield* file.sync
    yield* how === "replace"
      ? fs.rename(temporary, target)
      : Effect.catchTag(fs.link(temporary, target), "PlatformError", (error) =>
        error.reason._tag === "AlreadyExists"
          ? Effect.void
          // Not every file system has links. This does not take the place of a file that somebody has put there.
          : Effect.catchTag(
            Effect.scoped(fs.open(target, { flag: "wx", mode: 0o600 })),
            "PlatformError",
            (error) => error.reason._tag === "AlreadyExists" ? Effect.void : Effect.fail(error)
          ).pipe(Effect.andThen(fs.rename(temporary, target))))
  }))
  // Makes the name durable as well, where folders can be synced.
  yield* Effect.ignore(Effect.scoped(Effect.flatMap(fs.open(folder, { flag: "r" }), (file) => file.sync)))
})
