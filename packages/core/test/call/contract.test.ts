import { assert, describe, it } from "@effect/vitest"
import { counted } from "@pnet/lab/harness/lookups"
import { Schema } from "effect"
import { createHash } from "node:crypto"
import { hashBytesOf, hashOf, jsonSchemaOf } from "../../src/internal/call/contract.ts"
import { compatible } from "../../src/internal/call/contractCompatible.ts"
import { differences } from "../../src/internal/call/contractDifferences.ts"

const of = (payload: Schema.Constraint, success: Schema.Constraint = Schema.Void) => ({
  payload: jsonSchemaOf(payload),
  success: jsonSchemaOf(success),
  stream: false
})

const Base = Schema.Struct({ path: Schema.String, size: Schema.Number })

/** What is said about each side's contract by the other. */
const between = (mine: Schema.Constraint, theirs: Schema.Constraint) =>
  differences(of(mine), JSON.parse(JSON.stringify(of(theirs))))

describe("the JSON Schema of a Schema", () => {
  it("has its definitions with it, and is made once", () => {
    class Person extends Schema.Class<Person>("Person")({ name: Schema.String }) {}
    const made = jsonSchemaOf(Person) as any
    assert.strictEqual(made.$ref, "#/$defs/PersonEncoded")
    assert.deepStrictEqual(made.$defs.PersonEncoded.required, ["name"])
    assert.strictEqual(jsonSchemaOf(Person), made)
  })

  it("is anything where there is none, and where its annotations throw", () => {
    class Odd {
      readonly odd = true
    }
    assert.deepStrictEqual(jsonSchemaOf(Schema.instanceOf(Odd)), {})
    const throwing = Schema.declare((u): u is Odd => u instanceof Odd, {
      toCodecJson: () => {
        throw new Error("no")
      }
    })
    assert.deepStrictEqual(jsonSchemaOf(throwing), {})
  })
})

describe("the hash of a contract", () => {
  it("is 16 hexadecimal digits, the same for the same schemas", () => {
    assert.match(hashOf(of(Base)), /^[0-9a-f]{16}$/)
    assert.strictEqual(hashBytesOf(of(Base)).length, 8)
    assert.strictEqual(
      hashOf(of(Base)),
      hashOf(of(Schema.Struct({ size: Schema.Number, path: Schema.String })))
    )
    // It is on the wire: what it is must not change by itself.
    assert.strictEqual(hashOf(of(Base)), "e3f0585b1a8bddf8")
  })

  it("does not depend on annotations, names of definitions, or the order of literals", () => {
    class One extends Schema.Class<One>("One")({ id: Schema.String }) {}
    class Two extends Schema.Class<Two>("Two")({ id: Schema.String }) {}
    assert.strictEqual(hashOf(of(One)), hashOf(of(Two)))
    assert.strictEqual(
      hashOf(of(Base)),
      hashOf(of(
        Schema.Struct({ path: Schema.String.annotate({ title: "a", description: "b" }), size: Schema.Number }).annotate(
          {
            description: "c",
            examples: [{ path: "", size: 1 }]
          }
        )
      ))
    )
    assert.strictEqual(hashOf(of(Schema.Literals(["a", "b"]))), hashOf(of(Schema.Literals(["b", "a"]))))
    // Names that are numbers come first in an object of this language, and in their order.
    const text = `{"payload":{"additionalProperties":true,"properties":{"10":{"type":"string"},"9":{"type":"string"}},`
      + `"required":["\\"10\\"","\\"9\\""],"type":"object"},"stream":false,"success":{"type":"null"}}`
    assert.strictEqual(
      hashOf(of(Schema.Struct({ 9: Schema.String, 10: Schema.String }))),
      createHash("sha512").update(text).digest("hex").slice(0, 16)
    )
  })

  it("depends on everything else, fields that are called like annotations among it", () => {
    const hashes = [
      of(Base),
      of(Base, Schema.String),
      { ...of(Base), stream: true },
      of(Schema.Struct({ path: Schema.String, size: Schema.String })),
      of(Schema.Struct({ path: Schema.String, size: Schema.optionalKey(Schema.Number) })),
      of(Schema.Struct({ path: Schema.String, size: Schema.Number, title: Schema.String })),
      of(Schema.Struct({ path: Schema.String, size: Schema.Number, default: Schema.String })),
      of(Schema.Struct({ path: Schema.String, size: Schema.Number, $ref: Schema.String })),
      of(Schema.Struct({ path: Schema.NonEmptyString, size: Schema.Number })),
      of(Schema.Array(Base))
    ].map(hashOf)
    assert.strictEqual(new Set(hashes).size, hashes.length)
  })

  it("ends for schemas that contain themselves, and tells them apart", () => {
    interface Tree {
      readonly value: string
      readonly kids: ReadonlyArray<Tree>
    }
    const tree = (identifier: string, value: Schema.Codec<string> = Schema.String): Schema.Codec<Tree> => {
      const made: Schema.Codec<Tree> = Schema.Struct({
        value,
        kids: Schema.Array(Schema.suspend((): Schema.Codec<Tree> => made))
      }).annotate({ identifier })
      return made
    }
    assert.strictEqual(hashOf(of(tree("Tree"))), hashOf(of(tree("Baum"))))
    assert.notStrictEqual(hashOf(of(tree("Tree"))), hashOf(of(tree("Tree", Schema.NonEmptyString))))
    assert.deepStrictEqual(between(tree("Tree"), tree("Baum")), [])
    assert.deepStrictEqual(between(tree("Tree"), tree("Baum", Schema.NonEmptyString)), [
      "payload.value, minLength: none here, 1 at the peer"
    ])
  })
})

describe("the differences of two contracts", () => {
  const cases: ReadonlyArray<readonly [string, Schema.Constraint, Schema.Constraint, ReadonlyArray<string>]> = [
    ["none", Base, Schema.Struct({ size: Schema.Number, path: Schema.String }), []],
    ["a type", Base, Schema.Struct({ path: Schema.String, size: Schema.String }), [
      "payload.size: number here, string at the peer"
    ]],
    ["a field that is missing at the peer", Base, Schema.Struct({ size: Schema.Number }), [
      "payload.path: string here, missing at the peer"
    ]],
    [
      "fields that are missing here",
      Base,
      Schema.Struct({
        path: Schema.String,
        size: Schema.Number,
        mode: Schema.Int,
        note: Schema.optionalKey(Schema.Uint8Array)
      }),
      [
        "payload.mode: missing here, integer at the peer",
        "payload.note: missing here, optional bytes at the peer"
      ]
    ],
    [
      "a field that is optional",
      Schema.Struct({ a: Schema.optionalKey(Schema.String) }),
      Schema.Struct({ a: Schema.String }),
      [
        "payload.a: optional here, required at the peer"
      ]
    ],
    [
      "what is inside",
      Schema.Struct({ list: Schema.Array(Base) }),
      Schema.Struct({
        list: Schema.Array(Schema.Struct({ path: Schema.String, size: Schema.Boolean }))
      }),
      ["payload.list[].size: number here, boolean at the peer"]
    ],
    ["tuples", Schema.Tuple([Schema.String, Schema.Number]), Schema.Tuple([Schema.String, Schema.String]), [
      "payload[1]: number here, string at the peer"
    ]],
    ["tuples of another length", Schema.Tuple([Schema.String]), Schema.Tuple([Schema.String, Schema.String]), [
      "payload: 1 fixed elements here, 2 at the peer"
    ]],
    ["records", Schema.Record(Schema.String, Schema.Number), Schema.Record(Schema.String, Schema.String), [
      "payload.*: number here, string at the peer"
    ]],
    ["literals", Schema.Literals(["a", "b"]), Schema.Literals(["a", "c"]), [
      `payload: "a" | "b" here, "a" | "c" at the peer`
    ]],
    ["unions", Schema.Union([Schema.String, Schema.Number]), Schema.Union([Schema.String, Schema.Boolean]), [
      "payload: string | number here, string | boolean at the peer"
    ]],
    ["another order of a union", Schema.NullOr(Schema.String), Schema.Union([Schema.Null, Schema.String]), [
      "payload: string | null here, null | string at the peer, in another order"
    ]],
    [
      "another order of tags",
      Schema.Union([Schema.TaggedStruct("A", {}), Schema.TaggedStruct("B", {})]),
      Schema.Union([Schema.TaggedStruct("B", {}), Schema.TaggedStruct("A", {})]),
      ["payload: A | B here, B | A at the peer, in another order"]
    ],
    ["one of a union", Schema.NullOr(Schema.String), Schema.String, [
      "payload: string | null here, string at the peer"
    ]],
    [
      "members with one tag",
      Schema.Union([
        Schema.TaggedStruct("Circle", { radius: Schema.Number }),
        Schema.TaggedStruct("Square", { side: Schema.Number })
      ]),
      Schema.Union([
        Schema.TaggedStruct("Circle", { radius: Schema.String }),
        Schema.TaggedStruct("Line", { length: Schema.Number })
      ]),
      [
        "payload(Circle).radius: number here, string at the peer",
        "payload: Circle | Square here, Circle | Line at the peer"
      ]
    ],
    ["checks", Schema.String.check(Schema.isMaxLength(8)), Schema.String.check(Schema.isMaxLength(9)), [
      "payload, maxLength: 8 here, 9 at the peer"
    ]],
    ["nothing and something", Schema.Void, Base, ["payload: null here, object at the peer"]],
    [
      "names that are no identifiers",
      Schema.Struct({ "a b\n": Schema.String }),
      Schema.Struct({ "a b\n": Schema.Number }),
      [
        `payload["a b\\n"]: string here, number at the peer`
      ]
    ]
  ]
  for (const [what, mine, theirs, expected] of cases) {
    it(`names ${what}`, () => {
      assert.deepStrictEqual(between(mine, theirs), expected)
    })
  }

  it("names results, errors and kinds of calls", () => {
    class Gone extends Schema.TaggedError<Gone>()("Gone", { path: Schema.String }) {}
    class Busy extends Schema.TaggedError<Busy>()("Busy", {}) {}
    assert.deepStrictEqual(
      differences(
        { success: jsonSchemaOf(Schema.String), error: jsonSchemaOf(Gone), stream: true },
        { success: jsonSchemaOf(Schema.Int), error: jsonSchemaOf(Schema.Union([Gone, Busy])), stream: false }
      ),
      [
        "success: string here, integer at the peer",
        "error: Gone here, Gone | Busy at the peer",
        "stream: true here, false at the peer"
      ]
    )
    const plain = of(Schema.String)
    assert.deepStrictEqual(differences(plain, { ...plain, form: "json" }), [`form: none here, "json" at the peer`])
    assert.deepStrictEqual(differences({ ...plain, form: "json" }, plain), [`form: "json" here, none at the peer`])
    assert.deepStrictEqual(
      differences({ error: jsonSchemaOf(Schema.Never) }, { error: jsonSchemaOf(Gone) }),
      ["error: nothing here, Gone at the peer"]
    )
  })

  it("takes anything that a peer sends, at a bounded cost, and quotes its texts", () => {
    const mine = of(Schema.Struct({ a: Base, b: Schema.Array(Schema.NullOr(Base)), c: Schema.Tuple([Base]) }))
    const loop = { $ref: "#/$defs/x", $defs: { x: { $ref: "#/$defs/x" } } }
    const wide = {
      type: "object",
      properties: Object.fromEntries(Array.from({ length: 50_000 }, (_, i) => [`k${i}`, { type: "string" }]))
    }
    let deep: any = { type: "string" }
    for (let i = 0; i < 1_000; i++) deep = { type: "array", items: deep }
    const strange = [
      undefined,
      null,
      1,
      "x",
      [],
      {},
      { payload: null },
      { payload: [] },
      { payload: loop },
      { payload: wide },
      { payload: deep },
      { payload: { type: "object", properties: 1, required: {}, anyOf: "x" } },
      { payload: { anyOf: [loop, 1, null, { type: 7 }, []] } },
      { payload: { type: "object", properties: { a: loop, b: deep, c: { type: "array", prefixItems: [1] } } } },
      { payload: { type: "\u0007evil", enum: "x" } },
      { payload: { enum: ["x".repeat(100_000)] } },
      JSON.parse(`{"payload":{"type":"object","properties":{"__proto__":{"type":"string"}}},"__proto__":1}`)
    ]
    for (const theirs of strange) {
      const found = differences(mine, theirs)
      assert.isAtMost(found.length, 16)
      for (const text of found) {
        assert.isAtMost(text.length, 1_000)
        assert.notMatch(text, /\p{Cc}/u)
      }
    }
    assert.isNotEmpty(differences(mine, { payload: wide }))
  })

  it("cost as much as a peer's contract is long, however often it refers to one thing", () => {
    const fields = Object.fromEntries(
      Array.from({ length: 10 }, (_, i) => [`f${i}`, Schema.Struct({ x: Schema.Number })])
    )
    const mine = { ...of(Schema.Struct(fields)), success: { type: "null" }, error: { not: {} }, stream: false }
    const names = Array.from({ length: 1_500 }, (_, i) => `n${i}`)
    let read = 0
    const counted = <A extends object>(value: A): A =>
      new Proxy(value, {
        get: (target, name, self) => {
          if (typeof name === "string" && /^\d+$/.test(name)) read++
          return Reflect.get(target, name, self)
        }
      })
    const big = {
      type: "object",
      properties: Object.fromEntries(names.map((name) => [name, {}])),
      required: counted(names.map((name) => `r${name}`))
    }
    const payload = {
      type: "object",
      properties: Object.fromEntries(Object.keys(fields).map((name) => [name, { $ref: "#/$defs/B" }])),
      $defs: { B: big }
    }
    const theirs: any = { payload, success: { type: "null" }, error: { not: {} }, stream: false }
    assert.isTrue(compatible(mine as any, theirs))
    differences(mine as any, theirs)
    assert.isAtMost(read, 2 * names.length)
    // And what takes too many steps is not compatible.
    const many = {
      ...payload,
      $defs: { B: { ...big, properties: Object.fromEntries(Array.from({ length: 5_000 }, (_, i) => [`n${i}`, {}])) } }
    }
    assert.isFalse(compatible(mine as any, { ...theirs, payload: many }))

    // What is not a structure is written once.
    let listed = 0
    const list = new Proxy(["x"], { get: (target, name, self) => (listed++, Reflect.get(target, name, self)) })
    const texts = of(Schema.Struct(Object.fromEntries(Object.keys(fields).map((name) => [name, Schema.String]))))
    const odd = { type: "string", format: list }
    const properties = Object.fromEntries(Object.keys(fields).map((name) => [name, { $ref: "#/$defs/B" }]))
    differences(texts, { payload: { type: "object", properties, required: Object.keys(fields), $defs: { B: odd } } })
    assert.isAtMost(listed, 20)
  })

  it("follow each reference of a peer once, however often something leads to it and however it goes round", () => {
    const mine = { payload: { type: "string" }, success: { type: "null" }, error: { not: {} }, stream: false } as const
    const to = (name: string) => ({ $ref: `#/$defs/${name}` })
    // Each lookup takes as long as the name is.
    const long = "x".repeat(1_000)
    const members = Array.from({ length: 500 }, () => to("a"))
    const { definitions, lookups } = counted({ a: to("b"), b: to(long), [long]: to(long) })
    const payload = { anyOf: members, $defs: definitions }
    assert.isNotEmpty(differences(mine, { ...mine, payload }))
    assert.isFalse(compatible(mine, { ...mine, payload } as any))
    assert.isAtMost(lookups(), members.length + 3)
    // What goes round is not what else it leads to.
    const once = { ...to("a"), $defs: { a: to("b"), b: to("c"), c: { type: "string" } } }
    assert.isTrue(compatible(mine, { ...mine, payload: once }))
    assert.deepStrictEqual(differences(mine, { ...mine, payload: { ...once, $defs: { ...once.$defs, c: to("a") } } }), [
      "payload: string here, anything at the peer"
    ])
  })

  it("go together as far as each reader finds what it needs, under the tag that it knows", () => {
    const go = (mine: unknown, theirs: unknown) => compatible(mine as any, JSON.parse(JSON.stringify(theirs)))
    const value = { ...of(Base), error: jsonSchemaOf(Schema.Never) }
    assert.isTrue(go(value, value))
    // A stream and a value do not.
    assert.isFalse(go(value, { ...value, stream: true }))
    assert.isFalse(go({ ...value, stream: true }, value))
    // The peer reads the payload, and this side the result.
    const less = Schema.Struct({ path: Schema.String })
    const perhaps = Schema.Struct({ path: Schema.String, size: Schema.optionalKey(Schema.Number) })
    const payload = (schema: Schema.Constraint) => ({ ...value, payload: jsonSchemaOf(schema) })
    const success = (schema: Schema.Constraint) => ({ ...value, success: jsonSchemaOf(schema) })
    assert.isFalse(go(payload(less), payload(Base)))
    assert.isTrue(go(payload(less), payload(perhaps)))
    assert.isTrue(go(payload(Base), payload(less)))
    assert.isFalse(go(success(Base), success(less)))
    assert.isTrue(go(success(perhaps), success(less)))
    assert.isTrue(go(success(less), success(Base)))
    const tagged = (tag: string) => Schema.Struct({ _tag: Schema.tag(tag), path: Schema.String })
    assert.isTrue(go(payload(tagged("A")), payload(tagged("A"))))
    assert.isFalse(go(payload(tagged("A")), payload(tagged("B"))))
    assert.isFalse(go(success(tagged("A")), success(less)))
    // Nothing and a union of nothing are one, and neither is what something else is.
    const nothing = { ...value, error: { not: {} } } as any
    const union = { ...value, error: { anyOf: [{ not: {} }] } } as any
    assert.isTrue(go(nothing, union) && go(union, nothing))
    assert.deepStrictEqual(differences(nothing, union), [])
    assert.isFalse(go(nothing, { ...value, error: { type: "string" } }))
    assert.deepStrictEqual(differences(nothing, { ...value, error: { anyOf: [{ type: "string" }] } } as any), [
      "error: nothing here, string at the peer"
    ])
  })

  it("cost little, whatever unions a peer makes of unions", () => {
    const mine = of(Schema.Struct({ list: Schema.Array(Schema.NullOr(Schema.String)) }))
    const itself = { $ref: "#/$defs/A" }
    // A quarter of a megabyte, which is what a contract may be.
    const A = { anyOf: [{ type: "null" }, ...Array.from({ length: 11_000 }, () => itself)] }
    const theirs = { payload: { ...itself, $defs: { A } }, success: { ...itself, $defs: { A } } }
    const begin = performance.now()
    assert.isAbove(differences(mine, theirs).length, 0)
    assert.isFalse(compatible(mine, theirs))
    // Some milliseconds; it was a minute.
    assert.isBelow(performance.now() - begin, 5_000)
  })
  it("end for unions of which each is the other's only member, and are looked through where one is in another", () => {
    const mine = { payload: { type: "string" }, success: { type: "null" }, error: { not: {} }, stream: false } as const
    const only = (name: string) => ({ anyOf: [{ $ref: `#/$defs/${name}` }] })
    const round = { ...only("A"), $defs: { A: only("B"), B: only("A") } }
    assert.isFalse(compatible(mine, { ...mine, payload: round }))
    assert.isFalse(compatible({ ...mine, payload: round }, { ...mine, payload: round }))
    assert.deepStrictEqual(differences(mine, { ...mine, payload: round }), [
      "payload: string here, a union at the peer"
    ])
    const inside = (type: string) => ({ ...only("A"), $defs: { A: only("B"), B: only("C"), C: { type } } })
    assert.isTrue(compatible(mine, { ...mine, payload: inside("string") }))
    assert.isFalse(compatible(mine, { ...mine, payload: inside("number") }))
    assert.isFalse(compatible({ ...mine, payload: inside("string") }, { ...mine, payload: inside("number") }))
    // Two kinds of numbers go together as a field, and not in a list, also where both refer to one schema.
    const number = (type: string) => ({
      type: "object",
      properties: { a: { $ref: "#/$defs/N" }, b: { type: "array", items: { $ref: "#/$defs/N" } } },
      $defs: { N: { type } }
    })
    const numbers = { ...mine, payload: number("number") }
    assert.isTrue(compatible(numbers, numbers))
    assert.isFalse(compatible(numbers, { ...mine, payload: number("integer") }))
    // What says by something else what it is says more than what says nothing.
    const parts = { allOf: [{ type: "string" }] }
    assert.isFalse(compatible({ ...mine, payload: {} }, { ...mine, payload: parts }))
    assert.isFalse(compatible({ ...mine, payload: { allOf: [{ type: "number" }] } }, { ...mine, payload: parts }))
  })
})
