/** The Schemas that options are made of, and what is said of a value that is none. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as SchemaGetter from "effect/SchemaGetter"
import * as SchemaIssue from "effect/SchemaIssue"
import type { KeyPair } from "../../Crypto.ts"
import { parseListed } from "./hostName.ts"

const formatted = SchemaIssue.makeFormatterStandardSchemaV1()

const keyOf = (segment: PropertyKey | { readonly key: PropertyKey }): PropertyKey =>
  typeof segment === "object" ? segment.key : segment

const at = (value: unknown, key: PropertyKey): unknown =>
  typeof value === "object" && value !== null ? (value as Record<PropertyKey, unknown>)[key] : undefined

/** What is wrong with options. Of what was given numbers alone are said: a text may be a secret, put into the wrong place. */
export const issueOf = ({ issue }: Schema.SchemaError, input: unknown): string =>
  formatted(issue).issues.map(({ message, path = [] }) => {
    const keys = path.map(keyOf)
    const given = keys.reduce(at, input)
    const got = typeof given === "number" && !message.includes("got ") ? `, got ${given}` : ""
    const where = keys.length === 0
      ? ""
      : `\n  at ${keys.map((key) => `[${typeof key === "number" ? key : JSON.stringify(String(key))}]`).join("")}`
    return `${message}${got}${where}`
  }).join("\n")

const isDurationInput = (u: unknown): u is Duration.Input =>
  Option.isSome(Duration.fromInput(u as Duration.Input)) && u !== undefined && u !== null

const durationThat = (isOne: (duration: Duration.Duration) => boolean, message: string) =>
  Schema.declare(isDurationInput, { expected: `a duration such as "2.5 seconds"` }).pipe(
    Schema.decodeTo(Schema.Duration, {
      decode: SchemaGetter.transformEffect((input: Duration.Input, options) => {
        const duration = Duration.fromInputUnsafe(input)
        return isOne(duration)
          ? Effect.succeed(duration)
          : Effect.fail(new SchemaIssue.InvalidValue({ message }, input, options))
      }),
      encode: SchemaGetter.transform((duration: Duration.Duration): Duration.Input => duration)
    })
  )

const DurationFromInput = durationThat(Duration.isPositive, "expected a duration above zero")

const DurationOrNone = durationThat((duration) => !Duration.isNegative(duration), "expected a duration, or zero")

/** A duration above zero, with its default. */
export const duration = (value: Duration.Input, description: string) =>
  DurationFromInput.annotate({ description }).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed<Duration.Input>(value))
  )

/** A duration, or zero for none, with its default. */
export const durationOrNone = (value: Duration.Input, description: string) =>
  DurationOrNone.annotate({ description }).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed<Duration.Input>(value))
  )

/** How many for each one, with its default: 0.2 is 20 per cent. */
export const share = (value: number, description: string) =>
  Schema.Finite.check(Schema.isGreaterThanOrEqualTo(0)).annotate({ description }).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed(value))
  )

/** A whole number, with its default. */
export const count = (value: number, description: string, minimum = 1, maximum = Number.MAX_SAFE_INTEGER) =>
  Schema.Int.check(Schema.isGreaterThanOrEqualTo(minimum), Schema.isLessThanOrEqualTo(maximum)).annotate({
    description
  }).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed(value))
  )

export const IsKeyPair = Schema.declare(
  (u): u is KeyPair =>
    typeof u === "object" && u !== null && "publicKey" in u && "secretKey" in u && Redacted.isRedacted(u.secretKey),
  {
    expected: "a key pair, from Identity or NodeIdentity"
  }
)

/** Where a node is, as `peers` lists it. */
export const Endpoint = Schema.String.check(
  Schema.makeFilter((text: string) => {
    const endpoint = parseListed(text)
    return endpoint !== undefined && endpoint.port > 0 ||
      "expected host:port, [host]:port or name:port, and a port above 0"
  })
)
