/**
 * Packets on a connection: reading them whole, in time and within the limit, and refusing in the way that the other side
 * gets to read (protocol section 1).
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Framer from "../Framer.ts"
import * as Packet from "../Packet.ts"
import * as ProtocolError from "../ProtocolError.ts"
import type { PublicKey } from "../PublicKey.ts"
import type { Connection, ConnectionClosedError } from "../Transport.ts"

/** Nothing came for as long as the reader was willing to wait, and no packet had begun. */
export class Idle {
  readonly _tag = "Idle"
}

export type ReadError = ProtocolError.ProtocolError | ConnectionClosedError | Idle

export interface PacketStream {
  /** The next packet's bytes. Waits `idle` for one to begin and `packetTimeout` for it to end. */
  readonly read: (idle: Duration.Duration) => Effect.Effect<Uint8Array, ReadError>
  /** A packet that is already here, or `undefined`. */
  readonly poll: () => Uint8Array | undefined
  /** Gives up what has come and is not read, for what follows the packets. */
  readonly rest: () => ReadonlyArray<Uint8Array>
}

export const make = (connection: Connection, options: {
  readonly clock: Clock.Clock
  /** Time that a packet which has begun may take. */
  readonly packetTimeout: Duration.Duration
}): PacketStream => {
  const framer = Framer.make(Packet.maxStreamLength)
  const packetMillis = Duration.toMillis(options.packetTimeout)
  const chunks: Array<Uint8Array> = []
  let taken = 0
  // When the packet that has begun did so, by the monotonic clock.
  let began: number | undefined

  const now = () => Number(options.clock.monotonicTimeNanosUnsafe() / 1_000_000n)

  const poll = (): Uint8Array | undefined => {
    while (true) {
      const packet = framer.next()
      if (packet !== undefined || framer.tooLarge) return packet
      if (taken === chunks.length) return undefined
      framer.push(chunks[taken++]!)
    }
  }

  const incomplete = Effect.fail(ProtocolError.local("ERR_PACKET_INCOMPLETE", "it did not come whole"))

  const read = (idle: Duration.Duration): Effect.Effect<Uint8Array, ReadError> =>
    Effect.suspend(() => {
      const packet = poll()
      if (packet !== undefined) {
        began = undefined
        return Effect.succeed(packet)
      }
      if (framer.tooLarge) return Effect.fail(ProtocolError.local("ERR_PACKET_TOO_LARGE"))
      const begun = framer.pending > 0
      if (begun) began ??= now()
      const wait = began === undefined ? idle : Duration.millis(Math.max(0, packetMillis - (now() - began)))
      return connection.pull.pipe(
        Effect.timeoutOrElse({
          duration: wait,
          orElse: (): Effect.Effect<never, ReadError> => begun ? incomplete : Effect.fail(new Idle())
        }),
        Effect.mapError((error): ReadError =>
          begun && error._tag === "ConnectionClosedError" && error.clean
            ? ProtocolError.local("ERR_PACKET_INCOMPLETE", "the stream ended inside it")
            : error
        ),
        Effect.flatMap((more): Effect.Effect<Uint8Array, ReadError> => {
          chunks.length = 0
          taken = 0
          for (const chunk of more) chunks.push(chunk)
          return read(idle)
        })
      )
    })

  return {
    read,
    poll,
    rest: () => {
      const rest = [framer.rest(), ...chunks.slice(taken)].filter((chunk) => chunk.length > 0)
      chunks.length = 0
      taken = 0
      return rest
    }
  }
}

/**
 * Refuses: writes the `err`, half-closes, then reads and drops for at most a second or a mebibyte, since closing with unread
 * bytes would reset the connection and destroy the `err` on its way.
 */
export const refuse = (
  connection: Connection,
  networkId: Packet.NetworkId,
  code: ProtocolError.Code,
  publicKey: PublicKey | null
): Effect.Effect<void> =>
  Effect.gen(function*() {
    yield* connection.write(Packet.encode(Packet.err(networkId, code, publicKey)))
    yield* connection.end
    let dropped = 0
    while (dropped < 1_048_576) {
      for (const chunk of yield* connection.pull) dropped += chunk.length
    }
  }).pipe(Effect.timeoutOption("1 second"), Effect.ignore)
