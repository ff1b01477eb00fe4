/** A peer that has no room for a call refuses it unrun, so a call that has its data at hand is made again. */
import * as Schedule from "effect/Schedule"
import type * as Sessions from "../../Sessions.ts"

/** The detail of `too_large` where it is the name of a call that cannot be sent, and not the call or its answer. */
export const nameTooLong = "its name"

/** The detail of `unsupported` where it is this side's, of headers that the peer does not read: nothing was sent. */
export const noHeaders = "it reads no headers"

/** Whether the peer refused it for want of room, and has not run it. */
export const isRefused = (error: { readonly _tag: string }): boolean => {
  if (error._tag !== "StreamResetError") return false
  const { remote, retryable } = error as Sessions.StreamResetError
  return remote && retryable
}

/** When it is made again: six times, over some 1.3 seconds. */
export const refusedRetries = Schedule.exponential("20 millis").pipe(Schedule.jittered, Schedule.upTo({ times: 6 }))

/** What the time of a call ran out on before it could be sent; and behind it why it could not, where that is known. */
export const notSent = "its time was up before it could be sent"

/** Whether a call whose time was up may have run, and why it had not been sent by then, for its `DeadlineError`. */
export const late = (
  { detail, remote }: Sessions.StreamResetError
): { readonly mayHaveRun: boolean; readonly detail?: string } => {
  if (remote || !detail.startsWith(notSent)) return { mayHaveRun: true }
  return { mayHaveRun: false, ...(detail === notSent ? {} : { detail: detail.slice(notSent.length + 2) }) }
}

/** The detail of `refused` where a node takes no more calls, as it is about to leave. */
export const draining = "draining"

/** Whether a detail of `refused` says that the peer takes no more calls, and not only none now. */
export const isDraining = (detail: string): boolean => detail === draining
