/**
 * The section "handshake" of `docs/vectors.json`, and the handshake made by hand for the tests.
 *
 * `build` makes the four commands from nothing but key pairs, fixed random bytes and `Crypto`'s boxes, step by step as
 * protocol section 4 and RFC 26 have them, and shares no code with the library; any field can be given another value, so
 * it also makes commands that are sealed right and say something wrong. `scripted` is a `Crypto` that draws given bytes.
 */
import type { Crypto, KeyPair, SharedKey } from "@pnet/core/Crypto"
import * as PublicKey from "@pnet/core/PublicKey"
import * as Redacted from "effect/Redacted"

type Service = Crypto["Service"]

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")
const ofHex = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, "hex"))
export const utf8 = (text: string): Uint8Array => new Uint8Array(new TextEncoder().encode(text))
export const concat = (...parts: ReadonlyArray<Uint8Array>): Uint8Array => new Uint8Array(Buffer.concat(parts))
export const range = (from: number, length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => from + i)

// ---------------------------------------------------------------------------------------------------------------------
// by hand
// ---------------------------------------------------------------------------------------------------------------------

/** Everything that a handshake draws, in the order in which each side draws it. */
export interface Draws {
  readonly client: { readonly ephemeral: Uint8Array; readonly vouchNonce: Uint8Array }
  readonly server: {
    readonly ephemeral: Uint8Array
    readonly cookieKey: Uint8Array
    readonly cookieNonce: Uint8Array
    readonly welcomeNonce: Uint8Array
  }
}

/** Each begins with another byte, so that a dump shows which is which. */
export const draws: Draws = {
  client: { ephemeral: range(0xa1, 32), vouchNonce: range(0xc1, 16) },
  server: {
    ephemeral: range(0xb1, 32),
    cookieKey: range(0xd1, 32),
    cookieNonce: range(0xe1, 16),
    welcomeNonce: range(0xf0, 16)
  }
}

export type Property = readonly [name: string | Uint8Array, value: string | Uint8Array]

const bytesOf = (text: string | Uint8Array) => typeof text === "string" ? utf8(text) : text
const u32 = (value: number) => Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value)
export const u64 = (value: number) => concat(u32(Math.floor(value / 2 ** 32)), u32(value % 2 ** 32))

export const metadata = (properties: ReadonlyArray<Property>): Uint8Array =>
  concat(...properties.flatMap(([name, value]) => [
    Uint8Array.of(bytesOf(name).length),
    bytesOf(name),
    u32(bytesOf(value).length),
    bytesOf(value)
  ]))

export const pnet = (name: string, networkId = "lab"): ReadonlyArray<Property> => [
  ["Pnet", "1"],
  ["Node", name],
  ["Network", networkId]
]
export const binary: Property = ["Framing", "binary"]

/** What may be other than it should. */
export interface Overrides {
  readonly version?: Uint8Array
  readonly padding?: Uint8Array
  /** C' as HELLO says it. */
  readonly clientEphemeral?: Uint8Array
  /** K(C'->S). */
  readonly helloKey?: SharedKey
  readonly helloNonce?: number
  readonly helloSigned?: Uint8Array
  /** S' as WELCOME says it. */
  readonly serverEphemeral?: Uint8Array
  /** The secrets in the cookie. */
  readonly cookiePlain?: Uint8Array
  /** The cookie as INITIATE repeats it. */
  readonly cookie?: Uint8Array
  readonly initiateNonce?: number
  /** C as INITIATE says it. */
  readonly longTerm?: Uint8Array
  readonly vouchPlain?: Uint8Array
  readonly vouchKey?: SharedKey
  readonly clientMetadata?: Uint8Array
  readonly readyNonce?: number
  readonly serverMetadata?: Uint8Array
}

/** A handshake from fixed draws, with all that is in it. */
export const build = (
  crypto: Service,
  client: KeyPair,
  server: KeyPair,
  random: Draws = draws,
  overrides: Overrides = {}
) => {
  const pair = (secret: Uint8Array) => crypto.keyPair(Redacted.make(secret))
  const clientEphemeral = pair(random.client.ephemeral)
  const serverEphemeral = pair(random.server.ephemeral)
  const ownC = PublicKey.toBytes(clientEphemeral.publicKey)
  const ownS = PublicKey.toBytes(serverEphemeral.publicKey)
  const clientEphemeralPublic = overrides.clientEphemeral ?? ownC
  const helloKey = overrides.helloKey ?? crypto.sharedKey(server.publicKey, clientEphemeral.secretKey)
  const sessionKey = crypto.sharedKey(serverEphemeral.publicKey, clientEphemeral.secretKey)
  const vouchKey = overrides.vouchKey ?? crypto.sharedKey(serverEphemeral.publicKey, client.secretKey)

  const helloNonce = u64(overrides.helloNonce ?? 1)
  const helloBox = crypto.seal(
    helloKey,
    concat(utf8("CurveZMQHELLO---"), helloNonce),
    overrides.helloSigned ?? new Uint8Array(64)
  )
  const hello = concat(
    utf8("\u0005HELLO"),
    overrides.version ?? Uint8Array.of(1, 0),
    overrides.padding ?? new Uint8Array(72),
    clientEphemeralPublic,
    helloNonce,
    helloBox
  )

  const cookiePlain = overrides.cookiePlain ?? concat(ownC, random.server.ephemeral)
  const cookieBox = crypto.seal(
    Redacted.make(random.server.cookieKey),
    concat(utf8("COOKIE--"), random.server.cookieNonce),
    cookiePlain
  )
  const cookie = concat(random.server.cookieNonce, cookieBox)
  const welcomePlain = concat(overrides.serverEphemeral ?? ownS, cookie)
  const welcomeBox = crypto.seal(helloKey, concat(utf8("WELCOME-"), random.server.welcomeNonce), welcomePlain)
  const welcome = concat(utf8("\u0007WELCOME"), random.server.welcomeNonce, welcomeBox)

  const vouchPlain = overrides.vouchPlain ?? concat(ownC, PublicKey.toBytes(server.publicKey))
  const vouchBox = crypto.seal(vouchKey, concat(utf8("VOUCH---"), random.client.vouchNonce), vouchPlain)
  const clientMetadata = overrides.clientMetadata ?? metadata(pnet("alpha"))
  const initiatePlain = concat(
    overrides.longTerm ?? PublicKey.toBytes(client.publicKey),
    random.client.vouchNonce,
    vouchBox,
    clientMetadata
  )
  const initiateNonce = u64(overrides.initiateNonce ?? 2)
  const initiateBox = crypto.seal(sessionKey, concat(utf8("CurveZMQINITIATE"), initiateNonce), initiatePlain)
  const initiate = concat(utf8("\u0008INITIATE"), overrides.cookie ?? cookie, initiateNonce, initiateBox)

  const readyNonce = u64(overrides.readyNonce ?? 1)
  const serverMetadata = overrides.serverMetadata ?? metadata(pnet("beta"))
  const readyBox = crypto.seal(sessionKey, concat(utf8("CurveZMQREADY---"), readyNonce), serverMetadata)
  const ready = concat(utf8("\u0005READY"), readyNonce, readyBox)

  /** A MESSAGE with any nonce, flags and payload. */
  const message = (from: "client" | "server", nonce: number, flags: number, payload: Uint8Array) =>
    concat(
      utf8("\u0007MESSAGE"),
      u64(nonce),
      crypto.seal(
        sessionKey,
        concat(utf8(from === "client" ? "CurveZMQMESSAGEC" : "CurveZMQMESSAGES"), u64(nonce)),
        concat(Uint8Array.of(flags), payload)
      )
    )

  return {
    clientEphemeral: clientEphemeralPublic,
    serverEphemeral: ownS,
    helloKey,
    sessionKey,
    vouchKey,
    helloBox,
    cookiePlain,
    cookie,
    welcomePlain,
    welcomeBox,
    vouchPlain,
    vouchBox,
    clientMetadata,
    initiatePlain,
    initiateBox,
    serverMetadata,
    readyBox,
    hello,
    welcome,
    initiate,
    ready,
    message
  }
}

/** A `Crypto` whose random bytes are the given ones, in this order, and none after. */
export const scripted = (crypto: Service, values: Readonly<Record<string, Uint8Array>>): Service => {
  const left = Object.values(values)
  const randomBytes = (length: number): Uint8Array => {
    const next = left.shift()
    if (next?.length !== length) throw new Error(`${length} random bytes were drawn, which nobody scripted`)
    return next.slice()
  }
  return {
    ...crypto,
    randomBytes,
    generateKeyPair: () => crypto.keyPair(Redacted.make(randomBytes(32)))
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// the section
// ---------------------------------------------------------------------------------------------------------------------

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
  readonly command: "initiate" | "ready"
  readonly hex: string
  readonly result: { readonly name: string; readonly binary: boolean }
}

export interface Refused {
  readonly name: string
  readonly description: string
  readonly command: CommandName
  readonly packetKey?: string
  readonly hex: string
  readonly error: "ERR_HANDSHAKE" | "ERR_PUBLIC_KEY" | "ERR_NETWORK_INCORRECT" | "violation"
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
  "accepted.result": "what the peer proved to be called, and whether binary records are used",
  "refused.command": "which command hex was sent in the place of; message is the server's first, to the client",
  "refused.packetKey": "the node whose key the packet carries, where it is not the sender's",
  "refused.error":
    "the code, or violation where a session is ended without one. Who reads WELCOME and READY sends no err: "
    + "there it is the local error"
}

// HSalsa20 of the product with any point of low order, which is zero: what a peer that sends such a point expects.
export const lowOrderKey: SharedKey = Redacted.make(
  ofHex("351f86faa3b988468a850122b65b0acece9c4826806aeee63de9c0da2bd7f91e")
)

/** Public keys that are none: of low order, and not canonical. */
export const badKeys: ReadonlyArray<readonly [name: string, key: Uint8Array]> = [
  ["0", ofHex("0000000000000000000000000000000000000000000000000000000000000000")],
  ["1", ofHex("0100000000000000000000000000000000000000000000000000000000000000")],
  ["p-1", ofHex("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f")],
  ["order-8", ofHex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800")],
  ["order-8-other", ofHex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157")],
  ["p", ofHex("edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f")],
  ["p+1", ofHex("eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f")],
  ["2^255", ofHex("0000000000000000000000000000000000000000000000000000000000000080")]
]

/** Metadata that a machine of the network "lab" refuses, whoever sends it. */
export const badMetadata = (
  name: string
): ReadonlyArray<readonly [name: string, description: string, metadata: Uint8Array, error: Refused["error"]]> => {
  const good = pnet(name)
  const without = (property: string) => metadata(good.filter(([name]) => name !== property))
  const other = (property: string, value: string | Uint8Array) =>
    metadata(good.map(([name, own]) => [name, name === property ? value : own]))
  const whole = metadata(good)
  return [
    ["no-metadata", "no metadata", new Uint8Array(0), "ERR_HANDSHAKE"],
    ["no-pnet", "no property Pnet", without("Pnet"), "ERR_HANDSHAKE"],
    ["no-node", "no property Node", without("Node"), "ERR_HANDSHAKE"],
    ["no-network", "no property Network", without("Network"), "ERR_HANDSHAKE"],
    ["pnet-2", "Pnet is 2", other("Pnet", "2"), "ERR_HANDSHAKE"],
    ["pnet-empty", "Pnet is empty", other("Pnet", ""), "ERR_HANDSHAKE"],
    ["pnet-01", "Pnet is 01", other("Pnet", "01"), "ERR_HANDSHAKE"],
    ["node-empty", "Node is empty", other("Node", ""), "ERR_HANDSHAKE"],
    ["node-star", "Node is *", other("Node", "*"), "ERR_HANDSHAKE"],
    ["node-at", "Node has an @", other("Node", "al@pha"), "ERR_HANDSHAKE"],
    ["node-bar", "Node has a |", other("Node", "al|pha"), "ERR_HANDSHAKE"],
    ["node-65", "Node has 65 bytes", other("Node", "n".repeat(65)), "ERR_HANDSHAKE"],
    ["node-control", "Node has a control character", other("Node", "al\u0085pha"), "ERR_HANDSHAKE"],
    ["node-bad-utf8", "Node is not UTF-8", other("Node", Uint8Array.of(0x61, 0xff)), "ERR_HANDSHAKE"],
    ["twice", "a property twice", metadata([...good, ["Node", name]]), "ERR_HANDSHAKE"],
    ["twice-case", "a property twice, in another case", metadata([...good, ["NODE", name]]), "ERR_HANDSHAKE"],
    ["twice-unknown", "an unknown property twice", metadata([...good, ["X", "1"], ["x", "2"]]), "ERR_HANDSHAKE"],
    ["cut-name", "metadata that ends in a name", concat(whole, Uint8Array.of(5, 0x41)), "ERR_HANDSHAKE"],
    ["cut-size", "metadata that ends in a size", concat(whole, Uint8Array.of(1, 0x41, 0, 0)), "ERR_HANDSHAKE"],
    ["cut-value", "metadata that ends in a value", whole.slice(0, -1), "ERR_HANDSHAKE"],
    ["size-huge", "a value's size of 2^32-1", concat(whole, Uint8Array.of(1, 0x41), u32(2 ** 32 - 1)), "ERR_HANDSHAKE"],
    ["other-network", "another network", other("Network", "LAB"), "ERR_NETWORK_INCORRECT"],
    ["network-empty", "an empty Network", other("Network", ""), "ERR_NETWORK_INCORRECT"],
    ["network-bad-utf8", "a Network that is not UTF-8", other("Network", Uint8Array.of(0xff)), "ERR_NETWORK_INCORRECT"],
    [
      "other-network-and-pnet",
      "another network and Pnet 2, which is found first",
      metadata([["Network", "LAB"], ["Node", name], ["Pnet", "2"]]),
      "ERR_HANDSHAKE"
    ]
  ]
}

/** Metadata that has to be accepted, and whether it offers binary records. */
export const goodMetadata = (
  name: string
): ReadonlyArray<readonly [name: string, description: string, metadata: Uint8Array, binary: boolean]> => {
  const good = pnet(name)
  return [
    ["order", "the properties in another order", metadata([...good].reverse()), false],
    ["case", "names in other cases", metadata(good.map(([key], i) => [`${key}`.toUpperCase(), good[i]![1]])), false],
    [
      "unknown",
      "unknown properties, one of them with an empty value and one with a name that is not ASCII",
      metadata([["Socket-Type", "PAIR"], ...good, ["Identity", ""], [Uint8Array.of(0xff), "x"]]),
      false
    ],
    ["framing", "an offer of binary records", metadata([...good, binary]), true],
    ["framing-case", "the same, the name in another case", metadata([["fRAMING", "binary"], ...good]), true],
    ["framing-other", "a framing that is no offer", metadata([...good, ["Framing", "BINARY"]]), false],
    ["framing-empty", "an empty framing", metadata([...good, ["Framing", ""]]), false]
  ]
}

// oxlint-disable-next-line max-lines-per-function -- the vectors of one section in its order, each of which is read by itself
export const generate = (crypto: Service): Section => {
  const keyPair = (from: number) => crypto.keyPair(Redacted.make(range(from, 32)))
  // The nodes of the document.
  const alpha = keyPair(0x01)
  const beta = keyPair(0x21)
  const gamma = keyPair(0x41)
  const hexes = <K extends string>(record: Readonly<Record<K, Uint8Array>>) =>
    Object.fromEntries(Object.entries<Uint8Array>(record).map(([key, bytes]) => [key, hexOf(bytes)])) as Record<
      K,
      string
    >
  const make = (overrides: Overrides) => build(crypto, alpha, beta, draws, overrides)
  const offers = (name: string, offer: boolean) => metadata(offer ? [...pnet(name), binary] : pnet(name))

  const session = (name: string, description: string, clientBinary: boolean, serverBinary: boolean): Session => {
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
      `lab|${type}|${
        Buffer.from(command).toString("base64").replaceAll("+", "-").replaceAll("/", "_")
      }|${key.publicKey}|END\n`
    return {
      name,
      description,
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

  const accepted: Array<Accepted> = []
  for (const [name, description, metadata, binary] of goodMetadata("alpha")) {
    accepted.push({
      name: `initiate-${name}`,
      description: `an INITIATE with ${description}`,
      command: "initiate",
      hex: hexOf(make({ clientMetadata: metadata }).initiate),
      result: { name: "alpha", binary }
    })
  }
  for (const [name, description, metadata, binary] of goodMetadata("beta")) {
    accepted.push({
      name: `ready-${name}`,
      description: `a READY with ${description}`,
      command: "ready",
      hex: hexOf(make({ serverMetadata: metadata }).ready),
      result: { name: "beta", binary }
    })
  }

  const refused: Array<Refused> = []
  const refuse = (
    command: CommandName,
    name: string,
    description: string,
    bytes: Uint8Array,
    error: Refused["error"] = "ERR_HANDSHAKE",
    packetKey?: string
  ) => {
    refused.push({
      name: `${command}-${name}`,
      description,
      command,
      ...(packetKey === undefined ? {} : { packetKey }),
      hex: hexOf(bytes),
      error
    })
  }
  const flip = (bytes: Uint8Array, at: number) => {
    const out = bytes.slice()
    out[at < 0 ? out.length + at : at]! ^= 1
    return out
  }
  const right = make({ clientMetadata: offers("alpha", true), serverMetadata: offers("beta", true) })

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

  refuse("welcome", "flipped", "a bit of the box is flipped", flip(right.welcome, -1))
  refuse("welcome", "short", "a WELCOME that lacks its last byte", right.welcome.slice(0, -1))
  refuse("welcome", "long", "a WELCOME with one byte more", concat(right.welcome, Uint8Array.of(0)))
  refuse("welcome", "hello", "the HELLO sent back", right.hello)
  refuse("welcome", "ready", "a READY in its place", right.ready)
  for (const [name, key] of badKeys) {
    refuse("welcome", `key-${name}`, `S' is ${name}`, make({ serverEphemeral: key }).welcome)
  }

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

  refuse("ready", "nonce-2", "a READY with nonce 2", make({ readyNonce: 2 }).ready)
  refuse("ready", "flipped", "a bit of the box is flipped", flip(right.ready, -1))
  refuse("ready", "short", "a READY that lacks its last byte", right.ready.slice(0, -1))
  refuse("ready", "long", "a READY with one byte more", concat(right.ready, Uint8Array.of(0)))
  refuse("ready", "initiate", "the INITIATE sent back", right.initiate)
  refuse("ready", "message", "a MESSAGE without a READY before it", right.message("server", 1, 1, utf8("world")))
  for (const [name, description, metadata, error] of badMetadata("beta")) {
    refuse("ready", name, `a READY with ${description}`, make({ serverMetadata: metadata }).ready, error)
  }

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

  return {
    description,
    fields,
    sessions: [
      session("binary", "both offer binary records", true, true),
      session("text", "neither offers binary records", false, false),
      session("mixed", "only the server offers binary records", false, true)
    ],
    accepted,
    refused
  }
}
