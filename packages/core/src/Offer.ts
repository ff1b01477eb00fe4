/**
 * What a node offers: its roles, a few small facts about it, and the functions that it serves. Nodes tell it to the peers that ask, over
 * their session, now and whenever it changes (protocol section 14); those who only hear adverts learn nothing of it.
 *
 * ```ts
 * const layer = CommandNode.layer({ name: "worker-1", roles: ["worker"], meta: { zone: "a", version: "2" } })
 * yield* node.offer.update({ meta: { zone: "b" } })
 * ```
 *
 * What bites: it is the peer's own word. Roles, and that functions are served, count where the trust policy grants them to the peer
 * (`Rights`), and are left out of what is known of it otherwise; `meta` is a claim for good.
 *
 * @since 0.2.0
 */
import * as Schema from "effect/Schema"
import { isName } from "./internal/base/names.ts"
import { utf8 } from "./internal/base/platform.ts"

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
  /** Calls that it takes at once; left out where it does not say. */
  readonly capacity?: number | undefined
}

/**
 * What a node offers that says nothing of itself.
 *
 * @category constants
 * @since 0.2.0
 */
export const nothing: Offer = { roles: [], meta: {}, functions: {}, draining: false }

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
