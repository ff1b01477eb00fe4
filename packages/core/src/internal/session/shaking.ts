/**
 * A handshake over a connection, on either side: its packets under the network's key, its steps in time, and its secrets wiped
 * (protocol section 4). What a packet says is `Handshake`'s; whom to dial, and whom to accept, is not decided here.
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import type * as Semaphore from "effect/Semaphore"
import * as Handshake from "../../Handshake.ts"
import * as Packet from "../../Packet.ts"
import * as ProtocolError from "../../ProtocolError.ts"
import type { PublicKey } from "../../PublicKey.ts"
import * as Raw from "../../Raw.ts"
import type { Connection, ConnectionClosedError } from "../../Transport.ts"
import * as AtEnd from "../base/atEnd.ts"
import type * as Acceptor from "../connect/acceptor.ts"
import * as PacketStream from "../wire/packetStream.ts"
import type { Host } from "./host.ts"
import type { Completed } from "./life.ts"
import type { Standing } from "./standing.ts"
import type { Place } from "./table.ts"

type ShakeError = ProtocolError.ProtocolError | PacketStream.Idle | ConnectionClosedError

/** Wipes the key of a session, which has ended, or never began, when the scope of its handshake closes. */
const wipe = ({ sharedKey }: Handshake.Established) => Redacted.value(sharedKey).fill(0)
// Out here, so that what waits for the end of a session keeps nothing else of its handshake.
const wiped = (established: Handshake.Established) => AtEnd.atEnd(() => wipe(established))

export interface Shaking {
  /**
   * Completes the handshake with whoever was dialled. WELCOME shows that its key is there, or that somebody is in between;
   * from then on one address goes on at a time, so that a peer which is reached by two is not left with two sessions.
   */
  readonly asClient: (
    publicKey: PublicKey,
    connection: Connection,
    stream: PacketStream.PacketStream,
    options: { readonly one: Semaphore.Semaphore; readonly promising: () => void }
  ) => Effect.Effect<Completed, ShakeError, Scope.Scope>
  /** Completes the handshake that a HELLO has begun, with whom `admit` finds a place for. */
  readonly asServer: (
    accepted: Acceptor.Accepted,
    first: Acceptor.Command,
    admit: (
      peer: Handshake.Introduced
    ) => Effect.Effect<Place, ProtocolError.ProtocolError, Scope.Scope>
  ) => Effect.Effect<Completed & { readonly place: Place }, ShakeError, Scope.Scope>
}

export const make = (host: Host, standing: Standing): Shaking => {
  const { config, crypto, limits, self, trust } = host
  const own = self.identity.publicKey

  const common: Handshake.Options = {
    crypto,
    identity: self.identity,
    name: self.name,
    networkId: self.networkId,
    binary: config.framing === "binary",
    features: ["headers"]
  }

  /** With what the trust policy shows now. */
  const options: Effect.Effect<Handshake.Options> = trust.credentials === undefined
    ? Effect.succeed(common)
    : Effect.map(
      trust.credentials.shown,
      (credentials) => credentials === undefined ? common : { ...common, credentials }
    )

  const packetOf = (type: "msg" | "rsp", command: Uint8Array) =>
    Packet.encode({
      networkId: self.networkId,
      type,
      content: self.cipher.seal(type, own, Raw.toText(command)),
      publicKey: own
    })

  /** The next handshake packet's command, from the key that is expected. */
  const readCommand = Effect.fnUntraced(
    function*(stream: PacketStream.PacketStream, type: "msg" | "rsp", from: PublicKey) {
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
    }
  )

  return {
    asClient: (publicKey, connection, stream, { one, promising }) =>
      Effect.flatMap(options, (own) => {
        const handshake = Handshake.client(own, publicKey)
        return Effect.gen(function*() {
          yield* connection.write(packetOf("msg", handshake.hello()))
          const welcome = yield* readCommand(stream, "rsp", publicKey)
          const initiate = yield* Effect.fromResult(handshake.welcome(welcome.bytes))
          promising()
          return yield* one.withPermit(Effect.gen(function*() {
            yield* connection.write(packetOf("msg", initiate))
            const ready = yield* readCommand(stream, "rsp", publicKey)
            const established = yield* Effect.uninterruptible(
              Effect.tap(Effect.suspend(() => Effect.fromResult(handshake.ready(ready.bytes))), wiped)
            )
            return { connection, established, origin: standing.origin([welcome.networkKey, ready.networkKey]) }
          }))
        }).pipe(
          // With the handshake, and not with the session's scope, which would keep all of this as long as the session.
          Effect.ensuring(Effect.sync(() => handshake.close()))
        )
      }),
    asServer: ({ connection, stream }, first, admit) =>
      Effect.flatMap(options, (own) => {
        const handshake = Handshake.server(own)
        return Effect.gen(function*() {
          const welcome = yield* Effect.fromResult(handshake.hello(first.bytes))
          yield* connection.write(packetOf("rsp", welcome))
          const command = yield* readCommand(stream, "msg", first.publicKey)
          const peer = yield* Effect.fromResult(handshake.initiate(command.bytes, first.publicKey))
          const origin = standing.origin([first.networkKey, command.networkKey])
          const place = yield* admit(peer)
          const { command: ready, established } = yield* Effect.uninterruptible(
            Effect.tap(Effect.sync(handshake.ready), ({ established }) => wiped(established))
          )
          yield* connection.write(packetOf("rsp", ready))
          return { connection, established, origin, place }
        }).pipe(
          Effect.ensuring(Effect.sync(() => handshake.close()))
        )
      })
  }
}
