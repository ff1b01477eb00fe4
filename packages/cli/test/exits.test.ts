/** Each exit code, by something that leads to it; and what each command prints with `--json`, by its shapes. */
import { assert, describe, it } from "@effect/vitest"
import * as Command from "@pnet/core/Command"
import * as NodeCrypto from "@pnet/node/NodeCrypto"
import * as TestNetwork from "@pnet/testing/TestNetwork"
import { Effect, type Scope } from "effect"
import { type ExitName, exits } from "../src/exit.ts"
import { shapes } from "../src/output/shapes.ts"
import { specs } from "../src/tree.ts"
import { type Desk, desk, type Ran, values } from "./harness/desk.ts"

class Home extends TestNetwork.Service<Home>()("test/cli/Exits", {
  crypto: NodeCrypto.layer,
  seed: 2,
  nodes: {
    bob: TestNetwork.node({
      commands: [
        Command.implement(Command.make("closed"), () => Effect.void, { allow: () => false })
      ],
      functions: {
        one: () => 1,
        slow: () => Effect.never,
        broken: () => Effect.fail({ _tag: "Broken" })
      }
    }),
    carol: TestNetwork.node({ functions: { slow: () => Effect.never } })
  }
}) {}

/** What each exit code is shown by. */
const leading: { readonly [Name in ExitName]: (alice: Desk) => Effect.Effect<Ran, never, Home | Scope.Scope> } = {
  ok: (alice) => alice.run("call", "bob", "one", "--json"),
  failed: (alice) => alice.runWith({ stdin: "broken" }, "call", "bob", "one", "-", "--json"),
  usage: (alice) => alice.run("call", "--json"),
  notFound: (alice) => alice.run("call", "dave", "one", "--wait", "1s", "--json"),
  refused: (alice) => alice.run("call", "bob", "closed", "--json"),
  theirs: (alice) => alice.run("call", "bob", "broken", "--json"),
  unreachable: (alice) =>
    Effect.gen(function*() {
      const going = yield* alice.start("call", "carol", "slow", "--json")
      yield* Effect.sleep("3 seconds")
      yield* (yield* Home).nodes.carol.kill
      return yield* going.end
    }),
  timeout: (alice) => alice.run("call", "bob", "slow", "--timeout", "1s", "--json"),
  conflict: (alice) =>
    Effect.suspend(() => {
      alice.held.set("alice", "1970-01-01T00:00:00.000Z")
      return alice.run("call", "--name", "alice", "bob", "one", "--json")
    }),
  partly: (alice) => alice.run("call", "bob,carol", "one", "--json"),
  doubtful: (alice) => alice.runWith({ env: { PNET_NETWORK_KEY: "x".repeat(43) + "=" } }, "doctor", "--json"),
  interrupted: (alice) =>
    Effect.gen(function*() {
      const going = yield* alice.start("call", "bob", "slow", "--json")
      yield* Effect.sleep("3 seconds")
      return yield* going.interrupt
    })
}

/** The names of codes whose failure is in the answers, or that have none. */
const silent: ReadonlySet<ExitName> = new Set(["ok", "partly", "doubtful", "interrupted"])

describe("the exit codes", () => {
  for (const name of Object.keys(exits) as ReadonlyArray<ExitName>) {
    it.effect(`are ${exits[name].code} where it ${name === "ok" ? "went well" : `is ${name}`}, which the error says as JSON`, () =>
      Effect.gen(function*() {
        const alice = yield* desk((yield* Home).network, "alice")
        const { code, stderr, stdout } = yield* leading[name](alice)
        assert.strictEqual(code, exits[name].code)
        values(stdout)
        if (silent.has(name)) assert.strictEqual(stderr, "")
        else assert.deepInclude(values(stderr)[0], { type: "error", exit: name, code })
        if (name === "interrupted") assert.isUndefined(yield* (yield* Home).nodes.bob.node.peers.get("alice"))
      }).pipe(Effect.scoped, Effect.provide(Home.layer)))
  }
})

/** What each command is run with to see what it prints; what goes on is interrupted after a while. */
const printing: Readonly<Record<string, ReadonlyArray<ReadonlyArray<string>>>> = {
  up: [["up", "--name", "up"]],
  peers: [["peers"], ["peers", "--watch"]],
  functions: [["functions", "bob"]],
  call: [["call", "bob", "one"], ["call", "*", "one"]],
  ping: [["ping", "bob", "-c", "1"]],
  config: [["config"]],
  publish: [["publish", "news", "1", "--subscribers", "0", "--open"]],
  subscribe: [["subscribe", "news"]],
  top: [["top", "--every", "1s"]],
  console: [["console", "--mcp"]],
  measure: [["measure", "eve", "--time", "10ms"]],
  doctor: [["doctor"]],
  why: [["why"], ["why", "peer-unknown"]]
}

/** What somebody else runs meanwhile. */
const beside: Readonly<Record<string, ReadonlyArray<string>>> = {
  subscribe: ["publish", "news", "1", "--retain", "--open"],
  measure: ["up", "--name", "eve"]
}

describe("what is printed as JSON", () => {
  it("has no shape that no command prints", () => {
    const printed = new Set<string>([...specs.flatMap(({ prints }) => prints), "error"])
    assert.deepStrictEqual(Object.keys(shapes).filter((name) => !printed.has(name)), [])
  })

  // Those under others have to do with files, and are run over some, as `send` and `receive` are.
  const overFiles = new Set(["send", "receive"])
  for (const { name, prints } of specs.filter(({ name, under }) => under === undefined && !overFiles.has(name))) {
    it.effect(`by ${name} has the shapes that its help names, and all of them`, () =>
      Effect.gen(function*() {
        const alice = yield* desk((yield* Home).network, "alice")
        const seen = new Set<string>()
        if (beside[name] !== undefined) yield* (yield* desk((yield* Home).network, "dave")).start(...beside[name])
        for (const words of printing[name] ?? []) {
          const going = yield* alice.start(...words, "--json")
          yield* Effect.sleep("8 seconds")
          const { stdout } = yield* going.interrupt
          for (const { type } of values(stdout)) seen.add(type)
        }
        assert.deepStrictEqual([...seen].sort(), [...prints].sort())
      }).pipe(Effect.scoped, Effect.provide(Home.layer)))
  }
})
