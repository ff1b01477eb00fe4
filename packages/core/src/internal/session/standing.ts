/**
 * What sessions depend on beyond their connection: the network keys that they were made under, and the trust policy. Both
 * change while a node runs; then a session's peer has to make another under a key that is held, or is judged again.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Host } from "./host.ts"
import type { PeerSessions } from "./peerSessions.ts"
import type { NetworkKey, Session } from "./session.ts"
import type { Table } from "./table.ts"

/** What a session was made by. */
export interface Origin {
  /** The network keys that the peer's packets of its handshake came in under. */
  readonly keys: ReadonlyArray<NetworkKey>
  /** How often the trust policy had changed when it was asked. */
  readonly policy: number
}

export interface Standing {
  /** What the trust policy, which is asked now, and these keys make of a session. */
  readonly origin: (keys: ReadonlyArray<NetworkKey>) => Origin
  /** A session is made: where its keys are held, it takes the place of those that are outdated. */
  readonly begin: (session: Session, state: PeerSessions, origin: Origin) => void
  /** Looks whether a key was removed, or the policy has changed, while its handshake went on. */
  readonly recheck: (session: Session, state: PeerSessions, origin: Origin) => void
  /** Ends the time of a session that was made under a network key that is held no longer. */
  readonly outdate: (session: Session, state: PeerSessions) => void
  /** Whether its peer has yet to show that it has a network key that is held. */
  readonly unproved: (session: Session) => boolean
  /** Whether it has had all the time there is for that. */
  readonly overdue: (session: Session, at: number) => boolean
  /** Follows what changes, until the scope closes. */
  readonly watch: Effect.Effect<void, never, Scope.Scope>
}

export const make = (host: Host, table: Table): Standing => {
  const { config, limits, lines, now, self, trust } = host
  // How often the trust policy has changed.
  let policy = 0
  // A peer has an interval and the time of one dial to make a session under a key that is held.
  const renewalLimit = Duration.toMillis(config.broadcastInterval) + Duration.toMillis(limits.dialTimeout) +
    Duration.toMillis(limits.firstPacketTimeout)

  const isCurrent = (session: Session): boolean => {
    const { keys } = session
    const held = self.cipher.keys()
    return keys.every((key) => key === undefined || held.includes(key))
  }

  const outdate = (session: Session, state: PeerSessions) => {
    if (session.ending !== undefined || session.outdated !== undefined || isCurrent(session)) return
    // Told apart from a peer that is to show what it has: one that has shown it already, in another session.
    const renewed = [...state.sessions].some((other) =>
      other !== session && other.ending === undefined && isCurrent(other)
    )
    session.outdated = { since: now(), renewed }
    session.drain("renew", "it was made under a network key that is no longer held here")
  }

  /** Ends a session that the trust policy refuses now. */
  const judge = (session: Session): Effect.Effect<void> =>
    Effect.suspend(() =>
      session.ending !== undefined ? Effect.void : trust.check(session.peer.name, session.peer.publicKey)
    )
      .pipe(
        Effect.catch((error) => {
          if (session.ending !== undefined) return Effect.void
          session.leave(
            { reason: "untrusted", detail: error.message, lost: "Untrusted" },
            "untrusted",
            "the trust policy of the other node refuses this one now"
          )
          return lines(
            error.message,
            "ended",
            (more) => Effect.logWarning(`ended a session: ${error.message}${more}`)
          )
        })
      )

  const every = (f: (session: Session, state: PeerSessions) => Effect.Effect<void>) =>
    Effect.suspend(() => Effect.forEach(table.all(), ([session, state]) => f(session, state), { discard: true }))

  return {
    origin: (keys) => ({ keys, policy }),
    begin: (session, state, origin) => {
      session.keys = origin.keys
      if (!isCurrent(session)) return
      for (const older of state.sessions) {
        const old = older.outdated
        if (old !== undefined) old.renewed = true
      }
    },
    recheck: (session, state, origin) => {
      outdate(session, state)
      if (origin.policy !== policy) host.fork(judge(session))
    },
    outdate,
    unproved: (session) => session.outdated?.renewed === false,
    overdue: (session, at) => {
      const old = session.outdated
      return old !== undefined && !old.renewed && at - old.since >= renewalLimit
    },
    watch: Effect.gen(function*() {
      yield* Effect.forkScoped(
        Stream.runForEach(
          config.keyRing.changes,
          () => every((session, state) => Effect.sync(() => outdate(session, state)))
        ),
        { startImmediately: true }
      )
      yield* Effect.forkScoped(
        Stream.runForEach(trust.changes, () =>
          Effect.suspend(() => {
            policy++
            return every(judge)
          })),
        { startImmediately: true }
      )
    })
  }
}
