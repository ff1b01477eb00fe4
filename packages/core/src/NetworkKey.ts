/**
 * The network key: the Fernet key that all nodes of an encrypted network share (protocol section 2).
 *
 * A `NetworkKey` is a `Redacted` text, so that it cannot be logged or shown by accident, and one that has been checked:
 * canonical base64url (`A-Za-z0-9-_`, padded with `=`) of exactly 32 bytes, 44 characters, which is what every Fernet
 * implementation calls a key. `Redacted.value` gives the text, `toBytes` the bytes that `Crypto` takes.
 *
 * Whoever has the key can read and write all that is not inside a session: treat it as a password. Errors never show it.
 *
 * In a node's options it may be a plain text, which is redacted at once:
 *
 * ```ts
 * const options = { name: "alice", networkKey: "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=" }
 * ```
 *
 * @since 0.1.0
 */
import type * as Brand from "effect/Brand"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaGetter from "effect/SchemaGetter"
import * as SchemaIssue from "effect/SchemaIssue"
import { Crypto } from "./Crypto.ts"
import * as Base64Url from "./internal/base/base64url.ts"
import * as Why from "./Why.ts"

/**
 * The bytes of a network key: 32, of which the first 16 sign and the others encrypt.
 *
 * @category constants
 * @since 0.1.0
 */
export const byteLength = 32

/**
 * A network key: redacted canonical base64url text.
 *
 * @category models
 * @since 0.1.0
 */
export type NetworkKey = Brand.Branded<Redacted.Redacted<string>, "@pnet/core/NetworkKey">

/**
 * A text that is no network key.
 *
 * - `Encoding`: not canonical base64url
 * - `Length`: base64url, of another number of bytes than 32 (`length`)
 *
 * @category errors
 * @since 0.1.0
 */
export class NetworkKeyError extends Schema.TaggedError<NetworkKeyError>("@pnet/core/NetworkKey/NetworkKeyError")(
  "NetworkKeyError",
  {
    kind: Schema.Literals(["Encoding", "Length"]),
    /** How many bytes the text stands for; absent for `Encoding`. */
    length: Schema.optionalKey(Schema.Number),
    /** What is wrong with the text, showing none of it. */
    problem: Schema.String
  }
) {
  override get message() {
    return Why.see(
      `reading a network key failed: ${this.problem}; expected the base64url text of 32 bytes, 44 characters, as ` +
        "NetworkKey.generate makes it, or: openssl rand -base64 32 | tr '+/' '-_'",
      "network-key"
    )
  }
}

/** What people have in place of a network key, by what it looks like. */
const problemOf = (text: string, length: number | undefined): string => {
  if (text === "") return "it is empty (0 bytes)"
  if (/\s/u.test(text)) return "it has blanks or a line end in it or around it"
  if (/^[0-9a-f]{64}$/iu.test(text)) return "it is 64 hexadecimal digits: write the 32 bytes as base64url"
  if (length !== undefined) return `it stands for ${length} bytes`
  if (/^[A-Za-z0-9+/]+={0,2}$/u.test(text) && /[+/]/u.test(text)) {
    return "it is base64 with + and /: write - for each + and _ for each /"
  }
  if (/^[A-Za-z0-9_-]{43}$/u.test(text)) return "the = at its end is missing"
  if (/^[A-Za-z0-9_-]+=*$/u.test(text) && text.length !== 44) return `it is ${text.length} characters long`
  return "it is not canonical base64url (only A-Z a-z 0-9 - _, padded with =, unused bits zero)"
}

const fromBytes = (bytes: Uint8Array): NetworkKey =>
  Redacted.make(Base64Url.encodeString(bytes), { label: "network key" }) as NetworkKey

/**
 * The network key of a text.
 *
 * @category constructors
 * @since 0.1.0
 */
export const parse = (text: string | Redacted.Redacted<string>): Result.Result<NetworkKey, NetworkKeyError> => {
  const plain = typeof text === "string" ? text : Redacted.value(text)
  const bytes = Base64Url.decodeString(plain)
  if (bytes === undefined) {
    return Result.fail(new NetworkKeyError({ kind: "Encoding", problem: problemOf(plain, undefined) }))
  }
  const { length } = bytes
  return length === byteLength
    ? Result.succeed(fromBytes(bytes))
    : Result.fail(new NetworkKeyError({ kind: "Length", length, problem: problemOf(plain, length) }))
}

/**
 * A fresh network key.
 *
 * @category constructors
 * @since 0.1.0
 */
export const generate: Effect.Effect<NetworkKey, never, Crypto> = Effect.map(
  Crypto,
  (crypto) => fromBytes(crypto.randomBytes(byteLength))
)

/**
 * The 32 bytes of a network key, as `Crypto.fernetEncrypt` and `Crypto.fernetDecrypt` take them.
 *
 * @category conversions
 * @since 0.1.0
 */
export const toBytes = (key: NetworkKey): Redacted.Redacted<Uint8Array> => {
  const bytes = Base64Url.decodeString(Redacted.value(key))
  if (bytes?.length !== byteLength) {
    throw new TypeError("toBytes was given a value that is no network key; make them with NetworkKey.parse")
  }
  return Redacted.make(bytes, { label: "network key" })
}

/**
 * Whether a value is a network key: redacted, and with a text that is one.
 *
 * @category guards
 * @since 0.1.0
 */
export const isNetworkKey = (u: unknown): u is NetworkKey => {
  if (!Redacted.isRedacted(u)) return false
  const text = Redacted.value(u)
  return typeof text === "string" && Result.isSuccess(parse(text))
}

/**
 * Schema of a network key, from a redacted text.
 *
 * @category schemas
 * @since 0.1.0
 */
export const NetworkKey: Schema.Codec<NetworkKey, Redacted.Redacted<string>> = Schema.Redacted(Schema.String).pipe(
  Schema.decodeTo(
    Schema.declare(isNetworkKey, { identifier: "NetworkKey" }),
    {
      decode: SchemaGetter.transformEffect((text: Redacted.Redacted<string>, options) =>
        Result.match(parse(text), {
          onFailure: (error) => Effect.fail(new SchemaIssue.InvalidValue({ message: error.message }, text, options)),
          onSuccess: Effect.succeed
        })
      ),
      encode: SchemaGetter.transform((key: NetworkKey): Redacted.Redacted<string> => key)
    }
  )
)

/**
 * Schema of a network key, from a text that is not redacted yet, as configuration and JSON have it.
 *
 * @category schemas
 * @since 0.1.0
 */
export const NetworkKeyFromString: Schema.Codec<NetworkKey, string> = Schema.RedactedFromValue(Schema.String).pipe(
  Schema.decodeTo(NetworkKey)
)
