/**
 * A LAN of many. Adverts by broadcast are what all nodes hear of all, so their number in a second is bounded for the whole LAN: with more
 * nodes than that each says its advert more seldom. What adverts told is found out by asking then: some are asked by chance
 * (`Asking` of the table), who is in doubt is named to all, and a newcomer asks all that it does not know.
 *
 * What bites: nothing here is believed. Who is named asks to be heard, and who hears a name asks for himself.
 */
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Random from "effect/Random"
import { formatEndpoint } from "../../Advert.ts"
import * as Deadline from "../../Deadline.ts"
import type { Crowd as CrowdOf, Known } from "../../Discovery.ts"
import type { Endpoint } from "../../Network.ts"
import type { NodeConfig } from "../../NodeOptions.ts"
import type { PublicKey } from "../../PublicKey.ts"
import * as AtOnce from "../base/atOnce.ts"
import * as Rate from "../base/rate.ts"
import { remember } from "../base/remember.ts"
import type { Self } from "../wire/advertExchange.ts"
import * as CrowdPackets from "../wire/crowdPackets.ts"
import type { Sockets } from "./sockets.ts"
import { jittered, type Telling } from "./telling.ts"

// Keys in doubt that wait to be named, and how long others are given to name them first, in milliseconds.
const doubtsKept = 64
const doubtsGathered = 100
// A name is said again, since a datagram may be lost; unless so many others have said it.
const askedAgain = 700
const askedByOthers = 3
// One address takes no more of what may be said in a second.
const sharesOfAsks = 4
// Named keys that are remembered, and for how long.
const askedKept = 256
const askedMemory = 3_000
// Who is named says that it is there, twice, and not for every name. Many may be named at once: so each takes a while that it draws,
// in which it may hear that there is no room for more. Those who were told of it give it a slice before they ask.
const refutedWithin = 250
const refutedAgain = 300
const refutedFor = 2_000

interface Parts {
  readonly config: NodeConfig["Service"]
  readonly self: Self
  readonly sockets: Sockets
  readonly random: Random.Random
  readonly clock: Clock.Clock
  readonly now: () => number
  /** Runs what is not waited for. */
  readonly run: (effect: Effect.Effect<void>) => void
}

export class Crowd {
  readonly #parts: Parts
  readonly #interval: number
  /** What is broadcast on the LAN, as far as it is heard: adverts, and names. */
  readonly #adverts: Rate.Rate
  // All nodes of a process have the same clock, and each a function of its own that asks it: for each advert that is one place in memory more.
  readonly #clock: Clock.Clock
  readonly #asks: Rate.Rate
  readonly #doubts = new Map<PublicKey, () => boolean>()
  readonly #asksOf: Rate.Rates
  /** Who has named a key, up to as many as matter. */
  readonly #asked = new Map<PublicKey, { readonly at: number; readonly hosts: ReadonlyArray<string> }>()
  #known: Known | undefined
  #naming = false
  #telling: Telling | undefined
  #overAt = -Infinity
  #refutedAt = -Infinity

  constructor(parts: Parts) {
    const { broadcastBudget, broadcastInterval } = parts.config
    this.#parts = parts
    this.#interval = Duration.toMillis(broadcastInterval)
    this.#adverts = Rate.make(2 * broadcastBudget)
    this.#clock = parts.clock
    this.#asks = Rate.make(broadcastBudget)
    this.#asksOf = Rate.bySource(Math.ceil(broadcastBudget / sharesOfAsks))
  }

  /** What is said goes out while this node tells of itself. */
  set telling(telling: Telling) {
    this.#telling = telling
  }

  /** How many nodes there are, as far as this one knows. */
  get size(): number {
    return 1 + (this.#known?.size() ?? 0)
  }

  /** How long a node waits between its broadcasts, in milliseconds. */
  get interval(): number {
    return Math.max(this.#interval, this.size / this.#parts.config.broadcastBudget * 1_000)
  }

  /** Whether there are so many that they broadcast more seldom. */
  get isCrowd(): boolean {
    return this.interval > this.#interval
  }

  get known(): Known | undefined {
    return this.#known
  }

  /** What the table of peers is given of it. */
  get service(): CrowdOf {
    return {
      attend: (known) => {
        this.#known = known
      },
      interval: () => this.interval,
      who: (to) => AtOnce.sync(() => this.who(to)),
      doubt: (publicKey, still) => this.#doubt(publicKey, still)
    }
  }

  /** An advert was heard by broadcast. */
  counted(): void {
    const now = Deadline.nowUnsafe(this.#clock)
    if (!this.#adverts.take(now)) this.#overAt = now
  }

  /** Others name keys that they are in doubt about: a node at an address. */
  asked(keys: ReadonlyArray<PublicKey>, host: string): void {
    const { now, self } = this.#parts
    const at = now()
    if (this.#asksOf.take(host, at)) this.#asks.take(at)
    let own = false
    for (const key of new Set(keys)) {
      const last = this.#asked.get(key)
      const before = last !== undefined && at - last.at < askedMemory ? last.hosts : []
      const isCounted = before.length >= askedByOthers || before.includes(host)
      remember(this.#asked, key, { at, hosts: isCounted ? before : [...before, host] }, askedKept)
      if (key === self.identity.publicKey) own = true
      else this.#known?.doubted(key, host)
    }
    if (own) this.refute(() => !this.#isOver)
  }

  /** Asks the node at a socket, if it can be asked. */
  who(to: Endpoint): boolean {
    const { self, sockets } = this.#parts
    const port = this.#telling?.port
    const one = sockets.near(to.host)
    // Whoever made an advert up wrote its source too.
    if (port === undefined || one === undefined || !sockets.isOneSocket(to)) return false
    one.post(CrowdPackets.who(self, { host: one.address, port }, undefined), to, {
      onSuccess: () => Effect.void,
      onFailure: (failure) => Effect.logDebug(`asking ${formatEndpoint(to)} failed: ${failure.message}`)
    })
    return true
  }

  /** Whether so much is said already that nobody needs to hear of this node now: it will be asked. */
  get #isOver(): boolean {
    return this.#parts.now() - this.#overAt < 1_000
  }

  /** Says that this node is there, not too often, and as long as there is room for it. */
  refute(hasRoom: () => boolean): void {
    const { now, random, run } = this.#parts
    const telling = this.#telling
    const at = now()
    if (telling === undefined || at - this.#refutedAt < refutedFor || !hasRoom()) return
    this.#refutedAt = at
    const say = Effect.suspend(() => hasRoom() ? telling.round : Effect.void)
    const later = Effect.sleep(random.nextDoubleUnsafe() * refutedWithin)
    run(Effect.andThen(Effect.andThen(later, say), Effect.andThen(jittered(refutedAgain), say)))
  }

  #doubt(publicKey: PublicKey, still: () => boolean): Effect.Effect<void> {
    return Effect.sync(() => {
      if (!this.isCrowd) return
      remember(this.#doubts, publicKey, still, doubtsKept)
      if (this.#naming) return
      this.#naming = true
      const done = Effect.sync(() => {
        this.#naming = false
      })
      this.#parts.run(Effect.ensuring(this.#name, done))
    })
  }

  /** Whether a key is in doubt still, and not named by enough others. */
  #isToName(publicKey: PublicKey, still: () => boolean, enough: number): boolean {
    const asked = this.#asked.get(publicKey)
    return still() &&
      (asked === undefined || this.#parts.now() - asked.at >= askedMemory || asked.hosts.length < enough)
  }

  /** Names what is in doubt, as long as there is something. */
  get #name(): Effect.Effect<void> {
    const { now, random, run, self, sockets } = this.#parts
    const say = (keys: ReadonlyArray<PublicKey>) =>
      keys.length === 0 || this.#telling?.port === undefined
        ? Effect.void
        : sockets.tell(() => CrowdPackets.ask(self, keys))
    return Effect.gen({ self: this }, function*() {
      while (this.#doubts.size > 0) {
        yield* Effect.sleep(doubtsGathered * (0.5 + random.nextDoubleUnsafe()))
        // Others say so much that this waits.
        if (!this.#asks.take(now())) continue
        const first: Array<readonly [PublicKey, () => boolean]> = []
        for (const doubt of this.#doubts) {
          if (first.length === CrowdPackets.keysPerAsk) break
          this.#doubts.delete(doubt[0])
          if (this.#isToName(...doubt, askedByOthers - 1)) first.push(doubt)
        }
        yield* say(first.map(([key]) => key))
        run(Effect.andThen(
          jittered(askedAgain),
          Effect.suspend(() =>
            say(first.filter((doubt) => this.#isToName(...doubt, askedByOthers)).map(([key]) => key))
          )
        ))
      }
    })
  }
}
