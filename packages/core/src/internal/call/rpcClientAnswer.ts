/** What an answer says, by the schemas of this side. Nothing of it is taken for what this side does not know. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { type Call, type RpcError, tagOf } from "./rpcClientCall.ts"
import * as Wire from "./rpcWire.ts"

/** What a call came to. */
export interface Answer {
  readonly exit: Exit.Exit<any, any>
}

/** A handler's failure. */
export const failureOf = (call: Call, body: unknown): Effect.Effect<Answer, RpcError> =>
  Effect.matchEffect(call.wire.decodeExit(body), {
    onSuccess: (exit) => {
      const failures = Exit.isFailure(exit) ? Wire.failuresOf(exit.cause) : undefined
      // An error that has the key of a stream's end, which JSON can carry, would be taken for one.
      const ends = call.wire.isStream && failures !== undefined &&
        failures.reasons.some((reason) => Cause.isFailReason(reason) && Cause.isDone(reason.error))
      return failures === undefined || ends
        // Defects and interruptions do not travel, whatever a peer says.
        ? Effect.fail<RpcError>(call.broken)
        : Effect.succeed<Answer>({ exit: Exit.failCause(failures) })
    },
    onFailure: () => Effect.fail<RpcError>(call.disagree(undefined, true))
  })

/** A whole answer that is no stream's. */
export const answerOf = (call: Call, kind: number, body: unknown): Effect.Effect<Answer, RpcError> => {
  switch (kind) {
    case Wire.Kind.success: {
      if (call.message.discard === true) return Effect.succeed({ exit: Exit.void })
      const decoded = call.wire.decodeSuccess(body)
      const exit = Wire.valueOf(decoded)
      return exit !== undefined && Exit.isSuccess(exit) ? Effect.succeed({ exit }) : Effect.matchEffect(decoded, {
        onSuccess: (value) => Effect.succeed<Answer>({ exit: Exit.succeed(value) }),
        onFailure: () => Effect.fail<RpcError>(call.disagree(undefined, true))
      })
    }
    case Wire.Kind.failure:
      return failureOf(call, body)
    case Wire.Kind.broken:
      return Effect.fail(call.broken)
    case Wire.Found.tooLarge:
      return Effect.fail(call.tooLarge)
  }
  return Effect.fail(call.malformed)
}

/** Counts what fails, or is interrupted, before the caller was told anything. */
export const counted = (call: Call, effect: Effect.Effect<void, RpcError>): Effect.Effect<void, RpcError> =>
  Effect.onError(effect, (cause) => Effect.sync(() => call.ended(tagOf(cause))))
