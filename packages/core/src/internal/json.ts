/**
 * What JSON can carry and what not. `JSON.stringify` leaves out functions, writes NaN as null and a Date as text: a value that
 * arrives as another is worse than one that does not leave.
 */
import type { Json } from "effect/Schema"
import { NotJsonError } from "../FunctionError.ts"

/** Deeper values are taken for endless ones. */
const maxDepth = 512

const nameOf = (value: object): string => {
  const constructor: unknown = value.constructor
  return typeof constructor === "function" && constructor.name !== "" ? constructor.name : "class"
}

const key = (name: string): string => /^[A-Za-z_$][\w$]*$/.test(name) ? `.${name}` : `[${JSON.stringify(name)}]`

/** What is wrong with a value: the path to it, innermost part first, and what is there. */
interface Fault {
  readonly path: Array<string>
  readonly found: string
}

const fault = (found: string): Fault => ({ path: [], found })

const check = (value: unknown, depth: number): Fault | undefined => {
  switch (typeof value) {
    // Undefined is left out of objects, and null elsewhere, as everybody who writes JSON expects.
    case "undefined":
    case "string":
    case "boolean":
      return undefined
    case "number":
      return Number.isFinite(value) ? undefined : fault(String(value))
    case "object":
      break
    default:
      return fault(`a ${typeof value}`)
  }
  if (value === null) return undefined
  if (depth > maxDepth) return fault(`nested deeper than ${maxDepth}, or in itself`)
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      const found = check(value[i], depth + 1)
      if (found !== undefined) {
        found.path.push(`[${i}]`)
        return found
      }
    }
    return undefined
  }
  const prototype: unknown = Object.getPrototypeOf(value)
  // Plain objects of another realm are plain, too.
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null) return fault(`an instance of ${nameOf(value)}`)
  for (const name in value) {
    const found = check((value as Record<string, unknown>)[name], depth + 1)
    if (found !== undefined) {
      found.path.push(key(name))
      return found
    }
  }
  return undefined
}

/** The first thing in a value that JSON has no form for. */
export const notJson = (value: unknown, root: string): NotJsonError | undefined => {
  const found = check(value, 0)
  return found === undefined
    ? undefined
    : new NotJsonError({ path: root + found.path.reverse().join(""), found: found.found })
}

/** Parses JSON, or `undefined` where it is none. */
export const parse = (text: string): { readonly value: Json } | undefined => {
  try {
    return { value: JSON.parse(text) as Json }
  } catch {
    return undefined
  }
}

/** Whether a value is an object that is neither null nor an array. */
export const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)
