/** The asking side's messages as packets, each with a stamp of its own, and its answers as they are opened. */
import type * as Clock from "effect/Clock"
import * as Result from "effect/Result"
import type { Crypto, SharedKey } from "../../Crypto.ts"
import * as Packet from "../../Packet.ts"
import * as ProtocolError from "../../ProtocolError.ts"
import type { PublicKey } from "../../PublicKey.ts"
import * as Raw from "../../Raw.ts"
import * as WallTime from "../base/wallTime.ts"
import type { Self } from "../wire/advertExchange.ts"
import { type Ending, violated } from "./channel.ts"

/** A peer's key, and what is shared with it. */
export interface Receiver {
  readonly publicKey: PublicKey
  readonly key: SharedKey
}

/** A message that has a stamp once it was sent. */
interface Stamped {
  readonly name: Packet.NodeName
  readonly payload: Uint8Array
  stamp: number | undefined
}

export class Messages {
  readonly #self: Self
  readonly #crypto: Crypto["Service"]
  readonly #clock: Clock.Clock
  #lastStamp = 0

  constructor(self: Self, crypto: Crypto["Service"], clock: Clock.Clock) {
    this.#self = self
    this.#crypto = crypto
    this.#clock = clock
  }

  /** The packet of a message, with the stamp that it had when it was sent before. */
  seal(to: Receiver, exchange: Stamped): Uint8Array {
    const { cipher, identity: { publicKey: own }, name, networkId } = this.#self
    exchange.stamp ??= this.#nextStamp()
    const command = Raw.seal(this.#crypto, to.key, {
      kind: "request",
      to: to.publicKey,
      networkId,
      name,
      stamp: exchange.stamp,
      payload: exchange.payload
    })
    return Packet.encode({
      networkId,
      type: "msg",
      content: cipher.seal("msg", own, Raw.toText(command)),
      publicKey: own
    })
  }

  /** Opens the answer to a message; an Ending where it is none. */
  open(
    from: Receiver,
    exchange: Stamped | undefined,
    bytes: Uint8Array
  ): Result.Result<Raw.Message, Ending> {
    const { cipher, identity: { publicKey: own }, networkId } = this.#self
    const { key, publicKey } = from
    const decoded = Packet.decode(bytes, {
      networkId,
      types: ["rsp", "err"],
      maxLength: Packet.maxStreamLength,
      likelyKey: publicKey
    })
    if (Result.isFailure(decoded)) return Result.fail(violated(decoded.failure))
    const packet = decoded.success
    if (packet.type === "err") return Result.fail({ _tag: "Refused", error: Packet.errorOf(packet) })
    if (packet.publicKey !== publicKey) {
      return Result.fail(violated(ProtocolError.local("ERR_PUBLIC_KEY", "not the peer's")))
    }
    const text = cipher.open(packet)
    if (Result.isFailure(text)) return Result.fail(violated(text.failure))
    const command = Raw.fromText(text.success.text)
    if (command === undefined || !Raw.isRaw(command)) {
      return Result.fail(violated(ProtocolError.local("ERR_NODE_DECRYPTION_FAILED", "not RAW")))
    }
    const expected = { kind: "answer", to: own, networkId } as const
    const opened = Raw.open(this.#crypto, key, command, expected, exchange?.name)
    if (Result.isFailure(opened)) return Result.fail(violated(opened.failure))
    return exchange === undefined || exchange.stamp !== opened.success.stamp
      ? Result.fail(violated(ProtocolError.local("ERR_REPLAY", "the answer is to another message")))
      : Result.succeed(opened.success)
  }

  /**
   * Stamps of one node strictly increase, to whomever it sends; except where its clock was set back by more than a minute,
   * since nobody who shares the new time accepts the old one's.
   */
  #nextStamp(): number {
    const stamp = WallTime.microsUnsafe(this.#clock)
    this.#lastStamp = this.#lastStamp - stamp > Raw.replayWindow ? stamp : Math.max(stamp, this.#lastStamp + 1)
    return this.#lastStamp
  }
}
