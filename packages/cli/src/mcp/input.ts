/**
 * What a tool takes, of what a peer says that its function takes. A tool takes one object: the fields of a typed call's payload, and `args` and `kwargs` of
 * every other function.
 *
 * The schema is a peer's, and a language model reads it. So it is made anew of the keywords that are known here, with texts cut short; one that is too large, or
 * has names that would act or hide, is left out, and anything goes until the peer itself checks it.
 */
import { type JsonObject, listOf, objectOf, own, resolved } from "@pnet/console/JsonSchema"
import { harmless } from "../output/harmless.ts"
import { said } from "./said.ts"

/** What a tool takes, and how a call is made of it. */
export interface ToolInput {
  readonly schema: { readonly type: "object"; readonly [keyword: string]: unknown }
  /** `fields`: the object is the payload. `payload`: that field of it is. `arguments`: `args` and `kwargs` are. `nothing`: there is none. */
  readonly form: "fields" | "payload" | "arguments" | "nothing"
}

/** A function, as far as it is looked at here. */
export interface Described {
  readonly kind: string
  readonly args?: unknown
  readonly kwargs?: unknown
}

const mostSteps = 1_000
const deepest = 32
const longestText = 160
const longestName = 128
/** Characters of all texts and names in one schema. */
const mostCharacters = 8_192

/** Thrown inside of this file alone: the schema is none to show. */
class Unfit extends Error {}

const asIs = ["type", "format", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength"]
  .concat(["maxLength", "minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties", "contentEncoding"])
const schemas = ["items", "additionalProperties", "not"]
const lists = ["prefixItems", "anyOf", "oneOf", "allOf"]
const texts = ["title", "description"]

/** Copies the schemas of one function. Definitions get names of their own, in the order in which they are met. */
class Copy {
  #steps = 0
  #characters = 0
  readonly #names = new Map<string, string>()
  readonly definitions: Record<string, unknown> = {}

  /** A text that is a name or a value, and has to be what it is. */
  exact(text: string): string {
    this.#characters += text.length
    if (text.length > longestName || this.#characters > mostCharacters || harmless(text) !== text) throw new Unfit()
    return text
  }

  /** A value: of `enum`, or `const`. */
  value(value: unknown, depth: number): unknown {
    if (++this.#steps > mostSteps || depth > deepest) throw new Unfit()
    if (typeof value === "string") return this.exact(value)
    if (Array.isArray(value)) return value.map((one) => this.value(one, depth + 1))
    const object = objectOf(value)
    return object === undefined
      ? value
      : this.#object(Object.entries(object).map(([name, one]) => [name, this.value(one, depth + 1)]))
  }

  #object(entries: ReadonlyArray<readonly [string, unknown]>): JsonObject {
    return Object.fromEntries(entries.map(([name, one]) => [this.exact(name), one]))
  }

  /** The name of a definition, which is copied where it is met first. */
  #definition(ref: string, root: JsonObject, part: string, depth: number): string {
    const key = `${part} ${ref}`
    const known = this.#names.get(key)
    if (known !== undefined) return known
    const match = /^#\/\$defs\/(.+)$/.exec(ref)
    const name = (match?.[1] ?? "").replaceAll("~1", "/").replaceAll("~0", "~")
    const definition = own(objectOf(own(root, "$defs")), name)
    if (definition === undefined) throw new Unfit()
    const made = `d${this.#names.size + 1}`
    this.#names.set(key, made)
    this.definitions[made] = this.schema(definition, root, part, depth + 1)
    return made
  }

  schema(given: unknown, root: JsonObject, part: string, depth = 0): unknown {
    if (++this.#steps > mostSteps || depth > deepest) throw new Unfit()
    if (typeof given === "boolean") return given
    const schema = objectOf(given)
    if (schema === undefined) return {}
    const next = (one: unknown) => this.schema(one, root, part, depth + 1)
    const made: Record<string, unknown> = {}
    for (const [keyword, value] of Object.entries(schema)) {
      if (keyword === "$ref" && typeof value === "string") {
        made["$ref"] = `#/$defs/${this.#definition(value, root, part, depth)}`
      } else if (keyword === "properties" && objectOf(value) !== undefined) {
        made[keyword] = this.#object(Object.entries(value as JsonObject).map(([name, one]) => [name, next(one)]))
      } else if (keyword === "required" || keyword === "enum") made[keyword] = this.value(listOf(value), depth)
      else if (keyword === "const" || asIs.includes(keyword)) made[keyword] = this.value(value, depth)
      else if (schemas.includes(keyword)) made[keyword] = next(value)
      else if (lists.includes(keyword) && listOf(value).length > 0) made[keyword] = listOf(value).map(next)
      else if (texts.includes(keyword) && typeof value === "string") {
        this.#characters += Math.min(value.length, longestText)
        if (this.#characters > mostCharacters) throw new Unfit()
        made[keyword] = said(value, longestText)
      }
    }
    return made
  }
}

const whole = (schema: JsonObject, definitions: JsonObject) => ({
  ...schema,
  type: "object" as const,
  ...(Object.keys(definitions).length === 0 ? {} : { $defs: definitions })
})

const anyArguments: ToolInput = {
  form: "arguments",
  schema: {
    type: "object",
    properties: {
      args: { type: "array", description: "The arguments, in their order" },
      kwargs: { type: "object", description: "Arguments by name" }
    }
  }
}

const nothing: ToolInput = { form: "nothing", schema: { type: "object", properties: {} } }

/** Whether an array of arguments is always empty. */
const isEmpty = (args: JsonObject): boolean =>
  own(args, "maxItems") === 0 || listOf(own(args, "prefixItems")).length === 0 && own(args, "items") === false

const ofPayload = (args: JsonObject): ToolInput => {
  const payload = listOf(own(args, "prefixItems"))[0]
  if (isEmpty(args) || payload === undefined) return nothing
  const copy = new Copy()
  const object = resolved(args, payload)
  if (own(object, "type") === "object") {
    const made = objectOf(copy.schema(object, args, "args"))!
    return { form: "fields", schema: whole(made, copy.definitions) }
  }
  const made = copy.schema(payload, args, "args")
  return { form: "payload", schema: whole({ properties: { payload: made }, required: ["payload"] }, copy.definitions) }
}

const ofArguments = (args: JsonObject, kwargs: JsonObject | undefined): ToolInput => {
  const copy = new Copy()
  const least = own(args, "minItems")
  const named = objectOf(own(kwargs, "properties"))
  const hasNamed = named !== undefined && Object.keys(named).length > 0
  const properties = {
    ...(isEmpty(args) ? {} : { args: copy.schema(args, args, "args") }),
    ...(hasNamed ? { kwargs: copy.schema(kwargs, kwargs!, "kwargs") } : {})
  }
  const required = [
    ...(typeof least === "number" && least > 0 ? ["args"] : []),
    ...(hasNamed && listOf(own(kwargs, "required")).length > 0 ? ["kwargs"] : [])
  ]
  if (Object.keys(properties).length === 0) return nothing
  return {
    form: "arguments",
    schema: whole({ properties, ...(required.length === 0 ? {} : { required }) }, copy.definitions)
  }
}

const fit = (make: () => ToolInput, otherwise: ToolInput): ToolInput => {
  try {
    return make()
  } catch (error) {
    if (error instanceof Unfit) return otherwise
    throw error
  }
}

/** What the tool of a function takes. */
export const toolInput = ({ args, kind, kwargs }: Described): ToolInput => {
  const schema = objectOf(args)
  if (schema === undefined) return anyArguments
  return kind === "rpc"
    ? fit(() => ofPayload(schema), { form: "payload", schema: { type: "object", properties: { payload: {} } } })
    : fit(() => ofArguments(schema, objectOf(kwargs)), anyArguments)
}
