/**
 * What a peer may do: hold roles, be sent the calls of a service, and call functions. The trust policy grants rights (`Trust.rights`);
 * what a peer says of itself grants none.
 *
 * Each right is a list of names, of which one may end in `*` for every name that begins so: `resize.*`, or `*` for all.
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
  calls: Schema.Array(Pattern)
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
 * The rights of who is trusted, where nothing more is said: it may call every function, and others call it by its name; it has no
 * role, and is chosen for no service.
 *
 * @category constants
 * @since 0.2.0
 */
export const named: Rights = { roles: [], serves: [], calls: ["*"] }

/**
 * Every right.
 *
 * @category constants
 * @since 0.2.0
 */
export const all: Rights = { roles: ["*"], serves: ["*"], calls: ["*"] }

/**
 * No right at all.
 *
 * @category constants
 * @since 0.2.0
 */
export const none: Rights = { roles: [], serves: [], calls: [] }

/**
 * Rights of which some are given, the others as in `named`.
 *
 * @category constructors
 * @since 0.2.0
 */
export const make = (input?: Input): Rights => ({
  roles: input?.roles ?? named.roles,
  serves: input?.serves ?? named.serves,
  calls: input?.calls ?? named.calls
})

/**
 * Whether a list grants a name: it has it, or the beginning of it and `*`.
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
