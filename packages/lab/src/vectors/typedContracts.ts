/**
 * Contracts of typed calls, written by hand: those of the functions that the calls of the vectors are of, and such as show one
 * thing each of the text that is hashed.
 */
import { type Json, type JsonObject, withoutBinary } from "./contractText.ts"

// --- parts of JSON Schema -----------------------------------------------------------------------------------------------------

const text = { type: "string" }
const finite = { type: "number" }
const whole = { type: "integer", minimum: -9007199254740991, maximum: 9007199254740991 }
/** A number that may be infinite, or none. */
const number = { anyOf: [finite, { type: "string", enum: ["Infinity", "-Infinity", "NaN"] }] }
/** What has a form of its own where values are no JSON. */
const own = (schema: JsonObject, binary: string): JsonObject => ({ ...schema, binary })
const bytes = own({ type: "string", format: "byte", contentEncoding: "base64" }, "Uint8Array")
const bigint = own({ type: "string", pattern: "^-?\\d+$" }, "BigInt")
const date = own(text, "Date")
const nothing = { type: "null" }
const never = { not: {} }
const ref = (name: string) => ({ $ref: `#/$defs/${name}` })
const one = (value: Json) => ({ type: typeof value, enum: [value] })

const struct = (properties: JsonObject, optional: ReadonlyArray<string> = []): JsonObject => ({
  type: "object",
  properties,
  required: Object.keys(properties).filter((name) => !optional.includes(name)),
  additionalProperties: true
})
const tagged = (tag: string, properties: JsonObject = {}) => struct({ _tag: one(tag), ...properties })
const array = (items: Json) => ({ type: "array", items })
const withDefs = (schema: JsonObject, $defs: JsonObject): JsonObject => ({ ...schema, $defs })
const errors = (members: ReadonlyArray<JsonObject>, $defs?: JsonObject): JsonObject =>
  $defs === undefined ? { anyOf: members } : { anyOf: members, $defs }

const call = (parts: JsonObject): JsonObject => ({
  payload: nothing,
  success: nothing,
  error: errors([never]),
  stream: false,
  ...parts
})

// --- contracts -----------------------------------------------------------------------------------------------------------------

export interface Named {
  readonly name: string
  readonly description: string
  readonly rule: string | ReadonlyArray<string>
  readonly contract: JsonObject
}

const option = (value: Json) => own({ anyOf: [tagged("Some", { value }), tagged("None")] }, "Option")
const gone = tagged("Gone", { path: text })
const denied = tagged("Denied", { why: text })
const tooFar = tagged("TooFar", { most: whole })
const tree = struct({ name: text, children: array(ref("Tree")) })

/** Of the functions that are called in the vectors, by their names. */
export const functions = {
  nothing: call({}),
  add: call({ payload: struct({ a: number, b: number }), success: number }),
  greet: call({ payload: struct({ name: text, loud: { type: "boolean" } }, ["loud"]), success: text }),
  read: call({
    payload: struct({ path: text }),
    success: bytes,
    error: errors([ref("GoneEncoded"), ref("DeniedEncoded")], { GoneEncoded: gone, DeniedEncoded: denied })
  }),
  breaks: call({ payload: text, success: text }),
  count: call({
    payload: struct({ to: whole }),
    success: whole,
    error: errors([never, ref("TooFarEncoded")], { TooFarEncoded: tooFar }),
    stream: true
  }),
  pieces: call({ payload: struct({ lengths: array(whole) }), success: bytes, stream: true }),
  grow: call({
    payload: withDefs(struct({ tree: ref("Tree") }), { Tree: tree }),
    success: withDefs(ref("Tree"), { Tree: tree }),
    form: "json"
  }),
  later: call({ payload: struct({ at: date, by: bigint }), success: option(date) }),
  spell: call({ payload: struct({ "9": text, "10": text, x: text }), success: text }),
  both: call({ error: errors([ref("GoneEncoded")], { GoneEncoded: gone }) })
} satisfies Readonly<Record<string, JsonObject>>

const functionTexts: Readonly<Record<keyof typeof functions, readonly [string, string | ReadonlyArray<string>]>> = {
  nothing: ["takes nothing, gives nothing and cannot fail", ["contract-nothing", "contract-error"]],
  add: ["numbers that may be infinite, or none, which JSON has as texts", "contract-hash"],
  greet: ["a field that may be missing", "contract-further-fields"],
  read: ["an error of its own, and one of a middleware; definitions are in the part that refers to them", [
    "contract-error",
    "contract-refs"
  ]],
  breaks: ["a payload that is no object", "contract-hash"],
  count: ["a stream: success is an element's, and the stream's error comes behind the call's own, which there is not", [
    "contract-parts",
    "contract-error"
  ]],
  pieces: ["a stream of bytes that cannot fail", "contract-parts"],
  grow: ["a type that refers to itself: the values of the call are JSON. Definitions are counted anew in each part", [
    "typed-json-form",
    "contract-refs"
  ]],
  later: ["values that have bytes of their own, and are texts and objects in JSON", "contract-binary"],
  spell: ["names that are numbers, which are sorted as texts", "contract-sorted"],
  both: ["an error alone", "contract-error"]
}

/** Of callers of `greet` that know another contract of it. */
export const others = {
  "greet-more": {
    description: "greet, as a caller knows it that sends more",
    contract: call({ payload: struct({ name: text, times: whole }), success: text })
  },
  "read-0.1.0": {
    description: "read, as version 0.1.0 has it, which says nothing of bytes",
    contract: withoutBinary(functions.read)
  },
  "greet-other": {
    description: "greet, as a caller knows it that sends another thing",
    contract: call({ payload: struct({ name: whole }), success: text })
  }
} satisfies Readonly<Record<string, { readonly description: string; readonly contract: JsonObject }>>

const hashed = (name: string, rule: string, description: string, contract: JsonObject): Named => ({
  name,
  description,
  rule,
  contract: call(contract)
})

/** One of the reasons of a cause. */
const reason = {
  anyOf: [
    tagged("Fail", { error: whole }),
    tagged("Die", { defect: {} }),
    tagged("Interrupt", { fiberId: { anyOf: [finite, nothing] } })
  ]
}

const user = struct({ id: text })
const order = struct({ by: ref("User"), items: array(ref("Item")) })

/** What a contract may have in it, however it came to be there. */
const singles: ReadonlyArray<Named> = [
  hashed("numbers", "contract-hash", "kinds of numbers, and texts that stand for numbers", {
    payload: struct({ finite, whole, number, big: bigint }),
    success: { anyOf: [finite, nothing] }
  }),
  hashed(
    "middlewares",
    "contract-error",
    "the members of a middleware's union stand in its place, one by one, and may come twice",
    {
      payload: text,
      error: errors([ref("GoneEncoded"), ref("DeniedEncoded"), ref("BusyEncoded"), ref("GoneEncoded")], {
        GoneEncoded: gone,
        DeniedEncoded: denied,
        BusyEncoded: tagged("Busy")
      })
    }
  ),
  hashed("middleware-alone", "contract-error", "a call that cannot fail by itself, with a middleware that can", {
    payload: text,
    error: errors([never, ref("DeniedEncoded")], { DeniedEncoded: denied })
  }),
  hashed("union-of-one", "contract-hash", "a union of one is another text than its member", {
    payload: struct({ one: { anyOf: [text] } })
  }),
  hashed(
    "bytes-of-their-own",
    "contract-binary",
    "what JSON has a text for, or an object, and SchemaBinary a form of its own",
    {
      payload: struct({
        date,
        zoned: own(text, "DateTimeZoned"),
        decimal: own(text, "BigDecimal"),
        bigint,
        bytes,
        symbol: own({ ...text, pattern: "^Symbol\\(([\\s\\S]*)\\)$" }, "Symbol"),
        duration: own({
          anyOf: [
            tagged("Infinity"),
            tagged("NegativeInfinity"),
            tagged("Nanos", { value: { type: "string", pattern: "^-?\\d+$" } }),
            tagged("Millis", { value: whole })
          ]
        }, "Duration"),
        option: option(date),
        result: own({ anyOf: [tagged("Success", { success: text }), tagged("Failure", { failure: whole })] }, "Result"),
        exit: own({ anyOf: [tagged("Success", { value: text }), tagged("Failure", { cause: array(reason) })] }, "Exit"),
        cause: own(array(reason), "Cause"),
        dates: array(date),
        perhaps: { anyOf: [date, nothing] },
        text
      })
    }
  ),
  hashed("fields-called-binary", "contract-binary", "a field may be called as the keyword is", {
    payload: struct({ binary: text, "@pnet/core/binary": date })
  }),
  hashed("shapes", "contract-hash", "tuples, records, literals, and what may be anything or nothing", {
    payload: struct({
      tuple: { type: "array", prefixItems: [text, finite], maxItems: 2, minItems: 2 },
      rest: { type: "array", prefixItems: [text], minItems: 1, items: finite },
      record: { type: "object", additionalProperties: finite },
      literals: { type: "string", enum: ["north", "south", "east"] },
      mixed: { anyOf: [one(1), one("a"), one(true)] },
      tags: { anyOf: [tagged("Circle", { radius: finite }), tagged("Square", { side: finite })] },
      anything: {},
      none: never
    }, ["none"])
  }),
  hashed(
    "annotations",
    "contract-keywords",
    "what a schema says about itself without changing what it takes is left out",
    {
      payload: {
        ...struct({
          path: { ...text, title: "Path", description: "where it is", examples: ["/tmp"], default: "/" },
          size: { ...finite, deprecated: true, readOnly: true, writeOnly: false, $comment: "in bytes" }
        }),
        $schema: "https://json-schema.org/draft/2020-12/schema",
        $id: "https://example.org/file",
        $anchor: "file",
        definitions: { unused: text }
      }
    }
  ),
  hashed("annotations-none", "contract-keywords", "the same without them: the same text", {
    payload: struct({ path: text, size: finite })
  }),
  hashed("properties-like-keywords", "contract-keywords", "a property may be called as a keyword is, and stays", {
    payload: struct({
      title: text,
      description: text,
      default: text,
      $ref: text,
      $defs: text,
      enum: text,
      required: text,
      properties: struct({ title: text })
    })
  }),
  hashed(
    "names-of-properties",
    "contract-sorted",
    "names are sorted by UTF-16 code units, those that are numbers too",
    {
      payload: struct({
        "9": text,
        "10": text,
        "-": text,
        b: text,
        B: text,
        "é": text,
        "\u{1f600}": text,
        "\uff5e": text,
        "": text
      })
    }
  ),
  hashed("texts-and-numbers", "contract-sorted", "escapes, and numbers, as RFC 8785 has them", {
    payload: {
      type: "string",
      enum: ["\u0000\b\t\n\f\r\u001f\u007f", "\"\\/", "\u2028é\u{1f600}", "</script>"],
      "x-numbers": [0, 1, -1.5, 1e21, 1e-7, 123456789012345680000, 0.000001, 5e-324, 1.7976931348623157e308]
    }
  }),
  hashed("sets", "contract-sets", "required and enum become texts of JSON, sorted; other arrays keep their order", {
    payload: {
      type: "object",
      properties: { b: text, a: text, c: { enum: ["b", 10, 9, null, true, { z: 1, a: 2 }, ["b", "a"], "a"] } },
      required: ["b", "a"],
      additionalProperties: true,
      "x-order": ["b", "a"]
    }
  }),
  hashed(
    "definitions",
    "contract-refs",
    "a definition is replaced where it is met first, in the order of the sorted keys",
    {
      payload: withDefs(struct({ z: ref("User"), a: ref("Order"), m: ref("Item") }), {
        User: user,
        Item: struct({ price: finite }),
        Order: order,
        Unused: text
      }),
      success: withDefs(array(ref("User")), { User: user })
    }
  ),
  hashed("definitions-renamed", "contract-refs", "the same with other names: the same text", {
    payload: withDefs(struct({ z: ref("Person"), a: ref("a~1b~0c"), m: ref("Line") }), {
      Person: user,
      Line: struct({ price: finite }),
      "a/b~c": struct({ by: ref("Person"), items: array(ref("Line")) })
    }),
    success: withDefs(array(ref("Person")), { Person: user })
  }),
  hashed(
    "definitions-of-one-content",
    "contract-refs",
    "definitions are told apart by their names, whatever is in them",
    {
      payload: withDefs(struct({ a: ref("One"), b: ref("Two") }), { One: user, Two: user })
    }
  ),
  hashed("definition-of-a-definition", "contract-refs", "one that only refers to another counts as well", {
    payload: withDefs(struct({ a: ref("Name"), b: ref("Text") }), { Name: ref("Text"), Text: text })
  }),
  hashed("beside-a-reference", "contract-refs", "what stands beside a reference goes with it", {
    payload: withDefs(struct({ a: { ...ref("User"), minProperties: 1, description: "whose it is" } }), { User: user })
  }),
  hashed("reference-to-nothing", "contract-refs", "one that refers to no definition of its part stays as it is", {
    payload: withDefs(struct({ a: ref("Nobody"), b: { $ref: "https://example.org/file" } }), { User: user })
  }),
  hashed("not-schemas", "contract-keywords", "what stands under other keywords is no schema: it is copied", {
    payload: withDefs({ const: { title: "a", ...ref("User") }, if: { title: "b" }, minLength: 1 }, { User: user })
  }),
  hashed("schemas-in-schemas", "contract-keywords", "the keywords under which schemas stand", {
    payload: Object.fromEntries([
      ...[
        "items",
        "additionalProperties",
        "not",
        "contains",
        "propertyNames",
        "unevaluatedItems",
        "unevaluatedProperties"
      ].map((keyword) => [keyword, { ...text, title: keyword }]),
      ...["allOf", "anyOf", "oneOf", "prefixItems"].map((keyword) => [keyword, [{ ...text, title: keyword }, true]]),
      ...["properties", "patternProperties", "dependentSchemas"].map((
        keyword
      ) => [keyword, { title: { ...text, title: keyword }, no: false }])
    ])
  })
]

export const contracts: ReadonlyArray<Named> = [
  ...Object.entries(functions).map(([name, contract]): Named => {
    const [description, rule] = functionTexts[name as keyof typeof functions]
    return { name, description, rule, contract }
  }),
  ...Object.entries(others).map(([name, { contract, description }]): Named => ({
    name,
    description,
    rule: "contract-hash",
    contract
  })),
  ...singles
]

// --- pairs ---------------------------------------------------------------------------------------------------------------------

export interface Pair {
  readonly name: string
  readonly description: string
  readonly rule: string
  readonly caller: JsonObject
  readonly server: JsonObject
  readonly together: boolean
}

/** The rules that pairs are about; of the others, that contracts are compared. */
const pairRules: Readonly<Record<string, ReadonlyArray<string>>> = {
  "contract-fields": [
    "added-optional",
    "removed",
    "added-required",
    "gained",
    "lost",
    "lost-optional",
    "another-order"
  ],
  "contract-optional": ["required-of-optional"],
  "contract-numbers": ["numbers", "numbers-in-lists", "numbers-in-structs-in-lists"],
  "contract-kinds": [
    "kinds",
    "bytes",
    "patterns",
    "lengths",
    "literals",
    "records",
    "lists",
    "list-of-others",
    "tuples"
  ],
  "contract-members": [
    "numbers-infinite",
    "null-or",
    "union-of-one",
    "union-order",
    "tags",
    "tags-of-members",
    "errors-none",
    "errors-one",
    "errors-more"
  ],
  "contract-binary": ["dates", "dates-in-both", "options", "dates-0.1.0", "kinds-0.1.0"],
  "contract-encoder": ["form-of-an-encoder"]
}
const ruleOf = (name: string): string =>
  Object.keys(pairRules).find((rule) => pairRules[rule]!.includes(name)) ?? "contract-compatible"

const pair = (
  name: string,
  together: boolean,
  description: string,
  caller: JsonObject,
  server: JsonObject
): Pair => ({
  name,
  description,
  rule: ruleOf(name),
  caller: call(caller),
  server: { ...call(server), binary: true },
  together
})

const payloads = (name: string, together: boolean, description: string, caller: JsonObject, server: JsonObject): Pair =>
  pair(name, together, description, { payload: caller }, { payload: server })

const optional = struct({ a: text, b: whole }, ["b"])

export const pairs: ReadonlyArray<Pair> = [
  payloads("added-optional", true, "the server knows a field that it does not need", struct({ a: text }), optional),
  payloads(
    "removed",
    true,
    "the caller sends a field that the server does not know",
    struct({ a: text, b: whole }),
    struct({ a: text })
  ),
  payloads(
    "added-required",
    false,
    "the server needs a field that the caller does not send",
    struct({ a: text }),
    struct({ a: text, b: whole })
  ),
  payloads(
    "required-of-optional",
    true,
    "the server needs a field that the caller may leave out: a payload without it is a mismatch then",
    optional,
    struct({ a: text, b: whole })
  ),
  pair("gained", true, "the result has a field that the caller does not know", { success: struct({ a: text }) }, {
    success: struct({ a: text, b: whole })
  }),
  pair("lost", false, "the result lacks a field that the caller needs", { success: struct({ a: text, b: whole }) }, {
    success: struct({ a: text })
  }),
  pair("lost-optional", true, "the result lacks a field that the caller does not need", { success: optional }, {
    success: struct({ a: text })
  }),
  payloads(
    "another-order",
    true,
    "fields have no order",
    struct({ a: text, b: whole }),
    struct({ b: finite, a: text })
  ),
  payloads("numbers", true, "numbers and integers are one kind", struct({ a: whole }), struct({ a: finite })),
  payloads(
    "numbers-infinite",
    true,
    "the texts of numbers that JSON has no form for count for nothing",
    struct({ a: finite }),
    struct({ a: number })
  ),
  payloads("kinds", false, "a number is no text", struct({ a: finite }), struct({ a: text })),
  payloads("bytes", false, "bytes are no text", struct({ a: bytes }), struct({ a: text })),
  payloads(
    "patterns",
    false,
    "texts of another pattern may be of another kind",
    struct({ a: text }),
    struct({ a: { ...text, pattern: "^\\d+$" } })
  ),
  payloads("lengths", true, "bounds are no kind", struct({ a: text }), struct({ a: { ...text, minLength: 1 } })),
  payloads(
    "literals",
    true,
    "nor are the texts that there may be",
    struct({ a: one("x") }),
    struct({ a: { type: "string", enum: ["x", "y"] } })
  ),
  payloads(
    "null-or",
    false,
    "a union has as many members",
    struct({ a: { anyOf: [text, nothing] } }),
    struct({ a: text })
  ),
  payloads("union-of-one", true, "a union of one is its member", struct({ a: { anyOf: [text] } }), struct({ a: text })),
  payloads(
    "union-order",
    false,
    "members come in one order",
    struct({ a: { anyOf: [text, nothing] } }),
    struct({ a: { anyOf: [nothing, text] } })
  ),
  payloads(
    "tags",
    false,
    "what has a tag is of one kind with what has the same",
    tagged("A", { a: text }),
    tagged("B", { a: text })
  ),
  payloads("tags-of-members", false, "members of a union have the same tags in one order", {
    anyOf: [tagged("A"), tagged("B")]
  }, { anyOf: [tagged("B"), tagged("A")] }),
  pair("errors-none", true, "what no value is of counts for nothing", { error: never }, { error: errors([never]) }),
  pair("errors-one", true, "nor does it in a union", { error: errors([never, denied]) }, { error: errors([denied]) }),
  pair("errors-more", false, "the caller would not know an error", { error: errors([denied]) }, {
    error: errors([denied, gone])
  }),
  payloads(
    "lists",
    true,
    "elements are compared",
    struct({ a: array(struct({ b: text, c: text })) }),
    struct({ a: array(struct({ b: text })) })
  ),
  payloads("list-of-others", false, "of another kind", struct({ a: array(text) }), struct({ a: array(finite) })),
  payloads(
    "tuples",
    false,
    "as many fixed elements",
    struct({ a: { type: "array", prefixItems: [text] } }),
    struct({
      a: { type: "array", prefixItems: [text, text] }
    })
  ),
  payloads(
    "records",
    false,
    "a record is no struct",
    struct({ a: { type: "object", additionalProperties: text } }),
    struct({ a: struct({ b: text }) })
  ),
  payloads(
    "references",
    true,
    "definitions are followed, whatever they are called",
    withDefs(struct({ a: ref("A") }), { A: user }),
    struct({ a: struct({ id: text, age: whole }, ["age"]) })
  ),
  payloads(
    "references-to-themselves",
    true,
    "those that refer to themselves too",
    withDefs(ref("A"), { A: struct({ name: text, children: array(ref("A")) }) }),
    withDefs(ref("B"), { B: struct({ name: text, size: whole, children: array(ref("B")) }, ["size"]) })
  ),
  payloads("dates", false, "a date is no text", struct({ a: date }), struct({ a: text })),
  payloads("dates-in-both", true, "dates are dates", struct({ a: date }), struct({ a: date, b: text }, ["b"])),
  payloads(
    "options",
    false,
    "nor is an option a struct with its tag",
    struct({ a: option(text) }),
    struct({ a: withoutBinary(option(text)) })
  ),
  {
    ...payloads("dates-0.1.0", true, "to a node that says nothing of bytes a date is a text", struct({ a: date }), {}),
    server: call({ payload: struct({ a: text }) })
  },
  {
    ...payloads("kinds-0.1.0", false, "but no number", struct({ a: date }), {}),
    server: call({ payload: struct({ a: finite }) })
  },
  payloads(
    "numbers-in-lists",
    false,
    "lists of integers are packed, and no lists of numbers",
    struct({ a: array(whole) }),
    struct({ a: array(finite) })
  ),
  payloads(
    "numbers-in-structs-in-lists",
    true,
    "but where something else is around them",
    struct({ a: array(struct({ b: whole })) }),
    struct({
      a: array(struct({ b: finite }))
    })
  ),
  pair("form-of-an-encoder", false, "an encoder that makes other bytes is another form", { payload: text }, {
    payload: text,
    form: "0123456789abcdef"
  }),
  pair("stream", false, "a stream is no value", { success: text }, { success: text, stream: true }),
  pair("form", false, "JSON is no SchemaBinary", { payload: text, form: "json" }, { payload: text }),
  pair("missing", false, "each of payload, success and error is there", { payload: text }, {
    payload: text,
    error: null
  })
]
