/**
 * The memory of messages on their way to the server. What it has taken is used again: a new buffer for each has the collector of garbage go
 * through everything every few dozen megabytes.
 */
import type { Bus } from "./bus.ts"

// Smaller messages are copied in less time than is looked after here.
const least = 4_096
const most = 64

interface Sent {
  readonly page: Uint8Array
  /** What had been sent, with it. */
  readonly at: number
}

export class Pages {
  readonly #bus: Bus
  readonly #length: number
  readonly #free: Array<Uint8Array> = []
  #sent: Array<Sent> = []
  #head = 0

  constructor(bus: Bus, length: number) {
    this.#bus = bus
    this.#length = length
  }

  /** Memory of so many bytes. */
  take(length: number): Uint8Array {
    if (length < least || length > this.#length) return new Uint8Array(length)
    if (this.#free.length === 0) this.#collect()
    const page = this.#free.pop() ?? new Uint8Array(this.#length)
    return length === page.length ? page : page.subarray(0, length)
  }

  /** A message was sent just now. */
  sent(message: Uint8Array): void {
    const { buffer } = message
    if (buffer.byteLength !== this.#length || message.length < least) return
    if (this.#sent.length - this.#head >= most) return
    this.#sent.push({ page: new Uint8Array(buffer), at: this.#bus.sent() })
  }

  /** Nobody knows what became of those that were sent. */
  forget(): void {
    this.#sent = []
    this.#head = 0
  }

  #collect(): void {
    const taken = this.#bus.taken()
    const sent = this.#sent
    while (this.#head < sent.length && sent[this.#head]!.at <= taken) this.#free.push(sent[this.#head++]!.page)
    if (this.#head === sent.length) this.forget()
    else if (this.#head >= most) {
      this.#sent = sent.slice(this.#head)
      this.#head = 0
    }
  }
}
