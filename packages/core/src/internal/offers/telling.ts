/**
 * Tells peers what this node offers: one stream for each that asks, with a line now and another at each change, four a second at the most
 * however often it changes. No fiber waits for any of them.
 *
 * What bites: a peer that does not read is told the newest when it does, and nothing in between.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { nowUnsafe } from "../../Deadline.ts"
import type { PublicKey } from "../../PublicKey.ts"
import { equal } from "../base/bytes.ts"
import * as Rate from "../base/rate.ts"
import type { Handlers } from "../session/handlers.ts"
import { lowWater, type MuxStream } from "../session/muxStream.ts"
import type { Session } from "../session/session.ts"
import type { LeftOut, Own } from "./own.ts"

/** Between two lines to a peer, in milliseconds. */
export const lineEvery = 250

/** Streams of one peer in any one second. */
const streamsPerSecond = 4

/** A peer that asked, and the line that it has. */
interface Listener {
  readonly stream: MuxStream
  has: Uint8Array | undefined
}

export class Telling {
  readonly #own: Own
  readonly #clock: Clock.Clock
  readonly #fork: (effect: Effect.Effect<void>) => void
  /** One for a peer. */
  readonly #listeners = new Map<PublicKey, Listener>()
  readonly #streams = Rate.bySource(streamsPerSecond)
  /** The line that was told last; one that says the same is the same. */
  #line: Uint8Array | undefined
  #toldAt = -Infinity
  #isDue = false
  #warnedOf: LeftOut = { functions: 0, subscriptions: 0 }

  constructor(own: Own, clock: Clock.Clock, fork: (effect: Effect.Effect<void>) => void) {
    this.#own = own
    this.#clock = clock
    this.#fork = fork
  }

  /** A peer asks. */
  readonly onOpen = (stream: MuxStream, session: Session): void => {
    const { publicKey } = session.peer
    if (!this.#streams.take(publicKey, nowUnsafe(this.#clock))) {
      return stream.reset("refused", "it was asked for too often")
    }
    // It has nothing to say.
    stream.abandon()
    stream.ease(0)
    const listener: Listener = { stream, has: undefined }
    const before = this.#listeners.get(publicKey)
    this.#listeners.set(publicKey, listener)
    before?.stream.reset("cancelled", "it was asked for again")
    stream.onFailure(() => {
      if (this.#listeners.get(publicKey) === listener) this.#listeners.delete(publicKey)
    })
    this.#tell(listener, this.#current())
    this.#warn()
  }

  /** What is offered has changed. */
  readonly onChange = (): void => {
    if (this.#isDue || this.#listeners.size === 0) return
    this.#isDue = true
    const wait = this.#toldAt + lineEvery - nowUnsafe(this.#clock)
    this.#fork(Effect.andThen(
      // What else changes in this turn is told with it.
      wait > 0 ? Effect.sleep(wait) : Effect.yieldNow,
      Effect.sync(() => {
        this.#isDue = false
        this.#toldAt = nowUnsafe(this.#clock)
        const line = this.#current()
        for (const listener of this.#listeners.values()) this.#tell(listener, line)
        this.#warn()
      })
    ))
  }

  /** Whether nobody asks, or the newest line is out for so long that it has been read, and what was sent before that is refused. */
  get isTold(): boolean {
    return this.#listeners.size === 0 || !this.#isDue && nowUnsafe(this.#clock) - this.#toldAt >= lineEvery
  }

  #current(): Uint8Array {
    const { line } = this.#own
    return this.#line = this.#line !== undefined && equal(this.#line, line) ? this.#line : line
  }

  #tell(listener: Listener, line: Uint8Array): void {
    const { stream } = listener
    if (listener.has === line || stream.failure !== undefined || stream.localEnded) return
    if (stream.buffered >= lowWater) {
      const again = () => this.#tell(listener, this.#current())
      stream.onWritable = again
      return
    }
    listener.has = line
    stream.write(line)
  }

  /** Says what nobody is told of, where that is another than before. */
  #warn(): void {
    const { leftOut } = this.#own
    const before = this.#warnedOf
    this.#warnedOf = leftOut
    const warn = (text: string) => this.#fork(Effect.logWarning(`peers are not told of ${text}`))
    if (leftOut.functions > 0 && leftOut.functions !== before.functions) {
      warn(
        `${leftOut.functions} functions of this node: a node tells of 1,024 at most, of 64 KiB with all else that it offers, and of none with a name of over 255 bytes`
      )
    }
    if (leftOut.subscriptions > 0 && leftOut.subscriptions !== before.subscriptions) {
      warn(
        `${leftOut.subscriptions} subscriptions of this node, which get nothing from them: a node tells of 256 at most, the oldest, and of 64 KiB with all else that it offers`
      )
    }
  }
}

/** Tells whoever asks, until the scope closes. */
export const run = (own: Own, handlers: Handlers) =>
  Effect.gen(function*() {
    const scope = yield* Effect.scope
    const runFork = Effect.runForkWith(yield* Effect.context<never>())
    const telling = new Telling(own, yield* Clock.Clock, (effect) => {
      runFork(Effect.forkIn(effect, scope))
    })
    yield* Effect.acquireRelease(
      Effect.sync(() => {
        const offs = [handlers.add({ protocol: "offer", name: "" }, telling.onOpen), own.onChange(telling.onChange)]
        return () => offs.forEach((off) => off())
      }),
      (off) => Effect.sync(off)
    )
    return telling
  })
