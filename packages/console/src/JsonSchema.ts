/**
 * JSON Schema as peers describe their functions with it, as far as it is read here. It is a peer's: its shape is not believed, references lead only into
 * itself, and whoever walks it counts its steps.
 *
 * @since 0.2.0
 */

/**
 * A value of JSON that is an object.
 *
 * @category models
 * @since 0.2.0
 */
export type JsonObject = Readonly<Record<string, unknown>>

/**
 * The object that a value is; `undefined` where it is none.
 *
 * @category accessors
 * @since 0.2.0
 */
export const objectOf = (value: unknown): JsonObject | undefined =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? value as JsonObject : undefined

/**
 * The list that a value is; an empty one where it is none.
 *
 * @category accessors
 * @since 0.2.0
 */
export const listOf = (value: unknown): ReadonlyArray<unknown> => Array.isArray(value) ? value : []

/**
 * A field of an object of its own; `undefined` where there is none.
 *
 * @category accessors
 * @since 0.2.0
 */
export const own = (object: JsonObject | undefined, name: string): unknown =>
  object !== undefined && Object.hasOwn(object, name) ? object[name] : undefined

/**
 * The text that a field is; `undefined` where it is none, or empty.
 *
 * @category accessors
 * @since 0.2.0
 */
export const textIn = (schema: JsonObject | undefined, name: string): string | undefined => {
  const value = own(schema, name)
  return typeof value === "string" && value !== "" ? value : undefined
}

/**
 * The number that a field is; `undefined` where it is none.
 *
 * @category accessors
 * @since 0.2.0
 */
export const numberIn = (schema: JsonObject | undefined, name: string): number | undefined => {
  const value = own(schema, name)
  return typeof value === "number" ? value : undefined
}

// So many references in a row lead somewhere, or in a circle.
const mostReferences = 16

const reference = /^#\/\$defs\/(.+)$/

// To look a reference up takes as long as its text is, and thousands of schemas may lead to one: each is looked up once.
const definitions = new WeakMap<
  JsonObject,
  { readonly root: JsonObject; readonly definition: JsonObject | undefined }
>()

const definitionIn = (root: JsonObject, schema: JsonObject, ref: string): JsonObject | undefined => {
  const known = definitions.get(schema)
  if (known !== undefined && known.root === root) return known.definition
  const name = (reference.exec(ref)?.[1] ?? "").replaceAll("~1", "/").replaceAll("~0", "~")
  const definition = objectOf(own(objectOf(own(root, "$defs")), name))
  definitions.set(schema, { root, definition })
  return definition
}

/**
 * The schema itself, through references into `root`. `undefined`: it says nothing, and anything goes.
 *
 * @category accessors
 * @since 0.2.0
 */
export const resolved = (root: JsonObject, schema: unknown): JsonObject | undefined => {
  let now = objectOf(schema)
  for (let i = 0; i < mostReferences; i++) {
    const ref = textIn(now, "$ref")
    if (now === undefined || ref === undefined) return now
    now = definitionIn(root, now, ref)
  }
  return undefined
}
