/** The handshake of a session and its MESSAGEs: section 4 of the text. Everything may be what it should not be. */
import { type Crypto, PublicKey } from "@pnet/core"
import { Redacted } from "effect"
import { type Bytes, bytesOf, concat, equal, number, numberAt, textOf, utf8 } from "./bytes.ts"

type C = Crypto.Crypto["Service"]

/** A key pair, as bytes. */
export interface Pair {
  readonly public: Bytes
  readonly secret: Redacted.Redacted<Bytes>
}

export const pairOf = (pair: Crypto.KeyPair): Pair => ({
  public: PublicKey.toBytes(pair.publicKey),
  secret: pair.secretKey
})

/** The key of a box between two. */
export const between = (
  crypto: C,
  publicKey: Bytes,
  secret: Redacted.Redacted<Bytes>
): Crypto.SharedKey | undefined => {
  const key = PublicKey.fromBytes(publicKey)
  return key === undefined ? undefined : crypto.sharedKey(key, secret)
}

const shortNonce = (prefix: string, n: number | bigint): Bytes => concat(utf8(prefix), number(n, 8))
const zeros = (size: number): Bytes => new Uint8Array(size)

export const names = {
  hello: utf8("\u0005HELLO"),
  welcome: utf8("\u0007WELCOME"),
  initiate: utf8("\u0008INITIATE"),
  ready: utf8("\u0005READY"),
  message: utf8("\u0007MESSAGE")
} as const

const begins = (command: Bytes, name: Bytes): boolean => equal(command.subarray(0, name.length), name)

// --- metadata ----------------------------------------------------------------------------------------------------------------

export type Property = readonly [name: string | Bytes, value: string | Bytes]

export const metadata = (properties: ReadonlyArray<Property>): Bytes =>
  concat(...properties.flatMap(([name, value]) => {
    const [n, v] = [bytesOf(name), bytesOf(value)]
    return [Uint8Array.of(n.length), n, number(v.length, 4), v]
  }))

/** The properties, by names in small letters; or why they are none. */
export const readMetadata = (bytes: Bytes): Map<string, string> | string => {
  const found = new Map<string, string>()
  for (let at = 0; at < bytes.length;) {
    const n = bytes[at]!
    const name = textOf(bytes.subarray(at + 1, at + 1 + n))
    const m = Number(numberAt(bytes, at + 1 + n, 4))
    const end = at + 5 + n + m
    if (end > bytes.length) return "metadata that is cut short"
    if (!/^[\w.+-]{1,255}$/.test(name)) return `a property with the name ${JSON.stringify(name)}`
    if (found.has(name.toLowerCase())) return `the property ${name} twice`
    found.set(name.toLowerCase(), textOf(bytes.subarray(at + 5 + n, end)))
    at = end
  }
  return found
}

// --- the client's commands ---------------------------------------------------------------------------------------------------

export interface HelloOptions {
  readonly version?: Bytes
  readonly padding?: Bytes
  readonly claimed?: Bytes
  readonly nonce?: number
  /** The nonce in clear, where it is not the box's. */
  readonly claimedNonce?: number
  readonly plain?: Bytes
  readonly damage?: (box: Bytes) => Bytes
}

export const hello = (crypto: C, mine: Pair, server: Bytes, of: HelloOptions = {}): Bytes => {
  const nonce = of.nonce ?? 1
  const box = crypto.seal(
    between(crypto, server, mine.secret)!,
    shortNonce("CurveZMQHELLO---", nonce),
    of.plain ?? zeros(64)
  )
  return concat(
    names.hello,
    of.version ?? Uint8Array.of(1, 0),
    of.padding ?? zeros(72),
    of.claimed ?? mine.public,
    number(of.claimedNonce ?? nonce, 8),
    (of.damage ?? ((same) => same))(box)
  )
}

export interface Welcome {
  /** S' */
  readonly server: Bytes
  readonly cookie: Bytes
}

export const openWelcome = (crypto: C, mine: Pair, server: Bytes, command: Bytes): Welcome | string => {
  if (!begins(command, names.welcome)) return "a command that is no WELCOME"
  if (command.length !== 168) return `a WELCOME of ${command.length} bytes`
  const plain = crypto.open(
    between(crypto, server, mine.secret)!,
    concat(utf8("WELCOME-"), command.subarray(8, 24)),
    command.slice(24)
  )
  return plain === undefined
    ? "a WELCOME whose box does not open"
    : { server: plain.slice(0, 32), cookie: plain.slice(32) }
}

export interface InitiateOptions {
  readonly cookie?: Bytes
  readonly nonce?: number
  /** C, as the box has it. */
  readonly claimed?: Bytes
  /** Whose secret makes the vouch. */
  readonly vouching?: Pair
  readonly vouchClient?: Bytes
  readonly vouchServer?: Bytes
  readonly metadata?: Bytes
  readonly damage?: (command: Bytes) => Bytes
}

export const initiate = (
  crypto: C,
  mine: Pair,
  identity: Pair,
  server: Bytes,
  welcome: Welcome,
  properties: ReadonlyArray<Property>,
  of: InitiateOptions = {}
): Bytes => {
  const nonce = of.nonce ?? 2
  const vouchNonce = concat(utf8("VOUCH---"), crypto.randomBytes(16))
  const vouch = crypto.seal(
    between(crypto, welcome.server, (of.vouching ?? identity).secret)!,
    vouchNonce,
    concat(of.vouchClient ?? mine.public, of.vouchServer ?? server)
  )
  const plain = concat(
    of.claimed ?? identity.public,
    vouchNonce.subarray(8),
    vouch,
    of.metadata ?? metadata(properties)
  )
  const box = crypto.seal(
    between(crypto, welcome.server, mine.secret)!,
    shortNonce("CurveZMQINITIATE", nonce),
    plain
  )
  const command = concat(names.initiate, of.cookie ?? welcome.cookie, number(nonce, 8), box)
  return (of.damage ?? ((same) => same))(command)
}

/** The metadata of a READY; or why there is none. */
export const openReady = (crypto: C, shared: Crypto.SharedKey, command: Bytes): Bytes | string => {
  if (!begins(command, names.ready)) return "a command that is no READY"
  const nonce = numberAt(command, 6, 8)
  if (nonce !== 1n) return `a READY with the nonce ${nonce}`
  return crypto.open(shared, shortNonce("CurveZMQREADY---", 1), command.slice(14)) ?? "a READY whose box does not open"
}

// --- the server's commands ---------------------------------------------------------------------------------------------------

/** C' of a HELLO to this key; or what is wrong with it. */
export const openHello = (crypto: C, identity: Pair, command: Bytes): Bytes | string => {
  if (!begins(command, names.hello)) return "a command that is no HELLO"
  if (command.length !== 200) return `a HELLO of ${command.length} bytes`
  if (!equal(command.subarray(6, 8), Uint8Array.of(1, 0))) return "a HELLO of another version"
  if (command.subarray(8, 80).some((byte) => byte !== 0)) return "a HELLO whose padding is not zeros"
  if (numberAt(command, 112, 8) !== 1n) return `a HELLO with the nonce ${numberAt(command, 112, 8)}`
  const client = command.slice(80, 112)
  const shared = between(crypto, client, identity.secret)
  if (shared === undefined) return "a HELLO with an invalid key"
  const plain = crypto.open(shared, shortNonce("CurveZMQHELLO---", 1), command.slice(120))
  if (plain === undefined) return "a HELLO whose box does not open"
  return plain.length === 64 && plain.every((byte) => byte === 0) ? client : "a HELLO whose box does not hold zeros"
}

export interface WelcomeOptions {
  /** S', as the box has it. */
  readonly claimed?: Bytes
  readonly damage?: (command: Bytes) => Bytes
}

/** A WELCOME. The cookie is the server's alone: here it is chance, and kept. */
export const welcome = (
  crypto: C,
  mine: Pair,
  identity: Pair,
  client: Bytes,
  cookie: Bytes,
  of: WelcomeOptions = {}
): Bytes => {
  const nonce = concat(utf8("WELCOME-"), crypto.randomBytes(16))
  const box = crypto.seal(
    between(crypto, client, identity.secret)!,
    nonce,
    concat(of.claimed ?? mine.public, cookie)
  )
  return (of.damage ?? ((same) => same))(concat(names.welcome, nonce.subarray(8), box))
}

export interface Initiated {
  readonly cookie: Bytes
  /** C */
  readonly client: Bytes
  readonly metadata: Bytes
}

/** What an INITIATE proves; or what is wrong with it. */
export const openInitiate = (
  crypto: C,
  mine: Pair,
  server: Bytes,
  short: Bytes,
  command: Bytes
): Initiated | string => {
  if (!begins(command, names.initiate)) return "a command that is no INITIATE"
  if (command.length < 257) return `an INITIATE of ${command.length} bytes`
  const nonce = numberAt(command, 105, 8)
  if (nonce !== 2n) return `an INITIATE with the nonce ${nonce}`
  const plain = crypto.open(
    between(crypto, short, mine.secret)!,
    shortNonce("CurveZMQINITIATE", 2),
    command.slice(113)
  )
  if (plain === undefined) return "an INITIATE whose box does not open"
  const client = plain.slice(0, 32)
  const key = between(crypto, client, mine.secret)
  if (key === undefined) return "an INITIATE with an invalid key"
  const vouch = crypto.open(key, concat(utf8("VOUCH---"), plain.subarray(32, 48)), plain.slice(48, 128))
  if (vouch === undefined) return "an INITIATE whose vouch does not open"
  if (!equal(vouch, concat(short, server))) return "an INITIATE whose vouch is for others"
  return { cookie: command.slice(9, 105), client, metadata: plain.slice(128) }
}

export const ready = (
  crypto: C,
  shared: Crypto.SharedKey,
  properties: ReadonlyArray<Property>,
  nonce = 1
): Bytes =>
  concat(
    names.ready,
    number(nonce, 8),
    crypto.seal(shared, shortNonce("CurveZMQREADY---", nonce), metadata(properties))
  )

// --- messages ----------------------------------------------------------------------------------------------------------------

export type Role = "client" | "server"

const messageNonce = (role: Role, nonce: number | bigint) =>
  shortNonce(role === "client" ? "CurveZMQMESSAGEC" : "CurveZMQMESSAGES", nonce)

export const message = (
  crypto: C,
  shared: Crypto.SharedKey,
  role: Role,
  nonce: number,
  flags: number,
  payload: Bytes
): Bytes =>
  concat(
    names.message,
    number(nonce, 8),
    crypto.seal(shared, messageNonce(role, nonce), concat(Uint8Array.of(flags), payload))
  )

/** Flags and payload of a MESSAGE with this nonce; or what is wrong with it. */
export const openMessage = (
  crypto: C,
  shared: Crypto.SharedKey,
  role: Role,
  nonce: number,
  command: Bytes
): { readonly flags: number; readonly payload: Bytes } | string => {
  if (!begins(command, names.message)) return "a command that is no MESSAGE"
  const came = numberAt(command, 8, 8)
  if (came !== BigInt(nonce)) return `a MESSAGE with the nonce ${came}, where ${nonce} is next`
  const plain = crypto.open(shared, messageNonce(role, nonce), command.slice(16))
  if (plain === undefined || plain.length === 0) return "a MESSAGE whose box does not open"
  return { flags: plain[0]!, payload: plain.slice(1) }
}
