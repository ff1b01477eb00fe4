/** The references of the packages that are published, as files. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import type * as PlatformError from "effect/PlatformError"
import * as Schema from "effect/Schema"
import * as Reference from "./reference.ts"

const Manifest = Schema.fromJsonString(Schema.Struct({
  name: Schema.String,
  private: Schema.optionalKey(Schema.Boolean),
  exports: Schema.optionalKey(Schema.Unknown)
}))

/** A package's reference and where it belongs. */
export interface PackageReference extends Reference.Reference {
  readonly name: string
  /** The file that it is kept in. */
  readonly file: string
  /** What that file says now; empty where there is none. */
  readonly written: string
}

/** The references of all published packages of the workspace at `root` that programs import. */
export const all = (
  root: string
): Effect.Effect<
  ReadonlyArray<PackageReference>,
  PlatformError.PlatformError | Schema.SchemaError,
  FileSystem.FileSystem | Path.Path
> =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const folders = (yield* fs.readDirectory(path.join(root, "packages"))).toSorted()
    const found: Array<PackageReference> = []
    for (const folder of folders) {
      const home = path.join(root, "packages", folder)
      const manifest = yield* fs.readFileString(path.join(home, "package.json")).pipe(
        Effect.flatMap(Schema.decodeUnknownEffect(Manifest))
      )
      // A package without exports is a command, of which nothing is imported.
      if (manifest.private === true || manifest.exports === undefined) continue
      const names = (yield* fs.readDirectory(path.join(home, "src"), { recursive: true }))
        .filter((name) => name.endsWith(".ts") && name !== "index.ts")
      const texts = new Map(
        yield* Effect.forEach(names, (name) =>
          Effect.map(fs.readFileString(path.join(home, "src", name)), (text) => [name, text] as const))
      )
      const sources = [...texts].filter(([name]) =>
        !name.includes(path.sep)
      ).map(([name, text]) => ({
        module: name.slice(0, -3),
        text
      }))
      const file = path.join(home, "API.md")
      const written = (yield* fs.exists(file)) ? yield* fs.readFileString(file) : ""
      found.push({ ...Reference.make(manifest.name, sources, texts), name: manifest.name, file, written })
    }
    return found
  })
