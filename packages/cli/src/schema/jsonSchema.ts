/**
 * JSON Schema as peers describe their functions with it, as far as it is read here. It is a peer's: its shape is not believed, references lead only into
 * itself, and whoever walks it counts its steps.
 */

/** A value of JSON that is an object. */
export type JsonObject = Readonly<Record<string, unknown>>

/** The object that a value is. */
export const objectOf = (value: unknown): JsonObject | undefined =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? value as JsonObject : undefined

/** The list that a value is. */
export const listOf = (value: unknown): ReadonlyArray<unknown> => Array.isArray(value) ? value : []

/** A field of its own. */
export const own = (object: JsonObject | undefined, name: string): unknown =>
  object !== undefined && Object.hasOwn(object, name) ? object[name] : undefined

/** The text that a field is. */
export const textIn = (schema: JsonObject | undefined, name: string): string | undefined => {
  const value = own(schema, name)
  return typeof value === "string" && value !== "" ? value : undefined
}

/** The number that a field is. */
export const numberIn = (schema: JsonObject | undefined, name: string): number | undefined => {
  const value = own(schema, name)
  return typeof value === "number" ? value : undefined
}

// So many references in a row lead somewhere, or in a circle.
const mostReferences = 16

/** The schema itself, through references into `root`. `undefined`: it says nothing, and anything goes. */
export const resolved = (root: JsonObject, schema: unknown): JsonObject | undefined => {
  let now = objectOf(schema)
  for (let i = 0; i < mostReferences; i++) {
    const ref = textIn(now, "$ref")
    if (ref === undefined) return now
    const match = /^#\/\$defs\/(.+)$/.exec(ref)
    now = objectOf(own(objectOf(own(root, "$defs")), (match?.[1] ?? "").replaceAll("~1", "/").replaceAll("~0", "~")))
  }
  return undefined
}
