/**
 * Whole typed calls in the form of `rpc`: what each side says in the stream, and what it comes to. What is around the values is made
 * by hand from the text of protocol section 13; the values are as Effect's codec has them.
 */
import * as Wire from "@pnet/core/internal/call/rpcWire"
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Rpc from "effect/rpc/Rpc"
import * as RpcSchema from "effect/rpc/RpcSchema"
import * as Schema from "effect/Schema"
import { concat, hexOf, ofHex, u32, utf8 } from "./bytes.ts"
import { hashOf, hashOfText, type Json, type JsonObject, textOf } from "./contractText.ts"
import type { Call, Result, Turn } from "./typedCall.ts"
import { functions, others } from "./typedContracts.ts"
import { both, Denied, Functions, Gone, OtherFunctions, TooFar } from "./typedFunctions.ts"

// --- bytes ---------------------------------------------------------------------------------------------------------------------

const none = new Uint8Array(0)
const flag = { headers: 1, discard: 2, raw: 4, stream: 8, form: 16 }

/** What stands behind a request's length. */
const head = (hash: Uint8Array, flags: number, window: number) =>
  concat(Uint8Array.of(1, flags), hash, Uint8Array.of(window))
const sized = (bytes: Uint8Array) => concat(u32(bytes.length), bytes)

const success = (value: Uint8Array = none) => concat(Uint8Array.of(0), value)
const failure = (exit: Uint8Array) => concat(Uint8Array.of(1), exit)
const chunk = (elements: Uint8Array) => concat(Uint8Array.of(2), sized(elements))
const raw = (...elements: ReadonlyArray<Uint8Array>) => concat(Uint8Array.of(5), sized(concat(...elements.map(sized))))
const broken = Uint8Array.of(6)
const mismatch = (hash: Uint8Array, contract: JsonObject) =>
  concat(Uint8Array.of(3), hash, utf8(JSON.stringify({ ...contract, binary: true })))

// --- values --------------------------------------------------------------------------------------------------------------------

type Name = keyof typeof functions

const valueOf = (schema: Schema.Top, json: Json): unknown =>
  Schema.decodeUnknownSync(Schema.toCodecJson(schema) as unknown as Schema.Codec<unknown, Json>)(json)

const codecOf = (rpc: Rpc.AnyWithProps, contract: JsonObject) => {
  const wire = Wire.wireOf(rpc)
  const of = (schema: Schema.Top, encode: (value: any) => Effect.Effect<Uint8Array, unknown>) => (json: Json) =>
    Effect.runSync(encode(valueOf(schema, json))).slice()
  const element = RpcSchema.isStreamSchema(rpc.successSchema) ? rpc.successSchema.success : rpc.successSchema
  return {
    contract,
    hash: ofHex(hashOf(contract)),
    payload: of(rpc.payloadSchema as Schema.Top, wire.encodePayload),
    success: of(rpc.successSchema as Schema.Top, wire.encodeSuccess),
    elements: of(Schema.NonEmptyArray(element as Schema.Top), wire.encodeChunk),
    failure: (error: unknown) => Effect.runSync(wire.encodeExit(Exit.fail(error))).slice(),
    failures: (cause: Cause.Cause<unknown>) => Effect.runSync(wire.encodeExit(Exit.failCause(cause))).slice(),
    died: (defect: unknown) => Effect.runSync(wire.encodeExit(Exit.die(defect))).slice()
  }
}
type Codec = ReturnType<typeof codecOf>

const rpcOf = (group: { readonly requests: ReadonlyMap<string, unknown> }, name: string) =>
  group.requests.get(name) as Rpc.AnyWithProps

const codecs = Object.fromEntries(
  Object.entries(functions).map(([name, contract]) => [name, codecOf(rpcOf(Functions, name), contract)])
) as unknown as Readonly<Record<Name, Codec>>

// --- calls ---------------------------------------------------------------------------------------------------------------------

const said = (from: Turn["from"]) => (bytes: Uint8Array, then: Pick<Turn, "end" | "reset"> = {}): Turn => ({
  from,
  hex: hexOf(bytes),
  ...then
})
const caller = said("caller")
const server = said("server")
const end = { end: true } as const
const reset = (code: string) => ({ reset: code })
const grant = (chunks: number) => caller(Uint8Array.of(chunks))

type Rule = Call["rule"]

/** What is in a request as a caller makes it who knows the contract. */
const requestOf = (
  codec: Codec,
  { discard, headers, payload, window }: NonNullable<Call["caller"]>,
  hash: Uint8Array = codec.hash
): NonNullable<Call["request"]> => {
  const stream = codec.contract["stream"] === true
  const isRaw = stream && (codec.contract["success"] as JsonObject)["format"] === "byte"
  return {
    flags: (headers === undefined ? 0 : flag.headers) + (discard === true ? flag.discard : 0) +
      (isRaw ? flag.raw : 0) + (stream ? flag.stream : 0) + (codec.contract["form"] === undefined ? 0 : flag.form),
    hash: hexOf(hash),
    window: stream ? window ?? 16 : 0,
    ...(headers === undefined ? {} : { headers: JSON.stringify(headers) }),
    payload: hexOf(codec.payload(payload))
  }
}

const asked = ({ flags, hash, headers, payload, window }: NonNullable<Call["request"]>): Uint8Array =>
  sized(concat(head(ofHex(hash), flags, window), headers === undefined ? none : sized(utf8(headers)), ofHex(payload)))

const open = (name: string, more: JsonObject = {}): JsonObject => ({ protocol: "rpc", name, ...more })

interface Asked extends Omit<NonNullable<Call["caller"]>, "contract"> {
  readonly open?: JsonObject
}

/** A call of one value. */
const unary = (
  name: string,
  rule: Rule,
  description: string,
  called: Name,
  { open: opening, ...request }: Asked,
  answer: Uint8Array,
  result: Result
): Call => {
  const made = { contract: called, ...request }
  const asking = requestOf(codecs[called], made)
  return {
    name,
    description,
    rule,
    function: called,
    open: open(called, opening),
    caller: made,
    request: asking,
    turns: [caller(asked(asking), end), server(answer, end)],
    result
  }
}

/** A call of a stream. */
const stream = (
  name: string,
  rule: Rule,
  description: string,
  called: Name,
  request: Asked,
  turns: ReadonlyArray<Turn>,
  result: Result
): Call => {
  const made = { contract: called, ...request }
  const asking = requestOf(codecs[called], made)
  return {
    name,
    description,
    rule,
    function: called,
    open: open(called),
    caller: made,
    request: asking,
    turns: [caller(asked(asking)), ...turns],
    result
  }
}

/** A request that is not what a caller makes of a call. */
const given = (
  name: string,
  rule: Rule,
  description: string,
  called: string,
  turns: ReadonlyArray<Turn>,
  result: Result
): Call => ({ name, description, rule, function: called, open: open(called), turns, result })

const { add, both: twice, breaks, count, greet, grow, later, nothing, pieces, read } = codecs
const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
const one = (n: number) => chunk(count.elements([n]))
const tree = { name: "old", children: [] }

const values: ReadonlyArray<Call> = [
  unary(
    "nothing",
    "contract-nothing",
    "no payload and no result are null, and not nothing",
    "nothing",
    { payload: null },
    success(nothing.success(null)),
    {
      type: "success",
      value: null
    }
  ),
  unary("add", "typed-request", "one value for another", "add", { payload: { a: 1, b: 2 } }, success(add.success(3)), {
    type: "success",
    value: 3
  }),
  unary(
    "add-infinite",
    "typed-values",
    "what JSON has no number for",
    "add",
    { payload: { a: "-Infinity", b: 1.5 } },
    success(add.success("-Infinity")),
    { type: "success", value: "-Infinity" }
  ),
  unary(
    "greet",
    ["typed-traceparent", "typed-values"],
    "a field that is left out; a deadline of two seconds, and a span",
    "greet",
    { payload: { name: "Zoë" }, open: { deadline: 2000, traceparent } },
    success(greet.success("Hello, Zoë!")),
    { type: "success", value: "Hello, Zoë!" }
  ),
  unary(
    "read",
    "typed-flags",
    "headers",
    "read",
    { payload: { path: "/a" }, headers: [["token", "é"], ["other", ""]] },
    success(read.success("AAH+/w==")),
    { type: "success", value: "AAH+/w==" }
  ),
  unary(
    "read-gone",
    "typed-exit",
    "the function fails, with an error of its own",
    "read",
    { payload: { path: "/b" }, headers: [["token", "x"]] },
    failure(read.failure(new Gone({ path: "/b" }))),
    { type: "failed", error: { _tag: "Gone", path: "/b" } }
  ),
  unary(
    "read-denied",
    "typed-exit",
    "its middleware fails",
    "read",
    { payload: { path: "/a" } },
    failure(read.failure(new Denied({ why: "no token" }))),
    { type: "failed", error: { _tag: "Denied", why: "no token" } }
  ),
  unary("breaks", "typed-broken", "the function breaks", "breaks", { payload: "x" }, broken, { type: "broken" }),
  unary(
    "discard",
    ["typed-discard", "typed-success"],
    "a result that is not wanted",
    "greet",
    {
      payload: { name: "x" },
      discard: true
    },
    success(),
    { type: "success" }
  ),
  unary(
    "grow",
    "typed-json-form",
    "values are JSON, in a call whose types refer to themselves",
    "grow",
    { payload: { tree } },
    success(grow.success({ name: "new", children: [tree] })),
    { type: "success", value: { name: "new", children: [tree] } }
  )
]

const ownForms: ReadonlyArray<Call> = [
  unary(
    "later",
    "contract-binary",
    "a date, a whole number of any size, and an option",
    "later",
    { payload: { at: "2026-01-02T03:04:05.678Z", by: "-60000" } },
    success(later.success({ _tag: "Some", value: "2026-01-02T03:03:05.678Z" })),
    { type: "success", value: { _tag: "Some", value: "2026-01-02T03:03:05.678Z" } }
  ),
  unary(
    "later-none",
    "contract-binary",
    "an option that has nothing",
    "later",
    { payload: { at: "1969-12-31T23:59:59.999Z", by: "0" } },
    success(later.success({ _tag: "None" })),
    { type: "success", value: { _tag: "None" } }
  ),
  unary("both", "typed-exit", "all typed errors travel", "both", { payload: null }, failure(twice.failures(both)), {
    type: "failed",
    error: { _tag: "Gone", path: "/a" },
    others: [{ _tag: "Gone", path: "/b" }]
  })
]

const streams: ReadonlyArray<Call> = [
  stream(
    "count",
    ["typed-elements", "typed-success"],
    "elements in chunks, and a success that has no value",
    "count",
    {
      payload: { to: 2 }
    },
    [server(concat(one(1), one(2), success()), end)],
    { type: "success", elements: [1, 2] }
  ),
  stream("count-nothing", "typed-elements", "no elements, and so no chunk", "count", { payload: { to: 0 } }, [
    server(success(), end)
  ], { type: "success", elements: [] }),
  stream("count-fails", "typed-exit", "elements, and then an error", "count", { payload: { to: 9 } }, [
    server(concat(one(1), one(2), one(3), failure(count.failure(new TooFar({ most: 3 })))), end)
  ], { type: "failed", error: { _tag: "TooFar", most: 3 }, elements: [1, 2, 3] }),
  stream(
    "count-window",
    ["typed-window", "typed-grants"],
    "one chunk at a time; nothing more comes before it is granted",
    "count",
    { payload: { to: 3 }, window: 1 },
    [server(one(1)), grant(1), server(one(2)), grant(1), server(concat(one(3), success()), end)],
    { type: "success", elements: [1, 2, 3] }
  ),
  stream("pieces", "typed-raw-chunk", "bytes as they are, the empty ones too", "pieces", {
    payload: { lengths: [0, 3, 1] }
  }, [
    server(concat(raw(none, Uint8Array.of(3, 3, 3), Uint8Array.of(1)), success()), end)
  ], { type: "success", elements: ["", "AwMD", "AQ=="] })
]

const counting = (window: number, to: number) => concat(head(count.hash, flag.stream, window), count.payload({ to }))

const oddRequests: ReadonlyArray<Call> = [
  given(
    "window-none",
    ["typed-window", "typed-grants"],
    "no chunk before one is granted, and a grant of 0 grants none",
    "count",
    [
      caller(sized(counting(0, 3))),
      server(none),
      grant(0),
      server(none),
      grant(2),
      server(concat(one(1), one(2))),
      caller(Uint8Array.of(0, 1, 0)),
      server(concat(one(3), success()), end)
    ],
    { type: "success", elements: [1, 2, 3] }
  ),
  given("grant-with-request", "typed-grants", "grants may come with the request", "count", [
    caller(concat(sized(counting(0, 2)), Uint8Array.of(1, 1))),
    server(concat(one(1), one(2), success()), end)
  ], { type: "success", elements: [1, 2] }),
  given("caller-ends", "typed-gives-up", "the caller ends its side while a chunk waits for a grant", "count", [
    caller(sized(counting(1, 3))),
    server(one(1)),
    caller(none, end),
    server(none, reset("cancelled"))
  ], { type: "reset", code: "cancelled", elements: [1] }),
  given("caller-ends-early", "typed-gives-up", "the caller ends its side, and no chunk waits for a grant", "count", [
    caller(sized(counting(3, 3)), end),
    server(concat(one(1), one(2), one(3), success()), end)
  ], { type: "success", elements: [1, 2, 3] }),
  given(
    "pieces-without-flag",
    "typed-raw-chunk",
    "bytes by their codec, for a caller that takes no raw chunks",
    "pieces",
    [
      caller(sized(concat(head(pieces.hash, flag.stream, 16), pieces.payload({ lengths: [2, 1] })))),
      server(concat(chunk(pieces.elements(["AgI=", "AQ=="])), success()), end)
    ],
    { type: "success", elements: ["AgI=", "AQ=="] }
  ),
  given("unknown-flags", "typed-flags", "bits that nobody knows, and one that says nothing here, are ignored", "add", [
    caller(sized(concat(head(add.hash, 0xf0 + flag.raw, 9), add.payload({ a: 1, b: 2 }))), end),
    server(success(add.success(3)), end)
  ], { type: "success", value: 3 }),
  given("discard-stream", "typed-discard", "a stream that is not wanted is one nonetheless", "count", [
    caller(sized(concat(head(count.hash, flag.stream + flag.discard, 16), count.payload({ to: 1 })))),
    server(concat(one(1), success()), end)
  ], { type: "success", elements: [1] }),
  given("bytes-behind", "typed-one-value", "bytes behind a request of one value are ignored", "add", [
    caller(concat(sized(concat(head(add.hash, 0, 0), add.payload({ a: 1, b: 2 }))), Uint8Array.of(1, 2, 3)), end),
    server(success(add.success(3)), end)
  ], { type: "success", value: 3 }),
  given("not-ended", "typed-one-value", "a request is whole by its length, before END", "add", [
    caller(sized(concat(head(add.hash, 0, 0), add.payload({ a: 1, b: 2 })))),
    server(success(add.success(3)), end)
  ], { type: "success", value: 3 }),
  given("no-headers", "typed-flags", "headers of which there are none", "add", [
    caller(sized(concat(head(add.hash, flag.headers, 0), sized(utf8("[]")), add.payload({ a: 1, b: 2 }))), end),
    server(success(add.success(3)), end)
  ], { type: "success", value: 3 })
]

const other = Uint8Array.of(0, 1, 2, 3, 4, 5, 6, 7)
const disagrees: Result = { type: "mismatch" }

const notRun: ReadonlyArray<Call> = [
  given(
    "hash",
    "contract-mismatch",
    "a hash that is not the other side's: nothing is decoded, and nothing is run",
    "add",
    [
      caller(sized(head(other, 0, 0)), end),
      server(mismatch(add.hash, add.contract), end)
    ],
    disagrees
  ),
  given("stream-of-a-value", "contract-mismatch-stream", "the caller expects a stream, and there is one value", "add", [
    caller(sized(concat(head(add.hash, flag.stream, 16), add.payload({ a: 1, b: 2 })))),
    server(mismatch(add.hash, add.contract), end)
  ], disagrees),
  given(
    "value-of-a-stream",
    "contract-mismatch-stream",
    "the caller expects one value, and there is a stream",
    "count",
    [
      caller(sized(concat(head(count.hash, 0, 0), count.payload({ to: 1 }))), end),
      server(mismatch(count.hash, count.contract), end)
    ],
    disagrees
  ),
  given("payload", "contract-mismatch-stream", "a payload that is none", "add", [
    caller(sized(concat(head(add.hash, 0, 0), Uint8Array.of(255, 255, 255))), end),
    server(mismatch(add.hash, add.contract), end)
  ], disagrees),
  given(
    "payload-empty",
    ["contract-nothing", "contract-mismatch-stream"],
    "no payload at all is none, where it is null",
    "nothing",
    [
      caller(sized(head(nothing.hash, 0, 0)), end),
      server(mismatch(nothing.hash, nothing.contract), end)
    ],
    disagrees
  ),
  given("json-not-json", "typed-json-form", "a payload that is no JSON, of a call whose values are", "grow", [
    caller(sized(concat(head(grow.hash, flag.form, 0), utf8("{\"tree\":"))), end),
    server(mismatch(grow.hash, grow.contract), end)
  ], disagrees),
  given(
    "form-not-said",
    "contract-encoder-flag",
    "JSON, as the hash of its contract says, from a caller who does not say that it knows of forms",
    "grow",
    [
      caller(sized(concat(head(grow.hash, 0, 0), utf8(JSON.stringify({ tree })))), end),
      server(mismatch(grow.hash, grow.contract), end)
    ],
    disagrees
  ),
  given("empty", "typed-request", "nothing", "add", [caller(none, end), server(none, reset("internal"))], {
    type: "reset",
    code: "internal"
  }),
  given("length-cut", "typed-version", "half of a length", "add", [
    caller(Uint8Array.of(0, 0), end),
    server(none, reset("internal"))
  ], {
    type: "reset",
    code: "internal"
  }),
  given("cut", "typed-version", "a request that ends before its length does", "add", [
    caller(sized(head(add.hash, 0, 0)).subarray(0, 14), end),
    server(none, reset("internal"))
  ], { type: "reset", code: "internal" }),
  given("short", "typed-version", "a request that is too short to have a window", "add", [
    caller(sized(head(add.hash, 0, 0).subarray(0, 10)), end),
    server(none, reset("internal"))
  ], { type: "reset", code: "internal" }),
  given("version", "typed-version", "another version", "add", [
    caller(sized(concat(Uint8Array.of(2, 0), add.hash, Uint8Array.of(0), add.payload({ a: 1, b: 2 }))), end),
    server(none, reset("internal"))
  ], { type: "reset", code: "internal" }),
  given("headers-cut", "typed-version", "headers that go on behind the request", "add", [
    caller(sized(concat(head(add.hash, flag.headers, 0), u32(3), utf8("[]"))), end),
    server(none, reset("internal"))
  ], { type: "reset", code: "internal" }),
  given("headers-object", "typed-version", "headers that are no list of pairs", "add", [
    caller(
      sized(concat(head(add.hash, flag.headers, 0), sized(utf8("{\"a\":\"b\"}")), add.payload({ a: 1, b: 2 }))),
      end
    ),
    server(none, reset("internal"))
  ], { type: "reset", code: "internal" }),
  given("headers-numbers", "typed-version", "headers whose values are no texts", "add", [
    caller(
      sized(concat(head(add.hash, flag.headers, 0), sized(utf8("[[\"a\",1]]")), add.payload({ a: 1, b: 2 }))),
      end
    ),
    server(none, reset("internal"))
  ], { type: "reset", code: "internal" }),
  given("headers-not-utf8", "typed-version", "headers that are no UTF-8", "add", [
    caller(
      sized(
        concat(
          head(add.hash, flag.headers, 0),
          sized(concat(utf8("[[\"a\",\""), Uint8Array.of(0xff), utf8("\"]]"))),
          add.payload({ a: 1, b: 2 })
        )
      ),
      end
    ),
    server(none, reset("internal"))
  ], { type: "reset", code: "internal" }),
  given("too-large", "typed-size", "a length beyond what a request may be", "add", [
    caller(Uint8Array.of(0xff, 0xff, 0xff, 0xff)),
    server(none, reset("too_large"))
  ], { type: "reset", code: "too_large" }),
  given("unknown", "typed-not-found", "a call that nobody serves, where others are served", "subtract", [
    caller(sized(concat(head(add.hash, 0, 0), add.payload({ a: 1, b: 2 }))), end),
    server(none, reset("not_found"))
  ], { type: "reset", code: "not_found" })
]

/** A call that is answered with another contract, which goes with the caller's, and the call that follows. */
const agreed = (
  first: Call,
  codec: Codec,
  hash: Uint8Array,
  answer: Uint8Array,
  result: Result
): ReadonlyArray<Call> => {
  const again = `${first.name}-again`
  const request = requestOf(codec, first.caller!, hash)
  return [{ ...first, next: again }, {
    ...first,
    name: again,
    description: "the same call, by the hash that has come, with the payload of its own contract",
    rule: "contract-compatible",
    request,
    turns: [caller(asked(request), end), server(answer, end)],
    result
  }]
}

/** A call by a contract that is not the other side's. */
const mismatched = (
  name: keyof typeof OtherFunctions,
  description: string,
  payload: Json,
  together: boolean
): ReadonlyArray<Call> => {
  const codec = codecOf(rpcOf(OtherFunctions[name], "greet"), others[name].contract)
  const made = { contract: name, payload }
  const request = requestOf(codec, made)
  const first: Call = {
    name,
    description,
    rule: ["contract-mismatch", "contract-compatible"],
    function: "greet",
    open: open("greet"),
    caller: made,
    request,
    turns: [caller(asked(request), end), server(mismatch(greet.hash, greet.contract), end)],
    result: { type: "mismatch", together }
  }
  return together
    ? agreed(first, codec, greet.hash, success(greet.success("Hello, Zoë!")), { type: "success", value: "Hello, Zoë!" })
    : [first]
}

/** A call between a node of version 0.1.0, which has another hash of it, and a later one: as its caller, and as its server. */
const between = (
  name: string,
  rule: Rule,
  description: string,
  made: NonNullable<Call["caller"]> & { readonly contract: Name },
  older: { readonly contract: JsonObject; readonly hash: string },
  value: Json
) => {
  const codec = codecs[made.contract]
  const request = requestOf(codec, made)
  const first: Call = {
    name: `answer-0.1.0-${name}`,
    description: `a server of version 0.1.0, ${description}`,
    rule: [rule, "contract-mismatch"].flat(),
    function: made.contract,
    open: open(made.contract),
    caller: made,
    request,
    turns: [
      caller(asked(request), end),
      server(concat(Uint8Array.of(3), ofHex(older.hash), utf8(JSON.stringify(older.contract))), end)
    ],
    result: { type: "mismatch", together: true }
  }
  return {
    asked: given(
      `hash-0.1.0-${name}`,
      rule,
      `a caller of version 0.1.0, ${description}; it calls again by the hash that comes`,
      made.contract,
      [
        caller(asked(requestOf(codec, made, ofHex(older.hash))), end),
        server(mismatch(codec.hash, codec.contract), end)
      ],
      { type: "mismatch", together: true }
    ),
    answered: agreed(first, codec, ofHex(older.hash), success(codec.success(value)), { type: "success", value })
  }
}

const ofOlder = [
  between(
    "binary",
    "contract-binary",
    "whose contract says nothing of bytes, nor that it would",
    { contract: "read", payload: { path: "/a" }, headers: [["token", "x"]] },
    { contract: others["read-0.1.0"].contract, hash: hashOf(others["read-0.1.0"].contract) },
    "AAH+/w=="
  ),
  between(
    "names",
    "contract-sorted",
    "which sorts names that are whole numbers before all others",
    { contract: "spell", payload: { "9": "a", "10": "b", x: "c" } },
    // Objects of this language are as it sorts them.
    { contract: functions.spell, hash: hashOfText(JSON.stringify(JSON.parse(textOf(functions.spell)))) },
    "abc"
  )
]

const malformed: Result = { type: "malformed" }
const notAnswered = (name: string, description: string, answer: Uint8Array): Call =>
  unary(`answer-${name}`, "typed-answer-wrong", description, "add", { payload: { a: 1, b: 2 } }, answer, malformed)
const notStreamed = (
  name: string,
  description: string,
  called: "count" | "pieces",
  answer: Uint8Array,
  elements: ReadonlyArray<Json> = []
): Call =>
  stream(
    `answer-${name}`,
    "typed-answer-wrong",
    description,
    called,
    { payload: called === "count" ? { to: 1 } : { lengths: [] } },
    [server(answer), caller(none, reset("internal"))],
    elements.length === 0 ? malformed : { ...malformed, elements }
  )

/** Answers that a caller takes, though nobody should send them, or nobody does. */
const oddAnswers: ReadonlyArray<Call> = [
  unary(
    "answer-defect",
    "typed-exit",
    "an exit with a defect in it, which does not travel",
    "breaks",
    { payload: "x" },
    failure(breaks.died("a secret")),
    { type: "broken" }
  ),
  unary(
    "answer-broken-more",
    "typed-answer-wrong",
    "bytes behind what needs none are ignored",
    "breaks",
    { payload: "x" },
    concat(broken, Uint8Array.of(1)),
    { type: "broken" }
  ),
  unary(
    "answer-discard-more",
    "typed-answer-wrong",
    "a value that is not wanted is ignored",
    "add",
    { payload: { a: 1, b: 2 }, discard: true },
    success(Uint8Array.of(255)),
    { type: "success" }
  ),
  stream(
    "answer-stream-more",
    "typed-answer-wrong",
    "so is one behind a stream's success",
    "count",
    { payload: { to: 1 } },
    [server(concat(one(1), success(Uint8Array.of(255))), end)],
    { type: "success", elements: [1] }
  ),
  stream(
    "answer-in-pieces",
    "typed-elements",
    "chunks are cut anywhere, also where they travel",
    "count",
    { payload: { to: 3 } },
    [
      server(chunk(count.elements([1, 2])).subarray(0, 3)),
      server(concat(chunk(count.elements([1, 2])).subarray(3), one(3).subarray(0, 1))),
      server(concat(one(3).subarray(1), success()), end)
    ],
    { type: "success", elements: [1, 2, 3] }
  ),
  unary(
    "answer-contract-empty",
    ["typed-size", "contract-compatible"],
    "a contract that would have been too long",
    "add",
    { payload: { a: 1, b: 2 } },
    mismatch(other, {}),
    { type: "mismatch", together: false }
  ),
  unary(
    "answer-encoder",
    ["contract-encoder", "contract-compatible"],
    "the contract of an encoder that makes other bytes",
    "add",
    { payload: { a: 1, b: 2 } },
    mismatch(other, { ...add.contract, form: "0123456789abcdef" }),
    { type: "mismatch", together: false }
  ),
  unary(
    "answer-contract-own",
    "contract-mismatch",
    "the hash and the contract that the caller has sent: it does not call again",
    "add",
    { payload: { a: 1, b: 2 } },
    mismatch(add.hash, add.contract),
    { type: "mismatch", together: false }
  )
]

const reseted = (code: string, rule: Rule, description: string, result: Result = { type: "reset", code }): Call => {
  const made = { contract: "add", payload: { a: 1, b: 2 } }
  const request = requestOf(add, made)
  return {
    name: `answer-${code.replaceAll("_", "-")}`,
    description,
    rule,
    function: "add",
    open: open("add"),
    caller: made,
    request,
    turns: [caller(asked(request), end), server(none, reset(code))],
    result
  }
}

/** What a RESET says in place of an answer. */
const resets: ReadonlyArray<Call> = [
  reseted("not_found", "typed-not-found", "nobody serves the function"),
  reseted("internal", "typed-broken", "the function broke, or the request was malformed", { type: "broken" }),
  reseted("deadline", "typed-broken", "its time was up"),
  reseted("going_away", "typed-broken", "the function was interrupted: it is served no longer"),
  reseted("too_large", "typed-size", "the request or the answer was too large", { type: "too_large" }),
  { ...reseted("refused", "typed-cancel", "it was not run, and may be made again"), next: "answer-refused-again" },
  unary(
    "answer-refused-again",
    "typed-cancel",
    "which it was",
    "add",
    { payload: { a: 1, b: 2 } },
    success(add.success(3)),
    {
      type: "success",
      value: 3
    }
  )
]

/** Answers that are none: only a caller meets them. */
const wrongAnswers: ReadonlyArray<Call> = [
  notAnswered("empty", "END, and nothing before it", none),
  notAnswered("unknown", "a first byte that says nothing", Uint8Array.of(4)),
  notAnswered("chunk", "a chunk, where one value is expected", concat(one(1), success())),
  notAnswered("value", "a value that is none", success(Uint8Array.of(255, 255, 255))),
  notAnswered("value-empty", "a success without the value that there is", success()),
  notAnswered("exit", "an exit that is none", failure(Uint8Array.of(255))),
  notAnswered("mismatch", "a hash without a contract", concat(Uint8Array.of(3), other)),
  notStreamed("stream-unknown", "a first byte that says nothing", "count", Uint8Array.of(7)),
  notStreamed("stream-raw", "a raw chunk, where elements are no bytes", "count", raw(Uint8Array.of(1))),
  notStreamed(
    "stream-elements",
    "elements that are none, behind some that are",
    "count",
    concat(one(1), chunk(Uint8Array.of(255))),
    [1]
  ),
  {
    ...notStreamed("stream-too-large", "a chunk beyond what one may be", "count", Uint8Array.of(2, 255, 255, 255, 255)),
    rule: "typed-size",
    turns: [
      caller(asked(requestOf(count, { contract: "count", payload: { to: 1 } }))),
      server(Uint8Array.of(2, 255, 255, 255, 255)),
      caller(none, reset("too_large"))
    ],
    result: { type: "too_large" }
  },
  notStreamed("stream-no-elements", "a raw chunk of nothing", "pieces", raw()),
  notStreamed(
    "stream-raw-cut",
    "an element that goes on behind its chunk",
    "pieces",
    concat(
      Uint8Array.of(5),
      sized(concat(u32(2), Uint8Array.of(1)))
    )
  )
]

export interface Section {
  readonly calls: ReadonlyArray<Call>
  readonly requests: ReadonlyArray<Call>
  readonly answers: ReadonlyArray<Call>
}

export const generate = (): Section => ({
  calls: [
    ...values,
    ...ownForms,
    ...streams,
    ...mismatched("greet-more", "the caller has a field that the other side does not know: they go together", {
      name: "Zoë",
      times: 2
    }, true),
    ...mismatched("greet-other", "the caller's payload is of another kind", { name: 7 }, false)
  ],
  requests: [...oddRequests, ...notRun, ...ofOlder.map(({ asked }) => asked)],
  answers: [...ofOlder.flatMap(({ answered }) => answered), ...resets, ...oddAnswers, ...wrongAnswers]
})
