/**
 * What a function takes and gives, as JSON Schema: made from Schemas, hashed, and compared with a peer's.
 *
 * A contract is an object whose values are JSON Schemas (`payload`, `success`, `args`, …) or plain values (`stream`). Two nodes
 * with one hash agree. Where the hashes differ they may still understand each other (`compatible`); where they do not, `differences` says why.
 *
 * What bites: JSON Schema knows less than a Schema does. A `Date` and a `String` are both text there, so equal hashes do not
 * prove that values can be decoded.
 */
import { sha512 } from "@noble/hashes/sha2.js"
import type { Json } from "effect/Schema"
import * as Schema from "effect/Schema"
import { utf8 } from "../base/platform.ts"
import {
  annotations,
  canonicalData,
  compare,
  definitionOf,
  type JsonObject,
  lists,
  maps,
  objectOf,
  sets,
  single,
  sorted,
  written
} from "./jsonSchema.ts"

/** What a function takes and gives. */
export type Contract = Readonly<Record<string, Json>>

// --- made ----------------------------------------------------------------------------------------------------------------

const schemas = new WeakMap<Schema.Constraint, Json>()

/** A Schema's JSON Schema with its definitions in `$defs`, and those of its annotations that are asked for. Throws where it has none. */
export const documentOf = (schema: Schema.Constraint, includeAnnotationKey?: (key: string) => boolean): Json => {
  const document = Schema.toJsonSchemaDocument(
    schema,
    includeAnnotationKey === undefined ? {} : { includeAnnotationKey }
  )
  const text = JSON.stringify(
    Object.keys(document.definitions).length === 0
      ? document.schema
      : { ...document.schema, $defs: document.definitions }
  )
  return JSON.parse(text) as Json
}

/** The JSON Schema of a Schema's JSON form, with its definitions in `$defs`. What has none is `{}`: anything. */
export const jsonSchemaOf = (schema: Schema.Constraint): Json => {
  const known = schemas.get(schema)
  if (known !== undefined) return known
  let made: Json = {}
  try {
    made = documentOf(schema)
  } catch {
    // An annotation of the program's own that throws, or gives what JSON has no form for.
  }
  schemas.set(schema, made)
  return made
}

/** The contract of a command, and its hash. */
export const ofCommand = (command: {
  readonly description: string | undefined
  readonly args: Schema.Constraint
  readonly kwargs: Schema.Constraint
  readonly success: Schema.Constraint
  readonly error: Schema.Constraint
}) => {
  const schemas = {
    args: jsonSchemaOf(command.args),
    kwargs: jsonSchemaOf(command.kwargs),
    success: jsonSchemaOf(command.success),
    error: jsonSchemaOf(command.error)
  }
  return {
    ...(command.description === undefined ? {} : { description: command.description }),
    ...schemas,
    contract: hashOf(schemas)
  }
}

/** The hash of what the values of a topic are. */
export const ofTopic = (payload: Schema.Constraint): string => hashOf({ payload: jsonSchemaOf(payload) })

// --- hashed --------------------------------------------------------------------------------------------------------------

/** A schema of this program with sorted keys, no annotations, and definitions in the order they are met, without their names. */
const canonical = (root: Json): Json => {
  const met = new Map<string, number>()
  const go = (schema: Json): Json => {
    const object = objectOf(schema)
    if (object === undefined) return schema
    const ref = object["$ref"]
    if (typeof ref === "string") {
      const known = met.get(ref)
      if (known !== undefined) return { $ref: known }
      const definition = definitionOf(root, ref)
      if (definition !== undefined) {
        met.set(ref, met.size)
        return go(definition)
      }
    }
    const kept = Object.fromEntries(Object.entries(object).filter(([key]) => !annotations.has(key)))
    return sorted(kept, (value, key) => {
      if (maps.has(key)) return objectOf(value) === undefined ? value : sorted(value as JsonObject, go)
      if (lists.has(key)) return Array.isArray(value) ? value.map(go) : value
      if (single.has(key)) return go(value)
      if (sets.has(key) && Array.isArray(value)) {
        return value.map(written).sort(compare)
      }
      return canonicalData(value)
    })
  }
  return go(root)
}

/** The first eight bytes of the SHA-512 of a contract's schemas without their annotations. */
export const hashBytesOf = (contract: Contract): Uint8Array =>
  sha512(utf8(written(sorted(contract, canonical)))).slice(0, 8)

/** `hashBytesOf` as 16 hexadecimal digits. */
export const hashOf = (contract: Contract): string =>
  Array.from(hashBytesOf(contract), (byte) => byte.toString(16).padStart(2, "0")).join("")
