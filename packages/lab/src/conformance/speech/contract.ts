/** The hash of a contract: section 13, "Contracts". */
import { createHash } from "node:crypto"

type Value = unknown
type Fields = Readonly<Record<string, Value>>

const isObject = (value: Value): value is Fields => typeof value === "object" && value !== null && !Array.isArray(value)

/** Keywords that are not hashed. */
const left = new Set(
  "title description examples default deprecated readOnly writeOnly $comment $schema $id $anchor $defs definitions"
    .split(" ")
)
/** Where schemas stand in a schema: by itself, in a list, and by name. */
const one = new Set(
  "items additionalProperties not contains propertyNames unevaluatedItems unevaluatedProperties".split(" ")
)
const listed = new Set(["allOf", "anyOf", "oneOf", "prefixItems"])
const named = new Set(["properties", "patternProperties", "dependentSchemas"])

/** RFC 8785. */
const canonical = (value: Value): string =>
  Array.isArray(value)
    ? `[${value.map(canonical).join()}]`
    : isObject(value)
    ? `{${sorted(value).map((key) => `${JSON.stringify(key)}:${canonical(value[key])}`).join()}}`
    : JSON.stringify(value)

/** By UTF-16 code units, which is how texts compare here. */
const sorted = (value: Fields): ReadonlyArray<string> => Object.keys(value).sort((a, b) => a < b ? -1 : a > b ? 1 : 0)

const texts = (members: ReadonlyArray<Value>): ReadonlyArray<string> =>
  members.map(canonical).sort((a, b) => a < b ? -1 : a > b ? 1 : 0)

/** One of the three parts, with its definitions put where they are met first. */
const part = (root: Value): Value => {
  const definitions = isObject(root) && isObject(root["$defs"]) ? root["$defs"] : {}
  const met = new Map<string, number>()
  const schema = (value: Value): Value => {
    if (!isObject(value)) return value
    const reference = value["$ref"]
    if (typeof reference === "string" && reference.startsWith("#/$defs/")) {
      const name = reference.slice(8).replaceAll("~1", "/").replaceAll("~0", "~")
      if (name in definitions) {
        const known = met.get(name)
        if (known !== undefined) return { $ref: known }
        met.set(name, met.size)
        return schema(definitions[name])
      }
    }
    // In the order of the sorted keys, by which definitions are counted.
    return Object.fromEntries(
      sorted(value).filter((key) => !left.has(key)).map((key) => [key, keyword(key, value[key])])
    )
  }
  const keyword = (key: string, value: Value): Value => {
    if (one.has(key)) return schema(value)
    if (listed.has(key) && Array.isArray(value)) return value.map(schema)
    if (named.has(key) && isObject(value)) {
      return Object.fromEntries(sorted(value).map((name) => [name, schema(value[name])]))
    }
    return (key === "required" || key === "enum") && Array.isArray(value) ? texts(value) : value
  }
  return schema(root)
}

/** The text that is hashed. */
export const text = ({ error, form, payload, stream, success }: Fields): string =>
  canonical({
    payload: part(payload),
    success: part(success),
    error: part(error),
    stream,
    ...(form === undefined ? {} : { form })
  })

/** The hash, as 16 hexadecimal digits. */
export const hash = (contract: Fields): string => createHash("sha512").update(text(contract)).digest("hex").slice(0, 16)
