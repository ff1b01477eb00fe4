/**
 * Network-level encryption (protocol section 2): what stands in a packet's content in place of its text, when the network
 * has a key. The token's plaintext repeats the envelope, so that a token cannot be moved to another key, type or network.
 */
import type * as Clock from "effect/Clock"
import type * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import type { Crypto } from "../../Crypto.ts"
import type { NetworkId, Packet, PacketType } from "../../Packet.ts"
import * as ProtocolError from "../../ProtocolError.ts"
import type { PublicKey } from "../../PublicKey.ts"
import { asciiAt, equalAt, memoized } from "../base/bytes.ts"
import { utf8 } from "../base/platform.ts"
import * as WallTime from "../base/wallTime.ts"

/** Seconds that a token is accepted for, on either side of the receiver's clock. */
export const timeToLive = 60

/** A content that opened. */
export interface Opened {
  /** The text that stood there before encryption. */
  readonly text: Uint8Array
  /** The token's timestamp in seconds since the epoch; `undefined` on a network without a key. */
  readonly timestamp: number | undefined
  /** The key that it opened under, the very value that is held; `undefined` on a network without a key. */
  readonly key: Redacted.Redacted<Uint8Array> | undefined
}

export interface NetworkCipher {
  /** The content for the text of a packet of this type under this key. */
  readonly seal: (type: PacketType, publicKey: PublicKey, text: Uint8Array) => Uint8Array
  /** The text of a packet's content, or `ERR_NET_DECRYPTION_FAILED`. */
  readonly open: (packet: Packet) => Result.Result<Opened, ProtocolError.ProtocolError>
  /** The keys that are held now. */
  readonly keys: () => ReadonlyArray<Redacted.Redacted<Uint8Array>>
  /** Whether the network has a key; it has one for good, or none. */
  readonly encrypted: boolean
}

const envelope = (networkId: NetworkId, type: PacketType, publicKey: PublicKey | null) =>
  utf8(`${networkId}|${type}|${publicKey ?? ""}|`)

/** Where an envelope's key ends, and its bar with it; -1 where another one stands there. */
const behindKey = (plaintext: Uint8Array, at: number, publicKey: PublicKey | null): number => {
  const key = publicKey ?? ""
  const end = at + key.length
  return asciiAt(plaintext, at, key) && plaintext[end] === 0x7c ? end + 1 : -1
}

// What a Fernet token cannot help looking like: version 0x80, and a timestamp of this age of the universe.
const tokenStart = utf8("gAAAA")
export const looksLikeToken = (content: Uint8Array): boolean => {
  if (content.length < 100) return false
  if (!equalAt(content, 0, 5, tokenStart)) return false
  return content.every((c) =>
    c >= 0x41 && c <= 0x5a || c >= 0x61 && c <= 0x7a || c >= 0x30 && c <= 0x39 || c === 0x2d || c === 0x5f || c === 0x3d
  )
}

const failed = (detail?: string) => Result.fail(ProtocolError.local("ERR_NET_DECRYPTION_FAILED", detail))

/**
 * Opens the content of a packet however old its token is, for comparing clocks: `undefined` where no key fits, `"moved"` where
 * the token was made for another packet.
 */
export const openAtAnyAge = (
  crypto: Crypto["Service"],
  keys: ReadonlyArray<Redacted.Redacted<Uint8Array>>,
  packet: Packet,
  nowMillis: number
): { readonly text: Uint8Array; readonly timestamp: number } | "moved" | undefined => {
  const opened = crypto.fernetDecrypt(keys, packet.content, nowMillis, Infinity)
  if (Result.isFailure(opened)) return undefined
  const { plaintext, timestamp } = opened.success
  const head = envelope(packet.networkId, packet.type, packet.publicKey)
  return equalAt(plaintext, 0, head.length, head) ? { text: plaintext.subarray(head.length), timestamp } : "moved"
}

export const make = (options: {
  readonly crypto: Crypto["Service"]
  readonly clock: Clock.Clock
  readonly networkId: NetworkId
  /**
   * The keys, or what gives those that are held at the moment: the first encrypts, all decrypt. None to begin with: the
   * network is not encrypted, and stays so.
   */
  readonly keys: ReadonlyArray<Redacted.Redacted<Uint8Array>> | (() => ReadonlyArray<Redacted.Redacted<Uint8Array>>)
}): NetworkCipher => {
  const { clock, crypto, networkId } = options
  const given = options.keys
  const keys = typeof given === "function" ? given : () => given
  if (keys().length === 0) {
    return {
      encrypted: false,
      keys,
      seal: (_type, _publicKey, text) => text,
      open: ({ content }) =>
        looksLikeToken(content)
          ? failed("the peer uses a network key and this node has none")
          : Result.succeed({ text: content, timestamp: undefined, key: undefined })
    }
  }
  const ofType = (type: PacketType) => memoized((publicKey: PublicKey | null) => envelope(networkId, type, publicKey))
  const envelopes = {
    adv: ofType("adv"),
    msg: ofType("msg"),
    rsp: ofType("rsp"),
    err: ofType("err"),
    who: ofType("who"),
    ask: ofType("ask")
  }
  const heads = {
    adv: utf8(`${networkId}|adv|`),
    msg: utf8(`${networkId}|msg|`),
    rsp: utf8(`${networkId}|rsp|`),
    err: utf8(`${networkId}|err|`),
    who: utf8(`${networkId}|who|`),
    ask: utf8(`${networkId}|ask|`)
  }
  return {
    encrypted: true,
    keys,
    seal: (type, publicKey, text) => {
      const head = envelopes[type](publicKey)
      const plaintext = new Uint8Array(head.length + text.length)
      plaintext.set(head)
      plaintext.set(text, head.length)
      return crypto.fernetEncrypt(keys()[0]!, plaintext, WallTime.millisUnsafe(clock))
    },
    open: (packet) => {
      const held = keys()
      const opened = crypto.fernetDecrypt(held, packet.content, WallTime.millisUnsafe(clock), timeToLive)
      if (Result.isFailure(opened)) return failed(opened.failure.message)
      const { keyIndex, plaintext, timestamp } = opened.success
      const head = packet.networkId === networkId
        ? heads[packet.type]
        : utf8(`${packet.networkId}|${packet.type}|`)
      const start = behindKey(plaintext, head.length, packet.publicKey)
      return start >= 0 && equalAt(plaintext, 0, head.length, head)
        ? Result.succeed({ text: plaintext.subarray(start), timestamp, key: held[keyIndex] })
        : failed("the token was made for another packet")
    }
  }
}
