/** Whether two contracts go together though they differ. */
import type { Contract } from "./contract.ts"
import {
  binaryOf,
  coreOf,
  isRequired,
  maxDepth,
  maxSteps,
  membersOf,
  type Side,
  tagOf,
  textOf
} from "./contractSide.ts"
import { arrayOf, type JsonObject, objectOf, own } from "./jsonSchema.ts"

const isNumber = (type: unknown): boolean => type === "number" || type === "integer"

/** Whether what has no type says by something else what it is. */
const saysMore = (schema: JsonObject): boolean =>
  ["$ref", "anyOf", "oneOf", "allOf"].some((key) => own(schema, key) !== undefined)

/** Whether an array's length is not always the same, so that it has to be written. */
const isCounted = (schema: JsonObject, fixed: number): boolean => {
  const items = own(schema, "items")
  return items !== false &&
    (objectOf(items) !== undefined || own(schema, "minItems") !== fixed || own(schema, "maxItems") !== fixed)
}

/**
 * Whether two contracts let each side read what the other writes, as `SchemaBinary` does in its default mode: struct fields may
 * be added where the reader does not ask for them, and everything else has to be of the same kind. It does not check kinds
 * by itself: an array that is read as a text is a text. `theirs` may be anything that a peer sent, and costs no more than it may.
 */
export const compatible = (mine: Contract, theirs: unknown): boolean => {
  const seen = new Set<string>()
  let steps = 0

  /** `packed` is whether it stands in an array or a record, where integers have a form of their own. */
  const readable = (writer: Side, reader: Side, depth: number, packed = false): boolean => {
    if (depth > maxDepth || ++steps > maxSteps) return false
    const refs = [objectOf(writer.schema)?.["$ref"], objectOf(reader.schema)?.["$ref"]]
    if (typeof refs[0] === "string" && typeof refs[1] === "string") {
      // Two kinds of numbers go together in one place and not in another.
      const pair = JSON.stringify([refs, packed])
      if (seen.has(pair)) return true
      seen.add(pair)
    }
    const w = coreOf(writer)
    const r = coreOf(reader)
    const ws = membersOf(w)
    const rs = membersOf(r)
    if (ws.length !== rs.length || binaryOf(w) !== binaryOf(r)) return false
    if (ws.length !== 1 || ws[0] !== w || rs[0] !== r) {
      return ws.every((w, i) => tagOf(w) === tagOf(rs[i]!) && readable(w, rs[i]!, depth + 1))
    }
    const x = objectOf(w.schema)
    const y = objectOf(r.schema)
    if (x === undefined || y === undefined) return x === y && w.schema === r.schema
    if ((objectOf(x["not"]) !== undefined) !== (objectOf(y["not"]) !== undefined)) return false
    const { type } = x
    if (isNumber(type) && isNumber(y["type"])) return !packed || type === y["type"]
    if (type !== y["type"] || tagOf(w) !== tagOf(r)) return false
    const same = (key: string) => textOf(own(x, key) ?? null) === textOf(own(y, key) ?? null)
    if (type === undefined) return !saysMore(x) && !saysMore(y) && same("enum")
    if (type === "string") return same("format") && same("contentEncoding") && same("pattern")
    const both = (key: string, packed: boolean): boolean => {
      const one = x[key]
      const other = y[key]
      if (objectOf(one) === undefined && objectOf(other) === undefined) return true
      return one !== undefined && other !== undefined &&
        readable({ schema: one, root: w.root }, { schema: other, root: r.root }, depth + 1, packed)
    }
    if (type === "array") {
      const ours = arrayOf(x["prefixItems"]) ?? []
      const yours = arrayOf(y["prefixItems"]) ?? []
      return ours.length === yours.length && isCounted(x, ours.length) === isCounted(y, yours.length) &&
        both("items", true) &&
        ours.every((item, i) =>
          readable({ schema: item, root: w.root }, { schema: yours[i]!, root: r.root }, depth + 1, true)
        )
    }
    if (type !== "object") return true
    if (!both("additionalProperties", true) || !patterns(w, r, depth) || !rests(w, r, depth)) return false
    const written = objectOf(x["properties"]) ?? {}
    const read = objectOf(y["properties"]) ?? {}
    return Object.keys(read).every((name) => {
      const one = own(written, name)
      return one === undefined
        ? ++steps < maxSteps && !isRequired(y, name)
        : readable({ schema: one, root: w.root }, { schema: read[name]!, root: r.root }, depth + 1)
    })
  }

  /** The fields whose names are like a pattern: who does not know the pattern leaves them out. */
  const patterns = (writer: Side, reader: Side, depth: number): boolean => {
    const [x, y] = [writer, reader].map(({ schema }) => objectOf(objectOf(schema)?.["patternProperties"]) ?? {})
    return Object.keys(x!).length === Object.keys(y!).length && Object.keys(x!).every((pattern) => {
      const other = own(y!, pattern)
      return other !== undefined &&
        readable({ schema: x![pattern]!, root: writer.root }, { schema: other, root: reader.root }, depth + 1, true)
    })
  }

  /** What else an object is at once, which is how JSON Schema has a struct with further fields. */
  const rests = (writer: Side, reader: Side, depth: number): boolean => {
    const [x, y] = [writer, reader].map(({ schema }) =>
      (arrayOf(objectOf(schema)?.["allOf"]) ?? []).filter((each) => objectOf(each)?.["type"] !== undefined)
    )
    return x!.length === y!.length &&
      x!.every((each, i) =>
        readable({ schema: each, root: writer.root }, { schema: y![i]!, root: reader.root }, depth + 1)
      )
  }

  const other = objectOf(theirs)
  if (other === undefined) return false
  const ways = (key: string, writes: boolean): boolean => {
    const one = own(mine, key)
    const two = own(other, key)
    if (one === undefined || two === undefined) return false
    // A reference means one thing on the way there, and another on the way back.
    seen.clear()
    const [a, b] = [{ schema: one, root: one }, { schema: two, root: two }]
    return writes ? readable(a, b, 0) : readable(b, a, 0)
  }
  return own(mine, "stream") === own(other, "stream") && own(mine, "form") === own(other, "form") &&
    textOf(own(mine, "fields") ?? null) === textOf(own(other, "fields") ?? null) &&
    ways("payload", true) && ways("success", false) &&
    ways("error", false)
}
