/** What the author of a test sees: nodes by their names, what they still need, and what must not compile. Nothing here is run. */
// What must not compile is expected to be TypeScript's own error; the Effect diagnostics would report it a second time.
// @effect-diagnostics missingEffectError:off missingEffectContext:off missingLayerContext:off floatingEffect:off
import { it, layer } from "@effect/vitest"
import {
  AdvancedNode,
  BasicNode,
  Caller,
  CommandNode,
  type FunctionError,
  NodeOptions,
  type Peers,
  type Sessions
} from "@pnet/core"
import { TestNetwork } from "@pnet/testing"
import { Context, Effect, Layer, Schema, type Scope } from "effect"
import { Rpc, RpcGroup } from "effect/rpc"
import { expectTypeOf } from "vitest"

class Database extends Context.Service<Database, { readonly rows: number }>()("typetest/Database") {
  static readonly layer = Layer.succeed(Database, { rows: 1 })
}
class Unreadable extends Schema.TaggedError<Unreadable>()("Unreadable", {}) {}
class Disk extends Context.Service<Disk, { readonly free: number }>()("typetest/Disk") {
  static readonly layer: Layer.Layer<Disk, Unreadable> = Layer.succeed(Disk, { free: 1 })
}
class Files extends RpcGroup.make(
  Rpc.make("rows", { success: Schema.Finite })
).middleware(Caller.Authenticated) {}
const FilesLive = Files.toLayer({ rows: () => Effect.map(Database, ({ rows }) => rows) })

type NodeServices =
  | CommandNode.CommandNode
  | AdvancedNode.AdvancedNode
  | BasicNode.BasicNode
  | Sessions.Sessions
  | Peers.Peers
type StartError = BasicNode.StartError | FunctionError.DuplicateFunctionError

// --- nodes -----------------------------------------------------------------------------------------------------------

expectTypeOf(TestNetwork.node()).toEqualTypeOf<TestNetwork.Spec<NodeServices, StartError>>()

// What functions and layers beside the node need, the node needs, until `services` gives it.
const rows = () => Effect.map(Database, ({ rows }) => rows)
const free = () => Effect.map(Disk, ({ free }) => free)
expectTypeOf(TestNetwork.node({ functions: { rows, free } })).toEqualTypeOf<
  TestNetwork.Spec<NodeServices, StartError, Database | Disk>
>()
expectTypeOf(TestNetwork.node({ functions: { rows, free }, services: Database.layer })).toEqualTypeOf<
  TestNetwork.Spec<NodeServices | Database, StartError, Disk>
>()
expectTypeOf(TestNetwork.node({ functions: { rows, free }, services: Layer.merge(Database.layer, Disk.layer) }))
  .toEqualTypeOf<TestNetwork.Spec<NodeServices | Database | Disk, StartError | Unreadable>>()

const beside = CommandNode.serve(Files).pipe(Layer.provide(FilesLive))
expectTypeOf(TestNetwork.node({ beside })).toEqualTypeOf<TestNetwork.Spec<NodeServices, StartError, Database>>()
expectTypeOf(TestNetwork.node({ beside, services: Database.layer })).toEqualTypeOf<
  TestNetwork.Spec<NodeServices | Database, StartError>
>()
// A group without its handlers
expectTypeOf(TestNetwork.node({ beside: CommandNode.serve(Files) })).not.toEqualTypeOf<
  TestNetwork.Spec<NodeServices, StartError>
>()

// @ts-expect-error: no such option
TestNetwork.node({ functons: {} })
// @ts-expect-error: a name is text
TestNetwork.node({ name: 7 })

// Programs as they are, with nodes of any type.
const advanced = TestNetwork.program(
  AdvancedNode.layer({ name: "carol", functions: { rows: () => Effect.map(Database, ({ rows }) => `${rows}`) } })
)
expectTypeOf(advanced).toEqualTypeOf<
  TestNetwork.Spec<
    AdvancedNode.AdvancedNode | BasicNode.BasicNode | Sessions.Sessions | Peers.Peers,
    BasicNode.StartError,
    Database
  >
>()
// @ts-expect-error: a layer that gives no Peers has no node in it, or keeps it for itself
TestNetwork.program(Database.layer)

// --- the network -----------------------------------------------------------------------------------------------------

class Home extends TestNetwork.Service<Home>()("typetest/Home", {
  seed: 1,
  nodes: {
    alice: TestNetwork.node(),
    bob: TestNetwork.node({ beside, functions: { free }, services: Disk.layer }),
    carol: advanced,
    dan: TestNetwork.program(BasicNode.layer({ name: "dan" }))
  }
}) {}

expectTypeOf(Home.layer).toEqualTypeOf<Layer.Layer<Home, StartError | Unreadable, Database>>()
expectTypeOf(Home.layerWith({ seed: 2 })).toEqualTypeOf<Layer.Layer<Home, StartError | Unreadable, Database>>()
// @ts-expect-error: the nodes are those it was defined with
Home.layerWith({ nodes: {} })

declare const home: Home["Service"]
expectTypeOf<keyof typeof home.nodes>().toEqualTypeOf<"alice" | "bob" | "carol" | "dan">()
expectTypeOf(home.nodes.alice.node).toEqualTypeOf<CommandNode.CommandNode["Service"]>()
expectTypeOf(home.nodes.carol.node).toEqualTypeOf<AdvancedNode.AdvancedNode["Service"]>()
expectTypeOf(home.nodes.dan.node).toEqualTypeOf<BasicNode.BasicNode["Service"]>()
// @ts-expect-error: a BasicNode calls no functions
export const target = home.nodes.dan.node.target
// @ts-expect-error: nobody is called erin
export const erin = home.nodes.erin

home.partition("alice", ["bob", "carol"])
home.heal()
home.setPath("alice", "bob", { loss: 0.5 })
// @ts-expect-error: nobody is called erin
home.partition("erin")
// @ts-expect-error: nobody is called erin
home.partition("alice", ["bob", "erin"])
// @ts-expect-error: nobody is called erin
home.heal("erin")
// @ts-expect-error: nobody is called erin
home.setPath("alice", "erin", {})
// @ts-expect-error: a link has no such property
home.setLink({ lost: 1 })

expectTypeOf(home.nodes.bob.kill).toEqualTypeOf<Effect.Effect<void>>()
expectTypeOf(home.nodes.bob.restart).toEqualTypeOf<Effect.Effect<void, StartError | Unreadable>>()

// Run on a node's host, an effect has what its layer gives, and nothing else.
expectTypeOf(home.nodes.bob.run(Effect.all([Disk, CommandNode.CommandNode, NodeOptions.NodeConfig]))).toEqualTypeOf<
  Effect.Effect<
    [Disk["Service"], CommandNode.CommandNode["Service"], NodeOptions.NodeConfig["Service"]],
    never,
    NodeOptions.NodeConfig
  >
>()
expectTypeOf(home.nodes.alice.run(Effect.asVoid(Disk))).toEqualTypeOf<Effect.Effect<void, never, Disk>>()

// As an effect, it lives in a scope.
expectTypeOf(TestNetwork.make({ nodes: { alice: TestNetwork.node({ functions: { rows } }) } })).toEqualTypeOf<
  Effect.Effect<
    TestNetwork.TestNetwork<{ readonly alice: TestNetwork.Spec<NodeServices, StartError, Database> }>,
    StartError,
    Database | Scope.Scope
  >
>()

// --- in a test -------------------------------------------------------------------------------------------------------

export const tests = () => {
  it.effect("whole", () => Effect.asVoid(Home).pipe(Effect.provide(Home.layer.pipe(Layer.provide(Database.layer)))))
  // @ts-expect-error: its nodes need a database
  it.effect("without a database", () => Effect.asVoid(Home).pipe(Effect.provide(Home.layer)))
  // @ts-expect-error: the network itself is missing
  it.effect("without the network", () => Effect.asVoid(Home))

  layer(Home.layer.pipe(Layer.provide(Database.layer)))("whole", (it) => {
    it.effect("has it", () => Effect.asVoid(Home))
  })
  // @ts-expect-error: its nodes need a database
  layer(Home.layer)("without a database", () => {})
}
