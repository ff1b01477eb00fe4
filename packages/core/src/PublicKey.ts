/**
 * A node's X25519 public key: its identity on the network.
 *
 * A `PublicKey` is the canonical base64url text of 32 bytes (44 characters), so `===` compares keys and a `Map` can be
 * keyed by them. **Order is another matter**: keys sort as 32 bytes (`Order`), never as text.
 *
 * Keys that make Diffie-Hellman meaningless cannot become a `PublicKey`: every value of the type is a canonical integer
 * below 2^255-19 and none of the five of low order (protocol section 1). Nothing in pnet multiplies with a key that has
 * not passed through here.
 *
 * @since 0.1.0
 */
import * as Brand from "effect/Brand"
import * as Effect from "effect/Effect"
import * as Order_ from "effect/Order"
import * as Schema from "effect/Schema"
import * as SchemaGetter from "effect/SchemaGetter"
import * as SchemaIssue from "effect/SchemaIssue"
import * as Base64Url from "./internal/base/base64url.ts"
import { compare } from "./internal/base/bytes.ts"

/**
 * The bytes of a public key: 32.
 *
 * @category constants
 * @since 0.1.0
 */
export const byteLength = 32

/**
 * A public key as canonical base64url text.
 *
 * @category models
 * @since 0.1.0
 */
export type PublicKey = Brand.Branded<string, "@pnet/core/PublicKey">

const brand = Brand.nominal<PublicKey>()

const hex = (text: string): Uint8Array => Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16))

// Little-endian. 2^255-19, and the points of order 1, 2, 4 and 8 that are below it.
const prime = hex("edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f")
const lowOrder = [
  hex("0000000000000000000000000000000000000000000000000000000000000000"),
  hex("0100000000000000000000000000000000000000000000000000000000000000"),
  hex("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
  hex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
  hex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157")
]

const isCanonical = (bytes: Uint8Array): boolean => {
  for (let i = byteLength - 1; i >= 0; i--) {
    if (bytes[i] !== prime[i]) return bytes[i]! < prime[i]!
  }
  return false
}

/**
 * Whether 32 bytes are a public key that may be multiplied with: canonical, and not of low order.
 *
 * @category guards
 * @since 0.1.0
 */
export const isValidBytes = (bytes: Uint8Array): boolean =>
  bytes.length === byteLength && isCanonical(bytes) && !lowOrder.some((point) => compare(point, bytes) === 0)

/**
 * The public key of 32 bytes, or `undefined` where they are none.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromBytes = (bytes: Uint8Array): PublicKey | undefined =>
  isValidBytes(bytes) ? brand(Base64Url.encodeString(bytes)) : undefined

/**
 * The public key of a canonical base64url text (as a string or its ASCII bytes), or `undefined` where it is none.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromText = (text: string | Uint8Array): PublicKey | undefined => {
  if (typeof text === "string") {
    const bytes = Base64Url.decodeString(text)
    return bytes === undefined ? undefined : fromBytes(bytes)
  }
  if (text.length !== textLength) return undefined
  // The same keys come again and again. What was read before need not be checked again, and is the same text.
  const place = (text[0]! * 769 + text[1]! * 97 + text[2]! * 13 + text[3]!) & (recent.length - 1)
  const known = recent[place]
  if (known !== undefined && isText(text, known)) return known
  const bytes = Base64Url.decode(text)
  return bytes === undefined ? undefined : recent[place] = fromBytes(bytes)
}

const textLength = 44
const recent: Array<PublicKey | undefined> = Array.from({ length: 4_096 })

const isText = (bytes: Uint8Array, text: string): boolean => {
  for (let i = 0; i < textLength; i++) if (bytes[i] !== text.charCodeAt(i)) return false
  return true
}

/**
 * The 32 bytes of a public key.
 *
 * @category conversions
 * @since 0.1.0
 */
export const toBytes = (key: PublicKey): Uint8Array => Base64Url.decodeString(key)!

/**
 * Keys in the order of their 32 bytes, which is not the order of their text.
 *
 * @category instances
 * @since 0.1.0
 */
export const Order: Order_.Order<PublicKey> = Order_.make((a, b) => compare(toBytes(a), toBytes(b)))

const symbols = "0123456789abcdefghjkmnpqrstvwxyz"

/**
 * A short form for people to compare, in four groups of four letters and digits, such as `4dpk-9sw1-ztf0-a7e2`: the key's
 * first 80 bits in Crockford's base 32, which has no `i`, `l`, `o` and `u`. Making another key with the same fingerprint
 * takes some 2^80 attempts.
 *
 * @category conversions
 * @since 0.1.0
 */
export const fingerprint = (key: PublicKey): string => {
  const bytes = toBytes(key)
  let out = ""
  let buffer = 0
  let bits = 0
  for (let i = 0; i < 10; i++) {
    buffer = (buffer << 8 | bytes[i]!) & 0xffff
    bits += 8
    while (bits >= 5) {
      bits -= 5
      out += symbols[buffer >> bits & 31]
      if (out.length % 5 === 4 && out.length < 19) out += "-"
    }
  }
  return out
}

/**
 * Schema of a public key: text that is checked when it is decoded.
 *
 * @category schemas
 * @since 0.1.0
 */
export const PublicKey: Schema.Codec<PublicKey, string> = Schema.String.pipe(
  Schema.decodeTo(
    Schema.declare((u): u is PublicKey => typeof u === "string" && fromText(u) !== undefined, {
      identifier: "PublicKey"
    }),
    {
      decode: SchemaGetter.transformEffect((text: string, options) => {
        const key = fromText(text)
        return key === undefined
          ? Effect.fail(
            new SchemaIssue.InvalidValue(
              { message: "expected the base64url text of an X25519 public key that is canonical and not of low order" },
              text,
              options
            )
          )
          : Effect.succeed(key)
      }),
      encode: SchemaGetter.transform((key: PublicKey) => key as string)
    }
  )
)
