/**
 * The sessions of a node: dialled on first use, accepted, shared, kept alive, renewed and closed (protocol section 4).
 *
 * This is what they are put together of. `table` is which there are; `dialling` and `accepting` make them, both by `shaking` hands;
 * `life` runs them; `standing` is the keys and the policy they depend on, `upkeep` what is due by the clock, `keeping` those that only this side can make; `opening` and `serving`
 * are the two ends of their streams.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type { Crypto } from "../../Crypto.ts"
import type { NodeConfig } from "../../NodeOptions.ts"
import type { Peer, Peers } from "../../Peers.ts"
import * as Reach from "../../Reach.ts"
import * as Sessions from "../../Sessions.ts"
import type { Transport } from "../../Transport.ts"
import type { Trust } from "../../Trust.ts"
import type * as Acceptor from "../connect/acceptor.ts"
import type { Introduce } from "../connect/introducing.ts"
import * as Accepting from "./accepting.ts"
import * as Connecting from "./connecting.ts"
import * as Credentials from "./credentials.ts"
import { Dialling } from "./dialling.ts"
import { Handlers, isCall } from "./handlers.ts"
import * as Host from "./host.ts"
import * as Keeping from "./keeping.ts"
import { Life } from "./life.ts"
import { Opening } from "./opening.ts"
import type { PeerSessions } from "./peerSessions.ts"
import * as Serving from "./serving.ts"
import type { Session } from "./session.ts"
import * as Shaking from "./shaking.ts"
import * as Standing from "./standing.ts"
import { Table } from "./table.ts"
import * as Upkeep from "./upkeep.ts"

/** What accepts sessions on a node's connections: of the same sessions, for the node that listens. */
export class SessionAcceptor extends Context.Service<SessionAcceptor, Acceptor.Service>()(
  "@pnet/core/internal/SessionAcceptor"
) {}

/** What of the sessions is for the layers of pnet itself. */
export class SessionInside extends Context.Service<SessionInside, {
  /** Who serves the streams that peers open, without a fiber for each. */
  readonly handlers: Handlers
  /** Opens a stream that nobody has asked for. */
  readonly openUnasked: Opening["openUnasked"]
  /** Calls of peers that are not answered, or whose answer is not sent. */
  readonly calls: () => number
  /** Has a peer show its certificate, for messages, which cannot; `undefined` where the trust policy goes by none. */
  readonly introduce: Introduce | undefined
}>()("@pnet/core/internal/SessionInside") {}

const infosOf = (table: Table): ReadonlyArray<Sessions.SessionInfo> => {
  const infos: Array<Sessions.SessionInfo> = []
  for (const { sessions } of table.peers) {
    for (const session of sessions) infos.push(infoOf(session))
  }
  return infos
}

/** Every stream is reset, and every session gets a turn to say goodbye, and no more than that. */
const closeAll = (table: Table): Effect.Effect<void> =>
  Effect.gen(function*() {
    for (const { sessions } of table.peers) {
      for (const session of sessions) {
        session.mux.resetAll("going_away", "the node is closing")
        session.leave({ reason: "shutdown", detail: "this node is closing" }, "shutdown", "the node is closing")
      }
    }
    yield* Effect.yieldNow
    yield* Effect.yieldNow
  })

const callsOf = (table: Table): number => {
  let calls = 0
  for (const [session] of table.all()) {
    for (const stream of session.mux.theirs.values()) if (isCall(stream.open.protocol)) calls++
  }
  return calls
}

const infoOf = (session: Session): Sessions.SessionInfo => ({
  peer: session.peer,
  dialled: session.dialled,
  binary: session.options.established.binary,
  streams: session.mux.streams,
  draining: !session.usable
})

const make: Effect.Effect<
  {
    readonly sessions: Sessions.Sessions["Service"]
    readonly acceptor: Acceptor.Service
    readonly inside: SessionInside["Service"]
  },
  never,
  Transport | Peers | Trust | Crypto | NodeConfig | Scope.Scope
> = Effect.gen(function*() {
  const host = yield* Host.make
  const table = new Table(host)
  const handlers = new Handlers()
  const standing = Standing.make(host, table)
  const renew = (session: Session, state: PeerSessions) => dialling.renew(session, state)
  const began = (session: Session) => credentials.began(session)
  const life = new Life(host, { table, standing, handlers, renew, began })
  const shaking = Shaking.make(host, standing)
  const dialling = new Dialling(host, { table, life, connect: Connecting.make(host, { table, life, shaking }) })
  const acceptor = Accepting.make(host, { table, life, shaking })
  const { openUnasked, ...opening } = new Opening(host, table, dialling)
  const handle = Serving.make(host, handlers)
  const credentials = Credentials.make(host, table, { exchange: opening.exchange, handle })

  const keeping = Keeping.make({
    ways: Option.getOrElse(yield* Effect.serviceOption(Reach.Ways), () => []),
    peers: host.peers,
    current: ({ name, publicKey }) => table.get(publicKey)?.current(name),
    dial: (peer) => dialling.keep(peer)
  })
  yield* Effect.forkScoped(Upkeep.run(host, { table, standing, renew, keeping }))
  yield* standing.watch
  yield* credentials.run
  // Before the fibers of the sessions are interrupted.
  yield* Effect.addFinalizer(() => closeAll(table))

  const introduce = host.trust.credentials === undefined ? undefined : (peer: Peer) => credentials.introduce(peer)
  return {
    acceptor,
    inside: { handlers, openUnasked, introduce, calls: () => callsOf(table) },
    sessions: {
      ...opening,
      handle,
      closeAll: closeAll(table),
      all: Effect.sync(() => infosOf(table))
    }
  }
})

/** The sessions, and what accepts those that peers make. */
export const layer: Layer.Layer<
  Sessions.Sessions | SessionAcceptor | SessionInside,
  never,
  Transport | Peers | Trust | Crypto | NodeConfig
> = Layer.effectContext(
  Effect.map(
    make,
    ({ acceptor, inside, sessions }) =>
      Context.make(Sessions.Sessions, sessions).pipe(
        Context.add(SessionAcceptor, acceptor),
        Context.add(SessionInside, inside)
      )
  )
)
