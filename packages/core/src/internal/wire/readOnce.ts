/**
 * Datagrams that the nodes of a process hear one after another, as those of a simulation do: each is read once, and what stands in it too where that
 * is in clear. Bytes are told by what they are, so whoever gives them may use their memory again.
 */
import * as Result from "effect/Result"
import * as Packet from "../../Packet.ts"
import type { ProtocolError } from "../../ProtocolError.ts"
import { equal } from "../base/bytes.ts"
import * as AdvertExchange from "./advertExchange.ts"
import * as CrowdPackets from "./crowdPackets.ts"

interface Read {
  readonly bytes: Uint8Array
  readonly expected: Packet.Expected
  readonly decoded: Result.Result<Packet.Packet, ProtocolError>
}

let last: Read | undefined
let lastOf: Packet.Packet | undefined
let lastWho: Result.Result<CrowdPackets.Who, ProtocolError> | undefined
let lastAdvert: Result.Result<AdvertExchange.Heard, ProtocolError> | undefined

/** As `Packet.decode`. The packet is shared. */
export const decode = (
  bytes: Uint8Array,
  expected: Packet.Expected
): Result.Result<Packet.Packet, ProtocolError> => {
  if (
    last !== undefined && last.expected.networkId === expected.networkId && last.expected.types === expected.types &&
    last.expected.maxLength === expected.maxLength && equal(bytes, last.bytes)
  ) return last.decoded
  // What is too long is not worth a copy.
  if (bytes.length > expected.maxLength) return Packet.decode(bytes, expected)
  const copy = new Uint8Array(bytes)
  const decoded = Packet.decode(copy, expected)
  last = { bytes: copy, expected, decoded }
  return decoded
}

/** Forgets what was in another packet. */
const isOf = (packet: Packet.Packet): void => {
  if (packet === lastOf) return
  lastOf = packet
  lastWho = undefined
  lastAdvert = undefined
}

/** As `CrowdPackets.readWho`. */
export const who = (
  self: AdvertExchange.Self,
  packet: Packet.Packet
): Result.Result<CrowdPackets.Who, ProtocolError> => {
  if (self.cipher.encrypted) return CrowdPackets.readWho(self, packet)
  isOf(packet)
  return lastWho ??= CrowdPackets.readWho(self, packet)
}

/** As `AdvertExchange.read`. */
export const advert = (
  self: AdvertExchange.Self,
  packet: Packet.Packet,
  ...[said, opened]: [
    said: Parameters<typeof AdvertExchange.read>[2],
    opened: Parameters<typeof AdvertExchange.read>[3]
  ]
): Result.Result<AdvertExchange.Heard, ProtocolError> => {
  if (self.cipher.encrypted) return AdvertExchange.read(self, packet, said, opened)
  isOf(packet)
  return lastAdvert ??= AdvertExchange.read(self, packet, said, opened)
}
