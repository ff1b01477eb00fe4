/**
 * What is kept on a topic, as bytes (protocol section 22): signed by its publisher, and under the network key, where there is one. It says itself on
 * which topic and in which network it is, from whom, when, and which number it is among those of its publisher, so that nobody can move it elsewhere.
 *
 * What bites: whoever keeps them can keep some back, and give them again to whoever has forgotten that they came.
 */
import type { Crypto, KeyPair } from "@pnet/core/Crypto"
import { type NetworkId, NodeName } from "@pnet/core/Packet"
import * as PublicKey from "@pnet/core/PublicKey"
import type * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { concat, label, Reader, u64 } from "../bytes.ts"
import { isId } from "../mail/letter.ts"
import { utf8 } from "../platform.ts"
import * as Names from "./names.ts"
import * as Signature from "./signature.ts"

const prefix = utf8("PnetKEPT")
const version = 1
const keyAt = prefix.length + 1
const signatureAt = keyAt + PublicKey.byteLength
const bodyAt = signatureAt + Signature.length

/** Bytes of the name of a run of a publisher. */
export const runLength = 8

/** Bytes that an item without a value and a key has at most. */
export const overhead = 1_280

/** What values are: those of a Schema and others that are JSON, or bytes. */
export type Kind = "json" | "bytes"

const kinds: ReadonlyArray<Kind> = ["json", "bytes"]

/** What is signed. */
export interface Item {
  readonly topic: string
  readonly from: { readonly name: NodeName; readonly publicKey: PublicKey.PublicKey }
  readonly id: string
  /** Milliseconds since the epoch. */
  readonly at: number
  /** As hexadecimal digits: another each time that a publisher starts. */
  readonly run: string
  /** Among those of this run on this topic, from 1 on. */
  readonly number: number
  /** `""`: none. */
  readonly key: string
  readonly kind: Kind
  readonly payload: Uint8Array
}

/** Why an item cannot be read. */
export type Fault = "Malformed" | "WrongNetworkKey" | "Forged" | "OtherNetwork"

export interface Sealing {
  readonly crypto: Crypto["Service"]
  readonly networkId: NetworkId
  /** The network keys as bytes, the first of which encrypts; none on a network in clear. */
  readonly networkKeys: ReadonlyArray<Redacted.Redacted<Uint8Array>>
}

const bytesOf = (hex: string): Uint8Array =>
  Uint8Array.from({ length: hex.length / 2 }, (_, i) => Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16))
const hexOf = (bytes: Uint8Array): string => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")

/** Seals an item. `random` and `iv` are given for vectors only. */
export const seal = (
  { crypto, networkId, networkKeys }: Sealing,
  identity: KeyPair,
  { at, from, id, key, kind, number, payload, run, topic }: Item,
  random?: Uint8Array,
  iv?: Uint8Array
): Uint8Array => {
  const head = concat(prefix, Uint8Array.of(version), PublicKey.toBytes(identity.publicKey))
  const body = concat(
    label(networkId),
    label(from.name),
    label(topic),
    label(id),
    u64(at),
    bytesOf(run),
    u64(number),
    label(key),
    Uint8Array.of(kinds.indexOf(kind)),
    payload
  )
  const sealed = concat(head, Signature.sign(crypto, identity, concat(head, body), random), body)
  const [networkKey] = networkKeys
  return networkKey === undefined ? sealed : crypto.fernetEncrypt(networkKey, sealed, at, iv)
}

/** The last moment that has a date. */
const lastTime = 8.64e15

const isName = Schema.is(NodeName)

// Making one costs as much as to verify.
const mostKeys = 1_024
const edwards = new Map<PublicKey.PublicKey, Uint8Array>()

const edwardsOf = (publicKey: PublicKey.PublicKey): Uint8Array => {
  const known = edwards.get(publicKey)
  if (known !== undefined) return known
  if (edwards.size >= mostKeys) edwards.clear()
  const made = Signature.edwardsOf(publicKey)
  edwards.set(publicKey, made)
  return made
}

/** Opens an item of this network. */
export const open = (
  { crypto, networkId, networkKeys }: Sealing,
  bytes: Uint8Array,
  now: number
): Result.Result<Item, Fault> => {
  let sealed = bytes
  if (networkKeys.length > 0) {
    const opened = crypto.fernetDecrypt(networkKeys, bytes, now, Infinity)
    if (Result.isFailure(opened)) return Result.fail("WrongNetworkKey")
    sealed = opened.success.plaintext
  }
  const isOurs = sealed.length > bodyAt && prefix.every((byte, i) => sealed[i] === byte) &&
    sealed[prefix.length] === version
  const publicKey = isOurs ? PublicKey.fromBytes(sealed.subarray(keyAt, signatureAt)) : undefined
  if (publicKey === undefined) return Result.fail("Malformed")
  const body = sealed.subarray(bodyAt)
  const signed = concat(sealed.subarray(0, signatureAt), body)
  if (!crypto.verify(edwardsOf(publicKey), signed, sealed.slice(signatureAt, bodyAt))) return Result.fail("Forged")
  const reader = new Reader(body)
  const [network, name, topic, id] = [reader.label(), reader.label(), reader.label(), reader.label()]
  const at = reader.u64()
  const run = hexOf(reader.take(runLength))
  const number = reader.u64()
  const key = reader.label()
  const kind = kinds[reader.take(1)[0] ?? kinds.length]
  if (
    reader.isShort || kind === undefined || !isName(name) || !isId(id) || !Number.isSafeInteger(number) ||
    at > lastTime || Names.wrongWith(topic, false) !== undefined
  ) return Result.fail("Malformed")
  if (network !== networkId) return Result.fail("OtherNetwork")
  return Result.succeed({ topic, from: { name, publicKey }, id, at, run, number, key, kind, payload: reader.rest() })
}
