/**
 * Whether a value is what a peer's JSON Schema says, and where it is not. Only what surely is wrong is said to be: the peer has the last word, and
 * what is not understood here is let through.
 *
 * @since 0.2.0
 */
import { type JsonObject, listOf, numberIn, objectOf, own, resolved } from "./JsonSchema.ts"
import { typeOf } from "./Signature.ts"

/**
 * What is wrong with a value.
 *
 * @category models
 * @since 0.2.0
 */
export interface Mistake {
  /** From the value down: names of fields, and places in lists. */
  readonly path: ReadonlyArray<string | number>
  readonly expected: string
}

// Whoever described the function may have written anything: looking at it ends.
const mostSteps = 5_000
const deepest = 64

const isOf = (type: string, value: unknown): boolean => {
  switch (type) {
    case "null":
      return value === null
    case "integer":
      return Number.isInteger(value)
    case "array":
      return Array.isArray(value)
    case "object":
      return objectOf(value) !== undefined
    case "number":
    case "string":
    case "boolean":
      return typeof value === type
    default:
      return true
  }
}

const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b)

const words: Record<string, string> = {
  string: "text",
  number: "a number",
  integer: "a whole number",
  boolean: "true or false",
  array: "a list",
  object: "an object",
  null: "null"
}

class Walk {
  readonly #root: JsonObject
  #steps = 0
  constructor(root: JsonObject) {
    this.#root = root
  }

  #bounds(schema: JsonObject, value: unknown): string | undefined {
    const limit = (name: string, of: number, over: boolean, say: (bound: number) => string) => {
      const bound = numberIn(schema, name)
      return bound !== undefined && (over ? of > bound : of < bound) ? say(bound) : undefined
    }
    if (typeof value === "number") {
      return limit("minimum", value, false, (n) => `at least ${n}`) ??
        limit("maximum", value, true, (n) => `at most ${n}`) ??
        (numberIn(schema, "exclusiveMinimum") !== undefined && value <= numberIn(schema, "exclusiveMinimum")!
          ? `more than ${numberIn(schema, "exclusiveMinimum")}`
          : undefined) ??
        (numberIn(schema, "exclusiveMaximum") !== undefined && value >= numberIn(schema, "exclusiveMaximum")!
          ? `less than ${numberIn(schema, "exclusiveMaximum")}`
          : undefined)
    }
    if (typeof value === "string") {
      const length = [...value].length
      return limit("minLength", length, false, (n) => `at least ${n} ${n === 1 ? "character" : "characters"}`) ??
        limit("maxLength", length, true, (n) => `at most ${n} characters`)
    }
    if (Array.isArray(value)) {
      return limit("minItems", value.length, false, (n) => `at least ${n} of them`) ??
        limit("maxItems", value.length, true, (n) => `at most ${n} of them`)
    }
    return undefined
  }

  /** Everything that is wrong; of alternatives, what is wrong with the nearest. */
  look(given: unknown, value: unknown, path: ReadonlyArray<string | number>, depth = 0): ReadonlyArray<Mistake> {
    const schema = resolved(this.#root, given)
    if (schema === undefined || ++this.#steps > mostSteps || depth > deepest) return []
    const expected = (what: string): ReadonlyArray<Mistake> => [{ path, expected: what }]
    if (own(schema, "const") !== undefined && !same(own(schema, "const"), value)) {
      return expected(typeOf(this.#root, schema))
    }
    const choices = listOf(own(schema, "enum"))
    if (choices.length > 0 && !choices.some((choice) => same(choice, value))) {
      return expected(typeOf(this.#root, schema))
    }
    const type = own(schema, "type")
    const types = typeof type === "string" ? [type] : listOf(type).filter((one) => typeof one === "string")
    if (types.length > 0 && !types.some((one) => isOf(one, value))) {
      return expected(types.map((one) => words[one] ?? one).join(" or "))
    }
    const bound = this.#bounds(schema, value)
    if (bound !== undefined) return expected(bound)
    for (const one of listOf(own(schema, "allOf"))) {
      const wrong = this.look(one, value, path, depth + 1)
      if (wrong.length > 0) return wrong
    }
    const either = [...listOf(own(schema, "anyOf")), ...listOf(own(schema, "oneOf"))]
    if (either.length > 0) {
      const all = either.map((one) => this.look(one, value, path, depth + 1))
      if (!all.some((wrong) => wrong.length === 0)) {
        // Where one of them is wrong further in, that one was meant.
        const nearest = all.toSorted((a, b) =>
          Math.max(...b.map((one) => one.path.length)) - Math.max(...a.map((one) => one.path.length))
        )[0]!
        return nearest.some((one) => one.path.length > path.length) ? nearest : expected(typeOf(this.#root, schema))
      }
    }
    return Array.isArray(value)
      ? this.#list(schema, value, path, depth + 1)
      : objectOf(value) === undefined
      ? []
      : this.#fields(schema, value as JsonObject, path, depth + 1)
  }

  #list(
    schema: JsonObject,
    value: ReadonlyArray<unknown>,
    path: ReadonlyArray<string | number>,
    depth: number
  ): ReadonlyArray<Mistake> {
    const first = listOf(own(schema, "prefixItems"))
    const rest = own(schema, "items")
    return value.flatMap((one, i) =>
      i < first.length ? this.look(first[i], one, [...path, i], depth) : this.look(rest, one, [...path, i], depth)
    )
  }

  #fields(
    schema: JsonObject,
    value: JsonObject,
    path: ReadonlyArray<string | number>,
    depth: number
  ): ReadonlyArray<Mistake> {
    const fields = objectOf(own(schema, "properties"))
    const missing = listOf(own(schema, "required")).filter((name): name is string =>
      typeof name === "string" && !Object.hasOwn(value, name)
    )
    const others = own(schema, "additionalProperties")
    return [
      ...missing.map((name) => ({
        path: [...path, name],
        expected: `${typeOf(this.#root, own(fields, name))}, and it is missing`
      })),
      ...Object.entries(value).flatMap(([name, one]): ReadonlyArray<Mistake> => {
        if (fields !== undefined && Object.hasOwn(fields, name)) {
          return this.look(fields[name], one, [...path, name], depth)
        }
        return others === false && fields !== undefined
          ? [{
            path: [...path, name],
            expected: `nothing of that name: there ${
              Object.keys(fields).length === 0 ? "is nothing" : `are ${Object.keys(fields).join(", ")}`
            }`
          }]
          : this.look(others, one, [...path, name], depth)
      })
    ]
  }
}

/**
 * What is wrong with a value by a schema, whose references lead into itself.
 *
 * @category predicates
 * @since 0.2.0
 */
export const mistakes = (schema: unknown, value: unknown, within: unknown = schema): ReadonlyArray<Mistake> => {
  const root = objectOf(within)
  return root === undefined ? [] : new Walk(root).look(schema, value, [])
}
