/**
 * The requests of a function, as they come in streams: read whole within the memory there is for them, held to the contract,
 * decoded, and run.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { SessionStream as PublicStream } from "../../Sessions.ts"
import { keptAlive, Pieces } from "../base/pieces.ts"
import type { SessionStream } from "../session/sessionStream.ts"
import { weightOf } from "../wire/json.ts"
import type { Memory, Served } from "./rpcServed.ts"
import * as StreamCall from "./rpcStreamCall.ts"
import * as Wire from "./rpcWire.ts"

/** What is made of fewer bytes is not weighed: no byte makes much more than a hundred. */
const few = 1_024

/** Runs a call, if there is room for what its payload was decoded to. */
const admit = (
  served: Served,
  stream: SessionStream,
  request: Wire.Request,
  payload: unknown,
  held: ReturnType<Memory> | undefined
): Effect.Effect<void> => {
  const run = () => StreamCall.run(served, new StreamCall.StreamCall(served, stream, request, payload))
  if (!served.wire.hasLists || request.payload.length <= few) return run()
  return Effect.withFiber((fiber) => {
    const own = held ?? served.memory(stream.peer.publicKey)
    if (held === undefined) fiber.addObserver(own.free)
    const weight = weightOf(payload, 128 * served.limit)
    if (own.fits?.(weight) === false) {
      return stream.reset("too_large", "its lists take more memory than a call may have")
    }
    return own.room(weight) ? run() : stream.reset("refused", "no memory for it now")
  })
}

const answer = (
  served: Served,
  stream: SessionStream,
  request: Wire.Request,
  held?: ReturnType<Memory>
): Effect.Effect<void> => {
  const { base, broke, wire } = served
  const mismatch = Effect.suspend(() => Effect.ignore(stream.write(Wire.mismatchOf(wire.contract(), wire.hash()))))
  const wantsStream = (request.flags & Wire.Flag.stream) !== 0
  // Bytes of another schema may be read as values that nobody wrote: whoever has another contract finds out first whether
  // the two go together, and says so by calling with the hash of this one.
  if (wantsStream !== wire.isStream || !Wire.sameHash(request.hash, wire.hash())) return mismatch
  // Nodes from before forms take such a contract for one of theirs, and call by its hash with bytes of another encoder.
  if (wire.foreign && (request.flags & Wire.Flag.form) === 0) return mismatch
  const decoded = wire.decodePayload(request.payload)
  const exit = Wire.valueOf(decoded)
  if (exit !== undefined && Exit.isSuccess(exit)) return admit(served, stream, request, exit.value, held)
  return Effect.matchCauseEffect(Effect.provideContext(decoded, base), {
    onSuccess: (payload) => admit(served, stream, request, payload, held),
    onFailure: (cause) =>
      // Whether it is bytes that no schema gave, or another schema's: the caller can tell.
      Cause.hasDies(cause) ? Effect.andThen(broke(stream.peer.name, cause), mismatch) : mismatch
  })
}

/** Reads a request that does not come at once, or is large. */
const readSlowly = (served: Served, stream: SessionStream, first: ReadonlyArray<Uint8Array>): Effect.Effect<void> => {
  const { limit } = served
  const held = served.memory(stream.peer.publicKey)
  const pieces = new Pieces(keptAlive)
  let length: number | undefined
  const refused = (code: "too_large" | "refused" | "internal", detail: string) =>
    Effect.as(stream.reset(code, detail), undefined)
  const take = (parts: ReadonlyArray<Uint8Array>): Effect.Effect<Wire.Request | undefined, unknown> => {
    const before = pieces.held
    pieces.addAll(parts)
    if (!held.room(pieces.held - before)) return refused("refused", "no memory for it now")
    if (length === undefined && pieces.length >= 4) {
      length = pieces.u32(0)
      if (length > limit + Wire.maxHeaders + 64) return refused("too_large", `a call over ${limit} bytes`)
    }
    if (length !== undefined && pieces.length >= 4 + length) {
      pieces.skip(4)
      const request = Wire.decodeRequest(pieces.take(length))
      if (typeof request === "string") return refused("internal", request)
      if (!served.wire.isStream || pieces.length === 0) return Effect.succeed(request)
      // Grants that have come with it.
      const granted = pieces.take(pieces.length).reduce((sum, chunks) => sum + chunks, 0)
      return Effect.succeed({ ...request, window: request.window + granted })
    }
    return Effect.flatMap(stream.pull, take)
  }
  return Effect.withFiber((fiber) => {
    // Of the fiber and not in it: what is no effect deep inside of a handler's ends it without its finalizers.
    fiber.addObserver(held.free)
    return Effect.matchEffect(Effect.suspend(() => take(first)), {
      // It ended, or was given up, before it was whole.
      onFailure: (error) => Cause.isDone(error) ? stream.reset("internal", "a request that is cut short") : Effect.void,
      onSuccess: (request) => request === undefined ? Effect.void : answer(served, stream, request, held)
    })
  })
}

/** Serves one stream, whose request nearly always comes at once. */
export const onStream = (served: Served) => (given: PublicStream): Effect.Effect<void> => {
  const stream = given as SessionStream
  const parts = stream.readUnsafe()
  const [bytes] = parts
  if (
    parts.length === 1 && bytes!.length <= StreamCall.atOnce && bytes!.length > 4 &&
    Wire.getU32(bytes!, 0) === bytes!.length - 4
  ) {
    const request = Wire.decodeRequest(bytes!.subarray(4))
    return typeof request === "string" ? stream.reset("internal", request) : answer(served, stream, request)
  }
  return readSlowly(served, stream, parts)
}
