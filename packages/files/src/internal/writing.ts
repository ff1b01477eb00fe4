/**
 * Writes a large file as it comes, and reads back what was written, whose hash is that of what is on the disk. Both go on while more comes, one buffer
 * after another, of which there are a few. What was there before, of a file that goes on, is read first. Where it is synced, that is done by and by as
 * well, so that little is left to do for the disk at the end. It is done by `FileSystem`, or by a thread.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as FileSystem from "effect/FileSystem"
import type { PlatformError } from "effect/PlatformError"
import type * as Scope from "effect/Scope"
import type { Hasher } from "../FileHash.ts"
import type * as LargeFiles from "../LargeFiles.ts"
import { hashRange } from "./landing.ts"

const unit = 524_288
/** So many buffers, of which one fills while the others are written and read back: what is done for one takes several turns of the event loop. */
const count = 4

/** By whom it is written. */
export interface Place extends LargeFiles.Writing {
  /** Whether a piece can be given to it before the one before is done. */
  readonly queues: boolean
}

/** By `FileSystem`. */
export const plain = (file: FileSystem.File, hasher: Hasher): Place => ({
  queues: false,
  buffers: count,
  buffer: () => new Uint8Array(unit),
  copy: (bytes, buffer, at) => buffer.set(bytes, at),
  take: (to) => Effect.asVoid(hashRange(file, hasher, 0, to)),
  put: (buffer, length, at) =>
    Effect.flatMap(
      file.writeAll(length === buffer.length ? buffer : buffer.subarray(0, length)),
      // Into the buffer that it came from, since that is not looked at again.
      () => Effect.asVoid(hashRange(file, hasher, at, at + length, buffer))
    ),
  isThrough: () => false,
  digest: Effect.sync(() => hasher.digest())
})

/** By a thread. */
export const threaded = (writing: LargeFiles.Writing): Place => ({ ...writing, queues: true })

/** So many bytes are left to the system before it is told to write them. */
const syncEvery = 64 * 1_048_576

interface Job {
  readonly fiber: Fiber.Fiber<void, PlatformError>
  readonly buffer: Uint8Array | undefined
}

export class Writing {
  readonly #file: FileSystem.File
  readonly #place: Place
  readonly #scope: Scope.Scope
  /** The one that fills. */
  #buffer: Uint8Array | undefined
  #filled = 0
  /** Those that nothing is done with. */
  readonly #free: Array<Uint8Array> = []
  #made = 0
  /** Up to where it is on the disk, or about to be. */
  #at: number
  /** What is being done, each behind the one before, with the buffer that is free then. */
  readonly #jobs: Array<Job> = []
  #begun: Fiber.Fiber<void, PlatformError> | undefined
  /** Whether it is synced. */
  readonly #durable: boolean
  #synced: number
  #syncing: Fiber.Fiber<void, PlatformError> | undefined
  constructor(file: FileSystem.File, place: Place, scope: Scope.Scope, offset: number, durable: boolean) {
    this.#durable = durable
    this.#synced = offset
    this.#file = file
    this.#place = place
    this.#scope = scope
    this.#at = offset
  }

  /** Begins, with what is there. */
  get begin(): Effect.Effect<void> {
    return this.#at === 0 ? Effect.void : Effect.map(this.#fork(this.#place.take(this.#at), undefined), () => {
      this.#begun = this.#jobs[0]!.fiber
    })
  }

  #fork(work: Effect.Effect<void, PlatformError>, buffer: Uint8Array | undefined): Effect.Effect<void> {
    const before = this.#place.queues ? this.#begun : this.#jobs[this.#jobs.length - 1]?.fiber
    const next = before === undefined ? work : Effect.andThen(Fiber.join(before), work)
    return Effect.map(
      Effect.forkIn(next, this.#scope, { startImmediately: true }),
      (fiber) => void this.#jobs.push({ fiber, buffer })
    )
  }

  /** Waits for the first of them that a buffer is free behind. */
  get #first(): Effect.Effect<void, PlatformError> {
    return Effect.suspend(() => {
      const { buffer, fiber } = this.#jobs[0]!
      return Effect.flatMap(Fiber.join(fiber), () => {
        this.#jobs.shift()
        if (buffer === undefined) return this.#first
        this.#free.push(buffer)
        return Effect.void
      })
    })
  }

  /** Takes bytes, which are the caller's again at once. What it gives is to be run before more is taken. */
  write(bytes: Uint8Array): Effect.Effect<void, PlatformError> | undefined {
    const buffer = this.#buffer ??= this.#free.pop() ?? this.#place.buffer(this.#made++)
    // To a place in the file that is a multiple of its length, as all are but where it went on.
    const room = buffer.length - this.#at % buffer.length - this.#filled
    const part = Math.min(bytes.length, room)
    this.#place.copy(part === bytes.length ? bytes : bytes.subarray(0, part), buffer, this.#filled)
    this.#filled += part
    if (part < room) return undefined
    // The rest is taken before anything is waited for, since the bytes may be another's then.
    const rest = part === bytes.length ? undefined : bytes.slice(part)
    return Effect.flatMap(this.#turn, () => (rest === undefined ? undefined : this.write(rest)) ?? Effect.void)
  }

  get #turn(): Effect.Effect<void, PlatformError> {
    return Effect.suspend(() => {
      const full = this.#buffer!
      const length = this.#filled
      const at = this.#at
      this.#at += length
      this.#buffer = undefined
      this.#filled = 0
      const forked = Effect.andThen(this.#fork(this.#place.put(full, length, at), full), this.#syncSome)
      return this.#free.length > 0 || this.#made < this.#place.buffers ? forked : Effect.andThen(forked, this.#first)
    })
  }

  /** Begins to sync what is written, unless that is being done. A system says once that it could not: that is not lost. */
  get #syncSome(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const before = this.#syncing?.pollUnsafe()
      const isFree = this.#syncing === undefined || before !== undefined && Exit.isSuccess(before)
      if (!this.#durable || this.#place.isThrough() || this.#at - this.#synced < syncEvery || !isFree) {
        return Effect.void
      }
      this.#synced = this.#at
      return Effect.map(
        Effect.forkIn(Effect.uninterruptible(this.#file.sync), this.#scope, { startImmediately: true }),
        (fiber) => void (this.#syncing = fiber)
      )
    })
  }

  /** The hash of all that is on the disk, when all that came is there. */
  get finish(): Effect.Effect<Uint8Array, PlatformError> {
    const syncing = Effect.suspend(() => this.#syncing === undefined ? Effect.void : Fiber.join(this.#syncing))
    return Effect.flatMap(
      this.#filled > 0 ? this.#turn : Effect.void,
      () =>
        Effect.andThen(
          Effect.forEach(this.#jobs, ({ fiber }) => Fiber.join(fiber), { discard: true }),
          Effect.andThen(syncing, this.#place.digest)
        )
    )
  }
}
