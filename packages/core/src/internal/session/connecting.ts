/** One dial of a peer: from its addresses to a session that has proved the name, or is told that it has not. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import type { Endpoint } from "../../Network.ts"
import type { Peer, PeerLostError } from "../../Peers.ts"
import * as ProtocolError from "../../ProtocolError.ts"
import type * as Sessions from "../../Sessions.ts"
import { UntrustedPeerError } from "../../Trust.ts"
import { dialAny } from "../connect/dialAny.ts"
import { dialable, namedIn } from "../connect/noEndpoint.ts"
import { lostBefore } from "../peers/lostBefore.ts"
import * as PacketStream from "../wire/packetStream.ts"
import type { Host } from "./host.ts"
import type { Completed, Entered, Life } from "./life.ts"
import type { Shaking } from "./shaking.ts"
import type { Table } from "./table.ts"

// A peer that has no room now has some soon.
export const isBusy = (error: Sessions.OpenError) => error._tag === "ProtocolError" && error.code === "ERR_BUSY"

/** Whether it may be another thing once there is a session. */
const shownInSession = ({ kind }: UntrustedPeerError) => kind === "NoCertificate" || kind === "BadCertificate"

export const lostWhileOpening = (peer: Peer, reason: PeerLostError["reason"] = "Disconnected") =>
  lostBefore(peer, reason)

/**
 * Dials a peer and completes the handshake. The session runs in the fiber of the effect's continuation. Whom `isWanted` says nobody
 * asked for is a stranger to the trust policy, as one who connects: adverts are enough to have him dialled.
 */
export type Connect = (peer: Peer, isWanted: () => boolean) => Effect.Effect<Entered, Sessions.OpenError, Scope.Scope>

export const make = (host: Host, parts: {
  readonly table: Table
  readonly life: Life
  readonly shaking: Shaking
}): Connect => {
  const { clock, limits, peers, transport, trust } = host
  const { life, shaking, table } = parts

  /** Completes the handshake with whoever is at an address. */
  const shake = (peer: Peer, one: Semaphore.Semaphore) => (endpoint: Endpoint, promising: () => void) =>
    Effect.gen(function*() {
      const connection = yield* Effect.mapError(transport.dial(endpoint), namedIn(peer.name))
      const stream = PacketStream.make(connection, { clock, packetTimeout: limits.firstPacketTimeout })
      const completed = yield* shaking.asClient(peer.publicKey, connection, stream, { one, promising })
      return { completed, endpoint, stream }
    }).pipe(Effect.catchTags({
      ConnectionClosedError: () => Effect.fail(lostWhileOpening({ ...peer, endpoints: [endpoint] })),
      Idle: () => Effect.fail(ProtocolError.local("ERR_PACKET_INCOMPLETE", "no answer in the handshake"))
    }))

  /** The first address of a peer at which it completes the handshake. */
  const shakeAny = Effect.fnUntraced(function*(peer: Peer) {
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

  return Effect.fnUntraced(function*(peer: Peer, isWanted: () => boolean) {
    const { name, publicKey } = peer
    // It shows its certificate in the handshake, where it has one, and is judged by that.
    yield* Effect.catchIf(trust.check(name, publicKey), shownInSession, () => Effect.void)
    const place = yield* table.reserve(publicKey, "as many sessions as there may be, and none of them idle")
    const { completed, endpoint, stream } = yield* shakeAny(peer)
    const actualName = completed.established.peer.name
    yield* Effect.catch(
      actualName === name
        ? trust.proved(
          name,
          publicKey,
          isWanted() ? undefined : endpoint.host,
          completed.established.credentials
        )
        : Effect.fail(new UntrustedPeerError({ kind: "NameMismatch", peer: name, publicKey, actualName })),
      (error) => refuse(completed, endpoint, name, error)
    )
    yield* peers.proved({ name, publicKey, endpoint })
    return { session: yield* life.enter(completed, place), early: stream.rest() }
  })
}
