/**
 * Large files by threads of their own, for platforms that have them: what is written, read back and hashed of one costs the node's own thread a copy, and
 * goes on while more comes. Beside {@link FileBatches}, which has small ones.
 *
 * ```ts
 * const Files = FileTransfer.layer({ receive: { folder: "inbox" } }).pipe(
 *   Layer.provide([FileBatches.layer(), LargeFiles.layer()])
 * )
 * ```
 *
 * What bites: it goes to the disk past `FileSystem`, and on Linux past the system's cache as well, so that what is read back of a file is what the disk
 * has. Give it where `FileSystem` is the system's own, as `NodePnet.layer` has it. Where it cannot have a file, or all threads have one, `FileSystem` has it.
 *
 * @since 0.2.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import { type PlatformError, systemError } from "effect/PlatformError"
import * as Pool from "effect/Pool"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import { type Answer, pieceLength, pieces, type Question } from "./internal/largeThread.ts"
import * as Threads from "./internal/largeThreads.ts"
import { builtIn } from "./internal/platform.ts"

/**
 * A file that is open already, and which of all it is.
 *
 * @category models
 * @since 0.2.0
 */
export interface Which {
  readonly path: string
  readonly info: FileSystem.File.Info
}

/**
 * A file that is being written.
 *
 * @category models
 * @since 0.2.0
 */
export interface Writing {
  /** Hashes what is in it, up to a place. */
  readonly take: (to: number) => Effect.Effect<void, PlatformError>
  /** How many buffers there are for what is to be written, and each of them; all are of one length. */
  readonly buffers: number
  readonly buffer: (index: number) => Uint8Array
  /** Copies bytes into one of them. */
  readonly copy: (bytes: Uint8Array, buffer: Uint8Array, at: number) => void
  /** Writes what is in one of them, or the beginning of that, reads it back, and hashes what was read. Each behind the one before, which need not be done. */
  readonly put: (buffer: Uint8Array, length: number, at: number) => Effect.Effect<void, PlatformError>
  /** Whether what is written is on the disk, and not in the system's cache. */
  readonly isThrough: () => boolean
  /** The hash of all that was read. */
  readonly digest: Effect.Effect<Uint8Array, PlatformError>
}

/**
 * A file that is being read.
 *
 * @category models
 * @since 0.2.0
 */
export interface Reading {
  /** Reads so many bytes; gives the buffer with them, and how many there were. What is read one behind the other from the beginning is hashed. */
  readonly get: (
    bytes: Uint8Array,
    length: number,
    at: number
  ) => Effect.Effect<{ readonly bytes: Uint8Array; readonly length: number }, PlatformError>
  /** The hash of all that was read from the beginning. */
  readonly digest: Effect.Effect<Uint8Array, PlatformError>
}

/**
 * Large files, each by a thread.
 *
 * @category models
 * @since 0.2.0
 */
export interface Large {
  /** Files of fewer bytes than this are not worth it. */
  readonly from: number
  /** Writes a file until the scope closes; `undefined` where it cannot be had. */
  readonly write: (which: Which, durable: boolean) => Effect.Effect<Writing | undefined, never, Scope.Scope>
  /** Reads a file until the scope closes; `undefined` where it cannot be had. */
  readonly read: (which: Which, follow: boolean) => Effect.Effect<Reading | undefined, never, Scope.Scope>
}

/**
 * How large files are read and written. By default by calls of `FileSystem`.
 *
 * @category references
 * @since 0.2.0
 */
export const LargeFiles: Context.Reference<Large | undefined> = Context.Reference("@pnet/files/LargeFiles", {
  defaultValue: (): Large | undefined => undefined
})

/**
 * In threads of their own, which begin when there is something to do and end when there was nothing for half a minute, where the platform has those of
 * `node:worker_threads`; otherwise as by default.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer = (options?: {
  /** How many at most, and so how many files at once. Default: 4. */
  readonly threads?: number | undefined
  /** From how many bytes on a file has one. Default: 8 MiB. */
  readonly from?: number | undefined
}): Layer.Layer<never> =>
  Layer.effect(
    LargeFiles,
    Effect.suspend(() => {
      const { start } = Threads
      if (start === undefined) return Effect.succeed(undefined)
      const max = options?.threads ?? 4
      return Effect.map(
        Pool.makeWithTTL({ acquire: start, min: 0, max, timeToLive: "30 seconds" }),
        (pool) => large(pool, Semaphore.makeUnsafe(max), options?.from ?? 8 * 1_048_576)
      )
    })
  )

/** Of what is hashed first, so much at once, so that who wants no more of it does not wait for all. */
const takenAtOnce = 16 * 1_048_576
/** Past the cache a disk writes a piece and reads it. One that takes longer than so many milliseconds for it would hold up what comes: the cache has room. */
const patience = 16
/** It is how long those before took, of which the last counts as much as this. */
const share = 1 / 8

const failure = (method: string, path: string, code: string): PlatformError =>
  systemError({
    _tag: code === "EACCES" || code === "EPERM" ? "PermissionDenied" : "Unknown",
    module: "FileSystem",
    method,
    pathOrDescriptor: path,
    cause: { code }
  })

/** The thread of a file until the scope closes, one of those that have none. */
const threadOf = (
  pool: Pool.Pool<Threads.Thread>,
  permits: Semaphore.Semaphore,
  open: Extract<Question, { readonly kind: "open" }>
): Effect.Effect<{ readonly thread: Threads.Thread; readonly opened: Answer } | undefined, never, Scope.Scope> =>
  Effect.gen(function*() {
    const hasRoom = yield* Effect.acquireRelease(
      permits.takeIfAvailable(1),
      (hasRoom) => hasRoom ? permits.release(1) : Effect.void
    )
    if (!hasRoom) return undefined
    const thread = yield* Pool.get(pool)
    const opened = yield* Effect.acquireRelease(
      thread.ask(open),
      // Whatever it is doing for the file is waited for.
      () =>
        Effect.flatMap(
          thread.ask({ kind: "close" }),
          ({ code }) => code === Threads.ended ? Pool.invalidate(pool, thread) : Effect.void
        )
    )
    return opened.code === undefined ? { thread, opened } : undefined
  })

interface NodeBuffer {
  readonly prototype: { readonly fill: { call(into: Uint8Array, by: Uint8Array, from: number, to: number): unknown } }
}
const { Buffer } = (builtIn("node:buffer") ?? {}) as { readonly Buffer?: NodeBuffer }

/** What threads share is copied to byte after byte by `set`, some four times as slow as this. */
const copy = (bytes: Uint8Array, buffer: Uint8Array, at: number): void =>
  Buffer === undefined ? buffer.set(bytes, at) : void Buffer.prototype.fill.call(buffer, bytes, at, at + bytes.length)

const large = (pool: Pool.Pool<Threads.Thread>, permits: Semaphore.Semaphore, from: number): Large => {
  const opened = ({ info: { dev, ino }, path }: Which, write: boolean, direct: boolean, follow: boolean) =>
    ino._tag === "None"
      ? Effect.succeed(undefined)
      : threadOf(pool, permits, { kind: "open", path, dev, ino: ino.value, write, direct, follow })
  const asking = (thread: Threads.Thread, path: string) => (question: Question) =>
    Effect.flatMap(
      thread.ask(question),
      (answer): Effect.Effect<Answer, PlatformError> =>
        answer.code === undefined
          ? Effect.succeed(answer)
          : Effect.fail(failure(question.kind === "get" ? "read" : "write", path, answer.code))
    )
  const digestOf = (ask: (question: Question) => Effect.Effect<Answer, PlatformError>) =>
    Effect.map(ask({ kind: "digest" }), ({ digest }) => digest!)
  return {
    from,
    write: (which, durable) =>
      Effect.map(Effect.all([opened(which, true, durable, false), Clock.Clock]), ([has, clock]) => {
        if (has === undefined) return undefined
        const ask = asking(has.thread, which.path)
        const room = has.opened.room!
        const buffer = (index: number) => room.subarray(index * pieceLength, (index + 1) * pieceLength)
        let isThrough = has.opened.direct
        let took = 0
        let last = 0
        const put = (buffer: Uint8Array, length: number, at: number) =>
          Effect.suspend(() => {
            const asked = clock.currentTimeMillisUnsafe()
            const cached = took > patience
            return Effect.map(ask({ kind: "put", from: buffer.byteOffset, length, at, cached }), ({ direct }) => {
              isThrough = direct
              const now = clock.currentTimeMillisUnsafe()
              // It was begun when it was asked for, or when the one before was done.
              took += (now - Math.max(asked, last) - took) * share
              last = now
            })
          })
        const take = (to: number) => {
          let from = 0
          return Effect.whileLoop({
            while: () => from < to,
            body: () => ask({ kind: "take", from, to: Math.min(to, from + takenAtOnce) }),
            step: (answer) => {
              from = answer.length === 0 ? to : from + answer.length
            }
          })
        }
        return { take, buffers: pieces, buffer, copy, put, isThrough: () => isThrough, digest: digestOf(ask) }
      }),
    read: (which, follow) =>
      Effect.map(opened(which, false, false, follow), (has) => {
        if (has === undefined) return undefined
        const ask = asking(has.thread, which.path)
        const get = (bytes: Uint8Array, length: number, at: number) =>
          Effect.map(ask({ kind: "get", bytes, length, at }), (answer) => ({
            bytes: answer.bytes!,
            length: answer.length
          }))
        return { get, digest: digestOf(ask) }
      })
  }
}
