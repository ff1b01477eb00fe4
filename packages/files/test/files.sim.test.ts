/** Files between nodes on a simulated network, in virtual time. */
import { assert, describe, it } from "@effect/vitest"
import { NodeCrypto } from "@pnet/node"
import { TestNetwork } from "@pnet/testing"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { bytesOf } from "./engine.ts"
import { filesOf, machine, node } from "./world.ts"

describe("files", () => {
  it.effect("are sent to a peer that takes them, and those it has are not sent again", () =>
    Effect.gen(function*() {
      const [a, b] = [machine(), machine()]
      a.disk.put("/home/photos/one.jpg", bytesOf(700_000, 1))
      a.disk.put("/home/photos/two.jpg", bytesOf(20_000, 2))
      a.disk.put("/home/notes.txt", "hello")
      const { nodes } = yield* TestNetwork.make({
        crypto: NodeCrypto.layer,
        seed: 1,
        nodes: { alice: node(a), bob: node(b, { receive: { folder: "/in", accept: { names: ["alice"] } } }) }
      })
      const { send } = filesOf(nodes.alice)
      const summary = yield* send("bob", ["/home/photos", "/home/notes.txt"])
      assert.deepStrictEqual(summary, {
        peer: "bob",
        files: 3,
        bytes: 720_005,
        hadFiles: 0,
        hadBytes: 0,
        failed: 0,
        problems: []
      })
      assert.strictEqual(b.disk.text("/in/notes.txt"), "hello")
      assert.deepStrictEqual(
        [...b.disk.tree("/in").keys()],
        ["notes.txt", "photos", "photos/one.jpg", "photos/two.jpg", ".pnet-partial"].sort()
      )
      const again = yield* send("bob", ["/home/photos", "/home/notes.txt"])
      assert.strictEqual(again.hadFiles, 3)
      assert.strictEqual(again.hadBytes, 720_005)
    }))

  it.effect("wait for somebody to decide, who sees what is offered", () =>
    Effect.gen(function*() {
      const [a, b] = [machine(), machine()]
      a.disk.put("/home/a.txt", "a")
      a.disk.put("/home/b.txt", "b")
      const { nodes } = yield* TestNetwork.make({
        crypto: NodeCrypto.layer,
        seed: 2,
        nodes: { alice: node(a), bob: node(b, { receive: { folder: "/in" } }) }
      })
      const decided = yield* Effect.forkScoped(Stream.runForEach(filesOf(nodes.bob).offers, (offer) =>
        offer.names[0] === "a.txt" ? offer.accept : offer.decline("not today")))
      const first = yield* filesOf(nodes.alice).send("bob", ["/home/a.txt"], { note: "for you" })
      assert.strictEqual(first.files, 1)
      const declined = yield* Effect.flip(filesOf(nodes.alice).send("bob", ["/home/b.txt"]))
      assert.strictEqual(declined._tag, "DeclinedError")
      assert.include(declined.message, "not today")
      yield* Fiber.interrupt(decided)
      const late = yield* Effect.flip(filesOf(nodes.alice).send("bob", ["/home/b.txt"]))
      assert.include(late.message, "in time")
      assert.isUndefined(b.disk.text("/in/b.txt"))
    }))

  it.effect("go on by themselves when the receiver is killed and back, and ask only for what is missing", () =>
    Effect.gen(function*() {
      const [a, b] = [machine(), machine()]
      const large = bytesOf(6_000_000, 3)
      a.disk.put("/home/large.bin", large)
      const { nodes } = yield* TestNetwork.make({
        crypto: NodeCrypto.layer,
        seed: 3,
        nodes: { alice: node(a), bob: node(b, { receive: { folder: "/in", accept: "all" } }) }
      })
      const fiber = yield* Effect.forkScoped(filesOf(nodes.alice).send("bob", ["/home/large.bin"]))
      // Killed behind the third megabyte.
      const part = () => [...b.disk.tree("/in")].find(([path]) => path.endsWith(".part"))?.[1].size ?? 0
      yield* Effect.repeat(Effect.sleep("1 millis"), { until: () => part() > 2_500_000 })
      b.mount.kill()
      yield* nodes.bob.kill
      const there = part()
      assert.isBelow(there, 6_000_000)
      yield* Effect.sleep("20 seconds")
      const before = a.disk.bytesRead.get("/home/large.bin")!
      yield* nodes.bob.restart
      const summary = yield* Fiber.join(fiber)
      assert.strictEqual(summary.failed, 0)
      assert.isTrue(Buffer.compare(b.disk.tree("/in").get("large.bin")!.bytes, large) === 0)
      // All of it is read once more, for its hash.
      assert.isAtMost(a.disk.bytesRead.get("/home/large.bin")! - before, 6_000_000)
    }))
})
