/** The engines of a node's calls of one of several peers: how many there are, and for how long. */
import { assert, it } from "@effect/vitest"
import { Peers } from "@pnet/core"
import { Clock, Effect, Stream } from "effect"
import { TestClock } from "effect/testing"
import { enginesOf, Way } from "../../src/internal/balance/engines.ts"

const someone = { name: "w", publicKey: "key", endpoints: [], status: "Online", proved: true }

const peers = {
  name: "n",
  interested: Effect.void,
  matching: () => Stream.never,
  resolve: () => Effect.succeed([someone])
} as unknown as Peers.Peers["Service"]

it.effect("leave nothing behind when they make room for those of other targets", () =>
  Effect.gen(function*() {
    const clock = yield* Clock.Clock
    let asleep = 0
    const counting: Clock.Clock = {
      ...clock,
      sleep: (duration) =>
        Effect.suspend(() => {
          asleep++
          return Effect.ensuring(clock.sleep(duration), Effect.sync(() => void asleep--))
        })
    }
    yield* Effect.gen(function*() {
      const engines = yield* enginesOf(peers)
      // A target that is written where it is called is another one each time.
      const call = Effect.withFiber<string>((fiber) =>
        engines.run(
          fiber,
          new Way(Peers.any({ where: () => true })),
          { function: "f", payload: undefined },
          ({ name }) => Effect.succeed(name as string),
          () => Effect.succeed("failed")
        )
      )
      for (let i = 0; i < 300; i++) assert.strictEqual(yield* call, "w")
      assert.isAtMost(engines.size, 64)
      assert.isAtMost(asleep, 64)
      yield* TestClock.adjust("2 minutes")
      assert.deepStrictEqual([engines.size, asleep], [0, 0])
      assert.strictEqual(yield* call, "w")
    }).pipe(Effect.provideService(Clock.Clock, counting))
  }))
