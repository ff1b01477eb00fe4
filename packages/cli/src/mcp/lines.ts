/**
 * Standard input as the server of tools takes it: line by line, each of them JSON. What is none is answered as such, and costs what came with it nothing; by
 * itself the server's reader loses all of a piece in which one line is none.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"

const fromJson = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Json))

/** JSON-RPC's answer to what cannot be read. */
const unread = `${JSON.stringify({ jsonrpc: "2.0", id: null, error: { code: -32_700, message: "Parse error" } })}\n`

const encoder = new TextEncoder()

/** Standard input and output, of whose input the lines are JSON. */
export const layer: Layer.Layer<Stdio.Stdio, never, Stdio.Stdio> = Layer.effect(
  Stdio.Stdio,
  Effect.map(Stdio.Stdio, (stdio) => {
    const answer = Stream.run(Stream.make(unread), stdio.stdout({ endOnDone: false }))
    const stdin = stdio.stdin.pipe(
      Stream.decodeText(),
      Stream.splitLines,
      Stream.filter((line) => line.trim() !== ""),
      Stream.filterEffect((line) => Option.isSome(fromJson(line)) ? Effect.succeed(true) : Effect.as(answer, false)),
      Stream.map((line) => encoder.encode(`${line}\n`))
    )
    return Stdio.make({ ...stdio, stdin })
  })
)
