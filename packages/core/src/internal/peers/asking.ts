/**
 * Peers of a crowd, a LAN of so many nodes that each says its advert seldom, so that silence tells little. Some are asked, drawn by chance from
 * those not heard for a while: so each is asked by somebody again and again, whoever that is, and whoever would like to be. Who does not answer is a suspect, and is
 * asked by a connection, as any suspect. Who is lost, or nearly, is named to all.
 *
 * What bites: a name that others name is a reason to ask, and no more. It is asked first, if there was time for it, and at a bounded rate, so that who lies makes
 * nobody lose anybody, and nodes ask a little.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import type { Crowd } from "../../Discovery.ts"
import type { Endpoint } from "../../Network.ts"
import type { NodeConfig } from "../../NodeOptions.ts"
import type { PublicKey } from "../../PublicKey.ts"
import * as Rate from "../base/rate.ts"
import { remember } from "../base/remember.ts"
import type { Entry } from "./entry.ts"
import type { Table } from "./table.ts"

// The chance that one is asked in a slice: three of them in an interval.
const perSlice = 0.6
// In intervals: who was heard in that time is not asked.
const heardWithin = 1.5
// Questions, a slice apart. A slice after the last one it is a suspect.
const questions = 3
// One that was named to all has a slice to say by itself that it is there, and is asked once.
const respite = 1
const questionsOfDoubt = 1
// In milliseconds: a peer that was named is not asked for that again so soon.
const doubtedFor = 10_000
// Questions that are on their way out.
const atOnce = 64
// Of those who lost a peer that others had named, so many name it again on average.
const echoes = 5

interface Asked {
  readonly since: number
  /** Slices until the next question. */
  wait: number
  left: number
}

interface Parts {
  readonly config: NodeConfig["Service"]
  readonly crowd: Crowd | undefined
  readonly table: Table
  readonly now: () => number
  readonly run: <A>(effect: Effect.Effect<A>) => Fiber.Fiber<A>
}

export class Asking {
  readonly #parts: Parts
  readonly #interval: number
  readonly #asked = new Map<Entry, Asked>()
  readonly #doubted = new Map<PublicKey, number>()
  readonly #doubts: Rate.Rate
  #sending = 0

  constructor(parts: Parts) {
    const { config, crowd, table } = parts
    this.#parts = parts
    this.#interval = Duration.toMillis(config.broadcastInterval)
    this.#doubts = Rate.make(config.limits.doubts)
    crowd?.attend({
      size: () => table.size,
      keys: () => table.keys(),
      doubted: (publicKey) => this.#doubt(publicKey)
    })
  }

  /** How often a peer is to be heard, in milliseconds. */
  interval(entry: Entry | undefined): number {
    const { crowd } = this.#parts
    return crowd === undefined || entry !== undefined && entry.place === undefined ? this.#interval : crowd.interval()
  }

  /** Asks on, once a slice, and gives those that did not answer. Time in which this process was `frozen` is nobody's silence. */
  round(at: number, frozen: boolean): Effect.Effect<ReadonlyArray<Entry>> {
    const { crowd } = this.#parts
    if (crowd === undefined) return nobody
    return Effect.suspend(() => {
      const isCrowd = crowd.interval() > this.#interval
      if (!isCrowd && this.#asked.size === 0) return nobody
      return Effect.gen({ self: this }, function*() {
        const random = yield* Random.next
        if (isCrowd && random < perSlice) {
          const drawn = this.#draw(at, random / perSlice)
          if (drawn !== undefined) this.#asked.set(drawn, { since: at, wait: 0, left: questions })
        }
        const silent: Array<Entry> = []
        for (const [entry, asked] of this.#asked) {
          if (!this.#isOpen(entry, asked)) this.#asked.delete(entry)
          else if (asked.wait > 0) asked.wait--
          else if (asked.left > 0) {
            if (!frozen) asked.left--
            // Where there is nothing to ask with, only silence tells.
            if (!this.#ask(crowd, entry.place!) && !this.isDoubted(entry)) this.#asked.delete(entry)
          } else {
            this.#asked.delete(entry)
            silent.push(entry)
          }
        }
        return silent
      })
    })
  }

  /** Whether others are in doubt about a peer. */
  isDoubted({ peer: { publicKey } }: Entry): boolean {
    const at = this.#doubted.get(publicKey)
    return at !== undefined && this.#parts.now() - at < doubtedFor
  }

  /** Tells all that a peer does not answer, or is lost; of one that others have told of, some do. */
  tell(entry: Entry): Effect.Effect<void> {
    const { crowd, table } = this.#parts
    const { publicKey } = entry.peer
    if (crowd === undefined || entry.place === undefined) return Effect.void
    const still = () => (table.find(publicKey)?.peer.status ?? "Suspect") === "Suspect"
    const say = crowd.doubt(publicKey, still)
    if (!this.isDoubted(entry)) return say
    return Effect.flatMap(Random.next, (random) => random < echoes / table.size ? say : Effect.void)
  }

  /** Asks, and waits for nothing: how that is done is the discovery's own affair. Says whether it could be asked. */
  #ask(crowd: Crowd, place: Endpoint): boolean {
    if (this.#sending >= atOnce) return false
    const fiber = this.#parts.run(Effect.suspend(() => crowd.who(place)))
    const exit = fiber.pollUnsafe()
    if (exit !== undefined) return Exit.isSuccess(exit) && exit.value
    this.#sending++
    fiber.addObserver(() => {
      this.#sending--
    })
    return true
  }

  /** One that was not heard for a while, or nobody. */
  #draw(at: number, random: number): Entry | undefined {
    const { table } = this.#parts
    const isSilent = (entry: Entry) =>
      entry.place !== undefined && entry.peer.status === "Online" &&
      at - entry.heardAt > heardWithin * this.#interval &&
      !this.#asked.has(entry)
    let count = 0
    for (const entry of table.entries()) if (isSilent(entry)) count++
    let index = Math.floor(random * count)
    for (const entry of table.entries()) if (isSilent(entry) && index-- === 0) return entry
    return undefined
  }

  #isOpen(entry: Entry, { since }: Asked): boolean {
    return entry.heardAt <= since && entry.place !== undefined && entry.peer.status === "Online" &&
      this.#parts.table.find(entry.peer.publicKey) === entry
  }

  #doubt(publicKey: PublicKey): void {
    const { config, now, table } = this.#parts
    const entry = table.find(publicKey)
    const at = now()
    if (entry?.place === undefined || this.isDoubted(entry) || at - entry.heardAt < this.#interval) return
    if (!this.#doubts.take(at)) return
    remember(this.#doubted, publicKey, at, config.limits.unprovedPeers)
    const asked = this.#asked.get(entry)
    if (asked === undefined) this.#asked.set(entry, { since: at, wait: respite, left: questionsOfDoubt })
  }
}

const nobody: Effect.Effect<ReadonlyArray<Entry>> = Effect.succeed([])
