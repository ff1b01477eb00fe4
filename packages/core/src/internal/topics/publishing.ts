/**
 * What this node publishes: its topics, and who gets what is said on them: peers that say so in what they offer, and subscriptions of its own.
 *
 * What bites: a publication is taken for everybody who is to have it, or for nobody. Whether there is room is looked at first, in the same step.
 */
import type * as Clock from "effect/Clock"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Allow } from "../../Allow.ts"
import type * as Balance from "../../Balance.ts"
import { nowUnsafe } from "../../Deadline.ts"
import type { Interest } from "../../Offer.ts"
import type { Peer, Peers } from "../../Peers.ts"
import type { PublicKey } from "../../PublicKey.ts"
import type { TopicFullError } from "../../Topic.ts"
import { rightsOf, type Trust } from "../../Trust.ts"
import * as Why from "../../Why.ts"
import { quote } from "../base/quote.ts"
import type * as Seldom from "../base/seldom.ts"
import type { Opening } from "../session/opening.ts"
import { decide } from "../session/permission.ts"
import { whileHolds } from "../session/serving.ts"
import type { Retaining } from "../values/retaining.ts"
import { isMeant, isTaken } from "../values/topicNames.ts"
import { Feed } from "./feed.ts"
import { Grouping, isResting } from "./grouping.ts"
import type { Listener } from "./listener.ts"
import type { Memory } from "./memory.ts"
import { OwnTopic } from "./ownTopic.ts"
import * as Records from "./records.ts"
import { Retained } from "./retained.ts"
import type { Topic } from "./route.ts"
import { bytesOf, handedOf, hereOf, payloadOf, perItem, type Said } from "./said.ts"

/** Between two looks at what is to be given up, in milliseconds. */
const lookEvery = 1_000
/** Peers are asked what they subscribe to for so long after the last publication. */
const lingering = 60_000

export interface Parts {
  readonly self: { readonly name: Peer["name"]; readonly publicKey: PublicKey }
  readonly peers: Peers["Service"]
  readonly trust: Trust["Service"]
  readonly open: Opening["openUnasked"]
  readonly clock: Clock.Clock
  readonly lines: Seldom.Lines
  readonly waiting: Memory
  readonly retaining: Memory
  /** What waits for groups, by the member that answers for it. */
  readonly grouped: Memory
  readonly limits: {
    readonly topics: number
    readonly topicDeliveries: number
    readonly topicGroups: number
    /** In milliseconds. */
    readonly topicPatience: number
  }
  /** For who counts what groups had no room for. */
  readonly skipped: () => void
  /** 16 hexadecimal digits, never the same twice. */
  readonly epoch: () => string
  /** There is something to look after from now on. */
  readonly start: () => void
  readonly fork: (effect: Effect.Effect<void>) => Fiber.Fiber<void>
  readonly scope: Scope.Scope
  /** The node's: its time and its chance. */
  readonly context: Context.Context<never>
}

/** How a topic is published. What is left out stays as it was. */
export interface Manner {
  readonly allow?: Allow | undefined
  readonly policy?: Balance.Policy<any, any> | undefined
  readonly retain?: Retaining | undefined
}

export interface Publication extends Manner {
  readonly topic: string
  readonly contract: string | undefined
  readonly key: string | undefined
  readonly body: Uint8Array
  readonly payload: unknown
}

/** Who is waited for, by whoever publishes something. */
export interface Waited {
  readonly peer: (peer: Peer) => boolean
  readonly group: (name: string) => boolean
  /** Those of them that have to be there, as they are named. */
  readonly peers: ReadonlyArray<string>
  readonly groups: ReadonlyArray<string>
}

/** One that was waited for by its name, and is not there. */
export type Absent = TopicFullError["absent"][number]

/** What a peer says that it subscribes to, and what of that counts. */
interface Says {
  readonly counts: ReadonlyArray<Interest>
  readonly claims: ReadonlyArray<Interest>
}

/** Whether it is a subscription to all that is said, and none of a group. */
const isWhole = ({ group }: Interest): boolean => group === undefined

const defaults = { keys: 1_024, bytes: 1_048_576 }

export class Publishing {
  readonly #parts: Parts
  readonly #topics = new Map<string, OwnTopic>()
  readonly #feeds = new Map<PublicKey, { readonly feed: Feed; readonly fiber: Fiber.Fiber<void> }>()
  readonly #listeners = new Set<Listener>()
  readonly #room = new Set<() => void>()
  /** Keys of the topic that is published on which are retained no more. */
  readonly #dropped: Array<string> = []
  readonly #expiring = Latch.makeUnsafe(false)
  #rooms = 0
  #indices = 0
  #usedAt = -Infinity
  #uses = 0
  /** Where it is known what peers subscribe to. */
  #awake: Scope.Closeable | undefined
  #waking: Effect.Effect<void> | undefined
  readonly #grouping: Grouping
  isClosed = false

  constructor(parts: Parts) {
    this.#parts = parts
    this.#grouping = new Grouping({
      ...parts,
      feeds: () => Array.from(this.#feeds.values(), ({ feed }) => feed),
      roomMade: () => this.roomMade()
    })
  }

  #now(): number {
    return nowUnsafe(this.#parts.clock)
  }

  /** Bytes of the values that are retained. */
  get retainedBytes(): number {
    return this.#parts.retaining.held
  }

  /** Groups of its topics. */
  get groups(): number {
    return this.#grouping.count
  }

  // --- what is published -----------------------------------------------------------------------------------------------

  get isAwake(): boolean {
    return this.#awake !== undefined && this.#waking === undefined
  }

  /** Finds out what peers subscribe to, which is kept up from then on. Waits, not for long, until each has been asked once. */
  get wake(): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.#usedAt = this.#now()
      this.#parts.start()
      if (this.#awake !== undefined) return this.#waking ?? Effect.void
      const latch = Latch.makeUnsafe(false)
      const scope = this.#awake = Scope.makeUnsafe()
      this.#waking = latch.await
      const subscribed = { where: (peer: Peer) => (peer.offer?.topics.length ?? 0) > 0 }
      const waking = Effect.gen({ self: this }, function*() {
        const { peers } = this.#parts
        yield* peers.interested
        const found = yield* Effect.catchCause(peers.resolve(subscribed), () => Effect.succeed<ReadonlyArray<Peer>>([]))
        this.#enter(found)
        yield* Effect.forkScoped(
          Stream.runForEach(peers.matching(subscribed), (found) => Effect.sync(() => this.#enter(found))),
          { startImmediately: true }
        )
      })
      this.#parts.fork(Effect.ensuring(
        Scope.provide(waking, scope),
        Effect.sync(() => {
          this.#waking = undefined
          latch.openUnsafe()
        })
      ))
      return latch.await
    })
  }

  /** Keeps awake until the scope closes. */
  get used(): Effect.Effect<void, never, Scope.Scope> {
    return Effect.acquireRelease(
      Effect.sync(() => void this.#uses++),
      () =>
        Effect.sync(() => {
          this.#uses--
          this.#usedAt = this.#now()
        })
    )
  }

  /** The topic of a name, which is made where there is none; a text where there cannot be one, or not of that contract. */
  topic(name: string, contract: string | undefined, manner: Manner): OwnTopic | "full" | "contract" {
    const known = this.#topics.get(name)
    if (known !== undefined && known.contract !== contract) return "contract"
    const topic = known ?? this.#make(name, contract)
    if (topic === undefined) return "full"
    topic.usedAt = this.#usedAt = this.#now()
    if (manner.policy !== undefined) topic.policy = manner.policy
    if (manner.retain !== undefined) topic.retained ??= this.#retained(topic, manner.retain)
    if (manner.allow !== undefined && manner.allow !== topic.allow) {
      topic.allow = manner.allow
      this.#offerAll(topic)
    }
    if (known === undefined) {
      for (const listener of this.#listeners) this.#offerHere(topic, listener)
      this.#offerAll(topic)
    }
    return topic
  }

  #make(name: string, contract: string | undefined): OwnTopic | undefined {
    const { epoch, limits, self } = this.#parts
    if (this.#topics.size >= limits.topics && !this.#forgetOne()) return undefined
    const origin = { from: self, topic: name, epoch: epoch(), took: () => this.roomMade() }
    const topic = new OwnTopic(++this.#indices, contract, origin, this.#now())
    this.#topics.set(name, topic)
    return topic
  }

  /** Forgets the topic that was not published on for the longest of those of which nothing is held. */
  #forgetOne(): boolean {
    let oldest: OwnTopic | undefined
    for (const topic of this.#topics.values()) {
      if (topic.isEmpty && (oldest === undefined || topic.usedAt < oldest.usedAt)) oldest = topic
    }
    if (oldest === undefined) return false
    this.#topics.delete(oldest.name)
    for (const { feed } of this.#feeds.values()) {
      feed.asking.get(oldest)?.fiber?.interruptUnsafe()
      feed.asking.delete(oldest)
      feed.route(oldest, [])
    }
    for (const listener of oldest.listeners) {
      listener.gone(oldest.origin)
      listener.news()
    }
    this.#grouping.end(oldest)
    return true
  }

  #retained(topic: OwnTopic, { bytes, keys, timeToLive }: Retaining): Retained<Said> {
    const { retaining } = this.#parts
    const owner = `own ${topic.index}`
    return new Retained<Said>({
      keys: keys ?? defaults.keys,
      bytes: bytes ?? defaults.bytes,
      timeToLive,
      bytesOf: payloadOf,
      overhead: perItem,
      take: (bytes) => retaining.take(owner, bytes),
      give: (bytes) => retaining.give(owner, bytes),
      onDrop: (key) => this.#dropped.push(key)
    })
  }

  /** Those for whom there is no room, of those that are waited for. */
  full(topic: OwnTopic, what: Pick<Publication, "body" | "key">, waited: Waited): ReadonlyArray<string> {
    const bytes = bytesOf(what)
    const full = [...this.#grouping.full(topic, handedOf(what), waited.group)]
    // All of them take it in the same step.
    let all = 0
    for (const { feed } of this.#feeds.values()) {
      const route = feed.routes.get(topic)
      if (route === undefined || !route.isLossless || !waited.peer(feed.peer)) continue
      all += bytes
      if (!route.hasRoom(bytes, all)) full.push(feed.peer.name)
    }
    for (const listener of topic.listeners) {
      if (listener.interest.mode !== "lossless" || listener.interest.group !== undefined) continue
      all += bytes
      if (!listener.hasRoom(topic.origin, bytes, all)) return [...full, this.#parts.self.name]
    }
    return full
  }

  /** Whether all are there that are waited for by their names. */
  hasAll(topic: OwnTopic, { groups, peers }: Waited): boolean {
    if (!groups.every((name) => topic.groups.has(name))) return false
    if (peers.length === 0) return true
    const there = this.#takers(topic)
    return peers.every((name) => there.has(name))
  }

  /** Those who take all that is said on a topic, by their names. */
  #takers(topic: OwnTopic): ReadonlySet<string> {
    const there = new Set<string>()
    for (const { feed } of this.#feeds.values()) {
      if (feed.routes.get(topic)?.entries.some(isWhole) === true) there.add(feed.peer.name)
    }
    for (const { interest } of topic.listeners) if (isWhole(interest)) there.add(this.#parts.self.name)
    return there
  }

  /** Those that are waited for by their names and are not there, and why. */
  absent(topic: OwnTopic, { groups, peers }: Waited): ReadonlyArray<Absent> {
    const there = this.#takers(topic)
    return [
      ...peers.filter((name) => !there.has(name)).map((name) => ({
        name,
        what: "peer" as const,
        why: this.#whyNoPeer(topic, name)
      })),
      ...groups.filter((name) => !topic.groups.has(name)).map((name) => ({
        name,
        what: "group" as const,
        why: this.#whyNot(topic, this.#named(undefined), ({ group }) => group === name)
      }))
    ]
  }

  #whyNoPeer(topic: OwnTopic, name: string): Absent["why"] {
    const named = this.#named(name)
    if (named.length === 0) return "Unknown"
    const why = this.#whyNot(topic, named, isWhole)
    return why === "NotSubscribed" && this.#whyNot(topic, named, (entry) => !isWhole(entry)) !== "NotSubscribed"
      ? "InGroup"
      : why
  }

  /** What the peers of a name, or all of them, say that they subscribe to, and what of that counts. */
  #named(name: string | undefined): ReadonlyArray<Says> {
    const { peers, self } = this.#parts
    const own = [...this.#listeners].map(({ interest }) => interest)
    return [
      ...name === undefined || name === self.name ? [{ counts: own, claims: own }] : [],
      ...peers.presence.value.filter((peer) => name === undefined || peer.name === name).map((
        { offer, publicKey }
      ) => ({
        counts: offer?.topics ?? [],
        claims: peers.claimedUnsafe(publicKey)?.topics ?? []
      }))
    ]
  }

  /** Why none of such subscriptions gets a topic. */
  #whyNot(topic: OwnTopic, all: ReadonlyArray<Says>, isAsked: (entry: Interest) => boolean): Absent["why"] {
    const meant = (entries: ReadonlyArray<Interest>) =>
      entries.filter((entry) => isAsked(entry) && isMeant(entry, topic.name))
    const counted = all.flatMap(({ counts }) => meant(counts))
    if (counted.some((entry) => isTaken(entry, topic.contract))) {
      return topic.allow === undefined ? "LeftOut" : "NotGranted"
    }
    if (counted.length > 0) return "OtherContract"
    return all.some(({ claims }) => meant(claims).length > 0) ? "NotGranted" : "NotSubscribed"
  }

  /** How often there has been room, or somebody more to have it. */
  get rooms(): number {
    return this.#rooms
  }

  /** Waits until there may be room for more, since there has been so often. */
  room(since: number): Effect.Effect<void> {
    return Effect.callback((resume) => {
      if (this.#rooms !== since) return resume(Effect.void)
      // Not in the midst of what made the room.
      const done = () => resume(Effect.yieldNow)
      this.#room.add(done)
      return Effect.sync(() => this.#room.delete(done))
    })
  }

  /** There may be room again for who waits for it. */
  roomMade(): void {
    this.#rooms++
    if (this.#room.size === 0) return
    const waiting = [...this.#room]
    this.#room.clear()
    for (const done of waiting) done()
  }

  /** Says it to all who are to hear it. That there is room with those that are waited for was looked at before, in the same step. */
  say(topic: OwnTopic, at: number, { body, key, payload }: Publication, waited: Waited | undefined): void {
    const seq = ++topic.seq
    const record = Records.value({ index: topic.index, seq, at, key, body })
    // What was given is not kept besides.
    const own = record.subarray(record.length - body.length)
    const said: Said = { index: topic.index, origin: topic.origin, seq, at, key, body: own, record }
    if (topic.retained !== undefined) {
      if (!topic.retained.put(key ?? "", said, this.#now())) {
        this.#log(`retained ${topic.name}`, "topic retained", (more) =>
          Effect.logWarning(
            `a value of ${
              quote(topic.name)
            } is not retained: it is over what the topic retains, or limits.topicRetained is reached${more}`
          ))
      }
      this.#expiring.openUnsafe()
    }
    this.#spread(topic, said)
    // Those who hold them are told behind what took their place.
    for (const key of this.#dropped.splice(0)) this.#removed(topic, key, at)
    if (topic.groups.size === 0) return
    this.#grouping.deliver(topic, { bytes: handedOf(said), payload, said }, waited?.group)
  }

  /** Takes back what is retained of a key. */
  retract(name: string, contract: string | undefined, key: string, at: number): void {
    const topic = this.#topics.get(name)
    if (topic === undefined || topic.contract !== contract || topic.retained?.remove(key) === undefined) return
    topic.usedAt = this.#usedAt = this.#now()
    this.#removed(topic, key, at)
  }

  /** It has no number of its own: nothing was published, so that nothing is missed by who does not hear of it. */
  #removed(topic: OwnTopic, key: string, at: number): void {
    const { seq } = topic
    const record = Records.removed({ index: topic.index, seq, at, key })
    this.#spread(topic, { index: topic.index, origin: topic.origin, seq, at, key, body: undefined, record })
  }

  #spread({ listeners, routes }: OwnTopic, said: Said): void {
    for (const route of routes) route.offer(said)
    if (listeners.size === 0) return
    const heard = hereOf(said, false)
    for (const listener of listeners) {
      if (listener.interest.group !== undefined) continue
      listener.hear(heard)
      listener.news()
    }
  }

  // --- who subscribes --------------------------------------------------------------------------------------------------

  #enter(found: ReadonlyArray<Peer>): void {
    if (this.#awake === undefined) return
    const there = new Set<PublicKey>()
    for (const peer of found) {
      there.add(peer.publicKey)
      const known = this.#feeds.get(peer.publicKey)
      if (known === undefined) this.#begin(peer)
      else this.#follow(known.feed, peer)
    }
    for (const [publicKey, { feed }] of this.#feeds) {
      if (there.has(publicKey)) continue
      // What waits for one that is silent, or has not answered again what it offers, waits until it is known to be gone.
      const silent = this.#parts.peers.presence.value.find((peer) => peer.publicKey === publicKey)
      if (silent === undefined || silent.offer?.topics.length === 0) this.#end(publicKey)
      else this.#follow(feed, silent)
    }
  }

  #follow(feed: Feed, peer: Peer): void {
    if (feed.peer === peer) return
    const topics = peer.offer?.topics ?? feed.interests
    const same = feed.interests === topics && isResting(feed.peer) === isResting(peer)
    feed.peer = peer
    if (!same) this.#match(feed, topics)
  }

  #begin(peer: Peer): void {
    const { fork, open, waiting } = this.#parts
    const feed = new Feed(peer, {
      open,
      has: ({ publicKey }, bytes, all) => waiting.has(publicKey, bytes, all),
      take: ({ publicKey }, bytes) => waiting.take(publicKey, bytes),
      give: ({ publicKey }, bytes) => {
        waiting.give(publicKey, bytes)
        this.roomMade()
      },
      roomMade: () => this.roomMade(),
      refused: (feed, topic, reason) => this.#refused(feed, topic, reason)
    })
    this.#feeds.set(peer.publicKey, { feed, fiber: fork(feed.run) })
    this.#match(feed, peer.offer!.topics)
  }

  #end(publicKey: PublicKey): void {
    const known = this.#feeds.get(publicKey)
    if (known === undefined) return
    this.#feeds.delete(publicKey)
    const names = [...known.feed.routes.keys()].map(({ name }) => name)
    known.feed.close()
    known.fiber.interruptUnsafe()
    for (const name of names) this.#regroup(this.#topics.get(name)!)
    this.roomMade()
  }

  #match(feed: Feed, interests: ReadonlyArray<Interest>): void {
    feed.interests = interests
    feed.forgetDenials()
    for (const topic of this.#topics.values()) this.#offer(feed, topic)
  }

  /** Has those peers get a topic that are to have it. */
  #offerAll(topic: OwnTopic): void {
    for (const { feed } of this.#feeds.values()) this.#offer(feed, topic)
  }

  #offer(feed: Feed, topic: OwnTopic): void {
    const meant = feed.interests.filter((entry) => isMeant(entry, topic.name))
    const entries = meant.filter((entry) => isTaken(entry, topic.contract))
    for (const entry of meant) if (!entries.includes(entry)) this.#deny(feed, topic, entry, "contract")
    if (topic.allow === undefined || entries.length === 0) return this.#route(feed, topic, entries)
    const before = feed.asking.get(topic)
    if (before?.allow === topic.allow) {
      // However often a peer changes what it subscribes to, the answer counts.
      before.isAgain = true
      return
    }
    before?.fiber?.interruptUnsafe()
    this.#ask(feed, topic, topic.allow)
  }

  /** Has the topic's own policy say whether a peer gets it. */
  #ask(feed: Feed, topic: OwnTopic, allow: Allow): void {
    const { fork, trust } = this.#parts
    const { peer: { name, publicKey } } = feed
    const asked = { allow, isAgain: false, fiber: undefined as Fiber.Fiber<void> | undefined }
    feed.asking.set(topic, asked)
    asked.fiber = fork(Effect.flatMap(
      Effect.catchCause(
        Effect.flatMap(
          Effect.suspend(() => rightsOf(trust, name, publicKey)),
          (rights) => decide(allow, { name, publicKey, rights }, topic.name)
        ),
        (cause) =>
          Effect.as(
            this.#parts.lines(`allow ${topic.name}`, "allow", (more) =>
              Effect.logError(
                `whether ${quote(name)} may subscribe to ${
                  quote(topic.name)
                } could not be decided, so it may not${more}`,
                cause
              )),
            false
          )
      ),
      (may) =>
        Effect.sync(() => {
          // Something else may have been asked meanwhile.
          if (feed.asking.get(topic) !== asked) return
          feed.asking.delete(topic)
          if (feed.isClosed || topic.allow !== allow || this.#topics.get(topic.name) !== topic) return
          const entries = feed.interests.filter((entry) => isMeant(entry, topic.name) && isTaken(entry, topic.contract))
          this.#route(feed, topic, may === true ? entries : [])
          if (may !== true) { for (const entry of entries) this.#deny(feed, topic, entry, "not_allowed") }
          if (asked.isAgain) this.#offer(feed, topic)
        })
    ))
  }

  #deny(feed: Feed, { name }: OwnTopic, { id }: Interest, reason: "not_allowed" | "contract"): void {
    feed.deny(name, id, reason)
    if (reason === "not_allowed") return
    this.#log(`contract ${feed.peer.publicKey} ${name}`, "topic contract", (more) =>
      Effect.logWarning(
        Why.see(
          `${quote(feed.peer.name)} subscribes to ${quote(name)} by another contract than this node publishes it`,
          "nothing-heard"
        ) + more
      ))
  }

  #log(subject: string, kind: string, log: (more: string) => Effect.Effect<void>): void {
    this.#parts.fork(this.#parts.lines(subject, kind, log))
  }

  #route(feed: Feed, topic: OwnTopic, entries: ReadonlyArray<Interest>): void {
    const known = feed.routes.get(topic)
    if (known === undefined && entries.length === 0) return
    feed.route(topic, entries)
    if (topic.groups.size > 0 || entries.some(({ group }) => group !== undefined)) this.#regroup(topic)
  }

  #refused(feed: Feed, { name }: Topic, reason: string): void {
    const topic = this.#topics.get(name)
    if (topic !== undefined) this.#regroup(topic)
    this.#log(`refused ${feed.peer.publicKey} ${name}`, "topic refused", (more) =>
      Effect.logWarning(
        `${quote(feed.peer.name)} subscribes to ${quote(name)}, and takes nothing on it from this node: ${
          quote(reason)
        }${more}`
      ))
  }

  /** Tells each group of a topic who its members are. */
  #regroup(topic: OwnTopic): void {
    this.#grouping.enter(topic)
  }

  // --- subscriptions of its own ----------------------------------------------------------------------------------------

  /** A subscription of this node: it gets what this node publishes, too. */
  listen(listener: Listener): void {
    this.#listeners.add(listener)
    for (const topic of this.#topics.values()) this.#offerHere(topic, listener)
  }

  unlisten(listener: Listener): void {
    this.#listeners.delete(listener)
    for (const topic of this.#topics.values()) {
      if (topic.listeners.delete(listener) && listener.interest.group !== undefined) this.#regroup(topic)
    }
  }

  /** A subscription of this node is to a topic that it publishes, and of another contract: between two nodes each says it of the other. */
  #otherContract({ name }: OwnTopic): void {
    this.#log(`contract ${name}`, "topic contract", (more) =>
      Effect.logWarning(
        Why.see(
          `this node subscribes to ${
            quote(name)
          } by another contract than it publishes it, and hears nothing there of its own`,
          "nothing-heard"
        ) + more
      ))
  }

  #offerHere(topic: OwnTopic, listener: Listener): void {
    const { interest } = listener
    if (!isMeant(interest, topic.name)) return
    if (!isTaken(interest, topic.contract)) return this.#otherContract(topic)
    topic.listeners.add(listener)
    this.roomMade()
    if (interest.group !== undefined) return this.#regroup(topic)
    if (topic.retained === undefined || !interest.retained) return
    listener.begin(topic.origin)
    for (const key of topic.retained.keys()) {
      const said = topic.retained.get(key)
      if (said !== undefined) listener.hear(hereOf(said, true))
    }
    listener.whole(topic.origin)
    listener.news()
  }

  // --- time ------------------------------------------------------------------------------------------------------------

  /** Gives up what nobody needs any more, for as long as it runs. */
  get looking(): Effect.Effect<never> {
    return Effect.forever(Effect.andThen(
      Effect.sleep(lookEvery),
      Effect.suspend(() => {
        const now = this.#now()
        for (const { feed } of this.#feeds.values()) feed.moveIfLeftBehind()
        let isHeld = this.#uses > 0 || now - this.#usedAt < lingering
        for (const topic of this.#topics.values()) {
          if (!topic.isEmpty) isHeld = true
          this.#grouping.look(topic)
        }
        return isHeld || !this.isAwake ? Effect.void : this.#sleep
      })
    ))
  }

  /** Nothing is to be said to anybody any more. */
  get #sleep(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const scope = this.#awake
      this.#awake = undefined
      for (const publicKey of this.#feeds.keys()) this.#end(publicKey)
      return scope === undefined ? Effect.void : Scope.close(scope, Exit.void)
    })
  }

  /** Has what has outlived its time go, for as long as it runs. */
  get expiring(): Effect.Effect<never> {
    return Effect.forever(Effect.gen({ self: this }, function*() {
      yield* this.#expiring.await
      this.#expiring.closeUnsafe()
      let next = Infinity
      for (const { retained } of this.#topics.values()) next = Math.min(next, retained?.nextExpiry ?? Infinity)
      if (next === Infinity) return
      const left = next - this.#now()
      if (left > 0) yield* Effect.raceFirst(Effect.sleep(left), this.#expiring.await)
      const at = this.#parts.clock.currentTimeMillisUnsafe()
      for (const topic of this.#topics.values()) {
        for (const key of topic.retained?.expire(this.#now()) ?? []) this.#removed(topic, key, at)
      }
      this.#expiring.openUnsafe()
    }))
  }

  /** Peers, and groups, to which something is still to come of what was said. */
  get unsettled(): number {
    let count = 0
    for (const { feed } of this.#feeds.values()) if (!feed.isSettled) count++
    for (const { groups } of this.#topics.values()) {
      for (const { group } of groups.values()) if (group.pending > 0) count++
    }
    return count
  }

  /** Waits until all that was said has come to those it is for, so many milliseconds at the most, and gives how many of them are left. */
  flush(millis: number): Effect.Effect<number> {
    return Effect.suspend(() => {
      const until = this.#now() + millis
      const read = Effect.forEach(this.#feeds.values(), ({ feed }) => feed.read, {
        concurrency: "unbounded",
        discard: true
      })
      return whileHolds(() => this.unsettled > 0, millis, () => this.#now()).pipe(
        Effect.andThen(Effect.suspend(() => {
          // What is handed out to members of groups would be so again, were its stream to end now.
          const left = this.unsettled
          return left > 0 ? Effect.succeed(left) : Effect.map(
            Effect.timeoutOption(read, Math.max(1, until - this.#now())),
            ({ _tag }) => _tag === "Some" ? 0 : 1
          )
        }))
      )
    })
  }

  /** Nothing is published any more. */
  get close(): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.isClosed = true
      this.roomMade()
      return this.#sleep
    })
  }
}
