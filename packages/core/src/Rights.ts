/**
 * What a peer may do: hold roles, be sent the calls of a service, call functions, publish, and be sent what is published. The trust policy
 * grants rights (`Trust.rights`); what a peer says of itself grants none.
 *
 * Each right is a list of names, of which one may end in `*` for every name that begins so: `resize.*`, or `*` for all. So do those of
 * topics: `build.*` is every topic whose name begins with `build.`, of however many segments.
 *
 * @since 0.2.0
 */
import * as Schema from "effect/Schema"
import { isName } from "./internal/base/names.ts"

/**
 * A name, or the beginning of names and `*`: 1 to 255 bytes of UTF-8 without control characters.
 *
 * @category schemas
 * @since 0.2.0
 */
export const Pattern = Schema.String.check(
  Schema.makeFilter((text: string) => {
    const name = isName(text, 255)
    return name !== true ? name : !text.slice(0, -1).includes("*") || "expected * at the end alone"
  })
)

/**
 * The name of a topic, or the beginning of names and `*`. It is no pattern as a subscription has: nothing in it stands for one segment, and
 * it has no `>`.
 *
 * @category schemas
 * @since 0.2.0
 */
export const TopicPattern = Pattern.check(
  Schema.makeFilter((text: string) =>
    !text.includes(">") || "expected no >: * at the end is every name that begins so, of however many segments"
  )
)

/**
 * What a peer may do.
 *
 * @category schemas
 * @since 0.2.0
 */
export const Rights = Schema.Struct({
  /** The roles that it may hold. */
  roles: Schema.Array(Pattern),
  /** The functions that it may be chosen for, where a service and not a name is called. */
  serves: Schema.Array(Pattern),
  /** The functions that it may call. */
  calls: Schema.Array(Pattern),
  /** The topics of which this node takes what the peer publishes. */
  publishes: Schema.Array(TopicPattern),
  /** The topics of which the peer is sent what this node publishes, and whose retained values. */
  subscribes: Schema.Array(TopicPattern)
})

/**
 * What a peer may do.
 *
 * @category models
 * @since 0.2.0
 */
export type Rights = typeof Rights.Type

/**
 * Rights as they are given: what is left out is as in `named`.
 *
 * @category models
 * @since 0.2.0
 */
export type Input = Partial<Rights>

/**
 * The rights of who is trusted, where nothing more is said: it may call every function and publish, and others call it by its name; it
 * has no role, is chosen for no service, and is sent nothing that is published.
 *
 * @category constants
 * @since 0.2.0
 */
export const named: Rights = { roles: [], serves: [], calls: ["*"], publishes: ["*"], subscribes: [] }

/**
 * Every right.
 *
 * @category constants
 * @since 0.2.0
 */
export const all: Rights = {
  roles: ["*"],
  serves: ["*"],
  calls: ["*"],
  publishes: ["*"],
  subscribes: ["*"]
}

/**
 * No right at all.
 *
 * @category constants
 * @since 0.2.0
 */
export const none: Rights = { roles: [], serves: [], calls: [], publishes: [], subscribes: [] }

/**
 * Rights of which some are given, the others as in `named`.
 *
 * @category constructors
 * @since 0.2.0
 */
export const make = (input?: Input): Rights => ({
  roles: input?.roles ?? named.roles,
  serves: input?.serves ?? named.serves,
  calls: input?.calls ?? named.calls,
  publishes: input?.publishes ?? named.publishes,
  subscribes: input?.subscribes ?? named.subscribes
})

/**
 * Whether a list grants a name: it has it, or the beginning of it and `*`. Of the pattern of a subscription to topics that is whether it
 * grants every name that it stands for: `build.*` grants `build.>`, and not `*.failed`.
 *
 * @category predicates
 * @since 0.2.0
 */
export const allows = (list: ReadonlyArray<string>, name: string): boolean => {
  for (const pattern of list) {
    if (pattern === name) return true
    if (pattern.charCodeAt(pattern.length - 1) === 0x2a && name.startsWith(pattern.slice(0, -1))) return true
  }
  return false
}

/**
 * Whether a list grants every name.
 *
 * @category predicates
 * @since 0.2.0
 */
export const allowsAll = (list: ReadonlyArray<string>): boolean => list.includes("*")
