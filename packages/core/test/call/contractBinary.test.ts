/** What a contract of typed calls says of bytes: where a value has a binary form of its own, and which encoder there is. */
import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Exit, Option, Schema } from "effect"
import { SchemaBinary } from "effect/encoding"
import { Rpc } from "effect/rpc"
import { hashOf, jsonSchemaOf } from "../../src/internal/call/contract.ts"
import { binarySchemaOf } from "../../src/internal/call/contractBinary.ts"
import { compatible } from "../../src/internal/call/contractCompatible.ts"
import { differences } from "../../src/internal/call/contractDifferences.ts"
import * as Codec from "../../src/internal/call/rpcCodec.ts"
import * as Wire from "../../src/internal/call/rpcWire.ts"

const of = (payload: Schema.Constraint) => ({
  payload: binarySchemaOf(payload),
  success: jsonSchemaOf(Schema.Void),
  error: jsonSchemaOf(Schema.Never),
  stream: false
})
const sent = (payload: Schema.Constraint) => JSON.parse(JSON.stringify(of(payload)))
const struct = (at: Schema.Top) => Schema.Struct({ at })

describe("the binary form of a value", () => {
  it("stands in the contract where JSON has a text or a tag for it", () => {
    const forms: ReadonlyArray<readonly [Schema.Constraint, string]> = [
      [Schema.Date, "Date"],
      [Schema.DateTimeUtc, "Date"],
      [Schema.DateTimeZoned, "DateTimeZoned"],
      [Schema.Duration, "Duration"],
      [Schema.BigDecimal, "BigDecimal"],
      [Schema.BigInt, "BigInt"],
      [Schema.Symbol, "Symbol"],
      [Schema.Literal(1n), "BigInt"],
      [Schema.UniqueSymbol(Symbol.for("q")), "Symbol"],
      [Schema.Uint8Array, "Uint8Array"],
      [Schema.Option(Schema.String), "Option"],
      [Schema.Result(Schema.String, Schema.Int), "Result"],
      [Schema.Cause(Schema.String, Schema.Defect()), "Cause"],
      [Schema.Exit(Schema.String, Schema.String, Schema.Defect()), "Exit"]
    ]
    for (const [schema, form] of forms) {
      const { binary, ...rest } = binarySchemaOf(schema) as any
      assert.strictEqual(binary, form)
      // And nothing else is another.
      assert.deepStrictEqual(rest, jsonSchemaOf(schema))
    }
  })

  it("stands wherever it is, also in what is defined once, and never for what is only read as it", () => {
    class Meeting
      extends Schema.Class<Meeting>("Meeting")({ at: Schema.Date, took: Schema.optional(Schema.Duration) })
    {}
    const all = binarySchemaOf(Schema.Struct({
      first: Meeting,
      second: Schema.NullOr(Meeting),
      list: Schema.Array(Schema.Tuple([Schema.Date])),
      record: Schema.Record(Schema.String, Schema.Date),
      some: Schema.Option(Schema.Date),
      secret: Schema.Redacted(Schema.Date)
    })) as any
    const date = { type: "string", binary: "Date" }
    assert.deepStrictEqual(all.$defs.MeetingEncoded.properties.at, date)
    assert.strictEqual(all.$defs.MeetingEncoded.properties.took.anyOf[0].binary, "Duration")
    assert.deepStrictEqual(all.properties.first, { $ref: "#/$defs/MeetingEncoded" })
    assert.deepStrictEqual(all.properties.list.items.prefixItems[0], date)
    assert.deepStrictEqual(all.properties.record.additionalProperties, date)
    assert.deepStrictEqual(all.properties.some.anyOf[0].properties.value, date)
    assert.deepStrictEqual(all.properties.secret, date)
    for (const text of [Schema.DateFromString, Schema.DateTimeUtcFromString, Schema.Uint8ArrayFromBase64]) {
      assert.strictEqual(binarySchemaOf(text), jsonSchemaOf(text))
    }
  })

  it("is no field and no annotation of the program, whatever those are called", () => {
    const fields = Schema.Struct({
      binary: Schema.Date,
      "@pnet/core/binary": Schema.String,
      said: Schema.String.annotate({ binary: "Date" } as never)
    })
    assert.deepStrictEqual((binarySchemaOf(fields) as any).properties, {
      binary: { type: "string", binary: "Date" },
      "@pnet/core/binary": { type: "string" },
      said: { type: "string" }
    })
  })

  it("makes another hash, and there is none where nothing has one", () => {
    assert.notStrictEqual(hashOf(of(struct(Schema.Date))), hashOf(of(struct(Schema.String))))
    assert.strictEqual(hashOf(of(struct(Schema.Date))), hashOf(of(struct(Schema.DateTimeUtc))))
    // As it was before there was a keyword.
    const Base = Schema.Struct({ path: Schema.String, size: Schema.Number })
    assert.strictEqual(
      hashOf({ payload: binarySchemaOf(Base), success: binarySchemaOf(Schema.Void), stream: false }),
      "e3f0585b1a8bddf8"
    )
  })

  it("is the same on both sides of a call, or they do not go together and say so", () => {
    const pairs: ReadonlyArray<readonly [Schema.Top, Schema.Top, string]> = [
      [Schema.Date, Schema.String, "date here, string at the peer"],
      [Schema.Date, Schema.BigDecimal, "date here, decimal at the peer"],
      [Schema.DateTimeZoned, Schema.Date, "date with a zone here, date at the peer"],
      [Schema.Uint8Array, Schema.String, "bytes here, string at the peer"],
      [Schema.BigInt, Schema.String, "bigint here, string at the peer"],
      [
        Schema.Option(Schema.Int),
        Schema.Union([Schema.TaggedStruct("Some", { value: Schema.Int }), Schema.TaggedStruct("None", {})]),
        "option here, Some | None at the peer"
      ],
      [Schema.NullOr(Schema.Date), Schema.NullOr(Schema.String), "date | null here, string | null at the peer"]
    ]
    for (const [ours, theirs, said] of pairs) {
      assert.isFalse(compatible(of(struct(ours)), sent(struct(theirs))))
      assert.isFalse(compatible(of(struct(theirs)), sent(struct(ours))))
      assert.deepStrictEqual(differences(of(struct(ours)), sent(struct(theirs))), [`payload.at: ${said}`])
    }
    const same: ReadonlyArray<readonly [Schema.Top, Schema.Top]> = [
      [Schema.Date, Schema.DateTimeUtc],
      [Schema.Union([Schema.Date]), Schema.Date],
      [Schema.Option(Schema.Struct({ a: Schema.Int })), Schema.Option(Schema.Struct({ a: Schema.Number }))]
    ]
    for (const [ours, theirs] of same) {
      assert.isTrue(compatible(of(struct(ours)), sent(struct(theirs))))
      assert.isTrue(compatible(of(struct(theirs)), sent(struct(ours))))
      assert.deepStrictEqual(differences(of(struct(Schema.Date)), sent(struct(Schema.DateTimeUtc))), [])
    }
    // What a peer made up is quoted.
    const odd = { ...sent(struct(Schema.Date)), payload: { type: "string", binary: "\u0007x" } }
    assert.deepStrictEqual(differences(of(Schema.Date), odd), [`payload: date here, "\\u0007x" at the peer`])
  })

  it("of integers is another than that of numbers where they stand one after another", () => {
    const lists: ReadonlyArray<(item: Schema.Top) => Schema.Top> = [
      (item) => Schema.Array(item),
      (item) => Schema.Tuple([item, Schema.String])
    ]
    for (const list of lists) {
      assert.isFalse(compatible(of(list(Schema.Int)), sent(list(Schema.Finite))))
      assert.isFalse(compatible(of(list(Schema.Finite)), sent(list(Schema.Int))))
      assert.isTrue(compatible(of(list(Schema.Int)), sent(list(Schema.Int))))
      assert.isTrue(compatible(of(list(struct(Schema.Int))), sent(list(struct(Schema.Finite)))))
    }
  })
})

describe("fields that have numbers of their own", () => {
  const call = (a: number, b: number) =>
    Wire.wireOf(
      Rpc.make("call", {
        payload: Schema.Struct({
          list: Schema.Array(Schema.Struct({
            b: Schema.String.pipe(SchemaBinary.fieldId(b)),
            a: Schema.optionalKey(Schema.DateFromString).pipe(SchemaBinary.fieldId(a))
          }))
        })
      }) as never
    )

  it("are in the contract, and the two sides number alike or do not go together", () => {
    const one = call(1, 2)
    assert.deepStrictEqual(one.contract()["fields"], ["payload.list[].a 1", "payload.list[].b 2"])
    assert.deepStrictEqual(one.hash(), call(1, 2).hash())
    const other = call(2, 1)
    // As the two would be without that.
    assert.deepStrictEqual(one.contractFor({}), other.contractFor({}))
    assert.notDeepEqual(one.hash(), other.hash())
    assert.isFalse(compatible(one.contract(), other.contract()))
    assert.deepStrictEqual(differences(one.contract(), other.contract()), [
      `fields: ["payload.list[].a 1","payload.list[].b 2"] here, ["payload.list[].a 2","payload.list[].b 1"] at the peer`
    ])
    const { fields: _fields, ...none } = one.contract()
    assert.isFalse(compatible(none, one.contract()))
    assert.isNotEmpty(differences(none, one.contract()))
    const plain = Wire.wireOf(Rpc.make("call", { payload: { name: Schema.String } }) as never)
    assert.notProperty(plain.contract(), "fields")
  })
})

describe("a contract of an older node", () => {
  const date = Wire.wireOf(Rpc.make("call", { payload: { at: Schema.Date } }) as never)

  it("is compared as it was, since it does not say where there are forms", () => {
    const older = { ...date.contract(), payload: jsonSchemaOf(struct(Schema.Date)) }
    assert.isTrue(compatible(date.contractFor(older), older))
    assert.deepStrictEqual(differences(date.contractFor(older), older), [])
  })

  it("is told from one of today that has no forms, by what is sent with that", () => {
    const text = Wire.wireOf(Rpc.make("call", { payload: { at: Schema.String } }) as never)
    const said = Wire.contractOf(Wire.mismatchOf(text.contract(), text.hash()).subarray(1))!
    assert.deepStrictEqual(said.hash, text.hash())
    assert.isFalse(compatible(date.contractFor(said.contract), said.contract))
    // Which is no part of what is hashed.
    assert.strictEqual(hashOf(text.contract()), Buffer.from(text.hash()).toString("hex"))
    assert.notProperty(text.contract(), "binary")
  })
})

describe("the encoder of typed calls", () => {
  it("is that of pnet/1, whose calls have the hashes they had", () => {
    // If Effect encodes otherwise, calls between nodes of both versions go as JSON. That is right and slow: decide what to do.
    assert.strictEqual(Codec.fingerprintOf(Codec.effects.codecFor), Codec.known)
    assert.isUndefined(Codec.effects.form)
    const plain = Wire.wireOf(Rpc.make("call", { payload: { name: Schema.String } }) as never)
    assert.notProperty(plain.contract(), "form")
  })

  it("has a name in each contract where it is another one", () => {
    const other = new Codec.Codec((schema) =>
      schema.ast._tag === "Boolean"
        ? Codec.effects.codecFor(Schema.Union([schema, Schema.Null])) as never
        : Codec.effects.codecFor(schema)
    )
    assert.match(other.form!, /^[0-9a-f]{16}$/)
    assert.notStrictEqual(other.form, Codec.known)
    const rpc = Rpc.make("call", { payload: { name: Schema.String } }) as never
    const ours = Wire.wireOf(rpc)
    const theirs = Wire.wireOf(rpc, other)
    assert.strictEqual(theirs.contract()["form"], other.form)
    assert.notDeepEqual(theirs.hash(), ours.hash())
    assert.isFalse(compatible(ours.contract(), theirs.contract()))
    // One that writes nothing at all is no other than one that cannot.
    const broken = new Codec.Codec(() => {
      throw new Error("no")
    })
    assert.match(broken.form!, /^[0-9a-f]{16}$/)
  })
})

describe("what goes together", () => {
  const S = Schema
  class A extends S.TaggedError<A>()("A", { x: S.String }) {}
  class B extends S.TaggedError<B>()("B", { x: S.String }) {}
  const at = DateTime.toDateUtc(DateTime.makeUnsafe(5))
  const T = (value: Schema.Top) => S.TaggedStruct("T", { a: value })
  const V = (value: Schema.Top) => S.TaggedStruct("V", { a: value })
  const patterned = (value: Schema.Top) => S.Record(S.TemplateLiteral(["x", S.String]), value as never)
  const kinds: ReadonlyArray<readonly [Schema.Top, ...Array<unknown>]> = [
    [S.String, "", "1", "\u0000"],
    [S.Literals(["a", "b"]), "a"],
    [S.Literals(["b", "a"]), "a"],
    [S.Finite, 1, 0.5],
    [S.Number, 1, NaN],
    [S.Int, 1, -300],
    [S.Literals([1, 2]), 2],
    [S.Boolean, true],
    [S.Null, null],
    [S.BigInt, 5n],
    [S.Symbol, Symbol.for("q")],
    [S.UniqueSymbol(Symbol.for("q")), Symbol.for("q")],
    [S.Literal(5n), 5n],
    [S.Literals([6n, 5n]), 5n],
    [S.Date, at],
    [S.Uint8Array, Uint8Array.of(1, 2)],
    [S.NullOr(S.String), "a", null],
    [S.NullOr(S.Int), 1, null],
    [S.NullOr(S.Finite), 1, null],
    [S.Union([S.String, S.Finite]), "a", 1],
    [S.Union([S.Finite, S.String]), "a", 1],
    [S.Union([S.String, S.Int]), "a", 1],
    [S.Union([A, B]), new A({ x: "q" }), new B({ x: "r" })],
    [S.Union([B, A]), new A({ x: "q" }), new B({ x: "r" })],
    [S.Option(S.Int), Option.some(1)],
    [S.Option(S.Finite), Option.some(1)],
    [S.Option(S.String), Option.some("a")],
    [S.Array(S.String), ["a", "\u0000"], []],
    [S.Array(S.Int), [1, 2]],
    [S.Array(S.Finite), [1, 0.5]],
    [S.Tuple([]), []],
    [S.Tuple([S.Int, S.Int]), [1, 2]],
    [S.Tuple([S.Int, S.optionalKey(S.Int)]), [1], [1, 2]],
    [S.Tuple([S.optionalKey(S.Int), S.optionalKey(S.Int)]), [1], [1, 2]],
    [S.TupleWithRest(S.Tuple([S.Int]), [S.Int]), [1, 3]],
    [S.Record(S.String, S.Int), { x: 1 }],
    [S.Record(S.String, S.Finite), { x: 0.5 }],
    [S.Record(S.String, S.String), { x: "1" }],
    [patterned(S.Int), { xa: 1 }],
    [patterned(S.String), { xa: "1" }],
    [S.Struct({ a: S.Int }), { a: 1 }],
    [S.StructWithRest(S.Struct({ a: S.Int }), [S.Record(S.String, S.Int)]), { a: 1, z: 2 }],
    [S.StructWithRest(S.Struct({ a: S.Int }), [S.Record(S.String, S.Union([S.String, S.Int]))]), { a: 1, z: "q" }],
    [S.Union([T(S.Int), V(S.Int)]), { _tag: "V", a: 1 }],
    [S.Union([V(S.Int), T(S.Int)]), { _tag: "V", a: 1 }],
    [S.Union([T(S.Finite), V(S.Finite)]), { _tag: "V", a: 0.5 }]
  ]
  const called = (schema: Schema.Top, name: string) => schema.annotate({ identifier: name }) as Schema.Top
  const places: Readonly<
    Record<string, readonly [(schema: Schema.Top) => Schema.Top, (value: unknown) => unknown]>
  > = {
    "a payload": [(schema) => schema, (value) => value],
    "a field": [(schema) => S.Struct({ in: schema }), (value) => ({ in: value })],
    "a field, and a list of the same": [
      (schema) => S.Struct({ in: called(schema, "One"), list: S.Array(called(schema, "One")) }),
      (value) => ({ in: value, list: [value, value] })
    ],
    "a list": [S.Array, (value) => [value, value]],
    "a record": [(schema) => S.Record(S.String, schema), (value) => ({ q: value })],
    "a tuple": [(schema) => S.Tuple([schema, S.String]), (value) => [value, "a"]],
    "a list of structs": [(schema) => S.Array(S.Struct({ in: schema })), (value) => [{ in: value }, { in: value }]],
    "a union of a union of one, each with a name": [
      (schema) => S.Union([called(S.Union([called(schema, "Inner"), S.Symbol]), "Outer")]),
      (value) => value
    ]
  }
  const known = (schema: Schema.Top): Option.Option<Wire.Wire> =>
    Option.liftThrowable(() => {
      const wire = Wire.wireOf(Rpc.make("call", { payload: schema }) as never)
      // Not every union has bytes: some cannot be told apart.
      Effect.runSyncExit(wire.encodePayload(null))
      return wire
    })()

  for (const [place, [around, within]] of Object.entries(places)) {
    it(`is read as it was written, as ${place}`, () => {
      const sides = kinds.flatMap(([schema, ...values]) => {
        const wire = Option.getOrUndefined(known(around(schema)))
        const contract = wire === undefined ? undefined : JSON.parse(JSON.stringify(wire.contract()))
        return wire === undefined ? [] : [{ values: values.map(within), wire, contract }]
      })
      let read = 0
      for (const writer of sides) {
        for (const reader of sides) {
          const together = Wire.sameHash(writer.wire.hash(), reader.wire.hash()) ||
            compatible(writer.contract, reader.contract)
          for (const value of together ? writer.values : []) {
            const exit = Effect.runSyncExit(
              Effect.flatMap(writer.wire.encodePayload(value), (bytes) => reader.wire.decodePayload(bytes))
            )
            // What it does not have room for it refuses.
            if (Exit.isFailure(exit)) continue
            assert.deepStrictEqual(
              exit.value,
              value,
              JSON.stringify([writer.contract.payload, reader.contract.payload])
            )
            read++
          }
        }
      }
      assert.isAbove(read, sides.length)
    })
  }
})
