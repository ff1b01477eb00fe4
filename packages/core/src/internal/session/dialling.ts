/**
 * Sessions that this node makes: with a peer that somebody wants a stream to, or in the place of a session that gets old. However
 * many want one, there is one dial; and a peer that cannot be reached is dialled again after a pause.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import type { Peer, PeerLostError } from "../../Peers.ts"
import type * as Sessions from "../../Sessions.ts"
import { type Connect, isBusy, lostWhileOpening } from "./connecting.ts"
import type { Host } from "./host.ts"
import type { Life } from "./life.ts"
import type { PeerSessions } from "./peerSessions.ts"
import type { Session } from "./session.ts"
import type { Table } from "./table.ts"

// Always the same wait, since an err in clear may be anybody's.
const busyRetries = Schedule.spaced("200 millis").pipe(Schedule.jittered, Schedule.upTo({ times: 25 }))

/** What it holds in its scope is held by the scope around it where it succeeds, and let go where it does not. */
const keptIfMade = <A, E, R>(effect: Effect.Effect<A, E, R | Scope.Scope>) =>
  Effect.flatMap(
    Effect.flatMap(Effect.scope, Scope.fork),
    (own) =>
      Scope.provide(effect, own).pipe(
        Effect.onExit((exit) => Exit.isFailure(exit) ? Scope.close(own, exit) : Effect.void)
      )
  )

export class Dialling {
  readonly #host: Host
  readonly #table: Table
  readonly #life: Life
  readonly #connect: Connect
  /** Sessions that are being made before anybody wants them. */
  #keeping = 0

  constructor(host: Host, parts: {
    readonly table: Table
    readonly life: Life
    readonly connect: Connect
  }) {
    this.#host = host
    this.#table = parts.table
    this.#life = parts.life
    this.#connect = parts.connect
  }

  /**
   * The session with a peer, made where there is none. One that is not `wanted` is made for the node's own sake: whom it is made with nobody has
   * asked for.
   */
  acquire(peer: Peer, wanted = true): Effect.Effect<Session, Sessions.OpenError> {
    return Effect.suspend(() => {
      const state = this.#table.of(peer.publicKey)
      const session = state.current(peer.name)
      // A peer that cannot be dialled makes the next session itself, while the one before goes on.
      if (session === undefined && peer.endpoints.length === 0 && state.isThere(peer.name)) {
        return Effect.uninterruptibleMask((restore) =>
          Effect.andThen(
            state.queue((room) => restore(Effect.raceFirst(room, this.lostMeanwhile(peer)))),
            restore(this.acquire(peer, wanted))
          )
        )
      }
      return session === undefined
        // What takes the time of a first call is to be seen in its trace.
        ? Effect.withSpan(this.#dial(peer, state, wanted), "pnet.session", {
          captureStackTrace: false,
          kind: "client",
          attributes: { "pnet.peer": peer.name }
        })
        : Effect.succeed(session)
    })
  }

  /**
   * Makes a session with a peer before anybody wants one, where nobody has to make room for it. Those that are being made make none,
   * so they are a quarter of all sessions at most: who is heard of may be made up, and answer nothing.
   */
  keep(peer: Peer): void {
    const state = this.#table.get(peer.publicKey)
    const making = state?.dials.get(peer.name)
    if (making !== undefined && (making.dialling !== undefined || this.#host.now() < making.notBefore)) return
    if (!this.#table.hasRoom || this.#keeping >= Math.max(1, this.#host.limits.sessions / 4)) return
    this.#keeping++
    this.#host.fork(
      Effect.suspend(() => this.#dial(peer, this.#table.of(peer.publicKey), false)).pipe(
        Effect.ignore,
        Effect.ensuring(Effect.sync(() => {
          this.#keeping--
        }))
      )
    )
  }

  /** Makes a new session, which drains the old one when it stands; until then the old one goes on. */
  renew(session: Session, state: PeerSessions): void {
    const { name, publicKey } = session.peer
    const making = state.dials.get(name)
    if (making !== undefined && (making.dialling !== undefined || this.#host.now() < making.notBefore)) return
    this.#host.fork(
      Effect.ignore(Effect.flatMap(this.#host.peers.resolve("*"), (all): Effect.Effect<unknown, Sessions.OpenError> => {
        const peer = all.find((peer) => peer.publicKey === publicKey && peer.name === name)
        return peer === undefined ? Effect.void : this.#dial(peer, this.#table.of(publicKey), false)
      }))
    )
  }

  /** Fails when the peer is lost before there is a session or a stream. */
  lostMeanwhile(peer: Peer): Effect.Effect<never, PeerLostError> {
    return Effect.mapError(this.#host.peers.lost(peer.publicKey), ({ reason }) => lostWhileOpening(peer, reason))
  }

  /** One dial for all who want one now, and for the node itself where it is not `wanted`. */
  #dial(peer: Peer, state: PeerSessions, wanted: boolean): Effect.Effect<Session, Sessions.OpenError> {
    const { now, random, scope } = this.#host
    // Whoever begins it may be interrupted, and the others still wait for it.
    return Effect.uninterruptibleMask((restore) => {
      const making = state.dialOf(peer.name)
      const before = making.dialling
      const ready = before ?? making.begin()
      if (wanted) making.wanted = true
      if (before !== undefined) return restore(Deferred.await(before))
      const settle = (exit: Exit.Exit<Session, Sessions.OpenError>) => making.settle(ready, exit, now())
      const connect = Effect.gen({ self: this }, function*() {
        const wait = making.notBefore - now()
        // Those who ask again at once wait a little, and longer each time.
        if (wait > 0) yield* Effect.flatMap(Random.next, (random) => Effect.sleep(wait * (0.75 + random * 0.5)))
        return yield* Effect.raceFirst(this.#connect(peer, () => making.wanted), this.lostMeanwhile(peer))
      })
      const attempt = Effect.gen({ self: this }, function*() {
        // Not around the session too, which would keep what counts the retries as long as it lives.
        const entered = yield* Effect.retry(keptIfMade(connect), { while: isBusy, schedule: busyRetries })
        settle(Exit.succeed(entered.session))
        yield* this.#life.run(entered)
      }).pipe(
        Effect.scoped,
        Effect.catch((error) => Effect.sync(() => settle(Exit.fail(error)))),
        Effect.provideService(Random.Random, random)
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
  }
}
