/**
 * What a function takes and gives, as JSON Schema: made from Schemas, hashed, and compared with a peer's.
 *
 * A contract is an object whose values are JSON Schemas (`payload`, `success`, `args`, …) or plain values (`stream`). Two nodes
 * with one hash agree. Where the hashes differ they may still understand each other; where they do not, `differences` says why.
 *
 * What bites: JSON Schema knows less than a Schema does. A `Date` and a `String` are both text there, so equal hashes do not
 * prove that values can be decoded.
 */
import { sha512 } from "@noble/hashes/sha2.js"
import type { Json } from "effect/Schema"
import * as Schema from "effect/Schema"
import { utf8 } from "../base/platform.ts"
import { escapeText, quote } from "../base/quote.ts"

/** What a function takes and gives. */
export type Contract = Readonly<Record<string, Json>>

type JsonObject = Readonly<Record<string, Json>>

const objectOf = (value: unknown): JsonObject | undefined =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? value as JsonObject : undefined

const arrayOf = (value: unknown): ReadonlyArray<Json> | undefined => Array.isArray(value) ? value : undefined

const own = (value: JsonObject, key: string): Json | undefined => Object.hasOwn(value, key) ? value[key] : undefined

// --- made ----------------------------------------------------------------------------------------------------------------

const schemas = new WeakMap<Schema.Constraint, Json>()

/** The JSON Schema of a Schema's JSON form, with its definitions in `$defs`. What has none is `{}`: anything. */
export const jsonSchemaOf = (schema: Schema.Constraint): Json => {
  const known = schemas.get(schema)
  if (known !== undefined) return known
  let made: Json = {}
  try {
    const document = Schema.toJsonSchemaDocument(schema)
    const text = JSON.stringify(
      Object.keys(document.definitions).length === 0
        ? document.schema
        : { ...document.schema, $defs: document.definitions }
    )
    made = JSON.parse(text) as Json
  } catch {
    // An annotation of the program's own that throws, or gives what JSON has no form for.
  }
  schemas.set(schema, made)
  return made
}

/** The contract of a command, and its hash. */
export const ofCommand = (command: {
  readonly description: string | undefined
  readonly args: Schema.Constraint
  readonly kwargs: Schema.Constraint
  readonly success: Schema.Constraint
  readonly error: Schema.Constraint
}) => {
  const schemas = {
    args: jsonSchemaOf(command.args),
    kwargs: jsonSchemaOf(command.kwargs),
    success: jsonSchemaOf(command.success),
    error: jsonSchemaOf(command.error)
  }
  return {
    ...(command.description === undefined ? {} : { description: command.description }),
    ...schemas,
    contract: hashOf(schemas)
  }
}

// --- hashed --------------------------------------------------------------------------------------------------------------

/** What a schema says without changing what it accepts. */
const annotations: ReadonlySet<string> = new Set([
  "title",
  "description",
  "examples",
  "default",
  "deprecated",
  "readOnly",
  "writeOnly",
  "$comment",
  "$schema",
  "$id",
  "$anchor",
  "$defs",
  "definitions"
])
const maps: ReadonlySet<string> = new Set(["properties", "patternProperties", "dependentSchemas"])
const lists: ReadonlySet<string> = new Set(["allOf", "anyOf", "oneOf", "prefixItems"])
const single: ReadonlySet<string> = new Set([
  "items",
  "additionalProperties",
  "not",
  "contains",
  "propertyNames",
  "unevaluatedItems",
  "unevaluatedProperties"
])
/** Lists without an order. */
const sets: ReadonlySet<string> = new Set(["required", "enum"])

const compare = (a: string, b: string) => a < b ? -1 : a > b ? 1 : 0

const sorted = (value: JsonObject, f: (value: Json, key: string) => Json): JsonObject =>
  Object.fromEntries(Object.keys(value).sort(compare).map((key) => [key, f(value[key]!, key)]))

const canonicalData = (value: Json): Json =>
  Array.isArray(value) ? value.map(canonicalData) : objectOf(value) === undefined ? value : sorted(
    value as JsonObject,
    canonicalData
  )

const defPrefix = "#/$defs/"

const definitionOf = (root: Json, ref: unknown): Json | undefined => {
  if (typeof ref !== "string" || !ref.startsWith(defPrefix)) return undefined
  const defs = objectOf(objectOf(root)?.["$defs"])
  // As JSON Pointer writes them.
  const name = ref.slice(defPrefix.length).replaceAll("~1", "/").replaceAll("~0", "~")
  return defs === undefined ? undefined : own(defs, name)
}

/** A schema of this program with sorted keys, no annotations, and definitions in the order they are met, without their names. */
const canonical = (root: Json): Json => {
  const met = new Map<string, number>()
  const go = (schema: Json): Json => {
    const object = objectOf(schema)
    if (object === undefined) return schema
    const ref = object["$ref"]
    if (typeof ref === "string") {
      const known = met.get(ref)
      if (known !== undefined) return { $ref: known }
      const definition = definitionOf(root, ref)
      if (definition !== undefined) {
        met.set(ref, met.size)
        return go(definition)
      }
    }
    const kept = Object.fromEntries(Object.entries(object).filter(([key]) => !annotations.has(key)))
    return sorted(kept, (value, key) => {
      if (maps.has(key)) return objectOf(value) === undefined ? value : sorted(value as JsonObject, go)
      if (lists.has(key)) return Array.isArray(value) ? value.map(go) : value
      if (single.has(key)) return go(value)
      if (sets.has(key) && Array.isArray(value)) {
        return value.map((each) => JSON.stringify(canonicalData(each))).sort(compare)
      }
      return canonicalData(value)
    })
  }
  return go(root)
}

/** The first eight bytes of the SHA-512 of a contract's schemas without their annotations. */
export const hashBytesOf = (contract: Contract): Uint8Array =>
  sha512(utf8(JSON.stringify(sorted(contract, canonical)))).slice(0, 8)

/** `hashBytesOf` as 16 hexadecimal digits. */
export const hashOf = (contract: Contract): string =>
  Array.from(hashBytesOf(contract), (byte) => byte.toString(16).padStart(2, "0")).join("")

// --- compared ------------------------------------------------------------------------------------------------------------

const maxDifferences = 16
const maxText = 200
const maxDepth = 32
const maxSteps = 20_000
const maxMembers = 8

const keyOf = (name: string): string =>
  /^[A-Za-z_$][\w$]*$/.test(name) && name.length <= 100 ? `.${name}` : `[${short(quote(name))}]`

const short = (text: string): string => text.length <= maxText ? text : `${text.slice(0, maxText)}…`

/** How JSON writes the numbers that it has no form for. */
const isSpecialNumbers = (schema: Json): boolean => {
  const values = arrayOf(objectOf(schema)?.["enum"])
  return values?.length === 3 && ["Infinity", "-Infinity", "NaN"].every((value) => values.includes(value))
}

const typeNames: ReadonlySet<string> = new Set(["string", "number", "boolean", "array", "object", "null", "integer"])

/** A schema with what it refers to, from one side. */
interface Side {
  readonly schema: Json
  readonly root: Json
}

/** What a reference stands for, as far as it can be followed. */
const resolve = (side: Side): Side => {
  let { schema } = side
  for (let i = 0; i < maxDepth; i++) {
    const object = objectOf(schema)
    const definition = object === undefined ? undefined : definitionOf(side.root, object["$ref"])
    if (definition === undefined) break
    schema = definition
  }
  return { schema, root: side.root }
}

// A peer may send unions of thousands of members that refer to each other: each is looked through once.
const unions = new WeakMap<object, ReadonlyArray<Side>>()

/** The members of a union; of anything else, itself. */
const membersOf = (side: Side): ReadonlyArray<Side> => {
  const object = objectOf(side.schema)
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

/** The value of `_tag`, where there is one only. */
const tagOf = ({ root, schema }: Side): string | undefined => {
  const properties = objectOf(objectOf(schema)?.["properties"])
  const tag = properties === undefined ? undefined : own(properties, "_tag")
  if (tag === undefined) return undefined
  const values = arrayOf(objectOf(resolve({ schema: tag, root }).schema)?.["enum"])
  return values?.length === 1 && typeof values[0] === "string" ? values[0] : undefined
}

// By how deep it stands in what is described.
const descriptions = new WeakMap<object, Array<string | undefined>>()

/** A schema in few words. Texts in it are quoted. */
const describe = (side: Side, depth = 0): string => {
  const object = objectOf(side.schema)
  if (object === undefined) return side.schema === false ? "nothing" : "anything"
  let known = descriptions.get(object)
  if (known === undefined) descriptions.set(object, known = [])
  return known[depth] ??= describeObject(side, object, depth)
}

const describeObject = (side: Side, object: JsonObject, depth: number): string => {
  if (objectOf(object["not"]) !== undefined) return "nothing"
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
const isRequired = (schema: JsonObject, name: string): boolean => {
  const list = arrayOf(schema["required"])
  if (list === undefined) return false
  let set = requireds.get(list)
  if (set === undefined) requireds.set(list, set = new Set(list))
  return set.has(name)
}

const texts = new WeakMap<object, string>()

/** A value as JSON with sorted keys; what is large is written once, however often it is referred to. */
const textOf = (value: Json): string => {
  if (typeof value !== "object" || value === null) return JSON.stringify(value)
  let text = texts.get(value)
  if (text === undefined) texts.set(value, text = JSON.stringify(canonicalData(value)))
  return text
}

/** Keywords that are looked at one by one, and so not compared as they are. */
const structure: ReadonlySet<string> = new Set([
  ...annotations,
  ...maps,
  ...lists,
  ...single,
  "type",
  "enum",
  "required",
  "$ref"
])

/**
 * Where two contracts differ, in few words: `payload.size: number here, string at the peer`. Empty where their schemas show
 * no difference. `theirs` may be anything that a peer sent: what it costs is bounded, and its texts are quoted.
 */
export const differences = (mine: Contract, theirs: unknown): ReadonlyArray<string> => {
  const found: Array<string> = []
  const seen = new Set<string>()
  let steps = 0

  const add = (path: string, here: string, there: string) => {
    const text = `${short(path)}: ${here}, ${there}`
    if (found.length < maxDifferences && !found.includes(text)) found.push(text)
  }

  const step = () => found.length < maxDifferences && ++steps < maxSteps

  const go = (path: string, first: Side, second: Side, depth: number): void => {
    if (!step() || depth > maxDepth) return
    const refs = [objectOf(first.schema)?.["$ref"], objectOf(second.schema)?.["$ref"]]
    if (typeof refs[0] === "string" && typeof refs[1] === "string") {
      const pair = JSON.stringify(refs)
      if (seen.has(pair)) return
      seen.add(pair)
    }
    const a = resolve(first)
    const b = resolve(second)
    const as = membersOf(a)
    const bs = membersOf(b)
    if (as.length !== 1 || bs.length !== 1) return union(path, a, b, as, bs, depth)
    single(path, as[0]!, bs[0]!, depth)
  }

  const memberKey = (tag: string | undefined, member: Side) => tag === undefined ? describe(member) : `#${tag}`

  /** Members with one tag are compared with each other; what is left over on both sides is named. */
  const union = (
    path: string,
    a: Side,
    b: Side,
    as: ReadonlyArray<Side>,
    bs: ReadonlyArray<Side>,
    depth: number
  ): void => {
    // Those that have not been compared, by tag and by what they are, the last one first.
    const rest = new Map<string, Array<Side>>()
    for (let i = bs.length - 1; i >= 0; i--) {
      if (!step()) return
      const other = bs[i]!
      const key = memberKey(tagOf(other), other)
      const same = rest.get(key)
      if (same === undefined) rest.set(key, [other])
      else same.push(other)
    }
    let compared = 0
    for (const member of as) {
      if (!step()) return
      const tag = tagOf(member)
      const other = rest.get(memberKey(tag, member))?.pop()
      if (other === undefined) continue
      compared++
      single(tag === undefined ? path : `${path}(${describe(member)})`, member, other, depth + 1)
    }
    if (compared < as.length || compared < bs.length) add(path, `${describe(a)} here`, `${describe(b)} at the peer`)
  }

  const single = (path: string, a: Side, b: Side, depth: number): void => {
    if (!step() || depth > maxDepth) return
    const here = describe(a)
    const there = describe(b)
    const x = objectOf(a.schema)
    const y = objectOf(b.schema)
    const type = x?.["type"]
    if (x === undefined || y === undefined || type !== y["type"]) {
      if (here !== there) add(path, `${here} here`, `${there} at the peer`)
      return
    }
    // Things of different tags have nothing in common that would be worth naming.
    if (tagOf(a) !== undefined && tagOf(b) !== undefined && tagOf(a) !== tagOf(b)) {
      return add(path, `${here} here`, `${there} at the peer`)
    }
    if (type === "object") return properties(path, a, b, x, y, depth)
    if (type === "array") return elements(path, a, b, x, y, depth)
    if (here !== there) return add(path, `${here} here`, `${there} at the peer`)
    // A value may satisfy the one and not the other.
    for (const key of new Set([...Object.keys(x), ...Object.keys(y)])) {
      if (structure.has(key)) continue
      if (!step()) return
      const [one, other] = [x, y].map((side) => {
        const value = own(side, key)
        // Escaped when it is short: what is escaped is no shorter.
        return value === undefined ? "none" : short(escapeText(short(textOf(value))))
      })
      if (one !== other) add(`${path}${keyOf(key).replace(".", ", ")}`, `${one} here`, `${other} at the peer`)
    }
  }

  const properties = (path: string, a: Side, b: Side, x: JsonObject, y: JsonObject, depth: number): void => {
    const ours = objectOf(x["properties"]) ?? {}
    const yours = objectOf(y["properties"]) ?? {}
    for (const name of new Set([...Object.keys(ours), ...Object.keys(yours)])) {
      if (!step()) return
      const at = `${path}${keyOf(name)}`
      const one = own(ours, name)
      const other = own(yours, name)
      if (one === undefined) {
        const what = describe(resolve({ schema: other!, root: b.root }))
        add(at, "missing here", `${isRequired(y, name) ? "" : "optional "}${what} at the peer`)
      } else if (other === undefined) {
        const what = describe(resolve({ schema: one, root: a.root }))
        add(at, `${isRequired(x, name) ? "" : "optional "}${what} here`, "missing at the peer")
      } else {
        if (isRequired(x, name) !== isRequired(y, name)) {
          add(
            at,
            `${isRequired(x, name) ? "required" : "optional"} here`,
            `${isRequired(y, name) ? "required" : "optional"} at the peer`
          )
        }
        go(at, { schema: one, root: a.root }, { schema: other, root: b.root }, depth + 1)
      }
    }
    const rest = x["additionalProperties"]
    const otherRest = y["additionalProperties"]
    if (objectOf(rest) !== undefined || objectOf(otherRest) !== undefined) {
      go(`${path}.*`, { schema: rest ?? true, root: a.root }, { schema: otherRest ?? true, root: b.root }, depth + 1)
    }
  }

  const elements = (path: string, a: Side, b: Side, x: JsonObject, y: JsonObject, depth: number): void => {
    const ours = arrayOf(x["prefixItems"]) ?? []
    const yours = arrayOf(y["prefixItems"]) ?? []
    if (ours.length !== yours.length) {
      return add(path, `${ours.length} fixed elements here`, `${yours.length} at the peer`)
    }
    for (let i = 0; i < ours.length && step(); i++) {
      go(`${path}[${i}]`, { schema: ours[i]!, root: a.root }, { schema: yours[i]!, root: b.root }, depth + 1)
    }
    const items = x["items"]
    const otherItems = y["items"]
    if (items !== undefined || otherItems !== undefined) {
      go(`${path}[]`, { schema: items ?? true, root: a.root }, { schema: otherItems ?? true, root: b.root }, depth + 1)
    }
  }

  const other = objectOf(theirs)
  if (other === undefined) return found
  for (const key of Object.keys(mine)) {
    const one = mine[key]!
    const two = own(other, key)
    if (objectOf(one) === undefined || objectOf(two) === undefined) {
      const [here, there] = [one, two].map((value) =>
        objectOf(value) === undefined
          ? short(quote(value ?? null))
          : describe({ schema: value!, root: value! })
      )
      if (here !== there) add(key, `${here} here`, `${there} at the peer`)
      continue
    }
    go(key, { schema: one, root: one }, { schema: two!, root: two! }, 0)
  }
  return found
}

// --- compatible ----------------------------------------------------------------------------------------------------------

const isNumber = (type: unknown): boolean => type === "number" || type === "integer"

/**
 * Whether two contracts let each side read what the other writes, as `SchemaBinary` does in its default mode: struct fields may
 * be added where the reader does not ask for them, and everything else has to be of the same kind. It does not check kinds
 * by itself: an array that is read as a text is a text. `theirs` may be anything that a peer sent, and costs no more than it may.
 */
export const compatible = (mine: Contract, theirs: unknown): boolean => {
  const seen = new Set<string>()
  let steps = 0

  const readable = (writer: Side, reader: Side, depth: number): boolean => {
    if (depth > maxDepth || ++steps > maxSteps) return false
    const refs = [objectOf(writer.schema)?.["$ref"], objectOf(reader.schema)?.["$ref"]]
    if (typeof refs[0] === "string" && typeof refs[1] === "string") {
      const pair = JSON.stringify(refs)
      if (seen.has(pair)) return true
      seen.add(pair)
    }
    const ws = membersOf(resolve(writer))
    const rs = membersOf(resolve(reader))
    if (ws.length !== rs.length) return false
    if (ws.length !== 1) {
      return ws.every((w, i) => tagOf(w) === tagOf(rs[i]!) && readable(w, rs[i]!, depth + 1))
    }
    const [w] = ws as [Side]
    const [r] = rs as [Side]
    const x = objectOf(w.schema)
    const y = objectOf(r.schema)
    if (x === undefined || y === undefined) return x === y && w.schema === r.schema
    if ((objectOf(x["not"]) !== undefined) !== (objectOf(y["not"]) !== undefined)) return false
    const { type } = x
    if (isNumber(type) && isNumber(y["type"])) return true
    if (type !== y["type"] || tagOf(w) !== tagOf(r)) return false
    const same = (key: string) => textOf(own(x, key) ?? null) === textOf(own(y, key) ?? null)
    if (type === undefined) return same("enum")
    if (type === "string") return same("format") && same("contentEncoding") && same("pattern")
    const both = (key: string): boolean => {
      const one = x[key]
      const other = y[key]
      if (objectOf(one) === undefined && objectOf(other) === undefined) return true
      return one !== undefined && other !== undefined &&
        readable({ schema: one, root: w.root }, { schema: other, root: r.root }, depth + 1)
    }
    if (type === "array") {
      const ours = arrayOf(x["prefixItems"]) ?? []
      const yours = arrayOf(y["prefixItems"]) ?? []
      return ours.length === yours.length && both("items") &&
        ours.every((item, i) =>
          readable({ schema: item, root: w.root }, { schema: yours[i]!, root: r.root }, depth + 1)
        )
    }
    if (type !== "object") return true
    if (!both("additionalProperties")) return false
    const written = objectOf(x["properties"]) ?? {}
    const read = objectOf(y["properties"]) ?? {}
    return Object.keys(read).every((name) => {
      const one = own(written, name)
      return one === undefined
        ? ++steps < maxSteps && !isRequired(y, name)
        : readable({ schema: one, root: w.root }, { schema: read[name]!, root: r.root }, depth + 1)
    })
  }

  const other = objectOf(theirs)
  if (other === undefined) return false
  const ways = (key: string, writes: boolean): boolean => {
    const one = own(mine, key)
    const two = own(other, key)
    if (one === undefined || two === undefined) return false
    // A reference means one thing on the way there, and another on the way back.
    seen.clear()
    const [a, b] = [{ schema: one, root: one }, { schema: two, root: two }]
    return writes ? readable(a, b, 0) : readable(b, a, 0)
  }
  return own(mine, "stream") === own(other, "stream") && own(mine, "form") === own(other, "form") &&
    ways("payload", true) && ways("success", false) &&
    ways("error", false)
}
