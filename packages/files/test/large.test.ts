/** Large files: what a thread does with one on a real disk, and what becomes of what it cannot do. */
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import * as realFs from "node:fs"
import { readFileSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as FileHash from "../src/FileHash.ts"
import { codeOf } from "../src/internal/faults.ts"
import { LargeFile, type Question } from "../src/internal/largeThread.ts"
import * as LargeFiles from "../src/LargeFiles.ts"
import { bytesOf } from "./engine.ts"

const digestOf = (...parts: ReadonlyArray<Uint8Array>) => {
  const hasher = FileHash.native!()
  for (const part of parts) hasher.update(part)
  return hasher.digest()
}

const world = Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem
  const home = yield* fs.makeTempDirectoryScoped({ prefix: "pnet-large-" })
  const large = (yield* LargeFiles.LargeFiles)!
  const which = (path: string) =>
    Effect.map(Effect.scoped(Effect.flatMap(fs.open(path), (file) => file.stat)), (info) => ({ path, info }))
  return { home, large, which }
})
const layers = Layer.merge(NodeServices.layer, LargeFiles.layer({ threads: 1 }))

/** Gives the pieces of a file to who writes it, from a place on, all but one at once. */
const putAll = (writing: LargeFiles.Writing, bytes: Uint8Array, from: number) => {
  const unit = writing.buffer(0).length
  const pieces: Array<{ readonly at: number; readonly part: Uint8Array }> = []
  for (let at = from; at < bytes.length;) {
    const part = bytes.subarray(at, at + unit - at % unit)
    pieces.push({ at, part })
    at += part.length
  }
  return Effect.forEach(pieces, ({ at, part }, index) => {
    const buffer = writing.buffer(index % writing.buffers)
    writing.copy(part, buffer, 0)
    return writing.put(buffer, part.length, at)
  }, { concurrency: writing.buffers, discard: true })
}

describe("a thread for a large file", () => {
  it.live("writes what is given from any place on, with the hash of all that is on the disk, and reads it", () =>
    Effect.gen(function*() {
      const { home, large, which } = yield* world
      const path = join(home, "part")
      const bytes = bytesOf(5 * 1_048_576 + 4_321, 1)
      const there = 1_234_567
      writeFileSync(path, bytes.subarray(0, there))
      const file = yield* which(path)
      yield* Effect.scoped(Effect.gen(function*() {
        const writing = (yield* large.write(file, true))!
        // The one that there is has a file.
        assert.isUndefined(yield* large.write(file, true))
        yield* writing.take(there)
        yield* putAll(writing, bytes, there)
        assert.deepStrictEqual(yield* writing.digest, digestOf(bytes))
      }))
      assert.isTrue(Buffer.compare(readFileSync(path), bytes) === 0)

      yield* Effect.scoped(Effect.gen(function*() {
        const reading = (yield* large.read(file, false))!
        const unit = 2_000_000
        const parts = yield* Effect.forEach(
          [0, 1, 2],
          (part) => reading.get(new Uint8Array(unit), Math.min(unit, bytes.length - part * unit), part * unit),
          { concurrency: "unbounded" }
        )
        const read = parts.map(({ bytes, length }) => bytes.subarray(0, length))
        assert.isTrue(Buffer.compare(Buffer.concat(read), bytes) === 0)
        // What is read again, or from further on, does not count.
        assert.strictEqual((yield* reading.get(new Uint8Array(unit), unit, 4_000_000)).length, bytes.length - 4_000_000)
        assert.deepStrictEqual(yield* reading.digest, digestOf(bytes))
      }))
    }).pipe(Effect.scoped, Effect.provide(layers)))

  it.live("has none that is another than the one that is open, or behind a link, and what the system refuses ends it", () =>
    Effect.gen(function*() {
      const { home, large, which } = yield* world
      const [one, link] = [join(home, "one"), join(home, "link")]
      writeFileSync(one, "1")
      writeFileSync(join(home, "other"), "2")
      symlinkSync("one", link)
      const { info } = yield* which(one)
      const isThere = (path: string, follow: boolean) =>
        Effect.scoped(Effect.map(large.read({ path, info }, follow), (reading) => reading !== undefined))
      assert.isTrue(yield* isThere(one, false))
      assert.isFalse(yield* isThere(join(home, "other"), false))
      assert.isFalse(yield* isThere(link, false))
      assert.isTrue(yield* isThere(link, true))
      const full = yield* Effect.scoped(Effect.gen(function*() {
        const writing = (yield* large.write(yield* which("/dev/full"), false))!
        const failed = yield* Effect.flip(putAll(writing, new Uint8Array(3_000_000), 0))
        return [codeOf(failed), codeOf(yield* Effect.flip(writing.digest))]
      }))
      assert.deepStrictEqual(full, ["ENOSPC", "ENOSPC"])
      // And the next has it as ever.
      assert.isTrue(yield* isThere(one, false))
    }).pipe(Effect.scoped, Effect.provide(layers)))

  it.effect("goes by the cache of the system where the disk would hold up what comes", () =>
    Effect.gen(function*() {
      const { home, large, which } = yield* world
      const path = join(home, "part")
      writeFileSync(path, "")
      const writing = (yield* large.write(yield* which(path), true))!
      if (!writing.isThrough()) return
      const unit = writing.buffer(0).length
      const put = (at: number, millis: number) =>
        Effect.all([writing.put(writing.buffer(0), unit, at * unit), TestClock.adjust(millis)], { concurrency: 2 })
      yield* put(0, 100)
      yield* put(1, 0)
      assert.isTrue(writing.isThrough(), "once is no reason")
      yield* put(2, 100)
      yield* put(3, 0)
      assert.isFalse(writing.isThrough())
      assert.deepStrictEqual(yield* writing.digest, digestOf(new Uint8Array(4 * unit)))
    }).pipe(Effect.scoped, Effect.provide(layers)))

  it("goes by the cache where the system refuses to go past it, and is over where it refuses to write", () => {
    const asked: Array<string> = []
    let isFull = false
    const disk = new Uint8Array(16_384)
    const direct = 0x4000
    const fs = {
      constants: { O_RDWR: 2, O_DIRECT: direct },
      openSync: (_: string, flags: number) => flags & direct ? 9 : 8,
      fstatSync: () => ({ dev: 1n, ino: 2n }),
      closeSync: (file: number) => asked.push(`close ${file}`),
      readSync: (file: number, into: Uint8Array, offset: number, length: number, at: number) => {
        asked.push(`read ${file} ${at} ${length}`)
        into.set(disk.subarray(at, at + length), offset)
        return length
      },
      writeSync: (file: number, bytes: Uint8Array, offset: number, length: number, at: number) => {
        asked.push(`write ${file} ${at} ${length}`)
        if (isFull) throw Object.assign(new Error("full"), { code: "ENOSPC" })
        if (file === 9 && at >= 4_096) throw Object.assign(new Error("invalid"), { code: "EINVAL" })
        const some = file === 9 ? 4_096 : length
        disk.set(bytes.subarray(offset, offset + some), at)
        return some
      }
    }
    const memory = (length: number) => new Uint8Array(length)
    const hash = () => {
      const hasher = FileHash.native!()
      return { update: hasher.update, digest: hasher.digest }
    }
    const file = new LargeFile({ fs: fs as never, hash, memory, canDirect: true, pieceLength: 8_192, pieces: 2 })
    const ask = (question: Question) => file.answer(question)
    const { room } = ask({ kind: "open", path: "", dev: 1n, ino: 2n, write: true, direct: true, follow: false })
    room!.set(bytesOf(8_192, 1))
    const put = (at: number, length: number) => ask({ kind: "put", from: 0, length, at, cached: false })
    const { code, direct: isThrough } = put(0, 8_192)
    assert.deepStrictEqual([code, isThrough], [undefined, false])
    assert.deepStrictEqual(asked, [
      "write 9 0 8192",
      "write 9 4096 4096",
      "close 9",
      "write 8 4096 4096",
      "read 8 0 8192"
    ])
    assert.deepStrictEqual(ask({ kind: "digest" }).digest, digestOf(bytesOf(8_192, 1)))
    isFull = true
    assert.strictEqual(put(8_192, 4_096).code, "ENOSPC")
    isFull = false
    asked.length = 0
    assert.deepStrictEqual([put(12_288, 4_096).code, asked], ["ENOSPC", []])
  })

  it.live("that has let go of a file writes nothing more, and says so", () =>
    Effect.gen(function*() {
      const { home, large, which } = yield* world
      const path = join(home, "part")
      writeFileSync(path, "")
      const scope = yield* Scope.make()
      const writing = (yield* Scope.provide(large.write(yield* which(path), false), scope))!
      yield* Scope.close(scope, Exit.void)
      const failed = yield* Effect.flip(writing.put(writing.buffer(0), 1, 0))
      assert.strictEqual(failed._tag, "PlatformError")
      assert.strictEqual(realFs.statSync(path).size, 0)
    }).pipe(Effect.scoped, Effect.provide(layers)))
})
