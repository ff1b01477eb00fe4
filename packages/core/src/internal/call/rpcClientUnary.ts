/**
 * Calls with one answer. Nearly always there is a session, the payload can be encoded at once, and nobody asked for more than the
 * answer: then nothing waits for it but an entry in a table. Whatever is otherwise goes the slow way, with a fiber.
 */
import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { CurrentDeadline } from "../../Deadline.ts"
import type { Peer } from "../../Peers.ts"
import type * as Sessions from "../../Sessions.ts"
import { IntMap } from "../base/intMap.ts"
import { Pieces } from "../base/pieces.ts"
import { isRefused } from "../session/refused.ts"
import { type Answer, answerOf, counted } from "./rpcClientAnswer.ts"
import type { Call, RpcError } from "./rpcClientCall.ts"
import { begin, disagreement, failed, isAgain, openOptions, requestOf } from "./rpcClientRequest.ts"
import * as Wire from "./rpcWire.ts"

/** What a whole answer comes to. */
const answered = (call: Call, peer: Peer, bytes: Uint8Array): Effect.Effect<Answer, RpcError> => {
  const answers = call.wire.form.answers(call.client.limit)
  const pieces = new Pieces(bytes.length)
  pieces.add(bytes)
  const kind = answers.next(pieces, true)
  return kind === Wire.Kind.mismatch ? disagreement(call, peer, answers.body) : answerOf(call, kind, answers.body)
}

/** Makes a call that waits for something. */
const exchanged = (call: Call): Effect.Effect<Answer, RpcError> =>
  begin(call, (peer, options, request) =>
    Effect.matchEffect(call.client.sessions.exchange(peer, options, request), {
      onSuccess: (bytes) => {
        call.client.known.meet(peer)
        call.received = bytes.length
        return answered(call, peer, bytes)
      },
      onFailure: (error) => failed(call, peer, error)
    }))

/** Gives the caller what comes of its call. */
const told = (call: Call, answer: Effect.Effect<Answer, RpcError>): Effect.Effect<void, RpcError> =>
  counted(call, Effect.flatMap(answer, ({ exit }) => call.exit(exit)))

/** The whole of a call, with a fiber. */
const slow = (call: Call): Effect.Effect<void, RpcError> => told(call, exchanged(call))

/** What a whole answer gives, where it is a value that can be decoded at once, as nearly every one is. */
export const valueOf = (
  call: Call,
  peer: Peer,
  exit: Exit.Exit<Uint8Array, Sessions.StreamError>
): Exit.Exit<any, any> | undefined => {
  if (Exit.isFailure(exit)) return undefined
  call.client.known.meet(peer)
  const bytes = exit.value
  call.received = bytes.length
  if (bytes[0] !== Wire.Kind.success) return undefined
  const decoded = Wire.valueOf(call.wire.decodeSuccess(bytes.subarray(1)))
  return decoded !== undefined && Exit.isSuccess(decoded) ? decoded : undefined
}

/** What a call came to that was made in one step, where that is no value that could be had at once. It may be made again, with a fiber. */
export const rest = (
  call: Call,
  peer: Peer,
  exit: Exit.Exit<Uint8Array, Sessions.StreamError>
): Effect.Effect<Answer, RpcError> =>
  Effect.catch(
    Exit.isSuccess(exit)
      ? answered(call, peer, exit.value)
      : Effect.suspend(() => failed(call, peer, exit.cause.reasons.find(Cause.isFailReason)!.error)),
    // Where it is for no name, another peer is asked.
    (error) => isAgain(error) || call.at === undefined && isRefused(error) ? exchanged(call) : Effect.fail(error)
  )

/** A call of the peer that was chosen for it, and what it came to. */
export const attempted = (call: Call, peer: Peer): Effect.Effect<Answer, RpcError> =>
  Effect.withFiber((fiber) => {
    const { client, message, wire } = call
    const { span } = fiber.cache
    if (span?._tag === "Span") span.attribute("pnet.peer", peer.name)
    const payload = message.discard === true || fiber.getRef(CurrentDeadline) !== undefined
      ? undefined
      : Wire.valueOf(wire.encodePayload(message.payload))
    const way = client.known.way(peer, call.name, true)
    if (payload === undefined || Exit.isFailure(payload) || way?.json === true) return exchanged(call)
    call.use(way)
    const parts = requestOf(call, payload.value)
    if (parts === undefined) return Effect.fail(call.tooLarge)
    return Effect.callback<Answer, RpcError>((resume) => {
      const cancel = client.sessions.exchangeUnsafe(peer, openOptions(call, Infinity), parts, (exit) => {
        const value = valueOf(call, peer, exit)
        resume(value === undefined ? rest(call, peer, exit) : Effect.succeed({ exit: value }))
      })
      if (cancel === undefined) resume(exchanged(call))
      return cancel
    })
  })

/** Gives the caller what came of its call; in one step, where the answer can be decoded in one. */
export const settle = (call: Call, exit: Exit.Exit<any, any>): void => {
  const written = call.exit(exit)
  // It is done already, unless Effect's client has more to do than to wake its caller.
  if (written !== Effect.void) Effect.runFork(written)
}

/** Calls that wait for their answer, without a fiber of their caller's. */
export class Pending<W extends { readonly call: Call }> {
  readonly #waiting = new IntMap<W>()
  /** Has nothing more come of one. */
  readonly #giveUp: (waiting: W) => Effect.Effect<void>

  constructor(giveUp: (waiting: W) => Effect.Effect<void>) {
    this.#giveUp = giveUp
  }

  set(waiting: W): void {
    this.#waiting.set(waiting.call.id, waiting)
  }

  delete({ id }: Call): void {
    this.#waiting.delete(id)
  }

  /** One is gone on with by a fiber: it waits here until that has ended, whatever it came to. */
  follow(waiting: W, fiber: Fiber.Fiber<unknown, unknown>): void {
    this.set(waiting)
    // At once, where it has ended already.
    fiber.addObserver(() => this.delete(waiting.call))
  }

  /** Calls that wait. */
  get size(): number {
    return this.#waiting.size
  }

  /** Gives a call up, if it waits here. Where it does not, its fiber has closed its stream already. */
  interrupt(id: number): Effect.Effect<void> {
    return Effect.suspend(() => {
      const waiting = this.#waiting.get(id)
      this.#waiting.delete(id)
      return waiting === undefined ? Effect.void : this.#giveUp(waiting)
    })
  }

  /** Gives up all that wait. */
  get close(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const waiting = this.#waiting.values()
      this.#waiting.clear()
      return Effect.forEach(waiting, this.#giveUp, { discard: true })
    })
  }
}

/** One of these, and what gives it up. */
interface Waiting {
  readonly call: Call
  readonly cancel: Effect.Effect<void>
}

/** The calls of a client that have one answer. */
export class Unary {
  readonly pending = new Pending<Waiting>(({ call, cancel }) => {
    call.ended("Interrupted")
    return cancel
  })

  run(call: Call): Effect.Effect<void, RpcError> {
    return Effect.withFiber((fiber) => {
      const { client, message, wire } = call
      // As it is now: a fiber that has ended has none.
      const { context } = fiber
      if (client.timeout !== Infinity || message.discard === true || fiber.getRef(CurrentDeadline) !== undefined) {
        return slow(call)
      }
      const payload = Wire.valueOf(wire.encodePayload(message.payload))
      if (payload === undefined || Exit.isFailure(payload)) return slow(call)
      return Effect.matchEffect(client.peers.resolveOne(call.to), {
        onFailure: () => slow(call),
        onSuccess: (peer) => {
          const way = client.known.way(peer, call.name, true)
          if (way?.json === true) return slow(call)
          call.use(way)
          const parts = requestOf(call, payload.value)
          if (parts === undefined) return counted(call, Effect.fail(call.tooLarge))
          let answered = false
          const cancel = client.sessions.exchangeUnsafe(peer, openOptions(call, Infinity), parts, (exit) => {
            answered = true
            this.#onAnswer(call, peer, context, exit)
          })
          if (cancel === undefined) return slow(call)
          if (!answered) this.pending.set({ call, cancel })
          return Effect.void
        }
      })
    })
  }

  #onAnswer(
    call: Call,
    peer: Peer,
    context: Context.Context<never>,
    exit: Exit.Exit<Uint8Array, Sessions.StreamError>
  ): void {
    const value = valueOf(call, peer, exit)
    if (value !== undefined) {
      this.pending.delete(call)
      return settle(call, value)
    }
    // With a fiber, which is what gives it up from now on.
    const fiber = Effect.runForkWith(context)(
      Effect.catchCause(told(call, rest(call, peer, exit)), (cause) => call.exit(Exit.failCause(cause)))
    )
    this.pending.follow({ call, cancel: Fiber.interrupt(fiber) }, fiber)
  }
}
