/**
 * Topics whose values are kept: by the NATS server, for who was not there, to be read from any place on.
 *
 * ```ts
 * const Orders = Topic.make("orders", { payload: Order })
 *
 * const topics = yield* DurableTopics.DurableTopics
 * yield* topics.publish(Orders, order)
 * yield* topics.subscribe(Orders, { position: "ledger" }).pipe(Stream.runForEach(({ value }) => write(value)))
 * ```
 *
 * What bites: nobody decides here who may subscribe. Whoever has the network key, and may read the stream at the server, reads all of it.
 *
 * @since 0.2.0
 */
import { DiscardPolicy, jetstream, jetstreamManager } from "@nats-io/jetstream"
import { Kvm } from "@nats-io/kv"
import type { NatsConnection } from "@nats-io/nats-core"
import { connect as connectTcp } from "@nats-io/transport-node"
import { Crypto } from "@pnet/core/Crypto"
import { NodeConfig, OptionsError } from "@pnet/core/NodeOptions"
import type * as Topic from "@pnet/core/Topic"
import { Trust } from "@pnet/core/Trust"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Schema from "effect/Schema"
import type * as Stream from "effect/Stream"
import { DurableTopicsError, type KeepError, type ReplayError } from "./DurableTopicsError.ts"
import * as Back from "./internal/back.ts"
import * as Bounds from "./internal/bounds.ts"
import * as Client from "./internal/client.ts"
import * as Keeping from "./internal/durable/keeping.ts"
import * as Subscribing from "./internal/durable/subscribing.ts"
import * as Streams from "./internal/streams.ts"
import type { NatsError } from "./NatsError.ts"
import * as NatsOptions from "./NatsOptions.ts"
import * as Subjects from "./Subjects.ts"

/**
 * What was kept.
 *
 * @category models
 * @since 0.2.0
 */
export interface Item<out A> {
  readonly topic: string
  /** Who signed it, as the trust policy knows it. */
  readonly from: Topic.From
  /** What it is the last value of. `undefined`: the topic has one value. */
  readonly key: string | undefined
  readonly value: A
  /** The same each time that it comes, and each time that it was published: what its publisher gave it, unique among its own. */
  readonly id: string
  /** When it was published, in milliseconds since the epoch, by the publisher's clock; it has signed that. */
  readonly at: number
  /** Its number in the stream, which has items of all topics, as the server says. */
  readonly seq: number
  /** When the server took it, in milliseconds since the epoch, as the server says. */
  readonly time: number
  /**
   * So many that the publisher has numbered, between the last that this subscription had of the same run of the publisher on this topic and this one, did
   * not come: the server has them no more, keeps them back, or never had them.
   */
  readonly missed: number
  /** Says that all up to this one was handled. Does nothing where the subscription does that by itself, or has no position. */
  readonly acknowledge: Effect.Effect<void>
}

/**
 * What a publisher learns: the server has it.
 *
 * @category models
 * @since 0.2.0
 */
export interface Kept {
  readonly id: string
  /** Its number in the stream. */
  readonly seq: number
  /** Whether the server had one of this id already, from the last 10 minutes. */
  readonly duplicate: boolean
}

/**
 * How something is published.
 *
 * @category models
 * @since 0.2.0
 */
export interface PublishOptions {
  /** 1 to 64 of letters, digits, `_` and `-`. With one of one's own it may be published again when it is not known whether it was kept. Default: drawn. */
  readonly id?: string | undefined
  /** What it is the last value of, where the topic is a name alone. */
  readonly key?: string | undefined
}

/**
 * How what is kept is read.
 *
 * @category models
 * @since 0.2.0
 */
export interface SubscribeOptions {
  /**
   * Where to begin: with all that is kept, the default; with what is published from now on; with a number in the stream; or with what the server took from
   * a time on, in milliseconds since the epoch. Where a position is known, it begins behind that.
   */
  readonly from?: "beginning" | "new" | { readonly seq: number } | { readonly time: number } | undefined
  /**
   * Goes on where the last subscription of this node by this name to this topic was: behind the last that it has acknowledged. 1 to 64 of letters, digits, `_`
   * and `-`. Who began last has it. It is kept for a day longer than items. Default: nothing is remembered.
   */
  readonly position?: string | undefined
  /** When an item of a position is acknowledged: when the `"next"` is asked for, the default, or by its `acknowledge`. */
  readonly acknowledge?: "next" | "manual" | undefined
  /** Whether it goes on with what comes. Default `true`; else it ends behind what was kept when it began. */
  readonly live?: boolean | undefined
}

/**
 * Options of durable topics, besides those of NATS. The first three are of the network's stream: the first node of a network that has durable topics says
 * them for all.
 *
 * @category models
 * @since 0.2.0
 */
export interface Options extends NatsOptions.Input {
  /** How long an item is kept. Default 7 days. */
  readonly keptFor?: Duration.Input | undefined
  /** Items of one publisher on one topic. The oldest go. Default 100,000. */
  readonly items?: number | undefined
  /** Bytes of all items of the network. The oldest go. Default 1 GiB, or what the account has room for, where that is less. */
  readonly bytes?: number | undefined
  /** Whether topics of a network without a key are kept, which the server can read. Default `false`: it fails. */
  readonly open?: boolean | undefined
}

/**
 * Publishes something that is to be kept.
 *
 * @category models
 * @since 0.2.0
 */
export interface Publish {
  /** On a topic. Its `retain` says nothing here. */
  <A, RD, RE>(
    topic: Topic.Topic<A, RD, RE>,
    value: NoInfer<A>,
    options?: PublishOptions
  ): Effect.Effect<Kept, KeepError | Topic.InvalidPublicationError, RE>
  /** JSON, on the topic of a name. */
  (
    topic: string,
    value: unknown,
    options?: PublishOptions
  ): Effect.Effect<Kept, KeepError | Topic.InvalidPublicationError>
}

/**
 * Reads what is kept. What is none of the topic's values, or of whom this node does not trust to publish, is left out, and the log says so.
 *
 * @category models
 * @since 0.2.0
 */
export interface Subscribe {
  /** Of a topic. */
  <A, RD, RE>(
    topic: Topic.Topic<A, RD, RE>,
    options?: SubscribeOptions
  ): Stream.Stream<Item<A>, ReplayError, RD>
  /** JSON of the topic of a name, or of all that a pattern means: `build.*.failed`, `build.>`. */
  (topic: string, options?: SubscribeOptions): Stream.Stream<Item<Schema.Json>, ReplayError>
}

/**
 * The durable topics of a node.
 *
 * @category services
 * @since 0.2.0
 */
export class DurableTopics extends Context.Service<DurableTopics, {
  readonly publish: Publish
  readonly subscribe: Subscribe
}>()("@pnet/nats/DurableTopics") {}

const week = 7 * 86_400_000
const day = 86_400_000
const duplicateWindow = 600_000
const nanos = (millis: number) => millis * 1_000_000

/**
 * The stream of a network's durable topics.
 *
 * @category constructors
 * @since 0.2.0
 */
export const streamOf = (networkToken: string): string => `pnet_topics_${networkToken}`

/** Makes the stream and the bucket of positions, where they are not there. */
const open = (client: NatsConnection, network: string, { bytes, items, keptFor }: Options) => {
  const kept = Duration.toMillis(keptFor ?? week)
  return Effect.tryPromise({
    try: () =>
      jetstreamManager(client).then((manager) =>
        Streams.open(manager, {
          name: streamOf(network),
          subjects: [`pnet.${network}.*.topic.>`],
          max_age: nanos(kept),
          max_msgs_per_subject: items ?? 100_000,
          discard: DiscardPolicy.Old,
          duplicate_window: nanos(Math.min(duplicateWindow, kept))
        }, bytes).then(() =>
          // Asked for at its leader: what another has written a moment before is to be seen.
          new Kvm(client).create(`pnet_positions_${network}`, { history: 1, ttl: kept + day, allow_direct: false })
        ).then((bucket) => ({ manager, bucket, js: jetstream(client) }))
      ),
    catch: (cause) => new DurableTopicsError({ cause })
  })
}

const make = (options: NatsOptions.NatsOptions, own: Options) =>
  Effect.gen(function*() {
    const { identity, keyRing, name, networkId } = yield* NodeConfig
    const crypto = yield* Crypto
    const trust = yield* Trust
    if (keyRing.bytesUnsafe().length === 0 && own.open !== true) {
      return yield* new OptionsError({
        of: "options of durable topics",
        issue: "the network has no key, so that the NATS server would read what is kept: give it one, or say open: true"
      })
    }
    yield* Bounds.checked("options of durable topics", { items: own.items, bytes: own.bytes }, { keptFor: own.keptFor })
    const network = Subjects.network(networkId)
    const token = Subjects.ofKey(identity.publicKey)
    const client = yield* Client.connect(options, {
      name: `pnet topics ${token}`,
      inboxPrefix: Subjects.inboxOf(network, token)
    })
    const opening = open(client, network, own)
    const { bucket, js, manager } = yield* opening
    const sealing = () => ({ crypto, networkId, networkKeys: keyRing.bytesUnsafe() })
    const back = yield* Back.make(client)
    const publish = yield* Keeping.make({
      client,
      js,
      identity,
      name,
      network,
      token,
      sealing,
      back,
      reopen: Effect.asVoid(opening)
    })
    const subscribe = Subscribing.make({
      js,
      manager,
      bucket,
      crypto,
      identity,
      network,
      token,
      sealing,
      stream: streamOf(network),
      trust,
      back
    })
    return DurableTopics.of({ publish: publish as Publish, subscribe: subscribe as Subscribe })
  })

/**
 * The durable topics of the node whose configuration is in the context: beside `CommandNode.layerWithConfig`. They have a connection of their own.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer = (
  options: Options = {}
): Layer.Layer<DurableTopics, OptionsError | NatsError | DurableTopicsError, NodeConfig | Crypto | Trust> => {
  const { bytes, items, keptFor, open, ...nats } = options
  return Layer.effect(
    DurableTopics,
    Effect.flatMap(NatsOptions.make(nats), (decoded) => make(decoded, { bytes, items, keptFor, open })).pipe(
      Effect.provideService(Client.Dialler, connectTcp)
    )
  )
}
