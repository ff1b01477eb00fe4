/** UDP as Linux has it: binding, broadcast, address reuse, and a bounded buffer while nobody reads. */
import type { DatagramOptions } from "@pnet/core/Network"
import * as Effect from "effect/Effect"
import * as DatagramSocket from "effect/socket/DatagramSocket"
import * as Address from "./address.ts"
import type { Held, ProcessState } from "./process.ts"
import { broadcastOf, type HostState, type Interface, type Link, ofHost, type World } from "./world.ts"

const maxPayload = 65_507
// What the kernel charges a socket for a datagram besides its payload.
const overhead = 768

const openError = (kind: DatagramSocket.DatagramSocketOpenError["kind"], message: string) =>
  new DatagramSocket.DatagramSocketError({
    reason: new DatagramSocket.DatagramSocketOpenError({ kind, cause: new Error(message) })
  })

const writeError = (kind: DatagramSocket.IoErrorKind, message: string) =>
  new DatagramSocket.DatagramSocketError({
    reason: new DatagramSocket.DatagramSocketWriteError({ kind, cause: new Error(message) })
  })

/** The datagram sockets of a host, by port. */
const datagramsOf = ofHost(() => new Map<number, Array<DatagramEndpoint>>())

export class DatagramEndpoint implements Held {
  readonly kind = "datagram"
  readonly process: ProcessState
  readonly localAddress: number
  readonly localPort: number
  readonly remote = undefined
  readonly reuseAddress: boolean
  readonly broadcast: boolean
  readonly events: DatagramSocket.BackingEvents
  #buffered = 0
  #open = true

  constructor(
    process: ProcessState,
    address: number,
    port: number,
    options: DatagramOptions,
    events: DatagramSocket.BackingEvents
  ) {
    this.process = process
    this.localAddress = address
    this.localPort = port
    this.reuseAddress = options.reuseAddress ?? false
    this.broadcast = options.broadcast ?? false
    this.events = events
    const datagrams = datagramsOf(process.host)
    const others = datagrams.get(port)
    if (others === undefined) datagrams.set(port, [this])
    else others.push(this)
    process.held.add(this)
  }

  /** Takes it off its host, so that nothing arrives any more. */
  close(): void {
    if (!this.#open) return
    this.#open = false
    this.process.held.delete(this)
    const datagrams = datagramsOf(this.process.host)
    const left = datagrams.get(this.localPort)!.filter((other) => other !== this)
    if (left.length === 0) datagrams.delete(this.localPort)
    else datagrams.set(this.localPort, left)
  }

  vanish(): void {
    this.close()
    this.events.onClose()
  }

  kill(): void {
    this.vanish()
  }

  /** `false` when the buffer of a frozen process is full. */
  receive(payload: Uint8Array, host: string, port: number): boolean {
    if (!this.process.frozen) {
      this.events.onPacket(payload, host, port)
      return true
    }
    const size = payload.length + overhead
    if (this.#buffered + size > this.process.world.kernelBuffer) return false
    this.#buffered += size
    this.process.whenThawed(() => {
      this.#buffered -= size
      if (this.#open) this.events.onPacket(payload, host, port)
    })
    return true
  }

  get bound(): number | undefined {
    const { localAddress } = this
    // A socket bound to a broadcast address receives there and sends from the interface's address.
    return localAddress === Address.any || localAddress === Address.limitedBroadcast ||
        localAddress === Address.loopbackBroadcast ||
        this.process.host.interfaces.some((i) => broadcastOf(i) === localAddress)
      ? undefined
      : localAddress
  }
}

/** A datagram socket of a process. */
export const makeSocket = (
  process: ProcessState,
  options: DatagramOptions
): Effect.Effect<DatagramSocket.DatagramSocket> =>
  DatagramSocket.makeFromBackingSocket(
    (events) => Effect.andThen(process.gate, Effect.suspend(() => open(process, options, events))),
    { receiveBuffer: { capacity: options.capacity } }
  )

const open = (
  process: ProcessState,
  options: DatagramOptions,
  events: DatagramSocket.BackingEvents
): Effect.Effect<DatagramSocket.BackingSocket, DatagramSocket.DatagramSocketError> => {
  const { host, world } = process
  const fail = (kind: DatagramSocket.DatagramSocketOpenError["kind"], message: string) =>
    Effect.fail(openError(kind, `bind ${options.address}:${options.port}: ${message}`))
  if (!process.alive) return fail("Unknown", "the process is dead")
  const address = Address.parse(options.address)
  if (address === undefined || !host.bindable(address)) return fail("AddressNotAvailable", "EADDRNOTAVAIL")
  const inUse = (port: number) =>
    (datagramsOf(host).get(port) ?? []).some((other) =>
      !(other.reuseAddress && options.reuseAddress === true) &&
      (other.localAddress === address || other.localAddress === Address.any || address === Address.any)
    )
  const port = options.port === 0 ? host.ephemeral((p) => datagramsOf(host).has(p)) : options.port
  if (port === undefined || inUse(port)) return fail("AddressInUse", "EADDRINUSE")
  const endpoint = new DatagramEndpoint(process, address, port, options, events)
  const send = (
    payload: Uint8Array,
    destination: DatagramSocket.BackingAddress | undefined
  ): DatagramSocket.DatagramSocketError | undefined => {
    // What the dying program still tries to send goes nowhere.
    if (!process.alive || destination === undefined) return undefined
    return transmit(world, endpoint, payload.slice(), destination.host, destination.port)
  }
  return Effect.succeed({
    address: { host: Address.format(address), port },
    // The destination may be reused by the caller, so a frozen process's is copied.
    send: (payload, destination, done) => {
      if (!process.frozen) return done(send(payload, destination))
      const to = destination && { host: destination.host, port: destination.port }
      process.whenThawed(() => done(send(payload, to)))
    },
    sendMany: (payloads, destinations, done) =>
      process.whenThawed(() => {
        for (let i = 0; i < payloads.length; i++) {
          const error = send(payloads[i]!, destinations[i])
          if (error !== undefined) return done(error, i)
        }
        done()
      }),
    joinMulticast: () =>
      Effect.fail(
        new DatagramSocket.DatagramSocketError({
          reason: new DatagramSocket.DatagramSocketUnsupportedError({ capability: "multicast", runtime: "SimNetwork" })
        })
      ),
    close: () => endpoint.close()
  })
}

const transmit = (
  world: World,
  endpoint: DatagramEndpoint,
  payload: Uint8Array,
  toHost: string,
  toPort: number
): DatagramSocket.DatagramSocketError | undefined => {
  const { host } = endpoint.process
  const where = `send to ${toHost}:${toPort}`
  if (payload.length > maxPayload) return writeError("MessageTooLarge", `${where}: EMSGSIZE, ${payload.length} bytes`)
  const destination = Address.parse(toHost)
  if (destination === undefined || toPort < 1 || toPort > 65_535) return writeError("Unknown", `${where}: EINVAL`)
  const bound = endpoint.bound
  if (bound !== undefined && !host.owns(bound)) return writeError("Unreachable", `${where}: ENETUNREACH`)
  const route = world.route(host, destination, bound)
  if (route === undefined) return writeError("Unreachable", `${where}: ENETUNREACH`)
  if (route.broadcast && !endpoint.broadcast) return writeError("PermissionDenied", `${where}: EACCES`)
  if (route.broadcast && !host.broadcasts) return writeError("PermissionDenied", `${where}: EPERM`)
  if (route._tag === "Link" && bound !== undefined && Address.isLoopback(bound)) {
    return writeError("Unknown", `${where}: EINVAL, ${Address.format(bound)} is a loopback address`)
  }
  const { source } = route
  const payloads = world.inspect("udp", host, source, endpoint.localPort, destination, toPort, payload)
  if (payloads === undefined) {
    emit(world, host, route, payload, source, endpoint.localPort, destination, toPort)
    return undefined
  }
  if (payloads.length === 0) {
    const hash = world.trace.hash(payload)
    world.trace.dropped("intercepted")
    world.trace.packet(
      "udp.drop",
      host.name,
      source,
      endpoint.localPort,
      undefined,
      destination,
      toPort,
      payload.length,
      hash,
      "intercepted"
    )
  }
  for (const each of payloads) emit(world, host, route, each, source, endpoint.localPort, destination, toPort)
  return undefined
}

/** Puts one datagram on its way. */
export const emit = (
  world: World,
  host: HostState,
  route: NonNullable<ReturnType<World["route"]>>,
  payload: Uint8Array,
  source: number,
  sourcePort: number,
  destination: number,
  port: number
): void => {
  const { trace } = world
  const hash = trace.hash(payload)
  trace.stats.sent++
  trace.stats.sentBytes += payload.length
  trace.packet("udp.send", host.name, source, sourcePort, undefined, destination, port, payload.length, hash)

  const drop = (to: string | undefined, reason: string) => {
    trace.dropped(reason)
    trace.packet("udp.drop", host.name, source, sourcePort, to, destination, port, payload.length, hash, reason)
  }
  const lose = (to: string) => {
    trace.stats.lost++
    trace.packet("udp.lose", host.name, source, sourcePort, to, destination, port, payload.length, hash)
  }
  const deliver = (to: HostState, broadcast: boolean) => {
    const sockets = matching(to, destination, port, broadcast)
    // That a sender of broadcasts does not listen to them is not worth a word.
    if (sockets.length === 0) return to === host && broadcast ? undefined : drop(to.name, "no-socket")
    for (const socket of sockets) {
      // A copy for each, since a receiver may keep it or change it.
      if (socket.receive(payload.slice(), Address.format(source), sourcePort)) {
        trace.stats.delivered++
        trace.stats.deliveredBytes += payload.length
        trace.packet("udp.deliver", host.name, source, sourcePort, to.name, destination, port, payload.length, hash)
      } else drop(to.name, "buffer-full")
    }
  }

  const locally = (broadcast: boolean) =>
    world.engine.schedule(world.quantise(world.engine.now() + world.loopback.latency(host.chance)), () => {
      if (host.up) deliver(host, broadcast)
    })

  if (route._tag === "Local") return void locally(route.broadcast)
  const { via } = route

  const fly = (to: Interface, link: Link, departure: number) => {
    const barrier = world.barrier(via, to)
    if (barrier !== undefined) return drop(to.host.name, barrier)
    const prng = world.chance(via, to)
    if (prng.chance(link.loss)) return lose(to.host.name)
    const copies = prng.chance(link.duplicate) ? 2 : 1
    for (let i = 0; i < copies; i++) {
      let time = departure + link.latency(prng)
      if (prng.chance(link.reorder)) {
        trace.stats.reordered++
        time += link.reorderDelay
      }
      if (i === 1) {
        trace.stats.duplicated++
        trace.packet(
          "udp.duplicate",
          host.name,
          source,
          sourcePort,
          to.host.name,
          destination,
          port,
          payload.length,
          hash
        )
      }
      world.engine.schedule(world.quantise(time), () => {
        // What was on its way when the way was cut is gone too.
        const barrier = world.barrier(via, to)
        if (barrier !== undefined) return drop(to.host.name, barrier)
        if (!route.broadcast && to.address !== destination) return drop(to.host.name, "no-host")
        deliver(to.host, route.broadcast)
      })
    }
  }

  const departure = world.depart(via, via.lan.link, payload.length, true)
  if (departure === undefined) return drop(undefined, "queue-full")
  if (!route.broadcast) {
    const to = via.lan.interfaces.get(destination)
    if (to === undefined) return drop(undefined, "no-host")
    return fly(to, world.linkBetween(via, to), departure)
  }
  for (const to of via.lan.interfaces.values()) {
    if (to === via) locally(true)
    else fly(to, world.linkBetween(via, to), departure)
  }
}

/** All that match a broadcast; of those that match a unicast, the most specific, the last one bound. */
const matching = (
  host: HostState,
  destination: number,
  port: number,
  broadcast: boolean
): ReadonlyArray<DatagramEndpoint> => {
  const sockets = (datagramsOf(host).get(port) ?? []).filter((socket) =>
    socket.localAddress === Address.any || socket.localAddress === destination
  )
  if (broadcast || sockets.length < 2) return sockets
  const exact = sockets.filter((socket) => socket.localAddress === destination)
  return [(exact.length > 0 ? exact : sockets).at(-1)!]
}
