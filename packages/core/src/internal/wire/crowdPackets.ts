/**
 * What nodes of a crowd, a LAN of many, say to each other besides adverts (protocol section 7): `who`, which asks for adverts, of few, too, and
 * `ask`, which names keys that are in doubt. Both travel in datagrams alone.
 *
 * The content of a `who` is `request,name@host:port`: the advert is its sender's own. With an empty request it asks the one that it was sent to. With one it
 * asks every node that hears it and is not known to the sender, as a filter says: so of many only those answer of whom that is news.
 */
import * as Result from "effect/Result"
import * as Advert from "../../Advert.ts"
import type { Endpoint } from "../../Network.ts"
import * as Packet from "../../Packet.ts"
import * as ProtocolError from "../../ProtocolError.ts"
import * as PublicKey from "../../PublicKey.ts"
import * as Base64Url from "../base/base64url.ts"
import { equal } from "../base/bytes.ts"
import { strictTextOf, utf8 } from "../base/platform.ts"
import type { Heard, Self } from "./advertExchange.ts"

/** The keys of a slice that are known, a few of the others among them. */
export interface Request {
  /** Into so many slices the keys are divided, 1 to 255, and which one is asked for. */
  readonly slices: number
  readonly slice: number
  /** Makes those that are taken for known by mistake others each time, 32 bits. */
  readonly salt: number
  readonly bits: Uint8Array
}

// slices, slice, salt.
const requestHead = 6
const positions = 4

/** The most keys of an `ask`, so that it fits also as a token. */
export const keysPerAsk = 16

/**
 * The bytes of the filter that this implementation sends, which fits also as a token, and for how many keys: 8 bits a key, of which one
 * in 40 is taken for known.
 */
const filterLength = 500
const keysPerFilter = 500

/** Which slice a key is in. */
export const sliceOf = (key: Uint8Array, slices: number): number => (key[0]! + 256 * key[1]!) % slices

/** The last step of MurmurHash3, by which each bit depends on all. */
const mixed = (word: number): number => {
  let x = word ^ word >>> 16
  x = Math.imul(x, 0x85ebca6b)
  x = Math.imul(x ^ x >>> 13, 0xc2b2ae35)
  return (x ^ x >>> 16) >>> 0
}

/** The FNV-1a hash of salt and key. */
const hashOf = (key: Uint8Array, salt: number): number => {
  let hash = 0x811c9dc5
  for (let shift = 24; shift >= 0; shift -= 8) hash = Math.imul(hash ^ (salt >>> shift & 0xff), 0x01000193)
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key[i]!, 0x01000193)
  return hash >>> 0
}

/** Where the first of a key's bits is, of any number of them. */
const firstOf = (hash: number): number => mixed(hash)

/** How far they are from each other: the hash goes on over one byte more. */
const stepOf = (hash: number): number => (mixed(Math.imul(hash ^ 1, 0x01000193) >>> 0) | 1) >>> 0

/** Takes a key for known. */
export const mark = ({ bits, salt }: Request, key: Uint8Array): void => {
  const hash = hashOf(key, salt)
  const first = firstOf(hash)
  const step = stepOf(hash)
  for (let i = 0; i < positions; i++) {
    const place = (first + i * step) % (bits.length * 8)
    bits[place >>> 3]! |= 1 << (place & 7)
  }
}

/** The requests for all keys but those that are known; in as many slices as their filters have room for. */
export const requests = (known: Iterable<PublicKey.PublicKey>, count: number, salt: number): ReadonlyArray<Request> => {
  const slices = Math.min(255, Math.max(1, Math.ceil(count / keysPerFilter)))
  const all = Array.from({ length: slices }, (_, slice): Request => ({
    slices,
    slice,
    salt,
    bits: new Uint8Array(filterLength)
  }))
  for (const publicKey of known) {
    const key = PublicKey.toBytes(publicKey)
    mark(all[sliceOf(key, slices)]!, key)
  }
  return all
}

/** Whether a request is for a key: it is in the slice, and not known. All of a crowd look whenever somebody asks. */
export const isFor = ({ bits, salt, slice, slices }: Request, key: Uint8Array): boolean => {
  if (sliceOf(key, slices) !== slice) return false
  const hash = hashOf(key, salt)
  const first = firstOf(hash)
  const step = stepOf(hash)
  for (let i = 0; i < positions; i++) {
    const place = (first + i * step) % (bits.length * 8)
    if ((bits[place >>> 3]! >> (place & 7) & 1) === 0) return true
  }
  return false
}

// All nodes of a process hear a question one after another, as those of a simulation do: it is read once.
let lastText = new Uint8Array(0)
let lastRequest: Request | undefined

/** A request as bytes, which are base64url in its packet. */
export const requestBytes = ({ bits, salt, slice, slices }: Request): Uint8Array => {
  const bytes = new Uint8Array(requestHead + bits.length)
  bytes[0] = slices
  bytes[1] = slice
  new DataView(bytes.buffer).setUint32(2, salt)
  bytes.set(bits, requestHead)
  return bytes
}

/** The request of some bytes, or `undefined` where they are none. */
export const requestOf = (bytes: Uint8Array): Request | undefined => {
  if (bytes.length <= requestHead) return undefined
  const slices = bytes[0]!
  const slice = bytes[1]!
  const salt = new DataView(bytes.buffer, bytes.byteOffset).getUint32(2)
  return slice >= slices ? undefined : { slices, slice, salt, bits: bytes.subarray(requestHead) }
}

/** The request of some bytes that are base64url. */
const readRequest = (text: Uint8Array): Request | undefined => {
  if (equal(text, lastText)) return lastRequest
  const bytes = Base64Url.decode(text)
  lastText = text.slice()
  return lastRequest = bytes === undefined ? undefined : requestOf(bytes)
}

/** The `who` packet of a node that listens at the endpoint. */
export const who = (self: Self, endpoint: Endpoint, request: Request | undefined): Uint8Array => {
  const { publicKey } = self.identity
  const head = request === undefined ? new Uint8Array(0) : Base64Url.encode(requestBytes(request))
  const advert = Advert.encode({ name: self.name, ...endpoint })
  const text = new Uint8Array(head.length + 1 + advert.length)
  text.set(head)
  text[head.length] = 0x2c
  text.set(advert, head.length + 1)
  return Packet.encode({
    networkId: self.networkId,
    type: "who",
    content: self.cipher.seal("who", publicKey, text),
    publicKey
  })
}

/** A `who` that was read, or an advert, which has no request. */
export interface Who extends Heard {
  readonly request?: Request | undefined
}

/** Opens the content of a `who` packet. */
export const readWho = (self: Self, packet: Packet.Packet): Result.Result<Who, ProtocolError.ProtocolError> =>
  Result.flatMap(self.cipher.open(packet), ({ text, timestamp }) => {
    const comma = text.indexOf(0x2c)
    const request = comma > 0 ? readRequest(text.subarray(0, comma)) : undefined
    if (comma < 0 || comma > 0 && request === undefined) return Result.fail(ProtocolError.local("ERR_ADV_FORMAT"))
    const { publicKey } = packet
    if (publicKey === null) return Result.fail(ProtocolError.local("ERR_PUBLIC_KEY"))
    return Result.map(
      Advert.decode(text.subarray(comma + 1)),
      (advert): Who => ({ advert, publicKey, timestamp, request })
    )
  })

/** The `ask` packet for some keys. */
export const ask = (self: Self, keys: ReadonlyArray<PublicKey.PublicKey>): Uint8Array => {
  const { publicKey } = self.identity
  const content = self.cipher.seal("ask", publicKey, utf8(keys.join(",")))
  return Packet.encode({ networkId: self.networkId, type: "ask", content, publicKey })
}

/** An `ask` that was read: its keys, whose it is, and on a network with a key when it was made, in seconds. */
export interface Ask {
  readonly keys: ReadonlyArray<PublicKey.PublicKey>
  readonly publicKey: PublicKey.PublicKey
  readonly timestamp: number | undefined
}

/** Opens the content of an `ask` packet. */
export const readAsk = (self: Self, packet: Packet.Packet): Result.Result<Ask, ProtocolError.ProtocolError> =>
  Result.flatMap(self.cipher.open(packet), ({ text, timestamp }) => {
    const { publicKey } = packet
    if (publicKey === null) return Result.fail(ProtocolError.local("ERR_PUBLIC_KEY"))
    return Result.map(decodeAsk(text), (keys) => ({ keys, publicKey, timestamp }))
  })

/** The keys of an `ask`. */
export const decodeAsk = (
  text: Uint8Array
): Result.Result<ReadonlyArray<PublicKey.PublicKey>, ProtocolError.ProtocolError> => {
  const parts = strictTextOf(text)?.split(",", keysPerAsk + 1) ?? []
  const keys = parts.map((part) => PublicKey.fromText(part))
  return parts.length <= keysPerAsk && keys.every((key) => key !== undefined)
    ? Result.succeed(keys)
    : Result.fail(ProtocolError.local("ERR_ADV_FORMAT"))
}
