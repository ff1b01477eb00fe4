/** The conformance kit: our own nodes pass it, and what a peer does otherwise is found. */
import { assert, describe, it } from "@effect/vitest"
import * as Core from "@pnet/core"
import { Effect } from "effect"
import { all } from "../src/conformance/checks.ts"
import { kinds, look, lookHere } from "../src/conformance/own.ts"
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

describe("the checks", () => {
  it("are of rules that the text has", () => {
    assert.deepStrictEqual(all.filter(({ rule }) => !rules().has(rule)).map(({ rule }) => rule), [])
  })

  it("have titles of their own", () => {
    const titles = all.map(({ rule, title }) => `${rule}: ${title}`)
    assert.strictEqual(new Set(titles).size, titles.length)
  })
})
