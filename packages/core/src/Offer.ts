/**
 * What a node offers: its roles, a few small facts about it, the functions that it serves, and the topics that it subscribes to. Nodes
 * tell it to the peers that ask, over their session, now and whenever it changes (protocol section 14); those who only hear adverts learn
 * nothing of it.
 *
 * ```ts
 * const layer = CommandNode.layer({ name: "worker-1", roles: ["worker"], meta: { zone: "a", version: "2" } })
 * yield* node.offer.update({ meta: { zone: "b" } })
 * ```
 *
 * What bites: it is the peer's own word. Roles, that functions are served, and subscriptions count where the trust policy grants them to
 * the peer (`Rights`), and are left out of what is known of it otherwise; `meta` is a claim for good.
 *
 * @since 0.2.0
 */
import * as Schema from "effect/Schema"
import { isName } from "./internal/base/names.ts"
import { utf8 } from "./internal/base/platform.ts"
import { hasWildcard, isPattern } from "./internal/values/topicNames.ts"

/**
 * The most roles of a node: 16.
 *
 * @category constants
 * @since 0.2.0
 */
export const maxRoles = 16

/**
 * The most bytes of a node's `meta`, as JSON: 512.
 *
 * @category constants
 * @since 0.2.0
 */
export const maxMeta = 512

/**
 * The most functions that a node tells of: 1,024.
 *
 * @category constants
 * @since 0.2.0
 */
export const maxFunctions = 1_024

/**
 * The most bytes of all that a node tells of itself, as one line of JSON without its line feed: 65,535.
 *
 * @category constants
 * @since 0.2.0
 */
export const maxLength = 65_535

/**
 * A role: 1 to 64 bytes of UTF-8 without `*` and control characters.
 *
 * @category schemas
 * @since 0.2.0
 */
export const Role = Schema.String.check(
  Schema.makeFilter((text: string) => isName(text, 64)),
  Schema.makeFilter((text: string) => !text.includes("*") || "expected a role without *, which stands for several")
)

/**
 * The roles of a node, at most 16.
 *
 * @category schemas
 * @since 0.2.0
 */
export const Roles = Schema.Array(Role).check(Schema.isMaxLength(maxRoles))

/**
 * Small facts about a node: texts, finite numbers, `true` and `false`, of at most 512 bytes as JSON. Peers choose by them and show them.
 *
 * @category schemas
 * @since 0.2.0
 */
export const Meta = Schema.Record(Schema.String, Schema.Union([Schema.String, Schema.Finite, Schema.Boolean])).check(
  Schema.makeFilter((meta) =>
    utf8(JSON.stringify(meta)).length <= maxMeta || `expected at most ${maxMeta} bytes as JSON`
  )
)

/**
 * Small facts about a node.
 *
 * @category models
 * @since 0.2.0
 */
export type Meta = typeof Meta.Type

/**
 * The name of a function as it is told: 1 to 255 bytes of UTF-8 without control characters.
 *
 * @category predicates
 * @since 0.2.0
 */
export const isFunctionName = (text: string): boolean => isName(text, 255) === true

/**
 * The most calls that a node says it takes at once: 1,000,000.
 *
 * @category constants
 * @since 0.2.0
 */
export const maxCapacity = 1_000_000

/**
 * Calls that a node takes at once, 1 to 1,000,000.
 *
 * @category schemas
 * @since 0.2.0
 */
export const Capacity = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: maxCapacity }))

/**
 * The most subscriptions that a node tells of: 256.
 *
 * @category constants
 * @since 0.2.0
 */
export const maxTopics = 256

/**
 * How a subscription takes what it cannot take at once: a `buffer` of which the oldest or the newest goes, the `latest` of each key, or
 * everything (`lossless`), which the publisher keeps until it was taken.
 *
 * @category schemas
 * @since 0.2.0
 */
export const Mode = Schema.Literals(["buffer", "latest", "lossless"])

/**
 * How a subscription takes what it cannot take at once.
 *
 * @category models
 * @since 0.2.0
 */
export type Mode = typeof Mode.Type

/**
 * A subscription, as peers are told of it, with what is left out filled in.
 *
 * @category schemas
 * @since 0.2.0
 */
export const Interest = Schema.Struct({
  /** Names it, 1 to 2^31-1: no run of a node uses one twice. */
  id: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 2_147_483_647 })),
  /** The name of a topic, or a pattern of names: `build.42.failed`, `build.*.failed`, `build.>`. */
  topic: Schema.String.check(Schema.makeFilter(isPattern)),
  /**
   * What it takes: the hash of a topic's contract, 16 hexadecimal digits, for that alone; `bytes` for whatever there is; left out for any
   * JSON.
   */
  contract: Schema.optionalKey(Schema.String.check(Schema.isPattern(/^(?:bytes|[0-9a-f]{16})$/))),
  mode: Mode,
  /** Publications that wait for it, 1 to 65,536. */
  size: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 65_536 })),
  /** Which of a full buffer goes. */
  drop: Schema.Literals(["oldest", "newest"]),
  /** Whether it wants the values that the publisher retains. */
  retained: Schema.Boolean,
  /** One of those who are in a group gets each publication. It has the form of a role. */
  group: Schema.optionalKey(Role)
}).check(
  Schema.makeFilter(({ contract, topic }) =>
    contract === undefined || contract === "bytes" || !hasWildcard(topic) ||
    "expected the name of a topic, and no pattern, where there is a contract"
  )
)

/**
 * A subscription, as peers are told of it.
 *
 * @category models
 * @since 0.2.0
 */
export type Interest = typeof Interest.Type

/**
 * A subscription of which only some is said: `interest` fills in the rest.
 *
 * @category models
 * @since 0.2.0
 */
export type InterestInput = Pick<Interest, "id" | "topic"> & Partial<Interest>

/**
 * A subscription with what is left out filled in: a buffer of which the oldest goes, with the retained values. Publications that wait are
 * 256; 64 where it is `lossless`, and 16 for one of a group.
 *
 * @category constructors
 * @since 0.2.0
 */
export const interest = (input: InterestInput): Interest => ({
  mode: "buffer",
  size: input.group !== undefined ? 16 : input.mode === "lossless" ? 64 : 256,
  drop: "oldest",
  retained: true,
  ...input
})

/**
 * What a node offers, as it says itself.
 *
 * @category models
 * @since 0.2.0
 */
export interface Offer {
  readonly roles: ReadonlyArray<string>
  readonly meta: Meta
  /**
   * The functions that it serves, by name: the hash of a function's contract, 16 hexadecimal digits as `describe` has it, or `""` where
   * it has none, as a plain function or one over bytes. The built-in ones are not among them.
   */
  readonly functions: Readonly<Record<string, string>>
  /** Whether it takes no more calls, since it is about to leave. */
  readonly draining: boolean
  /** Its subscriptions, by their ids. */
  readonly topics: ReadonlyArray<Interest>
  /** Calls that it takes at once; left out where it does not say. */
  readonly capacity?: number | undefined
}

/**
 * What a node offers that says nothing of itself.
 *
 * @category constants
 * @since 0.2.0
 */
export const nothing: Offer = { roles: [], meta: {}, functions: {}, draining: false, topics: [] }

/**
 * What of a node's offer is changed: what is left out stays as it is.
 *
 * @category models
 * @since 0.2.0
 */
export interface Change {
  readonly roles?: ReadonlyArray<string> | undefined
  /** All of it: what it does not have is gone. */
  readonly meta?: Meta | undefined
  readonly draining?: boolean | undefined
  /** `null`: it does not say any more. */
  readonly capacity?: number | null | undefined
}
