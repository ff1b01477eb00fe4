/**
 * Packets on a connection: reading them whole, in time and within the limit, and refusing in the way that the other side
 * gets to read (protocol section 1).
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Framer from "../../Framer.ts"
import * as Packet from "../../Packet.ts"
import * as ProtocolError from "../../ProtocolError.ts"
import type { PublicKey } from "../../PublicKey.ts"
import type { Connection, ConnectionClosedError } from "../../Transport.ts"

/** Nothing came for as long as the reader was willing to wait, and no packet had begun. */
export class Idle {
  readonly _tag = "Idle"
}

export type ReadError = ProtocolError.ProtocolError | ConnectionClosedError | Idle

export interface PacketStream {
  /** The next packet's bytes. Waits `idle` for one to begin and `packetTimeout` for it to end. */
  readonly read: (idle: Duration.Duration) => Effect.Effect<Uint8Array, ReadError>
  /** The next packet's bytes, however long that takes: for whoever reads many, with `watch` running beside. */
  readonly next: Effect.Effect<Uint8Array, ProtocolError.ProtocolError | ConnectionClosedError>
  /**
   * Fails when `next` has waited `idle`, since this began, for a packet to begin, or `packetTimeout` for it to end. One fiber
   * that looks now and then, in place of a timer each time.
   */
  readonly watch: (idle: Duration.Duration) => Effect.Effect<never, Idle | ProtocolError.ProtocolError>
  /** A packet that is already here, or `undefined`. */
  readonly poll: () => Uint8Array | undefined
  /** Gives up what has come and is not read, for what follows the packets. */
  readonly rest: () => ReadonlyArray<Uint8Array>
}

// A reader that has found so many packets here lets others run: then what it had written in answer is on its way while it
// goes on, and the other side need not wait for the last of them.
const inARow = 16

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
  // When `next` began to wait; `undefined`: it does not.
  let waiting: number | undefined
  let found = 0

  const now = () => Number(options.clock.monotonicTimeNanosUnsafe()) / 1e6

  const poll = (): Uint8Array | undefined => {
    while (true) {
      const packet = framer.next()
      if (packet !== undefined || framer.tooLarge) return packet
      if (taken === chunks.length) return undefined
      framer.push(chunks[taken++]!)
    }
  }

  const incomplete = () => Effect.fail(ProtocolError.local("ERR_PACKET_INCOMPLETE", "it did not come whole"))

  const next: PacketStream["next"] = Effect.suspend(() => {
    const packet = poll()
    if (packet !== undefined) {
      began = undefined
      return ++found % inARow === 0 ? Effect.as(Effect.yieldNow, packet) : Effect.succeed(packet)
    }
    if (framer.tooLarge) return Effect.fail(ProtocolError.local("ERR_PACKET_TOO_LARGE"))
    waiting = now()
    if (framer.pending > 0) began ??= waiting
    return pull
  })

  const pull: PacketStream["next"] = connection.pull.pipe(
    Effect.mapError((error) =>
      began !== undefined && error.clean
        ? ProtocolError.local("ERR_PACKET_INCOMPLETE", "the stream ended inside it")
        : error
    ),
    Effect.flatMap((more) => {
      waiting = undefined
      chunks.length = 0
      taken = 0
      for (const chunk of more) chunks.push(chunk)
      return next
    })
  )

  const watch: PacketStream["watch"] = (idle) =>
    Effect.suspend(() => {
      const idleMillis = Duration.toMillis(idle)
      const start = now()
      const look: Effect.Effect<never, Idle | ProtocolError.ProtocolError> = Effect.suspend(() => {
        const at = now()
        const left = waiting === undefined
          ? Infinity
          : began === undefined
          ? Math.max(start, waiting) + idleMillis - at
          : began + packetMillis - at
        if (left <= 0) return began === undefined ? Effect.fail(new Idle()) : incomplete()
        // What begins from now on has at least the smaller of the two times.
        const sleep = Math.ceil(Math.min(left, idleMillis, packetMillis))
        return Effect.andThen(options.clock.sleep(Duration.millis(sleep)), look)
      })
      return look
    })

  return {
    read: (idle) => Effect.raceFirst(next, watch(idle)),
    next,
    watch,
    poll,
    rest: () => {
      const rest = [framer.rest(), ...chunks.slice(taken)].filter((chunk) => chunk.length > 0)
      chunks.length = 0
      taken = 0
      return rest
    }
  }
}

const bar = 0x7c
const errType = [0x65, 0x72, 0x72, bar]

/** Whether a packet says that it is an `err`, which is never answered, whatever else is wrong with it. */
export const saysErr = (packet: Uint8Array): boolean => {
  const at = packet.indexOf(bar) + 1
  return at > 0 && errType.every((byte, i) => packet[at + i] === byte)
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
