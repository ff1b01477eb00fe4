/** What is due by the clock, looked at every half second: silence, age, idleness, and the time of those that drain. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Host } from "./host.ts"
import type { Keeping } from "./keeping.ts"
import type { PeerSessions } from "./peerSessions.ts"
import type { Session } from "./session.ts"
import type { Standing } from "./standing.ts"
import type { Table } from "./table.ts"

const tickEvery = 500
// A receiver of GOAWAY gives its sender this much longer than the sender takes itself.
const drainGrace = 60_000
const commandLimit = 2 ** 32

/** Looks after all sessions, for ever. */
export const run = (host: Host, parts: {
  readonly table: Table
  readonly standing: Standing
  /** Makes another session in the place of this one. */
  readonly renew: (session: Session, state: PeerSessions) => void
  readonly keeping: Keeping | undefined
}): Effect.Effect<never> => {
  const { limits, now } = host
  const { keeping, renew, standing, table } = parts
  const ageLimit = Duration.toMillis(limits.sessionAge)
  const idleLimit = Duration.toMillis(limits.sessionIdle)

  /** A session that drains has the time of its reason; who received the GOAWAY lets its sender be the first to close. */
  const drain = (session: Session, since: number, at: number) => {
    const limit = Duration.toMillis(session.drainCode === "shutdown" ? limits.shutdownDrain : limits.renewDrain)
    if (at - since - limit < (session.drainedByPeer ? drainGrace : 0)) return
    session.mux.resetAll("going_away", "the session ends")
    session.end({ reason: "closed", detail: "its streams did not finish in time" })
  }

  /** Its opener renews it before its time is over, and closes it where nobody uses it; who accepted it waits a little longer. */
  const grow = (session: Session, state: PeerSessions, at: number) => {
    const age = at - session.startedAt
    const { commands } = session
    const isIdle = session.dialled && session.mux.streams === 0 && at - session.usedAt >= idleLimit
    if (isIdle && keeping?.isKept(session) !== true) {
      return session.drain("shutdown", "idle")
    }
    if (session.dialled ? age >= ageLimit * 0.9 || commands >= commandLimit * 0.9 : false) {
      return renew(session, state)
    }
    if (!session.dialled && (age >= ageLimit || commands >= commandLimit)) session.drain("renew", "its time is over")
  }

  const tick = (session: Session, state: PeerSessions, pardon: number, at: number) => {
    session.tick(pardon, at)
    standing.outdate(session, state)
    if (session.ending !== undefined) return
    if (standing.overdue(session, at)) {
      session.mux.resetAll("going_away", "it was made under a network key that is no longer held here")
      session.end({ reason: "closed", detail: "its peer made no other under a network key that is held here" })
      return
    }
    // Streams that are open show nothing of the peer's key: only another session does.
    if (standing.unproved(session) && session.mux.streams > 0) renew(session, state)
    if (session.drainingSince !== undefined) drain(session, session.drainingSince, at)
    else grow(session, state, at)
  }

  return Effect.gen(function*() {
    let last = now()
    while (true) {
      yield* Effect.sleep(tickEvery)
      const at = now()
      const late = at - last - tickEvery
      last = at
      keeping?.look()
      for (const state of table.peers) {
        // Most have one of them, or none.
        if (state.sessions.size > 0) {
          for (const session of state.sessions) tick(session, state, late > tickEvery ? late : 0, at)
        }
        if (state.dials.size > 0) {
          for (const dial of state.dials.values()) if (dial.tick(at)) table.forget(state)
        }
      }
    }
  })
}
