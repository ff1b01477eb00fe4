/**
 * Peers that are asked by a datagram, where a LAN has such questions. Of few, who is not heard for long is asked before its silence makes it a suspect: its
 * broadcasts may be lost, or forbidden where it is, and a question costs much less than a connection. A crowd is a LAN of so many nodes that each says its advert
 * seldom, so that silence tells little. Some are asked there, drawn by chance from those not heard for a while: so each is asked by somebody again and again, whoever
 * that is, and whoever would like to be. Who does not answer is a suspect, and is asked by a connection, as any suspect. Who is lost, or nearly, is named to all.
 *
 * What bites: a name that others name is a reason to ask, and no more. It is asked first, if there was time for it, and at a bounded rate of which each host that
 * names some has its share, so that who lies makes nobody lose anybody, and nodes ask a little.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import type * as Random from "effect/Random"
import type { Crowd } from "../../Discovery.ts"
import type { Endpoint } from "../../Network.ts"
import type { NodeConfig } from "../../NodeOptions.ts"
import type { PublicKey } from "../../PublicKey.ts"
import * as AtOnce from "../base/atOnce.ts"
import * as Rate from "../base/rate.ts"
import { remember } from "../base/remember.ts"
import { isLoopback } from "../discovery/interfaces.ts"
import { type Doubt, Doubts } from "./doubts.ts"
import type { Entry } from "./entry.ts"
import { GuardedCrowd } from "./guardedCrowd.ts"
import type { Table } from "./table.ts"

// The chance that one is asked in a slice: three of them in an interval.
const perSlice = 0.6
// Peers looked at, drawn from all, before those that are silent are looked for.
const looks = 8
// In intervals: who was heard in that time is not asked.
const heardWithin = 1.5
// Questions, a slice apart. A slice after the last one it is a suspect.
const questions = 3
/** In intervals: who was silent for so long on a LAN of few is asked, in time for its questions before it is a suspect. Two adverts of it were missed. */
export const quietAfter = 2.25
// At one host in a second: whoever makes peers up can say that they are anywhere.
const questionsAtHost = 16
// One that was named to all has a slice to say by itself that it is there, and is asked once, or once at each place it may be at.
const respite = 1
// In milliseconds: a peer that was named is not asked for that again so soon, unless it was heard since, and another host names it.
const doubtedFor = 10_000
// Of those that are named, one host is asked for a part alone: whoever makes nodes up can say that they are anywhere.
const sharesOfHosts = 4
// Questions that are on their way out.
const atOnce = 64
// Of those who lost a peer that others had named, so many name it again on average.
const echoes = 5

interface Asked {
  readonly since: number
  /** Slices until the next question. */
  wait: number
  left: number
  /** Which one the next question is. */
  next: number
  /** Whether any went out. */
  sent: boolean
  /** Of few: it is a suspect when it was silent for long, and not when it has not answered. */
  readonly isQuiet: boolean
  /** It was silent for so long that it is a suspect without an answer, asked or not. */
  isSilent: boolean
}

interface Doubted {
  readonly at: number
  readonly host: string
}

interface Parts {
  readonly config: NodeConfig["Service"]
  readonly crowd: Crowd | undefined
  readonly table: Table
  readonly random: Random.Random
  readonly now: () => number
  readonly run: <A>(effect: Effect.Effect<A>) => Fiber.Fiber<A>
}

export class Asking {
  readonly #parts: Parts
  readonly #crowd: Crowd | undefined
  readonly #interval: number
  readonly #asked = new Map<Entry, Asked>()
  readonly #doubted = new Map<PublicKey, Doubted>()
  readonly #doubts = new Doubts()
  readonly #doubtRate: Rate.Rate
  readonly #doubtRateOf: Rate.Rates
  readonly #quietRateOf = Rate.bySource(questionsAtHost)
  #sending = 0

  constructor(parts: Parts) {
    const { config, crowd, now, table } = parts
    this.#parts = parts
    this.#interval = Duration.toMillis(config.broadcastInterval)
    this.#doubtRate = Rate.make(config.limits.doubts)
    this.#doubtRateOf = Rate.bySource(Math.ceil(config.limits.doubts / sharesOfHosts))
    this.#crowd = crowd === undefined ? undefined : new GuardedCrowd(crowd, this.#interval)
    this.#crowd?.attend({
      size: () => table.size,
      keys: () => table.keys(),
      doubted: (publicKey, host = "") => {
        const doubt = { publicKey, host }
        if (this.#toAsk(doubt, now()) !== undefined) this.#doubts.add(doubt)
      }
    })
  }

  /** How often a peer is to be heard, in milliseconds. */
  interval(entry: Entry | undefined): number {
    const crowd = this.#crowd
    return crowd === undefined || entry !== undefined && entry.places === undefined ? this.#interval : crowd.interval()
  }

  /** Asks on, once a slice, and gives those that did not answer. Time in which this process was `frozen` is nobody's silence. */
  round(at: number, frozen: boolean): ReadonlyArray<Entry> {
    const crowd = this.#crowd
    if (crowd === undefined) return nobody
    const isCrowd = crowd.interval() > this.#interval
    while (this.#doubts.takeIf((doubt) => this.#doubt(doubt, at)));
    if (isCrowd && this.#parts.random.nextDoubleUnsafe() < perSlice) {
      const drawn = this.#draw(at)
      if (drawn !== undefined) this.#ask(drawn, at, 0, questions)
    }
    if (this.#asked.size === 0) return nobody
    const silent: Array<Entry> = []
    for (const [entry, asked] of this.#asked) {
      if (!this.#isOpen(entry, asked)) this.#asked.delete(entry)
      else if (asked.wait > 0) asked.wait--
      else if (asked.left > 0) this.#question(crowd, entry, asked, at, frozen)
      else if (!asked.isQuiet || asked.isSilent) {
        this.#asked.delete(entry)
        // Where there is nothing to ask with, only silence tells.
        if (asked.sent || asked.isSilent || this.isDoubted(entry)) silent.push(entry)
      }
    }
    return silent
  }

  /** On a LAN of few: when a peer is to be asked that is silent, by the monotonic clock in milliseconds. Not where it cannot be, or is being asked. */
  quietAt(entry: Entry): number | undefined {
    if (this.#crowd === undefined || entry.places === undefined || this.#asked.has(entry)) return undefined
    return entry.heardAt + quietAfter * this.#interval
  }

  /** Asks it, at once and by `round`. */
  askQuiet(entry: Entry, at: number): void {
    const asked = this.#ask(entry, at, 0, questions, true)
    if (this.#crowd !== undefined) this.#question(this.#crowd, entry, asked, at, false)
  }

  /**
   * Asks one that was silent for long before it is a suspect, in a crowd: where broadcasts are lost those are many, and most of them are
   * there. `round` gives those that do not answer. Says whether it does so.
   */
  asksFirst(entry: Entry, at: number): boolean {
    const crowd = this.#crowd
    if (crowd === undefined || entry.places === undefined || crowd.interval() <= this.#interval) return false
    if (!this.#asked.has(entry)) this.#ask(entry, at, 0, questions)
    this.#asked.get(entry)!.isSilent = true
    return true
  }

  /** Whether others are in doubt about a peer, which was not heard since. */
  isDoubted({ heardAt, peer: { publicKey } }: Entry): boolean {
    const doubted = this.#doubted.get(publicKey)
    return doubted !== undefined && heardAt <= doubted.at && this.#parts.now() - doubted.at < doubtedFor
  }

  /** Tells all that a peer does not answer, or is lost; of one that others have told of, some do. */
  tell(entry: Entry): Effect.Effect<void> {
    const { random, table } = this.#parts
    const crowd = this.#crowd
    const { publicKey } = entry.peer
    if (crowd === undefined || entry.places === undefined) return Effect.void
    const still = () => (table.find(publicKey)?.peer.status ?? "Suspect") === "Suspect"
    const say = crowd.doubt(publicKey, still)
    if (!this.isDoubted(entry)) return say
    return Effect.suspend(() => random.nextDoubleUnsafe() < echoes / table.size ? say : Effect.void)
  }

  #ask(entry: Entry, since: number, wait: number, left: number, isQuiet = false): Asked {
    const asked = { since, wait, left, next: 0, sent: false, isQuiet, isSilent: false }
    this.#asked.set(entry, asked)
    return asked
  }

  /** Asks one of the questions; it does not count where this process was frozen. */
  #question(crowd: Crowd, entry: Entry, asked: Asked, at: number, frozen: boolean): void {
    const place = entry.places!.at(asked.next)
    // Of few, who cannot be asked now is asked in the next slice, unless it is a suspect by then.
    if (asked.isQuiet && !this.#mayAskAt(place.host, at)) return
    if (this.#send(crowd, place)) asked.sent = true
    if (frozen) return
    asked.left--
    asked.next++
  }

  #mayAskAt(host: string, at: number): boolean {
    return isLoopback(host) || this.#quietRateOf.take(host, at)
  }

  /** Asks, and waits for nothing: how that is done is the discovery's own affair. Says whether it could be asked. */
  #send(crowd: Crowd, place: Endpoint): boolean {
    if (this.#sending >= atOnce) return false
    const question = crowd.who(place)
    const value = AtOnce.valueOf(question)
    if (value !== AtOnce.unknown) return value
    const fiber = this.#parts.run(question)
    const exit = fiber.pollUnsafe()
    if (exit !== undefined) return Exit.isSuccess(exit) && exit.value
    this.#sending++
    fiber.addObserver(() => {
      this.#sending--
    })
    return true
  }

  /** Whether a peer was not heard for a while, and is not being asked. */
  #isSilent(entry: Entry, at: number): boolean {
    return entry.places !== undefined && entry.peer.status === "Online" &&
      at - entry.heardAt > heardWithin * this.#interval &&
      !this.#isBeingAsked(entry)
  }

  /** Not where a quiet one has had its questions, is silent still, and is no suspect yet. */
  #isBeingAsked(entry: Entry): boolean {
    const asked = this.#asked.get(entry)
    return asked !== undefined && !(asked.isQuiet && asked.left === 0 && !asked.isSilent)
  }

  /** One that was not heard for a while, or nobody. In a large crowd nearly all are, so one of the first looked at: all are looked at where few are. */
  #draw(at: number): Entry | undefined {
    const { random, table } = this.#parts
    for (let i = 0; i < looks; i++) {
      const entry = table.at(Math.floor(random.nextDoubleUnsafe() * table.size))
      if (entry !== undefined && this.#isSilent(entry, at)) return entry
    }
    const silent = [...table.entries()].filter((entry) => this.#isSilent(entry, at))
    return silent[Math.floor(random.nextDoubleUnsafe() * silent.length)]
  }

  #isOpen(entry: Entry, { since }: Asked): boolean {
    return entry.heardAt <= since && entry.places !== undefined && entry.peer.status === "Online" &&
      this.#parts.table.find(entry.peer.publicKey) === entry
  }

  /** Who is to be asked for a doubt, if anybody. */
  #toAsk({ host, publicKey }: Doubt, at: number): Entry | undefined {
    const entry = this.#parts.table.find(publicKey)
    if (entry?.places === undefined || at - entry.heardAt < this.#interval) return undefined
    const last = this.#doubted.get(publicKey)
    const isSettled = last !== undefined && entry.heardAt > last.at && last.host !== host
    return last === undefined || isSettled || at - last.at >= doubtedFor ? entry : undefined
  }

  /** Asks for a doubt where there is reason to, and room. */
  #doubt(doubt: Doubt, at: number): "taken" | "not now" | "full" {
    const entry = this.#toAsk(doubt, at)
    if (entry === undefined) return "taken"
    if (!this.#doubtRateOf.take(entry.places!.at(0).host, at)) return "not now"
    if (!this.#doubtRate.take(at)) return "full"
    remember(this.#doubted, doubt.publicKey, { at, host: doubt.host }, this.#parts.config.limits.unprovedPeers)
    if (!this.#isBeingAsked(entry)) this.#ask(entry, at, respite, Math.min(questions, entry.places!.count))
    return "taken"
  }
}

const nobody: ReadonlyArray<Entry> = []
