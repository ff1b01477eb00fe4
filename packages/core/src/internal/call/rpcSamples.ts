/**
 * Values of every kind that typed calls can carry, with their Schemas: their bytes show which encoder wrote them. The list is part of
 * what `rpcCodec` compares with, so it only ever changes together with the version of the protocol.
 */
import * as BigDecimal from "effect/BigDecimal"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

/** A value and the Schema that it is written by. */
export interface Sample {
  readonly name: string
  readonly schema: Schema.Top
  readonly value: unknown
}

const sample = <S extends Schema.Top>(name: string, schema: S, value: S["Type"]): Sample => ({ name, schema, value })

const Point = Schema.Struct({ x: Schema.Finite, y: Schema.Int, note: Schema.optionalKey(Schema.String) })
const Shape = Schema.Union([
  Schema.TaggedStruct("Circle", { radius: Schema.Finite }),
  Schema.TaggedStruct("Square", { side: Schema.Int })
])
const Plain = Schema.Union([Schema.String, Schema.Finite, Schema.Boolean, Schema.Null])
class Failed extends Schema.TaggedError<Failed>()("Failed", { path: Schema.String, code: Schema.Int }) {}
const exit = Schema.Exit(Schema.String, Schema.Union([Failed]), Schema.Defect())

/** What every encoder of pnet/1 writes alike. */
export const samples: ReadonlyArray<Sample> = [
  sample("null", Schema.Null, null),
  sample("nothing", Schema.Void, undefined),
  sample("true", Schema.Boolean, true),
  sample("false", Schema.Boolean, false),
  ...[0, 1, 127, 128, -1, -300, 65_536, 2 ** 31, 2 ** 48 - 1, 2 ** 48, Number.MAX_SAFE_INTEGER].map((value) =>
    sample(`integer ${value}`, Schema.Int, value)
  ),
  ...[-0, 0.5, -1.25, 0.1, 1e21, 1e-7, Math.PI, 1e308, Infinity, -Infinity, NaN].map((value) =>
    sample(`number ${Object.is(value, -0) ? "-0" : value}`, Schema.Number, value)
  ),
  sample("an empty text", Schema.String, ""),
  sample("a text", Schema.String, "ä € 𝄞 \u0000"),
  sample("a long text", Schema.String, "pnet ".repeat(100)),
  sample("a literal", Schema.Literals(["a", "b", "c"]), "b"),
  sample("bytes", Schema.Uint8Array, Uint8Array.of(0, 1, 127, 128, 255)),
  sample("a bigint", Schema.BigInt, 123_456_789_012_345_678_901_234_567_890n),
  sample("a negative bigint", Schema.BigInt, -1n),
  sample("a date", Schema.Date, DateTime.toDateUtc(DateTime.makeUnsafe(1_700_000_000_123))),
  sample("a date before 1970", Schema.Date, DateTime.toDateUtc(DateTime.makeUnsafe(-1))),
  sample("a moment", Schema.DateTimeUtc, DateTime.makeUnsafe(1_700_000_000_123)),
  sample(
    "a moment in a zone",
    Schema.DateTimeZoned,
    DateTime.makeZonedUnsafe(1_700_000_000_123, { timeZone: 3 * 3_600_000 })
  ),
  sample("a duration", Schema.Duration, Duration.millis(1_500)),
  sample("nanoseconds", Schema.Duration, Duration.nanos(1_500_000_001n)),
  sample("for ever", Schema.Duration, Duration.infinity),
  sample("a decimal", Schema.BigDecimal, BigDecimal.fromStringUnsafe("-12345.6789")),
  sample("a symbol", Schema.Symbol, Symbol.for("pnet")),
  sample("a struct", Point, { x: 0.5, y: -3, note: "n" }),
  sample("a struct without its optional field", Point, { x: 1, y: 2 }),
  sample("a struct in a struct", Schema.Struct({ at: Point, name: Schema.String }), { at: { x: 1, y: 2 }, name: "a" }),
  sample("an empty list", Schema.Array(Schema.String), []),
  sample("texts", Schema.Array(Schema.String), ["a", "", "a", "bc"]),
  sample("integers", Schema.Array(Schema.Int), [1, -2, 300]),
  sample("numbers", Schema.Array(Schema.Finite), [1, 0.5, 1e100]),
  sample("structs", Schema.Array(Point), [{ x: 1, y: 2 }, { x: 3, y: 4, note: "n" }, { x: 5, y: 6 }]),
  sample("a tuple", Schema.Tuple([Schema.String, Schema.Int, Schema.Boolean]), ["a", 1, true]),
  sample("a record", Schema.Record(Schema.String, Schema.Int), { a: 1, b: -2 }),
  sample("one of tagged structs", Shape, { _tag: "Square", side: 2 }),
  sample("tagged structs", Schema.Array(Shape), [{ _tag: "Circle", radius: 1.5 }, { _tag: "Square", side: 2 }]),
  ...(["a", 1.5, true, null] as const).map((value) => sample(`one of plain kinds, ${value}`, Plain, value)),
  sample("anything", Schema.Json, { a: [1, "b", null, { c: true }] }),
  sample("some", Schema.Option(Schema.Int), Option.some(1)),
  sample("none", Schema.Option(Schema.Int), Option.none()),
  sample("a result", Schema.Result(Schema.Int, Schema.String), Result.fail("no")),
  sample("a class", Failed, new Failed({ path: "/a", code: 2 })),
  sample("a failed exit", exit, Exit.fail(new Failed({ path: "/a", code: 2 }))),
  sample("a list of exits", Schema.Array(exit), [Exit.succeed("a"), Exit.fail(new Failed({ path: "", code: 0 }))])
]
