/**
 * Writes a large file as it comes, and reads back what was written, whose hash is that of what is on the disk. Both go on while more comes, one buffer
 * after another, of which there are a few. What was there before, of a file that goes on, is read first. Where it is synced, that is done by and by as
 * well, so that little is left to do for the disk at the end.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as FileSystem from "effect/FileSystem"
import type { PlatformError } from "effect/PlatformError"
import type * as Scope from "effect/Scope"
import type { Hasher } from "../FileHash.ts"
import { hashRange } from "./landing.ts"

const unit = 524_288
/** So many buffers, of which one fills while the others are written and read back: what is done for one takes several turns of the event loop. */
const buffers = 4

/** So many bytes are left to the system before it is told to write them. */
const syncEvery = 64 * 1_048_576

interface Job {
  readonly fiber: Fiber.Fiber<unknown, PlatformError>
  readonly buffer: Uint8Array | undefined
}

export class Writing {
  readonly #file: FileSystem.File
  readonly #hasher: Hasher
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
  /** Whether it is synced. */
  readonly #durable: boolean
  #synced: number
  #syncing: Fiber.Fiber<void, PlatformError> | undefined
  constructor(file: FileSystem.File, hasher: Hasher, scope: Scope.Scope, offset: number, durable: boolean) {
    this.#durable = durable
    this.#synced = offset
    this.#file = file
    this.#hasher = hasher
    this.#scope = scope
    this.#at = offset
  }

  /** Begins, with what is there. */
  get begin(): Effect.Effect<void> {
    return this.#at === 0 ? Effect.void : this.#fork(hashRange(this.#file, this.#hasher, 0, this.#at), undefined)
  }

  #fork(work: Effect.Effect<unknown, PlatformError>, buffer: Uint8Array | undefined): Effect.Effect<void> {
    const before = this.#jobs[this.#jobs.length - 1]?.fiber
    const next = before === undefined ? work : Effect.andThen(Fiber.join(before), work)
    return Effect.map(
      Effect.forkIn(next, this.#scope, { startImmediately: true }),
      (fiber) => void this.#jobs.push({ fiber, buffer })
    )
  }

  /** Waits for the first of them. */
  get #first(): Effect.Effect<unknown, PlatformError> {
    const job = this.#jobs[0]
    return job === undefined ? Effect.void : Effect.map(Fiber.join(job.fiber), () => {
      this.#jobs.shift()
      if (job.buffer !== undefined) this.#free.push(job.buffer)
    })
  }

  /** Takes bytes, which are the caller's again at once. What it gives is to be run before more is taken. */
  write(bytes: Uint8Array): Effect.Effect<void, PlatformError> | undefined {
    this.#buffer ??= this.#free.pop() ?? new Uint8Array(unit)
    const part = Math.min(bytes.length, unit - this.#filled)
    this.#buffer.set(part === bytes.length ? bytes : bytes.subarray(0, part), this.#filled)
    this.#filled += part
    if (this.#filled < unit) return undefined
    // The rest is taken before anything is waited for, since the bytes may be another's then.
    const rest = part === bytes.length ? undefined : bytes.slice(part)
    return Effect.flatMap(this.#turn, () => (rest === undefined ? undefined : this.write(rest)) ?? Effect.void)
  }

  get #turn(): Effect.Effect<void, PlatformError> {
    return Effect.suspend(() => {
      const full = this.#buffer!
      const part = full.subarray(0, this.#filled)
      const at = this.#at
      this.#at += part.length
      this.#buffer = undefined
      this.#filled = 0
      // Into the buffer that it came from, since that is not looked at again.
      const work = Effect.flatMap(
        this.#file.writeAll(part),
        () => hashRange(this.#file, this.#hasher, at, at + part.length, full)
      )
      const forked = Effect.andThen(this.#fork(work, full), this.#syncSome)
      return this.#free.length > 0 || ++this.#made < buffers
        ? forked
        : Effect.andThen(forked, Effect.asVoid(this.#first))
    })
  }

  /** Begins to sync what is written, unless that is being done. A system says once that it could not: that is not lost. */
  get #syncSome(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const before = this.#syncing?.pollUnsafe()
      const isFree = this.#syncing === undefined || before !== undefined && Exit.isSuccess(before)
      if (!this.#durable || this.#at - this.#synced < syncEvery || !isFree) return Effect.void
      this.#synced = this.#at
      return Effect.map(
        Effect.forkIn(Effect.uninterruptible(this.#file.sync), this.#scope, { startImmediately: true }),
        (fiber) => void (this.#syncing = fiber)
      )
    })
  }

  /** The hash of all that is on the disk, when all that came is there. */
  get finish(): Effect.Effect<Uint8Array, PlatformError> {
    return Effect.flatMap(
      this.#filled > 0 ? this.#turn : Effect.void,
      () => {
        const last = this.#jobs[this.#jobs.length - 1]
        return Effect.andThen(
          last === undefined ? Effect.void : Fiber.join(last.fiber),
          () =>
            Effect.map(
              this.#syncing === undefined ? Effect.void : Fiber.join(this.#syncing),
              () => this.#hasher.digest()
            )
        )
      }
    )
  }
}
