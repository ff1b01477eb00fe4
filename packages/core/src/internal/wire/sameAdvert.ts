/** Whether bytes say what an advert said before, which costs no more than to compare them: most adverts say nothing new. */
import type { NodeName } from "../../Packet.ts"
import type { PublicKey } from "../../PublicKey.ts"
import { memoized } from "../base/bytes.ts"
import { utf8 } from "../base/platform.ts"

/** What an advert said. */
export interface Said {
  readonly name: NodeName
  readonly publicKey: PublicKey
  readonly endpoint: { readonly host: string; readonly port: number }
}

/** Where a text that begins at `at` ends in the bytes; -1 where another one stands there. */
const textAt = (bytes: Uint8Array, at: number, text: string): number => {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code > 0x7f) return encodedAt(bytes, at, utf8(text))
    if (bytes[at + i] !== code) return -1
  }
  return at + text.length
}

const encodedAt = (bytes: Uint8Array, at: number, text: Uint8Array): number => {
  for (let i = 0; i < text.length; i++) if (bytes[at + i] !== text[i]) return -1
  return at + text.length
}

/** Where `name@host:port` ends that begins at `at`, as an advert is written. What has another form, as IPv6 may have, is to be read. */
const advertAt = (bytes: Uint8Array, at: number, { endpoint: { host, port }, name }: Said): number => {
  let end = textAt(bytes, at, name)
  if (end < 0 || bytes[end] !== 0x40) return -1
  end++
  if (!host.includes(":")) end = textAt(bytes, end, host)
  else if (bytes[end] !== 0x5b) return -1
  else {
    end = textAt(bytes, end + 1, host)
    if (end < 0 || bytes[end++] !== 0x5d) return -1
  }
  return end < 0 || bytes[end] !== 0x3a ? -1 : textAt(bytes, end + 1, String(port))
}

/** Whether a text is the one of an advert, behind so many bytes of something else. */
export const isText = (text: Uint8Array, said: Said, at = 0): boolean => advertAt(text, at, said) === text.length

/** Whether a packet in clear is the one of an advert; `head` is all that stands before its text. */
export const isPacket = (bytes: Uint8Array, head: Uint8Array, said: Said): boolean => {
  let end = encodedAt(bytes, 0, head)
  if (end >= 0) end = advertAt(bytes, end, said)
  if (end < 0 || bytes[end] !== 0x7c) return false
  end = textAt(bytes, end + 1, said.publicKey)
  return end >= 0 && textAt(bytes, end, "|END\n") === bytes.length
}

// A key and what ends a packet.
const tailLength = 44 + 5

/** Whether bytes end as a packet of the key of an advert does. */
export const isOfKey = (bytes: Uint8Array, { publicKey }: Said): boolean => {
  const end = textAt(bytes, bytes.length - tailLength, publicKey)
  return end >= 0 && textAt(bytes, end, "|END\n") === bytes.length
}

/** What stands in the place of the text in a packet that begins with `head` and is of the key of an advert; it is the token of one, or anything. */
export const contentOf = (bytes: Uint8Array, head: Uint8Array, said: Said): Uint8Array | undefined => {
  const end = bytes.length - tailLength
  if (encodedAt(bytes, 0, head) < 0 || end <= head.length || bytes[end - 1] !== 0x7c) return undefined
  return isOfKey(bytes, said) ? bytes.subarray(head.length, end - 1) : undefined
}

/** What stands before the text of an advert of a network. */
export const headOf = memoized((networkId: string): Uint8Array => utf8(`${networkId}|adv|`))
