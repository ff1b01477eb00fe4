/** Small files, many at once: what the threads do on a real disk, and what becomes of what they could not do. */
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { SimFileSystem } from "@pnet/testing"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import { execFileSync } from "node:child_process"
import * as realFs from "node:fs"
import { lstatSync, mkdirSync, readdirSync, readFileSync, symlinkSync, utimesSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as FileBatches from "../src/FileBatches.ts"
import * as FileHash from "../src/FileHash.ts"
import { landBy, readBy, toolsOf } from "../src/internal/batchThread.ts"
import { partialFolder } from "../src/internal/names.ts"
import { utf8 } from "../src/internal/platform.ts"
import { batchesOver, bytesOf, lengths, offer, receive } from "./engine.ts"

const digestOf = (bytes: Uint8Array) => {
  const hasher = FileHash.native!()
  hasher.update(bytes)
  return hasher.digest()
}

describe("threads for small files", () => {
  it.live("land what is right under names that are free, leave nothing of the rest, and read what is a file", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const home = yield* fs.makeTempDirectoryScoped({ prefix: "pnet-batches-" })
      const batches = (yield* FileBatches.FileBatches)!
      mkdirSync(join(home, "in"))
      writeFileSync(join(home, "in", "taken"), "mine")
      writeFileSync(join(home, "in", "old"), "old")
      const file = (name: string, more: Partial<FileBatches.ToLand> = {}): FileBatches.ToLand => ({
        part: join(home, `${name}.part`),
        final: join(home, "in", name),
        replace: false,
        bytes: utf8(name),
        digest: digestOf(utf8(name)),
        mode: 0o600,
        chmod: undefined,
        seconds: 1_234.567_001,
        ...more
      })
      const landed = yield* batches.land([
        file("plain"),
        file("run", { chmod: 0o750 }),
        file("empty", { bytes: new Uint8Array(0), digest: digestOf(new Uint8Array(0)) }),
        file("taken"),
        file("old", { replace: true }),
        file("wrong", { digest: digestOf(utf8("another")) }),
        file("nowhere", { final: join(home, "none", "nowhere") })
      ], true)
      assert.deepStrictEqual(landed, [true, true, true, false, true, false, false])
      assert.deepStrictEqual(readdirSync(home), ["in"])
      assert.deepStrictEqual(readdirSync(join(home, "in")), ["empty", "old", "plain", "run", "taken"])
      const textOf = (name: string) => readFileSync(join(home, "in", name), "utf8")
      assert.deepStrictEqual(["empty", "old", "plain", "run", "taken"].map(textOf), ["", "old", "plain", "run", "mine"])
      assert.strictEqual(lstatSync(join(home, "in", "run")).mode & 0o777, 0o750)
      assert.strictEqual(Math.floor(lstatSync(join(home, "in", "plain")).mtimeMs), 1_234_567)

      const at = (name: string) => join(home, "in", name)
      execFileSync("mkfifo", [at("pipe")])
      symlinkSync("plain", at("link"))
      utimesSync(at("plain"), 5.0009, 5.0009)
      // Cut to milliseconds, as `FileSystem` has it.
      assert.strictEqual((yield* batches.look([at("plain")], false))[0]!.mtime, 5_000)
      const names = ["plain", "run", "pipe", "link", "none", "."]
      const looked = yield* batches.look(names.map(at), false)
      assert.deepStrictEqual(looked.map((info) => info?.size), [5, 3, undefined, undefined, undefined, undefined])
      const asked = names.map((name) => ({ path: at(name), size: name === "run" ? 4 : 5, mtime: 5_000 }))
      const read = yield* batches.read(asked, false)
      assert.deepStrictEqual(read.map((file) => file && Buffer.from(file.bytes).toString()), [
        "plain",
        ...Array.from({ length: 5 }, () => undefined)
      ])
      assert.deepStrictEqual(read[0]!.digest, digestOf(utf8("plain")))
      const followed = yield* batches.read([{ path: at("link"), size: 5, mtime: 5_000 }], true)
      assert.strictEqual(Buffer.from(followed[0]!.bytes).toString(), "plain")
    }).pipe(Effect.scoped, Effect.provide([NodeServices.layer, FileBatches.layer({ threads: 1 })])))

  it("begin with whatever options the process has, and where it may have none leave all to the file system", () => {
    const program = `
      import * as Effect from "effect/Effect"
      import { FileBatches, layer } from "${new URL("../src/FileBatches.ts", import.meta.url)}"
      const all = Effect.gen(function*() {
        const batches = yield* FileBatches
        const looked = yield* batches.look([process.execPath], true)
        const file = { part: "/none/part", final: "/none/final", replace: false, bytes: new Uint8Array(1), digest: new Uint8Array(32), mode: 0o600, seconds: 1 }
        return [looked[0] !== undefined, yield* batches.land([file], false)]
      })
      process.stdout.write(JSON.stringify(await Effect.runPromise(Effect.provide(all, layer()))))`
    const said = (...options: ReadonlyArray<string>): unknown =>
      JSON.parse(
        execFileSync(process.execPath, ["--input-type=module", ...options, "--eval", program], {
          cwd: import.meta.dirname,
          encoding: "utf8"
        })
      )
    assert.deepStrictEqual(said(), [true, [false]])
    assert.deepStrictEqual(said("--permission", "--allow-fs-read=*"), [false, [false]])
  })

  it("wait for nobody who would write into what is a pipe by the time that it is opened", () => {
    const size = 4n
    const looked: Array<number> = []
    const stat = { isFile: () => true, isDirectory: () => false, size, mode: 0o644n, mtime: { getTime: () => 5_000 } }
    const fs = {
      ...realFs,
      lstatSync: () => stat,
      openSync: (_: string, flags: number) => {
        looked.push(flags & realFs.constants.O_NONBLOCK)
        return realFs.openSync(import.meta.filename, flags)
      }
    }
    const { done } = readBy(toolsOf({ fs: fs as never, sha256: digestOf, flush: undefined, now: () => 0 }))({
      kind: "read",
      paths: ["pipe"],
      numbers: Float64Array.of(Number(size), 5_000),
      follow: false
    })
    assert.deepStrictEqual([...done], [0])
    assert.deepStrictEqual(looked, [realFs.constants.O_NONBLOCK])
  })

  it("sync each of them, and where that takes long all at once before, unless that took longer of late", () => {
    let opened = 0
    let synced = 0
    let now = 0
    let each = 0
    let takes = 0
    let isFlushed = false
    const flushed: Array<string> = []
    const fs = {
      constants: {},
      openSync: () => ++opened,
      fsyncSync: () => {
        synced++
        if (!isFlushed) now += each
      },
      futimesSync: () => undefined,
      fchmodSync: () => undefined,
      linkSync: () => undefined,
      unlinkSync: () => undefined,
      closeSync: () => undefined
    }
    const flush = (path: string) => {
      flushed.push(path)
      now += takes
      isFlushed = true
      throw new Error("what comes of it is nothing that is relied on")
    }
    const land = landBy(toolsOf({ fs: fs as never, sha256: () => new Uint8Array(32), flush, now: () => now }))
    const of = (count: number, durable = true) => {
      ;[flushed.length, synced, isFlushed] = [0, 0, false]
      const { done } = land({
        kind: "land",
        paths: Array.from({ length: 2 * count }, (_, index) => `${index}`),
        numbers: new Float64Array(5 * count),
        bytes: new Uint8Array(0),
        digests: new Uint8Array(32 * count),
        durable
      })
      return [done.reduce((sum, one) => sum + one, 0), synced, flushed.length]
    }
    // Nothing is known of the disk at first, and the first tells; what takes less than 8 ms for all is not worth it.
    assert.deepStrictEqual(of(100), [100, 100, 0])
    assert.deepStrictEqual(of(40), [40, 40, 0])
    ;[each, takes] = [0, 10]
    assert.deepStrictEqual(of(100), [100, 100, 0])
    assert.deepStrictEqual(of(100), [100, 100, 0])
    each = 0.25
    assert.deepStrictEqual(of(100), [100, 100, 0])
    assert.deepStrictEqual(of(32), [32, 32, 0])
    ;[each, takes] = [0.25, 10]
    assert.deepStrictEqual(of(64), [64, 64, 1])
    assert.deepStrictEqual(flushed, ["0"])
    assert.deepStrictEqual(of(64, false), [64, 0, 0])
    // Where it takes longer than that, one of them does without, then two, and one again when it was quick.
    const often = (times: number) => Array.from({ length: times }, () => of(64)[2])
    takes = 17
    assert.deepStrictEqual(often(7), [1, 0, 1, 0, 0, 1, 0])
    takes = 10
    assert.deepStrictEqual(often(6), [0, 0, 0, 1, 1, 1])
    takes = 17
    assert.deepStrictEqual(often(3), [1, 0, 1])
  })
})

describe("small files that", () => {
  const source = SimFileSystem.make()
  for (let i = 0; i < 200; i++) source.put(`/out/${i}`, bytesOf(i, i), { mtime: i })
  const expected = source.tree("/")
  const arrived = (target: SimFileSystem.SimDisk) =>
    [...target.tree("/in")].filter(([path, { type }]) => type === "File" && !path.startsWith(partialFolder))
      .filter(([path, { bytes }]) => Buffer.compare(bytes, expected.get(path)?.bytes ?? utf8("mine")) === 0).length
  const home = () => {
    const disk = SimFileSystem.make()
    disk.makeFolder("/in")
    return disk
  }

  it.effect("could not land with others land by themselves", () =>
    Effect.gen(function*() {
      const target = home()
      const mount = target.mount()
      const { land, ...rest } = batchesOver(mount.fileSystem)
      const lots: Array<number> = []
      const { fileSystem: fs } = mount
      target.put("/in/mine", "mine", { mtime: 1 })
      const batches: FileBatches.Batches = {
        ...rest,
        land: (files, durable) => {
          lots.push(files.length)
          // What is left of them may be another file's second name by now, which is not to be written to.
          const left = files.filter((_, index) => index % 3 === 0)
          const links = Effect.forEach(left, ({ part }) => Effect.orDie(fs.link("/in/mine", part)))
          const done = land(files.filter((_, index) => index % 3 > 0), durable)
          return Effect.map(Effect.andThen(links, done), (landed) => {
            const each = landed!.values()
            return files.map((_, index) => index % 3 > 0 && each.next().value!)
          })
        }
      }
      const { counts, isWhole } = yield* receive(yield* offer(source.mount(), ["/out"]), { mount, batches })
      assert.deepStrictEqual([isWhole, counts.files, counts.failed], [true, 200, 0])
      assert.strictEqual(arrived(target), 201)
      assert.strictEqual(Buffer.from(target.tree("/in").get("mine")!.bytes).toString(), "mine")
      assert.strictEqual(lots.reduce((a, b) => a + b), 200)
    }))

  it.effect("wait for those before them, and come no further meanwhile than some lots, of few files and few bytes", () =>
    Effect.gen(function*() {
      for (const [length, most] of [[1, 256], [262_144, 16]] as const) {
        const many = SimFileSystem.make({ hollow: true })
        for (let i = 0; i < 8 * most; i++) many.put(`/out/${i}`, length, { mtime: 1 })
        const target = SimFileSystem.make({ hollow: true })
        target.makeFolder("/in")
        const lots: Array<number> = []
        const batches: FileBatches.Batches = {
          ...batchesOver(target.mount().fileSystem),
          land: (files) => {
            lots.push(files.length)
            // As a disk that is slow: all comes meanwhile that may.
            const slow = Effect.repeat(Effect.yieldNow, { times: 1_000 })
            return Effect.as(slow, files.map(() => true))
          }
        }
        const { isWhole } = yield* receive(yield* offer(many.mount(), ["/out"], { hash: lengths }), {
          mount: target.mount(),
          hash: lengths,
          batches
        })
        assert.isTrue(isWhole)
        assert.strictEqual(lots.reduce((a, b) => a + b), 8 * most)
        assert.strictEqual(Math.max(...lots), most)
      }
    }))

  it.effect("may have landed when their thread ended are said to have failed, and found the next time", () =>
    Effect.gen(function*() {
      const target = home()
      const mount = target.mount()
      const { land, ...rest } = batchesOver(mount.fileSystem)
      const batches: FileBatches.Batches = {
        ...rest,
        land: (files, durable) => Effect.as(land(files.slice(1), durable), undefined)
      }
      const sender = yield* offer(source.mount(), ["/out"])
      const first = yield* receive(sender, { mount, batches })
      assert.deepStrictEqual([first.isWhole, first.counts.files, first.counts.failed], [false, 0, 200])
      assert.deepStrictEqual([...new Set(first.problems.map(({ kind }) => kind))], ["SystemError"])
      const then = arrived(target)
      assert.isAbove(then, 0)
      const again = yield* receive(sender, { mount })
      assert.deepStrictEqual([again.isWhole, again.counts.hadFiles, again.counts.failed], [true, then, 0])
      assert.strictEqual(arrived(target), 200)
    }))
})
