/** Hosts, LANs and what lies between them: who reaches whom now, after how long, and with what luck. */
import { canonicalHost } from "@pnet/core/Advert"
import * as Duration from "effect/Duration"
import * as Address from "./address.ts"
import type { Engine } from "./engine.ts"
import type { LanOptions, Latency, LinkModel, Options, Packet, StreamOptions, Verdict } from "./model.ts"
import { type Field, field, Prng, Prngs } from "./prng.ts"
import { Trace } from "./trace.ts"

/** A link model with its durations in milliseconds. */
export interface Link {
  readonly latency: (prng: Prng) => number
  readonly bandwidth: number
  readonly queue: number
  readonly loss: number
  readonly duplicate: number
  readonly reorder: number
  readonly reorderDelay: number
  readonly model: LinkModel
}

const millis = (input: Duration.Input): number => Duration.toMillis(Duration.fromInputUnsafe(input))

const sampler = (latency: Latency): (prng: Prng) => number => {
  if (typeof latency === "object" && "max" in latency) {
    const min = millis(latency.min)
    const spread = millis(latency.max) - min
    return (prng) => min + prng.double() * spread
  }
  if (typeof latency === "object" && "mean" in latency) {
    const mean = millis(latency.mean)
    const deviation = millis(latency.deviation)
    const floor = millis(latency.floor ?? 0)
    return (prng) => Math.max(floor, mean + prng.normal() * deviation)
  }
  const constant = millis(latency)
  return () => constant
}

const linkOf = (model: LinkModel): Link => ({
  latency: sampler(model.latency ?? 1),
  bandwidth: model.bandwidth ?? Infinity,
  queue: model.queue ?? 1 << 20,
  loss: model.loss ?? 0,
  duplicate: model.duplicate ?? 0,
  reorder: model.reorder ?? 0,
  reorderDelay: millis(model.reorderDelay ?? 10),
  model
})

const override = (base: LinkModel, over: LinkModel | undefined): LinkModel => {
  const merged: Record<string, unknown> = { ...base }
  for (const [key, value] of Object.entries(over ?? {})) if (value !== undefined) merged[key] = value
  return merged
}

export interface Lan {
  readonly name: string
  readonly network: number
  readonly prefixLength: number
  link: Link
  /** By address, in the order of attachment. */
  readonly interfaces: Map<number, Interface>
  next: number
}

// So many are looked through one by one at most.
const mostOpened = 4_096

/**
 * How often anything changed that who hears whom depends on: what was found before is so still as long as the number is the same. Whatever changes it is
 * an accessor, so that nobody can forget to count.
 */
export class Changes {
  count = 0
  /** The hosts whose datagram sockets came or went, in order; begun anew, with another `count`, where they are too many. */
  readonly opened: Array<HostState> = []
  // What is frozen is no change: where many are frozen now and then, nothing would be as it was.
  #frozen = new Uint32Array(0)

  /** A datagram socket of a host came or went, which is of no concern to what is known of others. */
  open(host: HostState): void {
    this.opened.push(host)
    if (this.opened.length <= mostOpened) return
    this.opened.length = 0
    this.count++
  }

  /** How many there are of what is frozen of a host, itself or a process of it, changes by so many. */
  freeze(host: number, by: number): void {
    if (host >= this.#frozen.length) {
      const more = new Uint32Array(2 * host + 64)
      more.set(this.#frozen)
      this.#frozen = more
    }
    this.#frozen[host]! += by
  }

  /** Whether anything of a host is frozen. */
  isFrozen(host: number): boolean {
    return host < this.#frozen.length && this.#frozen[host]! > 0
  }
}

export class Interface {
  readonly id: number
  readonly host: HostState
  readonly name: string
  readonly lan: Lan
  /** When what it has been given to send will have left it. */
  busyUntil = 0
  /** One stream of chance for each receiver, by its interface's id. */
  readonly chances: Field = field()
  readonly #changes: Changes
  #address: number
  #up = true

  constructor(id: number, host: HostState, name: string, lan: Lan, address: number) {
    this.id = id
    this.host = host
    this.name = name
    this.lan = lan
    this.#changes = host.changes
    this.#address = address
    this.#changes.count++
  }

  get address(): number {
    return this.#address
  }

  set address(address: number) {
    this.#address = address
    this.#changes.count++
  }

  get up(): boolean {
    return this.#up
  }

  set up(up: boolean) {
    this.#up = up
    this.#changes.count++
  }
}

/** How a packet leaves a host. */
export type Route =
  | { readonly _tag: "Local"; readonly broadcast: boolean; readonly source: number }
  | { readonly _tag: "Link"; readonly via: Interface; readonly broadcast: boolean; readonly source: number }

/** One way from one interface to another, as it is now. `via` is absent on the way to oneself. */
export interface Path {
  readonly link: Link
  readonly via: Interface | undefined
  readonly to: HostState
}

export class HostState {
  readonly id: number
  readonly name: string
  readonly interfaces: Array<Interface> = []
  readonly chance: Prng
  readonly changes: Changes
  #up = true
  #paused = false
  /** Whether its system lets anybody send broadcasts. */
  broadcasts = true
  loopbackUp = true
  skew: number
  /** Rate of its clocks against the network's. */
  readonly rate: number
  nextInterface = 0
  /** What modules keep of it: see `ofHost`. */
  readonly kept: Array<unknown> = []
  #nextPort = 49_152

  constructor(id: number, name: string, skew: number, rate: number, chance: Prng, changes: Changes) {
    this.changes = changes
    this.id = id
    this.name = name
    this.skew = skew
    this.rate = rate
    this.chance = chance
  }

  get up(): boolean {
    return this.#up
  }

  set up(up: boolean) {
    this.#up = up
    this.changes.count++
  }

  get paused(): boolean {
    return this.#paused
  }

  set paused(paused: boolean) {
    if (paused === this.#paused) return
    this.#paused = paused
    this.changes.freeze(this.id, paused ? 1 : -1)
  }

  /** The next port that `taken` does not claim, in order, so that a trace reads well. */
  ephemeral(taken: (port: number) => boolean): number | undefined {
    for (let i = 0; i < 16_384; i++) {
      const port = this.#nextPort
      this.#nextPort = port === 65_535 ? 49_152 : port + 1
      if (!taken(port)) return port
    }
    return undefined
  }

  owns(address: number): boolean {
    return Address.isLoopback(address) || this.interfaces.some((i) => i.address === address)
  }

  /** Whether a socket may be bound to it. */
  bindable(address: number): boolean {
    return address === Address.any || address === Address.limitedBroadcast || this.owns(address) ||
      this.interfaces.some((i) => broadcastOf(i) === address)
  }
}

/** What a module keeps of each host that it has to do with: what a host is made of knows nothing of what runs on it. */
export const ofHost = <A>(make: () => A): (host: HostState) => A => {
  const place = places++
  return ({ kept }) => (kept[place] ??= make()) as A
}
let places = 0

export const broadcastOf = (i: Interface): number => Address.broadcastOf(i.lan.network, i.lan.prefixLength)

export class World {
  readonly engine: Engine
  readonly trace: Trace
  readonly prng: Prng
  readonly resolution: number
  readonly kernelBuffer: number
  readonly loopback: Link
  readonly baseLink: LinkModel
  readonly lans = new Map<string, Lan>()
  readonly defaultLan: Lan
  readonly hosts = new Map<string, HostState>()
  readonly changes = new Changes()
  readonly streams: {
    readonly window: number
    readonly backlog: number
    readonly connectRetry: number
    readonly connectRetries: number
    readonly retry: number
    readonly retryMax: number
    readonly giveUp: number
    readonly chunking: NonNullable<StreamOptions["chunking"]>
  }
  /** Directed pairs of hosts that are cut from each other. */
  readonly #cuts = new Set<number>()
  readonly #names = new Map<string, ReadonlyArray<string>>()
  resolves = true
  readonly #pairs = new Map<number, LinkModel>()
  #pairLinks = new Map<string, Link>()
  readonly #chances = new Prngs()
  #interceptors: Array<(packet: Packet) => Verdict> = []
  #interfaces = 0
  #connections = 0
  #pids = 0

  constructor(engine: Engine, options: Options) {
    this.engine = engine
    this.trace = new Trace(options.traceCapacity ?? 10_000, () => engine.now())
    this.prng = new Prng(String(options.seed ?? "pnet"))
    this.resolution = millis(options.resolution ?? 1)
    this.kernelBuffer = options.kernelBuffer ?? 212_992
    this.baseLink = options.link ?? {}
    this.loopback = linkOf({ latency: 0, ...options.loopback })
    const streams = options.streams ?? {}
    this.streams = {
      window: streams.window ?? 262_144,
      backlog: streams.backlog ?? 128,
      connectRetry: millis(streams.connectRetry ?? 1_000),
      connectRetries: streams.connectRetries ?? 6,
      retry: millis(streams.retry ?? 200),
      retryMax: millis(streams.retryMax ?? 120_000),
      giveUp: millis(streams.giveUp ?? 900_000),
      chunking: streams.chunking ?? "random"
    }
    for (const [name, lan] of Object.entries(options.lans ?? { lan: {} })) this.addLan(name, lan)
    const first = this.lans.values().next().value
    if (first === undefined) throw new Error("SimNetwork needs at least one LAN")
    this.defaultLan = first
  }

  setName(name: string, addresses: ReadonlyArray<string> | undefined): void {
    if (addresses === undefined) this.#names.delete(nameKey(name))
    else {this.#names.set(
        nameKey(name),
        addresses.map((text) => {
          const address = canonicalHost(text)
          if (address === undefined) throw new Error(`${text} is not an address, which ${name} could have`)
          return address
        })
      )}
  }

  /** The addresses of a name; an address has itself. Or why there are none. */
  resolve(name: string): ReadonlyArray<string> | "NotFound" | "Unavailable" {
    const address = canonicalHost(name)
    if (address !== undefined) return [address]
    if (nameKey(name) === "localhost") return ["127.0.0.1"]
    if (!this.resolves) return "Unavailable"
    const found = this.#names.get(nameKey(name)) ?? []
    return found.length === 0 ? "NotFound" : [...new Set(found)]
  }

  addLan(name: string, options: LanOptions): Lan {
    if (this.lans.has(name)) throw new Error(`SimNetwork has a LAN ${name} already`)
    const [text, length] = (options.subnet ?? `10.0.${this.lans.size}.0/24`).split("/")
    const prefixLength = Number(length)
    const address = Address.parse(text!)
    if (address === undefined || !(prefixLength >= 8 && prefixLength <= 30)) {
      throw new Error(`LAN ${name}: ${options.subnet} is not an IPv4 prefix of 8 to 30 bits, such as 10.0.0.0/24`)
    }
    const lan: Lan = {
      name,
      network: Address.networkOf(address, prefixLength),
      prefixLength,
      link: linkOf(override(this.baseLink, options.link)),
      interfaces: new Map(),
      next: 1
    }
    this.lans.set(name, lan)
    return lan
  }

  lan(name: string): Lan {
    const lan = this.lans.get(name)
    if (lan === undefined) throw new Error(`SimNetwork has no LAN ${name}; it has ${[...this.lans.keys()].join(", ")}`)
    return lan
  }

  setLink(name: string, model: LinkModel): void {
    const lan = this.lan(name)
    lan.link = linkOf(override(lan.link.model, model))
    this.#pairLinks = new Map()
  }

  setPair(from: HostState, to: HostState, model: LinkModel | undefined): void {
    const key = pair(from, to)
    if (model === undefined) this.#pairs.delete(key)
    else this.#pairs.set(key, override(this.#pairs.get(key) ?? {}, model))
    this.#pairLinks = new Map()
  }

  addHost(name: string, skew: number, drift: number): HostState {
    if (this.hosts.has(name)) throw new Error(`SimNetwork has a host ${name} already`)
    const host = new HostState(this.hosts.size, name, skew, 1 + drift, this.prng.fork(`host/${name}`), this.changes)
    this.hosts.set(name, host)
    return host
  }

  addInterface(host: HostState, lan: Lan, address: string | undefined, name: string | undefined): Interface {
    const label = name ?? `eth${host.nextInterface}`
    host.nextInterface++
    if (label === "lo" || host.interfaces.some((i) => i.name === label)) {
      throw new Error(`host ${host.name} has an interface ${label} already`)
    }
    const added = new Interface(++this.#interfaces, host, label, lan, this.#claim(lan, address))
    host.interfaces.push(added)
    lan.interfaces.set(added.address, added)
    return added
  }

  removeInterface(i: Interface): void {
    i.lan.interfaces.delete(i.address)
    i.up = false
    i.host.interfaces.splice(i.host.interfaces.indexOf(i), 1)
  }

  changeAddress(i: Interface, address: string | undefined): void {
    const claimed = this.#claim(i.lan, address)
    i.lan.interfaces.delete(i.address)
    i.address = claimed
    i.lan.interfaces.set(claimed, i)
  }

  #claim(lan: Lan, text: string | undefined): number {
    const last = Address.broadcastOf(lan.network, lan.prefixLength)
    if (text === undefined) {
      for (; lan.network + lan.next < last; lan.next++) {
        const candidate = lan.network + lan.next
        if (!lan.interfaces.has(candidate)) {
          lan.next++
          return candidate
        }
      }
      throw new Error(`LAN ${lan.name} has no free address left; give it a shorter prefix`)
    }
    const address = Address.parse(text)
    if (address === undefined || address <= lan.network || address >= last) {
      throw new Error(
        `${text} is not a host address of LAN ${lan.name} (${Address.format(lan.network)}/${lan.prefixLength})`
      )
    }
    if (lan.interfaces.has(address)) {
      throw new Error(`${text} is taken on LAN ${lan.name} by ${lan.interfaces.get(address)!.host.name}`)
    }
    return address
  }

  nextConnection(): number {
    return ++this.#connections
  }

  nextPid(): number {
    return ++this.#pids
  }

  quantise(time: number): number {
    return this.resolution > 0 ? Math.ceil((time - 1e-6) / this.resolution) * this.resolution : time
  }

  setCut(from: HostState, to: HostState, cut: boolean): void {
    if (from === to) return
    this.changes.count++
    if (cut) this.#cuts.add(pair(from, to))
    else this.#cuts.delete(pair(from, to))
  }

  healAll(): void {
    this.changes.count++
    this.#cuts.clear()
  }

  /** Whether anybody is cut from anybody. */
  get isAnyCut(): boolean {
    return this.#cuts.size > 0
  }

  isCut(from: HostState, to: HostState): boolean {
    return this.#cuts.size > 0 && this.#cuts.has(pair(from, to))
  }

  linkBetween(from: Interface, to: Interface): Link {
    if (this.#pairs.size === 0) return from.lan.link
    const over = this.#pairs.get(pair(from.host, to.host))
    if (over === undefined) return from.lan.link
    const key = `${from.host.id} ${to.host.id} ${from.lan.name}`
    let link = this.#pairLinks.get(key)
    if (link === undefined) this.#pairLinks.set(key, link = linkOf(override(from.lan.link.model, over)))
    return link
  }

  /** The chance of one way, until another one's is asked for; `id` is that of the interface that it leads to. */
  chance(from: Interface, to: Interface, id: number): Prng {
    const chances = this.#chances
    if (!chances.isOf(from.chances, id)) {
      chances.begin(this.prng.nameOf(`link/${from.host.name}:${from.name}>${to.host.name}:${to.name}`))
    }
    return chances
  }

  /** Where a host sends what goes to `address`; `bound` is the source it insists on. */
  route(host: HostState, address: number, bound: number | undefined): Route | undefined {
    if (Address.isLoopback(address)) {
      if (!host.loopbackUp) return undefined
      return {
        _tag: "Local",
        broadcast: address === Address.loopbackBroadcast,
        source: bound ?? (address === Address.loopbackBroadcast ? Address.loopback : address)
      }
    }
    for (const i of host.interfaces) {
      if (i.up && i.address === address) return { _tag: "Local", broadcast: false, source: bound ?? address }
    }
    if (address === Address.limitedBroadcast) {
      if (bound !== undefined && Address.isLoopback(bound)) return { _tag: "Local", broadcast: true, source: bound }
      // Like Linux: the interface the socket is bound to, or the first one alone.
      const via = host.interfaces.find((i) => i.up && (bound === undefined || i.address === bound))
      return via && { _tag: "Link", via, broadcast: true, source: bound ?? via.address }
    }
    for (const i of host.interfaces) {
      if (i.up && Address.networkOf(address, i.lan.prefixLength) === i.lan.network) {
        return { _tag: "Link", via: i, broadcast: broadcastOf(i) === address, source: bound ?? i.address }
      }
    }
    return undefined
  }

  /**
   * Who would receive a unicast packet now, or why nobody does. What is in flight does not care whether its sender still
   * has power.
   */
  path(from: HostState, source: number, destination: number, inFlight = false): Path | string {
    if (!from.up && !inFlight) return "host-down"
    const route = this.route(from, destination, source)
    if (route === undefined) return "no-route"
    if (route._tag === "Local") return { link: this.loopback, via: undefined, to: from }
    if (!from.owns(source)) return "no-such-source"
    return this.arrival(route.via, destination) ?? "no-host"
  }

  /** The way over one interface to an address of its LAN. */
  arrival(via: Interface, destination: number): Path | string | undefined {
    const to = via.lan.interfaces.get(destination)
    if (to === undefined) return undefined
    const reason = this.barrier(via, to)
    return reason ?? { link: this.linkBetween(via, to), via, to: to.host }
  }

  /** Why nothing gets from one interface of a LAN to another now. */
  barrier(from: Interface, to: Interface): string | undefined {
    if (!from.up || !to.up) return "link-down"
    if (!to.host.up) return "host-down"
    if (this.isCut(from.host, to.host)) return "partitioned"
    return undefined
  }

  /** When the last byte of a packet leaves an interface, or `undefined` when its queue is full. */
  depart(via: Interface | undefined, link: Link, bytes: number, droppable: boolean): number | undefined {
    const now = this.engine.now()
    if (via === undefined || link.bandwidth === Infinity) return now
    const start = Math.max(now, via.busyUntil)
    if (droppable && (start - now) * link.bandwidth / 1000 + bytes > link.queue) return undefined
    via.busyUntil = start + bytes / link.bandwidth * 1000
    return via.busyUntil
  }

  intercept(hook: (packet: Packet) => Verdict): () => void {
    this.#interceptors.push(hook)
    return () => {
      this.#interceptors = this.#interceptors.filter((other) => other !== hook)
    }
  }

  /** What the interceptors make of a payload: the payloads to send instead, in order. `undefined`: just this one. */
  inspect(
    protocol: "udp" | "tcp",
    host: HostState,
    from: number,
    fromPort: number,
    to: number,
    toPort: number,
    payload: Uint8Array
  ): ReadonlyArray<Uint8Array> | undefined {
    if (this.#interceptors.length === 0) return undefined
    let payloads: ReadonlyArray<Uint8Array> = [payload]
    for (const hook of this.#interceptors) {
      payloads = payloads.flatMap((current) => {
        const verdict = hook({
          protocol,
          host: host.name,
          from: `${Address.format(from)}:${fromPort}`,
          to: `${Address.format(to)}:${toPort}`,
          payload: current
        })
        if (verdict === "pass") return [current]
        if (verdict === "drop") return []
        return "replace" in verdict ? [verdict.replace] : [current, ...verdict.inject]
      })
    }
    return payloads
  }
}

const pair = (from: HostState, to: HostState): number => from.id * 65_536 + to.id

// Names are compared without regard to case, and may end in a dot.
const nameKey = (name: string): string => name.toLowerCase().replace(/\.$/, "")
