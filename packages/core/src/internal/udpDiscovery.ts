/**
 * Discovery by UDP broadcast (protocol section 7).
 *
 * One shared socket on the advertise port hears broadcasts. One private socket for each interface sends them, from the
 * interface's own address, and hears the unicast answers. Interfaces are read again each round, so one that comes, goes or
 * changes its address is noticed within an interval.
 *
 * Answers are few by rule (10 a second in all, 5 to one source). Where that is not enough, as when many nodes start at once,
 * the newcomers are told all together by two further broadcasts.
 */
import * as Clock from "effect/Clock"
import type * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as NetAddress from "effect/net/NetAddress"
import * as Queue from "effect/Queue"
import * as Random from "effect/Random"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import type * as DatagramSocket from "effect/socket/DatagramSocket"
import * as Stream from "effect/Stream"
import { formatEndpoint } from "../Advert.ts"
import { Crypto } from "../Crypto.ts"
import type { Discovery, DiscoveryError, Sighting } from "../Discovery.ts"
import { type Endpoint, Network } from "../Network.ts"
import { NodeConfig } from "../NodeOptions.ts"
import * as Packet from "../Packet.ts"
import type { PublicKey } from "../PublicKey.ts"
import * as AdvertExchange from "./advertExchange.ts"
import * as Metrics from "./metrics.ts"
import { timeToLive } from "./networkCipher.ts"
import * as Rate from "./rate.ts"
import { selfOf } from "./self.ts"

type ErrorFields = ConstructorParameters<typeof DiscoveryError>[0]

/** An interface address that adverts go out from. */
interface Target {
  readonly address: string
  readonly broadcast: string
  readonly prefixLength: number
}

/** A private socket. */
interface Private extends Target {
  readonly endpoint: Endpoint
  readonly writer: DatagramSocket.Writer
  readonly destination: NetAddress.InetAddress
  readonly scope: Scope.Closeable
}

const burst = [0, 100, 200]
// After the limit kept an answer back. Between the burst's end and the first interval.
const catchUp = [400, 600]
// Datagrams get lost, and nobody is left to repeat this one.
const leavingCopies = 4

const answersPerSecond = 10
const answersPerSource = 5

const ipv4Number = (address: string): number => address.split(".").reduce((word, part) => word * 256 + Number(part), 0)

const sameSubnet = (a: string, b: string, prefixLength: number): boolean => {
  if (a.includes(":") || b.includes(":")) return false
  const size = 2 ** (32 - prefixLength)
  return Math.floor(ipv4Number(a) / size) === Math.floor(ipv4Number(b) / size)
}

export const make = (
  error: (fields: ErrorFields) => DiscoveryError
): Effect.Effect<Discovery["Service"], DiscoveryError, Network | Crypto | NodeConfig | Scope.Scope> =>
  Effect.gen(function*() {
    const network = yield* Network
    const clock = yield* Clock.Clock
    const config = yield* NodeConfig
    const layerScope = yield* Effect.scope
    const context: Context.Context<never> = yield* Effect.context<never>()
    const self = selfOf(yield* Crypto, clock, config)
    const { advertisePort, bindIp, limits } = config
    const own = self.identity.publicKey

    const sightings = yield* Queue.sliding<Sighting>(limits.sightings)
    const privates = new Map<string, Private>()
    // Set while advertising: the port this node listens on.
    let advertised: number | undefined
    let warned = ""

    const count = (outcome: string) => Metrics.adverts(outcome, context)
    const monotonicMillis = () => Number(clock.monotonicTimeNanosUnsafe() / 1_000_000n)

    // --- interfaces ---------------------------------------------------------------------------------------------------

    const anyAddress = bindIp === "0.0.0.0"
    const loopback = bindIp.startsWith("127.")

    const targets: Effect.Effect<ReadonlyArray<Target>> = loopback
      ? Effect.succeed([{ address: bindIp, broadcast: "127.255.255.255", prefixLength: 8 }])
      : network.interfaces.pipe(
        Effect.map((all) =>
          all.filter((one) => one.family === "IPv4" && !one.loopback && (anyAddress || one.address === bindIp))
        ),
        // What could not be read has not changed, as far as anybody knows.
        Effect.catch((cause) => Effect.as(Effect.logWarning(cause.message), [...privates.values()]))
      )

    // --- hearing ------------------------------------------------------------------------------------------------------

    const stamps = new Map<PublicKey, { readonly timestamp: number; readonly left: boolean }>()

    // The newest accepted timestamp of each key, so that a recorded advert cannot bring back what it said.
    const isFresh = (publicKey: PublicKey, timestamp: number, leaving: boolean): boolean => {
      const now = Math.floor(clock.currentTimeMillisUnsafe() / 1_000)
      const last = stamps.get(publicKey)
      if (last !== undefined && now - last.timestamp <= timeToLive) {
        if (timestamp < last.timestamp || last.left && timestamp === last.timestamp) return false
      }
      stamps.delete(publicKey)
      stamps.set(publicKey, { timestamp: Math.min(timestamp, now), left: leaving })
      if (stamps.size > limits.advertStamps) {
        const oldest = stamps.keys().next()
        if (oldest.done !== true) stamps.delete(oldest.value)
      }
      return true
    }

    const isOwnSocket = (source: Endpoint): boolean => {
      for (const { endpoint } of privates.values()) {
        if (endpoint.host === source.host && endpoint.port === source.port) return true
      }
      return false
    }

    // Where to answer from: the socket that heard it, else the interface that shares a subnet with its sender.
    const answererFor = (source: Endpoint, via: Private | undefined): Private | undefined => {
      if (via !== undefined) return via
      for (const one of privates.values()) {
        if (sameSubnet(one.address, source.host, one.prefixLength)) return one
      }
      return undefined
    }

    const onDatagram = (datagram: DatagramSocket.Datagram, via: Private | undefined, subnet: Target | undefined) => {
      const decoded = Packet.decode(datagram.payload, {
        networkId: self.networkId,
        types: ["adv"],
        maxLength: Packet.maxDatagramLength
      })
      if (Result.isFailure(decoded)) return count(decoded.failure.code)
      const source: Endpoint = { host: NetAddress.formatIp(datagram.address.address), port: datagram.address.port }
      if (decoded.success.publicKey === own && isOwnSocket(source)) return count("own")
      if (subnet !== undefined && !sameSubnet(subnet.address, source.host, subnet.prefixLength)) {
        return count("other_subnet")
      }
      const heard = AdvertExchange.read(self, decoded.success)
      if (Result.isFailure(heard)) return count(heard.failure.code)
      const { advert, publicKey, timestamp } = heard.success
      if (config.checkAdvertSource && advert.host !== source.host) return count("source_mismatch")
      if (timestamp !== undefined && !isFresh(publicKey, timestamp, advert.port === 0)) return count("stale")
      count("accepted")
      Queue.offerUnsafe(sightings, {
        name: advert.name,
        publicKey,
        endpoint: { host: advert.host, port: advert.port },
        source,
        via: "broadcast",
        answer: answer(datagram, source, via)
      })
    }

    // The socket's errors end with its scope; while it lives there is nothing to read but datagrams.
    const hear = (reader: DatagramSocket.Reader, via: () => Private | undefined, subnet?: Target) =>
      Effect.forever(
        Effect.map(reader.pull, (datagrams) => {
          for (const datagram of datagrams) onDatagram(datagram, via(), subnet)
        })
      )

    const openError = (address: string, cause: DatagramSocket.DatagramSocketError) => {
      const kind = cause.reason._tag === "DatagramSocketOpenError" ? cause.reason.kind : "Unknown"
      return error({
        kind: kind === "AddressInUse" ? "PortInUse" : kind,
        address,
        port: advertisePort,
        cause
      })
    }

    const openShared = (address: string) =>
      Effect.gen(function*() {
        const socket = yield* network.datagram({
          address,
          port: advertisePort,
          reuseAddress: true,
          capacity: limits.datagrams
        })
        return yield* socket.reader
      }).pipe(Effect.mapError((cause) => openError(address, cause)))

    const found = yield* targets
    if (anyAddress) {
      const reader = yield* openShared("0.0.0.0")
      yield* Effect.forkScoped(Effect.ignore(hear(reader, () => undefined)))
    } else {
      const [target] = found
      if (target === undefined) {
        return yield* Effect.fail(error({ kind: "AddressNotAvailable", address: bindIp, port: advertisePort }))
      }
      // Where the system does not bind to a broadcast address, everything is heard, and other subnets are dropped.
      const [reader, subnet] = yield* Effect.map(
        openShared(target.broadcast),
        (reader) => [reader, undefined] as const
      ).pipe(
        Effect.catch((failure) =>
          failure.kind === "PortInUse"
            ? Effect.fail(failure)
            : Effect.map(openShared("0.0.0.0"), (reader) => [reader, target] as const)
        )
      )
      yield* Effect.forkScoped(Effect.ignore(hear(reader, () => undefined, subnet)))
    }

    // --- telling ------------------------------------------------------------------------------------------------------

    const advert = (one: Private, port: number): Uint8Array => AdvertExchange.packet(self, { host: one.address, port })

    const close = (one: Private) =>
      Effect.suspend(() => {
        privates.delete(one.address)
        return Scope.close(one.scope, Exit.void)
      })

    const open = (target: Target) =>
      Effect.gen(function*() {
        const scope = yield* Scope.fork(layerScope)
        yield* Effect.gen(function*() {
          const socket = yield* network.datagram({
            address: target.address,
            port: 0,
            broadcast: true,
            capacity: limits.datagrams
          })
          const reader = yield* socket.reader
          const one: Private = {
            ...target,
            endpoint: { host: target.address, port: reader.address.port },
            writer: yield* socket.writer,
            destination: NetAddress.inetAddressFromIpStringUnsafe(target.broadcast, advertisePort),
            scope
          }
          privates.set(target.address, one)
          yield* Effect.forkIn(Effect.ignore(hear(reader, () => one)), scope)
        }).pipe(
          Scope.provide(scope),
          Effect.catch((cause) =>
            Effect.andThen(
              Effect.logWarning(`cannot advertise from ${target.address}: ${openError(target.address, cause).message}`),
              Scope.close(scope, Exit.void)
            )
          )
        )
      })

    const refresh = Effect.gen(function*() {
      const now = yield* targets
      for (const one of privates.values()) {
        if (!now.some((target) => target.address === one.address && target.broadcast === one.broadcast)) {
          yield* Effect.logInfo(`no longer advertising from ${one.address}: the interface is gone`)
          yield* close(one)
        }
      }
      for (const target of now) if (!privates.has(target.address)) yield* open(target)
      yield* warnOnce(
        now.length === 0 ? `no network interface to advertise on for bindIp ${bindIp}; waiting for one` : ""
      )
    })

    // A state that lasts is said once, not every interval.
    const warnOnce = (message: string) =>
      Effect.suspend(() => {
        if (message === warned) return Effect.void
        warned = message
        return message === "" ? Effect.void : Effect.logWarning(message)
      })

    /** Sends one advert on every interface; how many the system forbade. */
    const broadcast = (port: number) =>
      Effect.gen(function*() {
        let forbidden = 0
        for (const one of privates.values()) {
          yield* one.writer.write({ payload: advert(one, port), address: one.destination }).pipe(
            Effect.tap(() => Effect.sync(() => Metrics.advertsSent("broadcast", context))),
            Effect.catch((failure) => {
              Metrics.advertsSent("failed", context)
              const kind = failure.reason._tag === "DatagramSocketWriteError" ? failure.reason.kind : "Closed"
              if (kind === "PermissionDenied") forbidden++
              // The next round opens it anew, if the interface is still there.
              else if (kind !== "MessageTooLarge") return close(one)
              return warnOnce(
                error({ kind: "BroadcastImpossible", address: one.address, port: advertisePort, cause: failure })
                  .message
              )
            })
          )
        }
        return forbidden
      })

    // One at a time: a round closes and opens the sockets that another would be writing to.
    const rounds = yield* Semaphore.make(1)
    const round = rounds.withPermit(
      Effect.suspend(() =>
        advertised === undefined ? Effect.succeed(0) : Effect.andThen(refresh, broadcast(advertised))
      )
    )

    // --- answering ----------------------------------------------------------------------------------------------------

    const all = Rate.make(answersPerSecond)
    const bySource = new Map<string, Rate.Rate>()
    let catchingUp = false

    const mayAnswer = (host: string): boolean => {
      const now = monotonicMillis()
      let rate = bySource.get(host)
      if (rate === undefined) {
        // Forgetting a source only lets it have a few more; the rate of all still holds.
        if (bySource.size >= 1_024) bySource.clear()
        rate = Rate.make(answersPerSource)
        bySource.set(host, rate)
      }
      return rate.take(now) && all.take(now)
    }

    const jittered = (millis: number) =>
      Effect.flatMap(Random.next, (random) => Effect.sleep(millis * (0.9 + random * 0.2)))

    const catchUpRounds = Effect.gen(function*() {
      for (const wait of catchUp) {
        yield* jittered(wait)
        yield* round
      }
    }).pipe(Effect.ensuring(Effect.sync(() => {
      catchingUp = false
    })))

    // Only ever to one socket of one node: not to a broadcast address, and not to the shared port, where any node of that
    // machine might get it.
    const isOneSocket = (source: Endpoint) => {
      if (source.port === advertisePort || source.host === "255.255.255.255") return false
      for (const { broadcast } of privates.values()) if (broadcast === source.host) return false
      return true
    }

    const answer = (datagram: DatagramSocket.Datagram, source: Endpoint, via: Private | undefined) =>
      Effect.suspend(() => {
        if (advertised === undefined || !isOneSocket(source)) return Effect.void
        if (!mayAnswer(source.host)) {
          if (catchingUp) return Effect.void
          catchingUp = true
          return Effect.forkIn(catchUpRounds, layerScope)
        }
        const one = answererFor(source, via)
        if (one === undefined) return Effect.void
        return one.writer.write({ payload: advert(one, advertised), address: datagram.address }).pipe(
          Effect.tap(() => Effect.sync(() => Metrics.advertsSent("answer", context))),
          Effect.catch((failure) =>
            Effect.logDebug(`answering the advert from ${formatEndpoint(source)} failed: ${failure.message}`)
          )
        )
      })

    const leave = Effect.suspend(() => {
      advertised = undefined
      return rounds.withPermit(
        Effect.forEach(Array.from({ length: leavingCopies }), () => broadcast(0), { discard: true })
      )
    })

    return {
      advertise: ({ port }) =>
        Effect.gen(function*() {
          advertised = port
          yield* Effect.addFinalizer(() => leave)
          const forbidden = yield* round
          if (forbidden > 0 && forbidden === privates.size) {
            return yield* Effect.fail(
              error({ kind: "BroadcastImpossible", address: bindIp, port: advertisePort })
            )
          }
          yield* Effect.forkScoped(Effect.gen(function*() {
            for (const wait of burst.slice(1)) {
              yield* Effect.sleep(wait)
              yield* round
            }
            while (true) {
              yield* jittered(Duration.toMillis(config.broadcastInterval))
              yield* round
            }
          }))
        }),
      sightings: Stream.fromQueue(sightings)
    }
  })
