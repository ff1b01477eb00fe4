/**
 * A schema of one side, as two contracts are compared: what it refers to, its members where it is a union, its tag, and what it is
 * in few words.
 *
 * What bites: a peer may send schemas that refer to each other thousands of times. Whatever is found out about one is kept, and
 * nothing is followed without end.
 */
import type { Json } from "effect/Schema"
import { quote } from "../base/quote.ts"
import { arrayOf, canonicalData, definitionOf, type JsonObject, objectOf, own } from "./jsonSchema.ts"

const maxText = 200
export const maxDepth = 32
export const maxSteps = 20_000
const maxMembers = 8

export const keyOf = (name: string): string =>
  /^[A-Za-z_$][\w$]*$/.test(name) && name.length <= 100 ? `.${name}` : `[${short(quote(name))}]`

export const short = (text: string): string => text.length <= maxText ? text : `${text.slice(0, maxText)}…`

/** How JSON writes the numbers that it has no form for. */
const isSpecialNumbers = (schema: Json): boolean => {
  const values = arrayOf(objectOf(schema)?.["enum"])
  return values?.length === 3 && ["Infinity", "-Infinity", "NaN"].every((value) => values.includes(value))
}

const typeNames: ReadonlySet<string> = new Set(["string", "number", "boolean", "array", "object", "null", "integer"])

/** A schema with what it refers to, from one side. */
export interface Side {
  readonly schema: Json
  readonly root: Json
}

// To look a reference up takes as long as its text is, and a peer's may be of a hundred thousand characters that thousands of members lead to: each is looked up once.
const definitions = new WeakMap<object, { readonly root: Json; readonly definition: Json | undefined }>()

const definitionIn = (root: Json, object: JsonObject): Json | undefined => {
  const known = definitions.get(object)
  if (known !== undefined && known.root === root) return known.definition
  const definition = definitionOf(root, object["$ref"])
  definitions.set(object, { root, definition })
  return definition
}

/** What a reference stands for, as far as it can be followed. */
export const resolve = (side: Side): Side => {
  let { schema } = side
  for (let i = 0; i < maxDepth; i++) {
    const object = objectOf(schema)
    const definition = object === undefined || typeof object["$ref"] !== "string"
      ? undefined
      : definitionIn(side.root, object)
    if (definition === undefined) break
    schema = definition
  }
  return { schema, root: side.root }
}

const none: ReadonlyArray<Side> = []

// A peer may send unions of thousands of members that refer to each other: each is looked through once.
const unions = new WeakMap<object, ReadonlyArray<Side>>()

/** The members of a union; of anything else, itself. What no value is of has none, as a union of nothing. */
export const membersOf = (side: Side): ReadonlyArray<Side> => {
  const object = objectOf(side.schema)
  if (object !== undefined && objectOf(object["not"]) !== undefined) return none
  const list = object === undefined ? undefined : arrayOf(object["anyOf"]) ?? arrayOf(object["oneOf"])
  if (object === undefined || list === undefined) return [side]
  const known = unions.get(object)
  if (known !== undefined) return known
  const members = membersIn(list, side)
  unions.set(object, members)
  return members
}

const membersIn = (list: ReadonlyArray<Json>, side: Side): ReadonlyArray<Side> => {
  const members = list.map((schema) => resolve({ schema, root: side.root }))
    .filter(({ schema }) => objectOf(objectOf(schema)?.["not"]) === undefined)
  return members.some(({ schema }) => objectOf(schema)?.["type"] === "number")
    ? members.filter(({ schema }) => !isSpecialNumbers(schema))
    : members
}

/** The binary form of its own that a value has, if any. */
export const binaryOf = ({ schema }: Side): Json | undefined => {
  const object = objectOf(schema)
  return object === undefined ? undefined : own(object, "binary")
}

/**
 * What a schema is: what it refers to, and of a union of one its member, as far as it can be followed. A peer's may be each other's
 * only members.
 */
export const coreOf = (side: Side): Side => {
  let at = resolve(side)
  for (let i = 0; i < maxDepth && binaryOf(at) === undefined; i++) {
    const members = membersOf(at)
    if (members.length !== 1 || members[0] === at) break
    at = members[0]!
  }
  return at
}

/** What a binary form is in words. */
const binaryNames: Readonly<Record<string, string>> = {
  Date: "date",
  DateTimeZoned: "date with a zone",
  Duration: "duration",
  BigDecimal: "decimal",
  BigInt: "bigint",
  Symbol: "symbol",
  Uint8Array: "bytes",
  Option: "option",
  Result: "result",
  Exit: "exit",
  Cause: "cause",
  CauseReason: "cause's reason"
}

/** The value of `_tag`, where there is one only. */
export const tagOf = ({ root, schema }: Side): string | undefined => {
  const properties = objectOf(objectOf(schema)?.["properties"])
  const tag = properties === undefined ? undefined : own(properties, "_tag")
  if (tag === undefined) return undefined
  const values = arrayOf(objectOf(resolve({ schema: tag, root }).schema)?.["enum"])
  return values?.length === 1 && typeof values[0] === "string" ? values[0] : undefined
}

// By how deep it stands in what is described.
const descriptions = new WeakMap<object, Array<string | undefined>>()

/** A schema in few words. Texts in it are quoted. */
export const describe = (side: Side, depth = 0): string => {
  const object = objectOf(side.schema)
  if (object === undefined) return side.schema === false ? "nothing" : "anything"
  let known = descriptions.get(object)
  if (known === undefined) descriptions.set(object, known = [])
  return known[depth] ??= describeObject(side, object, depth)
}

const describeObject = (side: Side, object: JsonObject, depth: number): string => {
  if (objectOf(object["not"]) !== undefined) return "nothing"
  const form = own(object, "binary")
  if (form !== undefined) {
    return typeof form === "string" && Object.hasOwn(binaryNames, form) ? binaryNames[form]! : short(quote(form))
  }
  const values = arrayOf(object["enum"])
  if (values !== undefined) {
    const shown = values.slice(0, maxMembers).map((value) => short(quote(value)))
    return short([...shown, ...(values.length > maxMembers ? ["…"] : [])].join(" | "))
  }
  const members = membersOf(side)
  if (members.length === 0) return "nothing"
  if (members.length > 1 || members[0] !== side) {
    if (depth > 2) return "a union"
    const shown = members.slice(0, maxMembers).map((member) => describe(member, depth + 1))
    return short([...new Set(shown), ...(members.length > maxMembers ? ["…"] : [])].join(" | "))
  }
  const { type } = object
  if (typeof type !== "string") return "anything"
  if (!typeNames.has(type)) return short(quote(type))
  if (type === "array") {
    const items = object["items"]
    if (Array.isArray(object["prefixItems"])) return "a tuple"
    return items === undefined || depth > 2
      ? "an array"
      : `array of ${describe(resolve({ schema: items, root: side.root }), depth + 1)}`
  }
  if (type === "object") {
    const tag = tagOf(side)
    return tag === undefined ? "object" : short(/^\w+$/.test(tag) ? tag : quote(tag))
  }
  return type === "string" && object["contentEncoding"] === "base64" ? "bytes" : type
}

// A peer may name thousands, and refer to them from many places.
const requireds = new WeakMap<object, ReadonlySet<Json>>()

/** Whether an object of that schema has to have the field. */
export const isRequired = (schema: JsonObject, name: string): boolean => {
  const list = arrayOf(schema["required"])
  if (list === undefined) return false
  let set = requireds.get(list)
  if (set === undefined) requireds.set(list, set = new Set(list))
  return set.has(name)
}

const texts = new WeakMap<object, string>()

/** A value as JSON with sorted keys; what is large is written once, however often it is referred to. */
export const textOf = (value: Json): string => {
  if (typeof value !== "object" || value === null) return JSON.stringify(value)
  let text = texts.get(value)
  if (text === undefined) texts.set(value, text = JSON.stringify(canonicalData(value)))
  return text
}
