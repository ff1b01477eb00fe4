/**
 * The handshake of a session made by hand, for the vectors and the tests, and what may and may not be said in it.
 *
 * `build` makes the four commands from nothing but key pairs, fixed random bytes and `Crypto`'s boxes, step by step as
 * protocol section 4 and RFC 26 have them, and shares no code with the library; any field can be given another value, so
 * it also makes commands that are sealed right and say something wrong. `scripted` is a `Crypto` that draws given bytes.
 */
import type { Crypto, KeyPair, SharedKey } from "@pnet/core/Crypto"
import * as PublicKey from "@pnet/core/PublicKey"
import * as Redacted from "effect/Redacted"
import { concat, ofHex, range, u32, u64, utf8 } from "./bytes.ts"

type Service = Crypto["Service"]

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

/** What a command that may not be said leads to. */
export type Refusal = "ERR_HANDSHAKE" | "ERR_PUBLIC_KEY" | "ERR_NETWORK_INCORRECT" | "violation"

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
): ReadonlyArray<readonly [name: string, description: string, metadata: Uint8Array, error: Refusal]> => {
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

/** Metadata that has to be accepted, whether it offers binary records, and which features it says, of those that there are. */
export const goodMetadata = (
  name: string
): ReadonlyArray<
  readonly [
    name: string,
    description: string,
    metadata: Uint8Array,
    binary: boolean,
    features: ReadonlyArray<"headers">
  ]
> => {
  const good = pnet(name)
  const plain: ReadonlyArray<readonly [name: string, description: string, metadata: Uint8Array, binary: boolean]> = [
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
    ["framing-empty", "an empty framing", metadata([...good, ["Framing", ""]]), false],
    ["name-empty", "a property without a name", metadata([["", "x"], ...good]), false]
  ]
  const featured: ReadonlyArray<
    readonly [name: string, description: string, value: string | Uint8Array, reads: boolean]
  > = [
    ["features", "that it reads headers", "headers", true],
    ["features-more", "the same, among features that are not known", "later,headers,", true],
    ["features-other", "features that are not known, one of which begins like it", "headers2,Headers, headers", false],
    ["features-empty", "empty features", "", false],
    ["features-bad-utf8", "features that are not UTF-8", Uint8Array.of(0xff, 0x2c), false]
  ]
  return [
    ...plain.map((one) => [...one, []] as const),
    ...featured.map(([name, description, value, reads]) =>
      [name, description, metadata([...good, ["Features", value]]), false, reads ? ["headers" as const] : []] as const
    )
  ]
}
