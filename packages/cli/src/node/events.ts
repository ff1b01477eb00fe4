/**
 * What happens to peers, as events that are printed.
 */
import { formatEndpoint } from "@pnet/core/Advert"
import type { PeerEvent } from "@pnet/core/Peers"
import * as PublicKey from "@pnet/core/PublicKey"
import * as Cause from "effect/Cause"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { Shape } from "../output/shapes.ts"

type Event = Shape<"event">

/** What is said of an event: its name, and the sentence. Events that say nothing to people are left out. */
const say = (event: PeerEvent): Omit<Event, "time"> | undefined => {
  if (event._tag === "KeyConflict") {
    const key = PublicKey.fingerprint(event.publicKey)
    const address = formatEndpoint(event.source)
    const what = {
      KeyChanged: `${event.name} came with another key, ${key}, from ${address}: it was refused`,
      SharedName: `several nodes are called ${event.name}, one of key ${key} at ${address}`,
      OwnName:
        `another node is called ${event.name}, as this one is: key ${key} at ${address}; give one of them another name, with --name`,
      OwnKey: `another node has this node's key: ${address}`
    }[event.reason]
    return { event: "conflict", peer: event.name, fingerprint: key, address, reason: event.reason, text: what }
  }
  const { peer } = event
  const about = {
    peer: peer.name,
    fingerprint: PublicKey.fingerprint(peer.publicKey),
    ...(peer.endpoints[0] === undefined ? {} : { address: formatEndpoint(peer.endpoints[0]) })
  }
  const at = about.address === undefined ? "" : ` (${about.address})`
  switch (event._tag) {
    case "Joined":
      return { event: "joined", ...about, reason: event.reason, text: `${peer.name} is there${at}` }
    case "Updated":
      return event.reason === "proved"
        ? undefined
        : { event: "updated", ...about, reason: event.reason, text: `${peer.name} has another ${event.reason}${at}` }
    case "Restarted":
      return { event: "restarted", ...about, text: `${peer.name} was started anew` }
    case "Suspected":
      return { event: "suspected", ...about, text: `${peer.name} is silent, and is asked` }
    case "Returned":
      return {
        event: "returned",
        ...about,
        reason: event.reason,
        text: `${peer.name} is back`
      }
    case "Left":
      return { event: "left", ...about, reason: event.reason, text: `${peer.name} left` }
    case "Lost":
      return { event: "lost", ...about, reason: event.reason, text: `${peer.name} was lost (${event.reason})` }
    case "Offered":
    case "Probed":
      return undefined
  }
}

/** Whether a line of the log says what the event of a conflict says. */
export const isOfConflict = (line: string): boolean =>
  /^(?:this node's key \([^)]*\) is in use by another node at |another node at \S+ uses this node's name |"(?:[^"\\]|\\.)*" appeared at \S+ with key )/
    .test(line)

/** The time now, as events have it. */
export const now: Effect.Effect<string> = Effect.map(DateTime.now, DateTime.formatIso)

/** An event of the node's own. */
export const ownEvent = (event: Omit<Event, "time">): Effect.Effect<Event> =>
  Effect.map(now, (time) => ({ time, ...event }))

/** How a call ended. `given up`: nobody wanted its answer any more, since its caller was interrupted or left, its time was up, or this node ends. */
export type CallEnd = "ok" | "failed" | "given up"

/** How a call ended, by what its handler came to: whoever gives up a call interrupts it. */
export const endOf = (exit: Exit.Exit<unknown, unknown>): CallEnd =>
  Exit.isSuccess(exit) ? "ok" : Cause.hasInterruptsOnly(exit.cause) ? "given up" : "failed"

/** A call that ended. Not every clock counts in whole milliseconds. */
export const called = (name: string, peer: string, took: number, reason: CallEnd): Omit<Event, "time"> => {
  const ms = Math.round(took)
  return { event: "called", peer, function: name, ms, reason, text: `${peer} called ${name}: ${reason}, ${ms} ms` }
}

/** An event of a peer; `undefined` where there is nothing to print. */
export const eventOf = (event: PeerEvent): Effect.Effect<Event | undefined> => {
  const said = say(event)
  return said === undefined ? Effect.undefined : ownEvent(said)
}
