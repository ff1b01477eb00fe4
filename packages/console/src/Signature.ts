/**
 * What a function takes and gives, on one line: `add(a: number, b?: number, { loud?: boolean }) → number`. Types are cut short, so that whatever a
 * peer says is a line to read.
 *
 * @since 0.2.0
 */
import { type JsonObject, listOf, objectOf, own, resolved, textIn } from "./JsonSchema.ts"

// A type is cut short there: the line is for reading.
const deepest = 3
const longest = 6
/** Schemas that are looked at for one line: the same one may be meant from many places. */
const mostSteps = 1_000
/** Characters of a name, and of a value that is meant. */
const mostText = 100

/** How many schemas are still to be looked at. */
interface Room {
  left: number
}

const short = (text: string): string => text.length > mostText ? `${text.slice(0, mostText)}…` : text

/** The first of a list, each as `of` writes it: what a peer lists may be without end, and each of it again. */
const joined = <A>(list: ReadonlyArray<A>, by: string, of: (one: A) => string): string =>
  [...list.slice(0, longest).map(of), ...(list.length > longest ? ["…"] : [])].join(by)

const literal = (value: unknown): string =>
  typeof value === "string"
    ? JSON.stringify(short(value))
    : Array.isArray(value)
    ? "[…]"
    : typeof value === "object" && value !== null
    ? "{…}"
    : String(value)

const key = (name: string): string =>
  name.length <= mostText && /^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(short(name))

/**
 * The type of a schema, as people write types.
 *
 * @category conversions
 * @since 0.2.0
 */
export const typeOf = (root: JsonObject, given: unknown): string => typeIn(root, given, 0, { left: mostSteps })

const typeIn = (root: JsonObject, given: unknown, depth: number, room: Room): string => {
  if (--room.left < 0) return "…"
  const schema = resolved(root, given)
  if (schema === undefined) return "any"
  if (depth > deepest) return "…"
  const inner = (one: unknown) => typeIn(root, one, depth + 1, room)
  if (own(schema, "const") !== undefined) return literal(own(schema, "const"))
  const choices = listOf(own(schema, "enum"))
  if (choices.length > 0) return joined(choices, " | ", literal)
  const either = [...listOf(own(schema, "anyOf")), ...listOf(own(schema, "oneOf"))]
  if (either.length > 0) return [...new Set(either.slice(0, longest + 1).map(inner))].join(" | ")
  if (own(schema, "not") !== undefined && own(schema, "type") === undefined) {
    // An object of whatever is in it, in the form that Schema gives it.
    return "nothing"
  }
  const type = own(schema, "type")
  if (Array.isArray(type)) return joined(type, " | ", (one) => typeof one === "string" ? short(one) : "any")
  switch (type) {
    case "array": {
      const first = listOf(own(schema, "prefixItems"))
      const rest = objectOf(own(schema, "items"))
      if (first.length > 0) {
        return `[${joined(first, ", ", inner)}${rest === undefined ? "" : `, ...${inner(rest)}[]`}]`
      }
      const of = rest === undefined ? "any" : inner(rest)
      return / \| /.test(of) ? `(${of})[]` : `${of}[]`
    }
    case "object": {
      const fields = Object.entries(objectOf(own(schema, "properties")) ?? {})
      const required = new Set(listOf(own(schema, "required")))
      if (fields.length === 0) {
        const values = objectOf(own(schema, "additionalProperties"))
        return values === undefined ? "object" : `{ [name]: ${inner(values)} }`
      }
      const field = ([name, of]: readonly [string, unknown]) =>
        `${key(name)}${required.has(name) ? "" : "?"}: ${inner(of)}`
      return `{ ${joined(fields, ", ", field)} }`
    }
    case "string":
      return textIn(schema, "format") === "date-time" ? "date" : "string"
    case "integer":
      return "integer"
    case "null":
      return "null"
    default:
      return typeof type === "string" ? short(type) : "any"
  }
}

/**
 * A positional argument, as a call has it.
 *
 * @category models
 * @since 0.2.0
 */
export interface Argument {
  readonly name: string
  readonly type: string
  readonly required: boolean
  readonly rest: boolean
  readonly description?: string
}

/**
 * The positional arguments of a function; `undefined` where it does not say.
 *
 * @category accessors
 * @since 0.2.0
 */
export const argumentsOf = (args: unknown): ReadonlyArray<Argument> | undefined => {
  const schema = objectOf(args)
  if (schema === undefined) return undefined
  const first = listOf(own(schema, "prefixItems"))
  const least = own(schema, "minItems")
  const items = own(schema, "items")
  const hasMore = items === undefined && own(schema, "maxItems") === undefined
  const rest = objectOf(items) ?? (hasMore || items === true ? {} : undefined)
  const room = { left: mostSteps }
  const one = (given: unknown, i: number, isRest: boolean): Argument => {
    const here = objectOf(given)
    const description = textIn(here, "description")
    return {
      name: textIn(here, "title") ?? (isRest ? "rest" : `arg${i + 1}`),
      type: typeIn(schema, given, 0, room),
      required: !isRest && i < (typeof least === "number" ? least : 0),
      rest: isRest,
      ...(description === undefined ? {} : { description })
    }
  }
  return [
    ...first.map((given, i) => one(given, i, false)),
    ...(rest === undefined ? [] : [one(rest, first.length, true)])
  ]
}

/**
 * The keyword arguments of a function, by name.
 *
 * @category accessors
 * @since 0.2.0
 */
export const keywordsOf = (kwargs: unknown): ReadonlyArray<Argument> => {
  const schema = objectOf(kwargs)
  const required = new Set(listOf(own(schema, "required")))
  const room = { left: mostSteps }
  return Object.entries(objectOf(own(schema, "properties")) ?? {}).map(([name, given]) => {
    const description = textIn(objectOf(given), "description")
    return {
      name,
      type: typeIn(schema!, given, 0, room),
      required: required.has(name),
      rest: false,
      ...(description === undefined ? {} : { description })
    }
  })
}

/**
 * What is described of a function, as far as it is looked at here.
 *
 * @category models
 * @since 0.2.0
 */
export interface Described {
  readonly name: string
  readonly kind: string
  readonly args?: unknown
  readonly kwargs?: unknown
  readonly success?: unknown
  readonly stream?: boolean
}

const written = ({ name, required, rest, type }: Argument): string =>
  `${rest ? "..." : ""}${key(name)}${required || rest ? "" : "?"}: ${type}`

/** What gives nothing. */
const isNothing = (schema: JsonObject | undefined): boolean => own(schema, "type") === "null"

/**
 * A function on one line. One that has no schemas has a name alone.
 *
 * @category conversions
 * @since 0.2.0
 */
export const signatureOf = ({ args, kind, kwargs, name, stream, success }: Described): string => {
  const given = argumentsOf(args)
  if (given === undefined) return `${name}(…)`
  const keywords = keywordsOf(kwargs)
  // The payload of a typed call is one object, by its fields or whole: the fields say it.
  const whole = kind === "rpc" && keywords.length > 0 ? [] : given
  const list = [
    ...whole.map(written),
    ...(keywords.length === 0 ? [] : [`{ ${keywords.map(written).join(", ")} }`])
  ].join(", ")
  const result = objectOf(success)
  const gives = result === undefined || isNothing(result)
    ? ""
    : ` → ${typeOf(result, result)}${stream === true ? " …" : ""}`
  return `${name}(${list})${gives}`
}
