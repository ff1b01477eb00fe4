/**
 * The text of a contract that is hashed, and its hash: written from section 13 of the protocol alone, so that what the library hashes
 * is held to what the text says. It shares no code with the library.
 */
import { createHash } from "node:crypto"
import { hexOf, utf8 } from "./bytes.ts"

export type Json = null | boolean | number | string | ReadonlyArray<Json> | JsonObject
export interface JsonObject {
  readonly [name: string]: Json
}

const words = (text: string): ReadonlySet<string> => new Set(text.split(" "))

const dropped = words(
  "title description examples default deprecated readOnly writeOnly $comment $schema $id $anchor $defs definitions"
)
const oneSchema = words(
  "items additionalProperties not contains propertyNames unevaluatedItems unevaluatedProperties"
)
const listOfSchemas = words("allOf anyOf oneOf prefixItems")
const namedSchemas = words("properties patternProperties dependentSchemas")
const withoutOrder = words("required enum")

const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** Its names, by UTF-16 code units. */
const namesOf = (object: JsonObject): ReadonlyArray<string> => Object.keys(object).sort()

/** JSON as RFC 8785 writes it. */
const write = (value: Json): string =>
  Array.isArray(value)
    ? `[${value.map(write).join(",")}]`
    : isObject(value)
    ? `{${namesOf(value).map((name) => `${JSON.stringify(name)}:${write(value[name]!)}`).join(",")}}`
    : JSON.stringify(value)

const mapped = (object: JsonObject, f: (value: Json, name: string) => Json): JsonObject =>
  Object.fromEntries(namesOf(object).map((name) => [name, f(object[name]!, name)]))

/** `payload`, `success` or `error` as it stands in the text. */
const part = (root: Json): Json => {
  const met: Array<string> = []
  const definition = (ref: Json | undefined): Json | undefined => {
    const definitions = isObject(root) ? root["$defs"] : undefined
    if (typeof ref !== "string" || !ref.startsWith("#/$defs/") || !isObject(definitions)) return undefined
    const name = ref.slice(8).replaceAll("~1", "/").replaceAll("~0", "~")
    return Object.hasOwn(definitions, name) ? definitions[name] : undefined
  }
  const schema = (given: Json): Json => {
    if (!isObject(given)) return given
    const found = definition(given["$ref"])
    if (found !== undefined) {
      const ref = given["$ref"] as string
      if (met.includes(ref)) return { $ref: met.indexOf(ref) }
      met.push(ref)
      return schema(found)
    }
    const kept = Object.fromEntries(Object.entries(given).filter(([keyword]) => !dropped.has(keyword)))
    return mapped(kept, (value, keyword) =>
      oneSchema.has(keyword)
        ? schema(value)
        : listOfSchemas.has(keyword) && Array.isArray(value)
        ? value.map(schema)
        : namedSchemas.has(keyword) && isObject(value)
        ? mapped(value, schema)
        : withoutOrder.has(keyword) && Array.isArray(value)
        ? value.map(write).sort()
        : value)
  }
  return schema(root)
}

/** A schema without the keyword for what has bytes of its own. */
const plain = (schema: Json): Json =>
  isObject(schema)
    ? Object.fromEntries(
      Object.entries(schema).filter(([keyword]) => keyword !== "binary").map(([keyword, value]) => [
        keyword,
        oneSchema.has(keyword)
          ? plain(value)
          : listOfSchemas.has(keyword) && Array.isArray(value)
          ? value.map(plain)
          : (namedSchemas.has(keyword) || keyword === "$defs") && isObject(value)
          ? Object.fromEntries(Object.entries(value).map(([name, each]) => [name, plain(each)]))
          : value
      ])
    )
    : schema

/** The contract as it is where it says nothing of bytes. */
export const withoutBinary = (contract: JsonObject): JsonObject =>
  Object.fromEntries(
    Object.entries(contract).filter(([name]) => name !== "binary").map(([name, value]) => [name, plain(value)])
  )

/** What is hashed. */
export const textOf = (contract: JsonObject): string =>
  write(
    mapped(
      Object.fromEntries(Object.entries(contract).filter(([name]) => name !== "binary")),
      (value, name) => ["payload", "success", "error"].includes(name) ? part(value) : value
    )
  )

/** The first 8 bytes of the SHA-512 of a text, hex. */
export const hashOfText = (text: string): string =>
  hexOf(createHash("sha512").update(utf8(text)).digest().subarray(0, 8))

export const hashOf = (contract: JsonObject): string => hashOfText(textOf(contract))
