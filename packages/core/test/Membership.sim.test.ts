import { assert, describe, it } from "@effect/vitest"
import { convergence, crashes, falseAlarms } from "@pnet/lab/membership/membership"
import { Effect } from "effect"

describe("membership of many nodes on one LAN", () => {
  // More seeds, and more nodes at once, are `pnpm lab membership`'s.
  for (const seed of [1]) {
    it.effect(
      `60 nodes know each other within 2 s at 5 % loss, and one that leaves is gone within 1 s (seed ${seed})`,
      () =>
        Effect.gen(function*() {
          const result = yield* convergence({ seed, nodes: 60, loss: 0.05 })
          assert.strictEqual(result.missingAfterTwoSeconds, 0)
          assert.strictEqual(result.presentAfterLeaving, 0)
          assert.strictEqual(result.socketsAfterClosing, 0)
        }),
      60_000
    )
  }

  it.effect(
    "one that crashes is lost everywhere within 12 s, and not before it was asked",
    () =>
      Effect.gen(function*() {
        // Each had an answer from it in the last half second: the longest way to its loss.
        const lost = yield* crashes({ seed: 1, nodes: 40, loss: 0.05, talking: true })
        assert.strictEqual(lost.length, 39)
        // From the last sign of life that each had of it.
        assert.isAtLeast(Math.min(...lost.map(({ silence }) => silence)), 7_500)
        assert.isAtMost(Math.max(...lost.map(({ afterCrash }) => afterCrash)), 12_000)
      }),
    60_000
  )
})

describe("nobody is lost who is there", () => {
  for (const seed of [1, 2]) {
    const frozen = seed === 2
    it.effect(
      `20 nodes, 3 minutes, 25 % loss${frozen ? ", each frozen for 2 s every minute" : ""} (seed ${seed})`,
      () =>
        Effect.gen(function*() {
          const result = yield* falseAlarms({
            seed,
            nodes: 20,
            // With less who is not heard answers one of its questions.
            loss: 0.25,
            minutes: 3,
            ...(frozen ? { pauses: "2 seconds" as const } : {})
          })
          assert.deepStrictEqual(result.lost, [])
          assert.strictEqual(result.unknown, 0)
          assert.isTrue(frozen ? result.paused > 45 : result.paused === 0)
          assert.isAbove(result.suspicions, 0, "loss this high must have led to suspicions, or nothing was tested")
        }),
      60_000
    )
  }
})
