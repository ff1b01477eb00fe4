/**
 * Why an advert of this network did not open, as far as it can be told, in words for whoever has to mend it. The same for the log
 * of a node, its errors, and `Diagnose`.
 */
import type * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Advert from "../Advert.ts"
import type { Crypto } from "../Crypto.ts"
import type { NodeName, Packet } from "../Packet.ts"
import * as NetworkCipher from "./networkCipher.ts"
import { quote } from "./quote.ts"

/** The network key of the sender is another, only one of the two has one, or only the clocks differ. */
export type Mismatch =
  | { readonly _tag: "OtherKey" | "PeerEncrypts" | "PeerInClear" }
  | { readonly _tag: "Clock"; readonly name: NodeName; readonly seconds: number }

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
  if (Result.isSuccess(Advert.decode(packet.content))) return { _tag: "PeerInClear" }
  const opened = NetworkCipher.openAtAnyAge(crypto, keys, packet, nowMillis)
  if (opened === undefined) return { _tag: "OtherKey" }
  if (opened === "moved") return undefined
  const advert = Advert.decode(opened.text)
  const seconds = skewOf(opened.timestamp, nowMillis)
  if (Result.isFailure(advert) || Math.abs(seconds) < NetworkCipher.timeToLive) return undefined
  return { _tag: "Clock", name: advert.success.name, seconds }
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

export const clockText = (name: string, place: string, seconds: number): string =>
  `the clock of ${quote(name)} at ${place} is ${span(Math.abs(seconds))} ${
    seconds > 0 ? "ahead of" : "behind"
  } this machine's; up to ${NetworkCipher.timeToLive} seconds are accepted`
