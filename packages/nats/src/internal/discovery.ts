/**
 * Discovery over NATS (protocol section 19). A node says its advert to all when it begins, when it is back, and seldom; who is new reads a
 * directory of who might be there, asks those that it does not know, and is told who answers. Each asks one at a time whether it is there
 * still, so that each is asked by somebody every few seconds, however many there are.
 *
 * What bites: a sighting says until when its node is there, by what is known here: until it was asked and did not answer, and while there is a
 * server. What is said again is not given again, but what nobody looks at is, and all of it now and then.
 */
import * as Adverts from "@pnet/core/Adverts"
import type { Crypto } from "@pnet/core/Crypto"
import * as Deadline from "@pnet/core/Deadline"
import * as Discovery from "@pnet/core/Discovery"
import type { Endpoint } from "@pnet/core/Network"
import { NodeConfig } from "@pnet/core/NodeOptions"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as Subjects from "../Subjects.ts"
import { type Answer, type Bus, type Message, Nats, type Unanswered } from "./bus.ts"
import { Directory, renewed } from "./directory.ts"
import { type Known, Nodes } from "./known.ts"
import { Rate, RateBySource } from "./rate.ts"
import * as Tokens from "./tokens.ts"

// Slices of an interval. In each a part of all is seen to, each every two intervals: peers are suspected after three without a word.
const slices = 5
const rounds = 2
// In intervals: who was looked at in that time is kept by whoever was told of it, who is told of it so seldom.
const keptFor = 4
const toldEvery = 24
// In intervals: how seldom a node says its advert where there are few.
const seldom = 12
// Of the adverts that a LAN has room for, so many a second is what all nodes say together.
const ofBudget = 0.25
// In intervals: when a newcomer asks again who is there, and how seldom others do, who do it as often as they say their adverts where that is more often.
const relearnt = [0.5, 1, 2, 4]
const learnEvery = 48
// Who was not heard for so many of these is asked.
const silentFor = 3
// In milliseconds: who is gone is asked for so long whether it is back, one in each interval.
const latelyFor = 600_000
// Nodes that a newcomer asks in a second, and others whether they are there.
const asksPerSecond = 500
// Those who answer a newcomer by themselves, on average.
const answersToNewcomer = 16
const answersPerSecond = 10
// What a node hears of one other in a second, and what it answers in all.
const advertsOfSource = 10
const advertsInAll = 2_000
const answersOfSource = 10
const answersInAll = 500
const listsInAll = 20
// Asked more often than so in a second, it says its advert to all: somebody says that it is gone.
const refuteAbove = 20
const refuteEvery = 5_000
// In a second, of one node: how often it may say that some are gone, and of how many each time.
const doubtsOfSource = 4
const mostDoubted = 16
const mostUnread = 1_024
const empty = new Uint8Array(0)

interface Parts {
  readonly bus: Bus
  readonly adverts: Adverts.Adverts
  readonly directory: Directory | undefined
  readonly outlet: Discovery.Outlet
  readonly random: Random.Random
  readonly now: () => number
  readonly run: (effect: Effect.Effect<void>) => void
  readonly interval: number
  readonly perSecond: number
  readonly capacity: number
}

export class NatsDiscovery {
  readonly #parts: Parts
  readonly #nodes: Nodes
  readonly #toAsk = new Set<string>()
  /** Those that are asked now, and those that will be, since somebody says that they are gone. */
  readonly #asked = new Set<string>()
  readonly #doubts = new Set<string>()
  /** Those whose adverts this node cannot read, as of another network key. A newcomer may, and is told of them. */
  readonly #unread = new Set<string>()
  readonly #advertsOf = new RateBySource(advertsOfSource)
  readonly #adverts = new Rate(advertsInAll)
  readonly #answersOf = new RateBySource(answersOfSource)
  readonly #doubtsOf = new RateBySource(doubtsOfSource)
  readonly #answers = new Rate(answersInAll)
  readonly #lists = new Rate(listsInAll)
  readonly #told = new Rate(answersPerSecond)
  /** Those that were gone, and may be back: where a part of the servers was cut off, nobody says so. With the time until when they are asked. */
  readonly #lately = new Map<string, number>()
  /** Where this node listens, while it says so. */
  #self: Endpoint | undefined
  #refutedAt = -Infinity
  /** When the server was found to be gone last. */
  #downAt = -Infinity
  #relearnedAt = -Infinity
  #next = 0
  #asking = false

  constructor(parts: Parts) {
    this.#parts = parts
    const { bus, capacity, now } = parts
    this.#nodes = new Nodes(capacity, (token) => this.#answer(token), () => bus.isUp() ? now() : this.#downAt)
  }

  /** Hears, until the scope closes. */
  get listen(): Effect.Effect<void, never, Scope.Scope> {
    const { bus, now, run } = this.#parts
    const begin = Effect.sync(() => [
      bus.on("adv", ({ data, from }) => this.#hear(from, data)),
      bus.on("say.adv", ({ data, from }) => this.#hear(from, data)),
      bus.on("ask", (message) => this.#questioned(message)),
      bus.on("any.list", (message) => this.#listed(message)),
      bus.on("say.gone", (message) => this.#doubted(message)),
      bus.watch((event) => {
        if (event._tag === "Down") this.#downAt = now()
        else if (event._tag === "Up") run(this.#back)
      })
    ])
    return Effect.acquireRelease(begin, (all) => Effect.sync(() => all.forEach((end) => end())))
  }

  /** How often a node says its advert, in milliseconds. */
  get every(): number {
    const { interval, perSecond } = this.#parts
    return Math.max(seldom * interval, this.#nodes.size / perSecond * 1_000)
  }

  get size(): number {
    return this.#nodes.size
  }

  /** Says where this node listens until the scope closes, and then that it leaves. */
  advertise(self: Endpoint | undefined): Effect.Effect<void, never, Scope.Scope> {
    const { directory, interval } = this.#parts
    return Effect.gen({ self: this }, function*() {
      if (self !== undefined) {
        this.#self = self
        yield* Effect.addFinalizer(() => Effect.andThen(this.#leave(self), directory?.leave ?? Effect.void))
        this.#say()
        yield* Effect.forkScoped(this.#again(() => this.every, Effect.sync(() => this.#say())))
        yield* Effect.forkScoped(this.#again(() => Math.min(this.every, learnEvery * interval), this.#learn({})))
        if (directory !== undefined) yield* Effect.forkScoped(this.#entering(directory))
      }
      yield* Effect.forkScoped(this.#learnAll)
    })
  }

  /** Whoever was asked may have begun a moment before, and know nobody. So it is done again, a few times. */
  get #learnAll(): Effect.Effect<void> {
    const { interval } = this.#parts
    return Effect.gen({ self: this }, function*() {
      yield* this.#learn({ directory: true })
      for (const wait of relearnt) {
        yield* Effect.sleep(wait * interval)
        yield* this.#learn({ directory: wait === relearnt.at(-1) })
      }
    })
  }

  /** Sees to those that are known, a part in each slice, and asks one whether it is there. */
  get watch(): Effect.Effect<never> {
    const { bus, interval, now } = this.#parts
    return Effect.gen({ self: this }, function*() {
      let last = now()
      for (let slice = 0;; slice = (slice + 1) % (rounds * slices)) {
        yield* Effect.sleep(interval / slices)
        const at = now()
        // This process was frozen: the client has to see first whether its server is there.
        const isLate = at - last > 2 * interval
        last = at
        if (!bus.isUp() || isLate) continue
        this.#tellOf(slice, at)
        if (slice % slices === 0) {
          this.#askOne(at)
          this.#askLately(at)
        }
      }
    })
  }

  /** Tells of those of a slice that are there, as far as nobody keeps them, or was told for long. */
  #tellOf(slice: number, at: number): void {
    const all = this.#nodes.entries()
    for (let i = slice; i < all.length; i += rounds * slices) {
      const known = all[i]!
      if (known.isThere && !this.#isKept(known, at)) this.#tell(known, at)
    }
  }

  #isKept({ lookedAt, toldAt }: Known, at: number): boolean {
    const { interval } = this.#parts
    return at - lookedAt <= keptFor * interval && at - toldAt < toldEvery * interval
  }

  #tell(known: Known, at: number): void {
    known.toldAt = at
    this.#parts.outlet.give(known.sighting)
  }

  #askOne(at: number): void {
    const { interval, random, run } = this.#parts
    const { size } = this.#nodes
    if (size === 0) return
    // By turns those that were silent for longer than any is, and any.
    const turn = this.#nodes.at(this.#next++ % size)!
    const drawn = this.#nodes.at(Math.floor(random.nextDoubleUnsafe() * size))!
    const isSilent = (known: Known) => at - known.heardAt > silentFor * this.every
    for (const known of isSilent(turn) && turn !== drawn ? [turn, drawn] : [drawn]) {
      if (at - known.heardAt >= interval) run(this.#ask(known.token))
    }
  }

  /** Asks one of those that were gone. The one that was asked is the last in turn. */
  #askLately(at: number): void {
    for (const [token, until] of this.#lately) {
      this.#lately.delete(token)
      if (until <= at) continue
      this.#lately.set(token, until)
      return this.#parts.run(this.#ask(token))
    }
  }

  /** Asks a node for its advert, if it is not asked already. Who is not there any more is named to the others, who are not to name it again. */
  #ask(token: string, isNews = true): Effect.Effect<void> {
    const { bus, interval, now } = this.#parts
    return Effect.suspend(() => {
      if (this.#asked.has(token)) return Effect.void
      this.#asked.add(token)
      const at = now()
      const before = this.#nodes.get(token)
      const signs = before?.signs
      return Effect.match(bus.request(token, "ask", empty, Math.max(2 * interval, 1_000)), {
        onSuccess: ({ data }: Answer) => this.#hear(token, data),
        onFailure: (why: Unanswered) => {
          const known = this.#nodes.get(token)
          // It may have said something since.
          if (known !== undefined && known === before && known.signs === signs && why !== "Down") {
            this.#miss(known, why, at, isNews)
          }
        }
      }).pipe(Effect.ensuring(Effect.sync(() => this.#asked.delete(token))))
    })
  }

  /** One that was asked does not answer: it is suspected three intervals after it was asked, and earlier where it is gone. */
  #miss(known: Known, why: Unanswered, at: number, isNews: boolean): void {
    const { bus, capacity, interval, now } = this.#parts
    const { isThere, token } = known
    this.#nodes.miss(known, why === "Gone" ? at - rounds * interval : at)
    if (why === "Gone") {
      this.#nodes.remove(known)
      if (this.#lately.size < capacity) this.#lately.set(token, now() + latelyFor)
    }
    if (isThere && isNews) bus.publish(bus.subject(Subjects.everyone, "say.gone"), Tokens.encode([token]))
  }

  /** Learns who is there: from one of those who are, and from the directory, which costs more; `after` a break also who is not any more. */
  #learn(options: { readonly directory?: boolean; readonly after?: boolean }): Effect.Effect<void> {
    const { bus, capacity, directory } = this.#parts
    return Effect.gen({ self: this }, function*() {
      const kept = directory === undefined || options.directory !== true ? [] : yield* directory.tokens
      this.#askAll(kept)
      const told = yield* Effect.option(bus.request(Subjects.everyone, "any.list", empty, 2_000))
      if (told._tag === "None") return
      const listed = Tokens.decode(told.value.data, capacity)
      this.#askAll(listed)
      this.#askAll([told.value.from])
      if (options.after !== true) return
      // Who is known and not in it may have ended meanwhile. A list that is much shorter is of one who is new himself.
      const there = new Set(listed).add(told.value.from)
      const missing = [...this.#nodes.tokens()].filter((token) => !there.has(token))
      if (missing.length <= listed.length) this.#enqueue(missing)
    })
  }

  /** Asks those that are not known. */
  #askAll(tokens: Iterable<string>): void {
    const { bus } = this.#parts
    this.#enqueue(Array.from(tokens).filter((token) => token !== bus.own && this.#nodes.get(token)?.isThere !== true))
  }

  #enqueue(tokens: ReadonlyArray<string>): void {
    const { capacity, run } = this.#parts
    for (const token of tokens) {
      if (this.#toAsk.size >= capacity) break
      this.#toAsk.add(token)
    }
    if (this.#asking || this.#toAsk.size === 0) return
    this.#asking = true
    run(this.#askThem)
  }

  get #askThem(): Effect.Effect<void> {
    const batch = asksPerSecond / 20
    return Effect.gen({ self: this }, function*() {
      while (this.#toAsk.size > 0) {
        let left = batch
        for (const token of this.#toAsk) {
          if (left-- === 0) break
          this.#toAsk.delete(token)
          this.#parts.run(this.#ask(token))
        }
        yield* Effect.sleep("50 millis")
      }
    }).pipe(Effect.ensuring(Effect.sync(() => {
      this.#asking = false
    })))
  }

  /** An advert, of whomever it says it is from: it is his, or it counts for nothing. */
  #hear(from: string, data: Uint8Array): void {
    const { adverts, bus, interval, now, outlet, run } = this.#parts
    const at = now()
    if (from === bus.own || data.length === 0 || !this.#advertsOf.take(from, at) || !this.#adverts.take(at)) return
    const read = adverts.read(data, this.#nodes.get(from)?.sighting)
    if (Result.isFailure(read)) return this.#noteUnread(from)
    const { outcome, sighting } = this.#nodes.enter(from, read.success, at)
    if (sighting === undefined) return
    this.#toAsk.delete(from)
    const known = this.#nodes.get(from)
    if (known?.sighting !== sighting) outlet.give(sighting)
    else if (outcome !== "Again" || !this.#isKept(known, at)) this.#tell(known, at)
    if (!this.#lately.delete(from) || sighting.endpoint.port === 0 || at - this.#relearnedAt < interval) return
    // Where one is back others may be: once for all of them, however many come at once.
    this.#relearnedAt = at
    this.#askAll(this.#lately.keys())
    run(this.#learn({}))
  }

  #noteUnread(token: string): void {
    this.#unread.delete(token)
    const [oldest] = this.#unread
    if (oldest !== undefined && this.#unread.size >= mostUnread) this.#unread.delete(oldest)
    this.#unread.add(token)
  }

  /** Tells a newcomer of this node, if chance has it: of many only some do, and it asks the others. */
  #answer(token: string): Effect.Effect<void> {
    const { bus, now, random } = this.#parts
    return Effect.sync(() => {
      const chance = answersToNewcomer / this.#nodes.size
      if (this.#self === undefined || random.nextDoubleUnsafe() >= chance || !this.#told.take(now())) return
      bus.publish(bus.subject(token, "adv"), this.#packet(this.#self))
    })
  }

  #questioned({ from, reply, status }: Message): void {
    const { bus, now } = this.#parts
    const at = now()
    if (this.#self === undefined || reply === "" || status !== 0) return
    if (!this.#answersOf.take(from, at) || !this.#answers.take(at)) return
    // Many ask, as when somebody says that it is gone: all are told that it is not.
    if (this.#answers.taken(at) > refuteAbove && at - this.#refutedAt > refuteEvery) {
      this.#refutedAt = at
      this.#say()
    }
    bus.publish(bus.subject(from, reply), this.#packet(this.#self))
  }

  #listed({ from, reply }: Message): void {
    const { bus, now } = this.#parts
    if (reply === "" || !this.#lists.take(now())) return
    const room = Math.floor(bus.maxPayload() / Tokens.length)
    const tokens: Array<string> = this.#self === undefined ? [] : [bus.own]
    for (const { isThere, token } of this.#nodes.entries()) {
      if (tokens.length >= room) break
      if (isThere && token !== from) tokens.push(token)
    }
    for (const token of this.#unread) if (tokens.length < room && token !== from) tokens.push(token)
    bus.publish(bus.subject(from, reply), Tokens.encode(tokens))
    // Where many begin at once, one who asks may be new to whom he asks.
    this.#askAll([from])
  }

  /** Somebody says that some are gone: they are asked, not all at once by all. */
  #doubted({ data, from }: Message): void {
    const { now, random, run } = this.#parts
    const at = now()
    if (!this.#doubtsOf.take(from, at)) return
    for (const token of Tokens.decode(data, mostDoubted)) {
      const known = this.#nodes.get(token)
      if (known === undefined || !known.isThere || this.#doubts.has(token)) continue
      this.#doubts.add(token)
      const within = this.#nodes.size / asksPerSecond * 1_000
      const { signs } = known
      run(
        Effect.sleep(random.nextDoubleUnsafe() * within).pipe(
          Effect.ensuring(Effect.sync(() => this.#doubts.delete(token))),
          Effect.andThen(
            Effect.suspend(() => known.signs !== signs || !known.isThere ? Effect.void : this.#ask(token, false))
          )
        )
      )
    }
  }

  #packet(endpoint: Endpoint): Uint8Array {
    return this.#parts.adverts.packet(endpoint)
  }

  #say(): void {
    const { bus } = this.#parts
    if (this.#self !== undefined) bus.publish(bus.subject(Subjects.everyone, "say.adv"), this.#packet(this.#self))
  }

  #leave(self: Endpoint): Effect.Effect<void> {
    const { bus } = this.#parts
    return Effect.sync(() => {
      this.#self = undefined
      bus.publish(bus.subject(Subjects.everyone, "say.adv"), this.#packet({ ...self, port: 0 }))
    })
  }

  /** Does something so often, about. */
  #again(every: () => number, what: Effect.Effect<void>): Effect.Effect<never> {
    const { random } = this.#parts
    const wait = Effect.suspend(() => Effect.sleep(every() * (0.9 + 0.2 * random.nextDoubleUnsafe())))
    return Effect.forever(Effect.andThen(wait, what))
  }

  #entering({ enter }: Directory): Effect.Effect<never> {
    return Effect.forever(Effect.andThen(enter, Effect.sleep(renewed)))
  }

  /** The server is back. So is everybody else, perhaps, and not all are to say so at once. */
  get #back(): Effect.Effect<void> {
    const { directory, random } = this.#parts
    const within = this.#nodes.size / asksPerSecond * 1_000
    return Effect.sleep(random.nextDoubleUnsafe() * within).pipe(
      Effect.andThen(Effect.suspend(() => {
        if (this.#self === undefined) return Effect.void
        this.#say()
        return directory?.enter ?? Effect.void
      })),
      Effect.andThen(this.#learn({ directory: true, after: true }))
    )
  }
}

/** The discovery of a node over its connection. */
export const make = (
  options: { readonly directory: "auto" | "ask" }
): Effect.Effect<
  { readonly service: Discovery.Discovery["Service"]; readonly discovery: NatsDiscovery },
  never,
  Nats | NodeConfig | Crypto | Scope.Scope
> =>
  Effect.gen(function*() {
    const bus = yield* Nats
    const config = yield* NodeConfig
    const clock = yield* Clock.Clock
    const scope = yield* Effect.scope
    const fork = Effect.runForkWith(yield* Effect.context<never>())
    const outlet = yield* Discovery.Outlet.make(config.limits.sightings)
    const capacity = config.limits.provedPeers + config.limits.unprovedPeers
    const discovery = new NatsDiscovery({
      bus,
      adverts: yield* Adverts.make,
      directory: options.directory === "auto" ? new Directory(bus, capacity) : undefined,
      outlet,
      random: yield* Random.Random,
      now: () => Deadline.nowUnsafe(clock),
      run: (effect) => void Fiber.runIn(fork(effect), scope),
      interval: Duration.toMillis(config.broadcastInterval),
      perSecond: config.broadcastBudget * ofBudget,
      capacity
    })
    yield* discovery.listen
    yield* Effect.forkScoped(discovery.watch)
    return {
      discovery,
      service: {
        advertise: (self) => discovery.advertise(self),
        sightings: outlet.stream,
        forEach: (take) => outlet.forEach(take)
      }
    }
  })

/** As a layer. */
export const layer = (
  options: { readonly directory: "auto" | "ask" }
): Layer.Layer<Discovery.Discovery, never, Nats | NodeConfig | Crypto> =>
  Layer.effect(Discovery.Discovery, Effect.map(make(options), ({ service }) => service))
