/**
 * A letter as bytes (protocol section 21): sealed for its receiver's key, who is not there, and under the network key, where there is one. It says
 * itself to whom, in which network, from whom and when, so that nobody can move it elsewhere.
 *
 * What bites: whoever keeps letters can give one again for as long as it is not too old. The id is there to see that.
 */
import { type Crypto, type KeyPair, nonceLength } from "@pnet/core/Crypto"
import { type NetworkId, NodeName } from "@pnet/core/Packet"
import * as PublicKey from "@pnet/core/PublicKey"
import type * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { concat, label, Reader, u64 } from "../bytes.ts"
import { utf8 } from "../platform.ts"

const prefix = utf8("PnetMAIL")
const noncePrefix = prefix
const version = 1
const keyAt = prefix.length + 1
const nonceAt = keyAt + PublicKey.byteLength
const randomLength = nonceLength - noncePrefix.length
const boxAt = nonceAt + randomLength

/** The least bytes that a letter without a payload adds, at most. */
export const overhead = 1_024

/** What is sealed. */
export interface Letter {
  readonly id: string
  readonly from: { readonly name: NodeName; readonly publicKey: PublicKey.PublicKey }
  /** Milliseconds since the epoch. */
  readonly postedAt: number
  readonly payload: Uint8Array
}

/** Why a letter cannot be read. */
export type Fault = "Malformed" | "WrongNetworkKey" | "NotForThisNode" | "TooOld" | "FromTheFuture"

export interface Sealing {
  readonly crypto: Crypto["Service"]
  readonly identity: KeyPair
  readonly networkId: NetworkId
  /** The network keys as bytes, the first of which encrypts; none on a network in clear. */
  readonly networkKeys: ReadonlyArray<Redacted.Redacted<Uint8Array>>
}

/** Whether a text is the id of a letter. */
export const isId = (text: string): boolean => /^[A-Za-z0-9_-]{1,64}$/.test(text)

/** Seals a letter. `random` and `iv` are given for vectors only. */
export const seal = (
  { crypto, identity, networkId, networkKeys }: Sealing,
  to: PublicKey.PublicKey,
  { from, id, payload, postedAt }: Letter,
  random: Uint8Array = crypto.randomBytes(randomLength),
  iv?: Uint8Array
): Uint8Array => {
  const body = concat(
    Uint8Array.of(version),
    PublicKey.toBytes(to),
    label(networkId),
    label(from.name),
    label(id),
    u64(postedAt),
    payload
  )
  const box = crypto.seal(crypto.sharedKey(to, identity.secretKey), concat(noncePrefix, random), body)
  const sealed = concat(prefix, Uint8Array.of(version), PublicKey.toBytes(identity.publicKey), random, box)
  const [networkKey] = networkKeys
  return networkKey === undefined ? sealed : crypto.fernetEncrypt(networkKey, sealed, postedAt, iv)
}

const isName = Schema.is(NodeName)

/** A minute that clocks may differ by. */
export const ahead = 60_000

/** Opens what was sealed for this node, no older than `maxAge`, and no more than `mostAhead` ahead of this clock. */
export const open = (
  { crypto, identity, networkId, networkKeys }: Sealing,
  bytes: Uint8Array,
  now: number,
  maxAge: number,
  mostAhead: number = ahead
): Result.Result<Letter, Fault> => {
  let sealed = bytes
  if (networkKeys.length > 0) {
    const opened = crypto.fernetDecrypt(networkKeys, bytes, now, Infinity)
    if (Result.isFailure(opened)) return Result.fail("WrongNetworkKey")
    sealed = opened.success.plaintext
  }
  const isOurs = sealed.length > boxAt && prefix.every((byte, i) => sealed[i] === byte) &&
    sealed[prefix.length] === version
  const publicKey = isOurs ? PublicKey.fromBytes(sealed.subarray(keyAt, nonceAt)) : undefined
  if (publicKey === undefined) return Result.fail("Malformed")
  const nonce = concat(noncePrefix, sealed.subarray(nonceAt, boxAt))
  const body = crypto.open(crypto.sharedKey(publicKey, identity.secretKey), nonce, sealed.subarray(boxAt))
  if (body === undefined) return Result.fail("NotForThisNode")
  const reader = new Reader(body)
  const isVersion = reader.take(1)[0] === version
  const to = PublicKey.fromBytes(reader.take(PublicKey.byteLength))
  const [network, name, id] = [reader.label(), reader.label(), reader.label()]
  const postedAt = reader.u64()
  if (reader.isShort || !isVersion || !isName(name) || !isId(id)) return Result.fail("Malformed")
  if (to !== identity.publicKey || network !== networkId) return Result.fail("NotForThisNode")
  if (postedAt > now + mostAhead) return Result.fail("FromTheFuture")
  if (postedAt < now - maxAge) return Result.fail("TooOld")
  return Result.succeed({ id, from: { name, publicKey }, postedAt, payload: reader.rest() })
}
