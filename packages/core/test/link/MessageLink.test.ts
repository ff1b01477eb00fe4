/** Connections over channels of messages: what the suite of transports does not ask. */
import { assert, describe, it } from "@effect/vitest"
import { MessageLink } from "@pnet/core"
import * as Channels from "@pnet/lab/worlds/channels"
import { Effect, Exit, Fiber, Scope } from "effect"
import { TestClock } from "effect/testing"
import { headerLength, initialWindow, Kind, make } from "../../src/internal/link/frames.ts"

const remote = { host: "fd70:6e74::1", port: 1 }

/** A link whose other end is the test's. */
const link = (options: Partial<MessageLink.Options> = {}) =>
  Effect.gen(function*() {
    const [near, far] = yield* Channels.make()
    const heard: Array<Uint8Array> = []
    far.open({ message: (message) => heard.push(message), room: () => {}, closed: () => {} })
    const connection = yield* MessageLink.make(near, { remote, ...options })
    return { connection, far, heard, kinds: () => heard.map(([kind]) => kind) }
  })

const turn = Effect.andThen(Effect.yieldNow, Effect.yieldNow)

describe("MessageLink", () => {
  it.effect("ends as its channel does, and says why", () =>
    Effect.gen(function*() {
      const { connection, far } = yield* link()
      const reading = yield* Effect.forkChild(Effect.flip(connection.pull), { startImmediately: true })
      const writing = yield* Effect.forkChild(Effect.flip(connection.write(new Uint8Array(initialWindow + 1))), {
        startImmediately: true
      })
      yield* turn
      assert.isUndefined(writing.pollUnsafe())
      far.kill()
      for (const error of [yield* Fiber.join(reading), yield* Fiber.join(writing)]) {
        assert.strictEqual(error.clean, false)
        assert.include(error.message, "the channel has ended")
      }
      assert.include((yield* Effect.flip(connection.write(Uint8Array.of(1)))).message, "the channel has ended")
    }))

  it.effect("asks after 5 seconds, and gives up after 15", () =>
    Effect.gen(function*() {
      const { connection, far, kinds } = yield* link()
      const reading = yield* Effect.forkChild(Effect.flip(connection.pull), { startImmediately: true })
      // It looks every five seconds whether anything came since it looked before.
      yield* TestClock.adjust("4 seconds")
      far.send(make(Kind.data, 0, initialWindow, 0))
      yield* TestClock.adjust("5999 millis")
      assert.deepStrictEqual(kinds(), [])
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(kinds(), [Kind.ping])
      yield* TestClock.adjust("9999 millis")
      assert.deepStrictEqual(kinds(), [Kind.ping, Kind.ping])
      assert.isUndefined(reading.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      assert.include((yield* Fiber.join(reading)).message, "silent for too long")
      assert.strictEqual(kinds().at(-1), Kind.reset)
    }))

  it.effect("gives what is written to it to the channel as copies, and what comes without any", () =>
    Effect.gen(function*() {
      const { connection, far, heard } = yield* link()
      const bytes = Uint8Array.of(1, 2, 3)
      yield* connection.write(bytes)
      bytes.fill(9)
      yield* turn
      assert.deepStrictEqual([...heard[0]!.subarray(-3)], [1, 2, 3])
      const message = make(Kind.data, 0, initialWindow, 10)
      far.send(message)
      const [chunk] = yield* connection.pull
      assert.strictEqual(chunk.buffer, message.buffer)
    }))

  it.effect("sends nothing of a write that was interrupted before it began, and takes none after an end that waits", () =>
    Effect.gen(function*() {
      const { connection, far, heard } = yield* link()
      yield* connection.write(new Uint8Array(initialWindow))
      const write = (value: number) =>
        Effect.forkChild(Effect.result(connection.write(Uint8Array.of(value))), { startImmediately: true })
      const interrupted = yield* write(1)
      const waiting = yield* write(2)
      yield* Fiber.interrupt(interrupted)
      yield* connection.end
      assert.strictEqual((yield* Effect.flip(connection.write(Uint8Array.of(3)))).clean, false)
      far.send(make(Kind.data, 0, initialWindow + 10, 0))
      assert.strictEqual((yield* Fiber.join(waiting))._tag, "Success")
      yield* turn
      assert.deepStrictEqual([...heard.at(-2)!.subarray(headerLength)], [2])
      assert.strictEqual(heard.at(-1)![0], Kind.end)
    }))

  it.effect("says that it is closed, unless a write is not through", () =>
    Effect.gen(function*() {
      for (const [length, kind] of [[10, Kind.close], [initialWindow + 1, Kind.reset]] as const) {
        const scope = yield* Scope.make()
        const { connection, kinds } = yield* Scope.provide(link(), scope)
        yield* Effect.forkChild(Effect.exit(connection.write(new Uint8Array(length))), { startImmediately: true })
        yield* Scope.close(scope, Exit.void)
        assert.isFalse((yield* Effect.flip(connection.pull)).clean)
        yield* turn
        assert.strictEqual(kinds().at(-1) ?? kind, kind)
      }
    }))
})
