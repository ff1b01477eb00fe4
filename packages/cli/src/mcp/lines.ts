/**
 * Standard input as the server of tools takes it: line by line, each of them a message in JSON. What is none is answered as such, and costs what came with it nothing; by
 * itself the server's reader loses all of a piece in which one line is none.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"

const fromJson = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Json))

/** What the protocol has: a request, a notification, or an answer. What else a message has is for the server's reader. */
const isMessage = Schema.is(
  Schema.Struct({
    id: Schema.optionalKey(Schema.Union([Schema.String, Schema.Finite])),
    method: Schema.optionalKey(Schema.String)
  }).check(Schema.makeFilter((message) => message.id !== undefined || message.method !== undefined))
)

/** JSON-RPC's answer to what cannot be read. */
const answerOf = (code: number, message: string): string =>
  `${JSON.stringify({ jsonrpc: "2.0", id: null, error: { code, message } })}\n`
const unread = answerOf(-32_700, "Parse error")
const noMessage = answerOf(-32_600, "Invalid Request")

/** What is answered to a line by itself. A batch is the server's to refuse. */
const refusalOf = (line: string): string | undefined =>
  Option.match(fromJson(line), {
    onNone: () => unread,
    onSome: (json) => Array.isArray(json) || isMessage(json) ? undefined : noMessage
  })

const encoder = new TextEncoder()

/** Standard input and output, of whose input the lines are JSON. */
export const layer: Layer.Layer<Stdio.Stdio, never, Stdio.Stdio> = Layer.effect(
  Stdio.Stdio,
  Effect.map(Stdio.Stdio, (stdio) => {
    const answer = (refusal: string) => Stream.run(Stream.make(refusal), stdio.stdout({ endOnDone: false }))
    const stdin = stdio.stdin.pipe(
      Stream.decodeText(),
      Stream.splitLines,
      Stream.filter((line) => line.trim() !== ""),
      Stream.filterEffect((line) => {
        const refusal = refusalOf(line)
        return refusal === undefined ? Effect.succeed(true) : Effect.as(answer(refusal), false)
      }),
      Stream.map((line) => encoder.encode(`${line}\n`))
    )
    return Stdio.make({ ...stdio, stdin })
  })
)
