/**
 * CommandNode: functions that peers call by name, with JSON values, and typed calls of any RPC group. Everything an AdvancedNode
 * has, it has.
 *
 * ```ts
 * yield* node.register("add", (_call, a: number, b: number) => Effect.succeed(a + b))
 *
 * interface Api { add(a: number, b: number): number }
 * const sum = yield* node.target<Api>("bob").add(1, 2)      // one peer: the value, or a typed error
 * const all = yield* node.target<Api>("*").add(1, 2)        // every peer: a record of one Exit each, or `.stream` as they come
 * const files = yield* node.client(Files, "bob")            // Files: an RpcGroup
 * ```
 *
 * Three functions are built in: `get_funcs` gives the names of the functions, `get_peers` those of the peers, and `describe`
 * what each function takes and gives.
 *
 * What bites: a call that is interrupted interrupts the function on the other machine. A call that failed with `PeerLostError`
 * may have run; its `mayHaveRun` says so. `target<Api>` believes you: nothing checks that the peer has that API, which is what
 * commands with Schemas and RPC groups are for.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Rpc from "effect/rpc/Rpc"
import type * as RpcClient from "effect/rpc/RpcClient"
import type * as RpcGroup from "effect/rpc/RpcGroup"
import type * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type * as Sink from "effect/Sink"
import type * as Stream from "effect/Stream"
import type * as SubscriptionRef from "effect/SubscriptionRef"
import * as AdvancedNode from "./AdvancedNode.ts"
import type * as Balance from "./Balance.ts"
import type * as BasicNode from "./BasicNode.ts"
import * as Command from "./Command.ts"
import type { Crypto } from "./Crypto.ts"
import type * as FunctionError from "./FunctionError.ts"
import { enginesOf } from "./internal/balance/enginesOf.ts"
import { limiters, runningOf } from "./internal/balance/limiter.ts"
import { separate } from "./internal/base/separate.ts"
import * as Calls from "./internal/call/commandClient.ts"
import * as Server from "./internal/call/commandServer.ts"
import { streamName } from "./internal/call/commandWire.ts"
import { contractsOf, entriesOf, onChange } from "./internal/call/registered.ts"
import { codingOf } from "./internal/call/topicCoding.ts"
import { isWhere, oneOf, targetOf } from "./internal/call/whom.ts"
import { owns } from "./internal/offers/own.ts"
import * as Allowed from "./internal/streams/allowed.ts"
import { resources } from "./internal/streams/callMemory.ts"
import { openedOf } from "./internal/topics/opened.ts"
import { NodeConfig } from "./NodeOptions.ts"
import type { Options as SeveralOptions, Outcomes } from "./Outcomes.ts"
import * as PeerRpc from "./PeerRpc.ts"
import * as Peers from "./Peers.ts"
import type { Reach } from "./Reach.ts"
import * as RpcRegistry from "./RpcRegistry.ts"
import * as Sessions from "./Sessions.ts"
import type * as Topic from "./Topic.ts"
import type { Trust } from "./Trust.ts"

/**
 * Why a call got no value.
 *
 * - `PeerUnknownError`, `NameConflictError`: nothing was sent, since it is not clear to whom
 * - `NotJsonError`: an argument cannot be sent; nothing was
 * - `UnknownFunctionError`, `NotAllowedError`, `InvalidArgumentsError`, `CallTooLargeError`: the peer did not run it
 * - `RemoteError`: it failed with an error, which is in it as JSON
 * - `RemoteDefectError`: it broke; the peer's log has the cause
 * - `DeadlineError`: its time was up
 * - `NodeClosedError`: this node is closed
 * - `PeerLostError`: the peer was lost before it answered
 * - `DialError`, `ProtocolError`, `UntrustedPeerError`: there could be no session with the peer
 * - `StreamResetError`: the peer had no room, or gave it up, with a code that says which
 * - `OverloadedError`: of a call of one of several peers (`Peers.any`); all of them are full, and it was not run
 * - `ContractError`: the answer is not what the caller's Schema says
 *
 * @category errors
 * @since 0.1.0
 */
export type CommandError = Calls.CommandError

/**
 * How calls are made.
 *
 * @category models
 * @since 0.1.0
 */
export interface CallOptions extends SeveralOptions {
  /**
   * Time for each call, until its whole answer is there, with what the search for peers takes. When it is up, a call fails with a `DeadlineError`, and its
   * function is interrupted. Default: what `Deadline.within` leaves, or none.
   */
  readonly timeout?: Duration.Input | undefined
  /** Which one of several peers (`Peers.any`) a call goes to, by its arguments as an array. Default: `Balance.leastPending`. */
  readonly policy?: Balance.Policy<any, any> | undefined
}

/**
 * `CallOptions`, with the commands that the peer serves: their names and types become the target's, arguments are encoded and
 * results and errors decoded by their Schemas.
 *
 * @category models
 * @since 0.1.0
 */
export interface CommandOptions<Commands extends ReadonlyArray<Command.Any>> extends CallOptions {
  readonly commands: Commands
}

/**
 * A peer whose functions are not known here: any name, any JSON. It may be called with the name first, too:
 * `node.target("bob")("add", 1, 2)`, which suits names that are not known when the program is written.
 *
 * @category models
 * @since 0.1.0
 */
export interface Untyped<Error = CommandError> {
  (name: string, ...args: ReadonlyArray<unknown>): Effect.Effect<Schema.Json, Error>
  readonly [name: string]: (...args: ReadonlyArray<unknown>) => Effect.Effect<Schema.Json, Error>
}

/** The functions of an API that returns values, promises of nothing: what is called remotely gives an Effect. */
type Value<R> = R extends Effect.Effect<infer A, infer _E, infer _R> ? A : R

/**
 * The functions of one peer. `Api` is an interface of functions as they are written: `{ add(a: number, b: number): number }`.
 *
 * @category models
 * @since 0.1.0
 */
export type One<Api> = [Api] extends [never] ? Untyped : {
  readonly [Name in keyof Api]: Api[Name] extends (...args: infer Args) => infer Result
    ? (...args: [...Args, kwargs?: Command.Kwargs]) => Effect.Effect<Value<Result>, CommandError>
    : never
}

/**
 * A target of several peers whose functions are not known here.
 *
 * @category models
 * @since 0.1.0
 */
export interface UntypedMany {
  (name: string, ...args: ReadonlyArray<unknown>): Outcomes<Schema.Json, CommandError>
  readonly [name: string]: (...args: ReadonlyArray<unknown>) => Outcomes<Schema.Json, CommandError>
}

/**
 * The functions of several peers: each gives the `Outcomes` of all that were addressed.
 *
 * @category models
 * @since 0.1.0
 */
export type Many<Api> = [Api] extends [never] ? UntypedMany : {
  readonly [Name in keyof Api]: Api[Name] extends (...args: infer Args) => infer Result
    ? (...args: [...Args, kwargs?: Command.Kwargs]) => Outcomes<Value<Result>, CommandError>
    : never
}

/** The arguments of a command: its keyword arguments come last, and may be left out where none is required. */
type ArgumentsOf<C extends Command.Any> = {} extends C["kwargs"]["Type"]
  ? [...args: C["args"]["Type"], kwargs?: Command.Kwargs<C["kwargs"]["Type"]>]
  : [...args: C["args"]["Type"], kwargs: Command.Kwargs<C["kwargs"]["Type"]>]

/**
 * The functions of one peer, by their commands.
 *
 * @category models
 * @since 0.1.0
 */
export type OneOf<Commands extends ReadonlyArray<Command.Any>> = {
  readonly [C in Commands[number] as C["name"]]: (
    ...args: ArgumentsOf<C>
  ) => Effect.Effect<C["success"]["Type"], CommandError | C["error"]["Type"]>
}

/**
 * The functions of several peers, by their commands.
 *
 * @category models
 * @since 0.1.0
 */
export type ManyOf<Commands extends ReadonlyArray<Command.Any>> = {
  readonly [C in Commands[number] as C["name"]]: (
    ...args: ArgumentsOf<C>
  ) => Outcomes<C["success"]["Type"], CommandError | C["error"]["Type"]>
}

/**
 * What peers may be chosen by: the name of a function, its name and the hash of its contract, a command, or an RPC group, of which every call has to be
 * served. Commands and groups stand for their very contracts.
 *
 * @category models
 * @since 0.2.0
 */
export type Serves = string | { readonly name: string; readonly contract: string } | Command.Any | RpcGroup.Any

/**
 * What topics peers may be chosen by: the name of one, or a topic, which stands for its contract as well.
 *
 * @category models
 * @since 0.2.0
 */
export type Subscribes = string | { readonly name: string; readonly contract: string } | Topic.Any

/**
 * Peers by what they offer, as `Peers.Where` has it, with commands and RPC groups among what they serve, and topics that they subscribe to.
 *
 * @category models
 * @since 0.2.0
 */
export interface Where {
  readonly role?: string
  readonly serves?: Serves | ReadonlyArray<Serves>
  readonly subscribes?: Subscribes | ReadonlyArray<Subscribes>
  readonly where?: (peer: Peers.Peer) => boolean
}

/**
 * Names the peers to call.
 *
 * @category models
 * @since 0.1.0
 */
export interface Target {
  /** Several peers, with `"*"` every one that is known when the call is made, or those that offer something, by their commands. */
  <const Commands extends ReadonlyArray<Command.Any>>(
    target: "*" | ReadonlyArray<string> | Where,
    options: CommandOptions<Commands>
  ): ManyOf<Commands>
  /** One peer, by its name or `Peers.any`, by its commands. */
  <const Commands extends ReadonlyArray<Command.Any>>(
    target: Peers.One<Where>,
    options: CommandOptions<Commands>
  ): OneOf<Commands>
  /** Several peers, with `"*"` every one that is known when the call is made, or those that offer something. */
  <Api = never>(target: "*" | ReadonlyArray<string> | Where, options?: CallOptions): Many<Api>
  /** One peer, by its name or `Peers.any`. */
  <Api = never>(target: Peers.One<Where>, options?: CallOptions): One<Api>
}

/**
 * Makes clients of an RPC group.
 *
 * @category models
 * @since 0.1.0
 */
export interface Client {
  /**
   * Whoever serves the group, by its very contract: Effect's own RpcClient, each call of which goes to one of those peers, by a policy, and to
   * another where that is sound.
   */
  <Rpcs extends Rpc.Any>(
    group: RpcGroup.RpcGroup<Rpcs>,
    options?: PeerRpc.ServiceOptions<Rpcs>
  ): Effect.Effect<
    RpcClient.RpcClient<Rpcs, PeerRpc.ServiceError>,
    never,
    Rpc.MiddlewareClient<Rpcs> | Scope.Scope
  >
  /** The same, of those of them that offer something more: `Peers.any({ role: "gpu" })` are those with the role that serve the group. */
  <Rpcs extends Rpc.Any>(
    group: RpcGroup.RpcGroup<Rpcs>,
    target: Peers.Any<Where>,
    options?: PeerRpc.ServiceOptions<Rpcs>
  ): Effect.Effect<
    RpcClient.RpcClient<Rpcs, PeerRpc.ServiceError>,
    never,
    Rpc.MiddlewareClient<Rpcs> | Scope.Scope
  >
  /** Several peers: those of a list, or with `"*"` those that serve the group when the call is made; by what they offer, those of these that offer it. */
  <Rpcs extends Rpc.Any>(
    group: RpcGroup.RpcGroup<Rpcs>,
    target: "*" | ReadonlyArray<string> | Where,
    options?: PeerRpc.AllOptions
  ): Effect.Effect<PeerRpc.ManyClient<Rpcs>, never, Rpc.MiddlewareClient<Rpcs> | Scope.Scope>
  /** One peer, by its name: Effect's own RpcClient. */
  <Rpcs extends Rpc.Any>(
    group: RpcGroup.RpcGroup<Rpcs>,
    target: string,
    options?: PeerRpc.ClientOptions
  ): Effect.Effect<
    RpcClient.RpcClient<Rpcs, PeerRpc.RpcError>,
    never,
    Rpc.MiddlewareClient<Rpcs> | Scope.Scope
  >
}

/**
 * Publishes values.
 *
 * @category models
 * @since 0.2.0
 */
export interface Publish {
  /** JSON, on the topic of a name. */
  (topic: string, value: unknown, options?: Topic.PublishOptions & Topic.Named): Effect.Effect<void, Topic.PublishError>
  /** Of a topic. It stands last, since what the compiler says is of the last: what is wrong with a value. */
  <A, RD, RE>(
    topic: Topic.Topic<A, RD, RE>,
    value: NoInfer<A>,
    options?: Topic.PublishOptions
  ): Effect.Effect<void, Topic.PublishError, RE>
}

/**
 * Makes sinks that publish.
 *
 * @category models
 * @since 0.2.0
 */
export interface Publisher {
  /** JSON, on the topic of a name. */
  (topic: string, options?: Topic.PublishOptions & Topic.Named): Sink.Sink<void, unknown, never, Topic.PublishError>
  /** Of a topic. It stands last, as `Publish` has it. */
  <A, RD, RE>(
    topic: Topic.Topic<A, RD, RE>,
    options?: Topic.PublishOptions
  ): Sink.Sink<void, A, never, Topic.PublishError, RE>
}

/**
 * Subscribes.
 *
 * @category models
 * @since 0.2.0
 */
export interface Subscribe {
  /** To JSON of the topic of a name, or of all that a pattern means: `build.*.failed`, `build.>`. */
  (
    topic: string,
    options?: Topic.SubscribeOptions
  ): Stream.Stream<Topic.Publication<Schema.Json>, Topic.SubscribeError>
  /** To a topic. It stands last, as `Publish` has it. */
  <A, RD, RE>(
    topic: Topic.Topic<A, RD, RE>,
    options?: Topic.SubscribeOptions
  ): Stream.Stream<Topic.Publication<A>, Topic.SubscribeError, RD>
}

/**
 * Subscribes to what happens.
 *
 * @category models
 * @since 0.2.0
 */
export interface Watch {
  /** To JSON of the topic of a name, or of all that a pattern means. */
  (topic: string, options?: Topic.WatchOptions): Stream.Stream<Topic.Event<Schema.Json>, Topic.SubscribeError>
  /** To a topic. It stands last, as `Publish` has it. */
  <A, RD, RE>(
    topic: Topic.Topic<A, RD, RE>,
    options?: Topic.WatchOptions
  ): Stream.Stream<Topic.Event<A>, Topic.SubscribeError, RD>
}

/**
 * Holds last values.
 *
 * @category models
 * @since 0.2.0
 */
export interface Table {
  /** Of JSON of the topic of a name, or of all that a pattern means. */
  (
    topic: string,
    options?: Topic.TableOptions
  ): Effect.Effect<SubscriptionRef.SubscriptionRef<Topic.Table<Schema.Json>>, Topic.SubscribeError, Scope.Scope>
  /** Of a topic. It stands last, as `Publish` has it. */
  <A, RD, RE>(
    topic: Topic.Topic<A, RD, RE>,
    options?: Topic.TableOptions
  ): Effect.Effect<SubscriptionRef.SubscriptionRef<Topic.Table<A>>, Topic.SubscribeError, RD | Scope.Scope>
}

/**
 * A node with functions that peers call.
 *
 * @category models
 * @since 0.1.0
 */
export interface CommandNodeService extends
  Omit<
    AdvancedNode.AdvancedNodeService,
    "resolve" | "awaitPeers" | "register" | "functions" | "publish" | "subscribe"
  >
{
  /** `peers.resolve`, with commands and RPC groups among what peers serve. */
  readonly resolve: (
    target: string | ReadonlyArray<string> | Where
  ) => ReturnType<Peers.Peers["Service"]["resolve"]>
  /** `peers.awaitPeers`, with commands and RPC groups among what peers serve. */
  readonly awaitPeers: (
    target: string | ReadonlyArray<string> | Where,
    options?: Peers.AwaitOptions
  ) => Effect.Effect<ReadonlyArray<Peers.Peer>, Peers.PeerUnknownError | FunctionError.NodeClosedError>
  /** The AdvancedNode underneath, whose `register` is for functions over byte streams. */
  readonly streams: AdvancedNode.AdvancedNode["Service"]
  /** The functions it serves. */
  readonly registry: RpcRegistry.RpcRegistry["Service"]
  /** Serves a function, or a command with its handler, until the scope closes. */
  readonly register: RpcRegistry.Register
  /** The names of the functions that peers may call, sorted: the built-in ones too. */
  readonly functions: Effect.Effect<ReadonlyArray<string>>
  /** What each function takes and gives, sorted by name. */
  readonly describe: (names?: ReadonlyArray<string>) => Effect.Effect<ReadonlyArray<RpcRegistry.Description>>
  /** The functions of one peer, or of several. Nothing happens until one of them is called and its Effect run. */
  readonly target: Target
  /** Effect's own RpcClient of a group that a peer serves, or of the service that all are who serve it, for as long as the scope is open. */
  readonly client: Client
  /**
   * Publishes a value to whoever subscribes to its topic. When it is done the node has it and sends it, and `flush` waits until it has come; when it fails, nothing
   * was published to anybody.
   */
  readonly publish: Publish
  /** Publishes all that goes into it. */
  readonly publisher: Publisher
  /** Takes back the last value of a key that this node has published on a topic that retains them. */
  readonly retract: (topic: string | Topic.Any, key?: string) => Effect.Effect<void, FunctionError.NodeClosedError>
  /** What is published on a topic, or on all that a pattern means. */
  readonly subscribe: Subscribe
  /** What is published, and what of it is gone. */
  readonly watch: Watch
  /** The last values of all publishers of a topic, as they are now, until the scope closes. */
  readonly table: Table
}

/**
 * The CommandNode of a program.
 *
 * @category services
 * @since 0.1.0
 */
export class CommandNode extends Context.Service<CommandNode, CommandNodeService>()("@pnet/core/CommandNode") {}

declare module "./Command.ts" {
  interface Node extends CommandNodeService {}
}

/**
 * Functions by name, as a node's options take them. `Services` has what each of them needs, by its name.
 *
 * @category models
 * @since 0.1.0
 */
export type Functions<Services> = { readonly [Name in keyof Services]: Command.Handler<unknown, Services[Name]> }

/**
 * The options of a CommandNode.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<
  Services = Record<string, never>,
  Commands = never,
  Streams = Record<string, never>,
  R = never
> extends BasicNode.Options<R> {
  /** Functions that are served from the node's first moment on. */
  readonly functions?: Functions<Services> | undefined
  /** Commands that are served from the node's first moment on, made with `Command.implement`. */
  readonly commands?: ReadonlyArray<Command.Implementation<Commands>> | undefined
  /** Functions over byte streams, as an AdvancedNode has them, that are served from the node's first moment on. */
  readonly streams?: AdvancedNode.Functions<Streams> | undefined
  /** Who may call which of all these, by their names. A name that is none of theirs is an `OptionsError`. */
  readonly allow?: AdvancedNode.AllowByName | undefined
}

const builtIns = ["describe", "get_funcs", "get_peers"] as const

/** A client of a group: of one peer, of several, or of whoever serves it. */
const clientOf = (
  group: RpcGroup.RpcGroup<Rpc.Any>,
  given: ReadonlyArray<unknown>,
  limit: number
): Effect.Effect<unknown, never, any> => {
  const [first, second] = given
  const options = (of: unknown) => ({ limit, ...(of as object | undefined) })
  if (first instanceof Peers.Any) {
    return PeerRpc.service(group, { ...options(second), where: (oneOf(first) as Peers.Any).where })
  }
  if (first === undefined || typeof first === "object" && !Array.isArray(first) && !isWhere(first)) {
    return PeerRpc.service(group, options(first))
  }
  return typeof first === "string" && first !== "*"
    ? PeerRpc.client(group, first, options(second))
    : PeerRpc.clientAll(group, targetOf(first), options(second))
}

const serveNode = (
  functions: Functions<Record<string, any>>,
  commands: ReadonlyArray<Command.Implementation<any>>,
  allow: AdvancedNode.AllowByName
) =>
  Effect.gen(function*() {
    const streams = yield* AdvancedNode.AdvancedNode
    const sessions = yield* Sessions.Sessions
    const peers = yield* Peers.Peers
    const clock = yield* Clock.Clock
    const { grace, limits } = yield* NodeConfig
    const given = yield* Effect.serviceOption(RpcRegistry.RpcRegistry)
    const registry = Option.isSome(given) ? given.value : yield* RpcRegistry.make

    const { functions: _functions, register: _register, ...advanced } = streams
    const engines = yield* enginesOf(peers)
    const client = Calls.make({ sessions, peers, clock, limit: limits.callSize, engines })
    // Shared with the functions of the AdvancedNode.
    const { memory } = resources.get(streams)!
    const context = Context.make(Sessions.Sessions, sessions).pipe(
      Context.add(Peers.Peers, peers),
      Context.add(RpcRegistry.RpcRegistry, registry)
    )

    const topics = openedOf.get(streams)!.of(codingOf)
    const node: CommandNode["Service"] = {
      ...advanced,
      publish: topics.publish as Publish,
      publisher: topics.publisher as Publisher,
      retract: topics.retract,
      subscribe: topics.subscribe as Subscribe,
      watch: topics.watch as Watch,
      table: topics.table as Table,
      resolve: (target) => peers.resolve(targetOf(target)),
      awaitPeers: (target, options) => peers.awaitPeers(targetOf(target), options),
      streams,
      registry,
      register: registry.register,
      functions: Effect.map(registry.functions, (names) => [...names, ...builtIns].sort()),
      describe: registry.describe,
      target: client.target as Target,
      client: ((group: RpcGroup.RpcGroup<Rpc.Any>, ...given: ReadonlyArray<unknown>) =>
        Effect.provideContext(clientOf(group, given, limits.callSize), context)) as unknown as Client
    }

    resources.set(node, { memory, limit: limits.callSize })

    const own = owns.get(streams)!
    owns.set(node, own)
    own.hidden.add(streamName)
    own.takes(() =>
      runningOf(entriesOf(registry).map((entry) => limiters.get(entry)))
    )
    own.serves(() => contractsOf(registry))
    yield* onChange(registry, () => own.changed())

    // The name of the stream that commands travel in is no function of the AdvancedNode's.
    yield* Effect.orDie(streams.register(streamName, () => Effect.die("commands are handled apart")))
    for (const [name, handler] of Object.entries(functions)) {
      yield* node.register(name, handler, { allow: Allowed.own(allow, name) })
    }
    for (const { allow: implemented, command, concurrency, handler } of commands) {
      yield* node.register(command, handler as Command.HandlerOf<Command.Any>, {
        allow: Allowed.own(allow, command.name) ?? implemented,
        concurrency
      })
    }
    yield* sessions.handle(
      { protocol: "command", name: streamName },
      Server.make({ node, registry, peers, clock, limits, memory, context: yield* Effect.context<never>() }),
      { scoped: false }
    )
    yield* Effect.addFinalizer(() => sessions.closeAll)
    if (!Duration.isZero(grace)) yield* Effect.addFinalizer(() => Effect.asVoid(node.drain({ within: grace })))
    return node
  })

/**
 * A node, from its options. Building it starts it, closing its scope ends it. It serves the functions of the RpcRegistry in the
 * context, where there is one, and of one of its own otherwise.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <
  Services extends Record<string, unknown> = {},
  Commands = never,
  Streams extends Record<string, unknown> = {},
  R = never
>(
  options: Options<Services, Commands, Streams, R>
): Layer.Layer<
  | CommandNode
  | AdvancedNode.AdvancedNode
  | BasicNode.BasicNode
  | Sessions.Sessions
  | Peers.Peers,
  BasicNode.StartError | FunctionError.DuplicateFunctionError,
  | Reach
  | Crypto
  | Trust
  | AdvancedNode.Needs<Services>
  | Commands
  | AdvancedNode.Needs<Streams>
  | Exclude<R, Scope.Scope>
> => {
  const { allow = {}, commands = [], functions = {}, streams = {}, ...rest } = options
  const ofStreams = Object.keys(streams)
  const names = [...Object.keys(functions), ...commands.map(({ command }) => command.name), ...ofStreams]
  const node = Layer.effect(CommandNode, serveNode(functions, commands, allow)).pipe(
    Layer.provideMerge(
      AdvancedNode.layerWithConfig(
        { ...rest, functions: streams, allow: Allowed.only(allow, ofStreams) } as AdvancedNode.Options<Streams, R>
      )
    )
  )
  return separate(
    Layer.unwrap(Effect.as(Allowed.namesKnown(allow, names), node))
  ) as Layer.Layer<any, any, any>
}

/**
 * `layer`, with the node's configuration beside it, its key pair included: for what stands beside a node and acts as it, such as mail.
 *
 * @category layers
 * @since 0.2.0
 */
export const layerWithConfig = <
  Services extends Record<string, unknown> = {},
  Commands = never,
  Streams extends Record<string, unknown> = {},
  R = never
>(
  options: Options<Services, Commands, Streams, R>
): Layer.Layer<
  Layer.Success<ReturnType<typeof layer<Services, Commands, Streams, R>>> | NodeConfig,
  Layer.Error<ReturnType<typeof layer<Services, Commands, Streams, R>>>,
  Layer.Services<ReturnType<typeof layer<Services, Commands, Streams, R>>>
> => layer(options) as Layer.Layer<any, any, any>

/**
 * A node, from its options, as an effect: it runs until the scope closes.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <
  Services extends Record<string, unknown> = {},
  Commands = never,
  Streams extends Record<string, unknown> = {},
  R = never
>(
  options: Options<Services, Commands, Streams, R>
): Effect.Effect<
  CommandNode["Service"],
  BasicNode.StartError | FunctionError.DuplicateFunctionError,
  | Reach
  | Crypto
  | Trust
  | AdvancedNode.Needs<Services>
  | Commands
  | AdvancedNode.Needs<Streams>
  | Exclude<R, Scope.Scope>
  | Scope.Scope
> => Effect.map(Layer.build(Layer.fresh(layer(options))), (context) => Context.get(context, CommandNode))

/**
 * Serves an RPC group to the node's peers: each call in a stream of its own. Its calls are functions of the node, too, which
 * `get_funcs` and `describe` show and which callers by JSON may call.
 *
 * ```ts
 * const Live = CommandNode.serve(Files).pipe(Layer.provide(FilesHandlers), Layer.provide(CommandNode.layer(options)))
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const serve = <Rpcs extends Rpc.Any>(
  group: RpcGroup.RpcGroup<Rpcs>,
  options?: PeerRpc.ServeOptions
): Layer.Layer<
  never,
  FunctionError.DuplicateFunctionError,
  | CommandNode
  | Exclude<
    Effect.Services<ReturnType<typeof PeerRpc.serve<Rpcs>>>,
    Scope.Scope | Sessions.Sessions | RpcRegistry.RpcRegistry
  >
> =>
  Layer.effectDiscard(Effect.flatMap(CommandNode, (node) =>
    Effect.provideContext(
      PeerRpc.serve(group, { ...resources.get(node), ...options }),
      Context.add(Context.make(Sessions.Sessions, node.sessions), RpcRegistry.RpcRegistry, node.registry)
    ))) as Layer.Layer<never, any, any>
