/**
 * The test vectors of `docs/vectors.json`: the whole document, computed from fixed keys, nonces and times. Each section of it is a
 * function of its own, and they stand in the document in the order in which they are called here.
 */
import type { Crypto } from "@pnet/core/Crypto"
import * as DerivedHost from "@pnet/core/DerivedHost"
import * as Packet from "@pnet/core/Packet"
import * as PublicKey from "@pnet/core/PublicKey"
import * as Redacted from "effect/Redacted"
import { base64url, hexOf } from "./bytes.ts"
import * as CertificateVectors from "./certificates.ts"
import * as CommandVectors from "./commands.ts"
import { crowd } from "./crowd.ts"
import type { DerivedVector, Document } from "./document.ts"
import * as FileVectors from "./files.ts"
import * as FrameVectors from "./frames.ts"
import * as FreshnessVectors from "./freshness.ts"
import * as HandshakeVectors from "./handshakeSection.ts"
import * as KeptVectors from "./kept.ts"
import * as Keyed from "./keyed.ts"
import * as LinkVectors from "./links.ts"
import * as MailVectors from "./mail.ts"
import * as NatsVectors from "./nats.ts"
import * as OfferVectors from "./offers.ts"
import { order } from "./order.ts"
import * as Packets from "./packets.ts"
import * as Raws from "./raw.ts"
import { ruleOf } from "./rules.ts"
import { makeScene, networkSecrets, type NodeId, type Scene, secrets } from "./scene.ts"
import * as TopicVectors from "./topics.ts"
import * as TypedVectors from "./typed.ts"

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
  freshness: "adverts of a network with a key that come one after another; it has a description and fields of its own",
  handshake: "sessions: the handshake and its messages; it has a description and fields of its own",
  frames: "what comes in the messages of a session; it has a description and fields of its own",
  commands: "whole calls of functions; it has a description and fields of its own",
  typed:
    "contracts of typed calls, and whole calls of functions by Schemas; it has a description and fields of its own",
  crowd: "what nodes of a LAN of many say besides adverts; it has a description and fields of its own",
  offers: "what nodes say that they offer; it has a description and fields of its own",
  topics: "records of the stream of topics; it has a description and fields of its own",
  files: "what goes over when files are sent; it has a description and fields of its own",
  certificates: "what an authority signs; it has a description and fields of its own",
  derivedHosts:
    "addresses of what has no IP address: of a key or a URL, by a kind of transport; text is what is hashed, host the address",
  rule: "in every section: the rules of docs/protocol.md that an entry is about, one as a text, several as a list; "
    + "the text has an anchor for each, its name with r- in front: docs/protocol.md#r-packet-length",
  packet: "what it reads: as text (to be taken as UTF-8), or as hex where the bytes are no UTF-8, or as texts that are "
    + "repeated so many times and joined",
  steps: "intermediate values of a packet that is made right, hex unless said otherwise: text is the content before "
    + "network-level encryption; iv, timestamp (seconds, a number) and plaintext are the Fernet token's; nonce, body, box and "
    + "command are RAW's",
  result:
    "what the packet says; timestamp is the token's and is told of an adv alone, payload is hex, publicKey is null where "
    + "an err has none, and its code is as it is to be read",
  error: "the code the packet is refused with. Who reads an answer sends none: there it is the local error"
}

const description = [
  "Test vectors of pnet/1, for docs/protocol.md. The secrets are public: never use them.",
  "An implementation that has a deterministic mode (given nonce, iv and times) should produce every packet that has steps. "
  + "A receiver in the given state has to give the result of every valid vector, and the error of every invalid one. "
  + "The receivers of these vectors trust everybody, and have room for everything."
]

const derivedHosts = ({ pairs, text }: Scene): ReadonlyArray<DerivedVector> => [
  ...(Object.keys(secrets) as ReadonlyArray<NodeId>).map((node): DerivedVector => ({
    rule: ruleOf("derived", "key"),
    kind: "nats",
    key: text(node),
    text: `pnet nats key ${text(node)}`,
    host: DerivedHost.ofKey("nats", pairs[node].publicKey)
  })),
  {
    rule: ruleOf("derived", "key"),
    kind: "ws",
    key: text("alpha"),
    text: `pnet ws key ${text("alpha")}`,
    host: DerivedHost.ofKey("ws", pairs.alpha.publicKey)
  },
  ...["wss://hub.example/pnet", "wss://hub.example:8443/pnet?site=1#a-fragment"].map((url): DerivedVector => ({
    rule: ruleOf("derived", "url"),
    kind: "ws",
    url,
    text: `pnet ws url ${url.split("#")[0]}`,
    host: DerivedHost.ofUrl("ws", url)
  }))
]

/** The document. */
export const generate = (crypto: Crypto["Service"]): Document => {
  const scene = makeScene(crypto)
  const { invalid, pairs, shared, text, valid } = scene
  Packets.adverts(scene)
  Packets.wrongAdverts(scene)
  Packets.errors(scene)
  Packets.envelopes(scene)
  Packets.networks(scene)
  Packets.types(scene)
  Packets.keys(scene)
  const raw = Raws.makeRaw(scene)
  Raws.messages(scene, raw)
  Raws.wrongBodies(scene, raw)
  Raws.wrongCommands(scene, raw)
  Raws.wrongStamps(scene, raw)
  Raws.wrongAnswers(scene, raw)
  Keyed.tokens(scene, raw)
  Keyed.wrongTokens(scene)
  order(scene, raw)
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
    freshness: FreshnessVectors.generate(),
    handshake: HandshakeVectors.generate(crypto),
    frames: FrameVectors.generate(),
    commands: CommandVectors.generate(crypto),
    typed: TypedVectors.generate(),
    derivedHosts: derivedHosts(scene),
    crowd: crowd(scene),
    offers: OfferVectors.generate(),
    topics: TopicVectors.generate(),
    certificates: CertificateVectors.generate(),
    files: FileVectors.generate(),
    links: LinkVectors.generate(),
    nats: NatsVectors.generate(
      Object.fromEntries((Object.keys(secrets) as ReadonlyArray<NodeId>).map((node) => [node, text(node)]))
    ),
    mail: MailVectors.generate(scene),
    kept: KeptVectors.generate(scene)
  }
}
