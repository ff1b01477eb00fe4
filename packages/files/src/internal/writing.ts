/**
 * Writes a large file as it comes, and reads back what was written, whose hash is that of what is on the disk. Both go on while more comes: two buffers
 * take turns. What was there before, of a file that goes on, is read first.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as FileSystem from "effect/FileSystem"
import type { PlatformError } from "effect/PlatformError"
import type * as Scope from "effect/Scope"
import type { Hasher } from "../FileHash.ts"
import { hashRange } from "./landing.ts"

const unit = 1_048_576

export class Writing {
  readonly #file: FileSystem.File
  readonly #hasher: Hasher
  readonly #scope: Scope.Scope
  #buffer: Uint8Array | undefined
  #other: Uint8Array | undefined
  #filled = 0
  /** Up to where it is on the disk, or about to be. */
  #at: number
  #job: Fiber.Fiber<unknown, PlatformError> | undefined
  constructor(file: FileSystem.File, hasher: Hasher, scope: Scope.Scope, offset: number) {
    this.#file = file
    this.#hasher = hasher
    this.#scope = scope
    this.#at = offset
  }

  /** Begins, with what is there. */
  get begin(): Effect.Effect<void> {
    return this.#at === 0 ? Effect.void : this.#fork(hashRange(this.#file, this.#hasher, 0, this.#at))
  }

  #fork(work: Effect.Effect<unknown, PlatformError>): Effect.Effect<void> {
    return Effect.map(Effect.forkIn(work, this.#scope, { startImmediately: true }), (fiber) => {
      this.#job = fiber
    })
  }

  get #previous(): Effect.Effect<unknown, PlatformError> {
    const job = this.#job
    this.#job = undefined
    return job === undefined ? Effect.void : Fiber.join(job)
  }

  /** Takes bytes, which are the caller's again at once. What it gives is to be run before more is taken. */
  write(bytes: Uint8Array): Effect.Effect<void, PlatformError> | undefined {
    this.#buffer ??= new Uint8Array(unit)
    const part = Math.min(bytes.length, unit - this.#filled)
    this.#buffer.set(part === bytes.length ? bytes : bytes.subarray(0, part), this.#filled)
    this.#filled += part
    if (this.#filled < unit) return undefined
    // The rest is taken before anything is waited for, since the bytes may be another's then.
    const rest = part === bytes.length ? undefined : bytes.slice(part)
    return Effect.flatMap(this.#turn, () => (rest === undefined ? undefined : this.write(rest)) ?? Effect.void)
  }

  get #turn(): Effect.Effect<void, PlatformError> {
    return Effect.flatMap(this.#previous, () => {
      const full = this.#buffer!
      const part = full.subarray(0, this.#filled)
      const at = this.#at
      this.#at += part.length
      this.#buffer = this.#other
      this.#other = full
      this.#filled = 0
      return this.#fork(
        // Into the buffer that it came from, since that is not looked at again.
        Effect.flatMap(this.#file.writeAll(part), () => hashRange(this.#file, this.#hasher, at, at + part.length, full))
      )
    })
  }

  /** The hash of all that is on the disk, when all that came is there. */
  get finish(): Effect.Effect<Uint8Array, PlatformError> {
    return Effect.flatMap(
      this.#filled > 0 ? this.#turn : Effect.void,
      () => Effect.map(this.#previous, () => this.#hasher.digest())
    )
  }
}
