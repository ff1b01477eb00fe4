/** UDP as Linux has it: binding, broadcast, address reuse, and a bounded buffer while nobody reads. */
import type { DatagramOptions } from "@pnet/core/Network"
import * as Effect from "effect/Effect"
import * as DatagramSocket from "effect/socket/DatagramSocket"
import * as Address from "./address.ts"
import type { Held, ProcessState } from "./process.ts"
import { broadcastOf, type HostState, type Interface, type Lan, ofHost, type Route, type World } from "./world.ts"

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
class Bound {
  readonly #byPort = new Map<number, ReadonlyArray<DatagramEndpoint>>()
  // Most of what comes is for the port that adverts are sent to.
  #lastPort = 0
  #last: ReadonlyArray<DatagramEndpoint> | undefined

  at(port: number): ReadonlyArray<DatagramEndpoint> | undefined {
    if (port !== this.#lastPort) {
      this.#lastPort = port
      this.#last = this.#byPort.get(port)
    }
    return this.#last
  }

  set(port: number, sockets: ReadonlyArray<DatagramEndpoint>): void {
    if (sockets.length === 0) this.#byPort.delete(port)
    else this.#byPort.set(port, sockets)
    this.#lastPort = 0
  }
}

const boundOf = ofHost(() => new Bound())

export class DatagramEndpoint implements Held {
  readonly kind = "datagram"
  readonly process: ProcessState
  readonly localAddress: number
  readonly localPort: number
  readonly remote = undefined
  readonly reuseAddress: boolean
  readonly broadcast: boolean
  readonly #events: DatagramSocket.BackingEvents
  readonly #take: DatagramOptions["take"]
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
    this.#events = events
    this.#take = options.take
    const bound = boundOf(process.host)
    bound.set(port, [...bound.at(port) ?? [], this])
    process.held.add(this)
    process.host.changes.open(process.host)
  }

  /** Takes it off its host, so that nothing arrives any more. */
  close(): void {
    if (!this.#open) return
    this.#open = false
    this.process.held.delete(this)
    const bound = boundOf(this.process.host)
    bound.set(this.localPort, bound.at(this.localPort)!.filter((other) => other !== this))
    this.process.host.changes.open(this.process.host)
  }

  vanish(): void {
    this.close()
    this.#events.onClose()
  }

  kill(): void {
    this.vanish()
  }

  /** `false` when the buffer of a frozen process is full. */
  receive(payload: Uint8Array, host: string, port: number): boolean {
    if (!this.process.frozen) {
      this.#give(payload, host, port)
      return true
    }
    const size = payload.length + overhead
    if (this.#buffered + size > this.process.world.kernelBuffer) return false
    this.#buffered += size
    this.process.whenThawed(() => {
      this.#buffered -= size
      this.#give(payload, host, port)
    })
    return true
  }

  /** To who takes it, the same bytes to all, and to the reader what he does not take. */
  #give(payload: Uint8Array, host: string, port: number): void {
    // It may have closed meanwhile, also by what others did that heard the same.
    if (this.#open && !isTaken(this.#take, payload, host, port)) this.leave(payload, host, port)
  }

  /** To the reader. */
  leave(payload: Uint8Array, host: string, port: number): void {
    this.#events.onPacket(copy(payload), host, port)
  }

  /** What takes its datagrams when they come, as long as its process is not frozen. */
  get taker(): DatagramOptions["take"] {
    return this.#take
  }

  /** Whether what is sent to an address is for it. */
  hears(destination: number): boolean {
    return this.localAddress === Address.any || this.localAddress === destination
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

const isTaken = (take: DatagramOptions["take"], payload: Uint8Array, host: string, port: number): boolean => {
  try {
    return take !== undefined && take(payload, host, port)
  } catch {
    // Whoever reads it finds the same, and says so.
    return false
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
    (boundOf(host).at(port) ?? []).some((other) =>
      !(other.reuseAddress && options.reuseAddress === true) &&
      (other.localAddress === address || other.localAddress === Address.any || address === Address.any)
    )
  const port = options.port === 0 ? host.ephemeral((p) => boundOf(host).at(p) !== undefined) : options.port
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
  route: Route,
  payload: Uint8Array,
  source: number,
  sourcePort: number,
  destination: number,
  port: number
): void => new Sent(world, host, route, { payload, source, sourcePort, destination, port }).leave()

interface Header {
  readonly payload: Uint8Array
  readonly source: number
  readonly sourcePort: number
  readonly destination: number
  readonly port: number
}

/** What is known of who hears a datagram at an interface: nothing, so that it is looked at then; that nobody does; or the one socket that does. */
const unknown = 0
const nobody = 1
const taken = 2

/**
 * The interfaces that a datagram goes to. Where it is simple it is known who hears it there, for as long as nothing changes: a broadcast on a LAN of many reaches each of them
 * without a look at its interface, its host and its sockets, all of which are elsewhere in memory.
 */
class Audience {
  readonly interfaces: ReadonlyArray<Interface>
  readonly ids: ReadonlyArray<number>
  readonly hosts: ReadonlyArray<number>
  readonly names: ReadonlyArray<string>
  /** What is known of each. */
  readonly known: Uint8Array
  /** The one socket that hears it at an interface that can be reached, and what takes its datagrams. */
  readonly sockets: Array<DatagramEndpoint | undefined>
  readonly takers: Array<DatagramOptions["take"]>
  readonly destination: number
  readonly port: number
  readonly #world: World
  readonly #isCut: boolean
  readonly #changes: number
  /** Up to where it has followed whose sockets came and went. */
  #opened: number
  /** The places of a host, made when one is asked for. */
  #places: Map<HostState, Array<number>> | undefined

  constructor(world: World, interfaces: ReadonlyArray<Interface>, destination: number, port: number) {
    const { changes } = world
    this.interfaces = interfaces
    this.ids = interfaces.map(({ id }) => id)
    this.hosts = interfaces.map(({ host }) => host.id)
    this.names = interfaces.map(({ host }) => host.name)
    this.known = new Uint8Array(interfaces.length)
    this.sockets = interfaces.map(() => undefined)
    this.takers = interfaces.map(() => undefined)
    this.destination = destination
    this.port = port
    this.#world = world
    this.#isCut = world.isAnyCut
    this.#changes = changes.count
    this.#opened = changes.opened.length
    for (let place = 0; place < interfaces.length; place++) this.#look(place)
  }

  isOf(destination: number, port: number): boolean {
    return this.destination === destination && this.port === port
  }

  /** Whether nothing has changed but who listens, which it knows then. */
  isNow(): boolean {
    const { changes } = this.#world
    if (this.#changes !== changes.count) return false
    if (this.#opened < changes.opened.length) this.#follow(changes.opened)
    return true
  }

  #follow(opened: ReadonlyArray<HostState>): void {
    if (this.#places === undefined) {
      this.#places = new Map()
      for (const [place, { host }] of this.interfaces.entries()) {
        const there = this.#places.get(host)
        if (there === undefined) this.#places.set(host, [place])
        else there.push(place)
      }
    }
    for (; this.#opened < opened.length; this.#opened++) {
      for (const place of this.#places.get(opened[this.#opened]!) ?? []) this.#look(place)
    }
  }

  #look(place: number): void {
    const { host, up } = this.interfaces[place]!
    const isOpen = up && host.up && !this.#isCut
    const all = boundOf(host).at(this.port)?.filter((one) => one.hears(this.destination)) ?? []
    const socket = isOpen && all.length === 1 && all[0]!.taker !== undefined ? all[0] : undefined
    this.sockets[place] = socket
    this.takers[place] = socket?.taker
    this.known[place] = socket !== undefined ? taken : isOpen && all.length === 0 ? nobody : unknown
  }
}

/** Of each LAN the last one: nearly all broadcasts are to one address and port. */
const audiences = new WeakMap<Lan, Audience>()

const audienceOf = (world: World, lan: Lan, destination: number, port: number): Audience => {
  const last = audiences.get(lan)
  if (last !== undefined && last.isOf(destination, port) && last.isNow()) return last
  const made = new Audience(world, [...lan.interfaces.values()], destination, port)
  audiences.set(lan, made)
  return made
}

/** A datagram on its way: one, however many hear it. */
class Sent {
  readonly #world: World
  readonly #host: HostState
  readonly #route: Route
  readonly #header: Header
  readonly #from: string
  readonly #hash: number
  /** Those whom it reaches at one time, in their order, by their places in the audience: they have one timer. */
  readonly #arrivals = new Map<number, Array<number>>()

  constructor(world: World, host: HostState, route: Route, header: Header) {
    this.#world = world
    this.#host = host
    this.#route = route
    this.#header = header
    this.#from = Address.format(header.source)
    this.#hash = world.trace.hash(header.payload)
  }

  leave(): void {
    const world = this.#world
    const host = this.#host
    const route = this.#route
    const { destination, payload, port } = this.#header
    world.trace.stats.sent++
    world.trace.stats.sentBytes += payload.length
    this.#tell("udp.send", undefined)
    if (route._tag === "Local") {
      const time = world.quantise(world.engine.now() + world.loopback.latency(host.chance))
      world.engine.schedule(time, () => {
        if (host.up) this.#deliver(host, route.broadcast)
      })
      return
    }
    const { via } = route
    const departure = world.depart(via, via.lan.link, payload.length, true)
    if (departure === undefined) return this.#drop(undefined, "queue-full")
    if (!route.broadcast) {
      const to = via.lan.interfaces.get(destination)
      if (to === undefined) return this.#drop(undefined, "no-host")
      return this.#fly(via, to, departure)
    }
    const audience = audienceOf(world, via.lan, destination, port)
    const own = audience.interfaces.indexOf(via)
    for (let i = 0; i < audience.ids.length; i++) {
      const to = audience.interfaces[i]!
      if (i === own) this.#arrival(via, to, world.engine.now() + world.loopback.latency(host.chance), audience, i)
      else this.#fly(via, to, departure, audience, i)
    }
  }

  /** To an interface, which has a place in the audience of a broadcast. */
  #fly(via: Interface, to: Interface, departure: number, audience?: Audience, place = 0): void {
    const world = this.#world
    const { trace } = world
    const link = world.linkBetween(via, to)
    const isKnown = audience !== undefined && audience.known[place] !== unknown
    const barrier = isKnown ? undefined : world.barrier(via, to)
    if (barrier !== undefined) return this.#drop(to.host.name, barrier)
    const prng = world.chance(via, to, audience === undefined ? to.id : audience.ids[place]!)
    if (prng.chance(link.loss)) {
      trace.stats.lost++
      return this.#tell("udp.lose", to.host.name)
    }
    const copies = prng.chance(link.duplicate) ? 2 : 1
    for (let i = 0; i < copies; i++) {
      let time = departure + link.latency(prng)
      if (prng.chance(link.reorder)) {
        trace.stats.reordered++
        time += link.reorderDelay
      }
      if (i === 1) {
        trace.stats.duplicated++
        this.#tell("udp.duplicate", to.host.name)
      }
      this.#arrival(via, to, time, audience, place)
    }
  }

  #arrival(via: Interface, to: Interface, at: number, audience: Audience | undefined, place: number): void {
    const world = this.#world
    const time = world.quantise(at)
    if (audience === undefined) return void world.engine.schedule(time, () => this.#arrive(via, to))
    const there = this.#arrivals.get(time)
    if (there !== undefined) return void there.push(place)
    const all = [place]
    this.#arrivals.set(time, all)
    world.engine.schedule(time, () => {
      this.#arrivals.delete(time)
      for (let i = 0; i < all.length; i++) {
        const place = all[i]!
        const known = audience.isNow() ? audience.known[place] : unknown
        if (known === nobody && audience.hosts[place] !== this.#host.id) {
          this.#drop(audience.names[place], "no-socket")
        } else if (known === taken && !world.changes.isFrozen(audience.hosts[place]!)) this.#handTo(audience, place)
        else this.#arrive(via, audience.interfaces[place]!)
      }
    })
  }

  /** What `#arrive` comes to where nothing has changed. */
  #handTo(audience: Audience, place: number): void {
    const { payload, sourcePort } = this.#header
    const { trace } = this.#world
    if (!isTaken(audience.takers[place], payload, this.#from, sourcePort)) {
      audience.sockets[place]!.leave(payload, this.#from, sourcePort)
    }
    trace.stats.delivered++
    trace.stats.deliveredBytes += payload.length
    if (trace.enabled) this.#tell("udp.deliver", audience.interfaces[place]!.host.name)
  }

  #arrive(via: Interface, to: Interface): void {
    const { broadcast } = this.#route
    if (to === via && broadcast) return to.host.up ? this.#deliver(to.host, true) : undefined
    // What was on its way when the way was cut is gone too.
    const barrier = this.#world.barrier(via, to)
    if (barrier !== undefined) return this.#drop(to.host.name, barrier)
    if (!broadcast && to.address !== this.#header.destination) return this.#drop(to.host.name, "no-host")
    this.#deliver(to.host, broadcast)
  }

  #deliver(to: HostState, broadcast: boolean): void {
    const { destination, port } = this.#header
    // Those that are there now, whatever those who hear it open.
    const sockets = boundOf(to).at(port)
    let found = 0
    if (broadcast && sockets !== undefined) {
      for (let i = 0; i < sockets.length; i++) {
        const socket = sockets[i]!
        if (!socket.hears(destination)) continue
        found++
        this.#hand(socket, to)
      }
    } else if (sockets !== undefined) {
      const socket = nearest(sockets, destination)
      if (socket !== undefined) return this.#hand(socket, to)
    }
    // That a sender of broadcasts does not listen to them is not worth a word.
    if (found === 0 && !(to === this.#host && broadcast)) this.#drop(to.name, "no-socket")
  }

  #hand(socket: DatagramEndpoint, to: HostState): void {
    const { payload, sourcePort } = this.#header
    const { trace } = this.#world
    if (!socket.receive(payload, this.#from, sourcePort)) return this.#drop(to.name, "buffer-full")
    trace.stats.delivered++
    trace.stats.deliveredBytes += payload.length
    this.#tell("udp.deliver", to.name)
  }

  #drop(to: string | undefined, reason: string): void {
    this.#world.trace.dropped(reason)
    this.#tell("udp.drop", to, reason)
  }

  #tell(kind: string, to: string | undefined, reason?: string): void {
    const { destination, payload: { length }, port, source, sourcePort } = this.#header
    this.#world.trace.packet(
      kind,
      this.#host.name,
      source,
      sourcePort,
      to,
      destination,
      port,
      length,
      this.#hash,
      reason
    )
  }
}

// Copies of datagrams stand in common memory, as a system's buffers do: memory of its own costs each more than all else.
const slabLength = 16_384
let slab = new Uint8Array(slabLength)
let used = 0

/** A copy for each who reads it, since he may change it. */
const copy = (payload: Uint8Array): Uint8Array => {
  const { length } = payload
  if (length > slabLength / 8) return payload.slice()
  if (used + length > slabLength) {
    slab = new Uint8Array(slabLength)
    used = 0
  }
  const bytes = slab.subarray(used, used + length)
  bytes.set(payload)
  used += length
  return bytes
}

/** Of the sockets that match a unicast the most specific, the last one bound. */
const nearest = (sockets: ReadonlyArray<DatagramEndpoint>, destination: number): DatagramEndpoint | undefined => {
  let any: DatagramEndpoint | undefined
  for (let i = sockets.length - 1; i >= 0; i--) {
    const socket = sockets[i]!
    if (socket.localAddress === destination) return socket
    if (socket.localAddress === Address.any) any ??= socket
  }
  return any
}
