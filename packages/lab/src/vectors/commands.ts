/**
 * The section "commands" of `docs/vectors.json`: whole calls, from the values to the bytes on the wire and back. Built by hand
 * from the text of protocol section 5, and shares no code with the library.
 */
import type { Crypto } from "@pnet/core/Crypto"
import * as Redacted from "effect/Redacted"
import { concat, hexOf, range, u32, utf8 } from "./bytes.ts"
import * as Documents from "./documents.ts"
import { binary, build, draws, metadata, pnet } from "./handshake.ts"
import { type Rule, ruleOf } from "./rules.ts"

const frame = (kind: number, stream: number, payload: Uint8Array) =>
  concat(Uint8Array.of(kind), u32(stream), u32(payload.length), payload)

const kinds = { open: 0, data: 1, end: 2 }
const none = new Uint8Array(0)

/** One way of a call: the JSON, the frames it travels in, the sealed MESSAGE, and the record on the wire. All but `text` is hex. */
export interface Way {
  readonly text: string
  readonly frames: string
  readonly message: string
  readonly record: string
}

export interface Call {
  readonly name: string
  readonly description: string
  readonly rule: Rule
  readonly stream: number
  readonly open: Readonly<Record<string, unknown>>
  readonly request: Way
  readonly reply: Way
}

export interface Section {
  readonly description: ReadonlyArray<string>
  readonly fields: Readonly<Record<string, string>>
  readonly calls: ReadonlyArray<Call>
  readonly requests: ReadonlyArray<Documents.Request>
  readonly answers: ReadonlyArray<Documents.Answer>
}

const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

const calls: ReadonlyArray<readonly [string, string, Readonly<Record<string, unknown>>, string, string]> = [
  [
    "add",
    "a function of two numbers",
    {},
    "{\"function\":\"add\",\"args\":[1,2],\"kwargs\":{}}",
    "{\"type\":\"success\",\"value\":3}"
  ],
  [
    "greet",
    "keyword arguments, a deadline of two seconds, and a span",
    { deadline: 2_000, traceparent },
    "{\"function\":\"greet\",\"args\":[\"Zoë\"],\"kwargs\":{\"loud\":true}}",
    "{\"type\":\"success\",\"value\":\"Hello, Zoë!\"}"
  ],
  [
    "get_funcs",
    "a built-in function, by no more than its name",
    {},
    "{\"function\":\"get_funcs\"}",
    "{\"type\":\"success\",\"value\":[\"add\",\"describe\",\"get_funcs\",\"get_peers\",\"greet\"]}"
  ],
  [
    "unknown",
    "a function that is not there",
    {},
    "{\"function\":\"nothing\",\"args\":[],\"kwargs\":{}}",
    "{\"type\":\"error\",\"code\":\"unknown_function\",\"description\":\"there is no function \\\"nothing\\\"; get_funcs gives those there are\"}"
  ],
  [
    "failed",
    "a function that fails with a typed error",
    {},
    "{\"function\":\"read\",\"args\":[\"/gone\"],\"kwargs\":{}}",
    "{\"type\":\"error\",\"code\":\"failed\",\"description\":\"\",\"error\":{\"_tag\":\"Missing\",\"path\":\"/gone\"}}"
  ]
]

export const generate = (crypto: Crypto["Service"]): Section => {
  const alpha = crypto.keyPair(Redacted.make(range(0x01, 32)))
  const beta = crypto.keyPair(Redacted.make(range(0x21, 32)))
  const session = build(crypto, alpha, beta, draws, {
    clientMetadata: metadata([...pnet("alpha"), binary]),
    serverMetadata: metadata([...pnet("beta"), binary])
  })
  const way = (from: "client" | "server", nonce: number, flags: number, text: string, frames: Uint8Array): Way => {
    const message = session.message(from, nonce, flags, frames)
    return { text, frames: hexOf(frames), message: hexOf(message), record: hexOf(concat(u32(message.length), message)) }
  }
  return {
    description: [
      "Whole calls of functions, alpha's of beta, in the session called binary of the handshake's, one after another, in place of the MESSAGEs there.",
      "The order of JSON's fields, and what a description says, are an implementation's own."
    ],
    fields: {
      stream: "the number of the call's stream",
      open: "what OPEN says besides its protocol and name",
      request: "alpha's way, in a MESSAGE with the flags 0: OPEN, DATA, END",
      reply: "beta's way, in a MESSAGE with the flags 1: DATA, END",
      text: "the JSON document that DATA carries, as UTF-8",
      frames: "the payload of the MESSAGE, hex",
      message: "the MESSAGE, sealed with sessionKey, hex; alpha's nonces go on from 3, beta's from 2",
      record: "what is written to the connection: a length, and the MESSAGE, hex",
      requests:
        "documents that are sent to a node that has a function same, which gives back its first argument, and a function nothing, which "
        + "gives nothing, and what their answers say",
      answers: "documents that answer a call, and how its caller reads them",
      document: "as text, as hex, or as texts that are repeated so many times and joined",
      success: "whether the answer has a value",
      value: "the value, where it is told",
      code: "the error's code, or how one is read",
      reads:
        "value, error, or nothing: it is no answer, the call has failed, and whether the function was run is not known"
    },
    requests: Documents.requests,
    answers: Documents.answers,
    calls: calls.map(([name, description, open, request, reply], i) => {
      const stream = i + 1
      const opening = JSON.stringify({ protocol: "command", name: "handle", ...open })
      return {
        name,
        description,
        rule: ruleOf("commands", name),
        stream,
        open,
        request: way(
          "client",
          3 + i,
          0,
          request,
          concat(
            frame(kinds.open, stream, utf8(opening)),
            frame(kinds.data, stream, utf8(request)),
            frame(kinds.end, stream, none)
          )
        ),
        reply: way(
          "server",
          2 + i,
          1,
          reply,
          concat(frame(kinds.data, stream, utf8(reply)), frame(kinds.end, stream, none))
        )
      }
    })
  }
}
