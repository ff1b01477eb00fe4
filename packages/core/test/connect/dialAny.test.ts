/** Racing the addresses of a peer. */
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { dialAny } from "../../src/internal/connect/dialAny.ts"

const first = { host: "10.0.0.1", port: 1 }
const second = { host: "10.0.0.2", port: 1 }

/** Dials both, of which each takes 400 ms, and says which were tried by then. */
const tried = (signOf: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const begun: Array<string> = []
    const dial = dialAny([first, second], ({ host }, promising) =>
      Effect.gen(function*() {
        begun.push(host)
        yield* Effect.sleep("100 millis")
        if (signOf.includes(host)) promising()
        yield* Effect.sleep("300 millis")
        return host
      }), { onFailure: () => {}, blame: ([failure]) => failure!.error })
    const fiber = yield* Effect.forkChild(Effect.scoped(dial), { startImmediately: true })
    yield* TestClock.adjust("1 second")
    assert.strictEqual(yield* Fiber.join(fiber), first.host)
    return begun
  })

describe("an address that takes longer than the head start", () => {
  it.effect("is joined by the next", () =>
    Effect.map(tried([]), (begun) => assert.deepStrictEqual(begun, [first.host, second.host])))

  it.effect("and has as much time again where there is a sign that it is the peer's", () =>
    Effect.map(tried([first.host]), (begun) => assert.deepStrictEqual(begun, [first.host])))
})

describe("an address whose way breaks", () => {
  const dial = (other: Effect.Effect<string, string>) =>
    dialAny([first, second], ({ host }) => host === first.host ? Effect.die("no such subject") : other, {
      onFailure: () => {},
      blame: ([failure]) => failure!.error
    })

  it.effect("takes nothing from the next, which is tried at once", () =>
    Effect.map(dial(Effect.succeed("there")), (answer) => assert.strictEqual(answer, "there")))

  it.effect("and is told where there is no other that answers", () =>
    Effect.gen(function*() {
      const exit = yield* Effect.exit(dial(Effect.fail("refused")))
      assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
    }))
})

describe("addresses that lost the race", () => {
  it.effect("hold nothing any more when the first has proved itself, and the winner what it has", () =>
    Effect.gen(function*() {
      const held = new Set<string>()
      const holding = (host: string) =>
        Effect.acquireRelease(Effect.sync(() => held.add(host)), () => Effect.sync(() => held.delete(host)))
      yield* Effect.gen(function*() {
        // Both are connected to, and the second proves itself first.
        const dial = dialAny([first, second], ({ host }) =>
          Effect.gen(function*() {
            yield* holding(host)
            yield* Effect.sleep(host === first.host ? "1 hour" : "100 millis")
            return host
          }), { onFailure: () => {}, blame: ([failure]) => failure!.error })
        const fiber = yield* Effect.forkChild(dial, { startImmediately: true })
        yield* TestClock.adjust("300 millis")
        assert.deepStrictEqual([...held], [first.host, second.host])
        yield* TestClock.adjust("100 millis")
        assert.strictEqual(yield* Fiber.join(fiber), second.host)
        assert.deepStrictEqual([...held], [second.host])
      }).pipe(Effect.scoped)
      assert.strictEqual(held.size, 0)
    }))
})
