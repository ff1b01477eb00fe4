/**
 * Many small files at once, for platforms that can do better than a call of the file system for each step of each: opening, writing, reading back, syncing
 * and naming a file are some ten of them, and handing over each to another thread takes longer than what is done there.
 *
 * ```ts
 * const Files = FileTransfer.layer({ receive: { folder: "inbox" } }).pipe(Layer.provide(FileBatches.layer()))
 * ```
 *
 * What bites: it goes to the disk past `FileSystem`. Give it where that is the system's own, as `NodePnet.layer` has it, and not over one of your own. What
 * it cannot do with a file is done by `FileSystem`, which says why not.
 *
 * @since 0.2.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Pool from "effect/Pool"
import type { Answer, Question } from "./internal/batchThread.ts"
import * as Threads from "./internal/threads.ts"

/**
 * A small file that is to be read: a file, of this size and with this time in whole milliseconds, before and behind the reading.
 *
 * @category models
 * @since 0.2.0
 */
export interface ToRead {
  readonly path: string
  readonly size: number
  readonly mtime: number
}

/**
 * What a small file has in it, and the SHA-256 of that.
 *
 * @category models
 * @since 0.2.0
 */
export interface Read {
  readonly bytes: Uint8Array
  readonly digest: Uint8Array
}

/**
 * What a path leads to, where that is a file.
 *
 * @category models
 * @since 0.2.0
 */
export interface Looked {
  readonly size: number
  readonly mode: number
  readonly mtime: number
}

/**
 * A small file that is to be written.
 *
 * @category models
 * @since 0.2.0
 */
export interface ToLand {
  /** The name that it is written under, which nothing has. */
  readonly part: string
  /** The name that it is to have, on the same file system. */
  readonly final: string
  /** Whether it takes the place of a file that has that name. */
  readonly replace: boolean
  readonly bytes: Uint8Array
  /** What the SHA-256 of what is on the disk has to be. */
  readonly digest: Uint8Array
  /** The permissions that it is made with, and those that it gets, where these are others. */
  readonly mode: number
  readonly chmod: number | undefined
  /** Its time, in seconds as a file system takes them. */
  readonly seconds: number
}

/**
 * Small files, many at once.
 *
 * @category models
 * @since 0.2.0
 */
export interface Batches {
  /** Looks at each path; `undefined` where there is no file, or it cannot be looked at. */
  readonly look: (paths: ReadonlyArray<string>, follow: boolean) => Effect.Effect<ReadonlyArray<Looked | undefined>>
  /** Reads and hashes each; `undefined` where it is not what was said, or cannot be read. A path that is a link is none unless it is followed. */
  readonly read: (files: ReadonlyArray<ToRead>, follow: boolean) => Effect.Effect<ReadonlyArray<Read | undefined>>
  /**
   * Writes all of them, reads each back and compares its hash, gives it its time and permissions, syncs it where it is to be `durable`, and then its name.
   * Gives which have their names; of the others nothing is left. `undefined` where it is not known. It is waited for to its end, whoever interrupts it.
   */
  readonly land: (
    files: ReadonlyArray<ToLand>,
    durable: boolean
  ) => Effect.Effect<ReadonlyArray<boolean> | undefined>
}

/**
 * How many small files are read and written at once. By default each is read and written by calls of `FileSystem`.
 *
 * @category references
 * @since 0.2.0
 */
export const FileBatches: Context.Reference<Batches | undefined> = Context.Reference("@pnet/files/FileBatches", {
  defaultValue: (): Batches | undefined => undefined
})

/**
 * In threads of their own, which begin when there is something to do and end when there was nothing for half a minute, where the platform has those of
 * `node:worker_threads`; otherwise as by default.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer = (options?: {
  /** How many at most. Default: 4. */
  readonly threads?: number | undefined
}): Layer.Layer<never> =>
  Layer.effect(
    FileBatches,
    Effect.suspend(() =>
      Threads.start === undefined ? Effect.succeed(undefined) : Effect.map(
        Pool.makeWithTTL({
          acquire: Threads.start,
          min: 0,
          max: options?.threads ?? 4,
          timeToLive: "30 seconds"
        }),
        batches
      )
    )
  )

/** What is asked of whichever has nothing to do. It is waited for to its end: what is interrupted is not being done any more. */
const batches = (pool: Pool.Pool<Threads.Thread>): Batches => {
  const ask = (question: Question): Effect.Effect<Answer | undefined> =>
    Effect.scoped(Effect.flatMap(Pool.get(pool), (thread) =>
      Effect.uninterruptible(Effect.tap(
        thread.ask(question),
        (answer) => answer === undefined || answer === Threads.nothing ? Pool.invalidate(pool, thread) : Effect.void
      ))))
  return {
    look: (paths, follow) =>
      Effect.map(ask({ kind: "look", paths, follow }), (answer) =>
        paths.map((_, index) => {
          if (answer === undefined || answer.done[index] !== 1) return undefined
          const [size, mode, mtime] = answer.numbers.subarray(index * 3, index * 3 + 3)
          return { size: size!, mode: mode!, mtime: mtime! }
        })),
    read: (files, follow) => {
      const numbers = new Float64Array(files.length * 2)
      files.forEach(({ mtime, size }, index) => numbers.set([size, mtime], index * 2))
      return Effect.map(ask({ kind: "read", paths: files.map(({ path }) => path), numbers, follow }), (answer) => {
        let at = 0
        return files.map(({ size }, index) => {
          const from = at
          at += size
          return answer === undefined || answer.done[index] !== 1
            ? undefined
            : { bytes: answer.bytes.subarray(from, at), digest: answer.digests.subarray(index * 32, index * 32 + 32) }
        })
      })
    },
    land: (files, durable) => {
      const paths: Array<string> = []
      const numbers = new Float64Array(files.length * 5)
      const digests = new Uint8Array(files.length * 32)
      const bytes = new Uint8Array(files.reduce((total, { bytes }) => total + bytes.length, 0))
      let at = 0
      files.forEach((file, index) => {
        const { chmod = -1, mode, seconds } = file
        paths.push(file.part, file.final)
        numbers.set([file.bytes.length, mode, chmod, seconds, file.replace ? 1 : 0], index * 5)
        digests.set(file.digest, index * 32)
        bytes.set(file.bytes, at)
        at += file.bytes.length
      })
      return Effect.map(
        ask({ kind: "land", paths, numbers, bytes, digests, durable }),
        (answer) => answer === undefined ? undefined : files.map((_, index) => answer.done[index] === 1)
      )
    }
  }
}
