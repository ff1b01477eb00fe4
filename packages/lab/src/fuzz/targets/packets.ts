/** Packets, adverts, and what is sealed in them. */
import { Advert, type Crypto, Packet, Raw } from "@pnet/core"
import * as Framer from "@pnet/core/Framer"
import * as NetworkCipher from "@pnet/core/internal/wire/networkCipher"
import { type Clock, Redacted } from "effect"
import { concat, range, utf8 } from "../../vectors/bytes.ts"
import * as Mutate from "../mutate.ts"
import { codes, cut, lab, rule, same, succeeded, type Target, vectorTime } from "../target.ts"

const carriers: ReadonlyArray<Packet.Expected> = [
  { types: ["adv"], maxLength: Packet.maxDatagramLength },
  { networkId: lab, types: ["adv"], maxLength: Packet.maxDatagramLength },
  { networkId: lab, types: ["adv", "msg", "err"], maxLength: Packet.maxStreamLength },
  { types: Packet.PacketType.literals, maxLength: Packet.maxStreamLength }
]

const checkAdvert = (content: Uint8Array): boolean => {
  const advert = succeeded(Advert.decode(content), "an advert")
  if (advert === undefined) return false
  const again = Advert.encode(advert)
  const twice = succeeded(Advert.decode(again), "an advert that was encoded")
  rule(twice !== undefined && JSON.stringify(twice) === JSON.stringify(advert), "decode(encode(advert)) is another")
  // IPv6 has many forms, and one that is written.
  if (!advert.host.includes(":")) rule(same(again, content), "encode(decode(advert)) is another")
  return true
}

export const packetTarget = (crypto: Crypto.Crypto["Service"], clock: Clock.Clock): Target => {
  // The receiver of the vectors, and the newer of its network keys.
  const beta = crypto.keyPair(Redacted.make(range(0x21, 32)))
  const key = Redacted.make(range(0x61, 32))
  const open = NetworkCipher.make({ crypto, clock, networkId: lab, keys: [] })
  const closed = NetworkCipher.make({ crypto, clock, networkId: lab, keys: [key] })
  const separators = /([|@:\n])/
  return {
    name: "packet",
    folders: ["packet"],
    cost: 1,
    mutate: Mutate.any(Mutate.blind, Mutate.fields(separators), Mutate.fields(separators)),
    check: (bytes, random) => {
      let accepted = false
      for (const expected of carriers) {
        const packet = succeeded(Packet.decode(bytes, expected), "a packet")
        if (packet === undefined) continue
        accepted = true
        rule(same(Packet.encode(packet), bytes), "encode(decode(packet)) is another")
        rule(expected.types.includes(packet.type), "a type that was not expected")
        if (packet.type === "adv") checkAdvert(packet.content)
        if (packet.type === "err") rule(codes.has(Packet.errorOf(packet).code), "an err of no code")
        // A node's order: the network's encryption, the text, the command.
        for (const cipher of [open, closed]) {
          const opened = succeeded(cipher.open(packet), "a content")
          if (opened === undefined) continue
          const command = Raw.fromText(opened.text)
          if (command === undefined) continue
          rule(same(Raw.toText(command), opened.text), "base64url is not canonical")
          if (!Raw.isRaw(command) || packet.publicKey === null) continue
          const shared = crypto.sharedKey(packet.publicKey, beta.secretKey)
          succeeded(
            Raw.open(crypto, shared, command, { kind: "request", to: beta.publicKey, networkId: lab }),
            "a command"
          )
        }
      }
      // However the bytes come, the same packets come of them.
      const split = (pieces: ReadonlyArray<Uint8Array>) => {
        const framer = Framer.make(Packet.maxStreamLength)
        const out: Array<string> = []
        for (const piece of pieces) {
          framer.push(piece)
          for (let packet = framer.next(); packet !== undefined; packet = framer.next()) {
            out.push(Buffer.from(packet).toString("latin1"))
          }
          rule(framer.pending <= Packet.maxStreamLength, "a framer holds more than a packet")
        }
        return { out, pending: framer.pending, tooLarge: framer.tooLarge }
      }
      rule(
        JSON.stringify(split([bytes.slice()])) === JSON.stringify(split(cut(bytes, random))),
        "packets depend on how the bytes came"
      )
      return accepted
    }
  }
}

export const advertTarget: Target = {
  name: "advert",
  folders: ["advert"],
  cost: 1,
  mutate: Mutate.any(Mutate.blind, Mutate.fields(/([@:.[\]])/)),
  check: checkAdvert
}

/** What stands in a token, and in a RAW command: with the key, so that what is behind is reached. */
export const sealedTargets = (crypto: Crypto.Crypto["Service"], clock: Clock.Clock): ReadonlyArray<Target> => {
  const alpha = crypto.keyPair(Redacted.make(range(0x01, 32)))
  const beta = crypto.keyPair(Redacted.make(range(0x21, 32)))
  const key = Redacted.make(range(0x61, 32))
  const cipher = NetworkCipher.make({ crypto, clock, networkId: lab, keys: [key] })
  const shared = crypto.sharedKey(beta.publicKey, alpha.secretKey)
  const nonce = concat(utf8("PnetRAW-"), new Uint8Array(16))
  return [
    {
      name: "token",
      folders: ["token"],
      // JavaScript's Fernet.
      cost: 8,
      mutate: Mutate.any(Mutate.blind, Mutate.fields(/([|@:])/)),
      check: (plaintext) => {
        if (plaintext.length > 70_000) return false
        const content = crypto.fernetEncrypt(key, plaintext, vectorTime)
        const opened = succeeded(
          cipher.open({ networkId: lab, type: "adv", publicKey: alpha.publicKey, content }),
          "a token"
        )
        if (opened === undefined) return false
        const head = utf8(`lab|adv|${alpha.publicKey}|`)
        rule(same(concat(head, opened.text), plaintext), "a token of another packet opened")
        checkAdvert(opened.text)
        return true
      }
    },
    {
      name: "raw",
      folders: ["raw"],
      cost: 1,
      mutate: Mutate.any(Mutate.blind, Mutate.fields(/([|@:])/)),
      check: (body) => {
        if (body.length > 98_000) return false
        const command = concat(utf8("\u0003RAW"), nonce, crypto.seal(shared, nonce, body))
        rule(same(Raw.fromText(Raw.toText(command)) ?? nonce, command), "fromText(toText(command)) is another")
        const message = succeeded(
          Raw.open(crypto, shared, command, { kind: "request", to: beta.publicKey, networkId: lab }),
          "a RAW command"
        )
        if (message === undefined) return false
        rule(
          same(Raw.seal(crypto, shared, message, new Uint8Array(16)), command),
          "seal(open(command)) is another"
        )
        return true
      }
    }
  ]
}
