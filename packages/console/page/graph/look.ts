/** How peers and lines look on the map: the same in both ways in which it is drawn. */
import type { Peer } from "@pnet/console/ConsoleApi"
import { statusOf } from "../store/network.ts"

export const radius = (id: number): number => id === 0 ? 12 : 8

/** The class of a peer, which is its colour. */
export const lookOf = (peer: Peer | undefined, isContested: boolean): string =>
  peer === undefined ? "self" : isContested ? "contested" : peer.id === 0 ? "self" : statusOf(peer)

/** The colour of a way, by its name: known ones have their own. */
export const wayClass = (way: string): string =>
  way === "lan"
    ? "lan"
    : way === "nats"
    ? "nats"
    : way.startsWith("web") || way === "ws" || way === "wss"
    ? "web"
    : "other"

const wayWords: Readonly<Record<string, string>> = {
  lan: "LAN",
  nats: "NATS",
  web: "WebSocket",
  ws: "WebSocket",
  wss: "WebSocket",
  websocket: "WebSocket",
  mail: "Mail"
}
export const wayWord = (way: string): string => Object.hasOwn(wayWords, way) ? wayWords[way]! : way

/** More than that are drawn on a canvas. */
export const mostElements = 299
/** With more than that only some have their name beside them. */
export const mostNames = 60
