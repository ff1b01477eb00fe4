/**
 * Connections that are closed, and of which the peer has not taken all yet.
 *
 * Node gives up one that makes no progress, and takes for progress what it reads, too: a byte now and then from a peer that takes nothing kept
 * all that waited for it, of as many connections as it liked, for hours. So each has an end, and all of them a bound: the oldest is cut for a new one.
 */

/** What is needed of a socket of Node. */
export interface Closing {
  /** Bytes that the peer is to take still. */
  readonly writableLength: number
  destroy(): unknown
  once(event: "close", listener: () => void): unknown
}

/** How much of it there may be. */
export interface Most {
  readonly connections: number
  readonly bytes: number
  /** How long one may take, in milliseconds. */
  readonly millis: number
}

export class Lingering {
  readonly #most: Most
  readonly #connections = new Map<Closing, number>()
  #bytes = 0

  constructor(most: Most) {
    this.#most = most
  }

  /** How many there are. */
  get size(): number {
    return this.#connections.size
  }

  /** One is closed, from now on. */
  add(connection: Closing): void {
    const bytes = connection.writableLength
    // The system has it, and ends it by itself.
    if (bytes === 0 || this.#connections.has(connection)) return
    this.#connections.set(connection, bytes)
    this.#bytes += bytes
    // It keeps no process alive, which a timer would.
    const late = AbortSignal.timeout(this.#most.millis)
    const cut = () => connection.destroy()
    late.addEventListener("abort", cut)
    connection.once("close", () => {
      late.removeEventListener("abort", cut)
      this.#forget(connection)
    })
    for (const oldest of this.#connections.keys()) {
      if (this.#connections.size <= this.#most.connections && this.#bytes <= this.#most.bytes) break
      this.#forget(oldest)
      oldest.destroy()
    }
  }

  #forget(connection: Closing): void {
    this.#bytes -= this.#connections.get(connection) ?? 0
    this.#connections.delete(connection)
  }
}
