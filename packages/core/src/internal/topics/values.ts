/** Values as topics carry them: those of a Schema and those that are just JSON as JSON, and bytes as they are. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Topic from "../../Topic.ts"
import { utf8 } from "../base/platform.ts"
import { type Retaining, retaining } from "../values/retaining.ts"
import { notJson, parse } from "../wire/json.ts"
import { maxPayload } from "./records.ts"

/** Why bytes are no value. */
export type Wrong = string

export interface Coding {
  readonly topic: string
  readonly contract: string | undefined
  readonly encode: (
    value: unknown
  ) => Effect.Effect<Uint8Array, Topic.InvalidPublicationError | Topic.TopicTooLargeError, any>
  readonly decode: (body: Uint8Array) => Effect.Effect<unknown, Wrong, any>
  readonly keyOf: ((value: unknown) => unknown) | undefined
  /** A text says why it cannot be retained as it is asked for. */
  readonly retain: Retaining | undefined | string
}

/** A topic as it is given: with a Schema, or its name. */
export type Given = string | Topic.Any

export type CodingOf = (topic: Given, retain?: Topic.Retain) => Coding

export const invalid = (topic: string, issue: string) => new Topic.InvalidPublicationError({ topic, issue })

/** What is JSON already, of a name or a pattern. */
export const json = (topic: string, retain?: Topic.Retain): Coding => ({
  topic,
  contract: undefined,
  encode: (value) => {
    const wrong = value === undefined ? "it is undefined" : notJson(value, "value", maxPayload)
    if (wrong === "too large") return Effect.fail(new Topic.TopicTooLargeError({ topic, limit: maxPayload }))
    if (wrong !== undefined) return Effect.fail(invalid(topic, typeof wrong === "string" ? wrong : wrong.message))
    return Effect.succeed(utf8(JSON.stringify(value)))
  },
  decode: (body) => {
    const parsed = parse(body)
    return typeof parsed === "string" ? Effect.fail(parsed) : Effect.succeed(parsed.value)
  },
  keyOf: undefined,
  retain: retaining(retain)
})

/** Bytes of a name or a pattern; text is its UTF-8. */
export const bytes = (topic: string, retain?: Topic.Retain): Coding => ({
  topic,
  contract: "bytes",
  encode: (value) =>
    value instanceof Uint8Array
      // Whose it was may go on writing to it.
      ? Effect.succeed(value.slice())
      : typeof value === "string"
      ? Effect.succeed(utf8(value))
      : Effect.fail(invalid(topic, "it is neither bytes nor text")),
  decode: Effect.succeed,
  keyOf: undefined,
  retain: retaining(retain)
})

/** Bytes of a topic that is named. */
export const asBytes: CodingOf = (topic, retain) => bytes(typeof topic === "string" ? topic : topic.name, retain)

/** What a value's key is; a text says why it is none. */
export const keyOf = (coding: Coding, value: unknown): { readonly key: string | undefined } | string => {
  if (coding.keyOf === undefined) return { key: undefined }
  const exit = Effect.runSyncExit(Effect.sync(() => coding.keyOf!(value)))
  if (Exit.isFailure(exit)) return "its key function throws"
  if (typeof exit.value !== "string") return "its key is no text"
  return { key: exit.value }
}
