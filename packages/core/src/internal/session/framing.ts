/**
 * How the sealed messages of a session are cut out of a connection's bytes, and put into them: as binary records, or as packets
 * of text (protocol section 4). The two sides agree on it in the handshake.
 */
import * as Result from "effect/Result"
import * as Framer from "../../Framer.ts"
import * as Packet from "../../Packet.ts"
import type { PublicKey } from "../../PublicKey.ts"
import * as Base64Url from "../base/base64url.ts"
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
  /** The bytes to write of the sealed message that lies in a page behind `recordHeader`. */
  readonly bytesOf: (page: Page, end: number, type: Flags) => Uint8Array
  /** Whether these lie in the page. */
  readonly inPlace: boolean
}

/**
 * Bytes of a record of DATA, with its length: what systems read at once. So whoever keeps up finds most records whole in what
 * was read, and opens them where they are.
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

/** Between this node and the peer of a key. */
export const text = ({ identity, networkId }: Self, peer: PublicKey): Framing => {
  const packetOf = (type: Flags, content: Uint8Array) =>
    Packet.encode({ networkId, type: packetTypes[type], content, publicKey: identity.publicKey })
  const expected = { networkId, types: packetTypes, maxLength: Packet.maxStreamLength }
  // What the envelope and base64 leave.
  const limit = Math.floor((Packet.maxStreamLength - packetOf(0, new Uint8Array(0)).length) / 4) * 3 - overhead
  return {
    limit,
    dataLimit: limit,
    reader: (onMessage, isOver) => {
      const framer = Framer.make(Packet.maxStreamLength)
      return (chunk) => {
        framer.push(chunk)
        for (let bytes = framer.next(); bytes !== undefined; bytes = framer.next()) {
          const decoded = Packet.decode(bytes, expected)
          if (Result.isFailure(decoded)) return decoded.failure.message
          const packet = decoded.success
          if (packet.publicKey !== peer) return "a packet with another key"
          const command = Base64Url.decode(packet.content)
          if (command === undefined) return "a packet whose content is no message"
          const broken = onMessage(command, packetTypes.indexOf(packet.type as "msg") as Flags)
          if (broken !== undefined || isOver()) return broken
        }
        return framer.tooLarge ? "a packet over the limit" : undefined
      }
    },
    bytesOf: ({ bytes }, end, type) => packetOf(type, Base64Url.encode(bytes.subarray(recordHeader, end))),
    inPlace: false
  }
}
