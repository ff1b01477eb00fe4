/**
 * Telling one who was heard of this node. Answers are few by rule (10 a second in all, 5 to one source). Where that is not enough, as when
 * many nodes start at once, the newcomers are told all together by two further broadcasts.
 */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as NetAddress from "effect/net/NetAddress"
import type * as Scope from "effect/Scope"
import { formatEndpoint } from "../../Advert.ts"
import type { Endpoint } from "../../Network.ts"
import * as Metrics from "../base/metrics.ts"
import * as Rate from "../base/rate.ts"
import type { Private, Sockets } from "./sockets.ts"
import { jittered, type Telling } from "./telling.ts"

const answersPerSecond = 10
const answersPerSource = 5
// After the limit kept an answer back. Between the burst's end and the first interval.
const catchUp = [400, 600]

interface Parts {
  readonly advertisePort: number
  readonly context: Context.Context<never>
  readonly sockets: Sockets
  readonly telling: Telling
  readonly scope: Scope.Scope
  readonly now: () => number
}

export class Answers {
  readonly #parts: Parts
  readonly #all = Rate.make(answersPerSecond)
  readonly #bySource = Rate.bySource(answersPerSource)
  #catchingUp = false

  constructor(parts: Parts) {
    this.#parts = parts
  }

  /** Answers who sent an advert: from the private socket that heard it, else from the interface that shares a subnet with him. */
  answer(source: Endpoint, via: Private | undefined): Effect.Effect<void> {
    const { context, sockets, telling } = this.#parts
    return Effect.suspend(() => {
      const { port } = telling
      if (port === undefined || !this.#isOneSocket(source)) return Effect.void
      if (!this.#mayAnswer(source.host)) return this.#tellAll()
      const one = via ?? sockets.near(source.host)
      if (one === undefined) return Effect.void
      const to = NetAddress.inetAddressFromNativeUnsafe(source.host, source.port)
      return one.send(sockets.advert(one, port), to).pipe(
        Effect.tap(() => Effect.sync(() => Metrics.advertsSent("answer", context))),
        Effect.catch((failure) =>
          Effect.logDebug(`answering the advert from ${formatEndpoint(source)} failed: ${failure.message}`)
        )
      )
    })
  }

  /**
   * Only ever to one socket of one node: not to a broadcast address, and not to the shared port, where any node of that
   * machine might get it.
   */
  #isOneSocket(source: Endpoint): boolean {
    const { advertisePort, sockets } = this.#parts
    if (source.port === advertisePort || source.host === "255.255.255.255") return false
    return !sockets.isBroadcast(source.host)
  }

  #mayAnswer(host: string): boolean {
    const now = this.#parts.now()
    return this.#bySource.take(host, now) && this.#all.take(now)
  }

  /** Tells all at once, in a while. */
  #tellAll(): Effect.Effect<void> {
    const { scope, telling } = this.#parts
    if (this.#catchingUp) return Effect.void
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
    return Effect.asVoid(Effect.forkIn(Effect.ensuring(rounds, done), scope))
  }
}
