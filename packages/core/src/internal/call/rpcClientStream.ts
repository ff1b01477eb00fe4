/**
 * Calls whose answer is a stream: elements in chunks, as many ahead as this side grants, and what the call came to behind the
 * last. A caller who has enough stalls its own stream and no other.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { FromServer } from "effect/rpc/RpcMessage"
import * as Frame from "../../Frame.ts"
import type { Peer } from "../../Peers.ts"
import type * as Sessions from "../../Sessions.ts"
import { Pieces } from "../base/pieces.ts"
import { type Answer, counted, failureOf } from "./rpcClientAnswer.ts"
import type { Call, RpcError } from "./rpcClientCall.ts"
import { begin, disagreement, failed } from "./rpcClientRequest.ts"
import * as Wire from "./rpcWire.ts"

/** Gives the caller the elements of a chunk, and waits while it has enough. */
const give = (call: Call, kind: number, body: any): Effect.Effect<void, RpcError> => {
  const { client, message, wire } = call
  const write = (values: ReadonlyArray<unknown>) => {
    call.onElements?.(values)
    return client.write({ _tag: "Chunk", clientId: 0, requestId: message.id, values } as unknown as FromServer<any>)
  }
  if (kind === Wire.Kind.raw) {
    const elements = wire.isRaw ? Wire.rawElements(body, Wire.mostRaw(client.limit)) : undefined
    if (elements === "too many") return Effect.fail<RpcError>(call.tooLarge)
    return elements === undefined ? Effect.fail<RpcError>(call.malformed) : write(elements)
  }
  return Effect.flatMap(Effect.mapError(wire.decodeChunk(body), (): RpcError => call.disagree(undefined, true)), write)
}

/** What has come of an answer and was not read. */
class Arrived {
  readonly pieces = new Pieces(2 * Frame.initialCredit)
  /** Whether nothing more comes. */
  ended = false
  readonly #call: Call
  readonly #peer: Peer
  readonly #stream: Sessions.SessionStream
  /** Chunks that were taken and not granted again. */
  #taken = 0

  constructor(call: Call, peer: Peer, stream: Sessions.SessionStream) {
    this.#call = call
    this.#peer = peer
    this.#stream = stream
  }

  /** Waits for more, or the end. */
  get more(): Effect.Effect<void, RpcError> {
    const call = this.#call
    return Effect.matchEffect(this.#stream.pull, {
      onFailure: (error) => {
        if (!Cause.isDone(error)) return failed(call, this.#peer, error)
        this.ended = true
        return Effect.void
      },
      onSuccess: (parts) => {
        call.heard = true
        for (const part of parts) call.received += part.length
        this.pieces.addAll(parts)
        return Effect.void
      }
    })
  }

  /** Grants the peer as many chunks again as were taken, in halves of the window. */
  taken(): Effect.Effect<void, RpcError> {
    const { client, wire } = this.#call
    this.#taken++
    if (this.#taken * 2 < client.window) return Effect.void
    const granted = wire.form.grant(this.#taken)
    this.#taken = 0
    return Effect.mapError(this.#stream.write(granted), (error) => this.#call.mapError(error))
  }
}

const listen = (call: Call, peer: Peer, stream: Sessions.SessionStream): Effect.Effect<Answer, RpcError> =>
  Effect.gen(function*() {
    const arrived = new Arrived(call, peer, stream)
    const answers = call.wire.form.answers(call.client.limit)
    while (true) {
      const kind = answers.next(arrived.pieces, arrived.ended)
      switch (kind) {
        case Wire.Found.more:
          yield* arrived.more
          continue
        case Wire.Kind.chunk:
        case Wire.Kind.raw:
          yield* give(call, kind, answers.body)
          yield* arrived.taken()
          continue
        case Wire.Kind.success:
          return { exit: Exit.void }
        case Wire.Kind.failure:
          return yield* failureOf(call, answers.body)
        case Wire.Kind.broken:
          return yield* call.broken
        case Wire.Kind.mismatch:
          return yield* disagreement(call, peer, answers.body)
        case Wire.Found.tooLarge:
          return yield* call.tooLarge
      }
      return yield* call.malformed
    }
  })

/** What the peer is told of an answer that is none, or is too long. Of what else fails it knows, or does not care. */
const resetOf = (error: RpcError) =>
  error._tag === "ContractError" && error.mayHaveRun
    ? "internal"
    : error._tag === "CallTooLargeError"
    ? "too_large"
    : undefined

/** Gives the elements as they come, and then what the call came to. */
export const streamed = (call: Call): Effect.Effect<Answer, RpcError> =>
  begin(call, (peer, options, request) =>
    Effect.scoped(Effect.gen(function*() {
      const stream = yield* Effect.catch(
        call.client.sessions.open(peer, options),
        (error) => failed(call, peer, error)
      )
      call.client.known.meet(peer)
      yield* Effect.catch(stream.write(request), (error) => failed(call, peer, error))
      return yield* Effect.tapError(listen(call, peer, stream), (error) => {
        const code = resetOf(error)
        return code === undefined ? Effect.void : stream.reset(code, error.message)
      })
    })))

export const streaming = (call: Call): Effect.Effect<void, RpcError> =>
  counted(call, Effect.flatMap(streamed(call), ({ exit }) => call.exit(exit)))
