/** A few swarms, and proof that what they watch for is noticed. The script runs as many as it is told. */
import { assert, describe, it } from "@effect/vitest"
import type { Invariant } from "@pnet/lab/swarm/journal"
import { makePlan } from "@pnet/lab/swarm/plan"
import type { Planted } from "@pnet/lab/swarm/planted"
import { shrink } from "@pnet/lab/swarm/shrink"
import { run } from "@pnet/lab/swarm/swarm"
import { Effect } from "effect"

describe("a swarm", () => {
  // More seeds are `pnpm lab swarm`'s.
  for (const seed of [3]) {
    it.live(`keeps every promise while everything fails (seed ${seed})`, () =>
      Effect.gen(function*() {
        const { counts, problems } = yield* run({ seed, seconds: 12, nodes: 2 + seed })
        assert.deepStrictEqual(problems, [])
        const sum = (end: string) =>
          Object.entries(counts).reduce((sum, [key, count]) => key.endsWith(end) ? sum + count : sum, 0)
        assert.isAbove(sum(": success"), 10)
        assert.isAbove(counts["pairs at the end"] ?? 0, 0)
      }))
  }

  it.live("does the same each time", () =>
    Effect.gen(function*() {
      const first = yield* run({ seed: 21, seconds: 10, nodes: 3 })
      const second = yield* run({ seed: 21, seconds: 10, nodes: 3 })
      assert.strictEqual(first.digest, second.digest)
      assert.deepStrictEqual(first.counts, second.counts)
      const other = yield* run({ seed: 22, seconds: 10, nodes: 3 })
      assert.notStrictEqual(first.digest, other.digest)
    }))
})

// Each is a bug that the nodes might have, made on purpose.
const planted: Record<Planted, Invariant> = {
  "run twice": "a function runs once for a call",
  "swapped answer": "an answer belongs to its call",
  "late run": "no function begins after its deadline",
  "late answer": "no call goes on after its deadline",
  "lost answer": "every call ends",
  "untyped error": "every failure is a typed error",
  "defect": "nothing breaks but what is told to",
  "missing outcome": "each known peer has one outcome",
  "wrong bytes": "bytes come whole, in order, once",
  "untrusted session": "no session with a key that the policy refuses",
  "leaked fiber": "a stopped node leaves nothing behind",
  "leaked socket": "a stopped node leaves nothing behind",
  "deaf node": "those that may talk can talk",
  "too many sessions": "tables stay within their limits"
}

describe("a bug that is planted in a swarm", () => {
  for (const [what, invariant] of Object.entries(planted) as Array<[Planted, Invariant]>) {
    it.live(`is noticed: ${what}`, () =>
      Effect.gen(function*() {
        // What one seed happens not to show, another does.
        for (let seed = 1; seed <= 8; seed++) {
          const { problems } = yield* run({ seed, seconds: 5, nodes: 3, planted: what })
          if (problems.some((problem) => problem.invariant === invariant)) return
        }
        assert.fail(`nobody noticed that ${invariant} did not hold`)
      }))
  }

  it.live("is traced to few steps, and the others are what they were", () =>
    Effect.gen(function*() {
      const options = { seed: 3, seconds: 5, nodes: 3, planted: "wrong bytes" } as const
      const { kept, outcome } = yield* shrink(options, new Set([planted["wrong bytes"]]), 20_000)
      assert.isAtMost(kept.length, 2)
      assert.isAbove(outcome.problems.length, 0)
      assert.isAbove(makePlan(options).steps.length, 20)
    }))
})
