/** A page of a node with a crowd of peers. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Schedule, Stream } from "effect"
import { TestClock } from "effect/testing"
import { mostOfPatch, mostPeers } from "../src/internal/server/people.ts"
import { crowd } from "./harness/crowd.ts"
import { consoleOf, Shown, watching } from "./harness/desk.ts"

/** Lets virtual time pass in the steps in which things happen. */
const pass = (seconds: number) => Effect.repeat(TestClock.adjust(10), Schedule.recurs(seconds * 100 - 1))

describe("300 peers with 100 changes a second", () => {
  it.effect("are at most five patches a second, each with what has changed, and the page has what there is", () =>
    Effect.gen(function*() {
      const { change, node, peers } = yield* crowd(300)
      const shown = yield* watching(yield* consoleOf(node))
      yield* pass(30)
      assert.strictEqual(shown.peers.size, 301)
      // Everybody sees everybody.
      assert.strictEqual([...shown.links.values()].reduce((sum, { size }) => sum + size, 0), 300 + 300 * 299)
      const before = shown.patches
      shown.largest = 0
      const going = yield* Effect.forkScoped(Effect.repeat(change, Schedule.spaced(10)))
      yield* pass(20)
      assert.isAtMost(shown.patches - before, 5 * 20 + 1)
      assert.isAbove(shown.patches - before, 5 * 20 - 10)
      assert.isBelow(shown.largest, 100_000)
      yield* Fiber.interrupt(going)
      yield* pass(40)
      assert.deepStrictEqual(
        [...shown.peers.values()].filter(({ id }) => id !== 0).map(({ name, status }) => `${name} ${status}`).sort(),
        [...peers.values()].map(({ name, status }) => `${name} ${status === "Online" ? "online" : "suspect"}`).sort()
      )
      const unknown = [...shown.links.values()].flatMap((to) => [...to].filter((id) => !shown.peers.has(id)))
      assert.deepStrictEqual(unknown, [])
    }))
})

describe("a page", () => {
  it.effect("that is slow is given the newest state, and nothing is kept for it meanwhile", () =>
    Effect.gen(function*() {
      const { change, node, peers } = yield* crowd(100)
      const client = yield* consoleOf(node)
      const shown = new Shown()
      const reading = yield* Effect.forkScoped(
        Stream.runForEach(
          client.watch(),
          (patch) => Effect.andThen(Effect.sync(() => shown.take(patch)), Effect.sleep("5 seconds"))
        )
      )
      yield* Effect.forkScoped(Effect.repeat(change, Schedule.spaced(10)))
      yield* pass(30)
      assert.isAtMost(shown.patches, 8)
      assert.isAtMost(Math.abs(shown.peers.size - 1 - peers.size), 100)
      yield* Fiber.interrupt(reading)
    }))

  it.effect("is shown so many peers at once and altogether, and told how many there are", () =>
    Effect.gen(function*() {
      const { node } = yield* crowd(mostPeers + 50)
      const client = yield* consoleOf(node)
      const shown = new Shown()
      let most = 0
      yield* Effect.forkScoped(Stream.runForEach(client.watch(), (patch) =>
        Effect.sync(() => {
          most = Math.max(most, patch.peers.length)
          shown.take(patch)
        })))
      yield* pass(5)
      assert.strictEqual(shown.peers.size, mostPeers + 1)
      assert.strictEqual(shown.count, mostPeers + 50)
      assert.strictEqual(most, mostOfPatch)
    }))
})
