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

// What `notJson` lets through, inside the document that carries it.
const maxTextDepth = maxDepth + 2

/**
 * Whether arrays and objects are nested deeper than this side would write them. `JSON.parse` takes any depth, and whatever
 * walks through its value afterwards, such as a Schema, would run out of stack.
 */
export const isDeep = (text: string): boolean => {
  // Each level is opened and closed.
  if (text.length <= 2 * maxTextDepth) return false
  let depth = 0
  let inText = false
  for (let i = 0; i < text.length; i++) {
    switch (text.charCodeAt(i)) {
      case 0x22: // "
        inText = !inText
        break
      case 0x5c: // a backslash
        if (inText) i++
        break
      case 0x5b: // [
      case 0x7b: // {
        if (!inText && ++depth > maxTextDepth) return true
        break
      case 0x5d: // ]
      case 0x7d: // }
        if (!inText) depth--
    }
  }
  return false
}

/** Parses a peer's JSON; a text says what is wrong with it. */
export const parse = (text: string): { readonly value: Json } | string => {
  try {
    const value = JSON.parse(text) as Json
    return isDeep(text) ? `nested deeper than ${maxDepth}` : { value }
  } catch {
    return "not JSON"
  }
}

/** Whether a value is an object that is neither null nor an array. */
export const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)
