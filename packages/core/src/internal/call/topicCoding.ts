/** Values of topics with a Schema, and the contract that it makes. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Topic from "../../Topic.ts"
import type { CodingOf } from "../topics/values.ts"
import * as Values from "../topics/values.ts"
import { retaining } from "../values/retaining.ts"
import { parse } from "../wire/json.ts"
import { ofTopic } from "./contract.ts"

const known = new WeakMap<Topic.Any, Values.Coding>()

const withSchema = (schema: Schema.Codec<unknown, unknown, any, any>, topic: string): Values.Coding => {
  const codec = Schema.toCodecJson(schema)
  const encode = Schema.encodeUnknownEffect(codec)
  const decode = Schema.decodeUnknownEffect(codec)
  const plain = Values.json(topic)
  return {
    ...plain,
    contract: ofTopic(schema),
    encode: (value) =>
      Effect.flatMap(Effect.mapError(encode(value), (error) => Values.invalid(topic, error.message)), plain.encode),
    decode: (body) => {
      const parsed = parse(body)
      return typeof parsed === "string"
        ? Effect.fail(parsed)
        : Effect.mapError(decode(parsed.value), (error) => error.message)
    }
  }
}

/** Values of a topic as it says, and JSON where it is named alone. */
export const codingOf: CodingOf = (topic, retain) => {
  if (typeof topic === "string") return Values.json(topic, retain)
  const made = known.get(topic) ?? codingOfTopic(topic)
  known.set(topic, made)
  return made
}

const codingOfTopic = ({ key: keyOf, name, payload, retain }: Topic.Any): Values.Coding =>
  payload === undefined
    ? { ...Values.bytes(name, retain), keyOf }
    : { ...withSchema(payload, name), keyOf, retain: retaining(retain) }
