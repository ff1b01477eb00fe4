/** Transfers on disks in memory, without a network. */
import { assert, describe, it } from "@effect/vitest"
import { SimFileSystem } from "@pnet/testing"
import * as Effect from "effect/Effect"
import * as Journal from "../src/internal/journal.ts"
import { partialFolder } from "../src/internal/names.ts"
import { scripts } from "./corpus.ts"
import { batchesOver, bytesOf, largeOver, offer, receive } from "./engine.ts"
import { random } from "./random.ts"

const home = () => {
  const disk = SimFileSystem.make()
  disk.makeFolder("/in")
  return disk
}

/** Both trees, but for what is kept of what is not whole. */
const sameTree = (
  source: SimFileSystem.SimDisk,
  from: string,
  target: SimFileSystem.SimDisk,
  to: string,
  folders = true
) => {
  const there = new Map([...target.tree(to)].filter(([path]) => !path.startsWith(partialFolder)))
  const expected = source.tree(from)
  assert.deepStrictEqual([...there.keys()], [...expected.keys()])
  for (const [path, entry] of expected) {
    const found = there.get(path)!
    assert.strictEqual(found.type, entry.type, path)
    assert.isTrue(Buffer.compare(found.bytes, entry.bytes) === 0, path)
    if (entry.type === "SymbolicLink" || entry.type === "Directory" && !folders) continue
    assert.strictEqual(found.mode.toString(8), entry.mode.toString(8), path)
    assert.strictEqual(found.mtime, entry.mtime, path)
  }
}

const grow = (disk: SimFileSystem.SimDisk) => {
  disk.put("/out/all/empty", "", { mtime: 1_000 })
  disk.put("/out/all/small.txt", "hello", { mode: 0o600, mtime: 1_234 })
  disk.put("/out/all/run.sh", "#!", { mode: 0o755, mtime: 5 })
  disk.put("/out/all/secret/readonly", "x", { mode: 0o400, mtime: 7 })
  disk.put("/out/all/deep/er/large.bin", bytesOf(1_300_001, 3), { mtime: 99_000 })
  disk.put("/out/all/edge", bytesOf(262_144, 4), { mtime: 4 })
  disk.put("/out/all/edge+1", bytesOf(262_145, 5), { mtime: 4 })
  disk.makeFolder("/out/all/none/at/all", { mtime: 77 })
  disk.link("/out/all/deep/link", "../small.txt")
  scripts.forEach((name, index) => disk.put(`/out/all/names/${name}`, bytesOf(index, index), { mtime: index }))
  disk.makeFolder("/out/all/secret", { mode: 0o500, mtime: 42 })
  disk.makeFolder("/out/all", { mtime: 4_242 })
}

describe("a transfer", () => {
  it.effect("brings a tree as it is: names, modes, times, links, empty folders", () =>
    Effect.gen(function*() {
      const source = SimFileSystem.make()
      const target = home()
      grow(source)
      const next = random(3)
      const sender = yield* offer(source.mount(), ["/out/all"])
      const { counts, isWhole, problems } = yield* receive(sender, {
        mount: target.mount(),
        pieces: () => 1 + next(100_000)
      })
      assert.deepStrictEqual(problems, [])
      assert.isTrue(isWhole)
      assert.strictEqual(counts.files, sender.head.files)
      assert.strictEqual(counts.bytes, sender.head.bytes)
      sameTree(source, "/out", target, "/in")
      // Nor is one of them kept under a second name.
      assert.deepStrictEqual(
        [...target.tree(`/in/${partialFolder}`).keys()].filter((path) => path.includes("/")),
        ["0123/journal"]
      )
    }))

  it.effect("gives nothing permissions that are masked, whatever the sender says", () =>
    Effect.gen(function*() {
      const source = SimFileSystem.make()
      source.put("/out/a", "a", { mode: 0o4777, mtime: 1 })
      source.makeFolder("/out", { mode: 0o1777, mtime: 1 })
      const sender = yield* offer(source.mount(), ["/out"])
      for (const [umask, mode] of [[undefined, 0o775], [0o077, 0o700], [0, 0o777]] as const) {
        const target = home()
        yield* receive(sender, { mount: target.mount(), ...umask === undefined ? {} : { umask } })
        const tree = target.tree("/in")
        assert.deepStrictEqual(["out", "out/a"].map((path) => tree.get(path)!.mode), [mode, mode])
      }
    }))

  it.effect(
    "that is broken off or killed anywhere leaves nothing but whole files under their names, and goes on where it was",
    () =>
      Effect.gen(function*() {
        const source = SimFileSystem.make()
        grow(source)
        const senders = [
          yield* offer(source.mount(), ["/out/all"]),
          yield* offer(source.mount(), ["/out/all"], { large: largeOver(source.mount().fileSystem) })
        ]
        const expected = source.tree("/out")
        const whole = senders[0]!.head.bytes
        let resumed = 0
        for (let seed = 1; seed <= 8; seed++) {
          const next = random(seed)
          const sender = senders[seed % 2]!
          const target = home()
          const withPower = seed % 3 !== 0
          for (let attempt = 0;; attempt++) {
            const missing = missingOf(expected, target)
            const mount = target.mount()
            // The last one is left alone. The others break off what comes, or end the process in the midst of what it does with files.
            const isLast = attempt === 4
            let operations = isLast ? Infinity : seed % 2 === 0 ? Infinity : next(300)
            target.intercept = () => {
              if (operations-- <= 0) mount.kill()
              return undefined
            }
            const received = yield* Effect.result(receive(sender, {
              mount,
              ...seed % 4 < 2 ? {} : { batches: batchesOver(mount.fileSystem) },
              ...seed % 8 < 4 ? {} : { large: largeOver(mount.fileSystem) },
              breakAfter: isLast ? Infinity : seed % 2 === 0 ? next(whole) : Infinity,
              pieces: () => 1 + next(200_000)
            }))
            target.intercept = undefined
            mount.kill()
            if (!withPower) target.powerLoss()
            for (const [path, { bytes, type }] of target.tree("/in")) {
              if (path.startsWith(partialFolder) || type !== "File") continue
              assert.isTrue(
                Buffer.compare(bytes, expected.get(path)!.bytes) === 0,
                `seed ${seed}: ${path} is not whole`
              )
            }
            if (received._tag === "Failure" || !received.success.isWhole) continue
            // Whose a folder is, is forgotten with the power.
            sameTree(source, "/out", target, "/in", withPower)
            const { answers } = received.success.sent
            // What frames it: at most 64 bytes a file, and 4 for each part of one.
            assert.isAtMost(answers, missing + 64 * sender.head.files + 4 * Math.ceil(whole / 262_144), `seed ${seed}`)
            if (withPower) assert.isAtLeast(answers, missing, `seed ${seed}`)
            if (missing < whole) resumed++
            break
          }
        }
        assert.isAbove(resumed, 4)
      })
  )

  it.effect("goes on in no file that has its name, whatever became of that since", () =>
    Effect.gen(function*() {
      const source = SimFileSystem.make()
      source.put("/out", bytesOf(700_000, 1), { mtime: 1 })
      const sender = yield* offer(source.mount(), ["/out"])
      const target = home()
      const mount = target.mount()
      // It ends when the file has its name, and that of what is not whole as well.
      target.intercept = ({ method, path }) => {
        if (method !== "rename" || !path.endsWith("/spent")) return undefined
        mount.kill()
        return "EIO"
      }
      yield* Effect.exit(receive(sender, { mount }))
      target.intercept = undefined
      const { fileSystem: fs } = target.mount()
      yield* fs.rename("/in/out", "/in/mine")
      yield* fs.writeFileString("/in/mine", "mine")
      const names = [...target.tree(`/in/${partialFolder}`).keys()]
      assert.isTrue(names.some((name) => name.endsWith(".part")))
      const { isWhole } = yield* receive(sender, { mount: target.mount() })
      assert.isTrue(isWhole)
      assert.strictEqual(target.text("/in/mine"), "mine")
      assert.strictEqual(Buffer.compare(target.tree("/in").get("out")!.bytes, bytesOf(700_000, 1)), 0)
    }))

  it.effect("has a journal that is begun anew where its end is not whole, so that what comes behind is found again", () =>
    Effect.gen(function*() {
      const disk = home()
      const { fileSystem: fs } = disk.mount()
      const keys = ["a", "b", "c"].map((letter) => letter.repeat(2 * Journal.keyLength))
      const opened = <A>(use: (journal: Journal.Journal) => A) =>
        Effect.scoped(Effect.map(Journal.open(fs, "/in/journal", 100), use))
      yield* opened(({ note }) => keys.slice(0, 2).forEach((key) => note(key, "renamed")))
      // In the midst of the last record.
      yield* fs.writeFile("/in/journal", (yield* fs.readFile("/in/journal")).slice(0, -1))
      yield* opened(({ landed, note }) => {
        assert.deepStrictEqual([...landed], [[keys[0], "renamed"]])
        note(keys[2]!)
      })
      const found = yield* opened(({ landed }) => [...landed])
      assert.deepStrictEqual(found, [[keys[0], "renamed"], [keys[2], ""]])
    }))
})

/** Bytes that are neither under a name nor in a part of a large file. */
const missingOf = (expected: ReadonlyMap<string, SimFileSystem.Entry>, target: SimFileSystem.SimDisk): number => {
  const there = target.tree("/in")
  let missing = 0
  for (const [path, { size, type }] of expected) if (type === "File" && !there.has(path)) missing += size
  for (const [path, { size }] of there) if (path.endsWith(".part") && size > 262_144) missing -= size
  return missing
}
