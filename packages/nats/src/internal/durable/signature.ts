/**
 * Signatures by a node's own key, which is one of X25519: XEdDSA (protocol section 22). They are verified as those of Ed25519, by the key's point
 * of Edwards with an even x.
 *
 * What bites: the numbers here are big integers of JavaScript, whose time depends a little on what they are. So each secret number that a point is
 * multiplied by is blinded, and the nonce is drawn besides being derived.
 */
import { sha512 } from "@noble/hashes/sha2.js"
import type { Crypto, KeyPair } from "@pnet/core/Crypto"
import * as PublicKey from "@pnet/core/PublicKey"
import * as Redacted from "effect/Redacted"
import { concat } from "../bytes.ts"

/** Bytes of a signature. */
export const length = 64

const prime = 2n ** 255n - 19n
const order = 2n ** 252n + 27_742_317_777_372_353_535_851_937_790_883_648_493n

const modulo = (value: bigint, by: bigint): bigint => {
  const rest = value % by
  return rest < 0n ? rest + by : rest
}

const ofBytes = (bytes: Uint8Array): bigint => {
  let hex = "0x0"
  for (let i = bytes.length - 1; i >= 0; i--) hex += bytes[i]!.toString(16).padStart(2, "0")
  return BigInt(hex)
}

const toBytes = (value: bigint): Uint8Array => {
  const hex = value.toString(16).padStart(64, "0")
  return Uint8Array.from({ length: 32 }, (_, i) => Number.parseInt(hex.slice(62 - 2 * i, 64 - 2 * i), 16))
}

const power = (base: bigint, exponent: bigint): bigint => {
  let result = 1n
  let square = base
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if ((rest & 1n) === 1n) result = (result * square) % prime
    square = (square * square) % prime
  }
  return result
}

const inverse = (value: bigint): bigint => power(modulo(value, prime), prime - 2n)

/** Extended coordinates: x = X/Z, y = Y/Z, xy = T/Z. */
interface Point {
  readonly x: bigint
  readonly y: bigint
  readonly z: bigint
  readonly t: bigint
}

const d2 = modulo(2n * -121_665n * inverse(121_666n), prime)
const neutral: Point = { x: 0n, y: 1n, z: 1n, t: 0n }

/** The sum of any two points, a point and itself too. */
const add = (p: Point, q: Point): Point => {
  const a = ((p.y - p.x) * (q.y - q.x)) % prime
  const b = ((p.y + p.x) * (q.y + q.x)) % prime
  const c = (((p.t * q.t) % prime) * d2) % prime
  const d = (2n * p.z * q.z) % prime
  const [e, f, g, h] = [b - a, d - c, d + c, b + a]
  return {
    x: modulo(e * f, prime),
    y: modulo(g * h, prime),
    z: modulo(f * g, prime),
    t: modulo(e * h, prime)
  }
}

// Sixteen multiples of the base point for each four bits, of as many bits as a blinded scalar has.
const blinding = 8
const windows = (32 + blinding) * 2 + 1

const tables = (): ReadonlyArray<ReadonlyArray<Point>> => {
  const x = 15_112_221_349_535_400_772_501_151_409_588_531_511_454_012_693_041_857_206_046_113_283_949_847_762_202n
  const y = 46_316_835_694_926_478_169_428_394_003_475_163_141_307_993_866_256_225_615_783_033_603_165_251_855_960n
  let base: Point = { x, y, z: 1n, t: (x * y) % prime }
  return Array.from({ length: windows }, () => {
    const row = [neutral]
    for (let i = 1; i < 16; i++) row.push(add(row[i - 1]!, base))
    base = add(row[15]!, base)
    return row
  })
}
let multiples: ReadonlyArray<ReadonlyArray<Point>> | undefined

/** The base point so many times, as bytes. The scalar is below the order. */
const timesBase = (scalar: bigint, blind: Uint8Array): Uint8Array => {
  multiples ??= tables()
  let rest = scalar + ofBytes(blind) * order
  let sum = neutral
  for (const row of multiples) {
    sum = add(sum, row[Number(rest & 15n)]!)
    rest >>= 4n
  }
  const z = inverse(sum.z)
  const bytes = toBytes((sum.y * z) % prime)
  bytes[31]! |= Number((sum.x * z) % prime & 1n) << 7
  return bytes
}

const number = (...parts: ReadonlyArray<Uint8Array>): bigint => modulo(ofBytes(sha512(concat(...parts))), order)

interface Signing {
  readonly scalar: bigint
  readonly publicKey: Uint8Array
}
const known = new WeakMap<KeyPair, Signing>()

const signingOf = (crypto: Crypto["Service"], identity: KeyPair): Signing => {
  const found = known.get(identity)
  if (found !== undefined) return found
  const clamped = Redacted.value(identity.secretKey).slice()
  clamped[0]! &= 248
  clamped[31]! = clamped[31]! & 127 | 64
  const scalar = modulo(ofBytes(clamped), order)
  clamped.fill(0)
  const publicKey = timesBase(scalar, crypto.randomBytes(blinding))
  const isOdd = publicKey[31]! >> 7 === 1
  publicKey[31]! &= 127
  const made = { scalar: isOdd ? order - scalar : scalar, publicKey }
  known.set(identity, made)
  return made
}

// 2^256 - 2, which is the y of no point: what is hashed behind it is hashed nowhere else.
const first = new Uint8Array(32).fill(255)
first[0] = 254

/** The signature of a message by a node. `random` (64 bytes) is given for vectors only. */
export const sign = (
  crypto: Crypto["Service"],
  identity: KeyPair,
  message: Uint8Array,
  random: Uint8Array = concat(crypto.randomBytes(32), crypto.randomBytes(32))
): Uint8Array => {
  const { publicKey, scalar } = signingOf(crypto, identity)
  const nonce = number(first, toBytes(scalar), message, random)
  const commitment = timesBase(nonce, crypto.randomBytes(blinding))
  const challenge = number(commitment, publicKey, message)
  return concat(commitment, toBytes(modulo(nonce + challenge * scalar, order)))
}

/** The key of Ed25519 by which signatures of a node are verified. */
export const edwardsOf = (publicKey: PublicKey.PublicKey): Uint8Array => {
  const u = modulo(ofBytes(PublicKey.toBytes(publicKey)) & 2n ** 255n - 1n, prime)
  return toBytes(modulo((u - 1n) * inverse(u + 1n), prime))
}
