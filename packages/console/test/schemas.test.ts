/** What peers say that their functions take is theirs: it is looked at in bounded time, and only what surely is wrong is said to be. */
import { assert, describe, it } from "@effect/vitest"
import { mistakes } from "@pnet/console/Mistakes"
import { argumentsOf, keywordsOf, signatureOf, typeOf } from "@pnet/console/Signature"
import { counted } from "@pnet/lab/harness/lookups"
import { Schema } from "effect"

const jsonSchema = (schema: Schema.Constraint) => {
  const { definitions, schema: json } = Schema.toJsonSchemaDocument(schema)
  return { ...json, $defs: definitions } as Record<string, unknown>
}

/** What JSON says that it is not. */
const wrong = (schema: unknown, value: unknown) =>
  mistakes(schema, value).map(({ expected, path }) => `${path.join(".")}: ${expected}`)

describe("a value by a peer's schema", () => {
  it("is taken where Schema takes it, and otherwise pointed at", () => {
    const schema = jsonSchema(Schema.Struct({
      name: Schema.String.check(Schema.isMinLength(2)),
      size: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 9 })),
      kind: Schema.Literals(["a", "b"]),
      tags: Schema.optionalKey(Schema.Array(Schema.String)),
      at: Schema.optionalKey(Schema.NullOr(Schema.Struct({ x: Schema.Finite, y: Schema.Finite }))),
      either: Schema.optionalKey(Schema.Union([Schema.Boolean, Schema.Struct({ deep: Schema.Boolean })]))
    }))
    const good = { name: "bob", size: 3, kind: "a", tags: [], at: null, either: { deep: true } }
    assert.deepStrictEqual(wrong(schema, good), [])
    assert.deepStrictEqual(wrong(schema, { ...good, name: "", size: 10, kind: "c", tags: ["x", 1], at: { x: 1 } }), [
      "name: at least 1 character",
      "size: at most 9",
      "kind: \"a\" | \"b\"",
      "tags.1: text",
      "at.y: number, and it is missing"
    ])
    assert.deepStrictEqual(wrong(schema, { ...good, either: 1 }), ["either: boolean | { deep: boolean }"])
    assert.deepStrictEqual(wrong(schema, { ...good, either: { deep: 1 } }), ["either.deep: true or false"])
    assert.deepStrictEqual(wrong(schema, []), [": an object"])
  })

  it("is let through where the schema is not to be understood", () => {
    for (
      const schema of [
        undefined,
        null,
        1,
        "x",
        [],
        {},
        { $ref: "#/nowhere" },
        { $ref: "x" },
        { type: "unheard of" },
        { type: 5 },
        { anyOf: 3 },
        { properties: [] },
        { required: "x" },
        { enum: {} }
      ]
    ) {
      assert.deepStrictEqual(wrong(schema, { a: 1 }), [], JSON.stringify(schema))
    }
    // Names that objects have by themselves are no fields of a schema.
    assert.deepStrictEqual(
      wrong({ type: "object", properties: {} }, JSON.parse("{\"__proto__\":1,\"constructor\":2}")),
      []
    )
  })

  it("is looked at in bounded time, however the schema goes round or grows", () => {
    const round = { $ref: "#/$defs/a", $defs: { a: { $ref: "#/$defs/b" }, b: { $ref: "#/$defs/a" } } }
    assert.deepStrictEqual(wrong(round, 1), [])
    const bomb = {
      $ref: "#/$defs/a",
      $defs: { a: { anyOf: Array.from({ length: 100 }, () => ({ $ref: "#/$defs/a" })) } }
    }
    assert.doesNotThrow(() => wrong(bomb, 1))
    const wide = {
      type: "object",
      properties: Object.fromEntries(Array.from({ length: 400 }, (_, i) => [`f${i}`, { $ref: "#" }])),
      $defs: {
        self: {
          type: "object",
          properties: Object.fromEntries(Array.from({ length: 400 }, (_, i) => [`f${i}`, { $ref: "#/$defs/self" }]))
        }
      }
    }
    const widest = { ...wide.$defs.self, $defs: wide.$defs }
    assert.isBelow(typeOf(widest, widest).length, 100_000)
    assert.doesNotThrow(() => wrong(widest, { f1: { f2: {} } }))
    let deep: unknown = 1
    for (let i = 0; i < 1_000; i++) deep = { a: deep }
    assert.doesNotThrow(() =>
      wrong({
        type: "object",
        additionalProperties: { $ref: "#/$defs/x" },
        $defs: { x: { type: "object", additionalProperties: { $ref: "#/$defs/x" } } }
      }, deep)
    )
  })
})

describe("a signature", () => {
  it("says what a function takes and gives, as far as it is known", () => {
    const args = jsonSchema(Schema.Tuple([
      Schema.Finite.annotate({ title: "a" }),
      Schema.optionalKey(Schema.Literals(["x", "y"]))
    ]))
    const kwargs = jsonSchema(Schema.Struct({ "odd name": Schema.NullOr(Schema.Int) }))
    const described = { name: "f", kind: "command", args, kwargs, success: jsonSchema(Schema.Void) }
    assert.strictEqual(signatureOf(described), "f(a: number, arg2?: \"x\" | \"y\", { \"odd name\": integer | null })")
    assert.strictEqual(signatureOf({ name: "f", kind: "function" }), "f(…)")
    assert.strictEqual(
      signatureOf({
        ...described,
        kwargs: {},
        success: jsonSchema(Schema.Array(Schema.Union([Schema.String, Schema.Boolean]))),
        stream: true
      }),
      "f(a: number, arg2?: \"x\" | \"y\") → (string | boolean)[] …"
    )
    assert.deepStrictEqual(
      argumentsOf(jsonSchema(Schema.TupleWithRest(Schema.Tuple([Schema.String]), [Schema.Int])))?.map((
        { rest, type }
      ) => [type, rest]),
      [["string", false], ["integer", true]]
    )
    assert.deepStrictEqual(keywordsOf(jsonSchema(Schema.Struct({}))), [])
  })

  it("follows each reference once, however long it is and however many lead to it", () => {
    const to = (name: string) => ({ $ref: `#/$defs/${name}` })
    const long = "x".repeat(1_000)
    const first = Array.from({ length: 400 }, () => to("a"))
    const { definitions, lookups } = counted({ a: to(long), [long]: to(long) })
    const args = { prefixItems: first, $defs: definitions }
    assert.include(signatureOf({ name: "f", kind: "command", args }), "arg400?: any")
    assert.deepStrictEqual(wrong(args, first), [])
    assert.isAtMost(lookups(), first.length + 2)
    // One object may be of two schemas.
    const ref = to("a")
    assert.strictEqual(typeOf({ $defs: { a: { type: "string" } } }, ref), "string")
    assert.strictEqual(typeOf({ $defs: { a: { type: "null" } } }, ref), "null")
  })

  it("is short, and made in bounded time, whatever a peer describes", () => {
    const text = "x".repeat(60_000)
    const each = (name: string) => Object.fromEntries(Array.from({ length: 6 }, (_, i) => [`f${i}`, { $ref: name }]))
    const bomb = {
      prefixItems: Array.from({ length: 200 }, () => ({ $ref: "#/$defs/a" })),
      $defs: {
        a: { type: "object", properties: each("#/$defs/b") },
        b: { type: "object", properties: each("#/$defs/c") },
        c: { type: "object", properties: each("#/$defs/d") },
        d: { enum: [text, { text }, [text], 1] }
      }
    }
    assert.isBelow(signatureOf({ name: "f", kind: "command", args: bomb }).length, 250_000)
    for (
      const schema of [
        { const: text },
        { const: { text } },
        { type: text },
        { type: [text, [text], { text }] },
        { type: "object", properties: { [text]: { type: text } } }
      ]
    ) assert.isBelow(typeOf(schema, schema).length, 500)
    assert.strictEqual(typeOf({}, { enum: ["a", 1, null, [1], {}] }), "\"a\" | 1 | null | […] | {…}")
  })
})
