/**
 * Looks at what is to be sent: each folder, file and link below the paths that were given, in the order of their names, so that the same tree gives the
 * same list. What cannot be read is noted, and the rest goes on.
 *
 * What bites: one folder is held in memory at a time, of each level.
 */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import type * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import type { Batches } from "../FileBatches.ts"
import type { Hasher } from "../FileHash.ts"
import { FileError, SourceError } from "../TransferError.ts"
import { fileError, isNotFound, mtimeOf, sizeOf } from "./faults.ts"
import { Builder, type Manifest } from "./manifest.ts"
import { faultOf, faultText, partialFolder } from "./names.ts"
import * as Wire from "./wire.ts"

/** What becomes of symbolic links: sent as links, as what they lead to, or not at all. */
export type SourceLinks = "keep" | "follow" | "skip"

export interface Options {
  readonly links: SourceLinks
  readonly entries: number
  readonly depth: number
  /** By which many are looked at at once, where the platform can. */
  readonly batches?: Batches | undefined
}

/** A path that was given, and the name that it arrives under. */
export interface Root {
  readonly name: string
  readonly path: string
}

export interface Scanned {
  readonly manifest: Manifest
  /** What is not in it, and why: the first hundred, and how many there are. */
  readonly problems: ReadonlyArray<FileError>
  readonly skipped: number
}

const problemsKept = 100
/** So many of a folder are looked at together. */
const batch = 256

/** The names that paths arrive under. */
export const rootsOf = (
  fs: FileSystem.FileSystem,
  paths: Path.Path,
  given: ReadonlyArray<string>
): Effect.Effect<ReadonlyArray<Root>, SourceError> =>
  Effect.gen(function*() {
    if (given.length === 0) return yield* new SourceError({ path: "", kind: "Nothing", detail: "" })
    const names = new Set<string>()
    return yield* Effect.forEach(given, (path) =>
      Effect.gen(function*() {
        const real = yield* Effect.mapError(
          fs.realPath(path),
          (error) =>
            new SourceError({ path, kind: isNotFound(error) ? "Missing" : "Unreadable", detail: error.message })
        )
        // Of a link, its own name; of "." and the like that of what it is.
        const own = paths.basename(paths.resolve(path))
        const name = own === "" ? paths.basename(real) : own
        const fault = faultOf(name, "posix")
        if (fault !== undefined) {
          return yield* new SourceError({ path, kind: "NoName", detail: faultText[fault] })
        }
        if (names.has(name)) return yield* new SourceError({ path, kind: "SameName", detail: name })
        names.add(name)
        return { name, path: real }
      }))
  })

/** One look at all of it. */
class Scan {
  readonly #fs: FileSystem.FileSystem
  readonly #paths: Path.Path
  readonly #options: Options
  readonly #builder: Builder
  readonly #first: string
  readonly problems: Array<FileError> = []
  skipped = 0

  constructor(fs: FileSystem.FileSystem, paths: Path.Path, builder: Builder, first: string, options: Options) {
    this.#fs = fs
    this.#paths = paths
    this.#builder = builder
    this.#first = first
    this.#options = options
  }

  #refuse(path: string, kind: FileError["kind"], detail: string): Effect.Effect<void> {
    this.skipped++
    if (this.problems.length < problemsKept) this.problems.push(new FileError({ path, kind, detail }))
    return Effect.void
  }

  #unread(path: string, error: PlatformError): Effect.Effect<void> {
    return this.#refuse(path, "SourceFailed", fileError(path, error).detail)
  }

  #add(entry: Wire.Entry): Effect.Effect<void, SourceError> {
    const { entries } = this.#options
    if (this.#builder.entries >= entries) {
      return Effect.fail(new SourceError({ path: this.#first, kind: "TooMany", detail: `over ${entries} entries` }))
    }
    this.#builder.add(entry)
    return Effect.void
  }

  /** Something that was looked at; `above` are the folders that it is in. */
  visit(
    name: string,
    path: string,
    shown: string,
    info: FileSystem.File.Info,
    above: ReadonlyArray<string>
  ): Effect.Effect<void, SourceError> {
    const mode = info.mode & 0o7777
    switch (info.type) {
      case "File":
        return this.#add({ _tag: "File", name, size: sizeOf(info), mode, mtime: mtimeOf(info) })
      case "Directory":
        return this.#folder(name, path, shown, info, above)
      case "SymbolicLink":
        return this.#options.links === "skip" ? Effect.void : Effect.matchEffect(this.#fs.readLink(path), {
          onFailure: (error) => this.#unread(shown, error),
          onSuccess: (target) =>
            Wire.cut(target, Wire.longestText) === target
              ? this.#add({ _tag: "Link", name, target })
              : this.#refuse(shown, "LinkRefused", "its target is too long, or no text")
        })
      default:
        return this.#refuse(shown, "NotAFile", info.type)
    }
  }

  #folder(
    name: string,
    path: string,
    shown: string,
    info: FileSystem.File.Info,
    above: ReadonlyArray<string>
  ): Effect.Effect<void, SourceError> {
    const { depth } = this.#options
    const self = `${info.dev}:${Option.getOrElse(info.ino, () => path)}`
    return Effect.gen({ self: this }, function*() {
      if (above.includes(self)) return yield* this.#refuse(shown, "LinkRefused", "it leads to a folder that it is in")
      if (above.length >= depth) {
        return yield* this.#refuse(shown, "PathTooLong", `over ${depth} folders in one another`)
      }
      const listed = yield* Effect.result(this.#fs.readDirectory(path))
      if (listed._tag === "Failure") return yield* this.#unread(shown, listed.failure)
      yield* this.#add({ _tag: "Folder", name, mode: info.mode & 0o7777, mtime: mtimeOf(info) })
      const names = listed.success.filter((name) => name !== partialFolder).sort()
      const within = [...above, self]
      for (let at = 0; at < names.length; at += batch) {
        yield* this.#some(path, shown, names.slice(at, at + batch), within)
      }
      yield* this.#add({ _tag: "Leave" })
    })
  }

  /** Some of what is in a folder, which is looked at together. */
  #some(
    folder: string,
    shown: string,
    names: ReadonlyArray<string>,
    above: ReadonlyArray<string>
  ): Effect.Effect<void, SourceError> {
    const { batches, links } = this.#options
    const follow = links === "follow"
    return Effect.gen({ self: this }, function*() {
      const all = names.map((name) => this.#paths.join(folder, name))
      // What is no file, or cannot be looked at, is looked at by itself.
      const files = batches === undefined ? [] : yield* batches.look(all, follow)
      const looked = yield* Effect.forEach(
        all,
        (path, index) =>
          files[index] === undefined
            ? Effect.result(follow ? this.#fs.stat(path) : this.#fs.lstat(path))
            : Effect.succeed(undefined),
        { concurrency: 16 }
      )
      for (const [index, info] of looked.entries()) {
        const name = names[index]!
        const below = `${shown}/${name}`
        const fault = faultOf(name, "posix")
        const file = files[index]
        if (fault !== undefined) yield* this.#refuse(below, "NameRefused", faultText[fault])
        else if (file !== undefined) {
          const { mode, mtime, size } = file
          yield* this.#add({ _tag: "File", name, size, mode: mode & 0o7777, mtime })
        } else if (info?._tag === "Failure") yield* this.#unread(below, info.failure)
        else if (info !== undefined) yield* this.visit(name, all[index]!, below, info.success, above)
      }
    })
  }
}

/** Looks at all of it. */
export const scan = (
  fs: FileSystem.FileSystem,
  paths: Path.Path,
  roots: ReadonlyArray<Root>,
  hash: Hasher,
  options: Options
): Effect.Effect<Scanned, SourceError> =>
  Effect.gen(function*() {
    const builder = new Builder(hash)
    const scan = new Scan(fs, paths, builder, roots[0]?.path ?? "", options)
    for (const { name, path } of roots) {
      const info = yield* Effect.mapError(
        fs.stat(path),
        (error) => new SourceError({ path, kind: "Unreadable", detail: error.message })
      )
      yield* scan.visit(name, path, name, info, [])
    }
    return { manifest: builder.finish(), problems: scan.problems, skipped: scan.skipped }
  })
