/** Where two contracts differ, in words. */
import type { Json } from "effect/Schema"
import { escapeText, quote } from "../base/quote.ts"
import type { Contract } from "./contract.ts"
import {
  binaryOf,
  coreOf,
  describe,
  isRequired,
  keyOf,
  maxDepth,
  maxSteps,
  membersOf,
  resolve,
  short,
  type Side,
  tagOf,
  textOf
} from "./contractSide.ts"
import { annotations, arrayOf, type JsonObject, lists, maps, objectOf, own, single } from "./jsonSchema.ts"

const maxDifferences = 16

/** Keywords that are looked at one by one, and so not compared as they are. */
const structure: ReadonlySet<string> = new Set([
  ...annotations,
  ...maps,
  ...lists,
  ...single,
  "type",
  "enum",
  "required",
  "$ref"
])

const memberKey = (tag: string | undefined, member: Side) => tag === undefined ? describe(member) : `#${tag}`

/** Walks both contracts at once and notes where they part. It takes so many steps, however large what a peer sent is. */
class Comparison {
  readonly found: Array<string> = []
  // References that were compared.
  readonly #seen = new Set<string>()
  #steps = 0

  /** Compares what is under one key of the contracts. */
  at(key: string, one: Json | undefined, two: Json | undefined): void {
    if (objectOf(one) === undefined || objectOf(two) === undefined) {
      const [here, there] = [one, two].map((value) =>
        objectOf(value) === undefined
          ? value === undefined ? "none" : short(quote(value))
          : describe({ schema: value!, root: value! })
      )
      if (here !== there) this.#add(key, `${here} here`, `${there} at the peer`)
      return
    }
    this.#go(key, { schema: one!, root: one! }, { schema: two!, root: two! }, 0)
  }

  #add(path: string, here: string, there: string): void {
    const text = `${short(path)}: ${here}, ${there}`
    if (this.found.length < maxDifferences && !this.found.includes(text)) this.found.push(text)
  }

  #step(): boolean {
    return this.found.length < maxDifferences && ++this.#steps < maxSteps
  }

  #go(path: string, first: Side, second: Side, depth: number): void {
    if (!this.#step() || depth > maxDepth) return
    const refs = [objectOf(first.schema)?.["$ref"], objectOf(second.schema)?.["$ref"]]
    if (typeof refs[0] === "string" && typeof refs[1] === "string") {
      const pair = JSON.stringify(refs)
      if (this.#seen.has(pair)) return
      this.#seen.add(pair)
    }
    const a = coreOf(first)
    const b = coreOf(second)
    const as = membersOf(a)
    const bs = membersOf(b)
    if (binaryOf(a) !== binaryOf(b)) return this.#add(path, `${describe(a)} here`, `${describe(b)} at the peer`)
    if (as.length !== 1 || bs.length !== 1) return this.#union(path, a, b, as, bs, depth)
    this.#single(path, as[0]!, bs[0]!, depth)
  }

  /** Members with one tag are compared with each other; what is left over on both sides is named. */
  #union(
    path: string,
    a: Side,
    b: Side,
    as: ReadonlyArray<Side>,
    bs: ReadonlyArray<Side>,
    depth: number
  ): void {
    // Those that have not been compared, by tag and by what they are, the last one first.
    const rest = new Map<string, Array<Side>>()
    const places = new Map<Side, number>()
    for (let i = bs.length - 1; i >= 0; i--) {
      if (!this.#step()) return
      const other = bs[i]!
      places.set(other, i)
      const key = memberKey(tagOf(other), other)
      const same = rest.get(key)
      if (same === undefined) rest.set(key, [other])
      else same.push(other)
    }
    let compared = 0
    let last = -1
    let moved = false
    for (const member of as) {
      if (!this.#step()) return
      const tag = tagOf(member)
      const other = rest.get(memberKey(tag, member))?.pop()
      if (other === undefined) continue
      compared++
      const at = places.get(other)!
      moved ||= at < last
      last = at
      this.#single(tag === undefined ? path : `${path}(${describe(member)})`, member, other, depth + 1)
    }
    if (compared < as.length || compared < bs.length) {
      this.#add(path, `${describe(a)} here`, `${describe(b)} at the peer`)
    } else if (moved) {
      // Which the codec tells apart by their order.
      this.#add(path, `${describe(a)} here`, `${describe(b)} at the peer, in another order`)
    }
  }

  #single(path: string, a: Side, b: Side, depth: number): void {
    if (!this.#step() || depth > maxDepth) return
    const here = describe(a)
    const there = describe(b)
    const x = objectOf(a.schema)
    const y = objectOf(b.schema)
    const type = x?.["type"]
    if (x === undefined || y === undefined || type !== y["type"]) {
      if (here !== there) this.#add(path, `${here} here`, `${there} at the peer`)
      return
    }
    // Things of different tags have nothing in common that would be worth naming.
    if (tagOf(a) !== undefined && tagOf(b) !== undefined && tagOf(a) !== tagOf(b)) {
      return this.#add(path, `${here} here`, `${there} at the peer`)
    }
    if (type === "object") return this.#properties(path, a, b, x, y, depth)
    if (type === "array") return this.#elements(path, a, b, x, y, depth)
    if (here !== there) return this.#add(path, `${here} here`, `${there} at the peer`)
    // A value may satisfy the one and not the other.
    for (const key of new Set([...Object.keys(x), ...Object.keys(y)])) {
      if (structure.has(key)) continue
      if (!this.#step()) return
      const [one, other] = [x, y].map((side) => {
        const value = own(side, key)
        // Escaped when it is short: what is escaped is no shorter.
        return value === undefined ? "none" : short(escapeText(short(textOf(value))))
      })
      if (one !== other) this.#add(`${path}${keyOf(key).replace(".", ", ")}`, `${one} here`, `${other} at the peer`)
    }
  }

  #properties(path: string, a: Side, b: Side, x: JsonObject, y: JsonObject, depth: number): void {
    const ours = objectOf(x["properties"]) ?? {}
    const yours = objectOf(y["properties"]) ?? {}
    for (const name of new Set([...Object.keys(ours), ...Object.keys(yours)])) {
      if (!this.#step()) return
      const at = `${path}${keyOf(name)}`
      const one = own(ours, name)
      const other = own(yours, name)
      if (one === undefined) {
        const what = describe(resolve({ schema: other!, root: b.root }))
        this.#add(at, "missing here", `${isRequired(y, name) ? "" : "optional "}${what} at the peer`)
      } else if (other === undefined) {
        const what = describe(resolve({ schema: one, root: a.root }))
        this.#add(at, `${isRequired(x, name) ? "" : "optional "}${what} here`, "missing at the peer")
      } else {
        if (isRequired(x, name) !== isRequired(y, name)) {
          this.#add(
            at,
            `${isRequired(x, name) ? "required" : "optional"} here`,
            `${isRequired(y, name) ? "required" : "optional"} at the peer`
          )
        }
        this.#go(at, { schema: one, root: a.root }, { schema: other, root: b.root }, depth + 1)
      }
    }
    const rest = x["additionalProperties"]
    const otherRest = y["additionalProperties"]
    if (objectOf(rest) !== undefined || objectOf(otherRest) !== undefined) {
      this.#go(
        `${path}.*`,
        { schema: rest ?? true, root: a.root },
        { schema: otherRest ?? true, root: b.root },
        depth + 1
      )
    }
  }

  #elements(path: string, a: Side, b: Side, x: JsonObject, y: JsonObject, depth: number): void {
    const ours = arrayOf(x["prefixItems"]) ?? []
    const yours = arrayOf(y["prefixItems"]) ?? []
    if (ours.length !== yours.length) {
      return this.#add(path, `${ours.length} fixed elements here`, `${yours.length} at the peer`)
    }
    for (let i = 0; i < ours.length && this.#step(); i++) {
      this.#go(`${path}[${i}]`, { schema: ours[i]!, root: a.root }, { schema: yours[i]!, root: b.root }, depth + 1)
    }
    const items = x["items"]
    const otherItems = y["items"]
    if (items !== undefined || otherItems !== undefined) {
      this.#go(
        `${path}[]`,
        { schema: items ?? true, root: a.root },
        { schema: otherItems ?? true, root: b.root },
        depth + 1
      )
    }
  }
}

/**
 * Where two contracts differ, in few words: `payload.size: number here, string at the peer`. Empty where their schemas show
 * no difference. `theirs` may be anything that a peer sent: what it costs is bounded, and its texts are quoted.
 */
export const differences = (mine: Contract, theirs: unknown): ReadonlyArray<string> => {
  const comparison = new Comparison()
  const other = objectOf(theirs)
  if (other !== undefined) {
    // A form, and numbers of fields, are in the contracts that have them.
    for (const key of new Set([...Object.keys(mine), "form", "fields"])) {
      comparison.at(key, own(mine, key), own(other, key))
    }
  }
  return comparison.found
}
