/**
 * Addresses of what has no IP address (protocol section 7): the subject of a broker, a URL. An advert has room for IP addresses alone,
 * so such an endpoint is an IPv6 unique local address that is derived from what it stands for: `fd70:6e74::/32`, and 96 bits of a
 * hash. The transport that it belongs to maps it; no other dials it.
 *
 * What bites: it is one-way. Who derives an address remembers what it stands for.
 *
 * @since 0.2.0
 */
import { sha256 } from "@noble/hashes/sha2.js"
import * as NetAddress from "effect/net/NetAddress"
import * as Result from "effect/Result"
import { utf8 } from "./internal/base/platform.ts"
import type { PublicKey } from "./PublicKey.ts"

/**
 * The 32 bits that every derived address begins with.
 *
 * @category constants
 * @since 0.2.0
 */
export const prefix = "fd70:6e74:"

// Whoever writes it in capitals means the same.
const derived = /^fd70:6e74:/i
const kinds = /^[a-z0-9-]{1,32}$/

const derive = (kind: string, what: "key" | "url", of: string): string => {
  if (!kinds.test(kind)) {
    throw new TypeError(`a kind of transport is 1 to 32 of a-z, 0-9 and "-", and "${kind}" was given`)
  }
  const hash = sha256(utf8(`pnet ${kind} ${what} ${of}`))
  let text = prefix
  for (let i = 0; i < 12; i += 2) text += `${((hash[i]! << 8) | hash[i + 1]!).toString(16)}${i < 10 ? ":" : ""}`
  const address = NetAddress.ipv6FromString(text)
  return Result.isSuccess(address) ? NetAddress.formatIp(address.success) : text
}

/**
 * The address of the node that has a key, by a kind of transport such as `nats`: 1 to 32 of `a-z`, `0-9` and `-`.
 *
 * @category constructors
 * @since 0.2.0
 */
export const ofKey = (kind: string, publicKey: PublicKey): string => derive(kind, "key", publicKey)

/**
 * The address of whatever is at a URL, where no key is known yet. The URL counts as `URL.href` writes it, without its fragment.
 *
 * @category constructors
 * @since 0.2.0
 */
export const ofUrl = (kind: string, url: string): string => derive(kind, "url", url.split("#", 1)[0]!)

/**
 * Whether a host is a derived address.
 *
 * @category guards
 * @since 0.2.0
 */
export const is = (host: string): boolean => derived.test(host)
