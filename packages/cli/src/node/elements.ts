/**
 * The elements of a typed stream of a peer, as many as are wanted: by lines of JSON, which need no Schemas (the section "Typed calls as JSON" of the protocol).
 * A call as a command would give all elements or none, and a stream may have no end.
 */
import { objectOf, own } from "@pnet/console/JsonSchema"
import type { CommandNodeService } from "@pnet/core/CommandNode"
import type { Peer } from "@pnet/core/Peers"
import type { SessionStream } from "@pnet/core/Sessions"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Pull from "effect/Pull"
import * as Schema from "effect/Schema"

/** How much is taken of a stream. */
export interface Most {
  readonly items: number
  readonly bytes: number
}

/** What came of a stream: its elements so far, and why there are no more of them here. */
export interface Elements {
  readonly values: ReadonlyArray<unknown>
  /** `all`: it ended. `enough`: more was not wanted. `late`: the time was up. */
  readonly because: "all" | "enough" | "late"
}

/** The stream failed, with an error of its own where it has one. */
export class StreamFailed extends Schema.TaggedError<StreamFailed>("@pnet/cli/mcp/StreamFailed")("RemoteError", {
  what: Schema.String,
  error: Schema.optionalKey(Schema.Unknown)
}) {
  override get message() {
    return this.what
  }
}

const fromJson = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Json))
const encoder = new TextEncoder()
// The peer may be so many chunks ahead of who reads.
const window = 4

const failedBy = (line: Record<string, unknown> | undefined): StreamFailed => {
  const description = own(line, "description")
  const why = typeof description === "string" ? `: ${description}` : ""
  if (own(line, "type") === "mismatch") return new StreamFailed({ what: `it does not take these arguments${why}` })
  const error = own(line, "error")
  return own(line, "code") === "failed"
    ? new StreamFailed({ what: `it failed${why}`, ...(error === undefined ? {} : { error }) })
    : new StreamFailed({ what: `it broke${why}` })
}

const read = Effect.fnUntraced(function*(stream: SessionStream, most: Most, values: Array<unknown>) {
  const decoder = new TextDecoder()
  let pending = ""
  let bytes = 0
  for (;;) {
    const pieces = yield* Pull.catchDone(stream.pull, () => Effect.undefined)
    for (const piece of pieces ?? []) {
      bytes += piece.length
      pending += decoder.decode(piece, { stream: true })
    }
    // What is held is held for whoever wanted so much of it.
    const tooMuch = bytes > most.bytes
    const lines = pending.split("\n")
    pending = pieces === undefined ? "" : lines.pop()!
    for (const text of lines) {
      if (text === "") continue
      const line = objectOf(Option.getOrUndefined(fromJson(text)))
      if (own(line, "type") === "success") return "all" as const
      const chunk = own(line, "values")
      if (own(line, "type") !== "chunk" || !Array.isArray(chunk)) return yield* failedBy(line)
      for (const value of chunk) {
        if (values.length >= most.items) return "enough" as const
        values.push(value)
      }
      yield* stream.write(encoder.encode("{\"grant\":1}\n"))
    }
    if (pieces === undefined) return yield* failedBy(undefined)
    if (tooMuch) return "enough" as const
  }
})

/** Calls a typed stream of a peer, and takes its elements until there are enough, or the time is up. */
export const elements = Effect.fnUntraced(
  function*(
    node: CommandNodeService,
    peer: Peer,
    name: string,
    payload: Schema.Json | undefined,
    options: Most & { readonly timeout: Duration.Duration }
  ) {
    // Its end is here: what came by then is no less of an answer.
    const opened = yield* Effect.timeoutOption(
      node.streams.sessions.open(peer, { protocol: "rpc-json", name }),
      options.timeout
    )
    if (Option.isNone(opened)) return yield* new StreamFailed({ what: "it could not be reached in the call's time" })
    const stream = opened.value
    const request = { ...(payload === undefined ? {} : { payload }), stream: true, window }
    yield* stream.write(encoder.encode(`${JSON.stringify(request)}\n`))
    const values: Array<unknown> = []
    const because = yield* Effect.timeoutOption(read(stream, options, values), options.timeout)
    if (Option.getOrUndefined(because) !== "all") yield* stream.reset("cancelled", "it was enough")
    return { values, because: Option.getOrElse(because, () => "late" as const) } satisfies Elements
  },
  Effect.scoped
)
