/**
 * Reads the files of an offer for whoever pulls them. Several that pull the same file at one pace share what is read of it, and its hash; who falls
 * behind has it read again. Nothing depends on who reads first, or on its being interrupted.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as FileSystem from "effect/FileSystem"
import type * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import * as Scope from "effect/Scope"
import type { Batches } from "../FileBatches.ts"
import type { Hasher, Make } from "../FileHash.ts"
import type * as LargeFiles from "../LargeFiles.ts"
import { codeOf, isNotFound, mtimeOf, sizeOf } from "./faults.ts"
import type { Located, Manifest } from "./manifest.ts"
import type * as Wire from "./wire.ts"

/** What is no longer than this is read, and sent, in one piece. */
export const small = 262_144

const chunkOf = (size: number): number => size < 64 * 1_048_576 ? small : 524_288

/**
 * Where one alone pulls, so many buffers take turns: memory that is new for each part has the garbage collector run all the time. A stream has copied
 * what it was given when it asks for what comes two parts later; this is well behind that.
 */
const ring = 8
/** So many parts are read before they are sent. */
const readAhead = 3

/** Why there is no more of a file. */
export type Broken = "Changed" | { readonly failed: string }

export interface Whole {
  readonly bytes: Uint8Array
  readonly digest: Uint8Array
}

export interface Options {
  readonly fs: FileSystem.FileSystem
  readonly paths: Path.Path
  /** Where the names at the top are. */
  readonly roots: ReadonlyMap<string, string>
  readonly hash: Make
  /** By which small files are read many at once, where the platform can. */
  readonly batches?: Batches | undefined
  /** By which large files are read, where the platform can. */
  readonly large?: LargeFiles.Large | undefined
  /** Links are refused where files are to be, by the system itself. */
  readonly noFollow: boolean
  /** Links are sent as what they lead to. */
  readonly follow: boolean
  /** Whether several pull. */
  readonly shared: boolean
  /** Bytes that are kept for those who come a little later. */
  readonly keep: number
}

const brokenOf = (error: PlatformError): Broken =>
  isNotFound(error) ? "Changed" : { failed: codeOf(error) ?? error.reason._tag }

/** Of so many large files the hash is kept once it is known, so that who asks for a little of each has none of them read twice. */
const digestsKept = 4_096

/** Fills the buffer from the file, or as much of it as there is. */
export const readFully = (
  file: FileSystem.File,
  buffer: Uint8Array,
  at: number
): Effect.Effect<number, PlatformError> => {
  const from = (done: number): Effect.Effect<number, PlatformError> =>
    Effect.flatMap(
      file.read(done === 0 ? buffer : buffer.subarray(done), { position: BigInt(at + done) }),
      (length) => length === 0 || done + length === buffer.length ? Effect.succeed(done + length) : from(done + length)
    )
  return buffer.length === 0 ? Effect.succeed(0) : from(0)
}

/** A file that is open: for everyone who pulls it, or for one alone, who goes through it from one end to the other. */
class OpenFile {
  users = 0
  readonly chunk: number
  readonly #file: FileSystem.File
  readonly #scope: Scope.Closeable
  readonly #entry: Wire.FileEntry
  readonly #most: number
  readonly #ring: Array<Uint8Array> | undefined
  /** The thread that reads and hashes it, where it has one. */
  readonly #thread: LargeFiles.Reading | undefined
  readonly #hasher: Hasher
  #hashed = 0
  #isDigested = false
  /** Its hash, since somebody has had all of it read. */
  #known: Uint8Array | undefined
  readonly #onDigest: (digest: Uint8Array) => void
  readonly #chunks = new Map<number, Uint8Array>()
  readonly #reading = new Map<number, Deferred.Deferred<Uint8Array, Broken>>()

  constructor(
    file: FileSystem.File,
    scope: Scope.Closeable,
    entry: Wire.FileEntry,
    options: Options,
    known: Uint8Array | undefined,
    onDigest: (digest: Uint8Array) => void,
    thread: LargeFiles.Reading | undefined
  ) {
    this.#thread = thread
    this.#known = known
    this.#onDigest = onDigest
    this.#file = file
    this.#scope = scope
    this.#entry = entry
    this.#hasher = options.hash()
    this.chunk = chunkOf(entry.size)
    // The one that is read ahead, and the one that is sent, at the least.
    this.#most = Math.max(readAhead + 2, options.shared ? Math.floor(options.keep / this.chunk) : 0)
    this.#ring = options.shared ? undefined : []
  }

  get size() {
    return this.#entry.size
  }
  get close() {
    return Scope.close(this.#scope, Exit.void)
  }

  /** Whether it is still what the list says. */
  get unchanged(): Effect.Effect<void, Broken> {
    return Effect.flatMap(
      Effect.mapError(this.#file.stat, brokenOf),
      (info) => isSame(info, this.#entry) ? Effect.void : Effect.fail<Broken>("Changed")
    )
  }

  at(index: number): Effect.Effect<Uint8Array, Broken> {
    const kept = this.#chunks.get(index)
    if (kept !== undefined) return Effect.succeed(kept)
    return Effect.suspend(() => {
      const reading = this.#reading.get(index)
      return reading === undefined ? this.#read(index) : Deferred.await(reading)
    })
  }

  /** Begins to read the parts that are wanted soon, behind one that is. */
  ahead(index: number): Effect.Effect<unknown> {
    const next = Array.from({ length: this.#thread === undefined ? 1 : readAhead }, (_, some) => index + 1 + some)
    return Effect.forEach(next, (some) => this.#ahead(some), { discard: true })
  }

  #ahead(index: number): Effect.Effect<unknown> {
    return Effect.suspend(() =>
      index * this.chunk >= this.size || this.#chunks.has(index) || this.#reading.has(index)
        ? Effect.void
        : Effect.forkIn(Effect.ignore(this.#read(index)), this.#scope, { startImmediately: true })
    )
  }

  #buffer(index: number, length: number): Uint8Array {
    if (this.#ring === undefined) return new Uint8Array(length)
    const buffer = this.#ring[index % ring] ??= new Uint8Array(this.chunk)
    // It is not what it was any more.
    for (const old of this.#chunks.keys()) if (old % ring === index % ring) this.#chunks.delete(old)
    return length === this.chunk ? buffer : buffer.subarray(0, length)
  }

  #read(index: number): Effect.Effect<Uint8Array, Broken> {
    const done = Deferred.makeUnsafe<Uint8Array, Broken>()
    this.#reading.set(index, done)
    const start = index * this.chunk
    const length = Math.min(this.chunk, this.size - start)
    const buffer = this.#buffer(index, length)
    const filled = this.#thread === undefined
      ? Effect.map(readFully(this.#file, buffer, start), (length) => ({ bytes: buffer, length }))
      : this.#byThread(this.#thread, index, length)
    const read = Effect.flatMap(
      Effect.mapError(filled, brokenOf),
      (there) => there.length === length ? Effect.succeed(there.bytes) : Effect.fail<Broken>("Changed")
    )
    return Effect.onExit(Effect.uninterruptible(read), (exit) =>
      Effect.sync(() => {
        this.#reading.delete(index)
        if (Exit.isSuccess(exit)) this.#keep(index, exit.value)
        Deferred.doneUnsafe(done, exit)
      }))
  }

  /** Hands the buffer over, and has one back. */
  #byThread(thread: LargeFiles.Reading, index: number, length: number) {
    const slot = index % ring
    const start = index * this.chunk
    const buffer = this.#ring![slot]!
    this.#ring![slot] = undefined!
    return Effect.map(thread.get(buffer, length, start), (there) => {
      this.#ring![slot] = there.bytes
      if (start === this.#hashed) this.#hashed += there.length
      return { bytes: there.bytes.subarray(0, length), length: there.length }
    })
  }

  #keep(index: number, bytes: Uint8Array): void {
    this.#chunks.set(index, bytes)
    if (this.#thread === undefined) this.#hashWhatIsThere()
    for (const old of this.#chunks.keys()) {
      if (this.#chunks.size <= this.#most) break
      this.#chunks.delete(old)
    }
  }

  #hashWhatIsThere(): void {
    while (this.#hashed < this.size) {
      const bytes = this.#chunks.get(Math.floor(this.#hashed / this.chunk))
      if (bytes === undefined) return
      this.#hasher.update(bytes)
      this.#hashed += bytes.length
    }
  }

  /** Reads, and hashes, until so many bytes are. */
  #hashedTo(bytes: number): Effect.Effect<void, Broken> {
    return Effect.whileLoop({
      while: () => this.#hashed < bytes,
      body: () => {
        const index = Math.floor(this.#hashed / this.chunk)
        // A thread hashes what it reads.
        if (this.#thread !== undefined) this.#chunks.delete(index)
        return this.at(index)
      },
      step: () => this.#thread === undefined ? this.#hashWhatIsThere() : undefined
    })
  }

  /** Has everything before an offset hashed, for what is sent from there on; once, however often it is asked for. */
  hashTo(offset: number): Effect.Effect<void, Broken> {
    return this.#known !== undefined ? Effect.void : this.#hashedTo(offset - offset % this.chunk)
  }

  /** The hash of all of it, for who has been sent what is behind an offset. Who is sent all of it has it made of what was sent. */
  digest(offset: number): Effect.Effect<Uint8Array, Broken> {
    return Effect.suspend(() => {
      const known = this.#known
      if (known !== undefined && (offset > 0 || this.#isDigested)) return Effect.as(this.unchanged, known)
      const digest = this.#isDigested
        ? Effect.succeed(this.#known!)
        : this.#thread === undefined
        ? Effect.sync(() => this.#hasher.digest())
        : Effect.mapError(this.#thread.digest, brokenOf)
      return Effect.map(Effect.andThen(this.#hashedTo(this.size), Effect.andThen(this.unchanged, digest)), (digest) => {
        if (!this.#isDigested) {
          this.#isDigested = true
          this.#onDigest(this.#known = digest)
        }
        return digest
      })
    })
  }
}

const isSame = (info: FileSystem.File.Info, entry: Wire.FileEntry): boolean =>
  info.type === "File" && sizeOf(info) === entry.size && mtimeOf(info) === entry.mtime

export class Reading {
  readonly #options: Options
  readonly #open = new Map<number, Effect.Effect<OpenFile, Broken>>()
  readonly #wholes = new Map<number, Whole>()
  readonly #digests = new Map<number, Uint8Array>()
  #kept = 0
  readonly locator: Manifest["locator"]
  constructor(manifest: Manifest, options: Options) {
    this.#options = options
    this.locator = manifest.locator
  }

  #pathOf({ path: [top, ...below] }: Located): string {
    return this.#options.paths.join(this.#options.roots.get(top!)!, ...below)
  }

  /**
   * Whether the folders that a file is in are still those of the tree, and none a link by now. Looked at before and behind the opening of a file: in
   * between, who may write there can have them be others and back.
   */
  within({ path: [top, ...below] }: Located): Effect.Effect<void, Broken> {
    const { follow, fs, paths, roots } = this.#options
    if (follow) return Effect.void
    const folders = below.map((_, index) => paths.join(roots.get(top!)!, ...below.slice(0, index)))
    return Effect.forEach(folders, (path) =>
      Effect.flatMap(
        Effect.mapError(fs.lstat(path), brokenOf),
        ({ type }) => type === "Directory" ? Effect.void : Effect.fail<Broken>("Changed")
      ), { discard: true })
  }

  /** Opens a file that is what the list says. What is not is not opened: a pipe waits for who writes, and a device may do anything. */
  #opened(located: Located): Effect.Effect<FileSystem.File, Broken, Scope.Scope> {
    const { follow, fs, noFollow } = this.#options
    const path = this.#pathOf(located)
    return Effect.flatMap(
      Effect.mapError(follow ? fs.stat(path) : fs.lstat(path), brokenOf),
      (info) =>
        isSame(info, located.entry)
          ? Effect.mapError(fs.open(path, noFollow ? { noFollow } : {}), brokenOf)
          : Effect.fail<Broken>("Changed")
    )
  }

  /** Small files, as far as they can be read many at once. */
  many(
    files: ReadonlyArray<{ readonly number: number; readonly located: Located }>
  ): Effect.Effect<ReadonlyArray<Whole | undefined>> {
    const { batches, follow, shared } = this.#options
    if (batches === undefined) return Effect.succeed([])
    const kept = files.map(({ number }) => this.#wholes.get(number))
    const missing = files.filter((_, index) => kept[index] === undefined)
    const asked = missing.map(({ located }) => {
      const { mtime, size } = located.entry
      return { path: this.#pathOf(located), size, mtime }
    })
    return Effect.map(missing.length === 0 ? Effect.succeed([]) : batches.read(asked, follow), (read) => {
      if (shared) read.forEach((whole, index) => whole !== undefined && this.#keep(missing[index]!.number, whole))
      const found = read[Symbol.iterator]()
      return kept.map((whole) => whole ?? found.next().value)
    })
  }

  /** A small file, with its hash. */
  whole(number: number, located: Located): Effect.Effect<Whole, Broken> {
    const kept = this.#wholes.get(number)
    if (kept !== undefined) return Effect.succeed(kept)
    const bytes = new Uint8Array(located.entry.size)
    // Looked at behind the reading: what was changed before or meanwhile is another by then.
    const read = Effect.scoped(Effect.flatMap(this.#opened(located), (file) =>
      Effect.flatMap(
        Effect.mapError(readFully(file, bytes, 0), brokenOf),
        (length) =>
          Effect.flatMap(Effect.mapError(file.stat, brokenOf), (info) => {
            if (length !== bytes.length || !isSame(info, located.entry)) return Effect.fail<Broken>("Changed")
            const hash = this.#options.hash()
            hash.update(bytes)
            return Effect.succeed({ bytes, digest: hash.digest() })
          })
      )))
    return this.#options.shared ? Effect.tap(read, (whole) => Effect.sync(() => this.#keep(number, whole))) : read
  }

  #keep(number: number, whole: Whole): void {
    if (this.#wholes.has(number)) return
    this.#wholes.set(number, whole)
    this.#kept += whole.bytes.length + 256
    for (const [old, { bytes }] of this.#wholes) {
      if (this.#kept <= this.#options.keep) return
      this.#wholes.delete(old)
      this.#kept -= bytes.length + 256
    }
  }

  #noteDigest(number: number, digest: Uint8Array): void {
    this.#digests.set(number, digest)
    for (const old of this.#digests.keys()) {
      if (this.#digests.size <= digestsKept) break
      this.#digests.delete(old)
    }
  }

  /** A large file, open until the scope closes. What buffers take turns for is one's own: who else reads on would have them changed under it. */
  large(number: number, located: Located): Effect.Effect<OpenFile, Broken, Scope.Scope> {
    return this.#options.shared ? this.#shared(number, located) : Effect.acquireRelease(
      this.#openFile(number, located),
      (file) => file.close
    )
  }

  #shared(number: number, located: Located): Effect.Effect<OpenFile, Broken, Scope.Scope> {
    return Effect.acquireRelease(
      Effect.suspend(() => this.#open.get(number) ?? this.#openLarge(number, located)).pipe(
        Effect.tap((file) => Effect.sync(() => file.users++))
      ),
      (file) =>
        Effect.suspend(() => {
          if (--file.users > 0) return Effect.void
          this.#open.delete(number)
          return file.close
        })
    )
  }

  #openLarge(number: number, located: Located): Effect.Effect<OpenFile, Broken> {
    return Effect.gen({ self: this }, function*() {
      const done = Deferred.makeUnsafe<OpenFile, Broken>()
      this.#open.set(number, Deferred.await(done))
      const exit = yield* Effect.exit(this.#openFile(number, located))
      if (Exit.isFailure(exit)) this.#open.delete(number)
      Deferred.doneUnsafe(done, exit)
      return yield* exit
    })
  }

  /** A thread for a file, where one can be had and it is worth it. */
  #thread(located: Located, file: FileSystem.File) {
    const { follow, large, shared } = this.#options
    return large === undefined || shared || located.entry.size < large.from
      ? Effect.succeed(undefined)
      : Effect.flatMap(
        Effect.mapError(file.stat, brokenOf),
        (info) => large.read({ path: this.#pathOf(located), info }, follow)
      )
  }

  #openFile(number: number, located: Located): Effect.Effect<OpenFile, Broken> {
    return Effect.gen({ self: this }, function*() {
      const scope = yield* Scope.make()
      return yield* Effect.gen({ self: this }, function*() {
        yield* this.within(located)
        const opened = yield* this.#opened(located)
        const file = new OpenFile(
          opened,
          scope,
          located.entry,
          this.#options,
          this.#digests.get(number),
          (digest) => this.#noteDigest(number, digest),
          yield* this.#thread(located, opened)
        )
        yield* this.within(located)
        yield* file.unchanged
        return file
      }).pipe(
        Scope.provide(scope),
        Effect.onError(() => Scope.close(scope, Exit.void))
      )
    })
  }
}

export type { OpenFile }
