/**
 * What this node hears on the topics that it subscribes to: each peer that has something for it opens one stream, on which all of it comes, and is
 * given to the subscriptions at once. What they have no room for they drop by themselves: nobody else waits for a slow one.
 *
 * What bites: all of it is a peer's word. Who may publish is the policy's to say, and the subscription's; and what comes is read no faster than
 * `limits.topicRate`.
 */
import * as Cause from "effect/Cause"
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import type { Asking } from "../../Allow.ts"
import { nowUnsafe } from "../../Deadline.ts"
import type { Interest } from "../../Offer.ts"
import type { Peers } from "../../Peers.ts"
import type { PublicKey } from "../../PublicKey.ts"
import * as Rights from "../../Rights.ts"
import type * as Sessions from "../../Sessions.ts"
import { rightsOf, type Trust } from "../../Trust.ts"
import * as Why from "../../Why.ts"
import { quote } from "../base/quote.ts"
import * as Rate from "../base/rate.ts"
import { remember } from "../base/remember.ts"
import type * as Seldom from "../base/seldom.ts"
import type { MuxStream } from "../session/muxStream.ts"
import { decide } from "../session/permission.ts"
import type { Session } from "../session/session.ts"
import { SessionStream } from "../session/sessionStream.ts"
import { isMeant, isTaken } from "../values/topicNames.ts"
import { leastOf, type Listener } from "./listener.ts"
import * as Records from "./records.ts"
import type { Heard, Origin } from "./said.ts"
import { Source } from "./source.ts"

/** Reserved for what a stream brings, which is read at once. */
const reserved = 65_536
/** Streams of one peer in any one second. */
const streamsPerSecond = 8
/** What a publisher retained is known for so long after its last stream, in milliseconds, where it is still there. */
const patience = 30_000
const lookEvery = 1_000
/** Topics of peers that are gone, of which is remembered how far they were. */
const goneKept = 4_096
/** Answers that a peer has not read, in bytes: those to as many deliveries as a node may have open. */
const mostUnread = 1_048_576

export interface Parts {
  readonly peers: Peers["Service"]
  readonly trust: Trust["Service"]
  readonly clock: Clock.Clock
  readonly lines: Seldom.Lines
  readonly limits: { readonly subscriptions: number; readonly topics: number; readonly topicRate: number }
  readonly changed: () => void
  /** For who counts what subscriptions did not get. */
  readonly lost: (reason: "refused" | "unreadable") => void
  /** A number of 32 bits, by chance. */
  readonly draw: () => number
  /** There is something to look after from now on. */
  readonly start: () => void
  readonly fork: (effect: Effect.Effect<void>) => Fiber.Fiber<void>
}

/** One stream of a peer. */
interface Inbound {
  readonly stream: SessionStream
  readonly from: Source["from"]
  readonly byIndex: Map<number, Source>
  /** Subscriptions that were told of before there were any of these numbers in this run of the node. */
  readonly early: Set<number>
  /** Of those that are read together: who is to be told, and what was taken of which topic. */
  readonly fresh: Set<Listener>
  readonly taken: Map<number, number>
  /** So many were given up by the group before the delivery of that number, which is the next. */
  skipped: Records.SkippedRecord | undefined
  isReading: boolean
  /** Answers to what the peer said, as long as it reads them. */
  readonly say: (record: Uint8Array) => void
  rights: Rights.Rights
  fiber: Fiber.Fiber<void> | undefined
}

/** Subscriptions that have ended of which is remembered that they were to lose none. */
const keepersKept = 1_024

/** Whether a peer keeps for it what is not taken. */
const isKeeper = ({ group, mode }: Interest): boolean => mode === "lossless" && group === undefined

export class Hearing {
  readonly #parts: Parts
  readonly #listeners = new Map<number, Listener>()
  /** Subscriptions that were to lose none, and have ended. */
  readonly #keepers = new Map<number, true>()
  readonly #inbound = new Map<PublicKey, Inbound>()
  readonly #sources = new Map<PublicKey, Map<string, Source>>()
  readonly #streams = Rate.bySource(streamsPerSecond)
  /** The numbers that subscriptions have had: from one to another. */
  #firstId: number | undefined
  #lastId = 0

  constructor(parts: Parts) {
    this.#parts = parts
  }

  #now(): number {
    return nowUnsafe(this.#parts.clock)
  }

  // --- subscriptions of this node --------------------------------------------------------------------------------------

  /** What peers are told of. */
  get interests(): Iterable<Interest> {
    return Array.from(this.#listeners.values(), ({ interest }) => interest)
  }

  /** Topics of peers of which something is known. */
  get topics(): number {
    let count = 0
    for (const topics of this.#sources.values()) count += topics.size
    return count
  }

  get hasRoom(): boolean {
    return this.#listeners.size < this.#parts.limits.subscriptions
  }

  /** No subscription of this node has had it; nor, but for chance, one of an earlier run of it, which peers may still know. */
  nextId(): number {
    this.#lastId = this.#firstId === undefined ? this.#parts.draw() % 0x4000_0000 + 1 : this.#lastId % 0x7fff_ffff + 1
    this.#firstId ??= this.#lastId
    return this.#lastId
  }

  /** Whether it is of a subscription that is to lose none, or was and is no more, which peers may not know yet. */
  #isKeeper(id: number): boolean {
    const interest = this.#listeners.get(id)?.interest
    return interest === undefined ? this.#keepers.has(id) : isKeeper(interest)
  }

  /** Whether no subscription of this node had it so far. */
  #isUnused(id: number): boolean {
    return this.#firstId === undefined || id < this.#firstId || id > this.#lastId
  }

  listen(listener: Listener): void {
    this.#parts.start()
    this.#listeners.set(listener.interest.id, listener)
    // A peer that takes it for one of an earlier run of this node, which it knows still, has told of it already: it does so anew on its next stream.
    for (const [publicKey, { early }] of this.#inbound) if (early.has(listener.interest.id)) this.#leave(publicKey)
    this.#parts.changed()
  }

  unlisten(listener: Listener): void {
    const { interest } = listener
    if (!this.#listeners.delete(interest.id)) return
    if (isKeeper(interest)) remember(this.#keepers, interest.id, true, keepersKept)
    for (const [publicKey, topics] of this.#sources) {
      for (const source of topics.values()) {
        source.leave(listener)
        if (source.listeners.size === 0) this.#forget(publicKey, source)
      }
    }
    this.#parts.changed()
  }

  #forget(publicKey: PublicKey, source: Source): void {
    const topics = this.#sources.get(publicKey)
    if (topics?.get(source.topic) !== source) return
    topics.delete(source.topic)
    if (topics.size === 0) this.#sources.delete(publicKey)
  }

  // --- streams of peers ------------------------------------------------------------------------------------------------

  /** A peer has something to say. */
  readonly onOpen = (stream: MuxStream, session: Session): void => {
    const { name, publicKey } = session.peer
    if (!this.#streams.take(publicKey, this.#now())) {
      return stream.reset("refused", "it was opened too often")
    }
    const given = new SessionStream(stream, session)
    given.easeUnsafe(reserved)
    const inbound: Inbound = {
      stream: given,
      from: { name, publicKey },
      byIndex: new Map(),
      early: new Set(),
      fresh: new Set(),
      taken: new Map(),
      skipped: undefined,
      isReading: false,
      say: (record) => {
        if (given.bufferedUnsafe <= mostUnread) given.writeUnsafe(record)
        else if (!given.isFailed) stream.reset("cancelled", "it does not read what it is answered")
      },
      rights: Rights.none,
      fiber: undefined
    }
    const before = this.#inbound.get(publicKey)
    this.#inbound.set(publicKey, inbound)
    if (before !== undefined) {
      before.fiber?.interruptUnsafe()
      this.#over(before)
    }
    inbound.fiber = this.#parts.fork(
      Effect.ensuring(
        Effect.catchCause(this.#reading(inbound), () => Effect.void),
        Effect.suspend(() => {
          this.#over(inbound)
          stream.abandon()
          return given.isFailed ? Effect.void : given.end
        })
      )
    )
  }

  /** Publishers to which something is still to be written of what they are answered. */
  get unsettled(): number {
    let count = 0
    for (const { stream } of this.#inbound.values()) if (!stream.isFailed && stream.bufferedUnsafe > 0) count++
    return count
  }

  #over(inbound: Inbound): void {
    if (this.#inbound.get(inbound.from.publicKey) === inbound) this.#inbound.delete(inbound.from.publicKey)
    const now = this.#now()
    for (const source of inbound.byIndex.values()) {
      source.onTaken = undefined
      source.endedAt = now
    }
    inbound.byIndex.clear()
  }

  #reading(inbound: Inbound): Effect.Effect<void, Sessions.StreamError> {
    const { limits } = this.#parts
    const { stream } = inbound
    const reader = new Records.RecordReader()
    return Effect.gen({ self: this }, function*() {
      inbound.rights = yield* this.#rightsOf(inbound)
      let since = this.#now()
      let count = 0
      while (true) {
        const parts = yield* Effect.catchIf(stream.pull, Cause.isDone, () => Effect.succeed(undefined))
        if (parts === undefined) return
        reader.add(parts)
        inbound.isReading = true
        for (let bytes = reader.next(); bytes !== undefined; bytes = reader.next()) {
          if (++count > limits.topicRate) {
            const left = since + 1_000 - this.#now()
            this.#settle(inbound)
            if (left > 0) yield* Effect.sleep(left)
            inbound.isReading = true
            since = this.#now()
            count = 1
          }
          const record = Records.toSubscriber(bytes)
          if (record === undefined) continue
          if (typeof record === "string") return yield* this.#wrong(inbound, record)
          if (record.kind === "topic") yield* this.#told(inbound, record)
          else if (record.kind === "denied") yield* this.#denied(inbound, record)
          else this.#heard(inbound, record)
        }
        this.#settle(inbound)
        if (reader.isWrong) return yield* this.#wrong(inbound, "it is too long")
        const now = this.#now()
        if (now - since >= 1_000) {
          since = now
          count = 0
        }
      }
    })
  }

  /** All that came together was looked at: it is to be read, and what was is said to be taken. */
  #settle(inbound: Inbound): void {
    const { fresh, taken } = inbound
    for (const listener of fresh) listener.news()
    fresh.clear()
    inbound.isReading = false
    for (const [index, seq] of taken) inbound.say(Records.taken(index, seq))
    taken.clear()
  }

  #wrong(inbound: Inbound, what: string): Effect.Effect<void> {
    const { from, stream } = inbound
    // What came before it in the same piece is to be read all the same.
    this.#settle(inbound)
    return Effect.andThen(
      stream.reset("cancelled", "it sent what is no record"),
      this.#parts.lines(
        `wrong ${from.publicKey}`,
        "topics",
        (more) => Effect.logWarning(`${quote(from.name)} publishes what is no record: ${what}${more}`)
      )
    )
  }

  #rightsOf({ from: { name, publicKey } }: Inbound): Effect.Effect<Rights.Rights> {
    const { lines, trust } = this.#parts
    return Effect.catchCause(Effect.suspend(() => rightsOf(trust, name, publicKey)), (cause) =>
      Effect.as(
        lines("policy", "topics", (more) =>
          Effect.logError(`the trust policy failed to say what a peer may publish, which is nothing${more}`, cause)),
        Rights.none
      ))
  }

  // --- what they say ---------------------------------------------------------------------------------------------------

  /** It publishes on a topic that some subscriptions are for. */
  #told(inbound: Inbound, record: Extract<Records.ToSubscriber, { kind: "topic" }>): Effect.Effect<void> {
    return Effect.gen({ self: this }, function*() {
      const { contract, epoch, index, topic } = record
      const { from } = inbound
      if (!inbound.byIndex.has(index) && inbound.byIndex.size >= this.#parts.limits.topics) {
        return this.#refuse(inbound, index, "too many topics")
      }
      const meant: Array<Listener> = []
      for (const id of record.for) {
        const listener = this.#listeners.get(id)
        if (listener !== undefined && isMeant(listener.interest, topic)) meant.push(listener)
        else if (this.#isUnused(id) && inbound.early.size < this.#parts.limits.subscriptions) inbound.early.add(id)
      }
      const known = inbound.byIndex.get(index)
      const isKnown = known?.topic === topic && known.contract === contract && known.epoch === epoch
      // What it says of those that have it already counts for them, whatever becomes of the others, which may have ended meanwhile.
      if (isKnown) this.#tell(inbound, known, record, [])
      if (meant.length === 0) return
      const isHeard = isKnown && known.listeners.size > 0
      const fit = meant.filter(({ interest }) => isTaken(interest, contract))
      if (fit.length === 0) return isHeard ? undefined : this.#refuse(inbound, index, "its contract is another")
      const may = Rights.allows(inbound.rights.publishes, topic)
      const allowed: Array<Listener> = []
      if (may) {
        for (const listener of fit) if (yield* this.#mayPublish(inbound, listener, topic)) allowed.push(listener)
      }
      if (allowed.length === 0) {
        yield* this.#parts.lines(
          `not allowed ${from.publicKey} ${topic}`,
          "topics",
          (more) => Effect.logWarning(`${quote(from.name)} publishes on ${quote(topic)}, which it may not${more}`)
        )
        return isHeard ? undefined : this.#refuse(inbound, index, "it may not publish that")
      }
      const before = inbound.byIndex.get(index)
      if (before !== undefined && before.topic !== topic) this.#end(inbound, index, before)
      const source = this.#sourceOf(inbound, topic, contract, epoch)
      source.index = index
      if (before !== source) source.begin(record.for.some((id) => this.#isKeeper(id)))
      inbound.byIndex.set(index, source)
      source.endedAt = undefined
      source.isGone = false
      const taken = (seq: number) => {
        if (inbound.isReading) inbound.taken.set(index, seq)
        else inbound.say(Records.taken(index, seq))
      }
      source.onTaken = taken
      this.#tell(inbound, source, record, allowed.filter((listener) => this.#listeners.has(listener.interest.id)))
    })
  }

  #tell(
    inbound: Inbound,
    source: Source,
    { retained, seq }: Extract<Records.ToSubscriber, { kind: "topic" }>,
    listeners: ReadonlyArray<Listener>
  ): void {
    this.#all(inbound, source)
    source.tell(seq, listeners)
    if (!retained) return
    for (const listener of source.listeners) if (listener.interest.retained) listener.begin(source)
  }

  #mayPublish(inbound: Inbound, listener: Listener, topic: string): Effect.Effect<boolean> {
    const { allow } = listener
    if (allow === undefined) return Effect.succeed(true)
    const asking: Asking = { ...inbound.from, rights: inbound.rights }
    return Effect.catchCause(
      Effect.map(decide(allow, asking, topic), (may) => may === true),
      (cause) =>
        Effect.as(
          this.#parts.lines(`allow ${topic}`, "topics", (more) =>
            Effect.logError(
              `whether ${quote(asking.name)} may publish on ${quote(topic)} could not be decided, so it may not${more}`,
              cause
            )),
          false
        )
    )
  }

  /** What is known of the topic; what was known of an earlier time of its publisher is over. */
  #sourceOf({ byIndex, from }: Inbound, topic: string, contract: string | undefined, epoch: string): Source {
    const topics = this.#sources.get(from.publicKey) ?? new Map<string, Source>()
    this.#sources.set(from.publicKey, topics)
    const known = topics.get(topic)
    // A topic has one number: nothing more is heard by the one that it had.
    if (known !== undefined && byIndex.get(known.index) === known) byIndex.delete(known.index)
    if (known !== undefined && known.epoch === epoch && known.contract === contract) return known
    const source = new Source(from, topic, contract, epoch)
    topics.delete(topic)
    topics.set(topic, source)
    if (known !== undefined) this.#gone(known)
    if (topics.size > this.#parts.limits.topics) this.#forgetOne(from.publicKey, topics)
    return source
  }

  /** Of topics of which nothing comes any more the oldest is forgotten. */
  #forgetOne(publicKey: PublicKey, topics: ReadonlyMap<string, Source>): void {
    for (const source of topics.values()) {
      if (source.endedAt === undefined || source.onTaken !== undefined) continue
      this.#gone(source)
      return this.#forget(publicKey, source)
    }
  }

  /** Nothing more comes by a number. */
  #end({ byIndex, from }: Inbound, index: number, source: Source): void {
    byIndex.delete(index)
    this.#gone(source)
    this.#forget(from.publicKey, source)
  }

  #heard(inbound: Inbound, record: Exclude<Records.ToSubscriber, { kind: "topic" | "denied" }>): void {
    const source = inbound.byIndex.get(record.index)
    if (source === undefined) {
      if (record.kind === "deliver") inbound.say(Records.back(record.delivery))
      return
    }
    switch (record.kind) {
      case "value": {
        const { at, key, retained, seq } = record
        // The bytes that came belong to more than this.
        const heard: Heard = {
          origin: source,
          seq,
          at,
          key,
          body: record.body.slice(),
          retained,
          again: false,
          answer: undefined
        }
        if (!retained) return source.hear(heard, inbound.fresh)
        for (const listener of source.listeners) {
          if (!listener.interest.retained || listener.interest.group !== undefined) continue
          listener.hear(heard)
          inbound.fresh.add(listener)
        }
        return
      }
      case "removed": {
        const { at, key, seq } = record
        return source.hear({
          origin: source,
          seq,
          at,
          key,
          body: undefined,
          retained: false,
          again: false,
          answer: undefined
        }, inbound.fresh)
      }
      case "missed":
        source.missed(record.count)
        return this.#all(inbound, source)
      case "current":
        for (const listener of source.listeners) if (listener.interest.retained) listener.whole(source)
        return
      case "skipped":
        inbound.skipped = record
        return
      case "deliver":
        return this.#deliver(inbound, source, record)
      case "forget":
        return this.#end(inbound, record.index, source)
    }
  }

  /** All who hear it are to be told. */
  #all({ fresh }: Inbound, { listeners }: Source): void {
    for (const listener of listeners) fresh.add(listener)
  }

  #deliver(
    inbound: Inbound,
    source: Source,
    { again, at, body, delivery, group, key, seq }: Extract<Records.ToSubscriber, { kind: "deliver" }>
  ): void {
    const { fresh, say, skipped } = inbound
    inbound.skipped = undefined
    const members = [...source.listeners].filter(({ interest }) => interest.group === group)
    const listener = leastOf(members)
    // One that has as many as it takes is given no more: its peer knows how many that are.
    if (listener === undefined || listener.unanswered >= listener.interest.size) {
      return say(Records.back(delivery))
    }
    let isAnswered = false
    fresh.add(listener)
    if (skipped?.delivery === delivery) listener.miss(source, skipped.count)
    listener.hear({
      origin: source,
      seq,
      at,
      key,
      body: body.slice(),
      retained: false,
      again,
      answer: (how) => {
        if (isAnswered) return
        isAnswered = true
        say(how === "done" ? Records.done(delivery) : Records.back(delivery))
      }
    })
  }

  #refuse(inbound: Inbound, index: number, reason: string): void {
    this.#parts.lost("refused")
    const source = inbound.byIndex.get(index)
    if (source !== undefined) this.#end(inbound, index, source)
    inbound.say(Records.refused(index, reason))
  }

  #denied(
    { from }: Inbound,
    { id, reason, topic }: Extract<Records.ToSubscriber, { kind: "denied" }>
  ): Effect.Effect<void> {
    const listener = this.#listeners.get(id)
    if (listener === undefined || !isMeant(listener.interest, topic)) return Effect.void
    return this.#parts.lines(`denied ${from.publicKey} ${topic}`, "topics", (more) =>
      Effect.logWarning(
        Why.see(
          reason === "contract"
            ? `${quote(from.name)} publishes ${quote(topic)} by another contract than this node subscribes to`
            : `${quote(from.name)} does not let this node subscribe to ${quote(topic)}`,
          "nothing-heard"
        ) + more
      ))
  }

  /** As `leftOut`, for who does not wait. */
  leftOutUnsafe(origin: Origin, why: string): void {
    this.#parts.fork(this.leftOut(origin, why))
  }

  /** What a peer published could not be read, or not be kept. */
  leftOut({ from, topic }: Origin, why: string): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.#parts.lost("unreadable")
      return this.#parts.lines(
        `unreadable ${from.publicKey} ${topic}`,
        "topics",
        (more) => Effect.logWarning(`what ${quote(from.name)} published on ${quote(topic)} was left out: ${why}${more}`)
      )
    })
  }

  // --- publishers that are gone ----------------------------------------------------------------------------------------

  /** What it retained is gone. */
  #gone(source: Source): void {
    if (source.isGone) return
    source.isGone = true
    for (const listener of source.listeners) {
      listener.gone(source)
      listener.news()
    }
  }

  /** What is still on its way from a peer that is gone does not count. One that is back all the same opens another stream. */
  #leave(publicKey: PublicKey): void {
    const inbound = this.#inbound.get(publicKey)
    if (inbound === undefined) return
    inbound.fiber?.interruptUnsafe()
    this.#over(inbound)
  }

  /** Takes notice of who leaves, and of policies that change, for as long as it runs. */
  get run(): Effect.Effect<never> {
    const { peers, trust } = this.#parts
    const leaving = Stream.runForEach(peers.changes, (event) =>
      Effect.sync(() => {
        if (event._tag !== "Left" && event._tag !== "Lost") return
        this.#leave(event.peer.publicKey)
        for (const source of this.#sources.get(event.peer.publicKey)?.values() ?? []) this.#gone(source)
        this.#bound()
      }))
    const judging = Effect.catchCause(
      Stream.runForEach(trust.changes, () =>
        Effect.sync(() => {
          for (const inbound of this.#inbound.values()) this.#parts.fork(this.#judge(inbound))
        })),
      () => Effect.void
    )
    const looking = Effect.forever(Effect.andThen(
      Effect.sleep(lookEvery),
      Effect.sync(() => {
        const now = this.#now()
        for (const topics of this.#sources.values()) {
          for (const source of topics.values()) {
            if (source.endedAt !== undefined && now - source.endedAt >= patience) this.#gone(source)
          }
        }
      })
    ))
    return Effect.raceFirst(
      looking,
      Effect.raceFirst(Effect.andThen(leaving, Effect.never), Effect.andThen(judging, Effect.never))
    )
  }

  #judge(inbound: Inbound): Effect.Effect<void> {
    return Effect.map(this.#rightsOf(inbound), (rights) => {
      inbound.rights = rights
      for (const [index, { topic }] of inbound.byIndex) {
        if (!Rights.allows(rights.publishes, topic)) this.#refuse(inbound, index, "it may not publish that any more")
      }
    })
  }

  /** Of peers that are gone the oldest are forgotten. */
  #bound(): void {
    let gone = 0
    for (const topics of this.#sources.values()) for (const { isGone } of topics.values()) if (isGone) gone++
    if (gone <= goneKept) return
    for (const [publicKey, topics] of this.#sources) {
      for (const source of topics.values()) {
        if (!source.isGone) continue
        this.#forget(publicKey, source)
        if (--gone <= goneKept) return
      }
    }
  }
}
