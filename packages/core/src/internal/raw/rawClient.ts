/**
 * The asking side of RAW (protocol section 3): one connection to a peer at a time, kept while it is used, with any number of
 * messages on their way.
 *
 * A key has one `Channel`, whatever names it is addressed by: each message (`Exchange`) is for a name, and an answer under another is none.
 * While there are messages, one `Conversation` after another takes them to the peer. Here is who gets a channel, and who waits for one.
 */
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FiberMap from "effect/FiberMap"
import * as Latch from "effect/Latch"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import type { Crypto } from "../../Crypto.ts"
import type { Limits } from "../../NodeOptions.ts"
import type { Peer, Peers } from "../../Peers.ts"
import { ProtocolError } from "../../ProtocolError.ts"
import type { PublicKey } from "../../PublicKey.ts"
import type { SharedKeys } from "../../SharedKeys.ts"
import type { Transport } from "../../Transport.ts"
import type { Trust, UntrustedPeerError } from "../../Trust.ts"
import * as Rate from "../base/rate.ts"
import type { Introduce } from "../connect/introducing.ts"
import type { Self } from "../wire/advertExchange.ts"
import { Channel } from "./channel.ts"
import * as Conversation from "./conversation.ts"
import { Exchange, type ExchangeError } from "./exchange.ts"
import { Messages } from "./messages.ts"

export interface Options<Closed> {
  readonly self: Self
  readonly crypto: Crypto["Service"]
  readonly sharedKeys: SharedKeys
  readonly clock: Clock.Clock
  readonly transport: Transport["Service"]
  readonly trust: Trust["Service"]
  readonly peers: Peers["Service"]
  readonly limits: Limits
  /** Makes a peer show what only sessions carry; `undefined` where there are none. */
  readonly introduce: Introduce | undefined
  /** The error of those who still wait when the scope closes. */
  readonly closed: () => Closed
}

interface Message<Late> {
  readonly peer: Peer
  readonly payload: Uint8Array
  readonly deadline: number
  readonly late: (mayHaveRun: boolean) => Late
}

/**
 * Somebody is there and has no room. Always the same wait, give or take half: an err in clear proves nothing, so it may
 * delay one retry and no more.
 */
const backOff = Effect.flatMap(Random.next, (random) => Effect.sleep(100 + random * 200))

const isShownInSessions = ({ kind }: UntrustedPeerError) => kind === "NoCertificate" || kind === "BadCertificate"

export class RawClient<Closed> {
  readonly #options: Options<Closed>
  readonly #parts: Conversation.Parts
  readonly #fibers: FiberMap.FiberMap<PublicKey>
  readonly #runFiber: (publicKey: PublicKey, effect: Effect.Effect<void>) => unknown
  readonly #channels = new Map<PublicKey, Channel<Closed>>()
  /** Closed while somebody waits for one of the channels, of which there are only so many. */
  readonly #freed = Latch.makeUnsafe(true)
  #closed = false
  /** Peers that have refused this node are shown its certificate so often. */
  readonly #introductions = Rate.bySource(1)

  constructor(
    options: Options<Closed>,
    fibers: FiberMap.FiberMap<PublicKey>,
    runFiber: (publicKey: PublicKey, effect: Effect.Effect<void>) => unknown
  ) {
    const { clock, crypto, self } = options
    this.#options = options
    this.#fibers = fibers
    this.#runFiber = runFiber
    this.#parts = {
      ...options,
      messages: new Messages(self, crypto, clock),
      now: () => Number(clock.monotonicTimeNanosUnsafe()) / 1e6,
      onIdle: () => this.#freed.openUnsafe()
    }
  }

  /** Connections that are open or being made. */
  get connections(): number {
    return this.#channels.size
  }

  /** Those who wait for room find it closed. */
  close(): void {
    this.#closed = true
    this.#freed.openUnsafe()
  }

  /** Sends one message to a peer, if it is trusted, and gives its answer; fails with `late` after the time. */
  ask<Late>(
    peer: Peer,
    payload: Uint8Array,
    timeout: Duration.Duration,
    late: (mayHaveRun: boolean) => Late
  ): Effect.Effect<Uint8Array, ExchangeError<Closed> | Late> {
    return Effect.suspend(() => {
      const message = { peer, payload, deadline: this.#parts.now() + Duration.toMillis(timeout), late }
      const sent = Effect.flatMap(
        this.#trusted(message),
        () => this.#obstacle(peer) === undefined ? this.#post(message) : this.#inTime(this.#post(message), message)
      )
      return this.#options.introduce === undefined
        ? sent
        : Effect.tapError(sent, (error) => this.#introduceTo(message, error))
    })
  }

  /** A policy may know a peer by what it shows in a session: then one is made, once. */
  #check(peer: Peer): Effect.Effect<void, UntrustedPeerError> {
    const { introduce, trust } = this.#options
    const check = trust.check(peer.name, peer.publicKey)
    return introduce === undefined
      ? check
      : Effect.catchIf(check, isShownInSessions, (error) =>
        Effect.matchEffect(introduce(peer), {
          onFailure: () => Effect.fail(error),
          onSuccess: () => check
        }))
  }

  /**
   * A peer that refuses this node may have started anew, and not know its certificate any more. It is shown that, so that the next
   * message is taken; this one is not sent again, since an err proves nothing, and it may have been handled.
   */
  #introduceTo<Late>(message: Message<Late>, error: unknown): Effect.Effect<void> {
    const { introduce } = this.#options
    const isRefused = error instanceof ProtocolError && error.code === "ERR_UNTRUSTED" && error.origin === "remote"
    return introduce === undefined || !isRefused || !this.#introductions.take(message.peer.publicKey, this.#parts.now())
      ? Effect.void
      : Effect.ignore(this.#inTime(introduce(message.peer), message))
  }

  #trusted<Late>(message: Message<Late>): Effect.Effect<void, UntrustedPeerError | Late> {
    return Effect.flatMap(
      Effect.forkChild(this.#check(message.peer), { startImmediately: true }),
      // A policy may ask somebody, but as a rule it knows.
      (check) =>
        check.pollUnsafe() ??
          this.#inTime(Effect.onInterrupt(Fiber.join(check), () => Fiber.interrupt(check)), message, false)
    )
  }

  /** For what seldom waits: a timer of its own. */
  #inTime<A, E, Late>(
    effect: Effect.Effect<A, E>,
    { deadline, late }: Message<Late>,
    mayHaveRun = true
  ): Effect.Effect<A, E | Late> {
    return Effect.suspend(() =>
      Effect.timeoutOrElse(effect, {
        duration: Duration.millis(Math.max(0, Math.ceil(deadline - this.#parts.now()))),
        orElse: () => Effect.failSync(() => late(mayHaveRun))
      })
    )
  }

  /** What has to happen before a message to this peer can be queued; `undefined`: nothing. */
  #obstacle(peer: Peer): Effect.Effect<unknown> | undefined {
    const { limits } = this.#options
    const channel = this.#channels.get(peer.publicKey)
    if (channel === undefined) {
      if (this.#channels.size < limits.dialledConnections) return undefined
      this.#freed.closeUnsafe()
      return Effect.flatMap(this.#evictIdle, (evicted) => evicted ? Effect.void : this.#freed.await)
    }
    if (channel.size < limits.pendingSends) return undefined
    channel.room.closeUnsafe()
    return channel.room.await
  }

  /** Queues a message as soon as there is room, and waits for its answer. */
  #post<Late>(message: Message<Late>): Effect.Effect<Uint8Array, ExchangeError<Closed> | Late> {
    return Effect.suspend(() => {
      if (this.#closed) return Effect.fail(this.#options.closed())
      const { deadline, late, payload, peer } = message
      const first = this.#obstacle(peer)
      if (first !== undefined) return Effect.andThen(first, this.#post(message))
      const existing = this.#channels.get(peer.publicKey)
      const channel = existing ?? this.#start(peer)
      channel.peer = peer
      const { isStale } = channel
      return Effect.callback<Uint8Array, ExchangeError<Closed> | Late>((resume) => {
        const exchange = new Exchange<Closed>(
          { name: peer.name, payload, deadline },
          resume,
          (mayHaveRun) => resume(Effect.failSync(() => late(mayHaveRun)))
        )
        channel.queued.push(exchange)
        channel.work.openUnsafe()
        if (existing === undefined) this.#runFiber(peer.publicKey, this.#run(channel))
        else {
          channel.hurry(deadline)
          // Last, because the channel goes on at once.
          if (isStale) channel.stale.openUnsafe()
        }
        return Effect.sync(() => exchange.abandon())
      })
    })
  }

  #start(peer: Peer): Channel<Closed> {
    const channel = new Channel<Closed>(peer)
    this.#channels.set(peer.publicKey, channel)
    return channel
  }

  /** Talks to a channel's peer while there are messages. */
  #run(channel: Channel<Closed>): Effect.Effect<void> {
    return Effect.gen({ self: this }, function*() {
      while (this.#hasWork(channel)) {
        yield* Conversation.converse(this.#parts, channel).pipe(
          Effect.flatMap((ending) => channel.settle(ending) === "TurnedAway" ? backOff : Effect.void),
          Effect.catch((error) => Effect.sync(() => channel.fail(error)))
        )
      }
    }).pipe(
      Effect.raceFirst(channel.expire(this.#options.clock, this.#parts.now)),
      Effect.onInterrupt(() =>
        Effect.sync(() => {
          this.#forget(channel)
          channel.close(this.#options.closed)
        })
      )
    )
  }

  /** In one step with the look at the queue: a message that comes later finds no channel and makes another. */
  #hasWork(channel: Channel<Closed>): boolean {
    if (channel.hasWork()) return true
    this.#forget(channel)
    return false
  }

  #forget(channel: Channel<Closed>): void {
    const { publicKey } = channel.peer
    if (this.#channels.get(publicKey) === channel) this.#channels.delete(publicKey)
    channel.room.openUnsafe()
    this.#freed.openUnsafe()
  }

  /** Closes the connection that was not used for the longest time, if there is one that nothing is on its way over. */
  get #evictIdle(): Effect.Effect<boolean> {
    return Effect.suspend(() => {
      let oldest: Channel<Closed> | undefined
      for (const channel of this.#channels.values()) {
        if (channel.size === 0 && (oldest === undefined || channel.usedAt < oldest.usedAt)) oldest = channel
      }
      if (oldest === undefined) return Effect.succeed(false)
      this.#forget(oldest)
      return Effect.as(FiberMap.remove(this.#fibers, oldest.peer.publicKey), true)
    })
  }
}

export const make = <Closed>(options: Options<Closed>): Effect.Effect<RawClient<Closed>, never, Scope.Scope> =>
  Effect.gen(function*() {
    const fibers = yield* FiberMap.make<PublicKey>()
    const client = new RawClient(options, fibers, yield* FiberMap.runtime(fibers)<never>())
    // Before the fibers are interrupted: those who wait for room must find it closed.
    yield* Effect.addFinalizer(() => Effect.sync(() => client.close()))
    return client
  })
