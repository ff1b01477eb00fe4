/** Modules whose exports `pnet up` serves. They are in a folder where nothing is installed. */
import { assert, describe, it } from "@effect/vitest"
import * as NodeCrypto from "@pnet/node/NodeCrypto"
import * as TestNetwork from "@pnet/testing/TestNetwork"
import { Effect, Fiber, Path, Schema, Stream } from "effect"
import { Rpc, RpcGroup } from "effect/rpc"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll } from "vitest"
import "../src/serve/library.ts"
import { load } from "../src/serve/module.ts"
import { desk, values } from "./harness/desk.ts"

const folder = mkdtempSync(join(tmpdir(), "pnet-module-"))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

let count = 0
/** Writes a module, and gives its path. */
const module = (text: string, name = `m${++count}.ts`): string => {
  const file = join(folder, name)
  writeFileSync(file, text)
  return file
}

class Home extends TestNetwork.Service<Home>()("test/cli/module/Home", {
  crypto: NodeCrypto.layer,
  seed: 1,
  nodes: { bob: TestNetwork.node() }
}) {}

const everything = `
import { Command, CommandNode, Topic } from "@pnet/core"
import * as Effect from "effect/Effect"
import { Layer, Schema, Stream } from "effect"
import { Rpc, RpcGroup } from "effect/rpc"
import { twice } from "./helper.ts"

export class SoldOut extends Schema.TaggedError<SoldOut>()("SoldOut", { article: Schema.String }) {}
export const Buy = Command.make("buy", { args: [Schema.String], success: Schema.String, error: SoldOut })
export class Counter extends RpcGroup.make(
  Rpc.make("count", { payload: { to: Schema.Int }, success: Schema.Int, stream: true })
) {}
export const Ticks = Topic.make("ticks", Schema.Int)

export const add = (_call: unknown, a: number, b: number): number => twice(a + b) / 2
export async function later(_call: unknown, text: string) { return text }
export const fails = () => Effect.fail("no")
export const buy = Command.implement(Buy, (_call, article) => Effect.fail(new SoldOut({ article })))
export const counter = CommandNode.serve(Counter).pipe(
  Layer.provide(Counter.toLayer({ count: ({ to }) => Stream.range(1, to) }))
)
export const ticking = Layer.effectDiscard(Effect.gen(function*() {
  const node = yield* CommandNode.CommandNode
  yield* node.register("name", () => node.name)
}))
export default { nested: () => "in an object" }
`

describe("up --module", () => {
  it.effect("serves functions, commands, and layers beside the node, of the effect and pnet that the command has", () =>
    Effect.gen(function*() {
      const { network, nodes } = yield* Home
      module("import { Data } from \"effect\"\nexport const twice = (n: number) => Data ? n * 2 : n", "helper.ts")
      const file = module(everything)
      const alice = yield* desk(network, "alice")
      const up = yield* alice.start("up", "--module", file, "--open", "--json")
      yield* up.says("; serves add, buy, count, fails, later, name, nested")
      const { node } = nodes.bob
      yield* node.peers.awaitPeer("alice")
      const call = node.target("alice", { timeout: "5 seconds" })
      assert.strictEqual(yield* call("add", 1, 2), 3)
      assert.strictEqual(yield* call("later", "text"), "text")
      assert.strictEqual(yield* call("name"), "alice")
      assert.strictEqual(yield* call("nested"), "in an object")
      assert.deepStrictEqual(yield* call("count", { to: 3 }), [1, 2, 3])
      assert.strictEqual((yield* Effect.flip(call("fails")))._tag, "RemoteError")
      const sold = yield* Effect.flip(call("buy", "bread"))
      assert.deepInclude(sold._tag === "RemoteError" ? sold.error : {}, { _tag: "SoldOut", article: "bread" })
      assert.strictEqual((yield* Effect.flip(call("buy", 7)))._tag, "InvalidArgumentsError")
      assert.deepInclude(
        ((yield* call("describe", "buy")) as unknown as ReadonlyArray<object>)[0],
        { name: "buy", kind: "command" }
      )
      const { stdout } = yield* up.interrupt
      assert.deepStrictEqual(
        values(stdout).filter(({ event }) => event === "called").map((one) => `${one["function"]} ${one["reason"]}`),
        ["add ok", "later ok", "nested ok", "count ok", "fails failed", "buy failed"]
      )
    }).pipe(Effect.scoped, Effect.provide(Home.layer)))

  it.effect("says of a call whose caller gave up, or whose time was up, that it was given up", () =>
    Effect.gen(function*() {
      const { network, nodes } = yield* Home
      const alice = yield* desk(network, "alice")
      const file = module(`
        import { Effect } from "effect"
        export const slow = () => Effect.never
        export const promised = () => new Promise(() => {})
        export const rejected = () => Promise.reject(new Error("no"))
        export const fails = () => Effect.fail("no")
      `)
      const up = yield* alice.start("up", "--module", file, "--open")
      yield* up.says("; serves fails, promised, rejected, slow")
      const { node } = nodes.bob
      yield* node.peers.awaitPeer("alice")
      for (const name of ["slow", "promised"]) {
        const late = yield* Effect.flip(node.target("alice", { timeout: "2 seconds" })(name))
        assert.strictEqual(late._tag, "DeadlineError")
        yield* up.says(new RegExp(`bob called ${name}: given up, \\d+ ms`))
        const going = yield* Effect.forkChild(node.target("alice")(name))
        yield* Effect.sleep("3 seconds")
        yield* Fiber.interrupt(going)
        yield* up.says(new RegExp(`(bob called ${name}: given up[^]*){2}`))
      }
      for (const name of ["rejected", "fails"]) {
        yield* Effect.flip(node.target("alice")(name))
        yield* up.says(`bob called ${name}: failed`)
      }
      const { stdout } = yield* up.interrupt
      assert.deepStrictEqual(stdout.match(/(?<=called )\w+: [a-z ]+/g), [
        "slow: given up",
        "slow: given up",
        "promised: given up",
        "promised: given up",
        "rejected: failed",
        "fails: failed"
      ])
    }).pipe(Effect.scoped, Effect.provide(Home.layer)))

  it.effect("says of the calls of a group what it says of those of functions, by JSON and typed, with what they came to", () =>
    Effect.gen(function*() {
      const { network, nodes } = yield* Home
      const alice = yield* desk(network, "alice")
      const file = module(`
        import { CommandNode } from "@pnet/core"
        import { Effect, Layer, Schema, Stream } from "effect"
        import { Rpc, RpcGroup } from "effect/rpc"
        export class Group extends RpcGroup.make(
          Rpc.make("half", { payload: { of: Schema.Int }, success: Schema.Finite, error: Schema.String }),
          Rpc.make("hang", { success: Schema.Int }),
          Rpc.make("ticks", { success: Schema.Int, stream: true })
        ) {}
        export const group = CommandNode.serve(Group).pipe(Layer.provide(Group.toLayer({
          half: ({ of }) => of % 2 === 0 ? Effect.succeed(of / 2) : Effect.fail("odd"),
          hang: () => Effect.never,
          ticks: () => Stream.range(1, 3)
        })))
      `)
      const group = RpcGroup.make(
        Rpc.make("half", { payload: { of: Schema.Int }, success: Schema.Finite, error: Schema.String }),
        Rpc.make("hang", { success: Schema.Int }),
        Rpc.make("ticks", { success: Schema.Int, stream: true })
      )
      const up = yield* alice.start("up", "--module", file, "--open")
      yield* up.says("; serves half, hang, ticks")
      const { node } = nodes.bob
      yield* node.peers.awaitPeer("alice")
      const call = node.target("alice", { timeout: "2 seconds" })
      const typed = yield* node.client(group, "alice", { timeout: "2 seconds" })
      assert.strictEqual(yield* call("half", { of: 4 }), 2)
      yield* Effect.flip(call("half", { of: 3 }))
      assert.deepStrictEqual(yield* call("ticks"), [1, 2, 3])
      yield* Effect.flip(call("hang"))
      assert.strictEqual(yield* typed.half({ of: 4 }), 2)
      assert.strictEqual(yield* Effect.flip(typed.half({ of: 3 })), "odd")
      assert.deepStrictEqual(yield* Stream.runCollect(typed.ticks()), [1, 2, 3])
      yield* Effect.flip(typed.hang())
      yield* up.says(/(bob called hang: given up[^]*){2}/)
      const { stdout } = yield* up.interrupt
      const each = ["half: ok", "half: failed", "ticks: ok", "hang: given up"]
      assert.deepStrictEqual(stdout.match(/(?<=bob called )\w+: [a-z ]+/g), [...each, ...each])
    }).pipe(Effect.scoped, Effect.provide(Home.layer)))

  it.effect("is refused where it would be for everybody, and where it cannot be loaded or built", () =>
    Effect.gen(function*() {
      const alice = yield* desk((yield* Home).network, "alice")
      const failing = Effect.fnUntraced(function*(...words: ReadonlyArray<string>) {
        const { code, stderr } = yield* alice.run("up", "--json", ...words)
        assert.strictEqual(code, 2)
        return `${values(stderr)[0]!["message"]} ${values(stderr)[0]!["hint"]}`
      })
      const file = module("export const add = (_call: unknown, a: number, b: number) => a + b")
      assert.match(yield* failing("--module", file), /--module would serve everybody .*--open/)
      assert.match(
        yield* failing("--open", "--module", join(folder, "none.ts")),
        /there is no module .*none\.ts correct the path/
      )
      assert.match(
        yield* failing("--open", "--module", module("import \"nowhere\"\nexport const a = () => 1")),
        /imports "nowhere", which is not installed .*npm install nowhere/
      )
      assert.match(yield* failing("--open", "--module", module("throw new Error('not today')")), /not today/)
      assert.match(
        yield* failing("--open", "--module", module("export const a = ;")),
        /could not be loaded: Expression expected/
      )
      assert.match(
        yield* failing(
          "--open",
          "--module",
          module(
            "import { Layer } from 'effect'\nexport const broken = Layer.effectDiscard(Effect.die('x'))\n" +
              "import { Effect } from 'effect'"
          )
        ),
        /the layer broken of .* failed: x/
      )
      assert.match(
        yield* failing("--open", "--module", file, "--module", module("export const add = () => 1")),
        /has a function add/
      )
    }).pipe(Effect.scoped, Effect.provide(Home.layer)))

  it.effect("says of each export that cannot be served what it is", () =>
    Effect.gen(function*() {
      const file = module(`
        import { Effect } from "effect"
        export const version = 1
        export const list = [() => 1]
        export class Thing {}
        export const program = Effect.void
        export const date = new Date(0)
        export const good = () => 1
        export default () => 1
      `)
      const { message } = yield* Effect.flip(load([file]))
      for (
        const said of [
          "version is a number",
          "list is an array",
          "Thing is a class",
          "program is an Effect; Layer.effectDiscard",
          "date is an object that says nothing",
          "the default export is a function, which has no name"
        ]
      ) assert.include(message, said)
      assert.notInclude(message, "good")
      assert.match((yield* Effect.flip(load([module("export {}")]))).message, /exports nothing that can be served/)
    }).pipe(Effect.provide(Path.layer)))
})
