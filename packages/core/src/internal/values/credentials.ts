/**
 * The bytes of certificates and of lists of what was revoked (protocol section 15): each begins with the text of its kind and ends
 * with the signature of all before. Integers are big-endian; texts are UTF-8 behind their length, one byte; lists are in the order of
 * their bytes, and have nothing twice.
 *
 * What bites: one value has one form, so that what is signed is what is meant. Whatever decodes is encoded again and compared.
 */
import * as Schema from "effect/Schema"
import {
  type NetworkId,
  NetworkId as NetworkIdSchema,
  type NodeName,
  NodeName as NodeNameSchema
} from "../../Packet.ts"
import * as PublicKey from "../../PublicKey.ts"
import * as Rights from "../../Rights.ts"
import { compare, concat, equal, startsWith } from "../base/bytes.ts"
import { strictTextOf, utf8 } from "../base/platform.ts"

/**
 * What an authority says of a node.
 *
 * @category models
 * @since 0.2.0
 */
export interface Certificate {
  /** The network that it is for, and no other. */
  readonly networkId: NetworkId
  readonly publicKey: PublicKey.PublicKey
  /** The one name that the key has. */
  readonly name: NodeName
  /** Names this certificate, to revoke it; of two for one key, the greater is the newer, which holds. */
  readonly serial: number
  /** Milliseconds since the epoch. */
  readonly notBefore: number
  /** Milliseconds since the epoch. */
  readonly expires: number
  readonly rights: Rights.Rights
}

/**
 * What an authority takes back: all of it, each time. A list of a greater version takes the place of the one before.
 *
 * @category models
 * @since 0.2.0
 */
export interface Revocations {
  readonly networkId: NetworkId
  readonly version: number
  /** Certificates, by their serials. */
  readonly serials: ReadonlyArray<number>
  /** Keys of nodes, whatever certificate they have. */
  readonly publicKeys: ReadonlyArray<PublicKey.PublicKey>
}

/** What is to be signed: not looked at yet. */
type Unsigned<A> = {
  readonly [K in keyof A]: A[K] extends string ? string : A[K] extends ReadonlyArray<string> ? ReadonlyArray<string>
  : A[K]
}

export const signatureLength = 64
/** The bytes of a certificate at the most, with its signature. */
export const maxCertificate = 2_048
/** What a list may revoke at the most, and its bytes then. */
export const maxRevoked = 4_096

const certificateHead = utf8("pnet-certificate-1\n")
const revocationsHead = utf8("pnet-revocations-1\n")

export const maxRevocations = revocationsHead.length + 1 + 64 + 8 + 2 + 2 + maxRevoked * 32 + signatureLength

const isNetworkId = Schema.is(NetworkIdSchema)
const isNodeName = Schema.is(NodeNameSchema)
const isPattern = Schema.is(Rights.Pattern)
const isTopicPattern = Schema.is(Rights.TopicPattern)

/** The rights in the order of their bytes. */
const ofRights = ["roles", "serves", "calls", "publishes", "subscribes"] as const

export const isCount = (value: number): boolean => Number.isSafeInteger(value) && value >= 0

const integer = (value: number, length: 2 | 8): Uint8Array => {
  const out = new Uint8Array(length)
  let left = value
  for (let i = length - 1; i >= 0; i--) {
    out[i] = left % 256
    left = Math.floor(left / 256)
  }
  return out
}

const text = (value: string): Uint8Array => {
  const bytes = utf8(value)
  return concat([Uint8Array.of(bytes.length), bytes])
}

/** In the order of their bytes, each once. */
const ordered = (items: ReadonlyArray<Uint8Array>): ReadonlyArray<Uint8Array> =>
  [...items].sort(compare).filter((item, i, all) => i === 0 || compare(all[i - 1]!, item) !== 0)

const texts = (values: ReadonlyArray<string>): Uint8Array => {
  // By their texts, and not by the length before each.
  const items = ordered(values.map(utf8))
  return concat([
    Uint8Array.of(items.length),
    ...items.map((item) => concat([Uint8Array.of(item.length), item]))
  ])
}

const counted = (items: ReadonlyArray<Uint8Array>): Uint8Array => {
  const all = ordered(items)
  return concat([integer(all.length, 2), ...all])
}

/** What is signed of a certificate, or what is wrong with it. */
export const certificateBytes = (certificate: Unsigned<Certificate>): Uint8Array | string => {
  const { expires, name, networkId, notBefore, publicKey, rights, serial } = certificate
  if (!isNetworkId(networkId)) return "networkId is no id of a network"
  if (!isNodeName(name)) return "name is no name of a node"
  const key = PublicKey.fromText(publicKey)
  if (key === undefined) return "publicKey is no public key"
  if (!isCount(serial)) return "serial is no integer from 0 to 2^53-1"
  if (!isCount(notBefore) || !isCount(expires)) return "notBefore and expires are no milliseconds since the epoch"
  if (expires <= notBefore) return "it expires before it begins"
  for (const right of ofRights) {
    const list = rights[right]
    const isTopics = right === "publishes" || right === "subscribes"
    const wrong = list.find((name) => isTopics ? !isTopicPattern(name) : !isPattern(name))
    if (wrong !== undefined) {
      const form = isTopics ? "of which one may end in *, and without >" : "of which one may end in *"
      return `${JSON.stringify(wrong)}, of ${right}, is no name of 1 to 255 bytes, ${form}`
    }
    if (new Set(list).size > 255) return `${right} has over 255 names`
  }
  const bytes = concat([
    certificateHead,
    text(networkId),
    PublicKey.toBytes(key),
    text(name),
    integer(serial, 8),
    integer(notBefore, 8),
    integer(expires, 8),
    ...ofRights.map((right) => texts(rights[right]))
  ])
  return bytes.length + signatureLength <= maxCertificate
    ? bytes
    : `it is ${
      bytes.length + signatureLength
    } bytes, and may be ${maxCertificate}: grant names by their beginnings and *`
}

/** What is signed of a list, or what is wrong with it. */
export const revocationsBytes = (revocations: Unsigned<Revocations>): Uint8Array | string => {
  const { networkId, publicKeys, serials, version } = revocations
  if (!isNetworkId(networkId)) return "networkId is no id of a network"
  if (!isCount(version) || version === 0) return "version is no integer from 1 to 2^53-1"
  if (!serials.every(isCount)) return "a serial is no integer from 0 to 2^53-1"
  const keys = publicKeys.map(PublicKey.fromText)
  if (!keys.every((key) => key !== undefined)) return "a public key is none"
  if (new Set(serials).size + new Set(publicKeys).size > maxRevoked) {
    return `it revokes over ${maxRevoked}: leave out what has expired`
  }
  return concat([
    revocationsHead,
    text(networkId),
    integer(version, 8),
    counted(serials.map((serial) => integer(serial, 8))),
    counted(keys.map(PublicKey.toBytes))
  ])
}

/** Past the end it reads what is not there, which is found out when it is encoded again. */
class Reader {
  readonly #bytes: Uint8Array
  #at: number
  constructor(bytes: Uint8Array, at: number) {
    this.#bytes = bytes
    this.#at = at
  }
  take(length: number): Uint8Array {
    return this.#bytes.subarray(this.#at, this.#at += length)
  }
  integer(length: 2 | 8): number {
    return this.take(length).reduce((value, byte) => value * 256 + byte, 0)
  }
  text(): string {
    return strictTextOf(this.take(this.take(1)[0] ?? 0)) ?? ""
  }
  texts(): ReadonlyArray<string> {
    return Array.from({ length: this.take(1)[0] ?? 0 }, () => this.text())
  }
}

/** What was read, where it has this very form: the one that its signature is of. */
const same = <A>(value: A, signed: Uint8Array, encode: (value: A) => Uint8Array | string): A | undefined => {
  const again = encode(value)
  return typeof again !== "string" && equal(again, signed) ? value : undefined
}

/** The bytes that the signature is of. */
export const signedOf = (bytes: Uint8Array): Uint8Array =>
  bytes.subarray(0, Math.max(0, bytes.length - signatureLength))
export const signatureOf = (bytes: Uint8Array): Uint8Array => bytes.subarray(-signatureLength)

/** What a certificate says; `undefined` where it is none. Who signed it is not looked at. */
export const readCertificate = (bytes: Uint8Array): Certificate | undefined => {
  if (bytes.length > maxCertificate || !startsWith(bytes, certificateHead)) return undefined
  const signed = signedOf(bytes)
  const reader = new Reader(signed, certificateHead.length)
  const networkId = reader.text() as NetworkId
  const publicKey = PublicKey.fromBytes(reader.take(32))
  if (publicKey === undefined) return undefined
  const certificate: Certificate = {
    networkId,
    publicKey,
    name: reader.text() as NodeName,
    serial: reader.integer(8),
    notBefore: reader.integer(8),
    expires: reader.integer(8),
    rights: {
      roles: reader.texts(),
      serves: reader.texts(),
      calls: reader.texts(),
      publishes: reader.texts(),
      subscribes: reader.texts()
    }
  }
  return same(certificate, signed, certificateBytes)
}

/** What a list says; `undefined` where it is none. Who signed it is not looked at. */
export const readRevocations = (bytes: Uint8Array): Revocations | undefined => {
  if (bytes.length > maxRevocations || !startsWith(bytes, revocationsHead)) return undefined
  const signed = signedOf(bytes)
  const reader = new Reader(signed, revocationsHead.length)
  const networkId = reader.text() as NetworkId
  const version = reader.integer(8)
  const serials = reader.integer(2)
  if (serials > maxRevoked) return undefined
  const revoked = Array.from({ length: serials }, () => reader.integer(8))
  const keys = reader.integer(2)
  if (keys > maxRevoked) return undefined
  const publicKeys: Array<PublicKey.PublicKey> = []
  for (let i = 0; i < keys; i++) {
    const key = PublicKey.fromBytes(reader.take(32))
    if (key === undefined) return undefined
    publicKeys.push(key)
  }
  return same({ networkId, version, serials: revoked, publicKeys }, signed, revocationsBytes)
}
