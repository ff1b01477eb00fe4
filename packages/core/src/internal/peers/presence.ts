/**
 * What the readers of the table get: every event, in order, and who is there, as the newest state. Neither waits for a reader: a slow
 * one misses the oldest events and skips states.
 */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as PubSub from "effect/PubSub"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import type { Peer, PeerEvent } from "../../Peers.ts"
import type { PublicKey } from "../../PublicKey.ts"
import * as Metrics from "../base/metrics.ts"

const byName = (a: Peer, b: Peer) =>
  a.name < b.name ? -1 : a.name > b.name ? 1 : a.publicKey < b.publicKey ? -1 : a.publicKey > b.publicKey ? 1 : 0

/** A `SubscriptionRef` whose slow readers skip states, where the usual one keeps every state for them. */
const makeLatest = <A>(value: A) =>
  Effect.gen(function*() {
    const ref = yield* SubscriptionRef.make(value)
    const pubsub = yield* PubSub.sliding<A>({ capacity: 1, replay: 1 })
    PubSub.publishUnsafe(pubsub, value)
    return Object.assign(ref, { pubsub })
  })

/** Publishes at once. That leaves it to its caller to make room. */
const publishUnsafe = <A>(pubsub: PubSub.PubSub<A>, value: A) => {
  if (PubSub.publishUnsafe(pubsub, value)) return
  pubsub.pubsub.slide()
  PubSub.publishUnsafe(pubsub, value)
}

export class Presence {
  /** Who is there, in the order of their names. */
  readonly latest: SubscriptionRef.SubscriptionRef<ReadonlyArray<Peer>>
  readonly #events: PubSub.PubSub<PeerEvent>
  readonly #context: Context.Context<never>

  constructor(
    latest: SubscriptionRef.SubscriptionRef<ReadonlyArray<Peer>>,
    events: PubSub.PubSub<PeerEvent>,
    context: Context.Context<never>
  ) {
    this.latest = latest
    this.#events = events
    this.#context = context
  }

  get all(): ReadonlyArray<Peer> {
    return this.latest.value
  }

  /** What happens from now on, behind a `Joined` for each who is there. */
  get changes(): Stream.Stream<PeerEvent> {
    return Stream.unwrap(
      Effect.map(PubSub.subscribe(this.#events), (subscription) =>
        Stream.concat(
          Stream.fromIterable(this.all.map((peer): PeerEvent => ({ _tag: "Joined", peer, reason: "Known" }))),
          Stream.fromSubscription(subscription)
        ))
    )
  }

  publish(event: PeerEvent): void {
    Metrics.peerEvents(event._tag, this.#context)
    // Readers run at once, and may change the table. So who reads the event has to find what it led to, who is woken by the
    // new state must not get the event again, and what is published is the newest.
    if (event._tag === "Left" || event._tag === "Lost") this.#show(event.peer.publicKey, undefined)
    else if (event._tag !== "KeyConflict" && event._tag !== "Probed") this.show(event.peer)
    publishUnsafe(this.#events, event)
    publishUnsafe(this.latest.pubsub, this.latest.value)
  }

  /** Puts a peer as it is now in its place, for whoever looks next, and wakes nobody. */
  show(peer: Peer): void {
    this.#show(peer.publicKey, peer)
  }

  #show(publicKey: PublicKey, peer: Peer | undefined): void {
    const next = this.all.filter((other) => other.publicKey !== publicKey)
    if (peer !== undefined) {
      let [low, high] = [0, next.length]
      while (low < high) {
        const middle = (low + high) >> 1
        if (byName(next[middle]!, peer) < 0) low = middle + 1
        else high = middle
      }
      next.splice(low, 0, peer)
    }
    this.latest.value = next
  }
}

/** Events are kept for slow readers up to the capacity. */
export const make = (capacity: number): Effect.Effect<Presence> =>
  Effect.gen(function*() {
    const latest = yield* makeLatest<ReadonlyArray<Peer>>([])
    return new Presence(latest, yield* PubSub.sliding<PeerEvent>(capacity), yield* Effect.context<never>())
  })
