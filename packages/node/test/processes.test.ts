// Eight nodes in eight processes of the operating system, and what happens to processes.
import { assert, describe, it } from "@effect/vitest"
import * as Harness from "@pnet/lab/processes/harness"
import type { Outcome } from "@pnet/lab/processes/orders"
import { Effect, Fiber, type Scope } from "effect"

const names = ["alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi"] as const
type Name = typeof names[number]

const valueOf = (outcome: Outcome | undefined) => {
  if (outcome === undefined || !("value" in outcome)) return assert.fail(`no value: ${JSON.stringify(outcome)}`)
  return outcome.value
}

const tagOf = (outcome: Outcome | undefined) => outcome !== undefined && "tag" in outcome ? outcome.tag : undefined

/** All of them, each of which knows all others. */
const eight = Effect.gen(function*() {
  const harness = yield* Harness.make()
  const started = yield* Effect.forEach(names, (name) => harness.start(name), { concurrency: "unbounded" })
  yield* Effect.forEach(
    started,
    (node) => node.ask("await", { peers: names.filter((name) => name !== node.name) }),
    { concurrency: "unbounded" }
  )
  return {
    harness,
    nodes: Object.fromEntries(started.map((node) => [node.name, node])) as Record<Name, Harness.NodeProcess>
  }
})

const test = (title: string, body: Effect.Effect<void, unknown, Scope.Scope>) =>
  it.live.skipIf(process.platform === "win32")(title, () => Effect.scoped(body), 90_000)

describe("eight processes", () => {
  test(
    "find each other, call everybody, and are killed, frozen, started again and replaced",
    Effect.gen(function*() {
      const { harness, nodes } = yield* eight
      const { alice, bob, carol, dave } = nodes
      const others = names.filter((name) => name !== "alice")

      // Each of them is reached, and answers for itself.
      const everybody = yield* alice.ask("callAll", { function: "who" })
      assert.deepStrictEqual(
        Object.fromEntries(Object.entries(everybody.exits).map(([name, outcome]) => [name, valueOf(outcome)])),
        Object.fromEntries(others.map((name) => [name, { name, pid: nodes[name].pid }]))
      )

      // One is killed while all of them are at work.
      const work = yield* Effect.forkScoped(alice.ask("callAll", { function: "hold" }))
      yield* Effect.forEach(others, (name) => nodes[name].ask("held", {}), { concurrency: "unbounded" })
      yield* harness.kill(nodes.heidi)
      yield* Effect.forEach(others.filter((name) => name !== "heidi"), (name) => nodes[name].ask("release", {}), {
        concurrency: "unbounded"
      })
      const { exits } = yield* Fiber.join(work)
      assert.deepStrictEqual(Object.keys(exits).sort(), [...others].sort())
      for (const [name, outcome] of Object.entries(exits)) {
        if (name !== "heidi") assert.strictEqual(valueOf(outcome), `${name} was released`)
        else assert.deepInclude(outcome, { tag: "PeerLostError", mayHaveRun: true })
      }

      // One is frozen for less than it takes to be given up: what it was asked meanwhile it answers afterwards, once.
      yield* harness.freeze(bob)
      const asked = yield* Effect.forkScoped(alice.ask("load", { peer: "bob", rate: 20, seconds: 4 }))
      yield* Effect.sleep("3 seconds")
      assert.isUndefined(asked.pollUnsafe(), "nobody answers who is frozen")
      assert.strictEqual(valueOf(yield* alice.ask("call", { peer: "carol", function: "add", args: [1, 2] })), 3)
      yield* harness.resume(bob)
      const { failures, times } = yield* Fiber.join(asked)
      assert.deepStrictEqual(failures, [])
      assert.strictEqual(times.length, 80)
      assert.isAbove(Math.max(...times), 2_500)

      // One is killed and started again with its key: its name leads to the new process, for those who had a session, too.
      const again = yield* harness.restart(carol, { key: "same" })
      assert.strictEqual(again.publicKey, carol.publicKey)
      const took = yield* Effect.forEach(
        [alice, bob],
        (node) => node.ask("until", { peer: "carol", pid: again.pid }),
        { concurrency: "unbounded" }
      )
      for (const { took: millis } of took) assert.isBelow(millis, 5_000)

      // One is killed, and somebody with another key takes its name: nobody who knew it calls the new one.
      assert.deepInclude(valueOf(yield* alice.ask("call", { peer: "dave", function: "who" })) as object, {
        pid: dave.pid
      })
      const conflict = yield* Effect.forkScoped(alice.ask("conflict", { peer: "dave" }))
      const imposter = yield* harness.restart(dave, { key: "another" })
      assert.deepStrictEqual(yield* Fiber.join(conflict), {
        expected: dave.publicKey,
        publicKey: imposter.publicKey,
        reason: "KeyChanged"
      })
      assert.deepStrictEqual(yield* alice.ask("conflicts", {}), { names: ["dave"] })
      const refused = yield* alice.ask("call", { peer: "dave", function: "who" })
      assert.include(["PeerUnknownError", "PeerLostError", "DialError", "UntrustedPeerError"], tagOf(refused))
      // Until the operator decides.
      yield* alice.ask("resolve", { peer: "dave", publicKey: imposter.publicKey })
      yield* alice.ask("until", { peer: "dave", pid: imposter.pid })
      assert.deepStrictEqual(yield* alice.ask("conflicts", {}), { names: [] })

      // All that has happened has left the others as they were.
      const { exits: last } = yield* alice.ask("callAll", { function: "who" })
      for (const name of ["bob", "carol", "dave", "erin", "frank", "grace"]) {
        assert.deepInclude(valueOf(last[name]) as object, { name })
      }
    })
  )
})
