/**
 * The test vectors of `docs/vectors.json`: how they are made, and what a receiver has to make of each.
 *
 * `generate` computes the whole document from fixed keys, nonces and times. `read` is a receiver put together from the
 * library's parts, which gives either what a packet says or the code of its refusal, as the document has it.
 */
import * as Advert from "@pnet/core/Advert"
import type { Crypto, KeyPair } from "@pnet/core/Crypto"
import * as DerivedHost from "@pnet/core/DerivedHost"
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
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import * as CommandVectors from "./commands.ts"
import * as HandshakeVectors from "./handshake.ts"

type Service = Crypto["Service"]

// ---------------------------------------------------------------------------------------------------------------------
// the document
// ---------------------------------------------------------------------------------------------------------------------

export interface Part {
  readonly text: string
  readonly times: number
}

/** One of the three. */
export interface Bytes {
  readonly text?: string
  readonly hex?: string
  readonly parts?: ReadonlyArray<Part>
}

export interface Receiver {
  readonly node: string
  readonly networkId: string
  readonly networkKeys: ReadonlyArray<string>
  readonly carrier: string
  readonly clock: number
  readonly start: number
  readonly last?: number
  readonly asked?: { readonly node: string; readonly stamp: number }
}

/** What a packet says. */
export type Content =
  | {
    readonly type: "adv"
    readonly publicKey: string
    readonly name: string
    readonly host: string
    readonly port: number
    readonly timestamp?: number
  }
  | {
    readonly type: "msg" | "rsp"
    readonly publicKey: string
    readonly name: string
    readonly stamp: number
    readonly payload: string
  }
  | { readonly type: "err"; readonly publicKey: string | null; readonly code: string }

export interface Vector {
  readonly name: string
  readonly description: string
  readonly receiver: Receiver
  readonly steps?: Readonly<Record<string, string | number>>
  readonly packet: Bytes
  readonly result?: Content
  readonly error?: string
}

export interface Document {
  readonly description: ReadonlyArray<string>
  readonly fields: Readonly<Record<string, string>>
  readonly nodes: Readonly<Record<string, Readonly<Record<string, string>>>>
  readonly sharedKeys: Readonly<Record<string, string>>
  readonly networkKeys: Readonly<Record<string, string>>
  readonly carriers: Readonly<
    Record<string, { readonly types: ReadonlyArray<Packet.PacketType>; readonly maxLength: number }>
  >
  readonly valid: ReadonlyArray<Vector>
  readonly invalid: ReadonlyArray<Vector>
  readonly handshake: HandshakeVectors.Section
  readonly commands: CommandVectors.Section
  readonly derivedHosts: ReadonlyArray<DerivedVector>
}

/** An address that stands for a key or a URL. */
export interface DerivedVector {
  readonly kind: string
  readonly key?: string
  readonly url?: string
  /** What is hashed. */
  readonly text: string
  readonly host: string
}

export const path = fileURLToPath(new URL("../../../../docs/vectors.json", import.meta.url))

export const load = (): Document => JSON.parse(readFileSync(path, "utf8"))

export const print = (document: Document): string => `${JSON.stringify(document, null, 2)}\n`

const utf8 = (text: string): Uint8Array => new Uint8Array(new TextEncoder().encode(text))
const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")
const ofHex = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, "hex"))
const base64url = (bytes: Uint8Array): string =>
  Buffer.from(bytes).toString("base64").replaceAll("+", "-").replaceAll("/", "_")
const concat = (...parts: ReadonlyArray<Uint8Array>): Uint8Array => new Uint8Array(Buffer.concat(parts))
const range = (from: number, length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => from + i)

const textOf = (bytes: Uint8Array): string | undefined => {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return undefined
  }
}

export const bytesOf = ({ hex, parts, text }: Bytes): Uint8Array =>
  hex !== undefined
    ? ofHex(hex)
    : utf8(text ?? parts!.map(({ text, times }) => text.repeat(times)).join(""))

const shown = (bytes: Uint8Array): Bytes => {
  const text = textOf(bytes)
  return text === undefined ? { hex: hexOf(bytes) } : { text }
}

// ---------------------------------------------------------------------------------------------------------------------
// generating
// ---------------------------------------------------------------------------------------------------------------------

const secrets = { alpha: range(0x01, 32), beta: range(0x21, 32), gamma: range(0x41, 32) }
const networkSecrets = { new: range(0x61, 32), old: range(0x81, 32) }
type NodeId = keyof typeof secrets
type NetworkKeyId = keyof typeof networkSecrets

// 2026-01-01T00:00:00.250Z
const clock = 1_767_225_600_250
const seconds = Math.floor(clock / 1_000)
const stamp = clock * 1_000 + 123
const start = stamp - 3_600_000_000
const minute = 60_000_000

const carriers = {
  datagram: { types: ["adv"], maxLength: Packet.maxDatagramLength },
  firstPacket: { types: ["adv", "msg", "err"], maxLength: Packet.maxStreamLength },
  afterAdvert: { types: ["msg", "err"], maxLength: Packet.maxStreamLength },
  answer: { types: ["rsp", "err"], maxLength: Packet.maxStreamLength }
} as const satisfies Document["carriers"]

const fields: Document["fields"] = {
  nodes: "the key pairs used here; secret and public are hex, text is the public key as it stands in packets",
  sharedKeys: "crypto_box_beforenm between two of the nodes, hex",
  networkKeys: "Fernet keys, by the names that receivers refer to; the text that all Fernet implementations take",
  carriers: "what a receiver expects where it reads: the types that may come and the most bytes of a packet",
  valid: "packets that their receiver accepts, each with the result",
  invalid:
    "packets that their receiver refuses, each with the error, which is the first that the order of checks gives",
  "receiver.node": "whose keys the receiver has",
  "receiver.networkId": "its network",
  "receiver.networkKeys": "the network keys it holds, the first of which it would encrypt with; empty: no network key",
  "receiver.carrier": "where it reads the packet; names one of carriers",
  "receiver.clock": "its clock, milliseconds since the epoch",
  "receiver.start": "when it started, microseconds since the epoch: RAW requests have to be later",
  "receiver.last": "the stamp of the last RAW request it accepted from the packet's key, in microseconds, if it did",
  "receiver.asked": "for an answer: whom it asked, and the stamp of its oldest open request",
  handshake: "sessions: the handshake and its messages; it has a description and fields of its own",
  commands: "whole calls of functions; it has a description and fields of its own",
  derivedHosts:
    "addresses of what has no IP address: of a key or a URL, by a kind of transport; text is what is hashed, host the address",
  packet: "what it reads: as text (to be taken as UTF-8), or as hex where the bytes are no UTF-8, or as texts that are "
    + "repeated so many times and joined",
  steps: "intermediate values of a packet that is made right, hex unless said otherwise: text is the content before "
    + "network-level encryption; iv, timestamp (seconds, a number) and plaintext are the Fernet token's; nonce, body, box and "
    + "command are RAW's",
  result: "what the packet says; timestamp is the token's, payload is hex, and an err's code is as it is to be read",
  error: "the code the packet is refused with. Who reads an answer sends none: there it is the local error"
}

const description = [
  "Test vectors of pnet/1, for docs/protocol.md. The secrets are public: never use them.",
  "An implementation that has a deterministic mode (given nonce, iv and times) should produce every packet that has steps. "
  + "A receiver in the given state has to give the result of every valid vector, and the error of every invalid one. "
  + "The receivers of these vectors trust everybody, and have room for everything."
]

// oxlint-disable-next-line max-lines-per-function -- the vectors of one document in its order, each of which is read by itself
export const generate = (crypto: Service): Document => {
  const pairs: Record<NodeId, KeyPair> = {
    alpha: crypto.keyPair(Redacted.make(secrets.alpha)),
    beta: crypto.keyPair(Redacted.make(secrets.beta)),
    gamma: crypto.keyPair(Redacted.make(secrets.gamma))
  }
  const text = (node: NodeId): string => pairs[node].publicKey
  const shared = (a: NodeId, b: NodeId) => crypto.sharedKey(pairs[b].publicKey, pairs[a].secretKey)

  const valid: Array<Vector> = []
  const invalid: Array<Vector> = []

  interface Options extends Partial<Omit<Receiver, "node">> {
    readonly to?: NodeId
    readonly steps?: Vector["steps"] | undefined
  }
  const vector = (
    name: string,
    description: string,
    packet: Uint8Array | Bytes,
    { steps, to = "beta", ...state }: Options
  ): Omit<Vector, "result" | "error"> => ({
    name,
    description,
    receiver: { node: to, networkId: "lab", networkKeys: [], carrier: "firstPacket", clock, start, ...state },
    ...(steps === undefined ? {} : { steps }),
    packet: packet instanceof Uint8Array ? shown(packet) : packet
  })
  const accept = (
    name: string,
    description: string,
    packet: Uint8Array | Bytes,
    result: Content,
    options: Options = {}
  ) => {
    valid.push({ ...vector(name, description, packet, options), result })
  }
  const refuse = (
    name: string,
    error: ProtocolError.Code,
    description: string,
    packet: Uint8Array | Bytes,
    options: Options = {}
  ) => {
    invalid.push({ ...vector(name, description, packet, options), error })
  }

  /** A packet of sections that may be anything. */
  const sections = (type: string, content: Uint8Array | string, fields: {
    readonly network?: Uint8Array | string
    readonly key?: Uint8Array | string
    readonly end?: string
  } = {}): Uint8Array => {
    const bytes = (part: Uint8Array | string) => typeof part === "string" ? utf8(part) : part
    return concat(
      bytes(fields.network ?? "lab"),
      utf8(`|${type}|`),
      bytes(content),
      utf8("|"),
      bytes(fields.key ?? text("alpha")),
      utf8(fields.end ?? "|END\n")
    )
  }

  // --- adverts in clear ----------------------------------------------------------------------------------------------

  const datagram = { carrier: "datagram" }
  const advert = "alpha@10.0.0.1:4000"
  const said = { type: "adv", publicKey: text("alpha"), name: "alpha", host: "10.0.0.1", port: 4000 } as const

  accept("adv-ipv4", "an advert", sections("adv", advert), said, datagram)
  accept("adv-by-tcp", "the same, as the first packet of a connection", sections("adv", advert), said)
  accept("adv-leaving", "port 0: the node leaves", sections("adv", "alpha@10.0.0.1:0"), { ...said, port: 0 }, datagram)
  accept(
    "adv-ipv6",
    "an IPv6 address in brackets; all forms of RFC 4291 are the same 16 bytes",
    sections("adv", "alpha@[2001:DB8:0:0::0001]:65535"),
    { ...said, host: "2001:db8::1", port: 65_535 },
    datagram
  )
  accept(
    "adv-utf8",
    "a network id and a name beyond ASCII, the latter of 64 bytes",
    sections("adv", `${"zoë".repeat(16)}@10.0.0.1:4000`, { network: "réseau" }),
    { ...said, name: "zoë".repeat(16) },
    { ...datagram, networkId: "réseau" }
  )

  for (
    const [name, description, content] of [
      ["no-at", "no @", "alpha:10.0.0.1:4000"],
      ["two-at", "two @", "al@pha@10.0.0.1:4000"],
      ["empty-name", "no name", "@10.0.0.1:4000"],
      ["name-star", "the name *, which addresses everybody", "*@10.0.0.1:4000"],
      ["name-65", "a name of 65 bytes", `${"zoë".repeat(16)}!@10.0.0.1:4000`],
      ["name-control", "a control character in the name", "al\u0085pha@10.0.0.1:4000"],
      ["line-feed", "a line feed inside", "alpha\n@10.0.0.1:4000"],
      ["host-name", "a host name", "alpha@localhost:4000"],
      ["ipv4-zero", "a leading zero in the address", "alpha@10.0.0.01:4000"],
      ["ipv4-256", "a decimal above 255", "alpha@10.0.0.256:4000"],
      ["ipv4-short", "three decimals", "alpha@10.0.1:4000"],
      ["ipv4-brackets", "brackets around IPv4", "alpha@[10.0.0.1]:4000"],
      ["ipv6-bare", "IPv6 without brackets", "alpha@::1:4000"],
      ["ipv6-zone", "a zone", "alpha@[fe80::1%eth0]:4000"],
      ["ipv6-long", "nine groups", "alpha@[1:2:3:4:5:6:7:8:9]:4000"],
      ["no-port", "no port", "alpha@10.0.0.1"],
      ["port-zero", "a leading zero in the port", "alpha@10.0.0.1:04000"],
      ["port-large", "a port above 65535", "alpha@10.0.0.1:65536"],
      ["empty", "nothing", ""]
    ] as const
  ) refuse(`adv-${name}`, "ERR_ADV_FORMAT", `an advert with ${description}`, sections("adv", content), datagram)
  refuse(
    "adv-bad-utf8",
    "ERR_ADV_FORMAT",
    "an advert whose name is not UTF-8",
    sections("adv", concat(Uint8Array.of(0xc0, 0xaf), utf8("@10.0.0.1:4000"))),
    datagram
  )

  // --- err -----------------------------------------------------------------------------------------------------------

  const answer = { carrier: "answer", to: "alpha", asked: { node: "beta", stamp } } as const
  accept(
    "err-with-key",
    "a refusal by beta of a packet that had passed the key check",
    sections("err", "ERR_REPLAY", { key: text("beta") }),
    { type: "err", publicKey: text("beta"), code: "ERR_REPLAY" },
    answer
  )
  accept(
    "err-without-key",
    "a refusal before the key check: the key is empty",
    sections("err", "ERR_BUSY", { key: "" }),
    { type: "err", publicKey: null, code: "ERR_BUSY" },
    answer
  )
  accept(
    "err-unknown",
    "a code that is not known reads as ERR_INTERNAL",
    sections("err", "ERR_FROM_THE_FUTURE", { key: "" }),
    { type: "err", publicKey: null, code: "ERR_INTERNAL" },
    answer
  )
  const room = Packet.maxStreamLength - "lab|err||".length - "|END\n".length
  accept(
    "stream-131072",
    "a packet of exactly 131,072 bytes, which no receiver may refuse as too large",
    { parts: [{ text: "lab|err|", times: 1 }, { text: "X", times: room }, { text: "||END\n", times: 1 }] },
    { type: "err", publicKey: null, code: "ERR_INTERNAL" },
    answer
  )
  refuse(
    "stream-131073",
    "ERR_PACKET_TOO_LARGE",
    "one byte more",
    { parts: [{ text: "lab|err|", times: 1 }, { text: "X", times: room + 1 }, { text: "||END\n", times: 1 }] },
    answer
  )
  refuse(
    "stream-131072-no-line-feed",
    "ERR_PACKET_TOO_LARGE",
    "131,072 bytes without a line feed: whatever comes next, the packet is too large; nothing may wait for more",
    { parts: [{ text: "X", times: Packet.maxStreamLength }] },
    answer
  )

  // --- the envelope --------------------------------------------------------------------------------------------------

  const longAdvert = (length: number) => {
    const empty = sections("adv", "").length
    return sections("adv", "x".repeat(length - empty))
  }
  refuse(
    "datagram-1400",
    "ERR_ADV_FORMAT",
    "a datagram of exactly 1,400 bytes is not too large; its content is wrong",
    longAdvert(1_400),
    datagram
  )
  refuse("datagram-1401", "ERR_PACKET_TOO_LARGE", "a datagram of 1,401 bytes", longAdvert(1_401), datagram)
  refuse("no-line-feed", "ERR_PACKET_INCOMPLETE", "no line feed", sections("adv", advert, { end: "|END" }), datagram)
  refuse("stream-ended", "ERR_PACKET_INCOMPLETE", "a stream that ends inside a packet", utf8("lab|msg|A1JB"))
  refuse(
    "cr-lf",
    "ERR_PACKET_INCOMPLETE",
    "CR before the line feed: the last section is not END",
    sections("adv", advert, { end: "|END\r\n" }),
    datagram
  )
  refuse("not-end", "ERR_PACKET_INCOMPLETE", "the last section is end", sections("adv", advert, { end: "|end\n" }))
  refuse("four-sections", "ERR_SECTION_COUNT", "four sections", sections("adv", advert, { end: "\n" }), datagram)
  refuse("six-sections", "ERR_SECTION_COUNT", "a | in the content", sections("adv", `al|${advert}`), datagram)
  refuse(
    "two-in-one-datagram",
    "ERR_SECTION_COUNT",
    "two packets in one datagram",
    concat(sections("adv", advert), sections("adv", advert)),
    datagram
  )
  for (
    const [name, description, network] of [
      ["other", "another network", "lab2"],
      ["case", "another case", "LAB"],
      ["empty", "none", ""]
    ] as const
  ) {
    refuse(
      `network-${name}`,
      "ERR_NETWORK_INCORRECT",
      `the network id: ${description}`,
      sections("adv", advert, { network }),
      datagram
    )
  }
  refuse(
    "network-normalised",
    "ERR_NETWORK_INCORRECT",
    "the same letters in another normal form are another network",
    sections("adv", advert, { network: "re\u0301seau" }),
    { ...datagram, networkId: "réseau" }
  )
  refuse(
    "network-bad-utf8",
    "ERR_NETWORK_INCORRECT",
    "a network id that is not UTF-8",
    sections("adv", advert, { network: Uint8Array.of(0xff) }),
    { ...datagram, networkId: "\ufffd" }
  )
  refuse("type-unknown", "ERR_PACKET_TYPE", "an unknown type", sections("foo", advert))
  refuse("type-case", "ERR_PACKET_TYPE", "another case", sections("ADV", advert))
  refuse(
    "type-msg-in-datagram",
    "ERR_PACKET_TYPE",
    "nothing but adv comes by UDP",
    sections("msg", "A1JBVw=="),
    datagram
  )
  refuse("type-err-in-datagram", "ERR_PACKET_TYPE", "not even err", sections("err", "ERR_BUSY"), datagram)
  refuse("type-rsp-first", "ERR_PACKET_TYPE", "rsp where nothing was asked", sections("rsp", "A1JBVw=="))
  refuse("type-second-adv", "ERR_PACKET_TYPE", "a second adv on one connection", sections("adv", advert), {
    carrier: "afterAdvert"
  })
  refuse("type-msg-as-answer", "ERR_PACKET_TYPE", "msg where an answer is due", sections("msg", "A1JBVw=="), answer)

  const alphaKey = text("alpha")
  const wrongKeys: ReadonlyArray<readonly [string, string, string]> = [
    ["empty", "is empty, which only an err's may be", ""],
    ["unpadded", "has no padding", alphaKey.slice(0, -1)],
    ["31-bytes", "stands for 31 bytes", base64url(range(1, 31))],
    ["33-bytes", "stands for 33 bytes", base64url(range(1, 33))],
    ["blank", "begins with a blank", ` ${alphaKey.slice(1)}`],
    ["plus", "has a + for a -", base64url(ofHex(`f8${"00".repeat(31)}`)).replace("-", "+")],
    ["unused-bits", "has unused bits that are not zero", `${alphaKey.slice(0, -2)}${nextOf(alphaKey.at(-2)!)}=`],
    ["order-0", "is 0", base64url(new Uint8Array(32))],
    ["order-1", "is 1", base64url(ofHex(`01${"00".repeat(31)}`))],
    ["order-minus-1", "is 2^255-20", base64url(ofHex(`ec${"ff".repeat(30)}7f`))],
    [
      "order-8a",
      "is of order 8",
      base64url(ofHex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"))
    ],
    [
      "order-8b",
      "is of order 8",
      base64url(ofHex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"))
    ],
    ["prime", "is 2^255-19", base64url(ofHex(`ed${"ff".repeat(30)}7f`))],
    ["high-bit", "has its highest bit set", base64url(ofHex(`09${"00".repeat(30)}80`))]
  ]
  for (const [name, description, key] of wrongKeys) {
    refuse(`key-${name}`, "ERR_PUBLIC_KEY", `the key ${description}`, sections("adv", advert, { key }), datagram)
  }
  refuse(
    "key-bad-utf8",
    "ERR_PUBLIC_KEY",
    "the key is not UTF-8",
    sections("adv", advert, { key: concat(utf8(alphaKey.slice(0, -1)), Uint8Array.of(0xff)) }),
    datagram
  )

  // --- RAW -----------------------------------------------------------------------------------------------------------

  const stampBytes = (micros: number | bigint): Uint8Array => {
    const out = new Uint8Array(8)
    new DataView(out.buffer).setBigUint64(0, BigInt(micros))
    return out
  }
  const body = (fields: {
    readonly version?: number
    readonly kind?: number
    readonly to?: NodeId
    readonly network?: string
    readonly networkSize?: number
    readonly name?: Uint8Array | string
    readonly nameSize?: number
    readonly stamp?: number | bigint
    readonly payload?: Uint8Array
  }): Uint8Array => {
    const network = utf8(fields.network ?? "lab")
    const name = typeof fields.name === "object" ? fields.name : utf8(fields.name ?? "alpha")
    return concat(
      Uint8Array.of(fields.version ?? 1, fields.kind ?? 0),
      PublicKey.toBytes(pairs[fields.to ?? "beta"].publicKey),
      Uint8Array.of(fields.networkSize ?? network.length),
      network,
      Uint8Array.of(fields.nameSize ?? name.length),
      name,
      stampBytes(fields.stamp ?? stamp),
      fields.payload ?? utf8("hello")
    )
  }
  const nonce = concat(utf8("PnetRAW-"), range(0xa0, 16))
  const answerNonce = concat(utf8("PnetRAW-"), range(0xb0, 16))
  const command = (between: readonly [NodeId, NodeId], plain: Uint8Array, with_ = nonce): Uint8Array =>
    concat(utf8("\u0003RAW"), with_, crypto.seal(shared(...between), with_, plain))
  const content = (command: Uint8Array) => base64url(command)
  const stepsOf = (plain: Uint8Array, sealed: Uint8Array) => ({
    nonce: hexOf(sealed.subarray(4, 28)),
    body: hexOf(plain),
    box: hexOf(sealed.subarray(28)),
    command: hexOf(sealed)
  })

  const hello = body({})
  const request = command(["alpha", "beta"], hello)
  const asked = { type: "msg", publicKey: alphaKey, name: "alpha", stamp, payload: hexOf(utf8("hello")) } as const
  const betaAnswers = { kind: 1, to: "alpha", name: "beta", payload: utf8("world") } as const
  const answerBody = body(betaAnswers)
  const answered = command(["beta", "alpha"], answerBody, answerNonce)
  const rsp = (sealed: Uint8Array, key: NodeId = "beta") => sections("rsp", content(sealed), { key: text(key) })
  const answeredResult = {
    type: "rsp",
    publicKey: text("beta"),
    name: "beta",
    stamp,
    payload: hexOf(utf8("world"))
  } as const

  accept("raw-request", "a RAW request of alpha to beta", sections("msg", content(request)), asked, {
    steps: stepsOf(hello, request)
  })
  accept("raw-answer", "its answer: the same layout, kind 1, the request's stamp", rsp(answered), answeredResult, {
    ...answer,
    steps: stepsOf(answerBody, answered)
  })
  const emptyBody = body({ payload: new Uint8Array(0) })
  const emptyRequest = command(["alpha", "beta"], emptyBody)
  accept(
    "raw-request-empty",
    "a RAW request without payload",
    sections("msg", content(emptyRequest)),
    { ...asked, payload: "" },
    { steps: stepsOf(emptyBody, emptyRequest) }
  )
  for (const [name, offset] of [["oldest", -minute], ["newest", minute]] as const) {
    const at = clock * 1_000 + offset
    accept(
      `raw-request-${name}`,
      `a stamp exactly 60 s ${offset < 0 ? "behind" : "ahead of"} the receiver's clock`,
      sections("msg", content(command(["alpha", "beta"], body({ stamp: at })))),
      { ...asked, stamp: at }
    )
  }
  // The last stamp that a number holds exactly, in the year 2255.
  const latest = Math.floor(Number.MAX_SAFE_INTEGER / 1_000)
  accept(
    "raw-request-latest",
    "a stamp of 2^53-1, within 60 s of the receiver's clock",
    sections("msg", content(command(["alpha", "beta"], body({ stamp: Number.MAX_SAFE_INTEGER })))),
    { ...asked, stamp: Number.MAX_SAFE_INTEGER },
    { clock: latest }
  )
  accept(
    "raw-request-next",
    "a stamp one microsecond later than the last one",
    sections("msg", content(request)),
    asked,
    { last: stamp - 1 }
  )

  const node = "ERR_NODE_DECRYPTION_FAILED"
  const wrongBodies: ReadonlyArray<readonly [string, string, Uint8Array]> = [
    ["version", "its body begins with 2", body({ version: 2 })],
    ["kind", "it is an answer", body({ kind: 1 })],
    ["kind-2", "its kind is 2", body({ kind: 2 })],
    ["to", "it is made for gamma", body({ to: "gamma" })],
    ["reflected", "it is made for its sender", body({ to: "alpha" })],
    ["network", "it is made for another network", body({ network: "LAB" })],
    ["network-size", "its network size is above what there is", body({ networkSize: 255 })],
    ["name-size", "its name size is above what there is", body({ nameSize: 255 })],
    ["name-empty", "it has no name", body({ name: "" })],
    ["name-star", "its name is *", body({ name: "*" })],
    ["name-65", "its name has 65 bytes", body({ name: "n".repeat(65) })],
    ["name-bad-utf8", "its name is not UTF-8", body({ name: Uint8Array.of(0x61, 0xff) })],
    ["short", "its body ends inside the stamp", body({ payload: new Uint8Array(0) }).slice(0, -1)],
    ["empty", "its body is empty", new Uint8Array(0)]
  ]
  for (const [name, description, plain] of wrongBodies) {
    refuse(
      `raw-${name}`,
      node,
      `a RAW request whose box opens, but ${description}`,
      sections("msg", content(command(["alpha", "beta"], plain)))
    )
  }
  const flipped = (bytes: Uint8Array, at: number) => {
    const out = bytes.slice()
    out[at < 0 ? out.length + at : at]! ^= 1
    return out
  }
  const rawMsg = (sealed: Uint8Array) => sections("msg", content(sealed))
  refuse("raw-flipped-tag", node, "a bit of the box's tag is flipped", rawMsg(flipped(request, 28)))
  refuse("raw-flipped-text", node, "a bit of the box's last byte is flipped", rawMsg(flipped(request, -1)))
  refuse("raw-flipped-nonce", node, "a bit of the nonce's last byte is flipped", rawMsg(flipped(request, 27)))
  refuse(
    "raw-nonce-prefix",
    node,
    "the box opens, but its nonce has another prefix",
    rawMsg(command(["alpha", "beta"], hello, concat(utf8("PnetRAW+"), range(0xa0, 16))))
  )
  refuse("raw-no-nonce", node, "a command that ends inside the nonce", rawMsg(request.slice(0, 20)))
  refuse("raw-no-box", node, "a command that ends after the nonce", rawMsg(request.slice(0, 28)))
  refuse(
    "raw-other-key",
    node,
    "the packet has gamma's key, and alpha sealed it",
    sections("msg", content(request), { key: text("gamma") })
  )
  refuse("msg-not-base64url", "ERR_HANDSHAKE", "the content is not base64url", sections("msg", "hello world!"))
  refuse(
    "msg-not-canonical",
    "ERR_HANDSHAKE",
    "the content is a RAW request without its padding",
    sections("msg", content(request).replace(/=+$/, ""))
  )
  refuse("msg-bad-utf8", "ERR_HANDSHAKE", "the content is not UTF-8", sections("msg", Uint8Array.of(0xff, 0xfe)))
  refuse("msg-empty", "ERR_HANDSHAKE", "an empty command", sections("msg", ""))
  refuse(
    "msg-other-command",
    "ERR_HANDSHAKE",
    "a command that is not RAW, by its first four bytes",
    sections("msg", content(utf8("\u0003raw")))
  )
  refuse(
    "msg-own-key",
    "ERR_PUBLIC_KEY",
    "a msg that carries the receiver's own key",
    sections("msg", content(request), { key: text("beta") })
  )

  const at = (micros: number | bigint) => rawMsg(command(["alpha", "beta"], body({ stamp: micros })))
  refuse("raw-too-old", "ERR_REPLAY", "a stamp 60 s and 1 µs behind the clock", at(clock * 1_000 - minute - 1))
  refuse("raw-too-new", "ERR_REPLAY", "a stamp 60 s and 1 µs ahead of the clock", at(clock * 1_000 + minute + 1))
  refuse("raw-far-future", "ERR_REPLAY", "a stamp of 2^53-1", at(Number.MAX_SAFE_INTEGER))
  for (const [name, micros] of [["2^53", 2n ** 53n], ["2^53+1", 2n ** 53n + 1n]] as const) {
    refuse(
      `raw-stamp-${name}`,
      "ERR_REPLAY",
      `a stamp of ${name}, within 60 s of the receiver's clock`,
      at(micros),
      { clock: latest }
    )
  }
  refuse("raw-before-start", "ERR_REPLAY", "a stamp that is the receiver's start", rawMsg(request), { start: stamp })
  refuse("raw-replayed", "ERR_REPLAY", "the stamp of the last request again", rawMsg(request), { last: stamp })
  refuse("raw-earlier", "ERR_REPLAY", "a stamp earlier than the last request's", rawMsg(request), { last: stamp + 1 })

  refuse(
    "answer-other-key",
    "ERR_PUBLIC_KEY",
    "an answer with another key than was asked",
    rsp(answered, "gamma"),
    answer
  )
  refuse(
    "answer-own-key",
    "ERR_PUBLIC_KEY",
    "the request, sent back as its answer, with the asker's key",
    rsp(request, "alpha"),
    answer
  )
  refuse("answer-reflected", node, "the request, sent back as its answer, with the other's key", rsp(request), answer)
  refuse("answer-not-raw", node, "an answer that is not RAW", rsp(utf8("\u0003raw")), answer)
  refuse(
    "answer-not-base64url",
    node,
    "an answer that is not base64url",
    sections("rsp", "!", { key: text("beta") }),
    answer
  )
  refuse(
    "answer-other-stamp",
    "ERR_REPLAY",
    "the answer to another request",
    rsp(command(["beta", "alpha"], body({ ...betaAnswers, stamp: stamp - 1 }), answerNonce)),
    answer
  )
  refuse(
    "answer-other-network",
    node,
    "an answer made for another network",
    rsp(command(["beta", "alpha"], body({ ...betaAnswers, network: "LAB" }), answerNonce)),
    answer
  )

  // --- with a network key --------------------------------------------------------------------------------------------

  const iv = range(0xc0, 16)
  const keyed = { networkKeys: ["new"] } as const
  const sealed = (type: string, text_: string, options: {
    readonly key?: NetworkKeyId
    readonly at?: number
    readonly envelope?: string
    readonly from?: NodeId
  } = {}) => {
    const plaintext = `${options.envelope ?? `lab|${type}|${text(options.from ?? "alpha")}|`}${text_}`
    const millis = options.at ?? clock
    const token = crypto.fernetEncrypt(
      Redacted.make(networkSecrets[options.key ?? "new"]),
      utf8(plaintext),
      millis,
      iv
    )
    return {
      packet: sections(type, token, { key: text(options.from ?? "alpha") }),
      token,
      steps: {
        text: hexOf(utf8(text_)),
        plaintext: hexOf(utf8(plaintext)),
        timestamp: Math.floor(millis / 1_000),
        iv: hexOf(iv)
      }
    }
  }
  const net = "ERR_NET_DECRYPTION_FAILED"
  const sealedAdvert = sealed("adv", advert)
  const heard = { ...said, timestamp: seconds } as const
  accept("adv-encrypted", "an advert on a network with a key", sealedAdvert.packet, heard, {
    ...datagram,
    ...keyed,
    steps: sealedAdvert.steps
  })
  accept(
    "adv-encrypted-second-key",
    "a receiver that holds several keys opens with any of them",
    sealed("adv", advert, { key: "old" }).packet,
    heard,
    { ...datagram, networkKeys: ["new", "old"] }
  )
  for (
    const [name, description, millis] of [
      ["oldest", "a token that is 60 whole seconds old", (seconds + 60) * 1_000 + 999],
      ["newest", "a token that is 60 whole seconds ahead", (seconds - 60) * 1_000]
    ] as const
  ) accept(`adv-encrypted-${name}`, description, sealedAdvert.packet, heard, { ...datagram, ...keyed, clock: millis })
  const sealedRequest = sealed("msg", content(request))
  accept("raw-request-encrypted", "the RAW request, on a network with a key", sealedRequest.packet, asked, {
    ...keyed,
    steps: { ...stepsOf(hello, request), ...sealedRequest.steps }
  })
  const sealedAnswer = sealed("rsp", content(answered), { from: "beta" })
  accept("raw-answer-encrypted", "its answer, on a network with a key", sealedAnswer.packet, answeredResult, {
    ...answer,
    ...keyed,
    steps: { ...stepsOf(answerBody, answered), ...sealedAnswer.steps }
  })

  const hears = { ...datagram, ...keyed }
  refuse("net-in-clear", net, "an advert in clear to a receiver with a network key", sections("adv", advert), hears)
  refuse("net-no-key", net, "a token to a receiver without a network key", sealedAdvert.packet, datagram)
  refuse("net-other-key", net, "a token under another key", sealed("adv", advert, { key: "old" }).packet, hears)
  refuse("net-too-old", net, "a token that is 61 whole seconds old", sealedAdvert.packet, {
    ...hears,
    clock: (seconds + 61) * 1_000
  })
  refuse("net-too-new", net, "a token that is 61 whole seconds ahead", sealedAdvert.packet, {
    ...hears,
    clock: (seconds - 60) * 1_000 - 1
  })
  refuse(
    "net-moved-key",
    net,
    "a token moved to another key",
    sections("adv", sealedAdvert.token, { key: text("gamma") }),
    hears
  )
  refuse("net-moved-type", net, "a token moved to another type", sections("msg", sealedAdvert.token), keyed)
  refuse(
    "net-moved-network",
    net,
    "a token moved to another network",
    sections("adv", sealedAdvert.token, { network: "lab2" }),
    { ...hears, networkId: "lab2" }
  )
  refuse("net-no-envelope", net, "a token around the text alone", sealed("adv", advert, { envelope: "" }).packet, hears)
  refuse(
    "net-flipped",
    net,
    "a bit of the token's HMAC is flipped",
    sections("adv", base64url(flipped(new Uint8Array(Buffer.from(textOf(sealedAdvert.token)!, "base64url")), -1))),
    hears
  )
  refuse(
    "net-unpadded",
    net,
    "a token without its padding",
    sections("adv", textOf(sealedAdvert.token)!.replace(/=+$/, "")),
    hears
  )
  refuse("net-adv-format", "ERR_ADV_FORMAT", "a token around no advert", sealed("adv", "alpha").packet, hears)
  refuse("net-handshake", "ERR_HANDSHAKE", "a token around no command", sealed("msg", "!").packet, keyed)

  // --- the order of checks -------------------------------------------------------------------------------------------

  const end = "|end\n"
  const other = { network: "lab2", key: "AAAA" }
  for (
    const [error, description, packet] of [
      ["ERR_PACKET_TOO_LARGE", "all rules", concat(longAdvert(1_400), utf8("|"))],
      ["ERR_PACKET_INCOMPLETE", "all but the length", sections("foo", "a|b", { ...other, end: "|end" })],
      ["ERR_SECTION_COUNT", "all from the section count on", sections("foo", "a|b", { ...other, end })],
      ["ERR_PACKET_INCOMPLETE", "all from END on", sections("foo", "", { ...other, end })],
      ["ERR_NETWORK_INCORRECT", "all from the network id on", sections("foo", "", other)],
      ["ERR_PACKET_TYPE", "all from the type on", sections("foo", "", { key: "AAAA" })],
      ["ERR_PUBLIC_KEY", "all from the key on", sections("adv", "", { key: "AAAA" })],
      ["ERR_NET_DECRYPTION_FAILED", "the network-level encryption and the content", sections("adv", "")]
    ] as const
  ) {
    const order = invalid.filter(({ name }) => name.startsWith("order-")).length + 1
    refuse(`order-${order}`, error, `a packet that breaks ${description}`, packet, hears)
  }
  refuse(
    "order-own-key",
    "ERR_PUBLIC_KEY",
    "a msg with the receiver's own key, whose token does not open either",
    sections("msg", "A1JBVw==", { key: text("beta") }),
    keyed
  )
  refuse(
    "order-replay-after-box",
    node,
    "a RAW request with a stamp that is too old, and a name that is none",
    rawMsg(command(["alpha", "beta"], body({ stamp: 0, name: "*" })))
  )

  return {
    description,
    fields,
    nodes: Object.fromEntries(
      (Object.keys(secrets) as ReadonlyArray<NodeId>).map((node) => [node, {
        secret: hexOf(secrets[node]),
        public: hexOf(PublicKey.toBytes(pairs[node].publicKey)),
        text: text(node)
      }])
    ),
    sharedKeys: {
      "alpha-beta": hexOf(Redacted.value(shared("alpha", "beta"))),
      "beta-gamma": hexOf(Redacted.value(shared("beta", "gamma")))
    },
    networkKeys: { new: base64url(networkSecrets.new), old: base64url(networkSecrets.old) },
    carriers,
    valid,
    invalid,
    handshake: HandshakeVectors.generate(crypto),
    commands: CommandVectors.generate(crypto),
    derivedHosts: [
      ...(Object.keys(secrets) as ReadonlyArray<NodeId>).map((node): DerivedVector => ({
        kind: "nats",
        key: text(node),
        text: `pnet nats key ${text(node)}`,
        host: DerivedHost.ofKey("nats", pairs[node].publicKey)
      })),
      {
        kind: "ws",
        key: text("alpha"),
        text: `pnet ws key ${text("alpha")}`,
        host: DerivedHost.ofKey("ws", pairs.alpha.publicKey)
      },
      ...["wss://hub.example/pnet", "wss://hub.example:8443/pnet?site=1#a-fragment"].map((url): DerivedVector => ({
        kind: "ws",
        url,
        text: `pnet ws url ${url.split("#")[0]}`,
        host: DerivedHost.ofUrl("ws", url)
      }))
    ]
  }
}

/** A letter whose unused bits are not zero, for one whose two last are. */
function nextOf(letter: string): string {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
  return alphabet[alphabet.indexOf(letter) + 1]!
}

// ---------------------------------------------------------------------------------------------------------------------
// reading
// ---------------------------------------------------------------------------------------------------------------------

/** What the receiver of a vector makes of its packet, over the given cryptography. */
export const read = (crypto: Service, document: Document, { packet, receiver }: Vector) =>
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
      : Result.flatMap(framed(bytes), (bytes) =>
        Result.flatMap(Packet.decode(bytes, { networkId, types, maxLength }), content))

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
              ? Result.flatMap(open("request", publicKey, bytes), (message) =>
                admitted(publicKey, message))
              : Result.fail(ProtocolError.local("ERR_HANDSHAKE")))
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
export const write = (crypto: Service, document: Document, { receiver, result, steps }: Vector): Uint8Array => {
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
