/**
 * Whole typed calls in the form of `rpc-json`: the lines that each side says in the stream, and what they come to. Made by hand from
 * the text of protocol section 13.
 */
import { hexOf, utf8 } from "./bytes.ts"
import { hashOf, type Json, type JsonObject, withoutBinary } from "./contractText.ts"
import type { Call, Result, Turn } from "./typedCall.ts"
import { functions, others } from "./typedContracts.ts"

type Name = keyof typeof functions
type Rule = Call["rule"]

// --- lines ---------------------------------------------------------------------------------------------------------------------

/** A contract of the calls whose values are JSON, which says nothing of bytes or forms. */
export const contractOf = (contract: JsonObject): JsonObject => {
  const { form: _form, ...rest } = withoutBinary(contract)
  return rest
}
const jsonOf = (name: Name): JsonObject => contractOf(functions[name])

const line = (value: Json): string => `${JSON.stringify(value)}\n`
const success = (value?: Json): string => line(value === undefined ? { type: "success" } : { type: "success", value })
const chunk = (...values: ReadonlyArray<Json>): string => line({ type: "chunk", values })
const failed = (error: Json, ...others: ReadonlyArray<Json>): string =>
  line({ type: "error", code: "failed", error, ...(others.length === 0 ? {} : { others }) })
const broken = line({ type: "error", code: "internal" })
const mismatch = (contract: JsonObject, hash: string = hashOf(contract)): string =>
  line({ type: "mismatch", hash, contract })

// --- calls ---------------------------------------------------------------------------------------------------------------------

const said = (from: Turn["from"]) => (text: string, then: Pick<Turn, "end" | "reset"> = {}): Turn => ({
  from,
  text,
  ...then
})
const caller = said("caller")
const server = said("server")
const end = { end: true } as const
const grant = (chunks: number) => caller(line({ grant: chunks }))
const reset = (code: string): ReadonlyArray<Turn> => [server("", { reset: code })]

const open = (name: string, more: JsonObject = {}): JsonObject => ({ protocol: "rpc-json", name, ...more })

/** A request as a caller makes it who knows the contract. */
const asked = (
  contract: JsonObject,
  { discard, headers, payload, window }: NonNullable<Call["caller"]>,
  hash: string = hashOf(contract)
): string =>
  line({
    payload,
    hash,
    ...(contract["stream"] === true ? { stream: true, window: window ?? 16 } : {}),
    ...(discard === true ? { discard } : {}),
    ...(headers === undefined ? {} : { headers })
  })

interface Asked extends Omit<NonNullable<Call["caller"]>, "contract"> {
  readonly open?: JsonObject
}

const made = (
  name: string,
  rule: Rule,
  description: string,
  called: Name,
  { open: opening, ...request }: Asked,
  turns: ReadonlyArray<Turn>,
  result: Result
): Call => {
  const { stream } = functions[called]
  const asking = { contract: called, ...request }
  return {
    name: `json-${name}`,
    description,
    rule,
    function: called,
    open: open(called, opening),
    caller: asking,
    turns: [caller(asked(jsonOf(called), asking), stream === true ? {} : end), ...turns],
    result
  }
}

/** A call of one value. */
const unary = (
  name: string,
  rule: Rule,
  description: string,
  called: Name,
  request: Asked,
  answer: string,
  result: Result
): Call => made(name, rule, description, called, request, [server(answer, end)], result)

/** A request that is not what a caller makes of a call. */
const given = (
  name: string,
  rule: Rule,
  description: string,
  called: string,
  turns: ReadonlyArray<Turn>,
  result: Result
): Call => ({ name: `json-${name}`, description, rule, function: called, open: open(called), turns, result })

const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
const tree = { name: "old", children: [] }
const three: Result = { type: "success", value: 3 }

const values: ReadonlyArray<Call> = [
  unary(
    "nothing",
    "json-call-payload",
    "no payload and no result are null",
    "nothing",
    { payload: null },
    success(null),
    {
      type: "success",
      value: null
    }
  ),
  unary("add", "json-call-payload", "one value for another", "add", { payload: { a: 1, b: 2 } }, success(3), three),
  unary(
    "add-infinite",
    "json-call-line",
    "what JSON has no number for",
    "add",
    { payload: { a: "-Infinity", b: 1.5 } },
    success("-Infinity"),
    { type: "success", value: "-Infinity" }
  ),
  unary(
    "greet",
    "json-call-payload",
    "a field that is left out; a deadline of two seconds, and a span",
    "greet",
    { payload: { name: "Zoë" }, open: { deadline: 2000, traceparent } },
    success("Hello, Zoë!"),
    { type: "success", value: "Hello, Zoë!" }
  ),
  unary(
    "read",
    "json-call-payload",
    "headers, and a result of bytes",
    "read",
    { payload: { path: "/a" }, headers: [["token", "é"], ["other", ""]] },
    success("AAH+/w=="),
    { type: "success", value: "AAH+/w==" }
  ),
  unary(
    "read-gone",
    "json-call-failure",
    "the function fails, with an error of its own",
    "read",
    { payload: { path: "/b" }, headers: [["token", "x"]] },
    failed({ _tag: "Gone", path: "/b" }),
    { type: "failed", error: { _tag: "Gone", path: "/b" } }
  ),
  unary(
    "read-denied",
    "json-call-failure",
    "its middleware fails",
    "read",
    { payload: { path: "/a" } },
    failed({ _tag: "Denied", why: "no token" }),
    { type: "failed", error: { _tag: "Denied", why: "no token" } }
  ),
  unary(
    "both",
    "json-call-failure",
    "further errors of the same call",
    "both",
    { payload: null },
    failed(
      { _tag: "Gone", path: "/a" },
      { _tag: "Gone", path: "/b" }
    ),
    { type: "failed", error: { _tag: "Gone", path: "/a" }, others: [{ _tag: "Gone", path: "/b" }] }
  ),
  unary("breaks", "typed-broken", "the function breaks", "breaks", { payload: "x" }, broken, { type: "broken" }),
  unary(
    "discard",
    "json-call-success",
    "a result that is not wanted",
    "greet",
    { payload: { name: "x" }, discard: true },
    success(),
    {
      type: "success"
    }
  ),
  unary(
    "grow",
    "json-call-line",
    "a type that refers to itself, whose contract says nothing of a form",
    "grow",
    { payload: { tree } },
    success({
      name: "new",
      children: [tree]
    }),
    { type: "success", value: { name: "new", children: [tree] } }
  ),
  unary(
    "later",
    "json-call-line",
    "a date, a whole number of any size, and an option, as their Schemas' JSON",
    "later",
    { payload: { at: "2026-01-02T03:04:05.678Z", by: "-60000" } },
    success({ _tag: "Some", value: "2026-01-02T03:03:05.678Z" }),
    { type: "success", value: { _tag: "Some", value: "2026-01-02T03:03:05.678Z" } }
  )
]

const streams: ReadonlyArray<Call> = [
  made("count", "json-call-values", "elements in chunks, and a success that has no value", "count", {
    payload: { to: 2 }
  }, [
    server(chunk(1) + chunk(2) + success(), end)
  ], { type: "success", elements: [1, 2] }),
  made("count-nothing", "json-call-values", "no elements, and so no chunk", "count", { payload: { to: 0 } }, [
    server(success(), end)
  ], { type: "success", elements: [] }),
  made("count-fails", "json-call-failure", "elements, and then an error", "count", { payload: { to: 9 } }, [
    server(chunk(1) + chunk(2) + chunk(3) + failed({ _tag: "TooFar", most: 3 }), end)
  ], { type: "failed", error: { _tag: "TooFar", most: 3 }, elements: [1, 2, 3] }),
  made(
    "count-window",
    "json-call-grants",
    "one chunk at a time; nothing more comes before it is granted",
    "count",
    { payload: { to: 3 }, window: 1 },
    [server(chunk(1)), grant(1), server(chunk(2)), grant(1), server(chunk(3) + success(), end)],
    { type: "success", elements: [1, 2, 3] }
  ),
  made("pieces", "json-call-values", "bytes as base64, the empty ones too", "pieces", {
    payload: { lengths: [0, 3, 1] }
  }, [
    server(chunk("", "AwMD", "AQ==") + success(), end)
  ], { type: "success", elements: ["", "AwMD", "AQ=="] })
]

// --- other requests ------------------------------------------------------------------------------------------------------------

const summed = [server(success(3), end)]
const plain = "{\"payload\":{\"a\":1,\"b\":2}}"

const oddRequests: ReadonlyArray<Call> = [
  given("no-hash", "json-call-hash", "without a hash the payload is decoded, and the call is run", "add", [
    caller(`${plain}\n`, end),
    ...summed
  ], three),
  given("no-line-feed", "json-call-line", "END ends a line as LF does", "add", [caller(plain, end), ...summed], three),
  given("not-ended", "json-call-line", "a request is whole by its LF, before END", "add", [
    caller(`${plain}\n`),
    ...summed
  ], three),
  given("spaces", "json-call-line", "JSON may have spaces between its parts, and numbers other forms", "add", [
    caller(` {"payload" : {"a":1.0, "b":2e0 }\t}\r\n`, end),
    ...summed
  ], three),
  given("bytes-behind", "json-call-one-value", "bytes behind the line of a request of one value are ignored", "add", [
    caller(`${plain}\n{"grant":1}\nx`, end),
    ...summed
  ], three),
  given("nulls", "json-call-null", "a field that is null is as one that is not there", "add", [
    caller(
      "{\"payload\":{\"a\":1,\"b\":2},\"hash\":null,\"headers\":null,\"stream\":null,\"discard\":null,\"window\":null}\n",
      end
    ),
    ...summed
  ], three),
  given("unknown-fields", "json-call-null", "fields that nobody knows are ignored", "add", [
    caller("{\"payload\":{\"a\":1,\"b\":2,\"c\":3},\"x\":[1],\"grant\":1}\n", end),
    ...summed
  ], three),
  given("no-payload", "json-call-null", "a payload that is left out is null", "nothing", [
    caller("{}\n", end),
    server(success(null), end)
  ], { type: "success", value: null }),
  given("no-window", "json-call-grants", "a window that is left out is 16", "count", [
    caller("{\"payload\":{\"to\":3},\"stream\":true}\n"),
    server(chunk(1) + chunk(2) + chunk(3) + success(), end)
  ], { type: "success", elements: [1, 2, 3] }),
  given(
    "window-none",
    "json-call-grants",
    "no chunk before one is granted, and a grant of 0 grants none",
    "count",
    [
      caller("{\"payload\":{\"to\":3},\"stream\":true,\"window\":0}\n"),
      server(""),
      grant(0),
      server(""),
      grant(2),
      server(chunk(1) + chunk(2)),
      caller("{\"grant\""),
      server(""),
      caller(":1,\"x\":2}\n"),
      server(chunk(3) + success(), end)
    ],
    { type: "success", elements: [1, 2, 3] }
  ),
  given("grant-with-request", "json-call-grants", "grants may come with the request", "count", [
    caller("{\"payload\":{\"to\":2},\"stream\":true,\"window\":0}\n{\"grant\":1}\n{\"grant\":1}\n"),
    server(chunk(1) + chunk(2) + success(), end)
  ], { type: "success", elements: [1, 2] }),
  given("caller-ends", "json-call-grants", "the caller ends its side while a chunk waits for a grant", "count", [
    caller("{\"payload\":{\"to\":3},\"stream\":true,\"window\":1}\n"),
    server(chunk(1)),
    caller("", end),
    ...reset("cancelled")
  ], { type: "reset", code: "cancelled", elements: [1] }),
  given("caller-ends-early", "json-call-grants", "the caller ends its side, and no chunk waits for a grant", "count", [
    caller("{\"payload\":{\"to\":3},\"stream\":true}", end),
    server(chunk(1) + chunk(2) + chunk(3) + success(), end)
  ], { type: "success", elements: [1, 2, 3] })
]

const disagrees: Result = { type: "mismatch" }
const hashless = (fields: JsonObject) => caller(line({ payload: { a: 1, b: 2 }, ...fields }), end)
const internal: Result = { type: "reset", code: "internal" }
const refused = (name: string, description: string, text: string, rule: Rule = "json-call-malformed"): Call =>
  given(name, rule, description, "add", [caller(text, end), ...reset("internal")], internal)

const notRun: ReadonlyArray<Call> = [
  given(
    "hash",
    "json-call-hash",
    "a hash that is not the other side's: nothing is decoded, and nothing is run",
    "add",
    [
      hashless({ hash: "0001020304050607" }),
      server(mismatch(jsonOf("add")), end)
    ],
    disagrees
  ),
  given(
    "hash-of-rpc",
    "json-call-contract",
    "the hash that the call has in rpc, where it has values with bytes of their own",
    "later",
    [
      caller(line({ payload: { at: "2026-01-02T03:04:05.678Z", by: "0" }, hash: hashOf(functions.later) }), end),
      server(mismatch(jsonOf("later")), end)
    ],
    disagrees
  ),
  given("stream-of-a-value", "json-call-hash", "the caller expects a stream, and there is one value", "add", [
    caller(line({ payload: { a: 1, b: 2 }, stream: true })),
    server(mismatch(jsonOf("add")), end)
  ], disagrees),
  given("value-of-a-stream", "json-call-hash", "the caller expects one value, and there is a stream", "count", [
    caller(line({ payload: { to: 1 } }), end),
    server(mismatch(jsonOf("count")), end)
  ], disagrees),
  given("payload", "json-call-hash", "a payload that is not what the function takes", "add", [
    caller(line({ payload: { a: 1, b: "2" } }), end),
    server(mismatch(jsonOf("add")), end)
  ], disagrees),
  given("payload-missing", "json-call-hash", "nor is none", "add", [
    caller("{}\n", end),
    server(mismatch(jsonOf("add")), end)
  ], disagrees),
  refused("empty", "END, and nothing before it", ""),
  refused("blank", "an empty line", "\n"),
  refused("cut", "JSON that is cut short", plain.slice(0, -1)),
  refused("array", "JSON that is no object", "[]\n"),
  refused("hash-short", "a hash that is none", "{\"payload\":{\"a\":1,\"b\":2},\"hash\":\"00\"}\n"),
  refused("hash-upper", "a hash in upper case", "{\"payload\":{\"a\":1,\"b\":2},\"hash\":\"00010203040506AB\"}\n"),
  refused("stream-number", "a flag that is neither true nor false", "{\"payload\":{\"a\":1,\"b\":2},\"stream\":0}\n"),
  refused("window-negative", "a window that is less than nothing", "{\"payload\":{\"a\":1,\"b\":2},\"window\":-1}\n"),
  refused("window-half", "a window that is no whole number", "{\"payload\":{\"a\":1,\"b\":2},\"window\":0.5}\n"),
  refused(
    "headers-object",
    "headers that are no list of pairs",
    "{\"payload\":{\"a\":1,\"b\":2},\"headers\":{\"a\":\"b\"}}\n"
  ),
  refused(
    "headers-numbers",
    "headers whose values are no texts",
    "{\"payload\":{\"a\":1,\"b\":2},\"headers\":[[\"a\",1]]}\n"
  ),
  refused("infinite", "a number that is not finite", "{\"payload\":{\"a\":1e400,\"b\":2}}\n"),
  refused("levels", "more levels of arrays than there may be", `{"payload":${"[".repeat(600)}${"]".repeat(600)}}\n`),
  {
    ...refused("not-utf8", "what is no UTF-8", ""),
    turns: [
      { from: "caller", hex: `${hexOf(utf8("{\"payload\":\""))}ff${hexOf(utf8("\"}\n"))}`, end: true },
      ...reset("internal")
    ]
  },
  given("grant-malformed", "json-call-grants", "a grant that is none", "count", [
    caller("{\"payload\":{\"to\":3},\"stream\":true,\"window\":0}\n{\"grant\":\"1\"}\n"),
    ...reset("internal")
  ], internal),
  given("unknown", "typed-not-found", "a call that nobody serves, where others are served", "subtract", [
    hashless({}),
    ...reset("not_found")
  ], { type: "reset", code: "not_found" })
]

// --- other contracts, and other answers ----------------------------------------------------------------------------------------

/** A call by a contract that is not the other side's, and the one that follows where they go together. */
const mismatched = (
  contract: "greet-more" | "greet-other",
  description: string,
  payload: Json,
  together: boolean
): ReadonlyArray<Call> => {
  const first: Call = {
    name: `json-${contract}`,
    description,
    rule: ["json-call-hash", "contract-compatible"],
    function: "greet",
    open: open("greet"),
    caller: { contract, payload },
    turns: [
      caller(asked(contractOf(others[contract].contract), { contract, payload }), end),
      server(mismatch(jsonOf("greet")), end)
    ],
    result: { type: "mismatch", together }
  }
  if (!together) return [first]
  const again = `${first.name}-again`
  return [{ ...first, next: again }, {
    ...first,
    name: again,
    description: "the same call, by the hash that has come, with the payload of its own contract",
    turns: [
      caller(asked(contractOf(others[contract].contract), { contract, payload }, hashOf(jsonOf("greet"))), end),
      server(success("Hello, Zoë!"), end)
    ],
    result: { type: "success", value: "Hello, Zoë!" }
  }]
}

const malformed: Result = { type: "malformed" }
const adding = { payload: { a: 1, b: 2 } }
const answered = (
  name: string,
  description: string,
  answer: string,
  result: Result = malformed,
  rule: Rule = "json-call-answer-wrong"
): Call => unary(`answer-${name}`, rule, description, "add", adding, answer, result)
const streamed = (
  name: string,
  description: string,
  turns: ReadonlyArray<Turn>,
  result: Result,
  rule: Rule = "json-call-answer-wrong"
): Call => made(`answer-${name}`, rule, description, "count", { payload: { to: 3 } }, turns, result)
const resets = caller("", { reset: "internal" })

const answers: ReadonlyArray<Call> = [
  made("answer-not-found", "typed-not-found", "nobody serves the function", "add", adding, reset("not_found"), {
    type: "reset",
    code: "not_found"
  }),
  made(
    "answer-internal",
    "typed-broken",
    "the function broke, or the request was malformed",
    "add",
    adding,
    reset("internal"),
    {
      type: "broken"
    }
  ),
  {
    ...made(
      "answer-refused",
      "typed-cancel",
      "it was not run, and may be made again",
      "add",
      adding,
      reset("refused"),
      {
        type: "reset",
        code: "refused"
      }
    ),
    next: "json-answer-refused-again"
  },
  answered("refused-again", "which it was", success(3), three, "typed-cancel"),
  answered(
    "mismatch-no-hash",
    "a mismatch of who makes no hashes",
    line({ type: "mismatch", contract: jsonOf("add") }),
    {
      type: "mismatch",
      together: false
    },
    "json-call-hash"
  ),
  answered(
    "mismatch-no-contract",
    "a mismatch without a contract",
    line({ type: "mismatch", hash: "0001020304050607" })
  ),
  answered("no-line-feed", "END ends the last line as LF does", success(3).trim(), three, "json-call-line"),
  answered(
    "unknown-fields",
    "fields that nobody knows are ignored",
    line({ x: 1, value: 3, type: "success" }),
    three,
    "json-call-null"
  ),
  answered("unknown-type", "a type that nobody knows is an error that says no more", line({ type: "maybe" }), {
    type: "broken"
  }, "json-call-unknown"),
  answered(
    "unknown-code",
    "so is a code",
    line({ type: "error", code: "tired", error: 1 }),
    { type: "broken" },
    "json-call-unknown"
  ),
  answered(
    "value-missing",
    "a success without a value has null",
    line({ type: "success" }),
    malformed,
    "json-call-null"
  ),
  answered(
    "contract-own",
    "the hash and the contract that the caller has sent: it does not call again",
    mismatch(jsonOf("add")),
    {
      type: "mismatch",
      together: false
    },
    "json-call-hash"
  ),
  answered(
    "contract-empty",
    "a contract that would have been too long",
    line({ type: "mismatch", hash: "0001020304050607", contract: {} }),
    {
      type: "mismatch",
      together: false
    },
    "json-call-hash"
  ),
  streamed(
    "in-pieces",
    "lines are cut anywhere where they travel",
    [
      server(chunk(1, 2).slice(0, 3)),
      server(chunk(1, 2).slice(3) + chunk(3).slice(0, 1)),
      server(chunk(3).slice(1) + success(), end)
    ],
    { type: "success", elements: [1, 2, 3] },
    "json-call-line"
  ),
  answered("empty", "END, and nothing before it", ""),
  answered("not-json", "what is no JSON", "success\n"),
  answered("array", "what is no object", "[]\n"),
  answered("no-type", "what has no type", line({ value: 3 })),
  answered("chunk", "a chunk, where one value is expected", chunk(1) + success()),
  answered("value", "a value that is none of the function's", success("3")),
  answered("error", "an error that is none of the function's", failed({ _tag: "Gone", path: "/" })),
  answered("more", "something behind the last line", success(3) + success(3)),
  streamed("stream-not-json", "what is no JSON", [server("chunk\n"), resets], malformed),
  streamed("stream-values", "values that are no list", [server(line({ type: "chunk", values: 1 })), resets], malformed),
  streamed("stream-no-values", "a chunk of nothing", [server(line({ type: "chunk", values: [] })), resets], malformed),
  streamed("stream-elements", "elements that are none, behind some that are", [server(chunk(1) + chunk("x")), resets], {
    ...malformed,
    elements: [1]
  }),
  streamed("stream-cut", "END behind a chunk", [server(chunk(1), end)], { ...malformed, elements: [1] })
]

export interface Section {
  readonly calls: ReadonlyArray<Call>
  readonly requests: ReadonlyArray<Call>
  readonly answers: ReadonlyArray<Call>
}

export const generate = (): Section => ({
  calls: [
    ...values,
    ...streams,
    ...mismatched("greet-more", "the caller has a field that the other side does not know: they go together", {
      name: "Zoë",
      times: 2
    }, true),
    ...mismatched("greet-other", "the caller's payload is of another kind", { name: 7 }, false)
  ],
  requests: [...oddRequests, ...notRun],
  answers
})
