/**
 * What the readers of the table get: every event, in order, and who is there, as the newest state. Neither waits for a reader: a slow
 * one misses the oldest events and skips states. Who is there, in order, is put together when somebody looks, so that a change costs the
 * same however many peers there are.
 */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as PubSub from "effect/PubSub"
import * as Stream from "effect/Stream"
import type * as SubscriptionRef from "effect/SubscriptionRef"
import type { Peer, PeerEvent } from "../../Peers.ts"
import type { PublicKey } from "../../PublicKey.ts"
import * as Metrics from "../base/metrics.ts"
import * as Views from "./views.ts"

const byName = (a: Peer, b: Peer) =>
  a.name < b.name ? -1 : a.name > b.name ? 1 : a.publicKey < b.publicKey ? -1 : a.publicKey > b.publicKey ? 1 : 0

// So many changes that nobody has looked at are kept apart, and one more for each eighth peer: few, and settled seldom.
const unsettled = 64
const eighth = 8

/** Who is there, in the order of their names. */
class Roll {
  #all: ReadonlyArray<Peer> = []
  /** What has changed since somebody looked: a peer as it is now, or `undefined` where it is gone. */
  readonly #changed = new Map<PublicKey, Peer | undefined>()

  get all(): ReadonlyArray<Peer> {
    if (this.#changed.size > 0) this.#settle()
    return this.#all
  }

  put(publicKey: PublicKey, peer: Peer | undefined): void {
    this.#changed.set(publicKey, peer)
    if (this.#changed.size > unsettled + this.#all.length / eighth) this.#settle()
  }

  #settle(): void {
    const changed = this.#changed
    const added = [...changed.values()].filter((peer) => peer !== undefined).sort(byName)
    const next: Array<Peer> = []
    let i = 0
    for (const peer of this.#all) {
      if (changed.has(peer.publicKey)) continue
      while (i < added.length && byName(added[i]!, peer) < 0) next.push(added[i++]!)
      next.push(peer)
    }
    while (i < added.length) next.push(added[i++]!)
    changed.clear()
    this.#all = next
  }
}

/** Publishes at once. That leaves it to its caller to make room. */
const publishUnsafe = <A>(pubsub: PubSub.PubSub<A>, value: A) => {
  if (PubSub.publishUnsafe(pubsub, value)) return
  pubsub.pubsub.slide()
  PubSub.publishUnsafe(pubsub, value)
}

export class Presence {
  readonly #roll: Roll
  readonly #views: Views.Views<ReadonlyArray<Peer>>
  readonly #news: Views.Views<void>
  readonly #events: PubSub.PubSub<PeerEvent>
  readonly #context: Context.Context<never>

  constructor(
    roll: Roll,
    views: Views.Views<ReadonlyArray<Peer>>,
    news: Views.Views<void>,
    events: PubSub.PubSub<PeerEvent>,
    context: Context.Context<never>
  ) {
    this.#roll = roll
    this.#views = views
    this.#news = news
    this.#events = events
    this.#context = context
  }

  /** Who is there, in the order of their names. */
  get latest(): SubscriptionRef.SubscriptionRef<ReadonlyArray<Peer>> {
    return this.#views.ref
  }

  get all(): ReadonlyArray<Peer> {
    return this.#roll.all
  }

  /** Something at once, and again after each event, or several: for who looks for himself. */
  get news(): Stream.Stream<void> {
    return Stream.fromPubSub(this.#news.ref.pubsub)
  }

  /** Has those look again who wait for news. */
  wake(): void {
    this.#news.changed()
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
    // new state must not get the event again, and what he finds is the newest.
    if (event._tag === "Left" || event._tag === "Lost") this.#roll.put(event.peer.publicKey, undefined)
    else if (event._tag !== "KeyConflict" && event._tag !== "Probed") this.show(event.peer)
    publishUnsafe(this.#events, event)
    this.#views.changed()
    this.#news.changed()
  }

  /** Puts a peer as it is now in its place, for whoever looks next, and wakes nobody. */
  show(peer: Peer): void {
    this.#roll.put(peer.publicKey, peer)
  }
}

/** Events are kept for slow readers up to the capacity. */
export const make = (capacity: number): Effect.Effect<Presence> =>
  Effect.gen(function*() {
    const roll = new Roll()
    return new Presence(
      roll,
      yield* Views.make(() => roll.all),
      yield* Views.make(() => {}),
      yield* PubSub.sliding<PeerEvent>(capacity),
      Metrics.contextOf(yield* Effect.context<never>())
    )
  })
