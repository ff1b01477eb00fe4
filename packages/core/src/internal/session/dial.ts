/**
 * The making of a session with a key under a name: one dial for all who want it now, and a pause after each that failed, longer
 * each time.
 */
import * as Deferred from "effect/Deferred"
import * as Exit from "effect/Exit"
import * as Result from "effect/Result"
import type * as Sessions from "../../Sessions.ts"
import type { Session } from "./session.ts"

/** Failures in a row are forgotten after this long. */
const failureMemory = 60_000

const isInClear = (error: Sessions.OpenError) => error._tag === "ProtocolError" && error.origin === "remote"

export class Dial {
  /** What everybody waits for who wants the session now. */
  dialling: Deferred.Deferred<Session, Sessions.OpenError> | undefined
  /** What the last dial failed with, where none has succeeded since. */
  last: Sessions.OpenError | undefined
  /** The moment before which there is no dial, in monotonic milliseconds. */
  notBefore = 0
  /** Whether somebody wants the session that is being dialled for; it is made unasked otherwise, since there is a peer. */
  wanted = false
  /** Dials that failed in a row. */
  #failures = 0

  /** Whether there is nothing to know about it. */
  get forgettable(): boolean {
    return this.dialling === undefined && this.#failures === 0
  }

  /** Begins a dial. */
  begin(): Deferred.Deferred<Session, Sessions.OpenError> {
    const ready = Deferred.makeUnsafe<Session, Sessions.OpenError>()
    this.dialling = ready
    this.wanted = false
    return ready
  }

  /** Ends the dial that `begin` gave, and tells everybody who waits. */
  settle(
    ready: Deferred.Deferred<Session, Sessions.OpenError>,
    exit: Exit.Exit<Session, Sessions.OpenError>,
    now: number
  ): void {
    if (this.dialling === ready) this.dialling = undefined
    if (Exit.isSuccess(exit)) {
      this.#failures = 0
      this.notBefore = 0
      this.last = undefined
    } else {
      const error = Exit.findError(exit)
      if (Result.isSuccess(error)) this.last = error.success
      // An err is in clear and may be anybody's: it puts the next dial off, and those after it no longer.
      this.#failures = Result.isSuccess(error) && isInClear(error.success) ? 1 : Math.min(this.#failures + 1, 6)
      this.notBefore = now + 100 * 2 ** this.#failures
    }
    Deferred.doneUnsafe(ready, exit)
  }

  /** Forgets failures that are long past; whether it did. */
  tick(now: number): boolean {
    if (this.#failures === 0 || this.dialling !== undefined || now - this.notBefore < failureMemory) return false
    this.#failures = 0
    return true
  }
}
