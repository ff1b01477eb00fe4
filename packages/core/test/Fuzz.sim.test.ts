import { assert, it } from "@effect/vitest"
import { fuzz } from "@pnet/lab/fuzz/nodes"
import { fuzzSessions } from "@pnet/lab/fuzz/sessions"
import { Effect } from "effect"

for (const encrypted of [false, true]) {
  // More seeds are `pnpm lab fuzz`'s.
  for (const seed of [1]) {
    it.effect(
      `a node survives arbitrary bytes, ${encrypted ? "with" : "without"} a network key (seed ${seed})`,
      () =>
        Effect.gen(function*() {
          const result = yield* fuzz({ seed, cases: 300, encrypted })
          assert.deepStrictEqual(result.defects, [])
          assert.isTrue(result.served, "an honest peer is still served")
          assert.isAtMost(result.peers, 1 + 3 * 64, "adverts that prove nothing take their share only")
          assert.isAtMost(result.sockets, 3 + 256 + 64, "connections too")
          assert.strictEqual(result.left, 0, "nothing is left open")
        }),
      60_000
    )
  }
}

for (const seed of [1]) {
  it.effect(
    `a node survives a peer that says whatever comes to its mind, in handshakes, frames, calls and answers (seed ${seed})`,
    () =>
      Effect.gen(function*() {
        const { problems } = yield* fuzzSessions({ seed, cases: 40 })
        assert.deepStrictEqual(problems, [])
      }),
    60_000
  )
}
