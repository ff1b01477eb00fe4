/** What the caller of a CommandNode sees: the types that flow through it, and what must not compile. Nothing here is run. */
// What must not compile is expected to be TypeScript's own error; the Effect diagnostics would report it a second time.
// @effect-diagnostics missingEffectError:off missingEffectContext:off missingLayerContext:off floatingEffect:off asyncFunction:off
import {
  AdvancedNode,
  Balance,
  type BasicNode,
  Caller,
  Command,
  CommandNode,
  type Crypto,
  type FunctionError,
  Outcomes,
  PeerRpc,
  Peers,
  type Reach,
  RpcRegistry,
  type Sessions,
  type Topic,
  type Transport,
  type Trust
} from "@pnet/core"
import { type Cause, Context, Effect, type Exit, Layer, Schema, type Scope, Stream } from "effect"
import { Rpc, type RpcClient, RpcGroup, RpcMiddleware } from "effect/rpc"
import { expectTypeOf } from "vitest"

class Database extends Context.Service<Database, { readonly rows: number }>()("typetest/Database") {}
class Disk extends Context.Service<Disk, { readonly bytes: Uint8Array }>()("typetest/Disk") {}
class Missing extends Schema.TaggedError<Missing>()("Missing", { path: Schema.String }) {}

type Host = Reach.Reach | Crypto.Crypto | Trust.Trust
type Given =
  | CommandNode.CommandNode
  | AdvancedNode.AdvancedNode
  | BasicNode.BasicNode
  | Sessions.Sessions
  | Peers.Peers
type StartErrors = BasicNode.StartError | FunctionError.DuplicateFunctionError

declare const node: CommandNode.CommandNode["Service"]
declare const text: string

interface Api {
  add(a: number, b: number): number
  greet(name?: string): Effect.Effect<string, "never seen">
}

const Greet = Command.make("greet", {
  args: [Schema.String, Schema.optionalKey(Schema.Int)],
  kwargs: { loud: Schema.optionalKey(Schema.Boolean) },
  success: Schema.String
})
const Read = Command.make("read", {
  args: [Schema.String],
  kwargs: { size: Schema.Int },
  success: Schema.Uint8Array,
  error: Missing
})
const Sum = Command.make("sum", { args: Schema.Array(Schema.Finite), success: Schema.Finite })
const Ping = Command.make("ping")

// --- errors ----------------------------------------------------------------------------------------------------------

expectTypeOf<CommandNode.CommandError["_tag"]>().toEqualTypeOf<
  | "PeerUnknownError"
  | "NameConflictError"
  | "NodeClosedError"
  | "DialError"
  | "ProtocolError"
  | "UntrustedPeerError"
  | "PeerLostError"
  | "StreamResetError"
  | "RemoteError"
  | "NotJsonError"
  | "OverloadedError"
  | "UnknownFunctionError"
  | "NotAllowedError"
  | "InvalidArgumentsError"
  | "RemoteDefectError"
  | "DeadlineError"
  | "CallTooLargeError"
  | "ContractError"
>()
expectTypeOf<Extract<CommandNode.CommandError, { _tag: "DialError" }>>().toEqualTypeOf<Transport.DialError>()
expectTypeOf<Extract<CommandNode.CommandError, { _tag: "DeadlineError" }>>().toEqualTypeOf<
  FunctionError.DeadlineError
>()

// --- targets by an interface -----------------------------------------------------------------------------------------

const bob = node.target<Api>("bob")
expectTypeOf(bob.add(1, 2)).toEqualTypeOf<Effect.Effect<number, CommandNode.CommandError>>()
expectTypeOf(bob.greet()).toEqualTypeOf<Effect.Effect<string, CommandNode.CommandError>>()
expectTypeOf(bob.greet("Ann", Command.kwargs({ loud: true }))).toEqualTypeOf<
  Effect.Effect<string, CommandNode.CommandError>
>()
expectTypeOf(node.target<Api>(text).add(1, 2)).toEqualTypeOf<Effect.Effect<number, CommandNode.CommandError>>()
const everyone = node.target<Api>("*", { timeout: "1 second", concurrency: 4 })
type Sums = Outcomes.Outcomes<number, CommandNode.CommandError>
expectTypeOf(everyone.add(1, 2)).toEqualTypeOf<Sums>()
const sums = Effect.gen(function*() {
  return yield* everyone.add(1, 2)
})
type Exits<A, E = CommandNode.CommandError> = Readonly<Record<string, Exit.Exit<A, E>>>
expectTypeOf(sums).toEqualTypeOf<Effect.Effect<Exits<number>, FunctionError.NodeClosedError>>()
expectTypeOf(Effect.all([everyone.add(1, 2), bob.add(1, 2)])).toEqualTypeOf<
  Effect.Effect<[Exits<number>, number], CommandNode.CommandError>
>()
expectTypeOf(everyone.add(1, 2).stream).toEqualTypeOf<
  Stream.Stream<
    { readonly peer: string; readonly exit: Exit.Exit<number, CommandNode.CommandError> },
    FunctionError.NodeClosedError
  >
>()
expectTypeOf(everyone.add(1, 2).pipe(Effect.map(Outcomes.succeeded), Effect.orDie)).toEqualTypeOf<
  Effect.Effect<Readonly<Record<string, number>>>
>()
expectTypeOf(Effect.map(everyone.add(1, 2), Outcomes.failed)).toEqualTypeOf<
  Effect.Effect<Readonly<Record<string, Cause.Cause<CommandNode.CommandError>>>, FunctionError.NodeClosedError>
>()
expectTypeOf(Effect.map(everyone.add(1, 2), Outcomes.values)).toEqualTypeOf<
  Effect.Effect<ReadonlyArray<number>, FunctionError.NodeClosedError>
>()
expectTypeOf(node.target<Api>(["bob", "carol"]).add(1, 2)).toEqualTypeOf<Sums>()

// @ts-expect-error: a number, not a text
bob.add(1, "2")
// @ts-expect-error: two of them
bob.add(1)
// @ts-expect-error: there is no such function
bob.subtract(1, 2)
// @ts-expect-error: the same for several
everyone.subtract(1, 2)
// @ts-expect-error: peers have names
node.target<Api>(7)

// --- targets by nothing ----------------------------------------------------------------------------------------------

expectTypeOf(node.target("bob")("any", 1, { a: [] })).toEqualTypeOf<
  Effect.Effect<Schema.Json, CommandNode.CommandError>
>()
expectTypeOf(node.target("*")("any")).toEqualTypeOf<
  Outcomes.Outcomes<Schema.Json, CommandNode.CommandError>
>()
// @ts-expect-error: a function has a name
node.target("bob")(1)

// --- targets by commands ---------------------------------------------------------------------------------------------

const commands = [Greet, Read, Sum, Ping] as const
const typed = node.target("bob", { commands })
expectTypeOf(typed.greet("Ann")).toEqualTypeOf<Effect.Effect<string, CommandNode.CommandError>>()
expectTypeOf(typed.greet("Ann", 2, Command.kwargs({ loud: true }))).toEqualTypeOf<
  Effect.Effect<string, CommandNode.CommandError>
>()
expectTypeOf(typed.read("/etc", Command.kwargs({ size: 3 }))).toEqualTypeOf<
  Effect.Effect<Uint8Array, CommandNode.CommandError | Missing>
>()
expectTypeOf(typed.ping()).toEqualTypeOf<Effect.Effect<void, CommandNode.CommandError>>()
expectTypeOf(node.target("*", { commands, timeout: 50 }).read("/etc", Command.kwargs({ size: 3 }))).toEqualTypeOf<
  Outcomes.Outcomes<Uint8Array, CommandNode.CommandError | Missing>
>()
// @ts-expect-error: a text, not a number
typed.greet(7)
// @ts-expect-error: a keyword argument that is required
typed.read("/etc")
// @ts-expect-error: of the right type
typed.read("/etc", Command.kwargs({ size: "3" }))
// @ts-expect-error: no such command
typed.write("/etc")
// @ts-expect-error: it takes no arguments
typed.ping(1)

// An error that is declared has to be dealt with, like any other.
expectTypeOf(Effect.catchTag(typed.read("/etc", Command.kwargs({ size: 3 })), "Missing", () => Effect.succeed("gone")))
  .toEqualTypeOf<Effect.Effect<Uint8Array | string, CommandNode.CommandError>>()
// @ts-expect-error: not all of them are
const unhandled: Effect.Effect<unknown> = typed.ping()
void unhandled

// --- registering -----------------------------------------------------------------------------------------------------

expectTypeOf(node.register("add", (_call, a: number, b: number) => Effect.succeed(a + b))).toEqualTypeOf<
  Effect.Effect<void, FunctionError.DuplicateFunctionError, Scope.Scope>
>()
expectTypeOf(node.register("rows", () => Effect.map(Database, ({ rows }) => rows))).toEqualTypeOf<
  Effect.Effect<void, FunctionError.DuplicateFunctionError, Database | Scope.Scope>
>()
expectTypeOf(
  node.register(Read, ({ from, kwargs }, path) => {
    expectTypeOf(path).toEqualTypeOf<string>()
    expectTypeOf(kwargs).toEqualTypeOf<{ readonly size: number }>()
    expectTypeOf(from).toEqualTypeOf<Caller.Caller["Service"]>()
    return Effect.map(Disk, ({ bytes }) => bytes.subarray(kwargs.size))
  })
).toEqualTypeOf<Effect.Effect<void, FunctionError.DuplicateFunctionError, Disk | Scope.Scope>>()
node.register(Read, (_call, path) => Effect.fail(new Missing({ path })))
// @ts-expect-error: bytes, not a text
node.register(Read, () => Effect.succeed("text"))
// @ts-expect-error: an error that the command does not declare
node.register(Greet, (_call, path) => Effect.fail(new Missing({ path })))
// A value, and a promise of one, in place of an Effect.
expectTypeOf(node.register("value", (_call, a: number) => a + 1)).toEqualTypeOf<
  Effect.Effect<void, FunctionError.DuplicateFunctionError, Scope.Scope>
>()
expectTypeOf(
  node.register("later", async ({ signal }) => {
    expectTypeOf(signal).toEqualTypeOf<AbortSignal>()
    return 7
  })
).toEqualTypeOf<Effect.Effect<void, FunctionError.DuplicateFunctionError, Scope.Scope>>()
node.register(Sum, (_call, ...numbers) => numbers.length)
node.register(Sum, async (_call, ...numbers) => numbers.length)
// @ts-expect-error: a text, not a number
node.register(Sum, () => "text")
// @ts-expect-error: nor a promise of one
node.register(Sum, async () => "text")
// @ts-expect-error: a Stream is no value
node.register("stream", () => Stream.make(1))
// @ts-expect-error: nor is an Effect that a promise brings
node.register("both", async () => Effect.succeed(1))
// @ts-expect-error: the argument is a text
node.register(Greet, (_call, name: number) => Effect.succeed(`${name}`))

// --- layers ----------------------------------------------------------------------------------------------------------

expectTypeOf(CommandNode.layer({ name: "alice" })).toEqualTypeOf<Layer.Layer<Given, StartErrors, Host>>()
expectTypeOf(
  CommandNode.layer({
    name: "alice",
    functions: {
      add: (_call, a: number, b: number) => Effect.succeed(a + b),
      rows: () => Effect.map(Database, ({ rows }) => rows)
    },
    streams: { dump: () => Effect.map(Disk, ({ bytes }) => bytes), upper: ({ bytes }) => bytes }
  })
).toEqualTypeOf<Layer.Layer<Given, StartErrors, Host | Database | Disk>>()
// What gives no Effect needs nothing, and each call has a scope of its own.
expectTypeOf(
  CommandNode.layer({
    name: "alice",
    functions: {
      add: (_call, a, b) => a + b,
      later: async () => 7,
      nothing: () => {},
      rows: () => Effect.map(Database, ({ rows }) => rows),
      held: () => Effect.acquireRelease(Effect.succeed(1), () => Effect.void)
    },
    streams: { text: () => "text", bytes: async () => new Uint8Array(1) },
    onMessage: async ({ signal, text }) => signal.aborted ? "" : text
  })
).toEqualTypeOf<Layer.Layer<Given, StartErrors, Host | Database>>()
expectTypeOf(
  CommandNode.layer({
    name: "alice",
    commands: [Command.implement(Sum, () => Effect.map(Database, ({ rows }) => rows))]
  })
).toEqualTypeOf<Layer.Layer<Given, StartErrors, Host | Database>>()
expectTypeOf(CommandNode.make({ name: "alice" })).toEqualTypeOf<
  Effect.Effect<CommandNode.CommandNode["Service"], StartErrors, Host | Scope.Scope>
>()
expectTypeOf(RpcRegistry.layer).toEqualTypeOf<Layer.Layer<RpcRegistry.RpcRegistry>>()
// @ts-expect-error: a node has a name
CommandNode.layer({})
// @ts-expect-error: a command's handler answers with what the command says
CommandNode.layer({ name: "alice", commands: [Command.implement(Sum, () => Effect.succeed("text"))] })

// --- typed calls -----------------------------------------------------------------------------------------------------

class Verified extends RpcMiddleware.Service<Verified>()("typetest/Verified", { requiredForClient: true }) {}
class Files extends RpcGroup.make(
  Rpc.make("hash", { payload: { path: Schema.String }, success: Schema.String, error: Missing }),
  Rpc.make("tail", { payload: { path: Schema.String }, success: Schema.String, error: Missing, stream: true })
) {}
class Guarded extends RpcGroup.make(Rpc.make("who", { success: Schema.String })).middleware(Caller.Authenticated) {}
class Closed extends RpcGroup.make(Rpc.make("open")).middleware(Verified) {}

const FilesLive = Files.toLayer({
  hash: ({ path }) => path === "" ? Effect.fail(new Missing({ path })) : Effect.succeed(path),
  tail: () => Stream.empty
})
const GuardedLive = Guarded.toLayer({ who: () => Effect.map(Caller.Caller, ({ name }) => name) })

// Handlers, and a node to serve them.
expectTypeOf(CommandNode.serve(Files).pipe(Layer.provide(FilesLive))).toEqualTypeOf<
  Layer.Layer<never, FunctionError.DuplicateFunctionError, CommandNode.CommandNode>
>()
// Who calls is known to whoever serves to peers.
expectTypeOf(CommandNode.serve(Guarded).pipe(Layer.provide(GuardedLive))).toEqualTypeOf<
  Layer.Layer<never, FunctionError.DuplicateFunctionError, CommandNode.CommandNode>
>()
// @ts-expect-error: the handlers are missing
const missingHandlers: Layer.Layer<never, unknown, CommandNode.CommandNode> = CommandNode.serve(Files)
void missingHandlers
// @ts-expect-error: a handler is missing
Files.toLayer({ hash: () => Effect.succeed("") })
// @ts-expect-error: the middleware is missing
const missingMiddleware: Layer.Layer<never, unknown, CommandNode.CommandNode | Rpc.ToHandler<RpcGroup.Rpcs<Closed>>> =
  CommandNode.serve(Closed)
void missingMiddleware

expectTypeOf(node.client(Files, "bob")).toEqualTypeOf<
  Effect.Effect<RpcClient.FromGroup<typeof Files, PeerRpc.RpcError>, never, Scope.Scope>
>()
declare const files: RpcClient.FromGroup<typeof Files, PeerRpc.RpcError>
expectTypeOf(files.hash({ path: "/etc" })).toEqualTypeOf<Effect.Effect<string, Missing | PeerRpc.RpcError>>()
expectTypeOf(files.tail({ path: "/etc" })).toEqualTypeOf<Stream.Stream<string, Missing | PeerRpc.RpcError>>()
// @ts-expect-error: a path is a text
files.hash({ path: 7 })
// @ts-expect-error: there is no such call
files.remove({ path: "/etc" })
// @ts-expect-error: the client's side of the middleware is missing
const missingClient: Effect.Effect<unknown, never, Scope.Scope> = node.client(Closed, "bob")
void missingClient
declare const all: PeerRpc.ManyClient<RpcGroup.Rpcs<typeof Files>>
expectTypeOf(node.client(Files, "*")).toEqualTypeOf<
  Effect.Effect<PeerRpc.ManyClient<RpcGroup.Rpcs<typeof Files>>, never, Scope.Scope>
>()
expectTypeOf(all.hash({ path: "/etc" })).toEqualTypeOf<
  Outcomes.Outcomes<string, Missing | PeerRpc.RpcError>
>()
expectTypeOf(all.tail({ path: "/etc" })).toEqualTypeOf<
  Stream.Stream<Outcomes.Item<string, Missing | PeerRpc.RpcError>, FunctionError.NodeClosedError>
>()

// --- targets by what peers offer -------------------------------------------------------------------------------------

expectTypeOf(node.target<Api>({ role: "worker" }).add(1, 2)).toEqualTypeOf<
  Sums
>()
expectTypeOf(node.target<Api>(Peers.any({ role: "worker" })).add(1, 2)).toEqualTypeOf<
  Effect.Effect<number, CommandNode.CommandError>
>()
expectTypeOf(node.target(Peers.any({ serves: [Greet, Files, "more"] }), { commands }).greet("Ann")).toEqualTypeOf<
  Effect.Effect<string, CommandNode.CommandError>
>()
expectTypeOf(node.client(Files, Peers.any({ role: "worker" }))).toEqualTypeOf<
  Effect.Effect<RpcClient.FromGroup<typeof Files, PeerRpc.ServiceError>, never, Scope.Scope>
>()
expectTypeOf(node.client(Files, { serves: Files, where: ({ offer }) => offer?.meta["zone"] === "a" })).toEqualTypeOf(
  node.client(Files, "*")
)
expectTypeOf(node.awaitPeers({ serves: Files }, { atLeast: 2, within: "1 second" })).toEqualTypeOf<
  Effect.Effect<ReadonlyArray<Peers.Peer>, Peers.PeerUnknownError | FunctionError.NodeClosedError>
>()
expectTypeOf(node.request(Peers.any({ role: "worker" }), "echo", "hi")).toEqualTypeOf(node.request("bob", "echo", "hi"))
// @ts-expect-error: no such key
node.target({ rol: "worker" })
// @ts-expect-error: one of several is no target of all
node.sendAll(Peers.any({ role: "worker" }), "echo", "hi")
// @ts-expect-error: groups are known to a CommandNode alone
node.streams.awaitPeers({ serves: Files })
expectTypeOf(node.resolve({ serves: [Files, Greet], role: "worker" })).toEqualTypeOf<
  Effect.Effect<
    ReadonlyArray<Peers.Peer>,
    Peers.PeerUnknownError | Peers.NameConflictError | FunctionError.NodeClosedError
  >
>()
// @ts-expect-error: an AdvancedNode knows no groups
node.streams.resolve({ serves: Files })
declare const Readings: Topic.Topic<number>
expectTypeOf(node.awaitPeers({ subscribes: [Readings, "build.42.failed"], role: "display" })).toEqualTypeOf(
  node.awaitPeers({ subscribes: Readings })
)
node.target({ subscribes: "readings" })
node.streams.awaitPeers({ subscribes: ["readings", { name: "orders", contract: "bytes" }] })
// @ts-expect-error: topics are known to a CommandNode alone
node.streams.awaitPeers({ subscribes: Readings })
// @ts-expect-error: no name of a topic
node.awaitPeers({ subscribes: 7 })
// A topic's value is its own, whatever a name takes.
node.publish(Readings, 7)
node.publish("readings", "warm")
// @ts-expect-error: the topic has numbers
node.publish(Readings, "warm")

// --- policies of a client of a service --------------------------------------------------------------------------------

const Users = RpcGroup.make(
  Rpc.make("load", { payload: { user: Schema.String, part: Schema.Int } }),
  Rpc.make("save", { payload: { user: Schema.String, text: Schema.String } })
)
// The payloads are those of the group, and the peers are peers.
node.client(Users, { policy: Balance.consistentHash({ by: ({ user }) => user }) })
node.client(Users, { policy: Balance.make("near", () => (all) => all.find(({ peer }) => peer.name === "bob")) })
node.client(Users, { policy: Balance.leastPending })
const byUser = Balance.consistentHash({ by: (payload: { readonly user: string }) => payload.user })
node.client(Users, { policy: byUser })
// @ts-expect-error: not all have that
node.client(Users, { policy: Balance.consistentHash({ by: ({ text }) => text }) })
// @ts-expect-error: these have no user
node.client(Files, { policy: byUser })
