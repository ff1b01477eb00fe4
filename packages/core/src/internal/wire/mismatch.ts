/**
 * Why an advert of this network did not open, as far as it can be told, in words for whoever has to mend it. The same for the log
 * of a node, its errors, and `Diagnose`.
 */
import type * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Advert from "../../Advert.ts"
import type { Crypto } from "../../Crypto.ts"
import type { Obstacle } from "../../Obstacle.ts"
import type { NodeName, Packet } from "../../Packet.ts"
import type { DialError } from "../../Transport.ts"
import { quote } from "../base/quote.ts"
import * as NetworkCipher from "./networkCipher.ts"

/** The network key of the sender is another, only one of the two has one, or only the clocks differ. */
export type Mismatch =
  | { readonly _tag: "OtherKey" | "PeerEncrypts" | "PeerInClear" }
  /** The name is that of an advert. */
  | { readonly _tag: "Clock"; readonly name: NodeName | undefined; readonly seconds: number }

/** How far the clock of a token's maker is ahead, in seconds. The second it was written in has begun, and half of it has passed on average. */
export const skewOf = (timestamp: number, nowMillis: number): number => Math.round(timestamp + 0.5 - nowMillis / 1_000)

/** `undefined` where it is none of these, as for a token that was made for another packet. */
export const mismatchOf = (
  crypto: Crypto["Service"],
  keys: ReadonlyArray<Redacted.Redacted<Uint8Array>>,
  packet: Packet,
  nowMillis: number
): Mismatch | undefined => {
  if (keys.length === 0) return { _tag: "PeerEncrypts" }
  const inClear = packet.type === "adv"
    ? Result.isSuccess(Advert.decode(packet.content))
    : !NetworkCipher.looksLikeToken(packet.content)
  if (inClear) return { _tag: "PeerInClear" }
  const opened = NetworkCipher.openAtAnyAge(crypto, keys, packet, nowMillis)
  if (opened === undefined) return { _tag: "OtherKey" }
  if (opened === "moved") return undefined
  const seconds = skewOf(opened.timestamp, nowMillis)
  if (Math.abs(seconds) < NetworkCipher.timeToLive) return undefined
  const advert = packet.type === "adv" ? Advert.decode(opened.text) : undefined
  const name = advert !== undefined && Result.isSuccess(advert) ? advert.success.name : undefined
  return { _tag: "Clock", name, seconds }
}

const plural = (value: number, unit: string) => `${value} ${unit}${value === 1 ? "" : "s"}`

const span = (seconds: number) =>
  seconds < 7_200
    ? plural(seconds, "second")
    : seconds < 172_800
    ? plural(Math.round(seconds / 3_600), "hour")
    : plural(Math.round(seconds / 86_400), "day")

export const sameKeyRemedy = "give all nodes of the network the same networkKey, or this one another networkId"
export const sameIdRemedy =
  "where they are meant to be one network give both the same networkId and networkKey; they are compared as bytes"
export const clockRemedy = "set the clocks of both machines by NTP (timedatectl set-ntp true)"
export const translatedRemedy =
  "an address is translated on the way (a container's bridge, NAT): run the container on the host's network, or list an address at which it can be reached in peers"

/** Behind who it is. */
export const keyText = (kind: "OtherKey" | "PeerEncrypts" | "PeerInClear"): string => {
  switch (kind) {
    case "OtherKey":
      return "uses another network key"
    case "PeerEncrypts":
      return "uses a network key, and none is given here"
    case "PeerInClear":
      return "uses no network key, and one is given here"
  }
}

export const clockText = (name: string | undefined, place: string, seconds: number): string =>
  `the clock of ${name === undefined ? "a node" : quote(name)} at ${place} is ${span(Math.abs(seconds))} ${
    seconds > 0 ? "ahead of" : "behind"
  } this machine's; up to ${NetworkCipher.timeToLive} seconds are accepted`

/** What keeps a node from being found whose packets do not open. */
export const obstacleOf = (
  crypto: Crypto["Service"],
  keys: ReadonlyArray<Redacted.Redacted<Uint8Array>>,
  packet: Packet,
  host: string,
  nowMillis: number
): Obstacle | undefined => {
  const mismatch = mismatchOf(crypto, keys, packet, nowMillis)
  if (mismatch === undefined) return undefined
  if (mismatch._tag === "Clock") {
    return { kind: "Clock", where: host, what: clockText(mismatch.name, host, mismatch.seconds), remedy: clockRemedy }
  }
  return {
    kind: "NetworkKey",
    where: host,
    what: `a node of network ${quote(packet.networkId)} at ${host} ${keyText(mismatch._tag)}`,
    remedy: sameKeyRemedy
  }
}

/** The same for one of another network than this node's. */
export const otherNetwork = (theirs: string, own: string, host: string): Obstacle => ({
  kind: "NetworkId",
  where: host,
  what: `a node at ${host} belongs to network ${quote(theirs)}, and this one to ${quote(own)}`,
  remedy: sameIdRemedy
})

/** What to do about an address that cannot be connected to. */
export const dialRemedy = (kind: DialError["kind"]): string => {
  switch (kind) {
    case "Refused":
      return "start the node there, with that serverPort, or correct the address in peers"
    case "Timeout":
      return "see whether the node's machine is on and this one has a route to it (ip route get, tracert), and allow incoming TCP to the node's port in its machine's firewall (give it a serverPort, and allow that); on Wi-Fi, switch off client isolation"
    case "Unreachable":
      return "see whether this machine has a route to that address (ip route get, tracert): a gateway or a VPN may be missing, or an address of the same family (IPv4, IPv6)"
    case "NoEndpoint":
    case "Unknown":
      return "see the system's own message"
  }
}

export const nameRemedy =
  "correct the name in peers, or see whether this machine's resolver knows it (getent hosts, nslookup); it is asked again"
