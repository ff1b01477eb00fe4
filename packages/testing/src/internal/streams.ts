/**
 * TCP as a program sees it: connections with a handshake, ordered bytes under a window, half-close, resets, retransmission.
 *
 * Segments are the unit that travels, one event of the engine each. A lost one is known at once to arrive later (the wait
 * for its retransmission is added to its way), and what was sent after it waits for it. Where the way itself is cut, the
 * whole direction stalls: it tries again after 200 ms, doubling up to two minutes, and gives up after a quarter of an hour.
 */
import * as Address from "./address.ts"
import type { Timer } from "./engine.ts"
import type { Prng } from "./prng.ts"
import type { Held, ProcessState } from "./process.ts"
import type { HostState, Path, World } from "./world.ts"

const segmentSize = 65_536
// A segment that is lost more often than this counts as cut off.
const maxLosses = 15

/** Why a connection ended, before it is an error of Effect's. */
export type End =
  | { readonly _tag: "Finished" }
  | { readonly _tag: "Closed" }
  | { readonly _tag: "Failed"; readonly cause: Error }

export const failure = (code: string, message: string): Error =>
  Object.assign(new Error(`${code}: ${message}`), { code })

interface Segment {
  readonly kind: "open" | "data" | "fin"
  readonly bytes: Uint8Array
}

interface Pending {
  readonly bytes: Uint8Array
  taken: number
  done: ((error?: Error) => void) | undefined
}

const empty: Uint8Array = new Uint8Array(0)

/** One direction of a connection, from the sending end. */
class Pipe {
  readonly from: StreamEndpoint
  readonly #world: World
  /** Written, and not yet within the window. */
  #pending: Array<Pending> = []
  /** Sent, and not yet arrived. */
  #unacked: Array<Segment> = []
  /** Bytes that the other side's program has not pulled, as far as this side knows. */
  #outstanding = 0
  /** Bytes pulled that this side does not know of yet. */
  #freed = 0
  #credit: Timer | undefined
  #lastArrival = 0
  /** What was in flight when the way turned out to be cut does not count any more. */
  #epoch = 0
  #retry: Timer | undefined
  #retries = 0
  #stalledSince: number | undefined
  #finishing = false
  #finSent = false
  #dead = false

  constructor(from: StreamEndpoint) {
    this.from = from
    this.#world = from.process.world
  }

  get finishing(): boolean {
    return this.#finishing
  }

  /** `true` when all of it is on its way; else `done` is called later. */
  write(bytes: Uint8Array, done: (error?: Error) => void): boolean {
    if (bytes.length === 0) return true
    const entry: Pending = { bytes, taken: 0, done: undefined }
    this.#pending.push(entry)
    this.#push()
    if (entry.taken === bytes.length) return true
    entry.done = done
    if (this.#freed > 0) this.#scheduleCredit()
    return false
  }

  open(): void {
    this.#send({ kind: "open", bytes: empty })
  }

  /** Half-close: what was written still goes out. */
  finish(): void {
    if (this.#finishing) return
    this.#finishing = true
    this.#push()
  }

  /** Bytes beyond the window are in the program's memory and die with it. */
  forgetPending(error: Error): void {
    this.failWriters(error)
    this.#pending = []
  }

  failWriters(error: Error): void {
    for (const entry of this.#pending) {
      const { done } = entry
      entry.done = undefined
      done?.(error)
    }
  }

  stop(): void {
    this.#dead = true
    this.#pending = []
    for (const timer of [this.#retry, this.#credit]) if (timer) this.#world.engine.cancel(timer)
    this.#retry = this.#credit = undefined
  }

  /** The other side's program has pulled bytes; this side learns of it one way later, if it waits for that. */
  pulled(bytes: number): void {
    this.#freed += bytes
    if (this.#pending.length > 0) this.#scheduleCredit()
  }

  #scheduleCredit(): void {
    if (this.#credit !== undefined || this.#dead) return
    const { from } = this
    const back = from.peer!.path()
    // Like everything else, word of free space gets through only where there is a way.
    const wait = typeof back === "string" ? this.#world.streams.retry : back.link.latency(from.chance)
    const time = this.#world.quantise(this.#world.engine.now() + wait)
    this.#credit = this.#world.engine.schedule(time, () => {
      this.#credit = undefined
      if (typeof from.peer!.path() === "string") return this.#scheduleCredit()
      this.#outstanding -= this.#freed
      this.#freed = 0
      this.#push()
    })
  }

  #push(): void {
    const { window } = this.#world.streams
    while (this.#pending.length > 0 && this.#outstanding < window) {
      const entry = this.#pending[0]!
      const size = Math.min(entry.bytes.length - entry.taken, window - this.#outstanding, segmentSize)
      const bytes = entry.bytes.subarray(entry.taken, entry.taken + size)
      entry.taken += size
      if (entry.taken === entry.bytes.length) this.#pending.shift()
      for (const each of this.from.inspect(bytes)) {
        this.#outstanding += each.length
        this.#send({ kind: "data", bytes: each })
      }
      if (entry.taken === entry.bytes.length) {
        const { done } = entry
        entry.done = undefined
        done?.()
      }
    }
    if (this.#finishing && !this.#finSent && this.#pending.length === 0 && !this.#dead) {
      this.#finSent = true
      this.#send({ kind: "fin", bytes: empty })
    }
  }

  #send(segment: Segment): void {
    if (this.#dead) return
    this.#unacked.push(segment)
    if (this.#retry === undefined) this.#transmit(segment)
  }

  #transmit(segment: Segment): void {
    const { from } = this
    const { engine, streams, trace } = this.#world
    const path = from.path()
    if (typeof path === "string") return this.#stall(path)
    let delay = 0
    for (let losses = 0; from.chance.chance(path.link.loss); losses++) {
      if (losses === maxLosses) return this.#stall("lost")
      delay += Math.min(streams.retry * 2 ** losses, streams.retryMax)
      trace.stats.retransmitted++
    }
    const departure = this.#world.depart(path.via, path.link, segment.bytes.length, false)!
    const arrival = this.#world.quantise(departure + path.link.latency(from.chance) + delay)
    this.#lastArrival = Math.max(this.#lastArrival, arrival)
    const epoch = this.#epoch
    engine.schedule(this.#lastArrival, () => {
      if (epoch === this.#epoch) this.#arrive(segment)
    })
  }

  #arrive(segment: Segment): void {
    const { from } = this
    const to = from.peer!
    const path = from.path()
    if (typeof path === "string") return this.#stall(path)
    this.#unacked.shift()
    this.#retries = 0
    this.#stalledSince = undefined
    // The address may have passed to another host, or the connection died with its host.
    if (path.to !== to.host || to.gone) return to.refuse(from, path)
    to.receive(segment, path)
  }

  #stall(reason: string): void {
    this.#epoch++
    if (this.#dead || this.#retry !== undefined) return
    const { engine, streams, trace } = this.#world
    this.#stalledSince ??= engine.now()
    if (engine.now() - this.#stalledSince >= streams.giveUp) {
      return this.from.fail(failure("ETIMEDOUT", `no answer from ${this.from.remoteText}`))
    }
    if (this.#retries === 0) trace.verb("tcp.stall", this.from.text, reason)
    const wait = Math.min(streams.retry * 2 ** this.#retries++, streams.retryMax)
    this.#retry = engine.schedule(engine.now() + wait, () => {
      this.#retry = undefined
      this.#lastArrival = engine.now()
      trace.stats.retransmitted += this.#unacked.length
      const epoch = this.#epoch
      for (const segment of this.#unacked.slice()) {
        this.#transmit(segment)
        if (this.#epoch !== epoch) return
      }
    })
  }
}

/** One end of a connection. */
export class StreamEndpoint implements Held {
  readonly kind = "stream"
  readonly process: ProcessState
  readonly host: HostState
  readonly localAddress: number
  readonly localPort: number
  readonly remote: { readonly address: number; readonly port: number }
  readonly chance: Prng
  readonly #chunks: Prng
  peer: StreamEndpoint | undefined
  /** The system knows nothing of it any more and answers with a reset. */
  gone = false
  /** Called once when this end is established (dialling) or acknowledged (accepting). */
  onOpen: (() => void) | undefined
  /** An accepted connection's place in its listener. */
  onGone: (() => void) | undefined
  readonly out: Pipe
  /** The program has closed it, so further bytes are answered with a reset. */
  #closed = false
  #received: Array<Uint8Array> = []
  #receivedBytes = 0
  #end: End | undefined
  #waiters: Array<() => void> = []

  constructor(
    process: ProcessState,
    localAddress: number,
    localPort: number,
    remote: { readonly address: number; readonly port: number },
    chance: Prng
  ) {
    this.process = process
    this.host = process.host
    this.localAddress = localAddress
    this.localPort = localPort
    this.remote = remote
    this.chance = chance
    this.#chunks = chance.fork("chunks")
    this.out = new Pipe(this)
    this.host.streams.add(this)
  }

  get world(): World {
    return this.process.world
  }

  get text(): string {
    return `${this.host.name} ${Address.format(this.localAddress)}:${this.localPort}`
  }

  get remoteText(): string {
    return `${Address.format(this.remote.address)}:${this.remote.port}`
  }

  path(): Path | string {
    return this.world.path(this.host, this.localAddress, this.remote.address)
  }

  record(kind: string, bytes: number, hash: number, detail?: string): void {
    this.world.trace.packet(
      kind,
      this.host.name,
      this.localAddress,
      this.localPort,
      this.peer?.host.name,
      this.remote.address,
      this.remote.port,
      bytes,
      hash,
      detail
    )
  }

  inspect(bytes: Uint8Array): ReadonlyArray<Uint8Array> {
    const seen = this.world.inspect(
      "tcp",
      this.host,
      this.localAddress,
      this.localPort,
      this.remote.address,
      this.remote.port,
      bytes
    ) ?? [bytes]
    for (const each of seen) this.record("tcp.data", each.length, this.world.trace.hash(each))
    return seen
  }

  // --- the network's side

  receive(segment: Segment, path: Path): void {
    switch (segment.kind) {
      case "open": {
        const { onOpen } = this
        this.onOpen = undefined
        return onOpen?.()
      }
      case "data": {
        if (this.#closed) return this.refuse(this.peer!, path)
        this.world.trace.stats.streamBytes += segment.bytes.length
        this.#received.push(segment.bytes)
        this.#receivedBytes += segment.bytes.length
        return this.#wake()
      }
      case "fin": {
        this.peer!.record("tcp.fin", -1, 0)
        this.#end ??= { _tag: "Finished" }
        this.#wake()
        return this.#retire()
      }
    }
  }

  /** Answers with a reset, which takes its time and may not get through. */
  refuse(sender: StreamEndpoint, path: Path): void {
    const { engine } = this.world
    if (sender.chance.chance(path.link.loss)) return
    engine.schedule(this.world.quantise(engine.now() + path.link.latency(sender.chance)), () => {
      const back = this.world.path(path.to, sender.remote.address, sender.localAddress)
      if (typeof back !== "string" && back.to === sender.host && !sender.gone) sender.reset()
    })
  }

  reset(): void {
    this.world.trace.stats.resets++
    ;(this.peer ?? this).record("tcp.reset", -1, 0)
    this.fail(failure("ECONNRESET", `${this.remoteText} reset the connection`))
  }

  /** Ends both directions at once; what has arrived and was not pulled is lost, as it is with Node. */
  fail(cause: Error): void {
    if (this.gone) return
    this.#received = []
    this.#receivedBytes = 0
    this.#end = { _tag: "Failed", cause }
    this.#release()
    this.process.whenThawed(() => this.out.failWriters(cause))
    this.#wake()
  }

  #release(): void {
    this.gone = true
    this.host.streams.delete(this)
    this.out.stop()
    const { onGone } = this
    this.onGone = undefined
    onGone?.()
  }

  /** Both sides have ended in order, so the system forgets it. */
  #retire(): void {
    if (this.#closed && this.#end !== undefined && this.peer !== undefined) this.host.streams.delete(this)
  }

  #wake(): void {
    if (this.#waiters.length === 0) return
    const waiters = this.#waiters
    this.#waiters = []
    for (const waiter of waiters) this.process.whenThawed(waiter)
  }

  // --- the program's side

  get end(): End | undefined {
    return this.#receivedBytes > 0 ? undefined : this.#end
  }

  get failed(): Error | undefined {
    return this.#end?._tag === "Failed" ? this.#end.cause : undefined
  }

  get closed(): boolean {
    return this.#closed
  }

  /** What has arrived, cut as the options say; `undefined` when nothing has. */
  take(): ReadonlyArray<Uint8Array> | undefined {
    if (this.#receivedBytes === 0 || this.process.frozen) return undefined
    const { chunking } = this.world.streams
    let all = this.#received.length === 1 ? this.#received[0]! : concat(this.#received, this.#receivedBytes)
    let rest: Uint8Array = empty
    let pieces: Array<Uint8Array>
    if (chunking === "bytes") pieces = Array.from(all, (_, i) => all.subarray(i, i + 1))
    else if (chunking === "joined") pieces = [all]
    else {
      const dice = this.#chunks.double()
      if (dice < 0.25 && all.length > 1) {
        // Not all of it yet.
        const cut = 1 + this.#chunks.below(all.length - 1)
        rest = all.subarray(cut)
        all = all.subarray(0, cut)
      }
      pieces = [all]
      if (dice < 0.5 && all.length > 1) {
        const cut = 1 + this.#chunks.below(all.length - 1)
        pieces = [all.subarray(0, cut), all.subarray(cut)]
      }
    }
    this.#received = rest.length > 0 ? [rest] : []
    this.#receivedBytes = rest.length
    this.peer!.out.pulled(all.length)
    return pieces
  }

  /** Called once when there may be something to take. */
  wait(waiter: () => void): () => void {
    this.#waiters.push(waiter)
    return () => {
      this.#waiters = this.#waiters.filter((other) => other !== waiter)
    }
  }

  /** The reader's scope has closed, or the system closes it for a dead process. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.process.held.delete(this)
    if (this.gone) return
    this.record("tcp.close", -1, 0)
    this.out.failWriters(new Error("socket closed"))
    this.#received = []
    this.#receivedBytes = 0
    this.#end ??= { _tag: "Closed" }
    this.#wake()
    this.out.finish()
    this.#retire()
  }

  /** Ends it here, as `CloseEvent` asks for: what was sent still arrives, then the end. */
  destroy(cause: Error | undefined): void {
    if (this.gone || this.#closed) return
    this.#end = cause === undefined ? { _tag: "Finished" } : { _tag: "Failed", cause }
    this.out.forgetPending(new Error("socket closed"))
    this.close()
  }

  kill(): void {
    const unread = this.#receivedBytes > 0
    this.out.forgetPending(failure("ECONNABORTED", "the process is dead"))
    if (!unread || this.gone) return this.close()
    // Closing with bytes unread is a reset.
    this.abort()
  }

  /** Ends it here and tells the other side by a reset. */
  abort(): void {
    if (this.gone) return
    this.#closed = true
    this.process.held.delete(this)
    const path = this.path()
    if (typeof path !== "string" && this.peer !== undefined) {
      const { peer } = this
      const { engine } = this.world
      engine.schedule(this.world.quantise(engine.now() + path.link.latency(this.chance)), () => {
        const now = this.world.path(this.host, this.localAddress, this.remote.address)
        if (typeof now !== "string" && now.to === peer.host && !peer.gone) peer.reset()
      })
    }
    this.fail(failure("ECONNABORTED", "aborted here"))
  }

  vanish(): void {
    this.#closed = true
    this.process.held.delete(this)
    this.fail(failure("ENETDOWN", `${this.host.name} has lost power`))
  }
}

const concat = (chunks: ReadonlyArray<Uint8Array>, length: number): Uint8Array => {
  const all = new Uint8Array(length)
  let offset = 0
  for (const chunk of chunks) {
    all.set(chunk, offset)
    offset += chunk.length
  }
  return all
}

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
    const { listeners } = process.host
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

  /** A connection request; `undefined` when it is ignored. The same request again gives the same end. */
  request(key: string, make: () => StreamEndpoint): StreamEndpoint | undefined {
    const known = this.#halfOpen.get(key)
    if (known !== undefined) return known
    if (this.#halfOpen.size + this.#queue.length >= this.process.world.streams.backlog) return undefined
    const endpoint = make()
    this.#halfOpen.set(key, endpoint)
    endpoint.onGone = () => {
      this.#halfOpen.delete(key)
      const index = this.#queue.indexOf(endpoint)
      if (index >= 0) this.#queue.splice(index, 1)
    }
    endpoint.onOpen = () => {
      this.#halfOpen.delete(key)
      if (this.#open) this.#offer(endpoint)
    }
    return endpoint
  }

  close(): void {
    if (!this.#open) return
    this.#open = false
    this.process.held.delete(this)
    const { listeners } = this.process.host
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
  const settle = (result: Dialled) => process.whenThawed(() => done(result))
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
  const local = host.ephemeral((p) => host.listeners.has(p) || [...host.streams].some((s) => s.localPort === p))
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
    const path = near.path()
    if (typeof path === "string") return
    const server = path.to
    const listener = (server.listeners.get(port) ?? []).find((l) => l.localAddress === address) ??
      (server.listeners.get(port) ?? []).find((l) => l.localAddress === Address.any)
    const back = (then: () => void) => {
      if (chance.chance(path.link.loss)) return
      engine.schedule(world.quantise(engine.now() + path.link.latency(chance)), () => {
        const way = world.path(server, address, source)
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
    if (settled) return
    settled = true
    if (timer !== undefined) engine.cancel(timer)
    process.held.delete(near)
    near.onGone = undefined
    if (!near.gone) near.fail(failure("ECANCELED", where))
  }
}
