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
import { type Advert, formatEndpoint } from "../../Advert.ts"
import { Crypto } from "../../Crypto.ts"
import { type Discovery, DiscoveryError, type Sighting } from "../../Discovery.ts"
import { type Endpoint, Network, type NetworkInterface } from "../../Network.ts"
import { NodeConfig } from "../../NodeOptions.ts"
import * as Packet from "../../Packet.ts"
import type { PublicKey } from "../../PublicKey.ts"
import * as Metrics from "../base/metrics.ts"
import { quote } from "../base/quote.ts"
import * as Rate from "../base/rate.ts"
import * as WallTime from "../base/wallTime.ts"
import * as AdvertExchange from "../wire/advertExchange.ts"
import * as Mismatch from "../wire/mismatch.ts"
import { timeToLive } from "../wire/networkCipher.ts"
import { selfOf } from "../wire/self.ts"

/** An interface address that adverts go out from. */
export interface Target {
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
// On a network with a key "leaving" outdates all other adverts of its second, also those of a node that starts again within it.
// One more, a second after the first, has a later time than whatever was said before the start.
const nextSecond = 750
// After the limit kept an answer back. Between the burst's end and the first interval.
const catchUp = [400, 600]
// Datagrams get lost, and nobody is left to repeat this one.
const leavingCopies = 4

// The end of a token tells it from every other: the last characters of its HMAC's base64url. So many are kept of a key, which
// makes some four within a second.
const macLength = 24
const seenPerKey = 16

const answersPerSecond = 10
const answersPerSource = 5

const ipv4Number = (address: string): number => address.split(".").reduce((word, part) => word * 256 + Number(part), 0)

/** Networks of one or two addresses, as tunnels have them, have no broadcast address. */
export const hasBroadcast = (one: NetworkInterface): boolean => one.family === "IPv4" && one.prefixLength < 31

export const isLoopback = (bindIp: string): boolean => bindIp.startsWith("127.")

/** The interfaces that `bindIp` means, with or without a broadcast address. */
export const selected = (bindIp: string, all: ReadonlyArray<NetworkInterface>): ReadonlyArray<NetworkInterface> =>
  all.filter((one) => one.family === "IPv4" && !one.loopback && (bindIp === "0.0.0.0" || one.address === bindIp))

/** What adverts to this machine alone go out from. */
export const loopbackTarget = (bindIp: string): Target => ({
  address: bindIp,
  broadcast: "127.255.255.255",
  prefixLength: 8
})

/**
 * The socket that hears broadcasts. For one interface it is bound to the broadcast address; where the system does not do that,
 * everything is heard, and what comes from other subnets than `subnet` is to be dropped.
 */
export const openShared = (
  network: Network["Service"],
  options: { readonly target: Target | undefined; readonly port: number; readonly capacity: number }
) => {
  const bind = (address: string) =>
    Effect.gen(function*() {
      const socket = yield* network.datagram({
        address,
        port: options.port,
        reuseAddress: true,
        capacity: options.capacity
      })
      return yield* socket.reader
    })
  const everything = (subnet: Target | undefined) => Effect.map(bind("0.0.0.0"), (reader) => ({ reader, subnet }))
  const { target } = options
  return target === undefined
    ? everything(undefined)
    : Effect.map(bind(target.broadcast), (reader) => ({ reader, subnet: undefined })).pipe(
      Effect.catch((failure) => isInUse(failure) ? Effect.fail(failure) : everything(target))
    )
}

export const isInUse = (failure: DatagramSocket.DatagramSocketError): boolean =>
  failure.reason._tag === "DatagramSocketOpenError" && failure.reason.kind === "AddressInUse"

export const sameSubnet = (a: string, b: string, prefixLength: number): boolean => {
  if (a.includes(":") || b.includes(":")) return false
  const size = 2 ** (32 - prefixLength)
  return Math.floor(ipv4Number(a) / size) === Math.floor(ipv4Number(b) / size)
}

export const make = (): Effect.Effect<
  Discovery["Service"],
  DiscoveryError,
  Network | Crypto | NodeConfig | Scope.Scope
> =>
  Effect.gen(function*() {
    const network = yield* Network
    const clock = yield* Clock.Clock
    const config = yield* NodeConfig
    const layerScope = yield* Effect.scope
    const context: Context.Context<never> = yield* Effect.context<never>()
    const crypto = yield* Crypto
    const self = selfOf(crypto, clock, config)
    const { advertisePort, bindIp, limits, obstacles } = config
    const own = self.identity.publicKey

    const sightings = yield* Queue.sliding<Sighting>(limits.sightings)
    const privates = new Map<string, Private>()
    // Set while advertising: the port this node listens on.
    let advertised: number | undefined
    // What was said of an address that adverts cannot be sent from.
    const warned = new Map<string, string>()
    let nothingToAdvertiseOn = false
    let interfacesUnreadable = false

    const count = (outcome: string) => Metrics.adverts(outcome, context)
    const monotonicMillis = () => Number(clock.monotonicTimeNanosUnsafe() / 1_000_000n)

    // --- interfaces ---------------------------------------------------------------------------------------------------

    const anyAddress = bindIp === "0.0.0.0"
    const interfaces: Effect.Effect<ReadonlyArray<Target & { readonly broadcasts: boolean }>> = isLoopback(bindIp)
      ? Effect.succeed([{ ...loopbackTarget(bindIp), broadcasts: true }])
      : network.interfaces.pipe(
        Effect.map((all) => selected(bindIp, all).map((one) => ({ ...one, broadcasts: hasBroadcast(one) }))),
        Effect.tap(() =>
          Effect.sync(() => {
            interfacesUnreadable = false
          })
        ),
        Effect.catch((cause) =>
          Effect.as(
            Effect.suspend(() => {
              if (interfacesUnreadable) return Effect.void
              interfacesUnreadable = true
              return Effect.logWarning(cause.message)
            }),
            // What could not be read has not changed, as far as anybody knows.
            [...privates.values()].map((one) => ({ ...one, broadcasts: true }))
          )
        )
      )
    const targets = Effect.map(interfaces, (all) => all.filter(({ broadcasts }) => broadcasts))

    // --- hearing ------------------------------------------------------------------------------------------------------

    interface Stamps {
      /** None that is older is accepted. */
      readonly timestamp: number
      readonly left: boolean
      /** The adverts that were accepted and are not older, by the end of their tokens. */
      readonly seen: ReadonlyArray<{ readonly mac: string; readonly timestamp: number }>
    }
    const stamps = new Map<string, Stamps>()

    // The newest accepted timestamp of each key, so that a recorded advert cannot bring back what it said; and which adverts
    // had it, so that a recorded one is no sign of life: whoever made it makes another each time. At each host that the tokens
    // name, so that who dates adverts of somebody else's key ahead outdates what he says himself.
    const isFresh = (publicKey: PublicKey, { host, port }: Advert, timestamp: number, token: Uint8Array): boolean => {
      const now = Math.floor(WallTime.millisUnsafe(clock) / 1_000)
      const key = `${publicKey} ${host}`
      const last = stamps.get(key)
      const mac = String.fromCharCode(...token.subarray(-macLength))
      let seen: Stamps["seen"] = []
      let oldest = Math.min(timestamp, now)
      // One far ahead is from before this clock was set back: no token that could be compared with it is accepted any more.
      if (last !== undefined && Math.abs(now - last.timestamp) <= timeToLive) {
        if (timestamp < last.timestamp || last.left && timestamp === last.timestamp) return false
        if (last.seen.some((other) => other.mac === mac)) return false
        oldest = Math.max(oldest, last.timestamp)
        seen = last.seen.filter((other) => other.timestamp >= oldest)
      }
      seen = [...seen, { mac, timestamp }]
      if (seen.length > seenPerKey) {
        // What is forgotten must not come again.
        oldest = Math.max(oldest, Math.min(...seen.map((other) => other.timestamp)) + 1)
        seen = seen.filter((other) => other.timestamp >= oldest)
      }
      stamps.delete(key)
      stamps.set(key, { timestamp: oldest, left: port === 0, seen })
      if (stamps.size > limits.advertStamps) {
        const first = stamps.keys().next()
        if (first.done !== true) stamps.delete(first.value)
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

    // What comes from this machine itself. Systems drop what comes in from outside with such a source.
    const isLocal = (source: Endpoint): boolean => isLoopback(source.host) || privates.has(source.host)

    /** A node of another network: most often as it should be. */
    const otherNetwork = (payload: Uint8Array, { host }: Endpoint) =>
      obstacles.met(`network ${host}`, monotonicMillis(), () => {
        const other = Packet.decode(payload, { types: ["adv"], maxLength: Packet.maxDatagramLength })
        return Result.isFailure(other)
          ? undefined
          : Mismatch.otherNetwork(other.success.networkId, self.networkId, host)
      }, { level: "Info" })

    /** A node of this network whose adverts do not open. */
    const unreadable = (packet: Packet.Packet, { host }: Endpoint) =>
      obstacles.met(
        `key ${host}`,
        monotonicMillis(),
        () => Mismatch.obstacleOf(crypto, self.cipher.keys(), packet, host, clock.currentTimeMillisUnsafe())
      )

    const translated = (advert: Advert, { host }: Endpoint) =>
      obstacles.met(`source ${host}`, monotonicMillis(), () => ({
        kind: "Source",
        where: host,
        what: `${quote(advert.name)} advertises ${advert.host}, and its adverts come from ${host}: they are dropped`,
        remedy: Mismatch.translatedRemedy
      }))

    /** Enters what a datagram says; what is to be said about it in the log, if anything. */
    const onDatagram = (
      datagram: DatagramSocket.Datagram,
      via: Private | undefined,
      subnet: Target | undefined
    ): Effect.Effect<void> | void => {
      const decoded = Packet.decode(datagram.payload, {
        networkId: self.networkId,
        types: ["adv"],
        maxLength: Packet.maxDatagramLength
      })
      const source: Endpoint = { host: NetAddress.formatIp(datagram.address.address), port: datagram.address.port }
      if (Result.isFailure(decoded)) {
        const { code } = decoded.failure
        count(code)
        return code === "ERR_NETWORK_INCORRECT" ? otherNetwork(datagram.payload, source) : undefined
      }
      if (decoded.success.publicKey === own && isOwnSocket(source)) return count("own")
      if (subnet !== undefined && !sameSubnet(subnet.address, source.host, subnet.prefixLength)) {
        return count("other_subnet")
      }
      const heard = AdvertExchange.read(self, decoded.success)
      if (Result.isFailure(heard)) {
        const { code } = heard.failure
        count(code)
        return code === "ERR_NET_DECRYPTION_FAILED" ? unreadable(decoded.success, source) : undefined
      }
      const { advert, publicKey, timestamp } = heard.success
      if (config.checkAdvertSource && advert.host !== source.host) {
        count("source_mismatch")
        return translated(advert, source)
      }
      if (timestamp !== undefined && !isFresh(publicKey, advert, timestamp, decoded.success.content)) {
        return count("stale")
      }
      count("accepted")
      Queue.offerUnsafe(sightings, {
        name: advert.name,
        publicKey,
        endpoint: { host: advert.host, port: advert.port },
        source,
        via: "broadcast",
        local: isLocal(source),
        answer: answer(datagram, source, via)
      })
    }

    // The socket's errors end with its scope; while it lives there is nothing to read but datagrams.
    const hear = (reader: DatagramSocket.Reader, via: () => Private | undefined, subnet?: Target) =>
      Effect.forever(
        Effect.flatMap(reader.pull, (datagrams) => {
          let said: Effect.Effect<void> = Effect.void
          for (const datagram of datagrams) {
            const line = onDatagram(datagram, via(), subnet)
            if (line !== undefined) said = Effect.andThen(said, line)
          }
          return said
        })
      )

    const openError = (address: string, cause: DatagramSocket.DatagramSocketError) => {
      const kind = cause.reason._tag === "DatagramSocketOpenError" ? cause.reason.kind : "Unknown"
      return new DiscoveryError({
        kind: kind === "AddressInUse" ? "PortInUse" : kind,
        address,
        port: advertisePort,
        cause
      })
    }

    // Nodes at known addresses can be reached all the same.
    const broadcastImpossible = Effect.suspend(() =>
      config.peers.length > 0
        ? Effect.void
        : Effect.fail(new DiscoveryError({ kind: "BroadcastImpossible", address: bindIp, port: advertisePort }))
    )

    const [found] = anyAddress ? [] : yield* interfaces
    // Where the interfaces cannot be read, which has been said, whether there is one of this address shows when the node listens.
    if (!anyAddress && found === undefined && !interfacesUnreadable) {
      return yield* Effect.fail(
        new DiscoveryError({ kind: "AddressNotAvailable", address: bindIp, port: advertisePort })
      )
    }
    // Nothing is to be heard there, and the node is found by who lists it, and finds what it lists.
    if (found !== undefined && !found.broadcasts) {
      nothingToAdvertiseOn = true
      yield* Effect.logWarning(
        `${bindIp} is on a network of one or two addresses (/${found.prefixLength}), as tunnels are, which carries no broadcasts: ${
          config.peers.length === 0
            ? "this node finds nobody itself (list addresses in peers)"
            : "this node finds its peers alone"
        }, and is found by those that list it in theirs`
      )
    } else if (anyAddress || found !== undefined) {
      const { reader, subnet } = yield* Effect.mapError(
        openShared(network, { target: found, port: advertisePort, capacity: limits.datagrams }),
        (cause) => openError(found?.broadcast ?? "0.0.0.0", cause)
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
              warnOnce(target.address, openError(target.address, cause).message),
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
      for (const address of warned.keys()) {
        if (!now.some((target) => target.address === address)) warned.delete(address)
      }
      if (now.length === 0 && !nothingToAdvertiseOn) {
        yield* Effect.logWarning(
          `no network interface to advertise on for bindIp ${bindIp}; waiting for one that can broadcast`
        )
      }
      nothingToAdvertiseOn = now.length === 0
    })

    // A state that lasts is said once, not every interval.
    const warnOnce = (address: string, message: string) =>
      Effect.suspend(() => {
        if (warned.get(address) === message) return Effect.void
        warned.set(address, message)
        return Effect.logWarning(message)
      })

    /** Sends one advert on every interface; how many the system forbade. */
    const broadcast = (port: number) =>
      Effect.gen(function*() {
        let forbidden = 0
        for (const one of privates.values()) {
          yield* one.writer.write({ payload: advert(one, port), address: one.destination }).pipe(
            Effect.tap(() =>
              Effect.sync(() => {
                warned.delete(one.address)
                Metrics.advertsSent("broadcast", context)
              })
            ),
            Effect.catch((failure) => {
              Metrics.advertsSent("failed", context)
              const { reason } = failure
              const kind = reason._tag === "DatagramSocketWriteError" ? reason.kind : "Closed"
              if (kind === "PermissionDenied") {
                forbidden++
                return warnOnce(
                  one.address,
                  new DiscoveryError({
                    kind: "BroadcastImpossible",
                    address: one.address,
                    port: advertisePort,
                    cause: failure
                  })
                    .message
                )
              }
              const cause = "cause" in reason ? reason.cause : failure
              const said = warnOnce(
                one.address,
                new DiscoveryError({ kind: "Unknown", address: one.address, port: advertisePort, cause }).message
              )
              // The next round opens it anew, if the interface is still there.
              return kind === "MessageTooLarge" ? said : Effect.andThen(said, close(one))
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
    const bySource = Rate.bySource(answersPerSource)
    let catchingUp = false

    const mayAnswer = (host: string): boolean => {
      const now = monotonicMillis()
      return bySource.take(host, now) && all.take(now)
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
      advertise: (listening) =>
        Effect.gen(function*() {
          // Who listens nowhere has nothing to say, and hears.
          if (listening === undefined) return
          advertised = listening.port
          yield* Effect.addFinalizer(() => leave)
          const forbidden = yield* round
          if (forbidden > 0 && forbidden === privates.size) {
            yield* broadcastImpossible
          }
          yield* Effect.forkScoped(Effect.gen(function*() {
            for (const wait of [...burst.slice(1), ...self.cipher.encrypted ? [nextSecond] : []]) {
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
