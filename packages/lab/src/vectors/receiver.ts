/**
 * A receiver put together from the library's parts, which gives either what a packet says or the code of its refusal, as the vectors
 * have it; and a sender, for packets that have steps.
 */
import * as Advert from "@pnet/core/Advert"
import type { Crypto } from "@pnet/core/Crypto"
import * as Framer from "@pnet/core/Framer"
import * as Acceptor from "@pnet/core/internal/connect/acceptor"
import * as AdvertExchange from "@pnet/core/internal/wire/advertExchange"
import * as NetworkCipher from "@pnet/core/internal/wire/networkCipher"
import * as Packet from "@pnet/core/Packet"
import * as ProtocolError from "@pnet/core/ProtocolError"
import * as PublicKey from "@pnet/core/PublicKey"
import * as Raw from "@pnet/core/Raw"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as TestClock from "effect/testing/TestClock"
import { concat, hexOf, ofHex, utf8 } from "./bytes.ts"
import { bytesOf, type Content, type Document, type Vector } from "./document.ts"

/** What the receiver of a vector makes of its packet, over the given cryptography. */
export const read = (crypto: Crypto["Service"], document: Document, { packet, receiver }: Vector) =>
  Effect.gen(function*() {
    yield* TestClock.setTime(receiver.clock)
    const pairOf = (node: string) => crypto.keyPair(Redacted.make(ofHex(document.nodes[node]!["secret"]!)))
    const networkId = Packet.NetworkId.make(receiver.networkId)
    const identity = pairOf(receiver.node)
    const self: AdvertExchange.Self = {
      networkId,
      name: Packet.NodeName.make(receiver.node),
      identity,
      cipher: NetworkCipher.make({
        crypto,
        clock: yield* Clock.Clock,
        networkId,
        keys: receiver.networkKeys.map((id) => Redacted.make(Buffer.from(document.networkKeys[id]!, "base64url")))
      })
    }
    const { maxLength, types } = document.carriers[receiver.carrier]!
    const bytes = bytesOf(packet)
    return receiver.carrier === "datagram"
      ? Result.flatMap(Packet.decode(bytes, { networkId, types, maxLength }), content)
      : Result.flatMap(
        framed(bytes),
        (bytes) => Result.flatMap(Packet.decode(bytes, { networkId, types, maxLength }), content)
      )

    function content(decoded: Packet.Packet): Result.Result<Content, ProtocolError.ProtocolError> {
      switch (decoded.type) {
        case "err":
          return Result.succeed({
            type: "err",
            publicKey: decoded.publicKey,
            code: Packet.errorOf(decoded).code
          })
        case "adv":
          return Result.map(AdvertExchange.read(self, decoded), ({ advert, publicKey, timestamp }) => ({
            type: "adv",
            publicKey,
            name: advert.name,
            host: advert.host,
            port: advert.port,
            ...(timestamp === undefined ? {} : { timestamp })
          }))
        case "msg":
          return Result.flatMap(Acceptor.commandOf(self, decoded), ({ bytes, publicKey }) =>
            Raw.isRaw(bytes)
              ? Result.flatMap(open("request", publicKey, bytes), (message) => admitted(publicKey, message))
              : Result.fail(ProtocolError.local("ERR_HANDSHAKE")))
        case "who":
        case "ask":
          return Result.fail(ProtocolError.local("ERR_PACKET_TYPE"))
        case "rsp": {
          const peer = pairOf(receiver.asked!.node).publicKey
          if (decoded.publicKey !== peer) return Result.fail(ProtocolError.local("ERR_PUBLIC_KEY"))
          return Result.flatMap(self.cipher.open(decoded), ({ text }) => {
            const command = Raw.fromText(text)
            if (command === undefined || !Raw.isRaw(command)) {
              return Result.fail(ProtocolError.local("ERR_NODE_DECRYPTION_FAILED"))
            }
            return Result.flatMap(open("answer", peer, command), (message) =>
              message.stamp === receiver.asked!.stamp
                ? Result.succeed(said("rsp", peer, message))
                : Result.fail(ProtocolError.local("ERR_REPLAY")))
          })
        }
      }
    }

    function open(kind: Raw.Kind, peer: PublicKey.PublicKey, command: Uint8Array) {
      const key = crypto.sharedKey(peer, identity.secretKey)
      return Raw.open(crypto, key, command, { kind, to: identity.publicKey, networkId })
    }

    function admitted(peer: PublicKey.PublicKey, message: Raw.Message) {
      const replay = Raw.makeReplay({ start: receiver.start, capacity: 2 })
      if (receiver.last !== undefined) replay.accept(peer, receiver.last, receiver.clock, true)
      const refused = replay.checkTime(message.stamp, receiver.clock) ??
        replay.accept(peer, message.stamp, receiver.clock, true)
      return refused === undefined ? Result.succeed(said("msg", peer, message)) : Result.fail(refused)
    }

    function said(type: "msg" | "rsp", publicKey: string, { name, payload, stamp }: Raw.Message): Content {
      return { type, publicKey, name, stamp, payload: hexOf(payload) }
    }
  })

/** The packet at the head of a stream that ends after the bytes. */
const framed = (bytes: Uint8Array): Result.Result<Uint8Array, ProtocolError.ProtocolError> => {
  const framer = Framer.make(Packet.maxStreamLength)
  framer.push(bytes)
  const packet = framer.next()
  return packet !== undefined
    ? Result.succeed(packet)
    : Result.fail(ProtocolError.local(framer.tooLarge ? "ERR_PACKET_TOO_LARGE" : "ERR_PACKET_INCOMPLETE"))
}

/** The packet of a vector that has steps, put together from them by the library's own writers. */
export const write = (
  crypto: Crypto["Service"],
  document: Document,
  { receiver, result, steps }: Vector
): Uint8Array => {
  const secretOf = (node: string) => Redacted.make(ofHex(document.nodes[node]!["secret"]!))
  const networkId = Packet.NetworkId.make(receiver.networkId)
  const sender = Object.values(document.nodes).find(({ text }) => text === result!.publicKey)!
  const publicKey = PublicKey.fromText(sender["text"]!)!
  const text = result!.type === "adv"
    ? Advert.encode({ ...result!, name: Packet.NodeName.make(result!.name) })
    : result!.type === "err"
    ? utf8(result!.code)
    : Raw.toText(Raw.seal(
      crypto,
      crypto.sharedKey(publicKey, secretOf(receiver.node)),
      {
        kind: result!.type === "msg" ? "request" : "answer",
        to: PublicKey.fromText(document.nodes[receiver.node]!["text"]!)!,
        networkId,
        name: Packet.NodeName.make(result!.name),
        stamp: result!.stamp,
        payload: ofHex(result!.payload)
      },
      ofHex(String(steps!["nonce"])).subarray(8)
    ))
  const [networkKey] = receiver.networkKeys
  const content = networkKey === undefined
    ? text
    : crypto.fernetEncrypt(
      Redacted.make(Buffer.from(document.networkKeys[networkKey]!, "base64url")),
      concat(utf8(`${networkId}|${result!.type}|${publicKey}|`), text),
      Number(steps!["timestamp"]) * 1_000,
      ofHex(String(steps!["iv"]))
    )
  return Packet.encode({ networkId, type: result!.type, content, publicKey })
}
