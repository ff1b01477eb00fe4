/** Values of topics as they are kept: of a Schema and of names alone as JSON, and bytes as they are. */
import * as Topic from "@pnet/core/Topic"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { textOf, utf8 } from "../platform.ts"
import type { Kind } from "./item.ts"

export interface Coding {
  readonly kind: Kind
  readonly encode: (value: unknown) => Effect.Effect<Uint8Array, Topic.InvalidPublicationError, any>
  /** Whatever it fails with: these bytes are no value. */
  readonly decode: (payload: Uint8Array) => Effect.Effect<unknown, unknown, any>
  readonly keyOf: ((value: any) => string) | undefined
}

const invalid = (topic: string, issue: string) => new Topic.InvalidPublicationError({ topic, issue })

const isJson = Schema.is(Schema.Json)

const json = (topic: string) => (value: unknown) =>
  Effect.try({
    try: () => isJson(value) ? utf8(JSON.stringify(value)) : undefined,
    catch: (cause) => invalid(topic, `it is no JSON: ${cause}`)
  }).pipe(
    Effect.flatMap((bytes) =>
      bytes === undefined ? Effect.fail(invalid(topic, "it is no JSON")) : Effect.succeed(bytes)
    )
  )

const parse = (payload: Uint8Array) => Effect.try(() => JSON.parse(textOf(payload) ?? "") as unknown)

export const codingOf = (topic: string | Topic.Any): Coding => {
  if (typeof topic === "string") return { kind: "json", encode: json(topic), decode: parse, keyOf: undefined }
  const { key: keyOf, name, payload } = topic
  if (payload === undefined) {
    return {
      kind: "bytes",
      encode: (value) =>
        value instanceof Uint8Array ? Effect.succeed(value) : Effect.fail(invalid(name, "it is no bytes")),
      decode: Effect.succeed,
      keyOf
    }
  }
  const codec = Schema.toCodecJson(payload as Schema.Codec<unknown, unknown, unknown, unknown>)
  const [encode, decode] = [Schema.encodeUnknownEffect(codec), Schema.decodeUnknownEffect(codec)]
  return {
    kind: "json",
    encode: (value) =>
      Effect.flatMap(Effect.mapError(encode(value), ({ message }) => invalid(name, message)), json(name)),
    decode: (bytes) => Effect.flatMap(parse(bytes), decode),
    keyOf
  }
}

/** The key of a value; `""`: it has none. */
export const keyOf = (
  topic: string,
  coding: Coding,
  value: unknown,
  given: string | undefined
): Effect.Effect<string, Topic.InvalidPublicationError> =>
  Effect.try({
    try: () => coding.keyOf === undefined ? given ?? "" : coding.keyOf(value),
    catch: () => invalid(topic, "its key function throws")
  }).pipe(
    Effect.filterOrFail(
      (key) => typeof key === "string" && utf8(key).length <= 255,
      () => invalid(topic, "its key is no text of at most 255 bytes of UTF-8")
    )
  )
