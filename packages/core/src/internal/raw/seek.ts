/**
 * Where a peer is that has several addresses: the first message finds it out. It is sent to one after another, always with the one stamp, so
 * that the peer handles it once, and the address of the first answer that opens is the one that is used. The peer handles messages one after
 * another, so those behind it lose no time.
 *
 * What bites: an err is in clear, so anybody at a made-up address can send one. It counts where the peer was before; elsewhere only when
 * those who might prove that it was not the peer's had some time for that.
 */
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import type * as Scope from "effect/Scope"
import type { Endpoint } from "../../Network.ts"
import type { Message } from "../../Raw.ts"
import type { DialError } from "../../Transport.ts"
import * as DialAny from "../connect/dialAny.ts"
import type { Channel, Ending } from "./channel.ts"
import type { Exchange } from "./exchange.ts"
import { connect, type Dials, type Line } from "./line.ts"
import type { Messages, Receiver } from "./messages.ts"

// Those who may yet prove that they are the peer have so long where somebody says in clear that it is he and refuses.
const refusalTime = "1 second"

/** Why an address did not prove to be the peer's. */
type Vain = Ending | DialError
type Failure = DialAny.Failure<Vain>

export interface Parts extends Dials {
  readonly messages: Messages
}

class Search<Closed> {
  readonly #parts: Parts
  readonly #channel: Channel<Closed>
  readonly #receiver: Receiver
  readonly #exchange: Exchange<Closed>
  /** Where the key proved itself before. */
  readonly #proved: Endpoint | undefined
  readonly #failed: Array<Failure> = []
  /** Open when an err may be the peer's. */
  readonly #doubt = Latch.makeUnsafe(false)
  /** Open when nobody waits for the answer any more. */
  readonly #done = Latch.makeUnsafe(false)
  #written = 0

  constructor(parts: Parts, channel: Channel<Closed>, receiver: Receiver) {
    this.#parts = parts
    this.#channel = channel
    this.#receiver = receiver
    this.#exchange = channel.queued.find(({ done }) => !done)!
    this.#proved = parts.peers.provedAtUnsafe(receiver.publicKey)
  }

  run(endpoints: NonEmptyReadonlyArray<Endpoint>): Effect.Effect<readonly [Line, Message], Vain, Scope.Scope> {
    return Effect.gen({ self: this }, function*() {
      const exchange = this.#exchange
      const done = () => this.#done.openUnsafe()
      exchange.onDone = done
      const found = yield* Effect.result(Effect.raceAllFirst([
        DialAny.dialAny(endpoints, (endpoint) => this.#attempt(endpoint), {
          onFailure: (failure) => this.#onFailure(failure),
          blame: (failures) => this.#blame(failures)
        }),
        this.#moot,
        this.#refused
      ]))
      exchange.onDone = undefined
      if (this.#written > 0) {
        this.#channel.queued = this.#channel.queued.filter((other) => other !== exchange)
        this.#channel.sent.push(exchange)
      }
      return yield* Effect.fromResult(found)
    })
  }

  /** Sends the message to one address, and waits for its answer there. */
  #attempt(endpoint: Endpoint): Effect.Effect<readonly [Line, Message], Vain, Scope.Scope> {
    const { limits, messages } = this.#parts
    return Effect.gen({ self: this }, function*() {
      const line = yield* connect(this.#parts, this.#channel, endpoint)
      this.#written++
      const packet = messages.seal(this.#receiver, this.#exchange)
      const bytes = yield* Effect.raceFirst(
        Effect.andThen(Effect.mapError(line.connection.write(packet), () => line.broken), line.next),
        Effect.flatMap(line.slow(limits.dialledIdleTimeout, this.#channel), Effect.fail)
      )
      return [line, yield* Effect.fromResult(messages.open(this.#receiver, this.#exchange, bytes))] as const
    })
  }

  #onFailure({ endpoint, error }: Failure): void {
    this.#failed.push({ endpoint, error })
    // That it came before is what the peer says where it has the message from elsewhere.
    if (this.#failed.some(({ error }) => error._tag === "Refused" && error.error.code !== "ERR_REPLAY")) {
      if (this.#proved === undefined || this.#failed.some((failure) => this.#isProved(failure))) {
        this.#doubt.openUnsafe()
      }
    }
    // Neither is an err a reason to go elsewhere next time.
    if (error._tag === "Refused" || error._tag === "Idle") return
    this.#parts.peers.failedUnsafe(this.#receiver.publicKey, endpoint)
  }

  /**
   * Fails with an err. Where the peer was before, it is as good as any; elsewhere it counts once those who might prove that it was not
   * the peer's had some time for that, and not as long as nothing has come from where the peer was before.
   */
  get #refused(): Effect.Effect<never, Vain> {
    return Effect.gen({ self: this }, function*() {
      yield* this.#doubt.await
      const isProved = this.#failed.some((failure) => this.#isProved(failure) && failure.error._tag === "Refused")
      if (!isProved) yield* Effect.sleep(refusalTime)
      return yield* Effect.fail(this.#blame(this.#failed))
    })
  }

  /** Nobody waits for its answer any more, and others may wait for theirs: then from the beginning. */
  get #moot(): Effect.Effect<never, Vain> {
    const channel = this.#channel
    return Effect.gen({ self: this }, function*() {
      yield* this.#done.await
      while (!channel.awaited) {
        channel.work.closeUnsafe()
        yield* channel.work.await
      }
      return yield* Effect.fail<Vain>({ _tag: "Idle" })
    })
  }

  #isProved({ endpoint }: Failure): boolean {
    return endpoint.port === this.#proved?.port && endpoint.host === this.#proved.host
  }

  /** Of what was heard, this tells the most. */
  #blame(failures: ReadonlyArray<Failure>): Vain {
    const said = failures.map(({ error }) => error).filter((error) => error._tag !== "DialError")
    const errs = said.filter((error) => error._tag === "Refused")
    const replayed = errs.find(({ error }) => error.code === "ERR_REPLAY")
    const busy = errs.find(({ error }) => error.code === "ERR_BUSY")
    const other = errs.find((error) => error !== replayed && error !== busy)
    if (other !== undefined) return other
    // Accepted where the connection broke, or where somebody kept its answer to himself.
    if (this.#written > 1 && replayed !== undefined) return { _tag: "Broken", endpoint: undefined }
    return replayed ?? busy ?? said[0] ?? failures[0]!.error
  }
}

/** Gives the connection at which the peer is, with the answer to the oldest message that waits, or how it ended. */
export const seek = <Closed>(
  parts: Parts,
  channel: Channel<Closed>,
  receiver: Receiver,
  endpoints: NonEmptyReadonlyArray<Endpoint>
): Effect.Effect<readonly [Line, Message], Vain, Scope.Scope> =>
  Effect.suspend(() => new Search(parts, channel, receiver).run(endpoints))
