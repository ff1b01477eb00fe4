/**
 * The JSON of commands (protocol section 5): one document from the caller, one in answer.
 *
 *     {"function": name, "args": [...], "kwargs": {...}, "absent"?: [index, ...]}
 *     {"type": "success", "value": ...}
 *     {"type": "error", "code": ..., "description": ..., "error"?: ...}
 */
import * as Effect from "effect/Effect"
import type { Json } from "effect/Schema"
import {
  CallTooLargeError,
  ContractError,
  InvalidArgumentsError,
  NotAllowedError,
  type NotJsonError,
  RemoteDefectError,
  RemoteError,
  type RunError,
  UnknownFunctionError
} from "../../FunctionError.ts"
import type { NodeName } from "../../Packet.ts"
import { textBytes } from "../base/arena.ts"
import { memoized } from "../base/bytes.ts"
import { utf8 } from "../base/platform.ts"
import { keep } from "../base/shapes.ts"
import { isObject, lengthUpTo, notJson, parse, type Usual, weigh } from "../wire/json.ts"

/** The name of the stream that carries a command. */
export const streamName = "handle"

export interface Request {
  readonly function: string
  readonly args: ReadonlyArray<unknown>
  readonly kwargs: Readonly<Record<string, any>>
}

/** Each is an argument of a call of JavaScript, of which the stack takes so many. */
const maxArgs = 10_000

// A request without arguments by name, and the value of an answer, as this code writes them and most do: between two texts, of which
// only what differs is parsed, and written.
const requestHead = "{\"function\":\""
const requestMiddle = "\",\"args\":"
const requestTail = ",\"kwargs\":{}}"
const successHead = "{\"type\":\"success\",\"value\":"
const successTail = "}"

/** A name from a longer text is a copy: otherwise it is a part of it for V8, and who keeps the name, such as what counts calls, keeps all of the call. */
const longestHeld = 1_024

/** What does not stand for itself in JSON. */
const special = /[\\\p{Cc}]/u

const usualRequest: Usual = (text) => {
  if (!text.startsWith(requestHead) || !text.endsWith(requestTail)) return undefined
  const end = text.indexOf("\"", requestHead.length)
  const name = text.slice(requestHead.length, end)
  if (!text.startsWith(requestMiddle, end) || special.test(name)) return undefined
  const own: string = text.length > longestHeld ? JSON.parse(`"${name}"`) : name
  // One whole value, or it is no JSON: whatever else stands in between is not taken for a part of it.
  return { function: own, args: JSON.parse(text.slice(end + requestMiddle.length, -requestTail.length)), kwargs: {} }
}

const usualSuccess: Usual = (text) =>
  text.startsWith(successHead) && text.endsWith(successTail)
    ? { type: "success", value: JSON.parse(text.slice(successHead.length, -successTail.length)) }
    : undefined

const makeHead = (name: string): string => `{"function":${JSON.stringify(name)},"args":`
const keptHead = memoized(makeHead)
/** Longer names are not kept: who takes them from others would hold a thousand of theirs. */
const longestKept = 256
const headOf = (name: string): string => name.length > longestKept ? makeHead(name) : keptHead(name)

const isEmpty = (object: object): boolean => {
  for (const _ in object) return false
  return true
}

/** A request's bytes, of which there are no more than `limit`, or why its values cannot be sent. */
export const encodeRequest = (request: Request, limit: number): Uint8Array | NotJsonError | "too large" => {
  const { args, kwargs } = request
  const fault = notJson(args, "$.args", limit) ?? notJson(kwargs, "$.kwargs", limit)
  if (fault !== undefined) return fault
  // JSON writes them as null, and a parameter's default is for undefined alone.
  const bytes = textBytes(
    args.includes(undefined)
      ? JSON.stringify({
        function: request.function,
        args,
        kwargs,
        absent: args.flatMap((arg, i) => arg === undefined ? [i] : [])
      })
      : isEmpty(kwargs)
      ? `${headOf(request.function)}${JSON.stringify(args)}${requestTail}`
      : JSON.stringify({ function: request.function, args, kwargs })
  )
  return bytes.length <= limit ? bytes : "too large"
}

/** A peer's request, or what is wrong with it. */
export const decodeRequest = (bytes: Uint8Array): Request | string => {
  const parsed = parse(bytes, usualRequest)
  if (typeof parsed === "string") return parsed
  if (!isObject(parsed.value)) return "not an object"
  const { absent, function: name } = parsed.value
  // Many languages write null for what is not there.
  const args = parsed.value.args ?? []
  const kwargs = parsed.value.kwargs ?? {}
  if (typeof name !== "string") return "\"function\" is not a string"
  if (!Array.isArray(args)) return "\"args\" is not an array"
  if (args.length > maxArgs) return `"args" has more than ${maxArgs} elements`
  if (!isObject(kwargs)) return "\"kwargs\" is not an object"
  // Whatever else stands there is for later versions.
  if (Array.isArray(absent)) { for (const i of absent) if (args[i] === null) args[i] = undefined }
  return { function: name, args, kwargs }
}

export const encodeSuccess = (value: Json): Uint8Array =>
  textBytes(`${successHead}${JSON.stringify(value)}${successTail}`)

/** `encodeSuccess`, or `undefined` where the bytes would be more than `limit`: then they are not made. */
export const encodeSuccessUpTo = (value: Json, limit: number): Uint8Array | undefined => {
  if (lengthUpTo(value, limit) > limit) return undefined
  const bytes = encodeSuccess(value)
  return bytes.length <= limit ? bytes : undefined
}

/** Characters of a description. It may speak of what a peer sent, and is no longer for that. */
const maxDescription = 1_024

export const encodeError = (
  error: Pick<RunError, "code" | "description" | "error">,
  limit = Infinity
): Uint8Array => {
  const description = error.description.slice(0, maxDescription)
  // Who does not know the code would read that it broke, and may have run: this one says that nothing did.
  if (error.code === "not_allowed") {
    return utf8(JSON.stringify({ type: "error", code: "unknown_function", description, reason: error.code }))
  }
  if (error.error !== undefined) {
    const bytes = lengthUpTo(error.error, limit) > limit
      ? undefined
      : utf8(JSON.stringify({ type: "error", code: error.code, description, error: error.error }))
    if (bytes === undefined || bytes.length > limit) {
      return encodeError({ code: "too_large", description: `its error is over ${limit} bytes` })
    }
    return bytes
  }
  return utf8(JSON.stringify({ type: "error", code: error.code, description }))
}

const shortReply = 65_536

/** How much the arrays, objects and fields of an answer may hold, as so many times the bytes that it may have. */
const maxWeight = 8

/** Why a reply is no value. */
export type ReplyError =
  | UnknownFunctionError
  | NotAllowedError
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
  // What is short is no more than its caller has room for.
  if (bytes.length > shortReply) {
    const weight = weigh(bytes)
    if (weight < Infinity && weight > limit * maxWeight) {
      return Effect.fail(new CallTooLargeError({ peer, function: name, limit }))
    }
  }
  const parsed = parse(bytes, usualSuccess)
  const reply: unknown = typeof parsed === "string" ? undefined : parsed.value
  if (isObject(reply)) {
    if (reply.type === "success") return Effect.succeed((reply.value ?? null) as Json)
    if (reply.type === "error") {
      const description = typeof reply.description === "string" ? reply.description : ""
      switch (reply.code) {
        case "unknown_function":
          return Effect.fail(
            reply.reason === "not_allowed"
              ? new NotAllowedError({ peer, function: name })
              : new UnknownFunctionError({ peer, function: name })
          )
        case "invalid_arguments":
          return Effect.fail(new InvalidArgumentsError({ peer, function: name, issue: description }))
        case "too_large":
          return Effect.fail(new CallTooLargeError({ peer, function: name, limit }))
        case "not_json":
          return Effect.fail(
            new RemoteError({ peer, command: name, error: { _tag: "NotJsonError", message: description } })
          )
        // Without a code it is of an implementation that has none.
        case "failed":
        case undefined:
        case null:
          return Effect.fail(
            new RemoteError({ peer, command: name, error: reply.error ?? { message: description } })
          )
        // `internal`, and so read codes that are not known.
        default:
          return Effect.fail(new RemoteDefectError({ peer, function: name }))
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

keep(
  { function: "", args: [], kwargs: {} },
  { request: usualRequest(`${requestHead}${requestMiddle}[]${requestTail}`) },
  { success: usualSuccess(`${successHead}null${successTail}`) }
)
