/** The section "handshake" of `docs/vectors.json`: whole handshakes, and single commands that are accepted and refused. */
import type { Crypto, KeyPair } from "@pnet/core/Crypto"
import * as PublicKey from "@pnet/core/PublicKey"
import * as Redacted from "effect/Redacted"
import { base64url, concat, hexOf, range, u64, utf8 } from "./bytes.ts"
import {
  badKeys,
  badMetadata,
  binary,
  build,
  draws,
  goodMetadata,
  lowOrderKey,
  metadata,
  type Overrides,
  pnet,
  type Refusal
} from "./handshake.ts"
import { type Rule, ruleOf } from "./rules.ts"

export type CommandName = "hello" | "welcome" | "initiate" | "ready" | "message"

export interface Message {
  readonly from: "client" | "server"
  readonly flags: 0 | 1 | 2
  readonly payload: string
  readonly nonce: string
  readonly command: string
}

export interface Session {
  readonly name: string
  readonly description: string
  readonly rule: Rule
  readonly networkId: string
  readonly client: {
    readonly node: string
    readonly binary: boolean
    readonly random: Readonly<Record<string, string>>
  }
  readonly server: {
    readonly node: string
    readonly binary: boolean
    readonly random: Readonly<Record<string, string>>
  }
  readonly steps: Readonly<Record<string, string>>
  readonly commands: {
    readonly hello: string
    readonly welcome: string
    readonly initiate: string
    readonly ready: string
  }
  readonly packets: ReadonlyArray<string>
  readonly binary: boolean
  readonly messages: ReadonlyArray<Message>
}

export interface Accepted {
  readonly name: string
  readonly description: string
  readonly rule: Rule
  readonly command: "initiate" | "ready"
  readonly hex: string
  readonly result: { readonly name: string; readonly binary: boolean; readonly features?: ReadonlyArray<string> }
}

export interface Refused {
  readonly name: string
  readonly description: string
  readonly rule: Rule
  readonly command: CommandName
  readonly packetKey?: string
  readonly hex: string
  readonly error: Refusal
}

export interface Section {
  readonly description: ReadonlyArray<string>
  readonly fields: Readonly<Record<string, string>>
  readonly sessions: ReadonlyArray<Session>
  readonly accepted: ReadonlyArray<Accepted>
  readonly refused: ReadonlyArray<Refused>
}

const description = [
  "The handshake of a session and its first MESSAGEs. alpha dials beta; the commands travel as base64url in packets, "
  + "here without a network key.",
  "An implementation that can be given its random bytes should produce every command of sessions. accepted and refused are "
  + "single commands to a side of the first session that has done everything before that command; both sides of it "
  + "offer binary records."
]

const fields: Section["fields"] = {
  "session.client.random": "what the client draws, in this order: its short-term secret c', and the nonce of its vouch",
  "session.server.random":
    "what the server draws, in this order: its short-term secret s', the cookie key, the nonces of "
    + "the cookie and of WELCOME",
  "session.client.binary": "whether the side offers binary records",
  "session.steps":
    "hex: the short-term public keys C' and S', the three shared keys, the plaintext of each box, and the boxes. "
    + "helloKey is between C' and S and seals HELLO and WELCOME, vouchKey between C and S', sessionKey between C' and S'",
  "session.commands": "hex",
  "session.packets": "the four commands as they travel, in this order, as text",
  "session.binary": "whether MESSAGEs travel in binary records, that is, both offered",
  "session.messages":
    "in the order in which they are sent; nonce is the whole one of 24 bytes, payload what follows the flags",
  "accepted.result":
    "what the peer proved to be called, whether binary records are used, and which features of protocol section 4 it says, where it says any",
  "refused.command": "which command hex was sent in the place of; message is the server's first, to the client",
  "refused.packetKey":
    "the node whose key this packet carries, and HELLO's before it carried, where it is not the sender's",
  "refused.error":
    "the code, or violation where a session is ended without one. Who reads WELCOME and READY sends no err: "
    + "there it is the local error"
}

const flip = (bytes: Uint8Array, at: number) => {
  const out = bytes.slice()
  out[at < 0 ? out.length + at : at]! ^= 1
  return out
}

const hexes = <K extends string>(record: Readonly<Record<K, Uint8Array>>) =>
  Object.fromEntries(Object.entries<Uint8Array>(record).map(([key, bytes]) => [key, hexOf(bytes)])) as Record<
    K,
    string
  >

const offers = (name: string, offer: boolean) => metadata(offer ? [...pnet(name), binary] : pnet(name))

/** The nodes of the document, their handshake, and how a command that is refused is noted. */
const makeScene = (crypto: Crypto["Service"]) => {
  const keyPair = (from: number) => crypto.keyPair(Redacted.make(range(from, 32)))
  const alpha = keyPair(0x01)
  const beta = keyPair(0x21)
  const gamma = keyPair(0x41)
  const make = (overrides: Overrides) => build(crypto, alpha, beta, draws, overrides)
  const right = make({ clientMetadata: offers("alpha", true), serverMetadata: offers("beta", true) })
  const refused: Array<Refused> = []
  const refuse = (
    command: CommandName,
    name: string,
    description: string,
    bytes: Uint8Array,
    error: Refusal = "ERR_HANDSHAKE",
    packetKey?: string
  ) => {
    refused.push({
      name: `${command}-${name}`,
      description,
      rule: ruleOf("handshakes", `${command}-${name}`),
      command,
      ...(packetKey === undefined ? {} : { packetKey }),
      hex: hexOf(bytes),
      error
    })
  }
  return { crypto, alpha, beta, gamma, make, right, refused, refuse }
}

type Scene = ReturnType<typeof makeScene>

// --- whole handshakes --------------------------------------------------------------------------------------------------------

const session = (
  { alpha, beta, make }: Scene,
  name: string,
  description: string,
  clientBinary: boolean,
  serverBinary: boolean
): Session => {
  const built = make({ clientMetadata: offers("alpha", clientBinary), serverMetadata: offers("beta", serverBinary) })
  const { hello, initiate, ready, welcome } = built
  const { helloKey, sessionKey, vouchKey } = built
  const message = (from: Message["from"], nonce: number, flags: Message["flags"], payload: Uint8Array): Message => ({
    from,
    flags,
    payload: hexOf(payload),
    nonce: hexOf(concat(utf8(from === "client" ? "CurveZMQMESSAGEC" : "CurveZMQMESSAGES"), u64(nonce))),
    command: hexOf(built.message(from, nonce, flags, payload))
  })
  const packet = (type: string, key: KeyPair, command: Uint8Array) =>
    `lab|${type}|${base64url(command)}|${key.publicKey}|END\n`
  return {
    name,
    description,
    rule: ruleOf("handshakes", name),
    networkId: "lab",
    client: { node: "alpha", binary: clientBinary, random: hexes(draws.client) },
    server: { node: "beta", binary: serverBinary, random: hexes(draws.server) },
    steps: hexes({
      clientEphemeral: built.clientEphemeral,
      serverEphemeral: built.serverEphemeral,
      helloKey: Redacted.value(helloKey),
      vouchKey: Redacted.value(vouchKey),
      sessionKey: Redacted.value(sessionKey),
      helloBox: built.helloBox,
      cookiePlain: built.cookiePlain,
      cookie: built.cookie,
      welcomePlain: built.welcomePlain,
      welcomeBox: built.welcomeBox,
      vouchPlain: built.vouchPlain,
      vouchBox: built.vouchBox,
      clientMetadata: built.clientMetadata,
      initiatePlain: built.initiatePlain,
      initiateBox: built.initiateBox,
      serverMetadata: built.serverMetadata,
      readyBox: built.readyBox
    }),
    commands: hexes({ hello, welcome, initiate, ready }),
    packets: [
      packet("msg", alpha, hello),
      packet("rsp", beta, welcome),
      packet("msg", alpha, initiate),
      packet("rsp", beta, ready)
    ],
    binary: clientBinary && serverBinary,
    messages: [
      message("client", 3, 0, utf8("hello")),
      message("server", 2, 1, utf8("world")),
      message("client", 4, 0, new Uint8Array(0)),
      message("client", 5, 1, range(0, 256)),
      message("server", 3, 2, utf8("{}"))
    ]
  }
}

// --- single commands ---------------------------------------------------------------------------------------------------------

const acceptedOf = ({ make }: Scene): ReadonlyArray<Accepted> => {
  const accepted: Array<Accepted> = []
  for (const [name, description, metadata, binary, features] of goodMetadata("alpha")) {
    accepted.push({
      name: `initiate-${name}`,
      description: `an INITIATE with ${description}`,
      rule: ruleOf("handshakes", `initiate-${name}`),
      command: "initiate",
      hex: hexOf(make({ clientMetadata: metadata }).initiate),
      result: { name: "alpha", binary, ...(features.length === 0 ? {} : { features }) }
    })
  }
  for (const [name, description, metadata, binary, features] of goodMetadata("beta")) {
    accepted.push({
      name: `ready-${name}`,
      description: `a READY with ${description}`,
      rule: ruleOf("handshakes", `ready-${name}`),
      command: "ready",
      hex: hexOf(make({ serverMetadata: metadata }).ready),
      result: { name: "beta", binary, ...(features.length === 0 ? {} : { features }) }
    })
  }
  return accepted
}

/** In the place of HELLO. */
const hellos = (scene: Scene): void => {
  const { alpha, crypto, gamma, make, refuse, right } = scene
  const padding = new Uint8Array(72)
  padding[71] = 1
  refuse("hello", "version-1-1", "a HELLO of version 1.1", make({ version: Uint8Array.of(1, 1) }).hello)
  refuse("hello", "version-2-0", "a HELLO of version 2.0", make({ version: Uint8Array.of(2, 0) }).hello)
  refuse("hello", "padding", "a HELLO whose padding is not zero", make({ padding }).hello)
  refuse("hello", "nonce-0", "a HELLO with nonce 0", make({ helloNonce: 0 }).hello)
  refuse("hello", "nonce-2", "a HELLO with nonce 2", make({ helloNonce: 2 }).hello)
  refuse(
    "hello",
    "signed",
    "a HELLO whose box does not hold zeros",
    make({ helloSigned: concat(new Uint8Array(63), Uint8Array.of(1)) }).hello
  )
  refuse("hello", "flipped", "a bit of the box is flipped", flip(right.hello, -1))
  refuse("hello", "short", "a HELLO that lacks its last byte", right.hello.slice(0, -1))
  refuse("hello", "long", "a HELLO with one byte more", concat(right.hello, Uint8Array.of(0)))
  refuse("hello", "other-server", "a HELLO to gamma", build(crypto, alpha, gamma).hello)
  refuse("hello", "initiate", "an INITIATE without a HELLO before it", right.initiate)
  refuse("hello", "message", "a MESSAGE without a handshake before it", right.message("client", 1, 0, utf8("hello")))
  for (const [name, key] of badKeys) {
    refuse(
      "hello",
      `key-${name}`,
      `C' is ${name}, and the box is sealed with what that makes of every secret`,
      make({ clientEphemeral: key, helloKey: lowOrderKey }).hello
    )
  }
}

/** In the place of WELCOME. */
const welcomes = (scene: Scene): void => {
  const { make, refuse, right } = scene
  refuse("welcome", "flipped", "a bit of the box is flipped", flip(right.welcome, -1))
  refuse("welcome", "short", "a WELCOME that lacks its last byte", right.welcome.slice(0, -1))
  refuse("welcome", "long", "a WELCOME with one byte more", concat(right.welcome, Uint8Array.of(0)))
  refuse("welcome", "hello", "the HELLO sent back", right.hello)
  refuse("welcome", "ready", "a READY in its place", right.ready)
  for (const [name, key] of badKeys) {
    refuse("welcome", `key-${name}`, `S' is ${name}`, make({ serverEphemeral: key }).welcome)
  }
}

/** In the place of INITIATE: with another cookie, nonce or length. */
const initiates = (scene: Scene): void => {
  const { alpha, beta, crypto, make, refuse, right } = scene
  refuse(
    "initiate",
    "other-cookie",
    "a cookie of another connection",
    make({
      cookie: build(crypto, alpha, beta, { ...draws, server: { ...draws.server, cookieKey: range(0, 32) } }).cookie
    })
      .initiate
  )
  refuse(
    "initiate",
    "cookie-of-another-client",
    "a cookie under the right key, for another C'",
    make({ cookiePlain: concat(range(0x61, 32), draws.server.ephemeral) }).initiate
  )
  refuse("initiate", "nonce-1", "an INITIATE with nonce 1", make({ initiateNonce: 1 }).initiate)
  refuse("initiate", "nonce-3", "an INITIATE with nonce 3", make({ initiateNonce: 3 }).initiate)
  refuse("initiate", "flipped", "a bit of the box is flipped", flip(right.initiate, -1))
  refuse("initiate", "short", "an INITIATE that lacks its last byte", right.initiate.slice(0, -1))
  refuse("initiate", "long", "an INITIATE with one byte more", concat(right.initiate, Uint8Array.of(0)))
  refuse("initiate", "hello", "a second HELLO", right.hello)
  refuse("initiate", "welcome", "the WELCOME sent back", right.welcome)
}

/** In the place of INITIATE: with the wrong keys, or vouched for wrongly, or with metadata that is none. */
const claims = (scene: Scene): void => {
  const { beta, gamma, make, refuse, right } = scene
  refuse(
    "initiate",
    "packet-key",
    "the packet carries gamma's key, and C is alpha's",
    right.initiate,
    "ERR_PUBLIC_KEY",
    "gamma"
  )
  refuse(
    "initiate",
    "claims-gamma",
    "C and the packet's key are gamma's, and alpha vouches",
    make({ longTerm: PublicKey.toBytes(gamma.publicKey) }).initiate,
    "ERR_HANDSHAKE",
    "gamma"
  )
  refuse(
    "initiate",
    "low-order",
    "C is of low order",
    make({ longTerm: badKeys[0]![1], vouchKey: lowOrderKey }).initiate,
    "ERR_PUBLIC_KEY"
  )
  refuse(
    "initiate",
    "vouch-client",
    "the vouch is for another C'",
    make({ vouchPlain: concat(range(0x61, 32), PublicKey.toBytes(beta.publicKey)) }).initiate
  )
  refuse(
    "initiate",
    "vouch-server",
    "the vouch is for another S",
    make({ vouchPlain: concat(right.clientEphemeral, PublicKey.toBytes(gamma.publicKey)) }).initiate
  )
  for (const [name, description, metadata, error] of badMetadata("alpha")) {
    refuse("initiate", name, `an INITIATE with ${description}`, make({ clientMetadata: metadata }).initiate, error)
  }
}

/** In the place of READY. */
const readies = (scene: Scene): void => {
  const { make, refuse, right } = scene
  refuse("ready", "nonce-2", "a READY with nonce 2", make({ readyNonce: 2 }).ready)
  refuse("ready", "flipped", "a bit of the box is flipped", flip(right.ready, -1))
  refuse("ready", "short", "a READY that lacks its last byte", right.ready.slice(0, -1))
  refuse("ready", "long", "a READY with one byte more", concat(right.ready, Uint8Array.of(0)))
  refuse("ready", "initiate", "the INITIATE sent back", right.initiate)
  refuse("ready", "message", "a MESSAGE without a READY before it", right.message("server", 1, 1, utf8("world")))
  for (const [name, description, metadata, error] of badMetadata("beta")) {
    refuse("ready", name, `a READY with ${description}`, make({ serverMetadata: metadata }).ready, error)
  }
}

/** In the place of the first MESSAGE of the server. */
const messages = (scene: Scene): void => {
  const { crypto, refuse, right } = scene
  const world = utf8("world")
  refuse("message", "nonce-1", "READY's nonce again", right.message("server", 1, 1, world), "violation")
  refuse("message", "nonce-3", "a nonce was left out", right.message("server", 3, 1, world), "violation")
  refuse(
    "message",
    "nonce-high",
    "2^32 was added to the nonce",
    right.message("server", 2 + 2 ** 32, 1, world),
    "violation"
  )
  refuse("message", "reflected", "the client's own first MESSAGE", right.message("client", 3, 0, world), "violation")
  refuse("message", "reflected-2", "sealed as by the client", right.message("client", 2, 0, world), "violation")
  refuse("message", "flags-3", "flags 3", right.message("server", 2, 3, world), "violation")
  refuse(
    "message",
    "flipped",
    "a bit of the box is flipped",
    flip(right.message("server", 2, 1, world), -1),
    "violation"
  )
  refuse("message", "ready", "a second READY", right.ready, "violation")
  refuse(
    "message",
    "empty",
    "a box that holds not even flags",
    concat(
      utf8("\u0007MESSAGE"),
      u64(2),
      crypto.seal(right.sessionKey, concat(utf8("CurveZMQMESSAGES"), u64(2)), new Uint8Array(0))
    ),
    "violation"
  )
}

export const generate = (crypto: Crypto["Service"]): Section => {
  const scene = makeScene(crypto)
  hellos(scene)
  welcomes(scene)
  initiates(scene)
  claims(scene)
  readies(scene)
  messages(scene)
  return {
    description,
    fields,
    sessions: [
      session(scene, "binary", "both offer binary records", true, true),
      session(scene, "text", "neither offers binary records", false, false),
      session(scene, "mixed", "only the server offers binary records", false, true)
    ],
    accepted: acceptedOf(scene),
    refused: scene.refused
  }
}
