/** Network keys as options have them: one, or a list. What is wrong is said without any of the key. */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaGetter from "effect/SchemaGetter"
import * as SchemaIssue from "effect/SchemaIssue"
import * as NetworkKey from "../../NetworkKey.ts"
import * as NetworkKeys from "../../NetworkKeys.ts"

/** A network key as it is written in options: its text, redacted or not. */
export type KeyInput = string | Redacted.Redacted<string>

const isKeyInput = (u: unknown): u is KeyInput =>
  typeof u === "string" || Redacted.isRedacted(u) && typeof Redacted.value(u) === "string"

const isOneOrMoreKeys = (u: unknown): u is NetworkKey.NetworkKey | ReadonlyArray<NetworkKey.NetworkKey> =>
  Array.isArray(u) ? u.every(NetworkKey.isNetworkKey) : NetworkKey.isNetworkKey(u)

// The value itself is left out, so that nothing can show it.
const keyIssue = (message: string) => new SchemaIssue.InvalidValue({ message })

/** One network key, or none where it is no text of one: said in words, and without any of it. */
const readKey = (u: unknown): Result.Result<NetworkKey.NetworkKey, SchemaIssue.Issue> =>
  isKeyInput(u)
    ? Result.mapError(NetworkKey.parse(u), ({ message }) => keyIssue(message))
    : Result.fail(keyIssue(
      u === undefined
        ? "expected a network key, and it is there and undefined: leave the option out for a network in clear"
        : "expected the text of a network key, 44 characters of base64url, as it is or as Redacted.make(text)"
    ))

const readKeys = (
  list: ReadonlyArray<unknown>
): Result.Result<ReadonlyArray<NetworkKey.NetworkKey>, SchemaIssue.Issue> => {
  // An empty list would be a network in clear, which is to be asked for by leaving the option out.
  if (list.length < 1 || list.length > NetworkKeys.maxKeys) {
    return Result.fail(keyIssue(
      `expected 1 to ${NetworkKeys.maxKeys} network keys, and there are ${list.length}: leave the option out for a network in clear`
    ))
  }
  return Result.all(
    list.map((u, i) => Result.mapError(readKey(u), (issue) => new SchemaIssue.Pointer([i], issue)))
  )
}

export const OneOrMoreKeys = Schema.declare((_u): _u is KeyInput | ReadonlyArray<KeyInput> => true).pipe(
  Schema.decodeTo(Schema.declare(isOneOrMoreKeys, { identifier: "NetworkKey" }), {
    decode: SchemaGetter.transformEffect((input: unknown) =>
      Effect.fromResult<NetworkKey.NetworkKey | ReadonlyArray<NetworkKey.NetworkKey>, SchemaIssue.Issue>(
        Array.isArray(input) ? readKeys(input) : readKey(input)
      )
    ),
    encode: SchemaGetter.transform((keys): KeyInput | ReadonlyArray<KeyInput> => keys)
  })
)

export const KeyList = Schema.declare((_u): _u is ReadonlyArray<KeyInput> => true).pipe(
  Schema.decodeTo(
    Schema.declare((u): u is ReadonlyArray<NetworkKey.NetworkKey> => Array.isArray(u) && isOneOrMoreKeys(u)),
    {
      decode: SchemaGetter.transformEffect((input: unknown) =>
        Effect.fromResult(
          Array.isArray(input)
            ? readKeys(input)
            : Result.fail<SchemaIssue.Issue>(
              keyIssue("expected a list of network keys; one alone is networkKey")
            )
        )
      ),
      encode: SchemaGetter.transform((keys): ReadonlyArray<KeyInput> => keys)
    }
  )
)
