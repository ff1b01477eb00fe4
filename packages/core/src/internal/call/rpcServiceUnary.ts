/**
 * First attempts of calls of a service that have one answer, made as calls of a name are (`rpcClientUnary`): nearly always there is a peer with room and
 * a session with it, and then nothing waits for the answer but an entry in a table. Where there is more to do than that, a fiber does it.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as Rpc from "effect/rpc/Rpc"
import type { Request } from "effect/rpc/RpcMessage"
import type * as Tracer from "effect/Tracer"
import type { Peer } from "../../Peers.ts"
import type * as Sessions from "../../Sessions.ts"
import type { Endpoint } from "../balance/endpoint.ts"
import type { Kind } from "../balance/kind.ts"
import type { Looked } from "../balance/run.ts"
import type { Service } from "../balance/service.ts"
import { Call, type Client } from "./rpcClientCall.ts"
import { openOptions, requestOf } from "./rpcClientRequest.ts"
import { Pending, settle, valueOf } from "./rpcClientUnary.ts"
import * as Wire from "./rpcWire.ts"

/** A call whose first attempt is out. */
export class Waiting {
  readonly call: Call
  readonly peer: Peer
  readonly endpoint: Endpoint<Peer>
  readonly kind: Kind
  readonly since: number
  cancel: Effect.Effect<void> = Effect.void
  /** What goes on with it, where it is more than its first attempt. */
  fiber: Fiber.Fiber<void> | undefined
  hasAnswer = false

  constructor(call: Call, peer: Peer, endpoint: Endpoint<Peer>, kind: Kind, since: number) {
    this.call = call
    this.peer = peer
    this.endpoint = endpoint
    this.kind = kind
    this.since = since
  }
}

/** Does the rest of a call whose first attempt did not simply give a value, and gives the caller what comes of it. */
type GoOn = (waiting: Waiting, exit: Exit.Exit<Uint8Array, Sessions.StreamError>) => Fiber.Fiber<void>

/** What gives places at peers, and takes them back. */
type Places = Pick<Service<Peer, never>, "pool" | "placeNow" | "gave">

export class Attempts {
  readonly #client: Client
  readonly #service: Places
  readonly #pending = new Pending<Waiting>((waiting) => {
    if (waiting.fiber !== undefined) return Fiber.interrupt(waiting.fiber)
    this.#giveBack(waiting, "expired")
    waiting.call.ended("Interrupted")
    return waiting.cancel
  })

  constructor(client: Client, service: Places) {
    this.#client = client
    this.#service = service
  }

  interrupt(id: number): Effect.Effect<void> {
    return this.#pending.interrupt(id)
  }

  get close(): Effect.Effect<void> {
    return this.#pending.close
  }

  /**
   * Sends the call to a peer. Where that cannot be done at once, nothing was sent, and it says what was looked for.
   *
   * All of it is one step, so that no place that was taken can be forgotten.
   */
  begin(
    wire: Wire.Wire,
    kind: Kind,
    message: Request<Rpc.Any>,
    span: Tracer.AnySpan | undefined,
    goOn: GoOn
  ): "sent" | "unencoded" | Looked {
    const service = this.#service
    const payload = Wire.valueOf(wire.encodePayload(message.payload))
    if (payload === undefined || Exit.isFailure(payload)) return "unencoded"
    const since = service.pool.now()
    const endpoint = service.placeNow(kind, message.payload, since)
    if (endpoint === undefined) return { at: undefined }
    const { peer } = endpoint
    const client = this.#client
    const call = new Call(client, peer.name, wire, message)
    call.at = peer
    if (span?._tag === "Span") span.attribute("pnet.peer", peer.name)
    const waiting = new Waiting(call, peer, endpoint, kind, since)
    const way = client.known.way(peer, call.name, true)
    if (way?.json !== true) {
      call.use(way)
      const parts = requestOf(call, payload.value)
      if (parts !== undefined) {
        const cancel = client.sessions.exchangeUnsafe(peer, openOptions(call, Infinity), parts, (exit) => {
          waiting.hasAnswer = true
          this.#onAnswer(waiting, exit, goOn)
        })
        if (cancel !== undefined) {
          if (!waiting.hasAnswer) {
            waiting.cancel = cancel
            this.#pending.set(waiting)
          }
          return "sent"
        }
      }
    }
    this.#giveBack(waiting, "unknown")
    return { at: endpoint }
  }

  #giveBack({ endpoint, kind, since }: Waiting, outcome: "answered" | "expired" | "unknown"): void {
    this.#service.gave(endpoint, outcome, kind, since)
  }

  #onAnswer(waiting: Waiting, exit: Exit.Exit<Uint8Array, Sessions.StreamError>, goOn: GoOn): void {
    const { call } = waiting
    const value = valueOf(call, waiting.peer, exit)
    if (value !== undefined) {
      this.#pending.delete(call)
      this.#giveBack(waiting, "answered")
      return settle(call, value)
    }
    // With a fiber, which is what gives it up from now on.
    this.#pending.follow(waiting, waiting.fiber = goOn(waiting, exit))
  }
}
