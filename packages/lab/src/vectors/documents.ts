/**
 * The documents of the section "commands" of `docs/vectors.json`: what is asked and what that comes to, and how answers are read. Built from the
 * text of protocol section 5, and shares no code with the library.
 */
import type { Bytes } from "./bytes.ts"
import type { Rule } from "./rules.ts"

/** What a request comes to: a value, or the code of an error. */
export interface Request {
  readonly name: string
  readonly description: string
  readonly rule: Rule
  readonly document: Bytes
  readonly success: boolean
  /** Where the value is told. */
  readonly value?: unknown
  readonly code?: string
}

/** How an answer is read: as a value, as the code of an error, or as none. */
export interface Answer {
  readonly name: string
  readonly description: string
  readonly rule: Rule
  readonly document: Bytes
  readonly reads: "value" | "error" | "nothing"
  readonly value?: unknown
  readonly code?: string
}

const textOf = (document: Bytes | string): Bytes => typeof document === "string" ? { text: document } : document

const served = (name: string, rule: Rule, description: string, document: Bytes | string, value?: unknown): Request => ({
  name: `request-${name}`,
  description,
  rule,
  document: textOf(document),
  success: true,
  ...(value === undefined ? {} : { value })
})

const invalid = (
  name: string,
  rule: Rule,
  description: string,
  document: Bytes | string,
  code = "invalid_arguments"
): Request => ({ name: `request-${name}`, description, rule, document: textOf(document), success: false, code })

const same = (args: string) => `{"function":"same","args":[${args}]}`
const levels = (count: number): Bytes => ({
  parts: [
    { text: "{\"function\":\"same\",\"args\":[", times: 1 },
    { text: "[", times: count },
    { text: "]", times: count },
    { text: "]}", times: 1 }
  ]
})
const noCall = ["command-code-invalid-arguments"] as const

export const requests: ReadonlyArray<Request> = [
  served(
    "same",
    ["command-document", "command-args"],
    "a function that gives back its argument",
    same("{\"a\":[1,null]}"),
    {
      a: [1, null]
    }
  ),
  served(
    "no-args",
    ["command-args", "command-kwargs"],
    "args and kwargs are left out",
    "{\"function\":\"nothing\"}",
    null
  ),
  served(
    "null-fields",
    "command-fields-null",
    "fields that are null are as ones that are not there",
    "{\"function\":\"nothing\",\"args\":null,\"kwargs\":null,\"absent\":null}",
    null
  ),
  served(
    "unknown-fields",
    "command-fields-unknown",
    "a field that is not known",
    "{\"function\":\"same\",\"args\":[1],\"later\":{}}",
    1
  ),
  served(
    "absent",
    "command-absent",
    "an argument that was left undefined, of no consequence here",
    "{\"function\":\"same\",\"args\":[null],\"absent\":[0]}",
    null
  ),
  served("levels-512", "command-levels", "an argument of 512 levels: the value is the same", levels(512)),
  invalid("levels-513", "command-levels", "an argument of 513 levels", levels(513)),
  served(
    "describe-unknown",
    "command-describe",
    "the description of a function that is not there",
    "{\"function\":\"describe\",\"args\":[\"none\"]}",
    []
  ),
  invalid("describe-7", "command-describe", "a name that is no text", "{\"function\":\"describe\",\"args\":[7]}"),
  invalid(
    "unknown",
    "command-code-unknown-function",
    "a function that is not there",
    "{\"function\":\"none\"}",
    "unknown_function"
  ),
  invalid("infinite", "command-finite", "a number that is not finite", same("[1,{\"a\":-1e400}]")),
  invalid("args-10001", "command-many-args", "10,001 arguments", {
    parts: [
      { text: "{\"function\":\"same\",\"args\":[", times: 1 },
      { text: "0,", times: 10_000 },
      { text: "0]}", times: 1 }
    ]
  }),
  ...([
    ["empty", "nothing", ""],
    ["no-json", "no JSON", "nonsense"],
    ["array", "an array", "[]"],
    ["null", "null", "null"],
    ["no-function", "no function", "{\"args\":[]}"],
    ["function-number", "a function that is no text", "{\"function\":1}"],
    ["args-object", "args that are no array", "{\"function\":\"same\",\"args\":{}}"],
    ["kwargs-array", "kwargs that are no object", "{\"function\":\"same\",\"kwargs\":[]}"]
  ] as const).map(([name, what, text]) => invalid(name, noCall[0], what, text)),
  invalid("bad-utf8", noCall[0], "what is not UTF-8", { hex: "fffe" })
]

const value = (name: string, rule: Rule, description: string, document: Bytes | string, value?: unknown): Answer => ({
  name: `answer-${name}`,
  description,
  rule,
  document: textOf(document),
  reads: "value",
  ...(value === undefined ? {} : { value })
})
const error = (name: string, rule: Rule, description: string, document: string, code: string): Answer => ({
  name: `answer-${name}`,
  description,
  rule,
  document: textOf(document),
  reads: "error",
  code
})
const nothing = (name: string, rule: Rule, description: string, document: Bytes | string): Answer => ({
  name: `answer-${name}`,
  description,
  rule,
  document: textOf(document),
  reads: "nothing"
})
const deep = (count: number): Bytes => ({
  parts: [
    { text: "{\"type\":\"success\",\"value\":", times: 1 },
    { text: "[", times: count },
    { text: "]", times: count },
    { text: "}", times: 1 }
  ]
})

export const answers: ReadonlyArray<Answer> = [
  value("value", "command-document", "a value", "{\"type\":\"success\",\"value\":[1]}", [1]),
  value("no-value", "command-nothing", "no value, which is null", "{\"type\":\"success\"}", null),
  value(
    "unknown-fields",
    "command-fields-unknown",
    "a field that is not known",
    "{\"type\":\"success\",\"value\":1,\"later\":2}",
    1
  ),
  value("levels-513", "command-levels", "a result of 513 levels", deep(513)),
  nothing("levels-514", "command-levels", "a result of 514 levels", deep(514)),
  nothing("infinite", "command-finite", "a number that is not finite", "{\"type\":\"success\",\"value\":1e400}"),
  ...(["unknown_function", "invalid_arguments", "failed", "not_json", "too_large", "internal"] as const).map((code) =>
    error(
      code,
      `command-code-${code.replace("_", "-")}`,
      `the code ${code}`,
      JSON.stringify({ type: "error", code, description: "" }),
      code
    )
  ),
  error("no-code", "command-no-code", "no code", "{\"type\":\"error\",\"description\":\"no\"}", "failed"),
  error(
    "null-code",
    ["command-no-code", "command-fields-null"],
    "a code that is null",
    "{\"type\":\"error\",\"code\":null,\"description\":\"no\"}",
    "failed"
  ),
  error(
    "unknown-code",
    "command-code-internal",
    "a code that is not known",
    "{\"type\":\"error\",\"code\":\"from_the_future\",\"description\":\"\"}",
    "internal"
  ),
  nothing("empty", "command-document", "nothing", ""),
  nothing("unknown-type", "command-document", "a type that is not known", "{\"type\":\"later\"}"),
  nothing("array", "command-document", "an array", "[]")
]
