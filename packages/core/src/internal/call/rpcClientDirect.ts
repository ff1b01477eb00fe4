/**
 * Typed calls with one answer, as nearly all of them are: of a peer that is known, in a session that stands, with a payload that can be encoded at once,
 * and for no more than the answer. They are made in one step and wait without a fiber of their own. All others, and those that somebody may
 * see in a trace, are made by Effect's client.
 */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Headers from "effect/http/Headers"
import type * as Rpc from "effect/rpc/Rpc"
import * as RpcClient from "effect/rpc/RpcClient"
import { type Request, RequestId } from "effect/rpc/RpcMessage"
import { CurrentDeadline } from "../../Deadline.ts"
import type { NodeName } from "../../Packet.ts"
import type { Peer } from "../../Peers.ts"
import type * as Sessions from "../../Sessions.ts"
import { keepWith } from "../base/shapes.ts"
import { isUnseen } from "../base/trace.ts"
import { type KnownNow, knownNow } from "../peers/knownNow.ts"
import type { Answer } from "./rpcClientAnswer.ts"
import { Call, type Client, type RpcError, tagOf } from "./rpcClientCall.ts"
import { openOptions, requestOf } from "./rpcClientRequest.ts"
import { Pending, rest, valueOf } from "./rpcClientUnary.ts"
import { Invalid, madeOf } from "./rpcPayload.ts"
import * as Wire from "./rpcWire.ts"

/** What is said beside the payload, as in Effect's client. */
export interface CallOptions {
  readonly headers?: Headers.Input | undefined
  readonly discard?: boolean | undefined
}

/** A call as Effect's client makes it. */
export type Make = (payload: unknown, options?: CallOptions) => Effect.Effect<unknown, RpcError>

interface Waiting {
  readonly call: Call
  readonly cancel: Effect.Effect<void>
  readonly resume: (exit: Exit.Exit<never>) => void
}

/** Gives the caller what its call comes to, and counts it. */
const told = (call: Call, answer: Effect.Effect<Answer, RpcError>): Effect.Effect<unknown, RpcError> =>
  Effect.matchCauseEffect(answer, {
    onSuccess: ({ exit }) => {
      call.ended(Exit.isSuccess(exit) ? undefined : tagOf(exit.cause))
      return exit as Exit.Exit<unknown, RpcError>
    },
    onFailure: (cause) => {
      call.ended(tagOf(cause))
      return Effect.failCause(cause)
    }
  })

const traceOf = ({ cache: { span, tracerEnabled } }: Fiber.Fiber<unknown, unknown>) =>
  span === undefined || !tracerEnabled
    ? undefined
    : { traceId: span.traceId, spanId: span.spanId, sampled: span.sampled }

export class Direct {
  readonly #client: Client
  readonly #knownNow: KnownNow
  #last = 0
  #closed = false
  readonly #pending = new Pending<Waiting>(({ call, cancel, resume }) => {
    call.ended("Interrupted")
    resume(Exit.interrupt())
    return cancel
  })

  constructor(client: Client) {
    this.#client = client
    keepWith(client, new Call(client, "" as NodeName, undefined as never, undefined as never))
    this.#knownNow = knownNow(client.peers)
  }

  /** Interrupts those who wait; whoever calls from now on is told by Effect's client. */
  get close(): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.#closed = true
      return this.#pending.close
    })
  }

  /** Calls one function of the peer of a name. `otherwise` makes the calls that this does not. */
  calling(wire: Wire.Wire, to: string, payload: unknown, options: CallOptions | undefined, otherwise: Make) {
    if (options?.discard === true) return otherwise(payload, options)
    return Effect.withFiber((fiber: Fiber.Fiber<unknown, unknown>) => {
      const made = this.#made(fiber, wire, to, payload, options)
      return made === undefined ? otherwise(payload, options) : Effect.callback<unknown, RpcError>((resume) => {
        const { call, parts, peer } = made
        const { context } = fiber
        let answered = false
        const cancel = this.#client.sessions.exchangeUnsafe(peer, openOptions(call, Infinity), parts, (exit) => {
          answered = true
          this.#onAnswer(call, peer, context, exit, resume)
        })
        if (cancel === undefined) return resume(otherwise(payload, options))
        if (!answered) this.#pending.set({ call, cancel, resume })
        return this.#pending.interrupt(call.id)
      })
    })
  }

  /** The call with what is sent for it, where it can be made so. */
  #made(
    fiber: Fiber.Fiber<unknown, unknown>,
    wire: Wire.Wire,
    to: string,
    payload: unknown,
    options: CallOptions | undefined
  ): { readonly call: Call; readonly peer: Peer; readonly parts: ReadonlyArray<Uint8Array> } | undefined {
    const client = this.#client
    if (this.#closed || !isUnseen(fiber) || fiber.getRef(CurrentDeadline) !== undefined) return undefined
    const peer = this.#knownNow(to)
    if (peer === undefined) return undefined
    const { rpc } = wire
    const value = madeOf(rpc, payload)
    if (value instanceof Invalid) return undefined
    const encoded = Wire.valueOf(wire.encodePayload(value))
    const way = client.known.way(peer, rpc._tag, true)
    if (encoded === undefined || Exit.isFailure(encoded) || way?.json === true) return undefined
    const current = fiber.getRef(RpcClient.CurrentHeaders)
    const message = {
      _tag: "Request",
      id: RequestId(++this.#last),
      tag: rpc._tag,
      payload: value,
      headers: options?.headers === undefined ? current : Headers.merge(current, Headers.fromInput(options.headers)),
      ...traceOf(fiber)
    } as unknown as Request<Rpc.Any>
    const call = new Call(client, to as NodeName, wire, message)
    call.use(way)
    const parts = requestOf(call, encoded.value)
    return parts === undefined ? undefined : { call, peer, parts }
  }

  #onAnswer(
    call: Call,
    peer: Peer,
    context: Context.Context<never>,
    exit: Exit.Exit<Uint8Array, Sessions.StreamError>,
    resume: (exit: Exit.Exit<unknown, RpcError>) => void
  ): void {
    const value = valueOf(call, peer, exit)
    if (value !== undefined) {
      this.#pending.delete(call)
      call.ended(undefined)
      return resume(value)
    }
    // With a fiber, which is what gives it up from now on.
    const fiber = Effect.runForkWith(context)(told(call, rest(call, peer, exit)))
    fiber.addObserver(resume)
    this.#pending.follow({ call, cancel: Fiber.interrupt(fiber), resume }, fiber)
  }
}
