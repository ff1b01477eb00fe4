/** The life of a session, from the handshake to its end: it is made, entered where streams find it, run, and taken out again. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Handshake from "../../Handshake.ts"
import type { Connection } from "../../Transport.ts"
import * as Trust from "../../Trust.ts"
import * as AtEnd from "../base/atEnd.ts"
import { quote } from "../base/quote.ts"
import type { Handlers } from "./handlers.ts"
import type { Host } from "./host.ts"
import type { PeerSessions } from "./peerSessions.ts"
import { type Ending, Session } from "./session.ts"
import type { Origin, Standing } from "./standing.ts"
import type { Place, Table } from "./table.ts"

/** A connection on which a handshake was completed, which is no session yet. */
export interface Completed {
  readonly connection: Connection
  readonly established: Handshake.Established
  readonly origin: Origin
}

/** A session that streams are opened on. */
export interface Entered {
  readonly session: Session
  /** What came behind the handshake. */
  readonly early: ReadonlyArray<Uint8Array>
}

export class Life {
  readonly #host: Host
  readonly #table: Table
  readonly #standing: Standing
  readonly #handlers: Handlers
  readonly #renew: (session: Session, state: PeerSessions) => void
  readonly #began: (session: Session) => void
  /** Each session keeps its peer in the table of peers when an advert says that it leaves, and is asked instead. */
  readonly #holds = new WeakMap<Session, (broke?: boolean) => void>()

  constructor(host: Host, parts: {
    readonly table: Table
    readonly standing: Standing
    readonly handlers: Handlers
    /** A peer has asked for a session in the place of this one. */
    readonly renew: (session: Session, state: PeerSessions) => void
    /** A session stands, on which streams can be opened. */
    readonly began: (session: Session) => void
  }) {
    this.#host = host
    this.#table = parts.table
    this.#standing = parts.standing
    this.#handlers = parts.handlers
    this.#renew = parts.renew
    this.#began = parts.began
  }

  /** A session that no stream is opened on by this side until it is entered. */
  make({ connection, established }: Pick<Completed, "connection" | "established">): Session {
    const { clock, config, crypto, limits, peers, self, trust } = this.#host
    const { name, publicKey: key } = established.peer
    const state = this.#table.of(key)
    let told = 0
    return new Session({
      connection,
      established,
      crypto,
      self,
      clock,
      chunkSize: config.chunkSize,
      maxStreams: limits.streams,
      callSize: limits.callSize,
      budget: state.budget,
      window: limits.streamCredit,
      policy: trust.rights === undefined ? undefined : Trust.rightsOf(trust, name, key),
      silence: Duration.toMillis(limits.sessionSilence),
      writeTimeout: Duration.toMillis(limits.writeTimeout),
      onOpen: (stream, session) => this.#handlers.open(stream, session),
      onHeard: (session, doubted) => {
        if (state.sessions.size > 1) state.reconcile()
        // Who waits for a session that is no ghost may have waited for this one.
        if (doubted) state.wakeAll()
        // Who has not shown that it has a network key that is held is nobody to this network.
        if (this.#standing.unproved(session)) return
        // The membership need not know more often than it asks.
        if (session.heardAt - told < 1_000 && told !== 0) return
        told = session.heardAt
        peers.heardUnsafe(key)
      },
      onGoAway: (session, { code }) => {
        // To make the next one is the opener's duty; where no stream waits for it, the next stream does so.
        if (code === "renew" && session.dialled && session.mux.streams > 0) this.#renew(session, state)
        state.wakeAll()
      },
      onRoom: () => {
        this.#table.onRoom(state)
        if (state.sessions.size === 0) this.#table.forget(state)
      }
    })
  }

  /** Makes it, and lets streams be opened on it until the scope closes, whoever is interrupted in between. */
  enter(completed: Completed, place: Place): Effect.Effect<Session, never, Scope.Scope> {
    return AtEnd.acquire(
      Effect.sync(() => this.#enter(completed, place)),
      (session) => this.#leave(session)
    )
  }

  /** Runs it, until it ends or its peer is lost. */
  run({ early, session }: Entered): Effect.Effect<Ending> {
    const lost = Effect.catch(this.#host.peers.lost(session.peer.publicKey), (error) =>
      Effect.andThen(
        Effect.sync(() => session.end({ reason: "dead", detail: error.message, lost: error.reason })),
        Effect.never
      ))
    return Effect.tap(
      // In the one race that the session is: another around it would be two fibers more for each.
      session.run(early, lost),
      (ending) =>
        Effect.logDebug(`the session with ${quote(session.peer.name)} ended: ${ending.reason}, ${ending.detail}`)
    )
  }

  #enter(completed: Completed, place: Place): Session {
    const table = this.#table
    const standing = this.#standing
    const { origin } = completed
    const session = this.make(completed)
    const key = session.peer.publicKey
    const state = table.of(key)
    standing.begin(session, state, origin)
    // An older one may be a ghost; whoever it is has five seconds to say otherwise.
    if (!session.dialled) { for (const older of state.sessions) older.doubt() }
    state.sessions.add(session)
    // Who made it himself is a peer by that, should he not be one by his adverts.
    const accepted = session.dialled
      ? undefined
      : { name: session.peer.name, from: completed.connection.remote }
    this.#holds.set(session, this.#host.peers.holdUnsafe(key, () => session.ping(), accepted))
    table.occupy(session, place)
    state.reconcile()
    standing.recheck(session, state, origin)
    state.wakeAll()
    this.#began(session)
    return session
  }

  #leave(session: Session): void {
    const table = this.#table
    const state = table.of(session.peer.publicKey)
    // One whose peer was lost before it ran.
    if (session.ending === undefined) {
      session.mux.resetAll("going_away", "the session ends")
      session.end({ reason: "dead", detail: "it was given up before it began" })
    }
    state.sessions.delete(session)
    const { reason } = session.ending!
    this.#holds.get(session)?.(reason === "broken" || reason === "dead")
    table.vacate(session)
    state.wakeAll()
    table.onRoom(state)
    table.forget(state)
  }
}
