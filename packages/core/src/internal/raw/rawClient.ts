/**
 * The asking side of RAW (protocol section 3): one connection to a peer at a time, kept while it is used, with any number of
 * messages on their way. Answers come in order, so the oldest open exchange is the one an answer is for.
 *
 * A key has one channel, whatever names it is addressed by: each message is for a name, and an answer under another is none.
 * Of several addresses the first message finds out at which of them the peer is: it is sent to one after another, always with
 * the one stamp, so that the peer handles it once, and the address of the first answer that opens is the one that is used.
 *
 * Each message has a deadline, and one fiber of each channel sleeps to the earliest of them: a timer for each message would
 * cost more than sealing it.
 */
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FiberMap from "effect/FiberMap"
import * as Latch from "effect/Latch"
import * as Random from "effect/Random"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import type { Crypto, SharedKey } from "../../Crypto.ts"
import type { Endpoint } from "../../Network.ts"
import type { Limits } from "../../NodeOptions.ts"
import * as Packet from "../../Packet.ts"
import { type Peer, PeerLostError, type Peers } from "../../Peers.ts"
import * as ProtocolError from "../../ProtocolError.ts"
import type { PublicKey } from "../../PublicKey.ts"
import * as Raw from "../../Raw.ts"
import type { SharedKeys } from "../../SharedKeys.ts"
import type { Connection, DialError, Transport } from "../../Transport.ts"
import { type Trust, UntrustedPeerError } from "../../Trust.ts"
import * as WallTime from "../base/wallTime.ts"
import * as DialAny from "../connect/dialAny.ts"
import type { Self } from "../wire/advertExchange.ts"
import * as PacketStream from "../wire/packetStream.ts"
import * as WriteBuffer from "../wire/writeBuffer.ts"

export type ExchangeError<Closed> =
  | DialError
  | ProtocolError.ProtocolError
  | PeerLostError
  | UntrustedPeerError
  | Closed

interface Exchange<Closed> {
  /** Whom it is for. */
  readonly name: Packet.NodeName
  readonly payload: Uint8Array
  readonly resume: (effect: Effect.Effect<Uint8Array, ExchangeError<Closed>>) => void
  /** By the monotonic clock, in milliseconds. */
  readonly deadline: number
  /** Ends it as its deadline does. */
  readonly expire: () => void
  /**
   * Drawn when it is first sent, and kept when it is sent again: the receiver accepts a stamp once, so that a message cannot
   * be handled twice, whoever made it be sent twice.
   */
  stamp: number | undefined
  done: boolean
  /** Called when it is done. */
  onDone: (() => void) | undefined
  /** Whether it was sent before. */
  again: boolean
}

/** What a conversation over one connection came to. */
type Ending =
  /** The connection is gone; what was sent may have been handled. */
  | { readonly _tag: "Broken"; readonly endpoint: Endpoint | undefined }
  /** The peer refused the oldest message, and did not look at those behind it. */
  | { readonly _tag: "Refused"; readonly error: ProtocolError.ProtocolError }
  /** The peer broke the protocol, or is not who it should be. */
  | { readonly _tag: "Violated"; readonly error: ProtocolError.ProtocolError | UntrustedPeerError }
  | { readonly _tag: "Lost"; readonly error: PeerLostError }
  | { readonly _tag: "Idle" }

// Every answer proves who the peer is. Over one connection it says nothing new, so it is passed on now and then: that the
// peer lives, and that its name is still trusted.
const proofMillis = 100
// Those who may yet prove that they are the peer have so long where somebody says in clear that it is he and refuses.
const refusalTime = "1 second"

/** What the answers of a conversation have proved, and when that was passed on. */
interface Proof {
  name: Packet.NodeName | undefined
  at: number
}

/** A connection on which messages are exchanged, and what it has proved. */
interface Line {
  readonly connection: Connection
  readonly stream: PacketStream.PacketStream
  readonly proof: Proof
  /** Open when the peer may be another since. */
  readonly doubtful: Latch.Latch
}

/** Why an address did not prove to be the peer's. */
type Vain = Ending | DialError

class Channel<Closed> {
  peer: Peer
  queued: Array<Exchange<Closed>> = []
  sent: Array<Exchange<Closed>> = []
  /** By the monotonic clock, in milliseconds. */
  usedAt = 0
  /** Connections in a row that ended before anything was answered, for want of room there. */
  turnedAway = 0
  /** Addresses of a connection on which nothing is proved yet. */
  unproved: Peer["endpoints"] | undefined
  /** Open when there are others, and this one has let its messages wait in vain. */
  readonly stale = Latch.makeUnsafe(false)
  /** When the earliest deadline is looked for next. */
  expiresAt = Infinity
  /** Open when that has become too late. */
  readonly sooner = Latch.makeUnsafe(false)
  readonly work = Latch.makeUnsafe(false)
  readonly room = Latch.makeUnsafe(true)

  constructor(peer: Peer) {
    this.peer = peer
  }

  /** Exchanges that take room here, those that nobody waits for any more included. */
  get size() {
    return this.queued.length + this.sent.length
  }

  /** Whether anybody waits for an answer. */
  get awaited() {
    return this.queued.some(({ done }) => !done) || this.sent.some(({ done }) => !done)
  }
}

export interface RawClient<Closed> {
  /** Sends one message to a peer, if it is trusted, and gives its answer; fails with `late` after the time. */
  readonly ask: <Late>(
    peer: Peer,
    payload: Uint8Array,
    timeout: Duration.Duration,
    late: () => Late
  ) => Effect.Effect<Uint8Array, ExchangeError<Closed> | Late>
  /** Connections that are open or being made. */
  readonly connections: () => number
}

export const make = <Closed>(options: {
  readonly self: Self
  readonly crypto: Crypto["Service"]
  readonly sharedKeys: SharedKeys
  readonly clock: Clock.Clock
  readonly transport: Transport["Service"]
  readonly trust: Trust["Service"]
  readonly peers: Peers["Service"]
  readonly limits: Limits
  /** The error of those who still wait when the scope closes. */
  readonly closed: () => Closed
}): Effect.Effect<RawClient<Closed>, never, Scope.Scope> =>
  Effect.gen(function*() {
    const { clock, crypto, limits, peers, self, sharedKeys, transport, trust } = options
    const own = self.identity.publicKey
    const channels = new Map<PublicKey, Channel<Closed>>()
    const fibers = yield* FiberMap.make<PublicKey>()
    const runFiber = yield* FiberMap.runtime(fibers)<never>()
    const freed = Latch.makeUnsafe(true)
    let closed = false
    // Before the fibers are interrupted: those who wait for room must find it closed.
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        closed = true
        freed.openUnsafe()
      })
    )

    const now = () => Number(clock.monotonicTimeNanosUnsafe()) / 1e6

    // Stamps of one node strictly increase, to whomever it sends; except where its clock was set back by more than a minute,
    // since nobody who shares the new time accepts the old one's.
    let lastStamp = 0
    const nextStamp = () => {
      const stamp = WallTime.microsUnsafe(clock)
      lastStamp = lastStamp - stamp > Raw.replayWindow ? stamp : Math.max(stamp, lastStamp + 1)
      return lastStamp
    }

    const complete = (exchange: Exchange<Closed>, effect: Effect.Effect<Uint8Array, ExchangeError<Closed>>) => {
      if (exchange.done) return
      exchange.done = true
      exchange.onDone?.()
      exchange.resume(effect)
    }

    const lost = (
      channel: Channel<Closed>,
      { name }: Exchange<Closed>,
      endpoint: Endpoint | undefined,
      mayHaveRun: boolean
    ) =>
      new PeerLostError({
        peer: name,
        publicKey: channel.peer.publicKey,
        ...(endpoint === undefined ? {} : { endpoint }),
        reason: "Disconnected",
        mayHaveRun
      })

    const gone = ({ name, stamp }: Exchange<Closed>, { endpoint, publicKey, reason }: PeerLostError) =>
      new PeerLostError({
        peer: name,
        publicKey,
        ...(endpoint === undefined ? {} : { endpoint }),
        reason,
        mayHaveRun: stamp !== undefined
      })

    const mismatch = (channel: Channel<Closed>, { name }: Exchange<Closed>, actualName: Packet.NodeName) =>
      new UntrustedPeerError({ kind: "NameMismatch", peer: name, publicKey: channel.peer.publicKey, actualName })

    const packetOf = (channel: Channel<Closed>, key: SharedKey, exchange: Exchange<Closed>): Uint8Array => {
      exchange.stamp ??= nextStamp()
      const command = Raw.seal(crypto, key, {
        kind: "request",
        to: channel.peer.publicKey,
        networkId: self.networkId,
        name: self.name,
        stamp: exchange.stamp,
        payload: exchange.payload
      })
      return Packet.encode({
        networkId: self.networkId,
        type: "msg",
        content: self.cipher.seal("msg", own, Raw.toText(command)),
        publicKey: own
      })
    }

    const send = (channel: Channel<Closed>, key: SharedKey, proof: Proof, out: WriteBuffer.WriteBuffer) => {
      while (!out.full()) {
        const exchange = channel.queued.shift()
        if (exchange === undefined) break
        if (exchange.done) continue
        // Whoever is there is known, and it is somebody else.
        if (proof.name !== undefined && proof.name !== exchange.name) {
          complete(exchange, Effect.fail(mismatch(channel, exchange, proof.name)))
          continue
        }
        out.offer(packetOf(channel, key, exchange))
        channel.sent.push(exchange)
      }
      if (channel.queued.length === 0) channel.work.closeUnsafe()
    }

    const violated = (error: ProtocolError.ProtocolError | UntrustedPeerError): Ending => ({ _tag: "Violated", error })

    /** Opens the answer to a message. */
    const open = (
      channel: Channel<Closed>,
      key: SharedKey,
      exchange: Exchange<Closed> | undefined,
      bytes: Uint8Array
    ): Result.Result<Raw.Message, Ending> => {
      const { publicKey } = channel.peer
      const decoded = Packet.decode(bytes, {
        networkId: self.networkId,
        types: ["rsp", "err"],
        maxLength: Packet.maxStreamLength,
        likelyKey: publicKey
      })
      if (Result.isFailure(decoded)) return Result.fail(violated(decoded.failure))
      const packet = decoded.success
      if (packet.type === "err") return Result.fail({ _tag: "Refused", error: Packet.errorOf(packet) })
      if (packet.publicKey !== publicKey) {
        return Result.fail(violated(ProtocolError.local("ERR_PUBLIC_KEY", "not the peer's")))
      }
      const text = self.cipher.open(packet)
      if (Result.isFailure(text)) return Result.fail(violated(text.failure))
      const command = Raw.fromText(text.success.text)
      if (command === undefined || !Raw.isRaw(command)) {
        return Result.fail(violated(ProtocolError.local("ERR_NODE_DECRYPTION_FAILED", "not RAW")))
      }
      const expected = { kind: "answer", to: own, networkId: self.networkId } as const
      const opened = Raw.open(crypto, key, command, expected, exchange?.name)
      if (Result.isFailure(opened)) return Result.fail(violated(opened.failure))
      return exchange === undefined || exchange.stamp !== opened.success.stamp
        ? Result.fail(violated(ProtocolError.local("ERR_REPLAY", "the answer is to another message")))
        : Result.succeed(opened.success)
    }

    /** Takes the answer to the oldest message; an Ending where it ends the conversation. */
    const take = (channel: Channel<Closed>, { connection, proof }: Line, answer: Raw.Message) =>
      Effect.gen(function*() {
        const { publicKey } = channel.peer
        const { name } = answer
        const exchange = channel.sent[0]!
        if (proof.name !== undefined && proof.name !== name) return violated(mismatch(channel, exchange, name))
        const at = now()
        // The advert that led here named somebody; the box says who it is.
        const isOther = name !== exchange.name
        if (name !== proof.name || at - proof.at >= proofMillis) {
          // Nobody asked for the other one, so it is not pinned. But the table learns what the key is called.
          const trusted = yield* Effect.result(isOther ? trust.check(name, publicKey) : trust.proved(name, publicKey))
          if (Result.isFailure(trusted)) return violated(isOther ? mismatch(channel, exchange, name) : trusted.failure)
          yield* peers.proved({ name, publicKey, endpoint: connection.remote })
          proof.name = name
          proof.at = at
          channel.unproved = undefined
        }
        channel.sent.shift()
        channel.turnedAway = 0
        channel.usedAt = at
        complete(exchange, isOther ? Effect.fail(mismatch(channel, exchange, name)) : Effect.succeed(answer.payload))
        if (channel.size < limits.pendingSends) channel.room.openUnsafe()
        // Idle now, so it may be closed for a peer that has to wait.
        if (channel.size === 0) freed.openUnsafe()
        return undefined
      })

    /** A connection to an address; it proves nothing. */
    const connect = (channel: Channel<Closed>, endpoint: Endpoint): Effect.Effect<Line, DialError, Scope.Scope> =>
      Effect.gen(function*() {
        const connection = yield* transport.dial(endpoint)
        // A "leaving" may be anybody's. Who really leaves closes the connection. Of who was started anew the connection is a
        // ghost, which can only be found out by sending; so a connection that nothing is awaited on makes way for a new one.
        const doubtful = Latch.makeUnsafe(false)
        yield* Effect.acquireRelease(
          Effect.sync(() =>
            peers.holdUnsafe(channel.peer.publicKey, (doubt) => {
              if (doubt === "restarted" && channel.sent.length === 0) doubtful.openUnsafe()
            })
          ),
          (release) => Effect.sync(release)
        )
        const stream = PacketStream.make(connection, { clock, packetTimeout: limits.firstPacketTimeout })
        return { connection, stream, proof: { name: undefined, at: 0 }, doubtful }
      })

    /** Ends when nothing comes for too long. */
    const slow = (channel: Channel<Closed>, { stream }: Line) =>
      Effect.gen(function*() {
        while (true) {
          const failure = yield* Effect.flip(stream.watch(limits.dialledIdleTimeout))
          if (failure._tag === "ProtocolError") return violated(failure)
          // Whoever still waits chose for how long.
          if (!channel.awaited) return { _tag: "Idle" } as Ending
        }
      })

    const broken = ({ connection }: Line): Ending => ({ _tag: "Broken", endpoint: connection.remote })

    /** The next packet. */
    const next = (line: Line): Effect.Effect<Uint8Array, Ending> =>
      Effect.mapError(
        line.stream.next,
        (error) => error._tag === "ConnectionClosedError" ? broken(line) : violated(error)
      )

    /**
     * Finds out at which of its addresses the peer is, by its answer to the oldest message. The peer handles messages one after
     * another, so those behind it lose no time. Gives the connection with the answer, or how it ended.
     */
    const seek = (channel: Channel<Closed>, key: SharedKey, endpoints: Peer["endpoints"]) =>
      Effect.gen(function*() {
        const exchange = channel.queued.find(({ done }) => !done)!
        const proved = peers.provedAtUnsafe(channel.peer.publicKey)
        const isProved = ({ endpoint }: DialAny.Failure<Vain>) =>
          endpoint.port === proved?.port && endpoint.host === proved.host
        let written = 0
        // Of what was heard, this tells the most.
        const blame = (failures: ReadonlyArray<DialAny.Failure<Vain>>): Vain => {
          const said = failures.map(({ error }) => error).filter((error) => error._tag !== "DialError")
          const errs = said.filter((error) => error._tag === "Refused")
          const replayed = errs.find(({ error }) => error.code === "ERR_REPLAY")
          const busy = errs.find(({ error }) => error.code === "ERR_BUSY")
          const other = errs.find((error) => error !== replayed && error !== busy)
          if (other !== undefined) return other
          // Accepted where the connection broke, or where somebody kept its answer to himself.
          if (written > 1 && replayed !== undefined) return { _tag: "Broken", endpoint: undefined }
          return replayed ?? busy ?? said[0] ?? failures[0]!.error
        }
        const attempt = (endpoint: Endpoint): Effect.Effect<readonly [Line, Raw.Message], Vain, Scope.Scope> =>
          Effect.gen(function*() {
            const line = yield* connect(channel, endpoint)
            written++
            const write = Effect.mapError(line.connection.write(packetOf(channel, key, exchange)), () => broken(line))
            const bytes = yield* Effect.raceFirst(
              Effect.andThen(write, next(line)),
              Effect.flatMap(slow(channel, line), Effect.fail)
            )
            return [line, yield* Effect.fromResult(open(channel, key, exchange, bytes))] as const
          })
        const done = Latch.makeUnsafe(false)
        exchange.onDone = () => done.openUnsafe()
        // An err is in clear. Where the peer was before, it is as good as any; elsewhere it counts once those who might prove that
        // it was not the peer's had some time for that, and not as long as nothing has come from where the peer was before.
        const failed: Array<DialAny.Failure<Vain>> = []
        const doubt = Latch.makeUnsafe(false)
        const refused = Effect.andThen(
          doubt.await,
          Effect.suspend(() =>
            Effect.andThen(
              failed.some((failure) => isProved(failure) && failure.error._tag === "Refused")
                ? Effect.void
                : Effect.sleep(refusalTime),
              Effect.suspend(() => Effect.fail(blame(failed)))
            )
          )
        )
        // Nobody waits for its answer any more, and others may wait for theirs: then from the beginning.
        const moot = Effect.gen(function*() {
          yield* done.await
          while (!channel.awaited) {
            channel.work.closeUnsafe()
            yield* channel.work.await
          }
          return yield* Effect.fail<Vain>({ _tag: "Idle" })
        })
        const found = yield* Effect.result(Effect.raceAllFirst([
          DialAny.dialAny(endpoints, attempt, {
            onFailure: ({ endpoint, error }) => {
              failed.push({ endpoint, error })
              // That it came before is what the peer says where it has the message from elsewhere.
              if (failed.some(({ error }) => error._tag === "Refused" && error.error.code !== "ERR_REPLAY")) {
                if (proved === undefined || failed.some(isProved)) doubt.openUnsafe()
              }
              // Neither is an err a reason to go elsewhere next time.
              if (error._tag === "Refused" || error._tag === "Idle") return
              peers.failedUnsafe(channel.peer.publicKey, endpoint)
            },
            blame
          }),
          moot,
          refused
        ]))
        exchange.onDone = undefined
        if (written > 0) {
          channel.queued = channel.queued.filter((other) => other !== exchange)
          channel.sent.push(exchange)
        }
        return yield* Effect.fromResult(found)
      })

    /** One connection, from its first message to its end. */
    const converse = (channel: Channel<Closed>) =>
      Effect.gen(function*() {
        const { endpoints, publicKey } = channel.peer
        const key = sharedKeys.get(publicKey)
        let line: Line
        channel.stale.closeUnsafe()
        channel.unproved = endpoints
        if (endpoints.length === 1) line = yield* connect(channel, endpoints[0])
        else {
          const [found, answer] = yield* seek(channel, key, endpoints)
          line = found
          const ending = yield* take(channel, line, answer)
          if (ending !== undefined) return ending
        }
        const { connection, doubtful, proof } = line
        const out = WriteBuffer.make(connection, { clock, writeTimeout: limits.writeTimeout })

        const write = Effect.as(Effect.ignore(out.run), broken(line))
        const feed = Effect.forever(Effect.gen(function*() {
          yield* channel.work.await
          send(channel, key, proof, out)
          yield* out.room
        }))
        const read = Effect.gen(function*() {
          while (true) {
            const packet = yield* Effect.result(next(line))
            if (Result.isFailure(packet)) return packet.failure
            const answer = open(channel, key, channel.sent[0], packet.success)
            if (Result.isFailure(answer)) return answer.failure
            const ending = yield* take(channel, line, answer.success)
            if (ending !== undefined) return ending
          }
        })
        const renew = Effect.as(Effect.raceFirst(doubtful.await, channel.stale.await), { _tag: "Idle" } as Ending)
        return yield* Effect.raceAllFirst([read, write, feed, slow(channel, line), renew])
      }).pipe(
        Effect.catch((error) => error._tag === "DialError" ? Effect.fail(error) : Effect.succeed(error)),
        Effect.scoped,
        // While it is being dialled, too.
        Effect.raceFirst(
          Effect.catch(
            peers.lost(channel.peer.publicKey),
            (error) => Effect.succeed<Ending>({ _tag: "Lost", error })
          )
        )
      )

    // Somebody is there and has no room. Always the same wait, give or take half: an err in clear proves nothing, so it may
    // delay one retry and no more.
    const backOff = (channel: Channel<Closed>) =>
      Effect.flatMap(Random.next, (random) => {
        channel.turnedAway++
        return Effect.sleep(100 + random * 200)
      })

    /** Settles what a conversation left open. */
    const settle = (channel: Channel<Closed>, ending: Ending): Effect.Effect<void> =>
      Effect.suspend(() => {
        const sent = channel.sent
        channel.sent = []
        const fail = (
          exchanges: ReadonlyArray<Exchange<Closed>>,
          error: (exchange: Exchange<Closed>) => ExchangeError<Closed>
        ) => {
          for (const exchange of exchanges) complete(exchange, Effect.fail(error(exchange)))
        }
        const again = (exchanges: ReadonlyArray<Exchange<Closed>>) => {
          for (const exchange of exchanges) exchange.again = true
          channel.queued = [...exchanges, ...channel.queued]
          channel.work.openUnsafe()
        }
        // The one that an error is about: the oldest, sent or not.
        const takeOldest = () => {
          const oldest = sent.shift() ?? channel.queued.shift()
          return oldest === undefined ? [] : [oldest]
        }
        switch (ending._tag) {
          case "Idle":
            // What was sent in the moment in which it ended is sent again, with the stamp it had.
            if (sent.length > 0) again(sent)
            return Effect.void
          case "Lost":
            fail([...sent, ...channel.queued], (exchange) => gone(exchange, ending.error))
            channel.queued = []
            return Effect.void
          case "Broken":
            if (sent.length > 0) {
              fail(sent, (exchange) => lost(channel, exchange, ending.endpoint, true))
              return Effect.void
            }
            if (channel.queued.length === 0) return Effect.void
            if (channel.turnedAway >= 3) {
              fail(channel.queued, (exchange) => lost(channel, exchange, ending.endpoint, false))
              channel.queued = []
              return Effect.void
            }
            return backOff(channel)
          case "Violated":
            fail(takeOldest(), () => ending.error)
            fail(sent, (exchange) => lost(channel, exchange, undefined, true))
            return Effect.void
          case "Refused":
            if (ending.error.code === "ERR_BUSY") {
              again(sent)
              return backOff(channel)
            }
            for (const refused of takeOldest()) {
              // Sent before, and accepted before: then the err that made it be sent again was not the peer's.
              const twice = ending.error.code === "ERR_REPLAY" && refused.again
              fail([refused], (exchange) => twice ? lost(channel, exchange, undefined, true) : ending.error)
            }
            // What stood behind the refused message was not looked at, so it is sent again, with the stamp it had.
            again(sent)
            return Effect.void
        }
      })

    const forget = (channel: Channel<Closed>) => {
      if (channels.get(channel.peer.publicKey) === channel) channels.delete(channel.peer.publicKey)
      channel.room.openUnsafe()
      freed.openUnsafe()
    }

    // In one step with the look at the queue: a message that comes later finds no channel and makes another.
    const hasWork = (channel: Channel<Closed>): boolean => {
      channel.queued = channel.queued.filter((exchange) => !exchange.done)
      if (channel.queued.length > 0) return true
      forget(channel)
      return false
    }

    /** Ends the messages whose time is up, for ever. */
    const expire = (channel: Channel<Closed>): Effect.Effect<never> =>
      Effect.gen(function*() {
        while (true) {
          const at = now()
          const overdue: Array<Exchange<Closed>> = []
          channel.expiresAt = Infinity
          for (const exchanges of [channel.sent, channel.queued]) {
            for (const exchange of exchanges) {
              if (exchange.done) continue
              if (exchange.deadline <= at) overdue.push(exchange)
              else channel.expiresAt = Math.min(channel.expiresAt, exchange.deadline)
            }
          }
          channel.sooner.closeUnsafe()
          // Last, because who waited goes on at once and may send again.
          for (const exchange of overdue) {
            if (!exchange.done) exchange.expire()
          }
          yield* channel.expiresAt === Infinity
            ? channel.sooner.await
            : Effect.raceFirst(channel.sooner.await, clock.sleep(Duration.millis(Math.ceil(channel.expiresAt - at))))
        }
      })

    const run = (channel: Channel<Closed>): Effect.Effect<void> =>
      Effect.gen(function*() {
        while (hasWork(channel)) {
          yield* converse(channel).pipe(
            Effect.flatMap((ending) => settle(channel, ending)),
            Effect.catch((error) =>
              Effect.sync(() => {
                for (const exchange of channel.queued) complete(exchange, Effect.fail(error))
                channel.queued = []
              })
            )
          )
        }
      }).pipe(
        Effect.raceFirst(expire(channel)),
        Effect.onInterrupt(() =>
          Effect.sync(() => {
            forget(channel)
            for (const exchange of [...channel.sent, ...channel.queued]) {
              complete(exchange, Effect.fail(options.closed()))
            }
          })
        )
      )

    const evictIdle: Effect.Effect<boolean> = Effect.suspend(() => {
      let oldest: Channel<Closed> | undefined
      for (const channel of channels.values()) {
        if (channel.size === 0 && (oldest === undefined || channel.usedAt < oldest.usedAt)) oldest = channel
      }
      if (oldest === undefined) return Effect.succeed(false)
      forget(oldest)
      return Effect.as(FiberMap.remove(fibers, oldest.peer.publicKey), true)
    })

    const start = (peer: Peer): Channel<Closed> => {
      const channel = new Channel<Closed>(peer)
      channels.set(peer.publicKey, channel)
      return channel
    }

    /** What has to happen before a message to this peer can be queued; `undefined`: nothing. */
    const obstacle = (peer: Peer): Effect.Effect<unknown> | undefined => {
      const channel = channels.get(peer.publicKey)
      if (channel === undefined) {
        if (channels.size < limits.dialledConnections) return undefined
        freed.closeUnsafe()
        return Effect.flatMap(evictIdle, (evicted) => evicted ? Effect.void : freed.await)
      }
      if (channel.size < limits.pendingSends) return undefined
      channel.room.closeUnsafe()
      return channel.room.await
    }

    interface Message<Late> {
      readonly peer: Peer
      readonly payload: Uint8Array
      readonly deadline: number
      readonly late: () => Late
    }

    const post = <Late>(message: Message<Late>): Effect.Effect<Uint8Array, ExchangeError<Closed> | Late> =>
      Effect.suspend(() => {
        if (closed) return Effect.fail(options.closed())
        const { deadline, late, payload, peer } = message
        const first = obstacle(peer)
        if (first !== undefined) return Effect.andThen(first, post(message))
        const existing = channels.get(peer.publicKey)
        const channel = existing ?? start(peer)
        channel.peer = peer
        // Somebody took what was sent and has said nothing, and by now there are other addresses. The oldest tells, whose answer
        // comes first: messages that overlap would wait there one after another.
        const isStale = channel.unproved !== undefined && channel.unproved.length < peer.endpoints.length &&
          channel.sent[0]?.done === true
        return Effect.callback<Uint8Array, ExchangeError<Closed> | Late>((resume) => {
          const exchange: Exchange<Closed> = {
            name: peer.name,
            payload,
            resume,
            deadline,
            expire: () => {
              exchange.done = true
              exchange.onDone?.()
              resume(Effect.failSync(late))
            },
            stamp: undefined,
            done: false,
            onDone: undefined,
            again: false
          }
          channel.queued.push(exchange)
          channel.work.openUnsafe()
          if (existing === undefined) runFiber(peer.publicKey, run(channel))
          else {
            if (deadline < channel.expiresAt) channel.sooner.openUnsafe()
            // Last, because the channel goes on at once.
            if (isStale) channel.stale.openUnsafe()
          }
          return Effect.sync(() => {
            // Its answer, should one come, is dropped; the peer may still handle it.
            exchange.done = true
            exchange.onDone?.()
          })
        })
      })

    /** For what seldom waits: a timer of its own. */
    const inTime = <A, E, Late>(effect: Effect.Effect<A, E>, { deadline, late }: Message<Late>) =>
      Effect.suspend(() =>
        Effect.timeoutOrElse(effect, {
          duration: Duration.millis(Math.max(0, Math.ceil(deadline - now()))),
          orElse: () => Effect.failSync(late)
        })
      )

    const trusted = <Late>(message: Message<Late>): Effect.Effect<void, UntrustedPeerError | Late> =>
      Effect.flatMap(
        Effect.forkChild(trust.check(message.peer.name, message.peer.publicKey), { startImmediately: true }),
        // A policy may ask somebody, but as a rule it knows.
        (check) =>
          check.pollUnsafe() ??
            inTime(Effect.onInterrupt(Fiber.join(check), () => Fiber.interrupt(check)), message)
      )

    return {
      ask: (peer, payload, timeout, late) =>
        Effect.suspend(() => {
          const message = { peer, payload, deadline: now() + Duration.toMillis(timeout), late }
          return Effect.flatMap(
            trusted(message),
            () => obstacle(peer) === undefined ? post(message) : inTime(post(message), message)
          )
        }),
      connections: () => channels.size
    }
  })
