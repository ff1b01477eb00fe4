/**
 * What somebody has put into a form: as it was typed, whether it is a value yet or not. Values, and what is wrong with them, are made of it by the schema.
 */
import { type JsonObject, objectOf } from "@pnet/console/JsonSchema"
import { type Mistake, mistakes } from "@pnet/console/Mistakes"
import type { Json } from "effect/Schema"
import { type Field, fieldOf, itemOf, withoutNull } from "./field.ts"

export type Draft =
  | { readonly kind: "typed"; readonly text: string }
  | { readonly kind: "chosen"; readonly value: Json | undefined }
  | { readonly kind: "object"; readonly fields: Readonly<Record<string, Draft>>; readonly more: ReadonlyArray<More> }
  | { readonly kind: "list"; readonly items: ReadonlyArray<Item> }
  /** What was put into the other options is kept. */
  | { readonly kind: "union"; readonly at: number; readonly options: Readonly<Record<number, Draft>> }

/** An item of a list. It keeps its number, by which its field on the page is the same one when others come and go. */
export interface Item {
  readonly id: number
  readonly draft: Draft
}

/** A field whose name is typed, too. */
export interface More extends Item {
  readonly name: string
}

const deepest = 6

let last = 0
/** A number that nothing else has. */
export const fresh = (): number => ++last

/** What a form begins with: defaults, and whatever has to be there. */
export const draftOf = (root: JsonObject, schema: unknown, depth = 0): Draft => {
  const field = fieldOf(root, schema)
  if (field.default !== undefined) return draftFrom(root, schema, field.default)
  if (depth > deepest) return { kind: "typed", text: "" }
  switch (field.kind) {
    case "boolean":
      return { kind: "chosen", value: undefined }
    case "constant":
      return { kind: "chosen", value: field.value }
    case "choice":
      return { kind: "chosen", value: undefined }
    case "object":
      return {
        kind: "object",
        more: [],
        fields: Object.fromEntries(
          field.fields
            .filter(({ required, schema }) => required || fieldOf(root, schema).default !== undefined)
            .map(({ name, schema }) => [name, draftOf(root, schema, depth + 1)])
        )
      }
    case "list": {
      // Positions with defaults are filled in as far as there are no gaps.
      let begin = field.least
      while (begin < field.first.length && fieldOf(root, field.first[begin]).default !== undefined) begin++
      return {
        kind: "list",
        items: Array.from(
          { length: begin },
          (_, i) => ({ id: fresh(), draft: draftOf(root, itemOf(field, i), depth + 1) })
        )
      }
    }
    case "union":
      return { kind: "union", at: 0, options: { 0: draftOf(root, field.options[0]!.schema, depth + 1) } }
    default:
      return { kind: "typed", text: "" }
  }
}

/** The draft of a value: a form that is opened with it. */
export const draftFrom = (root: JsonObject, schema: unknown, value: Json, depth = 0): Draft => {
  const field = fieldOf(root, schema)
  const asText = (): Draft => ({ kind: "typed", text: JSON.stringify(value) })
  if (depth > deepest) return asText()
  switch (field.kind) {
    case "boolean":
      return { kind: "chosen", value: typeof value === "boolean" ? value : undefined }
    case "constant":
      return { kind: "chosen", value: field.value }
    case "choice":
      return { kind: "chosen", value: field.values.find((one) => JSON.stringify(one) === JSON.stringify(value)) }
    case "text":
    case "number":
      return typeof value === "string"
        ? { kind: "typed", text: value }
        : value === null
        ? { kind: "typed", text: "" }
        : asText()
    case "object":
      return objectFrom(root, field, value, depth) ?? draftOf(root, withoutDefault(schema), depth + 1)
    case "list":
      return {
        kind: "list",
        items: (Array.isArray(value) ? value : []).slice(0, Math.min(field.most, 200)).map((one, i) => ({
          id: fresh(),
          draft: draftFrom(root, itemOf(field, i), one as Json, depth + 1)
        }))
      }
    case "union": {
      const at = Math.max(0, field.options.findIndex((option) => mistakes(option.schema, value, root).length === 0))
      return { kind: "union", at, options: { [at]: draftFrom(root, field.options[at]!.schema, value, depth + 1) } }
    }
    case "json":
      return asText()
  }
}

const withoutDefault = (schema: unknown): unknown => ({ ...objectOf(schema), default: undefined })

const objectFrom = (
  root: JsonObject,
  field: Field & { kind: "object" },
  value: Json,
  depth: number
): Draft | undefined => {
  const object = objectOf(value)
  if (object === undefined) return undefined
  const fields: Record<string, Draft> = {}
  for (const { name, required, schema } of field.fields) {
    const here = Object.hasOwn(object, name) ? object[name] as Json : undefined
    if (here !== undefined) fields[name] = draftFrom(root, withoutNull(root, schema, required), here, depth + 1)
    else if (required) fields[name] = draftOf(root, schema, depth + 1)
  }
  const more = field.others === undefined ? [] : Object.entries(object)
    .filter(([name]) => !field.fields.some((one) => one.name === name))
    .map(([name, one]) => ({ id: fresh(), name, draft: draftFrom(root, field.others, one as Json, depth + 1) }))
  return { kind: "object", fields, more }
}

// --- values ----------------------------------------------------------------------------------------------------------------------

export interface Made {
  /** Left out: there is none, or none yet. */
  readonly value: Json | undefined
  readonly wrong: ReadonlyArray<Mistake>
}

const made = (value: Json | undefined): Made => ({ value, wrong: [] })
const wrong = (path: Mistake["path"], expected: string): Made => ({ value: undefined, wrong: [{ path, expected }] })

const numberFrom = (text: string, integer: boolean, path: Mistake["path"]): Made => {
  const trimmed = text.trim().replaceAll("_", "")
  if (trimmed === "") return wrong(path, integer ? "a whole number" : "a number")
  if (!integer && (trimmed === "NaN" || trimmed === "Infinity" || trimmed === "-Infinity")) return made(trimmed)
  const number = Number(trimmed)
  if (!/^[+-]?(\d|\.\d)/.test(trimmed) || !Number.isFinite(number)) {
    return wrong(path, integer ? "a whole number" : "a number")
  }
  // A number with more digits than JSON keeps would be another one.
  return integer && Math.abs(number) > Number.MAX_SAFE_INTEGER ? wrong(path, "a whole number below 2^53") : made(number)
}

/** JSON; what is none, and does not begin as such, is text. */
const jsonFrom = (text: string, path: Mistake["path"]): Made => {
  if (text.trim() === "") return wrong(path, "a value: JSON, or text")
  try {
    return made(JSON.parse(text) as Json)
  } catch {
    return /^\s*[[{"]/.test(text) ? wrong(path, "JSON, which this is not yet") : made(text)
  }
}

/** The value that a draft is, and what it is not yet. */
export const valueOf = (root: JsonObject, schema: unknown, draft: Draft, path: Mistake["path"] = []): Made => {
  const field = fieldOf(root, schema)
  switch (draft.kind) {
    case "typed":
      return field.kind === "text"
        ? made(draft.text)
        : field.kind === "number"
        ? numberFrom(draft.text, field.integer, path)
        : jsonFrom(draft.text, path)
    case "chosen":
      return draft.value === undefined
        ? wrong(path, field.kind === "boolean" ? "yes or no" : "one of these")
        : made(draft.value)
    case "union": {
      const option = field.kind === "union" ? field.options[draft.at] : undefined
      const inner = draft.options[draft.at]
      return option === undefined || inner === undefined
        ? wrong(path, "a value")
        : valueOf(root, option.schema, inner, path)
    }
    case "list": {
      if (field.kind !== "list") return wrong(path, "a value")
      const all = draft.items.map(({ draft }, i) => valueOf(root, itemOf(field, i), draft, [...path, i]))
      return { value: all.map(({ value }) => value ?? null), wrong: all.flatMap((one) => one.wrong) }
    }
    case "object":
      return field.kind === "object" ? objectValue(root, field, draft, path) : wrong(path, "a value")
  }
}

const objectValue = (
  root: JsonObject,
  field: Field & { kind: "object" },
  draft: Draft & { kind: "object" },
  path: Mistake["path"]
): Made => {
  const value: Array<readonly [string, Json]> = []
  const mistaken: Array<Mistake> = []
  const put = (name: string, one: Made) => {
    mistaken.push(...one.wrong)
    if (one.value !== undefined) value.push([name, one.value])
  }
  for (const { name, required, schema } of field.fields) {
    const inner = Object.hasOwn(draft.fields, name) ? draft.fields[name] : undefined
    if (inner !== undefined) put(name, valueOf(root, withoutNull(root, schema, required), inner, [...path, name]))
  }
  const names = new Set(field.fields.map(({ name }) => name))
  for (const { draft: inner, id, name } of draft.more) {
    if (name === "" || names.has(name)) {
      mistaken.push({ path: [...path, `#${id}`], expected: name === "" ? "a name" : "a name that is not there yet" })
    }
    names.add(name)
    put(name, valueOf(root, field.others, inner, [...path, name]))
  }
  return { value: Object.fromEntries(value), wrong: mistaken }
}

/** The value that a draft is, with everything that is wrong with it, as far as the peer's schema says. */
export const checked = (root: JsonObject, draft: Draft): Made => {
  const { value, wrong } = valueOf(root, root, draft)
  const of = value === undefined ? [] : mistakes(root, value)
  // Of what is not even a value the schema has nothing to add.
  const paths = new Set(wrong.map(({ path }) => JSON.stringify(path)))
  return { value, wrong: [...wrong, ...of.filter(({ path }) => !paths.has(JSON.stringify(path)))] }
}
