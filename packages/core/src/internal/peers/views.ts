/**
 * The newest state of something, as a `SubscriptionRef` that is made when somebody looks: a change costs nothing while nobody does, and a
 * slow reader skips states. For reading only.
 */
import * as Effect from "effect/Effect"
import * as MutableList from "effect/MutableList"
import * as PubSub from "effect/PubSub"
import * as SubscriptionRef from "effect/SubscriptionRef"

type Atomic<A> = PubSub.PubSub.Atomic<A>
type Subscription<A> = PubSub.PubSub.BackingSubscription<A>

/** What a reader has not read yet is that there is something new; what that is, is made when he reads it. */
class Readings<A> implements Subscription<A> {
  readonly #news: Subscription<unknown>
  readonly #look: () => A

  constructor(news: Subscription<unknown>, look: () => A) {
    this.#news = news
    this.#look = look
  }
  isEmpty() {
    return this.#news.isEmpty()
  }
  size() {
    return this.#news.size()
  }
  poll(): A | MutableList.Empty {
    return this.#news.poll() === MutableList.Empty ? MutableList.Empty : this.#look()
  }
  pollUpTo(n: number): Array<A> {
    return this.#news.pollUpTo(n).map(() => this.#look())
  }
  unsubscribe() {
    this.#news.unsubscribe()
  }
}

/** Holds at most one piece of news for each reader, and gives a new one the state of the time. */
class News<A> implements Atomic<A> {
  readonly capacity = 1
  readonly #news = PubSub.makeAtomicBounded<undefined>(1)
  readonly #look: () => A

  constructor(look: () => A) {
    this.#look = look
  }
  isEmpty() {
    return this.#news.isEmpty()
  }
  isFull() {
    return this.#news.isFull()
  }
  size() {
    return this.#news.size()
  }
  publish() {
    return this.#news.publish(undefined)
  }
  publishAll(): Array<A> {
    this.slide()
    this.publish()
    return []
  }
  slide() {
    this.#news.slide()
  }
  subscribe(): Subscription<A> {
    return new Readings(this.#news.subscribe(), this.#look)
  }
  replayWindow(): PubSub.PubSub.ReplayWindow<A> {
    const look = this.#look
    let remaining = 1
    const takeN = (n: number): Array<A> => {
      if (n < 1 || remaining === 0) return []
      remaining = 0
      return [look()]
    }
    return {
      get remaining() {
        return remaining
      },
      take: () => takeN(1)[0],
      takeN,
      takeAll: () => takeN(1),
      close: () => {
        remaining = 0
      }
    }
  }
}

/** Has its readers look again. */
export interface Views<A> {
  readonly ref: SubscriptionRef.SubscriptionRef<A>
  readonly changed: () => void
}

export const make = <A>(look: () => A): Effect.Effect<Views<A>> =>
  Effect.gen(function*() {
    const pubsub = yield* PubSub.make<A>({
      atomicPubSub: () => new News(look),
      strategy: () => new PubSub.SlidingStrategy()
    })
    const made = yield* SubscriptionRef.make<A | undefined>(undefined)
    const ref = Object.defineProperties(made, {
      pubsub: { value: pubsub },
      value: { get: look, enumerable: true }
    }) as SubscriptionRef.SubscriptionRef<A>
    // What is published does not matter: each reader looks for himself.
    const news = undefined as A
    const changed = () => {
      if (PubSub.publishUnsafe(pubsub, news)) return
      pubsub.pubsub.slide()
      PubSub.publishUnsafe(pubsub, news)
    }
    return { ref, changed }
  })
