/** RAW: section 3 of the text. */
import type { Crypto } from "@pnet/core"
import { type Bytes, bytesOf, concat, equal, number, numberAt, textOf, utf8 } from "./bytes.ts"

export const prefix = utf8("\u0003RAW")
export const noncePrefix = utf8("PnetRAW-")

/** A body. Everything in it may be what it should not be. */
export interface Body {
  readonly version?: number
  readonly kind: number
  readonly to: Bytes
  readonly networkId: string | Bytes
  readonly networkSize?: number
  readonly name: string | Bytes
  readonly nameSize?: number
  readonly stamp: bigint
  readonly payload: Bytes
}

export const body = (of: Body): Bytes => {
  const networkId = bytesOf(of.networkId)
  const name = bytesOf(of.name)
  return concat(
    Uint8Array.of(of.version ?? 1, of.kind),
    of.to,
    Uint8Array.of(of.networkSize ?? networkId.length),
    networkId,
    Uint8Array.of(of.nameSize ?? name.length),
    name,
    number(of.stamp, 8),
    of.payload
  )
}

/** A command around a body that is sealed. */
export const seal = (
  crypto: Crypto.Crypto["Service"],
  shared: Crypto.SharedKey,
  plain: Bytes,
  nonceBegins: Bytes = noncePrefix
): Bytes => {
  const nonce = concat(nonceBegins, crypto.randomBytes(24 - nonceBegins.length))
  return concat(prefix, nonce, crypto.seal(shared, nonce, plain))
}

export interface Opened {
  readonly nonce: Bytes
  readonly version: number
  readonly kind: number
  readonly to: Bytes
  readonly networkId: string
  readonly name: string
  readonly stamp: bigint
  readonly payload: Bytes
}

/** What a command says; or why it says nothing. */
export const open = (
  crypto: Crypto.Crypto["Service"],
  shared: Crypto.SharedKey,
  command: Bytes
): Opened | string => {
  if (!equal(command.subarray(0, 4), prefix)) return "a command that is not RAW's"
  const nonce = command.slice(4, 28)
  if (!equal(nonce.subarray(0, 8), noncePrefix)) return "a nonce with another prefix"
  const plain = crypto.open(shared, nonce, command.slice(28))
  if (plain === undefined) return "a box that does not open"
  const n = plain[34] ?? 0
  const m = plain[35 + n] ?? 0
  if (plain.length < 44 + n + m) return `a body of ${plain.length} bytes`
  return {
    nonce,
    version: plain[0]!,
    kind: plain[1]!,
    to: plain.slice(2, 34),
    networkId: textOf(plain.subarray(35, 35 + n)),
    name: textOf(plain.subarray(36 + n, 36 + n + m)),
    stamp: numberAt(plain, 36 + n + m, 8),
    payload: plain.slice(44 + n + m)
  }
}
