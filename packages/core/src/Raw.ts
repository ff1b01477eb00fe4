/**
 * RAW, the one-message exchange that BasicNode speaks (protocol section 3): one sealed message, one sealed answer, as pure
 * functions over bytes. There is no handshake; each message is a NaCl box from the sender's key to the receiver's.
 *
 * What bites: RAW is not forward secret, and whoever steals a node's secret can also pose as anyone to it. The stamp alone
 * does not stop a replay; `Replay` decides which stamps are accepted.
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { boxOverhead, type Crypto, nonceLength, type SharedKey } from "./Crypto.ts"
import * as Base64Url from "./internal/base/base64url.ts"
import { equalAt, memoized } from "./internal/base/bytes.ts"
import { strictTextOf, utf8 } from "./internal/base/platform.ts"
import { maxStreamLength, type NetworkId, NodeName } from "./Packet.ts"
import * as ProtocolError from "./ProtocolError.ts"
import * as PublicKey from "./PublicKey.ts"
import * as Why from "./Why.ts"

const prefix = utf8("\u0003RAW")
const noncePrefix = utf8("PnetRAW-")
const version = 1

/**
 * Which way a message goes.
 *
 * @category models
 * @since 0.1.0
 */
export type Kind = "request" | "answer"

/**
 * What is sealed: who speaks to whom in which network, when, and the payload.
 *
 * @category models
 * @since 0.1.0
 */
export interface Message {
  readonly kind: Kind
  /** The receiver's key. */
  readonly to: PublicKey.PublicKey
  readonly networkId: NetworkId
  /** The sender's name. */
  readonly name: NodeName
  /** Microseconds since the epoch, below 2^53; an answer repeats its request's. */
  readonly stamp: number
  readonly payload: Uint8Array
}

/**
 * The most bytes of a payload: 98,000, with a network key 73,000; a few less where a long network id and a long name would
 * push the packet past its own limit.
 *
 * @category constants
 * @since 0.1.0
 */
export const maxPayload = (options: {
  readonly networkId: NetworkId
  readonly name: NodeName
  readonly encrypted: boolean
}): number => {
  if (options.encrypted) return 73_000
  const networkSize = utf8(options.networkId).length
  const nameSize = utf8(options.name).length
  // The packet around the content: id, `|msg|`, `|`, key, `|END`, line feed.
  const content = maxStreamLength - (networkSize + 5 + 1 + 44 + 4 + 1)
  const command = Math.floor(content / 4) * 3
  return Math.min(98_000, command - prefix.length - nonceLength - boxOverhead - bodyHead(networkSize, nameSize))
}

const labelBytes = memoized<string, Uint8Array>(utf8)
const keyBytes = memoized(PublicKey.toBytes)

const bodyHead = (networkSize: number, nameSize: number) =>
  2 + PublicKey.byteLength + 1 + networkSize + 1 + nameSize + 8

/**
 * A payload is over the limit. Nothing was sent.
 *
 * @category errors
 * @since 0.1.0
 */
export class MessageTooLargeError
  extends Schema.TaggedError<MessageTooLargeError>("@pnet/core/Raw/MessageTooLargeError")(
    "MessageTooLargeError",
    {
      /** Bytes of the payload. */
      size: Schema.Number,
      /** The most it may have. */
      limit: Schema.Number
    }
  )
{
  override get message() {
    return Why.see(
      `the message has ${this.size} bytes and one message may have ${this.limit}; send it in parts, or as a stream`,
      "too-large"
    )
  }
}

/**
 * Whether the bytes of a command are RAW's. Everything that begins so is; whether it opens is another question.
 *
 * @category guards
 * @since 0.1.0
 */
export const isRaw = (command: Uint8Array): boolean => equalAt(command, 0, prefix.length, prefix)

/**
 * The command of a message: sealed under the shared key, with a nonce of 16 fresh random bytes. `random` is given only for
 * test vectors.
 *
 * @category codecs
 * @since 0.1.0
 */
export const seal = (
  crypto: Crypto["Service"],
  key: SharedKey,
  message: Message,
  random: Uint8Array = crypto.randomBytes(nonceLength - noncePrefix.length)
): Uint8Array => {
  const network = labelBytes(message.networkId)
  const name = labelBytes(message.name)
  const boxAt = prefix.length + nonceLength
  const command = new Uint8Array(
    boxAt + boxOverhead + bodyHead(network.length, name.length) + message.payload.length
  )
  const body = command.subarray(boxAt + boxOverhead)
  body[0] = version
  body[1] = message.kind === "request" ? 0 : 1
  body.set(keyBytes(message.to), 2)
  let o = 2 + PublicKey.byteLength
  body[o++] = network.length
  body.set(network, o)
  o += network.length
  body[o++] = name.length
  body.set(name, o)
  o += name.length
  const view = new DataView(body.buffer, body.byteOffset)
  view.setUint32(o, Math.floor(message.stamp / 0x1_0000_0000))
  view.setUint32(o + 4, message.stamp % 0x1_0000_0000)
  body.set(message.payload, o + 8)

  command.set(prefix)
  const nonce = command.subarray(prefix.length, boxAt)
  nonce.set(noncePrefix)
  nonce.set(random, noncePrefix.length)
  crypto.boxer(key).sealInto(command.subarray(boxAt), body, nonce)
  return command
}

const isNodeName = Schema.is(NodeName)

const nameOf = (bytes: Uint8Array): NodeName | undefined => {
  const text = strictTextOf(bytes)
  return text !== undefined && isNodeName(text) ? text : undefined
}

const failed = (detail: string) => Result.fail(ProtocolError.local("ERR_NODE_DECRYPTION_FAILED", detail))

/**
 * Opens a command that `isRaw`. Anything that is not a message of this kind, to this receiver, in this network, is
 * `ERR_NODE_DECRYPTION_FAILED`; a stamp of 2^53 or more is `ERR_REPLAY`. No other stamp is judged here. `likely` is the name that the sender probably has, which costs
 * no more than to compare it; any other does as well.
 *
 * @category codecs
 * @since 0.1.0
 */
export const open = (
  crypto: Crypto["Service"],
  key: SharedKey,
  command: Uint8Array,
  expected: { readonly kind: Kind; readonly to: PublicKey.PublicKey; readonly networkId: NetworkId },
  likely?: NodeName
): Result.Result<Message, ProtocolError.ProtocolError> => {
  const nonce = command.subarray(prefix.length, prefix.length + nonceLength)
  if (nonce.length < nonceLength || !equalAt(nonce, 0, noncePrefix.length, noncePrefix)) return failed("nonce")
  const body = crypto.open(key, nonce, command.subarray(prefix.length + nonceLength))
  if (body === undefined) return failed("the box does not open")
  if (body.length < bodyHead(0, 0) || body[0] !== version) return failed("body")
  if (body[1] !== (expected.kind === "request" ? 0 : 1)) return failed("direction")
  let o = 2 + PublicKey.byteLength
  if (!equalAt(body, 2, o, keyBytes(expected.to))) return failed("receiver")
  const networkSize = body[o++]!
  if (!equalAt(body, o, o + networkSize, labelBytes(expected.networkId))) return failed("network")
  o += networkSize
  const nameSize = body[o++]
  if (nameSize === undefined || o + nameSize + 8 > body.length) return failed("size")
  const name = likely !== undefined && equalAt(body, o, o + nameSize, labelBytes(likely))
    ? likely
    : nameOf(body.subarray(o, o + nameSize))
  if (name === undefined) return failed("name")
  o += nameSize
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength)
  const high = view.getUint32(o)
  // 2^53 and above: read as a number it would be rounded, and then be the stamp of another message.
  if (high >= 0x20_0000) return Result.fail(ProtocolError.local("ERR_REPLAY", "the stamp is no exact number"))
  const stamp = high * 0x1_0000_0000 + view.getUint32(o + 4)
  return Result.succeed({ ...expected, name, stamp, payload: body.subarray(o + 8) })
}

/**
 * A command as the text of a packet: canonical base64url.
 *
 * @category codecs
 * @since 0.1.0
 */
export const toText = (command: Uint8Array): Uint8Array => Base64Url.encode(command)

/**
 * The command of a packet's text, or `undefined` where the text is not canonical base64url.
 *
 * @category codecs
 * @since 0.1.0
 */
export const fromText = (text: Uint8Array): Uint8Array | undefined => Base64Url.decode(text)

/**
 * Which stamps a receiver accepts: within a minute of its clock, later than its start, and later than the last one accepted
 * from the same key. Replay protection costs one number a key, whatever the rate.
 *
 * @category models
 * @since 0.1.0
 */
export interface Replay {
  /** The first check, before trust is asked: `ERR_REPLAY` where the stamp is over 60 s from `nowMillis`. */
  readonly checkTime: (stamp: number, nowMillis: number) => ProtocolError.ProtocolError | undefined
  /**
   * The last check: accepts the stamp and remembers it, or says why not. `known` is whether the trust policy has a proved or
   * allowed name for the key; keys without one share half of the room.
   */
  readonly accept: (
    publicKey: PublicKey.PublicKey,
    stamp: number,
    nowMillis: number,
    known: boolean
  ) => ProtocolError.ProtocolError | undefined
  /** Keys remembered now. */
  readonly size: number
}

/**
 * Microseconds that a stamp may be from the receiver's clock, on either side.
 *
 * @category constants
 * @since 0.1.0
 */
export const replayWindow = 60_000_000

const format = (micros: number) => `${(micros / 1_000_000).toFixed(1)} s`

class ReplayImpl implements Replay {
  readonly start: () => number
  readonly capacity: number
  // Insertion order is not age: stamps are the senders'. A sweep removes what has passed, at most once a second.
  private readonly entries = new Map<PublicKey.PublicKey, { stamp: number; known: boolean }>()
  private strangers = 0
  private swept = 0

  constructor(start: () => number, capacity: number) {
    this.start = start
    this.capacity = capacity
  }

  get size() {
    return this.entries.size
  }

  checkTime(stamp: number, nowMillis: number) {
    const age = nowMillis * 1_000 - stamp
    return Math.abs(age) > replayWindow
      ? ProtocolError.local("ERR_REPLAY", `stamped ${format(Math.abs(age))} ${age > 0 ? "ago" : "ahead"}`)
      : undefined
  }

  accept(publicKey: PublicKey.PublicKey, stamp: number, nowMillis: number, known: boolean) {
    const entry = this.entries.get(publicKey)
    if (stamp <= this.start()) return ProtocolError.local("ERR_REPLAY", "stamped before this node started")
    if (entry !== undefined && stamp <= entry.stamp) {
      return ProtocolError.local("ERR_REPLAY", "not later than the last message")
    }
    if (entry === undefined && this.full(known)) {
      this.sweep(nowMillis)
      if (this.full(known)) return ProtocolError.local("ERR_BUSY", "replay table")
    }
    if (entry !== undefined && !entry.known) this.strangers--
    if (!known) this.strangers++
    this.entries.set(publicKey, { stamp, known })
    return undefined
  }

  private full(known: boolean) {
    return this.entries.size >= this.capacity || !known && this.strangers >= this.capacity >> 1
  }

  private sweep(nowMillis: number) {
    if (nowMillis < this.swept + 1_000 && nowMillis >= this.swept) return
    this.swept = nowMillis
    for (const [publicKey, { known, stamp }] of this.entries) {
      if (stamp + replayWindow < nowMillis * 1_000) {
        this.entries.delete(publicKey)
        if (!known) this.strangers--
      }
    }
  }
}

/**
 * A replay table. `start` is the microsecond since the epoch at which the receiver started, as its clock has it now, which
 * may have been set since; stamps must be later.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeReplay = (
  options: { readonly start: number | (() => number); readonly capacity: number }
): Replay => {
  const { capacity, start } = options
  return new ReplayImpl(typeof start === "function" ? start : () => start, capacity)
}
