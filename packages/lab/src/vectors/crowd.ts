/** Vectors of what nodes of a crowd say by datagram besides adverts: `who`, `ask`, and which keys a request is for. */
import * as CrowdPackets from "@pnet/core/internal/wire/crowdPackets"
import type * as ProtocolError from "@pnet/core/ProtocolError"
import * as PublicKey from "@pnet/core/PublicKey"
import * as Redacted from "effect/Redacted"
import { base64url, concat, hexOf, ofHex, range, utf8 } from "./bytes.ts"
import type { Document, RequestVector, Said, Vector } from "./crowdDocument.ts"
import { shown } from "./document.ts"
import type { Rule } from "./rules.ts"
import { advert, clock, networkSecrets, type Scene, seconds } from "./scene.ts"

const salt = 0x01020304

/** A key that nobody has the secret of, the same each time. */
const keyOf = (i: number): string => {
  const bytes = Uint8Array.from({ length: 32 }, (_, j) => (i * 37 + j * 11 + 5) % 256)
  bytes[31]! &= 0x3f
  return PublicKey.fromBytes(bytes)!
}

const bytesOf = (request: CrowdPackets.Request): Uint8Array =>
  concat(Uint8Array.of(request.slices, request.slice), ofHex(request.salt.toString(16).padStart(8, "0")), request.bits)

/** A request for all but some keys, of so many bytes of bits. */
const request = (known: ReadonlyArray<string>, length: number, slices = 1, slice = 0): CrowdPackets.Request => {
  const bits = new Uint8Array(length)
  const made: CrowdPackets.Request = { slices, slice, salt, bits }
  for (const key of known) CrowdPackets.mark(made, PublicKey.toBytes(PublicKey.fromText(key)!))
  return made
}

const sealed = ({ crypto, sections, text }: Scene, type: string, content: string) =>
  sections(
    type,
    crypto.fernetEncrypt(
      Redacted.make(networkSecrets.new),
      utf8(`lab|${type}|${text("alpha")}|${content}`),
      clock,
      range(0xc0, 16)
    )
  )

const requestText = (known: ReadonlyArray<string>) => bytesOf(request(known, 16))
const sixteen = Array.from({ length: 16 }, (_, i) => keyOf(i))

const accepted = (scene: Scene): ReadonlyArray<Vector> => {
  const { sections, text } = scene
  const valid: Array<Vector> = []
  const accept = (name: string, description: string, rule: Rule, packet: Uint8Array, result: Said, keyed = false) =>
    void valid.push({ name, description, rule, networkKeys: keyed ? ["new"] : [], packet: shown(packet), result })
  const alpha = { publicKey: text("alpha"), name: "alpha", host: "10.0.0.1", port: 4_000 } as const
  const keys = [text("beta"), keyOf(1)]
  const some = requestText(keys)
  accept("who", "a question to the one it is sent to", "crowd-who", sections("who", `,${advert}`), {
    type: "who",
    ...alpha
  })
  accept(
    "who-nowhere",
    "by a node that listens nowhere: it does not leave",
    "crowd-who",
    sections("who", ",alpha@10.0.0.1:0"),
    {
      type: "who",
      ...alpha,
      port: 0
    }
  )
  accept(
    "who-comma",
    "a name with commas, of which none parts the request",
    "crowd-who",
    sections("who", ",al,pha,@10.0.0.1:4000"),
    {
      type: "who",
      ...alpha,
      name: "al,pha,"
    }
  )
  accept(
    "who-request",
    "a question to all but those that it knows",
    "crowd-request",
    sections("who", `${base64url(some)},${advert}`),
    {
      type: "who",
      ...alpha,
      request: hexOf(some)
    }
  )
  accept("ask", "two keys that are in doubt", "crowd-ask", sections("ask", keys.join(",")), {
    type: "ask",
    publicKey: text("alpha"),
    keys
  })
  accept("ask-16", "as many as there may be", "crowd-ask", sections("ask", sixteen.join(",")), {
    type: "ask",
    publicKey: text("alpha"),
    keys: sixteen
  })
  accept(
    "who-encrypted",
    "a question on a network with a key",
    ["crowd-malformed", "token-envelope"],
    sealed(scene, "who", `,${advert}`),
    {
      type: "who",
      ...alpha,
      timestamp: seconds
    },
    true
  )
  accept(
    "ask-encrypted",
    "keys on a network with a key",
    ["crowd-malformed", "token-envelope"],
    sealed(scene, "ask", keys.join(",")),
    {
      type: "ask",
      publicKey: text("alpha"),
      keys
    },
    true
  )
  return valid
}

const refused = (scene: Scene): ReadonlyArray<Vector> => {
  const { sections, text } = scene
  const invalid: Array<Vector> = []
  const refuse = (
    name: string,
    description: string,
    packet: Uint8Array,
    error: ProtocolError.Code = "ERR_ADV_FORMAT",
    keyed = false
  ) =>
    void invalid.push({
      name,
      description,
      rule: "crowd-malformed",
      networkKeys: keyed ? ["new"] : [],
      packet: shown(packet),
      error
    })
  const keys = [text("beta"), keyOf(1)]
  const someText = base64url(requestText(keys))
  refuse("who-no-comma", "an advert without a comma in front of it", sections("who", advert))
  refuse("who-no-advert", "no advert behind the comma", sections("who", ","))
  refuse("who-unpadded", "a request without its padding", sections("who", `${someText.replace(/=+$/, "")},${advert}`))
  refuse("who-no-bits", "a request without bits", sections("who", `${base64url(ofHex("010001020304"))},${advert}`))
  refuse("who-no-slices", "no slices", sections("who", `${base64url(ofHex("000001020304ff"))},${advert}`))
  refuse("who-slice", "a slice beyond the last", sections("who", `${base64url(ofHex("020201020304ff"))},${advert}`))
  refuse("ask-nothing", "no key", sections("ask", ""))
  refuse("ask-17", "one key too many", sections("ask", [...sixteen, keyOf(16)].join(",")))
  refuse("ask-comma", "a comma behind the last key", sections("ask", `${keys.join(",")},`))
  refuse("ask-low-order", "a key of low order", sections("ask", base64url(new Uint8Array(32))))
  refuse(
    "who-in-clear",
    "in clear, on a network with a key",
    sections("who", `,${advert}`),
    "ERR_NET_DECRYPTION_FAILED",
    true
  )
  refuse(
    "ask-in-clear",
    "in clear, on a network with a key",
    sections("ask", keys.join(",")),
    "ERR_NET_DECRYPTION_FAILED",
    true
  )
  return invalid
}

const requestsMade = (): ReadonlyArray<RequestVector> => {
  const many = Array.from({ length: 24 }, (_, i) => keyOf(i))
  return (
    [
      ["crowd-known", "all 24 known: none", request(many, 48)],
      ["crowd-unknown", "none known: all 24", request([], 48)],
      [
        "crowd-some",
        "every other one known, and those that are taken for it",
        request(many.filter((_, i) => i % 2 === 0), 16)
      ],
      ["crowd-slice", "the second of three slices", request(many.slice(0, 4), 48, 3, 1)],
      ["crowd-one-byte", "of eight bits", request(many.slice(0, 1), 1)]
    ] as const
  ).map(([name, description, made]): RequestVector => ({
    name,
    description,
    rule: ["crowd-filter", "crowd-request"],
    request: hexOf(bytesOf(made)),
    keys: many,
    isFor: many.filter((key) => CrowdPackets.isFor(made, PublicKey.toBytes(PublicKey.fromText(key)!)))
  }))
}

export const crowd = (scene: Scene): Document => ({
  description:
    "What nodes of a LAN of many say by datagram besides adverts, to beta in the network lab, and which keys a request is for.",
  fields: {
    networkKeys: "the network keys the receiver holds",
    packet: "the datagram, as in valid",
    result: "what it says; request is hex, timestamp the token's",
    error: "the code the datagram is dropped with",
    requests: "requests as hex, and for which of the keys they are"
  },
  valid: accepted(scene),
  invalid: refused(scene),
  requests: requestsMade()
})
