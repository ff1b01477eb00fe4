/** One subscription of this node, as whoever hears publications for it sees it. All of it is synchronous. */
import type { Allow } from "../../Allow.ts"
import type { Interest } from "../../Offer.ts"
import type { Heard, Origin } from "./said.ts"

export interface Listener {
  readonly interest: Interest
  /** Who may publish to it. */
  readonly allow: Allow | undefined
  /** A value, or that one is no longer retained. Whoever says it, and what follows, says behind it that there are `news`, once for all of them. */
  readonly hear: (heard: Heard) => void
  /** A value that it was given before comes a second time: its publisher still retains it. */
  readonly again: (heard: Heard) => void
  /** So many were missed of this publisher on this topic. */
  readonly miss: (origin: Origin, count: number) => void
  /** Retained values come now, and all of them, until they are `whole`. */
  readonly begin: (origin: Origin) => void
  readonly whole: (origin: Origin) => void
  /** The publisher is gone, or publishes on the topic no more: what it retained is gone. */
  readonly gone: (origin: Origin) => void
  /** What it was told may be read. */
  readonly news: () => void
  /** Whether it has room for one more of so many bytes, where it is to lose none; of so many for all who get it that are waited for. */
  readonly hasRoom: (origin: Origin, bytes: number, all: number) => boolean
  /** Deliveries that it has and has not answered. */
  readonly unanswered: number
}

/** Of several subscriptions the one that has the least to do. */
export const leastOf = (listeners: Iterable<Listener>): Listener | undefined => {
  let least: Listener | undefined
  for (const listener of listeners) if (least === undefined || listener.unanswered < least.unanswered) least = listener
  return least
}
