/** How connections come to be: listening, the backlog, and the three-way handshake with its repetitions. */
import * as Address from "./address.ts"
import type { Timer } from "./engine.ts"
import { failure } from "./pipe.ts"
import type { Prng } from "./prng.ts"
import type { Held, ProcessState } from "./process.ts"
import { StreamEndpoint, streamsOf } from "./streams.ts"
import { type HostState, ofHost } from "./world.ts"

const handshakeLimit = 60_000

/** The listening sockets of a host, by port. */
export const listenersOf = ofHost(() => new Map<number, Array<Listener>>())

/** A listening socket. */
export class Listener implements Held {
  readonly kind = "listener"
  readonly process: ProcessState
  readonly localAddress: number
  readonly localPort: number
  readonly remote = undefined
  #open = true
  #halfOpen = new Map<string, StreamEndpoint>()
  #queue: Array<StreamEndpoint> = []
  #acceptor: ((endpoint: StreamEndpoint) => void) | undefined

  constructor(process: ProcessState, address: number, port: number) {
    this.process = process
    this.localAddress = address
    this.localPort = port
    const listeners = listenersOf(process.host)
    listeners.set(port, [...(listeners.get(port) ?? []), this])
    process.held.add(this)
  }

  /** What accepts from now on; gives back what did so before. */
  accept(acceptor: ((endpoint: StreamEndpoint) => void) | undefined): typeof acceptor {
    const previous = this.#acceptor
    this.#acceptor = acceptor
    if (acceptor !== undefined) this.#drain()
    return previous
  }

  #drain(): void {
    const queue = this.#queue
    this.#queue = []
    for (const endpoint of queue) this.#offer(endpoint)
  }

  #offer(endpoint: StreamEndpoint): void {
    this.#queue.push(endpoint)
    if (this.#acceptor === undefined) return
    this.process.whenThawed(() => {
      const index = this.#queue.indexOf(endpoint)
      if (index < 0 || this.#acceptor === undefined) return
      this.#queue.splice(index, 1)
      endpoint.onGone = undefined
      this.process.held.add(endpoint)
      this.#acceptor(endpoint)
    })
  }

  /**
   * A connection request; `undefined` when it is ignored. The same request again gives the same end. One whose handshake is
   * never completed makes room after a minute; or when there is no room, if whoever made it has given up: a system sends a cookie
   * then, and remembers nothing of it, so that requests whose answers were lost, on their way into a network that is cut off, keep nobody out.
   */
  request(key: string, make: () => StreamEndpoint): StreamEndpoint | undefined {
    const known = this.#halfOpen.get(key)
    if (known !== undefined) return known
    if (!this.#hasRoom) this.#forget()
    if (!this.#hasRoom) return undefined
    const endpoint = make()
    const { engine } = this.process.world
    this.#halfOpen.set(key, endpoint)
    const expiry = engine.schedule(engine.now() + handshakeLimit, () => endpoint.expire())
    const leave = () => {
      engine.cancel(expiry)
      this.#halfOpen.delete(key)
      const index = this.#queue.indexOf(endpoint)
      if (index >= 0) this.#queue.splice(index, 1)
    }
    const enter = () => {
      engine.cancel(expiry)
      this.#halfOpen.delete(key)
      if (this.#open) this.#offer(endpoint)
    }
    endpoint.onGone = leave
    endpoint.onOpen = enter
    return endpoint
  }

  get #hasRoom(): boolean {
    return this.#halfOpen.size + this.#queue.length < this.process.world.streams.backlog
  }

  /** Forgets requests of those who have given up. */
  #forget(): void {
    for (const endpoint of this.#halfOpen.values()) if (endpoint.peer!.gone) endpoint.expire()
  }

  close(): void {
    if (!this.#open) return
    this.#open = false
    this.process.held.delete(this)
    const listeners = listenersOf(this.process.host)
    const left = listeners.get(this.localPort)!.filter((other) => other !== this)
    if (left.length === 0) listeners.delete(this.localPort)
    else listeners.set(this.localPort, left)
    for (const endpoint of [...this.#queue, ...this.#halfOpen.values()]) endpoint.abort()
  }

  kill(): void {
    this.close()
  }

  vanish(): void {
    const waiting = [...this.#queue, ...this.#halfOpen.values()]
    for (const endpoint of waiting) endpoint.vanish()
    this.close()
  }
}

/** What a dial ends with. */
export type Dialled = StreamEndpoint | Error

/** A dial: requests until it is answered, refused, or given up. */
class Dial {
  readonly #process: ProcessState
  readonly #near: StreamEndpoint
  readonly #to: { readonly address: number; readonly port: number }
  readonly #chance: Prng
  readonly #where: string
  readonly #done: (result: Dialled) => void
  #timer: Timer | undefined
  #attempt = 0
  #settled = false
  #told = false
  #cancelled = false

  constructor(
    process: ProcessState,
    near: StreamEndpoint,
    to: { readonly address: number; readonly port: number },
    chance: Prng,
    where: string,
    done: (result: Dialled) => void
  ) {
    this.#process = process
    this.#near = near
    this.#to = to
    this.#chance = chance
    this.#where = where
    this.#done = done
    process.held.add(near)
    // Should its process die, its waiting dial ends. Named first: a function that is written where a property takes it is made among the old by V8.
    const end = () => this.finish(near.failed ?? failure("ECONNABORTED", where))
    near.onGone = end
  }

  finish(result: Dialled): void {
    if (this.#settled) return
    this.#settled = true
    const { world } = this.#process
    if (this.#timer !== undefined) world.engine.cancel(this.#timer)
    if (result !== this.#near) {
      this.#process.held.delete(this.#near)
      if (!this.#near.gone) this.#near.fail(result as Error)
    }
    this.#process.whenThawed(() => {
      if (this.#cancelled) return
      this.#told = true
      this.#done(result)
    })
  }

  cancel(): void {
    const near = this.#near
    this.#cancelled = true
    if (this.#settled) {
      // It stood before its process, which was frozen, could be told.
      if (!this.#told) near.close()
      return
    }
    this.#settled = true
    if (this.#timer !== undefined) this.#process.world.engine.cancel(this.#timer)
    this.#process.held.delete(near)
    near.onGone = undefined
    if (!near.gone) near.fail(failure("ECANCELED", this.#where))
  }

  /** Sends a request, and another one when nothing has come for too long. */
  request(): void {
    const { host, world } = this.#process
    const { engine, streams, trace } = world
    const near = this.#near
    const { address, port } = this.#to
    if (this.#settled || near.gone) return
    if (this.#attempt > streams.connectRetries) {
      trace.packet("tcp.timeout", host.name, near.localAddress, near.localPort, undefined, address, port, -1, 0)
      return this.finish(failure("ETIMEDOUT", this.#where))
    }
    const wait = streams.connectRetry * 2 ** this.#attempt++
    this.#timer = engine.schedule(engine.now() + wait, () => this.request())
    const path = near.path()
    trace.stats.connects++
    trace.packet(
      "tcp.connect",
      host.name,
      near.localAddress,
      near.localPort,
      typeof path === "string" ? undefined : path.to.name,
      address,
      port,
      -1,
      0,
      typeof path === "string" ? path : this.#attempt > 1 ? `again ${this.#attempt - 1}` : undefined
    )
    if (typeof path === "string" || this.#chance.chance(path.link.loss)) return
    engine.schedule(world.quantise(engine.now() + path.link.latency(this.#chance)), () => this.#requested())
  }

  /** A request has come to the other host. */
  #requested(): void {
    const { host, world } = this.#process
    const near = this.#near
    const { address, port } = this.#to
    const path = near.path(true)
    if (typeof path === "string") return
    const server = path.to
    const listening = listenersOf(server).get(port) ?? []
    const listener = listening.find((l) => l.localAddress === address) ??
      listening.find((l) => l.localAddress === Address.any)
    const back = (then: () => void) => {
      if (this.#chance.chance(path.link.loss)) return
      world.engine.schedule(world.quantise(world.engine.now() + path.link.latency(this.#chance)), () => {
        const way = world.path(server, address, near.localAddress, true)
        if (typeof way !== "string" && way.to === host) then()
      })
    }
    if (listener === undefined) return back(() => this.#refused(server))
    const far = listener.request(`${near.localAddress}:${near.localPort}`, () => {
      const remote = { address: near.localAddress, port: near.localPort }
      const made = new StreamEndpoint(listener.process, address, port, remote, this.#chance.fork("far"))
      made.peer = near
      return made
    })
    if (far === undefined) return world.trace.dropped("backlog-full")
    back(() => this.#accepted(far))
  }

  #refused(server: HostState): void {
    const { host, world: { trace } } = this.#process
    const near = this.#near
    const { address, port } = this.#to
    if (this.#settled) return
    trace.stats.refused++
    trace.packet("tcp.refuse", server.name, address, port, host.name, near.localAddress, near.localPort, -1, 0)
    this.finish(failure("ECONNREFUSED", this.#where))
  }

  #accepted(far: StreamEndpoint): void {
    const near = this.#near
    if (near.peer !== undefined || far.gone) return
    if (this.#settled || near.gone) return far.reset()
    near.peer = far
    near.onGone = undefined
    this.#process.world.trace.stats.connections++
    near.record("tcp.open", -1, 0)
    near.out.open()
    this.finish(near)
  }
}

/** Connects; `done` is called once, unless cancelled. */
export const connect = (
  process: ProcessState,
  address: number,
  port: number,
  done: (result: Dialled) => void
): () => void => {
  const { host, world } = process
  const where = `connect to ${Address.format(address)}:${port}`
  const route = world.route(host, address, undefined)
  const failed = (code: string, text: string) => {
    let cancelled = false
    process.whenThawed(() => {
      if (!cancelled) done(failure(code, text))
    })
    return () => {
      cancelled = true
    }
  }
  if (route === undefined && (Address.isLoopback(address) || !host.interfaces.some((i) => i.up))) {
    return failed("ENETUNREACH", `${where}: ${host.name} has no interface that is up for it`)
  }
  if (route?.broadcast || port < 1 || port > 65_535) return failed("EACCES", where)
  // An address of no LAN of this host: the request leaves for nowhere, as through a gateway that drops it.
  const source = route?.source ?? host.interfaces.find((i) => i.up)!.address
  const local = host.ephemeral((p) => listenersOf(host).has(p) || [...streamsOf(host)].some((s) => s.localPort === p))
  if (local === undefined) return failed("EADDRNOTAVAIL", `${where}: no free port`)
  const chance = world.prng.fork(
    `tcp/${host.name}:${local}>${Address.format(address)}:${port}/${world.nextConnection()}`
  )
  const near = new StreamEndpoint(process, source, local, { address, port }, chance)
  const dial = new Dial(process, near, { address, port }, chance, where, done)
  if (process.alive) dial.request()
  else dial.finish(failure("ENETDOWN", where))
  return () => dial.cancel()
}
