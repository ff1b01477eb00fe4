/**
 * What can be wrong with what a peer sends: one typed reason for each code of protocol section 6.
 *
 * A `ProtocolError` is either found here (`origin` is `local`: the peer's bytes broke a rule) or reported by the other side in
 * an `err` packet (`origin` is `remote`: it refused ours). Use `Effect.catchReason("ProtocolError", "Busy", …)` to act on one.
 *
 * What bites: an `err` packet travels in clear and proves nothing. It ends the one exchange, and nothing else may be
 * concluded from it.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { quote } from "./internal/base/quote.ts"
import * as Why from "./Why.ts"

/**
 * The codes as they stand in `err` packets.
 *
 * @category models
 * @since 0.1.0
 */
export type Code = ProtocolErrorReason["code"]

const detail = { detail: Schema.optionalKey(Schema.String) }

const describe = (text: string, detail: string | undefined, anchor: Why.Anchor) =>
  Why.see(Why.plain(detail === undefined ? text : `${text} (${detail})`), anchor)

/**
 * The packet has not exactly five sections separated by `|`.
 *
 * @category reasons
 * @since 0.1.0
 */
export class SectionCount
  extends Schema.TaggedError<SectionCount>("@pnet/core/ProtocolError/SectionCount")("SectionCount", {
    code: Schema.tag("ERR_SECTION_COUNT"),
    ...detail
  })
{
  override get message() {
    return describe("the packet does not have five sections", this.detail, "broken-packet")
  }
}

/**
 * The packet does not end as packets do, or the stream ended or stalled inside one.
 *
 * @category reasons
 * @since 0.1.0
 */
export class PacketIncomplete
  extends Schema.TaggedError<PacketIncomplete>("@pnet/core/ProtocolError/PacketIncomplete")("PacketIncomplete", {
    code: Schema.tag("ERR_PACKET_INCOMPLETE"),
    ...detail
  })
{
  override get message() {
    return describe(
      "the packet is incomplete: it ended or stalled before its END and line feed",
      this.detail,
      "broken-packet"
    )
  }
}

/**
 * The packet is longer than its carrier allows: 1,400 bytes in a datagram, 131,072 on a stream.
 *
 * @category reasons
 * @since 0.1.0
 */
export class PacketTooLarge
  extends Schema.TaggedError<PacketTooLarge>("@pnet/core/ProtocolError/PacketTooLarge")("PacketTooLarge", {
    code: Schema.tag("ERR_PACKET_TOO_LARGE"),
    ...detail
  })
{
  override get message() {
    return describe(
      "the packet is larger than the protocol allows (1,400 bytes in a datagram, 131,072 on a stream)",
      this.detail,
      "broken-packet"
    )
  }
}

/**
 * The packet belongs to another network.
 *
 * @category reasons
 * @since 0.1.0
 */
export class NetworkIncorrect
  extends Schema.TaggedError<NetworkIncorrect>("@pnet/core/ProtocolError/NetworkIncorrect")("NetworkIncorrect", {
    code: Schema.tag("ERR_NETWORK_INCORRECT"),
    ...detail
  })
{
  override get message() {
    return describe("the network id differs; both nodes need the same networkId", this.detail, "other-network")
  }
}

/**
 * The packet's type is unknown, or not expected here.
 *
 * @category reasons
 * @since 0.1.0
 */
export class PacketType extends Schema.TaggedError<PacketType>("@pnet/core/ProtocolError/PacketType")("PacketType", {
  code: Schema.tag("ERR_PACKET_TYPE"),
  ...detail
}) {
  override get message() {
    return describe("the packet's type is unknown or was not expected here", this.detail, "broken-packet")
  }
}

/**
 * The packet's key is not one that may be multiplied with, is the receiver's own, or is not the one of the exchange.
 *
 * @category reasons
 * @since 0.1.0
 */
export class PublicKey extends Schema.TaggedError<PublicKey>("@pnet/core/ProtocolError/PublicKey")("PublicKey", {
  code: Schema.tag("ERR_PUBLIC_KEY"),
  ...detail
}) {
  override get message() {
    return describe(
      "the public key is malformed, of low order, the receiver's own, or not the one expected",
      this.detail,
      "broken-packet"
    )
  }
}

/**
 * The network-level encryption did not open: another network key, a key on one side only, a token moved or altered, or clocks more than 60 s apart.
 *
 * @category reasons
 * @since 0.1.0
 */
export class NetDecryption
  extends Schema.TaggedError<NetDecryption>("@pnet/core/ProtocolError/NetDecryption")("NetDecryption", {
    code: Schema.tag("ERR_NET_DECRYPTION_FAILED"),
    ...detail
  })
{
  override get message() {
    return describe(
      "the network-level encryption did not open; both nodes need the same networkKey, and clocks within 60 seconds of each other",
      this.detail,
      "network-key-differs"
    )
  }
}

/**
 * A sealed message did not open: altered, made for somebody else, or with another key.
 *
 * @category reasons
 * @since 0.1.0
 */
export class NodeDecryption
  extends Schema.TaggedError<NodeDecryption>("@pnet/core/ProtocolError/NodeDecryption")("NodeDecryption", {
    code: Schema.tag("ERR_NODE_DECRYPTION_FAILED"),
    ...detail
  })
{
  override get message() {
    return describe(
      "a sealed message did not open; it was altered on its way, or was not made for its receiver",
      this.detail,
      "broken-packet"
    )
  }
}

/**
 * An advert's content is not `name@host:port`.
 *
 * @category reasons
 * @since 0.1.0
 */
export class AdvFormat extends Schema.TaggedError<AdvFormat>("@pnet/core/ProtocolError/AdvFormat")("AdvFormat", {
  code: Schema.tag("ERR_ADV_FORMAT"),
  ...detail
}) {
  override get message() {
    return describe("the advert is not of the form name@host:port", this.detail, "broken-packet")
  }
}

/**
 * A message whose stamp is over 60 s from the receiver's clock, not later than the last one accepted, or from before the receiver started.
 *
 * @category reasons
 * @since 0.1.0
 */
export class Replay extends Schema.TaggedError<Replay>("@pnet/core/ProtocolError/Replay")("Replay", {
  code: Schema.tag("ERR_REPLAY"),
  ...detail
}) {
  override get message() {
    return describe(
      "the message's time stamp was refused: it was sent twice, or the clocks of both machines are more than 60 seconds apart, or the receiver has only just started",
      this.detail,
      "replay"
    )
  }
}

/**
 * A handshake failed, or a message was of a kind that is not served here.
 *
 * @category reasons
 * @since 0.1.0
 */
export class Handshake extends Schema.TaggedError<Handshake>("@pnet/core/ProtocolError/Handshake")("Handshake", {
  code: Schema.tag("ERR_HANDSHAKE"),
  ...detail
}) {
  override get message() {
    return describe(
      "the handshake failed, or this kind of message is not served there: a BasicNode takes single messages and no calls",
      this.detail,
      "handshake"
    )
  }
}

/**
 * The receiver's trust policy refuses the sender's name and key.
 *
 * @category reasons
 * @since 0.1.0
 */
export class Untrusted extends Schema.TaggedError<Untrusted>("@pnet/core/ProtocolError/Untrusted")("Untrusted", {
  code: Schema.tag("ERR_UNTRUSTED"),
  ...detail
}) {
  override get message() {
    return describe(
      "its trust policy refused this node's name and key; where it knows another key of that name this node may have started with a throwaway: keep one, or have it forget the other",
      this.detail,
      "untrusted-by-peer"
    )
  }
}

/**
 * The receiver has no room for more now. Nothing was run; it may be tried again.
 *
 * @category reasons
 * @since 0.1.0
 */
export class Busy extends Schema.TaggedError<Busy>("@pnet/core/ProtocolError/Busy")("Busy", {
  code: Schema.tag("ERR_BUSY"),
  ...detail
}) {
  override get message() {
    return describe("there is no room for more work now; nothing was run, try again", this.detail, "busy")
  }
}

/**
 * The receiver failed while it handled the message, or sent a code this version does not know.
 *
 * @category reasons
 * @since 0.1.0
 */
export class Internal extends Schema.TaggedError<Internal>("@pnet/core/ProtocolError/Internal")("Internal", {
  code: Schema.tag("ERR_INTERNAL"),
  ...detail
}) {
  override get message() {
    return describe(
      "the receiver failed while handling the message, or takes none, as without onMessage; its log has the cause",
      this.detail,
      "broke-there"
    )
  }
}

/**
 * Schema of the reasons.
 *
 * @category schemas
 * @since 0.1.0
 */
export const ProtocolErrorReason = Schema.Union([
  SectionCount,
  PacketIncomplete,
  PacketTooLarge,
  NetworkIncorrect,
  PacketType,
  PublicKey,
  NetDecryption,
  NodeDecryption,
  AdvFormat,
  Replay,
  Handshake,
  Untrusted,
  Busy,
  Internal
])

/**
 * One reason.
 *
 * @category models
 * @since 0.1.0
 */
export type ProtocolErrorReason = typeof ProtocolErrorReason.Type

/**
 * A peer's packet broke a rule, or the peer said that ours did.
 *
 * @category errors
 * @since 0.1.0
 */
export class ProtocolError extends Schema.TaggedError<ProtocolError>("@pnet/core/ProtocolError")("ProtocolError", {
  /** `local`: found here, in what the peer sent. `remote`: reported by the peer in an `err` packet. */
  origin: Schema.Literals(["local", "remote"]),
  reason: ProtocolErrorReason,
  /** The name of the peer, where it was addressed by name. */
  peer: Schema.optionalKey(Schema.String)
}) {
  /** The code of protocol section 6. */
  get code(): Code {
    return this.reason.code
  }
  override get message() {
    const who = this.peer === undefined ? "the peer" : quote(this.peer)
    return this.origin === "remote"
      ? `${who} answered ${this.code}: ${this.reason.message}`
      : this.peer === undefined
      ? `${this.code}: ${this.reason.message}`
      : `${who} sent what cannot be accepted, ${this.code}: ${this.reason.message}`
  }
}

const constructors: { readonly [C in Code]: (fields: { readonly detail?: string }) => ProtocolErrorReason } = {
  ERR_SECTION_COUNT: (fields) => new SectionCount(fields),
  ERR_PACKET_INCOMPLETE: (fields) => new PacketIncomplete(fields),
  ERR_PACKET_TOO_LARGE: (fields) => new PacketTooLarge(fields),
  ERR_NETWORK_INCORRECT: (fields) => new NetworkIncorrect(fields),
  ERR_PACKET_TYPE: (fields) => new PacketType(fields),
  ERR_PUBLIC_KEY: (fields) => new PublicKey(fields),
  ERR_NET_DECRYPTION_FAILED: (fields) => new NetDecryption(fields),
  ERR_NODE_DECRYPTION_FAILED: (fields) => new NodeDecryption(fields),
  ERR_ADV_FORMAT: (fields) => new AdvFormat(fields),
  ERR_REPLAY: (fields) => new Replay(fields),
  ERR_HANDSHAKE: (fields) => new Handshake(fields),
  ERR_UNTRUSTED: (fields) => new Untrusted(fields),
  ERR_BUSY: (fields) => new Busy(fields),
  ERR_INTERNAL: (fields) => new Internal(fields)
}

/**
 * All codes.
 *
 * @category constants
 * @since 0.1.0
 */
export const codes = Object.keys(constructors) as ReadonlyArray<Code>

// What engines have that keep stacks, unless somebody froze it.
const engine = Error as { readonly prototype: Error; stackTraceLimit?: unknown }
const canLimit = Object.getOwnPropertyDescriptor(Error, "stackTraceLimit")?.writable === true

// Whoever floods a node makes an error with each datagram. A stack is most of what that would cost, and says nothing.
const withoutStack = <A>(make: () => A): A => {
  if (!canLimit) return make()
  const kept = engine.stackTraceLimit
  engine.stackTraceLimit = 0
  const made = make()
  engine.stackTraceLimit = kept
  return made
}

/**
 * The error of a rule broken in what the peer sent. It has no stack: it tells of bytes, not of code.
 *
 * @category constructors
 * @since 0.1.0
 */
export const local = (code: Code, detail?: string): ProtocolError =>
  withoutStack(() =>
    new ProtocolError({ origin: "local", reason: constructors[code](detail === undefined ? {} : { detail }) })
  )

const isCode = (text: string): text is Code => Object.hasOwn(constructors, text)

/**
 * The same error with the name of the peer that it is of.
 *
 * @category combinators
 * @since 0.1.0
 */
export const of = (peer: string) => (error: ProtocolError): ProtocolError =>
  error.peer === undefined
    ? withoutStack(() => new ProtocolError({ origin: error.origin, reason: error.reason, peer }))
    : error

/**
 * The error of an `err` packet's content. Codes that are not known read as `ERR_INTERNAL`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const remote = (content: string): ProtocolError =>
  new ProtocolError({ origin: "remote", reason: constructors[isCode(content) ? content : "ERR_INTERNAL"]({}) })
