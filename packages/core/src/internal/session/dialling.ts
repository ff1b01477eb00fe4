/** Sessions that this node makes: with a peer that somebody wants a stream to, or in the place of a session that gets old. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import type { Endpoint } from "../../Network.ts"
import type { Peer, PeerLostError } from "../../Peers.ts"
import * as ProtocolError from "../../ProtocolError.ts"
import type * as Sessions from "../../Sessions.ts"
import { UntrustedPeerError } from "../../Trust.ts"
import { dialAny } from "../connect/dialAny.ts"
import { dialable } from "../connect/noEndpoint.ts"
import { lostBefore } from "../peers/lostBefore.ts"
import * as PacketStream from "../wire/packetStream.ts"
import type { Host } from "./host.ts"
import type { Completed, Entered, Life } from "./life.ts"
import type { PeerSessions } from "./peerSessions.ts"
import type { Session } from "./session.ts"
import type { Shaking } from "./shaking.ts"
import type { Table } from "./table.ts"

export interface Dialling {
  /** The session with a peer, made where there is none. */
  readonly acquire: (peer: Peer) => Effect.Effect<Session, Sessions.OpenError>
  /** Makes a new session, which drains the old one when it stands; until then the old one goes on. */
  readonly renew: (session: Session, state: PeerSessions) => void
  /** Makes a session with a peer before anybody wants one, where nobody has to make room for it. */
  readonly keep: (peer: Peer) => void
  /** Fails when the peer is lost before there is a session or a stream. */
  readonly lostMeanwhile: (peer: Peer) => Effect.Effect<never, PeerLostError>
}

// A peer that has no room now has some soon. Always the same wait, since an err in clear may be anybody's.
const busyRetries = Schedule.spaced("200 millis").pipe(Schedule.jittered, Schedule.upTo({ times: 25 }))
const isBusy = (error: Sessions.OpenError) => error._tag === "ProtocolError" && error.code === "ERR_BUSY"

const lostWhileOpening = (peer: Peer, reason: PeerLostError["reason"] = "Disconnected") => lostBefore(peer, reason)

export const make = (host: Host, parts: {
  readonly table: Table
  readonly life: Life
  readonly shaking: Shaking
}): Dialling => {
  const { clock, limits, now, peers, scope, transport, trust } = host
  const { life, shaking, table } = parts

  const lostMeanwhile: Dialling["lostMeanwhile"] = (peer) =>
    Effect.mapError(peers.lost(peer.publicKey), ({ reason }) => lostWhileOpening(peer, reason))

  // --- one dial, from the connection to the session --------------------------------------------------------------------

  /** Completes the handshake with whoever is at an address. */
  const shake = (peer: Peer, one: Semaphore.Semaphore) => (endpoint: Endpoint, promising: () => void) =>
    Effect.gen(function*() {
      const connection = yield* transport.dial(endpoint)
      const stream = PacketStream.make(connection, { clock, packetTimeout: limits.firstPacketTimeout })
      const completed = yield* shaking.asClient(peer.publicKey, connection, stream, { one, promising })
      return { completed, endpoint, stream }
    }).pipe(Effect.catchTags({
      ConnectionClosedError: () => Effect.fail(lostWhileOpening({ ...peer, endpoints: [endpoint] })),
      Idle: () => Effect.fail(ProtocolError.local("ERR_PACKET_INCOMPLETE", "no answer in the handshake"))
    }))

  /** The first address of a peer at which it completes the handshake. */
  const shakeAny = (peer: Peer) =>
    Effect.gen(function*() {
      const { publicKey } = peer
      // As they are now, in the order that the last dial left.
      const endpoints = yield* dialable(peers.presence.value.find((other) => other.publicKey === publicKey) ?? peer)
      return yield* dialAny(endpoints, shake(peer, yield* Semaphore.make(1)), {
        onFailure: ({ endpoint, error }) => {
          // An err is in clear and may be anybody's: it changes nothing of the peer.
          if (error._tag !== "ProtocolError" || error.origin === "local") peers.failedUnsafe(publicKey, endpoint)
        },
        // What somebody said tells more than that nobody is there.
        blame: (failures) =>
          (failures.find(({ error }) => isBusy(error)) ??
            failures.find(({ error }) => error._tag !== "DialError") ?? failures[0]!).error
      })
    })

  /** Tells whoever was dialled that it is not trusted, with the session that it made, and fails. */
  const refuse = (completed: Completed, endpoint: Endpoint, name: Peer["name"], error: UntrustedPeerError) => {
    const { name: actualName, publicKey } = completed.established.peer
    const session = life.make(completed)
    session.leave(
      { reason: "untrusted", detail: error.message },
      "untrusted",
      "the trust policy of the node that dialled refuses this one"
    )
    // An advert gave it a name, and it proved which one it has; unless that belongs to somebody else.
    const proof = actualName === name
      ? Effect.void
      : Effect.ignore(Effect.andThen(
        trust.check(actualName, publicKey),
        peers.proved({ name: actualName, publicKey, endpoint })
      ))
    return Effect.andThen(Effect.andThen(proof, session.run([])), Effect.fail(error))
  }

  /** Dials a peer and completes the handshake. The session runs in the fiber of this effect's continuation. */
  const connect = (peer: Peer): Effect.Effect<Entered, Sessions.OpenError, Scope.Scope> =>
    Effect.gen(function*() {
      const { name, publicKey } = peer
      yield* trust.check(name, publicKey)
      const place = yield* table.reserve(publicKey, "as many sessions as there may be, and none of them idle")
      const { completed, endpoint, stream } = yield* shakeAny(peer)
      const actualName = completed.established.peer.name
      yield* Effect.catch(
        actualName === name
          ? trust.proved(name, publicKey)
          : Effect.fail(new UntrustedPeerError({ kind: "NameMismatch", peer: name, publicKey, actualName })),
        (error) => refuse(completed, endpoint, name, error)
      )
      yield* peers.proved({ name, publicKey, endpoint })
      return { session: yield* life.enter(completed, place), early: stream.rest() }
    })

  // --- one dial for all who want one now -------------------------------------------------------------------------------

  const dial = (peer: Peer, state: PeerSessions): Effect.Effect<Session, Sessions.OpenError> =>
    // Whoever begins it may be interrupted, and the others still wait for it.
    Effect.uninterruptibleMask((restore) => {
      const making = state.dialOf(peer.name)
      if (making.dialling !== undefined) return restore(Deferred.await(making.dialling))
      const ready = making.begin()
      const settle = (exit: Exit.Exit<Session, Sessions.OpenError>) => making.settle(ready, exit, now())
      const attempt = Effect.gen(function*() {
        const wait = making.notBefore - now()
        // Those who ask again at once wait a little, and longer each time.
        if (wait > 0) yield* Effect.flatMap(Random.next, (random) => Effect.sleep(wait * (0.75 + random * 0.5)))
        const entered = yield* Effect.raceFirst(connect(peer), lostMeanwhile(peer))
        settle(Exit.succeed(entered.session))
        yield* life.run(entered)
      }).pipe(
        Effect.scoped,
        Effect.retry({ while: isBusy, schedule: busyRetries }),
        Effect.catch((error) => Effect.sync(() => settle(Exit.fail(error))))
      )
      return Effect.flatMap(Effect.forkIn(attempt, scope), (fiber) => {
        // Not a part of the attempt, which never begins where the node is closed.
        fiber.addObserver((exit) => {
          if (making.dialling === ready) {
            settle(Exit.isFailure(exit) ? Exit.fail(lostWhileOpening(peer)) : Exit.die("unsettled"))
          }
        })
        return restore(Deferred.await(ready))
      })
    })

  const acquire: Dialling["acquire"] = (peer) =>
    Effect.suspend(() => {
      const state = table.of(peer.publicKey)
      const session = state.current(peer.name)
      // A peer that cannot be dialled makes the next session itself, while the one before goes on.
      if (session === undefined && peer.endpoints.length === 0 && state.isThere(peer.name)) {
        return Effect.uninterruptibleMask((restore) =>
          Effect.andThen(
            state.queue((room) => restore(Effect.raceFirst(room, lostMeanwhile(peer)))),
            restore(acquire(peer))
          )
        )
      }
      return session === undefined
        // What takes the time of a first call is to be seen in its trace.
        ? Effect.withSpan(dial(peer, state), "pnet.session", {
          captureStackTrace: false,
          kind: "client",
          attributes: { "pnet.peer": peer.name }
        })
        : Effect.succeed(session)
    })

  return {
    lostMeanwhile,
    acquire,
    keep: (peer) => {
      const state = table.get(peer.publicKey)
      const making = state?.dials.get(peer.name)
      if (making !== undefined && (making.dialling !== undefined || now() < making.notBefore)) return
      if (table.hasRoom) host.fork(Effect.ignore(Effect.suspend(() => dial(peer, table.of(peer.publicKey)))))
    },
    renew: (session, state) => {
      const { name, publicKey } = session.peer
      const making = state.dials.get(name)
      if (making !== undefined && (making.dialling !== undefined || now() < making.notBefore)) return
      host.fork(Effect.ignore(Effect.flatMap(peers.resolve("*"), (all): Effect.Effect<unknown, Sessions.OpenError> => {
        const peer = all.find((peer) => peer.publicKey === publicKey && peer.name === name)
        return peer === undefined ? Effect.void : dial(peer, table.of(publicKey))
      })))
    }
  }
}
