/**
 * AdvancedNode: named functions over byte streams. A function gets the bytes that a peer sends it, as they come, and answers
 * with bytes of its own; both directions have backpressure from end to end. Everything a BasicNode has, it has.
 *
 * ```ts
 * yield* node.register("upper", ({ bytes }) => Stream.map(bytes, toUpper))
 * const answer = node.send("bob", "upper", Stream.make(hello))
 * ```
 *
 * What bites: a call that is interrupted interrupts the function on the other machine. A function that fails with a tagged
 * error reaches its caller as a `RemoteError` with the error in it; a defect reaches it as a `StreamResetError` with the code
 * `internal` and is logged where it happened.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type * as Allow from "./Allow.ts"
import type * as Balance from "./Balance.ts"
import * as BasicNode from "./BasicNode.ts"
import type { Crypto } from "./Crypto.ts"
import type {
  CallTooLargeError,
  DeadlineError,
  DuplicateFunctionError,
  HeadersUnsupportedError,
  InvalidArgumentsError,
  NodeClosedError,
  NotAllowedError,
  NotJsonError,
  RemoteError
} from "./FunctionError.ts"
import { enginesOf } from "./internal/balance/enginesOf.ts"
import { runningOf } from "./internal/balance/limiter.ts"
import { separate } from "./internal/base/separate.ts"
import * as Acceptor from "./internal/connect/acceptor.ts"
import { Introducing } from "./internal/connect/introducing.ts"
import * as Offers from "./internal/offers/offers.ts"
import { owns } from "./internal/offers/own.ts"
import * as Pool from "./internal/session/sessions.ts"
import * as Allowed from "./internal/streams/allowed.ts"
import * as Calling from "./internal/streams/calling.ts"
import { makeCallMemory, resources } from "./internal/streams/callMemory.ts"
import * as CallHeaders from "./internal/streams/headers.ts"
import * as Serving from "./internal/streams/serving.ts"
import * as Topics from "./internal/topics/open.ts"
import { openedOf } from "./internal/topics/opened.ts"
import { asBytes } from "./internal/topics/values.ts"
import * as NodeOptions from "./NodeOptions.ts"
import type * as Offer from "./Offer.ts"
import type { Options as SeveralOptions, Outcomes } from "./Outcomes.ts"
import type { NodeName } from "./Packet.ts"
import * as Peers from "./Peers.ts"
import * as PeerTable from "./PeerTable.ts"
import type { PublicKey } from "./PublicKey.ts"
import * as Reach from "./Reach.ts"
import * as Sessions from "./Sessions.ts"
import type * as Topic from "./Topic.ts"
import type { Trust } from "./Trust.ts"

/**
 * Why a call failed.
 *
 * @category errors
 * @since 0.1.0
 */
export type CallError =
  | Peers.PeerUnknownError
  | Peers.NameConflictError
  | NodeClosedError
  | Sessions.OpenError
  | Sessions.StreamError
  | CallTooLargeError
  | DeadlineError
  | NotAllowedError
  | InvalidArgumentsError
  | HeadersUnsupportedError
  | NotJsonError
  | RemoteError
  | Balance.OverloadedError

/**
 * What a function is told about a call besides its bytes: an object of small values that JSON has.
 *
 * @category models
 * @since 0.2.0
 */
export type Headers = Schema.JsonObject

/**
 * A call that came in. `H` is what its headers are by the Schema of the function.
 *
 * @category models
 * @since 0.1.0
 */
export interface Call<out H = Headers> {
  /** Who calls, as the handshake proved it. */
  readonly from: { readonly name: NodeName; readonly publicKey: PublicKey }
  /** The function's name. */
  readonly command: string
  /**
   * What the caller sent along: by the function's Schema where it has one, and otherwise whatever it was, a peer's JSON of at most
   * 4,096 bytes. Without any, an empty object.
   */
  readonly headers: H
  /**
   * What the caller sends, as it comes. Each part is a view into a buffer that may hold more: its `.buffer` is not it alone, and
   * `part.slice()` is a copy to keep. It ends where the caller has sent all of it. Read on when the answer is complete or has failed, or
   * the caller gave up, it fails where that was not all: with `cancelled`, or what the call failed with. It is read once,
   * here or as `whole`: what one reader has taken no other gets.
   */
  readonly bytes: Stream.Stream<Uint8Array, Sessions.StreamError>
  /**
   * All of it at once, up to `limits.callSize` bytes, of which all calls together may hold `limits.callMemory`. What is longer fails
   * with `too_large`, what there is no room for with `refused`, here and at the caller. Larger things come as `bytes`.
   */
  readonly whole: Effect.Effect<Uint8Array, Sessions.StreamError>
  /** `whole`, as text. */
  readonly text: Effect.Effect<string, Sessions.StreamError>
  /** The time that was left when the call came in. The function is interrupted when it is up. */
  readonly deadline: Duration.Duration | undefined
  /** Aborted when the call is given up: its caller is gone, its time is up, or the node closes. For what is not an Effect. */
  readonly signal: AbortSignal
  /** The node it came to. */
  readonly node: AdvancedNode["Service"]
}

/**
 * What a function may answer with: a stream of bytes or text, or bytes, text, or nothing, or an Effect or a promise of one of
 * these. A promise cannot be interrupted: `call.signal` tells an `async` function when to stop.
 *
 * @category models
 * @since 0.1.0
 */
export type Answer<E = unknown, R = never> =
  | Stream.Stream<Uint8Array | string, E, R>
  | Effect.Effect<Uint8Array | string | void | Stream.Stream<Uint8Array | string, E, R>, E, R>
  | PromiseLike<Uint8Array | string | void | Stream.Stream<Uint8Array | string, E, R>>
  | Uint8Array
  | string
  | void

/**
 * A named function. Each call of it has a scope of its own, which closes when the answer is complete, and runs under its
 * caller's span. What it throws, and what its promise is rejected with, is its failure where it is a tagged error, and a defect
 * otherwise.
 *
 * @category models
 * @since 0.1.0
 */
export type Handler<E = unknown, R = never, H = Headers> = (call: Call<H>) => Answer<E, R>

/**
 * How a function is registered that takes headers of a Schema.
 *
 * @category models
 * @since 0.2.0
 */
export interface HeadersOptions<H, R = never> extends Allow.Options, Balance.Limited {
  /**
   * What the headers of its calls are. They come as JSON, and are decoded before the function is run; a call with others gets an
   * `InvalidArgumentsError`, and so does one without any, where an empty object is none.
   */
  readonly headers: Schema.Codec<H, any, R, any>
}

/**
 * Serves a function until the scope closes; `allow` says who may call it, and `headers` what it takes besides bytes.
 *
 * @category models
 * @since 0.2.0
 */
export interface Register {
  <H, E = never, R = never, RD = never>(
    name: string,
    handler: Handler<E, R, H>,
    options: HeadersOptions<H, RD>
  ): Effect.Effect<void, DuplicateFunctionError, R | RD | Scope.Scope>
  <E = never, R = never>(
    name: string,
    handler: Handler<E, R>,
    options?: Allow.Options & Balance.Limited & { readonly headers?: undefined }
  ): Effect.Effect<void, DuplicateFunctionError, R | Scope.Scope>
}

/**
 * A function that takes headers of a Schema, for the options of a node; what `register` takes as `headers`.
 *
 * ```ts
 * const upload = AdvancedNode.withHeaders(Schema.Struct({ path: Schema.String }), ({ bytes, headers }) => save(headers.path, bytes))
 * AdvancedNode.layer({ name: "bob", networkId: "home", functions: { upload } })
 * ```
 *
 * @category combinators
 * @since 0.2.0
 */
export const withHeaders = <H, RD = never, E = never, R = never>(
  schema: Schema.Codec<H, any, RD, any>,
  handler: Handler<E, R, H>
): Handler<E, R | RD> => CallHeaders.attach((call: Call) => handler(call as Call<never>), schema)

/**
 * What is sent to a function: bytes, text, or a stream of bytes.
 *
 * @category models
 * @since 0.1.0
 */
export type Data<E = never, R = never> = Uint8Array | string | Stream.Stream<Uint8Array, E, R>

/**
 * How one call is made.
 *
 * @category models
 * @since 0.1.0
 */
export interface CallOptions {
  /**
   * Time for each call, until its whole answer is there, with what the search for peers takes. When it is up, a call fails with a `DeadlineError`, and its
   * function is interrupted, or not run. Default: what `Deadline.within` leaves, or none.
   */
  readonly timeout?: Duration.Input | undefined
  /**
   * Bytes that `request` and `sendAll` hold of one answer; a longer one fails with a `CallTooLargeError`. Default:
   * `limits.callSize`, 8 MiB. The answers of `send` have no end.
   */
  readonly limit?: number | undefined
  /**
   * What the function is told besides the bytes, as JSON of at most 4,096 bytes; more is a `CallTooLargeError`. A peer that does not
   * read headers, as those of 0.1, is sent nothing: `HeadersUnsupportedError`.
   */
  readonly headers?: Headers | undefined
}

/**
 * How several calls are made.
 *
 * @category models
 * @since 0.2.0
 */
export interface CallAllOptions extends CallOptions, SeveralOptions {}

/**
 * What a node offers, to be read and changed while it runs. Its functions are those that are registered.
 *
 * @category models
 * @since 0.2.0
 */
export interface OwnOffer {
  readonly current: Effect.Effect<Offer.Offer>
  /** Changes it. Peers that follow it are told at once, and at most four times a second. */
  readonly update: (change: Offer.Change) => Effect.Effect<void, NodeOptions.OptionsError>
}

/**
 * How a node drains.
 *
 * @category models
 * @since 0.2.0
 */
export interface DrainOptions {
  /** How long it is waited for calls that run. Default: 10 seconds. */
  readonly within?: Duration.Input | undefined
}

/**
 * How long it is waited for what was published.
 *
 * @category models
 * @since 0.2.0
 */
export interface FlushOptions {
  /** Default: 10 seconds. */
  readonly within?: Duration.Input | undefined
}

/**
 * A node with named functions over byte streams.
 *
 * @category models
 * @since 0.1.0
 */
export interface AdvancedNodeService extends Omit<BasicNode.BasicNodeService, "send" | "sendText" | "sendAll"> {
  /** The BasicNode underneath, whose `send` is for single messages without a function's name. */
  readonly raw: BasicNode.BasicNode["Service"]
  /** Serves a function until the scope closes; `allow` says who may call it, and `headers` what it takes besides bytes. */
  readonly register: Register
  /** What it offers its peers. */
  readonly offer: OwnOffer
  /**
   * Drains the node, which is about to leave: it tells its peers so (`offer.draining`), refuses new calls as not run, which clients of a service make
   * elsewhere, and waits until those that run are answered, or the time is up: 10 seconds by default. Gives how many are left then. It goes on refusing until
   * it is closed, or `offer.update({ draining: false })`. Messages are answered as before.
   */
  readonly drain: (options?: DrainOptions) => Effect.Effect<number>
  /** The names of the functions that are registered, sorted. */
  readonly functions: Effect.Effect<ReadonlyArray<string>>
  /**
   * Calls a function of one peer, by its name or one of those that offer something (`Peers.any`: the less busy, and another where it surely has not run
   * and nothing of an input that is a stream was read), and gives its answer as it comes. Nothing happens until the stream is run; interrupting it
   * interrupts the function.
   */
  readonly send: <E = never, R = never>(
    name: Peers.One,
    command: string,
    data: Data<E, R>,
    options?: CallOptions
  ) => Stream.Stream<Uint8Array, CallError | E, R>
  /** `send`, with the whole answer at once, which is held whole and so has a limit. */
  readonly request: <E = never, R = never>(
    name: Peers.One,
    command: string,
    data: Data<E, R>,
    options?: CallOptions
  ) => Effect.Effect<Uint8Array, CallError | E, R>
  /**
   * Calls a function of several peers, with `"*"` of every one that is known when it is run, or of those that offer something, and gives what comes of each,
   * its whole answer: an Effect of all, and a `stream` of each as it comes. A streamed input is read once for all: the slowest sets the pace, and one
   * that fails is left out of the rest. So all are called at once then, and a bound of `concurrency` is a slip of the program, and a defect.
   */
  readonly sendAll: <E = never, R = never>(
    target: Peers.Target,
    command: string,
    data: Data<E, R>,
    options?: CallAllOptions
  ) => Outcomes<Uint8Array, CallError | E, R>
  /**
   * Publishes bytes, or text as its UTF-8, to whoever subscribes to the topic of that name. When it is done the node has them and sends them, and `flush` waits
   * until they have come; when it fails, nothing was published to anybody.
   */
  readonly publish: (
    topic: string,
    value: Uint8Array | string,
    options?: Topic.PublishOptions & Topic.Named
  ) => Effect.Effect<void, Topic.PublishError>
  /**
   * Waits until what was published so far has come to the peers that are to hear it, those that are to lose nothing have taken it, and members of groups have
   * acknowledged it; and what this node has acknowledged itself is on its way; or until the time is up. Gives for how many peers and groups something is
   * left then: 0 is all of it. For programs that publish, or work for a group, and end.
   */
  readonly flush: (options?: FlushOptions) => Effect.Effect<number>
  /** What is published on a topic, or on all that a pattern means, as bytes, whatever it is. */
  readonly subscribe: (
    topic: string,
    options?: Topic.SubscribeOptions
  ) => Stream.Stream<Topic.Publication<Uint8Array>, Topic.SubscribeError>
  /** The sessions with peers, for layers that open streams of their own. */
  readonly sessions: Sessions.Sessions["Service"]
}

/**
 * The AdvancedNode of a program.
 *
 * @category services
 * @since 0.1.0
 */
export class AdvancedNode extends Context.Service<AdvancedNode, AdvancedNodeService>()("@pnet/core/AdvancedNode") {}

/**
 * Functions by name, as a node's options take them. `Services` has what each of them needs, by its name.
 *
 * @category models
 * @since 0.1.0
 */
export type Functions<Services> = { readonly [Name in keyof Services]: Handler<unknown, Services[Name]> }

/**
 * What functions need, of `Services`: nothing where they give no Effect, and no Scope, which each call has of its own.
 *
 * @category utility types
 * @since 0.1.0
 */
export type Needs<Services> = {
  [Name in keyof Services]: unknown extends Services[Name] ? never : Exclude<Services[Name], Scope.Scope>
}[keyof Services]

/**
 * The options of an AdvancedNode.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<Services = Record<string, never>, R = never> extends BasicNode.Options<R> {
  /** Functions that are served from the node's first moment on. */
  readonly functions?: Functions<Services> | undefined
  /** Who may call which of them, by their names. A name that is none of theirs is an `OptionsError`. */
  readonly allow?: AllowByName | undefined
}

/**
 * Who may call which function, by the functions' names.
 *
 * @category models
 * @since 0.2.0
 */
export type AllowByName = { readonly [name: string]: Allow.Allow | undefined }

const serve = <R>(functions: Readonly<Record<string, Handler<unknown, R>>>, allow: AllowByName) =>
  Effect.gen(function*() {
    // A slip in the name would leave the function to everybody.
    yield* Allowed.namesKnown(allow, Object.keys(functions))
    const basic = yield* BasicNode.BasicNode
    const sessions = yield* Sessions.Sessions
    const peers = yield* Peers.Peers
    const clock = yield* Clock.Clock
    const { grace, limits: { callMemory, callSize } } = yield* NodeOptions.NodeConfig
    const memory = makeCallMemory(callMemory)
    const own = yield* Offers.OwnOffer
    const registered = new Serving.Functions<AdvancedNode["Service"]>(
      yield* Effect.context<never>(),
      () => own.changed()
    )

    const topics = yield* Topics.open(own)
    const bytes = topics.of(asBytes)
    const node: AdvancedNode["Service"] = {
      name: basic.name,
      networkId: basic.networkId,
      publicKey: basic.publicKey,
      networkKeys: basic.networkKeys,
      endpoint: basic.endpoint,
      endpoints: basic.endpoints,
      peers,
      resolve: basic.resolve,
      awaitPeers: basic.awaitPeers,
      onMessage: basic.onMessage,
      raw: basic,
      sessions,
      offer: Offers.serviceOf(own),
      drain: (options) => Offers.drain(own, options?.within),
      functions: Effect.sync(() => registered.names),
      register: <R>(name: string, handler: Handler<unknown, R, never>, options?: Serving.Registering) =>
        registered.register<R>(name, handler as (call: unknown) => unknown, options),
      publish: bytes.publish as AdvancedNode["Service"]["publish"],
      flush: (options) => topics.flush(options?.within),
      subscribe: bytes.subscribe as AdvancedNode["Service"]["subscribe"],
      ...new Calling.Calling({ sessions, peers, clock, callSize, engines: yield* enginesOf(peers) })
    }

    openedOf.set(node, topics)
    resources.set(node, { memory, limit: callSize })
    owns.set(node, own)
    owns.set(sessions, own)
    own.takes(() => runningOf(registered.limiters))
    own.serves(() => registered.names.filter((name) => !own.hidden.has(name)).map((name) => [name, ""] as const))

    for (const [name, handler] of Object.entries(functions)) {
      // The names of an object are no duplicates.
      yield* Effect.orDie(node.register(name, handler, { allow: Allowed.own(allow, name) }))
    }
    yield* sessions.handle(
      Calling.protocol,
      Serving.onStream(node, {
        functions: registered,
        memory,
        callSize,
        clock,
        context: yield* Effect.context<never>()
      }),
      { scoped: false }
    )
    // Before the connections close under them.
    yield* Effect.addFinalizer(() => sessions.closeAll)
    if (!Duration.isZero(grace)) yield* Effect.addFinalizer(() => Effect.asVoid(node.drain({ within: grace })))
    return node
  })

/**
 * A node, from its options. Building it starts it, closing its scope ends it.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <Services extends Record<string, unknown> = {}, R = never>(
  options: Options<Services, R>
): Layer.Layer<
  AdvancedNode | BasicNode.BasicNode | Sessions.Sessions | Peers.Peers,
  BasicNode.StartError,
  Reach.Reach | Crypto | Trust | Needs<Services> | Exclude<R, Scope.Scope>
> => separate(layerWithConfig(options))

/**
 * `layer`, with the node's configuration beside it, for node types that are built on this one. It is not kept apart from other
 * nodes that are built together with it: whoever builds on it sees to that.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerWithConfig = <Services extends Record<string, unknown> = {}, R = never>(
  options: Options<Services, R>
): Layer.Layer<
  AdvancedNode | BasicNode.BasicNode | Sessions.Sessions | Peers.Peers | NodeOptions.NodeConfig,
  BasicNode.StartError,
  Reach.Reach | Crypto | Trust | Needs<Services> | Exclude<R, Scope.Scope>
> => {
  const { allow, functions, onMessage, ...input } = options
  return Layer.effect(
    AdvancedNode,
    serve<Needs<Services>>((functions ?? {}) as Functions<Record<string, Needs<Services>>>, allow ?? {})
  ).pipe(
    Layer.provideMerge(BasicNode.layerOver(onMessage)),
    Layer.provide(Layer.effect(Introducing, Effect.map(Pool.SessionInside, ({ introduce }) => introduce))),
    Layer.provide(Layer.effect(Acceptor.Services, Effect.map(Pool.SessionAcceptor, (acceptor) => [acceptor]))),
    Layer.provide(Offers.layer),
    Layer.provideMerge(Pool.layer),
    Layer.provideMerge(PeerTable.layer),
    Layer.provide(Reach.layerOpen),
    Layer.provideMerge(NodeOptions.layer(input))
  )
}

/**
 * A node, from its options, as an effect: it runs until the scope closes.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <Services extends Record<string, unknown> = {}, R = never>(
  options: Options<Services, R>
): Effect.Effect<
  AdvancedNode["Service"],
  BasicNode.StartError,
  Reach.Reach | Crypto | Trust | Needs<Services> | Exclude<R, Scope.Scope> | Scope.Scope
> => Effect.map(Layer.build(Layer.fresh(layer(options))), (context) => Context.get(context, AdvancedNode))
