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
import { begin, disagreement } from "./rpcClientRequest.ts"
import * as Wire from "./rpcWire.ts"

/** Gives the caller the elements of a chunk, and waits while it has enough. */
const give = (call: Call, kind: number, body: Uint8Array): Effect.Effect<void, RpcError> => {
  const { client, message, wire } = call
  const write = (values: ReadonlyArray<unknown>) =>
    client.write({ _tag: "Chunk", clientId: 0, requestId: message.id, values } as unknown as FromServer<any>)
  if (kind === Wire.Kind.raw) {
    const elements = wire.isRaw ? Wire.rawElements(body) : undefined
    return elements === undefined ? Effect.fail<RpcError>(call.malformed) : write(elements)
  }
  return Effect.flatMap(Effect.mapError(wire.decodeChunk(body), (): RpcError => call.disagree(undefined, true)), write)
}

/** What has come of an answer and was not read. */
class Arrived {
  readonly pieces = new Pieces(2 * Frame.initialCredit)
  readonly #call: Call
  readonly #stream: Sessions.SessionStream
  /** Chunks that were taken and not granted again. */
  #taken = 0

  constructor(call: Call, stream: Sessions.SessionStream) {
    this.#call = call
    this.#stream = stream
  }

  /** Waits for more; `false` where there is none. */
  get more(): Effect.Effect<boolean, RpcError> {
    const call = this.#call
    return Effect.map(
      Effect.catch(this.#stream.pull, (error) =>
        Cause.isDone(error)
          ? Effect.succeed(undefined)
          : Effect.fail<RpcError>(call.mapError(error))),
      (parts) => {
        if (parts !== undefined) {
          call.heard = true
          for (const part of parts) call.received += part.length
          this.pieces.addAll(parts)
        }
        return parts !== undefined
      }
    )
  }

  /** The body of the chunk at the front, where it is whole; fails where it is too large. */
  chunk(): Uint8Array | CallTooLarge | undefined {
    const { pieces } = this
    if (pieces.length < 5) return undefined
    const length = pieces.u32(1)
    if (length > this.#call.client.limit) return tooLarge
    if (pieces.length < 5 + length) return undefined
    pieces.skip(5)
    return pieces.take(length)
  }

  /** Grants the peer as many chunks again as were taken, in halves of the window. */
  taken(): Effect.Effect<void, RpcError> {
    this.#taken++
    if (this.#taken * 2 < this.#call.client.window) return Effect.void
    const granted = Uint8Array.of(this.#taken)
    this.#taken = 0
    return Effect.mapError(this.#stream.write(granted), (error) => this.#call.mapError(error))
  }

  /** All that comes behind a kind, which is the end. */
  last(): Effect.Effect<Uint8Array, RpcError> {
    return Effect.gen({ self: this }, function*() {
      const { pieces } = this
      const call = this.#call
      while (yield* this.more) {
        if (pieces.length > call.client.limit + Wire.maxContract) return yield* call.tooLarge
      }
      pieces.skip(1)
      return pieces.take(pieces.length)
    })
  }
}

const tooLarge = "too large"
type CallTooLarge = typeof tooLarge

const listen = (call: Call, peer: Peer, stream: Sessions.SessionStream): Effect.Effect<Answer, RpcError> =>
  Effect.gen(function*() {
    const arrived = new Arrived(call, stream)
    while (true) {
      if (arrived.pieces.length > 0) {
        const kind = arrived.pieces.byte(0)
        switch (kind) {
          case Wire.Kind.chunk:
          case Wire.Kind.raw: {
            const body = arrived.chunk()
            if (body === tooLarge) return yield* call.tooLarge
            if (body === undefined) break
            yield* give(call, kind, body)
            yield* arrived.taken()
            continue
          }
          case Wire.Kind.success:
          case Wire.Kind.failure:
          case Wire.Kind.broken:
          case Wire.Kind.mismatch: {
            const body = yield* arrived.last()
            if (kind === Wire.Kind.success) return { exit: Exit.void }
            if (kind === Wire.Kind.broken) return yield* call.broken
            return kind === Wire.Kind.failure ? yield* failureOf(call, body) : yield* disagreement(call, peer, body)
          }
          default:
            return yield* call.malformed
        }
      }
      // No whole message yet.
      if (!(yield* arrived.more)) return yield* call.malformed
    }
  })

/** What the peer is told of an answer that is none, or is too long. Of what else fails it knows, or does not care. */
const resetOf = (error: RpcError) =>
  error._tag === "ContractError" && error.mayHaveRun
    ? "internal"
    : error._tag === "CallTooLargeError"
    ? "too_large"
    : undefined

export const streaming = (call: Call): Effect.Effect<void, RpcError> =>
  counted(
    call,
    Effect.flatMap(
      begin(call, (peer, options, request) =>
        Effect.scoped(Effect.gen(function*() {
          const stream = yield* Effect.mapError(
            call.client.sessions.open(peer, options),
            (error) => call.mapError(error)
          )
          call.client.known.meet(peer)
          yield* Effect.mapError(stream.write(request), (error) => call.mapError(error))
          return yield* Effect.tapError(listen(call, peer, stream), (error) => {
            const code = resetOf(error)
            return code === undefined ? Effect.void : stream.reset(code, error.message)
          })
        }))),
      ({ exit }) => call.exit(exit)
    )
  )
