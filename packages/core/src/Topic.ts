/**
 * Topics: what programs say to whoever wants to hear it. A topic has a name, a Schema, and what makes its values differ; nodes publish on it, and those
 * that subscribe hear it, over the sessions that there are (protocol section 16).
 *
 * ```ts
 * const Readings = Topic.make("readings", { payload: Reading, key: ({ sensor }) => sensor, retain: true })
 *
 * yield* node.publish(Readings, { sensor: "kitchen", celsius: 21.5 })
 * yield* Stream.runForEach(node.subscribe(Readings), ({ from, value }) => Console.log(from.name, value.celsius))
 * const table = yield* node.table(Readings)                  // the last value of each key of each publisher, live
 * ```
 *
 * What bites: by default a subscription may miss something. It has a bounded buffer, and says how much it missed: `mode` chooses what happens where
 * it is full. And who may subscribe is the publisher's trust policy to say: by trust on first use alone that is nobody (`Trust.open`, an allow
 * list with `subscribes`, an authority).
 *
 * @since 0.2.0
 */
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import * as HashMap from "effect/HashMap"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { Allow } from "./Allow.ts"
import type * as Balance from "./Balance.ts"
import type { NodeClosedError } from "./FunctionError.ts"
import { quote } from "./internal/base/quote.ts"
import { retaining } from "./internal/values/retaining.ts"
import { isTopicName } from "./internal/values/topicNames.ts"
import type { NodeName } from "./Packet.ts"
import type { PublicKey } from "./PublicKey.ts"
import * as Why from "./Why.ts"

// --- topics ----------------------------------------------------------------------------------------------------------------------

/**
 * How a publisher retains the last value of each key, for those who subscribe later: `true` for the defaults, or at most so many keys (1,024) of so many
 * bytes of keys and values together (1 MiB), of which the oldest goes where there are more; each for so long (for ever). They go with the publisher. Numbers are whole, and none
 * is below zero.
 *
 * @category models
 * @since 0.2.0
 */
export type Retain = boolean | {
  readonly keys?: number | undefined
  readonly bytes?: number | undefined
  readonly timeToLive?: Duration.Input | undefined
}

/**
 * A topic. `RD` and `RE` are what decoding and encoding its values need.
 *
 * @category models
 * @since 0.2.0
 */
export interface Topic<in out A, out RD = never, out RE = never> {
  readonly _tag: "Topic"
  /** Segments between dots: 1 to 255 bytes of UTF-8 in all, 16 segments at most, none empty, and without whitespace, control characters, `*` and `>`. */
  readonly name: string
  /** `undefined`: its values are bytes. */
  readonly payload: Schema.Codec<A, any, RD, RE> | undefined
  /** What a value is the last value of, at most 255 bytes of UTF-8. `undefined`: the whole topic has one. */
  readonly key: ((value: A) => string) | undefined
  readonly retain: Retain
}

/**
 * Any topic.
 *
 * @category models
 * @since 0.2.0
 */
export type Any = Topic<any, any, any>

/**
 * What a topic is made of, besides its name.
 *
 * @category models
 * @since 0.2.0
 */
export interface Options<A> {
  /** Which of the values that are there at a time a value is: the sensor of a reading. Default: there is one. */
  readonly key?: ((value: A) => string) | undefined
  /** Whether a publisher retains the last value of each key. Default: `false`. */
  readonly retain?: Retain | undefined
}

const named = (name: string): string => {
  const wrong = isTopicName(name)
  if (wrong !== true) throw new TypeError(`${quote(name)} is no name of a topic: ${wrong}`)
  return name
}

const retained = (name: string, retain: Retain | undefined): Retain => {
  const wrong = retaining(retain)
  if (typeof wrong === "string") throw new TypeError(`the topic ${quote(name)} cannot be retained so: ${wrong}`)
  return retain ?? false
}

/**
 * Makes a topic of values of a Schema, which travel as JSON. Its contract is the Schema: who subscribes by another hears nothing, and the logs of both
 * say so. Throws where the name is none, or `retain` is not.
 *
 * @category constructors
 * @since 0.2.0
 */
export const make = <A, RD = never, RE = never>(
  name: string,
  options: Options<NoInfer<A>> & { readonly payload: Schema.Codec<A, any, RD, RE> }
): Topic<A, RD, RE> => ({
  _tag: "Topic",
  name: named(name),
  payload: options.payload,
  key: options.key,
  retain: retained(name, options.retain)
})

/**
 * Makes a topic of bytes, as they are. Throws where the name is none, or `retain` is not.
 *
 * @category constructors
 * @since 0.2.0
 */
export const bytes = (name: string, options?: Options<Uint8Array>): Topic<Uint8Array> => ({
  _tag: "Topic",
  name: named(name),
  payload: undefined,
  key: options?.key,
  retain: retained(name, options?.retain)
})

// --- publishing ------------------------------------------------------------------------------------------------------------------

/**
 * Whom a publication waits for: subscriptions that are to lose nothing, and groups. What they have no room for is waited for so long, and so are those that
 * are named and do not subscribe yet; then nothing was published to anybody: `TopicFullError`. Nobody else is waited for.
 *
 * @category models
 * @since 0.2.0
 */
export interface Wait {
  /**
   * Subscriptions of the mode `lossless` at these peers, and those of this node: `"*"` for all that there are, which may be none. Who is named has to subscribe,
   * in whatever mode, and not as one of a group. Default: none.
   */
  readonly for?: "*" | string | ReadonlyArray<string> | undefined
  /** Groups, by their names, which have to be there, `"*"` for all that there are. Default: all where `for` is `"*"`, and none otherwise. */
  readonly groups?: "*" | string | ReadonlyArray<string> | undefined
  readonly within: Duration.Input
}

/**
 * How something is published.
 *
 * @category models
 * @since 0.2.0
 */
export interface PublishOptions {
  /** Default: nobody is waited for. */
  readonly wait?: Wait | undefined
  /** Who may subscribe, of those whom the trust policy lets. What was given last counts, for all of the topic. Default: all of them. */
  readonly allow?: Allow | undefined
  /** Which member of a group gets a publication, for groups that begin from then on. Default: `Balance.leastPending`. */
  readonly policy?: Balance.Policy<any, any> | undefined
}

/**
 * What a topic has besides its name, where it is published by its name alone.
 *
 * @category models
 * @since 0.2.0
 */
export interface Named {
  /** What it is the last value of. Default: the whole topic has one. */
  readonly key?: string | undefined
  /** Default: `false`. What was given first counts. */
  readonly retain?: Retain | undefined
}

// --- subscribing -----------------------------------------------------------------------------------------------------------------

/**
 * How a subscription is made.
 *
 * @category models
 * @since 0.2.0
 */
export interface SubscribeOptions {
  /**
   * What happens where values come faster than they are read.
   *
   * - `buffer`: so many wait, and then the oldest go, or the newest are not taken. The default
   * - `latest`: the newest of each key waits, in the place of the one before
   * - `lossless`: so many wait, here and at the publisher together; a publisher that waits for this peer publishes no more until they are taken, and
   *   of any other this subscription misses what comes then
   */
  readonly mode?: "buffer" | "latest" | "lossless" | undefined
  /** How many wait, 1 to 65,536. Default: 256; 64 where it is to be lossless; 16 for a member of a group. */
  readonly size?: number | undefined
  /** What goes where a buffer is full. Default: `"oldest"`. */
  readonly drop?: "oldest" | "newest" | undefined
  /** Whether last values that were published before come first. Default: `true`. */
  readonly retained?: boolean | undefined
  /**
   * A group, as a role is named: of all its members, on this node and others, one gets each publication, chosen by the publisher, and another where that one is lost
   * before it has acknowledged it. At least once: `id` is the same each time.
   */
  readonly group?: string | undefined
  /** When a member of a group acknowledges: when it asks for the `"next"`, or by `acknowledge` of the publication. Default: `"next"`. */
  readonly acknowledge?: "next" | "manual" | undefined
  /** Who may publish to it, of those whom the trust policy lets. Default: all of them. */
  readonly allow?: Allow | undefined
}

/**
 * How what happens on a topic is watched: by no member of a group, as nobody acknowledges what is watched.
 *
 * @category models
 * @since 0.2.0
 */
export type WatchOptions = Omit<SubscribeOptions, "group" | "acknowledge">

/**
 * How a table is made.
 *
 * @category models
 * @since 0.2.0
 */
export type TableOptions = Pick<SubscribeOptions, "allow">

/**
 * Who publishes: as the handshake proved it, or this node itself.
 *
 * @category models
 * @since 0.2.0
 */
export interface From {
  readonly name: NodeName
  readonly publicKey: PublicKey
}

/**
 * Something that was published.
 *
 * @category models
 * @since 0.2.0
 */
export class Publication<out A> {
  readonly from: From
  readonly topic: string
  /** `undefined`: the topic has one value. */
  readonly key: string | undefined
  readonly value: A
  /** When it was published, in milliseconds since the epoch, by the publisher's clock. */
  readonly at: number
  /** 16 hexadecimal digits: the publisher counts from 1 in each, and begins another when it is started anew. */
  readonly epoch: string
  /** Its number among what the publisher has published on the topic. */
  readonly seq: number
  /**
   * So many of this publisher on this topic were missed just before it, by this subscription, whatever the reason. For a member of a group: so many were given up
   * for the whole group, as it had as much waiting as there may be.
   */
  readonly missed: number
  /** Whether it was published before the subscription was there, or while its publisher could not be heard. */
  readonly retained: boolean
  /** Whether a member of the group was handed it before. */
  readonly redelivered: boolean
  /** Says that it is done with, where the subscription is a group's and acknowledges by itself. Does nothing otherwise. */
  readonly acknowledge: Effect.Effect<void>

  constructor(parts: Omit<Publication<A>, "id">) {
    this.from = parts.from
    this.topic = parts.topic
    this.key = parts.key
    this.value = parts.value
    this.at = parts.at
    this.epoch = parts.epoch
    this.seq = parts.seq
    this.missed = parts.missed
    this.retained = parts.retained
    this.redelivered = parts.redelivered
    this.acknowledge = parts.acknowledge
  }

  /** The same for the same publication, wherever and however often it is heard. */
  get id(): string {
    return `${this.from.publicKey}/${this.epoch}/${this.topic}/${this.seq}`
  }
}

/**
 * What happens on a topic.
 *
 * - `Published`: a value
 * - `Removed`: the publisher has taken back the last value of a key, or its time was up
 * - `Missed`: so many were missed
 * - `Gone`: the publisher has left, or is lost, or publishes on the topic no more: all that it retained is gone
 *
 * @category models
 * @since 0.2.0
 */
export type Event<A> =
  | { readonly _tag: "Published"; readonly publication: Publication<A> }
  | { readonly _tag: "Removed"; readonly from: From; readonly topic: string; readonly key: string }
  | { readonly _tag: "Missed"; readonly from: From; readonly topic: string; readonly count: number }
  | { readonly _tag: "Gone"; readonly from: From; readonly topic: string }

/**
 * The last value of one key of one publisher.
 *
 * @category models
 * @since 0.2.0
 */
export interface Row<out A> {
  readonly from: From
  readonly topic: string
  /** `""` where the topic has one value. */
  readonly key: string
  readonly value: A
  /** When it was published, in milliseconds since the epoch, by the publisher's clock. */
  readonly at: number
}

const placeOf = (publicKey: string, topic: string, key: string): string => `${publicKey} ${topic} ${key}`

/**
 * The last values of all publishers of a topic at one time. It does not change: another takes its place.
 *
 * @category models
 * @since 0.2.0
 */
export class Table<out A> implements Iterable<Row<A>> {
  readonly #rows: HashMap.HashMap<string, Row<A>>

  constructor(rows: HashMap.HashMap<string, Row<A>>) {
    this.#rows = rows
  }

  /** A table without a row. */
  static empty<A>(): Table<A> {
    return new Table<A>(HashMap.empty())
  }

  get size(): number {
    return HashMap.size(this.#rows)
  }

  /** All rows, in no order. */
  get rows(): ReadonlyArray<Row<A>> {
    return [...this]
  }

  /** The rows of a key, one of each publisher that has it. */
  of(key: string): ReadonlyArray<Row<A>> {
    return this.rows.filter((row) => row.key === key)
  }

  /** The row of a key of a publisher, by its public key, on a topic. */
  get(publicKey: PublicKey, topic: string, key: string = ""): Row<A> | undefined {
    return Option.getOrUndefined(HashMap.get(this.#rows, placeOf(publicKey, topic, key)))
  }

  [Symbol.iterator](): IterableIterator<Row<A>> {
    return HashMap.values(this.#rows)
  }

  /** A table that has this row, in the place of one of the same key and publisher. */
  put<B>(row: Row<B>): Table<A | B> {
    return new Table<A | B>(
      HashMap.set<string, Row<A | B>>(this.#rows, placeOf(row.from.publicKey, row.topic, row.key), row)
    )
  }

  /** A table without the row of a key of a publisher. */
  remove(publicKey: PublicKey, topic: string, key: string): Table<A> {
    return new Table(HashMap.remove(this.#rows, placeOf(publicKey, topic, key)))
  }
}

// --- errors ----------------------------------------------------------------------------------------------------------------------

/** Names that a message has. */
const namesTold = 8

const whyAbsent = {
  Unknown: "is no peer that is known",
  NotSubscribed: "does not subscribe to it",
  NotGranted: "subscribes to it, which this node does not grant",
  OtherContract: "subscribes to it by another contract",
  InGroup: "subscribes to it as one of a group alone: wait for the group",
  LeftOut: "subscribes to it and gets nothing of it, as the log says"
} as const

/**
 * Nothing was published, to nobody: some of those that are waited for have no room, or are not there.
 *
 * @category errors
 * @since 0.2.0
 */
export class TopicFullError extends Schema.TaggedError<TopicFullError>("@pnet/core/Topic/TopicFullError")(
  "TopicFullError",
  {
    topic: Schema.String,
    /** Peers, and groups, that have no room for more, by their names. */
    waitedFor: Schema.Array(Schema.String),
    /** Those that were named to be waited for, and did not subscribe in that time so that it counts. */
    absent: Schema.Array(Schema.Struct({
      name: Schema.String,
      what: Schema.Literals(["peer", "group"]),
      /**
       * - `Unknown`: there is no peer of that name
       * - `NotSubscribed`: it does not say that it subscribes to the topic; of a group, nobody says so
       * - `NotGranted`: it says so, and the trust policy, or `allow`, does not let it
       * - `OtherContract`: it subscribes by another contract than the topic is published by
       * - `InGroup`: the peer subscribes as one of a group alone, which is what can be waited for
       * - `LeftOut`: it gets nothing, since it does not let this node publish to it, or there are too many groups: the log says so
       */
      why: Schema.Literals(["Unknown", "NotSubscribed", "NotGranted", "OtherContract", "InGroup", "LeftOut"])
    }))
  }
) {
  override get message() {
    const { absent, waitedFor } = this
    const full = waitedFor.length === 0 ? [] : [
      `${waitedFor.slice(0, namesTold).map((name) => quote(name)).join(", ")} ${
        waitedFor.length === 1 ? "has" : "have"
      } as much of it as may wait there`
    ]
    const away = absent.slice(0, namesTold).map(({ name, what, why }) =>
      `${what === "group" ? "the group " : ""}${quote(name)} ${whyAbsent[why]}`
    )
    const remedy = absent.length === 0
      ? "wait longer, publish without waiting, or let more of them work"
      : `name those who subscribe, or "*" for all of them, or wait longer`
    return Why.see(
      `nothing was published on ${quote(this.topic)}: ${[...full, ...away].join(", ")}; ${remedy}`,
      "topic-full"
    )
  }
}

/**
 * A value is longer than may be published.
 *
 * @category errors
 * @since 0.2.0
 */
export class TopicTooLargeError extends Schema.TaggedError<TopicTooLargeError>("@pnet/core/Topic/TopicTooLargeError")(
  "TopicTooLargeError",
  {
    topic: Schema.String,
    /** Bytes that a value may have. */
    limit: Schema.Int
  }
) {
  override get message() {
    return Why.see(
      `nothing was published on ${
        quote(this.topic)
      }: the value is over ${this.limit} bytes; publish where it is to be had, and serve it by a function`,
      "too-large"
    )
  }
}

/**
 * What was to be published is no value of the topic, or cannot be retained as it was asked for. (A Schema that throws, instead of saying that a value is none,
 * is a defect, as in typed calls.)
 *
 * @category errors
 * @since 0.2.0
 */
export class InvalidPublicationError extends Schema.TaggedError<InvalidPublicationError>(
  "@pnet/core/Topic/InvalidPublicationError"
)("InvalidPublicationError", { topic: Schema.String, issue: Schema.String }) {
  override get message() {
    return Why.see(`nothing was published on ${quote(this.topic)}: ${this.issue}`, "invalid-publication")
  }
}

/**
 * There are as many topics, or subscriptions, as there may be.
 *
 * @category errors
 * @since 0.2.0
 */
export class TopicLimitError extends Schema.TaggedError<TopicLimitError>("@pnet/core/Topic/TopicLimitError")(
  "TopicLimitError",
  {
    topic: Schema.String,
    /** The option that bounds it. */
    limit: Schema.Literals(["topics", "subscriptions"])
  }
) {
  override get message() {
    return Why.see(
      this.limit === "topics"
        ? `nothing was published on ${
          quote(this.topic)
        }: this node retains values on as many topics as limits.topics lets it; raise that, or retract some`
        : `${
          quote(this.topic)
        } is not subscribed to: this node has as many subscriptions as limits.subscriptions lets it; share one of a pattern`,
      "topic-limit"
    )
  }
}

/**
 * Why something was not published.
 *
 * @category errors
 * @since 0.2.0
 */
export type PublishError =
  | TopicFullError
  | TopicTooLargeError
  | TopicLimitError
  | InvalidPublicationError
  | NodeClosedError

/**
 * Why a subscription gives no more.
 *
 * @category errors
 * @since 0.2.0
 */
export type SubscribeError = TopicLimitError | NodeClosedError
