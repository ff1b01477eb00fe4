/** JSON Schemas as JSON: what may be anything is looked at with care, since it may be a peer's. */
import type { Json } from "effect/Schema"

export type JsonObject = Readonly<Record<string, Json>>

export const objectOf = (value: unknown): JsonObject | undefined =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? value as JsonObject : undefined

export const arrayOf = (value: unknown): ReadonlyArray<Json> | undefined => Array.isArray(value) ? value : undefined

export const own = (value: JsonObject, key: string): Json | undefined =>
  Object.hasOwn(value, key) ? value[key] : undefined

/** What a schema says without changing what it accepts. */
export const annotations: ReadonlySet<string> = new Set([
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
export const maps: ReadonlySet<string> = new Set(["properties", "patternProperties", "dependentSchemas"])
export const lists: ReadonlySet<string> = new Set(["allOf", "anyOf", "oneOf", "prefixItems"])
export const single: ReadonlySet<string> = new Set([
  "items",
  "additionalProperties",
  "not",
  "contains",
  "propertyNames",
  "unevaluatedItems",
  "unevaluatedProperties"
])
/** Lists without an order. */
export const sets: ReadonlySet<string> = new Set(["required", "enum"])

export const compare = (a: string, b: string) => a < b ? -1 : a > b ? 1 : 0

export const sorted = (value: JsonObject, f: (value: Json, key: string) => Json): JsonObject =>
  Object.fromEntries(Object.keys(value).sort(compare).map((key) => [key, f(value[key]!, key)]))

export const canonicalData = (value: Json): Json =>
  Array.isArray(value) ? value.map(canonicalData) : objectOf(value) === undefined ? value : sorted(
    value as JsonObject,
    canonicalData
  )

/** JSON as RFC 8785 has it. An object of this language has names that are numbers first, however they are sorted. */
export const written = (value: Json): string => {
  if (Array.isArray(value)) return `[${value.map(written).join(",")}]`
  const object = objectOf(value)
  return object === undefined
    ? JSON.stringify(value)
    : `{${Object.keys(object).sort(compare).map((key) => `${JSON.stringify(key)}:${written(object[key]!)}`).join(",")}}`
}

const defPrefix = "#/$defs/"

export const definitionOf = (root: Json, ref: unknown): Json | undefined => {
  if (typeof ref !== "string" || !ref.startsWith(defPrefix)) return undefined
  const defs = objectOf(objectOf(root)?.["$defs"])
  // As JSON Pointer writes them.
  const name = ref.slice(defPrefix.length).replaceAll("~1", "/").replaceAll("~0", "~")
  return defs === undefined ? undefined : own(defs, name)
}
