/** Datagrams to and from the LAN that the peer is on. */
import { Clock, Effect, Option, type Scope } from "effect"
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

export interface AirOptions {
  /** Whether it hears what is broadcast, and not what is sent to it alone. */
  readonly shared?: boolean
  /** Whether no other check sends anything meanwhile, and a node that keeps to the text has answers left. */
  readonly alone?: boolean
}

/** Of the 5 answers in a second that a node gives to one source, so many may be gone where it is asked for one. */
const spent = 2

/** Waits until few datagrams have been sent within the last second. */
const rested = (kit: Kit): Effect.Effect<void> =>
  Effect.gen(function*() {
    const { adverts } = kit.place
    const now = yield* Clock.currentTimeMillis
    const last = adverts.sent.filter((at) => at > now - 1_100)
    if (last.length <= spent) return
    yield* Effect.sleep(last[last.length - spent - 1]! + 1_100 - now)
    yield* rested(kit)
  })

/** A socket of the kit's, until the scope closes. */
export const air = (
  kit: Kit,
  { alone = false, shared = false }: AirOptions = {}
): Effect.Effect<Air, Mismatch, Scope.Scope> =>
  Effect.gen(function*() {
    const { adverts, host, lan, network } = kit.place
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
    if (alone) {
      yield* Effect.acquireRelease(adverts.turn.take(1), () => adverts.turn.release(1))
      yield* rested(kit)
    }
    const next: Effect.Effect<Came> = Effect.suspend(() => {
      const came = waiting.shift()
      if (came !== undefined) return Effect.succeed(came)
      return Effect.flatMap(Effect.orDie(reader.pull), (datagrams) => {
        for (const { payload } of datagrams) {
          const packet = parse(payload)
          if (typeof packet === "string") {
            // What is broadcast may be anybody's.
            if (!shared) waiting.push({ _tag: "Garbage", why: packet, bytes: payload.slice() })
          } // There may be others on it.
          else if (packet.key === kit.subject.key) waiting.push({ _tag: "Packet", packet })
        }
        return next
      })
    })
    return {
      port: reader.address.port,
      tell: (payload, what) => {
        const write = Effect.flatMap(Clock.currentTimeMillis, (now) => {
          kit.note(what ?? `a datagram of ${payload.length} bytes`)
          adverts.sent = [...adverts.sent.filter((at) => at > now - 1_100), now]
          return Effect.orDie(writer.write({ payload, address }))
        })
        return alone ? write : adverts.turn.withPermits(1)(write)
      },
      hear: (millis) =>
        Effect.map(Effect.timeoutOption(next, millis), Option.getOrElse((): Came => ({ _tag: "Silence", millis })))
    }
  })
