/**
 * The JSON Schema of a Schema, with what it does not say of the bytes of typed calls: where `SchemaBinary` has a form of its own for
 * a value that JSON writes as a text, or as an object with a tag, the keyword `binary` says which. A date is not a text there.
 *
 * What bites: only what is encoded is looked at. `Schema.DateFromString` is a text in both forms.
 */
import type { Json } from "effect/Schema"
import * as Schema from "effect/Schema"
import * as SchemaAST from "effect/SchemaAST"
import { documentOf, jsonSchemaOf } from "./contract.ts"
import { compare, lists, maps, objectOf, single } from "./jsonSchema.ts"

/** The keyword, where it stands in a contract. */
export const keyword = "binary"

/** The annotation that becomes it: a program may have one of its own that is called like the keyword. */
const annotation = "@pnet/core/binary"

/** What the declarations are called of which `SchemaBinary` has a form. Two moments have one. */
const natives: Readonly<Record<string, string>> = {
  "effect/schema/Date": "Date",
  "effect/schema/DateTimeUtc": "Date",
  "effect/schema/DateTimeZoned": "DateTimeZoned",
  "effect/schema/Duration": "Duration",
  "effect/schema/BigDecimal": "BigDecimal",
  "effect/schema/Uint8Array": "Uint8Array",
  "effect/schema/Option": "Option",
  "effect/schema/Result": "Result",
  "effect/schema/Exit": "Exit",
  "effect/schema/Cause": "Cause",
  "effect/schema/CauseReason": "CauseReason"
}

const markOf = (ast: SchemaAST.AST): string | undefined => {
  switch (ast._tag) {
    case "BigInt":
    case "Symbol":
      return ast._tag
    case "UniqueSymbol":
      return "Symbol"
    case "Literal":
      return typeof ast.literal === "bigint" ? "BigInt" : undefined
    case "Declaration": {
      const representation: unknown = ast.annotations?.["representation"]
      const id = typeof representation === "object" && representation !== null && "id" in representation
        ? representation.id
        : undefined
      return typeof id === "string" && Object.hasOwn(natives, id) ? natives[id] : undefined
    }
  }
  return undefined
}

/** A node as it was, but for its annotations, its encoding, or what is in it. */
const rebuilt = (ast: SchemaAST.AST, to: {
  readonly annotations?: Schema.Annotations.Annotations | undefined
  readonly encoding?: SchemaAST.Encoding | undefined
  readonly parts?: (part: SchemaAST.AST) => SchemaAST.AST
}): SchemaAST.AST => {
  const { checks, context } = ast
  const { annotations = ast.annotations, encoding = ast.encoding, parts = (part) => part } = to
  switch (ast._tag) {
    case "String":
      return new SchemaAST.String(annotations, checks, encoding, context)
    case "BigInt":
      return new SchemaAST.BigInt(annotations, checks, encoding, context)
    case "Symbol":
      return new SchemaAST.Symbol(annotations, checks, encoding, context)
    case "Literal":
      return new SchemaAST.Literal(ast.literal, annotations, checks, encoding, context)
    case "Arrays":
      return new SchemaAST.Arrays(
        ast.isMutable,
        ast.elements.map(parts),
        ast.rest.map(parts),
        annotations,
        checks,
        encoding,
        context,
        ast.encodingChecks
      )
    case "Objects":
      return new SchemaAST.Objects(
        ast.propertySignatures.map(({ name, type }) => new SchemaAST.PropertySignature(name, parts(type))),
        ast.indexSignatures.map(({ parameter, type }) => new SchemaAST.IndexSignature(parameter, parts(type))),
        annotations,
        checks,
        encoding,
        context,
        ast.encodingChecks
      )
    case "Union":
      return new SchemaAST.Union(
        ast.types.map(parts),
        ast.options,
        annotations,
        checks,
        encoding,
        context,
        ast.encodingChecks
      )
    case "Declaration":
      return new SchemaAST.Declaration(
        ast.typeParameters.map(parts),
        ast.run,
        annotations,
        checks,
        encoding,
        context,
        ast.encodingChecks
      )
  }
  return ast
}

/** A node whose last encoding, or which itself where it has none, is made by `f`. */
const atEncoded = (ast: SchemaAST.AST, f: (encoded: SchemaAST.AST) => SchemaAST.AST): SchemaAST.AST => {
  if (ast.encoding === undefined) return f(ast)
  const link = ast.encoding[ast.encoding.length - 1]!
  const to = atEncoded(link.to, f)
  if (to === link.to) return ast
  const links = [...ast.encoding.slice(0, -1), new SchemaAST.Link(to, link.transformation)]
  return withEncoding(ast, links as unknown as SchemaAST.Encoding)
}

/** A node with another encoding. Not all kinds are made anew by `rebuilt`: whatever it is, it is read as what it is encoded as. */
const withEncoding = (ast: SchemaAST.AST, encoding: SchemaAST.Encoding): SchemaAST.AST => {
  const made = rebuilt(ast, { encoding })
  return made === ast ? encoding[encoding.length - 1]!.to : made
}

/** A schema whose JSON form is annotated where its binary form is another; the schema itself where that is nowhere. */
const marked = (root: SchemaAST.AST): SchemaAST.AST => {
  const known = new Map<SchemaAST.AST, SchemaAST.AST>()
  const go = (ast: SchemaAST.AST): SchemaAST.AST => {
    const made = known.get(ast)
    if (made !== undefined) return made
    const out = atEncoded(ast, (encoded) => {
      let changed = false
      const inside = rebuilt(encoded, {
        parts: (part) => {
          const other = go(part)
          changed ||= other !== part
          return other
        }
      })
      const whole = changed ? inside : encoded
      const mark = markOf(encoded)
      if (mark === undefined) return whole
      // What it is in JSON, and what that says.
      const json = Schema.toCodecJson(Schema.make<Schema.Top>(whole)).ast
      return atEncoded(
        json,
        (text) => rebuilt(text, { annotations: { ...text.annotations, [annotation]: mark } })
      )
    })
    known.set(ast, out)
    return out
  }
  return go(root)
}

/** A schema with the keyword in place of the annotation. A field may be called as either, and stays. */
const renamed = (schema: Json): Json => {
  if (Array.isArray(schema)) return schema.map(renamed)
  const object = objectOf(schema)
  if (object === undefined) return schema
  const inMap = (value: Json): Json => {
    const map = objectOf(value)
    return map === undefined
      ? value
      : Object.fromEntries(Object.entries(map).map(([name, each]) => [name, renamed(each)]))
  }
  return Object.fromEntries(
    Object.entries(object).map(([key, value]) =>
      key === annotation
        ? [keyword, value]
        : [
          key,
          maps.has(key) || key === "$defs" ? inMap(value) : lists.has(key) || single.has(key) ? renamed(value) : value
        ]
    )
  )
}

const schemas = new WeakMap<Schema.Constraint, Json>()

/** `jsonSchemaOf` with the keyword `binary` at each place that is another in `SchemaBinary`; the same where there is none. */
export const binarySchemaOf = (schema: Schema.Constraint): Json => {
  const known = schemas.get(schema)
  if (known !== undefined) return known
  let made: Json
  try {
    const ast = marked(schema.ast)
    made = ast === schema.ast
      ? jsonSchemaOf(schema)
      : renamed(documentOf(Schema.make<Schema.Top>(ast), (key) => key === annotation))
  } catch {
    made = jsonSchemaOf(schema)
  }
  schemas.set(schema, made)
  return made
}

// --- fields ----------------------------------------------------------------------------------------------------------------

/** What `SchemaBinary.fieldId` notes. */
const fieldId = "~effect/encoding/SchemaBinary/fieldId"

/**
 * The fields that are told by another number than that of their names, with it: `payload.a 1`. JSON has names alone, and of two sides
 * that number otherwise each would read one field as another.
 */
export const numberedFields = (key: string, schema: Schema.Constraint): ReadonlyArray<string> => {
  const found: Array<string> = []
  const seen = new Set<SchemaAST.AST>()
  const go = (ast: SchemaAST.AST, path: string): void => {
    if (seen.has(ast)) return
    seen.add(ast)
    switch (ast._tag) {
      case "Objects": {
        const named = ast.propertySignatures.map(({ name, type }) => ({ at: `${path}.${String(name)}`, type }))
        for (const { at, type } of named.sort((a, b) => compare(a.at, b.at))) {
          const id: unknown = type.context?.annotations?.[fieldId]
          if (typeof id === "number") found.push(`${at} ${id}`)
          go(type, at)
        }
        for (const { type } of ast.indexSignatures) go(type, `${path}.*`)
        return
      }
      case "Arrays":
        for (const type of [...ast.elements, ...ast.rest]) go(type, `${path}[]`)
        return
      case "Union":
        for (const type of ast.types) go(type, path)
        return
      case "Declaration":
        for (const type of ast.typeParameters) go(SchemaAST.toEncoded(type), path)
    }
  }
  go(SchemaAST.toEncoded(schema.ast), key)
  return found
}
