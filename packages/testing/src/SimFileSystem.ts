/**
 * A disk in memory, with Effect's `FileSystem` over it: for tests of programs that keep files, with the faults that disks have as verbs. Room ends
 * (`capacity`), an operation fails when the test says so (`intercept`), a process is killed with its files half written (`Mount.kill`), the power goes
 * and takes what was not synced (`powerLoss`), a file system folds the case of names (`foldsCase`). What was read and written is counted.
 *
 * ```ts
 * const disk = SimFileSystem.make({ capacity: 1_000_000 })
 * const mount = disk.mount()
 * yield* program.pipe(Effect.provide(mount.layer))
 * assert.strictEqual(disk.text("/inbox/notes.txt"), "hello")
 * ```
 *
 * Paths are those of POSIX, and absolute. Owners' permission bits hold, for whoever it is. Times are those of Effect's `Clock`.
 *
 * What bites: `watch` and `chown` are not there, and temporary files have predictable names.
 *
 * @since 0.2.0
 */
import * as ByteSize from "effect/ByteSize"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as PlatformError from "effect/PlatformError"
import * as Stream from "effect/Stream"
import { Disk, DiskFault, type DiskFile, type DiskNode, type FaultCode } from "./internal/disk.ts"

/**
 * What a system refuses something with: the name of its error, as Node has it.
 *
 * @category models
 * @since 0.2.0
 */
export type Fault = FaultCode

/**
 * An operation on the disk that is about to be done.
 *
 * @category models
 * @since 0.2.0
 */
export interface Operation {
  /** The name of the function of `FileSystem`, or of `File`: `open`, `rename`, `read`, `write`, `sync`. */
  readonly method: string
  readonly path: string
  /** Of a read or a write: how many bytes, and where. */
  readonly bytes: number
  readonly offset: number
}

/**
 * How a disk is.
 *
 * @category models
 * @since 0.2.0
 */
export interface Options {
  /** Bytes of files that it holds. Default: any number. */
  readonly capacity?: number | undefined
  /** Whether names that differ in case or normal form alone are one. Default: no. */
  readonly foldsCase?: boolean | undefined
  /** The longest path, in characters. Default: 4096. */
  readonly longestPath?: number | undefined
  /** Keeps the sizes of files and not what is in them, which is read as whatever: for files of a hundred gigabytes. Default: no. */
  readonly hollow?: boolean | undefined
}

/**
 * The files of a disk as one process has them.
 *
 * @category models
 * @since 0.2.0
 */
export interface Mount {
  readonly fileSystem: FileSystem.FileSystem
  /** The file system, and the paths of POSIX. */
  readonly layer: Layer.Layer<FileSystem.FileSystem | Path.Path>
  /** The process is gone: whatever it still does with files fails, and nothing of it is done. */
  readonly kill: () => void
}

/**
 * Something on a disk, as it is.
 *
 * @category models
 * @since 0.2.0
 */
export interface Entry {
  readonly type: "File" | "Directory" | "SymbolicLink"
  /** What is in a file; a link's target as UTF-8; nothing of a folder, or on a hollow disk. */
  readonly bytes: Uint8Array
  readonly size: number
  readonly mode: number
  readonly mtime: number
}

/**
 * A disk.
 *
 * @category models
 * @since 0.2.0
 */
export interface SimDisk {
  /** The files as a process has them that starts now. */
  readonly mount: () => Mount
  /** Puts a file there, and the folders that it is in, past all faults. A text is its UTF-8; a number is a size on a hollow disk. */
  readonly put: (
    path: string,
    content: string | Uint8Array | number,
    options?: { readonly mode?: number; readonly mtime?: number }
  ) => void
  /** Makes a folder, and those that it is in. */
  readonly makeFolder: (path: string, options?: { readonly mode?: number; readonly mtime?: number }) => void
  /** Makes a symbolic link. */
  readonly link: (path: string, target: string) => void
  /** Takes away what is there, with all below it. */
  readonly remove: (path: string) => void
  /** What is in a file, as text. `undefined` where there is none. */
  readonly text: (path: string) => string | undefined
  /** Everything below a folder by its path from there, in order; links are not followed. */
  readonly tree: (path: string) => ReadonlyMap<string, Entry>
  /** Bytes that may be held, from now on. */
  capacity: number
  /** Bytes that are held. */
  readonly used: number
  /** Asked before each operation; what it gives is what that fails with. */
  intercept: ((operation: Operation) => Fault | undefined) | undefined
  /** What was not synced is gone from all files. Kill the mounts as well. */
  readonly powerLoss: () => void
  /** How often each operation was done, by its method, and how many bytes `read` and `write` took. */
  readonly counts: { readonly [method: string]: number }
  /** Bytes that were read of the files by their paths. */
  readonly bytesRead: ReadonlyMap<string, number>
}

const errorTags: Partial<Record<Fault, PlatformError.SystemErrorTag>> = {
  ENOENT: "NotFound",
  EEXIST: "AlreadyExists",
  EACCES: "PermissionDenied",
  ENOTDIR: "BadResource",
  EISDIR: "BadResource",
  ELOOP: "BadResource"
}

const failure = (method: string, path: string, cause: unknown): PlatformError.PlatformError =>
  PlatformError.systemError({
    _tag: cause instanceof DiskFault ? errorTags[cause.code] ?? "Unknown" : "Unknown",
    module: "FileSystem",
    method,
    pathOrDescriptor: path,
    cause
  })

const { TextDecoder, TextEncoder } = globalThis as unknown as {
  readonly TextEncoder: new() => { encode(text: string): Uint8Array }
  readonly TextDecoder: new() => { decode(bytes: Uint8Array): string }
}
const utf8 = (text: string) => new TextEncoder().encode(text)

const dateOf = (millis: number) => DateTime.toDateUtc(DateTime.makeUnsafe(millis))

const infoOf = (node: DiskNode): FileSystem.File.Info => ({
  type: node.type,
  mtime: Option.some(dateOf(node.mtime)),
  atime: Option.some(dateOf(node.mtime)),
  birthtime: Option.none(),
  dev: 1n,
  rdev: Option.none(),
  ino: Option.some(BigInt(node.ino)),
  mode: node.mode | { File: 0o100000, Directory: 0o040000, SymbolicLink: 0o120000 }[node.type],
  nlink: Option.some(BigInt(node.type === "File" ? node.links : 1)),
  uid: Option.some(1),
  gid: Option.some(1),
  size: ByteSize.bytes(node.size),
  blksize: Option.none(),
  blocks: Option.none()
})

const millisOf = (time: Date | number) => typeof time === "number" ? Math.floor(time * 1_000) : time.getTime()

/** One process and the disk. */
class Process {
  readonly disk: Disk
  readonly sim: { intercept: SimDisk["intercept"] }
  readonly counts: Record<string, number>
  readonly bytesRead: Map<string, number>
  isGone = false
  constructor(disk: Disk, sim: Process["sim"], counts: Record<string, number>, bytesRead: Map<string, number>) {
    this.disk = disk
    this.sim = sim
    this.counts = counts
    this.bytesRead = bytesRead
  }

  /** Does something on the disk, unless a fault is due. */
  run<A>(
    method: string,
    path: string,
    effect: (now: number) => A,
    bytes = 0,
    offset = 0
  ): Effect.Effect<A, PlatformError.PlatformError> {
    return Effect.flatMap(Clock.currentTimeMillis, (now) =>
      Effect.try({
        try: () => {
          // A fault may be the end of the process, too.
          const fault = this.isGone ? "EIO" : this.sim.intercept?.({ method, path, bytes, offset })
          if (fault !== undefined || this.isGone) throw new DiskFault(fault ?? "EIO", path)
          this.counts[method] = (this.counts[method] ?? 0) + 1
          return effect(now)
        },
        catch: (cause) => failure(method, path, cause)
      }))
  }

  open(path: string, options: Parameters<FileSystem.FileSystem["open"]>[1]) {
    const flag = options?.flag ?? "r"
    return this.run("open", path, (now) => {
      const place = this.disk.find(path, options?.noFollow !== true && !flag.includes("x"))
      if (place.node !== undefined && flag.includes("x")) throw new DiskFault("EEXIST", path)
      if (place.node === undefined) {
        if (flag.startsWith("r")) throw new DiskFault("ENOENT", path)
        return this.file(this.disk.makeFile(place.real, (options?.mode ?? 0o666) & ~0o022, now), path, flag)
      }
      if (place.node.type === "SymbolicLink") throw new DiskFault("ELOOP", path)
      // Folders are opened to be synced.
      if (place.node.type === "Directory") {
        if (flag !== "r") throw new DiskFault("EISDIR", path)
        return this.file(undefined, path, flag, place.node)
      }
      if (flag !== "r" && (place.node.mode & 0o200) === 0) throw new DiskFault("EACCES", path)
      if ((flag === "r" || flag.endsWith("+")) && (place.node.mode & 0o400) === 0) throw new DiskFault("EACCES", path)
      if (flag.startsWith("w")) this.disk.truncate(place.node, 0, now)
      return this.file(place.node, path, flag)
    })
  }

  file(node: DiskFile | undefined, path: string, flag: string, folder?: DiskNode): FileSystem.File {
    const { disk } = this
    let position = 0
    const data = (): DiskFile => {
      if (node === undefined) throw new DiskFault("EISDIR", path)
      return node
    }
    const read = (buffer: Uint8Array, options?: FileSystem.File.ReadOptions) =>
      Effect.suspend(() => {
        const at = options?.position === undefined ? position : Number(options.position)
        return this.run(
          "read",
          path,
          () => {
            const length = data().read(at, buffer, disk.hollow)
            if (options?.position === undefined) position += length
            this.counts.readBytes = (this.counts.readBytes ?? 0) + length
            this.bytesRead.set(path, (this.bytesRead.get(path) ?? 0) + length)
            return length
          },
          buffer.length,
          at
        )
      })
    const write = (bytes: Uint8Array) =>
      Effect.suspend(() => {
        const at = flag.startsWith("a") ? data().size : position
        return this.run(
          "write",
          path,
          (now) => {
            disk.write(data(), at, bytes, path, now)
            position = at + bytes.length
            this.counts.writeBytes = (this.counts.writeBytes ?? 0) + bytes.length
            return bytes.length
          },
          bytes.length,
          at
        )
      })
    return {
      [FileSystem.FileTypeId]: FileSystem.FileTypeId,
      stat: this.run("fstat", path, () => infoOf(node ?? folder!)),
      seek: (offset, from) =>
        Effect.sync(() => BigInt(position = from === "start" ? Number(offset) : position + Number(offset))),
      sync: this.run("sync", path, () => node?.sync()),
      read,
      readAlloc: (size, options) =>
        Effect.suspend(() => {
          const buffer = new Uint8Array(disk.hollow ? 0 : size)
          if (disk.hollow) {
            return Effect.map(
              read(hollowBuffer(size), options),
              (length) => length === 0 ? Option.none() : Option.some(hollowBuffer(length))
            )
          }
          return Effect.map(
            read(buffer, options),
            (length) => length === 0 ? Option.none() : Option.some(buffer.subarray(0, length))
          )
        }),
      truncate: (length) => this.run("ftruncate", path, (now) => disk.truncate(data(), length ?? 0, now)),
      write,
      writeAll: (bytes) => bytes.length === 0 ? Effect.void : Effect.asVoid(write(bytes))
    }
  }
}

let hollow = new Uint8Array(0)

/** Bytes that are whatever. They are shared: on a hollow disk nobody looks at them. */
const hollowBuffer = (size: number): Uint8Array => {
  if (hollow.length < size) hollow = new Uint8Array(size)
  return hollow.subarray(0, size)
}

const ofFolders = (process: Process): Pick<
  FileSystem.FileSystem,
  | "makeDirectory"
  | "makeTempDirectory"
  | "makeTempDirectoryScoped"
  | "makeTempFile"
  | "makeTempFileScoped"
  | "readDirectory"
  | "readDirectoryEntries"
> => {
  const { disk } = process
  let temporary = 0
  const makeDirectory: FileSystem.FileSystem["makeDirectory"] = (path, options) =>
    process.run("makeDirectory", path, (now) => {
      const mode = (options?.mode ?? 0o777) & ~0o022
      if (options?.recursive !== true) return disk.makeFolder(path, mode, now)
      let above = ""
      for (const segment of path.split("/").filter((segment) => segment !== "")) {
        above += `/${segment}`
        const { node } = disk.find(above, true)
        if (node === undefined) disk.makeFolder(above, mode, now)
        else if (node.type !== "Directory") throw new DiskFault("ENOTDIR", path)
      }
    })
  const makeTempDirectory: FileSystem.FileSystem["makeTempDirectory"] = (options) => {
    const path = `${options?.directory ?? "/tmp"}/${options?.prefix ?? ""}${++temporary}`
    return Effect.as(makeDirectory(path, { recursive: true }), path)
  }
  const makeTempFile: FileSystem.FileSystem["makeTempFile"] = (options) =>
    Effect.flatMap(makeTempDirectory(options), (folder) => {
      const path = `${folder}/file${options?.suffix ?? ""}`
      return Effect.as(Effect.scoped(process.open(path, { flag: "wx" })), path)
    })
  const discard = (path: string) => Effect.ignore(process.run("remove", path, (now) => disk.remove(path, true, now)))
  const list = (path: string, recursive: boolean) => {
    const folder = disk.folder(path)
    if ((folder.mode & 0o400) === 0) throw new DiskFault("EACCES", path)
    return recursive ? Array.from(disk.walk(folder, ""), ([name]) => name) : folder.names
  }
  return {
    makeDirectory,
    makeTempDirectory,
    makeTempDirectoryScoped: (options) => Effect.acquireRelease(makeTempDirectory(options), discard),
    makeTempFile,
    makeTempFileScoped: (options) => Effect.acquireRelease(makeTempFile(options), discard),
    readDirectory: (path, options) => process.run("readDirectory", path, () => list(path, options?.recursive === true)),
    readDirectoryEntries: (path) =>
      process.run("readDirectory", path, () => {
        const folder = disk.folder(path)
        return list(path, false).map((name) => ({ name, type: folder.get(name)!.type }))
      })
  }
}

const fileSystemOf = (process: Process): FileSystem.FileSystem => {
  const { disk } = process
  const whole = (path: string) =>
    process.run("readFile", path, () => {
      const node = disk.node(path, true)
      if (node.type !== "File") throw new DiskFault("EISDIR", path)
      const bytes = new Uint8Array(node.size)
      node.read(0, bytes, disk.hollow)
      return bytes
    })
  return FileSystem.make({
    ...ofFolders(process),
    access: (path) => process.run("access", path, () => void disk.node(path, true)),
    copy: (from, to) => Effect.flatMap(whole(from), (bytes) => writeFile(to, bytes)),
    copyFile: (from, to) => Effect.flatMap(whole(from), (bytes) => writeFile(to, bytes)),
    chmod: (path, mode) => process.run("chmod", path, () => void (disk.node(path, true).mode = mode & 0o7777)),
    chown: () => Effect.void,
    link: (from, to) => process.run("link", to, (now) => disk.link(from, to, now)),
    lstat: (path) => process.run("lstat", path, () => infoOf(disk.node(path, false))),
    open: (path, options) => process.open(path, options),
    readFile: whole,
    readLink: (path) =>
      process.run("readLink", path, () => {
        const node = disk.node(path, false)
        if (node.type !== "SymbolicLink") throw new DiskFault("EINVAL", path)
        return node.target
      }),
    realPath: (path) =>
      process.run("realPath", path, () => {
        const { node, real } = disk.find(path, true)
        if (node === undefined) throw new DiskFault("ENOENT", path)
        return real
      }),
    remove: (path, options) =>
      process.run("remove", path, (now) => {
        if (options?.force === true && disk.find(path, false).node === undefined) return
        disk.remove(path, options?.recursive === true, now)
      }),
    rename: (from, to) => process.run("rename", to, (now) => disk.rename(from, to, now)),
    stat: (path) => process.run("stat", path, () => infoOf(disk.node(path, true))),
    symlink: (from, to) => process.run("symlink", to, (now) => disk.symlink(from, to, now)),
    truncate: (path, length) =>
      process.run("truncate", path, (now) => {
        const node = disk.node(path, true)
        if (node.type !== "File") throw new DiskFault("EISDIR", path)
        disk.truncate(node, length ?? 0, now)
      }),
    utimes: (path, _atime, mtime) =>
      process.run("utimes", path, () => void (disk.node(path, true).mtime = millisOf(mtime))),
    watch: () => Stream.empty,
    writeFile
  })

  function writeFile(
    path: string,
    bytes: Uint8Array,
    options?: { readonly flag?: FileSystem.OpenFlag | undefined; readonly mode?: number | undefined }
  ) {
    return Effect.scoped(Effect.flatMap(process.open(path, { flag: "w", ...options }), (file) => file.writeAll(bytes)))
  }
}

/** What a test does with the disk, past all faults. */
const handsOf = (disk: Disk): Pick<SimDisk, "put" | "makeFolder" | "link" | "remove" | "text" | "tree"> => {
  const above = (path: string) => path.slice(0, path.lastIndexOf("/"))
  const makeFolder: SimDisk["makeFolder"] = (path, options) => {
    if (path === "") return
    makeFolder(above(path))
    if (disk.find(path, true).node === undefined) disk.makeFolder(path, 0o755, options?.mtime ?? 0)
    const folder = disk.folder(path)
    if (options?.mode !== undefined) folder.mode = options.mode
    if (options?.mtime !== undefined) folder.mtime = options.mtime
  }
  return {
    makeFolder,
    put: (path, content, options) => {
      makeFolder(above(path))
      const mtime = options?.mtime ?? 0
      const there = disk.find(path, true).node
      const file = there?.type === "File" ? there : disk.makeFile(path, 0o644, mtime)
      disk.truncate(file, 0, mtime)
      if (typeof content === "number") disk.truncate(file, content, mtime)
      else disk.write(file, 0, typeof content === "string" ? utf8(content) : content, path, mtime)
      file.mode = options?.mode ?? file.mode
      file.sync()
    },
    link: (path, target) => {
      makeFolder(above(path))
      disk.symlink(target, path, 0)
    },
    remove: (path) => disk.remove(path, true, 0),
    text: (path) => {
      const { node } = disk.find(path, true)
      if (node?.type !== "File") return undefined
      const bytes = new Uint8Array(node.size)
      node.read(0, bytes, disk.hollow)
      return new TextDecoder().decode(bytes)
    },
    tree: (path) =>
      new Map(Array.from(disk.walk(disk.folder(path), ""), ([name, node]): readonly [string, Entry] => {
        const bytes = node.type === "File" && !disk.hollow
          ? new Uint8Array(node.size)
          : node.type === "SymbolicLink"
          ? utf8(node.target)
          : new Uint8Array(0)
        if (node.type === "File") node.read(0, bytes, disk.hollow)
        return [name, { type: node.type, bytes, size: node.size, mode: node.mode, mtime: node.mtime }]
      }))
  }
}

/**
 * A disk, with nothing on it.
 *
 * @category constructors
 * @since 0.2.0
 */
export const make = (options: Options = {}): SimDisk => {
  const disk = new Disk(options)
  const counts: Record<string, number> = {}
  const bytesRead = new Map<string, number>()
  const sim: SimDisk = {
    ...handsOf(disk),
    mount: () => {
      const process = new Process(disk, sim, counts, bytesRead)
      const fileSystem = fileSystemOf(process)
      return {
        fileSystem,
        layer: Layer.merge(Layer.succeed(FileSystem.FileSystem, fileSystem), Path.layer),
        kill: () => {
          process.isGone = true
        }
      }
    },
    get capacity() {
      return disk.capacity
    },
    set capacity(bytes) {
      disk.capacity = bytes
    },
    get used() {
      return disk.used
    },
    intercept: undefined,
    powerLoss: () => {
      for (const [, node] of disk.walk(disk.root, "")) if (node.type === "File") node.lose()
    },
    counts,
    bytesRead
  }
  return sim
}
