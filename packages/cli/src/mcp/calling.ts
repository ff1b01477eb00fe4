/**
 * A call of a tool, and what the assistant is told of it. A call that fails is an answer that says so, which the assistant can act on, and no failure of the server.
 */
import { elements, type Most } from "@pnet/console/Elements"
import { type JsonObject, listOf, objectOf, own } from "@pnet/console/JsonSchema"
import * as Command from "@pnet/core/Command"
import type { CommandNodeService } from "@pnet/core/CommandNode"
import { CallToolResult } from "effect/ai/McpSchema"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import { failureOf } from "../errors.ts"
import type { ToolInput } from "./input.ts"
import { saidLines, saidValue } from "./said.ts"

/** What bounds a call. */
export interface Bounds extends Most {
  readonly timeout: Duration.Duration
}

/** A function of a peer, as it is called. */
export interface Callee {
  readonly peer: string
  readonly name: string
  readonly stream: boolean
  readonly form: ToolInput["form"]
}

const mostOfError = 2_000

const result = (texts: ReadonlyArray<string>, isError: boolean): CallToolResult =>
  new CallToolResult({ isError, content: texts.map((text) => ({ type: "text" as const, text })) })

/** An answer. */
export const answered = (...texts: ReadonlyArray<string>): CallToolResult => result(texts, false)

/** An answer that says that, and why, it failed. */
export const refused = (...texts: ReadonlyArray<string>): CallToolResult => result(texts, true)

const cutNote = (most: number): string => `(cut: this is the beginning, ${most} characters, of the answer)`

const ofValue = (value: unknown, most: number): CallToolResult => {
  const text = saidValue(value, most)
  return text.length > most ? answered(text, cutNote(most)) : answered(text)
}

const whys = {
  enough: (count: number) => `(the first ${count} elements; the stream went on)`,
  late: (count: number) => `(${count} elements, until the time was up; the stream went on)`
}

const ofElements = (values: ReadonlyArray<unknown>, because: "all" | "enough" | "late", most: number) => {
  const text = values.map((value) => JSON.stringify(value)).join("\n")
  const shown = saidValue(text, most)
  return answered(
    shown,
    ...(because === "all" ? [] : [whys[because](values.length)]),
    ...(shown.length > most ? [cutNote(most)] : [])
  )
}

/** What is told of a failure: its kind, the message, and the function's own error. */
export const ofError = (error: unknown): CallToolResult => {
  const failure = failureOf(error)
  const own = failure.detail ?? (error as { readonly error?: unknown }).error
  return refused(
    `${failure.error}: ${saidLines(failure.message, mostOfError)}`,
    ...(own === undefined ? [] : [saidValue(own, mostOfError)])
  )
}

/** The arguments of a call, of what the assistant gave. */
const argumentsOf = (given: JsonObject, form: ToolInput["form"]): ReadonlyArray<unknown> => {
  switch (form) {
    case "nothing":
      return []
    case "fields":
      return [given]
    case "payload":
      return own(given, "payload") === undefined ? [] : [own(given, "payload")]
    case "arguments": {
      const kwargs = objectOf(own(given, "kwargs"))
      return [...listOf(own(given, "args")), ...(kwargs === undefined ? [] : [Command.kwargs(kwargs)])]
    }
  }
}

/** Calls a function with what the assistant gave, within its bounds. It does not fail. */
export const callTool = (
  node: CommandNodeService,
  { form, name, peer, stream }: Callee,
  given: unknown,
  bounds: Bounds
): Effect.Effect<CallToolResult> =>
  Effect.gen(function*() {
    const args = argumentsOf(objectOf(given) ?? {}, form)
    const { bytes, timeout } = bounds
    if (stream) {
      const found = yield* node.peers.resolveOne(peer)
      const { because, values } = yield* elements(node, found, name, args[0] as Schema.Json | undefined, bounds)
      return ofElements(values, because, bytes)
    }
    return ofValue(yield* node.target(peer, { timeout })(name, ...args), bytes)
  }).pipe(Effect.catch((error) => Effect.succeed(ofError(error))))
