/** The typed calls of `docs/vectors.json`, as the library hashes, compares, says and hears them. */
import { assert, describe, it } from "@effect/vitest"
import { withoutBinary } from "@pnet/lab/vectors/contractText"
import * as Document from "@pnet/lab/vectors/document"
import { Denied, Functions, Gone } from "@pnet/lab/vectors/typedFunctions"
import { Equal, Schema } from "effect"
import { Rpc, RpcMiddleware } from "effect/rpc"
import { hashOf } from "../src/internal/call/contract.ts"
import { compatible } from "../src/internal/call/contractCompatible.ts"
import { differences } from "../src/internal/call/contractDifferences.ts"
import { effects, fingerprintOf, known } from "../src/internal/call/rpcCodec.ts"
import { jsonContractOf } from "../src/internal/call/rpcContract.ts"
import { samples } from "../src/internal/call/rpcSamples.ts"
import { wireOf } from "../src/internal/call/rpcWire.ts"

const { typed } = Document.load()
const contractOf = (name: string) => typed.contracts.find((each) => each.name === name)!

class Busy extends Schema.TaggedError<Busy>()("Busy", {}) {}
class DeniedAlone extends RpcMiddleware.Service<DeniedAlone>()("DeniedAlone", { error: Denied }) {}
class Silent extends RpcMiddleware.Service<Silent>()("Silent") {}
class Several extends RpcMiddleware.Service<Several>()("Several", {
  error: Schema.Union([Denied, Schema.Union([Busy, Gone])])
}) {}

/** Contracts that are no function's of the vectors, as Effect's Schemas give them. */
const made: ReadonlyArray<Rpc.Any> = [
  Rpc.make("numbers", {
    payload: { finite: Schema.Finite, whole: Schema.Int, number: Schema.Number, big: Schema.BigInt },
    success: Schema.NullOr(Schema.Finite)
  }),
  Rpc.make("middlewares", { payload: Schema.String, error: Gone }).middleware(Several),
  Rpc.make("middleware-alone", { payload: Schema.String }).middleware(Silent).middleware(DeniedAlone),
  Rpc.make("union-of-one", { payload: { one: Schema.Union([Schema.String]) } }),
  Rpc.make("bytes-of-their-own", {
    payload: {
      date: Schema.Date,
      zoned: Schema.DateTimeZoned,
      decimal: Schema.BigDecimal,
      bigint: Schema.BigInt,
      bytes: Schema.Uint8Array,
      symbol: Schema.Symbol,
      duration: Schema.Duration,
      option: Schema.Option(Schema.DateTimeUtc),
      result: Schema.Result(Schema.String, Schema.Int),
      exit: Schema.Exit(Schema.String, Schema.Int, Schema.Defect()),
      cause: Schema.Cause(Schema.Int, Schema.Defect()),
      dates: Schema.Array(Schema.Date),
      perhaps: Schema.NullOr(Schema.Date),
      text: Schema.DateTimeUtcFromString
    }
  }),
  Rpc.make("fields-called-binary", { payload: { binary: Schema.String, "@pnet/core/binary": Schema.Date } }),
  Rpc.make("shapes", {
    payload: {
      tuple: Schema.Tuple([Schema.String, Schema.Finite]),
      rest: Schema.TupleWithRest(Schema.Tuple([Schema.String]), [Schema.Finite]),
      record: Schema.Record(Schema.String, Schema.Finite),
      literals: Schema.Literals(["north", "south", "east"]),
      mixed: Schema.Literals([1, "a", true]),
      tags: Schema.Union([
        Schema.TaggedStruct("Circle", { radius: Schema.Finite }),
        Schema.TaggedStruct("Square", { side: Schema.Finite })
      ]),
      anything: Schema.Unknown,
      none: Schema.optionalKey(Schema.Never)
    }
  }),
  Rpc.make("annotations-none", {
    payload: {
      path: Schema.String.annotate({ title: "Path", description: "where it is", examples: ["/tmp"], default: "/" }),
      size: Schema.Finite
    }
  }),
  Rpc.make("properties-like-keywords", {
    payload: {
      title: Schema.String,
      description: Schema.String,
      default: Schema.String,
      $ref: Schema.String,
      $defs: Schema.String,
      enum: Schema.String,
      required: Schema.String,
      properties: Schema.Struct({ title: Schema.String })
    }
  }),
  Rpc.make("names-of-properties", {
    payload: Schema.Struct(
      Object.fromEntries(
        ["9", "10", "-", "b", "B", "é", "\u{1f600}", "\uff5e", ""].map((name) => [name, Schema.String])
      )
    )
  })
]

describe("the contracts of docs/vectors.json", () => {
  it("have the hashes that the text gives them", () => {
    assert.isAtLeast(typed.contracts.length, 20)
    for (const { contract, hash, name } of typed.contracts) assert.strictEqual(hashOf(contract), hash, name)
  })

  it("are those of the functions that are called there, and of Effect's Schemas", () => {
    for (const rpc of Functions.requests.values()) {
      assert.deepStrictEqual<unknown>(wireOf(rpc as never).contract(), contractOf(rpc._tag).contract, rpc._tag)
    }
    for (const rpc of made) {
      assert.strictEqual(hashOf(wireOf(rpc as never).contract()), contractOf(rpc._tag).hash, rpc._tag)
    }
    // The same in the form of `rpc-json`, which says nothing of bytes.
    for (const rpc of [...Functions.requests.values(), ...made]) {
      const { hash, json } = contractOf(rpc._tag)
      assert.strictEqual(hashOf(jsonContractOf(rpc as never)), json?.hash ?? hash, rpc._tag)
    }
  })
})

describe("the samples of docs/vectors.json", () => {
  it("are those by which an encoder is known, and read back as they were", () => {
    assert.deepStrictEqual(typed.samples.values.map(({ name }) => name), samples.map(({ name }) => name))
    assert.strictEqual(typed.samples.fingerprint, known)
    assert.strictEqual(fingerprintOf(effects.codecFor), known)
    for (const [i, { hex, name }] of typed.samples.values.entries()) {
      const { schema, value } = samples[i]!
      const codec = effects.codecFor(schema) as unknown as Schema.Codec<unknown, Uint8Array>
      const bytes = new Uint8Array(Buffer.from(hex, "hex"))
      const read = Schema.decodeUnknownSync(codec)(bytes)
      assert.isTrue(Equal.equals(read, value) || Object.is(read, value), name)
      assert.deepStrictEqual(Schema.encodeUnknownSync(codec)(value).slice(), bytes, name)
    }
  })
})

describe("the pairs of contracts of docs/vectors.json", () => {
  it("go together where they say so, and else the caller says why", () => {
    assert.isAtLeast(typed.pairs.length, 30)
    for (const { caller, name, server, together } of typed.pairs) {
      assert.notStrictEqual(hashOf(caller), hashOf(server), name)
      // As a caller compares it, who knows which it is.
      const mine = server["binary"] === true ? caller : withoutBinary(caller)
      assert.strictEqual(compatible(mine, server), together, name)
      if (!together) assert.isNotEmpty(differences(mine, server), name)
    }
  })
})
