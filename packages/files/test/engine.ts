/** A sender and a receiver on disks in memory, joined without a network: what is asked for and what comes are streams, which break where a test says so. */
import { SimFileSystem } from "@pnet/testing"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import type * as FileBatches from "../src/FileBatches.ts"
import * as FileHash from "../src/FileHash.ts"
import * as Landing from "../src/internal/landing.ts"
import * as Pulling from "../src/internal/pulling.ts"
import { readFully, Reading } from "../src/internal/reading.ts"
import * as Serving from "../src/internal/serving.ts"
import * as Tree from "../src/internal/tree.ts"
import type * as Wire from "../src/internal/wire.ts"
import type * as LargeFiles from "../src/LargeFiles.ts"
import type { FileError } from "../src/TransferError.ts"

export interface Sender {
  readonly head: Wire.OfferHead
  readonly reading: Reading
  readonly scanned: Tree.Scanned
}

/** Looks at what is to be sent. */
export const offer = (
  mount: Pick<SimFileSystem.Mount, "fileSystem">,
  given: ReadonlyArray<string>,
  options: {
    readonly links?: Tree.SourceLinks
    readonly hash?: FileHash.Make
    readonly shared?: boolean
    readonly batches?: FileBatches.Batches
    readonly large?: LargeFiles.Large
  } = {}
) =>
  Effect.gen(function*() {
    const fs = mount.fileSystem
    const paths = yield* Path.Path
    const hash = options.hash ?? FileHash.native!
    const roots = yield* Tree.rootsOf(fs, paths, given)
    const scanned = yield* Tree.scan(fs, paths, roots, hash(), {
      links: options.links ?? "keep",
      entries: 200_000,
      depth: 64
    })
    const { bytes, digest, files, folders, links, names } = scanned.manifest
    const reading = new Reading(scanned.manifest, {
      fs,
      paths,
      roots: new Map(roots.map(({ name, path }) => [name, path])),
      hash,
      batches: options.batches,
      large: options.large,
      noFollow: true,
      follow: false,
      shared: options.shared ?? false,
      keep: 16 * 1_048_576
    })
    const head: Wire.OfferHead = { id: new Uint8Array(16), digest, bytes, files, folders, links, names, note: "" }
    return { head, reading, scanned } satisfies Sender
  }).pipe(Effect.provide(Path.layer))

/** Small files many at once, step by step on a disk in memory: each is written before any is synced, and each synced before any has its name. */
export const batchesOver = (fs: FileSystem.FileSystem): FileBatches.Batches => {
  const hashed = (bytes: Uint8Array) => {
    const hasher = FileHash.native!()
    hasher.update(bytes)
    return hasher.digest()
  }
  const write = (file: FileBatches.ToLand) =>
    Effect.gen(function*() {
      const { bytes, chmod, mode, part, seconds } = file
      const open = yield* fs.open(part, { flag: "wx+", mode })
      if (bytes.length > 0) yield* open.writeAll(bytes)
      const there = yield* fs.readFile(part)
      if (Buffer.compare(hashed(there), file.digest) !== 0) return yield* Effect.fail("corrupt")
      yield* fs.utimes(part, seconds, seconds)
      if (chmod !== undefined) yield* fs.chmod(part, chmod)
      return open
    })
  return {
    look: (paths) => Effect.succeed(paths.map(() => undefined)),
    read: (files) => Effect.succeed(files.map(() => undefined)),
    land: (files) =>
      Effect.scoped(Effect.gen(function*() {
        const all = yield* Effect.forEach(files, (file) => Effect.option(write(file)))
        for (const open of all) if (open._tag === "Some") yield* Effect.ignore(open.value.sync)
        return yield* Effect.forEach(files, ({ final, part, replace }, index) =>
          Effect.gen(function*() {
            const place = replace ? fs.rename(part, final) : fs.link(part, final)
            const isLanded = all[index]!._tag === "Some" && (yield* Effect.exit(place))._tag === "Success"
            yield* Effect.ignore(fs.remove(part))
            return isLanded
          }))
      }))
  }
}

/** Every file that is not small by itself, in the order in which it is asked, on a disk in memory; in pieces of which there are many. */
export const largeOver = (fs: FileSystem.FileSystem): LargeFiles.Large => {
  const opened = (path: string, flag: "r" | "r+") =>
    Effect.map(Effect.option(fs.open(path, { flag })), (file) => {
      if (file._tag === "None") return undefined
      const hasher = FileHash.native!()
      const turn = Semaphore.makeUnsafe(1)
      const take = (from: number, to: number) => Landing.hashRange(file.value, hasher, from, to)
      return { file: file.value, hasher, turn, take, digest: turn.withPermit(Effect.sync(() => hasher.digest())) }
    })
  return {
    from: 0,
    write: ({ path }) =>
      Effect.map(opened(path, "r+"), (has) => {
        if (has === undefined) return undefined
        const { digest, file, take, turn } = has
        return {
          take: (to) => turn.withPermit(Effect.asVoid(take(0, to))),
          buffers: 3,
          buffer: () => new Uint8Array(40_000),
          copy: (bytes, buffer, at) => buffer.set(bytes, at),
          put: (buffer, length, at) =>
            turn.withPermit(Effect.andThen(
              file.seek(BigInt(at), "start"),
              Effect.andThen(file.writeAll(buffer.subarray(0, length)), Effect.asVoid(take(at, at + length)))
            )),
          isThrough: () => false,
          digest
        }
      }),
    read: ({ path }) =>
      Effect.map(opened(path, "r"), (has) => {
        if (has === undefined) return undefined
        let hashed = 0
        return {
          get: (bytes, length, at) =>
            // Another buffer, since that which is handed over is not the caller's any more.
            has.turn.withPermit(Effect.suspend(() => {
              const back = new Uint8Array(bytes.length)
              bytes.fill(0xee)
              return Effect.map(readFully(has.file, back.subarray(0, length), at), (there) => {
                if (at === hashed) {
                  has.hasher.update(back.subarray(0, there))
                  hashed += there
                }
                return { bytes: back, length: there }
              })
            })),
          digest: has.digest
        }
      })
  }
}

export interface Received {
  readonly counts: Pulling.Counts
  readonly problems: ReadonlyArray<FileError>
  readonly isWhole: boolean
  /** Bytes that the sender gave, of lists and of answers. */
  readonly sent: { list: number; answers: number }
}

export interface Receiving {
  readonly mount: SimFileSystem.Mount
  readonly folder?: string
  readonly collisions?: Landing.Collisions
  readonly links?: "inside" | "skip"
  readonly rules?: "posix" | "windows"
  readonly umask?: number
  readonly hash?: FileHash.Make
  readonly batches?: FileBatches.Batches
  readonly large?: LargeFiles.Large
  readonly fileSize?: number
  /** The stream of answers fails behind so many bytes. */
  readonly breakAfter?: number
  /** Called with how many bytes of answers have come. */
  readonly onBytes?: (bytes: number) => void
  /** What comes is cut into pieces of at most so many bytes. */
  readonly pieces?: () => number
  readonly source?: Pulling.Source<string>
}

const cutUp = (pieces: (() => number) | undefined) => <E>(stream: Stream.Stream<Uint8Array, E>) =>
  pieces === undefined ? stream : Stream.flatMap(stream, (bytes) => {
    const parts: Array<Uint8Array> = []
    for (let at = 0; at < bytes.length;) {
      const length = pieces()
      parts.push(bytes.subarray(at, at + length))
      at += length
    }
    return Stream.fromIterable(parts)
  })

/** The functions of the sender, as the receiver has them. */
export const sourceOf = (
  { reading, scanned }: Sender,
  { breakAfter = Infinity, onBytes, pieces }: Pick<Receiving, "breakAfter" | "onBytes" | "pieces"> = {},
  sent = { list: 0, answers: 0 }
): Pulling.Source<string> => ({
  list: Stream.tap(
    cutUp(pieces)(Serving.list(scanned.manifest)),
    (bytes) => Effect.sync(() => void (sent.list += bytes.length))
  ),
  read: (asked) =>
    Stream.unwrap(Effect.gen(function*() {
      const pull = yield* Stream.toPull(asked)
      const head = yield* Serving.heading(pull)
      return Serving.read(reading, "peer", pull, head!.rest)
    })).pipe(
      cutUp(pieces),
      Stream.mapError((error) => String(error)),
      Stream.mapEffect((bytes) => {
        sent.answers += bytes.length
        onBytes?.(sent.answers)
        if (sent.answers > breakAfter) return Effect.fail("broken off")
        return pieces === undefined ? Effect.succeed(bytes) : Effect.as(Effect.yieldNow, bytes)
      })
    )
})

/** Pulls it all; fails with what the stream breaks with. */
export const receive = (sender: Sender, receiving: Receiving): Effect.Effect<Received, unknown> =>
  Effect.gen(function*() {
    const paths = yield* Path.Path
    const counts: Pulling.Counts = { files: 0, bytes: 0, hadFiles: 0, hadBytes: 0, failed: 0, changed: 0 }
    const problems: Array<FileError> = []
    const sent = { list: 0, answers: 0 }
    const landing = yield* Landing.open({
      fs: receiving.mount.fileSystem,
      paths,
      folder: receiving.folder ?? "/in",
      rules: receiving.rules ?? "posix",
      collisions: receiving.collisions ?? "rename",
      links: receiving.links ?? "inside",
      modes: true,
      umask: receiving.umask ?? 0o002,
      durable: true,
      hash: receiving.hash ?? FileHash.native!,
      key: "0123",
      entries: 200_000
    })
    const isWhole = yield* Pulling.pull({
      peer: "sender",
      head: sender.head,
      source: receiving.source ?? sourceOf(sender, receiving, sent),
      landing,
      batches: receiving.batches,
      large: receiving.large,
      depth: 64,
      entries: 200_000,
      fileSize: receiving.fileSize ?? Infinity,
      counts,
      silence: { millis: 1_800_000, error: "silent" },
      onProblem: (problem) => problems.push(problem)
    })
    return { counts, problems, isWhole, sent }
  }).pipe(Effect.scoped, Effect.provide(Path.layer))

/** Bytes that differ from place to place, from a seed. */
export const bytesOf = (length: number, seed: number): Uint8Array => {
  const bytes = new Uint8Array(length)
  for (let i = 0; i < length; i++) bytes[i] = ((Math.imul(i + seed, 2_654_435_761) >>> 13) ^ (i >>> 17)) & 0xff
  return bytes
}

/** Of what nobody looks at: how many bytes there were. */
export const lengths: FileHash.Make = () => {
  let length = 0
  return {
    update: (bytes) => void (length += bytes.length),
    digest: () => {
      const digest = new Uint8Array(32)
      new DataView(digest.buffer).setFloat64(0, length)
      return digest
    }
  }
}
