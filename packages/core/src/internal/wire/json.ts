/**
 * What JSON can carry and what not. `JSON.stringify` leaves out functions, writes NaN as null and a Date as text: a value that
 * arrives as another is worse than one that does not leave.
 */
import type { Json } from "effect/Schema"
import { NotJsonError } from "../../FunctionError.ts"
import { describe } from "../base/given.ts"
import { strictTextOf } from "../base/platform.ts"

/** Deeper values are taken for endless ones. */
const maxDepth = 512
const tooDeep = `nested deeper than ${maxDepth}`

const key = (name: string): string => /^[A-Za-z_$][\w$]*$/.test(name) ? `.${name}` : `[${JSON.stringify(name)}]`

/** What is wrong with a value: the path to it, innermost part first, and what is there. */
interface Fault {
  readonly path: Array<string>
  readonly found: string
}

const fault = (found: string): Fault => ({ path: [], found })

const tooLarge = "too large"

/** `left` is how long it may still be as JSON; what stands in several places counts in each of them. */
const check = (value: unknown, depth: number, room: { left: number }): Fault | undefined => {
  if (--room.left < 0) return fault(tooLarge)
  switch (typeof value) {
    case "string":
      room.left -= value.length + 1
      return undefined
    // Undefined is left out of objects, and null elsewhere, as everybody who writes JSON expects.
    case "undefined":
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
  if (depth > maxDepth) return fault(tooDeep)
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      room.left--
      const found = check(value[i], depth + 1, room)
      if (found !== undefined) {
        found.path.push(`[${i}]`)
        return found
      }
    }
    return undefined
  }
  const prototype: unknown = Object.getPrototypeOf(value)
  // Plain objects of another realm are plain, too.
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null) return fault(describe(value))
  for (const name in value) {
    const each = (value as Record<string, unknown>)[name]
    if (each === undefined) continue
    room.left -= name.length + 4
    const found = check(each, depth + 1, room)
    if (found !== undefined) {
      found.path.push(key(name))
      return found
    }
  }
  return undefined
}

/** A path of more steps than this is shown by its beginning and its end. */
const maxSteps = 16
const maxPath = 500

const shown = (root: string, steps: ReadonlyArray<string>): string => {
  const short = steps.map((step) => step.length <= maxPath ? step : `${step.slice(0, maxPath)}…`)
  return root + (short.length <= maxSteps
    ? short.join("")
    : `${short.slice(0, maxSteps / 2).join("")}…${short.slice(-maxSteps / 2).join("")}`)
}

/**
 * The first thing in a value that JSON has no form for, or that it is longer than `limit` characters as JSON: no more of it is
 * looked at than it takes to see that.
 */
export const notJson = (value: unknown, root: string, limit: number): NotJsonError | "too large" | undefined => {
  const room = { left: limit }
  const found = check(value, 0, room)
  if (found === undefined) return room.left < 0 ? tooLarge : undefined
  if (found.found === tooLarge) return tooLarge
  const steps = found.path.reverse()
  // What is in itself is found where it is met again, and not after hundreds of rounds.
  const round = found.found === tooDeep ? roundOf(value, steps) : undefined
  return round === undefined
    ? new NotJsonError({ path: shown(root, steps), found: found.found })
    : new NotJsonError({
      path: shown(root, steps.slice(0, round.to)),
      found: `the same as ${shown(root, steps.slice(0, round.from))}, so that it is in itself`
    })
}

/** Where a value is met again on the way down: the numbers of steps to it, first and again. */
const roundOf = (
  value: unknown,
  steps: ReadonlyArray<string>
): { readonly from: number; readonly to: number } | undefined => {
  const met = new Map<unknown, number>()
  let at = value
  for (let depth = 0; depth <= steps.length; depth++) {
    const from = met.get(at)
    if (from !== undefined) return { from, to: depth }
    met.set(at, depth)
    if (depth < steps.length) at = (at as Record<string, unknown>)[nameOfStep(steps[depth]!)]
  }
  return undefined
}

const nameOfStep = (step: string): string =>
  step.startsWith(".") ? step.slice(1) : String(JSON.parse(step.slice(1, -1)))

// What `notJson` lets through, inside the document that carries it.
const maxTextDepth = maxDepth + 2

/** What a value holds besides its bytes, at the least: a place in a list, an array, an object, a field. */
const place = 12
const array = 48
const object = 56
const field = 32
const view = 100

/**
 * About how many bytes the value of a document holds besides its texts, or `Infinity` where its arrays and objects are nested
 * deeper than this side would write them. It looks at the bytes once and parses nothing: `JSON.parse` takes any depth, makes
 * twenty bytes of each `[`, and whatever walks through its value afterwards, such as a Schema, would run out of stack.
 */
export const weigh = (bytes: Uint8Array): number => {
  let depth = 0
  let weight = 0
  for (let i = 0; i < bytes.length; i++) {
    switch (bytes[i]) {
      case 0x22: { // "
        for (i++; i < bytes.length; i++) {
          const byte = bytes[i]
          if (byte === 0x22) break
          // Whatever a backslash stands before is in the text.
          if (byte === 0x5c) i++
        }
        break
      }
      case 0x2c: // ,
        weight += place
        break
      case 0x3a: // :
        weight += field
        break
      case 0x5b: // [
        if (++depth > maxTextDepth) return Infinity
        weight += array
        break
      case 0x7b: // {
        if (++depth > maxTextDepth) return Infinity
        weight += object
        break
      case 0x5d: // ]
      case 0x7d: // }
        depth--
    }
  }
  return weight
}

/** Deeper than this no value is weighed. It may be in itself. */
const maxWeighed = 64

/** `weigh` of a value that was made of other bytes, its empty texts and bytes included; no more is looked at than makes `limit`. */
export const weightOf = (value: unknown, limit: number): number => {
  let weight = 0
  const go = (value: object, depth: number): void => {
    if (ArrayBuffer.isView(value)) weight += view
    else if (depth > maxWeighed) return
    else if (Array.isArray(value)) {
      weight += array + place * value.length
      for (let i = 0; i < value.length && weight <= limit; i++) {
        const each: unknown = value[i]
        if (typeof each === "object" && each !== null) go(each, depth + 1)
      }
    } else {
      weight += object
      for (const name in value) {
        if (weight > limit) return
        weight += field
        const each: unknown = (value as Record<string, unknown>)[name]
        if (typeof each === "object" && each !== null) go(each, depth + 1)
      }
    }
  }
  if (typeof value === "object" && value !== null) go(value, 0)
  return weight
}

/** Whether arrays and objects are nested deeper than this side would write them. */
export const isDeep = (bytes: Uint8Array): boolean =>
  // Each level is opened and closed.
  bytes.length > 2 * maxTextDepth && weigh(bytes) === Infinity

/** Whether a value has a number that is not finite: `1e400` is JSON, and no number here has a form in it that would leave again. */
const hasInfinite = (value: unknown): boolean => {
  if (typeof value === "number") return !Number.isFinite(value)
  if (typeof value !== "object" || value === null) return false
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) if (hasInfinite(value[i])) return true
    return false
  }
  for (const name in value) if (hasInfinite((value as Record<string, unknown>)[name])) return true
  return false
}

/** What a document says that is written as most are, exactly as `JSON.parse` has it; `undefined` where it is written otherwise. */
export type Usual = (text: string) => Json | undefined

const valueOf = (text: string, usual: Usual | undefined): Json => {
  try {
    const value = usual?.(text)
    if (value !== undefined) return value
  } catch {
    // What is wrong with it is found by reading all of it.
  }
  return JSON.parse(text) as Json
}

/** Parses a peer's JSON; a text says what is wrong with it. */
export const parse = (bytes: Uint8Array, usual?: Usual): { readonly value: Json } | string => {
  if (isDeep(bytes)) return tooDeep
  const text = strictTextOf(bytes)
  if (text === undefined) return "not UTF-8"
  try {
    const value = valueOf(text, usual)
    return hasInfinite(value) ? "a number that is not finite" : { value }
  } catch {
    return "not JSON"
  }
}

/** How long a value is as JSON, at the least; no more of it is looked at than it takes to see that it is longer than `limit`. */
export const lengthUpTo = (value: unknown, limit: number): number => {
  let length = 0
  const go = (value: unknown): void => {
    if (typeof value === "string") length += value.length + 2
    else if (typeof value !== "object" || value === null) length += 1
    else if (Array.isArray(value)) {
      length += 1
      for (let i = 0; i < value.length && length <= limit; i++) {
        length += 1
        go(value[i])
      }
    } else {
      length += 1
      for (const name in value) {
        if (length > limit) return
        const each = (value as Record<string, unknown>)[name]
        // Undefined is left out.
        if (each === undefined) continue
        length += name.length + 4
        go(each)
      }
    }
  }
  go(value)
  return length
}

/** Whether a value is an object that is neither null nor an array. */
export const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)
