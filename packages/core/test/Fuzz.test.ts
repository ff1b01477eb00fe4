// The layers one by one, against a corpus and what comes of altering it. `pnpm lab fuzz` goes on for as long as it is told, and keeps what
// it finds in the corpus, where this test finds it ever after.
import { assert, describe, it } from "@effect/vitest"
import { corpus } from "@pnet/lab/fuzz/corpus"
import * as Fuzz from "@pnet/lab/fuzz/run"
import { targets as allTargets } from "@pnet/lab/fuzz/targets"
import { Effect } from "effect"

const targets = await Effect.runPromise(allTargets)

describe("every case of the corpus", () => {
  for (const target of targets) {
    it(target.name, () => {
      assert.isAbove(corpus(target.folders[0]!).length, 0)
      for (const { item, problem } of Fuzz.replay(target)) assert.fail(`${item.file}: ${problem}`)
    })
  }
})

describe("whatever comes of altering the corpus", () => {
  for (const target of targets) {
    it(target.name, () => {
      const { accepted, cases, failures, slowest } = Fuzz.run(target, { seed: 1, cases: Math.ceil(300 / target.cost) })
      for (const { seed, why } of failures) assert.fail(`pnpm lab fuzz case ${seed}: ${why}`)
      assert.isBelow(accepted, cases, "some are refused")
      // A few milliseconds each. What takes ages with its length shows even on a machine that is busy.
      assert.isBelow(slowest.millis, 2_000, slowest.seed)
    })
  }
})
