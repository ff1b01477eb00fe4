/**
 * One peer that subscribes to topics of this node: one stream to it, in which all of them go, for as long as it does. Whatever has something
 * for it has its turn, a record each, while there is room on the stream.
 *
 * What bites: a stream may end at any time, and what was on its way is lost with it. Each topic is told anew on the next, which is how the peer
 * knows how much it missed; what must not be lost is sent again; and what was handed to it as a member of a group goes to another.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Random from "effect/Random"
import type { Allow } from "../../Allow.ts"
import type { Interest } from "../../Offer.ts"
import type { Peer } from "../../Peers.ts"
import type * as Sessions from "../../Sessions.ts"
import { lowWater } from "../session/muxStream.ts"
import type { Opening } from "../session/opening.ts"
import type { SessionStream } from "../session/sessionStream.ts"
import { Lost, Returned } from "./groups.ts"
import * as Records from "./records.ts"
import { type Owner, Route, type Topic } from "./route.ts"
import type { Said } from "./said.ts"

/** Reserved for what the peer says, which is read at once. */
const reserved = 16_384
/** How long the peer has to read what is left on a stream that gives way to another. */
const toMove = "5 seconds"
const firstWait = 250
/** Subscriptions of a peer that it is told of that they get nothing. */
const mostDenials = 256
const longestWait = 5_000

/** What a feed uses of what it belongs to. */
export interface Parts {
  readonly open: Opening["openUnasked"]
  readonly has: (peer: Peer, bytes: number, all: number) => boolean
  readonly take: (peer: Peer, bytes: number) => boolean
  readonly give: (peer: Peer, bytes: number) => void
  readonly roomMade: () => void
  /** The peer says that this node may not publish a topic to it. */
  readonly refused: (feed: Feed, topic: Topic, reason: string) => void
}

/** A question whether the peer may have a topic. */
interface Asked {
  readonly allow: Allow
  fiber: Fiber.Fiber<void> | undefined
  /** What the peer subscribes to is another since it was asked: it is asked again when this is answered, and not before. */
  isAgain: boolean
}

/** What is waited for of a member of a group. */
interface Waiting {
  readonly answer: (how: Effect.Effect<void, Lost | Returned>) => void
}

const joined = (one: Uint8Array, other: Uint8Array): Uint8Array => {
  const both = new Uint8Array(one.length + other.length)
  both.set(one)
  both.set(other, one.length)
  return both
}

export class Feed implements Owner {
  peer: Peer
  /** What it says that it subscribes to, as far as that counts. */
  interests: ReadonlyArray<Interest> = []
  readonly routes = new Map<Topic, Route>()
  /** What is being asked, whether the peer may have a topic: one question of each. */
  readonly asking = new Map<Topic, Asked>()
  readonly #byIndex = new Map<number, Route>()
  readonly #parts: Parts
  readonly #ready: Array<Route> = []
  /** What is said of no topic that goes to the peer, by what it is about. */
  readonly #control = new Map<string, Uint8Array>()
  /** What the peer is told of subscriptions that get nothing of a topic, once on each stream. */
  readonly #denials = new Map<string, Uint8Array>()
  readonly #handed = new Map<number, Waiting>()
  #deliveries = 0
  #stream: SessionStream | undefined
  #isFull = false
  readonly #wake = Latch.makeUnsafe(false)
  /** Set when the stream is to give way to another. */
  #move: (() => void) | undefined
  /** Told when the stream that there is has ended. */
  readonly #ends = new Set<() => void>()
  isClosed = false

  constructor(peer: Peer, parts: Parts) {
    this.peer = peer
    this.#parts = parts
  }

  // --- its topics ------------------------------------------------------------------------------------------------------

  /** Has the peer get a topic, by its subscriptions to it; nothing of it any more where there are none. */
  route(topic: Topic, entries: ReadonlyArray<Interest>): void {
    const route = this.routes.get(topic)
    if (entries.length === 0) return route === undefined ? undefined : this.#drop(route, true)
    if (route !== undefined) return route.enter(entries)
    const made = new Route(topic, this)
    this.routes.set(topic, made)
    this.#byIndex.set(topic.index, made)
    topic.routes.add(made)
    made.enter(entries)
  }

  #drop(route: Route, isTold: boolean): void {
    const { topic } = route
    this.routes.delete(topic)
    this.#byIndex.delete(topic.index)
    topic.routes.delete(route)
    const wasTold = route.isTold
    route.close()
    if (isTold && wasTold) this.#tell(`${topic.index}`, Records.forget(topic.index))
  }

  /** The peer gets nothing of a topic by one of its subscriptions, and is told so. */
  deny(topic: string, id: number, reason: "not_allowed" | "contract"): void {
    const key = `${id} ${topic}`
    if (this.#denials.has(key) || this.#denials.size >= mostDenials) return
    const record = Records.denied({ id, topic, reason })
    this.#denials.set(key, record)
    this.#tell(key, record)
    // A stream that begins with this says it by itself.
    this.#wake.openUnsafe()
  }

  /** What is known of its subscriptions is another. */
  forgetDenials(): void {
    for (const key of this.#denials.keys()) this.#control.delete(key)
    this.#denials.clear()
  }

  /** What is said of no topic that goes to the peer. */
  #tell(about: string, record: Uint8Array): void {
    if (this.#stream === undefined) return
    this.#control.set(about, record)
    this.#pump()
  }

  ready(route: Route): void {
    if (!route.isReady) {
      route.isReady = true
      this.#ready.push(route)
      this.#wake.openUnsafe()
    }
    this.#pump()
  }

  has(bytes: number, all: number): boolean {
    return this.#parts.has(this.peer, bytes, all)
  }

  take(bytes: number): boolean {
    return this.#parts.take(this.peer, bytes)
  }

  give(bytes: number): void {
    this.#parts.give(this.peer, bytes)
  }

  roomMade(): void {
    this.#parts.roomMade()
  }

  // --- members of groups -----------------------------------------------------------------------------------------------

  /** Hands a publication to the peer as a member of a group, and waits for its answer. */
  deliver(
    route: Route,
    said: Said,
    group: string,
    again: boolean,
    skipped: number
  ): Effect.Effect<void, Lost | Returned> {
    return Effect.callback((resume) => {
      if (route.isClosed) return resume(Effect.fail(new Lost()))
      const delivery = this.#deliveries = this.#deliveries % 0xffff_ffff + 1
      const { at, body, key, index, seq } = said
      const handed = Records.deliver({ index, seq, at, key, body: body!, delivery, group, again })
      // Both at once, or neither.
      const record = skipped === 0 ? handed : joined(Records.skipped({ index, delivery, count: skipped }), handed)
      this.#handed.set(delivery, { answer: resume })
      route.urge(record)
      return Effect.sync(() => {
        this.#handed.delete(delivery)
        route.withdraw(record)
      })
    })
  }

  #answer(delivery: number, how: Effect.Effect<void, Lost | Returned>): void {
    const waiting = this.#handed.get(delivery)
    if (waiting === undefined) return
    this.#handed.delete(delivery)
    waiting.answer(how)
  }

  // --- what is left ----------------------------------------------------------------------------------------------------

  /** Whether all that the peer is to have was written, and taken and answered where that is waited for. */
  get isSettled(): boolean {
    if (this.#control.size > 0 || this.#handed.size > 0) return false
    for (const route of this.routes.values()) if (!route.isSettled) return false
    return true
  }

  /** Waits until the peer has read what was written: what comes then comes on another stream, and this one ends before. */
  get read(): Effect.Effect<void> {
    return Effect.callback((resume) => {
      if (!this.#isOpen) return resume(Effect.void)
      const ended = () => resume(Effect.void)
      this.#ends.add(ended)
      this.#move?.()
      return Effect.sync(() => this.#ends.delete(ended))
    })
  }

  // --- the stream ------------------------------------------------------------------------------------------------------

  #pump(): void {
    const stream = this.#stream
    if (stream === undefined || this.#isFull) return
    const ready = this.#ready
    while (stream.bufferedUnsafe < lowWater) {
      for (const record of this.#control.values()) stream.writeUnsafe(record)
      this.#control.clear()
      const route = ready[0]
      if (route === undefined) return
      const parts = route.next()
      if (parts === undefined) {
        route.isReady = false
        ready.shift()
        continue
      }
      for (const part of parts) stream.writeUnsafe(part)
      if (ready.length > 1) ready.push(ready.shift()!)
    }
    this.#isFull = true
    stream.onWritableUnsafe(() => {
      this.#isFull = false
      this.#pump()
    })
  }

  /** Has another stream be opened, where new ones to this peer are opened on another session. */
  moveIfLeftBehind(): void {
    if (this.#stream?.isLeftBehind === true) this.#move?.()
  }

  /** Feeds the peer for as long as it runs. */
  get run(): Effect.Effect<never> {
    let failures = 0
    const once = Effect.gen({ self: this }, function*() {
      yield* this.#wake.await
      if (this.routes.size === 0 && this.#denials.size === 0) return this.#wake.closeUnsafe()
      const began = yield* Effect.scoped(this.#once).pipe(
        Effect.as(true),
        Effect.catchCause((cause) => Cause.hasInterruptsOnly(cause) ? Effect.interrupt : Effect.succeed(this.#began))
      )
      const moved = this.#moved
      this.#over()
      if (moved) return
      failures = began ? 0 : failures + 1
      yield* Effect.sleep(
        Math.min(longestWait, firstWait * 2 ** failures) * (0.75 + (yield* Random.next) / 2)
      )
    })
    return Effect.ensuring(Effect.forever(once), Effect.sync(() => this.#over()))
  }

  #began = false
  #moved = false
  /** From the first record on a stream until nothing more is read on it. */
  #isOpen = false

  /** One stream, from before it is open to its end. */
  get #once(): Effect.Effect<
    void,
    Sessions.OpenError | Sessions.StreamError | Cause.Done,
    import("effect/Scope").Scope
  > {
    return Effect.gen({ self: this }, function*() {
      this.#began = this.#moved = false
      const stream = yield* this.#parts.open(this.peer, { protocol: "topic", name: "" })
      stream.easeUnsafe(reserved)
      this.#begin(stream)
      const reading = this.#reading(stream)
      const moving = Effect.callback<void>((resume) => {
        const move = () => resume(Effect.void)
        this.#move = move
      })
      const whole = yield* Effect.raceFirst(Effect.as(reading, true), Effect.as(moving, false))
      if (whole) return
      // What was written is read on that stream before anything is on the next.
      this.#moved = true
      this.#stream = undefined
      yield* stream.end
      yield* Effect.timeoutOption(reading, toMove)
    })
  }

  #begin(stream: SessionStream): void {
    this.#began = this.#isOpen = true
    this.#control.clear()
    for (const [about, record] of this.#denials) this.#control.set(about, record)
    for (const route of this.routes.values()) route.begin()
    this.#stream = stream
    this.#isFull = false
    this.#pump()
  }

  /** Nothing is on its way to the peer any more. */
  #over(): void {
    this.#stream = undefined
    this.#move = undefined
    this.#isOpen = false
    for (const ended of this.#ends) ended()
    this.#ends.clear()
    for (const route of this.routes.values()) route.over()
    const handed = [...this.#handed.values()]
    this.#handed.clear()
    for (const { answer } of handed) answer(Effect.fail(new Lost()))
  }

  /** Takes what the peer says, until its end. */
  #reading(stream: SessionStream): Effect.Effect<void, Sessions.StreamError> {
    const reader = new Records.RecordReader()
    const loop = Effect.forever(Effect.tap(stream.pull, (parts) => {
      reader.add(parts)
      return this.#take(reader) ? Effect.void : stream.reset("cancelled", "it sent what is no record")
    }))
    return Effect.catchIf(loop, Cause.isDone, () => Effect.void) as Effect.Effect<void, Sessions.StreamError>
  }

  #take(reader: Records.RecordReader): boolean {
    for (let bytes = reader.next(); bytes !== undefined; bytes = reader.next()) {
      const record = Records.toPublisher(bytes)
      if (record === undefined) continue
      if (typeof record === "string") return false
      switch (record.kind) {
        case "taken":
          this.#byIndex.get(record.index)?.taken(record.seq)
          break
        case "done":
          this.#answer(record.delivery, Effect.void)
          break
        case "back":
          this.#answer(record.delivery, Effect.fail(new Returned()))
          break
        case "refused": {
          const route = this.#byIndex.get(record.index)
          if (route === undefined) break
          this.#drop(route, false)
          this.#parts.refused(this, route.topic, record.reason)
        }
      }
    }
    return !reader.isWrong
  }

  /** Nothing goes to the peer any more. Whoever runs it interrupts that. */
  close(): void {
    this.isClosed = true
    for (const { fiber } of this.asking.values()) fiber?.interruptUnsafe()
    this.asking.clear()
    for (const route of this.routes.values()) {
      route.topic.routes.delete(route)
      route.close()
    }
    this.routes.clear()
    this.#byIndex.clear()
    this.#over()
  }
}
