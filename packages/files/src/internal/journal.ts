/**
 * What of a transfer has landed, for when it goes on: a file of the keys of what is there under its name, and of that name where it is another than was
 * said. It is only added to. What of it did not reach the disk is asked for again, and found to be there.
 */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type { PlatformError } from "effect/PlatformError"
import type * as Scope from "effect/Scope"
import { isNotFound } from "./faults.ts"
import { hexOf } from "./platform.ts"
import * as Wire from "./wire.ts"

export const keyLength = 16

interface Landed {
  readonly key: string
  readonly renamed: string
}

const records = () =>
  new Wire.Records<Landed>((cursor) => {
    const key = cursor.raw(keyLength)
    return { key: hexOf(key), renamed: cursor.text(Wire.longestText) }
  }, keyLength + Wire.longestText + 8)

export interface Journal {
  /** What had landed before, by key: the name it has where that is another, or "". */
  readonly landed: ReadonlyMap<string, string>
  /** Notes that something has landed. What is noted is written by and by. */
  readonly note: (key: string, renamed?: string) => void
  /** Writes what was noted. */
  readonly flush: Effect.Effect<void>
  /** The permissions that the system takes from every file that is made. */
  readonly umask: number
}

const readBack = (fs: FileSystem.FileSystem, path: string, most: number) =>
  Effect.scoped(Effect.gen(function*() {
    const landed = new Map<string, string>()
    const file = yield* fs.open(path, { flag: "r" })
    const found = records()
    const buffer = new Uint8Array(65_536)
    for (let at = 0; landed.size < most;) {
      const length = yield* file.read(buffer, { position: BigInt(at) })
      // The last record may not be whole. What is behind one that is broken is not known.
      if (length === 0 || found.malformed) break
      at += length
      found.push(buffer.slice(0, length))
      for (let one = found.next(); one !== undefined; one = found.next()) landed.set(one.key, one.renamed)
    }
    return { landed, isWhole: found.pending === 0 && !found.malformed }
  }))

/** Opens a journal, and makes it where there is none. */
export const open = (
  fs: FileSystem.FileSystem,
  path: string,
  most: number
): Effect.Effect<Journal, PlatformError, Scope.Scope> =>
  Effect.gen(function*() {
    const { isWhole, landed } = yield* Effect.catchIf(
      readBack(fs, path, most),
      isNotFound,
      () => Effect.succeed({ landed: new Map<string, string>(), isWhole: false })
    )
    // Anew where its end is not whole, so that this is not in the midst of others.
    const file = yield* fs.open(path, { flag: isWhole ? "a" : "w", mode: 0o666 })
    const { mode } = yield* file.stat
    const out = new Wire.Writer(4_096)
    const note: Journal["note"] = (key, renamed = "") => void out.raw(bytesOf(key)).text(renamed)
    const flush = Effect.suspend(() => out.length === 0 ? Effect.void : Effect.ignore(file.writeAll(out.take())))
    if (!isWhole) { for (const [key, renamed] of landed) note(key, renamed) }
    yield* flush
    yield* Effect.addFinalizer(() => flush)
    return { landed, note, flush, umask: 0o666 & ~mode }
  })

const bytesOf = (hex: string): Uint8Array => {
  const bytes = new Uint8Array(hex.length / 2)
  for (let i = 0; i < bytes.length; i++) bytes[i] = parseInt(hex.slice(2 * i, 2 * i + 2), 16)
  return bytes
}
