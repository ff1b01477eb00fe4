/**
 * BasicNode: a node that sends messages and answers them, each sealed for its receiver (protocol section 3).
 *
 * Building the layer starts the node: it listens, advertises itself, and enters the peers it hears of. Closing the scope
 * ends it: it says that it leaves, everyone who waits gets a `NodeClosedError`, and nothing is left behind.
 *
 * What bites: messages from one peer are handled one after another, in the order it sent them, like an actor's mailbox; a
 * handler that waits makes that peer's next message wait. A message is handled at most once; whether it was, when the peer
 * is lost before its answer, is what `PeerLostError.mayHaveRun` says. There is no forward secrecy in this exchange.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Tracer from "effect/Tracer"
import { formatEndpoint } from "./Advert.ts"
import { Crypto } from "./Crypto.ts"
import { CurrentDeadline, nowUnsafe } from "./Deadline.ts"
import * as DerivedHost from "./DerivedHost.ts"
import type * as Discovery from "./Discovery.ts"
import { DeadlineError, NodeClosedError } from "./FunctionError.ts"
import { isBytes } from "./internal/base/bytes.ts"
import * as Given from "./internal/base/given.ts"
import { textOf, utf8 } from "./internal/base/platform.ts"
import { separate } from "./internal/base/separate.ts"
import { waitedSince } from "./internal/base/waited.ts"
import * as Acceptor from "./internal/connect/acceptor.ts"
import { Introducing } from "./internal/connect/introducing.ts"
import * as Several from "./internal/peers/outcomes.ts"
import { noneInTime } from "./internal/peers/targets.ts"
import * as RawClient from "./internal/raw/rawClient.ts"
import * as RawServer from "./internal/raw/rawServer.ts"
import type { Self } from "./internal/wire/advertExchange.ts"
import { selfOf } from "./internal/wire/self.ts"
import type { Endpoint, ListenError } from "./Network.ts"
import type { NetworkKeys } from "./NetworkKeys.ts"
import * as NodeOptions from "./NodeOptions.ts"
import type { Options as SeveralOptions, Outcomes } from "./Outcomes.ts"
import type { NetworkId, NodeName } from "./Packet.ts"
import * as Peers from "./Peers.ts"
import * as PeerTable from "./PeerTable.ts"
import * as ProtocolError from "./ProtocolError.ts"
import type { PublicKey } from "./PublicKey.ts"
import * as Raw from "./Raw.ts"
import * as Reach from "./Reach.ts"
import * as SharedKeys from "./SharedKeys.ts"
import * as Transport from "./Transport.ts"
import { Trust, type UntrustedPeerError } from "./Trust.ts"

/**
 * Why a message got no answer.
 *
 * - `PeerUnknownError`, `NameConflictError`: nothing was sent, since it is not clear to whom
 * - `UntrustedPeerError`: the trust policy refuses the peer
 * - `MessageTooLargeError`: nothing was sent
 * - `DialError`: none of the peer's addresses could be reached
 * - `ProtocolError`: the peer refused the message (`origin` `remote`) or sent what cannot be its answer (`local`)
 * - `PeerLostError`: the peer was lost before it answered
 * - `DeadlineError`: no answer came in time
 * - `NodeClosedError`
 *
 * @category errors
 * @since 0.1.0
 */
export type SendError =
  | Peers.PeerUnknownError
  | Peers.NameConflictError
  | UntrustedPeerError
  | Raw.MessageTooLargeError
  | Transport.DialError
  | ProtocolError.ProtocolError
  | Peers.PeerLostError
  | DeadlineError
  | NodeClosedError

/**
 * Why a node did not start.
 *
 * @category errors
 * @since 0.1.0
 */
export type StartError = NodeOptions.OptionsError | ListenError | Discovery.DiscoveryError | Reach.ReachError

/**
 * The sender of a message. The key is proved: the message was sealed with its secret. The name is what the holder of that key
 * calls itself, which the trust policy has admitted; under trust on first use it is held to the key once it is pinned.
 *
 * @category models
 * @since 0.1.0
 */
export interface Sender {
  readonly name: NodeName
  readonly publicKey: PublicKey
  /** Where its connection came from. */
  readonly endpoint: Endpoint | undefined
}

/**
 * A message that came in.
 *
 * @category models
 * @since 0.1.0
 */
export interface Message {
  readonly from: Sender
  /** What it says. It may be a view: its `.buffer` may hold more than it does, and `data.slice()` is a copy to keep. */
  readonly data: Uint8Array
  /** `data` as text. */
  readonly text: string
  /** Aborted when the message is given up: its sender is gone, or the node closes. For what is not an Effect. */
  readonly signal: AbortSignal
  /** The node it came to, for sending further. */
  readonly node: BasicNode["Service"]
}

/**
 * What handles messages. The result is the answer: bytes, text, or nothing for an empty one; or an Effect or a promise of one of
 * these. Each message has a scope of its own, which closes with it. A failure, and whatever is thrown, is answered with
 * `ERR_INTERNAL`, and logged here with its cause; the sender learns no more than that. A promise cannot be interrupted:
 * `message.signal` tells an `async` function when to stop.
 *
 * @category models
 * @since 0.1.0
 */
export type MessageHandler<E = unknown, R = never> = (
  message: Message
) =>
  | Effect.Effect<Uint8Array | string | void, E, R>
  | PromiseLike<Uint8Array | string | void>
  | Uint8Array
  | string
  | void

/**
 * How one message is sent.
 *
 * @category models
 * @since 0.1.0
 */
export interface SendOptions {
  /**
   * Time for each message, until its whole answer is there, with what the search for peers takes. When it is up, it fails with a `DeadlineError`. Default:
   * `limits.sendTimeout`, 30 seconds, or what `Deadline.within` leaves, where that is less.
   */
  readonly timeout?: Duration.Input | undefined
}

/**
 * How a message is sent to several peers.
 *
 * @category models
 * @since 0.2.0
 */
export interface SendAllOptions extends SendOptions, SeveralOptions {}

/**
 * A node that sends and answers messages.
 *
 * @category models
 * @since 0.1.0
 */
export interface BasicNodeService {
  readonly name: NodeName
  readonly networkId: NetworkId
  readonly publicKey: PublicKey
  /** The network keys, to be changed while it runs. */
  readonly networkKeys: NetworkKeys["Service"]
  /** Where it listens, with the port that was chosen; of several ways to reach it the preferred one's. Port 0: it only dials. */
  readonly endpoint: Endpoint
  /** Where it listens, by each way on which it does. */
  readonly endpoints: ReadonlyArray<Endpoint>
  /** The peers it knows. */
  readonly peers: Peers.Peers["Service"]
  /** `peers.resolve`: the peers that a target means now. */
  readonly resolve: Peers.Peers["Service"]["resolve"]
  /** `peers.awaitPeers`. */
  readonly awaitPeers: Peers.Peers["Service"]["awaitPeers"]
  /**
   * Sends bytes or text (as UTF-8) to the peer of a name, and gives the bytes of its answer; or to one of those that offer something, which a node knows
   * that has sessions.
   */
  readonly send: (
    name: Peers.One,
    data: Uint8Array | string,
    options?: SendOptions
  ) => Effect.Effect<Uint8Array, SendError>
  /** `send`, with the answer as text. */
  readonly sendText: (
    name: Peers.One,
    data: Uint8Array | string,
    options?: SendOptions
  ) => Effect.Effect<string, SendError>
  /**
   * Sends to several peers, or with `"*"` to every one that is known when it is run, and gives what comes of each: an Effect of all, and a `stream` of
   * each as it comes. Those that offer something are known to a node that has sessions; one that is only a BasicNode dies of such a target.
   */
  readonly sendAll: (
    target: Peers.Target,
    data: Uint8Array | string,
    options?: SendAllOptions
  ) => Outcomes<Uint8Array, SendError>
  /**
   * Handles the messages that come in until the scope closes, in place of any handler before. While there is none, messages
   * are answered with `ERR_INTERNAL`.
   */
  readonly onMessage: <E, R = never>(handler: MessageHandler<E, R>) => Effect.Effect<void, never, R | Scope.Scope>
}

/**
 * The BasicNode of a program.
 *
 * @category services
 * @since 0.1.0
 */
export class BasicNode extends Context.Service<BasicNode, BasicNodeService>()("@pnet/core/BasicNode") {}

/**
 * The options of a BasicNode.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<R = never> extends NodeOptions.Input {
  /** Handles messages from the node's first moment on. */
  readonly onMessage?: MessageHandler<unknown, R> | undefined
}

class IncomingMessage extends Given.Interruptible implements Message {
  readonly from: Sender
  readonly data: Uint8Array
  readonly node: BasicNode["Service"]
  constructor(from: Sender, data: Uint8Array, node: BasicNode["Service"]) {
    super()
    this.from = from
    this.data = data
    this.node = node
  }
  get text() {
    return textOf(this.data)
  }
}

const onMessage = () => "onMessage"

/** Runs a handler in a fiber of its own: whatever it does, the connection with its other messages goes on. */
const apart = (
  effect: Effect.Effect<unknown, unknown>,
  context: Context.Context<never>
): Effect.Effect<Exit.Exit<unknown, unknown>> =>
  Effect.callback((resume) => {
    const fiber = Effect.runForkWith(context)(effect)
    const settle = (exit: Exit.Exit<unknown, unknown>) => resume(Exit.succeed(exit))
    fiber.addObserver(settle)
    return Fiber.interrupt(fiber)
  })

/** The handler of a node's messages: the one that was set last, and whose scope is open. */
class Handlers {
  readonly #context: Context.Context<never>
  #current: ((message: IncomingMessage) => Effect.Effect<unknown, unknown>) | undefined

  constructor(context: Context.Context<never>) {
    this.#context = context
  }

  set<E, R = never>(next: MessageHandler<E, R>): Effect.Effect<void, never, Scope.Scope | R> {
    return Effect.contextWith((handlerContext: Context.Context<R>) =>
      Effect.acquireRelease(
        Effect.sync(() => {
          const previous = this.#current
          // The span of whoever sets it is nobody's who sends.
          const base = Context.omit(Tracer.ParentSpan)(
            Context.merge(this.#context, handlerContext)
          ) as Context.Context<never>
          const current = (message: IncomingMessage) =>
            Given.scoped(
              Given.run(() => next(message), onMessage, { call: message }),
              (scope) => Context.add(base, Scope.Scope, scope)
            )
          this.#current = current
          return { current, previous }
        }),
        ({ current, previous }) =>
          Effect.sync(() => {
            if (this.#current === current) this.#current = previous
          })
      ).pipe(Effect.asVoid)
    )
  }

  handle(message: IncomingMessage): Effect.Effect<Exit.Exit<unknown, unknown>> {
    return this.#current === undefined
      ? Effect.succeed(Exit.fail("this node has no onMessage"))
      : apart(this.#current(message), this.#context)
  }
}

/** The bytes of what is to be sent, at most so many. */
const payloadOf = (data: Uint8Array | string, limit: number): Effect.Effect<Uint8Array, Raw.MessageTooLargeError> => {
  const payload: unknown = typeof data === "string" ? utf8(data) : data
  // Only a program without types gets there.
  if (!isBytes(payload)) {
    return Effect.die(new TypeError(`${Given.describe(payload)} was to be sent, which is neither bytes nor text`))
  }
  return payload.length > limit
    ? Effect.fail(new Raw.MessageTooLargeError({ size: payload.length, limit }))
    : Effect.succeed(payload)
}

/** Sends to the peer of a name. */
const sending = (
  parts: {
    readonly self: Self
    readonly client: RawClient.RawClient<NodeClosedError>
    readonly peers: Peers.Peers["Service"]
    readonly sendTimeout: Duration.Input
    readonly clock: Clock.Clock
  }
): BasicNode["Service"]["send"] => {
  const { client, clock, peers, self, sendTimeout } = parts
  const limit = Raw.maxPayload({ networkId: self.networkId, name: self.name, encrypted: self.cipher.encrypted })
  const sendTo = (peer: Peers.Peer, payload: Uint8Array, timeout: Duration.Duration, begun?: number) =>
    Effect.mapError(
      client.ask(
        peer,
        payload,
        timeout,
        (mayHaveRun) =>
          new DeadlineError({
            peer: peer.name,
            mayHaveRun,
            ...(begun === undefined ? { waited: timeout } : waitedSince(clock, begun))
          })
      ),
      (error) => error._tag === "ProtocolError" ? ProtocolError.of(peer.name)(error) : error
    )
  return (name, data, options) =>
    Effect.flatMap(payloadOf(data, limit), (payload) =>
      Effect.withFiber((fiber) => {
        const timeout = Duration.fromInputUnsafe(options?.timeout ?? sendTimeout)
        const inherited = fiber.getRef(CurrentDeadline)
        if (inherited === undefined && typeof name === "string") {
          return Effect.flatMap(peers.resolveOne(name), (peer) => sendTo(peer, payload, timeout))
        }
        // To find out what peers offer may take a moment, of the time that there is.
        const begun = nowUnsafe(clock)
        const until = Math.min(inherited ?? Infinity, begun + Duration.toMillis(timeout))
        return Effect.flatMap(
          Effect.mapError(
            Effect.provideService(peers.resolveOne(name), CurrentDeadline, until === Infinity ? undefined : until),
            (error) =>
              name instanceof Peers.Any && error._tag === "PeerUnknownError" && nowUnsafe(clock) >= until
                ? noneInTime(name.where, waitedSince(clock, begun))
                : error
          ),
          (peer) => {
            const left = until - nowUnsafe(clock)
            return left > 0
              ? sendTo(peer, payload, Duration.millis(left), begun)
              : Effect.fail(
                new DeadlineError({ peer: peer.name, mayHaveRun: false, ...waitedSince(clock, begun) })
              )
          }
        )
      }))
}

/** A way to reach others, and where this node listens on it, if it can. */
interface Open {
  readonly kind: string
  readonly discovery: Discovery.Discovery["Service"]
  readonly listener: Transport.Listener | undefined
}

/** Opens what the node listens on. */
const openWays: Effect.Effect<ReadonlyArray<Open>, ListenError, Reach.Ways | Scope.Scope> = Effect.flatMap(
  Reach.Ways,
  (ways) =>
    Effect.forEach(
      ways,
      ({ discovery, kind, transport: { listen } }) =>
        Effect.map(listen ?? Effect.undefined, (listener) => ({ discovery, kind, listener }))
    )
)

/** Accepts connections, and then tells the network where. */
const begin = (ways: ReadonlyArray<Open>, acceptor: Acceptor.Acceptor) =>
  Effect.gen(function*() {
    const scope = yield* Effect.scope
    for (const { listener } of ways) {
      if (listener === undefined) continue
      const { endpoint, run } = listener
      yield* Effect.forkIn(run((connection) => acceptor.handle(connection, endpoint)), scope)
    }
    for (const { discovery, listener } of ways) yield* discovery.advertise(listener?.endpoint)
  })

/** Where a node listens, for people: an address that is derived from its key says nothing to anybody, and its way does. */
const whereOf = (ways: ReadonlyArray<Open>): string => {
  const places = ways.flatMap(({ kind, listener }) => {
    if (listener === undefined) return []
    return DerivedHost.is(listener.endpoint.host) ? [`over ${kind}`] : [`on ${formatEndpoint(listener.endpoint)}`]
  })
  return places.length === 0 ? "nowhere, and only dials," : places.join(" and ")
}

/** Says at which microsecond a recorded message may be from before this node, at the latest. Its clock may have been set since. */
const startOf = (clock: Clock.Clock) => {
  const begun = clock.monotonicTimeNanosUnsafe()
  return () => {
    const uptime = clock.monotonicTimeNanosUnsafe() - begun
    return Number((clock.currentTimeNanosUnsafe() - uptime) / 1_000n) - 1
  }
}

const serve = <R>(initial: MessageHandler<unknown, R> | undefined) =>
  Effect.gen(function*() {
    const config = yield* NodeOptions.NodeConfig
    const { limits } = config
    const clock = yield* Clock.Clock
    const start = startOf(clock)
    const crypto = yield* Crypto
    const trust = yield* Trust
    const transport = yield* Transport.Transport
    const peers = yield* Peers.Peers
    const context: Context.Context<never> = yield* Effect.context<never>()
    const self = selfOf(crypto, clock, config)
    const sharedKeys = SharedKeys.make(crypto, config.identity, { capacity: limits.sharedKeys })
    const both = { self, crypto, sharedKeys, clock, trust, limits }

    const handlers = new Handlers(context)
    const ways = yield* openWays
    const endpoints = ways.flatMap(({ listener }) => listener === undefined ? [] : [listener.endpoint])
    const client = yield* RawClient.make({
      introduce: yield* Introducing,
      ...both,
      transport,
      peers,
      closed: () => new NodeClosedError({ node: self.name })
    })
    const send = sending({ self, client, peers, clock, sendTimeout: limits.sendTimeout })
    const node: BasicNode["Service"] = {
      name: self.name,
      networkId: self.networkId,
      publicKey: config.identity.publicKey,
      networkKeys: config.keyRing,
      endpoint: endpoints[0] ?? { host: config.bindIp, port: 0 },
      endpoints,
      peers,
      resolve: peers.resolve,
      awaitPeers: peers.awaitPeers,
      send,
      sendText: (name, data, options) => Effect.map(send(name, data, options), textOf),
      sendAll: (target, data, options) =>
        Several.make(
          { peers, target, timeout: options?.timeout, concurrency: options?.concurrency },
          () => Effect.succeed((name) => send(name, data, options))
        ),
      onMessage: (next) => handlers.set(next)
    }
    const server = RawServer.make({
      ...both,
      replay: Raw.makeReplay({ start, capacity: limits.replayEntries }),
      handle: (from, data) => Effect.suspend(() => handlers.handle(new IncomingMessage(from, data, node))),
      context
    })
    const services = [...yield* Acceptor.Services, server]
    const acceptor = Acceptor.make({ self, clock, limits, context, crypto, obstacles: config.obstacles, services })

    if (initial !== undefined) yield* node.onMessage(initial)
    yield* begin(ways, acceptor)
    yield* Effect.logInfo(`${self.name} listens ${whereOf(ways)} in network ${self.networkId}`)
    return node
  })

/**
 * The node on what is in the context, for node types that are built on it.
 *
 * @category layers
 * @since 0.2.0
 */
export const layerOver = <R = never>(onMessage: MessageHandler<unknown, R> | undefined): Layer.Layer<
  BasicNode,
  ListenError | Discovery.DiscoveryError,
  NodeOptions.NodeConfig | Crypto | Trust | Transport.Transport | Reach.Ways | Peers.Peers | Exclude<R, Scope.Scope>
> => Layer.effect(BasicNode, serve(onMessage))

/**
 * A node, from its options. Building it starts it, closing its scope ends it.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <R = never>(
  options: Options<R>
): Layer.Layer<BasicNode | Peers.Peers, StartError, Reach.Reach | Crypto | Trust | Exclude<R, Scope.Scope>> => {
  const { onMessage, ...input } = options
  return separate(
    layerOver(onMessage).pipe(
      Layer.provideMerge(PeerTable.layer),
      Layer.provide(Reach.layerOpen),
      Layer.provide(NodeOptions.layer(input))
    )
  )
}

/**
 * A node, from its options, as an effect: it runs until the scope closes.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <R = never>(
  options: Options<R>
): Effect.Effect<
  BasicNode["Service"],
  StartError,
  Reach.Reach | Crypto | Trust | Exclude<R, Scope.Scope> | Scope.Scope
> => Effect.map(Layer.build(Layer.fresh(layer(options))), (context) => Context.get(context, BasicNode))
