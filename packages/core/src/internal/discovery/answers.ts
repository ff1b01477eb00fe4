/**
 * Telling one who was heard of this node. Answers are few by rule (10 a second in all, 5 to one source). Where that is not enough, as when
 * many nodes start at once, the newcomers are told all together by two further broadcasts. In a crowd only some answer, by chance, and ask the
 * newcomer back, who knows by that to ask all (`Newcomer`).
 */
import type * as Clock from "effect/Clock"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Random from "effect/Random"
import { formatEndpoint } from "../../Advert.ts"
import * as Deadline from "../../Deadline.ts"
import type { Endpoint } from "../../Network.ts"
import * as AtOnce from "../base/atOnce.ts"
import * as Metrics from "../base/metrics.ts"
import * as Rate from "../base/rate.ts"
import type { Request } from "../wire/crowdPackets.ts"
import { Allowance, askedBy, Drawn } from "./allowance.ts"
import type { Crowd } from "./crowd.ts"
import type { Private, Sockets } from "./sockets.ts"
import { jittered, type Telling } from "./telling.ts"

const answersPerSecond = 10
const answersPerSource = 5
// After the limit kept an answer back. Between the burst's end and the first interval.
const catchUp = [400, 600]
// In a crowd: those who answer a newcomer, on average.
const answersInCrowd = 16
// Those who are asked for their advert answer so often in a second, and so often to one socket.
const toldPerSecond = 32
const toldPerSocket = 5
// It looks for how many so many questions to all are. Of three thousand nodes a newcomer asks some twenty-two in a second.
const looksPerSecond = 64
// To one who asks all, answers come at so many in a millisecond, and not later than this, in milliseconds.
const toldPerMilli = 4
const toldWithin = 600

interface Parts {
  readonly context: Context.Context<never>
  readonly sockets: Sockets
  readonly telling: Telling
  readonly crowd: Crowd
  readonly random: Random.Random
  readonly clock: Clock.Clock
  readonly now: () => number
  /** Runs what is not waited for. */
  readonly run: (effect: Effect.Effect<void>) => void
}

export class Answers {
  readonly #parts: Parts
  // What is looked at for each question to all, which every node hears: not in an object elsewhere in memory.
  readonly #crowd: Crowd
  readonly #sockets: Sockets
  readonly #telling: Telling
  readonly #clock: Clock.Clock
  readonly #all = Rate.make(answersPerSecond)
  readonly #bySource = Rate.bySource(answersPerSource)
  readonly #told = Rate.make(toldPerSecond)
  readonly #toldBySocket = Rate.bySource(toldPerSocket)
  readonly #allowance = new Allowance()
  readonly #looks = Rate.make(looksPerSecond)
  readonly #drawn: Drawn
  #catchingUp = false

  constructor(parts: Parts) {
    this.#parts = parts
    this.#crowd = parts.crowd
    this.#sockets = parts.sockets
    this.#telling = parts.telling
    this.#clock = parts.clock
    this.#drawn = new Drawn(() => parts.random.nextDoubleUnsafe())
  }

  /** Answers who broadcast an advert, from the interface that shares a subnet with him. */
  answer(source: Endpoint): Effect.Effect<void> {
    const { crowd, random } = this.#parts
    return AtOnce.sync(() => {
      if (!this.#isToBeTold(source)) return
      if (!crowd.isCrowd) return this.#mayAnswer(source.host) ? this.#send(source, undefined) : this.#tellAll()
      // An advert each, and a question behind it.
      const chance = this.#chance(source, 2 * answersInCrowd)
      if (random.nextDoubleUnsafe() >= chance * answersInCrowd / crowd.size || !this.#mayAnswer(source.host)) return
      this.#send(source, undefined)
      crowd.who(source)
    })
  }

  /** Somebody asks; the chance with which this node is to answer, so that not too many do of those that hear it. */
  asked(source: Endpoint, via: Private | undefined, request: Request | undefined): number {
    if (via !== undefined) return 1
    const { known, size } = this.#crowd
    const at = Deadline.nowUnsafe(this.#clock)
    const answers = request !== undefined && known !== undefined && this.#looks.take(at)
      ? this.#drawn.missing(request, known, size, at)
      : askedBy(request, size)
    return this.#chance(source, answers)
  }

  /** Of nodes of this machine nobody else can write the source. */
  #chance(source: Endpoint, answers: number): number {
    if (this.#sockets.isLocal(source)) return 1
    return this.#allowance.chance(source.host, answers, this.#crowd.size, Deadline.nowUnsafe(this.#clock))
  }

  /** Tells who asked this node by itself, or all nodes that he does not know; or simply all, by a broadcast. With a chance, that is. */
  tell(source: Endpoint, via: Private | undefined, request: Request | undefined, chance: number): void {
    const { crowd, now, random, run } = this.#parts
    if (!this.#isToBeTold(source)) return
    if (request === undefined && via !== undefined) {
      const at = now()
      // Such questions come for as long as there is a crowd, and the others while it starts.
      this.#bySource.forget(at)
      this.#allowance.forget(at)
      if (!this.#toldBySocket.take(formatEndpoint(source), at)) return
      if (this.#told.take(at)) this.#send(source, via)
      // So many ask that it is told to all, else each who is not answered would ask by a connection.
      else if (crowd.isCrowd) crowd.refute(() => true)
      return
    }
    const within = Math.min(toldWithin, crowd.size / (request?.slices ?? 1) / toldPerMilli)
    const drawn = random.nextDoubleUnsafe()
    if (drawn >= chance || !this.#mayAnswer(source.host)) return
    run(Effect.andThen(Effect.sleep(drawn / chance * within), Effect.sync(() => this.#send(source, via))))
  }

  #send(source: Endpoint, via: Private | undefined): void {
    const { context, sockets, telling } = this.#parts
    const { port } = telling
    const one = via ?? sockets.near(source.host)
    if (one === undefined || port === undefined) return
    one.post(sockets.advert(one, port), source, {
      onSuccess: () => Effect.sync(() => Metrics.advertsSent("answer", context)),
      onFailure: (failure) =>
        Effect.logDebug(`answering the advert from ${formatEndpoint(source)} failed: ${failure.message}`)
    })
  }

  /** Only ever one socket of one node, and only while this node tells of itself. */
  #isToBeTold(source: Endpoint): boolean {
    return this.#telling.port !== undefined && this.#sockets.isOneSocket(source)
  }

  #mayAnswer(host: string): boolean {
    const now = this.#parts.now()
    return this.#bySource.take(host, now) && this.#all.take(now)
  }

  /** Tells all at once, in a while. */
  #tellAll(): void {
    const { run, telling } = this.#parts
    if (this.#catchingUp) return
    this.#catchingUp = true
    const rounds = Effect.gen(function*() {
      for (const wait of catchUp) {
        yield* jittered(wait)
        yield* telling.round
      }
    })
    const done = Effect.sync(() => {
      this.#catchingUp = false
    })
    run(Effect.ensuring(rounds, done))
  }
}
