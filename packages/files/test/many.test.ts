/** Many files, large ones, and several who pull the same. */
import { assert, describe, it } from "@effect/vitest"
import { SimFileSystem } from "@pnet/testing"
import * as Effect from "effect/Effect"
import { bytesOf, lengths, offer, receive } from "./engine.ts"

describe("many files", () => {
  it.effect("of a deep tree are found by their numbers, in any order", () =>
    Effect.gen(function*() {
      const disk = SimFileSystem.make()
      for (let i = 0; i < 3_000; i++) disk.put(`/out/${i % 7}/${i % 31}/${i}`, "", { mtime: i })
      const { reading, scanned } = yield* offer(disk.mount(), ["/out"])
      const locate = reading.locator()
      const all = Array.from({ length: 3_000 }, (_, file) => locate(file)!.path.join("/"))
      assert.strictEqual(new Set(all).size, 3_000)
      for (const file of [2_999, 0, 256, 255, 1_500, 700, 701]) {
        assert.strictEqual(locate(file)!.path.join("/"), all[file])
      }
      for (const file of [-1, 3_000, 0.5, NaN]) {
        assert.isUndefined(locate(file))
      }
      const bytes = scanned.manifest.blocks.reduce((sum, block) => sum + block.length, 0)
      assert.isBelow(bytes / 3_000, 30)
    }))

  it.effect("take memory that does not grow with them, and ask in step with what comes", () =>
    Effect.gen(function*() {
      const source = SimFileSystem.make({ hollow: true })
      for (let i = 0; i < 1_500; i++) source.put(`/out/${i % 40}/${i}`, 4_096, { mtime: 1 })
      const target = SimFileSystem.make({ hollow: true })
      target.makeFolder("/in")
      const sender = yield* offer(source.mount(), ["/out"], { hash: lengths })
      let most = 0
      target.intercept = () => {
        most = Math.max(most, (target.counts.open ?? 0) - (target.counts.link ?? 0))
        return undefined
      }
      const { isWhole } = yield* receive(sender, { mount: target.mount(), hash: lengths })
      assert.isTrue(isWhole)
      assert.isBelow(most, 80, "files that are on their way at once")
    }))

  it.effect("of 100 GiB go on where they were, on a disk that keeps sizes alone", () =>
    Effect.gen(function*() {
      const size = 100 * 2 ** 30 + 5
      const source = SimFileSystem.make({ hollow: true })
      source.put("/out/huge", size, { mtime: 1 })
      const target = SimFileSystem.make({ hollow: true })
      target.makeFolder("/in")
      const sender = yield* offer(source.mount(), ["/out/huge"], { hash: lengths })
      assert.strictEqual(sender.head.bytes, size)
      // Broken off at once, so that there is a part by its name; then all but some megabytes of it are there.
      yield* Effect.result(receive(sender, { mount: target.mount(), hash: lengths, breakAfter: 3_000_000 }))
      const part = [...target.tree("/in/.pnet-partial/0123").keys()].find((name) => name.endsWith(".part"))!
      const there = size - 20_000_000
      target.put(`/in/.pnet-partial/0123/${part}`, there)
      const { isWhole, sent } = yield* receive(sender, { mount: target.mount(), hash: lengths })
      assert.isTrue(isWhole)
      assert.strictEqual(target.tree("/in").get("huge")!.size, size)
      assert.isBelow(sent.answers, 20_001_000)
    }))
})

describe("several receivers", () => {
  it.effect("that keep pace have the source read once", () =>
    Effect.gen(function*() {
      const source = SimFileSystem.make()
      const large = bytesOf(2_000_000, 1)
      source.put("/out/large", large, { mtime: 1 })
      for (let i = 0; i < 50; i++) source.put(`/out/small/${i}`, bytesOf(1_000, i), { mtime: 1 })
      const sender = yield* offer(source.mount(), ["/out"], { shared: true })
      const targets = Array.from({ length: 3 }, () => {
        const disk = SimFileSystem.make()
        disk.makeFolder("/in")
        return disk
      })
      const received = yield* Effect.forEach(targets, (disk) =>
        receive(sender, { mount: disk.mount(), pieces: () => 65_536 }), {
        concurrency: "unbounded"
      })
      assert.isTrue(received.every(({ isWhole }) =>
        isWhole
      ))
      for (const disk of targets) assert.isTrue(Buffer.compare(disk.tree("/in").get("out/large")!.bytes, large) === 0)
      // Small ones may be asked for by several before the first has them.
      assert.isBelow(source.counts.readBytes!, 2_050_000 * 1.2)
    }))

  it.effect("that is one, and pulls a file twice at once, does not have what it is given change under it", () =>
    Effect.gen(function*() {
      const source = SimFileSystem.make()
      const large = bytesOf(6_000_000, 3)
      source.put("/out", large, { mtime: 1 })
      const { reading } = yield* offer(source.mount(), ["/out"])
      const located = reading.locator()(0)!
      const one = yield* reading.large(0, located)
      const other = yield* reading.large(0, located)
      const first = yield* one.at(0)
      for (let index = 0; index < 20; index++) yield* other.at(index)
      assert.isTrue(Buffer.compare(first, large.subarray(0, first.length)) === 0)
    }))
})
