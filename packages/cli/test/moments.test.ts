/** When something was: on a terminal by the clock of whoever sits there, and in a file or a pipe in full. */
import { assert, describe, it } from "@effect/vitest"
import * as NodeCrypto from "@pnet/node/NodeCrypto"
import * as TestNetwork from "@pnet/testing/TestNetwork"
import { DateTime, Effect } from "effect"
import * as Moments from "../src/output/moments.ts"
import { desk, type How } from "./harness/desk.ts"

class Home extends TestNetwork.Service<Home>()("test/cli/Moments", {
  crypto: NodeCrypto.layer,
  seed: 5,
  nodes: { bob: TestNetwork.node() }
}) {}

const hour = 3_600_000

/** On a terminal of a zone, where it is a time. */
const at = (zone: DateTime.TimeZone) => {
  let now = 0
  const moments = Moments.local(() => zone, () => now)
  return { ...moments, set: (time: string) => void (now = Date.parse(time)) }
}

describe("a moment on a terminal", () => {
  it("is its time there, and has its date where that is not today's", () => {
    const there = at(DateTime.zoneMakeNamedUnsafe("America/St_Johns"))
    there.set("2026-07-01T02:00:00Z")
    assert.strictEqual(there.at("2026-07-01T01:59:59.999Z"), "23:29:59")
    assert.strictEqual(there.at("2026-06-30T02:29:59.000Z"), "2026-06-29 23:59:59")
    assert.strictEqual(there.clock("2026-01-01T02:00:00Z"), "22:30:00")
    assert.strictEqual(there.dated("2026-07-01T02:00:00Z"), "2026-06-30 23:30")
  })

  it("has its date at the first line of another day, too", () => {
    const there = at(DateTime.zoneMakeOffset(hour))
    there.set("2026-07-01T22:59:59Z")
    assert.strictEqual(there.at("2026-07-01T22:59:59Z"), "23:59:59")
    there.set("2026-07-01T23:00:01Z")
    assert.strictEqual(there.at("2026-07-01T23:00:01Z"), "2026-07-02 00:00:01")
    assert.strictEqual(there.at("2026-07-01T23:00:01Z"), "00:00:01")
  })

  it("is one that has a date in that zone, whatever a peer says", () => {
    for (const hours of [-14, 14]) {
      const { at: moment } = at(DateTime.zoneMakeOffset(hours * hour))
      for (const time of [8.64e15, -8.64e15]) {
        assert.match(moment(DateTime.formatIso(DateTime.makeUnsafe(time))), /^[+-]\d{6}-\d\d-\d\d \d\d:\d\d:\d\d$/)
      }
    }
  })
})

describe("what happens", () => {
  it.effect("is printed by the clock of the terminal, and elsewhere in full", () =>
    Effect.gen(function*() {
      const alice = yield* desk((yield* Home).network, "alice")
      const [shown, piped] = [
        yield* alice.startWith({ columns: 80, zone: 24 * hour - 60_000 }, "up"),
        yield* alice.startWith({ zone: 24 * hour - 60_000 }, "up")
      ]
      yield* Effect.sleep("1 minute")
      const left = [yield* shown.interrupt, yield* piped.interrupt]
      const lines = left.map(({ stdout }) => stdout.trim().split("\n"))
      assert.match(lines[0]![0]!, /^23:59:0\d alice is up/)
      assert.match(lines[0]!.at(-1)!, /^1970-01-02 00:00:0\d alice leaves/)
      assert.match(lines[1]![0]!, /^1970-01-01T00:00:0\dZ alice-2 is up/)
      assert.match(lines[1]!.at(-1)!, /^1970-01-01T00:01:0\dZ alice-2 leaves/)
    }).pipe(Effect.scoped, Effect.provide(Home.layer)))

  it.effect("to a key is said by the clock of the terminal, and elsewhere in full", () =>
    Effect.gen(function*() {
      const alice = yield* desk((yield* Home).network, "alice")
      yield* (yield* alice.start("up", "--name", "amy")).says("is up")
      const again = (how: How) => alice.runWith(how, "up", "--name", "amy")
      const since = (text: string) => /process 1 has its key since (.*?);/.exec(text)?.[1]
      assert.match(since((yield* again({ columns: 80, zone: hour })).stderr)!, /^01:00:0\d$/)
      assert.match(since((yield* again({ zone: hour })).stderr)!, /^1970-01-01T00:00:0\dZ$/)
      const held = yield* alice.runWith({ columns: 80, zone: hour }, "up", "--name", "amy", "--json")
      assert.match(since(held.stderr)!, /^1970-01-01T00:00:0\d\.\d{3}Z$/)
    }).pipe(Effect.scoped, Effect.provide(Home.layer)))
})
