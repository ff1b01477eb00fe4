/** Headers: what a function is told about a call besides its bytes, as JSON in the OPEN of the call's stream. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Frame from "../../Frame.ts"
import { CallTooLargeError, type NotJsonError } from "../../FunctionError.ts"
import type { NodeName } from "../../Packet.ts"
import * as Given from "../base/given.ts"
import { utf8 } from "../base/platform.ts"
import { notJson } from "../wire/json.ts"

export type Headers = Schema.JsonObject

/** What they are at a function. What it needs is among what the function needs. */
export type AnySchema = Schema.Codec<any, any, any, any>

/** As they travel; `undefined` where there is nothing to say. */
export const textOf = (
  headers: Headers,
  peer: NodeName,
  command: string
): Effect.Effect<string | undefined, NotJsonError | CallTooLargeError> => {
  if (typeof headers !== "object" || headers === null || Array.isArray(headers)) {
    return Effect.die(new TypeError(`${Given.describe(headers)} was to be sent as headers, which are an object`))
  }
  const limit = Frame.maxHeaders
  const found = notJson(headers, "headers", limit)
  if (typeof found === "object") return Effect.fail(found)
  const text = found === undefined ? JSON.stringify(headers) : ""
  if (found !== undefined || utf8(text).length > limit) {
    return Effect.fail(new CallTooLargeError({ peer, function: command, limit }))
  }
  return Effect.succeed(text === "{}" ? undefined : text)
}

/** What a call brought. */
export const read = (text: string | undefined): Headers => text === undefined ? {} : JSON.parse(text) as Headers

/** Characters of what Schema says of headers that are sent back. */
const maxIssue = 1_024

/** Reads the headers of a call as a Schema has them; the failure is what is wrong with them. */
export type Decode = (text: string | undefined) => Effect.Effect<unknown, string>

export const decoder = (schema: AnySchema): Decode => {
  const decode = Schema.decodeUnknownEffect(Schema.toCodecJson(schema as Schema.Codec<unknown>))
  return (text) =>
    Effect.mapError(
      Effect.suspend(() => decode(read(text))),
      (error) => `headers: ${error.message}`.slice(0, maxIssue)
    )
}

const schemas = new WeakMap<object, AnySchema>()

/** The Schema that a handler was given for its headers. */
export const schemaOf = (handler: object) => schemas.get(handler)

/** Has a handler take headers of a Schema. */
export const attach = <Handler extends object>(
  handler: Handler,
  schema: AnySchema
): Handler => {
  schemas.set(handler, schema)
  return handler
}
