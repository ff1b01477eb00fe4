/**
 * Where files land. What is not whole is in a folder of its own in the one that is received into, under names made here; it gets its own name, on the
 * same file system, when what is on the disk has the hash that the sender said, is synced, and has its mode and time. Each folder on the way there is
 * one, and no link to one.
 *
 * What bites: whoever else writes into the folder meanwhile can be seen or not; what is there already is not replaced unless the policy says so.
 */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Latch from "effect/Latch"
import type * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import type * as Scope from "effect/Scope"
import type { ToLand } from "../FileBatches.ts"
import type { Make } from "../FileHash.ts"
import { FileError } from "../TransferError.ts"
import { fileError, isNotFound, isTaken, secondsOf, sizeOf } from "./faults.ts"
import * as Journal from "./journal.ts"
import { beside, faultOf, faultText, folded, leadsInside, partialFolder, type Rules } from "./names.ts"
import { hexOfHash, sameBytes } from "./platform.ts"
import { readFully } from "./reading.ts"
import type * as Wire from "./wire.ts"

/** What becomes of a file whose name is taken by another one. */
export type Collisions = "rename" | "overwrite" | "skip"

export interface Options {
  readonly fs: FileSystem.FileSystem
  readonly paths: Path.Path
  /** The folder that is received into. */
  readonly folder: string
  readonly rules: Rules
  readonly collisions: Collisions
  readonly links: "inside" | "skip"
  /** Whether modes are set. */
  readonly modes: boolean
  /** The permissions that nothing gets, whatever the sender says. */
  readonly umask: number
  /** Whether what has landed is synced. */
  readonly durable: boolean
  readonly hash: Make
  /** The name of the folder for what is not whole. */
  readonly key: string
  readonly entries: number
}

/** A folder that gets its mode and time at the end, by the one that it is in: the path of each would be long where there are many. */
interface Entered {
  readonly above: Entered | undefined
  readonly name: string
  readonly mode: number
  readonly mtime: number
  readonly made: boolean
}

/** A folder that is being received. */
export interface Folder {
  readonly entered: Entered | undefined
  readonly path: string
  /** What stands before the names in it. */
  readonly within: string
  /** Its path as the sender says it. */
  readonly shown: string
  readonly depth: number
  /** It was made by this transfer, now: nothing was in it then. */
  readonly fresh: boolean
  /** What has been said to be in it, so that no name comes twice; folded, whether something that folds to the same has come. */
  readonly names: Set<string>
  readonly foldedNames: Set<string>
}

/** A file that is to land. */
export interface Target {
  readonly folder: Folder
  readonly entry: Wire.FileEntry
  readonly shown: string
  readonly final: string
  readonly part: string
  /** What the journal has it by. */
  readonly key: string
  /** Where it is to be, as this file system has that. */
  readonly where: string
  /** Another file of this transfer may have the same name, as this file system has it. */
  readonly ambiguous: boolean
  /** That other one, while it has no name yet. */
  readonly behind: Latch.Latch | undefined
  /** Opened when this one has its name, or will have none. */
  readonly placed: Latch.Latch
}

/** What is to be done for a file. */
export type Plan =
  | { readonly _tag: "Had" }
  | { readonly _tag: "Fetch"; readonly offset: number }
  | { readonly _tag: "Compare"; readonly digest: Uint8Array; readonly renamed: boolean }

/** What was written is not what was sent. */
export const corrupt = "corrupt"

const scratch = 1_048_576

const within = (paths: Path.Path, folder: string) => paths.join(folder, "a").slice(0, -1)
const spentName = "spent"

export class Landing {
  readonly options: Options
  readonly top: Folder
  /** So much is being done here that no sender is to blame for. */
  working = 0
  /** What has been written, whatever became of it. */
  readonly brought = { bytes: 0, entries: 0 }
  readonly #journal: Journal.Journal
  readonly #home: string
  /** What stands before the names of parts. */
  readonly #parted: string
  /** What the second names of files that have landed become, one after another: to take each away would be two steps instead of one. */
  readonly #spent: string
  /** Parts that were there when it began. */
  readonly #parts: Set<string>
  /** Of the files that have no name yet, by what that folds to. */
  readonly #placing = new Map<string, Latch.Latch>()
  readonly #foldsCase: boolean
  readonly #folders: Array<Entered> = []

  constructor(options: Options, home: string, journal: Journal.Journal, parts: Set<string>, foldsCase: boolean) {
    this.options = options
    this.#foldsCase = foldsCase
    this.#home = home
    this.#parted = within(options.paths, home)
    this.#spent = options.paths.join(home, spentName)
    this.#journal = journal
    this.#parts = parts
    this.top = {
      entered: undefined,
      path: options.folder,
      within: within(options.paths, options.folder),
      shown: "",
      depth: 0,
      fresh: false,
      names: new Set(),
      foldedNames: new Set()
    }
  }

  get flush() {
    return this.#journal.flush
  }

  /** Of the permissions that the sender says, those that a file may have here. */
  #modeOf(mode: number): number {
    return mode & 0o777 & ~this.options.umask
  }

  // --- names -----------------------------------------------------------------------------------------------------------------

  #keyOf(kind: string, shown: string, rest: string): string {
    return hexOfHash(`${kind}\0${shown}\0${rest}`, this.options.hash).slice(0, 2 * Journal.keyLength)
  }

  /** Takes a name that the sender says, once. */
  name(folder: Folder, name: string): { readonly shown: string; readonly path: string } | FileError | "twice" {
    const shown = folder.shown === "" ? name : `${folder.shown}/${name}`
    const fault = faultOf(name, this.options.rules)
    // One that is refused is not kept: it may be long.
    if (fault !== undefined) return new FileError({ path: shown, kind: "NameRefused", detail: faultText[fault] })
    if (folder.names.has(name)) return "twice"
    folder.names.add(name)
    // A name is one segment, and none that leads anywhere.
    return { shown, path: folder.within + name }
  }

  // --- folders and links -----------------------------------------------------------------------------------------------------

  enter(folder: Folder, shown: string, path: string, mode: number, mtime: number): Effect.Effect<Folder, FileError> {
    const { fs } = this.options
    const key = this.#keyOf("folder", shown, "")
    const before = this.#journal.landed.has(key)
    // Noted before, so that it is known for this transfer's whenever the process ends.
    const make = Effect.suspend(() => {
      this.#journal.note(key)
      return Effect.map(Effect.andThen(this.#journal.flush, fs.makeDirectory(path)), () => {
        this.brings(1, 0)
        return true
      })
    })
    const there = Effect.flatMap(
      fs.lstat(path),
      ({ mode, type }): Effect.Effect<boolean, PlatformError | FileError> =>
        type !== "Directory"
          ? Effect.fail(
            new FileError({ path: shown, kind: "InTheWay", detail: `a ${type} is where the folder is to be` })
          )
          // It has its own mode by the time when all was there.
          : before && (mode & 0o700) !== 0o700
          ? Effect.as(fs.chmod(path, mode & 0o777 | 0o700), false)
          : Effect.succeed(false)
    )
    // In a folder that was made a moment ago there is nothing, unless another name means the same.
    const whichever: Effect.Effect<boolean, PlatformError | FileError> = folder.fresh
      ? Effect.catchIf(make, isTaken, () => there)
      : Effect.catchIf(
        there,
        (error): error is PlatformError => error._tag === "PlatformError" && isNotFound(error),
        () => make
      )
    return Effect.map(
      Effect.catchTag(whichever, "PlatformError", (error) => Effect.fail(fileError(shown, error))),
      (fresh) => {
        const name = this.options.paths.basename(path)
        const entered: Entered = { above: folder.entered, name, mode, mtime, made: fresh || before }
        this.#folders.push(entered)
        return {
          entered,
          path,
          within: path + this.options.paths.sep,
          shown,
          depth: folder.depth + 1,
          fresh,
          names: new Set(),
          foldedNames: new Set()
        }
      }
    )
  }

  link(folder: Folder, shown: string, path: string, target: string): Effect.Effect<void, FileError> {
    const { collisions, fs, links, rules } = this.options
    if (links === "skip") {
      return Effect.fail(new FileError({ path: shown, kind: "LinkRefused", detail: "links are not wanted" }))
    }
    if (!leadsInside(target, folder.depth, rules)) {
      return Effect.fail(
        new FileError({ path: shown, kind: "LinkRefused", detail: "it leads out of what is received" })
      )
    }
    const make = Effect.map(fs.symlink(target, path), () => this.brings(1, 0))
    const taken = Effect.flatMap(
      Effect.option(fs.readLink(path)),
      (there): Effect.Effect<void, FileError | PlatformError> =>
        there._tag === "Some" && there.value === target || collisions === "skip"
          ? Effect.void
          : there._tag === "Some" && collisions === "overwrite"
          ? Effect.andThen(fs.remove(path), make)
          : Effect.fail(new FileError({ path: shown, kind: "InTheWay", detail: "something else has its name" }))
    )
    return Effect.catchIf(make, isTaken, () => taken).pipe(
      Effect.catchTag("PlatformError", (error) => Effect.fail(fileError(shown, error)))
    )
  }

  // --- what is to be done ----------------------------------------------------------------------------------------------------

  target(folder: Folder, entry: Wire.FileEntry, shown: string, path: string): Target {
    const key = this.#keyOf("file", shown, `${entry.size}:${entry.mtime}`)
    const fold = this.#foldsCase ? folded(entry.name) : entry.name.normalize("NFC")
    const ambiguous = folder.foldedNames.has(fold)
    folder.foldedNames.add(fold)
    const where = `${folder.shown}/${fold}`
    const behind = ambiguous ? this.#placing.get(where) : undefined
    const placed = Latch.makeUnsafe()
    this.#placing.set(where, placed)
    const part = `${this.#parted}${key}.part`
    return { folder, entry, shown, final: path, key, where, ambiguous, behind, placed, part }
  }

  /** Nothing more is done about a file. */
  done({ placed, where }: Target): void {
    placed.openUnsafe()
    if (this.#placing.get(where) === placed) this.#placing.delete(where)
  }

  /** Nothing can be there of a file, since its folder is new, and nothing was known of it before: it is fetched whole. */
  isNew({ ambiguous, folder, key }: Target): boolean {
    return folder.fresh && !ambiguous && !this.#parts.has(`${key}.part`) && !this.#journal.landed.has(key)
  }

  plan(target: Target): Effect.Effect<Plan, FileError> {
    const { collisions, fs, paths } = this.options
    const { entry, final, folder, key, shown } = target
    const renamed = this.#journal.landed.get(key)
    const isThere = (path: string) =>
      Effect.map(Effect.option(fs.lstat(path)), (info) => info._tag === "Some" ? info.value : undefined)
    return Effect.gen({ self: this }, function*() {
      if (renamed !== undefined) {
        const own = renamed === "" ? final : paths.join(folder.path, renamed)
        const info = yield* isThere(own)
        if (info?.type === "File" && sizeOf(info) === entry.size) {
          if (renamed === "") return { _tag: "Had" } as const
          return { _tag: "Compare", digest: yield* this.#digestOf(own), renamed: true } as const
        }
      }
      if (target.behind !== undefined) yield* target.behind.await
      const info = folder.fresh && !target.ambiguous ? undefined : yield* isThere(final)
      if (info !== undefined) {
        if (collisions === "skip" && !target.ambiguous) return { _tag: "Had" } as const
        if (info.type === "Directory" && collisions === "overwrite") {
          return yield* new FileError({ path: shown, kind: "InTheWay", detail: "a folder has its name" })
        }
        // It may be there from before, under its name or, where that was taken, beside it.
        for (let count = 0, at = final, there: FileSystem.File.Info | undefined = info; there !== undefined;) {
          if (there.type === "File" && sizeOf(there) === entry.size) {
            return { _tag: "Compare", digest: yield* this.#digestOf(at), renamed: count > 0 } as const
          }
          if (collisions === "overwrite") break
          at = paths.join(folder.path, beside(entry.name, ++count))
          there = yield* isThere(at)
        }
      }
      return { _tag: "Fetch", offset: yield* this.#offsetOf(target) } as const
    }).pipe(Effect.catchTag("PlatformError", (error) => Effect.fail(fileError(shown, error))))
  }

  /** How much of a file is there from before. */
  #offsetOf({ entry, part }: Target): Effect.Effect<number> {
    if (!this.#parts.has(this.options.paths.basename(part))) return Effect.succeed(0)
    return Effect.map(Effect.option(this.options.fs.lstat(part)), (info) => {
      if (info._tag === "None" || info.value.type !== "File") return 0
      const size = sizeOf(info.value)
      // It may be a file that has its name already, and is to be left alone.
      const alone = info.value.nlink._tag === "None" || info.value.nlink.value === 1n
      return size <= entry.size && alone ? size : 0
    })
  }

  /** So many more have been made, and so many bytes are about to be written. */
  brings(entries: number, bytes: number): void {
    this.brought.entries += entries
    this.brought.bytes += bytes
  }

  /** Does something here, however long that takes. */
  work<A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    return Effect.suspend(() => {
      this.working++
      return Effect.ensuring(effect, Effect.sync(() => void this.working--))
    })
  }

  #digestOf(path: string): Effect.Effect<Uint8Array, PlatformError> {
    const { fs, hash } = this.options
    return this.work(Effect.scoped(Effect.gen(function*() {
      const file = yield* fs.open(path, { flag: "r" })
      const hasher = hash()
      yield* hashRange(file, hasher, 0, Infinity)
      return hasher.digest()
    })))
  }

  // --- writing ---------------------------------------------------------------------------------------------------------------

  /** Opens the file that bytes are written to, from an offset. */
  part(target: Target, offset: number): Effect.Effect<FileSystem.File, PlatformError, Scope.Scope> {
    const { fs, paths } = this.options
    const { entry, part } = target
    const open = (flag: FileSystem.OpenFlag) => fs.open(part, { flag, mode: this.#modeOf(entry.mode) | 0o600 })
    const known = this.#parts.has(paths.basename(part))
    if (offset > 0) return Effect.tap(open("r+"), (file) => file.seek(BigInt(offset), "start"))
    return known ? Effect.andThen(fs.remove(part, { force: true }), open("wx+")) : open("w+")
  }

  /** A small file whose bytes are all there, for who writes many at once; not one that something is known of that stands in its way. */
  small(target: Target, bytes: Uint8Array, digest: Uint8Array): ToLand | undefined {
    const { collisions, modes, paths } = this.options
    const { ambiguous, entry, final, part } = target
    if (ambiguous || this.#parts.has(paths.basename(part))) return undefined
    const mode = this.#modeOf(entry.mode)
    const made = mode | 0o600
    return {
      part,
      final,
      replace: collisions === "overwrite",
      bytes,
      digest,
      mode: made,
      chmod: modes && mode !== (made & ~this.#journal.umask) ? mode : undefined,
      seconds: secondsOf(entry.mtime)
    }
  }

  /** Something may be there of a file that has not landed with many others. */
  doubt({ part }: Target): void {
    this.#parts.add(this.options.paths.basename(part))
  }

  /** What is wrong with a file whose bytes are all written, of which `digest` is what is on the disk; then it gets its mode, time and name. */
  settle(
    target: Target,
    file: FileSystem.File,
    digest: Uint8Array,
    expected: Uint8Array
  ): Effect.Effect<typeof corrupt | "landed" | "kept", FileError> {
    const { durable, fs, modes } = this.options
    const { entry, part, shown } = target
    if (!sameBytes(digest, expected)) return Effect.succeed(corrupt)
    const mode = this.#modeOf(entry.mode)
    const made = (mode | 0o600) & ~this.#journal.umask
    return Effect.gen({ self: this }, function*() {
      if (durable) yield* file.sync
      const seconds = secondsOf(entry.mtime)
      yield* fs.utimes(part, seconds, seconds)
      if (modes && mode !== made) yield* fs.chmod(part, mode)
      return yield* this.#place(target, digest)
    }).pipe(Effect.catchTag("PlatformError", (error) => Effect.fail(fileError(shown, error))))
  }

  /** Takes away what was written of a file. */
  discard({ part }: Target): Effect.Effect<void> {
    this.#parts.delete(this.options.paths.basename(part))
    return Effect.ignore(this.options.fs.remove(part, { force: true }))
  }

  // --- the name --------------------------------------------------------------------------------------------------------------

  /** It is there, under a name that is noted. */
  note(target: Target, renamed = ""): void {
    this.#journal.note(target.key, renamed)
  }

  #place(target: Target, digest: Uint8Array): Effect.Effect<"landed" | "kept", PlatformError | FileError> {
    const { collisions, fs } = this.options
    const { ambiguous, final, part, shown } = target
    if (collisions === "overwrite" && !ambiguous) {
      return Effect.flatMap(
        Effect.option(fs.lstat(final)),
        (info): Effect.Effect<"landed", PlatformError | FileError> =>
          info._tag === "Some" && info.value.type === "Directory"
            ? Effect.fail(new FileError({ path: shown, kind: "InTheWay", detail: "a folder has its name" }))
            : this.#named(target, fs.rename(part, final))
      )
    }
    return Effect.flatMap(this.#without(part, final), (isNamed) =>
      isNamed
        ? this.#named(target, Effect.void)
        : collisions === "skip" && !ambiguous
        ? Effect.as(this.discard(target), "kept" as const)
        : this.#numbered(target, digest, 1))
  }

  /** A name beside the one that is taken; or none, where it is there under such a name already. */
  #numbered(
    target: Target,
    digest: Uint8Array,
    count: number
  ): Effect.Effect<"landed" | "kept", PlatformError | FileError> {
    const { fs, paths } = this.options
    const { entry, folder, part, shown } = target
    if (count > 9_999) {
      return Effect.fail(new FileError({ path: shown, kind: "InTheWay", detail: "all names beside it are taken" }))
    }
    const name = beside(entry.name, count)
    const path = paths.join(folder.path, name)
    return Effect.gen({ self: this }, function*() {
      const info = yield* Effect.option(fs.lstat(path))
      if (info._tag === "Some") {
        const isSame = info.value.type === "File" && sizeOf(info.value) === entry.size &&
          sameBytes(yield* this.#digestOf(path), digest)
        if (!isSame) return yield* this.#numbered(target, digest, count + 1)
        this.note(target, name)
        yield* this.discard(target)
        return "kept"
      }
      // Noted before, so that it is found again whenever the process ends.
      this.note(target, name)
      yield* this.#journal.flush
      return (yield* this.#without(part, path)) ? "landed" : yield* this.#numbered(target, digest, count + 1)
    })
  }

  #named(target: Target, move: Effect.Effect<void, PlatformError>) {
    return Effect.map(move, () => {
      this.note(target)
      return "landed" as const
    })
  }

  /** Gives a file its name unless something has it: a second name first, which fails where it is taken, and then not the first. */
  #without(part: string, path: string): Effect.Effect<boolean, PlatformError> {
    const { fs } = this.options
    return Effect.matchEffect(fs.link(part, path), {
      onSuccess: () => Effect.as(Effect.catch(fs.rename(part, this.#spent), () => fs.remove(part)), true),
      // Not every file system has second names.
      onFailure: (error) =>
        isTaken(error) ? Effect.succeed(false) : Effect.flatMap(
          Effect.option(fs.lstat(path)),
          (info) => info._tag === "None" ? Effect.as(fs.rename(part, path), true) : Effect.succeed(false)
        )
    })
  }

  // --- the end ---------------------------------------------------------------------------------------------------------------

  /** Gives folders their modes and times, the inner ones first. */
  leave(onProblem: (problem: FileError) => void): Effect.Effect<void> {
    const modeOf = (mode: number) => this.#modeOf(mode)
    const { durable, folder, fs, modes, paths } = this.options
    return Effect.forEach(this.#folders.reverse(), (entered) => {
      const names: Array<string> = []
      for (let at: Entered | undefined = entered; at !== undefined; at = at.above) names.unshift(at.name)
      const path = paths.join(folder, ...names)
      return Effect.gen(function*() {
        // Not every system syncs folders.
        if (durable) {
          yield* Effect.ignore(Effect.scoped(Effect.flatMap(fs.open(path, { flag: "r" }), (file) => file.sync)))
        }
        if (!entered.made) return
        yield* fs.utimes(path, secondsOf(entered.mtime), secondsOf(entered.mtime))
        if (modes) yield* fs.chmod(path, modeOf(entered.mode))
      }).pipe(Effect.catch((error) => Effect.sync(() => onProblem(fileError(names.join("/"), error)))))
    }, { discard: true })
  }

  /** Takes away what was kept for when the transfer would go on. */
  get clear(): Effect.Effect<void> {
    return Effect.ignore(this.options.fs.remove(this.#home, { recursive: true, force: true }))
  }
}

/** Hashes what is in a file from one place to another, or to its end; `into` is room for some of it, where the caller has some. */
export const hashRange = (
  file: FileSystem.File,
  hasher: ReturnType<Make>,
  from: number,
  to: number,
  into?: Uint8Array
): Effect.Effect<number, PlatformError> =>
  Effect.suspend(() => {
    const buffer = into ?? new Uint8Array(Math.min(scratch, to - from))
    const next = (at: number): Effect.Effect<number, PlatformError> => {
      if (at >= to) return Effect.succeed(at)
      const some = buffer.subarray(0, Math.min(buffer.length, to - at))
      return Effect.flatMap(readFully(file, some, at), (length) => {
        hasher.update(some.subarray(0, length))
        return length < some.length ? Effect.succeed(at + length) : next(at + length)
      })
    }
    return next(from)
  })

const partialOf = (fs: FileSystem.FileSystem, path: string): Effect.Effect<void, PlatformError | FileError> =>
  Effect.matchEffect(fs.lstat(path), {
    onFailure: (error) =>
      isNotFound(error)
        ? Effect.catchIf(fs.makeDirectory(path, { mode: 0o700 }), isTaken, () => Effect.void)
        : Effect.fail(error),
    onSuccess: ({ type }) => {
      if (type === "Directory") return Effect.void
      const detail = `a ${type} is where the folder for what is not whole is to be`
      return Effect.fail(new FileError({ path: partialFolder, kind: "InTheWay", detail }))
    }
  })

/** Opens a place for a transfer to land, with what is there of it from before. */
export const open = (options: Options): Effect.Effect<Landing, FileError, Scope.Scope> =>
  Effect.gen(function*() {
    const { entries, folder, fs, key, paths } = options
    const above = paths.join(folder, partialFolder)
    const home = paths.join(above, key)
    yield* partialOf(fs, above)
    yield* partialOf(fs, home)
    const foldsCase = yield* fs.exists(paths.join(folder, partialFolder.toUpperCase()))
    const spent = Effect.ignore(fs.remove(paths.join(home, spentName), { force: true }))
    yield* Effect.andThen(spent, Effect.addFinalizer(() => spent))
    const parts = new Set((yield* fs.readDirectory(home)).filter((name) => name.endsWith(".part")))
    const journal = yield* Journal.open(fs, paths.join(home, "journal"), entries)
    return new Landing(options, home, journal, parts, foldsCase)
  }).pipe(Effect.catchTag("PlatformError", (error) => Effect.fail(fileError("", error))))
