/**
 * The elements of a typed stream of a peer, as they come and as many as are wanted: by lines of JSON, which need no Schemas (the section "Typed calls as JSON" of the protocol).
 * A call as a command would give all elements or none, and a stream may have no end.
 *
 * @since 0.2.0
 */
import type { CommandNodeService } from "@pnet/core/CommandNode"
import type { Peer } from "@pnet/core/Peers"
import type { OpenError, SessionStream, StreamError } from "@pnet/core/Sessions"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Pull from "effect/Pull"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type * as Tracer from "effect/Tracer"
import { objectOf, own } from "./JsonSchema.ts"

/**
 * How much is taken of a stream.
 *
 * @category models
 * @since 0.2.0
 */
export interface Most {
  readonly items: number
  readonly bytes: number
}

/**
 * What came of a stream: its elements so far, and why there are no more of them here.
 *
 * @category models
 * @since 0.2.0
 */
export interface Elements {
  readonly values: ReadonlyArray<unknown>
  /** `all`: it ended. `enough`: more was not wanted. `late`: the time was up. */
  readonly because: "all" | "enough" | "late"
}

/**
 * The stream failed, with an error of its own where it has one.
 *
 * @category errors
 * @since 0.2.0
 */
export class StreamFailed
  extends Schema.TaggedError<StreamFailed>("@pnet/console/Elements/StreamFailed")("RemoteError", {
    what: Schema.String,
    peer: Schema.String,
    command: Schema.String,
    error: Schema.optionalKey(Schema.Unknown)
  })
{
  override get message() {
    return this.what
  }
}

const encoder = new TextEncoder()
// The peer may be so many chunks ahead of who reads.
const window = 4

/** A typed stream of a peer, as it is called. */
interface Source {
  readonly peer: string
  readonly name: string
}

// A line has the elements of one chunk. What is longer is none that its peer would have sent.
const longestLine = 16 * 1_024 * 1_024
// Arrays, objects and what is in them, and how deep they stand in each other: a value takes many times the memory of a line of brackets, and whoever
// walks through it would run out of stack.
const mostParts = 1_000_000
const deepest = 512

/** Whether the value of a line would take too much, by a look at its characters. */
const isTooMuch = (line: string): boolean => {
  let [depth, parts] = [0, 0]
  for (let i = 0; i < line.length && parts <= mostParts && depth <= deepest; i++) {
    switch (line.charCodeAt(i)) {
      case 0x22: // "
        for (i++; i < line.length && line.charCodeAt(i) !== 0x22; i++) if (line.charCodeAt(i) === 0x5c) i++
        break
      case 0x2c: // ,
        parts++
        break
      case 0x5b: // [
      case 0x7b: // {
        parts++
        depth++
        break
      case 0x5d: // ]
      case 0x7d: // }
        depth--
    }
  }
  return parts > mostParts || depth > deepest
}

const parsed = (line: string): Option.Option<unknown> =>
  isTooMuch(line) ? Option.none() : Result.getSuccess(Result.try((): unknown => JSON.parse(line)))

const failing = ({ name, peer }: Source, what: string, error?: unknown): StreamFailed =>
  new StreamFailed({ what, peer, command: name, ...(error === undefined ? {} : { error }) })

const failedBy = (source: Source, line: Record<string, unknown> | undefined): StreamFailed => {
  const description = own(line, "description")
  const why = typeof description === "string" ? `: ${description}` : ""
  if (own(line, "type") === "mismatch") return failing(source, `it does not take these arguments${why}`)
  const error = own(line, "error")
  return own(line, "code") === "failed"
    ? failing(source, `it failed${why}`, error)
    : failing(source, `it broke${why}`)
}

/** Has `take` each element until it wants no more, or until so many bytes have come. The peer is told to go on when those that came were taken. */
const read = Effect.fnUntraced(function*<E, R>(
  source: Source,
  stream: SessionStream,
  bytesMost: number,
  take: (value: unknown) => Effect.Effect<boolean, E, R>
) {
  const decoder = new TextDecoder()
  // Of the line that is not whole yet. They are put together once, however many there are.
  let pending: Array<string> = []
  let length = 0
  let bytes = 0
  for (;;) {
    const pieces = yield* Pull.catchDone(stream.pull, () => Effect.undefined)
    let isWhole = pieces === undefined
    for (const piece of pieces ?? []) {
      const text = decoder.decode(piece, { stream: true })
      isWhole ||= text.includes("\n")
      bytes += piece.length
      length += text.length
      pending.push(text)
    }
    // What is held is held for whoever wanted so much of it.
    const tooMuch = bytes > bytesMost
    const lines = isWhole ? pending.join("").split("\n") : []
    if (isWhole) {
      const rest = pieces === undefined ? "" : lines.pop()!
      pending = [rest]
      length = rest.length
    }
    if (length > longestLine) {
      return yield* failing(source, `it sent a line of more than ${longestLine} characters`)
    }
    for (const text of lines) {
      if (text === "") continue
      const line = objectOf(Option.getOrUndefined(parsed(text)))
      if (own(line, "type") === "success") return "all" as const
      const chunk = own(line, "values")
      if (own(line, "type") !== "chunk" || !Array.isArray(chunk)) return yield* failedBy(source, line)
      for (const value of chunk) {
        if (!(yield* take(value))) return "enough" as const
      }
      yield* stream.write(encoder.encode("{\"grant\":1}\n"))
    }
    if (pieces === undefined) return yield* failedBy(source, undefined)
    if (tooMuch) return "enough" as const
  }
})

/** A span as W3C's text, where it has ids of the right length: where tracing is off it has none. */
const traceparentOf = ({ sampled, spanId, traceId }: Tracer.Span): string | undefined =>
  traceId.length === 32 && spanId.length === 16 ? `00-${traceId}-${spanId}-${sampled ? "01" : "00"}` : undefined

/** Has a span around a call, as every other call of the node has. */
const traced = <A, E, R>(
  peer: Peer,
  name: string,
  use: (traceparent: string | undefined) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Effect.useSpan(
    `call ${name}`,
    { kind: "client", attributes: { "pnet.peer": peer.name, "pnet.function": name } },
    (span) => use(traceparentOf(span))
  )

/** Calls a typed stream, until the scope closes. */
const opened = Effect.fnUntraced(
  function*(
    node: CommandNodeService,
    peer: Peer,
    name: string,
    payload: Schema.Json | undefined,
    traceparent: string | undefined
  ) {
    const stream = yield* node.streams.sessions.open(peer, {
      protocol: "rpc-json",
      name,
      ...(traceparent === undefined ? {} : { traceparent })
    })
    const request = { ...(payload === undefined ? {} : { payload }), stream: true, window }
    yield* stream.write(encoder.encode(`${JSON.stringify(request)}\n`))
    return stream
  }
)

/**
 * Calls a typed stream of a peer, and takes its elements until there are enough, or the time is up.
 *
 * @category combinators
 * @since 0.2.0
 */
export const elements = (
  node: CommandNodeService,
  peer: Peer,
  name: string,
  payload: Schema.Json | undefined,
  { bytes, items, timeout }: Most & { readonly timeout: Duration.Duration }
): Effect.Effect<Elements, StreamFailed | OpenError | StreamError> =>
  traced(peer, name, (traceparent) =>
    Effect.scoped(Effect.gen(function*() {
      const source = { peer: peer.name, name }
      // Its end is here: what came by then is no less of an answer.
      const stream = yield* Effect.timeoutOption(opened(node, peer, name, payload, traceparent), timeout)
      if (Option.isNone(stream)) return yield* failing(source, "it could not be reached in the call's time")
      const values: Array<unknown> = []
      const take = (value: unknown) => Effect.sync(() => values.length < items && values.push(value) > 0)
      const because = yield* Effect.timeoutOption(read(source, stream.value, bytes, take), timeout)
      if (Option.getOrUndefined(because) !== "all") yield* stream.value.reset("cancelled", "it was enough")
      return { values, because: Option.getOrElse(because, () => "late" as const) } satisfies Elements
    })))

/**
 * Calls a typed stream of a peer, and has `take` each element as it comes, to the end, or until it wants no more, which is what this gives then. The peer gets ahead by no
 * more than a few chunks.
 *
 * @category combinators
 * @since 0.2.0
 */
export const forEachWhile = <E, R>(
  node: CommandNodeService,
  peer: Peer,
  name: string,
  payload: Schema.Json | undefined,
  take: (value: unknown) => Effect.Effect<boolean, E, R>
): Effect.Effect<"all" | "enough", E | StreamFailed | OpenError | StreamError, Exclude<R, Scope.Scope>> =>
  traced(peer, name, (traceparent) =>
    Effect.scoped(Effect.gen(function*() {
      const stream = yield* opened(node, peer, name, payload, traceparent)
      const because = yield* read({ peer: peer.name, name }, stream, Number.POSITIVE_INFINITY, take).pipe(
        Effect.onError(() => stream.reset("cancelled", "no more of it is wanted"))
      )
      if (because !== "all") yield* stream.reset("cancelled", "it was enough")
      return because
    })))

/**
 * Calls a typed stream of a peer, and has `use` each element as it comes, to the end. The peer gets ahead by no more than a few chunks.
 *
 * @category combinators
 * @since 0.2.0
 */
export const forEach = <E, R>(
  node: CommandNodeService,
  peer: Peer,
  name: string,
  payload: Schema.Json | undefined,
  use: (value: unknown) => Effect.Effect<void, E, R>
): Effect.Effect<void, E | StreamFailed | OpenError | StreamError, Exclude<R, Scope.Scope>> =>
  Effect.asVoid(forEachWhile(node, peer, name, payload, (value) => Effect.as(use(value), true)))
