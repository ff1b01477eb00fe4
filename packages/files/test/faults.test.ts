/** What goes wrong with files on the way, on disks in memory: the rest goes on, and nothing that is not whole has a name. */
import { assert, describe, it } from "@effect/vitest"
import { SimFileSystem } from "@pnet/testing"
import * as Effect from "effect/Effect"
import * as Path from "effect/Path"
import * as Folders from "../src/internal/folders.ts"
import { batchesOver, bytesOf, lengths, offer, receive } from "./engine.ts"

const home = (options?: SimFileSystem.Options) => {
  const disk = SimFileSystem.make(options)
  disk.makeFolder("/in")
  return disk
}

const names = (disk: SimFileSystem.SimDisk) =>
  [...disk.tree("/in")].filter(([path]) => !path.startsWith(".pnet-partial")).map(([path]) => path)

const kinds = (problems: ReadonlyArray<{ readonly path: string; readonly kind: string }>) =>
  problems.map(({ kind, path }) => `${path}: ${kind}`).sort()

const seven = bytesOf(700_000, 1)

describe("a disk", () => {
  it.effect("has a folder made with those that it is in, each by itself, unless something else is there or none can be", () =>
    Effect.gen(function*() {
      const disk = home()
      disk.put("/in/file", "")
      disk.intercept = ({ method, path }) =>
        method === "makeDirectory" && path.startsWith("/in/never/") ? "ENOENT" : undefined
      disk.makeFolder("/in/never")
      const { fileSystem } = disk.mount()
      const made: Array<string> = []
      const fs: typeof fileSystem = {
        ...fileSystem,
        makeDirectory: (path, options) => {
          made.push(path)
          return options?.recursive === true ? Effect.die("it may never end") : fileSystem.makeDirectory(path, options)
        }
      }
      const paths = yield* Path.Path
      const ensure = (path: string) => Effect.result(Folders.ensure(fs, paths, path))
      assert.strictEqual((yield* ensure("/in/a/b/c"))._tag, "Success")
      assert.strictEqual((yield* ensure("/in/a/b"))._tag, "Success")
      assert.deepStrictEqual(made.splice(0), ["/in/a", "/in/a/b", "/in/a/b/c"])
      assert.strictEqual((yield* ensure("/in/file"))._tag, "Failure")
      assert.strictEqual((yield* ensure("/in/never/a/b"))._tag, "Failure")
      assert.deepStrictEqual(made, ["/in/file", "/in/never/a"])
    }).pipe(Effect.provide(Path.layer)))

  it.effect("that is full costs the file that has no room, and those behind it arrive", () =>
    Effect.gen(function*() {
      const source = SimFileSystem.make()
      source.put("/out/a-large", bytesOf(5_000_000, 2))
      source.put("/out/b-small", "b")
      source.put("/out/c-more", seven)
      const target = home({ capacity: 1_000_000 })
      const sender = yield* offer(source.mount(), ["/out"])
      const { counts, isWhole, problems, sent } = yield* receive(sender, { mount: target.mount() })
      assert.deepStrictEqual(kinds(problems), ["out/a-large: DiskFull"])
      assert.deepStrictEqual(names(target), ["out", "out/b-small", "out/c-more"])
      assert.isFalse(isWhole)
      assert.deepStrictEqual([counts.files, counts.bytes, counts.failed], [2, 700_001, 1])
      // The rest of what has no room is not fetched.
      assert.isBelow(sent.answers, 5_700_000)
      // With more room it goes on with what is missing.
      target.capacity = 10_000_000
      const again = yield* receive(sender, { mount: target.mount() })
      assert.isTrue(again.isWhole)
      assert.isBelow(again.sent.answers, 5_001_000)
    }))

  it.effect("that refuses a folder, a name or a path says so of each, and takes the rest", () =>
    Effect.gen(function*() {
      const source = SimFileSystem.make()
      for (const path of ["a/1", "b/2", "c", "d"]) source.put(`/out/${path}`, path)
      source.put(`/out/${"long/".repeat(20)}e`, "e")
      const target = home({ longestPath: 80 })
      target.makeFolder("/in/out/a", { mode: 0o500 })
      target.put("/in/out/b", "a file where a folder is to be")
      target.makeFolder("/in/out/c")
      const sender = yield* offer(source.mount(), ["/out"])
      target.intercept = ({ method, path }) => method === "rename" && path.endsWith("/d") ? "EACCES" : undefined
      const { counts, problems } = yield* receive(sender, { mount: target.mount(), collisions: "overwrite" })
      const found = kinds(problems)
      assert.include(found, "out/a/1: PermissionDenied")
      assert.include(found, "out/b: InTheWay")
      assert.include(found, "out/c: InTheWay")
      assert.isTrue(found.some((one) => one.startsWith("out/long") && one.endsWith(": PathTooLong")))
      assert.deepStrictEqual([counts.files, target.text("/in/out/d")], [0, undefined])
      assert.strictEqual(target.text("/in/out/b"), "a file where a folder is to be")
    }))

  it.effect("that cannot keep what is written, and says so once, in the midst, has no such file under its name", () =>
    Effect.gen(function*() {
      const size = 66 * 1_048_576
      const source = SimFileSystem.make({ hollow: true })
      source.put("/out/large", size, { mtime: 1 })
      const target = SimFileSystem.make({ hollow: true })
      target.makeFolder("/in")
      const sender = yield* offer(source.mount(), ["/out/large"], { hash: lengths })
      let syncs = 0
      target.intercept = ({ method }) => method === "sync" && ++syncs === 1 ? "EIO" : undefined
      const { problems } = yield* receive(sender, { mount: target.mount(), hash: lengths })
      assert.deepStrictEqual(kinds(problems), ["large: SystemError"])
      assert.deepStrictEqual(names(target), [])
      target.intercept = undefined
      const { isWhole } = yield* receive(sender, { mount: target.mount(), hash: lengths })
      assert.isTrue(isWhole)
      // By and by, and at the end.
      assert.isAbove(target.counts.sync!, 1)
    }))

  it.effect("that lies about what was written is found out, and asked once more", () =>
    Effect.gen(function*() {
      const source = SimFileSystem.make()
      source.put("/out/small", "small")
      source.put("/out/large", seven)
      const target = home()
      const sender = yield* offer(source.mount(), ["/out"])
      // A part that is there from before has the right size, and not the right bytes.
      const broken = yield* Effect.result(receive(sender, { mount: target.mount(), breakAfter: 600_000 }))
      assert.strictEqual(broken._tag, "Failure")
      const [part] = [...target.tree("/in/.pnet-partial/0123")].filter(([path]) => path.endsWith(".part"))
      target.put(`/in/.pnet-partial/0123/${part?.[0] ?? "none.part"}`, new Uint8Array(524_288))
      const { isWhole } = yield* receive(sender, { mount: target.mount() })
      assert.isTrue(isWhole)
      assert.isTrue(Buffer.compare(target.tree("/in").get("out/large")!.bytes, seven) === 0)
    }))
})

describe("a source", () => {
  it.effect("that changes is noticed, and nothing of it has a name", () =>
    Effect.gen(function*() {
      const source = SimFileSystem.make()
      source.put("/out/large", seven, { mtime: 1 })
      source.put("/out/gone", "gone", { mtime: 1 })
      source.put("/out/other", "other", { mtime: 1 })
      source.put("/out/same", "same", { mtime: 1 })
      source.put("/out/unreadable", "x", { mtime: 1 })
      const target = home()
      const sender = yield* offer(source.mount(), ["/out"])
      source.remove("/out/gone")
      source.put("/out/other", "OTHER", { mtime: 2 })
      let touched = false
      source.intercept = ({ method, offset, path }) => {
        if (path.endsWith("unreadable") && method === "open") return "EACCES"
        if (method === "read" && path.endsWith("large") && offset > 300_000 && !touched) {
          touched = true
          source.put("/out/large", bytesOf(700_000, 9), { mtime: 3 })
        }
        return undefined
      }
      const { counts, problems } = yield* receive(sender, { mount: target.mount() })
      assert.strictEqual(counts.changed, 3)
      assert.deepStrictEqual(kinds(problems), ["out/unreadable: SourceFailed"])
      assert.deepStrictEqual(names(target), ["out", "out/same"])
      // Looked at anew, it is another list, and what was there is not sent again.
      source.intercept = undefined
      const anew = yield* offer(source.mount(), ["/out"])
      assert.notDeepEqual(anew.head.digest, sender.head.digest)
      const again = yield* receive(anew, { mount: target.mount() })
      assert.isTrue(again.isWhole)
      assert.strictEqual(again.counts.hadFiles, 1)
      assert.strictEqual(target.text("/in/out/other"), "OTHER")
    }))

  it.effect("has what cannot be sent left out, and says so", () =>
    Effect.gen(function*() {
      const source = SimFileSystem.make()
      source.put("/out/a", "a")
      source.put("/out/locked/b", "b")
      source.makeFolder("/out/locked", { mode: 0o000 })
      source.link("/out/loop", ".")
      const { scanned } = yield* offer(source.mount(), ["/out"], { links: "follow" })
      assert.deepStrictEqual(kinds(scanned.problems), ["out/locked: SourceFailed", "out/loop: LinkRefused"])
      assert.strictEqual(scanned.skipped, 2)
      for (
        const [paths, kind] of [[["/none"], "Missing"], [[], "Nothing"], [["/"], "NoName"], [
          ["/out", "/x/../out"],
          "SameName"
        ]] as const
      ) {
        source.makeFolder("/x")
        const error = yield* Effect.flip(offer(source.mount(), paths))
        assert.strictEqual(error.kind, kind)
      }
    }))
})

describe("a name that is taken", () => {
  const transfer = (collisions: "rename" | "overwrite" | "skip", folds = false) =>
    Effect.gen(function*() {
      const source = SimFileSystem.make()
      source.put("/out/a.txt", "new a")
      source.put("/out/b.txt", "same")
      const target = home({ foldsCase: folds })
      target.put("/in/out/a.txt", "old a!")
      target.put("/in/out/b.txt", "same")
      const sender = yield* offer(source.mount(), ["/out"])
      const first = yield* receive(sender, { mount: target.mount(), collisions })
      const again = yield* receive(sender, { mount: target.mount(), collisions })
      assert.isTrue(first.isWhole && again.isWhole)
      assert.strictEqual(again.counts.hadFiles, 2, "what is there is not sent again")
      return [names(target).filter((name) => name !== "out"), target.text("/in/out/a.txt"), first.counts.hadFiles]
    })

  it.effect("stays with what has it, is given to the new one, or keeps that away, by policy", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* transfer("rename"), [["out/a (1).txt", "out/a.txt", "out/b.txt"], "old a!", 1])
      assert.deepStrictEqual(yield* transfer("overwrite"), [["out/a.txt", "out/b.txt"], "new a", 1])
      assert.deepStrictEqual(yield* transfer("skip"), [["out/a.txt", "out/b.txt"], "old a!", 2])
    }))

  it.effect("by one of the same transfer, on a disk that folds case, costs neither of them", () =>
    Effect.gen(function*() {
      const source = SimFileSystem.make()
      const texts: Record<string, string> = {
        "A.txt": "upper",
        "a.txt": "lower",
        "caf\u00e9": "one",
        "cafe\u0301": "other"
      }
      for (const [name, text] of Object.entries(texts)) source.put(`/out/${name}`, text)
      for (const collisions of ["rename", "overwrite", "skip"] as const) {
        const sender = yield* offer(source.mount(), ["/out"])
        for (const many of [false, true]) {
          const target = home({ foldsCase: true })
          const mount = target.mount()
          const batches = many ? batchesOver(mount.fileSystem) : undefined
          const { isWhole } = yield* receive(sender, { mount, collisions, ...(batches && { batches }) })
          assert.isTrue(isWhole)
          const found = [...target.tree("/in/out")].map(([, { bytes }]) => new TextDecoder().decode(bytes))
          assert.deepStrictEqual(found.sort(), Object.values(texts).sort(), collisions)
        }
      }
    }))
})
