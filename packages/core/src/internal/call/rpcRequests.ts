/**
 * The requests of a function, as they come in streams: read whole within the memory there is for them, held to the contract,
 * decoded, and run.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { SessionStream as PublicStream } from "../../Sessions.ts"
import { full } from "../balance/limiter.ts"
import { keptAlive, Pieces } from "../base/pieces.ts"
import { keepWith } from "../base/shapes.ts"
import * as Permission from "../session/permission.ts"
import { sample, type SessionStream } from "../session/sessionStream.ts"
import { weightOf } from "../wire/json.ts"
import { inTime } from "./inTime.ts"
import type { Memory, Served } from "./rpcServed.ts"
import * as StreamCall from "./rpcStreamCall.ts"
import * as Wire from "./rpcWire.ts"

/** What is made of fewer bytes is not weighed: no byte makes much more than a hundred. */
const few = 1_024

/** Runs a call, if there is room for what its payload was decoded to. `behind` has come after the request. */
const admit = (
  served: Served,
  stream: SessionStream,
  request: Wire.Request,
  payload: unknown,
  behind: Pieces | undefined,
  held: ReturnType<Memory> | undefined
): Effect.Effect<void> => {
  const run = () => StreamCall.run(served, new StreamCall.StreamCall(served, stream, request, payload, behind))
  if (!served.wire.hasLists || request.size <= few) return run()
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
  behind?: Pieces,
  held?: ReturnType<Memory>
): Effect.Effect<void> => {
  const { base, broke, wire } = served
  const mismatch = (description?: string) =>
    Effect.suspend(() =>
      Effect.ignore(stream.writeAll(wire.form.answer(Wire.Kind.mismatch, wire.mismatch(description))))
    )
  const wantsStream = (request.flags & Wire.Flag.stream) !== 0
  // Bytes of another schema may be read as values that nobody wrote: whoever has another contract finds out first whether
  // the two go together, and says so by calling with the hash of this one.
  if (request.hash !== undefined && !Wire.sameHash(request.hash, wire.hash())) return mismatch()
  if (wantsStream !== wire.isStream) return mismatch(wire.isStream ? "it gives a stream" : "it gives no stream")
  // Nodes from before forms take such a contract for one of theirs, and call by its hash with bytes that it has other values for.
  if (wire.foreign && (request.flags & Wire.Flag.form) === 0) return mismatch()
  const decoded = wire.decodePayload(request.payload)
  const exit = Wire.valueOf(decoded)
  if (exit !== undefined && Exit.isSuccess(exit)) return admit(served, stream, request, exit.value, behind, held)
  return Effect.matchCauseEffect(Effect.provideContext(decoded, base), {
    onSuccess: (payload) => admit(served, stream, request, payload, behind, held),
    onFailure: (cause) => {
      // Whether it is bytes that no schema gave, or another schema's: the caller can tell.
      const error = cause.reasons.find(Cause.isFailReason)?.error
      const told = mismatch(error === undefined ? undefined : `the payload is not what it has to be: ${error.message}`)
      return Cause.hasDies(cause) ? Effect.andThen(broke(stream.peer.name, cause), told) : told
    }
  })
}

/** Reads a request that does not come at once, or is large. */
const readSlowly = (served: Served, stream: SessionStream, first: ReadonlyArray<Uint8Array>): Effect.Effect<void> => {
  const { limit } = served
  const { form } = served.wire
  const held = served.memory(stream.peer.publicKey)
  const pieces = new Pieces(keptAlive)
  const find = form.requests(limit)
  const refused = (code: "too_large" | "refused" | "internal", detail: string) =>
    Effect.as(stream.reset(code, detail), undefined)
  const read = (bytes: Uint8Array): Effect.Effect<Wire.Request | undefined> => {
    // What cannot be weighed is refused as what it is.
    const weight = form.weigh?.(bytes) ?? 0
    if (weight > 0 && weight < Infinity) {
      if (held.fits?.(weight) === false) {
        return refused("too_large", "its arrays, objects and fields take more memory than a call may have")
      }
      if (!held.room(weight)) return refused("refused", "no memory for it now")
    }
    const request = form.decodeRequest(bytes)
    return typeof request === "string" ? refused("internal", request) : Effect.succeed(request)
  }
  const take = (parts: ReadonlyArray<Uint8Array>): Effect.Effect<Wire.Request | undefined, unknown> => {
    const before = pieces.held
    pieces.addAll(parts)
    if (!held.room(pieces.held - before)) return refused("refused", "no memory for it now")
    const found = find(pieces, false)
    if (found === "too large") return refused("too_large", `a call over ${limit} bytes`)
    return found === undefined ? Effect.flatMap(stream.pull, take) : read(found)
  }
  // It ended, or was given up, before it was whole: where its end is that of the stream, this is it.
  const ended = (error: unknown): Effect.Effect<Wire.Request | undefined> => {
    if (!Cause.isDone(error)) return Effect.undefined
    const found = find(pieces, true)
    return found === undefined || found === "too large"
      ? refused("internal", "a request that is cut short")
      : read(found)
  }
  return Effect.withFiber((fiber) => {
    // Of the fiber and not in it: what is no effect deep inside of a handler's ends it without its finalizers.
    fiber.addObserver(held.free)
    return Effect.flatMap(
      inTime(stream, served.clock, Effect.catch(Effect.suspend(() => take(first)), ended)),
      (request) =>
        request === undefined
          ? Effect.void
          : answer(served, stream, request, pieces.length === 0 ? undefined : pieces, held)
    )
  })
}

/** Serves one stream, for a peer that may call the function. */
export const onStream = (served: Served) => {
  const nobodys: Served = { ...served, fromOf: () => undefined as never }
  keepWith(served, new StreamCall.StreamCall(nobodys, sample, { flags: 0 } as Wire.Request, undefined, undefined))
  return (given: PublicStream): Effect.Effect<void> => {
    if (served.limiter === undefined && Permission.granted(given, served.rpc._tag, served.allow)) {
      return serve(served, given as SessionStream)
    }
    const asked = Permission.ask(given, served.rpc._tag, served.allow, served.lines)
    const stream = given as SessionStream
    if (asked === undefined) return limited(served, stream)
    const allowed = (run: () => Effect.Effect<void>): Effect.Effect<void> =>
      Effect.flatMap(asked, (may) => may ? run() : stream.reset("not_allowed", Permission.refusal))
    return allowed(() => limited(served, stream, allowed(() => serve(served, stream))))
  }
}

/**
 * Serves one when it is the caller's turn. What neither runs nor waits is refused before anything of it is read; `waited` serves one
 * that did, whose caller has to be allowed still.
 */
const limited = (served: Served, stream: SessionStream, waited?: Effect.Effect<void>): Effect.Effect<void> =>
  served.limiter === undefined ? serve(served, stream) : served.limiter.run(
    stream.peer.publicKey,
    Effect.suspend(() => serve(served, stream)),
    stream.reset("refused", full),
    waited
  )

/** Serves one stream, whose request nearly always comes at once. */
const serve = (served: Served, stream: SessionStream): Effect.Effect<void> => {
  const parts = stream.readUnsafe()
  const { form } = served.wire
  const bytes = parts.length === 1 ? form.atOnce(parts[0]!) : undefined
  if (bytes === undefined) return readSlowly(served, stream, parts)
  const request = form.decodeRequest(bytes)
  return typeof request === "string" ? stream.reset("internal", request) : answer(served, stream, request)
}
