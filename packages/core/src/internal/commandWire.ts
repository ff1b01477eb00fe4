/**
 * The JSON of commands (protocol section 5): one document from the caller, one in answer.
 *
 *     {"function": name, "args": [...], "kwargs": {...}}
 *     {"type": "success", "value": ...}
 *     {"type": "error", "code": ..., "description": ..., "error"?: ...}
 */
import * as Effect from "effect/Effect"
import type { Json } from "effect/Schema"
import { RemoteError } from "../AdvancedNode.ts"
import {
  CallTooLargeError,
  ContractError,
  InvalidArgumentsError,
  type NotJsonError,
  RemoteDefectError,
  type RunError,
  UnknownFunctionError
} from "../FunctionError.ts"
import type { NodeName } from "../Packet.ts"
import { isObject, notJson, parse } from "./json.ts"
import { strictTextOf, utf8 } from "./platform.ts"

/** The name of the stream that carries a command. */
export const streamName = "handle"

export interface Request {
  readonly function: string
  readonly args: ReadonlyArray<unknown>
  readonly kwargs: Readonly<Record<string, any>>
}

const none = {}

/** Each is an argument of a call of JavaScript, of which the stack takes so many. */
const maxArgs = 10_000

/** A request's bytes, or why its values cannot be sent. */
export const encodeRequest = (request: Request): Uint8Array | NotJsonError => {
  const { args, kwargs } = request
  const fault = notJson(args, "$.args") ?? notJson(kwargs, "$.kwargs")
  return fault ?? utf8(JSON.stringify({ function: request.function, args, kwargs }))
}

/** A peer's request, or what is wrong with it. */
export const decodeRequest = (bytes: Uint8Array): Request | string => {
  const text = strictTextOf(bytes)
  if (text === undefined) return "not UTF-8"
  const parsed = parse(text)
  if (typeof parsed === "string") return parsed
  if (!isObject(parsed.value)) return "not an object"
  const { args = [], function: name, kwargs = none } = parsed.value
  if (typeof name !== "string") return "\"function\" is not a string"
  if (!Array.isArray(args)) return "\"args\" is not an array"
  if (args.length > maxArgs) return `"args" has more than ${maxArgs} elements`
  if (!isObject(kwargs)) return "\"kwargs\" is not an object"
  return { function: name, args, kwargs }
}

const successHead = "{\"type\":\"success\",\"value\":"

export const encodeSuccess = (value: Json): Uint8Array => utf8(`${successHead}${JSON.stringify(value)}}`)

export const encodeError = (error: Pick<RunError, "code" | "description" | "error">): Uint8Array =>
  utf8(JSON.stringify({
    type: "error",
    code: error.code,
    description: error.description,
    ...(error.error === undefined ? {} : { error: error.error })
  }))

/** Why a reply is no value. */
export type ReplyError =
  | UnknownFunctionError
  | InvalidArgumentsError
  | RemoteError
  | RemoteDefectError
  | CallTooLargeError
  | ContractError

/** The value of a peer's reply, or its error. */
export const decodeReply = (
  bytes: Uint8Array,
  peer: NodeName,
  name: string,
  limit: number
): Effect.Effect<Json, ReplyError> => {
  const text = strictTextOf(bytes)
  const parsed = text === undefined ? "not UTF-8" : parse(text)
  const reply: unknown = typeof parsed === "string" ? undefined : parsed.value
  if (isObject(reply)) {
    if (reply.type === "success") return Effect.succeed((reply.value ?? null) as Json)
    if (reply.type === "error") {
      const description = typeof reply.description === "string" ? reply.description : ""
      switch (reply.code) {
        case "unknown_function":
          return Effect.fail(new UnknownFunctionError({ peer, function: name }))
        case "invalid_arguments":
          return Effect.fail(new InvalidArgumentsError({ peer, function: name, issue: description }))
        case "internal":
          return Effect.fail(new RemoteDefectError({ peer, function: name }))
        case "too_large":
          return Effect.fail(new CallTooLargeError({ peer, function: name, limit }))
        case "not_json":
          return Effect.fail(
            new RemoteError({ peer, command: name, error: { _tag: "NotJsonError", message: description } })
          )
        default:
          return Effect.fail(
            new RemoteError({ peer, command: name, error: reply.error ?? { message: description } })
          )
      }
    }
  }
  return Effect.fail(
    new ContractError({
      peer,
      function: name,
      mayHaveRun: true,
      differences: [
        `its answer is not the JSON that commands are answered with${typeof parsed === "string" ? `: ${parsed}` : ""}`
      ]
    })
  )
}
