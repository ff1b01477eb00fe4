/** Packets, and what a network key puts around their contents: sections 1 and 2 of the text. */
import type { Crypto } from "@pnet/core"
import { Redacted, Result } from "effect"
import { base64, type Bytes, bytesOf, concat, equal, textOf, utf8 } from "./bytes.ts"

export interface Packet {
  readonly networkId: string
  readonly type: string
  readonly content: Bytes
  readonly key: string
}

/** A packet, of whatever it is given. */
export const packet = (
  networkId: string | Bytes,
  type: string,
  content: string | Bytes,
  key: string | Bytes,
  tail: string = "END\n"
): Bytes => {
  const bar = utf8("|")
  return concat(bytesOf(networkId), bar, utf8(type), bar, bytesOf(content), bar, bytesOf(key), bar, utf8(tail))
}

/** What a line says that has the form of a packet; or why it has not. */
export const parse = (line: Bytes): Packet | string => {
  const bars: Array<number> = []
  for (let at = line.indexOf(0x7c); at >= 0; at = line.indexOf(0x7c, at + 1)) bars.push(at)
  if (bars.length !== 4) return `${bars.length + 1} sections`
  const [a, b, c, d] = bars as [number, number, number, number]
  const networkId = textOf(line.subarray(0, a))
  const type = textOf(line.subarray(a + 1, b))
  const key = textOf(line.subarray(c + 1, d))
  const tail = textOf(line.subarray(d + 1))
  if (tail !== "END\n") return `the last section is ${JSON.stringify(tail)}`
  if (!/^(adv|msg|rsp|err|who|ask)$/.test(type)) return `the type ${type}`
  if (key === "" ? type !== "err" : !/^[\w-]{43}=$/.test(key)) return `the key ${JSON.stringify(key)}`
  return { networkId, type, content: line.slice(b + 1, c), key }
}

/** How a token is made that is not as it should be. */
export interface TokenOptions {
  readonly key?: Bytes | undefined
  /** Milliseconds since the epoch. */
  readonly at: number
  /** The envelope that it repeats. */
  readonly envelope?: string | undefined
}

/** The token in the place of a content. */
export const token = (
  crypto: Crypto.Crypto["Service"],
  networkKey: Bytes,
  envelope: string,
  content: Bytes,
  at: number
): Bytes => crypto.fernetEncrypt(Redacted.make(networkKey), concat(utf8(envelope), content), at)

/** The content that a token is in the place of; or why there is none. */
export const untoken = (
  crypto: Crypto.Crypto["Service"],
  networkKeys: ReadonlyArray<Bytes>,
  { content, key, networkId, type }: Packet,
  at: number
): Bytes | string => {
  const opened = crypto.fernetDecrypt(networkKeys.map((each) => Redacted.make(each)), content, at, 60)
  if (Result.isFailure(opened)) return `no token that opens: ${opened.failure.kind}`
  const envelope = utf8(`${networkId}|${type}|${key}|`)
  const { plaintext } = opened.success
  return equal(plaintext.subarray(0, envelope.length), envelope)
    ? plaintext.slice(envelope.length)
    : "a token with another envelope"
}

/** A command as the content of a packet. */
export const commandText = (command: Bytes): Bytes => utf8(base64(command))
