/**
 * How the nodes of a program reach their peers: by one way or several, each a `Transport` with the `Discovery` that finds nodes for
 * it. Every node type is built over the `Reach` in its context, and needs to know nothing else of networks.
 *
 * `LanReach` is the usual one, UDP adverts and listed addresses over TCP, and what `NodePnet.layer` gives. Another way, such as a
 * broker, is put in its place, or beside it:
 *
 * ```ts
 * const Hub = Reach.layer("hub", { transport: HubTransport, discovery: HubDiscovery })
 * CommandNode.layer({ name: "alice" }).pipe(Layer.provide(Reach.merge(LanReach.layer, Hub)), Layer.provide(NodePnet.layer))
 * ```
 *
 * Of several ways the order counts: a peer that is reached by more than one is dialled by the first at once, and by each of the
 * others 250 ms after the one before. So what is direct goes first. Each way listens, where it can, and tells its own address alone.
 *
 * What bites: a `Reach` is how to open the ways of a node, and each node opens its own. A node whose ways can only dial is found by
 * nobody, and is a peer of those that it has a session with.
 *
 * @since 0.2.0
 */
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Tracer from "effect/Tracer"
import { Crypto, Entropy } from "./Crypto.ts"
import { Discovery, DiscoveryError } from "./Discovery.ts"
import { quote } from "./internal/base/quote.ts"
import { allTo, together } from "./internal/base/together.ts"
import type { Endpoint } from "./Network.ts"
import { NodeConfig } from "./NodeOptions.ts"
import { DialError, Transport } from "./Transport.ts"
import * as Why from "./Why.ts"

/**
 * A way to a node's peers did not open. `cause` is what its layers failed with.
 *
 * @category errors
 * @since 0.2.0
 */
export class ReachError extends Schema.TaggedError<ReachError>("@pnet/core/Reach/ReachError")("ReachError", {
  /** The kind of the way. */
  way: Schema.String,
  cause: Schema.Defect()
}) {
  override get message() {
    return Why.see(
      `the way ${quote(this.way)} to other nodes could not be opened: ${
        this.cause instanceof Error ? this.cause.message : String(this.cause)
      }`,
      "way"
    )
  }
}

/**
 * One way to the peers of a node.
 *
 * @category models
 * @since 0.2.0
 */
export interface Way {
  /** What it is called in errors, such as `lan`. */
  readonly kind: string
  readonly transport: Transport["Service"]
  readonly discovery: Discovery["Service"]
}

/**
 * How nodes reach their peers.
 *
 * @category services
 * @since 0.2.0
 */
export class Reach extends Context.Service<Reach, {
  /** Opens the ways of one node, the preferred one first, for as long as the scope is open. */
  readonly open: Effect.Effect<
    NonEmptyReadonlyArray<Way>,
    DiscoveryError | ReachError,
    NodeConfig | Crypto | Scope.Scope
  >
}>()("@pnet/core/Reach") {}

/**
 * The layers of one way. The discovery may need the transport, and both the `NodeConfig` and the `Crypto` of their node.
 *
 * @category models
 * @since 0.2.0
 */
export interface Parts<E1 = unknown, R1 = never, E2 = unknown, R2 = never> {
  readonly transport: Layer.Layer<Transport, E1, R1>
  readonly discovery: Layer.Layer<Discovery, E2, R2>
}

/**
 * What the layers of one way need besides what each node has itself.
 *
 * @category utility types
 * @since 0.2.0
 */
export type Needs<R1, R2> = Exclude<R1 | Exclude<R2, Transport>, NodeConfig | Crypto>

// What a node has of its own, beside what Effect itself keeps of whoever runs: its clock, its loggers, its scope.
const ofNode: ReadonlySet<string> = new Set([NodeConfig.key, Crypto.key, Entropy.key])

/** The services that a way was given, and of the node that opens it what is the node's. */
const inside = <R>(node: Context.Context<R>, given: Context.Context<never>): Context.Context<R> => {
  const services = new Map(node.mapUnsafe)
  for (const [key, service] of given.mapUnsafe) {
    if (key === Tracer.ParentSpanKey || ofNode.has(key)) continue
    if (!services.has(key) || !key.startsWith("effect/")) services.set(key, service)
  }
  return Context.makeUnsafe(services)
}

/**
 * One way, from its layers and what they need. They are built anew for each node. A failure of theirs that is no `DiscoveryError` is
 * the cause of a `ReachError`.
 *
 * @category constructors
 * @since 0.2.0
 */
export const make = <E1, R1, E2, R2>(
  kind: string,
  { discovery, transport }: Parts<E1, R1, E2, R2>,
  context: Context.Context<Needs<R1, R2>>
): Reach["Service"] => {
  const parts = Layer.fresh(Layer.provideMerge(discovery, transport)) as Layer.Layer<
    Discovery | Transport,
    E1 | E2,
    NodeConfig | Crypto
  >
  return {
    open: Effect.contextWith((own: Context.Context<NodeConfig | Crypto | Scope.Scope>) =>
      Layer.build(parts).pipe(
        Effect.provideContext(inside(own, context)),
        Effect.map((built): NonEmptyReadonlyArray<Way> => [{
          kind,
          transport: Context.get(built, Transport),
          discovery: Context.get(built, Discovery)
        }]),
        Effect.mapError((error: unknown) =>
          error instanceof DiscoveryError || error instanceof ReachError
            ? error
            : new ReachError({ way: kind, cause: error })
        )
      )
    )
  }
}

/**
 * One way as a layer: `make` with the services that are there when it is built.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer = <E1, R1, E2, R2>(
  kind: string,
  parts: Parts<E1, R1, E2, R2>
): Layer.Layer<Reach, never, Needs<R1, R2>> =>
  Layer.effect(Reach, Effect.map(Effect.context<Needs<R1, R2>>(), (context) => make(kind, parts, context)))

type Each = readonly [Layer.Layer<Reach, any, any>, ...Array<Layer.Layer<Reach, any, any>>]

/**
 * Several ways at once, in the order in which they are preferred: the most direct first.
 *
 * @category layers
 * @since 0.2.0
 */
export const merge = <const Ways extends Each>(
  ...ways: Ways
): Layer.Layer<Reach, Layer.Error<Ways[number]>, Layer.Services<Ways[number]>> =>
  Layer.effect(
    Reach,
    Effect.gen(function*() {
      const reaches: Array<Reach["Service"]> = []
      for (const way of ways) reaches.push(Context.get(yield* Layer.build(way), Reach))
      return {
        open: Effect.map(
          Effect.forEach(reaches, ({ open }) => open),
          (opened) => opened.flat() as unknown as NonEmptyReadonlyArray<Way>
        )
      }
    })
  ) as Layer.Layer<Reach, any, any>

/**
 * The ways of one node, open, the preferred one first. What a node is made of takes from here what it needs of each.
 *
 * @category services
 * @since 0.2.0
 */
export class Ways extends Context.Service<Ways, NonEmptyReadonlyArray<Way>>()("@pnet/core/Reach/Ways") {}

/**
 * The place of the way by which an endpoint is dialled, counted from 0: the first whose transport dials it. As many as there are
 * ways where none does.
 *
 * @category combinators
 * @since 0.2.0
 */
export const rank = (ways: ReadonlyArray<Way>, endpoint: Endpoint): number => {
  const found = ways.findIndex(({ transport }) => transport.dials(endpoint))
  return found < 0 ? ways.length : found
}

/** What dials whatever one of the ways dials. To listen is each way's own affair. */
const merged = (ways: NonEmptyReadonlyArray<Way>): Transport["Service"] =>
  ways.length === 1 ? ways[0].transport : {
    listen: undefined,
    dials: (endpoint) => rank(ways, endpoint) < ways.length,
    dial: (endpoint) =>
      ways[rank(ways, endpoint)]?.transport.dial(endpoint) ??
        Effect.fail(new DialError({ kind: "Unreachable", host: endpoint.host, port: endpoint.port }))
  }

/** What sees whatever one of the ways sees. To advertise is each way's own affair. */
const sighted = (ways: NonEmptyReadonlyArray<Way>): Discovery["Service"] => {
  if (ways.length === 1) return ways[0].discovery
  const all = ways.map(({ discovery, kind }) => ({
    what: `discovery by the way ${quote(kind)}`,
    stream: discovery.sightings,
    forEach: discovery.forEach
  }))
  return {
    advertise: () => Effect.void,
    sightings: together(all),
    forEach: (take) => allTo(all, take),
    attend: (heardAt) => {
      for (const { discovery } of ways) discovery.attend?.(heardAt)
    },
    crowd: ways.find(({ discovery }) => discovery.crowd !== undefined)?.discovery.crowd
  }
}

/**
 * The ways of one node, opened: each for itself, and as one `Transport` that dials and one `Discovery` that sees by all of them. For
 * composing what a node is made of by hand.
 *
 * @category layers
 * @since 0.2.0
 */
export const layerOpen: Layer.Layer<
  Ways | Transport | Discovery,
  DiscoveryError | ReachError,
  Reach | NodeConfig | Crypto
> = Layer.effectContext(
  Effect.gen(function*() {
    const { open } = yield* Reach
    const ways = yield* open
    return Context.make(Ways, ways).pipe(
      Context.add(Transport, merged(ways)),
      Context.add(Discovery, sighted(ways))
    )
  })
)
