/**
 * The packet, the text that every exchange is made of (protocol section 1):
 *
 *     network id|type|content|public key|END LF
 *
 * Encoding and decoding are plain synchronous functions over bytes, because this is the hot path; `decode` gives a typed
 * error for the first rule that the bytes break, in the order the protocol fixes. The schemas describe the same things for
 * options, tests and tools. Cutting packets out of a byte stream is `Framer`'s work.
 *
 * What bites: `content` is bytes and may still be a Fernet token; what it says is for the layer above. A packet's public
 * key is only a claim until something sealed with it has opened.
 *
 * @since 0.1.0
 */
import type * as Brand from "effect/Brand"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaGetter from "effect/SchemaGetter"
import * as SchemaIssue from "effect/SchemaIssue"
import { asciiAt, equalAt, memoized } from "./internal/base/bytes.ts"
import { odd } from "./internal/base/names.ts"
import { strictTextOf, textOf, utf8 } from "./internal/base/platform.ts"
import * as ProtocolError from "./ProtocolError.ts"
import * as PublicKey from "./PublicKey.ts"

/**
 * The most bytes of a packet in a datagram, its line feed counted.
 *
 * @category constants
 * @since 0.1.0
 */
export const maxDatagramLength = 1_400

/**
 * The most bytes of a packet on a stream, its line feed counted.
 *
 * @category constants
 * @since 0.1.0
 */
export const maxStreamLength = 131_072

const isLabel = (text: string, forbidden: RegExp): true | string => {
  const length = utf8(text).length
  return length < 1 || length > 64
    ? `expected 1 to 64 bytes of UTF-8, got ${length}`
    : odd.test(text)
    ? "expected no control characters"
    : forbidden.test(text)
    ? `expected none of the characters ${forbidden.source.replace(/[[\]\\]/g, "")}`
    : true
}

/**
 * The id of a network: 1 to 64 bytes of UTF-8 without `|` and control characters. Compared as it is, without normalisation.
 *
 * @category schemas
 * @since 0.1.0
 */
export const NetworkId = Schema.String.check(
  Schema.makeFilter((text: string) => isLabel(text, /[|]/))
).pipe(Schema.brand("@pnet/core/NetworkId"))

/**
 * The id of a network.
 *
 * @category models
 * @since 0.1.0
 */
export type NetworkId = Brand.Branded<string, "@pnet/core/NetworkId">

/**
 * The name of a node: 1 to 64 bytes of UTF-8 without `|`, `@` and control characters, and not `*`, which addresses every
 * peer. Compared as it is, without normalisation.
 *
 * @category schemas
 * @since 0.1.0
 */
export const NodeName = Schema.String.check(
  Schema.makeFilter((text: string) => isLabel(text, /[|@]/)),
  Schema.makeFilter((text: string) => text !== "*" || "expected a name; * addresses every peer")
).pipe(Schema.brand("@pnet/core/NodeName"))

/**
 * The name of a node.
 *
 * @category models
 * @since 0.1.0
 */
export type NodeName = Brand.Branded<string, "@pnet/core/NodeName">

/**
 * The types of packets: an advert, a message that opens or continues an exchange, its answer, and a refusal; and on LANs of many, by
 * datagram alone, the question who is there, and the question who has heard of some nodes.
 *
 * @category schemas
 * @since 0.1.0
 */
export const PacketType = Schema.Literals(["adv", "msg", "rsp", "err", "who", "ask"])

/**
 * The type of a packet.
 *
 * @category models
 * @since 0.1.0
 */
export type PacketType = typeof PacketType.Type

/**
 * A packet whose envelope has been checked.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Packet = Schema.Struct({
  networkId: NetworkId,
  type: PacketType,
  /** The content as it stands between the bars: a token, base64url of a command, an advert's text, or an error code. */
  content: Schema.Uint8Array,
  /** The sender's key; `null` only in an `err` that answers a packet whose key could not be read. */
  publicKey: Schema.NullOr(PublicKey.PublicKey)
})

/**
 * A packet whose envelope has been checked.
 *
 * @category models
 * @since 0.1.0
 */
export interface Packet {
  readonly networkId: NetworkId
  readonly type: PacketType
  readonly content: Uint8Array
  readonly publicKey: PublicKey.PublicKey | null
}

const bar = 0x7c
const lineFeed = 0x0a
const tail = utf8("|END\n")

const networkBytes = memoized<NetworkId, Uint8Array>(utf8)
const keyBytes = memoized<PublicKey.PublicKey, Uint8Array>(utf8)
const noKey = new Uint8Array(0)
const typeBytes = {
  adv: utf8("adv"),
  msg: utf8("msg"),
  rsp: utf8("rsp"),
  err: utf8("err"),
  who: utf8("who"),
  ask: utf8("ask")
}

/**
 * The bytes of a packet, line feed included. The caller keeps to the limits of its carrier.
 *
 * @category codecs
 * @since 0.1.0
 */
export const encode = (packet: Packet): Uint8Array => {
  const { content } = packet
  const network = networkBytes(packet.networkId)
  // An err without a key keeps its bar: `…|CODE||END`.
  const key = packet.publicKey === null ? noKey : keyBytes(packet.publicKey)
  const out = new Uint8Array(network.length + 5 + content.length + 1 + key.length + tail.length)
  out.set(network)
  let o = network.length
  out[o++] = bar
  out.set(typeBytes[packet.type], o)
  o += 3
  out[o++] = bar
  out.set(content, o)
  o += content.length
  out[o++] = bar
  out.set(key, o)
  out.set(tail, o + key.length)
  return out
}

/**
 * What `decode` expects.
 *
 * @category models
 * @since 0.1.0
 */
export interface Expected {
  /** One's own network. Absent: any. */
  readonly networkId?: NetworkId | undefined
  /** The types that may come now. */
  readonly types: ReadonlyArray<PacketType>
  /** The most bytes: `maxDatagramLength` or `maxStreamLength`. */
  readonly maxLength: number
  /** The key that it probably has, which costs no more than to compare it. Any other does as well. */
  readonly likelyKey?: PublicKey.PublicKey | undefined
}

const typeOf = (bytes: Uint8Array, start: number, end: number): PacketType | undefined => {
  for (const type of PacketType.literals) if (equalAt(bytes, start, end, typeBytes[type])) return type
  return undefined
}

const networkIdOf = (bytes: Uint8Array): NetworkId | undefined => {
  const text = strictTextOf(bytes)
  return text !== undefined && isLabel(text, /[|]/) === true ? text as NetworkId : undefined
}

const fail = (code: ProtocolError.Code, detail?: string) => Result.fail(ProtocolError.local(code, detail))

/**
 * Checks the envelope of one packet, its line feed included, in the order of protocol section 1, and gives the error of the
 * first rule it breaks. The content is a view into `bytes`.
 *
 * @category codecs
 * @since 0.1.0
 */
export const decode = (bytes: Uint8Array, expected: Expected): Result.Result<Packet, ProtocolError.ProtocolError> => {
  if (bytes.length > expected.maxLength) return fail("ERR_PACKET_TOO_LARGE", `${bytes.length} bytes`)
  const end = bytes.length - 1
  if (bytes[end] !== lineFeed) return fail("ERR_PACKET_INCOMPLETE", "no line feed")
  const first = bytes.indexOf(bar)
  const second = first < 0 ? -1 : bytes.indexOf(bar, first + 1)
  const third = second < 0 ? -1 : bytes.indexOf(bar, second + 1)
  const fourth = third < 0 ? -1 : bytes.indexOf(bar, third + 1)
  if (fourth < 0 || bytes.indexOf(bar, fourth + 1) >= 0) return fail("ERR_SECTION_COUNT")
  if (end - fourth !== 4 || bytes[fourth + 1] !== 0x45 || bytes[fourth + 2] !== 0x4e || bytes[fourth + 3] !== 0x44) {
    return fail("ERR_PACKET_INCOMPLETE", "the last section is not END")
  }
  const networkId = expected.networkId === undefined
    ? networkIdOf(bytes.subarray(0, first))
    : equalAt(bytes, 0, first, networkBytes(expected.networkId))
    ? expected.networkId
    : undefined
  if (networkId === undefined) return fail("ERR_NETWORK_INCORRECT")
  const type = typeOf(bytes, first + 1, second)
  if (type === undefined || !expected.types.includes(type)) {
    return fail("ERR_PACKET_TYPE", type === undefined ? "unknown" : `${type} was not expected here`)
  }
  const publicKey = type === "err" && fourth - third === 1
    ? null
    : expected.likelyKey !== undefined && fourth - third - 1 === expected.likelyKey.length &&
        asciiAt(bytes, third + 1, expected.likelyKey)
    ? expected.likelyKey
    : PublicKey.fromText(bytes.subarray(third + 1, fourth))
  if (publicKey === undefined) return fail("ERR_PUBLIC_KEY")
  return Result.succeed({
    networkId,
    type,
    content: bytes.subarray(second + 1, third),
    publicKey
  })
}

/**
 * Schema of a packet as its bytes: `decode` and `encode` with the limit of a stream, any network and every type.
 *
 * @category schemas
 * @since 0.1.0
 */
export const PacketFromBytes: Schema.Codec<Packet, Uint8Array> = Schema.Uint8Array.pipe(
  Schema.decodeTo(Schema.toType(Packet), {
    decode: SchemaGetter.transformEffect((bytes: Uint8Array, options) => {
      const decoded = decode(bytes, { types: PacketType.literals, maxLength: maxStreamLength })
      return Result.isSuccess(decoded)
        ? Effect.succeed(decoded.success)
        : Effect.fail(new SchemaIssue.InvalidValue({ message: decoded.failure.message }, bytes, options))
    }),
    encode: SchemaGetter.transform((packet: Packet) => encode(packet))
  })
)

/**
 * The `err` packet for a rule that was broken; `publicKey` is the sender's own, or `null` where the packet it answers did
 * not get as far as a valid key.
 *
 * @category constructors
 * @since 0.1.0
 */
export const err = (networkId: NetworkId, code: ProtocolError.Code, publicKey: PublicKey.PublicKey | null): Packet => ({
  networkId,
  type: "err",
  content: utf8(code),
  publicKey
})

/**
 * The error that an `err` packet reports.
 *
 * @category conversions
 * @since 0.1.0
 */
export const errorOf = (packet: Packet): ProtocolError.ProtocolError => ProtocolError.remote(textOf(packet.content))
