/** How connections come to be: listening, the backlog, and the three-way handshake with its repetitions. */
import * as Address from "./address.ts"
import type { Timer } from "./engine.ts"
import { failure } from "./pipe.ts"
import type { Held, ProcessState } from "./process.ts"
import { StreamEndpoint, streamsOf } from "./streams.ts"
import { ofHost } from "./world.ts"

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
   * never completed makes room after a minute.
   */
  request(key: string, make: () => StreamEndpoint): StreamEndpoint | undefined {
    const known = this.#halfOpen.get(key)
    if (known !== undefined) return known
    if (this.#halfOpen.size + this.#queue.length >= this.process.world.streams.backlog) return undefined
    const endpoint = make()
    const { engine } = this.process.world
    this.#halfOpen.set(key, endpoint)
    const expiry = engine.schedule(engine.now() + handshakeLimit, () => endpoint.expire())
    endpoint.onGone = () => {
      engine.cancel(expiry)
      this.#halfOpen.delete(key)
      const index = this.#queue.indexOf(endpoint)
      if (index >= 0) this.#queue.splice(index, 1)
    }
    endpoint.onOpen = () => {
      engine.cancel(expiry)
      this.#halfOpen.delete(key)
      if (this.#open) this.#offer(endpoint)
    }
    return endpoint
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

/** Connects; `done` is called once, unless cancelled. */
export const connect = (
  process: ProcessState,
  address: number,
  port: number,
  done: (result: Dialled) => void
): () => void => {
  const { host, world } = process
  const { engine, streams, trace } = world
  const where = `connect to ${Address.format(address)}:${port}`
  const route = world.route(host, address, undefined)
  let cancelled = false
  let told = false
  const settle = (result: Dialled) =>
    process.whenThawed(() => {
      if (cancelled) return
      told = true
      done(result)
    })
  const cancelNothing = () => {}
  if (route === undefined && !host.interfaces.some((i) => i.up)) {
    settle(failure("ENETUNREACH", `${where}: ${host.name} has no interface that is up`))
    return cancelNothing
  }
  if (route?.broadcast || port < 1 || port > 65_535) {
    settle(failure("EACCES", where))
    return cancelNothing
  }
  // An address of no LAN of this host: the request leaves for nowhere, as through a gateway that drops it.
  const source = route?.source ?? host.interfaces.find((i) => i.up)!.address
  const local = host.ephemeral((p) => listenersOf(host).has(p) || [...streamsOf(host)].some((s) => s.localPort === p))
  if (local === undefined) {
    settle(failure("EADDRNOTAVAIL", `${where}: no free port`))
    return cancelNothing
  }
  const chance = world.prng.fork(
    `tcp/${host.name}:${local}>${Address.format(address)}:${port}/${world.nextConnection()}`
  )
  const near = new StreamEndpoint(process, source, local, { address, port }, chance)
  process.held.add(near)
  const key = `${source}:${local}`
  let timer: Timer | undefined
  let settled = false
  const finish = (result: Dialled) => {
    if (settled) return
    settled = true
    if (timer !== undefined) engine.cancel(timer)
    if (result !== near) {
      process.held.delete(near)
      if (!near.gone) near.fail(result as Error)
    }
    settle(result)
  }
  // Should its process die, its waiting dial ends.
  near.onGone = () => finish(near.failed ?? failure("ECONNABORTED", where))

  let attempt = 0
  const request = () => {
    if (settled || near.gone) return
    if (attempt > streams.connectRetries) {
      trace.packet("tcp.timeout", host.name, source, local, undefined, address, port, -1, 0)
      return finish(failure("ETIMEDOUT", where))
    }
    const wait = streams.connectRetry * 2 ** attempt++
    timer = engine.schedule(engine.now() + wait, request)
    const path = near.path()
    trace.packet(
      "tcp.connect",
      host.name,
      source,
      local,
      typeof path === "string" ? undefined : path.to.name,
      address,
      port,
      -1,
      0,
      typeof path === "string" ? path : attempt > 1 ? `again ${attempt - 1}` : undefined
    )
    if (typeof path === "string" || chance.chance(path.link.loss)) return
    engine.schedule(world.quantise(engine.now() + path.link.latency(chance)), requested)
  }

  const requested = () => {
    const path = near.path(true)
    if (typeof path === "string") return
    const server = path.to
    const listener = (listenersOf(server).get(port) ?? []).find((l) => l.localAddress === address) ??
      (listenersOf(server).get(port) ?? []).find((l) => l.localAddress === Address.any)
    const back = (then: () => void) => {
      if (chance.chance(path.link.loss)) return
      engine.schedule(world.quantise(engine.now() + path.link.latency(chance)), () => {
        const way = world.path(server, address, source, true)
        if (typeof way !== "string" && way.to === host) then()
      })
    }
    if (listener === undefined) {
      return back(() => {
        if (settled) return
        trace.stats.refused++
        trace.packet("tcp.refuse", server.name, address, port, host.name, source, local, -1, 0)
        finish(failure("ECONNREFUSED", where))
      })
    }
    const far = listener.request(key, () => {
      const made = new StreamEndpoint(
        listener.process,
        address,
        port,
        { address: source, port: local },
        chance.fork("far")
      )
      made.peer = near
      return made
    })
    if (far === undefined) return trace.dropped("backlog-full")
    back(() => {
      if (near.peer !== undefined || far.gone) return
      if (settled || near.gone) return far.reset()
      near.peer = far
      near.onGone = undefined
      trace.stats.connections++
      near.record("tcp.open", -1, 0)
      near.out.open()
      finish(near)
    })
  }

  if (process.alive) request()
  else finish(failure("ENETDOWN", where))
  return () => {
    cancelled = true
    if (settled) {
      // It stood before its process, which was frozen, could be told.
      if (!told) near.close()
      return
    }
    settled = true
    if (timer !== undefined) engine.cancel(timer)
    process.held.delete(near)
    near.onGone = undefined
    if (!near.gone) near.fail(failure("ECANCELED", where))
  }
}
