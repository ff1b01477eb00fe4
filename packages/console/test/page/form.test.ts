/** Forms of what peers say that their functions take: what is asked for, what is made of it, and what it is as text to copy. */
import { assert, describe, it } from "@effect/vitest"
import type { JsonObject } from "@pnet/console/JsonSchema"
import { Schema } from "effect"
import { execFileSync } from "node:child_process"
import { asCommand as inShell, asTypeScript, type Call, takenOf } from "../../page/form/call.ts"
import { checked, type Draft, draftFrom, draftOf } from "../../page/form/draft.ts"
import { fieldOf } from "../../page/form/field.ts"

const jsonSchema = (schema: Schema.Constraint): JsonObject => {
  const { definitions, schema: of } = Schema.toJsonSchemaDocument(schema)
  return JSON.parse(JSON.stringify({ ...of, $defs: definitions })) as JsonObject
}

const wrongIn = (root: JsonObject, draft: Draft) => checked(root, draft).wrong.map(({ path }) => path.join("."))

const typed = (text: string): Draft => ({ kind: "typed", text })
const chosen = (value: Schema.Json): Draft => ({ kind: "chosen", value })

describe("what a form asks for", () => {
  const kind = (schema: Schema.Constraint) => {
    const root = jsonSchema(schema)
    return fieldOf(root, root).kind
  }

  it("is what a Schema takes", () => {
    assert.strictEqual(kind(Schema.String), "text")
    assert.strictEqual(kind(Schema.Number), "number", "beside which NaN and Infinity are text")
    assert.strictEqual(kind(Schema.Finite), "number")
    assert.strictEqual(kind(Schema.Int), "number")
    assert.strictEqual(kind(Schema.Boolean), "boolean")
    assert.strictEqual(kind(Schema.Null), "constant")
    assert.strictEqual(kind(Schema.Literal("a")), "constant")
    assert.strictEqual(kind(Schema.Literals(["a", "b"])), "choice")
    assert.strictEqual(kind(Schema.Array(Schema.String)), "list")
    assert.strictEqual(kind(Schema.Tuple([Schema.String, Schema.Int])), "list")
    assert.strictEqual(kind(Schema.Struct({ a: Schema.String })), "object")
    assert.strictEqual(kind(Schema.Record(Schema.String, Schema.Int)), "object")
    assert.strictEqual(kind(Schema.NullOr(Schema.String)), "union")
    assert.strictEqual(kind(Schema.Union([Schema.String, Schema.Struct({ a: Schema.Int })])), "union")
    assert.strictEqual(kind(Schema.Json), "json")
  })

  it("tells the options of a union by their tags", () => {
    const root = jsonSchema(Schema.TaggedUnion({ Card: { number: Schema.String }, Cash: {} }))
    const field = fieldOf(root, root)
    assert.deepStrictEqual(field.kind === "union" ? field.options.map(({ label }) => label) : [], ["Card", "Cash"])
    const same = { anyOf: [{ type: "object", title: "A" }, { type: "object", title: "A" }] }
    const twins = fieldOf(same, same)
    assert.deepStrictEqual(twins.kind === "union" ? twins.options.map(({ label }) => label) : [], ["A (1)", "A (2)"])
  })

  it("is bounded, and no shape of a schema breaks it", () => {
    const circle: JsonObject = { $ref: "#/$defs/a", $defs: { a: { $ref: "#/$defs/a" } } }
    const endless: JsonObject = {
      $ref: "#/$defs/a",
      $defs: { a: { type: "object", properties: { a: { $ref: "#/$defs/a" } }, required: ["a"] } }
    }
    const strange: ReadonlyArray<JsonObject> = [
      circle,
      endless,
      {
        type: "object",
        properties: Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`f${i}`, {}])),
        required: 7
      },
      { type: "array", minItems: 1e9, items: {} },
      { type: "array", prefixItems: "no", items: 5, minItems: -1 },
      { anyOf: [] },
      { anyOf: Array.from({ length: 10_000 }, () => ({ type: "string" })) },
      { enum: Array.from({ length: 100_000 }, (_, i) => i) },
      { type: ["string", "null", "nothing"] },
      {
        type: "object",
        properties: { __proto__: { type: "string" }, constructor: { type: "string" } },
        required: ["constructor"]
      },
      { type: 5, const: null },
      { type: "string", default: { a: 1 } },
      { type: "object", default: 3, properties: { a: { type: "integer" } }, required: ["a"] },
      JSON.parse(
        "{\"type\":\"object\",\"properties\":{\"__proto__\":{\"type\":\"integer\"}},\"required\":[\"__proto__\"]}"
      ) as JsonObject
    ]
    for (const root of strange) {
      const draft = draftOf(root, root)
      assert.isBelow(JSON.stringify(draft).length, 100_000)
      checked(root, draft)
      for (const value of [null, 1, "a", [], [1], {}, { a: { a: 1 } }]) checked(root, draftFrom(root, root, value))
    }
    assert.strictEqual(({} as { readonly polluted?: unknown }).polluted, undefined)
  })
})

const Order = Schema.Struct({
  article: Schema.Literals(["milk", "bread"]),
  amount: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 9 })).annotate({ default: 2 }),
  to: Schema.Struct({ street: Schema.String.check(Schema.isMinLength(1)), zip: Schema.optionalKey(Schema.String) }),
  pay: Schema.Union([
    Schema.Struct({ _tag: Schema.Literal("Card"), number: Schema.String }),
    Schema.Struct({ _tag: Schema.Literal("Cash") })
  ]),
  notes: Schema.Array(Schema.String),
  gift: Schema.optional(Schema.NullOr(Schema.Boolean))
})

describe("what is filled in", () => {
  const root = jsonSchema(Order)

  it("begins with defaults and what has to be there, and tells what is missing", () => {
    const draft = draftOf(root, root)
    assert.deepStrictEqual(Object.keys(draft.kind === "object" ? draft.fields : {}), [
      "article",
      "amount",
      "to",
      "pay",
      "notes"
    ])
    assert.deepStrictEqual(wrongIn(root, draft), ["article", "to.street"])
    assert.deepStrictEqual((checked(root, draft).value as { amount: number }).amount, 2)
  })

  it("is the value that the Schema takes, in and out", () => {
    const values: ReadonlyArray<Schema.Json> = [
      { article: "milk", amount: 1, to: { street: "a" }, pay: { _tag: "Cash" }, notes: [] },
      {
        article: "bread",
        amount: 9,
        to: { street: "a", zip: "123" },
        pay: { _tag: "Card", number: "7" },
        notes: ["x", ""],
        gift: true
      }
    ]
    for (const value of values) {
      const draft = draftFrom(root, root, value)
      assert.deepStrictEqual(checked(root, draft), { value, wrong: [] })
      assert.strictEqual(Schema.is(Order)(checked(root, draft).value), true)
    }
  })

  it("is told of where the peer's Schema would refuse it", () => {
    const draft = draftFrom(root, root, {
      article: "milk",
      amount: 10,
      to: { street: "" },
      pay: { _tag: "Card", number: "1" },
      notes: []
    })
    assert.deepStrictEqual(wrongIn(root, draft), ["amount", "to.street"])
  })

  it("has numbers that JSON keeps, and no others", () => {
    const int = jsonSchema(Schema.Int)
    const value = (root: JsonObject, text: string) => checked(root, typed(text)).value
    assert.deepStrictEqual(["7", " -3 ", "1_000", "1e3"].map((text) => value(int, text)), [7, -3, 1000, 1000])
    assert.deepStrictEqual(
      ["", "x", "0x", "1.2.3", "9007199254740993", "Infinity"].map((text) => value(int, text)),
      Array(6).fill(undefined)
    )
    assert.isNotEmpty(wrongIn(int, typed("1.5")))
    assert.strictEqual(value(jsonSchema(Schema.Number), "NaN"), "NaN")
  })

  it("is JSON or text where anything goes", () => {
    const any = {}
    assert.deepStrictEqual(["7", "[1]", "milk", "\"7\"", "null"].map((text) => checked(any, typed(text)).value), [
      7,
      [1],
      "milk",
      "7",
      null
    ])
    assert.isNotEmpty(wrongIn(any, typed("[1,")))
    assert.isNotEmpty(wrongIn(any, typed(" ")))
  })

  it("has fields of any name where an object takes them, each once", () => {
    const record = jsonSchema(Schema.Record(Schema.String, Schema.Int))
    const field = (id: number, name: string) => ({ id, name, draft: typed("1") })
    const draft = (...more: ReadonlyArray<ReturnType<typeof field>>): Draft => ({ kind: "object", fields: {}, more })
    assert.deepStrictEqual(checked(record, draft(field(1, "a"), field(2, "b"))).value, { a: 1, b: 1 })
    assert.deepStrictEqual(wrongIn(record, draft(field(1, "a"), field(2, "a"))), ["#2"])
    assert.deepStrictEqual(wrongIn(record, draft(field(1, ""))), ["#1"])
  })

  it("leaves out what is optional, and asks for no null there", () => {
    const of = jsonSchema(Schema.Struct({ a: Schema.optional(Schema.String) }))
    assert.deepStrictEqual(checked(of, draftOf(of, of)), { value: {}, wrong: [] })
    assert.deepStrictEqual(checked(of, { kind: "object", fields: { a: typed("x") }, more: [] }), {
      value: { a: "x" },
      wrong: []
    })
    const choice = jsonSchema(Schema.Tuple([Schema.Boolean]))
    assert.deepStrictEqual(checked(choice, { kind: "list", items: [{ id: 1, draft: chosen(true) }] }).value, [true])
  })
})

describe("what a function takes", () => {
  it("is asked for once, by its kind", () => {
    const payload = { type: "object", properties: { to: { type: "integer" } } }
    assert.isUndefined(
      takenOf({ kind: "rpc", args: { type: "array", prefixItems: [payload] }, kwargs: payload }).kwargs
    )
    assert.strictEqual(takenOf({ kind: "rpc", args: { type: "array", prefixItems: [payload] } }).args["minItems"], 1)
    assert.isDefined(takenOf({ kind: "command", args: { type: "array", prefixItems: [] }, kwargs: payload }).kwargs)
    assert.isUndefined(
      takenOf({ kind: "command", args: { type: "array" }, kwargs: { type: "object", properties: {} } }).kwargs
    )
    assert.isTrue(takenOf({ kind: "function" }).free)
  })
})

describe("the same call to copy", () => {
  const call = (of: Partial<Call>): Call => ({
    target: ["bob"],
    function: "add",
    args: [],
    kwargs: {},
    timeoutMs: undefined,
    stream: false,
    ...of
  })
  const asCommand = (of: Call): string => inShell(of)!
  const words = (text: string): ReadonlyArray<string> =>
    execFileSync("bash", ["-c", `pnet() { printf '%s\\0' "$@"; }; ${text}`]).toString("utf8").split("\0").slice(0, -1)

  it("is what a shell gives the command", () => {
    assert.strictEqual(asCommand(call({ args: [1, 2] })), "pnet call bob add 1 2")
    assert.strictEqual(
      asCommand(call({ args: ["milk"], kwargs: { loud: true }, timeoutMs: 5_000 })),
      "pnet call --timeout 5s bob add milk --loud=true"
    )
    assert.strictEqual(asCommand(call({ target: "*" })), "pnet call '*' add")
    const hostile = "x'; touch /tmp/owned; echo '$(id)`id`\\"
    const made = call({
      target: [hostile],
      function: hostile,
      args: [hostile, { a: hostile }],
      kwargs: { [hostile]: hostile }
    })
    assert.deepStrictEqual(words(asCommand(made)), [
      "call",
      hostile,
      hostile,
      JSON.stringify(hostile),
      JSON.stringify({ a: hostile }),
      "--arg",
      `${hostile}=${JSON.stringify(hostile)}`
    ])
  })

  it("is shown as far as it goes while something is missing, and not at all where a name means several", () => {
    const half = call({ args: [1, null], kwargs: { loud: true } })
    assert.strictEqual(inShell(half, false), "pnet call bob add …")
    assert.strictEqual(asTypeScript(half, false), "const answer = yield* node.target(\"bob\")(\"add\", …)")
    assert.include(asTypeScript({ ...half, stream: true }, false), "(node, peer, \"add\", …, ")
    for (const name of ["bob,carol", " bob"]) assert.isUndefined(inShell(call({ target: [name] })))
    assert.strictEqual(asCommand(call({ target: ["-x"], kwargs: { a: 1 } })), "pnet call --arg a=1 -- -x add")
  })

  it("says text that would be read as something else as JSON", () => {
    const args = ["7", "null", "-", "", "-x", "a b"]
    assert.deepStrictEqual(words(asCommand(call({ args }))), [
      "call",
      "--",
      "bob",
      "add",
      "\"7\"",
      "\"null\"",
      "\"-\"",
      "\"\"",
      "-x",
      "a b"
    ])
    assert.deepStrictEqual(words(asCommand(call({ kwargs: { timeout: 3, "a-b": 1 } }))), [
      "call",
      "bob",
      "add",
      "--arg",
      "timeout=3",
      "--arg",
      "a-b=1"
    ])
  })

  it("has nothing in it that acts on the terminal or the editor it is put into", () => {
    const acting = "a\u001b[2Jb\u202ec\nd\u0085"
    const made = call({ target: [acting], function: acting, args: [acting], kwargs: { [acting]: acting } })
    for (const text of [asCommand(made), asTypeScript(made)]) {
      // oxlint-disable-next-line no-control-regex
      assert.notMatch(text, /[\u0000-\u001f\u007f-\u009f\u202e]/)
    }
    const [, target, name, argument] = words(asCommand(made))
    assert.deepStrictEqual([target, name, JSON.parse(argument!)], [acting, acting, acting])
  })

  it("is what a program says", () => {
    assert.strictEqual(
      asTypeScript(call({ args: [1, { a: [true] }], kwargs: { loud: true }, timeoutMs: 500 })),
      "const answer = yield* node.target(\"bob\", { timeout: 500 })(\"add\", 1, { a: [true] }, Command.kwargs({ loud: true }))"
    )
    assert.strictEqual(asTypeScript(call({ target: "*" })), "const outcomes = yield* node.target(\"*\")(\"add\")")
    assert.include(
      asTypeScript(call({ args: [JSON.parse("{\"__proto__\":1,\"a-b\":2}") as Schema.Json] })),
      "{ [\"__proto__\"]: 1, \"a-b\": 2 }"
    )
  })
})
