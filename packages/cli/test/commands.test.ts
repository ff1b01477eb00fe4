/** Commands at a machine of a simulated network: what they print, for people and as JSON, and what they end with. */
import { assert, describe, it } from "@effect/vitest"
import * as TestNetwork from "@pnet/testing/TestNetwork"
import { Effect } from "effect"
import { desk, values } from "./harness/desk.ts"

class Home extends TestNetwork.Service<Home>()("test/cli/Home", {
  seed: 1,
  nodes: {
    bob: TestNetwork.node({
      functions: {
        add: (_call, a: number, b: number) => a + b,
        greet: ({ kwargs }, name: string) => `${kwargs["loud"] === true ? name.toUpperCase() : name}\u001b[31m!`,
        echo: (_call, ...args: ReadonlyArray<unknown>) => args
      }
    }),
    carol: TestNetwork.node({ functions: { add: (_call, a: number, b: number) => a + b + 1 } })
  }
}) {}

const inHome = <A, E, R>(use: (alice: Effect.Success<ReturnType<typeof desk>>) => Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    return yield* use(yield* desk((yield* Home).network, "alice"))
  }).pipe(Effect.scoped, Effect.provide(Home.layer))

describe("peers", () => {
  it.effect("lists who is there, aligned, and as JSON", () =>
    inHome(Effect.fnUntraced(function*(alice) {
      const people = yield* alice.run("peers")
      assert.strictEqual(people.code, 0)
      assert.match(people.stdout, /^NAME {3}STATUS {2}ADDRESS +KEY\nbob {4}online {2}10\.\S+ +\S{19}\ncarol {2}online/)
      assert.deepStrictEqual(
        values((yield* alice.run("peers", "--json")).stdout).map(({ name, type }) => [type, name]),
        [
          ["peer", "bob"],
          ["peer", "carol"]
        ]
      )
    })))

  it.effect("says who comes and goes until it is interrupted, and leaves then", () =>
    inHome(Effect.fnUntraced(function*(alice) {
      const { bob, carol } = (yield* Home).nodes
      const watching = yield* alice.start("peers", "--watch", "--json", "--name", "watcher")
      yield* watching.says("carol")
      yield* bob.node.peers.awaitPeer("watcher")
      yield* carol.stop
      yield* watching.says("left")
      const { stdout } = yield* watching.interrupt
      assert.deepStrictEqual(values(stdout).map(({ event, peer }) => `${event} ${peer}`).sort(), [
        "joined bob",
        "joined carol",
        "left carol"
      ])
      assert.isUndefined(yield* bob.node.peers.get("watcher"))
    })).pipe(Effect.scoped))
})

describe("call", () => {
  it.effect("sends JSON and text, and shows the answer harmless", () =>
    inHome(Effect.fnUntraced(function*(alice) {
      assert.deepInclude(yield* alice.run("call", "bob", "add", "1", "2"), { code: 0, stdout: "3\n", stderr: "" })
      assert.strictEqual((yield* alice.run("call", "bob", "greet", "ann", "--loud=true")).stdout, "ANN\\u001b[31m!\n")
      // What the command has a flag for itself is an argument where it is said so.
      const words = ["call", "bob", "echo", "--json", "--", "--x=1", "true", "-"]
      assert.deepStrictEqual(values((yield* alice.runWith({ stdin: "in" }, ...words)).stdout), [
        { type: "answer", peer: "bob", value: ["--x=1", true, "in"] } as never
      ])
    })))

  it.effect("gives a row for each of several peers, and a code for what went wrong with some", () =>
    inHome(Effect.fnUntraced(function*(alice) {
      const all = yield* alice.run("call", "*", "add", "1", "2")
      assert.deepInclude(all, { code: 0, stdout: "PEER   ANSWER\nbob    3\ncarol  4\n" })
      const some = yield* alice.run("call", "bob,carol,dave", "greet", "ann", "--json", "--wait", "1s")
      assert.strictEqual(some.code, 9)
      assert.deepStrictEqual(values(some.stdout).map(({ failure, peer }) => [peer, failure?.error]), [
        ["bob", undefined],
        ["carol", "UnknownFunctionError"],
        ["dave", "PeerUnknownError"]
      ])
    })))

  it.effect("says what to do next where it fails, with a code of its own", () =>
    inHome(Effect.fnUntraced(function*(alice) {
      const unknown = yield* alice.run("call", "dave", "add", "--wait", "2s")
      assert.deepInclude(unknown, { code: 3, stdout: "" })
      assert.match(
        unknown.stderr,
        /^pnet: no peer called "dave" is known; known are "bob", "carol"\n {2}correct the name/
      )
      const nothing = yield* alice.run("call", "bob", "nope", "--json")
      assert.deepInclude(nothing, { code: 3, stdout: "" })
      assert.deepInclude(values(nothing.stderr)[0], { error: "UnknownFunctionError", hint: "run: pnet functions bob" })
      assert.deepInclude(yield* alice.run("call", "bob"), { code: 2, stdout: "" })
      assert.deepInclude(yield* alice.run("call", "bob", "add", "--timeout", "soon"), { code: 2, stdout: "" })
    })))
})

describe("names", () => {
  it.effect("takes a numbered name where that of the settings is in use, and fails where it was asked for by its flag", () =>
    inHome(Effect.fnUntraced(function*(alice) {
      const up = yield* alice.start("up", "--json")
      yield* up.says("is up")
      const watching = yield* alice.start("peers", "--watch", "--json")
      yield* up.says("alice-2 is there")
      const named = yield* alice.run("peers", "--name", "alice", "--json")
      assert.strictEqual(named.code, 8)
      assert.deepInclude(values(named.stderr)[0], { error: "KeyHeldError", exit: "conflict" })
      yield* watching.interrupt
      yield* up.says("alice-2 left")
      yield* up.interrupt
    })).pipe(Effect.scoped))
})
