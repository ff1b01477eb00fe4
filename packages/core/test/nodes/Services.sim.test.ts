/**
 * A service in trouble, by seeds, over real nodes: servers are killed, started again, drained, frozen, slow and cut off. Whatever happens, no call
 * runs twice that must not, none is lost without a typed error that is true, and who joins gets work soon: with so few callers within two seconds.
 * `pnpm lab trouble` does the same with 20 servers and 50 callers, where it is one.
 */
import { assert, describe, it } from "@effect/vitest"
import { trouble } from "@pnet/lab/services/trouble"
import { SimWorld } from "@pnet/testing"
import { Effect } from "effect"

describe("a service of six servers in trouble", () => {
  let ranAgain = 0
  for (const seed of [2]) {
    it.effect(
      `runs nothing twice that must not, loses nothing, and gives work to who joins: seed ${seed}`,
      () =>
        Effect.gen(function*() {
          const { counts, problems } = yield* trouble({ seed, servers: 6, callers: 6, seconds: 20, soon: 2_000 })
          assert.deepStrictEqual(problems, [])
          assert.isAbove(counts["joined"] ?? 0, 0)
          assert.isAbove(counts["answered"] ?? 0, 3 * counts["calls"]! / 4)
          assert.include(Object.keys(counts).join(), "cut off")
          ranAgain += counts["ran again elsewhere"] ?? 0
        }).pipe(SimWorld.passing({ step: "20 millis" })),
      60_000
    )
  }

  it("ran some calls twice that may", () => assert.isAbove(ranAgain, 0))
})
