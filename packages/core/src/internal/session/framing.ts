/**
 * How the sealed messages of a session are cut out of a connection's bytes, and put into them: as binary records, or as packets
 * of text (protocol section 4). The two sides agree on it in the handshake.
 */
import * as Result from "effect/Result"
import * as Framer from "../../Framer.ts"
import * as Packet from "../../Packet.ts"
import type { PublicKey } from "../../PublicKey.ts"
import * as Base64Url from "../base/base64url.ts"
import { equalAt, startsWith } from "../base/bytes.ts"
import { utf8 } from "../base/platform.ts"
import type { Self } from "../wire/advertExchange.ts"
import { RecordFramer } from "../wire/recordFramer.ts"
import { type Flags, overhead } from "./messageBox.ts"
import { type Page, recordHeader } from "./pages.ts"

/**
 * Takes a sealed message: of which type its packet is, where that says so, and memory that its DATA may be kept in, where the
 * message is only lent. A text is the rule that it breaks.
 */
export type OnMessage = (
  command: Uint8Array,
  flags: Flags | undefined,
  homes?: ReadonlyArray<Uint8Array>
) => string | undefined

export interface Framing {
  /** The most bytes of frames in a message, and those up to which DATA fills one. */
  readonly limit: number
  readonly dataLimit: number
  /**
   * Takes what comes, piece by piece. A text is the rule that is broken. Stops, with something unread, where `isOver` says so
   * after a message.
   */
  readonly reader: (onMessage: OnMessage, isOver: () => boolean) => (chunk: Uint8Array) => string | undefined
  /** The bytes to write of the sealed message that lies in a page behind `recordHeader`; they lie in `out`. */
  readonly bytesOf: (page: Page, end: number, type: Flags, out: Page) => Uint8Array
  /** Whether `out` is the page itself, and not another. */
  readonly inPlace: boolean
}

/**
 * Bytes of a record of DATA, with its length, or of a packet of it: what systems read at once. So whoever keeps up finds most of
 * them whole in what was read, and opens them where they are.
 */
const bulkRecord = 65_536

export const binary: Framing = {
  limit: Packet.maxStreamLength - overhead,
  dataLimit: bulkRecord - recordHeader - overhead,
  reader: (onMessage, isOver) => {
    const framer = new RecordFramer()
    return (chunk) => {
      framer.push(chunk)
      for (let record = framer.next(); record !== undefined; record = framer.next()) {
        const broken = onMessage(record, undefined, framer.homes)
        framer.release()
        if (broken !== undefined || isOver()) return broken
      }
      return framer.malformed ? "a record of no length, or too long" : undefined
    }
  },
  bytesOf: ({ bytes, view }, end) => {
    view.setUint32(0, end - recordHeader)
    return bytes.subarray(0, end)
  },
  inPlace: true
}

const packetTypes = ["msg", "rsp", "err"] as const

/** What a packet to, or from, a node begins with, for each type, and ends with. */
const envelopeOf = (networkId: Packet.NetworkId, key: PublicKey) => ({
  heads: packetTypes.map((type) => utf8(`${networkId}|${type}|`)),
  tail: utf8(`|${key}|END\n`)
})

/** Between this node and the peer of a key. */
export const text = ({ identity, networkId }: Self, peer: PublicKey): Framing => {
  const mine = envelopeOf(networkId, identity.publicKey)
  const theirs = envelopeOf(networkId, peer)
  const expected = { networkId, types: packetTypes, maxLength: Packet.maxStreamLength }
  // Bytes of frames in a packet of that many: what the envelope and base64 leave.
  const framesIn = (bytes: number) => Math.floor((bytes - mine.heads[0]!.length - mine.tail.length) / 4) * 3 - overhead
  /** What it says; a text is the rule that it breaks. */
  const read = (packet: Uint8Array): { readonly flags: Flags; readonly content: Uint8Array } | string => {
    const end = packet.length - theirs.tail.length
    for (let flags: Flags = 0; flags < 3; flags++) {
      const head = theirs.heads[flags]!
      // What is between the two has no bar in it, or is no base64url.
      if (end < head.length || !startsWith(packet, head) || !equalAt(packet, end, packet.length, theirs.tail)) continue
      return { flags: flags as Flags, content: packet.subarray(head.length, end) }
    }
    const decoded = Packet.decode(packet, expected)
    return Result.isFailure(decoded) ? decoded.failure.message : "a packet with another key"
  }
  return {
    limit: framesIn(Packet.maxStreamLength),
    dataLimit: framesIn(bulkRecord),
    reader: (onMessage, isOver) => {
      const framer = Framer.make(Packet.maxStreamLength)
      return (chunk) => {
        framer.push(chunk)
        for (let bytes = framer.next(); bytes !== undefined; bytes = framer.next()) {
          const packet = read(bytes)
          if (typeof packet === "string") return packet
          const command = Base64Url.decodeInPlace(packet.content)
          if (command === undefined) return "a packet whose content is no message"
          const broken = onMessage(command, packet.flags)
          if (broken !== undefined || isOver()) return broken
        }
        return framer.tooLarge ? "a packet over the limit" : undefined
      }
    },
    bytesOf: ({ bytes }, end, type, out) => {
      const head = mine.heads[type]!
      out.bytes.set(head)
      const behind = Base64Url.encodeInto(bytes.subarray(recordHeader, end), out.bytes, head.length)
      out.bytes.set(mine.tail, behind)
      return out.bytes.subarray(0, behind + mine.tail.length)
    },
    inPlace: false
  }
}
