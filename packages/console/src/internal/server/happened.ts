/** What happens while somebody looks, kept for a while. */
import { formatEndpoint } from "@pnet/core/Advert"
import type * as Peers from "@pnet/core/Peers"
import * as PublicKey from "@pnet/core/PublicKey"
import type * as Api from "../../ConsoleApi.ts"
import { whoOf } from "./people.ts"
import { Waiting } from "./waiting.ts"

/** Events that are kept, and those of them that a page begins with. */
export const kept = 1_000
export const first = 200

/** The last of what there is, each with a number. */
export class Ring<A> {
  readonly #most: number
  #items: Array<A> = []
  /** The number of the next. */
  next = 0
  readonly waiting = new Waiting()

  constructor(most: number) {
    this.#most = most
  }

  add(item: A): void {
    this.#items.push(item)
    this.next++
    // Now and then, and not for each.
    if (this.#items.length >= this.#most * 2) this.#items = this.#items.slice(-this.#most)
    this.waiting.wake()
  }

  /** Those from a number on, at most so many, and how many of these were there and are not any more. */
  from(number: number, most: number): { readonly items: ReadonlyArray<A>; readonly missed: number } {
    const oldest = Math.max(0, this.next - Math.min(this.#items.length, this.#most))
    const begin = Math.max(number, oldest)
    const at = this.#items.length - (this.next - begin)
    return { items: this.#items.slice(at, at + most), missed: begin - number }
  }

  /** Forgets all. */
  clear(): void {
    this.#items = []
  }
}

type Said = Pick<Api.Event, "kind" | "peer" | "reason" | "text">

/** What is said of an event; `undefined` where it is not shown. */
export const say = (event: Peers.PeerEvent): Said | undefined => {
  if (event._tag === "KeyConflict") {
    const { name, publicKey, reason } = event
    const key = PublicKey.fingerprint(publicKey)
    const address = formatEndpoint(event.source)
    const text = {
      KeyChanged: `${name} came with another key, ${key}, from ${address}: it was refused`,
      SharedName: `several nodes are called ${name}, one of key ${key} at ${address}`,
      OwnName: `another node is called ${name}, as this one is: key ${key} at ${address}`,
      OwnKey: `another node has this node's key: ${address}`
    }[reason]
    return { kind: "conflict", peer: whoOf(event), reason, text }
  }
  const { peer } = event
  const address = peer.endpoints[0] === undefined ? "" : ` (${formatEndpoint(peer.endpoints[0])})`
  const who = whoOf(peer)
  switch (event._tag) {
    case "Joined":
      return event.reason === "Known"
        ? undefined
        : { kind: "joined", peer: who, reason: event.reason, text: `${peer.name} is there${address}` }
    case "Updated":
      return event.reason === "proved"
        ? undefined
        : {
          kind: "updated",
          peer: who,
          reason: event.reason,
          text: `${peer.name} has another ${event.reason}${address}`
        }
    case "Restarted":
      return { kind: "restarted", peer: who, text: `${peer.name} was started anew` }
    case "Suspected":
      return { kind: "suspected", peer: who, text: `${peer.name} is silent, and is asked` }
    case "Returned":
      return { kind: "returned", peer: who, reason: event.reason, text: `${peer.name} is back` }
    case "Left":
      return { kind: "left", peer: who, reason: event.reason, text: `${peer.name} left` }
    case "Lost":
      return { kind: "lost", peer: who, reason: event.reason, text: `${peer.name} was lost (${event.reason})` }
    case "Offered":
    case "Probed":
      return undefined
  }
}
