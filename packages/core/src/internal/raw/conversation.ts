/**
 * One connection to a peer, from its first message to its end: messages go out as there is room, answers come in their order, and each
 * proves who is there.
 *
 * What bites: the name that led here is that of an advert. The box of an answer says who it is, and a message for another name than that
 * is not sent, or its answer is none.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import type { Message } from "../../Raw.ts"
import type { SharedKeys } from "../../SharedKeys.ts"
import type { DialError } from "../../Transport.ts"
import type { Trust } from "../../Trust.ts"
import { dialable } from "../connect/noEndpoint.ts"
import * as WriteBuffer from "../wire/writeBuffer.ts"
import { type Channel, type Ending, violated } from "./channel.ts"
import { connect, type Line, type Proof } from "./line.ts"
import type { Receiver } from "./messages.ts"
import * as Seek from "./seek.ts"

// Every answer proves who the peer is. Over one connection it says nothing new, so it is passed on now and then: that the
// peer lives, and that its name is still trusted.
const proofMillis = 100

export interface Parts extends Seek.Parts {
  readonly sharedKeys: SharedKeys
  readonly trust: Trust["Service"]
  /** Milliseconds of the monotonic clock. */
  readonly now: () => number
  /** A channel has nothing on its way. */
  readonly onIdle: () => void
}

class Conversation<Closed> {
  readonly #parts: Parts
  readonly #channel: Channel<Closed>
  readonly #receiver: Receiver

  constructor(parts: Parts, channel: Channel<Closed>) {
    const { publicKey } = channel.peer
    this.#parts = parts
    this.#channel = channel
    this.#receiver = { publicKey, key: parts.sharedKeys.get(publicKey) }
  }

  get run(): Effect.Effect<Ending, Ending | DialError, Scope.Scope> {
    const { clock, limits } = this.#parts
    const channel = this.#channel
    return Effect.gen({ self: this }, function*() {
      const endpoints = yield* dialable(channel.peer)
      let line: Line
      channel.stale.closeUnsafe()
      channel.unproved = endpoints
      if (endpoints.length === 1) line = yield* connect(this.#parts, channel, endpoints[0])
      else {
        const [found, answer] = yield* Seek.seek(this.#parts, channel, this.#receiver, endpoints)
        line = found
        const ending = yield* this.#take(line, answer)
        if (ending !== undefined) return ending
      }
      const out = WriteBuffer.make(line.connection, { clock, writeTimeout: limits.writeTimeout })
      const write = Effect.as(Effect.ignore(out.run), line.broken)
      const renew = Effect.as(Effect.raceFirst(line.doubtful.await, channel.stale.await), { _tag: "Idle" } as Ending)
      return yield* Effect.raceAllFirst([
        this.#read(line),
        write,
        this.#feed(line, out),
        line.slow(limits.dialledIdleTimeout, channel),
        renew
      ])
    })
  }

  #read(line: Line): Effect.Effect<Ending> {
    const { messages } = this.#parts
    const next = Effect.result(line.next)
    return Effect.gen({ self: this }, function*() {
      while (true) {
        const packet = yield* next
        if (Result.isFailure(packet)) return packet.failure
        const answer = messages.open(this.#receiver, this.#channel.sent[0], packet.success)
        if (Result.isFailure(answer)) return answer.failure
        const ending = yield* this.#take(line, answer.success)
        if (ending !== undefined) return ending
      }
    })
  }

  #feed({ proof }: Line, out: WriteBuffer.WriteBuffer): Effect.Effect<never> {
    return Effect.forever(Effect.gen({ self: this }, function*() {
      yield* this.#channel.work.await
      this.#send(proof, out)
      yield* out.room
    }))
  }

  #send(proof: Proof, out: WriteBuffer.WriteBuffer): void {
    const channel = this.#channel
    while (!out.full()) {
      const exchange = channel.queued.shift()
      if (exchange === undefined) break
      if (exchange.done) continue
      // Whoever is there is known, and it is somebody else.
      if (proof.name !== undefined && proof.name !== exchange.name) {
        exchange.complete(Effect.fail(exchange.mismatch(this.#receiver.publicKey, proof.name)))
        continue
      }
      const packet = this.#parts.messages.seal(this.#receiver, exchange)
      // In a transport inside one process the answer may be there before the offer has returned.
      channel.sent.push(exchange)
      out.offer(packet)
    }
    if (channel.queued.length === 0) channel.work.closeUnsafe()
  }

  /** Takes the answer to the oldest message; an Ending where it ends the conversation. */
  #take({ endpoint, proof }: Line, answer: Message): Effect.Effect<Ending | undefined> {
    const { now, peers, trust } = this.#parts
    const { publicKey } = this.#receiver
    const { name } = answer
    const exchange = this.#channel.sent[0]!
    if (proof.name !== undefined && proof.name !== name) {
      return Effect.succeed(violated(exchange.mismatch(publicKey, name)))
    }
    const at = now()
    // The advert that led here named somebody; the box says who it is.
    const isOther = name !== exchange.name
    // Nearly always: somebody who has proved himself a moment ago.
    if (name === proof.name && at - proof.at < proofMillis) {
      this.#complete(answer, at, isOther)
      return Effect.undefined
    }
    return Effect.gen({ self: this }, function*() {
      // Nobody asked for the other one, so it is not pinned. But the table learns what the key is called.
      const trusted = yield* Effect.result(isOther ? trust.check(name, publicKey) : trust.proved(name, publicKey))
      if (Result.isFailure(trusted)) {
        return violated(isOther ? exchange.mismatch(publicKey, name) : trusted.failure)
      }
      yield* peers.proved({ name, publicKey, endpoint })
      proof.name = name
      proof.at = at
      this.#channel.unproved = undefined
      this.#complete(answer, at, isOther)
      return undefined
    })
  }

  /** Gives the oldest message its answer, which is none where it is another's. */
  #complete({ name, payload }: Message, at: number, isOther: boolean): void {
    const { limits, onIdle } = this.#parts
    const channel = this.#channel
    const exchange = channel.sent.shift()!
    channel.turnedAway = 0
    channel.usedAt = at
    exchange.complete(
      isOther ? Effect.fail(exchange.mismatch(this.#receiver.publicKey, name)) : Effect.succeed(payload)
    )
    if (channel.size < limits.pendingSends) channel.room.openUnsafe()
    // Idle now, so it may be closed for a peer that has to wait.
    if (channel.size === 0) onIdle()
  }
}

/** Talks to a channel's peer until that ends; fails where it is reached at none of its addresses. */
export const converse = <Closed>(parts: Parts, channel: Channel<Closed>): Effect.Effect<Ending, DialError> =>
  Effect.suspend(() => new Conversation(parts, channel).run).pipe(
    Effect.catch((error) => error._tag === "DialError" ? Effect.fail(error) : Effect.succeed(error)),
    Effect.scoped,
    // While it is being dialled, too.
    Effect.raceFirst(
      Effect.catch(
        parts.peers.lost(channel.peer.publicKey),
        (error) => Effect.succeed<Ending>({ _tag: "Lost", error })
      )
    )
  )
