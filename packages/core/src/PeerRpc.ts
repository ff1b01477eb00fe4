/**
 * Typed calls: any `effect/rpc` RpcGroup, served to peers and called at peers, in both directions of one session.
 *
 * ```ts
 * class Files extends RpcGroup.make(
 *   Rpc.make("hash", { payload: { path: Schema.String }, success: Schema.Uint8Array, error: NotFound }),
 *   Rpc.make("tail", { payload: { path: Schema.String }, success: Schema.String, error: NotFound, stream: true })
 * ) {}
 *
 * const files = yield* PeerRpc.client(Files, "bob")
 * const hash = yield* files.hash({ path: "/etc/hosts" })
 * yield* files.tail({ path: "/var/log/syslog" }).pipe(Stream.take(10), Stream.runForEach(Console.log))
 * ```
 *
 * Each call is a stream of its own with credit of its own: one that stalls stalls no other. Interrupting a call interrupts its
 * handler, whose cause has `RpcSchema.ClientAbort` then. Spans, deadlines and headers go along. A call of a served group is one
 * of the node's functions too, for callers by JSON.
 *
 * Values are bytes of `SchemaBinary`. With a peer that has none, as in another language, or one that encodes otherwise, calls are lines of
 * JSON in both directions (protocol section 13, `rpc-json`); a client finds that out by itself, and remembers it.
 *
 * What bites:
 *
 * - Two versions of a group understand each other where fields were added that the reader does not require, or left out. Where
 *   they do not, the call fails with a `ContractError` that names the differences, and is not run.
 * - A handler's defect does not travel: its caller gets a `RemoteDefectError`, and the peer's log has the cause.
 * - A stream gets up to `window` chunks ahead of its consumer, and up to the credit of a stream in bytes.
 * - The elements of a stream of `Schema.Uint8Array` are sent without a copy: a handler must not change them afterwards.
 *
 * @since 0.1.0
 */
import type * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Headers from "effect/http/Headers"
import type * as Rpc from "effect/rpc/Rpc"
import type * as RpcClient from "effect/rpc/RpcClient"
import type * as RpcGroup from "effect/rpc/RpcGroup"
import type * as RpcSchema from "effect/rpc/RpcSchema"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type * as Allow from "./Allow.ts"
import type * as Balance from "./Balance.ts"
import type { Authenticated, Caller } from "./Caller.ts"
import type {
  CallTooLargeError,
  ContractError,
  DeadlineError,
  DuplicateFunctionError,
  InvalidArgumentsError,
  NodeClosedError,
  NotAllowedError,
  RemoteDefectError,
  UnknownFunctionError
} from "./FunctionError.ts"
import { onCall } from "./internal/call/onCall.ts"
import type { Memory } from "./internal/call/rpcServed.ts"
import { use } from "./internal/call/typed.ts"
import { servedOf } from "./internal/call/whom.ts"
import type { Item, Options as SeveralOptions, Outcomes } from "./Outcomes.ts"
import type { Any, NameConflictError, Peer, Peers, PeerUnknownError, Target, Where } from "./Peers.ts"
import type { RpcRegistry } from "./RpcRegistry.ts"
import type * as Sessions from "./Sessions.ts"

/**
 * Why a typed call failed, besides the errors that its group declares.
 *
 * - `PeerUnknownError`, `NameConflictError`: nothing was sent, since it is not clear to whom
 * - `PeerLostError`: the peer is gone; `mayHaveRun` says whether it may have run the call. The next call works when it is back
 * - `UnknownFunctionError`, `NotAllowedError`, `CallTooLargeError`: the peer did not run it, or its answer is larger than may be sent
 * - `InvalidArgumentsError`: the payload is none by its Schema; it was not sent
 * - `DeadlineError`: its time was up
 * - `NodeClosedError`: this node is closed
 * - `ContractError`: the two sides have different versions of the group, and could not understand each other
 * - `RemoteDefectError`: the handler broke
 * - the others: there is no session, or it ended
 *
 * @category errors
 * @since 0.1.0
 */
export type RpcError =
  | PeerUnknownError
  | NameConflictError
  | Sessions.OpenError
  | Sessions.StreamError
  | DeadlineError
  | NodeClosedError
  | ContractError
  | UnknownFunctionError
  | NotAllowedError
  | InvalidArgumentsError
  | CallTooLargeError
  | RemoteDefectError

/**
 * How a group is served.
 *
 * @category models
 * @since 0.1.0
 */
export interface ServeOptions {
  /** Who may call the functions of this group. Default: whoever the trust policy lets. */
  readonly allow?: Allow.Allow | undefined
  /**
   * Handlers of this group that run at once. Of a number further calls wait. With `{ running, waiting }` so many wait, fair between callers, and
   * further ones are refused as busy, which a client of the service takes for another peer; `running` is told to peers as what this node takes. Default: no
   * bound but that of the streams.
   */
  readonly concurrency?: number | "unbounded" | typeof Balance.Concurrency.Encoded | undefined
  /** What the names of the handlers' spans begin with. Default: nothing; a span is called like its rpc. */
  readonly spanPrefix?: string | undefined
  /** Attributes of the handlers' spans, besides the peer's name and the rpc's. */
  readonly spanAttributes?: Readonly<Record<string, unknown>> | undefined
  /** Bytes of a request, of an answer, and of an element of a stream, at the most. Default 8 MiB. */
  readonly limit?: number | undefined
  /**
   * Room for the requests of a peer as they come in: `room` says whether there is any for so many bytes more, `free` gives all
   * of it back. A request without room is refused, and tried again by its caller. Default: no bound but those of the streams.
   */
  readonly memory?: Memory | undefined
}

/**
 * How a client calls.
 *
 * @category models
 * @since 0.1.0
 */
export interface ClientOptions {
  /**
   * Time for each call, until its whole answer is there, streams to their end, with what the search for peers takes. When it is up, a call fails with a
   * `DeadlineError`, and its handler is interrupted. Default: what `Deadline.within` leaves, or none.
   */
  readonly timeout?: Duration.Input | undefined
  /** Chunks of a stream that the peer may send ahead of the consumer, 1 to 255. Default 16. */
  readonly window?: number | undefined
  /** Bytes of a request, of an answer, and of an element of a stream, at the most. Default 8 MiB. */
  readonly limit?: number | undefined
  /** What the names of the calls' spans begin with. Default: nothing; a span is called like its rpc. */
  readonly spanPrefix?: string | undefined
  /** Attributes of the calls' spans, besides the peer's name and the rpc's. */
  readonly spanAttributes?: Readonly<Record<string, unknown>> | undefined
}

/**
 * How a client of several peers calls.
 *
 * @category models
 * @since 0.1.0
 */
export interface AllOptions extends ClientOptions, SeveralOptions {}

/**
 * Why a call of a service failed, besides the errors that its group declares: as a call of one peer, or since there is nobody, or all are
 * full. Where it says that it may have run, an attempt may have, whatever came after.
 *
 * @category errors
 * @since 0.2.0
 */
export type ServiceError = RpcError | Balance.OverloadedError | Balance.NobodyThereError

/**
 * What a stream had given when its peer was lost.
 *
 * @category models
 * @since 0.2.0
 */
export interface Received<out A> {
  /** How many elements, at least one. */
  readonly count: number
  readonly last: A
}

/**
 * For streaming rpcs by their tags: the payload with which one goes on at another peer, from that which it began with and what it has
 * given.
 *
 * @category models
 * @since 0.2.0
 */
export type Resume<Rpcs extends Rpc.Any> = {
  readonly [Tag in Rpcs["_tag"]]?: (
    payload: Rpc.Payload<Rpc.ExtractTag<Rpcs, Tag>>,
    received: Received<Rpc.SuccessChunk<Rpc.ExtractTag<Rpcs, Tag>>>
  ) => Rpc.Payload<Rpc.ExtractTag<Rpcs, Tag>>
}

/**
 * How a client of a service calls: as one of a peer does, and by which policy.
 *
 * @category models
 * @since 0.2.0
 */
export interface ServiceOptions<Rpcs extends Rpc.Any = any> extends ClientOptions {
  /** Which of the peers a call goes to. It is given the payloads of all rpcs of the group. Default: `Balance.leastPending`. */
  readonly policy?: Balance.Policy<Rpc.Payload<Rpcs>, Peer> | undefined
  /** How long calls wait, how many, and how often they are sent again. */
  readonly settings?: typeof Balance.Settings.Encoded | undefined
  /**
   * Calls of idempotent rpcs with one answer are made at a second peer as well, when the first has not answered for longer than this share of all
   * calls takes: `0.95`, above 0 and below 1; anything else is a slip of the program, and a defect. Default: they are not.
   */
  readonly hedge?: number | undefined
  /** How streams go on at another peer. One that has given elements and is not among them fails with its peer. */
  readonly resume?: Resume<Rpcs> | undefined
}

/**
 * What the methods of a client of several peers take besides the payload.
 *
 * @category models
 * @since 0.1.0
 */
export interface ManyCallOptions {
  readonly headers?: Headers.Input | undefined
  readonly context?: Context.Context<never> | undefined
}

/**
 * A client of several peers: one method a rpc. A unary one gives the `Outcomes` of all that are addressed, a streaming one a stream of `Outcomes.Item`s, which
 * fails with a `NodeClosedError` where the node is closed when it is run, and with nothing else.
 *
 * @category models
 * @since 0.1.0
 */
export type ManyClient<Rpcs extends Rpc.Any, E = RpcError> = {
  readonly [Current in Rpcs as Current["_tag"]]: (
    input: Rpc.PayloadConstructor<Current>,
    options?: ManyCallOptions
  ) => Current extends Rpc.Rpc<
    infer _Tag,
    infer _Payload,
    infer _Success,
    infer _Error,
    infer _Middleware,
    infer _Requires
  > ? [_Success] extends [RpcSchema.Stream<infer _A, infer _E>] ? Stream.Stream<
        Item<
          _A["Type"],
          _E["Type"] | _Error["Type"] | E | _Middleware["error"]["Type"] | _Middleware["~ClientError"]
        >,
        NodeClosedError,
        | _Payload["EncodingServices"]
        | _Success["DecodingServices"]
        | _Error["DecodingServices"]
        | _Middleware["error"]["DecodingServices"]
      >
    : Outcomes<
      _Success["Type"],
      _Error["Type"] | E | _Middleware["error"]["Type"] | _Middleware["~ClientError"],
      | _Payload["EncodingServices"]
      | _Success["DecodingServices"]
      | _Error["DecodingServices"]
      | _Middleware["error"]["DecodingServices"]
    >
    : never
}

/**
 * Who is told of each call of a group: of its function and its caller when it begins, and of what it came to when it ends. A call that is given up ends with an
 * interruption; one that was refused, or whose payload is none, is not told of.
 *
 * @category models
 * @since 0.2.0
 */
export type OnCall = (call: {
  readonly function: string
  readonly from: Caller["Service"]
}) => (exit: Exit.Exit<unknown, unknown>) => void

/**
 * Who is told of the calls of groups that are served where this is provided, as by a log of calls. It runs between a call and its answer, so it is to do little.
 * Default: nobody.
 *
 * @category references
 * @since 0.2.0
 */
export const OnCall: Context.Reference<OnCall | undefined> = onCall

/**
 * Serves a group to peers, and enters its calls in the node's functions, until the scope closes. `Authenticated` is provided;
 * every other middleware is asked for.
 *
 * @category constructors
 * @since 0.1.0
 */
export const serve: <Rpcs extends Rpc.Any>(
  group: RpcGroup.RpcGroup<Rpcs>,
  options?: ServeOptions
) => Effect.Effect<
  void,
  DuplicateFunctionError,
  | Rpc.ToHandler<Rpcs>
  | Exclude<Rpc.Middleware<Rpcs>, Authenticated>
  | Rpc.ServicesServer<Rpcs>
  | Sessions.Sessions
  | RpcRegistry
  | Scope.Scope
> = (group, options) => use(({ serve }) => serve(group, options))

/**
 * A client of a group: Effect's own RpcClient. Of a name it is one of that peer, which need not be there yet, and is found by each call. Of
 * `Peers.any` it is a client of a service, each call of which goes to one of those that offer what is asked for and serve the group.
 *
 * @category constructors
 * @since 0.1.0
 */
export const client: {
  <Rpcs extends Rpc.Any>(
    group: RpcGroup.RpcGroup<Rpcs>,
    peer: string,
    options?: ClientOptions
  ): Effect.Effect<
    RpcClient.RpcClient<Rpcs, RpcError>,
    never,
    Rpc.MiddlewareClient<Rpcs> | Sessions.Sessions | Peers | Scope.Scope
  >
  <Rpcs extends Rpc.Any>(
    group: RpcGroup.RpcGroup<Rpcs>,
    peers: Any,
    options?: ServiceOptions<Rpcs>
  ): Effect.Effect<
    RpcClient.RpcClient<Rpcs, ServiceError>,
    never,
    Rpc.MiddlewareClient<Rpcs> | Sessions.Sessions | Peers | Scope.Scope
  >
} = (group: RpcGroup.RpcGroup<any>, peer: string | Any, options?: ServiceOptions): Effect.Effect<any, never, any> =>
  typeof peer === "string"
    ? use(({ client }) => client(group, peer, options))
    : service(group, { ...options, where: peer.where })

/**
 * A client of a group at whoever serves it, by its very contract, or of those of them that offer something more: Effect's own RpcClient, each
 * call of which goes to one of them, and to another where that is sound (`Balance`). The peers are known and looked after for as long as the scope is
 * open.
 *
 * @category constructors
 * @since 0.2.0
 */
export const service = <Rpcs extends Rpc.Any>(
  group: RpcGroup.RpcGroup<Rpcs>,
  options?: ServiceOptions<Rpcs> & { readonly where?: Where | undefined }
): Effect.Effect<
  RpcClient.RpcClient<Rpcs, ServiceError>,
  never,
  Rpc.MiddlewareClient<Rpcs> | Sessions.Sessions | Peers | Scope.Scope
> => {
  const { where, ...rest } = options ?? {}
  // Whoever else they may be, they serve the group.
  const more = where?.serves ?? []
  const serves = [...(Array.isArray(more) ? more : [more]), ...servedOf(group)] as NonNullable<Where["serves"]>
  return use(({ service }) => service(group, { ...where, serves }, rest))
}

/**
 * A client of a group at several peers: those of a list, or those that serve the group when a call is made. `"*"` is every one of these, and `{ role, serves, where }`
 * those that offer that as well. Left out are those that say what they offer and not that they serve the group, and those that the trust policy does not let serve it
 * where it says anything about that.
 *
 * @category constructors
 * @since 0.1.0
 */
export const clientAll = <Rpcs extends Rpc.Any>(
  group: RpcGroup.RpcGroup<Rpcs>,
  target: Target,
  options?: AllOptions
): Effect.Effect<
  ManyClient<Rpcs>,
  never,
  Rpc.MiddlewareClient<Rpcs> | Sessions.Sessions | Peers | Scope.Scope
> => use(({ clientAll }) => clientAll(group, target, options)) as Effect.Effect<ManyClient<Rpcs>, never, any>
