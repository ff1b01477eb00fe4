/** One end of a simulated connection, between its program and the network. */
import * as Address from "./address.ts"
import { failure, Pipe, type Segment, type Side } from "./pipe.ts"
import type { Prng } from "./prng.ts"
import type { Held, ProcessState } from "./process.ts"
import { type HostState, ofHost, type Path, type World } from "./world.ts"

/** Why a connection ended, before it is an error of Effect's. */
export type End =
  | { readonly _tag: "Finished" }
  | { readonly _tag: "Closed" }
  | { readonly _tag: "Failed"; readonly cause: Error }

const empty: Uint8Array = new Uint8Array(0)

/** The ends of connections that a host has. */
export const streamsOf = ofHost(() => new Set<StreamEndpoint>())

/** One end of a connection. */
export class StreamEndpoint implements Held, Side {
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
    streamsOf(this.host).add(this)
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

  path(inFlight = false): Path | string {
    return this.world.path(this.host, this.localAddress, this.remote.address, inFlight)
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
      const back = this.world.path(path.to, sender.remote.address, sender.localAddress, true)
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
    this.process.whenThawed(() => this.out.failWriters(() => cause))
    this.#wake()
  }

  #release(): void {
    this.gone = true
    streamsOf(this.host).delete(this)
    this.out.stop()
    const { onGone } = this
    this.onGone = undefined
    onGone?.()
  }

  /** Both sides have ended in order, so the system forgets it. */
  #retire(): void {
    if (this.#closed && this.#end !== undefined && this.peer !== undefined) streamsOf(this.host).delete(this)
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
    // Nothing to end in order where nothing was established.
    if (this.peer === undefined) return this.abort()
    this.#closed = true
    this.process.held.delete(this)
    if (this.gone) return
    this.record("tcp.close", -1, 0)
    this.out.failWriters(() => new Error("socket closed"))
    // What nobody will read makes room: the other side sends on, and is reset.
    if (this.#receivedBytes > 0) this.peer.out.pulled(this.#receivedBytes)
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
    this.out.forgetPending(() => new Error("socket closed"))
    this.close()
  }

  kill(): void {
    const unread = this.#receivedBytes > 0
    this.out.forgetPending(() => failure("ECONNABORTED", "the process is dead"))
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
        const now = this.path(true)
        if (typeof now !== "string" && now.to === peer.host && !peer.gone) peer.reset()
      })
    }
    this.fail(failure("ECONNABORTED", "aborted here"))
  }

  vanish(): void {
    this.#forget("ENETDOWN", `${this.host.name} has lost power`)
  }

  /** An accepted handshake that was never completed. */
  expire(): void {
    this.#forget("ETIMEDOUT", `${this.remoteText} did not complete the handshake`)
  }

  #forget(code: string, message: string): void {
    this.#closed = true
    this.process.held.delete(this)
    this.fail(failure(code, message))
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
