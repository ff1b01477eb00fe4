/**
 * The first packets of an accepted connection (protocol sections 1 and 7): who may connect at all, the exchange of adverts, and
 * which of the node's services the first `msg` is for. From then on the connection is that service's.
 */
import type * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { Crypto } from "../../Crypto.ts"
import type { Endpoint } from "../../Network.ts"
import type { Limits } from "../../NodeOptions.ts"
import * as Packet from "../../Packet.ts"
import * as ProtocolError from "../../ProtocolError.ts"
import type { PublicKey } from "../../PublicKey.ts"
import * as Raw from "../../Raw.ts"
import type { Connection } from "../../Transport.ts"
import * as Metrics from "../base/metrics.ts"
import type { Obstacles } from "../values/obstacles.ts"
import * as AdvertExchange from "../wire/advertExchange.ts"
import * as Mismatch from "../wire/mismatch.ts"
import type * as NetworkCipher from "../wire/networkCipher.ts"
import * as PacketStream from "../wire/packetStream.ts"

/** A `msg` whose network-level encryption opened. */
export interface Command {
  readonly publicKey: PublicKey
  readonly bytes: Uint8Array
  /** The network key that it opened under; `undefined` on a network without one. */
  readonly networkKey: NetworkCipher.Opened["key"]
}

/** An accepted connection that has sent its first `msg`. */
export interface Accepted {
  readonly connection: Connection
  readonly stream: PacketStream.PacketStream
  /** To be called when the peer has proved itself: frees its place among those that have not. */
  readonly proved: () => void
}

/** Refused with a code; `keyed` is whether the packet had got as far as a valid key. */
export class Refusal {
  readonly _tag = "Refusal"
  readonly error: ProtocolError.ProtocolError
  readonly keyed: boolean
  constructor(error: ProtocolError.ProtocolError, keyed: boolean) {
    this.error = error
    this.keyed = keyed
  }
}

/** What serves connections whose first command it recognises. */
export interface Service {
  readonly accepts: (command: Uint8Array) => boolean
  readonly serve: (accepted: Accepted, first: Command) => Effect.Effect<void, Refusal>
}

/** What a node serves besides what it serves by itself. */
export const Services: Context.Reference<ReadonlyArray<Service>> = Context.Reference<ReadonlyArray<Service>>(
  "@pnet/core/internal/Services",
  {
    defaultValue: () => []
  }
)

const keyless: ReadonlySet<ProtocolError.Code> = new Set<ProtocolError.Code>([
  "ERR_PACKET_TOO_LARGE",
  "ERR_PACKET_INCOMPLETE",
  "ERR_SECTION_COUNT",
  "ERR_NETWORK_INCORRECT",
  "ERR_PACKET_TYPE",
  "ERR_PUBLIC_KEY"
])

/** The error of a packet's envelope as a refusal. */
export const refusal = (error: ProtocolError.ProtocolError) => new Refusal(error, !keyless.has(error.code))

/** The command of a `msg`: its network-level encryption opened, its text decoded. */
export const commandOf = (
  self: AdvertExchange.Self,
  packet: Packet.Packet
): Result.Result<Command, ProtocolError.ProtocolError> => {
  const { publicKey } = packet
  if (publicKey === null || publicKey === self.identity.publicKey) {
    return Result.fail(ProtocolError.local("ERR_PUBLIC_KEY", "the receiver's own"))
  }
  const opened = self.cipher.open(packet)
  if (Result.isFailure(opened)) return Result.fail(opened.failure)
  const bytes = Raw.fromText(opened.success.text)
  return bytes === undefined
    ? Result.fail(ProtocolError.local("ERR_HANDSHAKE", "not base64url"))
    : Result.succeed({ publicKey, bytes, networkKey: opened.success.key })
}

export interface Acceptor {
  /** Serves one connection that was accepted at an endpoint, to its end. */
  readonly handle: (connection: Connection, listening: Endpoint) => Effect.Effect<void>
}

export const make = (options: {
  readonly self: AdvertExchange.Self
  readonly clock: Clock.Clock
  readonly limits: Limits
  readonly services: ReadonlyArray<Service>
  readonly context: Context.Context<never>
  readonly crypto: Crypto["Service"]
  readonly obstacles: Obstacles
}): Acceptor => {
  const { clock, context, crypto, limits, obstacles, self, services } = options
  let pending = 0
  let refusing = 0
  const byAddress = new Map<string, number>()

  const count = (address: string, by: 1 | -1) => {
    pending += by
    const now = (byAddress.get(address) ?? 0) + by
    if (now === 0) byAddress.delete(address)
    else byAddress.set(address, now)
  }

  const refuse = (connection: Connection, { error, keyed }: Refusal) => {
    Metrics.connections(error.code, context)
    return PacketStream.refuse(connection, self.networkId, error.code, keyed ? self.identity.publicKey : null)
  }

  const busy = (connection: Connection, detail: string) =>
    Effect.suspend(() => {
      if (refusing >= limits.refusals) {
        Metrics.connections("dropped", context)
        return Effect.void
      }
      refusing++
      return Effect.ensuring(
        refuse(connection, new Refusal(ProtocolError.local("ERR_BUSY", detail), false)),
        Effect.sync(() => {
          refusing--
        })
      )
    })

  const monotonicMillis = () => Number(clock.monotonicTimeNanosUnsafe() / 1_000_000n)

  /** Who connects means this node, and cannot talk to it: an operator has to know, on this side too. */
  const note = ({ remote }: Connection, bytes: Uint8Array, { code }: ProtocolError.ProtocolError) => {
    const host = remote?.host
    if (host === undefined || code !== "ERR_NETWORK_INCORRECT" && code !== "ERR_NET_DECRYPTION_FAILED") return
    // The key of its network key is that of its broadcasts, which say the same.
    const key = code === "ERR_NETWORK_INCORRECT" ? `connection ${host}` : `key ${host}`
    return obstacles.met(key, monotonicMillis(), () => {
      const decoded = Packet.decode(bytes, { types: ["adv", "msg"], maxLength: Packet.maxStreamLength })
      if (Result.isFailure(decoded)) return undefined
      return code === "ERR_NETWORK_INCORRECT"
        ? Mismatch.otherNetwork(decoded.success.networkId, self.networkId, host)
        : Mismatch.obstacleOf(crypto, self.cipher.keys(), decoded.success, host, clock.currentTimeMillisUnsafe())
    })
  }

  const read = (stream: PacketStream.PacketStream) =>
    stream.read(limits.firstPacketTimeout).pipe(
      Effect.mapError((error) =>
        // Without a word about a connection that is gone: there is nobody to tell.
        error._tag === "ConnectionClosedError"
          ? error
          : refusal(error._tag === "Idle" ? ProtocolError.local("ERR_PACKET_INCOMPLETE", "no packet came") : error)
      )
    )

  const greet = (connection: Connection, listening: Endpoint, proved: () => void) =>
    Effect.gen(function*() {
      const stream = PacketStream.make(connection, { clock, packetTimeout: limits.firstPacketTimeout })
      let expected: ReadonlyArray<Packet.PacketType> = ["adv", "msg", "err"]
      while (true) {
        const bytes = yield* read(stream)
        const decoded = Packet.decode(bytes, {
          networkId: self.networkId,
          types: expected,
          maxLength: Packet.maxStreamLength
        })
        if (Result.isFailure(decoded)) {
          if (PacketStream.saysErr(bytes)) return
          yield* note(connection, bytes, decoded.failure) ?? Effect.void
          return yield* Effect.fail(refusal(decoded.failure))
        }
        const packet = decoded.success
        if (packet.type === "err") return
        if (packet.type === "adv") {
          const heard = AdvertExchange.read(self, packet)
          if (Result.isFailure(heard)) {
            yield* note(connection, bytes, heard.failure) ?? Effect.void
            return yield* Effect.fail(refusal(heard.failure))
          }
          yield* connection.write(AdvertExchange.packet(self, listening))
          expected = ["msg", "err"]
          continue
        }
        const command = commandOf(self, packet)
        if (Result.isFailure(command)) {
          yield* note(connection, bytes, command.failure) ?? Effect.void
          return yield* Effect.fail(refusal(command.failure))
        }
        const service = services.find((service) => service.accepts(command.success.bytes))
        if (service === undefined) {
          return yield* Effect.fail(new Refusal(ProtocolError.local("ERR_HANDSHAKE", "not served here"), true))
        }
        Metrics.connections("accepted", context)
        return service.serve({ connection, stream, proved }, command.success)
      }
    }).pipe(
      // Behind the generator, so that it keeps none of the packets for as long as the connection lives.
      Effect.flatMap((served) => served ?? Effect.void)
    )

  return {
    handle: (connection, listening) =>
      Effect.suspend(() => {
        const address = connection.remote?.host ?? ""
        if (pending >= limits.pendingConnections) return busy(connection, "connections")
        if ((byAddress.get(address) ?? 0) >= limits.pendingPerAddress) return busy(connection, "connections from there")
        count(address, 1)
        let waiting = true
        const proved = () => {
          if (waiting) count(address, -1)
          waiting = false
        }
        return greet(connection, listening, proved).pipe(
          Effect.catchTag("Refusal", (error) => refuse(connection, error)),
          Effect.catchTag("ConnectionClosedError", () => Effect.void),
          Effect.ensuring(Effect.sync(proved))
        )
      })
  }
}
