/** The sessions of a node: dialled on first use, accepted, shared, kept alive, renewed and closed (protocol section 4). */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Random from "effect/Random"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import * as Tracer from "effect/Tracer"
import { Crypto } from "../../Crypto.ts"
import type * as Frame from "../../Frame.ts"
import * as Handshake from "../../Handshake.ts"
import type { Endpoint } from "../../Network.ts"
import { NodeConfig } from "../../NodeOptions.ts"
import * as Packet from "../../Packet.ts"
import { type Peer, PeerLostError, Peers } from "../../Peers.ts"
import * as ProtocolError from "../../ProtocolError.ts"
import * as PublicKey from "../../PublicKey.ts"
import * as Raw from "../../Raw.ts"
import * as Sessions from "../../Sessions.ts"
import { type Connection, Transport } from "../../Transport.ts"
import { Trust, UntrustedPeerError } from "../../Trust.ts"
import * as Given from "../base/given.ts"
import { quote } from "../base/quote.ts"
import * as Rate from "../base/rate.ts"
import * as Seldom from "../base/seldom.ts"
import { fromTraceparent } from "../base/trace.ts"
import * as Acceptor from "../connect/acceptor.ts"
import { dialAny } from "../connect/dialAny.ts"
import type * as NetworkCipher from "../wire/networkCipher.ts"
import * as PacketStream from "../wire/packetStream.ts"
import { selfOf } from "../wire/self.ts"
import { Budget } from "./budget.ts"
import type { MuxStream } from "./muxStream.ts"
import { notSent } from "./refused.ts"
import { nameTooLong } from "./refused.ts"
import * as Seen from "./seen.ts"
import { Session } from "./session.ts"
import { SessionStream } from "./sessionStream.ts"

/** The sessions with one peer. */
interface PeerState {
  /** Under whatever names its key has proved. Each serves the one that was proved in its handshake, and no other. */
  readonly sessions: Set<Session>
  /** By the name that is to be proved. */
  readonly dials: Map<Packet.NodeName, Dial>
  /** Those who wait until a stream may be opened, the longest waiting first. */
  readonly waiting: Set<Latch.Latch>
  /** The peer's part of all credit, over all its sessions. */
  readonly budget: Budget
  /** Sessions with it that there are, and that are being made. */
  places: number
}

/** The making of a session with a key under a name. */
interface Dial {
  dialling: Deferred.Deferred<Session, Sessions.OpenError> | undefined
  /** Dials that failed in a row, and the moment before which there is none. */
  failures: number
  notBefore: number
  /** What the last dial failed with, where none has succeeded since. */
  last: Sessions.OpenError | undefined
}

/** A network key that a packet of a handshake came in under; `undefined` on a network without one. */
type NetworkKey = NetworkCipher.Opened["key"]

/** What a session was made by. */
interface Origin {
  /** The network keys that the peer's packets of its handshake came in under. */
  readonly keys: ReadonlyArray<NetworkKey>
  /** How often the trust policy had changed when it was asked. */
  readonly policy: number
}

/** A session that was made under a network key that is held no longer. */
interface Outdated {
  /** By the monotonic clock, in milliseconds. */
  readonly since: number
  /** Whether the peer has made another session since, under a key that is held. */
  renewed: boolean
}

type Handler = (stream: MuxStream, session: Session) => void

/** The handlers of a protocol: of all its names, and of single ones. The last of each serves, until it is taken away. */
interface Handlers {
  readonly all: Array<Handler>
  readonly named: Map<string, Array<Handler>>
}

/** A peer's text, in what it is told about it. */
const shown = (text: string): string => text.length <= 100 ? text : `${text.slice(0, 100)}…`

const tickEvery = 500
// A peer that has no room now has some soon. Always the same wait, since an err in clear may be anybody's.
const busyRetries = Schedule.spaced("200 millis").pipe(Schedule.jittered, Schedule.upTo({ times: 25 }))
const isBusy = (error: Sessions.OpenError) => error._tag === "ProtocolError" && error.code === "ERR_BUSY"
const isInClear = (error: Sessions.OpenError) => error._tag === "ProtocolError" && error.origin === "remote"
// A receiver of GOAWAY gives its sender this much longer than the sender takes itself.
const drainGrace = 60_000
// Failures in a row are forgotten after this long.
const failureMemory = 60_000
// Tokens open until their time is a minute past or ahead, in whole seconds.
const helloMemory = 122_000
// As the protocol takes it; timers overflow beyond.
const longestDeadline = 2 ** 31 - 1

export const make = (): Effect.Effect<
  Sessions.Sessions["Service"],
  never,
  Transport | Peers | Trust | Crypto | NodeConfig | Scope.Scope
> =>
  Effect.gen(function*() {
    const transport = yield* Transport
    const peers = yield* Peers
    const trust = yield* Trust
    const crypto = yield* Crypto
    const clock = yield* Clock.Clock
    const config = yield* NodeConfig
    const scope = yield* Effect.scope
    const self = selfOf(crypto, clock, config)
    const { limits } = config
    const own = self.identity.publicKey
    const budget = new Budget(limits.credit)
    const handshakes = Rate.make(limits.handshakes)
    const handshakesFrom = Rate.bySource(limits.handshakesPerAddress)
    // By C', which nobody draws twice. A token opens for two minutes at the most, so on a network with a key no recorded HELLO
    // costs anything; without a key anybody can make new ones. As many as there are handshakes in that time.
    const hellos = Seen.make(helloMemory)
    // Each session keeps its peer in the table when an advert says that it leaves, and is asked instead.
    const holds = new WeakMap<Session, () => void>()
    const states = new Map<PublicKey.PublicKey, PeerState>()
    const origins = new WeakMap<Session, Origin>()
    const outdated = new WeakMap<Session, Outdated>()
    // How often the trust policy has changed.
    let policy = 0
    const lines = Seldom.lines(clock)
    const handlers = new Map<string, Handlers>()
    // Handlers that run, in all and for each peer that has any.
    let running = 0
    const runningFor = new Map<PublicKey.PublicKey, number>()
    // Peers with streams to open that all peers' credit together leaves no room for.
    const starved = new Set<PeerState>()
    // Sessions there are, and those that are being made; each gives its place back once.
    let count = 0
    const places = new Map<Session, () => void>()

    const now = () => Number(clock.monotonicTimeNanosUnsafe() / 1_000_000n)

    const stateOf = (key: PublicKey.PublicKey): PeerState => {
      let state = states.get(key)
      if (state === undefined) {
        state = {
          sessions: new Set(),
          dials: new Map(),
          waiting: new Set(),
          budget: new Budget(limits.credit / 4, budget),
          places: 0
        }
        states.set(key, state)
      }
      return state
    }

    const forget = (key: PublicKey.PublicKey, state: PeerState) => {
      for (const [name, dial] of state.dials) {
        if (dial.dialling === undefined && dial.failures === 0) state.dials.delete(name)
      }
      const { budget, dials, places, sessions } = state
      // What it owes is counted on, also where its sessions have ended and somebody has yet to read what came over them.
      if (sessions.size + places + budget.used + dials.size === 0) states.delete(key)
    }

    const dialOf = (state: PeerState, name: Packet.NodeName): Dial => {
      let dial = state.dials.get(name)
      if (dial === undefined) {
        dial = { dialling: undefined, failures: 0, notBefore: 0, last: undefined }
        state.dials.set(name, dial)
      }
      return dial
    }

    /** Lets one try that waits for room: where it gets none, it waits again. */
    const wakeOne = (state: PeerState) => {
      // Room under one name is none under another.
      if (state.waiting.size > 1 && new Set([...state.sessions].map(({ peer }) => peer.name)).size > 1) {
        return wakeAll(state)
      }
      for (const latch of state.waiting) {
        state.waiting.delete(latch)
        latch.openUnsafe()
        return
      }
    }

    const wakeAll = (state: PeerState) => {
      // They run at once, and may wait again.
      const latches = [...state.waiting]
      state.waiting.clear()
      for (const latch of latches) latch.openUnsafe()
    }

    const onRoom = (state: PeerState) => {
      if (state.waiting.size > 0) wakeOne(state)
      if (starved.size === 0) return
      // Those that are woken run at once, and may starve again.
      const before = [...starved]
      for (const other of before) {
        if (other !== state) wakeOne(other)
        if (other.waiting.size === 0) starved.delete(other)
      }
    }

    /**
     * Lets an effect wait for room. To be made in the same turn in which there was none, so that no news of it is missed, and by
     * whoever cannot be interrupted before it runs.
     */
    const queue = <A, E>(state: PeerState, wait: (room: Effect.Effect<void>) => Effect.Effect<A, E>) => {
      const latch = Latch.makeUnsafe(false)
      state.waiting.add(latch)
      return Effect.onError(wait(latch.await), () =>
        Effect.sync(() => {
          // Somebody else's turn, if it was this one's.
          if (!state.waiting.delete(latch)) wakeOne(state)
        }))
    }

    const smaller = (key: PublicKey.PublicKey) => PublicKey.Order(key, own) < 0

    /** The session that new streams are opened on: one that has proved the name. */
    const current = (state: PeerState, { name, publicKey: key }: Peer): Session | undefined => {
      // Nearly always, and on the way of every call.
      if (state.sessions.size === 1) {
        for (const session of state.sessions) {
          return session.usable && session.peer.name === name ? session : undefined
        }
      }
      let newest: Session | undefined
      let staying: Session | undefined
      for (const session of state.sessions) {
        if (!session.usable || session.peer.name !== name) continue
        if (newest === undefined || session.id > newest.id) newest = session
        // The one opened by the smaller key, newest of those.
        if (session.dialled !== smaller(key) && (staying === undefined || session.id > staying.id)) staying = session
      }
      // An older one may be the ghost of a peer that restarted: it has to have been heard since the newer one began.
      return staying !== undefined && newest !== undefined && staying.heardAt > newest.startedAt ? staying : newest
    }

    /** Of several sessions with a peer, says goodbye to those that this side opened and that are not needed. */
    const reconcile = (state: PeerState, key: PublicKey.PublicKey) => {
      for (const mine of state.sessions) {
        if (!mine.dialled || !mine.usable) continue
        for (const other of state.sessions) {
          if (other === mine || !other.usable || other.peer.name !== mine.peer.name) continue
          if (other.dialled ? other.id > mine.id : smaller(key) && other.confirmed && other.heardAt >= mine.startedAt) {
            mine.drain(other.dialled ? "renew" : "duplicate", "another session takes its place")
            break
          }
        }
      }
    }

    /** What it gives takes this handler away, and no other of the same place. */
    const addHandler = (where: string | { readonly protocol: string; readonly name: string }, handler: Handler) => {
      const protocol = typeof where === "string" ? where : where.protocol
      let served = handlers.get(protocol)
      if (served === undefined) handlers.set(protocol, served = { all: [], named: new Map() })
      const { all, named } = served
      const place = typeof where === "string" ? all : named.get(where.name) ?? []
      if (typeof where !== "string") named.set(where.name, place)
      place.push(handler)
      return () => {
        place.splice(place.lastIndexOf(handler), 1)
        if (typeof where !== "string" && place.length === 0) named.delete(where.name)
        if (all.length === 0 && named.size === 0) handlers.delete(protocol)
      }
    }

    // --- streams ---------------------------------------------------------------------------------------------------------

    const wrap = (stream: MuxStream, session: Session) => new SessionStream(stream, session)

    // --- the life of a session ---------------------------------------------------------------------------------------------

    const makeSession = (connection: Connection, established: Handshake.Established): Session => {
      const key = established.peer.publicKey
      const state = stateOf(key)
      let told = 0
      const session: Session = new Session({
        connection,
        established,
        crypto,
        self,
        clock,
        chunkSize: config.chunkSize,
        maxStreams: limits.streams,
        callSize: limits.callSize,
        budget: state.budget,
        silence: Duration.toMillis(limits.sessionSilence),
        writeTimeout: Duration.toMillis(limits.writeTimeout),
        onOpen: (stream) => {
          const { name, protocol } = stream.open
          const served = handlers.get(protocol)
          const handler = served?.named.get(name)?.at(-1) ?? served?.all.at(-1)
          if (handler !== undefined) handler(stream, session)
          else if (served !== undefined) stream.reset("not_found", `nothing is called ${shown(name)} here`)
          else stream.reset("unsupported", `nothing serves ${shown(protocol)} here`)
        },
        onHeard: () => {
          if (state.sessions.size > 1) reconcile(state, key)
          // Who has not shown that it has a network key that is held is nobody to this network.
          if (outdated.get(session)?.renewed === false) return
          // The membership need not know more often than it asks.
          if (session.heardAt - told < 1_000 && told !== 0) return
          told = session.heardAt
          peers.heardUnsafe(key)
        },
        onGoAway: (_, { code }) => {
          // To make the next one is the opener's duty; where no stream waits for it, the next stream does so.
          if (code === "renew" && session.dialled && session.mux.streams > 0) renew(session, state)
          wakeAll(state)
        },
        onRoom: () => {
          onRoom(state)
          if (state.sessions.size === 0) forget(key, state)
        }
      })
      return session
    }

    /** Lets streams be opened on a session until the scope closes, whoever is interrupted in between. */
    const enter = (session: Session, place: () => void, origin: Origin) =>
      Effect.acquireRelease(
        Effect.sync(() => enterUnsafe(session, place, origin)),
        () =>
          Effect.sync(() => {
            const key = session.peer.publicKey
            const state = stateOf(key)
            // One whose peer was lost before it ran.
            if (session.ending === undefined) {
              session.mux.resetAll("going_away", "the session ends")
              session.end({ reason: "dead", detail: "it was given up before it began" })
            }
            state.sessions.delete(session)
            holds.get(session)?.()
            places.delete(session)
            wakeAll(state)
            onRoom(state)
            forget(key, state)
          })
      )

    const enterUnsafe = (session: Session, place: () => void, origin: Origin) => {
      const key = session.peer.publicKey
      const state = stateOf(key)
      origins.set(session, origin)
      if (isCurrent(session)) {
        for (const older of state.sessions) {
          const old = outdated.get(older)
          if (old !== undefined) old.renewed = true
        }
      }
      // An older one may be a ghost; whoever it is has five seconds to say otherwise.
      if (!session.dialled) { for (const older of state.sessions) older.ping() }
      state.sessions.add(session)
      holds.set(session, peers.holdUnsafe(key, () => session.ping()))
      places.set(session, place)
      reconcile(state, key)
      // A key may have been removed, and the policy may have changed, while the handshake went on.
      outdate(session, state)
      if (origin.policy !== policy) runFork(judge(session))
      wakeAll(state)
      return session
    }

    const live = (session: Session, early: ReadonlyArray<Uint8Array>) => {
      const key = session.peer.publicKey
      return Effect.raceFirst(
        session.run(early),
        Effect.catch(peers.lost(key), (error) =>
          Effect.sync(() =>
            session.end({ reason: "dead", detail: error.message, lost: error.reason })
          ).pipe(
            Effect.andThen(Effect.never)
          ))
      ).pipe(
        Effect.tap((ending) =>
          Effect.logDebug(
            `the session with ${quote(session.peer.name)} ended: ${ending.reason}, ${ending.detail}`
          )
        )
      )
    }

    /** The session that was idle the longest. */
    const idlest = (): Session | undefined => {
      let oldest: Session | undefined
      for (const { sessions } of states.values()) {
        for (const session of sessions) {
          if (session.mux.streams === 0 && session.usable && (oldest === undefined || session.usedAt < oldest.usedAt)) {
            oldest = session
          }
        }
      }
      return oldest
    }

    /** Closes it, to make room. */
    const evict = (): boolean => {
      const oldest = idlest()
      if (oldest === undefined) return false
      places.get(oldest)?.()
      oldest.leave(
        { reason: "closed", detail: "it was idle, and another needed its place" },
        "shutdown",
        "it was idle, and another session needed its place"
      )
      return true
    }

    /** Ends one session of a peer that has as many as it may: one that is idle, or the one that was silent the longest. */
    const supersede = (state: PeerState): boolean => {
      let oldest: Session | undefined
      const rank = (session: Session) => session.mux.streams === 0 ? session.usedAt - 2 ** 52 : session.heardAt
      for (const session of state.sessions) {
        if (session.ending === undefined && (oldest === undefined || rank(session) < rank(oldest))) oldest = session
      }
      if (oldest === undefined) return false
      places.get(oldest)?.()
      oldest.mux.resetAll("going_away", "its peer has made another session in its place")
      oldest.leave(
        { reason: "closed", detail: "its peer has as many sessions as it may, and has made another" },
        "shutdown",
        "there are as many sessions with this node as there may be"
      )
      return true
    }

    /** A place for one more session with a peer, until the scope closes or another needs it more. */
    const reserve = (key: PublicKey.PublicKey, detail: string) =>
      Effect.acquireRelease(
        Effect.suspend(() => {
          const state = stateOf(key)
          if (state.places >= limits.sessionsPerPeer && !supersede(state)) {
            return Effect.fail(ProtocolError.local("ERR_BUSY", "sessions with one peer"))
          }
          if (count >= limits.sessions && !evict()) return Effect.fail(ProtocolError.local("ERR_BUSY", detail))
          count++
          state.places++
          let held = true
          return Effect.succeed(() => {
            if (!held) return
            held = false
            count--
            state.places--
            forget(key, state)
          })
        }),
        (place) => Effect.sync(place)
      )

    // --- handshakes --------------------------------------------------------------------------------------------------------

    const handshakeOptions: Handshake.Options = {
      crypto,
      identity: self.identity,
      name: self.name,
      networkId: self.networkId,
      binary: config.framing === "binary"
    }

    const packetOf = (type: "msg" | "rsp", command: Uint8Array) =>
      Packet.encode({
        networkId: self.networkId,
        type,
        content: self.cipher.seal(type, own, Raw.toText(command)),
        publicKey: own
      })

    /** The next handshake packet's command, from the key that is expected. */
    const readCommand = (stream: PacketStream.PacketStream, type: "msg" | "rsp", from: PublicKey.PublicKey) =>
      Effect.gen(function*() {
        const bytes = yield* stream.read(limits.firstPacketTimeout)
        const packet = yield* Effect.fromResult(Packet.decode(bytes, {
          networkId: self.networkId,
          types: [type, "err"],
          maxLength: Packet.maxStreamLength
        })).pipe(
          // What is no `err` of this network, and says that it is one, is not answered either.
          Effect.mapError((error) => PacketStream.saysErr(bytes) ? ProtocolError.remote(error.code) : error)
        )
        if (packet.type === "err") return yield* Packet.errorOf(packet)
        if (packet.publicKey !== from) return yield* ProtocolError.local("ERR_PUBLIC_KEY", "another than before")
        const opened = yield* Effect.fromResult(self.cipher.open(packet))
        const command = Raw.fromText(opened.text)
        return command === undefined
          ? yield* ProtocolError.local("ERR_HANDSHAKE", "not base64url")
          : { bytes: command, networkKey: opened.key }
      })

    const lostWhileOpening = (peer: Peer, reason: PeerLostError["reason"] = "Disconnected") =>
      new PeerLostError({
        peer: peer.name,
        publicKey: peer.publicKey,
        endpoint: peer.endpoints[0],
        reason,
        mayHaveRun: false
      })

    /** Fails when the peer is lost before there is a session or a stream. */
    const lostMeanwhile = (peer: Peer) =>
      Effect.mapError(peers.lost(peer.publicKey), ({ reason }) => lostWhileOpening(peer, reason))

    /** For when the scope closes in which a handshake was completed: its session has ended, or never began. */
    const wipe = ({ sharedKey }: Handshake.Established) => Effect.sync(() => Redacted.value(sharedKey).fill(0))

    /**
     * Completes the handshake with whoever is at an address. WELCOME shows that its key is there, or that somebody is in between;
     * from then on one address goes on at a time, so that a peer which is reached by two is not left with two sessions.
     */
    const shake = (peer: Peer, one: Semaphore.Semaphore) => (endpoint: Endpoint, promising: () => void) =>
      Effect.gen(function*() {
        const { publicKey } = peer
        const connection = yield* transport.dial(endpoint)
        const stream = PacketStream.make(connection, { clock, packetTimeout: limits.firstPacketTimeout })
        const handshake = Handshake.client(handshakeOptions, publicKey)
        yield* Effect.addFinalizer(() => Effect.sync(() => handshake.close()))
        yield* connection.write(packetOf("msg", handshake.hello()))
        const welcome = yield* readCommand(stream, "rsp", publicKey)
        const initiate = yield* Effect.fromResult(handshake.welcome(welcome.bytes))
        promising()
        return yield* one.withPermit(Effect.gen(function*() {
          yield* connection.write(packetOf("msg", initiate))
          const ready = yield* readCommand(stream, "rsp", publicKey)
          const established = yield* Effect.acquireRelease(
            Effect.suspend(() => Effect.fromResult(handshake.ready(ready.bytes))),
            wipe
          )
          const origin: Origin = { keys: [welcome.networkKey, ready.networkKey], policy }
          return { connection, established, origin, stream }
        }))
      }).pipe(Effect.catchTags({
        ConnectionClosedError: () => Effect.fail(lostWhileOpening({ ...peer, endpoints: [endpoint] })),
        Idle: () => Effect.fail(ProtocolError.local("ERR_PACKET_INCOMPLETE", "no answer in the handshake"))
      }))

    /** Dials a peer and completes the handshake. The session runs in the fiber of this effect's continuation. */
    const connect = (peer: Peer) =>
      Effect.gen(function*() {
        const { name, publicKey } = peer
        yield* trust.check(name, publicKey)
        const place = yield* reserve(publicKey, "as many sessions as there may be, and none of them idle")
        // As they are now, in the order that the last dial left.
        const { endpoints } = peers.presence.value.find((other) => other.publicKey === publicKey) ?? peer
        const { connection, established, origin, stream } = yield* dialAny(
          endpoints,
          shake(peer, yield* Semaphore.make(1)),
          {
            onFailure: ({ endpoint, error }) => {
              // An err is in clear and may be anybody\'s: it changes nothing of the peer.
              if (error._tag !== "ProtocolError" || error.origin === "local") peers.failedUnsafe(publicKey, endpoint)
            },
            // What somebody said tells more than that nobody is there.
            blame: (failures) =>
              (failures.find(({ error }) => isBusy(error)) ??
                failures.find(({ error }) => error._tag !== "DialError") ?? failures[0]!).error
          }
        )
        const endpoint = connection.remote
        const actualName = established.peer.name
        yield* Effect.catch(
          actualName === name
            ? trust.proved(name, publicKey)
            : Effect.fail(new UntrustedPeerError({ kind: "NameMismatch", peer: name, publicKey, actualName })),
          (error) => {
            const session = makeSession(connection, established)
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
        )
        yield* peers.proved({ name, publicKey, endpoint })
        return { session: yield* enter(makeSession(connection, established), place, origin), early: stream.rest() }
      })

    /** One dial for all who want one now. */
    const dial = (peer: Peer, state: PeerState): Effect.Effect<Session, Sessions.OpenError> =>
      // Whoever begins it may be interrupted, and the others still wait for it.
      Effect.uninterruptibleMask((restore) => {
        const making = dialOf(state, peer.name)
        if (making.dialling !== undefined) return restore(Deferred.await(making.dialling))
        const ready = Deferred.makeUnsafe<Session, Sessions.OpenError>()
        making.dialling = ready
        const settle = (exit: Exit.Exit<Session, Sessions.OpenError>) => {
          if (making.dialling === ready) making.dialling = undefined
          if (Exit.isSuccess(exit)) {
            making.failures = 0
            making.notBefore = 0
            making.last = undefined
          } else {
            const error = Exit.findError(exit)
            if (Result.isSuccess(error)) making.last = error.success
            // An err is in clear and may be anybody's: it puts the next dial off, and those after it no longer.
            making.failures = Result.isSuccess(error) && isInClear(error.success) ? 1 : Math.min(making.failures + 1, 6)
            making.notBefore = now() + 100 * 2 ** making.failures
          }
          Deferred.doneUnsafe(ready, exit)
        }
        const attempt = Effect.gen(function*() {
          const wait = making.notBefore - now()
          // Those who ask again at once wait a little, and longer each time.
          if (wait > 0) yield* Effect.flatMap(Random.next, (random) => Effect.sleep(wait * (0.75 + random * 0.5)))
          const { early, session } = yield* Effect.raceFirst(connect(peer), lostMeanwhile(peer))
          settle(Exit.succeed(session))
          yield* live(session, early)
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

    const acquire = (peer: Peer): Effect.Effect<Session, Sessions.OpenError> =>
      Effect.suspend(() => {
        const state = stateOf(peer.publicKey)
        const session = current(state, peer)
        return session === undefined
          // What takes the time of a first call is to be seen in its trace.
          ? Effect.withSpan(dial(peer, state), "pnet.session", {
            captureStackTrace: false,
            kind: "client",
            attributes: { "pnet.peer": peer.name }
          })
          : Effect.succeed(session)
      })

    const acceptor: Acceptor.Service = {
      accepts: Handshake.isHello,
      serve: (accepted, first) => {
        // What the handshake takes is let go of when there is a session, which outlives it by far.
        let given: { readonly accepted: Acceptor.Accepted; readonly first: Acceptor.Command } | undefined = {
          accepted,
          first
        }
        const shake = Effect.gen(function*() {
          const { accepted, first } = given!
          given = undefined
          const { connection, stream } = accepted
          const begun = now()
          if (self.cipher.encrypted && hellos.has(Handshake.helloId(first.bytes), begun)) {
            return yield* Effect.fail(
              new Acceptor.Refusal(ProtocolError.local("ERR_HANDSHAKE", "a HELLO that has come before"), true)
            )
          }
          if (!handshakesFrom.take(connection.remote?.host ?? "", begun) || !handshakes.take(begun)) {
            return yield* Effect.fail(new Acceptor.Refusal(ProtocolError.local("ERR_BUSY", "handshakes"), true))
          }
          // Room is made below, for whoever has proved itself: a stranger's HELLO costs nobody a session.
          if (count >= limits.sessions && idlest() === undefined) {
            return yield* Effect.fail(Acceptor.refusal(ProtocolError.local("ERR_BUSY", "sessions")))
          }
          if (self.cipher.encrypted) hellos.add(Handshake.helloId(first.bytes), begun)
          const handshake = Handshake.server(handshakeOptions)
          const opened = yield* Effect.gen(function*() {
            const welcome = yield* Effect.fromResult(handshake.hello(first.bytes))
            yield* connection.write(packetOf("rsp", welcome))
            const command = yield* readCommand(stream, "msg", first.publicKey)
            const peer = yield* Effect.fromResult(handshake.initiate(command.bytes, first.publicKey))
            const origin: Origin = { keys: [first.networkKey, command.networkKey], policy }
            yield* trust.proved(peer.name, peer.publicKey, connection.remote?.host ?? "").pipe(
              Effect.catch((error) =>
                Effect.andThen(
                  lines(error.message, "refused", (more) =>
                    Effect.logWarning(`refused a session: ${error.message}${more}`)),
                  Effect.fail(ProtocolError.local("ERR_UNTRUSTED"))
                )
              )
            )
            const place = yield* reserve(peer.publicKey, "sessions")
            const { command: ready, established } = yield* Effect.acquireRelease(
              Effect.sync(handshake.ready),
              ({ established }) => wipe(established)
            )
            yield* connection.write(packetOf("rsp", ready))
            return { established, origin, place }
          }).pipe(
            Effect.ensuring(Effect.sync(() => handshake.close())),
            Effect.catchTags({
              // An err is never answered, and who is gone cannot be.
              ProtocolError: (error) =>
                error.origin === "remote" ? Effect.undefined : Effect.fail(Acceptor.refusal(error)),
              Idle: () =>
                Effect.fail(Acceptor.refusal(ProtocolError.local("ERR_PACKET_INCOMPLETE", "the handshake stalled"))),
              ConnectionClosedError: () => Effect.undefined
            })
          )
          if (opened === undefined) return
          accepted.proved()
          const { established, origin, place } = opened
          yield* peers.proved({ ...established.peer, endpoint: undefined })
          return { session: yield* enter(makeSession(connection, established), place, origin), early: stream.rest() }
        })
        return Effect.scoped(
          Effect.flatMap(shake, (made) => made === undefined ? Effect.void : live(made.session, made.early))
        )
      }
    }

    // --- time ----------------------------------------------------------------------------------------------------------------

    const ageLimit = Duration.toMillis(limits.sessionAge)
    const commandLimit = 2 ** 32
    const idleLimit = Duration.toMillis(limits.sessionIdle)
    const drainLimit = (session: Session) =>
      Duration.toMillis(session.drainCode === "shutdown" ? limits.shutdownDrain : limits.renewDrain)

    const tick = (session: Session, state: PeerState, pardon: number, at: number) => {
      session.tick(pardon)
      outdate(session, state)
      if (session.ending !== undefined) return
      const old = outdated.get(session)
      if (old !== undefined && !old.renewed && at - old.since >= renewalLimit) {
        session.mux.resetAll("going_away", "it was made under a network key that is no longer held here")
        session.end({ reason: "closed", detail: "its peer made no other under a network key that is held here" })
        return
      }
      // Streams that are open show nothing of the peer's key: only another session does.
      if (old !== undefined && !old.renewed && session.mux.streams > 0) renew(session, state)
      if (session.drainingSince !== undefined) {
        const over = at - session.drainingSince - drainLimit(session)
        // Who received the GOAWAY lets its sender be the first to close.
        if (over >= (session.drainedByPeer ? drainGrace : 0)) {
          session.mux.resetAll("going_away", "the session ends")
          session.end({ reason: "closed", detail: "its streams did not finish in time" })
        }
        return
      }
      const age = at - session.startedAt
      const commands = session.commands
      if (session.dialled && session.mux.streams === 0 && at - session.usedAt >= idleLimit) {
        return session.drain("shutdown", "idle")
      }
      if (session.dialled ? age >= ageLimit * 0.9 || commands >= commandLimit * 0.9 : false) {
        return renew(session, state)
      }
      if (!session.dialled && (age >= ageLimit || commands >= commandLimit)) session.drain("renew", "its time is over")
    }

    // The new session drains the old one when it stands; until then the old one goes on.
    const renew = (session: Session, state: PeerState) => {
      const { name, publicKey } = session.peer
      const making = state.dials.get(name)
      if (making !== undefined && (making.dialling !== undefined || now() < making.notBefore)) return
      runFork(Effect.ignore(Effect.flatMap(peers.resolve("*"), (all) => {
        const peer = all.find((peer) => peer.publicKey === publicKey && peer.name === name)
        return peer === undefined ? Effect.void : dial(peer, stateOf(publicKey))
      })))
    }

    // --- what sessions depend on ---------------------------------------------------------------------------------------------

    // A peer has an interval and the time of one dial to make a session under a key that is held.
    const renewalLimit = Duration.toMillis(config.broadcastInterval) + Duration.toMillis(limits.dialTimeout) +
      Duration.toMillis(limits.firstPacketTimeout)

    const isCurrent = (session: Session): boolean => {
      const held = self.cipher.keys()
      const keys = origins.get(session)?.keys ?? []
      return keys.every((key) => key === undefined || held.includes(key))
    }

    /** Ends the time of a session that was made under a network key that is held no longer. */
    const outdate = (session: Session, state: PeerState) => {
      if (session.ending !== undefined || outdated.has(session) || isCurrent(session)) return
      // Told apart from a peer that is to show what it has: one that has shown it already, in another session.
      const renewed = [...state.sessions].some((other) =>
        other !== session && other.ending === undefined && isCurrent(other)
      )
      outdated.set(session, { since: now(), renewed })
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

    const every = (f: (session: Session, state: PeerState) => Effect.Effect<void>) =>
      Effect.suspend(() =>
        Effect.forEach(
          [...states.values()].flatMap((state) => [...state.sessions].map((session) => [session, state] as const)),
          ([session, state]) => f(session, state),
          { discard: true }
        )
      )

    const context: Context.Context<never> = yield* Effect.context<never>()
    const runFork = (effect: Effect.Effect<void | Session>) => Effect.runForkWith(context)(Effect.forkIn(effect, scope))

    yield* Effect.forkScoped(Effect.gen(function*() {
      let last = now()
      while (true) {
        yield* Effect.sleep(tickEvery)
        const at = now()
        const late = at - last - tickEvery
        last = at
        for (const [key, state] of states) {
          for (const session of state.sessions) tick(session, state, late > tickEvery ? late : 0, at)
          for (const making of state.dials.values()) {
            if (making.failures === 0 || making.dialling !== undefined || at - making.notBefore < failureMemory) {
              continue
            }
            making.failures = 0
            forget(key, state)
          }
        }
      }
    }))

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

    // Runs before the fibers of the sessions are interrupted: each gets a turn to say goodbye, and no more than that.
    const closeAll = Effect.gen(function*() {
      for (const { sessions } of states.values()) {
        for (const session of sessions) {
          session.mux.resetAll("going_away", "the node is closing")
          session.leave({ reason: "shutdown", detail: "this node is closing" }, "shutdown", "the node is closing")
        }
      }
      yield* Effect.yieldNow
      yield* Effect.yieldNow
    })
    yield* Effect.addFinalizer(() => closeAll)

    // --- the service ---------------------------------------------------------------------------------------------------------

    /** When the time for a stream is up. It counts from here, whatever the way to the peer takes. */
    const deadlineOf = ({ deadline }: Sessions.OpenOptions): number | undefined => {
      if (deadline === undefined) return undefined
      const millis = Duration.toMillis(Duration.fromInputUnsafe(deadline))
      return millis === Infinity ? undefined : now() + Math.min(Math.ceil(millis), longestDeadline)
    }

    const openFrame = (options: Sessions.OpenOptions, millis: number | undefined): Frame.Open => ({
      protocol: options.protocol,
      name: options.name,
      ...(millis === undefined ? {} : { deadline: millis }),
      ...(options.traceparent === undefined ? {} : { traceparent: options.traceparent })
    })

    /** Gives a stream up when its time is up. */
    const expire = (stream: MuxStream, deadline: number) =>
      Effect.andThen(
        Effect.sleep(Math.max(0, deadline - now())),
        Effect.sync(() => stream.reset("deadline", "its time was up"))
      )

    /** Opens a stream and has the scope reset it, with nothing in between where it could be forgotten. */
    const openOn = (peer: Peer, options: Sessions.OpenOptions, deadline: number | undefined) =>
      Effect.uninterruptibleMask((restore) =>
        Effect.gen(function*() {
          const fail = (code: "deadline" | "too_large", detail: string) =>
            Effect.fail(
              new Sessions.StreamResetError({ peer: peer.name, stream: options.name, code, detail, remote: false })
            )
          const late = Effect.suspend(() => {
            // It may have waited for the next dial all that time, and the reason for that is what its caller has to know.
            const last = states.get(peer.publicKey)?.dials.get(peer.name)?.last
            return fail(
              "deadline",
              `${notSent}${last === undefined ? "" : `; the last attempt to reach its peer failed: ${last.message}`}`
            )
          })
          const left = () => deadline === undefined ? 1 : Math.ceil(deadline - now())
          const within = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E | Sessions.StreamResetError> =>
            deadline === undefined
              ? restore(effect)
              : restore(Effect.timeoutOrElse(effect, { duration: left(), orElse: () => late }))
          while (true) {
            if (left() <= 0) return yield* late
            const session = yield* within(
              Effect.mapError(acquire(peer), (error) =>
                error._tag === "ProtocolError" ? ProtocolError.of(peer.name)(error) : error)
            )
            const millis = left()
            if (millis <= 0) {
              return yield* late
            }
            const opened = session.mux.openStream(openFrame(options, deadline === undefined ? undefined : millis))
            if (opened === "too_large") {
              return yield* fail("too_large", nameTooLong)
            }
            if (opened === "draining") {
              if (session.drainingSince === undefined) {
                session.drainingSince = session.now()
              }
              continue
            }
            if (typeof opened === "string") {
              const state = stateOf(peer.publicKey)
              if (opened === "credit") {
                starved.add(state)
              }
              yield* queue(state, (room) =>
                within(Effect.raceFirst(room, lostMeanwhile(peer))))
              continue
            }
            session.usedAt = session.now()
            yield* Effect.addFinalizer(() =>
              Effect.sync(() => {
                opened.reset("cancelled", "")
                opened.abandon()
              })
            )
            return { session, stream: opened }
          }
        })
      )

    return {
      acceptor,
      closeAll,
      all: Effect.sync(() =>
        [...states.values()].flatMap(({ sessions }) =>
          [...sessions].map((session) => ({
            peer: session.peer,
            dialled: session.dialled,
            binary: session.options.established.binary,
            streams: session.mux.streams,
            draining: !session.usable
          }))
        )
      ),
      exchangeUnsafe: (peer, options, parts, answer) => {
        const state = states.get(peer.publicKey)
        const session = state === undefined ? undefined : current(state, peer)
        const opened = session?.mux.openStream(openFrame(options, undefined))
        if (session === undefined || typeof opened !== "object") {
          return undefined
        }
        session.usedAt = session.now()
        for (const part of parts) opened.write(part)
        opened.end()
        const onWhole = (whole: Effect.Effect<Uint8Array, Sessions.StreamError>) =>
          answer(whole as Exit.Exit<Uint8Array, Sessions.StreamError>)
        return wrap(opened, session).collect(onWhole, options.limit)
      },
      exchange: (peer, options, data) => {
        const say = (stream: MuxStream, session: Session) => {
          stream.write(data)
          stream.end()
          return wrap(stream, session)
        }
        // The common case, without a fiber or a scope of its own; in one step, so that nothing opened can be forgotten.
        return Effect.callback((resume) => {
          const deadline = deadlineOf(options)
          const millis = deadline === undefined ? undefined : Math.ceil(deadline - now())
          const state = states.get(peer.publicKey)
          const session = state === undefined ? undefined : current(state, peer)
          const opened = millis === undefined || millis > 0
            ? session?.mux.openStream(openFrame(options, millis))
            : undefined
          if (session !== undefined && typeof opened === "object") {
            session.usedAt = session.now()
            if (deadline === undefined) return say(opened, session).collect(resume, options.limit)
            const timer = Effect.runForkWith(context)(expire(opened, deadline))
            return say(opened, session).collect(
              (answer) => {
                timer.interruptUnsafe()
                resume(answer)
              },
              options.limit,
              () => timer.interruptUnsafe()
            )
          }
          const opening = options.span === undefined
            ? openOn(peer, options, deadline)
            : Effect.withParentSpan(openOn(peer, options, deadline), options.span, { captureStackTrace: false })
          resume(Effect.scoped(
            Effect.flatMap(opening, ({ session, stream }) => {
              const answer = Effect.callback<Uint8Array, Sessions.StreamError>((resume) =>
                say(stream, session).collect(resume, options.limit)
              )
              return deadline === undefined
                ? answer
                : Effect.andThen(Effect.forkScoped(expire(stream, deadline)), answer)
            })
          ))
        })
      },
      open: (peer, options) =>
        Effect.gen(function*() {
          const deadline = deadlineOf(options)
          const { session, stream } = yield* openOn(peer, options, deadline)
          if (deadline !== undefined) yield* Effect.forkScoped(expire(stream, deadline))
          return wrap(stream, session)
        }),
      handle: <R>(
        where: string | { readonly protocol: string; readonly name: string },
        handler: (stream: Sessions.SessionStream) => Effect.Effect<void, never, R> | PromiseLike<void> | void,
        options?: Sessions.HandleOptions
      ): Effect.Effect<void, never, Exclude<R, Scope.Scope> | Scope.Scope> =>
        Effect.gen(function*() {
          const services: Context.Context<never> = yield* Effect.context<never>()
          const fork = Effect.runForkWith(services)
          // The span of whoever sets the handler is nobody's who opens a stream.
          const base = Context.omit(Tracer.ParentSpan)(services) as Context.Context<never>
          const who = Given.titled("the handler of", typeof where === "string" ? where : where.name)
          const fibers = yield* Scope.Scope
          yield* Effect.acquireRelease(
            Effect.sync(() =>
              addHandler(where, (stream, session) => {
                const key = session.peer.publicKey
                const forPeer = runningFor.get(key) ?? 0
                if (running >= limits.calls || forPeer >= Math.max(1, limits.calls / 4)) {
                  return stream.reset("refused", "as many calls run here as may at once")
                }
                running++
                runningFor.set(key, forPeer + 1)
                // A handler that ends at once does so before there is anything to take off.
                let off = () => {}
                const given = wrap(stream, session)
                const run = Given.run(() => handler(given), who)
                const fiber = fork(
                  options?.scoped === false ? run : Given.scoped(run, (scope) => {
                    const own = Context.add(base, Scope.Scope, scope)
                    const parent = fromTraceparent(stream.open.traceparent)
                    return parent === undefined ? own : Context.add(own, Tracer.ParentSpan, parent)
                  })
                )
                // Of the fiber and not in it: what is no effect deep inside of one ends a fiber without its finalizers.
                fiber.addObserver((exit) => {
                  off()
                  running--
                  const left = runningFor.get(key)! - 1
                  if (left === 0) runningFor.delete(key)
                  else runningFor.set(key, left)
                  if (Exit.isSuccess(exit)) stream.end()
                  else if (Exit.hasInterrupts(exit)) stream.reset("going_away", "")
                  else {
                    stream.reset("internal", "")
                    const what = given.title ?? given.name
                    fork(lines(Seldom.defect(what, exit.cause), "broke", (more) =>
                      Effect.logError(
                        `the handler of ${quote(what)} broke for ${quote(session.peer.name)}${more}`,
                        exit.cause
                      )))
                  }
                  // Nobody reads what it did not.
                  stream.abandon()
                })
                if (fiber.pollUnsafe() !== undefined) return
                // A handler is of no use any more when its stream has failed.
                off = stream.onFailure(() => {
                  const { failure } = stream
                  const cancelled = failure !== undefined && failure.remote && failure.code === "cancelled"
                  fiber.interruptUnsafe(undefined, cancelled ? options?.cancelled : undefined)
                })
                Fiber.runIn(fiber, fibers)
              })
            ),
            (remove) => Effect.sync(remove)
          )
        }) as Effect.Effect<void, never, Exclude<R, Scope.Scope> | Scope.Scope>
    }
  })
