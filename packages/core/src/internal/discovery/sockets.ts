/**
 * The sockets of adverts: one that is shared and hears broadcasts, and a private one for each interface, which sends them from the
 * interface's own address and hears the unicast answers.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Latch from "effect/Latch"
import * as NetAddress from "effect/net/NetAddress"
import * as Scope from "effect/Scope"
import * as DatagramSocket from "effect/socket/DatagramSocket"
import { DiscoveryError } from "../../Discovery.ts"
import type { DatagramOptions, Endpoint, Network } from "../../Network.ts"
import type { NodeConfig } from "../../NodeOptions.ts"
import * as Why from "../../Why.ts"
import { sameEndpoint } from "../values/endpoints.ts"
import * as AdvertExchange from "../wire/advertExchange.ts"
import { type Interfaces, isLoopback, sameSubnet, type Target } from "./interfaces.ts"

/** A private socket. */
export interface Private extends Target {
  readonly endpoint: Endpoint
  /** Fails when the socket is closed, also meanwhile. */
  readonly send: (
    payload: Uint8Array,
    address: DatagramSocket.OutgoingDatagram["address"]
  ) => Effect.Effect<void, DatagramSocket.DatagramSocketError>
  /** Sends to an endpoint, and waits for nothing: what comes of it is `done`'s affair. What is on its way when the socket closes is given up. */
  readonly post: (payload: Uint8Array, to: Endpoint, done: Posted) => void
  readonly destination: NetAddress.InetAddress
  readonly scope: Scope.Closeable
}

/** What is said of a datagram that was sent without waiting: nothing where it failed when its socket closed. */
interface Posted {
  readonly onSuccess: () => Effect.Effect<void>
  readonly onFailure: (failure: DatagramSocket.DatagramSocketError) => Effect.Effect<void>
}

/**
 * The socket that hears broadcasts. For one interface it is bound to the broadcast address; where the system does not do that,
 * everything is heard, and what comes from other subnets than `subnet` is to be dropped.
 */
export const openShared = <Self extends object>(
  network: Network["Service"],
  options: {
    readonly target: Target | undefined
    readonly port: number
    readonly capacity: number
    /** Who is to hear there, of which subnet, or of all; and what takes its datagrams when they come. */
    readonly hearer: (
      subnet: Target | undefined
    ) => Self & { readonly take?: DatagramOptions["take"] }
  }
) => {
  const { capacity, hearer, port, target } = options
  const bind = (address: string, subnet: Target | undefined) =>
    Effect.gen(function*() {
      const { take, ...self } = hearer(subnet)
      const socket = yield* network.datagram({ address, port, reuseAddress: true, capacity, take })
      return { ...self, reader: yield* socket.reader }
    })
  return target === undefined
    ? bind("0.0.0.0", undefined)
    : Effect.catch(
      bind(target.broadcast, undefined),
      (failure) => isInUse(failure) ? Effect.fail(failure) : bind("0.0.0.0", target)
    )
}

const isInUse = (failure: DatagramSocket.DatagramSocketError): boolean =>
  failure.reason._tag === "DatagramSocketOpenError" && failure.reason.kind === "AddressInUse"

export const openError = (
  address: string,
  port: number,
  cause: DatagramSocket.DatagramSocketError
): DiscoveryError => {
  const kind = cause.reason._tag === "DatagramSocketOpenError" ? cause.reason.kind : "Unknown"
  return new DiscoveryError({ kind: kind === "AddressInUse" ? "PortInUse" : kind, address, port, cause })
}

interface Parts {
  readonly network: Network["Service"]
  readonly config: NodeConfig["Service"]
  readonly self: AdvertExchange.Self
  readonly interfaces: Interfaces
  /** What the sockets live in. */
  readonly scope: Scope.Scope
  /** Who hears at a private socket: what takes its datagrams when they come, and what reads the others as long as it is there. */
  readonly hearer: (via: Private) => {
    readonly take: NonNullable<DatagramOptions["take"]>
    readonly hear: (reader: DatagramSocket.Reader) => Effect.Effect<unknown, unknown>
  }
  /** Runs what is not waited for, as long as a scope is open. */
  readonly runIn: (effect: Effect.Effect<void>, scope: Scope.Scope) => void
  /** There is another one, from which nothing was said yet. */
  readonly came: () => void
  readonly sent: (outcome: "broadcast" | "failed") => void
  /** Milliseconds of the monotonic clock. */
  readonly now: () => number
}

const obstacleOf = (address: string): string => `sent ${address}`

/** The private sockets, each of an interface that is there. */
export class Sockets {
  readonly #parts: Parts
  readonly #all = new Map<string, Private>()
  #changes = 0
  /** What was said of an address that adverts cannot be sent from. */
  readonly #warned = new Map<string, string>()
  #nothingToAdvertiseOn: boolean

  /** `isNothing`: it was said already that there is no interface to advertise on. */
  constructor(parts: Parts, isNothing: boolean) {
    this.#parts = parts
    this.#nothingToAdvertiseOn = isNothing
  }

  get size(): number {
    return this.#all.size
  }

  /** How often a socket came or went: what is local is so still as long as it is the same. */
  get changes(): number {
    return this.#changes
  }

  isOwn(source: Endpoint): boolean {
    for (const { endpoint } of this.#all.values()) {
      if (sameEndpoint(endpoint, source)) return true
    }
    return false
  }

  /** Whether something comes from this machine itself. Systems drop what comes in from outside with such a source. */
  isLocal(source: Endpoint): boolean {
    return isLoopback(source.host) || this.#all.has(source.host)
  }

  isBroadcast(host: string): boolean {
    for (const { broadcast } of this.#all.values()) if (broadcast === host) return true
    return false
  }

  /**
   * Whether a datagram to whoever said to be there gets to one socket of one node: not to a broadcast address, and not to the shared port,
   * where any node of that machine might get it. Nobody receives at port 0.
   */
  isOneSocket({ host, port }: Endpoint): boolean {
    if (port === this.#parts.config.advertisePort || port === 0 || host === "255.255.255.255") return false
    return !this.isBroadcast(host)
  }

  /** The one that shares a subnet with a host. */
  near(host: string): Private | undefined {
    for (const one of this.#all.values()) if (sameSubnet(one.address, host, one.prefixLength)) return one
    return undefined
  }

  /** The advert that this node listens on a port at the address of a socket. */
  advert(one: Private, port: number): Uint8Array {
    return AdvertExchange.packet(this.#parts.self, { host: one.address, port })
  }

  /** Opens those of new interfaces, and closes those of interfaces that are gone. */
  get refresh(): Effect.Effect<void> {
    const { config: { bindIp, obstacles }, interfaces } = this.#parts
    return Effect.gen({ self: this }, function*() {
      const read = yield* interfaces.read(() => [...this.#all.values()])
      const now = read.filter(({ broadcasts }) => broadcasts)
      for (const one of this.#all.values()) {
        if (!now.some((target) => target.address === one.address && target.broadcast === one.broadcast)) {
          yield* Effect.logInfo(`no longer advertising from ${one.address}: the interface is gone`)
          yield* this.#close(one)
        }
      }
      for (const target of now) if (!this.#all.has(target.address)) yield* this.#open(target)
      for (const address of this.#warned.keys()) {
        if (now.some((target) => target.address === address)) continue
        this.#warned.delete(address)
        obstacles.over(obstacleOf(address))
      }
      if (now.length === 0 && !this.#nothingToAdvertiseOn) {
        yield* Effect.logWarning(
          Why.see(
            `no network interface to advertise on for bindIp ${bindIp}; waiting for one that can broadcast`,
            "no-broadcasts"
          )
        )
      }
      this.#nothingToAdvertiseOn = now.length === 0
    })
  }

  /** Sends a packet on every interface, of which nobody minds whether it arrives. */
  tell(packet: (one: Private) => Uint8Array): Effect.Effect<void> {
    return Effect.forEach(
      [...this.#all.values()],
      (one) => Effect.ignore(Effect.suspend(() => one.send(packet(one), one.destination))),
      { discard: true }
    )
  }

  /** Sends one advert on every interface; how many the system forbade. */
  broadcast(port: number): Effect.Effect<number> {
    const { config, sent } = this.#parts
    return Effect.gen({ self: this }, function*() {
      let forbidden = 0
      for (const one of this.#all.values()) {
        yield* one.send(this.advert(one, port), one.destination).pipe(
          Effect.tap(() =>
            Effect.sync(() => {
              this.#warned.delete(one.address)
              config.obstacles.over(obstacleOf(one.address))
              sent("broadcast")
            })
          ),
          Effect.catch((failure) => {
            // Closed meanwhile, since its interface is gone.
            if (this.#all.get(one.address) !== one) return Effect.void
            sent("failed")
            const { reason } = failure
            const kind = reason._tag === "DatagramSocketWriteError" ? reason.kind : "Closed"
            if (kind === "PermissionDenied") {
              forbidden++
              return this.#warn("BroadcastImpossible", one.address, failure)
            }
            const said = this.#warn("Unknown", one.address, "cause" in reason ? reason.cause : failure)
            // The next round opens it anew, if the interface is still there.
            return kind === "MessageTooLarge" ? said : Effect.andThen(said, this.#close(one))
          })
        )
      }
      return forbidden
    })
  }

  #open(target: Target): Effect.Effect<void> {
    const { came, config: { advertisePort, limits }, hearer, network, runIn, scope: outer } = this.#parts
    return Effect.gen({ self: this }, function*() {
      const scope = yield* Scope.fork(outer)
      yield* Effect.gen({ self: this }, function*() {
        let heard: ReturnType<Parts["hearer"]> | undefined
        const socket = yield* network.datagram({
          address: target.address,
          port: 0,
          broadcast: true,
          capacity: limits.datagrams,
          take: (payload, host, port) => heard !== undefined && heard.take(payload, host, port)
        })
        const reader = yield* socket.reader
        const writer = yield* socket.writer
        // What is written to a socket that is closed waits until it is opened again, and this one never is.
        const closed = Latch.makeUnsafe(false)
        yield* Effect.addFinalizer(() => closed.open)
        const isClosed = Effect.flatMap(closed.await, () =>
          Effect.fail(
            new DatagramSocket.DatagramSocketError({ reason: new DatagramSocket.DatagramSocketClosedError() })
          ))
        const one: Private = {
          ...target,
          endpoint: { host: target.address, port: reader.address.port },
          // Nearly always it is written at once, and then nothing else is begun.
          send: (payload, address) => Effect.raceFirst(writer.write({ payload, address }), isClosed),
          post: (payload, { host, port }, done) =>
            runIn(
              Effect.matchEffect(
                writer.write({ payload, address: NetAddress.inetAddressFromNativeUnsafe(host, port) }),
                done
              ),
              scope
            ),
          destination: NetAddress.inetAddressFromIpStringUnsafe(target.broadcast, advertisePort),
          scope
        }
        this.#all.set(target.address, one)
        this.#changes++
        heard = hearer(one)
        came()
        yield* Effect.forkIn(Effect.ignore(heard.hear(reader)), scope)
      }).pipe(
        Scope.provide(scope),
        Effect.catch((cause) =>
          Effect.andThen(
            this.#warnOnce(target.address, openError(target.address, advertisePort, cause).message),
            Scope.close(scope, Exit.void)
          )
        )
      )
    })
  }

  #close(one: Private): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.#all.delete(one.address)
      this.#changes++
      return Scope.close(one.scope, Exit.void)
    })
  }

  #warn(kind: "BroadcastImpossible" | "Unknown", address: string, cause: unknown): Effect.Effect<void> {
    const { config: { advertisePort: port, obstacles }, interfaces, now } = this.#parts
    return Effect.flatMap(isLoopback(address) ? interfaces.loopbackIsDown : Effect.succeed(false), (isDown) => {
      const { message } = new DiscoveryError({ kind, address, port, cause })
      const what = isDown
        ? `nothing can be sent from ${address}, as loopback is not up`
        : kind === "BroadcastImpossible"
        ? `adverts cannot be sent from ${address}, as the system forbids broadcasts`
        : `adverts cannot be sent from ${address}: ${cause instanceof Error ? cause.message : "unknown cause"}`
      const remedy = isDown
        ? "bring it up (on Linux: ip link set lo up)"
        : "list the other nodes' addresses in peers, or see what diagnose finds"
      obstacles.note(obstacleOf(address), now(), { kind: "NotSent", where: address, what, remedy })
      return this.#warnOnce(address, isDown ? Why.see(`${what}; ${remedy}`, "no-broadcasts") : message)
    })
  }

  /** A state that lasts is said once, not every interval. */
  #warnOnce(address: string, message: string): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.#warned.get(address) === message) return Effect.void
      this.#warned.set(address, message)
      return Effect.logWarning(message)
    })
  }
}
