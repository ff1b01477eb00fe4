/** The conformance kit: our own nodes pass it, and what a peer does otherwise is found. */
import { assert, describe, it } from "@effect/vitest"
import * as Core from "@pnet/core"
import { Effect } from "effect"
import { all } from "../src/conformance/checks.ts"
import { kinds, look, lookHere } from "../src/conformance/own.ts"
import { deviations } from "../src/conformance/planted.ts"
import { isFound, lookAtPlanted } from "../src/conformance/planting.ts"
import { lines } from "../src/conformance/report.ts"
import type { Done } from "../src/conformance/run.ts"
import { rules } from "../src/conformance/text.ts"
import * as VirtualTime from "../src/worlds/virtualTime.ts"

const networkKey = "YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXp7fH1-f4A="

/** That all passed, and none that it could do was left out. */
const assertPassed = (done: ReadonlyArray<Done>) => {
  assert.deepStrictEqual(lines(done).slice(0, -1), [])
  assert.isAbove(done.filter(({ outcome }) => outcome._tag === "Passed").length, 100)
}

describe("our own nodes keep to the text", () => {
  for (const kind of kinds) {
    for (const key of [undefined, networkKey]) {
      it.live(`a ${kind} ${key === undefined ? "on a network in clear" : "with a network key"}`, () =>
        Effect.map(VirtualTime.within(look({ nodes: Core, kind, networkKey: key })), assertPassed))
    }
  }

  it.live("a CommandNode on real sockets", () =>
    Effect.map(lookHere({ nodes: Core, kind: "CommandNode", networkKey }), assertPassed))
})

describe("a deviation is found, and reported with its section and its rule", () => {
  for (const deviation of deviations) {
    it.live(`${deviation.rule}: a node that ${deviation.does}`, () =>
      Effect.gen(function*() {
        // Those of the same area alone, which take the least time.
        const done = yield* lookAtPlanted(deviation, { only: [deviation.rule.split("-")[0]!] })
        assert.isTrue(isFound(deviation, done))
        const section = rules().get(deviation.rule)
        assert.isTrue(lines(done).some((line) => line.startsWith(`FAILED section ${section}, r-${deviation.rule}: `)))
      }))
  }

  it("of twenty rules and more, one each", () => {
    assert.isAtLeast(new Set(deviations.map(({ rule }) => rule)).size, 20)
  })
})

describe("the checks", () => {
  it("have titles of their own", () => {
    const titles = all.map(({ rule, title }) => `${rule}: ${title}`)
    assert.strictEqual(new Set(titles).size, titles.length)
  })
})
