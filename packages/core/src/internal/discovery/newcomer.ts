/**
 * How a node that starts, or gets an interface, gets to know all: it asks all nodes that it does not know, again and again, and those answer for
 * themselves, by unicast. So what it enters was said by who it is about, from its own address. Of few all have answered its adverts, each once: it asks
 * for the sake of those whose answer was lost, and who cannot broadcast what they would say next. That it is in a crowd it knows by being asked itself: of many
 * only some answer its first advert, and ask it with that.
 */
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Random from "effect/Random"
import * as Deadline from "../../Deadline.ts"
import * as Rate from "../base/rate.ts"
import * as WallTime from "../base/wallTime.ts"
import type { Self } from "../wire/advertExchange.ts"
import * as CrowdPackets from "../wire/crowdPackets.ts"
import type { Crowd } from "./crowd.ts"
import type { Sockets } from "./sockets.ts"
import { jittered, type Telling } from "./telling.ts"

// In milliseconds. Behind its first adverts, which of few all answer; and this long after its start it is none any more.
const beginsAfter = 400
const newFor = 5_000
// On a network with a key "leaving" outdates what the node says that is started anew within its second, and a question that is dropped brings nobody.
// So it asks from the next second on, so long after it began.
const intoSecond = 100
// How often it asks at most, this far apart: answers to a question take an eighth of a second.
const rounds = 12
const roundEvery = 150
// Before that it stops when so many rounds in a row brought nobody: of each that is left packets may have been lost.
const emptyRounds = 3
// In a crowd that loses none one is enough: then the second one brought no more than this of the first, which brought that many at least. What a filter
// takes for known by mistake is less. A few may be what others left over, who had each node answer until it had no answer left in that second.
const lossyFrom = 1 / 16
// Of few before the last one, and in a crowd where others ask: several that start together, more so on one machine, are to have more answers of each node
// than it gives in a second, so that a question may bring nobody of those that are left.
const beforeLast = 700
// Between the questions of a round, of which each is answered by many.
const questionEvery = 20
// Where so many newcomers ask in a second, it waits so long; so often at most.
const questionsPerSecond = 20
const waitEvery = 350
const waits = 3
// Where a crowd asks it before that, and it has heard no more than so many others, it begins at once. Else many start together, and it hears of
// most of them meanwhile.
const aloneUpTo = 8
// Where it has heard so many already all have started together, and ask one after another, in milliseconds.
const togetherFrom = 64
const togetherWithin = 1_000

/** So many that they may tell by how many the next are less. */
const areMany = (brought: number): boolean => brought * lossyFrom >= 1

/** How many rounds more that bring nobody say that there is nobody to be found, after what the others brought; to one who asks a crowd `alone`, perhaps fewer. */
const roundsLeft = (brought: ReadonlyArray<number>, alone: boolean): number => {
  const [first = 0, second = 0] = brought
  const enough = alone && areMany(first) && second <= first * lossyFrom ? 1 : emptyRounds
  return enough - (brought.length - 1 - brought.findLastIndex((one) => one > 0))
}

interface Parts {
  readonly self: Self
  readonly sockets: Sockets
  readonly crowd: Crowd
  readonly telling: Telling
  readonly clock: Clock.Clock
}

export class Newcomer {
  readonly #parts: Parts
  // As every node hears the questions of all newcomers.
  readonly #clock: Clock.Clock
  readonly #questions = Rate.make(questionsPerSecond)
  /** An interface came that it has not asked on. */
  readonly #came = Latch.makeUnsafe(false)
  readonly #asked = Latch.makeUnsafe(false)
  #isInCrowd = false
  /** Others ask, too, and each node answers few in a second, and fewer of one machine. */
  #isShared = false
  /** How many told this node of themselves that it had not heard of; and had when the last interface came. */
  #told = 0
  #toldBefore = 0

  constructor(parts: Parts) {
    this.#parts = parts
    this.#clock = parts.clock
  }

  /** There is an interface that there was not, and nothing is known yet of who is there. */
  came(): void {
    this.#isInCrowd = false
    this.#isShared = false
    this.#toldBefore = this.#told
    this.#asked.closeUnsafe()
    this.#came.openUnsafe()
  }

  /** A node asked this one by itself. Of few only who is silent is asked, which a newcomer seldom is. */
  wasAsked(): void {
    this.#isInCrowd = true
    this.#asked.openUnsafe()
  }

  /** A node that was not heard before told this one of itself, and nobody else: an answer. Those that start meanwhile tell all, whoever asks. */
  wasTold(): void {
    this.#told++
  }

  /** Another newcomer asks all. */
  heardQuestion(): void {
    this.#isShared = true
    this.#hasRoom()
  }

  /** Whether there is room for another one that asks all. */
  #hasRoom(): boolean {
    return this.#questions.take(Deadline.nowUnsafe(this.#clock))
  }

  /** From the start on, as soon as there is an interface, and whenever another one comes: asks all. */
  get learn(): Effect.Effect<never> {
    return Effect.forever(Effect.andThen(this.#came.await, Effect.timeoutOption(this.#learn, newFor)))
  }

  get #learn(): Effect.Effect<void> {
    return Effect.gen({ self: this }, function*() {
      yield* this.#begin
      this.#came.closeUnsafe()
      if (this.#others > togetherFrom) {
        yield* Effect.sleep(togetherWithin * (yield* Random.next))
      }
      let waited = 0
      let brought: Array<number> = []
      for (let asked = 0; asked < rounds;) {
        if (!this.#hasRoom() && waited++ < waits) {
          yield* jittered(waitEvery)
          continue
        }
        asked++
        const before = this.#told
        yield* this.#ask
        yield* jittered(roundEvery)
        brought.push(this.#told - before)
        const isAlone = this.#isInCrowd && !this.#isShared
        const left = roundsLeft(brought, isAlone)
        if (left > 0) {
          if (left === 1 && !(isAlone && brought.some(areMany))) {
            yield* this.#isInCrowd || this.#isShared
              ? jittered(beforeLast)
              : Effect.raceFirst(jittered(beforeLast), this.#asked.await)
          }
          continue
        }
        if (this.#isInCrowd) return
        // Perhaps of many nobody has heard it yet, so that it is asked later.
        yield* Effect.raceFirst(this.#asked.await, this.#came.await)
        if (!this.#isInCrowd) return
        brought = []
      }
    })
  }

  /** How many it knows that have not answered: they said what they said for the sake of others. */
  get #others(): number {
    return this.#parts.crowd.size - 1 - (this.#told - this.#toldBefore)
  }

  /** When it is time to ask. */
  get #begin(): Effect.Effect<void> {
    const { clock, self } = this.#parts
    return Effect.gen({ self: this }, function*() {
      const start = WallTime.millisUnsafe(clock)
      yield* Effect.raceFirst(
        jittered(beginsAfter),
        Effect.flatMap(this.#asked.await, () => this.#others > aloneUpTo ? Effect.never : Effect.void)
      )
      const now = WallTime.millisUnsafe(clock)
      if (!self.cipher.encrypted || Math.floor(now / 1_000) !== Math.floor(start / 1_000)) return
      yield* Effect.sleep(1_000 - now % 1_000)
      yield* jittered(intoSecond)
    })
  }

  /** Asks all that are not known. */
  get #ask(): Effect.Effect<void> {
    const { crowd, self, sockets, telling } = this.#parts
    return Effect.gen(function*() {
      const salt = Math.floor((yield* Random.next) * 2 ** 32)
      const requests = CrowdPackets.requests(crowd.known?.keys() ?? [], crowd.size, salt)
      for (const [i, request] of requests.entries()) {
        if (i > 0) yield* Effect.sleep(questionEvery)
        const { port } = telling
        if (port === undefined) return
        yield* sockets.tell((one) => CrowdPackets.who(self, { host: one.address, port }, request))
      }
    })
  }
}
