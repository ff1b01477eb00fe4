/** How a call over a stream fails, as its caller has it. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type { OverloadedError } from "../../Balance.ts"
import {
  CallTooLargeError,
  DeadlineError,
  HeadersUnsupportedError,
  InvalidArgumentsError,
  type NodeClosedError,
  NotAllowedError,
  type NotJsonError,
  RemoteError
} from "../../FunctionError.ts"
import type * as Peers from "../../Peers.ts"
import type * as Sessions from "../../Sessions.ts"
import type { Waited } from "../base/waited.ts"
import { late, nameTooLong, noHeaders } from "../session/refused.ts"

/** Why a call failed that had its stream. */
export type AnswerError =
  | Sessions.StreamError
  | RemoteError
  | CallTooLargeError
  | DeadlineError
  | NotAllowedError
  | InvalidArgumentsError
  | HeadersUnsupportedError

/** Why a call failed. */
export type CallError =
  | Peers.PeerUnknownError
  | Peers.NameConflictError
  | NodeClosedError
  | Sessions.OpenError
  | AnswerError
  | NotJsonError
  | OverloadedError

/** How the input of a call fared. */
export interface Input<E> {
  failure: Cause.Cause<Sessions.StreamError | E> | undefined
}

/** What makes a call fail that is no failure of the peer's: its input's, whatever that is. */
export class InputFailed<E> {
  readonly _tag = "InputFailed"
  readonly cause: Cause.Cause<E>
  constructor(cause: Cause.Cause<E>) {
    this.cause = cause
  }
}

/** Why one attempt of a call failed. */
export type Failure<E> = CallError | InputFailed<Sessions.StreamError | E>

/** Why the call failed, for its caller. */
export const told = <E>(error: Failure<E>): Effect.Effect<never, CallError | E> =>
  error._tag === "InputFailed" ? Effect.failCause(error.cause) : Effect.fail(error)

/** The failure of a stream as that of the function it was opened for, whose answer has a limit. */
const ofStream = (error: Sessions.StreamError, limit: number, waited: Waited): AnswerError => {
  if (error._tag !== "StreamResetError") return error
  switch (error.code) {
    case "failed":
      return new RemoteError({
        peer: error.peer,
        command: error.stream,
        error: error.error ?? { message: error.detail }
      })
    case "deadline":
      return new DeadlineError({ peer: error.peer, function: error.stream, ...late(error), ...waited })
    case "not_allowed":
      return error.remote ? new NotAllowedError({ peer: error.peer, function: error.stream }) : error
    case "invalid_arguments":
      return error.remote
        ? new InvalidArgumentsError({ peer: error.peer, function: error.stream, issue: error.detail })
        : error
    case "unsupported":
      return !error.remote && error.detail === noHeaders
        ? new HeadersUnsupportedError({ peer: error.peer, function: error.stream })
        : error
    case "too_large":
      if (error.detail === nameTooLong && !error.remote) return error
      return new CallTooLargeError({ peer: error.peer, function: error.stream, limit })
    default:
      return error
  }
}

/** `ofStream`, of what may have failed before there was a stream. */
export const ofCall = (error: Sessions.OpenError | Sessions.StreamError, limit: number, waited: Waited) =>
  error._tag === "StreamResetError" ? ofStream(error, limit, waited) : error

/** The answer's failure, or the input's where that came first. */
export const blame = <E>(
  error: Sessions.StreamError,
  input: Input<E> | undefined,
  limit: number,
  waited: Waited
): Effect.Effect<never, AnswerError | InputFailed<Sessions.StreamError | E>> => {
  const tooLarge = error._tag === "StreamResetError" && error.code === "too_large"
  const failure = !tooLarge && error._tag === "StreamResetError" && !error.remote ? input?.failure : undefined
  return failure !== undefined && !Cause.hasInterruptsOnly(failure)
    ? Effect.fail(new InputFailed(failure))
    : Effect.fail(ofStream(error, limit, waited))
}
