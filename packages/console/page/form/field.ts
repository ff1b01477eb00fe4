/**
 * What is asked for a value, from its JSON Schema: one level at a time, so that a schema that is within itself is none to wait for. The schema is a
 * peer's, and its shape is not believed.
 */
import { type JsonObject, listOf, numberIn, objectOf, own, resolved, textIn } from "@pnet/console/JsonSchema"
import { typeOf } from "@pnet/console/Signature"
import type { Json } from "effect/Schema"

export type Field =
  & {
    readonly title: string | undefined
    readonly description: string | undefined
    readonly default: Json | undefined
    /** The type in a word or two. */
    readonly type: string
  }
  & (
    | { readonly kind: "text"; readonly format: string | undefined }
    | {
      readonly kind: "number"
      readonly integer: boolean
      readonly least: number | undefined
      readonly most: number | undefined
    }
    | { readonly kind: "boolean" }
    | { readonly kind: "constant"; readonly value: Json }
    | { readonly kind: "choice"; readonly values: ReadonlyArray<Json> }
    | { readonly kind: "object"; readonly fields: ReadonlyArray<Named>; readonly others: unknown }
    | {
      readonly kind: "list"
      readonly first: ReadonlyArray<unknown>
      readonly rest: unknown
      readonly least: number
      readonly most: number
    }
    | { readonly kind: "union"; readonly options: ReadonlyArray<Option> }
    | { readonly kind: "json" }
  )

export interface Named {
  readonly name: string
  readonly schema: unknown
  readonly required: boolean
}

export interface Option {
  readonly label: string
  readonly schema: unknown
}

// Whatever a peer says, a form is something to fill in.
const mostFields = 100
const mostOptions = 50
const mostChoices = 500

/** What an optional field of a Schema adds to its type: whoever wants none leaves it out. */
const isNull = (root: JsonObject, schema: unknown): boolean => own(resolved(root, schema), "type") === "null"

/** Numbers that JSON has no form for, which a Schema takes as text. */
const isNoNumber = (schema: unknown): boolean =>
  listOf(own(objectOf(schema), "enum")).some((one) => one === "NaN" || one === "Infinity")

const constantOf = (schema: JsonObject | undefined): Json | undefined => {
  const value = own(schema, "const")
  if (value !== undefined) return value as Json
  const choices = listOf(own(schema, "enum"))
  return choices.length === 1 ? choices[0] as Json : undefined
}

/** By what a union's option is told: the constant that it has in a field, its title, or its type. */
const labelOf = (root: JsonObject, given: unknown): string => {
  const schema = resolved(root, given)
  const title = textIn(schema, "title")
  if (title !== undefined) return title
  for (const [name, of] of Object.entries(objectOf(own(schema, "properties")) ?? {}).slice(0, mostFields)) {
    const constant = constantOf(resolved(root, of))
    if (typeof constant === "string" && (name === "_tag" || name === "type" || name === "kind")) return constant
  }
  return typeOf(root, given)
}

const shapeOf = (root: JsonObject, schema: JsonObject) => {
  const constant = constantOf(schema)
  if (constant !== undefined) return { kind: "constant", value: constant } as const
  const choices = listOf(own(schema, "enum"))
  if (choices.length > 0) {
    return { kind: "choice", values: choices.slice(0, mostChoices) as ReadonlyArray<Json> } as const
  }
  const all = [...listOf(own(schema, "anyOf")), ...listOf(own(schema, "oneOf"))].slice(0, mostOptions)
  const either = all.some((one) => own(resolved(root, one), "type") === "number")
    ? all.filter((one) => !isNoNumber(one))
    : all
  if (either.length > 1) return unionOf(root, either)
  if (either.length === 1) return undefined
  const type = own(schema, "type")
  if (Array.isArray(type) && type.length > 1) {
    return unionOf(root, type.slice(0, mostOptions).map((one) => ({ ...schema, type: one, title: undefined })))
  }
  switch (Array.isArray(type) ? type[0] : type) {
    case "string":
      return { kind: "text", format: textIn(schema, "format") ?? textIn(schema, "contentEncoding") } as const
    case "number":
    case "integer":
      return {
        kind: "number",
        integer: type === "integer",
        least: numberIn(schema, "minimum"),
        most: numberIn(schema, "maximum")
      } as const
    case "boolean":
      return { kind: "boolean" } as const
    case "null":
      return { kind: "constant", value: null } as const
    case "array":
      return listShape(schema)
    case "object":
      return objectShape(schema)
    default:
      return { kind: "json" } as const
  }
}

const unionOf = (root: JsonObject, either: ReadonlyArray<unknown>) => {
  const labels = either.map((one) => labelOf(root, one))
  return {
    kind: "union",
    // Two of one label are told by their places.
    options: either.map((schema, i) => ({
      schema,
      label: labels.indexOf(labels[i]!) === labels.lastIndexOf(labels[i]!) ? labels[i]! : `${labels[i]} (${i + 1})`
    }))
  } as const
}

const listShape = (schema: JsonObject) => {
  const first = listOf(own(schema, "prefixItems")).slice(0, mostFields)
  const items = own(schema, "items")
  const most = numberIn(schema, "maxItems") ?? Infinity
  const rest = items === false || (items === undefined && most <= first.length) ? undefined : objectOf(items) ?? {}
  return {
    kind: "list",
    first,
    rest,
    least: Math.min(Math.max(0, numberIn(schema, "minItems") ?? 0), mostFields),
    most: rest === undefined ? Math.min(most, first.length) : most
  } as const
}

const objectShape = (schema: JsonObject) => {
  const required = new Set(listOf(own(schema, "required")))
  const fields = Object.entries(objectOf(own(schema, "properties")) ?? {}).slice(0, mostFields)
  const others = own(schema, "additionalProperties")
  return {
    kind: "object",
    fields: fields.map(([name, of]) => ({ name, schema: of, required: required.has(name) })),
    // Objects of Schemas let other fields be, which nobody reads: they are asked for only where there is nothing else, or where they have a type.
    others: objectOf(others) ?? (fields.length === 0 && others !== false ? {} : undefined)
  } as const
}

const known = new WeakMap<JsonObject, WeakMap<JsonObject, Field>>()

/** What is asked for a value of a schema, whose references lead into `root`. */
export const fieldOf = (root: JsonObject, given: unknown): Field => {
  const schema = resolved(root, given) ?? {}
  let ofRoot = known.get(root)
  if (ofRoot === undefined) known.set(root, ofRoot = new WeakMap())
  const before = ofRoot.get(schema)
  if (before !== undefined) return before
  const single = [...listOf(own(schema, "anyOf")), ...listOf(own(schema, "oneOf"))]
  const shape = shapeOf(root, schema) ?? shapeOf(root, resolved(root, single.find((one) => !isNoNumber(one))) ?? {}) ??
    { kind: "json" as const }
  const here = objectOf(given)
  const field: Field = {
    ...shape,
    title: textIn(here, "title") ?? textIn(schema, "title"),
    description: textIn(here, "description") ?? textIn(schema, "description"),
    default: (own(here, "default") ?? own(schema, "default")) as Json | undefined,
    type: typeOf(root, shape.kind === "number" ? { type: shape.integer ? "integer" : "number" } : schema)
  }
  ofRoot.set(schema, field)
  return field
}

/** The schema of an item of a list. */
export const itemOf = (field: Field & { readonly kind: "list" }, at: number): unknown =>
  at < field.first.length ? field.first[at] : field.rest

/** An optional field without the null that its Schema takes for nothing: whoever wants none leaves it out. */
export const withoutNull = (root: JsonObject, schema: unknown, required: boolean): unknown => {
  if (required) return schema
  const either = listOf(own(objectOf(schema), "anyOf"))
  const left = either.filter((one) => !isNull(root, one))
  return either.length === 2 && left.length === 1 ? left[0] : schema
}
