/** Datagrams to and from the LAN that the peer is on. */
import { Effect, Option, type Scope } from "effect"
import * as NetAddress from "effect/net/NetAddress"
import type { Kit } from "./kit.ts"
import type { Bytes } from "./speech/bytes.ts"
import { parse } from "./speech/packets.ts"
import type { Mismatch } from "./subject.ts"
import type { Came } from "./wire.ts"

export interface Air {
  /** The port that it sends from. */
  readonly port: number
  /** Sends a datagram to everybody. */
  readonly tell: (bytes: Bytes, what?: string) => Effect.Effect<void>
  /** The next datagram of the peer that was sent here. */
  readonly hear: (millis: number) => Effect.Effect<Came>
}

/** A socket of the kit's: a private one, or one that hears what is broadcast. */
export const air = (kit: Kit, shared = false): Effect.Effect<Air, Mismatch, Scope.Scope> =>
  Effect.gen(function*() {
    const { host, lan, network } = kit.place
    if (lan === undefined) return yield* kit.mismatch("a LAN", "none")
    const socket = yield* network.datagram(
      shared
        ? { address: lan.host, port: lan.port, reuseAddress: true }
        : { address: host, port: 0, broadcast: true }
    )
    const reader = yield* Effect.orDie(socket.reader)
    const writer = yield* Effect.orDie(socket.writer)
    const address = NetAddress.inetAddressFromIpStringUnsafe(lan.host, lan.port)
    const waiting: Array<Came> = []
    const next: Effect.Effect<Came> = Effect.suspend(() => {
      const came = waiting.shift()
      if (came !== undefined) return Effect.succeed(came)
      return Effect.flatMap(Effect.orDie(reader.pull), (datagrams) => {
        for (const { payload } of datagrams) {
          const packet = parse(payload)
          if (typeof packet === "string") waiting.push({ _tag: "Garbage", why: packet, bytes: payload.slice() })
          // There may be others on it.
          else if (packet.key === kit.subject.key) waiting.push({ _tag: "Packet", packet })
        }
        return next
      })
    })
    return {
      port: reader.address.port,
      tell: (payload, what) =>
        Effect.suspend(() => {
          kit.note(what ?? `a datagram of ${payload.length} bytes`)
          return Effect.orDie(writer.write({ payload, address }))
        }),
      hear: (millis) =>
        Effect.map(Effect.timeoutOption(next, millis), Option.getOrElse((): Came => ({ _tag: "Silence", millis })))
    }
  })
